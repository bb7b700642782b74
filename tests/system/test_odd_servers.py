"""The installed program between odd mail servers and a real Vault: every token is stored."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.kit import mails
from tests.kit.mails import token
from tests.kit.odd_imap import Account, OddImap, presets
from tests.kit.program import Program
from tests.kit.servers import OpenBao
from tests.kit.waiting import until

ROOT = Path(__file__).parents[2]
PRESETS = presets()
KINDS = (
    "zoho",
    "gnu-imap4d",
    "mox",
    "gmail-leaves-one-out",
    "other-body-key",
    "wildduck",
    "courier",
)
"""One of each kind: what is searched, fetched and numbered otherwise."""


@contextmanager
def between(tool: Program, name: str) -> Iterator[Account]:
    """The program with a mailbox on that server, in which there is other mail already."""
    with OddImap(PRESETS[name]) as server:
        tool.configure(
            host="host: 127.0.0.1",
            port=f"port: {server.port}",
            tls="tls: none",
            ca_file="ca_file: null",
            poll="poll: 1s",
        )
        sender = "Shop <news@shop.example.com>"
        server.account.deliver(mails.token_mail(sender=sender, subject="Offers", body="Buy.\n"))
        yield server.account


def reset(account: Account, number: int, folder: str = "INBOX") -> None:
    """A genuine mail for a user of its own.

    All have the same Message-ID; so none may arrive in the second of another, or a server that
    numbers them anew makes them one mail."""
    now = datetime.now(UTC).replace(microsecond=0)
    raw = mails.genuine(f"user{number}@acme.example", token(number), issued_at=now)
    account.deliver(raw, folder, received_at=now + timedelta(minutes=number))


def stored(openbao: OpenBao, org: str, number: int) -> bool:
    """Whether that token is in Vault."""
    secret = openbao.get(f"salesforce/{org}/user{number}@acme.example")
    return secret is not None and secret["security_token"] == token(number)


@pytest.mark.servers
@pytest.mark.parametrize("name", KINDS)
def test_a_scan_stores_every_token(tool: Program, openbao: OpenBao, org: str, name: str) -> None:
    """At once, or the mail is told as one to be tried again, with exit code 1."""
    with between(tool, name) as account:
        reset(account, 1)
        reset(account, 2)
        reset(account, 3, "Junk")
        waits = True
        for _ in range(4):
            done = tool("scan", "--json")
            waits = any(line["outcome"] == "retry" for line in done.lines)
            assert done.code == int(waits), done.err
    assert [number for number in (1, 2, 3) if not stored(openbao, org, number)] == []
    assert not waits


@pytest.mark.servers
@pytest.mark.parametrize("name", KINDS)
def test_a_daemon_stores_every_token(tool: Program, openbao: OpenBao, org: str, name: str) -> None:
    """What was there when it started, and what comes later."""
    with between(tool, name) as account:
        reset(account, 1)
        with tool.daemon() as daemon:
            daemon.ready()
            reset(account, 2)
            reset(account, 3, "Junk")
            for number in (1, 2, 3):
                until(partial(stored, openbao, org, number), f"token {number}")


@pytest.mark.servers
def test_a_mail_without_a_body_is_told(tool: Program, openbao: OpenBao, org: str) -> None:
    """Exit code 1 and `retry` in JSON; once its body comes, the token is stored."""
    with between(tool, "icloud-empty-body") as account:
        reset(account, 1)
        first = tool("scan", "--json")
        assert first.code == 1
        assert [(line["outcome"], line["reason"]) for line in first.lines] == [
            ("retry", "imap-no-body")
        ]
        until(lambda: tool("scan").code == 0 and stored(openbao, org, 1), "the body")


@pytest.mark.servers
def test_a_clock_ahead_does_not_hide_what_a_wait_stored(
    tool: Program, openbao: OpenBao, org: str, tmp_path: Path
) -> None:
    """By twenty minutes: the token was issued before the wait began, by our clock; exit code 0."""
    clock = tmp_path / "clock"
    clock.write_text("1200", "ascii")
    program = [sys.executable, "-m", "tests.system.surroundings", "--config", str(tool.config)]
    with between(tool, "other-body-key") as account:
        reset(account, 1)
        done = subprocess.run(
            [*program, "scan", "--wait", "9s"],
            capture_output=True,
            text=True,
            env=os.environ | {"SURROUNDINGS_CLOCK": str(clock)},
            cwd=ROOT,
            check=False,
        )
    assert stored(openbao, org, 1)
    assert done.returncode == 0, done.stderr
