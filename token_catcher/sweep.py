"""The way of all new mail of one mailbox: what every bell leads to.

For each watched folder: open it read-only, ask for what came since the checkpoint and for what is due again, take it
through the pipeline in order of arrival, remember what is settled. The checkpoint is saved after each batch; a crash
before that replays the batch, which the pipeline recognises. The inbox comes last and stays open: whoever listens for
news after a sweep has missed none.

One mail that cannot be settled now becomes pending, with its own back-off, and holds up nobody. When a whole dependency is away
(`Outage`) the mail is not to blame: the sweep ends there and the next one begins with it, so that what waited is caught in the
order of its arrival. Should it be to blame after all, a neighbour that fares better shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

from token_catcher.errors import (
    AccessError,
    ConfigurationError,
    Outage,
    StateError,
    TokenCatcherError,
    TransientError,
)
from token_catcher.judge import Judge
from token_catcher.model import Entry, Mail, Secret, iso
from token_catcher.pipeline import Pipeline
from token_catcher.ports import FolderState, Log, Mailbox
from token_catcher.record import Checkpoint, Pending

BATCH: Final = 32
"""Mails in memory at a time: 32 of at most 256 kB."""

FIRST: Final = 1
"""Mails of the first batch: as many as it takes to see that a dependency is away."""

DOUBTS: Final = 8
"""At every such try of a mail that only meets outages its neighbour is tried as well: is it the mail's own trouble?"""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A mail that could not be settled now, and why."""

    folder: str
    uid: int
    code: str
    message: str


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
    """Whether every folder was gone through, or tried: one that cannot be opened leaves an error, the others follow."""
    broken: bool = False
    """Whether the mailbox session must be replaced: the error was not the store's or the disk's."""


EVER: Final = datetime(1970, 1, 2, tzinfo=UTC)
"""Before any mail that could be of interest, and a day that every server takes for SINCE."""
SAVED_APART: Final = timedelta(seconds=1)
VANISHED: Final = "vanished"
"""The code of a mail that SEARCH told of and FETCH did not give."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One mailbox, and all that it takes to look after it. Made by `app`."""

    name: str
    connect: Callable[[], Mailbox]
    """A logged-in session; the caller closes it. Raises what the imap room raises."""
    sweep: Sweep
    judge: Judge
    addresses: tuple[str, ...]
    lookback: timedelta
    poll: timedelta
    idle: bool
    credential: Callable[[], Secret | None] = lambda: None
    """What the next login would prove itself with: once it differs, a refusal is worth another try at once."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Sweeps one mailbox. The checkpoint is locked for the time of a sweep, so a manual scan beside the daemon is safe."""

    pipeline: Pipeline
    checkpoints: Path
    _: KW_ONLY
    addresses: Sequence[str]
    lookback: timedelta
    log: Log
    now: Callable[[], datetime]
    rng: Random
    stopping: Callable[[], bool] = lambda: False
    """Asked between two mails; then the sweep ends early and loses nothing."""
    suspects: set[tuple[str, int]] = field(init=False, default_factory=set)
    """Folder and UID of mails whose FETCH failed: fetched one by one from then on, and postponed if that fails as well."""
    blamed: set[tuple[str, int]] = field(init=False, default_factory=set)
    """Those whose outages are their own trouble, since a neighbour met none."""

    def run(
        self,
        mailbox: Mailbox,
        folders: Sequence[str] | None = None,
        *,
        again: bool = False,
        since: timedelta | None = None,
        wait: float = 60,
        moved: Callable[[], None] = lambda: None,
    ) -> Report:
        """Look at everything new in these folders (all watched ones), the first one last.

        The look-back window is for a folder that nothing is known of; above what is known every mail is new, however old.
        `again`: at the settled mail of the window as well. `since`: another window for that; where nothing is known, it only
        widens. `wait`: seconds to wait for another sweep of this mailbox to end; `moved` is told of each step."""
        report = Report(mailbox.name)
        window = since or self.lookback
        begin, back = self.now() - max(window, self.lookback), self.now() - window
        try:
            with Checkpoint.hold(self.checkpoints, mailbox.name, wait=wait) as checkpoint:
                self.tell(mailbox.name, checkpoint, checkpoint.notes)
                self._look(
                    mailbox,
                    folders,
                    _Run(checkpoint, report, begin, back if again else None, moved),
                )
        except (
            StateError,
            TransientError,
        ) as error:  # the disk, or another sweep that holds the checkpoint
            report.error = error
        return report

    def _look(self, mailbox: Mailbox, folders: Sequence[str] | None, run: _Run) -> None:
        """Go through the folders. StateError: our own files cannot be used."""
        report = run.report
        try:
            inbox, *others = mailbox.folders() if folders is None else folders
            for folder in [*others, inbox]:
                try:
                    state = mailbox.examine(folder)
                except AccessError as error:
                    if folder == inbox:
                        raise
                    report.error = error  # another folder's trouble must not cost the inbox
                    continue
                _Visit(self, mailbox, state, run).look()
            report.complete = True
            report.error = run.away or report.error
        except _Ended:
            report.error = run.away
        except StateError:
            raise
        except TokenCatcherError as error:
            report.error, report.broken = error, True

    def tell(
        self, mailbox: str, checkpoint: Checkpoint, notes: Sequence[str], **fields: str
    ) -> None:
        """Say why a checkpoint, or a folder of it, begins anew; once, since the new one is on disk then."""
        for note in notes:
            self.log.warning("checkpoint.reset", mailbox=mailbox, note=note, **fields)
            checkpoint.save()


