"""Rotations out of journals and collected logs.

A source is a file, plain or gzipped, or `-` for standard input. Of every line the first JSON object
counts that is a rotation or carries one as text: a record of the journal; a line of our log; the
same behind a collector's prefix, or in the message field of journald, Docker and their like.

Logs pass through many hands. Nothing here proves anything, which is what `audit verify` is for.
Texts come out printable and cut short, so that neither a terminal nor a spreadsheet nor a page can
be made to act on them.
"""

from __future__ import annotations

import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from gzip import BadGzipFile, GzipFile
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

from token_catcher.commands.rotation import EVENTS, Rotation
from token_catcher.errors import TokenCatcherError
from token_catcher.model import iso, moment

TIMES: Final = ("at", "timestamp")
"""Where a line says when: the journal, the log."""
MESSAGES: Final = ("MESSAGE", "message", "msg", "log")
"""Where collectors keep the line as it was written."""
MAX_LINE: Final = 1024 * 1024
MAX_TEXT: Final = 500
MAX_OBJECTS: Final = 16
"""As many braces of a text are tried."""
MAX_DEPTH: Final = 3
"""So deep, messages within messages are looked into."""
GZIP_MAGIC: Final = b"\x1f\x8b"
TORN: Final = b"{"
"""What stands for a line that was lost."""

_DECODER: Final = json.JSONDecoder()
_ROTATION: Final = re.compile("|".join(map(re.escape, EVENTS)).encode())


def numbered_lines(source: str, stdin: io.BufferedReader) -> Iterator[tuple[int, bytes]]:
    """The lines of a source, from 1; what a damaged archive lost counts as one torn line.

    TokenCatcherError: it cannot be opened or read."""
    number = 0
    try:
        with _opened(source, stdin) as file:
            for number, line in enumerate(_lines(file), 1):
                yield number, line
    except (EOFError, BadGzipFile, zlib.error):
        # Cut off or damaged. What was read so far counts, and what is lost is one line.
        yield number + 1, TORN
    except OSError as error:
        problem = f"{source}: cannot be read: {error.strerror}"
        raise TokenCatcherError(problem, code="file") from None


def _opened(source: str, stdin: io.BufferedReader) -> AbstractContextManager[io.BufferedReader]:
    if source == "-":
        return nullcontext(stdin)
    return Path(source).open("rb")


def _lines(file: io.BufferedReader) -> Iterator[bytes]:
    """An archive is known by how it begins: rotated files are not always named `.gz`."""
    plain: io.BufferedIOBase = file
    if file.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC):
        plain = GzipFile(fileobj=file)
    yield from iter(partial(_line, plain), b"")


def _line(file: io.BufferedIOBase) -> bytes:
    """The next line; one that is too long to be ours is read over, and counts as torn."""
    line = file.readline(MAX_LINE)
    if len(line) < MAX_LINE or line.endswith(b"\n"):
        return line
    rest = line
    while rest and not rest.endswith(b"\n"):
        rest = file.readline(MAX_LINE)
    return TORN


def rotation_of(line: bytes) -> Rotation | None:
    """The rotation that a line tells of, if it does.

    ValueError, OverflowError: it should, and cannot be read."""
    if not _ROTATION.search(line):
        # A journal that was cut off ends inside a record, perhaps before it says what it is.
        if line.startswith(b"{") and not line.rstrip().endswith(b"}"):
            raise ValueError("torn")
        return None
    objects = list(_objects(line.decode("utf-8", "replace")))
    if not objects:
        raise ValueError("not JSON")
    for fields in objects:
        if fields.get("event") in EVENTS:
            return _from_fields(fields)
    return None


def _objects(text: str, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The JSON objects of a line, and those that stand as text in them.

    An event of ours quotes other texts, but never carries another event."""
    start = text.find("{")
    for _ in range(MAX_OBJECTS):
        if start < 0:
            return
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1  # a brace of the text around it; the next may begin JSON
        else:
            yield value
            if isinstance(value.get("event"), str):
                return
            if depth < MAX_DEPTH:
                yield from _objects_in_messages(value, depth + 1)
        start = text.find("{", end)


def _objects_in_messages(fields: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
    for name in MESSAGES:
        message = fields.get(name)
        if isinstance(message, str):
            yield from _objects(message, depth)


def _from_fields(fields: Mapping[str, Any]) -> Rotation:
    """ValueError: it does not say when."""
    times = [fields[name] for name in TIMES if isinstance(fields.get(name), str)]
    if not times:
        raise ValueError("no time")
    values = {name: _value(fields.get(name), kind) for name, kind in _KINDS.items()}
    return Rotation(**values | {"at": iso(moment(times[0]))})


def _value(value: object, kind: type) -> Any:
    """A value of this kind, None where a log has something else; texts printable, and not long."""
    # Not isinstance: to Python, True is the number 1.
    if type(value) is list and kind is tuple:
        return tuple(_printable(text[:MAX_TEXT]) for text in value if isinstance(text, str))
    if type(value) is not kind:
        return None
    if isinstance(value, str):
        return _printable(value[:MAX_TEXT])
    return value


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _kind(hint: Any) -> type:
    """`str` of `str` and of `str | None`; `tuple` of a tuple of anything."""
    kind: Any = hint
    if isinstance(hint, UnionType):
        kind = get_args(hint)[0]
    plain: type = get_origin(kind) or kind
    return plain


_KINDS: Final = {name: _kind(hint) for name, hint in get_type_hints(Rotation).items()}
"""Of each field, what kind of value it has where it has one."""
