"""The files of one journal: those that were closed, oldest first, and the one that is written to.

    journal-000001.jsonl         closed: its last record is `journal.archived`, which names it
    journal-000001.jsonl.index   where a mail's record is in it; made anew where it is missing
    journal.jsonl                written to: its first record, `journal.continued`, carries the
                                 chain on

A closed file never changes. It may be compressed (`gzip journal-000001.jsonl`), or moved away, the
oldest first: what is left is still a chain.

What only has such a name is no closed file: a person's copy, or what logrotate makes with
`extension .jsonl` and `dateformat -%Y%m`. A closed file ends in the record that closes it, or has
its index beside it, or the file after it names it.

No token waits for a closed file that was emptied or cannot be read: its index has its end, and
what is looked up in it. The index of a file that was moved away still tells which versions have
their record. Only `audit verify` and who reads its records miss the file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from token_catcher import files
from token_catcher.ports import Log
from token_catcher.record.chain import (
    CONTINUED,
    MAX_LINE,
    START,
    Fault,
    Head,
    Pieces,
    Reading,
    parsed,
    pieces_of,
)
from token_catcher.record.index import FileIndex, MemoryIndex, SavedIndex
from token_catcher.record.packing import PACKED, Unpacked, is_packed, plain_name, unpacked_at
from token_catcher.record.waiting import Waiting

ARCHIVED: Final = "journal.archived"
"""The last record of a closed file."""

_NAME: Final = re.compile(r"(?P<stem>.+)-(?P<number>[0-9]{6})(?P<suffix>\.[^.]*)?")
"""Of a closed file of any journal."""


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A closed file of a journal."""

    number: int
    """From 1, the oldest."""
    path: Path

    @property
    def name(self) -> str:
        """The one that it was closed under, whether it is compressed by now or not."""
        return plain_name(self.path)

    @property
    def index(self) -> Path:
        """Its index, which stays when the file is compressed."""
        return self.path.with_name(self.name + ".index")


def archived_files(path: Path) -> list[ArchivedFile]:
    """The closed files of this journal, oldest first. OSError: its directory cannot be read."""
    names = _names(path.parent)
    named = _numbered(path, names)
    unsure = [file for file in named if file.index.name not in names and not _is_closed(file)]
    if not unsure:
        return named
    followed = {_follows(file) for file in (*(file.path for file in named), path)}
    return [file for file in named if file not in unsure or file.name in followed]


def _numbered(path: Path, names: Iterable[str]) -> list[ArchivedFile]:
    """What has the name of a closed file, by number."""
    pattern = _pattern(path)
    files_by_number: dict[int, ArchivedFile] = {}
    # The compressed one first: beside the plain one, gzip is not ready with it.
    for name in sorted(names, reverse=True):
        match = pattern.fullmatch(name)
        if match is not None and not match["rest"]:
            number = int(match["number"])
            files_by_number[number] = ArchivedFile(number, path.with_name(name))
    return [files_by_number[number] for number in sorted(files_by_number)]


@lru_cache(maxsize=16)
def _pattern(path: Path) -> re.Pattern[str]:
    """Of the names of closed files; `rest`: what makes it the name of something beside one."""
    stem = re.escape(path.stem)
    suffix = re.escape(path.suffix)
    packed = "|".join(map(re.escape, PACKED))
    return re.compile(rf"{stem}-(?P<number>[0-9]{{6}}){suffix}(?:{packed})?(?P<rest>.*)")


def is_closed_name(path: Path, name: object) -> bool:
    """Whether a file of this journal can be closed under this name."""
    match = _pattern(path).fullmatch(str(name))
    return match is not None and name == f"{path.stem}-{match['number']}{path.suffix}"


def _is_closed(file: ArchivedFile) -> bool:
    """Whether its last record closes it."""
    try:
        status = file.path.stat(follow_symlinks=False)
    except OSError:
        return False
    return _closes_itself(file.path, file.name, status.st_ino, status.st_size, status.st_mtime_ns)


# A compressed file is read from front to back for its last line. One that is no closed file stays
# where it is for months, and every look-up asks again.
@lru_cache(maxsize=256)
def _closes_itself(path: Path, name: str, *_state: int) -> bool:
    """`_state`: what changes when the file does."""
    return _is_closing(_last_record(path), name)


def _is_closing(record: Mapping[str, Any], name: str) -> bool:
    """Whether a record closes the file of this name."""
    return record.get("event") == ARCHIVED and record.get("file") == name


def _follows(path: Path) -> object:
    """The closed file that this one says it carries on, by name; None: it says nothing."""
    with suppress(OSError, Fault), opened_pieces(path) as pieces:
        first = parsed(pieces(0).partition(b"\n")[0], 1)
        if first["event"] == CONTINUED:
            return first.get("file")
    return None


