"""Keys that DNS gave before, for mail that arrived while they were published."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from token_catcher import files
from token_catcher.errors import StateError
from token_catcher.keys.published import MAX_KEYS, MAX_RECORD
from token_catcher.model import iso, moment
from token_catcher.ports import KeyLookup, Log

STILL_GOOD: Final = timedelta(days=1)
"""After DNS last had a key: mail that arrived until then may still be signed with it."""
REFRESHED: Final = timedelta(hours=1)
"""How often the file learns that a key is still published."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What DNS last said of a name."""

    record: str
    last_published: datetime


class RememberedKeys:
    """Keys from DNS, and where DNS has one no more, the one it had when the mail arrived."""

    def __init__(
        self,
        published: KeyLookup,
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

    def lookup(self, name: str, at: datetime) -> bytes | None:
        """The published record; where there is none, the remembered one for mail of its time."""
        # DNS first, always: a key may have been revoked, and silence is no answer.
        record = self._published.lookup(name, at)
        memory = self._read().get(name)
        if record is None:
            return _still_good(memory, at)
        if self._writing and record.isascii() and len(record) <= MAX_RECORD:
            self._remember(name, Remembered(record.decode(), self._now()), memory)
        return record

    def _remember(self, name: str, key: Remembered, memory: Remembered | None) -> None:
        """A memory that cannot be written is told and does without.

        Nobody waits for another who writes: the next look will."""
        if _is_known(key, memory):
            return
        try:
            with files.locked(self._path.with_suffix(".lock"), wait=False) as ours:
                if ours:
                    self._write({**self._read(), name: key})
        except OSError as error:
            self._tell(error.strerror)
        except StateError as error:
            self._tell(str(error))

    def _read(self) -> Mapping[str, Remembered]:
        """What is remembered; a file that is missing or broken remembers nothing."""
        try:
            with files.opened(self._path) as file:
                if files.excess(os.fstat(file.fileno()), files.WRITABLE_BY_OTHERS):
                    self._tell("others can write it: chmod 0600")
                    return {}
                content = json.loads(file.read())
            return {
                name: Remembered(memory["record"], moment(memory["last_published"]))
                for name, memory in content.items()
                if memory["record"].isascii()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}

    def _write(self, memories: Mapping[str, Remembered]) -> None:
        by_age = sorted(memories.items(), key=lambda item: item[1].last_published)
        content = {name: _as_json(memory) for name, memory in by_age[-MAX_KEYS:]}
        text = json.dumps(content, indent=1, sort_keys=True)
        files.replace(self._path, text.encode(), durable=False)

    def _tell(self, error: str | None) -> None:
        self._log.warning("keys.not_remembered", file=str(self._path), error=error)


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
