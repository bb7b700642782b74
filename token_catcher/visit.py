"""One folder in one sweep: what is new in it and what is due again, taken through the pipeline.

What a server says is never believed where it says that there is nothing: `survey` finds what is
ours, and a mail whose body does not come is settled only when the server, asked for that one mail,
says that it is gone. Where a folder is numbered anew, everything is looked at again; what waits is
known by its digest, and goes on waiting for its own next try.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

from token_catcher.errors import (
    ConfigurationError,
    Outage,
    StateError,
    TokenCatcherError,
    TransientError,
)
from token_catcher.log import raised_at
from token_catcher.model import Entry, Mail, iso
from token_catcher.pipeline import Pipeline
from token_catcher.poison import Cause, MailKey, Poison
from token_catcher.ports import FolderState, Log, Mailbox
from token_catcher.record import Checkpoint
from token_catcher.survey import LITTLE, Survey, Surveyor, is_gone

BATCH: Final = 32
"""Mails in memory at a time: 32 of at most 256 kB."""
FIRST: Final = 1
"""Mails of the first batch: as many as it takes to see that a dependency is away."""
EVER: Final = datetime(1970, 1, 2, tzinfo=UTC)
"""Before any mail that could be of interest, and a day that every server takes for SINCE."""
SAVED_APART: Final = timedelta(seconds=1)
"""Between two savings of the checkpoint within a folder."""
NO_BODY: Final = "imap-no-body"
"""The code of a mail that is there, and whose body the server does not give."""
INCOMPLETE: Final = "imap-incomplete"
"""The code where mail is there that the server does not name."""
BELOW_APART: Final = timedelta(hours=1)
"""Between two looks below what is settled, where nothing calls for one: whether the last mail is
still the same, and whether one has come to light that a count of the mails does not show."""
ASKED_AGAIN: Final = timedelta(seconds=30)
"""After a look that was not complete."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A mail that could not be settled now, and why."""

    folder: str
    uid: int | None
    """None: the folder as a whole."""
    code: str
    message: str


def without_body(mailbox: str, folder: str, uid: int) -> Trouble:
    """The server has the mail, and does not give its body."""
    text = f"mailbox {mailbox}: the server does not give the body of a mail"
    return Trouble(folder, uid, NO_BODY, text)


def incomplete(mailbox: str, folder: str, whole_through: int) -> Trouble:
    """The server counts mail above this UID that it does not name."""
    text = (
        f"mailbox {mailbox}: folder {folder!a} holds mail above UID {whole_through} that the server"
        " does not tell"
    )
    return Trouble(folder, whole_through + 1, INCOMPLETE, text)


@dataclass(slots=True)
class Report:
    """What one sweep did; filled while it runs, whole when it ends, whatever ended it."""

    mailbox: str
    looked_at: int = 0
    """Mails taken through the pipeline."""
    entries: list[Entry] = field(default_factory=list)
    """What was added to the journal."""
    troubles: list[Trouble] = field(default_factory=list)
    pending: int = 0
    """Mails waiting for another try when the sweep ended, and those it did not come to."""
    next_try: datetime | None = None
    """When the first of them is due."""
    error: TokenCatcherError | None = None
    """What went wrong besides single mails; everything settled until then stays so."""
    complete: bool = False
    """Whether every folder was gone through, or tried: one that cannot be opened leaves an error,
    and the others follow."""
    broken: bool = False
    """Whether the mailbox session must be replaced: the error was not the store's or the disk's."""


@dataclass(slots=True)
class Tools:
    """What it takes to sweep one mailbox, the same from sweep to sweep."""

    pipeline: Pipeline
    checkpoints: Path
    """The directory of the checkpoints of all mailboxes."""
    _: KW_ONLY
    addresses: Sequence[str]
    domains: Sequence[str]
    """Mail is ours if its From names one of them."""
    lookback: timedelta
    log: Log
    now: Callable[[], datetime]
    rng: Random
    stopping: Callable[[], bool] = lambda: False
    """Asked between two mails; then the sweep ends early and loses nothing."""
    poison: Poison = field(init=False, default_factory=Poison)
    """What earlier sweeps have learnt, for as long as the process lives."""


class Ended(Exception):
    """The sweep ends here, and the session stays: a dependency is away, or a stop was asked for."""


