"""The files of one journal: those that were closed, oldest first, and the one that is written to.

    journal-000001.jsonl         closed: its last record is `journal.archived`, which names it
    journal-000001.jsonl.index   where a mail's record is in it; made anew where it is missing
    journal.jsonl                written to: its first record, `journal.continued`, carries the
                                 chain on

A closed file never changes. It may be compressed (`gzip journal-000001.jsonl`), or moved away, the
oldest first: what is left is still a chain.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from gzip import BadGzipFile, GzipFile
from pathlib import Path
from typing import Any, Final

from token_catcher import files
from token_catcher.record.chain import (
    MAX_LINE,
    NOT_OURS,
    START,
    Fault,
    Head,
    Pieces,
    Reading,
    Unpacked,
    parsed,
    pieces_of,
)
from token_catcher.record.index import FileIndex, MemoryIndex, SavedIndex
from token_catcher.record.waiting import Waiting

ARCHIVED: Final = "journal.archived"
"""The last record of a closed file."""

_GZIP: Final = ".gz"


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A closed file of a journal."""

    number: int
    """From 1, the oldest."""
    path: Path

    @property
    def index(self) -> Path:
        """Its index, which stays when the file is compressed."""
        return self.path.with_name(self.path.name.removesuffix(_GZIP) + ".index")


def archived_files(path: Path) -> list[ArchivedFile]:
    """The closed files of this journal, oldest first. OSError: its directory cannot be read."""
    pattern = _pattern(path)
    found: dict[int, ArchivedFile] = {}
    # The compressed one first: beside the plain one, gzip is not ready with it.
    for name in sorted(_names(path.parent), reverse=True):
        match = pattern.fullmatch(name)
        if match is not None:
            number = int(match[1])
            found[number] = ArchivedFile(number, path.with_name(name))
    return [found[number] for number in sorted(found)]


def _pattern(path: Path) -> re.Pattern[str]:
    stem, suffix = re.escape(path.stem), re.escape(path.suffix)
    return re.compile(rf"{stem}-([0-9]{{6}}){suffix}({re.escape(_GZIP)})?")


def series(path: Path) -> list[Path]:
    """Every file of this journal, in the order of its records: plain ones, and `.gz`.

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
        if path.name.endswith(_GZIP):
            yield Unpacked(file)
        else:
            yield pieces_of(file)


class Archive:
    """The closed files of one journal, and what is looked up in them. One thread at a time."""

    def __init__(self, path: Path, *, writing: bool) -> None:
        """`path`: of the journal. `writing`: missing indexes are put on disk."""
        self._path = path
        self._writing = writing
        self._indexes: dict[int, FileIndex] = {}

    @property
    def end(self) -> Head:
        """The last record of the newest closed file.

        Fault, OSError: the file cannot be read, or is broken."""
        closed = archived_files(self._path)
        if not closed:
            return START
        return self._index(closed, len(closed) - 1).end

    @property
    def waiting(self) -> Waiting:
        """What the closed files say of held mails. For the caller to go on with."""
        closed = archived_files(self._path)
        return self._waiting(closed, len(closed) - 1)

    def _waiting(self, closed: list[ArchivedFile], position: int) -> Waiting:
        """As of the end of the closed file at this position; none: nothing waits."""
        if position < 0:
            return Waiting()
        return self._index(closed, position).waiting.copy()

    def next_name(self, follows: str | None) -> str:
        """The name for the file that is closed next, which follows the one of this name.

        That one counts where it was moved away: no two files of a journal have one name."""
        numbers = [file.number for file in archived_files(self._path)]
        match = _pattern(self._path).fullmatch(follows or "")
        if match is not None:
            numbers.append(int(match[1]))
        return f"{self._path.stem}-{max(numbers, default=0) + 1:06}{self._path.suffix}"

    def find(self, key: bytes) -> Mapping[str, Any] | None:
        """The newest record of the closed files with this key."""
        closed = archived_files(self._path)
        for position in reversed(range(len(closed))):
            offset = self._offset(closed, position, key)
            if offset is not None:
                return _record_at(closed[position].path, offset)
        return None

    def _offset(self, closed: list[ArchivedFile], position: int, key: bytes) -> int | None:
        try:
            return self._index(closed, position).find(key)
        except OSError:  # somebody removed it, or exchanged the disk under us
            del self._indexes[closed[position].number]
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
        index = MemoryIndex(START, self._waiting(closed, position - 1))
        with _named(file.path), opened_pieces(file.path) as pieces:
            for offset, content in reading.lines(pieces):
                index.take_in(offset, content)
            expect_closed(reading)
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
    # Of a compressed file the end cannot be read without all of it.
    if file.path.name.endswith(_GZIP) or _last_hash(file.path) == index.end.hash:
        return index
    return None


def _last_hash(path: Path) -> object:
    """The hash of the last line, as it stands there; None: it is no record."""
    with files.opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        begin = max(0, size - MAX_LINE)
        end = os.pread(file.fileno(), MAX_LINE, begin)
    with suppress(ValueError, AttributeError, RecursionError):
        return json.loads(end.rstrip(b"\n").rpartition(b"\n")[2]).get("hash")
    return None


def _record_at(path: Path, offset: int) -> Mapping[str, Any]:
    """Fault: there is none at this place."""
    with _named(path), files.opened(path) as file:
        if not path.name.endswith(_GZIP):
            line = os.pread(file.fileno(), MAX_LINE, offset)
        else:
            line = _unpacked_at(GzipFile(fileobj=file, mode="rb"), offset)
        return parsed(line.partition(b"\n")[0], None)


def _unpacked_at(file: GzipFile, offset: int) -> bytes:
    try:
        file.seek(offset)
        return file.read(MAX_LINE)
    except (EOFError, BadGzipFile):
        raise Fault(None, NOT_OURS) from None


def _names(directory: Path) -> list[str]:
    """None where the directory is not there yet."""
    try:
        return [file.name for file in directory.iterdir()]
    except FileNotFoundError:
        return []
