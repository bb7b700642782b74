"""The way of one mail, from its bytes to its record, in the only order that is safe.

    extract → trust → store → journal → settle

*Trust before store*, since a write cannot be taken back: the old token is dead, and a forged one
would be an outage.

*Store before journal*, since the journal says what is in Vault: a record of a write that a crash
prevented would be a lie that no later look could tell from the truth, while a write without its
record is found again (below).

*Journal before settle*, since a settled mail is never looked at again: what is not on disk by then
is lost.

A crash between two steps replays the mail. Before the store nothing has happened. Between store
and journal, Vault already has the token, and the secret says which mail it came from and which
writer wrote it (`vault.store`): the replay is recorded as `stored`, `recovered`, once per version.
Another writer that finds the token there records `unchanged`, and so does this one where the record
of that version may have been moved away with its file. Between journal and settle, the
journal knows the mail and no second record is written. So every step may be repeated and none may
be exchanged.

*A negative answer is not final*: where DNS has no key, or does not answer, the mail stays
unsettled and is judged again, until it has waited long enough to be held. Only what waits for
its proof ends so. A proven mail waits for Vault, however long.

What is done to the mail in its own folder (`follow_up`) comes after all of these, and only to one
that was stored or is unchanged: settling it says so, in the same write of the checkpoint.

Several mails are taken together, and each step is made for all of them before the next: so all
records of a batch are durable with one sync, and none of its mails is settled before that. Of
several tokens of one secret only the newest is written (`batch`). A mail waits for the records of
those before it where they could change how it is judged. Where a dependency goes away in the
middle, what is in Vault is recorded, and only what comes before the mail that met it is settled:
all up to a settled mail counts as settled or pending.

Another sweep may take over while this one is stopped (`record.sweeplock`): so what a mail adds to
its newest record is found out under the same lock as the record is written.

A mail with a record is not judged again, whatever folder or UID it turns up under: what was proof
on arrival stays proof. Only who asks for it has it judged anew (`scan --again`, and the daily look
for what Vault has lost, which make settled mail pending), and only a different ending is recorded.
A token that the journal already knows to be in Vault, and that is stored again, was lost there: the
record says so, `mended`. What a person set aside for the mail stays set aside.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence, Set
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeGuard

from token_catcher.batch import Course, Ending, Noting, Steps
from token_catcher.entries import DAEMON, released
from token_catcher.errors import (
    NO_KEY,
    Outage,
    Subject,
    TransientError,
)
from token_catcher.fingerprints import PLAIN, Fingerprints
from token_catcher.judge import Judge, Verdict
from token_catcher.model import (
    Capture,
    Entry,
    Held,
    Ignored,
    Mail,
    Reason,
    Refused,
    Release,
    iso,
    moment,
)
from token_catcher.ports import Log, OrgIds, SecretStore
from token_catcher.proof import WAIVABLE
from token_catcher.record import Journal, Record
from token_catcher.recorder import Recorder
from token_catcher.storer import Storer

KEY_MISSED_FOR: Final = timedelta(hours=24)
"""From a mail's arrival, for which DNS is asked again for a key that it does not have."""
ASKED_FOR: Final = timedelta(hours=1)
"""The same from the first look, for mail that is older: a backlog meets a bad moment as well."""


class Settles(Protocol):
    """The part of a folder's progress that one mail needs."""

    def is_pending(self, uid: int) -> bool:
        """Whether the mail was looked at before without an end, or is to be looked at again."""

    def pending_since(self, uid: int) -> datetime | None:
        """When the mail was first looked at without an end. None: it is not pending."""

    def is_to_be_alone(self, uid: int) -> bool:
        """Whether a try of the mail failed for a reason that may be its own."""

    def settle(self, uid: int, captured: str | None = None) -> None:
        """Remember that the mail's outcome is on disk. `captured`: the digest of one that was
        stored, or is unchanged."""


