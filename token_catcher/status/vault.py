"""How Vault stands: reached, sealed, logged in; pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from token_catcher.errors import AccessError, TokenCatcherError, TransientError
from token_catcher.status.mailboxes import LoginEnd

SEALED: Final = "vault-sealed"
"""The code of 503 by Vault itself: sealed, or without an active node."""
ANSWERED: Final = frozenset({SEALED, "vault-quota", "vault-uninitialised"})
"""Codes of outages where Vault itself answers."""
WRAPPED: Final = "vault-login-wrapped"
"""The code where nobody logged in, since that would have used up a wrapping token."""
LOGIN: Final = "vault-login"
"""What the codes of refused logins begin with."""


@dataclass(frozen=True, slots=True)
class VaultRow:
    """Of `status`. Of what was not asked, or could not be, nothing is known: None."""

    address: str
    """The configured one, or the first of several."""
    reachable: bool | None
    """Whether Vault itself answered."""
    sealed: bool | None
    """Or without an active node: Vault says no more than that."""
    logged_in: bool | None
    trouble: str | None
    """The code of what keeps us from it; None: nothing does."""
    saw: str | None
    """The same in words."""
    token_ends_at: str | None
    """When our Vault token ends, ISO 8601 in UTC. None: there is none, or it never does."""
    lists_users: bool | None
    """Whether our policy lets us list the users' secrets; else of patterns only those users are
    known that the journal knows. None: no pattern asks for it."""
    logins: tuple[LoginEnd, ...]
    """Certificates that are shown to Vault."""

    @property
    def failing(self) -> bool:
        """Whether a person has to see to it that tokens can be stored."""
        if any(login.has_ended for login in self.logins):
            return True
        return self.trouble not in (None, WRAPPED)

    def as_json(self) -> dict[str, Any]:
        """The contract of `status --json`."""
        return {**asdict(self), "failing": self.failing}


@dataclass(frozen=True, slots=True)
class VaultAnswer:
    """What asking Vault came to."""

    error: TokenCatcherError | None
    """What kept us from it; None: nothing did."""
    logged_in: bool
    """Whether that was after a login."""
    token_ends_at: str | None = None
    lists_users: bool | None = None


def vault_row(address: str, answer: VaultAnswer, logins: tuple[LoginEnd, ...]) -> VaultRow:
    """How Vault stands."""
    trouble = None
    saw = None
    if answer.error is not None:
        trouble = answer.error.code
        saw = str(answer.error)
    reachable = _is_reachable(answer)
    return VaultRow(
        address=address,
        reachable=reachable,
        sealed=_is_sealed(reachable, trouble),
        logged_in=_is_logged_in(answer),
        trouble=trouble,
        saw=saw,
        token_ends_at=answer.token_ends_at,
        lists_users=answer.lists_users,
        logins=logins,
    )


def _is_reachable(answer: VaultAnswer) -> bool | None:
    error = answer.error
    if error is None:
        return True
    if isinstance(error, TransientError):
        return error.code in ANSWERED
    if isinstance(error, AccessError):
        return answer.logged_in or error.code.startswith(LOGIN)
    return None  # a file of ours could not be read, so that nobody was asked


def _is_sealed(reachable: bool | None, trouble: str | None) -> bool | None:
    if not reachable:
        return None
    return trouble == SEALED


def _is_logged_in(answer: VaultAnswer) -> bool | None:
    if answer.logged_in:
        return True
    if isinstance(answer.error, AccessError) and answer.error.code.startswith(LOGIN):
        return False
    return None
