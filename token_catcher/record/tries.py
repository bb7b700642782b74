"""Which stored tokens wait for the proof by a login, and how often each was tried.

One JSON file in the state directory, replaced as a whole before each request: so a crash at any
moment leaves it counted. It has fingerprints, and never a token. Losing it costs the proofs that
wait. A file that cannot be believed is an error and not a loss, since a login too many can lock the
user.

What was tried is counted by the plain fingerprint of the token, as Vault has it: a key of the
journal comes and goes, and whoever was tried once must stay known.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

from token_catcher import files
from token_catcher.errors import StateError
from token_catcher.model import Entry, Event, as_fields, iso, moment

REMEMBERED: Final = 10_000
"""Tokens of which it is known how often they were tried, the newest; about 400 kB."""
MAX_BYTES: Final = 16 << 20
"""Of the file; a token that waits takes some 900."""

_ENTRY_FIELDS: Final = tuple(field.name for field in fields(Entry))


@dataclass(frozen=True, slots=True)
class Trial:
    """A stored token that waits for its proof."""

    entry: Entry
    """The record of it."""
    since: datetime
    """When it began to wait."""
    due_at: datetime
    """When it is tried next."""
    trying: bool = False
    """A login with it is on its way, or was when the program ended."""
    result: str | None = None
    """How the last login ended, where it has no record yet."""
    saw: str = ""
    noted_at: int = 0
    """The number of the journal's last record when the result was noted."""
    token: str | None = None
    """Its plain fingerprint, once Vault has shown it: from then on its tries are counted."""

    def as_json(self) -> dict[str, Any]:
        """To be kept."""
        return {
            "entry": as_fields(self.entry),
            "since": iso(self.since),
            "due_at": iso(self.due_at),
            "trying": self.trying,
            "result": self.result,
            "saw": self.saw,
            "noted_at": self.noted_at,
            "token": self.token,
        }

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Self:
        """What `as_json` gave. KeyError, TypeError, ValueError, AttributeError: it is not that."""
        entry = {name: value for name, value in kept["entry"].items() if name in _ENTRY_FIELDS}
        # Earlier versions knew no other fingerprint, and counted from the record on.
        token = kept.get("token", entry.get("fingerprint"))
        return cls(
            entry=Entry(**{**entry, "event": Event(entry["event"])}),
            since=moment(kept["since"]),
            due_at=moment(kept["due_at"]),
            trying=bool(kept["trying"]),
            result=kept["result"],
            saw=str(kept["saw"]),
            noted_at=int(kept["noted_at"]),
            token=token,
        )


@dataclass(frozen=True, slots=True)
class Tries:
    """All that is kept."""

    seq: int
    """The number of the last record of the journal that was looked at."""
    waiting: Mapping[str, Trial] = field(default_factory=dict)
    """By the fingerprint of the token, as its record has it."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """By plain fingerprint, how many logins there were, or may have been; also of what waits no
    more."""

    def having(self, trial: Trial) -> Tries:
        """With this token waiting so."""
        return replace(self, waiting={**self.waiting, str(trial.entry.fingerprint): trial})

    def counting(self, trial: Trial, count: int) -> Tries:
        """The same, of one that Vault has shown: it was tried so many times."""
        assert trial.token is not None
        return replace(self.having(trial), counts={**self.counts, trial.token: count})

    def count(self, trial: Trial) -> int:
        """How often it was tried."""
        return self.counts.get(trial.token or "", 0)

    def without(self, trial: Trial) -> Tries:
        """With this token settled; how often it was tried stays known for long."""
        settled = trial.entry.fingerprint
        waiting = {key: other for key, other in self.waiting.items() if key != settled}
        counts = dict(list(self.counts.items())[-REMEMBERED:])
        for other in waiting.values():
            if other.token is not None:
                counts[other.token] = self.count(other)
        return replace(self, waiting=waiting, counts=counts)


class TriesFile:
    """The file. One process has it: the daemon, alone in its state directory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Tries | None:
        """None: there is none yet. StateError: it cannot be read, or not be believed."""
        try:
            with files.opened(self._path) as file:
                mode = files.excess(os.fstat(file.fileno()), files.WRITABLE_BY_OTHERS)
                content = file.read(MAX_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{self._path}: {error.strerror}", code="state") from None
        if mode is not None:
            raise StateError(f"{self._path}: got mode {mode}, expected 0600", code="login-tries")
        return self._parsed(content)

    def write(self, tries: Tries) -> None:
        """It is on disk by then. StateError: it is not."""
        kept = {
            "seq": tries.seq,
            "waiting": [trial.as_json() for trial in tries.waiting.values()],
            "counts": dict(tries.counts),
        }
        try:
            files.make_directory(self._path.parent)
            files.replace(self._path, json.dumps(kept).encode())
        except OSError as error:
            raise StateError(f"{self._path}: {error.strerror}", code="state") from None

    def _parsed(self, content: bytes) -> Tries:
        try:
            kept = json.loads(content)
            trials = [Trial.of_json(trial) for trial in kept["waiting"]]
            counts = {str(key): int(count) for key, count in kept["counts"].items()}
            waiting = {str(trial.entry.fingerprint): trial for trial in trials}
            return Tries(int(kept["seq"]), waiting, counts)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            problem = f"{self._path}: got something else, expected a JSON object of tries"
            raise StateError(problem, code="login-tries") from None
