"""The journal's file, taken away like a log and put back.

Whoever has logrotate rotate `*.jsonl` takes the file away (`create`), or copies and empties it
(`copytruncate`). Neither is an attack, and no token may wait for somebody to notice. So the file is
put together again: what logrotate left beside it, plain or compressed; then the newest lines, which
`copytruncate` may have swallowed between its copy and its cut, out of `<journal>.tail`; then what
was written to the emptied file. Only a chain that leads to everything known is put back.

Closed files are put back in the same way, where what lies beside one is all of it. And a journal
without its head file, which nobody could tell from one that was cut, is asked of its tail.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import Final

from token_catcher import files
from token_catcher.record.archive import (
    ArchivedFile,
    archived_files,
    expect_closed,
    opened_pieces,
    without_file,
)
from token_catcher.record.chain import (
    CONTINUED,
    MAX_LINE,
    Fault,
    Head,
    Known,
    Pieces,
    Reading,
    continuing,
    may_be_ours,
    open_start,
    parsed,
    pieces_of,
)
from token_catcher.record.filelock import Waiting
from token_catcher.record.head import aside_file, read_head

TAIL_SIZE: Final = 512 * 1024
"""Bytes of the newest lines that are kept a second time: some 500 records, many more than come
while a file is copied."""


def tail_file(path: Path) -> Path:
    """Where the newest lines of this journal are kept a second time."""
    return path.with_name(path.name + ".tail")


def keep_in_tail(path: Path, lines: bytes) -> None:
    """Keep lines that the journal has. OSError: they could not be.

    Not synced: no power cut comes between the copy and the cut of a logrotate that goes on."""
    try:
        with files.opened(tail_file(path), os.O_RDWR | os.O_APPEND | os.O_CREAT) as file:
            size = os.fstat(file.fileno()).st_size
            if size + len(lines) <= TAIL_SIZE:
                os.write(file.fileno(), lines)
                return
            newer_half = os.pread(file.fileno(), TAIL_SIZE, TAIL_SIZE // 2).partition(b"\n")[2]
    except PermissionError:  # root put it back with a backup
        newer_half = b""
    files.replace(tail_file(path), newer_half + lines, durable=False)


def was_emptied(file: FileIO, start: Head) -> bool:
    """Whether nothing is left of what a journal that begins at `start` has in its first line.

    What was edited or exchanged is not: it has a first line of its own."""
    piece = pieces_of(file)(0)
    line, end, _rest = piece.partition(b"\n")
    if not end:
        return may_be_ours(line)
    try:
        content = parsed(line, 1)
    except Fault:
        return False
    # Written by somebody who had looked at the file just before it was emptied.
    seq: int = content["seq"]
    return seq > start.seq + 1 and content["event"] != CONTINUED


@dataclass(frozen=True, slots=True)
class Found:
    """A file that the journal can be put together from."""

    path: Path
    size: int
    """Bytes of its whole lines."""
    following: tuple[bytes, ...]
    """The lines that come after them, from elsewhere."""
    head: Head
    """The last record with those."""


def find_rotated(path: Path, start: Head, known: Sequence[Known], waiting: Waiting) -> Found | None:
    """What the journal can be put together from, up to everything known; None: nothing there.

    StateError: somebody else has a file locked that may be it."""
    for candidate in _candidates(path):
        # OSError: not ours to read, or just being compressed; another look finds what became of it.
        with suppress(OSError, Fault):
            found = _found(path, candidate, start, waiting)
            if all(found.head.seq >= place.head.seq for place in known):
                return found
    return None


def why_not_found(path: Path) -> str:
    """What to say where the journal is empty, and nothing beside it is all of it.

    OSError: the directory cannot be read."""
    candidates = _candidates(path)
    unreadable = [candidate.name for candidate in candidates if not _begins_as_ours(candidate)]
    if unreadable:
        which = f"{', '.join(sorted(unreadable))} beside it cannot be read as a journal"
        return f"; {which}: where it is the rotated one, unpack it, with our user as its owner"
    if candidates:
        return ""
    return f"; where logrotate took it away (olddir), put it back beside it as {path.name}.1"


def _begins_as_ours(candidate: Path) -> bool:
    with suppress(OSError, Fault), opened_pieces(candidate) as pieces:
        return may_be_ours(pieces(0)[:MAX_LINE])
    return False


def find_cut_off(path: Path, reading: Reading) -> Found | None:
    """The journal with the records behind its end, of which its tail alone is left; None: the tail
    knows no more than the journal.

    For a journal that lost its head file too, and so whatever else shows a cut.
    Fault: the tail knows of more than it holds."""
    head = reading.head
    following = []
    newest = 0
    for line in _lines(tail_file(path)):
        with suppress(Fault):  # one that the journal has, or that a power cut left
            newest = parsed(line, None)["seq"]
            _content, head = continuing(line, head, 0)
            following.append(line + b"\n")
    if newest > head.seq:
        name = tail_file(path).name
        problem = f"the journal ends here, {name} goes on to record {newest}: the rest was cut off"
        raise Fault(reading.line, problem, truncated=True)
    if not following:
        return None
    return Found(path, reading.size, tuple(following), head)


def put_back(path: Path, found: Found, note: bytes) -> None:
    """Make one file of it, with a note as its last line, in place of the one that lacks it.

    OSError: it could not be. A rotated file itself stays as it is, it may be somebody's."""
    with opened_pieces(found.path) as pieces:
        files.replace_by(path, chain(_copy(pieces, found.size), found.following, [note]))


