"""The mails of one batch: what each has come to so far, and in which order they are stored. Pure.

Of several tokens of one secret only the newest is of use: the others died when it was issued. So
it is stored first, and none of the others is written. Which is the newest has to be certain: by
both clocks (`age`), and for each of them. Where it is not, they are stored in the order of their
arrival, as if each had come alone.

Where the newest could not be written for a reason of its own, the others wait for five minutes, and
are tried after it: they are dead, and would be current in Vault until it is written. Then each is
taken to its end, whatever has become of the newer one, since no mail is lost. A mail that is not
proven yet has nobody wait: it may be anybody's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from token_catcher.age import Age, Order
from token_catcher.entries import CAPTURED
from token_catcher.errors import StateError
from token_catcher.judge import Verdict
from token_catcher.model import Capture, Entry, Mail, Outcome, Stored, Unchanged
from token_catcher.record import Record


@dataclass(slots=True)
class Course:
    """One mail of a batch, and what it has come to so far."""

    mail: Mail
    previous: Record | None
    """Its newest record from before."""
    first_look: datetime
    """When it was first looked at without an end, or now."""
    verdict: Verdict | None = None
    """None: it is not judged, or cannot be."""
    outcome: Outcome | None = None
    """None: it is not stored yet, or nothing is to be done with it."""
    entry: Entry | None = None
    """Its record, once that is on disk. None: it has none to add."""
    is_accounted: bool = False
    """Whether its record is on disk, or known to be needless."""
    error: Exception | None = None
    """Why it is not settled now."""

    @property
    def capture(self) -> Capture | None:
        """What is still to be stored of it."""
        if self.verdict is None or self.outcome is not None or self.error is not None:
            return None
        if not isinstance(self.verdict.outcome, Capture):
            return None
        return self.verdict.outcome

    def is_open(self) -> bool:
        """Whether it is still to be stored."""
        return self.capture is not None

    @property
    def captured(self) -> str | None:
        """The digest of a mail whose token is in Vault, or was overtaken there."""
        is_captured = isinstance(self.outcome, Stored | Unchanged)
        if self.verdict is None and self.previous is not None:
            is_captured = self.previous.entry.event in CAPTURED
        if is_captured:
            return self.mail.digest
        return None


@dataclass(slots=True)
class Steps:
    """Asked before each step whether the work goes on. A no is for good."""

    _asked: Callable[[], bool]
    is_over: bool = False

    def go_on(self) -> bool:
        """Whether the next step is taken."""
        self.is_over = self.is_over or not self._asked()
        return not self.is_over


@dataclass(frozen=True, slots=True)
class Noting:
    """While a block runs for one mail, what it meets or wakes is noted there, and ends the block.

    A bug of ours as well must not cost the others. A StateError is everybody's, and goes on."""

    course: Course

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if not isinstance(error, Exception) or isinstance(error, StateError):
            return False
        self.course.error = error
        return True


@dataclass(frozen=True, slots=True)
class Ending:
    """How one mail of a batch ended for now."""

    mail: Mail
    entry: Entry | None
    """Its record. None: there is none to add, or not now."""
    error: Exception | None
    """Why it stays unsettled; None: it is settled."""


def of_one_secret(courses: Sequence[Course], path: str) -> list[Course]:
    """Those of them that are still to be stored at this path."""
    same = []
    for course in courses:
        capture = course.capture
        if capture is not None and capture.path == path:
            same.append(course)
    return same


def newest_first(courses: Sequence[Course]) -> list[Course] | None:
    """Courses of one secret, each newer than the one after it. None: that cannot be said."""
    tokens = set()
    by_age = []
    for course in courses:
        capture = course.capture
        assert capture is not None
        tokens.add(capture.token)
        by_age.append((capture.issued_at, capture.dated_at, course))
    by_age.sort(key=_issued, reverse=True)
    ages = [Age(issued_at, dated_at) for issued_at, dated_at, _ in by_age]
    is_certain = all(newer.beside(older) is Order.NEWER for newer, older in pairwise(ages))
    # One token in two mails is one rotation: whichever came first tells of it.
    if not is_certain or len(tokens) < len(courses):
        return None
    return [course for _, _, course in by_age]


def _issued(aged: tuple[datetime, datetime, Course]) -> tuple[datetime, datetime]:
    return aged[:2]


def stored_first(courses: Sequence[Course], fingerprint: str | None) -> list[Course]:
    """The same, with the one whose token has this fingerprint before the others.

    After a crash the version of a mail may have no record yet. It is found by what it holds, and so
    before the next one is written: Vault may keep no more than one."""
    there = []
    others = []
    for course in courses:
        capture = course.capture
        if capture is not None and capture.token.fingerprint == fingerprint:
            there.append(course)
        else:
            others.append(course)
    return there + others
