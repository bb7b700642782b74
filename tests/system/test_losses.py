"""What Vault has lost is told by `scan` and `status`, with its cause and the next step, on a real
server that is brought back to an older state, or loses a secret to a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kit import mails
from tests.kit.program import Program, program
from tests.kit.proxy import ReverseProxy
from tests.kit.servers import Dovecot, OpenBao, until
from token_catcher.advice import next_step
from token_catcher.model import iso, moment

NOW = datetime.now(UTC).replace(microsecond=0)
USER = mails.USERNAME
FIRST = "FAKEfirstTOKEN1notREAL2ab"
SECOND = "FAKEsecondTOKENnotREAL2ab"
OLDER = "vault-token-older"
RECORDED = f"the journal tells of version 2, with a token issued at {iso(NOW)}"


@dataclass
class Bench:
    """Two tokens of one user went to Vault: the first six hours before the second."""

    tool: Program
    dovecot: Dovecot
    openbao: OpenBao
    user: str
    path: str
    snapshot: bytes = b""
    """Of the time between the two."""

    def reset(self, token: str, issued_at: datetime) -> None:
        """A genuine mail arrives, and is stored."""
        self.dovecot.deliver(mails.genuine(USER, token, issued_at=issued_at), self.user)
        assert self.tool("scan").code == 0

    @property
    def token(self) -> str | None:
        """What Vault has."""
        return (self.openbao.get(self.path) or {}).get("security_token")

    @property
    def row(self) -> dict[str, Any]:
        """The user's row of `status`."""
        [status] = self.tool("status", "--json").lines
        row: dict[str, Any] = status["users"][0]
        return row


@pytest.fixture
def bench(tmp_path: Path, dovecot: Dovecot, own_openbao: OpenBao, user: str, org: str) -> Bench:
    """Over a server of its own, which is restored as a whole."""
    tool = program(tmp_path / "tool", dovecot, own_openbao, user, org)
    made = Bench(tool, dovecot, own_openbao, user, f"salesforce/{org}/{USER}")
    made.reset(FIRST, NOW - timedelta(hours=6))
    made.snapshot = own_openbao.snapshot()
    made.reset(SECOND, NOW)
    assert (made.tool("scan", "--json").lines, made.row["state"]) == ([], "ok")
    return made


def restored(bench: Bench) -> None:
    """From the snapshot: the token of before, with all that was noted beside it."""
    bench.openbao.restore(bench.snapshot)


def overwritten(bench: Bench) -> None:
    """A person writes a password, and drops the token."""
    bench.openbao.put(bench.path, {"password": "p"})


def purged(bench: Bench) -> None:
    """The metadata are deleted, and with them every version."""
    bench.openbao.purge(bench.path)


@pytest.mark.parametrize(
    ("lose", "code", "saw"),
    [
        (
            restored,
            OLDER,
            f"Vault has version 1, with a token issued at {iso(NOW - timedelta(hours=6))}",
        ),
        (overwritten, "vault-token-gone", "the secret has no token any more"),
        (purged, "vault-secret-gone", "there is no secret any more"),
    ],
    ids=["restored", "overwritten", "purged"],
)
def test_a_lost_token_is_told_with_its_cause_and_comes_back_by_its_mail(
    bench: Bench, lose: Callable[[Bench], None], code: str, saw: str
) -> None:
    """By each scan, dry or not, until it is there again: `scan --again` brings it back."""
    lose(bench)
    saw = f"{saw}; {RECORDED}"
    for words in ([], ["--dry-run"]):
        scan = bench.tool("scan", "--json", *words)
        lost = [line for line in scan.lines if line["outcome"] == "missing"]
        causes = [(line["reason"], line["saw"], line["next"], line["attention"]) for line in lost]
        assert (scan.code, causes) == (1, [(code, saw, next_step(code), True)])
        assert [(line["username"], line["path"]) for line in lost] == [(USER, bench.path)]
    row = bench.row
    assert (row["state"], row["cause"], row["saw"]) == ("missing", code, saw)
    assert row["next"] == next_step(code)
    told = bench.tool("status")
    assert (told.code, code in told.out) == (1, True)
    assert bench.tool("scan", "--again").code == 0
    assert (bench.token, bench.row["state"], bench.row["cause"]) == (SECOND, "ok", None)
    assert bench.tool("scan", "--json").lines == []
    assert bench.tool.journal[-1]["mended"] is True


def test_a_destroyed_version_is_told_and_left(bench: Bench) -> None:
    """It was somebody's decision: no scan fails for it, and `status` says what it was."""
    bench.openbao.destroy(bench.path, 2)
    assert bench.tool("scan", "--json").lines == []
    row = bench.row
    assert (row["state"], row["missing"], row["cause"], row["next"]) == (
        "deleted",
        False,
        "vault-secret-deleted",
        next_step("vault-secret-deleted"),
    )
    assert row["saw"] == f"the latest version was deleted or destroyed; {RECORDED}"


def test_a_state_before_the_first_token_is_told_as_well(
    tmp_path: Path, dovecot: Dovecot, own_openbao: OpenBao, user: str, org: str
) -> None:
    """What a person had put there has no known age, but was there before the token was issued."""
    tool = program(tmp_path / "tool", dovecot, own_openbao, user, org)
    bench = Bench(tool, dovecot, own_openbao, user, f"salesforce/{org}/{USER}")
    own_openbao.put(bench.path, {"password": "p", "security_token": FIRST})
    snapshot = own_openbao.snapshot()
    written = moment(own_openbao.versions(bench.path)[1]["created_time"])
    later = written + timedelta(seconds=2)  # mail is dated in whole seconds
    until(lambda: datetime.now(UTC) > later, "the clock to be past the write")
    bench.reset(SECOND, datetime.now(UTC))
    own_openbao.restore(snapshot)
    scan = tool("scan", "--json")
    assert (scan.code, [line["reason"] for line in scan.lines]) == (1, [OLDER])
    assert bench.row["cause"] == OLDER
    assert (tool("scan", "--again").code, bench.token) == (0, SECOND)


def test_a_scan_asks_for_no_token_that_it_has_stored_itself(
    tmp_path: Path, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """A large backlog costs no request more for each user; the scan after it asks for each."""
    tool = program(tmp_path / "tool", dovecot, openbao, user, org)
    names = [f"user{number}@acme.example" for number in range(3)]
    for number, username in enumerate(names):
        dovecot.deliver(mails.genuine(username, mails.token(number), issued_at=NOW), user)
    asked = []
    with ReverseProxy(openbao.port, "/vault") as proxy:
        tool.configure(address=f"address: {proxy.url}")
        for _ in range(2):
            proxy.requests.clear()
            assert tool("scan").code == 0
            asked.append([path for _, path in proxy.requests if "/metadata/" in path])
    metadata = "/vault/v1/secret/metadata/salesforce"
    assert asked == [[], [f"{metadata}/{org}/{username}" for username in names]]
