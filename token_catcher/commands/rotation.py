"""One row of the history, and which rows are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self

from token_catcher.advice import advice_for, next_step
from token_catcher.errors import ConfigurationError
from token_catcher.model import Event, ProofEvent, moment

if TYPE_CHECKING:
    from token_catcher.record import Record

EVENTS: Final[tuple[str, ...]] = (*Event, *ProofEvent)
PREFIX: Final = "rotation."
"""What the name of each of these events begins with; the outcome follows."""
OUTCOMES: Final = tuple(event.removeprefix(PREFIX) for event in EVENTS)
DIGEST: Final = "sha256:"
"""What the digest of a mail begins with."""
DIGEST_LENGTH: Final = len(DIGEST) + 64
JOURNAL: Final = "journal"
LOG: Final = "log"
"""Where a row comes from."""
ID_LENGTH: Final = 12
"""Hexadecimal digits of a mail's digest by which people name it: 48 bits."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """One row: how a mail ended, or what a login with its token proved. The fields, and what they
    mean, are those of the journal."""

    at: str
    """When it was recorded. Times are ISO 8601 in UTC."""
    event: str
    org: str | None = None
    username: str | None = None
    issued_at: str | None = None
    path: str | None = None
    version: int | None = None
    reason: str | None = None
    saw: str | None = None
    recovered: bool | None = None
    mended: bool | None = None
    fingerprint: str | None = None
    token_length: int | None = None
    proof: str | None = None
    vault_created_at: str | None = None
    request_id: str | None = None
    instance: str | None = None
    mailbox: str | None = None
    folder: str | None = None
    uidvalidity: int | None = None
    uid: int | None = None
    mail: str | None = None
    received_at: str | None = None
    seq: int | None = None
    """Number and hash of the journal's record; None for what only a log tells."""
    hash: str | None = None
    released_by: str | None = None
    release_reason: str | None = None
    waived: tuple[str, ...] | None = None
    dated_at: str | None = None
    suppressed: int | None = None
    """How many rotations of this kind a log left out before this one; the journal has them all."""
    source: str = LOG
    """`journal`: a line of the configured journal that has the hash it names, or of a file that is
    a journal and nothing else; `log`: anybody's word. Whether the record is the one that was
    written, `audit verify` says."""
    version_before: int | None = None
    seen_after: float | None = None
    written_after: float | None = None
    asked_by: str | None = None

    @classmethod
    def of(cls, record: Record) -> Self:
        """The row of a record that the journal has checked."""
        fields = asdict(record.entry)
        return cls(at=record.at, seq=record.seq, hash=record.hash, source=JOURNAL, **fields)

    @property
    def outcome(self) -> str:
        """stored | unchanged | held | refused | verified | unverified"""
        return self.event.removeprefix(PREFIX)

    @property
    def advice(self) -> str | None:
        """What a person does next about a held mail, or about a token that was not proven."""
        if self.event == Event.HELD:
            return advice_for(self.reason)
        if self.event in tuple(ProofEvent):
            return next_step(self.reason or "")
        return None

    def as_json(self) -> dict[str, Any]:
        """The contract of `history --json`."""
        fields = asdict(self)
        # Logs leave out what is false; machines are told.
        fields["recovered"] = bool(self.recovered)
        fields["mended"] = bool(self.mended)
        return {**fields, "advice": self.advice}


@dataclass(frozen=True, slots=True)
class HeldMail:
    """A held mail that waits for a person: a row of `held`."""

    rotation: Rotation
    """Of its newest record."""
    age_seconds: int
    """Since its arrival."""

    @classmethod
    def of(cls, record: Record, now: datetime) -> Self:
        """As it stands now."""
        age = now - moment(record.entry.received_at)
        return cls(Rotation.of(record), max(0, int(age.total_seconds())))

    @property
    def id(self) -> str:
        """What `release` calls the mail: the beginning of its digest."""
        return mail_id(self.rotation.mail or "")

    def as_json(self) -> dict[str, Any]:
        """The contract of `held --json`: the fields of the journal, behind two of our own."""
        return {"id": self.id, "age_seconds": self.age_seconds, **self.rotation.as_json()}


def mail_id(digest: str) -> str:
    """What people call a mail with this digest."""
    return digest.removeprefix(DIGEST)[:ID_LENGTH]


@dataclass(frozen=True, slots=True)
class Query:
    """Which rotations are asked for; None: all."""

    org: str | None = None
    user: str | None = None
    event: str | None = None
    """`stored` or `rotation.stored`."""
    since: datetime | None = None
    until: datetime | None = None
    """Up to, but without it: the reports of two months share no row."""
    issued_since: datetime | None = None
    """Of tokens that were issued then or later; mail whose token has no time is not among them."""

    def __post_init__(self) -> None:
        """ConfigurationError: there is no such event."""
        if self.event is not None and self.event not in (*EVENTS, *OUTCOMES):
            raise ConfigurationError(
                f"--event: got {self.event[:40]!a}, expected one of: {', '.join(OUTCOMES)}"
            )

    def fits(self, fields: Mapping[str, Any]) -> bool:
        """Whether a record with these fields is asked for, whatever its time."""
        if self.user is not None and self.user.lower() != fields.get("username"):
            return False
        if self.event is not None and fields["event"] not in (self.event, PREFIX + self.event):
            return False
        return self.org is None or self.org == fields.get("org")

    def in_time(self, time: datetime, issued_at: str | None) -> bool:
        """Whether what happened then, of a token that was issued then, is asked for."""
        if self.since is not None and time < self.since:
            return False
        if self.until is not None and time >= self.until:
            return False
        if self.issued_since is None:
            return True
        return issued_at is not None and moment(issued_at) >= self.issued_since
