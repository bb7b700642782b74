"""Is a journal intact? Read from its first line to its last, changing nothing, holding up nobody.

Whatever was changed, added, moved or removed before the last record shows in the chain. What was
cut off at the end shows in the head file, or in a head that was kept elsewhere; a file whose last
record closes it needs neither. Who can write journal and head can write both anew: that shows in a
head that was kept elsewhere, and, to who has the keys, in records that were written without them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

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
from token_catcher.record.keyring import NO_KEYS, Keyring
from token_catcher.record.packing import why_not_read
from token_catcher.signals import unstopped
from token_catcher.wording import counted

REPAIRED: Final = "journal.repaired"
"""The torn last line that a crash had left was cut off."""
HEADLESS: Final = "journal.headless"
"""The head file had vanished, and was made anew."""
PUT_BACK: Final = "journal.put_back"
"""The file had been rotated away like a log, and was put back."""

KEYED: Final = "journal.keyed"
"""The records from here on are written with another key than those above."""

_REPAIRS: Final = (REPAIRED, HEADLESS, PUT_BACK)
_TORN: Final = (
    "the line has no end: a crash cut its append off, which the next start repairs, or somebody"
    " else wrote it"
)
_MOST_STRETCHES: Final = 100
"""So many are told: a file that changes its key at every record is hostile, and memory is flat."""
_NEVER_KEYED: Final = (
    "records {} to {} are whole and in order, and none was written with a key though journal.key is"
    " set: the next start of the daemon keys them, unless somebody has written all of them anew"
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
class Stretch:
    """Records in a row that name the same key."""

    first: int
    last: int
    """Numbers of records."""
    key_id: str | None
    """None: they name none."""
    checked: bool
    """Whether we have that key, so that nobody without it wrote them."""


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
    missing: int | None = None
    """How many records were cut off at the end. None: none, or nobody knows how many."""
    stretches: tuple[Stretch, ...] = ()
    """Which records were written with which key, in their order; the first hundred."""
    unanchored: int | None = None
    """How many of the last records the anchor in Vault does not know yet. None: it was not looked
    at."""


def verify(
    path: Path,
    given: Head | None = None,
    keys: Keyring = NO_KEYS,
    anchor: Head | None = None,
    each: Callable[[Mapping[str, Any]], None] | None = None,
) -> Verification:
    """The journal at this path, with the closed files beside it.

    `given`: a head that was kept elsewhere. `keys`: of `journal.key`; without one, records are
    taken by their hashes alone. `anchor`: what Vault knew before this look began; `START`: nothing
    yet. `each`: told of every record that continues the chain, and of all of them once more where a
    file was closed meanwhile. StateError: a file cannot be read, or is none."""
    for _ in range(_LOOKS):
        paths = series(path)
        verification = _Verifier(paths, given, keys, anchor, each).run()
        if verification.problem is None or series(path) == paths:
            break
    return verification


def verify_files(
    paths: Sequence[Path], given: Head | None = None, keys: Keyring = NO_KEYS
) -> Verification:
    """These files, which are one journal, in the order of their records.

    StateError: as `verify`."""
    return _Verifier(paths, given, keys).run()


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


class _Stretches:
    """Which records were written with which key, told of each in their order."""

    def __init__(self, keys: Keyring) -> None:
        """`keys`: each record has to name one of these from the first one on that names any; where
        there are none, nothing is asked of a record."""
        self._keys = keys
        self._ended: list[Stretch] = []
        self._first = 0
        """The record that the stretch in hand begins with; 0: none was read yet."""
        self._last = 0
        self._key_id: str | None = None

    def take_in(self, content: Mapping[str, Any], reading: Reading) -> None:
        """The record that was just read. Fault: it should have been written with one of the keys,
        and was not."""
        key_id = reading.last_key_id
        if key_id != self._key_id or self._first == 0:
            self._expect_key(key_id, reading.line - 1)
            self._ended = self._all()[:_MOST_STRETCHES]
            self._first = content["seq"]
            self._key_id = key_id
        self._last = content["seq"]

    def _expect_key(self, key_id: str | None, line: int) -> None:
        if not self._keys.ids or self._keys.get(key_id) is not None:
            return
        if key_id is not None:
            expected = f"expected {' or '.join(self._keys.ids)}"
            mend = "an old key goes on a further line of journal.key"
            raise Fault(line, f"got a record of the key {key_id!a:.40}, {expected}: {mend}")
        if self._first != 0:
            problem = "the line was written without a key, and the one above with one"
            raise Fault(line, f"{problem}: by somebody who has none, or while journal.key was off")

    def _all(self) -> list[Stretch]:
        if self._first == 0:
            return []
        checked = self._keys.get(self._key_id) is not None
        return [*self._ended, Stretch(self._first, self._last, self._key_id, checked)]

    @property
    def lacks_key(self) -> bool:
        """Whether there are keys, and the last record names none."""
        return bool(self._keys.ids) and self._first != 0 and self._key_id is None

    def told(self) -> tuple[Stretch, ...]:
        """All of them, where any record names a key."""
        stretches = self._all()[:_MOST_STRETCHES]
        if any(stretch.key_id is not None for stretch in stretches):
            return tuple(stretches)
        return ()


class _Verifier:
    """One look at the files of a journal, oldest first."""

    def __init__(
        self,
        paths: Sequence[Path],
        given: Head | None,
        keys: Keyring,
        anchor: Head | None = None,
        each: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self._paths = paths
        self._each = each
        self._journal = paths[-1]
        self._given = given
        self._anchor = anchor
        self._keys = keys
        self._stretches = _Stretches(keys)
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
        failed = replace(self._so_far(state), line=fault.line, problem=str(fault), unfinished=False)
        if self._file != self._journal:
            return replace(failed, file=self._file)
        if state == State.TRUNCATED:
            return replace(failed, missing=self._missing())
        return failed

    def _so_far(self, state: State) -> Verification:
        """What was read up to here."""
        return Verification(
            state,
            self._records,
            self._reading.head,
            repairs=self._repairs,
            unfinished=self._unfinished,
            first=self._first or 1,
            stretches=self._stretches.told(),
        )

    def _missing(self) -> int | None:
        """How many records are known to have followed the last one."""
        last = max((known.head.seq for known in self._reading.known), default=0)
        return max(0, last - self._reading.head.seq) or None

    def _read_all(self) -> None:
        known = []
        if self._noted is not None:
            known.append(Known(self._noted, "head file"))
        if self._given is not None:
            known.append(Known(self._given, "head given with --head"))
        if self._anchor is not None:
            known.append(Known(self._anchor, "anchor in Vault"))
        start: Head | None = None
        for position, path in enumerate(self._paths):
            self._file = path
            self._reading = Reading(start, known, self._keys)
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
        before = self._reading.head
        for _offset, content in self._reading.lines(pieces):
            if self._first is None:
                self._first = content["seq"]
                self._expect_given()
            try:
                self._stretches.take_in(content, self._reading)
            except Fault:
                self._reading.head = before  # what is proven ends above this record
                raise
            before = self._reading.head
            self._records += 1
            self._repairs += content["event"] in _REPAIRS
            if self._each is not None:
                self._each(content)

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
        if self._anchor is not None and self._anchor.seq > 0:
            return True
        return self._noted is not None and (self._noted.seq > 0 or self._records > 0)

    def _end(self) -> Verification:
        """Whether the journal ends where it should."""
        if self._records == 0 and self._noted is not None and not self._journal.exists():
            records = counted(self._noted.seq, "record")
            problem = f"the journal is gone, its head file knows {records}"
            raise Fault(1, problem, truncated=True)
        self._reading.expect_known()
        head = self._reading.head
        whole = self._so_far(State.INTACT)
        if self._stretches.lacks_key:
            problem = _NEVER_KEYED.format(self._first or 1, head.seq)
            return replace(whole, state=State.UNPROVEN, problem=problem)
        if self._anchor is not None:
            whole = replace(whole, unanchored=head.seq - self._anchor.seq)
        if self._noted is not None or self._is_closed() or head in (self._given, self._anchor):
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
