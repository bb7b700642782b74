"""Chunks into pieces: lines, and JSON values that span lines.

A piece is a line, unless the line begins a JSON value that a later line ends (an array that is a
whole file, or objects as `jq` prints them): then the piece is the value. JSON has no line ends
within strings, so the brackets outside of strings tell where a value ends, line by line.

A value of more than `MAX_PIECE`, on one line or on many, is cut behind one of its parts, as far out
as possible: of an array of a gigabyte, whole elements come out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from token_catcher.commands.unpack import DamagedError

MAX_PIECE: Final = 4 * 1024 * 1024
"""Bytes."""

_LOST: Final = b'{"'
"""What stands for a line that was lost: it begins, and does not end."""
_BEGINNING: Final = re.compile(rb'[ \t,\x1e\xef\xbb\xbf]*(?:\{\s*(?:"|$)|\[\s*(?:[\[{"]|$))')
"""How a value begins that may go on. Before it stand indentation, the comma of a list, the marks of
RFC 7464 and of UTF-8; other brackets, `[info]`, are those of prose."""
_OBJECT_ENDS: Final = (b"}\n", b"}\r\n", b"}")
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[][{}"]')
"""A whole string; a bracket; the quote of a string that does not end."""


class Piece(NamedTuple):
    """A line, or a JSON value on several lines."""

    line: int
    """The number of its first line, from 1."""
    content: bytes
    is_whole: bool = True
    """False: it begins a JSON value and does not end it."""


def pieces(chunks: Iterable[bytes]) -> Iterator[Piece]:
    """Raises what the chunks raise, but for DamagedError: the last piece is not whole then."""
    value = _Value()
    for number, line in _lines(chunks):
        if value.parts:
            yield from value.add(number, line)
        elif line.startswith(b"{") and line.endswith(_OBJECT_ENDS):
            # An object, as far as its ends tell: so it is with nearly all lines of ours.
            yield Piece(number, line)
        elif _BEGINNING.match(line):
            yield from value.add(number, line)
        else:
            yield Piece(number, line, not line.startswith(b"{"))
    if value.parts:
        yield value.taken(is_whole=False)


@dataclass(slots=True)
class _Value:
    """A JSON value, while its lines are collected."""

    began: int = 0
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    depth: int = 0

    def add(self, number: int, line: bytes) -> Iterator[Piece]:
        """Take the next line in. What is complete by that, or can be no value, comes out."""
        if not self.parts:
            self.began = number
        self.parts.append(line)
        self.size += len(line)
        depth = _depth_after(line, self.depth)
        if depth is None:
            # A string that does not end with its line: this is no JSON, or it is torn.
            yield self.taken(is_whole=False)
        elif depth == 0:
            yield self.taken(is_whole=True)
        else:
            self.depth = depth
            if self.size >= MAX_PIECE:
                yield from self._cut()

    def taken(self, *, is_whole: bool) -> Piece:
        """Everything so far."""
        piece = Piece(self.began, b"".join(self.parts), is_whole)
        self.parts.clear()
        self.size = 0
        self.depth = 0
        return piece

    def _cut(self) -> Iterator[Piece]:
        """The first parts of a value that is too long to be collected."""
        whole = self.taken(is_whole=False)
        end = _end_of_part(whole.content)
        if end is None:
            yield whole
            return
        yield whole._replace(content=whole.content[:end], is_whole=True)
        line = whole.line + whole.content.count(b"\n", 0, end)
        yield from self.add(line, whole.content[end:])


def _lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Each line with its number and its end: a line feed, a carriage return, or both."""
    number = 1
    rest = b""
    skips = False
    try:
        for chunk in chunks:
            lines = (rest + chunk).splitlines(keepends=True)
            rest = b""
            # A carriage return may be the first half of a line end.
            if lines and not lines[-1].endswith(b"\n"):
                rest = lines.pop()
            if skips and lines:
                del lines[0]
                number += 1
                skips = False
            for line in lines:
                yield number, line
                number += 1
            if skips:
                rest = b""
            elif len(rest) >= MAX_PIECE:
                end = _end_of_part(rest)
                skips = end is None
                yield number, rest[:end] if end else _LOST
                rest = rest[end:] if end else b""
        if rest:
            yield number, rest
    except DamagedError:
        if rest:
            yield number, rest
            number += 1
        yield number, _LOST


def _depth_after(line: bytes, depth: int) -> int | None:
    """How many brackets are open after a line; None: a string in it does not end."""
    for token in _TOKEN.findall(line):
        if token in (b"{", b"["):
            depth += 1
        elif token in (b"}", b"]"):
            depth = max(0, depth - 1)  # closes what a cut left open
        elif token == b'"':
            return None
    return depth


def _end_of_part(data: bytes) -> int | None:
    """Where to cut: behind the outermost bracket that closes in the second half.

    In the second half, so that to cut again and again costs no more than to read."""
    half = len(data) // 2
    depth = 0
    lowest = len(data)
    end = None
    for token in _TOKEN.finditer(data):
        if token[0] in (b"{", b"["):
            depth += 1
        elif token[0] in (b"}", b"]"):
            depth = max(0, depth - 1)
            if token.end() > half and depth <= lowest:
                lowest = depth
                end = token.end()
    return end
