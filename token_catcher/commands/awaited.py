"""Which record a wait waits for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from token_catcher.entries import had_token
from token_catcher.fingerprints import PLAIN, Fingerprints
from token_catcher.model import Entry, Event, Holding, moment
from token_catcher.record import Record

GRACE: Final = timedelta(minutes=15)
"""A token issued this long before `--wait` began counts: people type it after the reset."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """The token that `--wait` waits for: issued since it began, and new in Vault since then.

    Neither is enough by itself. A token issued shortly before may be that of an earlier reset, and
    dead; and what comes into Vault may be an old token that a person released, or that Vault had
    lost. Other people's work counts as well: the token is in Vault, whoever put it there."""

    user: str | None
    """None: anybody's."""
    began: datetime
    """By our own clock, which may be wrong."""
    before: Mapping[str, Holding]
    """By path, what Vault had when it began. What is not in it was not asked for, or not answered.
    """
    fingerprints: Fingerprints = PLAIN

    def is_met_by(self, record: Record) -> bool:
        """Whether this record, which was added since the wait began, tells of that token."""
        entry = record.entry
        if not had_token(entry) or entry.mended:
            return False
        if self.user not in (None, entry.username):
            return False
        began = self.began - clock_ahead(record)
        if entry.issued_at is None or moment(entry.issued_at) < began - GRACE:
            return False
        # INTERNALDATE knows whole seconds only.
        has_come_since = moment(entry.received_at) >= began.replace(microsecond=0)
        if entry.released_by is not None and not has_come_since:
            return False
        return self._is_new_in_vault(entry, has_come_since=has_come_since)

    def _is_new_in_vault(self, entry: Entry, *, has_come_since: bool) -> bool:
        before = self.before.get(entry.path or "")
        if before is not None:
            is_same = self.fingerprints.is_of(entry.fingerprint, before.fingerprint)
            if is_same:
                return False
            if before.issued_at is not None:
                return is_later(entry.issued_at, before.issued_at)
            if is_same is False:
                return True
        # Nobody can tell what was there. What was written just now is new; of what was found
        # there, only the arrival can tell.
        was_written = entry.event == Event.STORED and not entry.recovered
        return was_written or has_come_since


def is_later(issued_at: str | None, other: datetime) -> bool:
    """Whether a token was issued after that time, as far as that is known."""
    return issued_at is not None and moment(issued_at) > other


def clock_ahead(record: Record) -> timedelta:
    """How far our clock is ahead of Vault's: the time from the version to its record. Negative
    where it is behind, and a token that was issued an hour ago would pass for a new one.

    Nothing for a version that another process wrote, or that a crash came after: there it may be
    any time."""
    entry = record.entry
    if entry.event != Event.STORED or entry.recovered or entry.vault_created_at is None:
        return timedelta()
    return moment(record.at) - moment(entry.vault_created_at)
