"""Bytes of IMAP: the server's end of a connection, commands taken apart, values put together.

RFC 3501, section 9; literals that do not wait (`{n+}`) are RFC 7888.
"""

from __future__ import annotations

import re
import select
import socket
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final, TypeAlias

from tests.kit.odd_imap.log import ConnectionLog
from tests.kit.scripted import Hangup

Token: TypeAlias = "bytes | list[Token]"
"""An atom, the contents of a string, or a list in parentheses."""

DRIP_PAUSE: Final = 0.001
"""Seconds between two bytes: enough to make packets of them."""
MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
"""Of IMAP's dates, whatever the locale."""

_LITERAL_AHEAD: Final = re.compile(rb"\{(?P<size>\d+)(?P<at_once>\+?)\}$")
_LITERAL: Final = re.compile(rb"\{(\d+)\+?\}\r\n")
_QUOTED: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"')
# Brackets hold spaces and parentheses: BODY.PEEK[HEADER.FIELDS (FROM DATE)]<0.1024>.
_ATOM: Final = re.compile(rb'(?:[^ ()"{\[\r\n]|\[[^\]]*\])+')
_DATE: Final = re.compile(r"(\d{1,2})-(\w{3})-(\d{4})")
_TIME: Final = re.compile(r" (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command is answered with when it is done."""

    untagged: bytes = b""
    text: str = "done"
    """Behind the tagged OK."""


class Refused(Exception):
    """The command fails: a tagged NO or BAD."""

    def __init__(self, condition: str, text: str) -> None:
        super().__init__(f"{condition} {text}")


class Wire:
    """The server's end of one connection: whole lines in, bytes out."""

    def __init__(self, connection: socket.socket, log: ConnectionLog) -> None:
        self._connection = connection
        self._log = log
        self._buffer = bytearray()

    def send(self, data: bytes) -> None:
        """At once."""
        self._log.bytes_sent += len(data)
        self._connection.sendall(data)

    def drip(self, data: bytes, ending: threading.Event) -> None:
        """Byte by byte, as long as the server lives."""
        for byte in data:
            if ending.wait(DRIP_PAUSE):
                raise Hangup
            self.send(bytes([byte]))

    def hang(self) -> None:
        """Listen, and say nothing, until the connection ends. Hangup: it has."""
        while True:
            self._receive()

    def line(self) -> bytes:
        """The client's next line, without its end."""
        while b"\n" not in self._buffer:
            self._receive()
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer = bytearray(rest)
        return line.removesuffix(b"\r")

    def exactly(self, size: int) -> bytes:
        """The contents of a literal."""
        while len(self._buffer) < size:
            self._receive()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def line_or_wake(self, wake: socket.socket) -> bytes | None:
        """The client's next line, or None as soon as `wake` can be read."""
        while b"\n" not in self._buffer:
            poller = select.poll()
            poller.register(self._connection, select.POLLIN)
            poller.register(wake, select.POLLIN)
            ready = [descriptor for descriptor, _ in poller.poll()]
            if wake.fileno() in ready:
                return None
            self._receive()
        return self.line()

    def _receive(self) -> None:
        data = self._connection.recv(65536)
        if not data:
            raise Hangup
        self._log.bytes_received += len(data)
        self._buffer += data


# -- commands --


def read_command(wire: Wire) -> tuple[bytes, bytes, str]:
    """Tag, one command with its literals, each asked for where it waits; and it for the log."""
    line = wire.line()
    text = line
    shown = line
    literal = _LITERAL_AHEAD.search(line)
    while literal:
        if not literal["at_once"]:
            wire.send(b"+ go on\r\n")
        text += b"\r\n" + wire.exactly(int(literal["size"]))
        line = wire.line()
        text += line
        shown += line
        literal = _LITERAL_AHEAD.search(line)
    tag, _, command = text.partition(b" ")
    return tag, command, shown.decode("latin-1").partition(" ")[2]


def split_command(text: bytes) -> tuple[str, list[Token]]:
    """Name in capitals (`UID FETCH` is one), arguments. Refused: no known form."""
    tokens = _Reader(text).tokens()
    if not tokens:
        raise Refused("BAD", "expected a tag and a command")
    name = word(tokens.pop(0))
    if name == "UID" and tokens:
        name += " " + word(tokens.pop(0))
    return name, tokens


class _Reader:
    """Takes a text apart."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._at = 0

    def tokens(self, *, inner: bool = False) -> list[Token]:
        """All up to the end, or, of an inner list, up to the parenthesis that closes it."""
        tokens: list[Token] = []
        while self._at < len(self._text):
            character = self._text[self._at : self._at + 1]
            if character == b")" and inner:
                self._at += 1
                return tokens
            if character == b" ":
                self._at += 1
            elif character == b"(":
                self._at += 1
                tokens.append(self.tokens(inner=True))
            else:
                tokens.append(self._word())
        if inner:
            raise Refused("BAD", "a list that does not end")
        return tokens

    def _word(self) -> bytes:
        literal = _LITERAL.match(self._text, self._at)
        if literal:
            self._at = literal.end() + int(literal[1])
            return self._text[literal.end() : self._at]
        quoted = _QUOTED.match(self._text, self._at)
        if quoted:
            self._at = quoted.end()
            return re.sub(rb"\\(.)", rb"\1", quoted[1])
        plain = _ATOM.match(self._text, self._at)
        if not plain:
            raise Refused("BAD", "a word of no known form")
        self._at = plain.end()
        return plain[0]


def expect(count: int, arguments: Sequence[Token]) -> Sequence[Token]:
    """The arguments, which must be so many."""
    if len(arguments) != count:
        raise Refused("BAD", f"expected {count} arguments, got {len(arguments)}")
    return arguments


def atom(token: Token) -> bytes:
    """The token, which must be no list."""
    if isinstance(token, list):
        raise Refused("BAD", "a list where a word was expected")
    return token


def word(token: Token) -> str:
    """A keyword in capitals."""
    return atom(token).decode("latin-1").upper()


def number(token: Token) -> int:
    """A number."""
    text = atom(token)
    if not text.isdigit():
        raise Refused("BAD", "expected a number")
    return int(text)


def words(token: Token) -> list[str]:
    """The atoms of a list, or the one that stands without a list."""
    if isinstance(token, list):
        return [atom(inner).decode("latin-1") for inner in token]
    return [token.decode("latin-1")]


def keywords(token: Token) -> list[str]:
    """The same in capitals."""
    return [text.upper() for text in words(token)]


# -- sets of numbers --


def ranges(text: bytes, highest: int) -> list[tuple[int, int]]:
    """`2,4:*` as pairs of first and last; `*` is the highest there is (RFC 3501, section 9)."""
    pairs = []
    for part in text.decode("latin-1").replace("*", str(highest)).split(","):
        first, colon, last = part.partition(":")
        if not first.isdigit() or (colon and not last.isdigit()):
            raise Refused("BAD", "a set of no known form")
        # The ends may stand in either order: with `9:*`, where 9 is beyond the last, they do.
        numbers = sorted((int(first), int(last or first)))
        pairs.append((numbers[0], numbers[1]))
    return pairs


def within(uid: int, pairs: Iterable[tuple[int, int]]) -> bool:
    """Whether one of the ranges holds the UID, or the sequence number."""
    return any(first <= uid <= last for first, last in pairs)


# -- values --


def quoted(text: str) -> bytes:
    """A quoted string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return b'"' + escaped.encode() + b'"'


def literal(data: bytes) -> bytes:
    """A literal."""
    return b"{%d}\r\n%s" % (len(data), data)


def internaldate(moment: datetime) -> bytes:
    """`"03-Feb-2026 12:57:27 +0000"`, in the zone that `moment` has."""
    text = f"{moment.day:02}-{MONTHS[moment.month - 1]}-{moment.year} {moment:%H:%M:%S %z}"
    return quoted(text)


def parse_date(text: str) -> date:
    """`3-Feb-2026`."""
    match = _DATE.match(text)
    if not match or match[2].title() not in MONTHS:
        raise Refused("BAD", "a date of no known form")
    try:
        return date(int(match[3]), MONTHS.index(match[2].title()) + 1, int(match[1]))
    except ValueError:
        raise Refused("BAD", "a day that there is not") from None


def parse_internaldate(text: str) -> datetime:
    """What `internaldate` gives, as a client sends it with APPEND."""
    day = parse_date(text.strip())
    match = _TIME.search(text)
    if not match:
        raise Refused("BAD", "a time of no known form")
    offset = timedelta(hours=int(match[5]), minutes=int(match[6]))
    if match[4] == "-":
        offset = -offset
    clock = time(int(match[1]), int(match[2]), int(match[3]), tzinfo=timezone(offset))
    return datetime.combine(day, clock).astimezone(UTC)
