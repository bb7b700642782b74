"""Rotations out of journals and collected logs.

A source is a file or, for `-`, standard input: what it is packed in is `unpack`'s concern, what
its values are is that of `pieces`, and where the records are in them that of `collectors`.

Logs pass through many hands. Nothing here proves anything, which is what `audit verify` is for:
what another program quotes in the same log (a filter, the subject of a mail) may have the form of a
record, and only the journal tells them apart. A row is the journal's where its line is a whole
line of a file that is nothing but a journal, or of the journal that the configuration names: a hash
without a key is made by anybody, so one in a line of a log says nothing.
Texts come out printable and cut short, so that neither a terminal nor a spreadsheet nor a page can
be made to act on them.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from token_catcher.commands.collectors import KINDS, Fields, Told, Untold, readings
from token_catcher.commands.pieces import Piece, pieces
from token_catcher.commands.rotation import JOURNAL, LOG, Query, Rotation
from token_catcher.commands.unpack import chunks
from token_catcher.model import iso, moment, printable
from token_catcher.record import Chain, is_sealed

MAX_TEXT: Final = 500
"""Characters."""
TIMES: Final = ("at", "timestamp")
"""Where a line of ours says when: the journal, the log."""
COLLECTED: Final = (
    "timestamp",
    "@timestamp",
    "time",
    "_time",
    "ts",
    "date",
    "timeUnixNano",
    "TimeGenerated",
    "__REALTIME_TIMESTAMP",
)
"""Where collectors say it that have taken our own away: as text, or since 1970 in seconds,
milliseconds, microseconds or nanoseconds."""

FAR: Final = 10**11
"""Seconds since 1970, in the year 5138: what is more counts something smaller."""


class Row(NamedTuple):
    """A rotation, and its time as a moment."""

    moment: datetime
    rotation: Rotation


class Unreadable(NamedTuple):
    """The number of a line that should tell of a rotation, and cannot be read."""

    line: int


def rows(
    source: str, query: Query, stdin: io.BufferedReader, *, recorded: bool = False
) -> Iterator[Row | Unreadable]:
    """The rotations of a source that fit, whatever their time, and what of it cannot be read.

    `recorded`: it is a file of the configured journal.
    TokenCatcherError: the source cannot be read."""
    read = pieces(chunks(source, stdin))
    if not recorded:
        yield from _of_any_source(read, query)
        return
    for piece in read:
        yield from _of_piece(piece, query, is_record=is_sealed(piece.content))


def _of_any_source(read: Iterable[Piece], query: Query) -> Iterator[Row | Unreadable]:
    """Whether a source is a journal shows at its end: what may be its rows is kept until then."""
    chain = Chain()
    kept: list[Row] = []
    for piece in read:
        is_record = chain.take_in(piece.content)
        for row in _of_piece(piece, query, is_record=is_record):
            if is_record and isinstance(row, Row):
                kept.append(row)
            else:
                yield row
    for row in kept:
        if chain.holds:
            yield row
        else:
            yield row._replace(rotation=replace(row.rotation, source=LOG))


def _of_piece(piece: Piece, query: Query, *, is_record: bool) -> Iterator[Row | Unreadable]:
    """`is_record`: it is a line of a journal."""
    source = LOG
    if is_record:
        source = JOURNAL
    problems = 0
    for line, reading in readings(piece):
        row = _row(reading, query, line, source)
        if row is None:
            continue
        if isinstance(row, Unreadable):
            problems += 1
        yield row
    # Torn before it said what it is, or the end of a file that tells no more.
    if not piece.is_whole and not problems:
        yield Unreadable(piece.line)


def _row(reading: Told | Untold, query: Query, line: int, source: str) -> Row | Unreadable | None:
    """None: there is none, or it is not asked for."""
    if reading is Untold.QUOTED:
        return None
    if reading is Untold.UNREADABLE:
        return Unreadable(line)
    if not query.fits(reading.fields):
        return None
    try:
        at = _moment(reading)
    except (ValueError, OverflowError):
        return Unreadable(line)
    return Row(at, _rotation(reading.fields, at, source))


def _moment(told: Told) -> datetime:
    """ValueError, OverflowError: it does not say when."""
    for name in TIMES:
        time = told.fields.get(name)
        if isinstance(time, str):
            return moment(time)
    for fields in (told.fields, *told.around):
        for name in COLLECTED:
            time = fields.get(name)
            if time is not None:
                return _collected(time)
    raise ValueError("no time")


def _collected(time: object) -> datetime:
    """ValueError, OverflowError: it is no time."""
    if isinstance(time, str) and not time.replace(".", "", 1).isdecimal():
        return moment(time)
    if isinstance(time, int | float | str) and not isinstance(time, bool):
        number = float(time)
        for units_a_second in (1, 10**3, 10**6, 10**9):
            if number / units_a_second < FAR:
                return datetime.fromtimestamp(number / units_a_second, UTC)
    raise ValueError("no time")


def _rotation(fields: Fields, at: datetime, source: str) -> Rotation:
    values: dict[str, Any] = {"at": iso(at)}
    for name, value in fields.items():
        kind = KINDS.get(name)
        if kind is not None and name != "at":
            values[name] = _value(value, kind)
    values["source"] = source
    return Rotation(**values)


def _value(value: object, kind: type) -> Any:
    """A value of this kind, None where a log has something else; texts printable, and not long."""
    # Not isinstance: to Python, True is the number 1.
    if type(value) is kind:
        if isinstance(value, str):
            return _shown(value)
        return value
    if type(value) is list and kind is tuple:
        return tuple(_shown(text) for text in value if isinstance(text, str))
    return None


def _shown(text: str) -> str:
    return printable(text[:MAX_TEXT])[:MAX_TEXT]
