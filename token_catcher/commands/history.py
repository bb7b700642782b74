"""Questions about the record: which token was rotated when, from the journal or from any collected logs.

A source is a file, plain or gzipped, or `-` for standard input. Of every line the first JSON object counts that is a
rotation or carries one as text: a record of the journal; a line of our log; the same behind a collector's prefix, or in the
message field of journald, Docker and their like. What journal and log both tell of is one row.

Logs pass through many hands. Nothing here proves anything, which is what `audit verify` is for; texts come out printable and
cut short, so that neither a terminal nor a spreadsheet nor a page can be made to act on them.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from gzip import BadGzipFile, GzipFile
from html import escape
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints
from unicodedata import normalize

from token_catcher.commands.advice import ADVICE
from token_catcher.errors import ConfigurationError
from token_catcher.model import Event, iso, moment

EVENTS: Final = tuple(Event)
OUTCOMES: Final = tuple(event.outcome for event in Event)
TIMES: Final = ("at", "timestamp")
"""Where a line says when: the journal, the log."""
MESSAGES: Final = ("MESSAGE", "message", "msg", "log")
"""Where collectors keep the line as it was written."""
SAME: Final = timedelta(minutes=1)
"""The log line follows the record at once: within this time two tellings of the same end of the same mail are one."""
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


@dataclass(frozen=True, slots=True)
class Rotation:
    """One row: how a mail ended. The fields, and what they mean, are those of the journal."""

    at: str
    """When it was recorded. Times are ISO 8601 in UTC."""
    event: str
    org: str | None = None
    username: str | None = None
    issued_at: str | None = None
    path: str | None = None
    version: int | None = None
    reason: str | None = None
    saw: str | None = None
    recovered: bool | None = None
    fingerprint: str | None = None
    token_length: int | None = None
    proof: str | None = None
    vault_created_at: str | None = None
    request_id: str | None = None
    instance: str | None = None
    mailbox: str | None = None
    folder: str | None = None
    uidvalidity: int | None = None
    uid: int | None = None
    mail: str | None = None
    received_at: str | None = None
    seq: int | None = None
    """Number and hash of the journal's record; None for what only a log tells."""
    hash: str | None = None

    @property
    def moment(self) -> datetime:
        """`at`, to compare."""
        return moment(self.at)

    @property
    def advice(self) -> str | None:
        """What a person does next about a held mail."""
        held = self.event == Event.HELD
        return next(
            (text for reason, text in ADVICE.items() if held and reason == self.reason), None
        )

    def as_json(self) -> dict[str, Any]:
        """The contract of `history --json`."""
        return {**asdict(self), "recovered": bool(self.recovered), "advice": self.advice}


@dataclass(frozen=True, slots=True)
class Query:
    """Which rotations are asked for; None: all."""

    org: str | None = None
    user: str | None = None
    event: str | None = None
    """`stored` or `rotation.stored`."""
    since: datetime | None = None
    until: datetime | None = None
    """Up to, but without it: the reports of two months share no row."""

    def __post_init__(self) -> None:
        """ConfigurationError: there is no such event."""
        if self.event is not None and self.event.removeprefix("rotation.") not in OUTCOMES:
            raise ConfigurationError(
                f"--event: got {self.event[:40]!a}, expected one of: {', '.join(OUTCOMES)}"
            )

    def fits(self, one: Rotation) -> bool:
        """Whether it is asked for, whatever its time."""
        return (
            self.org in (None, one.org)
            and (self.user is None or self.user.lower() == one.username)
            and (self.event is None or self.event.removeprefix("rotation.") == outcome(one))
        )

    def in_time(self, one: Rotation) -> bool:
        """Whether its time is asked for."""
        return (self.since is None or self.since <= one.moment) and (
            self.until is None or one.moment < self.until
        )


@dataclass(frozen=True, slots=True)
class History:
    """The rotations asked for, in order of time. Made by `read`."""

    rotations: tuple[Rotation, ...]
    unreadable: int
    """Lines that should be a rotation and cannot be read: torn, or written for people."""
    first_unreadable: str | None
    """Where the first of them stands: `FILE:LINE`."""


def outcome(one: Rotation) -> str:
    """stored | unchanged | held | refused"""
    return Event(one.event).outcome


def read(sources: Iterable[str], query: Query, stdin: io.BufferedReader) -> History:
    """Ask the sources, one after the other. ConfigurationError: one cannot be opened or read."""
    found: list[Rotation] = []
    unreadable: list[str] = []
    for source in sources:
        for number, line in _lines(source, stdin):
            try:
                one = _rotation(line)
            except (ValueError, OverflowError):
                unreadable.append(f"{source}:{number}")
            else:
                if one and query.fits(one):
                    found.append(one)
    rotations = sorted(
        filter(query.in_time, _merged(found)), key=lambda one: (one.moment, one.seq or 0)
    )
    return History(tuple(rotations), len(unreadable), next(iter(unreadable), None))


