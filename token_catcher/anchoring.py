"""The head of the journal is put into Vault, where a cut tail and an older state show.

An anchor only ever moves on, along the journal that it knows. One that is ahead of the journal, or
of another one, is evidence: it is told, and never written over. So it stays until a person has
looked, and deletes it in Vault.

The daemon looks at the start, where there is news, and once a day: what keeps the next record out
of Vault is found before that record comes. What only a person can mend is told at once. What may
pass by itself, a Vault that is away for one, has `GRACE` first, and begins it anew with each
process: nothing of this is kept, since the evidence is in Vault and is found again by the first
look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from token_catcher.errors import StateError, TokenCatcherError, TransientError
from token_catcher.model import iso, moment
from token_catcher.ports import Log
from token_catcher.record import START, Head
from token_catcher.vault import Anchor, AnchorVersion
from token_catcher.wording import counted

PAUSE: Final = 60.0
"""Seconds between two writes, at least, of whichever process: each makes a version of a secret."""
DAILY: Final = 86_400.0
"""Seconds between two looks without news."""
GRACE: Final = timedelta(minutes=15)
"""How long what may pass by itself is no trouble, and a record may be unknown to Vault."""
CONTRADICTED: Final = "journal-anchor"
"""The code where the journal does not lead through what Vault knows of it."""


class Anchors(Protocol):
    """The part of Vault that is asked; see `vault.AnchorStore`."""

    def expect_granted(self) -> None:
        """AccessError: our policies do not grant what an anchor needs."""

    def read(self) -> AnchorVersion:
        """What is there now."""

    def write(self, anchor: Anchor, over: AnchorVersion) -> bool:
        """Put this one in its place. False: somebody else was faster."""


class Heads(Protocol):
    """The part of the journal that is asked; see `record.Journal`."""

    @property
    def head(self) -> Head:
        """The last record that is known."""

    def catch_up(self) -> None:
        """Learn what other processes recorded. StateError: it cannot be read."""

    def hash_of(self, seq: int) -> str | None:
        """The hash of the record of this number. None: it is not here."""


@dataclass(frozen=True, slots=True)
class AnchorHealth:
    """How it stands with the anchor at one moment."""

    seq: int | None = None
    """The record that Vault is known to have; 0: none yet. None: nobody could look so far."""
    trouble: str | None = None
    """The code of what keeps Vault from knowing the next one, since it counts. None: nothing."""

    @property
    def is_usable(self) -> bool | None:
        """Whether Vault gets to know the next record. None: nobody could look so far."""
        if self.trouble is not None:
            return False
        if self.seq is None:
            return None
        return True

    @property
    def is_contradicted(self) -> bool:
        """Whether the journal is not the one that Vault knows."""
        return self.trouble == CONTRADICTED


def anchor_troubles(health: AnchorHealth | None) -> Mapping[str, str | None]:
    """The code of the anchor's trouble, by the name that receivers are told. Nothing before the
    first look: what was told before a restart is not healed by it."""
    if health is None or health.is_usable is None:
        return {}
    return {"journal/anchor": health.trouble}


class Anchoring:
    """Keeps the anchor of one journal near its head. One thread at a time; `health` may be read
    from any."""

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
        self._known: Head | None = None
        """What Vault has of the journal, as far as we know. `START`: nothing."""
        self._tried_at: float | None = None
        self._failing_since: float | None = None
        """Since when no try has come through, whatever kept it from that."""
        self.health = AnchorHealth()

    def round(self) -> None:
        """Look at it, where it is time. What goes wrong is told once, and tried again."""
        if not self._is_time():
            return
        self._tried_at = self._monotonic()
        try:
            self.move()
        except TokenCatcherError as error:
            self._fail(error)
            return
        self._failing_since = None
        assert self._known is not None  # after a look
        if self.health.trouble is not None:
            self._log.info("journal.anchored", seq=self._known.seq)
        self.health = AnchorHealth(self._known.seq)

    def move(self) -> bool:
        """Have Vault know the head. False: not now, since somebody else writes at this moment, or
        has within a minute.

        StateError: the journal cannot be read, or contradicts what Vault knows (`CONTRADICTED`).
        AccessError, TransientError: Vault does not let us, or is away."""
        self._anchors.expect_granted()
        current = self._anchors.read()
        # After that: whatever another process has anchored is in the journal by now.
        self._journal.catch_up()
        head = self._journal.head
        if current.anchor is not None:
            self._expect_led_through(current.anchor)
        self._known = head_of(current.anchor)
        if head == self._known:
            return True
        if current.anchor is not None and self._is_fresh(current.anchor):
            return False
        anchor = Anchor(head.seq, head.hash, self._instance, iso(self._now()))
        if not self._anchors.write(anchor, current):
            return False
        self._known = head
        return True

    def _is_time(self) -> bool:
        if self._tried_at is None:
            return True
        pause = DAILY
        if self._failing_since is not None or self._journal.head != self._known:
            pause = PAUSE
        return self._monotonic() - self._tried_at >= pause

    def _is_fresh(self, anchor: Anchor) -> bool:
        """Whether it was written within a minute, as its writer's clock says, who may be another
        process of this instance. What that cannot have been is no reason to wait."""
        try:
            age = self._now() - moment(anchor.at)
        except (ValueError, OverflowError):  # somebody else wrote it
            return False
        return timedelta() <= age < timedelta(seconds=PAUSE)

    def _expect_led_through(self, anchor: Anchor) -> None:
        # The hash of a record in a closed file costs that file's reading: once is enough, since
        # under this process the journal cannot be cut unnoticed.
        if head_of(anchor) != self._known:
            expect_led_through(self._journal, anchor)

    def _fail(self, error: TokenCatcherError) -> None:
        """It counts from now on, unless it may pass; and is told where it is another trouble than
        before. What was found stays until a look comes through: a Vault that is away does not
        cover up that the journal was cut."""
        if self._failing_since is None:
            self._failing_since = self._monotonic()
        if isinstance(error, TransientError) and self._may_wait():
            self._log.debug("journal.anchor_delayed", code=error.code, error=str(error))
            return
        if error.code != self.health.trouble:
            self._log.error("journal.anchor_failed", code=error.code, error=str(error))
        self.health = replace(self.health, trouble=error.code)

    def _may_wait(self) -> bool:
        """Whether what may pass by itself changes nothing: something worse is told already, or it
        is not long enough ago that a try came through."""
        if self.health.trouble is not None:
            return True
        assert self._failing_since is not None  # something just failed
        return self._monotonic() - self._failing_since < GRACE.total_seconds()


def head_of(anchor: Anchor | None) -> Head:
    """The record that it knows. `START`: there is no anchor."""
    if anchor is None:
        return START
    return Head(anchor.seq, anchor.hash)


def expect_led_through(journal: Heads, anchor: Anchor) -> None:
    """StateError: the journal does not lead through what Vault knows of it."""
    head = journal.head
    if anchor.seq > head.seq:
        records = counted(anchor.seq, "record")
        problem = f"the anchor in Vault knows {records} of {anchor.instance}"
        mend = "the rest was cut off, or an older state was brought back"
        raise StateError(f"{problem}, the journal has {head.seq}: {mend}", code=CONTRADICTED)
    kept = journal.hash_of(anchor.seq)
    # Records that were moved away with their file are not asked: `audit verify` wants them.
    if kept is not None and kept != anchor.hash:
        problem = f"record {anchor.seq} is not the one that the anchor in Vault knows"
        mend = "the journal was written anew, or is of another instance of this name"
        raise StateError(f"{problem}: {mend}", code=CONTRADICTED)
