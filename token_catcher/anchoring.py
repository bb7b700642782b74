"""The head of the journal is put into Vault, where a cut tail and an older state show.

An anchor only ever moves on, along the journal that it knows. One that is ahead of the journal, or
of another one, is evidence: it is told, and never written over. So it stays until a person has
looked, and deletes it in Vault.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

from token_catcher.errors import StateError, TokenCatcherError
from token_catcher.model import iso
from token_catcher.ports import Log
from token_catcher.record import Head
from token_catcher.vault import Anchor, AnchorVersion

PAUSE: Final = 60.0
"""Seconds between two writes, at least: each makes a version of a secret."""


class Anchors(Protocol):
    """The part of Vault that is asked; see `vault.AnchorStore`."""

    def read(self) -> AnchorVersion:
        """What is there now."""

    def write(self, anchor: Anchor, over: AnchorVersion) -> bool:
        """Put this one in its place. False: somebody else was faster."""


class Heads(Protocol):
    """The part of the journal that is asked; see `record.Journal`."""

    @property
    def head(self) -> Head:
        """The last record that is known."""

    def hash_of(self, seq: int) -> str | None:
        """The hash of the record of this number. None: it is not here."""


class Anchoring:
    """Keeps the anchor of one journal near its head. One thread at a time."""

    def __init__(
        self,
        journal: Heads,
        anchors: Anchors,
        *,
        instance: str,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        log: Log,
    ) -> None:
        """`instance`: whose journal it is."""
        self._journal = journal
        self._anchors = anchors
        self._instance = instance
        self._now = now
        self._monotonic = monotonic
        self._log = log
        self._anchored: Head | None = None
        """What Vault has of us, as far as we know."""
        self._tried_at: float | None = None
        self._trouble: str | None = None
        """The code of what keeps us from it, which is told."""

    def round(self) -> None:
        """Move the anchor on, where it is time. What goes wrong is told once, and tried again."""
        head = self._journal.head
        if head.seq == 0 or head == self._anchored or not self._is_time():
            return
        self._tried_at = self._monotonic()
        try:
            is_moved = self._move(head)
        except TokenCatcherError as error:
            if error.code != self._trouble:
                self._log.error("journal.anchor_failed", code=error.code, error=str(error))
            self._trouble = error.code
            return
        if is_moved and self._trouble is not None:
            self._log.info("journal.anchored", seq=head.seq)
            self._trouble = None

    def _is_time(self) -> bool:
        if self._tried_at is None:
            return True
        return self._monotonic() - self._tried_at >= PAUSE

    def _move(self, head: Head) -> bool:
        """False: somebody else wrote at that moment, and the next round looks again."""
        current = self._anchors.read()
        if current.anchor is not None:
            self._expect_led_through(current.anchor, head)
        anchor = Anchor(head.seq, head.hash, self._instance, iso(self._now()))
        if not self._anchors.write(anchor, current):
            return False
        self._anchored = head
        return True

    def _expect_led_through(self, anchor: Anchor, head: Head) -> None:
        """StateError: the journal does not lead through what Vault knows of it."""
        place = Head(anchor.seq, anchor.hash)
        if place == self._anchored:
            return
        if anchor.seq > head.seq:
            problem = f"the anchor in Vault knows {anchor.seq} records of {anchor.instance}"
            mend = "the rest was cut off, or an older state was brought back"
            raise StateError(
                f"{problem}, the journal has {head.seq}: {mend}", code="journal-anchor"
            )
        kept = self._journal.hash_of(anchor.seq)
        # Records that were moved away with their file are not asked: `audit verify` wants them.
        if kept is not None and kept != anchor.hash:
            problem = f"record {anchor.seq} is not the one that the anchor in Vault knows"
            mend = "the journal was written anew, or is of another instance of this name"
            raise StateError(f"{problem}: {mend}", code="journal-anchor")
