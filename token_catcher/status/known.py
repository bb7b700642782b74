"""What is known of a user's token: what Vault told, and what the journal tells; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from token_catcher.model import Entry, Event
from token_catcher.record import UNPROVEN, MailToken, Record

User = tuple[str, str]
"""Org and username."""


class Presence(StrEnum):
    """What Vault has of a user's token."""

    PRESENT = "present"
    ABSENT = "absent"
    """There is no secret, none with a token, or it has expired by itself."""
    DELETED = "deleted"
    """Somebody deleted the latest version."""


@dataclass(frozen=True, slots=True)
class InVault:
    """What Vault told of a user's secret. Times are ISO 8601 in UTC."""

    presence: Presence
    version: int | None = None
    """None: there is none, or the engine keeps no versions."""
    written_at: str | None = None
    """None: Vault does not say."""
    issued_at: str | None = None
    """None: nobody noted when the token was issued, or we may not read it."""
    dated_at: str | None = None
    has_secret: bool = True
    """Whether there is a secret, with a token in it or without."""


@dataclass(frozen=True, slots=True)
class LastMail:
    """The newest record of a mail for a user: how it ended."""

    recorded_at: str
    received_at: str
    mailbox: str
    outcome: str
    """stored | unchanged | held | refused"""
    reason: str | None


@dataclass(frozen=True, slots=True)
class Past:
    """What the journal knows of a user."""

    token: MailToken | None = None
    """Of the newest record that tells of a token in Vault."""
    stored: Entry | None = None
    """The newest record of a version that was written."""
    last: LastMail | None = None


class Pasts:
    """What the journal knows of each user; told of each record, oldest first."""

    def __init__(self, tokens: Iterable[MailToken] = ()) -> None:
        """`tokens`: what is known of the newest ones, whose records may be moved away."""
        self._tokens: dict[User, MailToken] = {}
        for token in tokens:
            if token.org is not None and token.username is not None:
                self._tokens[token.org, token.username] = token
        self._stored: dict[User, Entry] = {}
        self._last: dict[User, LastMail] = {}
        self._proven: set[User] = set()
        """Those of mail that no stranger can have sent."""

    def take_in(self, record: Record) -> None:
        """The next record of a mail."""
        entry = record.entry
        if entry.org is None or entry.username is None:
            return
        user = (entry.org, entry.username)
        self._last[user] = LastMail(
            recorded_at=record.at,
            received_at=entry.received_at,
            mailbox=entry.mailbox,
            outcome=Event(entry.event).outcome,
            reason=entry.reason,
        )
        if entry.event == Event.STORED:
            self._stored[user] = entry
        if entry.event != Event.REFUSED and entry.reason not in UNPROVEN:
            self._proven.add(user)

    @property
    def users(self) -> set[User]:
        """Everybody of whom something is known that no stranger made up.

        Where a pattern names the users, a forged mail would make one that is never seen."""
        proven = {user for user, token in self._tokens.items() if not token.may_be_anybodys}
        return proven | self._proven

    def of(self, user: User) -> Past:
        """What is known of this one."""
        return Past(self._tokens.get(user), self._stored.get(user), self._last.get(user))
