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
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from token_catcher.commands.collectors import Told, Untold, readings, record_alone
from token_catcher.commands.pieces import Piece, pieces
from token_catcher.commands.record_object import KINDS, Fields
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


def row_of(record: Fields) -> Row | Unreadable:
    """The row of a record of the journal, whose place in the chain is known."""
    return _row(Told(record), 0, JOURNAL)


def rows(
    source: str, query: Query, stdin: io.BufferedReader, *, recorded: bool = False
) -> Iterator[Row | Unreadable]:
    """The rotations of a source that fit, whatever their time, and what of it cannot be read.

    `recorded`: it is a file of the configured journal.
    TokenCatcherError: the source cannot be read."""
    read = pieces(chunks(source, stdin))
    if recorded:
        return _of_configured_journal(read, query)
    return _of_any_source(read, query)


def _of_configured_journal(read: Iterator[Piece], query: Query) -> Iterator[Row | Unreadable]:
    for piece in read:
        told = _of_piece(piece, query, JOURNAL)
        # Of a million lines, few are asked for: only those are hashed.
        if told and not is_sealed(piece.content):
            told = [_of_a_log(row) for row in told]
        yield from told


def _of_any_source(read: Iterator[Piece], query: Query) -> Iterator[Row | Unreadable]:
    """Whether a source is a journal shows at its end: what may be its rows is kept until then.

    In most logs the first line shows that it is none, and no other line is asked."""
    chain = Chain()
    kept: list[Row] = []
    for piece in read:
        content = chain.take_in(piece.content)
        for row in _of_piece(piece, query, JOURNAL, content):
            if content is not None and isinstance(row, Row):
                kept.append(row)
            else:
                yield _of_a_log(row)
        if not chain.holds:
            yield from map(_of_a_log, kept)
            kept.clear()
            break
    yield from kept
    for piece in read:
        yield from _of_piece(piece, query, LOG)


def _of_a_log(row: Row | Unreadable) -> Row | Unreadable:
    if isinstance(row, Unreadable):
        return row
    return row._replace(rotation=replace(row.rotation, source=LOG))


def _of_piece(
    piece: Piece, query: Query, source: str, content: Fields | None = None
) -> Sequence[Row | Unreadable]:
    """What is asked for. `content`: the JSON of the piece, where it was parsed already."""
    record = record_alone(piece.content, content)
    if record is not None:
        if query.fits(record):
            return (_row(Told(record), piece.line, source),)
        return ()
    told: list[Row | Unreadable] = []
    for line, reading in readings(piece):
        if reading is Untold.UNREADABLE:
            told.append(Unreadable(line))
        elif reading is not Untold.QUOTED and query.fits(reading.fields):
            told.append(_row(reading, line, source))
    # Torn before it said what it is, or the end of a file that tells no more.
    if not piece.is_whole and not any(isinstance(row, Unreadable) for row in told):
        told.append(Unreadable(piece.line))
    return told


def _row(reading: Told, line: int, source: str) -> Row | Unreadable:
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
