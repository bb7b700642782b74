"""How the token of each user stands: its age, whether it is overdue or was never seen; pure.

Who is a user of an org is known by name, from the configuration; of a pattern, by what the journal
tells of and Vault lists. Where Vault has not said what it holds, the journal's newest record of a
token stands for it, and the row says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal

from token_catcher.model import Reason, iso, moment
from token_catcher.proof import Org, is_username, naming
from token_catcher.status.known import InVault, LastMail, Past, Presence, User
from token_catcher.status.losses import loss_of

RESET_PAGES: Final = (
    "https://MYDOMAIN/_ui/system/security/ResetApiTokenEdit",
    "https://MYDOMAIN/lightning/settings/personal/ResetApiToken/home",
)
"""Where a token is reset, signed in as the user; MYDOMAIN stands for the org's own My Domain. The
first page also where the user's menu has no such entry, as under an API-only profile."""
PATTERN: Final = "*"


@dataclass(frozen=True, slots=True)
class OrgTerms:
    """One org of the configuration."""

    org: Org
    max_age: timedelta | None
    """A token older than this is overdue. None: none is."""


class State(StrEnum):
    """How a user's token stands, in a word: the first of these that is so."""

    MISSING = "missing"
    HELD = "held"
    UNREAD = "unread"
    OVERDUE = "overdue"
    NEVER_SEEN = "never-seen"
    DELETED = "deleted"
    OK = "ok"


URGENCY: Final = tuple(State)


@dataclass(frozen=True, slots=True)
class UserRow:
    """A row of `status`. Times are ISO 8601 in UTC, lengths of time seconds."""

    org: str
    username: str
    path: str | None
    """Below the mount. None: the configuration gives it no plain one."""
    in_vault: Presence | None
    """None: Vault did not say."""
    version: int | None
    issued_at: str | None
    written_at: str | None
    age_seconds: int | None
    """Of the token: since it was issued, or was written where nobody knows when that was."""
    max_age_seconds: int | None
    overdue: bool
    never_seen: bool
    """Neither Vault nor the journal has ever had a token of this user, or a mail that waits."""
    missing: bool
    """The journal tells of a token, and Vault has none, or an older one."""
    cause: str | None
    """The code of what became of that token, also where somebody deleted it; None: nothing did."""
    saw: str | None
    """The same in words."""
    unread: str | None
    """The code of why Vault did not tell of this secret alone; None: it did, or of none."""
    held: int
    """Mails of this user that wait for a person."""
    source: Literal["vault", "journal"] | None
    """Who tells of the token. None: nobody does."""
    last_mail: LastMail | None

    @property
    def reset_at(self) -> tuple[str, ...]:
        """The pages where it is reset; empty where it is not overdue."""
        if self.overdue:
            return RESET_PAGES
        return ()

    @property
    def state(self) -> State:
        """How it stands, in a word."""
        facts = {
            State.MISSING: self.missing,
            State.HELD: self.held > 0,
            State.UNREAD: self.unread is not None,
            State.OVERDUE: self.overdue,
            State.NEVER_SEEN: self.never_seen,
            State.DELETED: self.in_vault is Presence.DELETED,
            State.OK: True,
        }
        return next(state for state in State if facts[state])

    @property
    def needs_a_person(self) -> bool:
        """Whether somebody has to do something about it. What was deleted somebody has decided."""
        return self.state not in (State.DELETED, State.OK)

    def as_json(self) -> dict[str, Any]:
        """The contract of `status --json`."""
        return {**asdict(self), "reset_at": self.reset_at, "state": self.state}


def configured_users(orgs: Sequence[OrgTerms]) -> list[User]:
    """The users that the configuration names, no patterns, in its order."""
    return [
        (terms.org.name, username)
        for terms in orgs
        for username in terms.org.usernames
        if PATTERN not in username
    ]


def users_of(
    orgs: Sequence[OrgTerms], known: Collection[User], listed: Mapping[str, Collection[str]]
) -> list[User]:
    """All users of these orgs: those that are named, then those of patterns, by name.

    `known`: to the journal. `listed`: what Vault has in the folder of each org."""
    in_vault = {(org, name.lower()) for org, names in listed.items() for name in names}
    candidates = sorted({*known, *in_vault})
    all_orgs = [terms.org for terms in orgs]
    of_patterns = [user for user in candidates if _belongs(all_orgs, user)]
    return list(dict.fromkeys([*configured_users(orgs), *of_patterns]))


