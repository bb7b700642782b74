"""One folder in one sweep: what is new in it and what is due again, taken through the pipeline.

What a server says is never believed where it says that there is nothing: `agenda` knows what is to
be looked at, and a mail whose body does not come is settled only when the server, asked for that
one mail, says that it is gone.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Final

from token_catcher.agenda import Agenda
from token_catcher.batch import Ending
from token_catcher.errors import (
    NOT_ASKED,
    ConfigurationError,
    Outage,
    SessionEnded,
    StateError,
    Subject,
    TransientError,
)
from token_catcher.log import raised_at
from token_catcher.model import MAX_MAIL_BYTES, Entry, Event, Mail, iso
from token_catcher.poison import Cause
from token_catcher.ports import FolderState
from token_catcher.report import Trouble, without_body
from token_catcher.run import BATCH, Ended, Run
from token_catcher.survey import is_gone

FIRST: Final = 1
"""Mails of the first batch: as many as it takes to see that a dependency is away."""
MOST: Final = 128
"""Mails of a batch at most: so many versions a crash may leave without their record."""
HEAVY: Final = BATCH * MAX_MAIL_BYTES
"""Bytes of mails in memory, above which no more are fetched for a batch."""
QUICKLY: Final = timedelta(seconds=2)
"""A batch that took longer is followed by a smaller one."""
SAVED_APART: Final = timedelta(seconds=1)
"""Between two savings of the checkpoint within a folder."""


@dataclass(slots=True)
class _Fetched:
    """Mails of a batch, while they are fetched."""

    uids: list[int] = field(default_factory=list)
    """What was asked for."""
    mails: dict[int, Mail] = field(default_factory=dict)
    """What came, by UID."""
    trouble: TransientError | ConfigurationError | None = None
    """Why no more was asked for."""


class Visit:
    """One folder in one sweep."""

    def __init__(self, run: Run, state: FolderState) -> None:
        self._run = run
        self._tools = run.tools
        self._mailbox = run.mailbox
        self._report = run.report
        self._state = state
        self._agenda = Agenda(run, state)
        self._saved_at = run.tools.now()
        self._left: set[int] = set()
        """UIDs that the visit has not come to yet."""

    def batches(self) -> Generator[None, None, None]:
        """Take every new and every due mail through the pipeline.

        Yields between two batches; another folder may be opened meanwhile, if this one is opened
        again before the next. Ended: not all of them."""
        uids = self._agenda.uids()
        self._left = set(uids)
        self._report.to_take += len(self._left)
        try:
            # In order of arrival: all up to a settled mail counts as settled or pending.
            for batch in self._batches(uids):
                self._batch(batch)
                self._save_now_and_then()
                if self._left:
                    yield
            self._agenda.finish()
            self._run.checkpoint.save()
        except (Ended, TransientError, ConfigurationError, GeneratorExit):
            self._agenda.note_left(self._left)
            # Not on a StateError: saving would fail as well, and hide why.
            self._run.checkpoint.save()
            raise
        finally:
            self._report.waits(self._state.name, self._agenda.waiting(self._left))

    def _save_now_and_then(self) -> None:
        """A large checkpoint takes its time; a crash between two savings costs only a second look,
        which adds nothing."""
        now = self._tools.now()
        # The wall's clock may be set back, hence the absolute value.
        if abs(now - self._saved_at) >= SAVED_APART:
            self._run.checkpoint.save()
            self._saved_at = now

    def _batches(self, uids: Sequence[int]) -> Iterator[Sequence[int]]:
        """A short one, then larger ones, as long as they are quickly taken; suspects alone."""
        batch: list[int] = []
        size = FIRST
        for uid in uids:
            alone = self._agenda.key(uid) in self._tools.poison.suspects
            if batch and (alone or len(batch) == size):
                began = self._tools.now()
                yield batch
                batch = []
                size = self._next_size(size, began)
            batch.append(uid)
            if alone:  # no neighbour shares its fate
                yield batch
                batch = []
        if batch:
            yield batch

    def _next_size(self, size: int, began: datetime) -> int:
        """What a batch shares is worth most to large ones, and the records, and other folders, wait
        for its end."""
        if self._tools.now() - began > QUICKLY:
            return BATCH
        return min(max(2 * size, BATCH), MOST)

    def _batch(self, uids: Sequence[int]) -> None:
        """Take these mails to their ends. Ended: a dependency is away, or a stop was asked for."""
        rest = list(uids)
        while rest:
            fetched = self._fetched(rest)
            rest = rest[len(fetched.uids) :]
            self._take_fetched(fetched)
            if fetched.trouble is not None:
                raise fetched.trouble

    def _fetched(self, uids: Sequence[int]) -> _Fetched:
        """The first of these mails, as many as may be in memory.

        Some, and the trouble that kept others from being fetched; that is raised where it kept
        all of them. Ended: a stop was asked for."""
        fetched = _Fetched()
        weight = 0
        for start in range(0, len(uids), BATCH):
            if weight >= HEAVY:
                break
            if not self._goes_on():
                raise Ended
            portion = uids[start : start + BATCH]
            try:
                mails = self._fetch(portion)
            except (TransientError, ConfigurationError) as error:
                if not fetched.uids:
                    raise
                fetched.trouble = error
                break
            fetched.uids += portion
            for mail in mails:
                fetched.mails[mail.ref.uid] = mail
                weight += len(mail.raw)
        return fetched

    def _take_fetched(self, fetched: _Fetched) -> None:
        """Take these mails to their ends. Ended: as `_batch`."""
        mails = fetched.mails
        together: list[Mail] = []
        for uid in fetched.uids:
            mail = mails.get(uid)
            if mail is not None and not self._is_passed_over(mail):
                together.append(mail)
                continue
            # All up to a settled mail counts as settled or pending: what came before it is first.
            self._take(together)
            together = []
            if mail is None:
                self._without_body(uid)
            else:
                self._pass_over(uid)
        self._take(together)

    def _goes_on(self) -> bool:
        """Asked before each step. False: a stop was asked for."""
        if self._tools.stopping():
            return False
        self._run.moved()
        return True

    def _done(self, uid: int) -> None:
        """The visit has come to this mail."""
        self._left.discard(uid)
        self._report.taken += 1

    def _fetch(self, uids: Sequence[int]) -> Sequence[Mail]:
        """The mails. A suspect that fails alone is postponed before the error goes its way."""
        keys = [self._agenda.key(uid) for uid in uids]
        try:
            mails = self._mailbox.fetch(uids)
        except SessionEnded:
            raise  # the hour was over: no mail is to blame
        except TransientError as error:
            if self._tools.poison.fetch_failed(keys):
                self._postpone(uids[0], error, error.retry_after)
            raise
        self._tools.poison.fetched(keys)
        return mails

    def _without_body(self, uid: int) -> None:
        """Ask once more, for this mail alone: some servers leave mail out of a longer answer.

        Settled only where the server says of this one mail that it is gone."""
        if not self._goes_on():
            raise Ended
        for mail in self._fetch([uid]):
            if self._is_passed_over(mail):
                self._pass_over(uid)
            else:
                self._take([mail])
            return
        if is_gone(self._mailbox, uid):
            self._tools.log.debug(
                "mail.gone", mailbox=self._mailbox.name, folder=self._state.name, uid=uid
            )
            self._agenda.progress.settle(uid)
        else:
            trouble = without_body(self._mailbox.name, self._state.name, uid)
            self._postpone(uid, TransientError(trouble.message, code=trouble.code))
        self._done(uid)

    def _is_passed_over(self, mail: Mail) -> bool:
        """Whether the mail is too old, or waits for its own next try under another number."""
        progress = self._agenda.progress
        uid = mail.ref.uid
        if progress.is_pending(uid):
            return False
        if progress.carried:
            progress.adopt(uid, mail.digest)
        if progress.is_pending(uid):
            return not self._agenda.is_due(uid)
        return mail.received_at < self._agenda.horizon

    def _pass_over(self, uid: int) -> None:
        progress = self._agenda.progress
        if progress.is_pending(uid):
            progress.advance(uid)
        else:
            progress.settle(uid)
        self._done(uid)

    def _take(self, mails: Sequence[Mail]) -> None:
        """Take these mails through the pipeline. Ended: not all of them."""
        endings = self._tools.pipeline.take(
            mails,
            self._tools.addresses,
            self._agenda.progress,
            goes_on=self._goes_on,
            told=self._report.entries.append,
        )
        left = len(mails)
        try:
            with closing(endings):
                for ending in endings:
                    left -= 1
                    self._report.looked_at += 1
                    self._ended(ending)
                    self._done(ending.mail.ref.uid)
        except StateError:
            self._report.looked_at += 1  # the mail that met it
            raise
        if left > 0:
            raise Ended

    def _ended(self, ending: Ending) -> None:
        """The mail is settled, or is postponed now. Ended: a dependency is away."""
        mail = ending.mail
        uid = mail.ref.uid
        match ending.error:
            case None:
                self._settled(uid, ending.entry)
                if ending.entry is None and self._run.again_from is not None:
                    self._note_still_held(mail)
            case Outage() as outage:
                self._outage(mail, outage)
            case TransientError() as error:
                self._postpone(uid, error, error.retry_after, digest=mail.digest)
            case ConfigurationError() as error:
                self._postpone(uid, error, digest=mail.digest)
            case bug:
                self._crash(mail, bug)

    def _settled(self, uid: int, entry: Entry | None) -> None:
        progress = self._agenda.progress
        if self._tools.after_capture is None:
            progress.follow_ups.pop(uid, None)
        progress.recognise(uid, self._agenda.keys.get(uid, ""))
        asked_store = entry is not None and entry.path is not None  # which only a capture has
        self._tools.poison.settled(self._agenda.key(uid), answered=asked_store)

    def _note_still_held(self, mail: Mail) -> None:
        """Whoever had settled mail looked at again hears what is no better for it."""
        entry = self._tools.pipeline.recorded(mail)
        if entry is not None and entry.event == Event.HELD:
            self._report.still_held.append(entry)

    def _outage(self, mail: Mail, outage: Outage) -> None:
        """Postpone the mail, and find out what is to blame. Ended: a dependency is away."""
        uid = mail.ref.uid
        attempts = self._agenda.progress.attempts(uid) + 1
        cause = self._tools.poison.met(self._agenda.key(uid), outage, attempts)
        if cause is Cause.MAIL:
            self._postpone(uid, outage, outage.retry_after, digest=mail.digest)
            return
        # Due at once: whoever sweeps pauses instead.
        self._postpone(uid, outage, 0.0, digest=mail.digest)
        if cause is Cause.DEPENDENCY:
            raise Ended

    def _crash(self, mail: Mail, bug: Exception) -> None:
        """The mail waits. The log is told where the bug is, not its text, which may be anything."""
        kind = type(bug).__name__
        error = TransientError(f"an error of this program: {kind}", code="internal")
        self._postpone(mail.ref.uid, error, digest=mail.digest, kind=kind, at=raised_at(bug))

    def _postpone(
        self,
        uid: int,
        error: TransientError | ConfigurationError,
        retry_after: float | None = None,
        *,
        digest: str = "",
        **fields: str,
    ) -> None:
        now = self._tools.now()
        is_first = not self._agenda.progress.is_pending(uid)
        pending = self._agenda.progress.postpone(
            uid, error.code, now, self._tools.rng, retry_after, digest
        )
        tell = self._tools.log.debug
        if is_first or (error.code != NOT_ASKED and _is_told(pending.attempts)):
            tell = self._tools.log.warning
        tell(
            "mail.pending",
            mailbox=self._mailbox.name,
            folder=self._state.name,
            uid=uid,
            code=error.code,
            error=str(error),
            attempts=pending.attempts,
            next_try=iso(pending.next_try),
            **_whose(error.subject),
            **fields,
        )
        self._report.trouble(Trouble(self._state.name, uid, error.code, str(error), error.subject))


def _whose(subject: Subject | None) -> dict[str, str]:
    """Fields for the log."""
    if subject is None:
        return {}
    return {name: value for name, value in asdict(subject).items() if value is not None}


def _is_told(attempts: int) -> bool:
    """At the 1st, 2nd, 4th, 8th … try: a long outage does not fill the log."""
    return attempts & (attempts - 1) == 0
