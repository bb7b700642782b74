"""The way of one mail, from its bytes to its record, in the only order that is safe.

    extract → trust → store → journal → settle

*Trust before store*, since a write cannot be taken back: the old token is dead, the forged one would be an outage.
*Store before journal*, since the journal says what is in Vault: a record of a write that a crash prevented would be a lie
that no later look could tell from the truth, while a write without its record is found again (below).
*Journal before settle*, since a settled mail is never looked at again: what is not on disk by then is lost.

A crash between two steps replays the mail. Before the store nothing has happened. Between store and journal, Vault already
has the token and says that this instance wrote it; the replay is recorded as `stored`, `recovered`, once per version. Between
journal and settle, the journal knows the mail and no second record is written. So every step may be repeated and none
may be exchanged.

A mail with a record is not judged again, whatever folder or UID it turns up under: what was proof on arrival stays proof.
Only who asks for it (`scan --again`, which makes settled mail pending) has it judged anew, and only a different ending is
recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol, assert_never

from token_catcher.judge import Judge, Verdict
from token_catcher.model import (
    Capture,
    Claim,
    Entry,
    Event,
    Held,
    Ignored,
    Judgement,
    Mail,
    Outcome,
    Receipt,
    Refused,
    Stored,
    Unchanged,
    iso,
)
from token_catcher.ports import Log, SecretStore
from token_catcher.record import Journal, Record


class Settles(Protocol):
    """The part of a folder's progress that one mail needs."""

    def is_pending(self, uid: int) -> bool:
        """Whether the mail was looked at before without an end, or is to be looked at again."""

    def settle(self, uid: int) -> None:
        """Remember that the mail's outcome is on disk."""


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
        observe: Callable[[Entry], None] = lambda _entry: None,
    ) -> None:
        """`observe` is told of every record once it is on disk; it must not raise."""
        self._judge = judge
        self._store = store
        self._journal = journal
        self._instance = instance
        self._log = log
        self._observe = observe
        self._quiet = Quiet(now)

    def process(self, mail: Mail, addresses: Sequence[str], progress: Settles) -> Entry | None:
        """Settle the mail and return its record, or None where there is none to add (no token mail, or recorded before).

        TransientError, AccessError, StateError: the mail stays unsettled, nothing half-done that a replay cannot mend.
        """
        previous = self._journal.last_for(mail.ref.mailbox, mail.digest)
        entry = None
        if previous is None or progress.is_pending(mail.ref.uid):
            verdict = self._judge.judge(mail, addresses)
            outcome = self._keep(verdict.outcome)
            entry = self._record(mail, verdict, outcome, previous)
        progress.settle(mail.ref.uid)
        return entry

    def _keep(self, verdict: Capture | Refused | Held | Ignored) -> Outcome:
        """Store a capture; everything else is an outcome already."""
        if not isinstance(verdict, Capture):
            return verdict
        outcome = self._store.store(verdict)
        if isinstance(outcome, Unchanged) and outcome.written and not self._has_record_of(outcome):
            return Stored(outcome.written, recovered=True)
        return outcome

    def _has_record_of(self, outcome: Unchanged) -> bool:
        written = outcome.written
        return written is not None and self._journal.has_stored(
            written.path, written.version, written.created_at
        )

    def _record(
        self, mail: Mail, verdict: Verdict, outcome: Outcome, previous: Record | None
    ) -> Entry | None:
        if isinstance(outcome, Ignored):
            return None
        entry = describe(mail, verdict, outcome, self._instance)
        if previous is not None and not _adds_to(previous, entry):
            return None
        self._journal.append(entry)
        self._observe(entry)
        self._tell(entry)
        return entry

    def _tell(self, entry: Entry) -> None:
        """One canonical event per record; a flood of refusals is counted, not repeated."""
        fields = {key: value for key, value in as_fields(entry).items() if key != "event"}
        if entry.event in (Event.STORED, Event.UNCHANGED):
            self._log.info(entry.event, **fields)
        elif (
            suppressed := self._quiet.admit((entry.mailbox, entry.event, entry.reason or ""))
        ) is not None:
            self._log.warning(
                entry.event, **fields, **({"suppressed": suppressed} if suppressed else {})
            )


