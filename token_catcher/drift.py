"""What Vault has lost, held against the record; pure.

A person who writes a password with `kv put` drops the token beside it, and a Vault that is restored
from a backup has the token of before. The journal knows which token was there.
"""

from __future__ import annotations

from enum import StrEnum

from token_catcher.age import Age, Order
from token_catcher.model import Entry, Holding, moment


class Drift(StrEnum):
    """How what Vault holds falls short of the record of a user's newest token."""

    MISSING = "missing"
    """There is no token, or it has expired by itself."""
    OLDER = "older"
    """There is a token that was issued before it."""
    GONE = "gone"
    """The latest version was deleted: that was somebody's decision."""

    @property
    def is_mended(self) -> bool:
        """Whether the token is stored again from its mail. What a person deleted stays deleted."""
        return self is not Drift.GONE


def drift(entry: Entry, holding: Holding) -> Drift | None:
    """How Vault falls short of the record, which is of the newest token that it had; None: it does
    not.

    A token of unknown age was put there by somebody else, who may know of a later reset."""
    if holding.gone:
        return Drift.GONE
    if holding.fingerprint is None:
        return Drift.MISSING
    if holding.fingerprint == entry.fingerprint:
        return None
    held = _age_held(holding)
    recorded = _age_recorded(entry)
    if held is None or recorded is None:
        return None
    if held.beside(recorded) is Order.OLDER:
        return Drift.OLDER
    return None


def _age_held(holding: Holding) -> Age | None:
    if holding.issued_at is None:
        return None
    return Age(holding.issued_at, holding.dated_at or holding.issued_at)


def _age_recorded(entry: Entry) -> Age | None:
    if entry.issued_at is None:
        return None
    # Earlier records have the Date for `issued_at`, also where the mail arrived before it.
    issued_at = min(moment(entry.issued_at), moment(entry.received_at))
    return Age(issued_at, moment(entry.dated_at or entry.issued_at))
