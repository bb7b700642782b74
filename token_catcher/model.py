"""The values that flow, from the bytes of a mail to the record of its end.

A value is made by the module named in its docstring and never changed afterwards. Times are
timezone-aware and UTC. Secrets are types: a `Secret` or `Token` shows a placeholder wherever it
is printed, formatted, logged or encoded; only `reveal()` gives the text.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NoReturn

MAX_MAIL_BYTES: Final = 256 * 1024
"""A token mail is under 20 kB; what is larger is refused unread:
parsers and verifiers are quadratic in places."""


def iso(time: datetime) -> str:
    """ISO 8601 in UTC, as every record and every field in Vault has it: `2026-02-03T12:57:27Z`."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """The inverse of `iso`; also takes other zones, and nanoseconds, which are cut to microseconds.

    ValueError: it is not ISO 8601, or names no zone, so that nothing could be compared with it."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    return time.astimezone(UTC)


class Secret:
    """A text that must not be shown: a password, a Vault token, a private setting."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text. Every call is a place where it can leak: keep them few."""
        return self._text

    def __len__(self) -> int:
        return len(self._text)

    def __repr__(self) -> str:
        return "<secret>"

    def __str__(self) -> str:
        return repr(self)

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        # In constant time: how long it takes must not tell how much was guessed right.
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(hashlib.sha256(self._text.encode()).digest())

    def __copy__(self) -> Secret:
        return self  # another object would be a second place in memory with the text

    def __deepcopy__(self, _memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never pickled")


class Token(Secret):
    """A Salesforce security token: 20 to 32 of `[A-Za-z0-9]`, case-sensitive."""

    __slots__ = ()

    @property
    def fingerprint(self) -> str:
        """`sha256:` and 16 hexadecimal digits:
        tells two tokens apart, and is of no use to find one (143 bits)."""
        # 64 bits: no two of a company's tokens are alike, and 2^79 tokens have each fingerprint.
        return "sha256:" + hashlib.sha256(self._text.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"<token of {len(self)} characters, {self.fingerprint}>"


def masked(text: str) -> str:
    """The text with everything masked that has the form of a security token, or of a Vault token.

    For text that comes from outside and goes where people read: a mail can carry a token in its
    subject as well. A run counts that mixes upper and lower case, as any 20 random characters do
    and lower-cased usernames do not."""
    if _LONG_RUN.search(text) is None:
        return text  # most have none, and this is told ten times as fast
    return _TOKEN_LIKE.sub(MASK, text)


def printable(text: str) -> str:
    """The text with escapes, `\\x1b` or `\\u202e`, for what a terminal obeys or nobody sees.

    For text that comes from outside and goes where people read: control characters, line ends,
    marks of writing direction and of no width, halves of surrogate pairs."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


MASK: Final = "<masked>"

# A security token: 20 to 32 letters and digits, both cases among them. A Vault token: `hvs.`,
# `hvb.`, `hvr.`, and the older ones of a single letter.
_TOKEN_LIKE: Final = re.compile(
    r"(?<![A-Za-z0-9])(?=[A-Z0-9]*[a-z])(?=[a-z0-9]*[A-Z])[A-Za-z0-9]{20,32}(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9])(?:hv[sbr]|[sbr])\.[A-Za-z0-9_-]{16,}"
)
_LONG_RUN: Final = re.compile(r"[A-Za-z0-9_.-]{18}")
"""In each of these: `s.` and 16 letters are the shortest."""


class Event(StrEnum):
    """How a mail ended: the `event` of journal, logs and history."""

    STORED = "rotation.stored"
    UNCHANGED = "rotation.unchanged"
    HELD = "rotation.held"
    REFUSED = "rotation.refused"

    @property
    def outcome(self) -> str:
        """The last word alone, as results, metrics and `history --event` have it: `stored`."""
        return self.value.removeprefix("rotation.")


class ProofEvent(StrEnum):
    """What a login with a stored token proved: further events of journal and history.

    They tell of a token that has its record, and never of a mail."""

    VERIFIED = "rotation.verified"
    UNVERIFIED = "rotation.unverified"
    """Refused, or it cannot be told: the reason says which."""


class Reason(StrEnum):
    """Why a mail was not simply stored: the codes of journal, logs, `explain` and metrics.

    Only ever added to."""

    # Refused: not genuine, or not a mail that two programs would read alike.
    OVERSIZED = "oversized"
    MALFORMED = "malformed"
    MISSING_HEADER = "missing-header"
    DUPLICATE_HEADER = "duplicate-header"
    BAD_DATE = "bad-date"
    WRONG_SENDER = "wrong-sender"
    WRONG_RECIPIENT = "wrong-recipient"
    DATE_OUT_OF_BOUNDS = "date-out-of-bounds"
    UNSIGNED = "unsigned"
    BAD_SIGNATURE = "bad-signature"
    UNAUTHENTICATED = "unauthenticated"
    BAD_USERNAME = "bad-username"
    UNREADABLE = "unreadable"
    # Held: genuine, but a person must decide. WRONG_RECIPIENT, DATE_OUT_OF_BOUNDS and BAD_USERNAME
    # are of mail that proved itself as well; so is UNREADABLE where it happened after the proof.
    UNKNOWN_SENDER = "unknown-sender"
    WEAK_SIGNATURE = "weak-signature"
    UNKNOWN_SUBJECT = "unknown-subject"
    UNKNOWN_LAYOUT = "unknown-layout"
    AMBIGUOUS_CLAIM = "ambiguous-claim"
    UNEXPECTED_PART = "unexpected-part"
    UNKNOWN_USER = "unknown-user"
    AMBIGUOUS_ORG = "ambiguous-org"
    WRONG_ORG = "wrong-org"
    WRONG_ENVIRONMENT = "wrong-environment"
    SECRET_DELETED = "secret-deleted"  # noqa: S105 - a reason code
    SAME_DATE = "same-date"
    CLOCKS_DISAGREE = "clocks-disagree"
    UNKNOWN_AGE = "unknown-age"
    # Held: nobody can tell whether it is genuine, as where UNAUTHENTICATED is of a held mail.
    NO_KEY = "no-key"
    # Unchanged.
    SAME_TOKEN = "same-token"  # noqa: S105 - a reason code
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class MailRef:
    """Where a mail was found."""

    mailbox: str
    folder: str
    uidvalidity: int
    uid: int


@dataclass(frozen=True, slots=True)
class Mail:
    """The raw bytes of one mail, as the server keeps them.

    Made by `imap` (and from files by `explain`)."""

    ref: MailRef
    received_at: datetime
    """INTERNALDATE: when the receiving server took the mail."""
    raw: bytes = field(repr=False)
    """At most `MAX_MAIL_BYTES` + 1 bytes: the one more shows that there was more."""
    is_arrival_told: bool = True
    """False: the server does not say when, and `received_at` is when the mail was fetched."""

    @property
    def digest(self) -> str:
        """`sha256:` and 64 hexadecimal digits over `raw`:
        the same in another folder or under a new UIDVALIDITY."""
        return "sha256:" + hashlib.sha256(self.raw).hexdigest()


@dataclass(frozen=True, slots=True)
class HeaderField:
    """One header field, byte for byte."""

    name: str
    """As written; compare with `lower()`."""
    value: bytes
    """What follows the colon, folding included, without the last CRLF."""
    plain: bool = True
    """Whether it is in the strict form: ASCII, no long line, no folded line of white space alone.
    A field that decides always is; whoever relies on any other looks here."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a mail that passed the wire gate. Made by `wire`."""

    fields: tuple[HeaderField, ...]
    """Topmost first."""
    early_ends: tuple[int, ...] = ()
    """How many fields are above each line at which some programs end a header: a folded one of
    white space alone, or `>From `."""
    early_text: bytes = field(default=b"", repr=False)
    """What follows the first such line in the header: for them the beginning of the body."""

    def all(self, name: str) -> tuple[HeaderField, ...]:
        """Every field of this name (any case), topmost first."""
        wanted = name.lower()
        return tuple(field for field in self.fields if field.name.lower() == wanted)

    def text(self, name: str) -> str | None:
        """The value of the topmost field of this name, unfolded and stripped.
        For fields that decide: the gate has made sure they are ASCII."""
        fields = self.all(name)
        if not fields:
            return None
        unfolded = fields[0].value.decode("ascii").replace("\r\n", "")  # RFC 5322, 2.2.3
        return " ".join(unfolded.split())


@dataclass(frozen=True, slots=True)
class Claim:
    """The one username and the one token that all text parts of a mail agree on."""

    username: str
    """As written in the mail: not validated, not lower-cased."""
    token: Token


@dataclass(frozen=True, slots=True)
class Unclear:
    """A mail that speaks of a token without one readable claim;
    who proves genuine is held, everything else refused."""

    reason: Reason
    """UNKNOWN_LAYOUT, AMBIGUOUS_CLAIM or UNEXPECTED_PART."""
    saw: str
    """What stood in the way, in a few words: counts and types, never text of the mail."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a mail claims; nothing of it is proven. Made by `extract`."""

    mail: Mail
    header: Header
    subject: str
    """Decoded (RFC 2047), white space folded, without configured tags and without `Sandbox: `."""
    sandbox: bool
    """Whether the subject began with `Sandbox: `, behind the tags."""
    date: datetime | None
    """The Date header; None where not everybody reads it alike."""
    claim: Claim | Unclear
    tagged: bool = False
    """Whether a configured tag of our mail system was taken off the subject."""
    encoded_only: bool = False
    """Whether the claim is made only where the Content-Transfer-Encoding is obeyed."""

    @property
    def issued_at(self) -> datetime | None:
        """When the token was issued: the Date, or the arrival where that is earlier.

        A token cannot have been issued after it came."""
        if self.date is None:
            return None
        return min(self.date, self.mail.received_at)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one rule saw of a mail and what it wanted: a line of `explain`."""

    rule: str
    passed: bool
    saw: str
    wanted: str
    waived: bool = False
    """The mail failed the rule, and a person has set the rule aside for it."""


@dataclass(frozen=True, slots=True)
class Capture:
    """A claim proven genuine and assigned to an org and a path.

    Only `trust` makes one; only this is stored."""

    mail: Mail
    username: str
    """Validated and lower-cased."""
    token: Token
    org: str
    path: str
    """Below the mount, validated:
    no empty, `.` or `..` segment, no character Vault or HTTP reads specially."""
    issued_at: datetime
    """See `Candidate.issued_at`."""
    dated_at: datetime
    """The signed Date, which is never earlier."""
    org_id: str | None = None
    """The sending org's id, 15 characters, to be remembered for an org that none is configured for.
    Unsigned. None: there is one, or the mail reveals none."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What Vault answered to a write, or says of a version it holds. Made by `vault`."""

    path: str
    version: int | None
    """None: the mount is of KV version 1, which keeps none."""
    created_at: str | None
    """Vault's created_time, verbatim:
    after a `DELETE metadata` versions restart at 1, so a version is told by both.
    On KV version 1 it is our own `security_token_captured_at`.
    None: Vault does not keep that version any more."""
    request_id: str | None
    """Equal to `request.id` in Vault's audit log;
    None when the write's own answer was never seen, or has no body, as on KV version 1."""
    before: int | None = field(default=None, compare=False)
    """The version that this write followed, 0 where nothing was there; no part of what a version
    is known by. None when the write's own answer was never seen, and on KV version 1."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What Vault holds at a path at this moment: all but the token itself. Made by `vault`."""

    version: int
    """0: there is nothing at all; 1 for whatever is there on KV version 1."""
    gone: bool = False
    """Somebody deleted or destroyed it: what it held is not known."""
    fingerprint: str | None = None
    """None: there is no token in it."""
    issued_at: datetime | None = None
    """When that very token was issued; None: nobody noted it, as where a person wrote it."""
    dated_at: datetime | None = None
    """The Date of its mail; None where `issued_at` is."""
    written_at: datetime | None = None
    """When that version was written, where nobody noted when its token was issued."""


class Ended(StrEnum):
    """How a version of a secret ended."""

    DELETED = "deleted"
    """Somebody may bring it back."""
    DESTROYED = "destroyed"
    EXPIRED = "expired"
    """By itself, by `delete_version_after`."""


@dataclass(frozen=True, slots=True)
class OurFields:
    """What a version has in the fields that we write beside the token, as far as it has them.

    Who may write the secret may have written anything there."""

    issued_at: str | None = None
    dated_at: str | None = None
    captured_at: str | None = None
    captured_by: str | None = None
    fingerprint: str | None = None
    mail: str | None = None
    writer: str | None = None
    version: str | None = None
    """The number of the version in which we wrote them."""


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """One version that Vault keeps of a secret: all but the token itself. Made by `vault`."""

    number: int
    created_at: str
    """Vault's created_time, verbatim."""
    fingerprint: str | None = None
    """Of the token in it. None: there is none, or the version ended."""
    ours: OurFields = OurFields()
    ended: Ended | None = None
    """None: it is there. Of one that ended, what it held is not known."""
    ends_at: str | None = None
    """Vault's deletion_time, verbatim: of one that will expire it lies ahead."""
    has_other_value: bool = False
    """Whether something that is no token stands where the token is kept."""


@dataclass(frozen=True, slots=True)
class LoginSecrets:
    """What a user logs in to Salesforce with, as Vault holds it at this moment. Made by `vault`."""

    token: Token | None
    """None: there is none in the secret."""
    password: Secret | None
    """None: the secret has no such field, or it is no text."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Not a token mail: no record."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Not genuine, or not safely readable: never written."""

    reason: Reason
    saw: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """Genuine, but a person must decide; `scan --again` settles it after that."""

    reason: Reason
    saw: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """In Vault, by this write."""

    receipt: Receipt
    recovered: bool = False
    """The write was made before a crash or a lost answer, and is recorded now."""
    saw: str = ""
    """Why it was written over a version that is gone; empty where none was."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing to write: Vault has this token (SAME_TOKEN) or a newer one (STALE)."""

    reason: Reason
    written: Receipt | None = None
    """The version in which we wrote the token of this very mail, by what the secret carries:
    what a crash between store and journal leaves behind."""


Outcome = Ignored | Refused | Held | Stored | Unchanged


@dataclass(frozen=True, slots=True)
class Release:
    """The word of a person that a held mail is to be stored."""

    by: str
    """The name of their account."""
    reason: str | None
    """What they say why: printable, at most 200 characters."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer of `trust`: the verdict and, rule by rule, why."""

    verdict: Capture | Refused | Held
    evidence: tuple[Evidence, ...]
    username: str | None = None
    """The claimed username where it has a valid form, lower-cased:
    for the record of a mail that was not captured."""
    org: str | None = None
    """The org of that username where it is known."""

    def __iter__(self) -> Iterator[Evidence]:
        return iter(self.evidence)

    @property
    def waived(self) -> tuple[str, ...]:
        """The rules that the mail failed, and that were set aside for it."""
        return tuple(line.rule for line in self.evidence if line.waived)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal records of one settled mail, before it adds number, time and chain.

    Made by the pipeline."""

    event: Event
    instance: str
    mailbox: str
    folder: str
    uidvalidity: int
    uid: int
    mail: str
    """`Mail.digest`"""
    received_at: str
    """Times are ISO 8601 in UTC:
    `2026-02-03T12:57:27Z`, with microseconds where they are not zero."""
    reason: str | None = None
    saw: str | None = None
    """A few words of evidence for the reason: printable ASCII, at most 200 characters."""
    issued_at: str | None = None
    dated_at: str | None = None
    """The Date where that is another time: the mail arrived before it."""
    username: str | None = None
    org: str | None = None
    path: str | None = None
    version: int | None = None
    vault_created_at: str | None = None
    request_id: str | None = None
    fingerprint: str | None = None
    token_length: int | None = None
    proof: str | None = None
    """What proved it: `dkim salesforce.com selector`, `authentication-results …`."""
    recovered: bool = False
    mended: bool = False
    """Vault had lost the token that an earlier record of the mail tells of, and has it again."""
    released_by: str | None = None
    """The person who took a held mail for good, by the name of their account."""
    release_reason: str | None = None
    """What they say why: printable, at most 200 characters."""
    waived: tuple[str, ...] | None = None
    """The rules that the mail failed, and that the release set aside; None where there was none."""
    version_before: int | None = None
    """The version in Vault that the write followed, 0 where nothing was there; `version` is the one
    after. None where nothing was written, or another look recorded it."""
    seen_after: float | None = None
    """Seconds from the mail's arrival (`received_at`, which counts whole seconds by the mail
    server's clock) to our first look at it; below 0 where that clock is ahead of ours."""
    written_after: float | None = None
    """The same to its end: the token was in Vault, or it was clear that it would not be."""
    asked_by: str | None = None
    """Who had the mail looked at: `daemon`; `drift`, the daemon's look for what Vault has lost;
    `scan:NAME` and `release:NAME`, a person by the name of their account."""


def as_fields(entry: Entry) -> dict[str, Any]:
    """The entry's fields that say something, in their order: what journal and log have of it."""
    said = {}
    for name in _ENTRY_FIELDS:
        value = getattr(entry, name)
        if value is not None and value is not False:  # 0 says something
            said[name] = value
    return said


_ENTRY_FIELDS: Final = tuple(field.name for field in fields(Entry))
