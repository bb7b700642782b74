"""Notices, and an outbox over real files whose receivers and clock are the test's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from tests.kit.fakes import Silent
from tests.unit.record.books import entry
from token_catcher.errors import TokenCatcherError
from token_catcher.model import Entry, Event
from token_catcher.notify import ASKED_FOR, Kind, Notice, Outbox, Outgoing, Receiver, Transport
from token_catcher.record import Journal

NOW = datetime(2026, 2, 3, 12, 57, 28, tzinfo=UTC)


def notice(kind: Kind = Kind.STORED, key: str = "k", **changes: Any) -> Notice:
    """One that is as a test says."""
    fields = changes.pop("fields", {"mailbox": "integrations"})
    return Notice(kind, key, changes.pop("at", NOW), changes.pop("subject", "acme/u@x"), fields)


def refused(uid: int, **changes: Any) -> Entry:
    """A mail that was not genuine."""
    changes = {"event": Event.REFUSED, "reason": "unsigned", "version": None, **changes}
    return entry(uid, path=None, vault_created_at=None, **changes)


class Heap:
    """A transport that keeps what it is given, unless it is told to raise."""

    def __init__(self) -> None:
        self.events: list[Outgoing] = []
        """Those that were taken."""
        self.tried: list[str] = []
        """Ids of all."""
        self.error: TokenCatcherError | None = None
        self.poison: Mapping[str, TokenCatcherError] = {}
        """What is raised for the events of a subject."""

    def deliver(self, event: Outgoing) -> str:
        """See `Transport`."""
        self.tried.append(event.id)
        error = self.poison.get(event.subject, self.error)
        if error is not None:
            raise error
        self.events.append(event)
        return "taken"

    def probe(self) -> str:
        """See `Transport`."""
        return "there"

    @property
    def types(self) -> list[str]:
        """Of what was taken."""
        return [event.type.removeprefix("token-catcher.") for event in self.events]


class Box:
    """An outbox beside a journal, without threads: a test takes each step."""

    def __init__(self, home: Path, **transports: Transport) -> None:
        """Receivers by name, each told of everything."""
        self.home = home
        self.time = NOW
        self.log = Silent()
        self.troubles: dict[str, str | None] = {}
        self.counted: list[tuple[str, str, int]] = []
        self._transports = transports
        self.start()

    def start(self, **transports: Transport) -> None:
        """As a new process would have it, perhaps with other receivers."""
        if transports:
            self._transports = transports
        self.journal = Journal(self.home / "journal.jsonl", now=self.now, log=self.log)
        self.outbox = Outbox(
            self.home / "outbox.db",
            [
                Receiver(name, frozenset(ASKED_FOR), transport)
                for name, transport in self._transports.items()
            ],
            self.journal,
            instance="one",
            troubles=lambda: self.troubles,
            now=self.now,
            rng=Random(1),
            log=self.log,
            observe=lambda *count: self.counted.append(count),
        )

    def now(self) -> datetime:
        """The clock of all."""
        return self.time

    def collect(self) -> bool:
        """One beat of the outbox."""
        return self.outbox.collect()

    def deliver(self, seconds: float = 0.0) -> None:
        """Let so many seconds pass, with every step that is due in them."""
        until = self.time + timedelta(seconds=seconds)
        while True:
            pauses = [delivery.step() for delivery in self.outbox.deliveries]
            pause = min(pauses, default=seconds)
            if pause and self.time + timedelta(seconds=pause) > until:
                self.time = until
                return
            self.time += timedelta(seconds=pause)

    def told(self, event: str) -> list[dict[str, Any]]:
        """The fields of each such event of the log."""
        return [fields for name, fields in self.log.events if name == event]