def _lines(source: str, stdin: io.BufferedReader) -> Iterator[tuple[int, bytes]]:
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


def _rotation(line: bytes) -> Rotation | None:
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
    values = {name: _value(one.get(name), kind) for name, kind in _KINDS.items()}
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


def _merged(rotations: Iterable[Rotation]) -> list[Rotation]:
    """Each rotation once, as the journal tells of it where it does."""
    kept: list[Rotation] = []
    last: dict[tuple[object, ...], int] = {}
    for one in sorted(rotations, key=lambda one: one.moment):
        index = last.setdefault(_identity(one), len(kept))
        if index < len(kept) and _is_same(kept[index], one):
            kept[index] = kept[index] if one.hash is None else one
        else:
            last[_identity(one)] = len(kept)
            kept.append(one)
    return kept


def _identity(one: Rotation) -> tuple[object, ...]:
    return (
        one.event,
        one.instance,
        one.mailbox,
        one.folder,
        one.uid,
        one.mail,
        one.reason,
        one.path,
        one.version,
    )


def _is_same(before: Rotation, after: Rotation) -> bool:
    """Two records of the journal never are."""
    return after.moment - before.moment <= SAME and (
        before.hash is None or after.hash in (None, before.hash)
    )


COLUMNS: Final = ("recorded", "outcome", "org", "user", "issued", "path", "version", "why")
"""Of the tables for people."""


def csv_lines(rotations: Iterable[Rotation]) -> Iterator[str]:
    """RFC 4180, a header line first, with line ends; the columns are the fields of `as_json`."""
    yield _csv_line([*_KINDS, "advice"])
    for one in rotations:
        yield _csv_line(map(_csv_cell, one.as_json().values()))


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue()


def _csv_cell(value: object) -> str:
    """Spreadsheets take a cell that begins like a formula for one, in full-width letters too: a quote in front prevents it."""
    if isinstance(value, str):
        return (
            "'" + value if normalize("NFKC", value).lstrip()[:1] in ("=", "+", "-", "@") else value
        )
    return "" if value is None else json.dumps(value)


def html_page(rotations: Sequence[Rotation], query: Query, *, made_at: datetime) -> Iterator[str]:
    """One page that needs nothing else: to read, to print, to hand to an auditor."""
    counts = Counter(map(outcome, rotations))
    told = ", ".join(f"{counts[name]} {name}" for name in OUTCOMES if counts[name]) or "none"
    span = f", from {_minute(rotations[0].at)} to {_minute(rotations[-1].at)}" if rotations else ""
    yield _PAGE_BEGIN
    yield f"<h1>Token rotations</h1>\n<p>{told}{span}; asked for: {escape(_asked(query))}.</p>\n"
    yield f"<p>Made at {_minute(iso(made_at))}. All times are UTC.</p>\n"
    yield f"<table>\n<thead><tr>{''.join(f'<th scope=col>{name}' for name in COLUMNS)}</tr></thead>\n<tbody>\n"
    for one in rotations:
        yield f"<tr class={outcome(one)}>{''.join(f'<td>{escape(cell)}' for cell in _cells(one))}</tr>\n"
    yield "</tbody>\n</table>\n</html>\n"


def _asked(query: Query) -> str:
    said = {
        name: iso(value) if isinstance(value, datetime) else value
        for name, value in asdict(query).items()
        if value
    }
    return ", ".join(f"{name} {value}" for name, value in said.items()) or "everything"


def _cells(one: Rotation) -> tuple[str, ...]:
    why = "; ".join(
        filter(None, (one.reason, one.saw, "recovered" if one.recovered else None, one.advice))
    )
    texts = (
        one.org,
        one.username,
        one.issued_at and _minute(one.issued_at),
        one.path,
        str(one.version or ""),
        why,
    )
    return (_minute(one.at), outcome(one), *(text or "" for text in texts))


def _minute(moment: str) -> str:
    """`2026-02-03 12:57:27`: without fractions and zone."""
    return moment[:19].replace("T", " ")


_KINDS: Final = {
    name: get_args(hint)[0] if get_args(hint) else hint
    for name, hint in get_type_hints(Rotation).items()
}
_PAGE_BEGIN: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Token rotations</title>
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #111; background: #fff; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3em .6em; border-bottom: 1px solid #ccc; overflow-wrap: anywhere; }
td:nth-child(1), td:nth-child(2), td:nth-child(5) { white-space: nowrap; font-variant-numeric: tabular-nums; }
.stored td:nth-child(2) { color: #06632e; }
.held td:nth-child(2) { color: #7a4b00; }
.refused td:nth-child(2) { color: #a3121b; }
@page { size: landscape; margin: 12mm; }
@media print { body { font-size: 9pt; margin: 0; } thead { display: table-header-group; } tr { break-inside: avoid; } }
</style>
"""
