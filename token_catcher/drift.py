"""What Vault has lost, held against the record; pure.

A person who writes a password with `kv put` drops the token beside it, and a Vault that is restored
from a backup has the token of before. The journal knows which token was there.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from token_catcher.age import Age, Order
from token_catcher.entries import had_token
from token_catcher.fingerprints import PLAIN, Fingerprints
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


def belongs_in_vault(entry: Entry, path_of: Callable[[str, str], str | None]) -> bool:
    """Whether Vault should have the token of this record where the configuration has it.

    `path_of`: the path of an org and its user; None: there is none. A newest token that was found
    to be stale never was there; whose it is, nobody knows."""
    if not had_token(entry) or entry.org is None or entry.username is None:
        return False
    return entry.path is not None and entry.path == path_of(entry.org, entry.username)


def drift(entry: Entry, holding: Holding, fingerprints: Fingerprints = PLAIN) -> Drift | None:
    """How Vault falls short of the record, which is of the newest token that it had; None: it does
    not.

    A token of unknown age was put there by somebody else, who may know of a later reset; unless it
    was there before this one was issued. Where the record's key is gone, the ages alone tell: of
    two Dates there are two tokens."""
    if holding.gone:
        return Drift.GONE
    if holding.fingerprint is None:
        return Drift.MISSING
    if fingerprints.is_of(entry.fingerprint, holding.fingerprint):
        return None
    if _is_older(holding, entry):
        return Drift.OLDER
    return None


def _is_older(holding: Holding, entry: Entry) -> bool:
    held = _age_held(holding)
    recorded = _age_recorded(entry)
    if recorded is None:
        return False
    if held is not None:
        return held.beside(recorded) is Order.OLDER
    # Whoever wrote a token of unknown age had it by then.
    return holding.written_at is not None and holding.written_at < recorded.issued_at


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
