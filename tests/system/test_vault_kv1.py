"""A KV engine of version 1, through the installed command, on the real server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kit import mails
from tests.kit.program import Program
from tests.kit.servers import Dovecot, OpenBao, until

NOW = datetime.now(UTC).replace(microsecond=0)
FIRST = mails.token(1)
SECOND = mails.token(2)
POLICY = Path(__file__).parents[2] / "deploy" / "vault" / "token-catcher-kv1.hcl"


@dataclass
class Mount:
    """Of version 1, and the one user's secret in it."""

    openbao: OpenBao
    name: str
    path: str

    @property
    def data(self) -> dict[str, Any]:
        """What is there; {} for nothing."""
        return self.openbao.ask("get", f"{self.name}/{self.path}").data

    def put(self, **data: str) -> None:
        """Somebody replaces all of it."""
        self.openbao.tell("put", f"{self.name}/{self.path}", data)


@pytest.fixture
def mount(tool: Program, openbao: OpenBao, org: str) -> Mount:
    """The one that the program is configured for, under the policy that is shipped for it."""
    name = openbao.mount(f"{org}-kv1", 1)
    rules = POLICY.read_text("utf-8").replace('"secret/', f'"{name}/')
    policies = ["token-catcher", openbao.policy(f"{org}-kv1", rules)]
    openbao.tell("post", f"auth/approle/role/{org}-test", {"token_policies": policies})
    tool.configure(mount=f"mount: {name}\nkv_version: 1")
    return Mount(openbao, name, f"salesforce/{org}/{mails.USERNAME}")


def reset(dovecot: Dovecot, user: str, token: str, age: int) -> None:
    """So many minutes ago."""
    issued_at = NOW - timedelta(minutes=age)
    dovecot.deliver(mails.genuine(mails.USERNAME, token, issued_at=issued_at), user)


def test_a_rotation_is_told_without_a_version(
    tool: Program, dovecot: Dovecot, user: str, mount: Mount
) -> None:
    """In the secret, the record, the history, and the results; what is lost is said once."""
    mount.put(password="kept")
    reset(dovecot, user, FIRST, 1)
    done = tool("scan", "--json")
    assert done.code == 0
    assert (mount.data["password"], mount.data["security_token"]) == ("kept", FIRST)
    record = tool.journal[-1]
    assert record["event"] == "rotation.stored"
    assert record["vault_created_at"] == mount.data["security_token_captured_at"]
    assert {"version", "request_id"} & set(record) == set()
    assert [line["version"] for line in done.lines if line.get("outcome") == "stored"] == [None]
    assert [row["version"] for row in tool("history", "--json").lines] == [None]
    assert "None" not in tool("history").out + tool("history", "--csv").out
    warnings = [event for event in done.events if event["event"] == "vault.unversioned"]
    assert [event["level"] for event in warnings] == ["warning"]


def test_a_write_whose_record_was_lost_is_recorded_once(
    tool: Program, dovecot: Dovecot, user: str, mount: Mount
) -> None:
    """As by a crash between store and journal: it is known by what the secret carries."""
    reset(dovecot, user, FIRST, 1)
    tool("scan")
    for file in tool.state.glob("journal.jsonl*"):
        file.unlink()
    for _ in range(2):
        assert tool("scan", "--again").code == 0
    (record,) = tool.journal
    assert (record["event"], record["recovered"]) == ("rotation.stored", True)
    assert record["vault_created_at"] == mount.data["security_token_captured_at"]


def test_what_a_person_dropped_is_stored_again_and_recorded(
    tool: Program, dovecot: Dovecot, user: str, mount: Mount
) -> None:
    """`kv put` of a password alone: a second write of the same mail has a record of its own."""
    reset(dovecot, user, FIRST, 1)
    tool("scan")
    mount.put(password="p")
    with tool.daemon() as daemon:
        until(lambda: len(tool.journal) == 2, "the second record")
        assert daemon.says("vault.drift", drift="missing", username=mails.USERNAME)
    assert (mount.data["password"], mount.data["security_token"]) == ("p", FIRST)
    assert [(record["event"], record.get("mended")) for record in tool.journal] == [
        ("rotation.stored", None),
        ("rotation.stored", True),
    ]


def test_a_token_of_unknown_age_is_held_with_what_to_do(
    tool: Program, dovecot: Dovecot, user: str, mount: Mount
) -> None:
    """Once it is removed, as advised, the mail's is stored."""
    mount.put(password="kept", security_token=SECOND)
    reset(dovecot, user, FIRST, 1)
    done = tool("scan")
    assert tool.outcomes == [("held", "unknown-age")]
    assert "remove its token if the mail's is newer" in done.out + done.err
    mount.put(password="kept")
    assert tool("scan", "--again").code == 0
    assert tool.outcomes[-1] == ("stored", None)


@pytest.mark.parametrize("version", [1, 2])
def test_the_other_version_is_told_with_what_to_do(
    tool: Program, dovecot: Dovecot, user: str, mount: Mount, version: int
) -> None:
    """The mail waits, and is stored once the configuration is right."""
    reset(dovecot, user, FIRST, 1)
    name = mount.name
    if version == 1:
        name = "secret"
    tool.configure(mount=f"mount: {name}\nkv_version: {version}")
    done = tool("scan")
    assert done.code == 1
    assert f"vault.mount: {name} is kv version {3 - version}, expected kv version {version}" in (
        done.out
    )
    assert "vault.kv_version" in done.out + done.err
    assert mount.data == {}
    tool.configure(mount=f"mount: {mount.name}\nkv_version: 1")
    assert tool("scan", "--again").code == 0
    assert mount.data["security_token"] == FIRST
