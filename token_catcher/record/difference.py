"""What the records of a secret and the versions that Vault keeps of it come to: the words of
`audit reconcile`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from token_catcher.model import moment


class Code(StrEnum):
    """What a comparison comes to; the codes of `audit reconcile --json`. Only ever added to."""

    # Findings.
    UNRECORDED_VERSION = "unrecorded-version"
    RECORD_MISSING = "record-missing"
    ANOTHER_INSTANCE = "another-instance"
    TOKEN_BY_HAND = "token-by-hand"  # noqa: S105 - a code
    FIELDS_BY_HAND = "fields-by-hand"
    TOKEN_REMOVED = "token-removed"  # noqa: S105 - a code
    NOT_A_TOKEN = "not-a-token"  # noqa: S105 - a code
    DELETED_VERSION = "deleted-version"
    DESTROYED_VERSION = "destroyed-version"
    FORGED_RECORD = "forged-record"
    RECORDED_TWICE = "recorded-twice"
    ROLLED_BACK = "rolled-back"
    REMADE_SECRET = "remade-secret"  # noqa: S105 - a code
    SECRET_MISSING = "secret-missing"  # noqa: S105 - a code
    NOT_IN_LOG = "not-in-log"
    LOG_CONTRADICTS = "log-contradicts"
    # Notes.
    OTHER_FIELDS = "other-fields"
    OTHERS_WRITE = "others-write"
    BEFORE_RECORDS = "before-records"
    EARLIER_WRITER = "earlier-writer"
    EXPIRED_VERSION = "expired-version"
    TRIMMED_VERSIONS = "trimmed-versions"
    NOT_COVERED = "not-covered"
    NOT_LISTED = "not-listed"
    ANCHOR_UNREAD = "anchor-unread"
    UNKNOWN_KEY = "unknown-key"
    # Neither.
    RECORDED = "recorded"


NOTES: Final = frozenset(
    {
        Code.OTHER_FIELDS,
        Code.OTHERS_WRITE,
        Code.BEFORE_RECORDS,
        Code.EARLIER_WRITER,
        Code.EXPIRED_VERSION,
        Code.TRIMMED_VERSIONS,
        Code.NOT_COVERED,
        Code.NOT_LISTED,
        Code.ANCHOR_UNREAD,
        Code.UNKNOWN_KEY,
    }
)
"""What is told, and nothing is wrong with."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a record says of a token in Vault."""

    seq: int
    at: str
    event: str
    path: str
    instance: str | None = None
    version: int | None = None
    created_at: str | None = None
    """Vault's time of that version."""
    request_id: str | None = None
    fingerprint: str | None = None
    mail: str | None = None
    issued_at: str | None = None
    dated_at: str | None = None
    """The Date of the mail, where that is another time."""
    recovered: bool = False

    @property
    def date(self) -> datetime | None:
        """The Date of the mail, which is that of the token whoever stores it. None: it has none."""
        return time_of(self.dated_at or self.issued_at)


@dataclass(frozen=True, slots=True)
class Difference:
    """What one version, or the records of one secret, came to."""

    code: Code
    path: str | None
    saw: str
    version: int | None = None
    created_at: str | None = None
    """Vault's time of the version."""
    ends_at: str | None = None
    """Vault's time of its end, where it ended."""
    record: Recorded | None = None
    """The one that tells of it."""
    writer: str | None = None
    """What the version carries of who wrote our fields; anybody's word."""
    captured_by: str | None = None

    @property
    def is_finding(self) -> bool:
        """Whether somebody has to look at it."""
        return self.code not in NOTES and self.code is not Code.RECORDED


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where the records begin."""

    at: datetime | None
    """The time of the first one; None: there is none."""
    is_whole: bool
    """Whether that is record 1, so that none is in a file that is not here."""


def time_of(text: str | None) -> datetime | None:
    """None: there is none, or it cannot be read."""
    try:
        return moment(text or "")
    except ValueError:
        return None
