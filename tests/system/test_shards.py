"""Three instances share thirty mailboxes, two to each; one is killed, and nothing is lost."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.kit import mails
from tests.kit.program import Program, program
from tests.kit.servers import Dovecot, OpenBao, until
from token_catcher.daemon.shards import owners

MAILBOXES = 30
SHARDS = 3
REPLICAS = 2
WITHIN = 30.0
"""Seconds for thirty mails through two processes on a small machine."""


def test_three_shards(tmp_path: Path, openbao: OpenBao, org: str) -> None:
    """Each mailbox is watched by two; with one instance killed every reset is stored, once."""
    with Dovecot() as server, ExitStack() as running:
        tools = [_shard(tmp_path, server, openbao, org, index) for index in range(SHARDS)]
        daemons = [running.enter_context(tool.daemon(ready=False)) for tool in tools]
        for daemon in daemons:
            daemon.ready()
        for index, daemon in enumerate(daemons):
            owned = [name for name in _names() if index in owners(name, SHARDS, REPLICAS)]
            assert daemon.says("daemon.started", mailboxes=owned)
        _deliver_to_all(server, minute=1)
        first = [1] * MAILBOXES
        until(lambda: _versions(openbao, org) == first, "the first reset of each", WITHIN)
        daemons[0].end(signal.SIGKILL)
        _deliver_to_all(server, minute=2)
        second = [2] * MAILBOXES
        until(lambda: _versions(openbao, org) == second, "the second, by who is left", WITHIN)
        assert [daemon.end() for daemon in daemons[1:]] == [0, 0]
    records = [record for tool in tools for record in tool.journal]
    stored = [record for record in records if record["event"] == "rotation.stored"]
    written = [(record["path"], record["version"]) for record in stored]
    assert len(set(written)) == len(written), "no version has two records"
    assert all(_newest(openbao, org, number) == _token(number, 2) for number in range(MAILBOXES))


def _shard(home: Path, server: Dovecot, openbao: OpenBao, org: str, index: int) -> Program:
    """One instance, with all mailboxes in its configuration."""
    tool = program(
        home / f"shard-{index}",
        server,
        openbao,
        "unused@example.com",
        org,
        instance=f"shard-{index}",
    )
    tool.text += f"shard: {{index: {index}, count: {SHARDS}, replicas: {REPLICAS}}}\n"
    tool.watch({name: server.user(f"{name}@example.com") for name in _names()})
    return tool


def _names() -> list[str]:
    return [f"mailbox-{number:02}" for number in range(MAILBOXES)]


def _token(number: int, minute: int) -> str:
    return f"FAKE{number:02}x{minute}tokenNOTrealAbcd"


def _path(org: str, number: int) -> str:
    return f"salesforce/{org}/user{number:02}@acme.example"


def _deliver_to_all(server: Dovecot, minute: int) -> None:
    issued_at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30 - minute)
    for number, name in enumerate(_names()):
        folder = "Junk" if number % 3 == 0 else "INBOX"
        raw = mails.genuine(
            f"user{number:02}@acme.example", _token(number, minute), issued_at=issued_at
        )
        server.deliver(raw, f"{name}@example.com", folder)


def _versions(openbao: OpenBao, org: str) -> list[int]:
    return [max(openbao.versions(_path(org, number)), default=0) for number in range(MAILBOXES)]


def _newest(openbao: OpenBao, org: str, number: int) -> str | None:
    return (openbao.get(_path(org, number)) or {}).get("security_token")