def missing_between(before: Path, after: Path) -> list[str]:
    """The names of the closed files between two of a journal, as the later one tells of them."""
    last = _follows(after)
    end = _NAME.fullmatch(str(last))
    begin = _NAME.fullmatch(plain_name(before))
    if last == plain_name(before) or end is None:
        return []
    first = int(end["number"])
    if begin is not None and begin["stem"] == end["stem"]:
        first = int(begin["number"]) + 1
    return [
        f"{end['stem']}-{number:06}{end['suffix']}"
        for number in range(first, int(end["number"]) + 1)
    ]


def without_file(path: Path) -> list[ArchivedFile]:
    """The closed files of which nothing but the index is there, by the names they had.

    OSError: the directory cannot be read."""
    names = _names(path.parent)
    there = {file.number for file in _numbered(path, names)}
    lacking = []
    for name in sorted(names):
        match = _pattern(path).fullmatch(name)
        if match is not None and match["rest"] == ".index" and int(match["number"]) not in there:
            file = path.with_name(name.removesuffix(".index"))
            lacking.append(ArchivedFile(int(match["number"]), file))
    return lacking


def series(path: Path) -> list[Path]:
    """Every file of this journal, in the order of its records: plain ones, and packed ones.

    The last is `path`, whether it is there or not."""
    try:
        closed = archived_files(path)
    except OSError:  # which opening the journal will tell as well
        closed = []
    return [*(file.path for file in closed), path]


@contextmanager
def opened_pieces(path: Path) -> Iterator[Pieces]:
    """The bytes of a journal file, plain or compressed. OSError: it cannot be opened."""
    with files.opened(path) as file:
        if is_packed(path):
            yield Unpacked(path, file)
        else:
            yield pieces_of(file)


class Archive:
    """The closed files of one journal, and what is looked up in them. One thread at a time."""

    def __init__(self, path: Path, *, log: Log, writing: bool) -> None:
        """`path`: of the journal. `writing`: missing indexes are put on disk."""
        self._path = path
        self._log = log
        self._writing = writing
        self._indexes: dict[int, FileIndex] = {}
        self._unreadable: set[int] = set()
        """The files that were told to be so."""

    @property
    def end(self) -> Head:
        """The last record of the newest closed file.

        Fault, OSError: it has no index, and cannot be read, or is broken."""
        closed = self._closed()
        if not closed:
            return START
        return self._index(closed, len(closed) - 1).end

    def _closed(self) -> list[ArchivedFile]:
        """Those that are there; and the newest, which the journal follows, where it lacks all but
        its index.

        Where none is there they were moved away, and the journal's first line says where it
        begins."""
        closed = archived_files(self._path)
        if closed:
            lacking = [file for file in without_file(self._path) if file.number > closed[-1].number]
            # A crash between index and name leaves an index whose records the journal still has.
            if lacking and _follows(self._path) == lacking[-1].name:
                closed.append(lacking[-1])
        return closed

    @property
    def waiting(self) -> Waiting:
        """What the closed files say of held mails. For the caller to go on with."""
        closed = self._closed()
        return self._waiting(closed, len(closed) - 1)

    def _waiting(self, closed: list[ArchivedFile], position: int) -> Waiting:
        """As of the end of the closed file at this position; none: nothing waits."""
        if position < 0:
            return Waiting()
        try:
            return self._index(closed, position).waiting.copy()
        except (OSError, ValueError):  # as below
            self._indexes.pop(closed[position].number, None)
            return self._index(closed, position).waiting.copy()

    def next_name(self, follows: str | None) -> str:
        """The name for the file that is closed next, which follows the one of this name.

        That one counts where it was moved away: no two files of a journal have one name."""
        names = [follows or "", *(file.name for file in archived_files(self._path))]
        matches = [_pattern(self._path).fullmatch(name) for name in names]
        number = max((int(match["number"]) for match in matches if match), default=0) + 1
        # What is no closed file, and has this name, is somebody's.
        taken = {file.number for file in _numbered(self._path, _names(self._path.parent))}
        while number in taken:
            number += 1
        return f"{self._path.stem}-{number:06}{self._path.suffix}"

    @property
    def first(self) -> Mapping[str, Any] | None:
        """The first record of the oldest closed file that is there; None: none is there.

        Fault, OSError: it cannot be read."""
        closed = archived_files(self._path)
        if not closed:
            return None
        return _record_at(closed[0].path, 0)

    def having(self, keys: Iterable[bytes]) -> set[bytes]:
        """Those of the keys that a record of the closed files has, also of one that was moved away
        and has left its index."""
        closed = self._closed()
        left = [_saved_index(file) for file in without_file(self._path)]
        return {key for key in keys if self._is_in(closed, left, key)}

    def _is_in(
        self, closed: list[ArchivedFile], left: Sequence[FileIndex | None], key: bytes
    ) -> bool:
        for position in range(len(closed)):
            if self._offset(closed, position, key) is not None:
                return True
        return any(index is not None and index.find(key) is not None for index in left)

    def find(self, key: bytes) -> Mapping[str, Any] | None:
        """The newest record of the closed files with this key.

        None also where its file was emptied or cannot be read, as where it was moved away."""
        closed = self._closed()
        for position in reversed(range(len(closed))):
            offset = self._offset(closed, position, key)
            if offset is not None:
                return self._record(closed[position], offset)
        return None

    def _record(self, file: ArchivedFile, offset: int) -> Mapping[str, Any] | None:
        """None: it cannot be read, which is told once."""
        try:
            return _record_at(file.path, offset)
        except (Fault, OSError) as error:
            if file.number not in self._unreadable:
                self._unreadable.add(file.number)
                self._log.warning("journal.unreadable", file=str(file.path), error=str(error))
            return None

    def _offset(self, closed: list[ArchivedFile], position: int, key: bytes) -> int | None:
        try:
            return self._index(closed, position).find(key)
        except OSError:  # somebody removed it, or exchanged the disk under us
            self._indexes.pop(closed[position].number, None)
            return self._index(closed, position).find(key)

    def _index(self, closed: list[ArchivedFile], position: int) -> FileIndex:
        """From memory, else from disk, else made from the file."""
        file = closed[position]
        index = self._indexes.get(file.number)
        if index is None:
            index = _saved_index(file)
        if index is None:
            index = self._made_index(closed, position)
        self._indexes[file.number] = index
        return index

    def _made_index(self, closed: list[ArchivedFile], position: int) -> FileIndex:
        file = closed[position]
        reading = Reading(start=None)
        before = START
        if position:
            before = self._index(closed, position - 1).end
        index = MemoryIndex(START, self._waiting(closed, position - 1))
        with _named(file.path), opened_pieces(file.path) as pieces:
            for offset, content in reading.lines(pieces):
                index.take_in(offset, content)
            expect_closed(reading)
        if reading.start.seq > before.seq:
            index.waiting.missing = reading.start.seq
        if not self._writing:
            return index
        index.save(file.index)
        return SavedIndex(file.index)


