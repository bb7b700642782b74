"""The look for tokens that have grown too old, and for users that nobody has ever seen.

Once an hour all users are gone through as the journal knows them, in memory. Of whom that makes one
of the two, Vault is asked before anything is said, once a day: another instance may have stored the
token, or a person. A round of housekeeping takes so many users, and no capture waits for it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from token_catcher.ports import Log
from token_catcher.record import Journal
from token_catcher.standing import Inquiry, Secrets
from token_catcher.status import (
    InVault,
    OrgTerms,
    Pasts,
    Retirement,
    UserRow,
    near,
    user_row,
    users_of,
)

HOURLY: Final = 3600.0
"""Seconds between two looks."""
DAILY: Final = 86_400.0
"""Seconds for which an answer of Vault's stands, and between two events about one user."""
WEEKLY: Final = 7 * DAILY
"""Seconds between two events about what Salesforce retires."""
A_ROUND: Final = 100
"""Users that are gone through in one round."""
MOST_TOLD: Final = 50
"""Events of one kind that one look logs; how many more there are is told in one more."""
SOON: Final = 14
"""Days before its day from which on a retirement is a warning."""


@dataclass(frozen=True, slots=True)
class Lapsed:
    """Who lapsed, as of a look that came to its end."""

    overdue: Mapping[str, int]
    """Of each org, how many tokens are overdue."""
    never_seen: Mapping[str, int]
    """Of each org, how many of the users that it names were never seen."""


@dataclass
class _Look:
    """A look at all users, which may take several rounds."""

    due: deque[tuple[str, str]]
    pasts: Pasts
    held: Counter[tuple[str | None, str | None]]
    """By org and user, how many mails wait for a person."""
    inquiry: Inquiry
    overdue: list[UserRow] = field(default_factory=list)
    never_seen: list[UserRow] = field(default_factory=list)


