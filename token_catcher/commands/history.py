"""Questions about the record: which token was rotated when, from the journal or collected logs.

What journal and log both tell of is one row, the journal's.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from operator import attrgetter
from pathlib import Path
from typing import Final, NamedTuple

from token_catcher.commands import output
from token_catcher.commands.csv_form import csv_lines
from token_catcher.commands.history_page import html_page
from token_catcher.commands.logs import Row, rows
from token_catcher.commands.output import ExitCode
from token_catcher.commands.recorded import Recorded
from token_catcher.commands.render import advice_lines, history_table, wide_history_table
from token_catcher.commands.rotation import JOURNAL, Query, Rotation
from token_catcher.errors import StateError, TokenCatcherError
from token_catcher.files import may_exist
from token_catcher.record import State, series, verify
from token_catcher.wording import counted

SAME: Final = timedelta(minutes=1)
"""The log line follows the record at once: two tellings of the same end of the same mail within
this time are one."""
_NEXT: Final = (
    "next: `token-catcher audit verify` says from where on the journal is not to be trusted; what"
    " is missing above may be in a copy of it, or in collected logs"
)
MAX_PLACES: Final = 5
"""As many lines that could not be read are named."""


@dataclass(frozen=True, slots=True)
class History:
    """The rotations asked for, in order of time. Made by `read`."""

    rotations: tuple[Rotation, ...]
    unreadable: int = 0
    """Lines that should tell of a rotation and cannot be read: torn, written for people, or without
    what a record has."""
    places: tuple[str, ...] = ()
    """Where the first of them stand: `FILE:LINE`."""
    empty: tuple[str, ...] = ()
    """The sources that tell of no rotation that is asked for, whatever its time."""

    @property
    def suppressed(self) -> int:
        """How many rotations the logs left out of a flood."""
        return sum(rotation.suppressed or 0 for rotation in self.rotations)


def run(
    sources: Sequence[str],
    query: Query,
    *,
    now: datetime,
    as_json: bool = False,
    as_csv: bool = False,
    html: Path | None = None,
    wide: bool = False,
) -> ExitCode:
    """Show what the sources tell; as a table, unless another form is asked for. `wide`: with all of
    its columns, however many the terminal has.

    FAILED: a part of them cannot be read.
    TokenCatcherError: a source cannot be read at all, or the page cannot be written."""
    assert isinstance(sys.stdin.buffer, io.BufferedReader)
    history = read(sources, query, sys.stdin.buffer)
    _show(history, query, now=now, as_json=as_json, as_csv=as_csv, html=html, wide=wide)
    # It may be the wrong file, and looks like a time without rotations.
    for source in history.empty:
        told = f"{source}: no rotation that is asked for was found in it"
        output.complain(f"token-catcher: {told}")
    return _end(history)


def _show(
    history: History,
    query: Query,
    *,
    now: datetime,
    as_json: bool,
    as_csv: bool,
    html: Path | None,
    wide: bool,
) -> None:
    """In the form that is asked for."""
    if as_json:
        output.write_json(rotation.as_json() for rotation in history.rotations)
    elif as_csv:
        output.write(csv_lines(history.rotations))
    elif html is not None:
        _save(html, html_page(history.rotations, query, made_at=now))
    elif wide:
        output.print_table(wide_history_table(history.rotations))
        output.print_lines(advice_lines(history.rotations))
    else:
        output.print_table(history_table(history.rotations), output.NARROW)
        output.print_lines(advice_lines(history.rotations))
    if history.suppressed:
        output.complain(
            f"token-catcher: {history.suppressed} more were not logged one by one, since there"
            " were more than ten of a kind in an hour; the journal has each"
        )


def _end(history: History) -> ExitCode:
    """FAILED: lines could not be read, which is told."""
    if history.unreadable:
        output.complain(_unreadable(history))
        return ExitCode.FAILED
    return ExitCode.DONE


def run_recorded(
    journal: Path,
    query: Query,
    *,
    now: datetime,
    as_json: bool = False,
    as_csv: bool = False,
    html: Path | None = None,
    wide: bool = False,
) -> ExitCode:
    """The same of the journal at this path, all its files; and whether records are missing there.

    FAILED: as `audit verify` would, since less is shown than was recorded, or may be."""
    files = [str(file) for file in series(journal) if may_exist(file)]
    recorded = Recorded(query)
    told = list(_not_shown(journal, recorded, any_file=bool(files)))
    if recorded.is_whole:
        history = _history(recorded.rows, query)
        is_empty = not recorded.rows
    else:
        assert isinstance(sys.stdin.buffer, io.BufferedReader)
        history = read(files, query, sys.stdin.buffer, recorded=True)
        is_empty = len(history.empty) == len(files)
    _show(history, query, now=now, as_json=as_json, as_csv=as_csv, html=html, wide=wide)
    if query.user is not None and files and is_empty:
        output.complain(_not_known(files, query.user.lower()))
    code = _end(history)
    for problem in told:
        output.complain(f"token-catcher: {problem.text}")
        if problem.fails:
            code = ExitCode.FAILED
    return code


SCHEMA: Final = "schema"
"""In place of files: a file of that name is `./schema`."""


class _Problem(NamedTuple):
    """Something that people have to know of the journal."""

    text: str
    fails: bool


def _not_shown(journal: Path, recorded: Recorded, *, any_file: bool) -> Iterator[_Problem]:
    """Why rows of the journal may be missing. `recorded` is told of its records; it is not whole
    where lines have to be read one by one, because of some that the chain does not tell of."""
    try:
        verification = verify(journal, each=recorded.take_in)
    except StateError as error:
        recorded.is_whole = False
        yield _Problem(f"{error}\n{_NEXT}", fails=True)
        return
    if verification.problem is not None or verification.unfinished:
        recorded.is_whole = False
    if verification.state == State.MISSING and not any_file:
        text = f"nothing was recorded yet: {journal} does not exist"
        yield _Problem(text, fails=False)
    elif verification.problem is not None:
        place = str(verification.file or journal)
        if verification.line is not None:
            place += f":{verification.line}"
        text = f"the journal is {verification.state}: {place}: {verification.problem}"
        yield _Problem(f"{text}\n{_NEXT}", fails=True)
    if verification.first > 1:
        text = f"{journal} begins with record {verification.first}"
        yield _Problem(f"{text}: the files before it are not here", fails=False)


def _not_known(files: Sequence[str], user: str) -> str:
    """That the journal tells nothing of this user, and of whom it tells that may be meant."""
    told = f"token-catcher: no record of {user} that is asked for"
    meant = get_close_matches(user, _usernames(files), n=3)
    if user in meant or not meant:
        return told
    return f"{told}; the journal has some of {', '.join(meant)}"


def _usernames(files: Sequence[str]) -> set[str]:
    """Those of all records."""
    assert isinstance(sys.stdin.buffer, io.BufferedReader)
    everything = read(files, Query(), sys.stdin.buffer, recorded=True)
    return {rotation.username for rotation in everything.rotations if rotation.username is not None}


def _unreadable(history: History) -> str:
    """What is missing, and where to look for it."""
    places = ", ".join(history.places)
    if history.unreadable > len(history.places):
        places += ", …"
    return (
        f"token-catcher: {counted(history.unreadable, 'line')} could not be read: {places}\n"
        "next: look at them: each tells of a rotation, or is torn, and is missing above"
    )


def read(
    sources: Iterable[str], query: Query, stdin: io.BufferedReader, *, recorded: bool = False
) -> History:
    """Ask the sources, one after the other. TokenCatcherError: one cannot be opened or read.

    `recorded`: they are the files of the configured journal."""
    told: list[Row] = []
    unreadable = 0
    places: list[str] = []
    empty: list[str] = []
    for source in sources:
        before = len(told) + unreadable
        for row in rows(source, query, stdin, recorded=recorded):
            if isinstance(row, Row):
                told.append(row)
                continue
            unreadable += 1
            if len(places) < MAX_PLACES:
                places.append(f"{source}:{row.line}")
        if len(told) + unreadable == before:
            empty.append(source)
    return _history(told, query, unreadable=unreadable, places=places, empty=empty)


def _history(
    told: list[Row],
    query: Query,
    *,
    unreadable: int = 0,
    places: Sequence[str] = (),
    empty: Sequence[str] = (),
) -> History:
    """Each rotation of the time that is asked for, once, in order of time."""
    merged = _merged(told)
    asked = [row for row in merged if query.in_time(row.moment, row.rotation.issued_at)]
    asked.sort(key=_position)
    rotations = tuple(row.rotation for row in asked)
    return History(rotations, unreadable, tuple(places), tuple(empty))


def _merged(told: list[Row]) -> list[Row]:
    """Each rotation once, as the journal tells of it where it does."""
    merged: list[Row] = []
    last: dict[tuple[object, ...], int] = {}
    # By time, whichever source they came from: a log may be read before its journal.
    told.sort(key=attrgetter("moment"))
    for row in told:
        identity = _identity(row.rotation)
        index = last.get(identity)
        if index is None or not _is_same(merged[index], row):
            last[identity] = len(merged)
            merged.append(row)
        elif _surety(row.rotation) > _surety(merged[index].rotation):
            merged[index] = row
    return merged


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


def _is_same(before: Row, after: Row) -> bool:
    """Whether two tellings with one identity are of one rotation. Two journal records never are."""
    if after.moment - before.moment > SAME:
        return False
    return before.rotation.hash is None or after.rotation.hash in (None, before.rotation.hash)


def _surety(rotation: Rotation) -> tuple[bool, bool]:
    """Which of two tellings is kept: the journal's, else one with the number of a record."""
    return rotation.source == JOURNAL, rotation.hash is not None


def _position(row: Row) -> tuple[datetime, int]:
    """In order of time; records of one moment in the order of the journal."""
    return row.moment, row.rotation.seq or 0


def _save(path: Path, pieces: Iterable[str]) -> None:
    """TokenCatcherError: the file cannot be written."""
    try:
        # What was asked for may hold bytes that are no text, from the command line.
        with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(pieces)
    except OSError as error:
        problem = f"--html: {path} cannot be written: {error.strerror}"
        raise TokenCatcherError(problem, code="file") from None
