"""pymap, the IMAP server of the demo, in memory: has IDLE, but no special use and no TLS here."""

from __future__ import annotations

import imaplib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from tests.kit.servers.process import (
    PASSWORD,
    USERNAME,
    Server,
    command,
    free_port,
    listens,
)
from tests.kit.waiting import PATIENCE

WITHOUT_COLLECTOR = "import gc; gc.disable(); from pymap.main import main; main()"
"""Nothing but a cycle holds the task of a connection (icgood/proxy-protocol, pull request 61):
Python's garbage collector takes it away, and the connection is lost in the middle of a session."""


class Pymap(Server):
    """One user, an inbox and a `Junk` folder; empty at every start."""

    host = "127.0.0.1"
    username = USERNAME
    password = PASSWORD

    def __init__(self) -> None:
        command("pymap", "pip install pymap")
        super().__init__("pymap")
        self.port = free_port()
        self._client: imaplib.IMAP4
        """A session of our own, kept: a login costs a tenth of a second here."""

    def start(self) -> None:
        """Returns when it answers and the folders are there."""
        where = ["--host", self.host, "--port", str(self.port), "--no-tls"]
        words = [
            sys.executable,
            "-c",
            WITHOUT_COLLECTOR,
            *where,
            "dict",
            "--demo-user",
            USERNAME,
            "--demo-password",
            PASSWORD,
        ]
        self._spawn(words, lambda: listens(self.port), dict(os.environ))
        self._client = self._logged_in()
        self._client.create("Junk")

    def stop(self) -> None:
        """End it, and our session."""
        super().stop()
        with suppress(AttributeError, OSError):
            self._client.shutdown()

    @contextmanager
    def session(self) -> Iterator[imaplib.IMAP4]:
        """A client of the test's own, logged in."""
        with self._logged_in() as client:
            yield client

    def append(
        self, raw: bytes, folder: str = "INBOX", *, received_at: datetime | None = None
    ) -> None:
        """The bytes as they are, and an INTERNALDATE of the test's choice."""
        moment = imaplib.Time2Internaldate((received_at or datetime.now(UTC)).timestamp())
        answer = self._client.append(folder, "", moment, raw)
        assert answer[0] == "OK", answer

    def expunge(self, uids: str = "1:*", folder: str = "INBOX") -> None:
        """Remove mails for good; all of them by default.

        Other sessions that have the folder open do not notice."""
        self._client.select(folder)
        self._client.uid("STORE", uids, "+FLAGS.SILENT", r"(\Deleted)")
        self._client.expunge()
        self._client.close()

    def _logged_in(self) -> imaplib.IMAP4:
        client = imaplib.IMAP4(self.host, self.port, timeout=PATIENCE)
        client.login(USERNAME, PASSWORD)
        return client