def expect_closed(reading: Reading) -> None:
    """Fault: what was read to its end is no closed file, or not all of one."""
    if reading.last_event != ARCHIVED or reading.torn:
        problem = "the archived file ends here without its closing record: the rest was cut off"
        raise Fault(reading.line, problem, truncated=True)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """A fault of a closed file names that file."""
    try:
        yield
    except Fault as fault:
        where = path.name
        if fault.line is not None:
            where += f":{fault.line}"
        raise Fault(None, f"{where}: {fault}", truncated=fault.truncated) from None


def _saved_index(file: ArchivedFile) -> FileIndex | None:
    """The one on disk; None: there is none of this file."""
    try:
        index = SavedIndex(file.index)
    except (OSError, ValueError):
        return None
    # Of a compressed file the end cannot be read without all of it. And one that was damaged has
    # nothing better than this, which verify does not ask.
    if is_packed(file.path):
        return index
    last = _last_record(file.path)
    if _is_closing(last, file.name) and last.get("hash") != index.end.hash:
        return None
    return index


def _last_record(path: Path) -> Mapping[str, Any]:
    """The last line, as it stands there; nothing where it is no record, or cannot be read."""
    try:
        line = _end_of(path).rstrip(b"\n").rpartition(b"\n")[2]
        return parsed(line, None)
    except (OSError, Fault):
        return {}


def _end_of(path: Path) -> bytes:
    """The last bytes, enough for a line."""
    end = b""
    with opened_pieces(path) as pieces:
        if not is_packed(path):
            return pieces(max(0, path.stat().st_size - MAX_LINE))
        offset = 0
        while piece := pieces(offset):
            offset += len(piece)
            end = (end + piece)[-MAX_LINE:]
    return end


def _record_at(path: Path, offset: int) -> Mapping[str, Any]:
    """Fault: there is none at this place."""
    with _named(path), files.opened(path) as file:
        if is_packed(path):
            line = unpacked_at(path, file, offset, MAX_LINE)
        else:
            line = os.pread(file.fileno(), MAX_LINE, offset)
        return parsed(line.partition(b"\n")[0], None)


def _names(directory: Path) -> list[str]:
    """None where the directory is not there yet."""
    try:
        return [file.name for file in directory.iterdir()]
    except FileNotFoundError:
        return []
