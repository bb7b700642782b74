"""The rotation record: append-only, hash-chained (`chain` has the rule), synced, never a secret.

What was cut off at the end shows in `<journal>.head`: `seq` and `hash` of the last record,
replaced after each append. A crash between the two leaves it behind, which is normal; a head that
knows more than the journal never is. Records of our own keep the history of the file itself:
`journal.repaired` (the torn last line that a crash left was cut off: `cut` bytes) and
`journal.headless` (the head had vanished and was made anew). Who can write both files can write
both anew: keep the head that `audit verify` prints somewhere else to notice that as well. A
journal is archived together with its head.

Several processes append to one file. Each operation opens it, locks it (flock) and first takes in
what others appended.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from io import FileIO
from pathlib import Path
from typing import Any, Final

from token_catcher import files
from token_catcher.errors import StateError
from token_catcher.model import Entry, Event, Receipt, as_fields, iso
from token_catcher.ports import Log
from token_catcher.record.chain import (
    MAX_LINE,
    NOT_OURS,
    START,
    Fault,
    Head,
    Reading,
    may_be_ours,
    parsed,
    sealed,
)
from token_catcher.record.waiting import MailToken, Waiting

REPAIRED: Final = "journal.repaired"
HEADLESS: Final = "journal.headless"

_EXCHANGED: Final = (
    "the file was exchanged or cut while it was in use: put the old one back, or start again with a"
    " look at both"
)
_TORN: Final = (
    "the line has no end: a crash cut its append off, which the next start repairs, or somebody"
    " else wrote it"
)
_EVENTS: Final = frozenset(Event)
_ENTRY_FIELDS: Final = tuple(field.name for field in fields(Entry))


@dataclass(frozen=True, slots=True)
class Record:
    """The entry of one mail, as the journal has it."""

    seq: int
    at: str
    """When it was written."""
    hash: str
    entry: Entry


class State(StrEnum):
    """How a journal stands."""

    INTACT = "intact"
    BROKEN = "broken"
    TRUNCATED = "truncated"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Verification:
    """How a journal stands, and where it goes wrong. Made by `verify`."""

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


class Journal:
    """The record of one instance, open for appending.

    Thread-safe, and safe beside other processes."""

    def __init__(self, path: Path, *, now: Callable[[], datetime], log: Log) -> None:
        """Touches nothing yet: the first use opens it, and raises what `open` raises."""
        self._path = path
        self._now = now
        self._log = log
        self._mutex = threading.Lock()
        self._opened = False
        self._identity: tuple[int, int] | None = None
        self._reading = Reading()
        self._offsets = array("Q")
        self._last: dict[bytes, int] = {}
        self._stored: set[bytes] = set()
        self._waiting = Waiting()

    def open(self) -> None:
        """Create the file where it is missing, read it, mend what a crash left.

        StateError: not ours, broken, truncated."""
        with self._locked():
            pass

    @property
    def head(self) -> Head:
        """The last record known to this process."""
        return self._reading.head

    def append(self, entry: Entry) -> Record:
        """Add the record of one mail and make it durable.

        StateError: it could not be, and the mail stays unsettled."""
        with self._locked() as file:
            return self._append(file, entry)

    def append_stored(self, entry: Entry) -> Record | None:
        """Add the `stored` record of a version, unless there is one.

        Asked and added under one lock: of two processes that saw the same version, one records
        it. Raises what `append` raises. None: the version has its record."""
        with self._locked() as file:
            if _stored_keys(as_fields(entry))[0] in self._stored:
                return None
            return self._append(file, entry)

    def last_for(self, mailbox: str, digest: str) -> Record | None:
        """The newest record of a mail: by its bytes, wherever it lies."""
        with self._locked(shared=True) as file:
            seq = self._last.get(_key(mailbox, digest))
            if seq is None:
                return None
            return _record(self._content(file, seq))

    def has_stored(self, written: Receipt, digest: str) -> bool:
        """Whether a `stored` record tells of this version, which holds the token of this mail.

        A version that Vault does not keep any more is known by its mail alone."""
        fields = {
            "path": written.path,
            "version": written.version,
            "vault_created_at": written.created_at,
            "mail": digest,
        }
        with self._locked(shared=True):
            return _stored_keys(fields)[0] in self._stored

    def catch_up(self) -> None:
        """Take in what other processes appended: `head` and `held` are as of then.

        StateError: it cannot be read, or is broken."""
        with self._locked(shared=True):
            pass

    @property
    def held(self) -> Sequence[MailToken]:
        """The held mails that wait for a person, as far as this process knows. From any thread."""
        return self._waiting.mails

    def waiting(self) -> list[Record]:
        """The records of the held mails that wait for a person, as there are now."""
        with self._locked(shared=True) as file:
            return [_record(self._content(file, mail.seq)) for mail in self._waiting.mails]

    def newest_tokens(self) -> Iterator[Record]:
        """Of each user and org the newest record that tells of a token in Vault: of one that was
        stored or found there, or that was older than what was found there."""
        with self._locked(shared=True):
            seqs = [token.seq for token in self._waiting.newest]
        for seq in seqs:
            # Not kept open: whoever asks takes their time.
            with self._translated(), files.opened(self._path) as file:
                record = _record(self._content(file, seq))
            yield record

    def records(self, after: int = 0) -> Iterator[Record]:
        """The records of mails with a number above `after`, as there are now, oldest first."""
        with self._locked(shared=True):
            last = self.head.seq
        # Without the lock: lines that were taken in do not change any more.
        with self._translated(), files.opened(self._path) as file:
            for seq in range(after + 1, last + 1):
                content = self._content(file, seq)
                if _is_of_mail(content):
                    yield _record(content)

    @contextmanager
    def _locked(self, *, shared: bool = False) -> Iterator[FileIO]:
        """The file for one operation, ours alone or shared with other readers, read to its end."""
        with self._mutex, self._translated():
            if not self._opened:
                self._begin()
            with files.opened(self._path, os.O_RDWR | os.O_APPEND) as file:
                files.lock(file, self._path, shared=shared)
                # Once it is locked: whoever had it may have exchanged it.
                self._check(os.fstat(file.fileno()))
                self._catch_up(file, repair=not shared)
                yield file

    def _begin(self) -> None:
        """The first use: a new journal has its head before its first record.

        So where an old one has none, it did not vanish by itself."""
        files.make_directory(self._path.parent)
        with files.opened(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as file:
            files.lock(file, self._path)
            self._check(os.fstat(file.fileno()))
            self._reading.noted = _read_head(self._path)
            self._catch_up(file, repair=True)
            if self._reading.noted is None and self.head.seq:
                self._log.warning(HEADLESS, file=str(self._path), line=self.head.seq + 1)
                self._write(file, {"event": HEADLESS})
            elif self._reading.noted is None:
                # A power cut must not lose the name of a file that has records.
                files.sync_directory(self._path.parent)
                self._write_head()
        self._opened = True

    @contextmanager
    def _translated(self) -> Iterator[None]:
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

    def _check(self, status: os.stat_result) -> None:
        """StateError: the file is not private, or not the one that was read before."""
        mode = files.excess(status)
        if mode is not None:
            problem = f"got mode {mode}, expected 0600: others can read or write the journal"
            raise StateError(f"{self._path}: {problem}")
        identity = status.st_dev, status.st_ino
        is_another = self._identity is not None and self._identity != identity
        if is_another or status.st_size < self._reading.size:
            raise StateError(f"{self._path}: {_EXCHANGED}", code="journal-broken")
        self._identity = identity

    def _catch_up(self, file: FileIO, *, repair: bool = False) -> None:
        """Take in what others appended.

        `repair`: and mend what a crash left, for which the file must be ours alone."""
        for offset, content in self._reading.lines(file):
            self._offsets.append(offset)
            self._index(content)
        self._reading.expect_head()
        if self._reading.torn and repair:
            self._repair(file)

    def _index(self, content: Mapping[str, Any]) -> None:
        """What `last_for` and `has_stored` ask for, without a look at the file."""
        if _is_of_mail(content):
            mail = _key(content.get("mailbox"), content.get("mail"))
            self._last[mail] = content["seq"]
            self._waiting.take_in(mail, content)
        if content["event"] == Event.STORED:
            self._stored.update(_stored_keys(content))

    def _append(self, file: FileIO, entry: Entry) -> Record:
        self._write(file, as_fields(entry))
        return _record(self._content(file, self.head.seq))

    def _repair(self, file: FileIO) -> None:
        """Cut off the torn last line.

        Its append never returned, so its mail is unsettled and comes again."""
        line = self.head.seq + 1
        if not may_be_ours(self._reading.torn):
            raise Fault(line, NOT_OURS)
        cut = len(self._reading.torn)
        self._log.warning(REPAIRED, file=str(self._path), line=line, cut=cut)
        os.ftruncate(file.fileno(), self._reading.size)
        self._write(file, {"event": REPAIRED, "cut": cut})

    def _write(self, file: FileIO, content: Mapping[str, Any]) -> None:
        """Append one line, whole and durable or not at all, then move the head."""
        line = sealed({**content, "at": iso(self._now())}, self.head)
        if len(line) > MAX_LINE:
            problem = f"got a record of {len(line)} bytes, expected at most {MAX_LINE}"
            raise Fault(self.head.seq + 1, problem)
        try:
            files.write(file, line)
        except OSError as error:
            # Where not even the cut works, the torn line is cut off before the next append.
            with suppress(OSError):
                os.ftruncate(file.fileno(), self._reading.size)
            raise self._unwritable(error) from None
        self._catch_up(file)  # reads the line back, and so checks what is on disk
        self._write_head()

    def _write_head(self) -> None:
        """Where this fails the record stands: the mail comes again, and is found to be recorded."""
        content = json.dumps({"seq": self.head.seq, "hash": self.head.hash}) + "\n"
        try:
            # A power cut may bring back the head before, which is normal, but never an empty one.
            files.replace(_head_of(self._path), content.encode(), durable=False)
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> StateError:
        problem = f"{self._path}: the record could not be written: {error.strerror}"
        return StateError(problem, code="journal-write")

    def _content(self, file: FileIO, seq: int) -> dict[str, Any]:
        """A line that was taken in, read again."""
        begin = self._offsets[seq - 1]
        end = self._reading.size
        if seq < len(self._offsets):
            end = self._offsets[seq]
        return parsed(os.pread(file.fileno(), end - begin, begin), seq)


def verify(path: Path) -> Verification:
    """Read the journal from its first line to its last and say whether it is whole.

    Changes nothing, holds up nobody. StateError: it cannot be read, or is no regular file."""
    reading = Reading()
    repairs = 0
    try:
        # The head first: what is appended meanwhile puts the journal ahead of it, which is normal.
        reading.noted = _read_head(path)
        with files.opened(path) as file:
            for _, content in reading.lines(file):
                repairs += content["event"] in (REPAIRED, HEADLESS)
            unfinished = bool(reading.torn) and _is_being_written(path, file, reading)
        _expect_end(path, reading, unfinished=unfinished)
    except FileNotFoundError:
        return _missing(path, reading)
    except Fault as fault:
        return _faulty(fault, reading.head, repairs)
    except OSError as error:
        raise StateError(f"{path}: the journal cannot be read: {error.strerror}") from None
    head = reading.head
    return Verification(State.INTACT, head.seq, head, repairs=repairs, unfinished=unfinished)


def _faulty(fault: Fault, head: Head, repairs: int) -> Verification:
    state = State.BROKEN
    if fault.truncated:
        state = State.TRUNCATED
    return Verification(state, head.seq, head, fault.line, str(fault), repairs)


def _is_being_written(path: Path, file: FileIO, reading: Reading) -> bool:
    """Whether the last line has no end because somebody is writing it at this moment.

    If not, read what has become of it."""
    # A StateError: a file system without locks, on which nobody writes a journal.
    with suppress(StateError):
        if not files.lock(file, path, shared=True, wait=False):
            return True
    for _ in reading.lines(file):
        pass
    return False


def _expect_end(path: Path, reading: Reading, *, unfinished: bool) -> None:
    """Fault: the journal does not end where it should."""
    reading.expect_head()
    line = reading.head.seq + 1
    if reading.torn and not unfinished:
        if may_be_ours(reading.torn):
            raise Fault(line, _TORN)
        raise Fault(line, NOT_OURS)
    if reading.noted is None and reading.head.seq and _read_head(path) is None:
        problem = "the head file is missing: nothing tells whether records were cut off here"
        raise Fault(line, problem, truncated=True)


def _missing(path: Path, reading: Reading) -> Verification:
    if reading.noted and reading.noted.seq:
        problem = f"the journal is gone, its head file knows {reading.noted.seq} records"
        return Verification(State.TRUNCATED, 0, START, 1, problem)
    problem = f"{path} does not exist: nothing was recorded yet, or it is elsewhere"
    return Verification(State.MISSING, 0, START, None, problem)


def _record(content: Mapping[str, Any]) -> Record:
    """Fields that a later version may have added are left out."""
    known = {name: content[name] for name in _ENTRY_FIELDS if name in content}
    try:
        if "waived" in known:  # which JSON has as a list
            known["waived"] = tuple(known["waived"])
        known["event"] = Event(content["event"])
        entry = Entry(**known)
        return Record(content["seq"], content["at"], content["hash"], entry)
    except (TypeError, KeyError, ValueError):
        raise Fault(content["seq"], NOT_OURS) from None


def _is_of_mail(content: Mapping[str, Any]) -> bool:
    return content["event"] in _EVENTS


def _stored_keys(content: Mapping[str, Any]) -> tuple[bytes, ...]:
    """What the version of a `stored` record is known by, the surest first."""
    path = content.get("path")
    version = content.get("version")
    by_mail = _key("mail", path, version, content.get("mail"))
    created_at = content.get("vault_created_at")
    if created_at is None:
        return (by_mail,)
    return _key(path, version, created_at), by_mail


def _key(*parts: object) -> bytes:
    """What the index holds in place of texts: 16 bytes, too many for anybody to find two alike."""
    text = "\0".join(map(str, parts))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _head_of(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def _read_head(path: Path) -> Head | None:
    """What the head file says; None where there is none."""
    try:
        with files.opened(_head_of(path)) as file:
            content = json.loads(file.read(MAX_LINE))
            return Head(int(content["seq"]), str(content["hash"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        expected = "expected a file with seq and hash of a record"
        raise Fault(None, f"{_head_of(path).name} cannot be read, {expected}") from None
