"""The file of the journal that is written to: opened, locked, mended, appended to, closed.

Several processes append to one file. Each operation opens it, locks it (flock), looks whether it
is still the one in place, and first takes in what others appended. An operation that others keep
from the file for too long ends with a StateError `journal-busy`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Any, Final

from token_catcher import files
from token_catcher.errors import StateError
from token_catcher.model import iso
from token_catcher.ports import Log
from token_catcher.record.archive import (
    ARCHIVED,
    Archive,
    archived_files,
    is_closed_name,
)
from token_catcher.record.chain import (
    CONTINUED,
    MAX_LINE,
    NOT_OURS,
    START,
    Fault,
    Head,
    Known,
    Reading,
    head_after,
    may_be_ours,
    open_start,
    sealed,
)
from token_catcher.record.filelock import Patience, Waiting
from token_catcher.record.head import read_head, set_aside_foreign, write_head
from token_catcher.record.keyring import Keyring
from token_catcher.record.openfile import OpenFile, identity
from token_catcher.record.ownership import refusal
from token_catcher.record.rotated import (
    Found,
    find_cut_off,
    find_rotated,
    keep_in_tail,
    put_back,
    put_back_closed,
    replace_by_copy,
    tail_file,
    take_over,
    was_emptied,
    why_not_found,
)
from token_catcher.record.verification import HEADLESS, KEYED, PUT_BACK, REPAIRED

BUSY: Final = "journal-busy"
"""The code where another thread or process keeps us from the file."""
_ATTEMPTS: Final = 10
"""How often in a row somebody may exchange the file between our look and our lock."""
_EXCHANGING: Final = (
    "the file is exchanged again and again while it is opened; expected one journal"
)
_UNWRITTEN: Final = "the record could not be written"
_HEADLESS_RECORD: Final = "the record was written, its head file could not be"
_CUT: Final = "the record could not be written: the file was emptied at that moment"


class JournalFile:
    """The file in hand of one process, and what is known of it. Thread-safe."""

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], datetime],
        log: Log,
        writing: bool,
        patience: Patience,
        keys: Keyring,
    ) -> None:
        """See `Journal`."""
        self._path = path
        self._now = now
        self._log = log
        self._writing = writing
        self._patience = patience
        self._keys = keys
        self._mutex = threading.Lock()
        self.archive = Archive(path, log=log, writing=writing)
        self._open: OpenFile | None = None

    @property
    def head(self) -> Head:
        """The last record known to this process. From any thread."""
        known = self._open
        if known is None:
            return START
        return known.reading.head

    @property
    def known(self) -> OpenFile | None:
        """The file as far as this process read it. None: it read none yet. From any thread."""
        return self._open

    @property
    def state(self) -> OpenFile:
        """Of the file in hand."""
        assert self._open is not None
        return self._open

    # -- opening --

    @contextmanager
    def _turn(self) -> Iterator[Waiting]:
        """One operation after the other. What is given takes the locks of this one.

        StateError: in place of faults and of errors of the operating system."""
        waiting = Waiting(self._patience, BUSY)
        with waiting.turn(self._mutex, self._path), self.translated():
            yield waiting

    @contextmanager
    def shared(self) -> Iterator[FileIO | None]:
        """The file for one look, shared with other readers, read to its end.

        None: there is no file, and who only reads makes none."""
        with self._turn() as waiting:
            for _ in range(_ATTEMPTS):
                with ExitStack() as stack:
                    file = self._opened_shared(stack, waiting)
                    if file is not None or not self._writing:
                        yield file
                        return
                # Whatever is not as it should be is mended by who has it alone.
                with ExitStack() as stack:
                    self._opened_alone(stack, waiting)
            raise StateError(f"{self._path}: {_EXCHANGING}", code="journal-broken")

    def _opened_shared(self, stack: ExitStack, waiting: Waiting) -> FileIO | None:
        """None: there is none that can be used as it is."""
        try:
            file = stack.enter_context(files.opened(self._path))
        except FileNotFoundError:
            if not self._writing:
                self._open = self._read_from_start(None)
            return None
        except PermissionError:
            if not self._writing:
                raise
            return None
        stack.enter_context(waiting.locked(file, self._path, shared=True))
        status = os.fstat(file.fileno())
        known = self._open
        if known is not None and known.is_still(status) and self._is_usable(file, status):
            known.catch_up(file)
            return file
        if self._writing:
            return None
        self._open = self._read_from_start(file)
        return file

    def _is_usable(self, file: FileIO, status: os.stat_result) -> bool:
        if not self._writing:
            return True
        return self._is_in_place(file) and files.excess(status) is None

    @contextmanager
    def alone(self) -> Iterator[FileIO]:
        """The file for one operation, ours alone, read to its end and mended."""
        with self._turn() as waiting:
            for _ in range(_ATTEMPTS):
                with ExitStack() as stack:
                    file = self._opened_alone(stack, waiting)
                    if file is not None:
                        yield file
                        return
            raise StateError(f"{self._path}: {_EXCHANGING}", code="journal-broken")

    def _opened_alone(self, stack: ExitStack, waiting: Waiting) -> FileIO | None:
        """None: another file is in its place by now."""
        if self._open is None:
            files.make_directory(self._path.parent)
        try:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
            file = stack.enter_context(files.opened(self._path, flags))
        except PermissionError:
            self._expect_directory()
            take_over(self._path, waiting)
            self._log.warning("journal.taken_over", file=str(self._path))
            return None
        self._expect_directory()
        stack.enter_context(waiting.locked(file, self._path))
        # Once it is locked: whoever had it may have closed it, or rotated it away.
        if not self._is_in_place(file) or not self._make_private(file):
            return None
        if not self._take_in(file, waiting):
            return None
        if self.state.reading.torn:
            self._repair(file)
        if self.state.reading.last_event == ARCHIVED:
            self._finish_closing(file)  # which a crash, or a full disk, had come before
            return None
        self._carry_on(file)
        self._see_to_head(file)
        self._see_to_key(file)
        return file

    def _expect_directory(self) -> None:
        """StateError: it is not ours to write, so no head could follow a record."""
        problem = refusal(self._path.parent)
        if problem is not None:
            raise StateError(problem)

    def _is_in_place(self, file: FileIO) -> bool:
        try:
            status = self._path.stat(follow_symlinks=False)
        except FileNotFoundError:
            return False
        return identity(status) == identity(os.fstat(file.fileno()))

    def _make_private(self, file: FileIO) -> bool:
        """Take from others what a restored backup or a volume's fsGroup gave them.

        False: it is somebody else's, and a copy of our own is in its place now. What they may have
        written meanwhile shows in the chain."""
        mode = files.excess(os.fstat(file.fileno()))
        if mode is None:
            return True
        self._log.warning("journal.narrowed", file=str(self._path), got=mode, expected="0600")
        try:
            os.fchmod(file.fileno(), 0o600)
        except PermissionError:
            replace_by_copy(self._path, file)
            return False
        return True

    def _take_in(self, file: FileIO, waiting: Waiting) -> bool:
        """Read to the end what is new, of another file everything. False: it was put back.

        Fault: it does not continue the chain, or lacks records that are known."""
        if self._open is not None and self._open.is_still(os.fstat(file.fileno())):
            self._open.catch_up(file)
            return True
        aside = set_aside_foreign(self._path)
        if aside is not None:
            self._log.warning("journal.head_set_aside", file=str(self._path), now=aside.name)
        for closed, source in put_back_closed(self._path):
            self._log.warning(PUT_BACK, file=str(closed), rotated_to=source.name)
        try:
            self._open = self._read_from_start(file)
        except Fault as fault:
            if not was_emptied(file, self.archive.end):
                raise
            if self._put_back(waiting):
                return False
            if not fault.truncated:
                raise
            problem = f"{fault}{why_not_found(self._path)}"
            raise Fault(fault.line, problem, truncated=fault.truncated) from None
        # Before a torn line is cut off: the tail may have all of it.
        return self._open.has_head or not self._put_back_cut_off()

    def _put_back_cut_off(self) -> bool:
        """Put back what the tail has behind the end of a journal without a head. False: nothing.

        Fault: records are missing that it has not. OSError: they could not be put back."""
        found = find_cut_off(self._path, self.state.reading)
        if found is None:
            return False
        self._replace_by(found, tail_file(self._path).name)
        return True

    def _read_from_start(self, file: FileIO | None) -> OpenFile:
        """A file that this process has not read, or not as it is now; None: there is none."""
        known = []
        noted = read_head(self._path)
        if noted is not None:
            known.append(Known(noted, "head file"))
        if self.head.seq:
            known.append(Known(self.head, "reader"))
        status = None
        if file is not None:
            status = os.fstat(file.fileno())
        end = self.archive.end
        reading = Reading(open_start(end), known, self._keys)
        state = OpenFile(status, reading, self.archive.waiting)
        if file is None:
            state.reading.expect_known()
        else:
            state.catch_up(file)
        if state.reading.start.seq > end.seq:
            state.index.waiting.missing = state.reading.start.seq
        state.has_head = noted is not None
        return state

    def _carry_on(self, file: FileIO) -> None:
        """Give a file that follows a closed one its first line."""
        state = self.state
        if state.reading.size or state.reading.start == START:
            return
        closed = archived_files(self._path)[-1].name
        # A power cut must not lose the name of a file that has records.
        files.sync_directory(self._path.parent)
        self.write(file, {"event": CONTINUED, "file": closed})

    def _see_to_head(self, file: FileIO) -> None:
        """A new journal has its head before its first record.

        So where an old one has none, it did not vanish by itself."""
        state = self.state
        if state.has_head:
            return
        if self.head.seq:
            self._log.warning(HEADLESS, file=str(self._path), line=state.reading.line)
            self.write(file, {"event": HEADLESS})
        else:
            files.sync_directory(self._path.parent)
            self._write_head()
        state.has_head = True

    def _see_to_key(self, file: FileIO) -> None:
        """Key what there is, where the last record was written with another key, or with none.

        The record that does it has the hash of the one before in its mac, and so all above it: who
        has no key can change nothing of that from then on."""
        key = self._keys.current
        reading = self.state.reading
        if key is None or reading.size == 0 or reading.last_key_id == key.id:
            return
        self._log.info(KEYED, file=str(self._path), line=reading.line, key_id=key.id)
        self.write(file, {"event": KEYED})

    def _put_back(self, waiting: Waiting) -> bool:
        """Put the file together again that was rotated away. False: there is nothing to do it from.

        OSError: it could not be."""
        start = self.archive.end
        known = []
        if self.head.seq:
            known.append(Known(self.head, "reader"))
        found = find_rotated(self._path, start, known, waiting)
        if found is None:
            return False
        self._replace_by(found, found.path.name)
        return True

    def _replace_by(self, found: Found, name: str) -> None:
        """`name`: of the file that had what the journal lacked."""
        content = {"event": PUT_BACK, "file": name, "at": iso(self._now())}
        note = sealed(content, found.head, self._keys.current)
        put_back(self._path, found, note)
        with suppress(OSError):  # as every other line
            keep_in_tail(self._path, note)
        self._log.warning(PUT_BACK, file=str(self._path), rotated_to=name)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Faults and errors of the operating system become StateErrors that name the file."""
        try:
            yield
        except Fault as fault:
            where = str(self._path)
            if fault.line:
                where += f":{fault.line}"
            raise StateError(f"{where}: {fault}", code="journal-broken") from None
        except OSError as error:
            problem = f"{self._path}: the journal cannot be used: {error.strerror}"
            raise StateError(problem) from None

    # -- writing --

    def _repair(self, file: FileIO) -> None:
        """Cut off the torn last line.

        Its append never returned, so its mail is unsettled and comes again."""
        reading = self.state.reading
        if not may_be_ours(reading.torn):
            raise Fault(reading.line, NOT_OURS)
        cut = len(reading.torn)
        self._log.warning(REPAIRED, file=str(self._path), line=reading.line, cut=cut)
        os.ftruncate(file.fileno(), reading.size)
        self._carry_on(file)
        self.write(file, {"event": REPAIRED, "cut": cut})

    def write(self, file: FileIO, *contents: Mapping[str, Any]) -> None:
        """Append these lines, whole and durable or none of them, then move the head.

        A crash may leave the first ones, each whole."""
        reading = self.state.reading
        lines: list[bytes] = []
        head = reading.head
        for content in contents:
            line, head = self._sealed(content, head, reading.line + len(lines))
            lines.append(line)
        try:
            files.write(file, b"".join(lines))
        except OSError as error:
            # Where not even the cut works, the torn line is cut off before the next append.
            with suppress(OSError):
                _cut(file, reading.size)
            raise self._unwritable(error) from None
        self.state.catch_up(file)  # reads the lines back, and so checks what is on disk
        if reading.head != head:
            # By copytruncate, which asks for no lock. The mail comes again, and finds its record
            # in what is put back, or gets one.
            raise StateError(f"{self._path}: {_CUT}", code="journal-write")
        with suppress(OSError):  # it is but a second copy
            keep_in_tail(self._path, b"".join(lines))
        self._write_head(_HEADLESS_RECORD)

    def _sealed(self, content: Mapping[str, Any], before: Head, number: int) -> tuple[bytes, Head]:
        """The line that comes next, and the head that it makes. `number`: of the line.

        Fault: it would be longer than a line may be."""
        line = sealed({**content, "at": iso(self._now())}, before, self._keys.current)
        if len(line) > MAX_LINE:
            problem = f"got a record of {len(line)} bytes, expected at most {MAX_LINE}"
            raise Fault(number, problem)
        return line, head_after(line, before)

    def _write_head(self, problem: str = _UNWRITTEN) -> None:
        """Where this fails a record stands: its mail comes again, and is found to be recorded."""
        try:
            write_head(self._path, self.head)
        except OSError as error:
            raise self._unwritable(error, problem) from None

    def _unwritable(self, error: OSError, problem: str = _UNWRITTEN) -> StateError:
        return StateError(f"{self._path}: {problem}: {error.strerror}", code="journal-write")

    # -- closing --

    def close_if_possible(self, file: FileIO) -> None:
        """The record before it stands in any case; the next append tries again."""
        try:
            self.close(file)
        except (StateError, OSError) as error:
            self._log.warning("journal.not_archived", file=str(self._path), error=str(error))

    def close(self, file: FileIO) -> Path:
        """Write the last record, and give the file its new name."""
        name = self.archive.next_name(self.state.follows)
        self.write(file, {"event": ARCHIVED, "file": name})
        return self._finish_closing(file)

    def _finish_closing(self, file: FileIO) -> Path:
        """Index first, then the name: a closed file has its index, whenever a crash comes.

        The name is the one that its last record says: by that it is known to be closed."""
        state = self.state
        name = state.content(file, state.index.offsets[-1]).get("file")
        if not is_closed_name(self._path, name):
            name = self.archive.next_name(state.follows)  # the journal itself was renamed
        closed = self._path.with_name(str(name))
        with suppress(OSError):  # made again when it is needed
            state.index.save(closed.with_name(closed.name + ".index"))
        self._path.replace(closed)
        files.sync_directory(self._path.parent)
        self._log.info(ARCHIVED, file=str(closed), records=len(state.index.offsets))
        return closed


def _cut(file: FileIO, size: int) -> None:
    """Never longer than it is: somebody may have emptied it."""
    if os.fstat(file.fileno()).st_size > size:
        os.ftruncate(file.fileno(), size)
