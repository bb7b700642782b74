"""Waits for news with IDLE (RFC 2177), without the holes of imapclient's own.

That one loses what arrives together with the continuation line, since it lies in imaplib's buffer where no poll sees it; it
spins on a closed connection, and cannot be woken. Here what is buffered is read before anything is waited for, socket and
wake-up are polled together, and whatever is not understood ends the session: the sweep after the next connect is the truth.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import time
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any, Final

from imapclient import IMAPClient

from token_catcher.errors import Outage, TransientError

ANSWER_WITHIN: Final = 10.0
"""Seconds for the server to begin and to end an IDLE; silence is how a dead connection shows."""
HASTY: Final = 3
"""IDLEs in a row that the server ended by itself within a second."""
MAX_LINE: Final = 64 * 1024
_EXISTS: Final = re.compile(rb"\* (\d{1,10}) EXISTS", re.IGNORECASE)
_EXPUNGE: Final = re.compile(rb"\* \d{1,10} EXPUNGE", re.IGNORECASE)
_BYE: Final = re.compile(rb"\* BYE\b", re.IGNORECASE)


class Said(Enum):
    """What a line of the server means to somebody who idles."""

    BEGUN = auto()
    NEWS = auto()
    ENDED = auto()
    REFUSED = auto()


class Idle:
    """IDLE over one connection."""

    def __init__(self, client: IMAPClient, where: str) -> None:
        """`where`: mailbox and server, for messages."""
        self._client = client
        self._where = where
        self._exists = 0
        self._rest = b""
        self._tag = b""
        self._begun = False
        self._hasty = 0
        self.refused = False
        """Whether the server announced IDLE and then refused it; `wait` only sleeps from then on."""

    def expect(self, exists: int) -> None:
        """The number of mails after EXAMINE: more than that is news. Unasked lines from before are of no interest."""
        self._exists = exists
        self._client._imap.untagged_responses.clear()  # imaplib keeps them for ever otherwise

    def wait(self, seconds: float, wake: int) -> bool:
        """True: there is news, or the server ended the IDLE: look. False: time is over, or `wake` is readable.

        Outage: the connection is gone. TransientError: it is out of step."""
        deadline = time.monotonic() + seconds
        if self._unasked():
            return True
        news = False if self.refused else self._listen(deadline, wake)
        if self.refused and not news:
            self._over(deadline, wake, listening=False)
        return news

    def _unasked(self) -> bool:
        """News that imaplib read along with other answers. It keeps no order between EXISTS and EXPUNGE: if in doubt, news."""
        untagged = self._client._imap.untagged_responses
        counts = [int(count) for count in untagged.pop("EXISTS", ())]
        expunged = len(untagged.pop("EXPUNGE", ()))
        known = self._exists - expunged
        self._exists = max(0, counts[-1] - expunged if counts else known)
        return max(counts, default=0) > known

    def _listen(self, deadline: float, wake: int) -> bool:
        """Begin, wait, end, without ever blocking in a read."""
        imap = self._client._imap
        self._tag, self._begun = imap._command("IDLE"), False
        imap.tagged_commands.pop(self._tag, None)
        connection = self._client.socket()
        timeout = connection.gettimeout()
        connection.settimeout(0.0)
        try:
            return self._idle(connection, deadline, wake)
        finally:
            connection.settimeout(timeout)

    def _idle(self, connection: socket.socket, deadline: float, wake: int) -> bool:
        """One clock for the wait, another for each answer that is due."""
        began = time.monotonic()
        said: Said | None
        said, news = self._answer("begin")
        if said is Said.REFUSED:
            self.refused = True
            return news
        if said is Said.BEGUN and not news:
            said = self._next(deadline, wake)
            news = said is Said.NEWS
        if said in (Said.ENDED, Said.REFUSED):
            return self._ended_early(time.monotonic() - began)
        self._hasty = 0
        connection.settimeout(ANSWER_WITHIN)
        connection.sendall(b"DONE\r\n")
        connection.settimeout(0.0)
        return self._answer("end")[1] or news

    def _ended_early(self, after: float) -> bool:
        """The server ended it by itself: look. One that always does so at once has no IDLE worth the name."""
        self._hasty = self._hasty + 1 if after < 1 else 0
        self.refused = self._hasty == HASTY
        return True

    def _answer(self, step: str) -> tuple[Said, bool]:
        """What the server says to IDLE or DONE, and whether it told news before that."""
        deadline = time.monotonic() + ANSWER_WITHIN
        news = False
        while (said := self._next(deadline)) is Said.NEWS:
            news = True
        if said is None:
            raise Outage(f"{self._where}: the server did not {step} IDLE", code="imap-connection")
        return said, news

    def _next(self, deadline: float, wake: int | None = None) -> Said | None:
        """The next line that means something; None: time is over, or `wake` is readable."""
        while True:
            for line in self._lines():
                if said := self._meaning(line):
                    return said
            if self._over(deadline, wake):
                return None

    def _meaning(self, line: bytes) -> Said | None:
        """A BYE, or a line of no known form, ends the session."""
        if line.startswith(self._tag + b" "):
            return Said.ENDED if line[len(self._tag) + 1 :][:2].upper() == b"OK" else Said.REFUSED
        if line.startswith(b"+"):
            begins, self._begun = not self._begun, True
            return Said.BEGUN if begins else None
        if _BYE.match(line):
            raise Outage(f"{self._where}: the server said BYE", code="imap-connection")
        if not line.startswith(b"* "):
            raise TransientError(
                f"{self._where}: the server sent a line out of place", code="imap-protocol"
            )
        return Said.NEWS if self._grew(line) else None

    def _grew(self, line: bytes) -> bool:
        """Keep count of the mails."""
        if _EXPUNGE.fullmatch(line):
            self._exists = max(0, self._exists - 1)
        told = _EXISTS.fullmatch(line)
        before, self._exists = self._exists, int(told[1]) if told else self._exists
        return self._exists > before

    def _lines(self) -> Iterator[bytes]:
        """Every whole line that can be had without waiting; a part of one is kept for the next time."""
        while True:
            line, found, rest = self._rest.partition(b"\r\n")
            if found:
                self._rest = rest
                yield line
                continue
            more = self._available()
            if not more:
                return
            self._rest += more
            if len(self._rest) > MAX_LINE:
                raise TransientError(
                    f"{self._where}: the server sent a line without an end", code="imap-protocol"
                )

    def _available(self) -> bytes:
        """A line, or a part, from imaplib's buffer, from TLS, or from the socket; b'' for none now.

        What stands behind that line is left to imaplib: it may belong to the next command."""
        connection = self._client.socket()
        imap = self._client._imap
        reader: Any = imap._file if hasattr(imap, "_file") else imap.file
        try:
            data: bytes = reader.peek(1)
            if data:
                return bytes(reader.read(data.find(b"\n") + 1 or len(data)))
            if isinstance(connection, ssl.SSLSocket) or connection.recv(1, socket.MSG_PEEK) == b"":
                raise Outage(
                    f"{self._where}: the server closed the connection", code="imap-connection"
                )
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return b""
        return b""

    def _over(self, deadline: float, wake: int | None, *, listening: bool = True) -> bool:
        """Wait for the socket, for `wake`, or for the deadline. True: it was one of the last two."""
        left = deadline - time.monotonic()
        if left <= 0:
            return True
        poller = select.poll()  # select() fails beyond 1,024 descriptors
        if listening:
            poller.register(self._client.socket(), select.POLLIN | select.POLLHUP | select.POLLERR)
        if wake is not None:
            poller.register(wake, select.POLLIN)
        ready = [descriptor for descriptor, _ in poller.poll(left * 1000)]
        return wake is not None and wake in ready
