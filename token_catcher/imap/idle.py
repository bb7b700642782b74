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
from typing import Any, Final

from imapclient import IMAPClient

from token_catcher.errors import Outage, TransientError

ANSWER_WITHIN: Final = 10.0
"""Seconds for the server to begin and to end an IDLE; silence is how a dead connection shows."""
MAX_LINE: Final = 64 * 1024
_EXISTS: Final = re.compile(rb"\* (\d{1,10}) EXISTS", re.IGNORECASE)
_EXPUNGE: Final = re.compile(rb"\* \d{1,10} EXPUNGE", re.IGNORECASE)


class Idle:
    """IDLE over one connection."""

    def __init__(self, client: IMAPClient) -> None:
        self._client = client
        self._exists = 0
        self._rest = b""
        self.refused = False
        """Whether the server announced IDLE and then refused it; `wait` only sleeps from then on."""

    def expect(self, exists: int) -> None:
        """The number of mails after EXAMINE: more than that is news. Unasked lines from before are of no interest."""
        self._exists = exists
        self._client._imap.untagged_responses.clear()  # noqa: SLF001 - imaplib keeps them for ever otherwise

    def wait(self, seconds: float, wake: int) -> bool:
        """True: there is news, or the server ended the IDLE: look. False: time is over, or `wake` is readable.

        Outage: the connection is gone or out of step."""
        if self._unasked():
            return True
        if self.refused:
            select.select([wake], [], [], seconds)
            return False
        imap = self._client._imap  # noqa: SLF001 - imapclient offers no other way to the connection
        tag: bytes = imap._command("IDLE")
        imap.tagged_commands.pop(tag, None)
        connection = self._client.socket()
        timeout = connection.gettimeout()
        try:
            connection.settimeout(0.0)
            return self._listen(tag, seconds, wake)
        finally:
            connection.settimeout(timeout)

    def _unasked(self) -> bool:
        """News that imaplib read along with other answers."""
        counts = self._client._imap.untagged_responses.get("EXISTS") or []  # noqa: SLF001
        return any(int(count) > self._exists for count in counts if count is not None)

    def _listen(self, tag: bytes, seconds: float, wake: int) -> bool:
        """Begin, wait, end. One clock for the wait; another for each answer that is due."""
        begun, ended, news = self._until(b"+", tag, ANSWER_WITHIN)
        if ended:
            if not begun and self.refused:
                return news
            return True
        if not news:
            news, ended = self._until_news(tag, seconds, wake)
        if ended:
            return True
        self._client.socket().settimeout(ANSWER_WITHIN)
        self._client.socket().sendall(b"DONE\r\n")
        self._client.socket().settimeout(0.0)
        _, ended, more = self._until(None, tag, ANSWER_WITHIN)
        if not ended:
            raise Outage("the server did not end IDLE", code="imap-connection")
        return news or more

    def _until(self, mark: bytes | None, tag: bytes, seconds: float) -> tuple[bool, bool, bool]:
        """Read until the continuation line or the tagged one. Returns (continuation, tagged line, news)."""
        news = False
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in self._lines():
                if mark is not None and line.startswith(mark):
                    return True, False, self._news_in_buffer() or news
                if line.startswith(tag + b" "):
                    self.refused = self.refused or (mark is not None and line[len(tag) + 1 :][:2].upper() != b"OK")
                    return False, True, news
                news = self._is_news(line) or news
            self._poll(deadline - time.monotonic(), None)
        if mark is not None:
            raise Outage("the server did not begin IDLE", code="imap-connection")
        return False, False, news

    def _until_news(self, tag: bytes, seconds: float, wake: int) -> tuple[bool, bool]:
        """Wait. Returns (news, whether the server ended the IDLE by itself)."""
        deadline = time.monotonic() + seconds
        while True:
            news = False
            for line in self._lines():
                if line.startswith(tag + b" "):
                    return True, True
                news = self._is_news(line) or news
            left = deadline - time.monotonic()
            if news or left <= 0 or self._poll(left, wake):
                return news, False

    def _news_in_buffer(self) -> bool:
        """The lines that came in one packet with the continuation line."""
        return any([self._is_news(line) for line in self._lines()])

    def _is_news(self, line: bytes) -> bool:
        """Whether there are more mails than known. A BYE, or a line of no known form, ends the session."""
        if line[:6].upper() == b"* BYE ":
            raise Outage("the server said BYE", code="imap-connection")
        if not line.startswith((b"* ", b"+")):
            raise TransientError("the server sent a line out of place", code="imap-protocol")
        if _EXPUNGE.fullmatch(line):
            self._exists = max(0, self._exists - 1)
            return False
        grown = _EXISTS.fullmatch(line)
        if grown is None:
            return False
        before, self._exists = self._exists, int(grown[1])
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
                raise TransientError("the server sent a line without an end", code="imap-protocol")

    def _available(self) -> bytes:
        """Bytes from imaplib's buffer, from TLS, or from the socket, whichever has some; b'' for none now."""
        connection = self._client.socket()
        reader: Any = self._client._imap._file if hasattr(self._client._imap, "_file") else self._client._imap.file  # noqa: SLF001
        try:
            data: bytes = reader.peek(1)
            if data:
                return bytes(reader.read(len(data)))
            if isinstance(connection, ssl.SSLSocket) or connection.recv(1, socket.MSG_PEEK) == b"":
                raise Outage("the server closed the connection", code="imap-connection")
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        return b""

    def _poll(self, seconds: float, wake: int | None) -> bool:
        """Wait for the socket or `wake`. True: it was `wake`."""
        poller = select.poll()
        poller.register(self._client.socket(), select.POLLIN | select.POLLHUP | select.POLLERR)
        if wake is not None:
            poller.register(wake, select.POLLIN)
        ready = [descriptor for descriptor, _ in poller.poll(max(0.0, seconds) * 1000)]
        return wake is not None and wake in ready