def put_back_closed(path: Path) -> list[tuple[Path, Path]]:
    """Put back every closed file of this journal that was emptied or taken away like a log.

    Which, and from what. What cannot be put back stays as it is: no append needs it.
    OSError: the directory cannot be read."""
    done = []
    for closed in (*without_file(path), *archived_files(path)):
        # OSError: no room for it, say; another process tries again.
        with suppress(OSError):
            if not _lacks_content(closed.path):
                continue
            source = _copy_of_closed(closed)
            if source is not None:
                done.append((closed.path, source))
    return done


def _lacks_content(path: Path) -> bool:
    try:
        return path.stat(follow_symlinks=False).st_size == 0
    except FileNotFoundError:
        return True


def _copy_of_closed(closed: ArchivedFile) -> Path | None:
    """Put it together from what lies beside it; from which file. None: from none.

    OSError: it could not be."""
    for candidate in _beside(closed.path, {closed.path, closed.index}):
        with suppress(OSError, Fault):
            size = _size_of_closed(candidate, closed.name)
            break
    else:
        return None
    with opened_pieces(candidate) as pieces:
        files.replace_by(closed.path, _copy(pieces, size))
    return candidate


def _size_of_closed(candidate: Path, name: str) -> int:
    """Bytes of the file that was closed under this name. Fault, OSError: it is another, or not all
    of it."""
    reading = Reading(start=None)
    with opened_pieces(candidate) as pieces:
        named = None
        for _offset, content in reading.lines(pieces):
            named = content.get("file")
    expect_closed(reading)
    if named != name:
        raise Fault(None, "another closed file")
    return reading.size


def take_over(path: Path, waiting: Waiting) -> None:
    """Make a file that belongs to somebody else our own, private one. OSError: it cannot be.
    StateError: somebody else has it locked.

    An empty one, as logrotate creates it, is removed: a new one takes its place."""
    if path.stat(follow_symlinks=False).st_size == 0:
        path.unlink()
        return
    with files.opened(path) as file, waiting.locked(file, path):
        replace_by_copy(path, file)


def replace_by_copy(path: Path, file: FileIO) -> None:
    """Put a copy, which is ours and private, in place of the file, which is open and locked."""
    size = os.fstat(file.fileno()).st_size
    files.replace_by(path, _copy(pieces_of(file), size))


def _copy(pieces: Pieces, size: int) -> Iterator[bytes]:
    """The first bytes, piece by piece."""
    offset = 0
    while offset < size:
        piece = pieces(offset)[: size - offset]
        if not piece:  # it was cut meanwhile; what is missing shows in the chain
            return
        offset += len(piece)
        yield piece


def _candidates(path: Path) -> list[Path]:
    """The files beside the journal that may have been it, the newest first."""
    closed = archived_files(path)
    ours = {path, *(file.path for file in closed), *(file.index for file in closed)}
    ours |= {path.with_name(path.name + end) for end in (".head", ".tail", ".new")}
    ours.add(aside_file(path))
    return _beside(path, ours)


def _beside(path: Path, ours: Collection[Path]) -> list[Path]:
    """The files whose name begins as this one's, but for ours, the newest first."""
    times: dict[Path, float] = {}
    for candidate in path.parent.iterdir():
        if not candidate.name.startswith(path.stem) or candidate in ours:
            continue
        with suppress(OSError):
            times[candidate] = candidate.stat(follow_symlinks=False).st_mtime
    return sorted(times, key=times.__getitem__, reverse=True)


def _found(path: Path, candidate: Path, start: Head, waiting: Waiting) -> Found:
    """Fault, OSError: it is no file of this journal, or not up to its end."""
    reading = Reading(open_start(start))
    with ExitStack() as stack:
        # Whoever opened the file under its old name may be writing to it at this moment.
        file = stack.enter_context(files.opened(candidate))
        stack.enter_context(waiting.locked(file, candidate, shared=True))
        pieces = stack.enter_context(opened_pieces(candidate))
        for _ in reading.lines(pieces):
            pass
    # Only now: it is the end of what that writer did.
    noted = read_head(path)
    head = reading.head
    following = []
    for line in (*_lines(tail_file(path)), *_lines(path)):
        with suppress(Fault):  # one that the file has, or that never became a record
            _content, head = continuing(line, head, 0)
            following.append(line + b"\n")
    if noted is not None and noted.seq > head.seq:
        raise Fault(None, "a file that ends before the head")
    return Found(candidate, reading.size, tuple(following), head)


def _lines(path: Path) -> list[bytes]:
    """The whole lines of a small file; none where it cannot be read."""
    with suppress(OSError), files.opened(path) as file:
        content = os.pread(file.fileno(), 2 * TAIL_SIZE, 0)
        return content.split(b"\n")[:-1]
    return []
