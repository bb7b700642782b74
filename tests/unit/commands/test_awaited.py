"""Which record ends a wait."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.kit import mails
from tests.kit.rig import BEGIN, PATH
from tests.unit.commands.scans import entry
from token_catcher.commands.awaited import GRACE, Awaited
from token_catcher.fingerprints import PLAIN, Fingerprints
from token_catcher.model import Entry, Holding, Secret, moment
from token_catcher.record import Keyring, Record

STORED: dict[str, Any] = {"recovered": False}
FOUND: dict[str, Any] = {"event": "rotation.unchanged", "reason": "same-token", "recovered": False}
BEFORE = "2026-02-03T12:59:59Z"


def as_record(of: Entry, at: str = "2026-02-03T13:00:00Z") -> Record:
    """As the journal has it."""
    return Record(1, at, "", of)


def ends(
    fields: dict[str, Any],
    *,
    user: str | None = mails.USERNAME,
    before: Holding | None = None,
    began: datetime = BEGIN,
) -> bool:
    """Whether this record ends a wait, where Vault had that before."""
    known = {} if before is None else {PATH: before}
    return Awaited(user, began, known).is_met_by(as_record(entry(**fields)))


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        (STORED, True),
        (FOUND, True),
        (FOUND | {"reason": "stale"}, False),
        ({"event": "rotation.held", "reason": "secret-deleted"}, False),
        ({"event": "rotation.refused", "reason": "unsigned"}, False),
        (
            {
                "event": "rotation.refused",
                "reason": "malformed",
                "issued_at": None,
                "username": None,
            },
            False,
        ),
        (STORED | {"issued_at": "2026-02-03T12:45:00Z"}, True),
        (STORED | {"issued_at": "2026-02-03T12:44:59Z"}, False),
        (STORED | {"issued_at": "2026-02-03T13:09:00.5Z"}, True),
        (STORED | {"issued_at": None}, False),
    ],
)
@pytest.mark.parametrize("user", [None, mails.USERNAME])
def test_what_counts(fields: dict[str, Any], counts: bool, user: str | None) -> None:
    """A token that is in Vault, issued since the beginning less fifteen minutes."""
    assert timedelta(minutes=15) == GRACE
    assert ends(fields, user=user) == counts


def test_another_users_token_does_not_count() -> None:
    """Only that of the one who was named."""
    assert not ends(STORED, user="etl@acme.example")


@pytest.mark.parametrize(
    ("before", "counts"),
    [
        (Holding(0), True),
        (Holding(2, gone=True), True),
        (Holding(2, fingerprint="sha256:0"), True),
        (Holding(2, fingerprint="sha256:0", issued_at=moment(BEFORE)), True),
        (Holding(2, fingerprint="sha256:1", issued_at=moment(BEFORE)), False),
        (Holding(2, fingerprint="sha256:0", issued_at=BEGIN), False),
        (Holding(2, fingerprint="sha256:0", issued_at=BEGIN + timedelta(seconds=1)), False),
    ],
)
@pytest.mark.parametrize("fields", [STORED, FOUND, {"recovered": True}])
def test_only_what_is_newer_than_vault_had(
    before: Holding, counts: bool, fields: dict[str, Any]
) -> None:
    """The token that was there, and one before it, are of an earlier reset."""
    assert ends(fields, before=before) == counts


@pytest.mark.parametrize(
    ("fields", "counts"),
    [(STORED, True), ({"recovered": True}, False), (FOUND, False)],
)
def test_what_was_found_in_a_vault_that_nobody_asked(fields: dict[str, Any], counts: bool) -> None:
    """It was there before, unless its mail came since: only what we wrote is new in any case."""
    assert ends(fields | {"received_at": BEFORE}) == counts
    assert ends(fields)


KEY = Keyring.of(Secret("k" * 32)).fingerprints
TOKEN = "sha256:0123456789abcdef"


@pytest.mark.parametrize(
    ("known", "fields", "holding", "counts"),
    [
        (KEY, STORED, Holding(2, fingerprint=TOKEN), False),
        (KEY, FOUND, Holding(2, fingerprint="sha256:0"), True),
        (PLAIN, STORED, Holding(2, fingerprint=TOKEN), True),
        (PLAIN, FOUND | {"received_at": BEFORE}, Holding(2, fingerprint=TOKEN), False),
        (PLAIN, FOUND, Holding(2, fingerprint=TOKEN, issued_at=BEGIN), False),
        (PLAIN, FOUND, Holding(0), True),
    ],
    ids=["the same", "another", "written", "found", "found, of an age", "nothing was there"],
)
def test_a_keyed_record_is_held_against_what_vault_had(
    known: Fingerprints, fields: dict[str, Any], holding: Holding, counts: bool
) -> None:
    """Where its key is not here, it counts as in a Vault that nobody asked."""
    record = as_record(entry(**{**fields, "fingerprint": KEY.recorded(TOKEN)}))
    assert Awaited(None, BEGIN, {PATH: holding}, known).is_met_by(record) == counts


@pytest.mark.parametrize("event", [STORED, FOUND])
@pytest.mark.parametrize("before", [None, Holding(0)])
def test_what_vault_had_lost_does_not_count(event: dict[str, Any], before: Holding | None) -> None:
    """It is the token of an earlier reset."""
    assert not ends(event | {"mended": True}, before=before)


@pytest.mark.parametrize("before", [None, Holding(0)])
def test_a_release_counts_for_mail_that_came_since(before: Holding | None) -> None:
    """An older mail that is released meanwhile brings an older token."""
    released = STORED | {"released_by": "ann"}
    assert ends(released, before=before)
    assert not ends(released | {"received_at": BEFORE}, before=before)


def test_an_arrival_has_whole_seconds() -> None:
    """Mail that came in the second in which the wait began came since."""
    began = BEGIN + timedelta(seconds=1, microseconds=900_000)
    assert ends(FOUND | {"received_at": "2026-02-03T13:00:01Z"}, began=began)


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({}, True),
        ({"recovered": True}, False),
        ({"event": "rotation.unchanged", "reason": "same-token"}, False),
        ({"vault_created_at": None}, False),
        ({"vault_created_at": "2026-02-03T12:57:00Z"}, False),
    ],
)
def test_our_clock_may_be_ahead_of_vaults(fields: dict[str, Any], counts: bool) -> None:
    """By twenty minutes: the token was issued after the beginning, by everybody else's clock."""
    about = {
        "issued_at": "2026-02-03T12:40:30Z",
        "vault_created_at": "2026-02-03T12:41:00Z",
        "recovered": False,
    }
    record = as_record(entry(**about | fields), at="2026-02-03T13:01:00Z")
    assert Awaited(None, BEGIN, {}).is_met_by(record) == counts


@pytest.mark.parametrize(
    ("issued_at", "counts"), [("2026-02-03T13:44:59Z", False), ("2026-02-03T13:45:00Z", True)]
)
def test_our_clock_may_be_behind_vaults(issued_at: str, counts: bool) -> None:
    """By an hour: what was issued half an hour ago is of an earlier reset."""
    stored = entry(**STORED, issued_at=issued_at, vault_created_at="2026-02-03T14:01:00Z")
    record = as_record(stored, at="2026-02-03T13:01:00Z")
    assert Awaited(None, BEGIN, {}).is_met_by(record) == counts
