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

A mail with a record is not judged again, whatever folder or UID it turns up under: what was proof
on arrival stays proof. Only who asks for it has it judged anew (`scan --again`, and the daily look
for what Vault has lost, which make settled mail pending), and only a different ending is recorded.
A token that the journal already knows to be in Vault, and that is stored again, was lost there: the
record says so, `mended`. What a person set aside for the mail stays set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol, TypeGuard

from token_catcher.entries import (
    CAPTURED,
    DAEMON,
    adds_to,
    as_unchanged,
    describe,
    had_token,
    mended,
    released,
)
from token_catcher.errors import NO_KEY, Subject, TokenCatcherError, TransientError
from token_catcher.fingerprints import PLAIN, Fingerprints
from token_catcher.judge import Judge, Verdict
from token_catcher.model import (
    Capture,
    Entry,
    Event,
    Held,
    Ignored,
    Mail,
    Outcome,
    Reason,
    Refused,
    Release,
    Stored,
    Unchanged,
    as_fields,
    iso,
    moment,
)
from token_catcher.ports import Log, OrgIds, SecretStore
from token_catcher.proof import WAIVABLE
from token_catcher.quiet import Quiet
from token_catcher.record import Journal, Record

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

    def settle(self, uid: int, captured: str | None = None) -> None:
        """Remember that the mail's outcome is on disk. `captured`: the digest of one that was
        stored, or is unchanged."""


class Pipeline:
    """Takes one mail to its end. One thread at a time."""

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
        self._instance = instance
        self._now = now
        self._lookback = lookback
        self._org_ids = org_ids
        self._asked_by = asked_by
        self._fingerprints = fingerprints
        self._log = log
        self._observe = observe
        self._quiet = Quiet(now)

    def process(self, mail: Mail, addresses: Sequence[str], progress: Settles) -> Entry | None:
        """Settle the mail and return its record; None where there is none to add, since it is no
        token mail or was recorded before.

        TransientError, AccessError, StateError: the mail stays unsettled, and nothing is half-done
        that a replay cannot mend.
        """
        previous = self._journal.last_for(mail.ref.mailbox, mail.digest)
        entry = None
        if previous is None or progress.is_pending(mail.ref.uid):
            since = progress.pending_since(mail.ref.uid)
            first_look = since or self._now()
            mail = _with_arrival(mail, since, previous)
            verdict = self._judged(mail, addresses, since, previous)
            outcome = self._keep(verdict.outcome)
            entry = self._record(mail, verdict, outcome, previous, first_look)
            is_captured = isinstance(outcome, Stored | Unchanged)
        else:
            is_captured = previous.entry.event in CAPTURED
        progress.settle(mail.ref.uid, mail.digest if is_captured else None)
        return entry

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
        by the configuration of now. Raises what `process` raises."""
        previous = self._journal.last_for(mail.ref.mailbox, mail.digest)
        mail = _with_arrival(mail, None, previous)
        verdict = self._judge.judge(mail, addresses, waive=WAIVABLE)
        if isinstance(verdict.outcome, Ignored):
            return None
        if not isinstance(verdict.outcome, Capture):
            return self._described(mail, verdict, verdict.outcome)
        outcome = self._keep(verdict.outcome)
        assert not isinstance(outcome, Ignored)  # a capture is stored, unchanged or held
        entry = self._described(mail, verdict, outcome)
        entry = replace(self._with_course(entry, mail, None), asked_by=f"release:{release.by}")
        if not isinstance(outcome, Held):
            entry = released(entry, verdict, release)
        if previous is None or adds_to(previous, entry):
            return self._write_down(entry)
        return entry

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

    def _keep(self, verdict: Capture | Refused | Held | Ignored) -> Outcome:
        """Store a capture; everything else is an outcome already."""
        if not isinstance(verdict, Capture):
            return verdict
        outcome = self._stored(verdict)
        if not isinstance(outcome, Unchanged) or outcome.written is None:
            return outcome
        if self._journal.has_stored(outcome.written, verdict.mail.digest):
            return outcome
        if self._journal.may_have_lost(outcome.written):
            return outcome
        # We wrote it, and a crash came before the record.
        return Stored(outcome.written, recovered=True)

    def _stored(self, capture: Capture) -> Stored | Unchanged | Held:
        """Have it stored. What goes wrong says whose token it was."""
        try:
            return self._store.store(capture, before_write=partial(self._remember_org, capture))
        except TokenCatcherError as error:
            issued_at = iso(capture.issued_at)
            error.subject = Subject(capture.username, capture.org, capture.path, issued_at)
            raise

    def _remember_org(self, capture: Capture) -> None:
        """Right before the write, so that no token of a second org is ever stored; and not before,
        since a mail that stores nothing may be a copy with an id of somebody else's.

        TransientError: another mail was faster, from another org; now this one can be judged."""
        if self._org_ids is None or capture.org_id is None:
            return
        kept = self._org_ids.keep(capture.org, capture.org_id)
        if kept != capture.org_id:
            raise TransientError(f"a mail for {capture.org} came from {kept} meanwhile")

    def _record(
        self,
        mail: Mail,
        verdict: Verdict,
        outcome: Outcome,
        previous: Record | None,
        first_look: datetime,
    ) -> Entry | None:
        """Put the outcome on disk, then tell of it. None: it adds nothing to the journal."""
        if isinstance(outcome, Ignored):
            return None
        entry = self._described(mail, verdict, outcome)
        entry = self._with_course(entry, mail, first_look)
        if previous is not None:
            if not adds_to(previous, entry):
                return None
            if had_token(previous.entry):
                entry = mended(entry, previous.entry)
        return self._write_down(entry)

    def _described(
        self, mail: Mail, verdict: Verdict, outcome: Refused | Held | Stored | Unchanged
    ) -> Entry:
        """The record of the mail, as far as it tells of the mail and of its end."""
        entry = describe(mail, verdict, outcome, self._instance)
        if entry.fingerprint is None:
            return entry
        return replace(entry, fingerprint=self._fingerprints.recorded(entry.fingerprint))

    def _with_course(self, entry: Entry, mail: Mail, first_look: datetime | None) -> Entry:
        """With who had the mail looked at, and how long it took until now.

        `first_look`: None: it was long ago, for another record."""
        entry = replace(entry, asked_by=self._asked_by)
        if not mail.is_arrival_told:
            return entry  # our own guess of it would measure nothing
        entry = replace(entry, written_after=_seconds(self._now() - mail.received_at))
        if first_look is None:
            return entry
        return replace(entry, seen_after=_seconds(first_look - mail.received_at))

    def _write_down(self, entry: Entry) -> Entry:
        """Put it on disk, then tell of it. Returns what was recorded."""
        if entry.event != Event.STORED:
            self._journal.append(entry)
        elif self._journal.append_stored(entry) is None:
            # The same mail in another mailbox was faster, in another thread or process.
            entry = as_unchanged(entry)
            self._journal.append(entry)
        self._observe(entry)
        self._tell(entry)
        return entry

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
