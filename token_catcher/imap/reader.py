"""Reads what a mail server sends, within bounds of time and size for each command.

imaplib bounds the wait for the next byte and the length of a line, and no more: a server that sends
a byte a minute, or literals without end, would have a thread for ever and all the memory. Here an
answer as a whole has its time and its size. Whatever exceeds them ends the session.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from imaplib import IMAP4
from typing import Any, Final, TypeVar

from token_catcher.model import MAX_MAIL_BYTES

CHUNK: Final = 16 * 1024
"""Bytes asked of the socket at once: a record of TLS (RFC 8446, section 5.1)."""
COMMAND_WITHIN: Final = 180.0
"""Seconds for the whole answer to a command: 32 mails of 256 kB at 46 kB a second."""
MAX_LINE: Final = 1_000_000
"""Bytes of a line, as imaplib has it."""
MAX_LINES: Final = 50_000
"""Lines of one answer: twice those of 10,000 headings."""
MAX_TEXT: Final = 4 * 1024 * 1024
"""Bytes of all lines of one answer. Taken apart they need up to twenty times the memory."""
MAX_LITERAL: Final = 4 * MAX_MAIL_BYTES
"""Bytes of one literal: a mail is asked for up to a bound, the headers of one are not."""
MAX_LITERALS: Final = 16 * 1024 * 1024
"""Bytes of all literals of one answer: twice those of 32 mails."""


_END: Final = b")\r\n"
"""Of an answer to FETCH that ends with a literal."""


class TooMuch(ValueError):
    """An answer is larger than any that was asked for."""


Item = TypeVar("Item")


class Reader:
    """What was received on one connection and not read yet."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._received = bytearray()
        self._source: socket.socket | None = None
        """Where that came from: STARTTLS puts another socket in its place."""
        self._collection: tuple[re.Pattern[bytes], Callable[..., Any], list[Any]] | None = None
        """What is kept aside, what is made of it, and where that is put."""
        self.begin()

    def begin(self, seconds: float = COMMAND_WITHIN) -> None:
        """A command is sent next, and its answer must end within so many seconds."""
        self._began = self._monotonic()
        self._deadline = self._began + seconds
        self._lines = 0
        self._text = 0
        self._literals = 0

    @contextmanager
    def collecting(
        self, form: re.Pattern[bytes], make: Callable[..., Item]
    ) -> Iterator[list[Item]]:
        """Keep aside what has this form while the block runs, and give out only what is left.

        imaplib takes most of the time of a long answer, line by line. `form`: of a line up to its
        literal, whose length is the last group; what follows the literal is `)`. `make` is called
        with the other groups and the literal, while the server sends the next ones."""
        items: list[Item] = []
        self._collection = (form, make, items)
        try:
            yield items
        finally:
            self._collection = None

    def line(self, connection: socket.socket) -> bytes:
        """The next line; what there is of one where the connection ends.

        TimeoutError: the answer takes too long. TooMuch: it is too large."""
        self._take_over(connection)
        while True:
            end = 0
            if not self._collect():
                end = self._received.find(b"\n") + 1
                if end == 0 and len(self._received) > MAX_LINE:
                    raise IMAP4.error(f"got more than {MAX_LINE} bytes")
            if end > 0:
                break
            if not self._receive_more(connection):
                end = self._received.find(b"\n") + 1 or len(self._received)
                break
        self._count_lines(1, end)
        return self._taken(end)

    def _collect(self) -> bool:
        """Keep aside what has the form, as far as it has come whole. Whether more of it is to come:
        what is left begins with a line of the form, whose literal is cut."""
        if self._collection is None:
            return False
        form, make, items = self._collection
        received = self._received
        begin = lines = text = literals = 0
        is_cut = False
        while match := form.match(received, begin):
            literal = match.end()
            *groups, digits = match.groups()
            size = int(digits)
            if size > MAX_LITERAL:
                raise TooMuch("literals")
            end = literal + size
            behind = received[end : end + len(_END)]
            if behind != _END:
                # Nothing, or a part of it: not come whole. Else the line goes on in another form.
                is_cut = _END.startswith(behind)
                break
            lines += 2
            text += literal - begin
            literals += size
            items.append(make(*groups, bytes(received[literal:end])))
            begin = end + len(_END)
        del received[:begin]
        self._count_lines(lines, text)
        self._count_literals(literals)
        return is_cut

    def literal(self, connection: socket.socket, size: int) -> bytes:
        """So many bytes; fewer where the connection ends. Raises what `line` raises."""
        self._take_over(connection)
        if size > MAX_LITERAL:
            raise TooMuch("literals")
        self._count_literals(size)
        while len(self._received) < size:
            if not self._receive_more(connection):
                break
        return self._taken(size)

    def receive(self, connection: socket.socket) -> bytes | None:
        """A line, or a part of one, without waiting: the socket must not block.

        None: nothing for now. b"": the end of the connection. TooMuch: the answer, of which a part
        counts as a line, is too large."""
        self._take_over(connection)
        if not self._received:
            try:
                data = connection.recv(CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return None
            self._received += data
        end = self._received.find(b"\n") + 1 or len(self._received)
        self._count_lines(1, end)
        return self._taken(end)

    def begins(self, connection: socket.socket, seconds: float, within: float) -> bool:
        """Whether a line is there to be read; the end of the connection counts as well.

        False: nothing came for so many seconds, or no line `within` so many since the command was
        sent. What has come of one stays for the next command."""
        return self._comes(self._has_line, connection, seconds, within)

    def through(
        self, tag: bytes, connection: socket.socket, seconds: float, within: float
    ) -> bytes | None:
        """All up to the end of the line that begins with this tag, which is not the first one.

        None: it does not come, as for `begins`, or the connection ends; what has come stays.
        TooMuch: it is too large."""

        def end() -> int:
            begin = self._received.find(b"\n%b " % tag)
            if begin < 0 and len(self._received) > MAX_TEXT:
                raise TooMuch("lines")
            return self._received.find(b"\n", begin + 1) + 1 if begin >= 0 else 0

        if not self._comes(end, connection, seconds, within) or not end():
            return None
        return self._taken(end())

    def _comes(
        self,
        is_there: Callable[[], object],
        connection: socket.socket,
        seconds: float,
        within: float,
    ) -> bool:
        """Wait for it; the end of the connection counts as well. False: see `begins`."""
        self._take_over(connection)
        while not is_there():
            left = min(seconds, self._began + within - self._monotonic())
            if left <= 0:
                return False
            try:
                if not self._receive(connection, left):
                    return True
            except TimeoutError:
                return False
        return True

    def _has_line(self) -> bool:
        """Whether `line` would not wait: for a whole line, or to say that it is too long."""
        if self._collect():
            return False
        return b"\n" in self._received or len(self._received) > MAX_LINE

    def _take_over(self, connection: socket.socket) -> None:
        """What came over another socket is dropped: before STARTTLS anybody may have sent it."""
        if self._source is not connection:
            self._received.clear()
            self._source = connection

    def _receive_more(self, connection: socket.socket) -> bool:
        """Wait for more. False: the connection has ended."""
        seconds = self._deadline - self._monotonic()
        if seconds <= 0:
            raise TimeoutError("the answer takes too long")
        return self._receive(connection, seconds)

    def _receive(self, connection: socket.socket, seconds: float) -> bool:
        """Wait so long at most, and no longer than ever. False: the connection has ended."""
        timeout = connection.gettimeout()
        if timeout is not None:
            seconds = min(seconds, timeout)
        connection.settimeout(seconds)
        try:
            data = connection.recv(CHUNK)
        finally:
            connection.settimeout(timeout)
        self._received += data
        return bool(data)

    def _count_literals(self, size: int) -> None:
        self._literals += size
        if self._literals > MAX_LITERALS:
            raise TooMuch("literals")

    def _count_lines(self, count: int, length: int) -> None:
        self._lines += count
        self._text += length
        if length > MAX_LINE:
            raise IMAP4.error(f"got more than {MAX_LINE} bytes")
        if self._lines > MAX_LINES or self._text > MAX_TEXT:
            raise TooMuch("lines")

    def _taken(self, length: int) -> bytes:
        data = bytes(self._received[:length])
        del self._received[:length]
        return data
