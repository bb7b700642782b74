"""The order in which anchor and journal are read."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.kit.fakes import Silent
from tests.unit.record.books import entry, journal
from token_catcher.anchoring import AnchorHealth, Anchoring, anchor_troubles
from token_catcher.errors import StateError
from token_catcher.notify.conditions import FAILING_AFTER, HEALED_AFTER, Conditions
from token_catcher.record import Journal
from token_catcher.vault import Anchor, AnchorVersion
from token_catcher.vault.version import SecretVersion

NOW = datetime(2026, 2, 3, 13, 0, tzinfo=UTC)


class Anchors:
    """One anchor, in memory. While it is read, another process records and anchors."""

    def __init__(self, beside: Journal) -> None:
        self.beside = beside
        self.anchor: Anchor | None = None

    def expect_granted(self) -> None:
        """All is."""

    def read(self) -> AnchorVersion:
        """What the other process has just written."""
        head = self.beside.append(entry(2))
        self.anchor = Anchor(head.seq, head.hash, "one", "2026-02-03T12:00:00Z")
        return AnchorVersion(self.anchor, SecretVersion(1))

    def write(self, anchor: Anchor, _over: AnchorVersion) -> bool:
        """Nobody is faster."""
        self.anchor = anchor
        return True


def anchoring(book: Journal, anchors: Anchors) -> Anchoring:
    """Of this journal."""
    return Anchoring(
        book, anchors, instance="one", now=lambda: NOW, monotonic=lambda: 0.0, log=Silent()
    )


def test_what_is_anchored_while_we_ask_is_in_the_journal_after_that(tmp_path: Path) -> None:
    """The journal is read last, so no record is missed that the anchor knows."""
    path = tmp_path / "journal.jsonl"
    book = journal(path)
    book.append(entry(1))
    duty = anchoring(book, Anchors(journal(path)))
    duty.round()
    assert duty.health == AnchorHealth(2)


class Still(Anchors):
    """Nobody else writes."""

    def read(self) -> AnchorVersion:
        """What was written."""
        return AnchorVersion(self.anchor, SecretVersion(0))


def test_a_journal_that_is_set_back_under_the_program_moves_no_anchor_back(tmp_path: Path) -> None:
    """A backup is restored while it runs: its journal is broken then, and nothing else is asked."""
    path = tmp_path / "state" / "journal.jsonl"
    path.parent.mkdir()
    book = journal(path)
    book.append(entry(1))
    shutil.copytree(path.parent, tmp_path / "older")
    book.append(entry(2))
    anchors = Still(book)
    duty = anchoring(book, anchors)
    assert duty.move()
    known = anchors.anchor
    shutil.rmtree(path.parent)
    shutil.copytree(tmp_path / "older", path.parent)
    with pytest.raises(StateError) as refused:
        duty.move()
    assert (refused.value.code, anchors.anchor) == ("journal-broken", known)


@pytest.mark.parametrize(
    ("health", "troubles"),
    [
        (None, {}),
        (AnchorHealth(), {}),
        (AnchorHealth(42), {"journal/anchor": None}),
        (AnchorHealth(41, "vault-sealed"), {"journal/anchor": "vault-sealed"}),
        (AnchorHealth(None, "journal-anchor"), {"journal/anchor": "journal-anchor"}),
    ],
    ids=["not wanted", "not looked at", "well", "behind", "contradicted"],
)
def test_receivers_are_told_of_the_anchor(
    health: AnchorHealth | None, troubles: dict[str, str | None]
) -> None:
    """As a subject of its own, once it was looked at."""
    assert anchor_troubles(health) == troubles


def test_a_restart_heals_no_contradiction() -> None:
    """What was told stays told until a look comes through, by whichever process."""
    conditions = Conditions()
    contradicted = anchor_troubles(AnchorHealth(None, "journal-anchor"))
    conditions.look(contradicted, NOW)
    [failing] = conditions.look(contradicted, NOW + FAILING_AFTER)
    assert (failing.type, failing.subject) == ("token-catcher.failing", "journal/anchor")
    conditions = Conditions.from_json(conditions.as_json())
    conditions.begin_anew()
    later = NOW + timedelta(days=1)
    assert conditions.look(anchor_troubles(AnchorHealth()), later) == []
    conditions.look(anchor_troubles(AnchorHealth(42)), later)
    [healed] = conditions.look(anchor_troubles(AnchorHealth(42)), later + HEALED_AFTER)
    assert healed.type == "token-catcher.healed"


def test_nothing_is_known_before_the_first_look() -> None:
    """Neither that it is usable, nor that it is not."""
    health = AnchorHealth()
    assert (health.is_usable, health.is_contradicted) == (None, False)
