"""The tokens of a batch into the store: of each secret the newest first, up to an outage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

from token_catcher.batch import Course, Noting, Steps, newest_first, of_one_secret, stored_first
from token_catcher.errors import (
    NEWER_WAITS,
    Outage,
    StateError,
    Subject,
    TokenCatcherError,
    TransientError,
)
from token_catcher.model import Capture, Held, Stored, Unchanged, iso
from token_catcher.ports import OrgIds, SecretStore, Storing
from token_catcher.record import Journal

BEHIND: Final = 300.0
"""Seconds that an older token waits for a newer one which could not be written for a reason of its
own: by then that one was tried some six times."""


class Storer:
    """Stores what was captured. One thread at a time."""

    def __init__(self, store: SecretStore, journal: Journal, org_ids: OrgIds | None) -> None:
        """`org_ids`: remembers from which Salesforce org an org's mail came first."""
        self._store = store
        self._journal = journal
        self._org_ids = org_ids

    def ahead(self, batch: Sequence[Course], steps: Steps) -> Storing:
        """The store, with the secrets of a batch read; of one mail alone it needs no reading."""
        paths = [course.capture.path for course in batch if course.capture is not None]
        if len(paths) < 2:
            return self._store
        try:
            return self._store.ahead(dict.fromkeys(paths), steps.go_on)
        except StateError:
            raise  # another sweep has taken over, say: this one ends
        except Exception:  # noqa: BLE001 - a bug of ours: the mail that wakes it meets it again
            return self._store

    def kept(self, batch: Sequence[Course], begin: int, store: Storing, steps: Steps) -> int:
        """Store what is open from there on, up to the first mail that meets an outage.

        Returns where the mails end that have an ending now."""
        for number in range(begin, len(batch)):
            course = batch[number]
            if course.is_open():
                if number > begin and not steps.go_on():
                    return number
                self._keep_secret(course, batch[number:], store, steps)
                if course.is_open():
                    return number  # a stop, or the record of another, comes before its turn
                if self._is_written_over(course, batch[number + 1 :]):
                    return number + 1
            if isinstance(course.error, Outage):
                return number + 1
        return len(batch)

    def _is_written_over(self, course: Course, rest: Sequence[Course]) -> bool:
        """Whether another of the batch may be written over the version of this one: Vault may keep
        one alone, and so its record comes first."""
        if not isinstance(course.outcome, Stored):
            return False
        return bool(of_one_secret(rest, course.outcome.receipt.path))

    def _keep_secret(
        self, course: Course, batch: Sequence[Course], store: Storing, steps: Steps
    ) -> None:
        """Store the token of this mail, and with it those of the batch that are of its secret."""
        newest: Capture | None = None
        ordered = self._in_order(course, batch, store)
        for number, each in enumerate(ordered):
            if number > 0 and not steps.go_on():
                return
            capture = each.capture
            assert capture is not None
            with Noting(each):
                each.outcome = self.keep(capture, store, newest)
            if isinstance(each.error, Outage):
                # Met for all of them. The first one is told, so that no mail is stepped over.
                if course.outcome is None:
                    outage, each.error = each.error, None
                    course.error = outage
                return
            if each.error is not None:
                _put_behind(ordered[number + 1 :], capture)
                return  # one that is newer has its turn all the same
            if isinstance(each.outcome, Stored) and each.outcome.recovered:
                return  # its record comes before the next write there: Vault may keep one version
            if isinstance(each.outcome, Stored) and newest is None:
                newest = capture

    def _in_order(
        self, course: Course, batch: Sequence[Course], store: Storing
    ) -> Sequence[Course]:
        """The mail alone, or all of its secret, where it is certain which of them is the newest.

        None of them, where the secret cannot be looked at."""
        assert course.capture is not None
        path = course.capture.path
        same = of_one_secret(batch, path)
        ordered = newest_first(same)
        if len(same) == 1 or ordered is None:
            return [course]
        with Noting(course), _about(course.capture):
            holding = store.holds(path)
            return stored_first(ordered, holding.fingerprint)
        return []

    def keep(
        self, capture: Capture, store: Storing, newest: Capture | None = None
    ) -> Stored | Unchanged | Held:
        """Store it. `newest`: what was stored just before in its place, if anything was."""
        outcome: Stored | Unchanged | Held | None = None
        if newest is not None:
            outcome = store.overtaken(capture, newest)
        if outcome is None:
            outcome = self._stored(capture, store)
        if not isinstance(outcome, Unchanged) or outcome.written is None:
            return outcome
        if self._journal.has_stored(outcome.written, capture.mail.digest):
            return outcome
        if self._journal.may_have_lost(outcome.written):
            return outcome
        # We wrote it, and a crash came before the record.
        return Stored(outcome.written, recovered=True)

    def _stored(self, capture: Capture, store: Storing) -> Stored | Unchanged | Held:
        """Have it stored. What goes wrong says whose token it was."""
        with _about(capture):
            return store.store(capture, before_write=partial(self._remember_org, capture))

    def _remember_org(self, capture: Capture) -> None:
        """Right before the write, so that no token of a second org is ever stored; and not before,
        since a mail that stores nothing may be a copy with an id of somebody else's.

        TransientError: another mail was faster, from another org; now this one can be judged."""
        if self._org_ids is None or capture.org_id is None:
            return
        kept = self._org_ids.keep(capture.org, capture.org_id)
        if kept != capture.org_id:
            raise TransientError(f"a mail for {capture.org} came from {kept} meanwhile")


def _put_behind(courses: Sequence[Course], newer: Capture) -> None:
    """Have those of them wait that are older: dead, they are of less use than what is there."""
    for course in courses:
        capture = course.capture
        if capture is not None and capture.issued_at < newer.issued_at:
            with Noting(course), _about(capture):
                raise TransientError(
                    f"{capture.path}: a newer token waits for its own next try",
                    code=NEWER_WAITS,
                    retry_after=BEHIND,
                )


@contextmanager
def _about(capture: Capture) -> Iterator[None]:
    """What goes wrong in the block says whose token it was."""
    try:
        yield
    except TokenCatcherError as error:
        issued_at = iso(capture.issued_at)
        error.subject = Subject(capture.username, capture.org, capture.path, issued_at)
        raise
