"""What is settled, per mailbox and folder: a convenience, never a truth.

One JSON file a mailbox, replaced atomically, and a lock beside it that a sweep holds. A sweep shows
at each step that it goes on; from one that shows nothing (its process was stopped, its disk hangs)
the next takes the lock over, and the first finds that out before it writes. Whatever is
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

from token_catcher import files
from token_catcher.errors import StateError, TransientError
from token_catcher.model import MailRef, iso
from token_catcher.record.checkpoint_form import (
    Broken,
    folder_as_json,
    folder_from_json,
    mapping,
)
from token_catcher.record.ownership import is_foreign, refusal
from token_catcher.record.progress import FolderProgress, Pending
from token_catcher.record.sweeplock import SweepLock

CLOCK_SLACK: Final = timedelta(days=1)
"""How much earlier a look-back may begin than the one before, without a new look."""
_PLAIN_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Checkpoint:
    """The progress in all folders of one mailbox, held by one sweep. Made by `hold`."""

    def __init__(self, path: Path, mailbox: str, lock: SweepLock) -> None:
        """Never raises: a file that cannot be used begins anew, with a note."""
        self._lock = lock
        self._path = path
        self._mailbox = mailbox
        self._saved: Mapping[str, Any] | None = None
        """All folders as they are on disk. None: nothing there is worth keeping."""
        self.notes: tuple[str, ...] = ()
        """Why it begins anew, if it does."""
        self.is_first = False
        """Whether there was none, as at a first start."""
        try:
            self._folders = self._read()
        except FileNotFoundError:
            self._reset("there is no checkpoint yet")
            self.is_first = True
        except OSError as error:
            self._reset(f"the checkpoint cannot be read: {error.strerror}")
        except Broken as error:
            self._reset(f"the checkpoint is broken: {error}")
        except (ValueError, OverflowError, RecursionError):
            self._reset("the checkpoint is broken: no sweep wrote this")

    @classmethod
    @contextmanager
    def hold(
        cls,
        directory: Path,
        mailbox: str,
        *,
        wait: float = 0.0,
        on_wait: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Iterator[Checkpoint]:
        """The mailbox's checkpoint, for one sweep of all threads and processes on this directory.

        `on_wait` is called as soon as it shows that another sweep holds it: what was known before
        may be older than the checkpoint.
        From one that shows no sign for `STOPPED_AFTER` seconds of them it is taken over.
        TransientError `busy`: another sweep held it for `wait` seconds.
        A directory that is somebody else's, as root puts a backup back, is set aside.
        StateError: the directory cannot be used."""
        name = file_name(mailbox)
        lock = SweepLock(directory / f"{name}.lock", monotonic, sleep)
        with closing(lock):
            try:
                notes = _set_aside_foreign(directory)
                files.make_directory(directory)
                ours = lock.acquire(wait, on_wait)
            except OSError as error:
                problem = f"the checkpoint of mailbox {mailbox} cannot be locked: {error.strerror}"
                raise StateError(f"{directory}: {problem}") from None
            if not ours:
                problem = f"mailbox {mailbox}: another sweep of it is running"
                raise TransientError(problem, code="busy")
            checkpoint = cls(directory / f"{name}.json", mailbox, lock)
            checkpoint.notes = (*notes, *checkpoint.notes)
            checkpoint.is_first = checkpoint.is_first and not notes
            yield checkpoint

    @classmethod
    def glance(cls, directory: Path, mailbox: str) -> Checkpoint:
        """The checkpoint as it is on disk, for who only reads it: nothing is locked."""
        name = file_name(mailbox)
        lock = SweepLock(directory / f"{name}.lock", time.monotonic, time.sleep)
        return cls(directory / f"{name}.json", mailbox, lock)

    @property
    def pending(self) -> list[Pending]:
        """What is known of the mails of all folders that are not settled."""
        return [mail for folder in self._folders.values() for mail in folder.pending.values()]

    @staticmethod
    def stamp_of(directory: Path, mailbox: str) -> tuple[int, ...] | None:
        """By which it shows whether the file is as it was left. None: there is none."""
        with suppress(OSError):
            status = (directory / f"{file_name(mailbox)}.json").stat()
            return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode)
        return None

    def goes_on(self) -> None:
        """Show whoever waits for the lock that this sweep has made a step."""
        self._lock.touch()

    def contradicts(self, name: str, uidvalidity: int, uidnext: int | None) -> bool:
        """Whether the folder would begin anew with this; see `folder`."""
        known = self._folders.get(name)
        return known is not None and _stale(known, uidvalidity, uidnext) is not None

    def wavers(self, name: str, uidvalidity: int) -> bool:
        """Whether the folder's UIDVALIDITY is another one for the second time in a row."""
        known = self._folders.get(name)
        if known is None or known.uidvalidity == uidvalidity:
            return False
        return known.renumbered == 1

    def folder(
        self, name: str, uidvalidity: int, uidnext: int | None, begin: datetime
    ) -> FolderProgress:
        """How far this folder is known.

        From the beginning, with a note, where its UIDs are no longer the ones we knew. `begin`:
        where a look back begins now."""
        known = self._folders.get(name)
        if known is None:
            self._folders[name] = FolderProgress(uidvalidity, looked_back_to=begin)
        elif note := _stale(known, uidvalidity, uidnext):
            self.begin_anew(name, uidvalidity, note, begin)
        elif known.looked_back_to is None:
            known.looked_back_to = begin
        elif known.looked_back_to - begin > CLOCK_SLACK:
            self._widen(name, known.looked_back_to, begin)
        return self._folders[name]

    def unsettle(self, mail: MailRef, now: datetime) -> bool:
        """Have the next visit look at a mail again. False: nothing is known of the mail's folder
        under this UIDVALIDITY, so that no UID of it means anything here."""
        progress = self._folders.get(mail.folder)
        if progress is None or progress.uidvalidity != mail.uidvalidity:
            return False
        if not progress.is_pending(mail.uid):
            progress.unsettle(mail.uid, now)
        return True

    def followed(self, names: Sequence[str]) -> Iterator[tuple[str, FolderProgress]]:
        """Of these folders the ones that are known, with mails that are to be followed up."""
        for name in names:
            progress = self._folders.get(name)
            if progress is not None and progress.follow_ups:
                yield name, progress

    @property
    def unapplied(self) -> int:
        """Mails that could not be followed up so far, and wait for another try."""
        return sum(
            follow_up.attempts > 0
            for progress in self._folders.values()
            for follow_up in progress.follow_ups.values()
        )

    def begin_anew(self, name: str, uidvalidity: int, note: str, begin: datetime) -> FolderProgress:
        """The numbers of the folder are worth nothing any more; what waits is carried over."""
        self._folders[name] = self._folders[name].begun_anew(uidvalidity, note, begin)
        return self._folders[name]

    def _widen(self, name: str, before: datetime, begin: datetime) -> None:
        """Our clock was ahead at the first look, or the look-back window has grown."""
        note = f"the look back begins at {iso(begin)}, and began at {iso(before)}"
        known = self._folders[name]
        anew = self.begin_anew(name, known.uidvalidity, note, begin)
        anew.renumbered = known.renumbered

    def save(self) -> None:
        """Put all progress on disk.

        StateError: it could not be; the file is the one from before, whole. TransientError `busy`:
        another sweep has taken the checkpoint over, and knows better."""
        if not self._lock.is_ours:
            problem = f"mailbox {self._mailbox}: another sweep of it has taken over"
            raise TransientError(problem, code="busy")
        folders = {name: folder_as_json(progress) for name, progress in self._folders.items()}
        # An idle daemon does not wear the disk, and a full one does not matter to it. With a
        # thousand mailboxes, to encode what is known already would be a third of its work.
        if folders == self._saved:
            return
        text = json.dumps({"mailbox": self._mailbox, "folders": folders}, indent=1) + "\n"
        try:
            files.replace(self._path, text.encode())
        except OSError as error:
            problem = f"{self._path}: the checkpoint could not be written: {error.strerror}"
            raise StateError(problem, code="checkpoint-write") from None
        self._saved = folders

    def _read(self) -> dict[str, FolderProgress]:
        with files.opened(self._path) as file:
            mode = files.excess(os.fstat(file.fileno()), files.WRITABLE_BY_OTHERS)
            if mode is not None:
                raise Broken(f"got mode {mode}, expected 0600: others could have written it")
            raw = file.read()
        content = json.loads(raw)
        if not isinstance(content, dict) or content.get("mailbox") != self._mailbox:
            raise Broken("it is not of this mailbox")
        folders = mapping(content.get("folders"))
        progress = {name: folder_from_json(folder) for name, folder in folders.items()}
        self._saved = folders
        return progress

    def _reset(self, why: str) -> None:
        self._folders = {}
        self.notes = (f"{self._path}: {why}; the whole look-back window is looked at",)


