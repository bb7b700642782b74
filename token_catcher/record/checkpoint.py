"""What is settled, per mailbox and folder: a convenience, never a truth.

One JSON file a mailbox, replaced atomically, and a lock beside it that a sweep holds. Whatever is
wrong with the file, or with the folder it speaks of, the answer is the same: begin anew and say
so. That costs one look at the whole look-back window, in which the journal and Vault recognise
what they know; never a token, never a second record.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from token_catcher import files
from token_catcher.errors import StateError, TransientError
from token_catcher.model import iso, moment

FIRST_PAUSE: Final = 5.0
"""Seconds before the second try, at most: a lost DNS answer is there again by then."""
LONGEST_PAUSE: Final = 300.0
"""Seconds between two tries, at most: after an outage of any length the mail is
caught within five minutes, and a mail that never succeeds costs 300 tries a day."""
SHORTEST_PAUSE: Final = 1.0
"""Seconds between two tries, at least, whatever the dice say: nothing spins."""
LONGEST_REQUEST: Final = 300.0
"""Seconds that another side may ask us to wait: more is taken for a mistake, and cut."""

MAX_UID: Final = 2**32 - 1
_POLL: Final = 0.05
_PLAIN_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Pending:
    """A mail that was looked at without an end, or is to be looked at again."""

    attempts: int
    """How often it could not be settled."""
    next_try: datetime
    code: str
    """Of the error it met last; `again` where somebody asked for another look."""


@dataclass(slots=True)
class FolderProgress:
    """How far one folder is known.

    Every UID up to `settled_through` is settled or pending; go through new ones ascending."""

    uidvalidity: int
    settled_through: int = 0
    pending: dict[int, Pending] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """Why it begins anew, if it does; not kept."""

    def is_pending(self, uid: int) -> bool:
        """Whether the mail was looked at before without an end, or is to be looked at again."""
        return uid in self.pending

    def attempts(self, uid: int) -> int:
        """How often the mail could not be settled."""
        pending = self.pending.get(uid)
        return pending.attempts if pending else 0

    def settle(self, uid: int) -> None:
        """The mail has its end."""
        self.pending.pop(uid, None)
        self.advance(uid)

    def unsettle(self, uid: int, now: datetime) -> None:
        """Look at a settled mail again, as soon as may be."""
        self.pending[uid] = Pending(0, now, "again")

    def advance(self, uid: int) -> None:
        """Everything up to here is settled or pending."""
        self.settled_through = max(self.settled_through, uid)

    def postpone(
        self, uid: int, code: str, now: datetime, rng: Random, retry_after: float | None = None
    ) -> Pending:
        """Try the mail again later: after the seconds the other side asked for,
        else with exponential back-off, full jitter."""
        attempts = self.attempts(uid) + 1
        seconds = (
            _pause(attempts, rng)
            if retry_after is None
            else max(0.0, min(LONGEST_REQUEST, retry_after))
        )
        self.pending[uid] = Pending(attempts, now + timedelta(seconds=seconds), code)
        self.advance(uid)
        return self.pending[uid]

    def due(self, now: datetime) -> list[int]:
        """The pending mails whose time has come, ascending;
        also those that only a clock set back could have put so far off."""
        latest = now + timedelta(seconds=LONGEST_REQUEST)
        return sorted(uid for uid, one in self.pending.items() if not now < one.next_try <= latest)


def _pause(attempts: int, rng: Random) -> float:
    """Full jitter: mails that failed together do not come back together."""
    ceiling = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempts - 1, 16))
    return rng.uniform(SHORTEST_PAUSE, ceiling)


class Checkpoint:
    """The progress in all folders of one mailbox, held by one sweep. Made by `hold`."""

    def __init__(self, path: Path, mailbox: str) -> None:
        """Never raises: a file that cannot be used begins anew, with a note."""
        self._path = path
        self._mailbox = mailbox
        self._saved = b""
        self.notes: tuple[str, ...] = ()
        """Why it begins anew, if it does."""
        try:
            self._folders = self._read()
        except FileNotFoundError:
            self._reset("there is no checkpoint yet")
        except OSError as error:
            self._reset(f"the checkpoint cannot be read: {error.strerror}")
        except (ValueError, OverflowError, RecursionError) as error:
            self._reset(
                f"the checkpoint is broken: {error if isinstance(error, _Broken) else 'no sweep wrote this'}"
            )

    @classmethod
    @contextmanager
    def hold(
        cls,
        directory: Path,
        mailbox: str,
        *,
        wait: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Iterator[Checkpoint]:
        """The mailbox's checkpoint, for one sweep at a time:
        of all threads and processes on this directory.

        TransientError `busy`: another sweep held it for `wait` seconds.
        StateError: the directory cannot be used."""
        name = file_name(mailbox)
        with ExitStack() as stack:
            try:
                files.make_directory(directory)
                path = directory / f"{name}.lock"
                lock = stack.enter_context(files.opened(path, os.O_RDWR | os.O_CREAT))
            except OSError as error:
                problem = f"{directory}: the checkpoint of mailbox {mailbox} cannot be locked: {error.strerror}"
                raise StateError(problem) from None
            deadline = monotonic() + wait
            while not files.lock(lock, path, wait=False):
                if monotonic() >= deadline:
                    raise TransientError(
                        f"mailbox {mailbox}: another sweep of it is running", code="busy"
                    )
                sleep(_POLL)
            yield cls(directory / f"{name}.json", mailbox)

    def folder(self, name: str, uidvalidity: int, uidnext: int | None) -> FolderProgress:
        """How far this folder is known;
        from the beginning, with a note, where its UIDs are no longer the ones we knew."""
        known = self._folders.get(name)
        note = _stale(known, uidvalidity, uidnext) if known else None
        if known is None or note:
            self._folders[name] = FolderProgress(uidvalidity, notes=(note,) if note else ())
        return self._folders[name]

    def save(self) -> None:
        """Put all progress on disk.

        StateError: it could not be; the file is the one from before, whole."""
        folders = {name: _as_json(progress) for name, progress in self._folders.items()}
        content = (
            json.dumps({"mailbox": self._mailbox, "folders": folders}, indent=1).encode() + b"\n"
        )
        if content == self._saved:
            return
        try:
            files.replace(self._path, content)
        except OSError as error:
            problem = f"{self._path}: the checkpoint could not be written: {error.strerror}"
            raise StateError(problem, code="checkpoint-write") from None
        self._saved = content

    def _read(self) -> dict[str, FolderProgress]:
        with files.opened(self._path) as file:
            if mode := files.excess(os.fstat(file.fileno()), files.WRITABLE_BY_OTHERS):
                raise _Broken(f"got mode {mode}, expected 0600: others could have written it")
            raw = file.read()
        content = json.loads(raw)
        if not isinstance(content, dict) or content.get("mailbox") != self._mailbox:
            raise _Broken("it is not of this mailbox")
        folders = {name: _from_json(one) for name, one in _mapping(content.get("folders")).items()}
        self._saved = raw  # what has not changed needs no room on the disk
        return folders

    def _reset(self, why: str) -> None:
        self._folders = {}
        self.notes = (f"{self._path}: {why}; the whole look-back window is looked at",)


class _Broken(ValueError):
    """The file does not say what a checkpoint says. Carries no text of the file."""


def file_name(mailbox: str) -> str:
    """A file name for any mailbox name, each its own:
    plain names as they are, others made plain and told apart by a digest."""
    if _PLAIN_NAME.fullmatch(mailbox):
        return mailbox
    digest = hashlib.sha256(mailbox.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return re.sub(r"[^A-Za-z0-9_-]", "_", mailbox)[:48] + "~" + digest


def _stale(known: FolderProgress, uidvalidity: int, uidnext: int | None) -> str | None:
    """Why what is known of the folder is worth nothing any more (RFC 3501, 2.3.1.1)."""
    if uidvalidity != known.uidvalidity:
        return (
            f"got UIDVALIDITY {uidvalidity}, expected {known.uidvalidity}: the folder was made anew"
        )
    if uidnext is not None and uidnext <= known.settled_through:
        return f"got UIDNEXT {uidnext}, expected more than {known.settled_through}: the folder was set back"
    return None


def _as_json(progress: FolderProgress) -> dict[str, Any]:
    pending = {
        str(uid): {"attempts": one.attempts, "next_try": iso(one.next_try), "code": one.code}
        for uid, one in sorted(progress.pending.items())
    }
    return {
        "uidvalidity": progress.uidvalidity,
        "settled_through": progress.settled_through,
        "pending": pending,
    }


def _from_json(content: object) -> FolderProgress:
    one = _mapping(content)
    pending = {
        _number(int(uid)): _pending(_mapping(value))
        for uid, value in _mapping(one.get("pending")).items()
    }
    progress = FolderProgress(
        _number(one.get("uidvalidity")), _number(one.get("settled_through")), pending
    )
    if max(pending, default=0) > progress.settled_through:
        raise _Broken("a mail is pending above the last one looked at")
    return progress


def _pending(one: Mapping[str, Any]) -> Pending:
    next_try, code = one.get("next_try"), one.get("code")
    if not isinstance(next_try, str) or not isinstance(code, str):
        raise _Broken("a pending mail lacks its time or its code")
    return Pending(_number(one.get("attempts")), moment(next_try), code)


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Broken("an object is missing")
    return value


def _number(value: object) -> int:
    """A UID, a UIDVALIDITY, a count."""
    if type(value) is not int or not 0 <= value <= MAX_UID:
        raise _Broken("a number is missing or out of range")
    return value
