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
from token_catcher.model import MailRef, iso, moment
from token_catcher.record.ownership import is_foreign, refusal
from token_catcher.record.progress import (
    MAX_UID,
    MOST_NEWEST,
    FolderProgress,
    FollowUp,
    Pending,
)
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
        self._saved = b""
        self.notes: tuple[str, ...] = ()
        """Why it begins anew, if it does."""
        try:
            self._folders = self._read()
        except FileNotFoundError:
            self._reset("there is no checkpoint yet")
        except OSError as error:
            self._reset(f"the checkpoint cannot be read: {error.strerror}")
        except _Broken as error:
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
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Iterator[Checkpoint]:
        """The mailbox's checkpoint, for one sweep of all threads and processes on this directory.

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
                ours = lock.acquire(wait)
            except OSError as error:
                problem = f"the checkpoint of mailbox {mailbox} cannot be locked: {error.strerror}"
                raise StateError(f"{directory}: {problem}") from None
            if not ours:
                problem = f"mailbox {mailbox}: another sweep of it is running"
                raise TransientError(problem, code="busy")
            checkpoint = cls(directory / f"{name}.json", mailbox, lock)
            checkpoint.notes = (*notes, *checkpoint.notes)
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

    def goes_on(self) -> None:
        """Show whoever waits for the lock that this sweep has made a step."""
        self._lock.touch()

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
        folders = {name: _as_json(progress) for name, progress in self._folders.items()}
        text = json.dumps({"mailbox": self._mailbox, "folders": folders}, indent=1) + "\n"
        content = text.encode()
        if content == self._saved:
            return  # an idle daemon does not wear the disk, and a full one does not matter to it
        try:
            files.replace(self._path, content)
        except OSError as error:
            problem = f"{self._path}: the checkpoint could not be written: {error.strerror}"
            raise StateError(problem, code="checkpoint-write") from None
        self._saved = content

    def _read(self) -> dict[str, FolderProgress]:
        with files.opened(self._path) as file:
            mode = files.excess(os.fstat(file.fileno()), files.WRITABLE_BY_OTHERS)
            if mode is not None:
                raise _Broken(f"got mode {mode}, expected 0600: others could have written it")
            raw = file.read()
        content = json.loads(raw)
        if not isinstance(content, dict) or content.get("mailbox") != self._mailbox:
            raise _Broken("it is not of this mailbox")
        folders = _mapping(content.get("folders"))
        progress = {name: _from_json(folder) for name, folder in folders.items()}
        self._saved = raw
        return progress

    def _reset(self, why: str) -> None:
        self._folders = {}
        self.notes = (f"{self._path}: {why}; the whole look-back window is looked at",)


class _Broken(ValueError):
    """The file does not say what a checkpoint says. Carries no text of the file."""


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


def _as_json(progress: FolderProgress) -> dict[str, Any]:
    pending = {str(uid): _mail_as_json(mail) for uid, mail in sorted(progress.pending.items())}
    folder: dict[str, Any] = {
        "uidvalidity": progress.uidvalidity,
        "settled_through": progress.settled_through,
        "pending": pending,
        "looked_back_to": progress.looked_back_to and iso(progress.looked_back_to),
        "uidnext": progress.uidnext,
        "exists": progress.exists,
        "is_partial": progress.is_partial,
        "is_uidnext_sure": progress.is_uidnext_sure,
        "last_uid": progress.last_uid,
        "last_key": progress.last_key,
        "newest_ours": _spans(progress.newest_ours),
        "looked_below_at": progress.looked_below_at and iso(progress.looked_below_at),
    }
    if progress.follow_ups:
        folder["follow_ups"] = {
            str(uid): _follow_up_as_json(follow_up)
            for uid, follow_up in sorted(progress.follow_ups.items())
        }
    if progress.renumbered:
        folder["renumbered"] = progress.renumbered
        folder["carried"] = {key: _mail_as_json(mail) for key, mail in progress.carried.items()}
        folder["known"] = list(progress.known)
    return folder


def _mail_as_json(pending: Pending) -> dict[str, Any]:
    mail = {
        "attempts": pending.attempts,
        "next_try": iso(pending.next_try),
        "code": pending.code,
    }
    if pending.digest:
        mail["digest"] = pending.digest
    if pending.since is not None:
        mail["since"] = iso(pending.since)
    return mail


def _follow_up_as_json(follow_up: FollowUp) -> dict[str, Any]:
    mail: dict[str, Any] = {"digest": follow_up.digest, "attempts": follow_up.attempts}
    if follow_up.next_try is not None:
        mail["next_try"] = iso(follow_up.next_try)
    if follow_up.key:
        mail["key"] = follow_up.key
    return mail


def _from_json(content: object) -> FolderProgress:
    """A folder; whatever is missing was not noted by the version that wrote it."""
    folder = _mapping(content)
    progress = FolderProgress(
        uidvalidity=_uidvalidity(folder.get("uidvalidity")),
        settled_through=_number(folder.get("settled_through")),
        looked_back_to=_moment_or_none(folder.get("looked_back_to")),
        uidnext=_number_or_none(folder.get("uidnext")),
        exists=_number_or_none(folder.get("exists")),
        is_partial=folder.get("is_partial") is True,
        is_uidnext_sure=folder.get("is_uidnext_sure") is True,
        last_uid=_number(folder.get("last_uid", 0)),
        last_key=_text(folder.get("last_key", "")),
        newest_ours=_uids(folder.get("newest_ours", "")),
        looked_below_at=_moment_or_none(folder.get("looked_below_at")),
        renumbered=_number(folder.get("renumbered", 0)),
    )
    for uid, mail in _mapping(folder.get("pending")).items():
        progress.pending[_number(int(uid))] = _pending(_mapping(mail))
    for uid, mail in _mapping(folder.get("follow_ups", {})).items():
        progress.follow_ups[_number(int(uid))] = _follow_up(_mapping(mail))
    for digest, mail in _mapping(folder.get("carried", {})).items():
        progress.carried[digest] = _pending(_mapping(mail))
    for key in _list(folder.get("known", [])):
        progress.known[_text(key)] = None
    return progress


def _pending(mail: Mapping[str, Any]) -> Pending:
    next_try = mail.get("next_try")
    code = mail.get("code")
    if not isinstance(next_try, str) or not isinstance(code, str):
        raise _Broken("a pending mail lacks its time or its code")
    digest = _text(mail.get("digest", ""))
    since = _moment_or_none(mail.get("since"))
    return Pending(_number(mail.get("attempts")), moment(next_try), code, digest, since)


def _follow_up(mail: Mapping[str, Any]) -> FollowUp:
    return FollowUp(
        _text(mail.get("digest")),
        _number(mail.get("attempts")),
        _moment_or_none(mail.get("next_try")),
        _text(mail.get("key", "")),
    )


def _spans(uids: Sequence[int]) -> str:
    """Ascending UIDs as IMAP has a set of them: `1:4,7`."""
    spans: list[list[int]] = []
    for uid in uids:
        if spans and uid == spans[-1][1] + 1:
            spans[-1][1] = uid
        else:
            spans.append([uid, uid])
    return ",".join(f"{first}:{last}" for first, last in spans)


def _uids(value: object) -> tuple[int, ...]:
    """The inverse of `_spans`."""
    uids: list[int] = []
    for span in filter(None, _text(value).split(",")):
        first, _, last = span.partition(":")
        if _number(int(last)) - _number(int(first)) >= MOST_NEWEST:
            raise _Broken("a set of mails is too large")
        uids += range(int(first), int(last) + 1)
    return tuple(uids)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Broken("a text is missing")
    return value


def _list(value: object) -> Sequence[Any]:
    if not isinstance(value, list):
        raise _Broken("a list is missing")
    return value


def _moment_or_none(value: object) -> datetime | None:
    if value is None:
        return None
    return moment(_text(value))


def _number_or_none(value: object) -> int | None:
    if value is None:
        return None
    return _number(value)


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Broken("an object is missing")
    return value


def _uidvalidity(value: object) -> int:
    """It is only compared, so one beyond its 32 bits does as well."""
    if type(value) is not int or value < 0:
        raise _Broken("a number is missing or out of range")
    return value


def _number(value: object) -> int:
    """A UID, a count."""
    # Not isinstance: JSON's true is no number, though Python's True is one.
    if type(value) is not int or not 0 <= value <= MAX_UID:
        raise _Broken("a number is missing or out of range")
    return value
