"""How Vault falls short of the record of a user's newest token: the cause, in a code and in words.

Vault was restored from an older state, a person wrote the secret anew without its token, or removed
it. The record knows the version that was written and when its token was issued. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from token_catcher.age import Age, Order
from token_catcher.model import Reason, iso, moment
from token_catcher.status.known import InVault, Past, Presence

OLDER: Final = "vault-token-older"
EMPTIED: Final = "vault-token-gone"
GONE: Final = "vault-secret-gone"
DELETED: Final = "vault-secret-deleted"


@dataclass(frozen=True, slots=True)
class Loss:
    """What became of a token that Vault had."""

    code: str | None = None
    """None: nothing, or nobody knows."""
    saw: str | None = None
    """The same in words."""

    @property
    def is_missed(self) -> bool:
        """Whether the token is missing, and nobody wanted it so, as far as Vault tells."""
        return self.code not in (None, DELETED)


def loss_of(past: Past, in_vault: InVault | None) -> Loss:
    """What Vault has lost of what the journal tells.

    A token of unknown age is somebody's who may know of a later reset, unless it was there before
    the last one that the journal knows."""
    if past.token is None or past.token.reason == Reason.STALE or in_vault is None:
        return Loss()
    recorded = f"the journal tells of {_recorded(past)}"
    if in_vault.presence is Presence.DELETED:
        return Loss(DELETED, f"the latest version was deleted or destroyed; {recorded}")
    if in_vault.presence is Presence.ABSENT and in_vault.has_secret:
        return Loss(EMPTIED, f"the secret has no token any more; {recorded}")
    if in_vault.presence is Presence.ABSENT:
        return Loss(GONE, f"there is no secret any more; {recorded}")
    if _is_older(past, in_vault):
        return Loss(OLDER, f"Vault has {_held(in_vault)}; {recorded}")
    return Loss()


def _is_older(past: Past, in_vault: InVault) -> bool:
    assert past.token is not None
    ours = _age(past.token.issued_at, past.token.dated_at)
    if ours is None:
        return False
    theirs = _age(in_vault.issued_at, in_vault.dated_at)
    if theirs is not None:
        return theirs.beside(ours) is Order.OLDER
    # Whoever wrote it had it by then.
    return in_vault.written_at is not None and moment(in_vault.written_at) < ours.issued_at


def _age(issued_at: str | None, dated_at: str | None) -> Age | None:
    try:
        return Age(moment(issued_at or ""), moment(dated_at or issued_at or ""))
    except ValueError:
        return None


def _recorded(past: Past) -> str:
    """`version 2, with a token issued at 2026-02-03T12:57:20Z`."""
    assert past.token is not None
    words = "a token"
    stored = past.stored
    if stored is not None and stored.version and stored.fingerprint == past.token.fingerprint:
        words = f"version {stored.version}, with a token"
    age = _age(past.token.issued_at, past.token.dated_at)
    if age is None:
        return words
    return f"{words} issued at {iso(age.issued_at)}"


def _held(in_vault: InVault) -> str:
    """`version 1, with a token issued at 2026-02-01T08:00:00Z`."""
    words = "a token"
    if in_vault.version is not None:
        words = f"version {in_vault.version}, with a token"
    if in_vault.issued_at is not None:
        return f"{words} issued at {in_vault.issued_at}"
    return f"{words} written at {in_vault.written_at}"