class Quiet:
    """Lets ten events of a kind through in an hour; the first of the next hour says how many were left out."""

    LIMIT: Final = 10
    PERIOD: Final = timedelta(hours=1)

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._seen: dict[tuple[str, ...], tuple[datetime, int]] = {}

    def admit(self, kind: tuple[str, ...]) -> int | None:
        """How many events of this kind were left out before this one; None: leave this one out as well."""
        now = self._now()
        began, count = self._seen.get(kind, (now, 0))
        if now - began >= self.PERIOD:
            self._seen[kind] = (now, 1)
            return max(0, count - self.LIMIT)
        self._seen[kind] = (began, count + 1)
        return 0 if count < self.LIMIT else None


def describe(
    mail: Mail, verdict: Verdict, outcome: Refused | Held | Stored | Unchanged, instance: str
) -> Entry:
    """The record of one mail. Of the token it holds the fingerprint and the length."""
    event, reason, saw, receipt, recovered = _ending(outcome)
    candidate, judgement = verdict.candidate, verdict.judgement
    capture = verdict.outcome if isinstance(verdict.outcome, Capture) else None
    claim = candidate.claim if candidate and isinstance(candidate.claim, Claim) else None
    return Entry(
        event=event,
        instance=instance,
        mailbox=mail.ref.mailbox,
        folder=mail.ref.folder,
        uidvalidity=mail.ref.uidvalidity,
        uid=mail.ref.uid,
        mail=mail.digest,
        received_at=iso(mail.received_at),
        reason=reason,
        saw=saw,
        issued_at=iso(candidate.issued_at) if candidate else None,
        username=capture.username if capture else (judgement.username if judgement else None),
        org=capture.org if capture else (judgement.org if judgement else None),
        path=capture.path if capture else None,
        version=receipt.version if receipt else None,
        vault_created_at=receipt.created_at if receipt else None,
        request_id=receipt.request_id if receipt else None,
        fingerprint=claim.token.fingerprint if claim else None,
        token_length=len(claim.token) if claim else None,
        proof=_proof(judgement),
        recovered=recovered,
    )


def as_fields(entry: Entry) -> dict[str, object]:
    """The entry's fields that say something, in their order."""
    values = {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
    return {name: value for name, value in values.items() if value not in (None, False)}


def _ending(
    outcome: Refused | Held | Stored | Unchanged,
) -> tuple[Event, str | None, str | None, Receipt | None, bool]:
    match outcome:
        case Stored(receipt, recovered):
            return Event.STORED, None, None, receipt, recovered
        case Unchanged(reason, written):
            return Event.UNCHANGED, reason.value, None, written, False
        case Held(reason, saw):
            return Event.HELD, reason.value, saw or None, None, False
        case Refused(reason, saw):
            return Event.REFUSED, reason.value, saw or None, None, False
        case _:
            assert_never(outcome)


def _proof(judgement: Judgement | None) -> str | None:
    """What the proof rule saw, where it passed."""
    return next(
        (line.saw for line in judgement or () if line.rule == "proof" and line.passed), None
    )


def _adds_to(previous: Record, entry: Entry) -> bool:
    """Whether a second look at a recorded mail found anything that the journal does not say yet.

    What is in Vault stays recorded as it is; what was refused or held may end otherwise once the configuration changed."""
    if entry.event == Event.STORED:
        return True
    ended_well = previous.entry.event in (Event.STORED, Event.UNCHANGED)
    return not ended_well and (previous.entry.event, previous.entry.reason) != (
        entry.event,
        entry.reason,
    )
