"""Which held mails still wait for a person: known from the records alone, one after the other.

A mail waits while its newest record is `held`, and until a record tells that Vault has its token,
or one of the same user in the same org that is newer: then nobody needs this one any more.

Of mail that anybody can send, only the newest is known here: a stranger who sends ever more of it
takes no memory, and `release` finds the others in the journal.

Newer is what `age` says; the times are compared as texts. They come from the Date and the arrival
of a mail, which have whole seconds, so all of these texts have one form and sort like their times.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Self

from token_catcher.model import Event, Reason, moment

IN_VAULT: Final = frozenset({Event.STORED, Event.UNCHANGED})
"""Each tells that Vault has a token of the user which is at least as new as the mail's."""
UNPROVEN: Final = frozenset({Reason.NO_KEY, Reason.UNAUTHENTICATED})
"""Why mail is held that nobody can tell to be genuine."""
MOST_OF_ANYBODY: Final = 10_000
"""So many held mails of anybody's are known, the newest; about 5 MB."""


@dataclass(frozen=True, slots=True)
class MailToken:
    """A mail that was held or stored, and what its record tells of its token."""

    seq: int
    mailbox: str
    mail: str
    """Its digest."""
    at: str
    """When the record was written."""
    username: str | None
    org: str | None
    """None: the record names none, as of a user whom no org names."""
    issued_at: str
    dated_at: str
    """The Date of the mail."""
    fingerprint: str | None
    reason: str | None = None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """From the fields of the record, which need not be the work of this program."""
        issued_at = _text(record.get("issued_at")) or ""
        return cls(
            seq=record["seq"],
            mailbox=sys.intern(str(record.get("mailbox"))),
            mail=str(record.get("mail")),
            at=str(record.get("at")),
            username=_text(record.get("username")),
            org=_name(record.get("org")),
            issued_at=issued_at,
            dated_at=_text(record.get("dated_at")) or issued_at,
            fingerprint=_text(record.get("fingerprint")),
            reason=_name(record.get("reason")),
        )

    @property
    def may_be_anybodys(self) -> bool:
        """Whether a stranger can have caused it: without a proof, or for a user of no org of ours,
        whom Salesforce sends genuine mail to whatever address he types."""
        return self.org is None or self.reason in UNPROVEN

    def is_overtaken_by(self, stored: MailToken) -> bool:
        """Whether the same token of this user is in Vault, or a later one of the same org.

        A sandbox may have a user of the same name, whose token says nothing of this one."""
        if self.fingerprint is not None and self.fingerprint == stored.fingerprint:
            return True
        if self.org is None or self.org != stored.org:
            return False
        return self.issued_at < stored.issued_at and self.dated_at < stored.dated_at


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    return None


def _name(value: object) -> str | None:
    """A text that many records have, kept in memory once."""
    text = _text(value)
    if text is None:
        return None
    return sys.intern(text)


class Waiting:
    """Told of the record of every mail, oldest first."""

    def __init__(self) -> None:
        self._held: dict[bytes, MailToken] = {}
        """The mails whose newest record is `held`."""
        self._of_anybody: dict[bytes, None] = {}
        """Those of them that may be anybody's, the oldest first."""
        self._in_vault: dict[str, dict[str | None, MailToken]] = {}
        """Of each user, by org, the newest token that is known to be in Vault."""
        self.missing = 0
        """Of the records up to this number some were in files that are not here."""

    @classmethod
    def of_fields(cls, fields: Mapping[str, Any]) -> Self:
        """What `as_fields` gave. KeyError, TypeError, ValueError: it is something else."""
        held = {bytes.fromhex(mail): MailToken.of(token) for mail, token in fields["held"].items()}
        missing = int(fields.get("missing", 0))  # which earlier versions did not note
        return cls._of(held, map(MailToken.of, fields["in_vault"]), missing)

    @classmethod
    def _of(
        cls, held: Mapping[bytes, MailToken], in_vault: Iterable[MailToken], missing: int
    ) -> Self:
        waiting = cls()
        for mail, token in held.items():
            waiting._hold(mail, token)
        for token in in_vault:
            waiting._note_in_vault(token)
        waiting.missing = missing
        return waiting

    def as_fields(self) -> dict[str, Any]:
        """Values for JSON: the mails that wait, the newest token of each user, what is missing."""
        held = {key.hex(): asdict(mail) for key, mail in self.by_key.items()}
        newest = [asdict(token) for token in self.newest]
        return {"held": held, "in_vault": newest, "missing": self.missing}

    def copy(self) -> Self:
        """One that goes its own way from here on."""
        return self._of(self.by_key, self.newest, self.missing)

    def take_in(self, mail: bytes, record: Mapping[str, Any]) -> None:
        """The next record of a mail, which is known by this key."""
        self._held.pop(mail, None)
        self._of_anybody.pop(mail, None)
        token = MailToken.of(record)
        if record["event"] == Event.HELD:
            self._hold(mail, token)
        elif record["event"] in IN_VAULT:
            self._note_in_vault(token)

    def _hold(self, mail: bytes, token: MailToken) -> None:
        self._held[mail] = token
        if not token.may_be_anybodys:
            return
        self._of_anybody[mail] = None
        if len(self._of_anybody) > MOST_OF_ANYBODY:
            oldest = next(iter(self._of_anybody))
            del self._of_anybody[oldest]
            del self._held[oldest]

    def _note_in_vault(self, token: MailToken) -> None:
        if token.username is None:
            return
        by_org = self._in_vault.setdefault(token.username, {})
        known = by_org.setdefault(token.org, token)
        if token.issued_at >= known.issued_at:
            by_org[token.org] = token

    @property
    def by_key(self) -> dict[bytes, MailToken]:
        """Those that wait now, each by its key, in the order of their records. From any thread."""
        # The interpreter makes this copy in one step, whatever the other threads do.
        held = tuple(self._held.items())
        return {key: mail for key, mail in held if not self._is_overtaken(mail)}

    @property
    def mails(self) -> list[MailToken]:
        """The same without the keys."""
        return list(self.by_key.values())

    @property
    def newest(self) -> list[MailToken]:
        """Of each user and org the newest token that is known to be, or to have been, in Vault."""
        return [token for by_org in self._in_vault.values() for token in by_org.values()]

    def _is_overtaken(self, mail: MailToken) -> bool:
        if mail.username is None:
            return False
        by_org = self._in_vault.get(mail.username, {})
        # A copy in one step, as above.
        return any(mail.is_overtaken_by(stored) for stored in tuple(by_org.values()))


def held_since(mails: Iterable[MailToken], since: Mapping[str, datetime]) -> Mapping[str, int]:
    """How many of these mails wait in each mailbox: proven ones until they are settled, others by
    when they were held.

    A stranger can have Salesforce send us mail that is held, and that nobody will ever release. So
    what may be anybody's, and nobody has taken since a time, counts no longer, or it would cover up
    the next one."""
    counts: Counter[str] = Counter()
    for mail in mails:
        if mail.mailbox not in since:
            continue
        if not mail.may_be_anybodys or moment(mail.at) >= since[mail.mailbox]:
            counts[mail.mailbox] += 1
    return counts


def users_held(mails: Iterable[MailToken], orgs: Sequence[str]) -> Mapping[str, int]:
    """Of how many users of each org proven mail waits; 0 where none does."""
    users = {(mail.org, mail.username) for mail in mails if not mail.may_be_anybodys}
    counts = Counter(org for org, _ in users)
    return {org: counts[org] for org in orgs}
