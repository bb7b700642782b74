"""A session, or a request, in a process with little memory: `python -m tests.contract.bounded`.

Prints how it ended: code and text of the error, or nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing

from tests.contract import scripted
from tests.contract.imap import PLAIN, account
from tests.kit.fakes import Silent
from token_catcher.errors import TokenCatcherError
from token_catcher.imap import ImapMailbox
from token_catcher.vault.address import Address
from token_catcher.vault.transport import Transport


def imap(port: int, use: str) -> None:
    """Log in and do what the name says."""
    function: Callable[[ImapMailbox], None] = getattr(scripted, use)
    with closing(ImapMailbox(account("127.0.0.1", port), PLAIN, Silent())) as mailbox:
        function(mailbox)


def vault(port: int, path: str) -> None:
    """Send one request."""
    with closing(Transport(Address(f"http://127.0.0.1:{port}"))) as transport:
        transport.send("get", path, {})


def main(what: str, port: str, use: str) -> None:
    """Do it, and tell how it ended."""
    work = {"imap": imap, "vault": vault}[what]
    try:
        work(int(port), use)
    except TokenCatcherError as error:
        print(error.code, error)


if __name__ == "__main__":
    main(*sys.argv[1:])
