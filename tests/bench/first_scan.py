"""A first scan of a large mailbox: the program's scan beside a bare SEARCH and FETCH of the same
result.

Both find, among the mails of the look-back window, those that are from Salesforce, by the same
fields of each (`by_hand`). Each is one process from its start to its end; they take turns.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from statistics import median

from tests.bench.backlog import by_hand
from tests.kit.program import Program, program
from tests.kit.servers import Dovecot, OpenBao

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "100000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
AT_MOST = 1.3
A_COMMAND = 1000
"""Mails put there by one command."""


def main() -> None:
    """Print both and their ratio; exit code 1 where it is not reached."""
    with tempfile.TemporaryDirectory() as home, Dovecot() as dovecot, OpenBao() as openbao:
        user = filled(dovecot, "first@example.com")
        ours, theirs = [], []
        for number in range(ROUNDS):
            tool = program(Path(home, str(number)), dovecot, openbao, user, f"first{number}")
            ours.append(_scan(tool))
            theirs.append(_loop(dovecot, user))
    ratio = median(our / their for our, their in zip(ours, theirs, strict=True))
    print(
        f"first scan      {MESSAGES} messages: {median(ours):.1f} s, by hand"
        f" {median(theirs):.1f} s; ratio {ratio:.2f} (at most {AT_MOST})"
    )
    if ratio > AT_MOST:
        sys.exit(1)


def filled(dovecot: Dovecot, name: str) -> str:
    """An account with so many mails of anybody."""
    user = dovecot.user(name)
    date = format_datetime(datetime.now(UTC))
    with dovecot.session(user) as client:
        for start in range(0, MESSAGES, A_COMMAND):
            # Of many mails at once, without waiting for leave (RFC 3502, RFC 7888).
            mails = [_mail(number, date) for number in range(start, start + A_COMMAND)]
            literals = b"".join(b" {%d+}\r\n%s" % (len(mail), mail) for mail in mails)
            client.send(b"fill%d APPEND INBOX%s\r\n" % (start, literals))
            while not client.readline().startswith(b"fill%d OK" % start):
                pass
    return user


def _mail(number: int, date: str) -> bytes:
    text = (
        f"Date: {date}\r\nFrom: news{number}@example.net\r\nTo: a@example.com\r\n"
        f"Message-ID: <{number}@example.net>\r\nSubject: News {number}\r\n\r\nNothing.\r\n"
    )
    return text.encode()


def _scan(tool: Program) -> float:
    """Seconds of the program."""
    began = time.monotonic()
    done = tool("scan", "--json")
    took = time.monotonic() - began
    assert done.code == 0, done.err[-2000:]
    return took


def _loop(dovecot: Dovecot, user: str) -> float:
    """Seconds of the bare loop."""
    since = datetime.now(UTC) - timedelta(days=15)
    settings = {
        "port": dovecot.tls_port,
        "ca_file": str(dovecot.ca_file),
        "user": user,
        "password": dovecot.password,
        "since": since.strftime("%d-%b-%Y"),
        "ours": 0,
    }
    return by_hand("first-scan", settings)


if __name__ == "__main__":
    main()
