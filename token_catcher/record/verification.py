"""Is a journal intact? Read from its first line to its last, changing nothing, holding up nobody.

Whatever was changed, added, moved or removed before the last record shows in the chain. What was
cut off at the end shows in the head file, or in a head that was kept elsewhere; a file whose last
record closes it needs neither. Who can write journal and head can write both anew, so a head that
is kept elsewhere is the stronger proof.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from token_catcher import files
from token_catcher.errors import StateError
from token_catcher.ownership import why
from token_catcher.record.archive import (
    ARCHIVED,
    expect_closed,
    missing_between,
    opened_pieces,
    series,
)
from token_catcher.record.chain import (
    CONVERTED,
    NOT_OURS,
    Fault,
    Head,
    Known,
    Reading,
    may_be_ours,
)
from token_catcher.record.head import head_file, read_head
from token_catcher.record.packing import why_not_read
from token_catcher.signals import unstopped

REPAIRED: Final = "journal.repaired"
"""The torn last line that a crash had left was cut off."""
HEADLESS: Final = "journal.headless"
"""The head file had vanished, and was made anew."""
PUT_BACK: Final = "journal.put_back"
"""The file had been rotated away like a log, and was put back."""

_REPAIRS: Final = (REPAIRED, HEADLESS, PUT_BACK)
_TORN: Final = (
    "the line has no end: a crash cut its append off, which the next start repairs, or somebody"
    " else wrote it"
)
_LOOKS: Final = 5
"""How often the files are read anew because one was closed meanwhile."""


class State(StrEnum):
    """How a journal stands."""

    INTACT = "intact"
    UNPROVEN = "unproven"
    """The chain is whole, and nothing tells whether it goes on."""
    BROKEN = "broken"
    TRUNCATED = "truncated"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Verification:
    """How a journal stands, and where it goes wrong."""

    state: State
    records: int
    """Lines that continue the chain, from the first one on."""
    head: Head
    """The last of them."""
    line: int | None = None
    """The first line that is wrong or missing; None also where the file as a whole, or its head,
    cannot be taken for one."""
    problem: str | None = None
    repairs: int = 0
    """How many of the records tell of a repair of the file."""
    unfinished: bool = False
    """A record was being written at that moment; it is not counted, and nothing is wrong."""
    first: int = 1
    """The number of the first record; those before it are in files that are not here."""
    file: Path | None = None
    """The file that the problem is in, where that is not the last one."""


def verify(path: Path, given: Head | None = None) -> Verification:
    """The journal at this path, with the closed files beside it.

    `given`: a head that was kept elsewhere. StateError: a file cannot be read, or is none."""
    for _ in range(_LOOKS):
        paths = series(path)
        verification = _Verifier(paths, given).run()
        if verification.problem is None or series(path) == paths:
            break
    return verification


def verify_files(paths: Sequence[Path], given: Head | None = None) -> Verification:
    """These files, which are one journal, in the order of their records.

    StateError: as `verify`."""
    return _Verifier(paths, given).run()


def in_order(paths: Iterable[Path]) -> list[Path]:
    """The files of one journal in the order of their records."""
    return sorted(paths, key=_first_record)


def _first_record(path: Path) -> int:
    """The number of its first record; one that cannot be taken for a journal comes last."""
    reading = Reading(start=None)
    try:
        with opened_pieces(path) as pieces, suppress(Fault):
            next(reading.lines(pieces), None)
    except OSError:  # which is told when its turn comes
        return 0
    return reading.start.seq


def _packed_beside(path: Path) -> str | None:
    """The name of what was made of a closed file that is not here, by a packer we do not know."""
    for file in sorted(path.parent.iterdir()):
        if file.name.startswith(f"{path.name}.") and file.suffix != ".index":
            return file.name
    return None


class _Verifier:
    """One look at the files of a journal, oldest first."""

    def __init__(self, paths: Sequence[Path], given: Head | None) -> None:
        self._paths = paths
        self._journal = paths[-1]
        self._given = given
        self._reading = Reading(start=None)
        self._file = paths[0]
        """The file in hand."""
        self._first: int | None = None
        self._records = 0
        self._repairs = 0
        self._unfinished = False

    def run(self) -> Verification:
        """StateError: a file cannot be read."""
        self._expect_no_directory()
        try:
            # The head first: what is appended meanwhile puts the journal ahead of it.
            self._noted = read_head(self._journal)
            self._read_all()
            return self._end()
        except FileNotFoundError:
            problem = f"{self._file} does not exist: nothing was recorded yet, or it is elsewhere"
            return self._failed(State.MISSING, Fault(None, problem))
        except Fault as fault:
            state = State.BROKEN
            if fault.truncated:
                state = State.TRUNCATED
            return self._failed(state, fault)
        except OSError as error:
            problem = f"{self._file}: the journal cannot be read: {why(error)}"
            raise StateError(problem) from None

    def _expect_no_directory(self) -> None:
        """StateError: one is given, which has no place for a head file beside it."""
        for path in self._paths:
            if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where it may not look
                problem = f"{path}: the journal cannot be read: it is not a regular file"
                raise StateError(problem, code="file")

    def _failed(self, state: State, fault: Fault) -> Verification:
        failed = Verification(state, self._records, self._reading.head, fault.line, str(fault))
        file = self._file
        if file == self._journal:
            return replace(failed, repairs=self._repairs, first=self._first or 1)
        return replace(failed, repairs=self._repairs, first=self._first or 1, file=file)

    def _read_all(self) -> None:
        known = []
        if self._noted is not None:
            known.append(Known(self._noted, "head file"))
        if self._given is not None:
            known.append(Known(self._given, "head given with --head"))
        start: Head | None = None
        for position, path in enumerate(self._paths):
            self._file = path
            self._reading = Reading(start, known)
            try:
                self._read_file()
                if self._file != self._journal:
                    expect_closed(self._reading)
            except Fault as fault:
                raise self._with_cause(fault, self._paths[:position]) from None
            start = self._reading.head

    def _with_cause(self, fault: Fault, before: Sequence[Path]) -> Fault:
        """The fault of a first line, where it is the file that is another one than expected."""
        if fault.line != 1:
            return fault
        form = why_not_read(self._file)
        if form is not None:
            return Fault(None, form)
        gap = self._gap(before)
        if gap is not None:
            return Fault(1, gap)
        return fault

    def _gap(self, before: Sequence[Path]) -> str | None:
        """Which closed files are missing before the one in hand; None: that is not the trouble."""
        names: Sequence[str] = ()
        if before:
            names = missing_between(before[-1], self._file)
        if not names:
            return None
        got = _first_record(self._file) + 1
        problem = f"got record {got}, expected {self._reading.start.seq + 1}"
        for name in names:
            packed = _packed_beside(self._file.with_name(name))
            if packed is not None:
                return f"{problem}: {packed} is not read here: unpack it"
        if len(names) == 1:
            return f"{problem}: {names[0]} is not here"
        return f"{problem}: {names[0]} to {names[-1]} are not here"

    def _read_file(self) -> None:
        try:
            with opened_pieces(self._file) as pieces:
                self._take_in(pieces)
                if self._reading.torn:
                    self._unfinished = self._is_being_written(pieces)
        except FileNotFoundError:
            if not self._may_be_missing():
                raise
        self._expect_no_torn_line()

    def _take_in(self, pieces: Callable[[int], bytes]) -> None:
        for _offset, content in self._reading.lines(pieces):
            if self._first is None:
                self._first = content["seq"]
                self._expect_given()
            self._records += 1
            self._repairs += content["event"] in _REPAIRS

    def _expect_given(self) -> None:
        """Fault: the head that was given lies before the first record."""
        start = self._reading.start
        if self._given is None or self._given.seq > start.seq or self._given == start:
            return
        problem = f"--head is of record {self._given.seq}, the files begin with {self._first}"
        raise Fault(None, f"{problem}: give the closed files before as well")

    def _is_being_written(self, pieces: Callable[[int], bytes]) -> bool:
        """Whether the last line has no end because somebody is writing it at this moment.

        If not, read what has become of it."""
        # A StateError: a file system without locks, on which nobody writes a journal.
        with suppress(StateError), unstopped(), files.opened(self._file) as file:
            if not files.lock(file, self._file, shared=True):
                return True
        self._take_in(pieces)
        return False

    def _expect_no_torn_line(self) -> None:
        if not self._reading.torn or self._unfinished:
            return
        if b"\r" in self._reading.torn:  # as one line, where the line ends became CRs alone
            raise Fault(self._reading.line, CONVERTED)
        if may_be_ours(self._reading.torn) and not self._is_known_beyond():
            raise Fault(self._reading.line, _TORN)
        if not self._is_known_beyond():
            raise Fault(self._reading.line, NOT_OURS)

    def _is_known_beyond(self) -> bool:
        """Whether more records are known than there are: then the torn line was whole before."""
        head = self._reading.head
        return any(known.head.seq > head.seq for known in self._reading.known)

    def _may_be_missing(self) -> bool:
        """Whether it is no fault of its own that this file is not there.

        The next append begins a new one after a closed one; and what the head file knows tells of
        a loss better than this does."""
        if self._file != self._journal:
            return False
        return self._noted is not None and (self._noted.seq > 0 or self._records > 0)

    def _end(self) -> Verification:
        """Whether the journal ends where it should."""
        if self._records == 0 and self._noted is not None and not self._journal.exists():
            problem = f"the journal is gone, its head file knows {self._noted.seq} records"
            raise Fault(1, problem, truncated=True)
        self._reading.expect_known()
        head = self._reading.head
        whole = Verification(
            State.INTACT,
            self._records,
            head,
            repairs=self._repairs,
            unfinished=self._unfinished,
            first=self._first or 1,
        )
        if self._noted is not None or self._is_closed() or self._given == head:
            return whole
        return replace(whole, state=State.UNPROVEN, line=None, problem=self._unproven())

    def _is_closed(self) -> bool:
        return self._reading.last_event == ARCHIVED

    def _unproven(self) -> str:
        name = head_file(self._journal).name
        if self._records == 0:
            raise Fault(
                1,
                f"the file is empty and {name} is missing: all of it may be cut off",
                truncated=True,
            )
        records = f"records {self._first or 1} to {self._reading.head.seq} are whole and in order"
        wanted = "give --head SEQ:HASH from elsewhere"
        if self._given is not None:
            records += f", and lead through record {self._given.seq}, which --head knows"
            wanted = "give a later --head"
        return (
            f"{records}; without {name} nothing tells whether later ones were cut off:"
            f" put that file beside it, or {wanted}"
        )
