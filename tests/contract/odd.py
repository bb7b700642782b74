"""Plain clients for tests of the odd server: imapclient as it comes, and a bare socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from imapclient import IMAPClient, SocketTimeout

from tests.kit.odd_imap import Account, OddImap, Quirks

NOON = datetime(2026, 2, 3, 12, 57, 27, tzinfo=UTC)
PATIENCE = 30.0
BODY = "BODY.PEEK[]<0.262145>"


def mail(number: int = 1, sender: str = '"Acme Support" <support@mail.example.com>') -> bytes:
    """A small mail."""
    return (
        f"From: {sender}\r\nTo: ops@example.com\r\nSubject: Number {number}\r\n"
        f"X-Folded: one\r\n two\r\n\r\nThis is {number}.\r\n"
    ).encode()


def account_with(mails: int) -> Account:
    """An account with so many mails in its INBOX."""
    account = Account(now=lambda: NOON)
    for number in range(1, mails + 1):
        account.deliver(mail(number))
    return account


def odd(mails: int = 3, **quirks: Any) -> OddImap:
    """A server with so many mails and these quirks."""
    return OddImap(Quirks(**quirks), account_with(mails))


@contextmanager
def connected(server: OddImap) -> Iterator[Any]:
    """An IMAPClient that is not logged in yet."""
    client = IMAPClient(
        "127.0.0.1", server.port, ssl=False, timeout=SocketTimeout(PATIENCE, PATIENCE)
    )
    client.normalise_times = False
    with client:  # it logs out at the end
        yield client


@contextmanager
def logged_in(server: OddImap) -> Iterator[Any]:
    """An IMAPClient that is logged in."""
    with connected(server) as client:
        client.login("someone", "password")
        yield client


@contextmanager
def opened(server: OddImap, folder: str = "INBOX", *, readonly: bool = True) -> Iterator[Any]:
    """An IMAPClient with the folder open."""
    with logged_in(server) as client:
        client.select_folder(folder, readonly=readonly)
        yield client


def uids(server: OddImap, *criteria: object) -> list[int]:
    """What a SEARCH finds; everything by default."""
    with opened(server) as client:
        return list(client.search([*(criteria or ("ALL",))]))


class Raw:
    """A client that shows every byte."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = connection.makefile("rb")

    def send(self, data: bytes) -> None:
        """As it is."""
        self._connection.sendall(data)

    def line(self) -> bytes:
        """The server's next line; nothing at the end of the connection."""
        return self._reader.readline()

    def ask(self, command: str) -> bytes:
        """The whole answer to one command, with the tagged line, whose tag is `T`."""
        self.send(b"T " + command.encode() + b"\r\n")
        answer = b""
        line = b" "
        while line and not line.startswith((b"T ", b"+ ")):
            line = self.line()
            answer += line
        return answer

    def close(self) -> None:
        """Free the socket."""
        self._reader.close()
        self._connection.close()


@contextmanager
def raw(server: OddImap, *commands: str) -> Iterator[Raw]:
    """A bare connection that has sent these commands, after the greeting."""
    client = Raw(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE))
    try:
        client.line()
        for command in commands:
            client.ask(command)
        yield client
    finally:
        client.close()


LOGGED_IN = "LOGIN someone password"
EXAMINED = (LOGGED_IN, "EXAMINE INBOX")
SELECTED = (LOGGED_IN, "SELECT INBOX")


def answer(server: OddImap, command: str, *before: str) -> bytes:
    """What one command is answered with; INBOX is open by EXAMINE unless `before` says else."""
    with raw(server, *(before or EXAMINED)) as client:
        return client.ask(command)
