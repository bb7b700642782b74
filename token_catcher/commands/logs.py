"""Questions about the record: which token was rotated when, from the journal or from any collected logs.

A source is a file, plain or gzipped, or `-` for standard input. Of every line the first JSON object counts that is a
rotation or carries one as text: a record of the journal; a line of our log; the same behind a collector's prefix, or in the
message field of journald, Docker and their like. What journal and log both tell of is one row.

Logs pass through many hands. Nothing here proves anything, which is what `audit verify` is for; texts come out printable and
cut short, so that neither a terminal nor a spreadsheet nor a page can be made to act on them.
"""

from __future__ import annotations

import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from gzip import BadGzipFile, GzipFile
from pathlib import Path
from typing import Any, Final

from token_catcher.commands.rotation import EVENTS, KINDS, Rotation
from token_catcher.errors import ConfigurationError
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

TORN: Final = b"{"
"""What stands for a line that was lost."""

_DECODER: Final = json.JSONDecoder()
_ROTATION: Final = re.compile("|".join(map(re.escape, EVENTS)).encode())


def numbered_lines(source: str, stdin: io.BufferedReader) -> Iterator[tuple[int, bytes]]:
    """The numbered lines of a source; what a damaged archive lost counts as one torn line."""
    number = 0
    try:
        with nullcontext(stdin) if source == "-" else Path(source).open("rb") as file:
            plain = GzipFile(fileobj=file) if file.peek(2)[:2] == b"\x1f\x8b" else file
            while line := _line(plain):
                number += 1
                yield number, line
    except (EOFError, BadGzipFile, zlib.error):
        yield number + 1, TORN
    except OSError as error:
        raise ConfigurationError(f"{source}: cannot be read: {error.strerror}") from None


def _line(file: io.BufferedIOBase) -> bytes:
    """The next line; one that is too long to be ours is read over, and counts as torn."""
    line = file.readline(MAX_LINE)
    if len(line) < MAX_LINE or line.endswith(b"\n"):
        return line
    while rest := file.readline(MAX_LINE):
        if rest.endswith(b"\n"):
            break
    return TORN


def rotation_of(line: bytes) -> Rotation | None:
    """The rotation that a line tells of, if it does. ValueError: it should, and cannot be read."""
    if not _ROTATION.search(line):
        if line.startswith(b"{") and not line.rstrip().endswith(b"}"):
            raise ValueError("torn")
        return None
    objects = list(_objects(line.decode("utf-8", "replace")))
    if not objects:
        raise ValueError("not JSON")
    return next((_from(one) for one in objects if one.get("event") in EVENTS), None)


def _objects(text: str, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The JSON objects of a line, and those that stand as text in them; an event of ours quotes, but never carries another."""
    start = text.find("{")
    for _ in range(MAX_OBJECTS):
        if start < 0:
            return
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            yield value
            if isinstance(value.get("event"), str):
                return
            for name in MESSAGES:
                if depth < MAX_DEPTH and isinstance(inner := value.get(name), str):
                    yield from _objects(inner, depth + 1)
        start = text.find("{", end)


def _from(one: Mapping[str, Any]) -> Rotation:
    """ValueError: it does not say when."""
    times = [one[name] for name in TIMES if isinstance(one.get(name), str)]
    if not times:
        raise ValueError("no time")
    values = {name: _value(one.get(name), kind) for name, kind in KINDS.items()}
    return Rotation(**values | {"at": iso(moment(times[0]))})


def _value(value: object, kind: type) -> Any:
    """A value of this kind, None where a log has something else; texts printable, and not long."""
    if type(value) is not kind:
        return None
    if not isinstance(value, str):
        return value
    text = value[:MAX_TEXT]
    return (
        text
        if text.isprintable()
        else "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    )
