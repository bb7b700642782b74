"""The outcomes of a batch onto disk, together; and then they are told of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from token_catcher.batch import Course, Noting
from token_catcher.entries import CAPTURED, as_unchanged, beside, describe
from token_catcher.fingerprints import Fingerprints
from token_catcher.judge import Verdict
from token_catcher.model import (
    Entry,
    Held,
    Ignored,
    Mail,
    Outcome,
    Refused,
    Stored,
    Unchanged,
    as_fields,
    iso,
)
from token_catcher.ports import Log
from token_catcher.quiet import Quiet
from token_catcher.record import Journal


class Recorder:
    """Writes down how mails ended, and tells the log. One thread at a time."""

    def __init__(
        self,
        journal: Journal,
        log: Log,
        now: Callable[[], datetime],
        *,
        instance: str,
        asked_by: str,
        fingerprints: Fingerprints,
        observe: Callable[[Entry], None],
    ) -> None:
        """See `pipeline.Pipeline`."""
        self._journal = journal
        self._log = log
        self._now = now
        self._instance = instance
        self._asked_by = asked_by
        self._fingerprints = fingerprints
        self._observe = observe
        self._quiet = Quiet(now)

    def record(self, batch: Sequence[Course], told: Callable[[Entry], None]) -> None:
        """Put the outcomes of a batch on disk, together, and then tell of them."""
        added = []
        entries = []
        for course in batch:
            if course.outcome is None or course.is_accounted:
                continue
            course.is_accounted = True
            with Noting(course):
                entry = self._entry(course, course.outcome)
                if entry is not None:
                    added.append(course)
                    entries.append(entry)
        for course, entry in zip(added, self.write_down(entries), strict=True):
            course.entry = entry
            if entry is not None:
                told(entry)

    def _entry(self, course: Course, outcome: Outcome) -> Entry | None:
        """What came of the mail. None: nothing that is written down."""
        if isinstance(outcome, Ignored):
            return None
        assert course.verdict is not None
        return self.described(course.mail, course.verdict, outcome, course.first_look)

    def described(
        self,
        mail: Mail,
        verdict: Verdict,
        outcome: Refused | Held | Stored | Unchanged,
        first_look: datetime | None = None,
    ) -> Entry:
        """The record of the mail. `first_look`: None: it was long ago, for another record."""
        course = self._course_of(mail, first_look)
        entry = describe(mail, verdict, outcome, **course)
        if entry.fingerprint is None:
            return entry
        fingerprint = self._fingerprints.recorded(entry.fingerprint)
        if fingerprint == entry.fingerprint:
            return entry
        return replace(entry, fingerprint=fingerprint)

    def _course_of(self, mail: Mail, first_look: datetime | None) -> dict[str, Any]:
        """Who had the mail looked at, and how long it took until now."""
        course: dict[str, Any] = {"instance": self._instance, "asked_by": self._asked_by}
        if not mail.is_arrival_told:
            return course  # our own guess of it would measure nothing
        course["written_after"] = _seconds(self._now() - mail.received_at)
        if first_look is not None:
            course["seen_after"] = _seconds(first_look - mail.received_at)
        return course

    def write_down(self, entries: Sequence[Entry]) -> list[Entry | None]:
        """Put them on disk, then tell of them. Returns what was recorded; None: it adds nothing."""
        # The same mail in another mailbox, or another sweep of this one, may have been faster.
        recorded = self._journal.append_all(entries, as_unchanged, beside)
        for entry in recorded:
            if entry is not None:
                self._observe(entry)
                self._tell(entry)
        return recorded

    def _tell(self, entry: Entry) -> None:
        """One canonical event per record; a flood of refusals is counted, not repeated."""
        if entry.event in CAPTURED:
            self._log.info(entry.event, **_log_fields(entry))
            return
        suppressed = self._quiet.admit(entry)
        if suppressed is not None:
            self._log.warning(entry.event, **_log_fields(entry, suppressed))

    def tell_left_out(self, *, of_past_hours: bool = False) -> None:
        """Tell what a flood left out of the log, for as many of a kind in one event as there were.

        To be called at the end of the work, since nothing else may come that carries the count;
        `of_past_hours`: now and again until then."""
        for left_out in self._quiet.take_left_out(of_past_hours=of_past_hours):
            fields = _log_fields(left_out.entry, left_out.before)
            # By then it may be long ago, and a history is in order of time.
            self._log.warning(left_out.entry.event, at=iso(left_out.at), **fields)


def _seconds(time: timedelta) -> float:
    """To the millisecond."""
    return round(time.total_seconds(), 3)


def _log_fields(entry: Entry, suppressed: int = 0) -> dict[str, Any]:
    """`suppressed`: how many of its kind were left out of the log before it."""
    fields = as_fields(entry)
    del fields["event"]
    if suppressed:
        fields["suppressed"] = suppressed
    return fields