class Pipeline:
    """Takes mails to their ends, batch by batch. One thread at a time."""

    def __init__(
        self,
        judge: Judge,
        store: SecretStore,
        journal: Journal,
        *,
        instance: str,
        log: Log,
        now: Callable[[], datetime],
        lookback: timedelta,
        org_ids: OrgIds | None = None,
        asked_by: str = DAEMON,
        fingerprints: Fingerprints = PLAIN,
        observe: Callable[[Entry], None] = lambda _entry: None,
    ) -> None:
        """`lookback`: how long a mail waits for a DNS that does not answer. `org_ids`: remembers
        from which Salesforce org an org's mail came first. `asked_by`: see `Entry`.
        `fingerprints`: makes those of its records.

        `observe` is told of every record once it is on disk; it must not raise."""
        self._judge = judge
        self._store = store
        self._journal = journal
        self._now = now
        self._lookback = lookback
        self._org_ids = org_ids
        self._storer = Storer(store, journal, org_ids)
        self._recorder = Recorder(
            journal,
            log,
            now,
            instance=instance,
            asked_by=asked_by,
            fingerprints=fingerprints,
            observe=observe,
        )
        self._taught: set[str] = set()
        """Orgs of which it is known from which Salesforce org their mail comes."""

    def take(
        self,
        mails: Sequence[Mail],
        addresses: Sequence[str],
        progress: Settles,
        *,
        goes_on: Callable[[], bool] = lambda: True,
        told: Callable[[Entry], None] = lambda _entry: None,
    ) -> Generator[Ending, None, None]:
        """Settle these mails, and yield in their order how each ended.

        One that cannot be settled now has its error, and nothing of it is half-done that a replay
        cannot mend. Behind one whose error is an Outage no other is taken before the next ending is
        asked for. `goes_on` is asked before each step; where it says no, the mails that are left
        have no ending, and stay as they were. `told` is told of every record that is added.
        StateError: no mail can be settled now."""
        steps = Steps(goes_on)
        waiting = deque(mails)
        while waiting and steps.go_on():
            batch = self._judged_together(waiting, addresses, progress, steps)
            yield from self._settled(batch, progress, steps, told)

    def _settled(
        self,
        batch: Sequence[Course],
        progress: Settles,
        steps: Steps,
        told: Callable[[Entry], None],
    ) -> Iterator[Ending]:
        """Store, record and settle the mails of a batch."""
        done = 0
        store = self._storer.ahead(batch, steps)
        while done < len(batch) and not steps.is_over:
            try:
                end = self._storer.kept(batch, done, store, steps)
            finally:
                # Whatever keeps the others from Vault: what is there has its record.
                self._recorder.record(batch, told)
            for course in batch[done:end]:
                # In order of arrival, since all up to it count as settled or pending.
                if course.error is None:
                    assert course.capture is None, "settled without its outcome"
                    progress.settle(course.mail.ref.uid, course.captured)
                yield Ending(course.mail, course.entry, course.error)
            done = end

    # -- judging --

    def _judged_together(
        self, waiting: deque[Mail], addresses: Sequence[str], progress: Settles, steps: Steps
    ) -> list[Course]:
        """The next mails that can be judged before the first of them has its record."""
        batch: list[Course] = []
        digests: set[str] = set()
        known = self._journal.last_for_each(
            waiting[0].ref.mailbox, [mail.digest for mail in waiting]
        )
        while waiting and not self._is_apart(waiting[0], batch, digests, progress):
            if batch and not steps.go_on():
                break
            mail = waiting.popleft()
            digests.add(mail.digest)
            batch.append(self._course(mail, addresses, progress, known.get(mail.digest)))
            if self._ends_batch(batch[-1]):
                break
        return batch

    def _is_apart(
        self, mail: Mail, batch: Sequence[Course], digests: Set[str], progress: Settles
    ) -> bool:
        """Whether the mail is to be judged only after these have their records."""
        if not batch:
            return False
        if mail.digest in digests:
            return True  # a second copy is known by the record of the first
        # What a mail has met before is not to be met by others for it, nor blamed on one of them.
        uids = (mail.ref.uid, batch[0].mail.ref.uid)
        return any(map(progress.is_to_be_alone, uids))

    def _ends_batch(self, course: Course) -> bool:
        """Whether no mail behind it is judged before it has its end."""
        if isinstance(course.error, Outage):
            return True
        capture = course.capture
        if capture is None or capture.org_id is None or self._org_ids is None:
            return False
        # The first mail of an org says which others are held.
        if capture.org not in self._taught and self._org_ids.known(capture.org) is not None:
            self._taught.add(capture.org)
        return capture.org not in self._taught

    def _course(
        self,
        mail: Mail,
        addresses: Sequence[str],
        progress: Settles,
        previous: Record | None,
    ) -> Course:
        """The mail, judged unless it has its record from before."""
        since = progress.pending_since(mail.ref.uid)
        course = Course(mail, previous, since or self._now())
        if previous is not None and not progress.is_pending(mail.ref.uid):
            return course
        course.mail = _with_arrival(mail, since, previous)
        with Noting(course):
            course.verdict = self._judged(course.mail, addresses, since, previous)
            if not isinstance(course.verdict.outcome, Capture):
                course.outcome = course.verdict.outcome
        return course

    def _judged(
        self, mail: Mail, addresses: Sequence[str], since: datetime | None, previous: Record | None
    ) -> Verdict:
        """What the mail is. TransientError: it cannot be said yet, and may be later.

        `since`: when it was first looked at without an end."""
        now = self._now()
        first_look = since or now
        last_try = now - first_look >= self._lookback
        verdict = self._judge.judge(mail, addresses, waive=_waived(previous), last_try=last_try)
        outcome = verdict.outcome
        # A mail with a record is looked at on somebody's wish, and lost to nobody if it is held.
        if not _lacks_key(outcome) or previous is not None:
            return verdict
        arrived = min(mail.received_at, first_look)  # a clock ahead must not keep it for ever
        if now - first_look < ASKED_FOR or now - arrived < KEY_MISSED_FOR:
            raise _no_key(verdict, outcome)
        return verdict

    def recorded(self, mail: Mail) -> Entry | None:
        """How the mail ended last. None: it has no record.

        StateError: the journal cannot be read."""
        record = self._journal.last_for(mail.ref.mailbox, mail.digest)
        if record is None:
            return None
        return record.entry

    def release(self, mail: Mail, addresses: Sequence[str], release: Release) -> Entry | None:
        """Store a held mail on the word of a person, and return how it ended.

        It is judged again, without the rules that can be waived. What is not proven now, or still
        held, is returned and not recorded: nothing has changed. None: it is no token mail any more,
        by the configuration of now. Raises what keeps it from being judged, stored or recorded."""
        previous = self._journal.last_for(mail.ref.mailbox, mail.digest)
        mail = _with_arrival(mail, None, previous)
        verdict = self._judge.judge(mail, addresses, waive=WAIVABLE)
        if isinstance(verdict.outcome, Ignored):
            return None
        if not isinstance(verdict.outcome, Capture):
            return self._recorder.described(mail, verdict, verdict.outcome)
        outcome = self._storer.keep(verdict.outcome, self._store)
        entry = self._recorder.described(mail, verdict, outcome)
        entry = replace(entry, asked_by=f"release:{release.by}")
        if not isinstance(outcome, Held):
            entry = released(entry, verdict, release)
        (recorded,) = self._recorder.write_down([entry])
        return recorded or entry

    def tell_left_out(self, *, of_past_hours: bool = False) -> None:
        """See `Recorder.tell_left_out`."""
        self._recorder.tell_left_out(of_past_hours=of_past_hours)