def _set_aside_foreign(directory: Path) -> tuple[str, ...]:
    """Give a directory that is somebody else's another name: a note that says so, or none.

    StateError: the one above is not ours either. OSError: it cannot be done."""
    if not is_foreign(directory):
        return ()
    above = refusal(directory.parent)
    if above is not None:
        raise StateError(above)
    for number in count(1):
        aside = directory.with_name(f"{directory.name}.set-aside-{number}")
        if not aside.exists():
            break
    owner = refusal(directory)
    with suppress(FileNotFoundError):  # another sweep was faster
        directory.rename(aside)
    return (f"{owner}: it is called {aside.name} now",)


def file_name(mailbox: str) -> str:
    """A file name for any mailbox name, each its own.

    Plain names are taken as they are, others made plain and told apart by a digest."""
    if _PLAIN_NAME.fullmatch(mailbox):
        return mailbox
    digest = hashlib.sha256(mailbox.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return re.sub(r"[^A-Za-z0-9_-]", "_", mailbox)[:48] + "~" + digest


def _stale(known: FolderProgress, uidvalidity: int, uidnext: int | None) -> str | None:
    """Why what is known of the folder is worth nothing any more (RFC 3501, 2.3.1.1)."""
    if uidvalidity != known.uidvalidity:
        expected = f"expected {known.uidvalidity}: the folder was made anew"
        return f"got UIDVALIDITY {uidvalidity}, {expected}"
    # UIDs that were given out are never given out again, unless a backup was put back.
    highest = max(known.settled_through, (known.uidnext or 0) - 1)
    if uidnext is not None and uidnext <= highest:
        expected = f"expected more than {highest}: the folder was set back"
        return f"got UIDNEXT {uidnext}, {expected}"
    return None