class Lapses:
    """Looks after the users of one configuration. One thread at a time."""

    def __init__(
        self,
        journal: Journal,
        secrets: Secrets,
        *,
        orgs: Sequence[OrgTerms],
        path_of: Callable[[str, str], str | None],
        log: Log,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        observe: Callable[[str, Mapping[str, Any]], None] = lambda _event, _fields: None,
    ) -> None:
        """`path_of`: where the token of an org and its user is; None: nowhere. `observe` is told of
        the same things as the log, and of all of them; it must not raise."""
        self._journal = journal
        self._secrets = secrets
        self._orgs = tuple(orgs)
        self._max_ages = {terms.org.name: terms.max_age for terms in orgs}
        self._path_of = path_of
        self._log = log
        self._now = now
        self._monotonic = monotonic
        self._observe = observe
        self._look: _Look | None = None
        self._looked_at: float | None = None
        self._answers: dict[tuple[str, str], tuple[float, InVault]] = {}
        """By user, what Vault said, and when."""
        self._told: dict[tuple[str, str, str], float] = {}
        """By event and user, when it was told."""
        self._retirements_told_at: float | None = None
        self.lapsed: Lapsed | None = None
        """As of the last look. None: there was none yet. From any thread."""

    def round(self) -> None:
        """Go on with the look in hand, or begin one once it is time.

        StateError: the journal cannot be read."""
        now = self._monotonic()
        self._tell_retirements(now)
        if self._look is None:
            if self._looked_at is not None and now - self._looked_at < HOURLY:
                return
            self._look = self._begun()
            self._looked_at = now
        for _ in range(min(A_ROUND, len(self._look.due))):
            self._look_at(self._look, self._look.due.popleft(), now)
        if not self._look.due:
            self._end(self._look, now)
            self._look = None

    def _begun(self) -> _Look:
        pasts = Pasts(self._journal.tokens())
        users = users_of(self._orgs, pasts.users, {})
        held = Counter((mail.org, mail.username) for mail in self._journal.held)
        return _Look(deque(users), pasts, held, Inquiry(self._secrets))

    def _look_at(self, look: _Look, user: tuple[str, str], now: float) -> None:
        row = self._row(look, user, None)
        is_of_unknown_age = row.max_age_seconds is not None and row.age_seconds is None
        if not row.never_seen and not row.overdue and not is_of_unknown_age:
            return
        answer = self._answer(look, user, row.path, now)
        row = self._row(look, user, answer)
        if row.overdue:
            look.overdue.append(row)
        # Of whom Vault does not tell, nobody knows that.
        if row.never_seen and answer is not None:
            look.never_seen.append(row)

    def _row(self, look: _Look, user: tuple[str, str], answer: InVault | None) -> UserRow:
        path = self._path_of(*user)
        past = look.pasts.of(user)
        max_age = self._max_ages[user[0]]
        return user_row(user, path, max_age, past, answer, look.held[user], self._now())

    def _answer(
        self, look: _Look, user: tuple[str, str], path: str | None, now: float
    ) -> InVault | None:
        """What Vault has of this user; None: it does not tell."""
        known = self._answers.get(user)
        if known is not None and now - known[0] < DAILY:
            return known[1]
        if path is None:
            return None
        answer = look.inquiry.ask(path, look.pasts.of(user))
        if not isinstance(answer, InVault):
            return None
        self._answers[user] = (now, answer)
        return answer

    def _end(self, look: _Look, now: float) -> None:
        """Publish what was found, and tell what is news."""
        self.lapsed = Lapsed(self._by_org(look.overdue), self._by_org(look.never_seen))
        users = {(row.org, row.username) for row in (*look.overdue, *look.never_seen)}
        self._answers = {user: known for user, known in self._answers.items() if user in users}
        self._told = {key: at for key, at in self._told.items() if now - at < DAILY}
        self._tell("token.overdue", look.overdue, self._log.warning, now)
        # At the first start nobody was seen yet: that is no warning.
        self._tell("token.never_seen", look.never_seen, self._log.info, now)

    def _by_org(self, rows: Iterable[UserRow]) -> Mapping[str, int]:
        """Every org, also those that have none."""
        counts = Counter(row.org for row in rows)
        return {terms.org.name: counts[terms.org.name] for terms in self._orgs}

    def _tell(
        self, event: str, rows: Sequence[UserRow], tell: Callable[..., object], now: float
    ) -> None:
        news = [row for row in rows if (event, row.org, row.username) not in self._told]
        for row in news[:MOST_TOLD]:
            tell(event, **_subject(row))
        if len(news) > MOST_TOLD:
            tell(event, further=len(news) - MOST_TOLD, note="`token-catcher status` has all")
        for row in news:
            # All of them: a receiver is told of each but once, and tomorrow's first are the same.
            self._observe(event, _subject(row))
            self._told[event, row.org, row.username] = now

    def _tell_retirements(self, now: float) -> None:
        """Once a week, those that come near."""
        if self._retirements_told_at is not None and now - self._retirements_told_at < WEEKLY:
            return
        self._retirements_told_at = now
        for retirement in near(self._now()):
            self._tell_retirement(retirement)

    def _tell_retirement(self, retirement: Retirement) -> None:
        days_left = retirement.days_left(self._now())
        tell = self._log.info
        if days_left <= SOON:
            tell = self._log.warning
        fields = {
            "name": retirement.name,
            "on": retirement.on.isoformat(),
            "days": days_left,
            "certainty": retirement.certainty,
            "what": retirement.what,
            "page": retirement.page,
        }
        tell("retirement.near", **fields)
        self._observe("retirement.near", fields)


def _subject(row: UserRow) -> dict[str, object]:
    """What is told of one of them; what is not known is left out."""
    days = None
    if row.age_seconds is not None:
        days = int(row.age_seconds // DAILY)
    fields = {
        "org": row.org,
        "username": row.username,
        "path": row.path,
        "version": row.version,
        "issued_at": row.issued_at,
        "days": days,
    }
    return {name: value for name, value in fields.items() if value is not None}
