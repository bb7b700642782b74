"""What became of a token that the journal tells of, by what Vault has in its place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.commands.records import entry
from tests.unit.status.test_users import ISSUED_AT, past_of
from token_catcher.status import InVault, Past, Presence, loss_of

BEFORE = "2026-02-03T12:57:19Z"
AFTER = "2026-02-03T12:57:21Z"
RECORDED = f"the journal tells of version 3, with a token issued at {ISSUED_AT}"
PRESENT = InVault(Presence.PRESENT, 1)


@pytest.mark.parametrize(
    ("in_vault", "code", "saw"),
    [
        (
            replace(PRESENT, issued_at=BEFORE, dated_at=BEFORE, written_at=AFTER),
            "vault-token-older",
            f"Vault has version 1, with a token issued at {BEFORE}; {RECORDED}",
        ),
        (
            replace(PRESENT, written_at=BEFORE),
            "vault-token-older",
            f"Vault has version 1, with a token written at {BEFORE}; {RECORDED}",
        ),
        (
            InVault(Presence.ABSENT),
            "vault-token-gone",
            f"the secret has no token any more; {RECORDED}",
        ),
        (
            InVault(Presence.ABSENT, has_secret=False),
            "vault-secret-gone",
            f"there is no secret any more; {RECORDED}",
        ),
        (
            InVault(Presence.DELETED),
            "vault-secret-deleted",
            f"the latest version was deleted or destroyed; {RECORDED}",
        ),
    ],
    ids=["an older token", "one of before", "no token", "no secret", "deleted"],
)
def test_what_became_of_it(in_vault: InVault, code: str, saw: str) -> None:
    """In a code that has its advice, and in words; only what was deleted is missed by nobody."""
    loss = loss_of(past_of(entry(1)), in_vault)
    assert (loss.code, loss.saw, loss.is_missed) == (code, saw, code != "vault-secret-deleted")


@pytest.mark.parametrize(
    "in_vault",
    [
        None,
        PRESENT,
        replace(PRESENT, written_at=AFTER),
        replace(PRESENT, issued_at=ISSUED_AT, dated_at=ISSUED_AT),
        replace(PRESENT, issued_at=BEFORE, dated_at=AFTER),
    ],
    ids=["not asked", "of unknown age", "written since", "the very one", "older by one clock"],
)
def test_nothing_is_lost_that_may_be_there(in_vault: InVault | None) -> None:
    """Somebody may know of a later reset."""
    loss = loss_of(past_of(entry(1)), in_vault)
    assert (loss.code, loss.saw, loss.is_missed) == (None, None, False)


def test_what_was_never_recorded_is_not_lost() -> None:
    """Nor is what a stale mail would have brought."""
    stale = past_of(entry(1, event="rotation.unchanged", reason="stale"))
    gone = InVault(Presence.ABSENT, has_secret=False)
    assert [loss_of(past, gone).code for past in (Past(), stale)] == [None, None]


def test_a_record_of_somebody_else_s_write_names_no_version() -> None:
    """The token was there already when its mail came."""
    found = past_of(entry(1, event="rotation.unchanged", reason="same-token"))
    loss = loss_of(found, InVault(Presence.ABSENT))
    assert loss.saw == (
        f"the secret has no token any more; the journal tells of a token issued at {ISSUED_AT}"
    )