class _Ended(Exception):
    """The sweep ends here, and the session stays: a dependency is away, or a stop was asked for."""


@dataclass(slots=True)
class _Run:
    """One sweep."""

    checkpoint: Checkpoint
    report: Report
    begin: datetime
    """Where a folder begins that nothing is known of."""
    again: datetime | None
    """Where a second look begins, if there is to be one."""
    moved: Callable[[], None]
    away: Outage | None = None
    """What the last mail met, if it was that."""
    doubted: tuple[str, int] | None = None
    """The mail that met it, if that may be its own trouble."""


class _Visit:
    """One folder in one sweep."""

    def __init__(self, sweep: Sweep, mailbox: Mailbox, state: FolderState, run: _Run) -> None:
        self._sweep = sweep
        self._mailbox = mailbox
        self._state = state
        self._run = run
        self._report = run.report
        self._progress = run.checkpoint.folder(state.name, state.uidvalidity, state.uidnext)
        self._horizon = run.begin if self._progress.settled_through == 0 else EVER
        self._saved_at = sweep.now()

    def look(self) -> None:
        """Take every new and every due mail through the pipeline. _Ended: not all of them."""
        self._sweep.tell(
            self._mailbox.name, self._run.checkpoint, self._progress.notes, folder=self._state.name
        )
        if self._run.again is not None:
            self._unsettle(self._run.again)
        uids = self._to_look_at()
        left = set(uids)
        try:
            for batch in self._batches(uids):
                self._batch(batch, left)
                self._save_now_and_then()
            self._finish(uids)
            self._run.checkpoint.save()
        except (
            _Ended,
            TransientError,
            ConfigurationError,
        ):  # not StateError: saving would fail too, and hide why
            self._run.checkpoint.save()
            raise
        finally:
            self._count(left)

    def _save_now_and_then(self) -> None:
        """A large checkpoint takes its time; what a crash costs between two savings is a second look, which adds nothing."""
        now = self._sweep.now()
        if abs(now - self._saved_at) >= SAVED_APART:
            self._run.checkpoint.save()
            self._saved_at = now

    def _unsettle(self, since: datetime) -> None:
        """Make the settled mail of the window pending, on disk before any of it is touched: a crash repeats the look."""
        for uid in self._mailbox.search(0, since):
            if uid <= self._progress.settled_through:
                self._progress.unsettle(uid, self._sweep.now())
        self._run.checkpoint.save()

    def _to_look_at(self) -> list[int]:
        """What is due again and what is new, ascending; asks the server only where UIDNEXT says there is something."""
        due = self._progress.due(self._sweep.now())
        if (
            self._state.uidnext is not None
            and self._state.uidnext <= self._progress.settled_through + 1
        ):
            return due
        return sorted({*due, *self._mailbox.search(self._progress.settled_through, self._horizon)})

    def _batches(self, uids: Sequence[int]) -> Iterator[Sequence[int]]:
        """A short one, then full ones; suspects alone."""
        batch: list[int] = []
        size = FIRST
        for uid in uids:
            alone = self._place(uid) in self._sweep.suspects
            if batch and (alone or len(batch) == size):
                yield batch
                batch, size = [], BATCH
            batch.append(uid)
            if alone:
                yield batch
                batch = []
        if batch:
            yield batch

    def _batch(self, uids: Sequence[int], left: set[int]) -> None:
        mails = {mail.ref.uid: mail for mail in self._fetch(uids)}
        for uid in uids:
            if self._sweep.stopping():
                raise _Ended
            self._run.moved()
            mail = mails.pop(uid, None)
            if mail is None:
                self._absent(uid)
            elif mail.received_at < self._horizon and not self._progress.is_pending(uid):
                self._progress.settle(uid)  # older than the window, to which SINCE only comes near
            else:
                self._mail(mail)
            left.discard(uid)

    def _absent(self, uid: int) -> None:
        """Moved away between SEARCH and FETCH, most often; what a server leaves out by mistake is there the second time."""
        known = self._progress.pending.get(uid)
        if known is not None and known.code == VANISHED:
            self._progress.settle(uid)
        else:
            self._progress.postpone(uid, VANISHED, self._sweep.now(), self._sweep.rng)

    def _fetch(self, uids: Sequence[int]) -> Sequence[Mail]:
        """A mail that cannot be fetched must not freeze the folder: find it by fetching one by one, then step over it."""
        places = {self._place(uid) for uid in uids}
        try:
            mails = self._mailbox.fetch(uids)
        except TransientError as error:
            if places <= self._sweep.suspects:
                self._postpone(uids[0], error, error.retry_after)
            self._sweep.suspects.update(places)
            raise
        self._sweep.suspects.difference_update(places)
        return mails

    def _mail(self, mail: Mail) -> None:
        """Take one mail to its end, or postpone it. _Ended: a dependency is away."""
        self._report.looked_at += 1
        uid = mail.ref.uid
        try:
            entry = self._sweep.pipeline.process(mail, self._sweep.addresses, self._progress)
        except StateError:
            raise
        except Outage as outage:
            self._meet(uid, outage)
        except (TransientError, ConfigurationError) as error:
            self._postpone(
                uid, error, error.retry_after if isinstance(error, TransientError) else None
            )
        except Exception as bug:  # noqa: BLE001 - a bug that one mail wakes must not cost the others
            self._postpone(
                uid,
                TransientError(f"an error of this program: {type(bug).__name__}", code="internal"),
                None,
            )
        else:
            self._report.entries.extend([entry] if entry else [])
            self._settled(uid)

    def _meet(self, uid: int, outage: Outage) -> None:
        """Due at once, since whoever sweeps pauses; a mail to blame has its own back-off. _Ended: a dependency is away."""
        if self._place(uid) in self._sweep.blamed:
            self._postpone(uid, outage, outage.retry_after)
            return
        pending = self._postpone(uid, outage, 0.0)
        before, self._run.away, self._run.doubted = self._run.away, outage, self._place(uid)
        if before is not None or pending.attempts % DOUBTS:
            raise _Ended

    def _settled(self, uid: int) -> None:
        """The mail met no outage: if the one before did, that was its own trouble."""
        if self._run.doubted is not None:
            self._sweep.blamed.add(self._run.doubted)
        self._run.away, self._run.doubted = None, None
        self._sweep.blamed.discard(self._place(uid))

    def _postpone(
        self, uid: int, error: TransientError | ConfigurationError, retry_after: float | None
    ) -> Pending:
        pending = self._progress.postpone(
            uid, error.code, self._sweep.now(), self._sweep.rng, retry_after
        )
        seldom = pending.attempts & (pending.attempts - 1) == 0  # the 1st, 2nd, 4th, 8th … time
        tell = self._sweep.log.warning if seldom else self._sweep.log.debug
        tell(
            "mail.pending",
            mailbox=self._mailbox.name,
            folder=self._state.name,
            uid=uid,
            code=error.code,
            error=str(error),
            attempts=pending.attempts,
            next_try=iso(pending.next_try),
        )
        self._report.troubles.append(Trouble(self._state.name, uid, error.code, str(error)))
        return pending

    def _finish(self, uids: Sequence[int]) -> None:
        """The folder is known up to here: UIDs only grow, and what SEARCH left out below is not for us."""
        seen_through = max([(self._state.uidnext or 1) - 1, *uids])
        self._progress.advance(seen_through)

    def _count(self, left: set[int]) -> None:
        pending = self._progress.pending
        self._report.pending += len(left | pending.keys())
        due = [one.next_try for one in pending.values()]
        self._report.next_try = min(filter(None, [self._report.next_try, *due]), default=None)

    def _place(self, uid: int) -> tuple[str, int]:
        return self._state.name, uid