def _belongs(orgs: Sequence[Org], user: User) -> bool:
    """Whether the configuration lets a token of this user be written for this org."""
    org, username = user
    if not is_username(username):
        return False
    return any(candidate.name == org for candidate in naming(orgs, username))


def user_row(
    user: User,
    path: str | None,
    max_age: timedelta | None,
    past: Past,
    answer: InVault | str | None,
    held: int,
    now: datetime,
) -> UserRow:
    """How the token of this user stands.

    `answer`: what Vault has, or the code of why it does not tell; None: it could not be asked.
    `held`: how many mails of this user wait for a person."""
    in_vault, unread = _answered(answer)
    loss = loss_of(past, in_vault)
    token = _told(past, in_vault)
    age = _age(token, now)
    return UserRow(
        org=user[0],
        username=user[1],
        path=path,
        in_vault=_presence(in_vault),
        version=token.version,
        issued_at=token.issued_at,
        written_at=token.written_at,
        age_seconds=_seconds(age),
        max_age_seconds=_seconds(max_age),
        overdue=max_age is not None and age is not None and age > max_age,
        never_seen=_is_never_seen(past, in_vault, held),
        missing=loss.is_missed,
        cause=loss.code,
        saw=loss.saw,
        unread=unread,
        held=held,
        source=token.source,
        last_mail=past.last,
    )


def _answered(answer: InVault | str | None) -> tuple[InVault | None, str | None]:
    """What Vault has, and the code of why it does not tell."""
    if isinstance(answer, str):
        return None, answer
    return answer, None


@dataclass(frozen=True, slots=True)
class _Told:
    """What is known of the token that is in Vault."""

    source: Literal["vault", "journal"] | None = None
    version: int | None = None
    issued_at: str | None = None
    written_at: str | None = None


def _told(past: Past, in_vault: InVault | None) -> _Told:
    """By Vault, where it spoke; else by the journal."""
    if in_vault is not None:
        if in_vault.presence is not Presence.PRESENT:
            return _Told("vault")
        return _Told("vault", in_vault.version, in_vault.issued_at, in_vault.written_at)
    if past.token is None:
        return _Told()
    if past.token.reason == Reason.STALE:
        return _Told("journal")  # Vault had a newer one then, of which the journal knows nothing
    stored = past.stored
    if stored is None or stored.fingerprint != past.token.fingerprint:
        return _Told("journal", issued_at=_plain(past.token.issued_at))
    issued_at = _plain(past.token.issued_at)
    return _Told("journal", stored.version, issued_at, _plain(stored.vault_created_at or ""))


def _plain(time: str) -> str | None:
    """The time in our form; None: it is none."""
    try:
        return iso(moment(time))
    except ValueError:
        return None


def _age(token: _Told, now: datetime) -> timedelta | None:
    """How old it is at least: whoever wrote it had it by then."""
    since = token.issued_at or token.written_at
    if since is None:
        return None
    return max(timedelta(), now - moment(since))


def _seconds(length: timedelta | None) -> int | None:
    if length is None:
        return None
    return int(length.total_seconds())


def _presence(in_vault: InVault | None) -> Presence | None:
    if in_vault is None:
        return None
    return in_vault.presence


def _is_never_seen(past: Past, in_vault: InVault | None, held: int) -> bool:
    if past.token is not None or held:
        return False
    return in_vault is None or in_vault.presence is Presence.ABSENT


def by_urgency(rows: Iterable[UserRow]) -> list[UserRow]:
    """What needs a person first: a token that is missing, mail that is held, secrets that cannot be
    read, tokens that are overdue (the oldest first), users that were never seen; then all others,
    by org and name."""
    return sorted(rows, key=_urgency)


def _urgency(row: UserRow) -> tuple[int, int, str, str]:
    age = 0
    if row.state is State.OVERDUE and row.age_seconds is not None:
        age = row.age_seconds
    return URGENCY.index(row.state), -age, row.org, row.username
