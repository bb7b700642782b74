"""pymap, the IMAP server of the demo, in memory: has IDLE, but no special use and no TLS here."""

from __future__ import annotations

import imaplib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from tests.kit.servers.process import PASSWORD, PATIENCE, USERNAME, Server, command, free_port, listens


class Pymap(Server):
    """One user, an inbox and a `Junk` folder; empty at every start."""

    host = "127.0.0.1"
    username = USERNAME
    password = PASSWORD

    def __init__(self) -> None:
        self._command = command("pymap", "pip install pymap")
        super().__init__("pymap")
        self.port = free_port()

    def start(self) -> None:
        """Returns when it answers and the folders are there."""
        where = ["--host", self.host, "--port", str(self.port), "--no-tls"]
        words = [self._command, *where, "dict", "--demo-user", USERNAME, "--demo-password", PASSWORD]
        self._spawn(words, lambda: listens(self.port), dict(os.environ))
        with self.session() as client:
            client.create("Junk")

    @contextmanager
    def session(self) -> Iterator[imaplib.IMAP4]:
        """A client of the test's own, logged in."""
        with imaplib.IMAP4(self.host, self.port, timeout=PATIENCE) as client:
            client.login(USERNAME, PASSWORD)
            yield client

    def append(self, raw: bytes, folder: str = "INBOX", *, received_at: datetime | None = None) -> None:
        """The bytes as they are, and an INTERNALDATE of the test's choice."""
        moment = imaplib.Time2Internaldate((received_at or datetime.now(UTC)).timestamp())
        with self.session() as client:
            said = client.append(folder, "", moment, raw)
            assert said[0] == "OK", said
