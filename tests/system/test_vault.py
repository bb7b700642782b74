"""What the store decides, through the installed command, on the real server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.kit import mails
from tests.kit.program import Program
from tests.kit.reverse import ReverseProxy, page
from tests.kit.scripted import HttpReply
from tests.kit.servers import Dovecot, OpenBao, free_port, until

NOW = datetime.now(UTC).replace(microsecond=0)
FIRST = mails.token(1)
SECOND = mails.token(2)
OTHER = "etl@acme.example"


@pytest.fixture
def path(org: str) -> str:
    """Where the user's tokens belong."""
    return f"salesforce/{org}/{mails.USERNAME}"


def send(dovecot: Dovecot, user: str, token: str, age: int, username: str = mails.USERNAME) -> None:
    """A reset, so many minutes ago."""
    issued_at = NOW - timedelta(minutes=age)
    dovecot.deliver(mails.genuine(username, token, issued_at=issued_at), user)


def test_a_secret_that_expired_takes_the_next_token(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, path: str
) -> None:
    """By a setting that was changed since; the record says on what it was decided."""
    openbao.settings(path, delete_version_after="1s")
    send(dovecot, user, FIRST, 5)
    assert tool("scan").code == 0
    openbao.settings(path, delete_version_after="0s")
    until(lambda: openbao.get(path) is None, "the version to expire")
    send(dovecot, user, SECOND, 1)
    assert tool("scan").code == 0
    record = tool.journal[-1]
    assert (record["event"], record["version"], record["saw"]) == (
        "rotation.stored",
        2,
        "version 1 ended 1 s after it was written, to the nanosecond: taken for expired",
    )


def test_a_secret_that_a_person_deleted_is_held_until_the_operator_wants_it_written(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, path: str
) -> None:
    """`vault.on_deleted`: `hold` by default; with `write` the next look stores it."""
    openbao.put(path, {"password": "gone"})
    openbao.delete(path)
    send(dovecot, user, FIRST, 1)
    tool("scan")
    assert (tool.outcomes[-1], tool.journal[-1]["saw"]) == (
        ("held", "secret-deleted"),
        "version 1 was deleted",
    )
    tool.configure(mount="mount: secret\non_deleted: write")
    assert tool("scan", "--again").code == 0
    record = tool.journal[-1]
    assert (record["event"], record["version"], record["saw"]) == (
        "rotation.stored",
        2,
        "version 1 was deleted; vault.on_deleted is write",
    )
    assert (openbao.get(path) or {})["security_token"] == FIRST


def test_a_mount_written_with_more_than_its_name_is_told_with_what_to_do(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """Nothing is stored anywhere, the mail waits, and is stored once the name is right."""
    send(dovecot, user, FIRST, 1)
    tool.configure(mount="mount: secret/data")
    done = tool("scan")
    assert done.code == 1
    assert "vault-mount-path: vault.mount: got secret/data, but the mount there is secret" in (
        done.out
    )
    assert "write vault.mount as `bao secrets list` shows it" in done.out + done.err
    assert openbao.paths(f"data/salesforce/{org}/") == openbao.paths(f"salesforce/{org}/") == []
    tool.configure()
    tool("scan", "--again")
    assert tool.outcomes == [("stored", None)]


@pytest.fixture(params=[page(500), HttpReply(drop=True)], ids=["500", "dropped"])
def failing(request: pytest.FixtureRequest, openbao: OpenBao, path: str) -> Iterator[ReverseProxy]:
    """Vault behind a proxy, failing for the one user."""
    methods = ("GET", "POST", "PATCH")
    own = {f"{method} /v1/secret/data/{path}": request.param for method in methods}
    own[f"GET /v1/sys/internal/ui/mounts/secret/{path}"] = request.param
    with ReverseProxy(openbao.url, own) as proxy:
        yield proxy


def test_a_failure_for_one_secret_keeps_no_other_token_waiting(
    tool: Program, dovecot: Dovecot, user: str, failing: ReverseProxy
) -> None:
    """In the same look the neighbour behind it is stored."""
    send(dovecot, user, FIRST, 2)
    send(dovecot, user, SECOND, 1, OTHER)
    tool.configure(address=f"address: {failing.url}")
    done = tool("scan", "--json")
    assert done.code == 1
    assert [(record["event"], record["username"]) for record in tool.journal] == [
        ("rotation.stored", OTHER)
    ]
    assert "vault-secret" in done.out


def test_the_writer_is_kept_and_a_dry_run_makes_none(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, path: str
) -> None:
    """One id for as long as the state directory lives."""
    send(dovecot, user, FIRST, 2)
    tool("scan", "--dry-run")
    assert not (tool.state / "writer").exists()
    tool("scan")
    first = (openbao.get(path) or {})["security_token_writer"]
    send(dovecot, user, SECOND, 1)
    tool("scan")
    assert (openbao.get(path) or {})["security_token_writer"] == first
    assert (tool.state / "writer").read_text("ascii") == f"{first}\n"


def test_a_token_is_stored_by_whichever_node_answers(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, path: str
) -> None:
    """The node that is away is told at the level of info, once."""
    send(dovecot, user, FIRST, 1)
    away = f"http://127.0.0.1:{free_port()}"
    tool.configure(address=f"address: [{away}, {openbao.url}]")
    done = tool("scan")
    assert (done.code, (openbao.get(path) or {})["security_token"]) == (0, FIRST)
    changes = [event for event in done.events if event["event"] == "vault.address_changed"]
    assert [
        (event["level"], event["address"], event["before"], event["code"]) for event in changes
    ] == [("info", openbao.url, away, "vault-unreachable")]


def test_where_no_node_is_one_to_ask_each_is_told_with_what_to_do(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, path: str
) -> None:
    """A node that redirects to a host that is not configured is named with it, and the mail waits;
    that host hears nothing, and the token is stored once it is configured."""
    send(dovecot, user, FIRST, 1)
    away = f"http://127.0.0.1:{free_port()}"
    leads = HttpReply(307, b"", {"Location": f"{openbao.url}/v1/x"})
    beginnings = ("GET /", "POST /", "PUT /")
    with ReverseProxy(openbao.url, dict.fromkeys(beginnings, leads)) as node:
        tool.configure(address=f"address: [{away}, {node.url}]")
        done = tool("scan")
        assert done.code == 1
        assert (
            f"vault-redirect: Vault at {away} was not reached (Connection refused); Vault at"
            f" {node.url} redirects to {openbao.url} (got 307), which is none of vault.address"
        ) in done.out
        assert "next: add that host to vault.address" in done.out
        assert openbao.get(path) is None
        tool.configure(address=f"address: [{away}, {node.url}, {openbao.url}]")
        assert tool("scan", "--again").code == 0
    assert (openbao.get(path) or {})["security_token"] == FIRST
