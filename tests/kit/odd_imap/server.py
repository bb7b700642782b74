"""The server: listens at 127.0.0.1, a session for each connection, and hands for the test."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable

from tests.kit.odd_imap.account import Account
from tests.kit.odd_imap.log import ConnectionLog, ServerLog
from tests.kit.odd_imap.memory import Memory
from tests.kit.odd_imap.quirks import Quirks
from tests.kit.odd_imap.session import Served, Session
from tests.kit.scripted import Listener
from tests.kit.waiting import PATIENCE

CORRECT = Quirks()
DEPARTURE = 5.0
"""Seconds that a new connection waits at most for the end of those whose client has gone."""


class OddImap(Listener):
    """An IMAP server in plain text, correct but for its quirks."""

    def __init__(self, quirks: Quirks = CORRECT, account: Account | None = None) -> None:
        """`account`: INBOX and Junk, empty, for any password, where none is given."""
        super().__init__()
        self.account = account or Account()
        self._memory = Memory(quirks, self.account)
        self._log = ServerLog()
        self._live: set[socket.socket] = set()
        self._served = Served(self.account, self._memory, self._log, self.ending)

    def serve(self, connection: socket.socket) -> None:
        """One session."""
        with self.account.changed:
            # A client that hung up and comes again finds its place free, however busy the machine.
            self.account.changed.wait_for(self._nobody_departs, DEPARTURE)
            log = self._log.connect()
            admitted = self._memory.admit()
            self._live.add(connection)
        try:
            if admitted:
                Session(self._served, connection, log).run()
        finally:
            with self.account.changed:
                self._live.remove(connection)
                self.account.changed.notify_all()

    def _nobody_departs(self) -> bool:
        return not any(_hung_up(connection) for connection in self._live)

    # -- what clients did --

    @property
    def connections(self) -> list[ConnectionLog]:
        """What went over each connection, in the order of connecting."""
        with self.account.lock:
            return list(self._log.connections)

    @property
    def commands(self) -> list[str]:
        """Of all connections, without tags, in the order of arrival."""
        with self.account.lock:
            return list(self._log.commands)

    @property
    def counts(self) -> Counter[str]:
        """Commands by name: `UID FETCH`, `IDLE`, …"""
        with self.account.lock:
            return Counter(self._log.counts)

    @property
    def bytes_sent(self) -> int:
        """To all clients."""
        return sum(connection.bytes_sent for connection in self.connections)

    # -- waiting for clients --

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until it holds; looked at with each command and change. AssertionError: it never does."""
        with self.account.changed:
            assert self.account.changed.wait_for(condition, PATIENCE), self._log.commands

    def wait_for_idle(self, *folders: str) -> None:
        """Until sessions wait for news of these folders (INBOX by default)."""
        expected = set(folders or ("INBOX",))
        self.wait_for(lambda: expected <= self._log.idling)

    def wait_for_answer(self, command: str, times: int = 1) -> None:
        """Until so many of these commands are answered, since the beginning."""
        self.wait_for(lambda: self._log.answered[command] >= times)

    # -- what quirks leave to the test --

    def end_sessions(self, farewell: str) -> None:
        """Every session there is ends with a BYE: at once where it idles, else before its next
        answer. New ones are taken."""
        with self.account.lock:
            self._log.farewell = farewell
            self._log.ended = len(self._log.connections)
            self.account.tell()

    def release(self) -> None:
        """Mail that is hidden (`Quirks.hidden_looks`) can be seen now."""
        with self.account.lock:
            self._memory.release()
            self.account.tell()

    def rename_junk(self, name: str) -> None:
        """The spam folder has another name from now on; whoever has it open keeps it open."""
        with self.account.lock:
            self._memory.rename_junk(name)


def _hung_up(connection: socket.socket) -> bool:
    """Whether the client has closed it; nothing is read."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