def _no_key(verdict: Verdict, outcome: Held) -> TransientError:
    """There is no key to prove the mail with, for now: whose token it claims to have is told."""
    error = TransientError(outcome.saw, code=NO_KEY)
    if verdict.judgement is not None and verdict.judgement.username is not None:
        error.subject = Subject(verdict.judgement.username, issued_at=_issued_at(verdict))
    return error


def _issued_at(verdict: Verdict) -> str | None:
    if verdict.candidate is None or verdict.candidate.issued_at is None:
        return None
    return iso(verdict.candidate.issued_at)


def _lacks_key(outcome: Capture | Refused | Held | Ignored) -> TypeGuard[Held]:
    """Whether there was no key to prove the mail with."""
    return isinstance(outcome, Held) and outcome.reason is Reason.NO_KEY


def _with_arrival(mail: Mail, first_look: datetime | None, previous: Record | None) -> Mail:
    """The mail as of when it is first known to have been there, where its server does not say.

    The time of each fetch would make a mail late that only waits for Vault, or is looked at again.
    """
    if mail.is_arrival_told:
        return mail
    times = [mail.received_at]
    if first_look is not None:
        times.append(first_look)
    if previous is not None:
        times.append(moment(previous.entry.received_at))
    return replace(mail, received_at=min(times))


def _waived(previous: Record | None) -> frozenset[str]:
    """What a person set aside for the mail when they released it."""
    if previous is None:
        return frozenset()
    return WAIVABLE.intersection(previous.entry.waived or ())
