"""Forty mailboxes with two folders each in one process: by counts, since a machine may be busy.

`make bench BENCH=mailboxes` measures a thousand; docs/scale.md has the figures.
"""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.kit import mails
from tests.kit.program import COMMAND, Daemon, Program, program
from tests.kit.servers import Dovecot, OpenBao, until
from token_catcher.daemon.wakeups import PACE

NAMES = [f"mailbox-{number:02}" for number in range(40)]


def test_forty_mailboxes(tmp_path: Path, openbao: OpenBao, org: str) -> None:
    """Each folder has one login, none before its turn; each reset has one version, one record."""
    with Dovecot() as server:
        tool = _tool(tmp_path, server, openbao, org)
        with tool.daemon() as daemon:
            until(lambda: len(_events(daemon, "mailbox.connected")) == 80, "every connection")
            for number in range(len(NAMES)):
                server.deliver(_reset(number), _user(number))
            until(lambda: _versions(openbao, org) == [1] * len(NAMES), "every reset")
            daemon.process.send_signal(signal.SIGUSR1)
            assert daemon.end() == 0
        logins = re.findall(r"imap-login: Info: Login: user=<([^>]+)>", server.log)
    assert Counter(logins) == {_user(number): 2 for number in range(len(NAMES))}
    _check_turns(daemon)
    assert Counter(tool.outcomes) == {("stored", None): len(NAMES)}
    assert _versions(openbao, org) == [1] * len(NAMES)


def test_too_few_open_files(tmp_path: Path, dovecot: Dovecot, openbao: OpenBao, org: str) -> None:
    """The start fails, with what it would take and what to do; nothing is logged in to."""
    tool = _tool(tmp_path, dovecot, openbao, org)
    tool.command = ("prlimit", "--nofile=379:379", COMMAND)
    done = tool("run")
    assert done.code == 1
    assert "got a limit of 379 open files, expected 380 at least, for 40 mailboxes" in done.err
    assert "TC167" in done.err


def _tool(home: Path, server: Dovecot, openbao: OpenBao, org: str) -> Program:
    tool = program(home / "tool", server, openbao, _user(0), org)
    users = {name: server.user(_user(number)) for number, name in enumerate(NAMES)}
    tool.watch(users)
    return tool


def _user(number: int) -> str:
    return f"{NAMES[number]}@example.com"


def _username(number: int) -> str:
    return f"user{number:02}@acme.example"


def _events(daemon: Daemon, name: str) -> Sequence[dict[str, Any]]:
    return [event for event in daemon.events if event["event"] == name]


def _check_turns(daemon: Daemon) -> None:
    """What is logged before the first login marks the beginning of all turns."""
    (loaded,) = _events(daemon, "trust.org_not_pinned")
    began = datetime.fromisoformat(loaded["timestamp"])
    for place, event in enumerate(_events(daemon, "mailbox.connected")):
        waited = datetime.fromisoformat(event["timestamp"]) - began
        assert waited >= timedelta(seconds=place * PACE.server_logins_apart), place


def _reset(number: int) -> bytes:
    issued_at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    return mails.genuine(_username(number), mails.token(number), issued_at=issued_at)


def _versions(openbao: OpenBao, org: str) -> list[int]:
    paths = [f"salesforce/{org}/{_username(number)}" for number in range(len(NAMES))]
    return [max(openbao.versions(path), default=0) for path in paths]
