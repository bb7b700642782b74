"""How each mailbox stands: its last sweep, what keeps us from it, what waits there; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from token_catcher.errors import KEYLESS, NO_SIGN_IN
from token_catcher.model import iso, moment
from token_catcher.record import LastLook, MailToken, Pending

NEVER_SWEPT: Final = "mailbox-never-swept"
"""The code where nobody has ever looked at a mailbox from this state directory."""
NOT_SWEPT: Final = "mailbox-not-swept"
"""The code where the daemon looked after it, and does so no longer."""
UNNOTICED: Final = timedelta(minutes=15)
"""Without a look of the daemon's, a mailbox is taken for left alone: the alert's time as well."""
POLLS: Final = 3
"""The same as a multiple of `poll`, where that is longer."""


@dataclass(frozen=True, slots=True)
class LoginEnd:
    """A credential of ours that ends by itself. Times are ISO 8601 in UTC."""

    kind: str
    """`oauth`: a certificate that proves an application; `client`: one that is shown in TLS;
    `refresh-token`: a person's sign-in."""
    file: str
    ends_at: str | None
    """None: nobody knows, or the file cannot be read."""
    days_left: int | None
    """Whole days, 0 on the last one, negative afterwards."""
    renewed_at: str | None = None
    """When a refresh token was last used; None for certificates."""
    unread: str | None = None
    """Why the file could not be read."""

    @property
    def has_ended(self) -> bool:
        """Whether it is of no more use."""
        return self.days_left is not None and self.days_left < 0

    @classmethod
    def of(
        cls,
        kind: str,
        file: str,
        ends_at: datetime | None,
        now: datetime,
        renewed_at: datetime | None = None,
    ) -> LoginEnd:
        """One that could be read."""
        renewed = None
        if renewed_at is not None:
            renewed = iso(renewed_at)
        if ends_at is None:
            return cls(kind, file, None, None, renewed)
        return cls(kind, file, iso(ends_at), (ends_at - now).days, renewed)


@dataclass(frozen=True, slots=True)
class HeldMails:
    """The held mails of a mailbox that wait for a person."""

    counted: int
    """Those that somebody has to look at."""
    unproven_and_old: int
    """Others, which a stranger can have caused, and nobody has taken within the look-back window:
    they would cover up the next one."""


@dataclass(frozen=True, slots=True)
class MailboxRow:
    """A row of `status`. Times are ISO 8601 in UTC, lengths of time seconds."""

    mailbox: str
    swept_at: str | None
    """When all folders were last looked at without trouble. None: never."""
    seconds_since_sweep: int | None
    looked_by: str | None
    """`run` or `scan`: who looked last."""
    trouble: str | None
    """The code of what keeps us from it; None: nothing does."""
    trouble_at: str | None
    """When that was last met."""
    token: str | None
    """The code of why no access token can be got, though a connection may live on; None: one can,
    or the mailbox takes none."""
    pending: int
    """Mails that are seen and not settled."""
    keyless: int
    """Of these, mails that wait for a key: they may be anybody's."""
    pending_since: str | None
    """When the first of them was seen."""
    next_try_at: str | None
    pending_codes: tuple[str, ...]
    """Why they wait, each code once."""
    held: int
    """Mails that wait for a person."""
    held_unproven_and_old: int
    """Further ones, which anybody can have caused, and nobody has taken within `lookback`."""
    unapplied: int
    """Settled mails that `after_capture` could not be applied to so far: it costs no token."""
    logins: tuple[LoginEnd, ...]

    @property
    def failing(self) -> bool:
        """Whether a person has to see to it that its mail is caught."""
        if self.codes or self.pending > self.keyless:
            return True
        return any(login.has_ended for login in self.logins)

    @property
    def codes(self) -> tuple[str, ...]:
        """Of all that is wrong with it, each once; what keeps us from it comes first."""
        codes = dict.fromkeys((self.trouble, self.token))
        return tuple(code for code in codes if code is not None)

    @property
    def needs_a_person(self) -> bool:
        """Whether somebody has to do something about it."""
        return self.failing or self.held > 0

    def as_json(self) -> dict[str, Any]:
        """The contract of `status --json`."""
        return {**asdict(self), "failing": self.failing}


def held_mails(
    mails: Iterable[MailToken], mailbox: str, lookback: timedelta, now: datetime
) -> HeldMails:
    """How many of these mails wait in this mailbox.

    A stranger can have Salesforce send us mail that is held, and that nobody will ever release. So
    what may be anybody's, and was held longer ago than `lookback`, is counted apart."""
    counted = 0
    old = 0
    for mail in mails:
        if mail.mailbox != mailbox:
            continue
        if mail.may_be_anybodys and moment(mail.at) < now - lookback:
            old += 1
        else:
            counted += 1
    return HeldMails(counted, old)


def mailbox_row(
    mailbox: str,
    poll: timedelta,
    look: LastLook | None,
    pending: Sequence[Pending],
    held: HeldMails,
    logins: Sequence[LoginEnd],
    now: datetime,
    *,
    waits_for_sign_in: bool = False,
    unapplied: int = 0,
) -> MailboxRow:
    """How this mailbox stands. `poll`: how often the daemon looks in any case.

    `waits_for_sign_in`: the file of its refresh token is not there. `unapplied`: settled mails that
    `after_capture` could not be applied to."""
    look = look or LastLook()
    token = look.token
    if waits_for_sign_in:
        token = NO_SIGN_IN
    since_sweep = None
    if look.swept_at is not None:
        since_sweep = int((now - moment(look.swept_at)).total_seconds())
    first_seen = [mail.since for mail in pending if mail.since is not None]
    return MailboxRow(
        mailbox=mailbox,
        swept_at=look.swept_at,
        seconds_since_sweep=since_sweep,
        looked_by=look.looked_by,
        trouble=_trouble(look, poll, now, token),
        trouble_at=look.trouble_at,
        token=token,
        pending=len(pending),
        keyless=sum(mail.code in KEYLESS for mail in pending),
        pending_since=_earliest(first_seen),
        next_try_at=_earliest([mail.next_try for mail in pending]),
        pending_codes=tuple(sorted({mail.code for mail in pending})),
        held=held.counted,
        held_unproven_and_old=held.unproven_and_old,
        unapplied=unapplied,
        logins=tuple(logins),
    )


def _earliest(times: Sequence[datetime]) -> str | None:
    if not times:
        return None
    return iso(min(times))


def _trouble(look: LastLook, poll: timedelta, now: datetime, token: str | None) -> str | None:
    """What was met, or that nobody looks any more.

    Scans come when somebody likes: the last one being old is no trouble. `token`: why none can be
    got; before that is mended, no look could be made."""
    if look.trouble is not None:
        return look.trouble
    if look.at is None:
        return token or NEVER_SWEPT
    if look.looked_by == "run" and now - look.at > max(UNNOTICED, POLLS * poll):
        return NOT_SWEPT
    return None
