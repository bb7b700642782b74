"""How Vault falls short of the record of a token, if it does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.commands.records import entry
from token_catcher.drift import Drift, drift
from token_catcher.fingerprints import PLAIN, Fingerprints
from token_catcher.model import Entry, Holding, Secret
from token_catcher.record import Keyring

ISSUED = datetime(2026, 2, 3, 12, 57, 20, tzinfo=UTC)
SECOND = timedelta(seconds=1)
RECORD = entry(fingerprint="sha256:0123456789abcdef")
OTHER = "sha256:fedcba9876543210"


@pytest.mark.parametrize(
    ("holding", "kind"),
    [
        (Holding(0), Drift.MISSING),
        (Holding(4), Drift.MISSING),
        (Holding(4, gone=True), Drift.GONE),
        (Holding(3, fingerprint=RECORD.fingerprint, issued_at=ISSUED), None),
        (Holding(4, fingerprint=RECORD.fingerprint), None),
        (Holding(4, fingerprint=OTHER, issued_at=ISSUED - SECOND), Drift.OLDER),
        (Holding(4, fingerprint=OTHER, issued_at=ISSUED), None),
        (Holding(4, fingerprint=OTHER, issued_at=ISSUED + SECOND), None),
        (Holding(4, fingerprint=OTHER), None),
        (Holding(4, fingerprint=OTHER, written_at=ISSUED), None),
        (Holding(1, fingerprint=OTHER, written_at=ISSUED - SECOND), Drift.OLDER),
    ],
    ids=[
        "no secret",
        "no token in it",
        "deleted",
        "the token",
        "the token without its age",
        "a token of before",
        "another of the same second",
        "a later token",
        "a token of unknown age",
        "one that was written since",
        "one that was there before",
    ],
)
def test_what_vault_holds_is_held_against_the_record(holding: Holding, kind: Drift | None) -> None:
    """Only what certainly falls short of it does."""
    assert drift(RECORD, holding) is kind


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (entry(received_at="2026-02-03T12:57:10Z"), None),
        (entry(received_at="2026-02-03T12:57:12Z"), Drift.OLDER),
        (entry(issued_at=None), None),
    ],
    ids=["issued after its arrival", "before it", "at no known time"],
)
def test_a_token_is_no_newer_than_its_mail(record: Entry, kind: Drift | None) -> None:
    """A sending clock may be ahead of ours: the arrival counts where it is earlier."""
    holding = Holding(4, fingerprint=OTHER, issued_at=datetime(2026, 2, 3, 12, 57, 11, tzinfo=UTC))
    assert drift(record, holding) is kind


def test_a_token_that_is_older_by_one_clock_alone_is_not_lost() -> None:
    """By the Dates it is the newer one, and a person may have put it there."""
    before = ISSUED - SECOND
    holding = Holding(4, fingerprint=OTHER, issued_at=before, dated_at=ISSUED + SECOND)
    assert drift(RECORD, holding) is None
    older = Holding(4, fingerprint=OTHER, issued_at=before, dated_at=before)
    assert drift(replace(RECORD, dated_at="2026-02-03T12:58:20Z"), older) is Drift.OLDER


def test_what_was_deleted_is_left_alone() -> None:
    """It was somebody's decision; everything else is mended."""
    assert {kind: kind.is_mended for kind in Drift} == {
        Drift.MISSING: True,
        Drift.OLDER: True,
        Drift.GONE: False,
    }


KEY = Keyring.of(Secret("k" * 32)).fingerprints
GONE = Keyring.of(Secret("o" * 32)).fingerprints


@pytest.mark.parametrize("known", [KEY, GONE, PLAIN], ids=["there", "lost", "turned off"])
def test_a_keyed_record_of_the_token_is_no_drift(known: Fingerprints) -> None:
    """Nor where its key is gone, and nobody can tell: the same token has the same Date."""
    token = "sha256:0123456789abcdef"
    record = replace(RECORD, fingerprint=KEY.recorded(token))
    assert drift(record, Holding(3, fingerprint=token, issued_at=ISSUED), known) is None
    # Of a mailbox whose server has another clock.
    earlier = Holding(3, fingerprint=token, issued_at=ISSUED - SECOND, dated_at=ISSUED)
    assert drift(record, earlier, known) is None
    assert drift(record, Holding(3, fingerprint=token), known) is None


@pytest.mark.parametrize("known", [KEY, GONE, PLAIN], ids=["there", "lost", "turned off"])
def test_an_older_token_is_drift_without_the_key_of_the_record_as_well(
    known: Fingerprints,
) -> None:
    """Of two Dates there are two tokens."""
    record = replace(RECORD, fingerprint=KEY.recorded("sha256:0123456789abcdef"))
    older = Holding(4, fingerprint=OTHER, issued_at=ISSUED - SECOND)
    assert drift(record, older, known) is Drift.OLDER


def test_the_token_itself_is_no_drift_whatever_stands_beside_it() -> None:
    """Somebody may have changed the times by hand."""
    token = "sha256:0123456789abcdef"
    record = replace(RECORD, fingerprint=KEY.recorded(token))
    earlier = Holding(4, fingerprint=token, issued_at=ISSUED - SECOND)
    assert drift(record, earlier, KEY) is None
    assert drift(replace(RECORD, fingerprint=token), earlier, KEY) is None
