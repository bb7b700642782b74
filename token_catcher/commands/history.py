"""Questions about the record: which token was rotated when, from the journal or collected logs.

What journal and log both tell of is one row, the journal's.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import Final

from token_catcher.commands import output
from token_catcher.commands.forms import csv_lines, html_page
from token_catcher.commands.logs import numbered_lines, rotation_of
from token_catcher.commands.render import advice_lines, history_table
from token_catcher.commands.rotation import Query, Rotation
from token_catcher.errors import TokenCatcherError

SAME: Final = timedelta(minutes=1)
"""The log line follows the record at once: two tellings of the same end of the same mail within
this time are one."""


@dataclass(frozen=True, slots=True)
class History:
    """The rotations asked for, in order of time. Made by `read`."""

    rotations: tuple[Rotation, ...]
    unreadable: int
    """Lines that should be a rotation and cannot be read: torn, or written for people."""
    first_unreadable: str | None
    """Where the first of them stands: `FILE:LINE`."""


def run(
    sources: Sequence[str],
    query: Query,
    *,
    now: datetime,
    as_json: bool = False,
    as_csv: bool = False,
    html: Path | None = None,
) -> None:
    """Show what the sources tell; as a table, unless another form is asked for.

    TokenCatcherError: a source cannot be read, or the page cannot be written."""
    assert isinstance(sys.stdin.buffer, io.BufferedReader)
    history = read(sources, query, sys.stdin.buffer)
    if as_json:
        output.write_json(rotation.as_json() for rotation in history.rotations)
    elif as_csv:
        output.write(csv_lines(history.rotations))
    elif html is not None:
        _save(html, html_page(history.rotations, query, made_at=now))
    else:
        output.print_table(history_table(history.rotations))
        output.print_lines(advice_lines(history.rotations))
    if history.unreadable:
        output.complain(
            f"token-catcher: {history.unreadable} lines could not be read,"
            f" the first is {history.first_unreadable}"
        )


def read(sources: Iterable[str], query: Query, stdin: io.BufferedReader) -> History:
    """Ask the sources, one after the other. TokenCatcherError: one cannot be opened or read."""
    rotations: list[Rotation] = []
    unreadable: list[str] = []
    for source in sources:
        for number, line in numbered_lines(source, stdin):
            try:
                rotation = rotation_of(line)
            except (ValueError, OverflowError):
                unreadable.append(f"{source}:{number}")
                continue
            if rotation is not None and query.fits(rotation):
                rotations.append(rotation)
    rows = sorted(filter(query.in_time, _merged(rotations)), key=_position)
    return History(tuple(rows), len(unreadable), next(iter(unreadable), None))


def _merged(rotations: Iterable[Rotation]) -> list[Rotation]:
    """Each rotation once, as the journal tells of it where it does."""
    rows: list[Rotation] = []
    last: dict[tuple[object, ...], int] = {}
    # By time, whichever source they came from: a log may be read before its journal.
    for rotation in sorted(rotations, key=attrgetter("moment")):
        identity = _identity(rotation)
        index = last.get(identity)
        if index is None or not _is_same(rows[index], rotation):
            last[identity] = len(rows)
            rows.append(rotation)
        elif rotation.hash is not None:
            rows[index] = rotation
    return rows


def _identity(rotation: Rotation) -> tuple[object, ...]:
    return (
        rotation.event,
        rotation.instance,
        rotation.mailbox,
        rotation.folder,
        rotation.uid,
        rotation.mail,
        rotation.reason,
        rotation.path,
        rotation.version,
    )


def _is_same(before: Rotation, after: Rotation) -> bool:
    """Whether two tellings with one identity are of one rotation. Two journal records never are."""
    if after.moment - before.moment > SAME:
        return False
    return before.hash is None or after.hash in (None, before.hash)


def _position(rotation: Rotation) -> tuple[datetime, int]:
    """In order of time; records of one moment in the order of the journal."""
    return rotation.moment, rotation.seq or 0


def _save(path: Path, pieces: Iterable[str]) -> None:
    """TokenCatcherError: the file cannot be written."""
    try:
        # What was asked for may hold bytes that are no text, from the command line.
        with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(pieces)
    except OSError as error:
        problem = f"--html: {path} cannot be written: {error.strerror}"
        raise TokenCatcherError(problem, code="file") from None
