"""Sessions with a scripted server, and how they fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.contract.imap import account, refusal, session
from tests.contract.leaks import FOREIGN
from tests.kit.fakes import Silent
from tests.kit.scripted import Reply, ScriptedImap
from token_catcher.errors import TokenCatcherError
from token_catcher.imap import ImapMailbox, Pipelining

SINCE = datetime(2026, 2, 3, 12, 0, tzinfo=UTC)
DONE = b"TAG OK done\r\n"
NO = b"TAG NO " + FOREIGN.encode() + b"\r\n"
BAD = b"TAG BAD " + FOREIGN.encode() + b"\r\n"
Script = Mapping[str, Reply | Sequence[Reply]]


def examined(uidnext: int | None, exists: int = 5) -> bytes:
    """The answer to EXAMINE."""
    answer = f"* {exists} EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n"
    if uidnext is not None:
        answer += f"* OK [UIDNEXT {uidnext}] x\r\n"
    return answer.encode() + b"TAG OK [READ-ONLY] done\r\n"


@contextmanager
def opened(
    script: Script,
    *,
    log: Silent | None = None,
    greeting: bytes = b"* OK ready\r\n",
    ca_file: str | None = None,
    pipelining: Pipelining | None = None,
    **changed: Any,
) -> Iterator[tuple[ImapMailbox, ScriptedImap]]:
    """A session with a server that answers so."""
    with (
        ScriptedImap(script, greeting=greeting) as server,
        session(
            account("127.0.0.1", server.port, **changed),
            log=log,
            ca_file=ca_file,
            pipelining=pipelining,
        ) as mailbox,
    ):
        yield mailbox, server


def nothing(_mailbox: ImapMailbox) -> None:
    """Log in, and no more."""


def list_folders(mailbox: ImapMailbox) -> None:
    """Ask for the folders."""
    mailbox.folders()


def examine(mailbox: ImapMailbox) -> None:
    """Open the inbox."""
    mailbox.examine("INBOX")


def search(mailbox: ImapMailbox) -> None:
    """Look for mail above UID 10."""
    mailbox.examine("INBOX")
    mailbox.search(10, SINCE)


def fetch(mailbox: ImapMailbox) -> None:
    """Get two mails."""
    mailbox.examine("INBOX")
    mailbox.fetch([11, 12])


def fetch_often(mailbox: ImapMailbox) -> None:
    """Get a mail, time and again."""
    mailbox.examine("INBOX")
    for _ in range(20):
        mailbox.fetch([11])


def failure(
    script: Script, use: Callable[[ImapMailbox], None] = nothing, **options: Any
) -> TokenCatcherError:
    """How logging in fails, or what `use` does with the session; no word of the server's in it."""
    with pytest.raises(TokenCatcherError) as caught, opened(script, **options) as (mailbox, _):
        use(mailbox)
    refusal(caught)
    return caught.value


def kind_and_code(error: TokenCatcherError) -> tuple[type[TokenCatcherError], str]:
    """What is done next, and the stable code."""
    return type(error), error.code
