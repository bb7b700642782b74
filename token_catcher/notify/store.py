"""The outbox's file: what waits for whom, and how far the journal was read. SQLite.

Events, and the place in the journal that they were read up to, are written in one transaction: a
crash at any instruction leaves both or neither. Each transaction opens the file and closes it, so
that any thread may have one. docs/adr/0021-an-outbox-in-sqlite.md says why it is no file of JSON.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from token_catcher import files
from token_catcher.errors import StateError
from token_catcher.notify.notice import Outgoing

FORM: Final = 1
"""Of the tables, as `PRAGMA user_version` has it."""
WAIT: Final = 10.0
"""Seconds for another transaction to end; each takes milliseconds."""
MOST_WAITING: Final = 10_000
"""Events of one receiver: 15 MB. Of more the oldest are given up."""
TOLD_FOR: Final = timedelta(days=100)
"""How long it is known that something was told, after it was last to be told."""
_TABLES: Final = """
    CREATE TABLE waiting (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        receiver TEXT NOT NULL,
        subject TEXT NOT NULL,
        body TEXT NOT NULL,
        since REAL NOT NULL,
        tries INTEGER NOT NULL,
        next_try REAL NOT NULL
    );
    CREATE INDEX by_receiver ON waiting (receiver, next_try);
    CREATE TABLE memory (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE told (key TEXT PRIMARY KEY, at REAL NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that is not delivered yet."""

    number: int
    event: Outgoing
    since: datetime
    """When it was put here."""
    tries: int
    """How often it could not be delivered."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for one receiver."""

    count: int
    oldest: datetime


class OutboxFile:
    """Thread-safe. Every method raises a StateError where the file cannot be used."""

    def __init__(self, path: Path) -> None:
        """Touches nothing yet."""
        self._path = path

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All that is done in the block, or nothing of it. Durable once the block has ended."""
        try:
            files.make_directory(self._path.parent)
            # SQLite would make it for others to read as well, and follow a link.
            with files.opened(self._path, os.O_RDWR | os.O_CREAT) as file:
                if files.excess(os.fstat(file.fileno())) is not None:
                    os.fchmod(file.fileno(), 0o600)  # a restored backup gave it to others
            connecting = sqlite3.connect(self._path, timeout=WAIT, isolation_level=None)
            with closing(connecting) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("BEGIN IMMEDIATE")
                self._expect_tables(connection)
                yield Transaction(connection, self._path)
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            reason = getattr(error, "sqlite_errorname", None) or type(error).__name__
        except OSError as error:
            reason = error.strerror
        else:
            return
        raise StateError(f"{self._path}: the outbox cannot be used: {reason}", code="notify-outbox")

    def _expect_tables(self, connection: sqlite3.Connection) -> None:
        [[form]] = connection.execute("PRAGMA user_version")
        if form == 0:
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {FORM}")
        elif form != FORM:
            raise StateError(
                f"{self._path}: got an outbox of form {form}, expected {FORM}: another version"
                " of this program has written it",
                code="notify-outbox",
            )


class Transaction:
    """One look at the file, and what is changed in it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        """`path`: of the file, for messages."""
        self._connection = connection
        self._path = path

    def recall(self, name: str) -> Any:
        """What was kept under a name; None: nothing. StateError: it is no JSON."""
        for (value,) in self._ask("SELECT value FROM memory WHERE name = ?", name):
            return self._parsed(value)
        return None

    def _parsed(self, value: str | bytes) -> Any:
        try:
            return json.loads(value)
        except (ValueError, TypeError, RecursionError) as error:
            kind = type(error).__name__
        raise StateError(
            f"{self._path}: the outbox cannot be used: its memory is no JSON ({kind})",
            code="notify-outbox",
        )

    def keep(self, name: str, value: Any) -> None:
        """Keep a JSON value under a name."""
        self._ask("INSERT OR REPLACE INTO memory VALUES (?, ?)", name, json.dumps(value))

    def is_new(self, key: str, now: datetime) -> bool:
        """Whether this is to be told: it is not known that it was. Now it is."""
        known = list(self._ask("SELECT 1 FROM told WHERE key = ?", key))
        self._ask("INSERT OR REPLACE INTO told VALUES (?, ?)", key, now.timestamp())
        self._ask("DELETE FROM told WHERE at < ?", (now - TOLD_FOR).timestamp())
        return not known

    def add(self, events: Iterable[Outgoing], now: datetime) -> None:
        """Have these delivered. One that is here stays as it is."""
        for event in events:
            self._ask(
                "INSERT OR IGNORE INTO waiting"
                " (id, receiver, subject, body, since, tries, next_try)"
                " VALUES (?, ?, ?, ?, ?, 0, 0)",
                event.id,
                event.receiver,
                event.subject,
                event.body,
                now.timestamp(),
            )

    def due(self, receiver: str, now: datetime, busy: Collection[str]) -> Waiting | None:
        """The event to try next: the one whose time came first, of no subject that is `busy`.

        One whose time is so far off that only a clock which was set back could have put it there
        is due as well."""
        far = (now + timedelta(hours=2)).timestamp()
        rows = self._ask(
            "SELECT number, id, receiver, subject, body, since, tries FROM waiting"
            " WHERE receiver = ? AND (next_try <= ? OR next_try > ?)"
            " AND subject NOT IN (SELECT value FROM json_each(?))"
            " ORDER BY next_try, number LIMIT 1",
            receiver,
            now.timestamp(),
            far,
            json.dumps(list(busy)),
        )
        for number, event_id, name, subject, body, since, tries in rows:
            event = Outgoing(event_id, name, subject, body)
            return Waiting(number, event, _time(since), tries)
        return None

    def next_try(self, receiver: str) -> datetime | None:
        """When the first event of this receiver is due; None: none waits."""
        [[moment]] = self._ask("SELECT min(next_try) FROM waiting WHERE receiver = ?", receiver)
        if moment is None:
            return None
        return _time(moment)

    def postpone(self, waiting: Waiting, until: datetime) -> None:
        """It could not be delivered; try again then."""
        self._ask(
            "UPDATE waiting SET tries = tries + 1, next_try = ? WHERE number = ?",
            until.timestamp(),
            waiting.number,
        )

    def remove(self, waiting: Waiting) -> None:
        """It was delivered, or is given up."""
        self._ask("DELETE FROM waiting WHERE number = ?", waiting.number)

    def expire(self, receiver: str, before: datetime, tries: int) -> int:
        """Give up what has waited since before that time, and was tried so often. How many."""
        return self._ask(
            "DELETE FROM waiting WHERE receiver = ? AND since < ? AND tries >= ?",
            receiver,
            before.timestamp(),
            tries,
        ).rowcount

    def drop_excess(self, receiver: str) -> int:
        """Give up the oldest of what there is too much of. How many."""
        return self._ask(
            "DELETE FROM waiting WHERE number IN (SELECT number FROM waiting WHERE receiver = ?"
            " ORDER BY number DESC LIMIT -1 OFFSET ?)",
            receiver,
            MOST_WAITING,
        ).rowcount

    def forget_others(self, receivers: Collection[str]) -> int:
        """Give up what waits for receivers that are none any more. How many."""
        return self._ask(
            "DELETE FROM waiting WHERE receiver NOT IN (SELECT value FROM json_each(?))",
            json.dumps(list(receivers)),
        ).rowcount

    def backlogs(self) -> Mapping[str, Backlog]:
        """Of each receiver for which something waits."""
        rows = self._ask("SELECT receiver, count(*), min(since) FROM waiting GROUP BY receiver")
        return {name: Backlog(count, _time(oldest)) for name, count, oldest in rows}

    def _ask(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