@dataclass(frozen=True, slots=True)
class Run:
    """One sweep over several folders."""

    tools: Tools
    mailbox: Mailbox
    checkpoint: Checkpoint
    report: Report
    begin: datetime
    """Where a folder begins that nothing is known of."""
    again_from: datetime | None
    """Where a second look at settled mail begins, if there is to be one."""
    at_once: bool
    """Whether what waits is due now, whatever its back-off."""
    moved: Callable[[], None]

    def tell(self, notes: Sequence[str], *, folder: str | None = None, often: bool = False) -> None:
        """Say why a checkpoint, or a folder of it, begins anew.

        Once: the new one is on disk then. `often`: it is so at every look, and was told."""
        tell = self.tools.log.warning
        if often:
            tell = self.tools.log.debug
        about = {"mailbox": self.mailbox.name}
        if folder is not None:
            about["folder"] = folder
        for note in notes:
            tell("checkpoint.reset", **about, note=note)
            self.checkpoint.save()


class Visit:
    """One folder in one sweep."""

    def __init__(self, run: Run, state: FolderState) -> None:
        self._run = run
        self._tools = run.tools
        self._mailbox = run.mailbox
        self._report = run.report
        self._state = state
        self._begin = run.tools.now() - run.tools.lookback
        self._progress = run.checkpoint.folder(
            state.name, state.uidvalidity, state.uidnext, self._begin
        )
        self._horizon = EVER
        self._keys: Mapping[int, str] = {}
        """Of the new mails: see `Heading.key`."""
        self._looks_below = False
        """Whether the survey holds the newest mail below as well."""
        self._saved_at = run.tools.now()
        self._left: set[int] = set()
        """UIDs that the visit has not come to yet."""

    def look(self) -> None:
        """Take every new and every due mail through the pipeline. Ended: not all of them."""
        self._tell_anew()
        survey = self._survey()
        if self._run.again_from is not None:
            self._unsettle(self._run.again_from)
        uids = self._to_look_at(survey)
        waiting = {self._key(uid) for uid in [*uids, *self._progress.pending]}
        self._tools.poison.forget_gone(self._state.name, waiting)
        self._left = set(uids)
        try:
            # In order of arrival, so that every token becomes a version.
            for batch in self._batches(uids):
                self._batch(batch)
                self._save_now_and_then()
            self._finish(survey)
            self._run.checkpoint.save()
        except (Ended, TransientError, ConfigurationError):
            if survey is not None:
                self._note_partial(survey)
            # Not on a StateError: saving would fail as well, and hide why.
            self._run.checkpoint.save()
            raise
        finally:
            self._count_waiting()

    def _save_now_and_then(self) -> None:
        """A large checkpoint takes its time; a crash between two savings costs only a second look,
        which adds nothing."""
        now = self._tools.now()
        # The wall's clock may be set back, hence the absolute value.
        if abs(now - self._saved_at) >= SAVED_APART:
            self._run.checkpoint.save()
            self._saved_at = now

    def _tell_anew(self) -> None:
        """Why the folder begins anew, if it does; only once where it does so time and again."""
        often = self._progress.renumbered > 1
        if self._progress.notes and self._progress.renumbered == 2:
            self._tools.log.warning(
                "mailbox.renumbers",
                mailbox=self._mailbox.name,
                folder=self._state.name,
                note="the server numbers the folder anew at every look or delivery: no mail is"
                " lost by it, but every look costs more; see docs/mailboxes.md",
            )
        self._run.tell(self._progress.notes, folder=self._state.name, often=often)
        self._progress.notes = ()

    # -- what there is --

    def _survey(self) -> Survey | None:
        """What is new in the folder. None: EXAMINE says that nothing can be."""
        progress = self._progress
        if self._has_nothing_new():
            return None
        if progress.is_new:
            self._horizon = self._first_horizon()
        surveyor = self._surveyor()
        survey = surveyor.above(
            progress.settled_through,
            self._horizon,
            progress.last_uid,
            with_keys=progress.renumbered > 0,
        )
        if self._is_set_back(survey):
            note = f"the mail of UID {progress.last_uid} is another one: the folder was set back"
            self._progress = self._run.checkpoint.begin_anew(
                self._state.name, self._state.uidvalidity, note, self._begin
            )
            self._tell_anew()
            self._horizon = self._first_horizon()
            return surveyor.above(0, self._horizon, with_keys=True)
        if self._is_look_below_due() or self._has_grown_below(survey):
            return self._with_newest(surveyor, survey)
        return survey

    def _first_horizon(self) -> datetime:
        """Where a folder begins that nothing is known of, or that was numbered anew."""
        return min(self._run.begin, self._progress.looked_back_to or self._run.begin)

    def _has_nothing_new(self) -> bool:
        """Nothing is asked then, unless it is time for a look below."""
        if not self._progress.has_nothing_new(self._state.uidnext, self._state.exists):
            return False
        return self._state.exists == 0 or not self._is_look_below_due()

    def _is_look_below_due(self) -> bool:
        looked_below_at = self._progress.looked_below_at
        if looked_below_at is None:
            return False
        # The wall's clock may be set back, hence the absolute value.
        return abs(self._tools.now() - looked_below_at) >= BELOW_APART

    def _is_set_back(self, survey: Survey) -> bool:
        """Whether the last mail that was read is another one now (RFC 3501, 2.3.1.1: never)."""
        if survey.anchor is None or not survey.anchor.key:
            return False
        return self._progress.last_key not in ("", survey.anchor.key)

    def _has_grown_below(self, survey: Survey) -> bool:
        """Whether there is more mail than before and what is new: some servers give out a UID
        before the mail can be seen."""
        if self._progress.exists is None:
            return False
        return self._state.exists > self._progress.exists + len(survey.uids)

    def _with_newest(self, surveyor: Surveyor, survey: Survey) -> Survey:
        """The survey, and what has come to light among the newest mail below.

        What earlier looks came to is settled or pending, and is not fetched again."""
        after = max(0, self._progress.settled_through - LITTLE)
        newest = surveyor.above(after, self._progress.looked_back_to or EVER)
        self._looks_below = True
        ours = {*survey.ours, *newest.ours}.difference(self._progress.newest_ours)
        return replace(survey, ours=tuple(sorted(ours)), whole_through=newest.whole_through)

    def _surveyor(self) -> Surveyor:
        return Surveyor(self._mailbox, self._state, self._tools.domains)

    def _unsettle(self, since: datetime) -> None:
        """Make the settled mail of the window pending, on disk before any of it is touched: a crash
        repeats the look."""
        for uid in self._surveyor().above(0, since).ours:
            if uid <= self._progress.settled_through:
                self._progress.unsettle(uid, self._tools.now())
        self._run.checkpoint.save()

    def _to_look_at(self, survey: Survey | None) -> list[int]:
        """What is due again and what is new, ascending."""
        # Only what is pending can be left out: of new mail no checkpoint would know any more.
        left_out = self._tools.poison.left_out
        uids = {uid for uid in self._due() if self._key(uid) not in left_out}
        if survey is not None:
            uids.update(self._new(survey))
        return sorted(uids)

    def _due(self) -> Sequence[int]:
        if self._run.at_once:
            return sorted(self._progress.pending)
        return self._progress.due(self._tools.now())

    def _new(self, survey: Survey) -> Iterator[int]:
        """What is ours, does not wait already, and was not settled under another number."""
        self._keys = survey.keys
        if survey.whole_through is not None:
            self._progress.whole_through = survey.whole_through
        times = Counter(survey.keys.values())
        for uid in survey.ours:
            key = survey.keys.get(uid, "")
            # Two mails of one key: one of them may be new.
            is_known = key in self._progress.known and times[key] == 1
            if not is_known and not self._progress.is_pending(uid):
                yield uid

    def _batches(self, uids: Sequence[int]) -> Iterator[Sequence[int]]:
        """A short one, then full ones; suspects alone."""
        batch: list[int] = []
        size = FIRST
        for uid in uids:
            alone = self._key(uid) in self._tools.poison.suspects
            if batch and (alone or len(batch) == size):
                yield batch
                batch = []
                size = BATCH
            batch.append(uid)
            if alone:  # no neighbour shares its fate
                yield batch
                batch = []
        if batch:
            yield batch

    def _batch(self, uids: Sequence[int]) -> None:
        mails = {mail.ref.uid: mail for mail in self._fetch(uids)}
        for uid in uids:
            if self._tools.stopping():
                raise Ended
            self._run.moved()
            mail = mails.pop(uid, None)  # in memory no longer than needed
            if mail is None:
                self._without_body(uid)
            else:
                self._take(mail)
            self._left.discard(uid)

    def _fetch(self, uids: Sequence[int]) -> Sequence[Mail]:
        """The mails. A suspect that fails alone is postponed before the error goes its way."""
        keys = [self._key(uid) for uid in uids]
        try:
            mails = self._mailbox.fetch(uids)
        except TransientError as error:
            if self._tools.poison.fetch_failed(keys):
                self._postpone(uids[0], error, error.retry_after)
            raise
        self._tools.poison.fetched(keys)
        return mails

    def _without_body(self, uid: int) -> None:
        """Ask once more, for this mail alone: some servers leave mail out of a longer answer.

        Settled only where the server says of this one mail that it is gone."""
        for mail in self._fetch([uid]):
            self._take(mail)
            return
        if is_gone(self._mailbox, uid):
            self._tools.log.debug(
                "mail.gone", mailbox=self._mailbox.name, folder=self._state.name, uid=uid
            )
            self._progress.settle(uid)
            return
        trouble = without_body(self._mailbox.name, self._state.name, uid)
        self._postpone(uid, TransientError(trouble.message, code=trouble.code))

    def _take(self, mail: Mail) -> None:
        """Take a mail through the pipeline, unless it is too old, or waits for its own next try."""
        uid = mail.ref.uid
        if self._progress.carried and not self._progress.is_pending(uid):
            self._progress.adopt(uid, mail.digest)
            if self._progress.is_pending(uid) and not self._is_due(uid):
                self._progress.advance(uid)
                return
        if mail.received_at < self._horizon and not self._progress.is_pending(uid):
            self._progress.settle(uid)
            return
        self._mail(mail)

    def _is_due(self, uid: int) -> bool:
        return self._run.at_once or self._progress.pending[uid].is_due(self._tools.now())

    def _mail(self, mail: Mail) -> None:
        """Take one mail to its end, or postpone it. Ended: a dependency is away."""
        self._report.looked_at += 1
        uid = mail.ref.uid
        try:
            entry = self._tools.pipeline.process(mail, self._tools.addresses, self._progress)
        except StateError:
            raise  # no mail can be settled now
        except Outage as outage:
            self._outage(mail, outage)
        except TransientError as error:
            self._postpone(uid, error, error.retry_after, digest=mail.digest)
        except ConfigurationError as error:
            self._postpone(uid, error, digest=mail.digest)
        except Exception as bug:  # noqa: BLE001 - what one mail wakes must not cost the others
            self._crash(mail, bug)
        else:
            self._settled(uid, entry)

    def _settled(self, uid: int, entry: Entry | None) -> None:
        self._progress.remember(self._keys.get(uid, ""))
        if entry is not None:
            self._report.entries.append(entry)
        asked_store = entry is not None and entry.path is not None  # which only a capture has
        self._tools.poison.settled(self._key(uid), answered=asked_store)

    def _outage(self, mail: Mail, outage: Outage) -> None:
        """Postpone the mail, and find out what is to blame. Ended: a dependency is away."""
        uid = mail.ref.uid
        attempts = self._progress.attempts(uid) + 1
        cause = self._tools.poison.met(self._key(uid), outage, attempts)
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
        pending = self._progress.postpone(
            uid, error.code, now, self._tools.rng, retry_after, digest
        )
        tell = self._tools.log.debug
        if _is_told(pending.attempts):
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
            **fields,
        )
        self._report.troubles.append(Trouble(self._state.name, uid, error.code, str(error)))

    def _finish(self, survey: Survey | None) -> None:
        """Remember how far the folder is known: to the highest UID that was seen.

        Not to UIDNEXT: some servers raise it before the mail can be seen."""
        if survey is None:
            self._progress.looked(self._state.uidnext, self._state.exists)
            return
        self._progress.advance(survey.highest)
        if survey.whole_through is not None:
            self._incomplete(survey, survey.whole_through)
            return
        if survey.last is not None:
            self._progress.saw_last(survey.last.uid, survey.last.key)
        self._progress.saw_ours(survey.ours)
        if self._looks_below or self._progress.looked_below_at is None:
            self._progress.looked_below_at = self._tools.now()
        self._progress.looked(self._state.uidnext, self._state.exists)

    def _note_partial(self, survey: Survey) -> None:
        """How many mails the look came to: once there are more, and none of them is new, a mail
        has come to light below."""
        left = survey.above(self._progress.settled_through)
        self._progress.looked_in_part(self._state.exists - left)

    def _incomplete(self, survey: Survey, whole_through: int) -> None:
        """Mail is there that the server does not name; told loudly once, and asked for again."""
        tell = self._tools.log.debug
        if not self._progress.is_partial:
            tell = self._tools.log.warning
        tell(
            "folder.incomplete",
            mailbox=self._mailbox.name,
            folder=self._state.name,
            whole_through=whole_through,
        )
        self._note_partial(survey)
        self._report.troubles.append(
            incomplete(self._mailbox.name, self._state.name, whole_through)
        )
        self._report.pending += 1
        self._report.next_try = self._tools.now() + ASKED_AGAIN

    def _count_waiting(self) -> None:
        """How many mails wait in the folder, and when the first of them is due."""
        pending = self._progress.pending
        self._report.pending += len(self._left | pending.keys())
        tries = [mail.next_try for mail in pending.values()]
        if self._report.next_try is not None:
            tries.append(self._report.next_try)
        self._report.next_try = min(tries, default=None)

    def _key(self, uid: int) -> MailKey:
        return self._state.name, self._state.uidvalidity, uid


def _is_told(attempts: int) -> bool:
    """At the 1st, 2nd, 4th, 8th … try: a long outage does not fill the log."""
    return attempts & (attempts - 1) == 0
