"""Keys that DNS gave before, for mail that arrived while they were published."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from token_catcher import files
from token_catcher.errors import StateError, TransientError
from token_catcher.keys.published import MAX_RECORD
from token_catcher.model import iso, moment
from token_catcher.ports import KeyLookup, Log

MAX_KEYS: Final = 64
"""Records in the file."""
STILL_GOOD: Final = timedelta(days=1)
"""After DNS last had a key: mail that arrived until then may still be signed with it."""
REFRESHED: Final = timedelta(hours=1)
"""How often the file learns that a key is still published."""
CLOCK_SLACK: Final = timedelta(days=1)
"""How far a time in the file may lie ahead of the clock, which may have been set back."""

# RFC 6376, 3.6.1: an empty `p=` says that the key was revoked.
_REVOKED: Final = re.compile(rb"(?:\A|;)\s*p\s*=\s*(?:;|\Z)")


class Published(Protocol):
    """What is published now: `DnsKeys`, in the program."""

    def ask(self, name: str, *, known: bool = False) -> bytes | None:
        """See `DnsKeys.ask`."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What DNS last said of a name."""

    record: str
    last_published: datetime


class RememberedKeys:
    """Keys from DNS; where DNS has one no more, or is silent, the one it had for mail of that time.

    Only keys that have proven a mail are remembered: nobody who writes signatures of his own can
    put one there, or push one out."""

    def __init__(
        self,
        published: Published,
        path: Path,
        *,
        now: Callable[[], datetime],
        log: Log,
        writing: bool = True,
    ) -> None:
        """`path`: the file in the state directory.

        `writing`: False for commands that change nothing."""
        self._published = published
        self._path = path
        self._now = now
        self._log = log
        self._writing = writing
        self._told: set[str | None] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """Those that mail was verified with before."""
        return tuple(self._read())

    def knows(self, name: str) -> bool:
        """Whether a mail was verified with it before."""
        return name in self._read()

    def lookup(self, name: str, at: datetime) -> bytes | None:
        """The published record; where there is none, the remembered one for mail of its time."""
        memory = self._read().get(name)
        # DNS first, always: a key may have been revoked.
        try:
            record = self._published.ask(name, known=memory is not None)
        except TransientError:
            remembered = _still_good(memory, at)
            if remembered is None:
                raise
            return remembered
        if record is None:
            return _still_good(memory, at)
        self._note(name, record, memory)
        return record

    def _note(self, name: str, record: bytes, memory: Remembered | None) -> None:
        """That a remembered key is still published, or was revoked.

        Another key in its place must prove a mail before it is believed that far."""
        if memory is None:
            return
        if record == memory.record.encode() or _REVOKED.search(record):
            self._remember(name, record, memory)

    def verified(self, name: str, record: bytes) -> None:
        """Remember the key of a mail that was verified with it."""
        memory = self._read().get(name)
        # What the memory itself gave does not show that DNS still has it.
        if memory is None or memory.record.encode() != record:
            self._remember(name, record, memory)

    def refresh(self, pinned: KeyLookup | None = None) -> None:
        """Ask DNS once an hour whether it still has the keys that are remembered.

        Token mail is rare: without this, no memory would be fresh when one comes. `pinned`: what it
        knows is not asked for. Ends with the first silence; the next call goes on."""
        for name, memory in self._read().items():
            is_pinned = pinned is not None and pinned.knows(name)
            if is_pinned or self._now() - memory.last_published < REFRESHED:
                continue
            try:
                record = self._published.ask(name, known=True)
            except TransientError:
                return
            if record is not None:
                self._note(name, record, memory)

    def _remember(self, name: str, record: bytes, memory: Remembered | None) -> None:
        """A memory that cannot be written is told and does without.

        Nobody waits for another who writes: the next look will."""
        if not self._writing or not record.isascii() or len(record) > MAX_RECORD:
            return
        key = Remembered(record.decode(), self._now())
        if _is_known(key, memory):
            return
        try:
            with files.locked(self._path.with_suffix(".lock")) as ours:
                if ours:
                    self._write({**self._read(), name: key})
        except OSError as error:
            self._tell(error.strerror)
        except StateError as error:
            self._tell(str(error))

    def _read(self) -> Mapping[str, Remembered]:
        """What is remembered; a file that is missing, broken or not to be believed remembers
        nothing, and the next key begins it anew."""
        try:
            with files.opened(self._path) as file:
                problem = _exposed(os.fstat(file.fileno()))
                if problem is not None:
                    self._tell(problem)
                    return {}
                content = json.loads(file.read())
            memories = {
                name: Remembered(memory["record"], moment(memory["last_published"]))
                for name, memory in content.items()
                if memory["record"].isascii()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}
        latest = self._now() + CLOCK_SLACK
        if any(memory.last_published > latest for memory in memories.values()):
            self._tell("it holds a time in the future")
            return {}
        return memories

    def _write(self, memories: Mapping[str, Remembered]) -> None:
        by_age = sorted(memories.items(), key=lambda item: item[1].last_published)
        content = {name: _as_json(memory) for name, memory in by_age[-MAX_KEYS:]}
        text = json.dumps(content, indent=1, sort_keys=True)
        files.replace(self._path, text.encode(), durable=False)

    def _tell(self, error: str | None) -> None:
        """Once each: the file is read for every mail."""
        if error not in self._told:
            self._told.add(error)
            self._log.warning("keys.not_remembered", file=str(self._path), error=error)


def _exposed(status: os.stat_result) -> str | None:
    """Why anybody but us and root could have written the file. None: nobody could."""
    if files.excess(status, files.WRITABLE_BY_OTHERS):
        return "others can write it: chmod 0600"
    if status.st_uid not in (os.geteuid(), 0):
        return f"it belongs to another user: got uid {status.st_uid}, expected {os.geteuid()}"
    return None


def _still_good(memory: Remembered | None, at: datetime) -> bytes | None:
    if memory is None or at - memory.last_published > STILL_GOOD:
        return None
    return memory.record.encode()


def _is_known(key: Remembered, memory: Remembered | None) -> bool:
    """Whether the file has the key, and had it of DNS a moment ago."""
    if memory is None or memory.record != key.record:
        return False
    return key.last_published - memory.last_published < REFRESHED


def _as_json(memory: Remembered) -> dict[str, str]:
    return {"record": memory.record, "last_published": iso(memory.last_published)}
