"""The way of all new mail of one mailbox: what every wakeup leads to.

For each watched folder: open it read-only, survey what came since the checkpoint, fetch what is
ours and what is due again, take it through the pipeline in order of arrival, remember what is
settled (`visit`). The checkpoint is saved after each batch; a crash before that replays the batch,
which the pipeline recognises.

The inbox comes first, and once more after each batch of another folder: whatever somebody sends to
a spam folder, it holds up no token for longer than one batch. Where somebody listens for news
after the sweep, it also comes last and stays open, so that none is missed. What the configuration
wants to be done to settled mail (`follow_up`) is done when all folders were gone through.

A mail that cannot be settled now becomes pending, with its own back-off, and holds up nobody.
When a whole dependency is away (`Outage`) the sweep ends there, and the next one begins with that
mail. Which of the two it is, and what is done about a mail whose FETCH fails, `poison` decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from token_catcher.errors import AccessError, StateError, TokenCatcherError, TransientError
from token_catcher.follow_up import FollowUps
from token_catcher.judge import Judge
from token_catcher.lookup import Lookup
from token_catcher.model import Entry, Secret
from token_catcher.ports import FolderState, Mailbox
from token_catcher.record import Checkpoint, LookNotes
from token_catcher.report import Report, Trouble
from token_catcher.run import Ended, Run, Tools
from token_catcher.visit import Visit


@dataclass(frozen=True, slots=True)
class Watched:
    """One mailbox, and all that it takes to look after it. Made by `app`."""

    name: str
    server: str
    """The host; mailboxes of the same one take turns to log in."""
    connect: Callable[[], Mailbox]
    """A logged-in session; the caller closes it. Raises what `imap` raises."""
    sweep: Sweep
    judge: Judge
    addresses: tuple[str, ...]
    lookback: timedelta
    poll: timedelta
    idle: bool
    credential: Callable[[], Secret | None] = lambda: None
    """What the next login would prove itself with: once it differs, a refusal is worth another try
    at once."""
    look_notes: LookNotes | None = None
    """Where it is noted when the mailbox was looked at, for `status`. None: nowhere."""

    def note_sweep(self) -> None:
        """All folders were looked at, without any trouble."""
        if self.look_notes is not None:
            self.look_notes.swept()

    def note_trouble(self, code: str) -> None:
        """Trouble kept us from that. `code`: of the error."""
        if self.look_notes is not None:
            self.look_notes.met(code)

    def note_report(self, report: Report) -> None:
        """A sweep of all folders ended so."""
        if report.error is not None:
            self.note_trouble(report.error.code)
        elif report.complete:
            self.note_sweep()


@dataclass(slots=True)
class Sweep(Tools):
    """Sweeps one mailbox, as often as asked, one sweep at a time.

    The checkpoint is locked for the time of a sweep, so a manual scan beside the daemon is safe;
    one that was stopped (Ctrl-Z) loses it to the next sweep."""

    wanted: dict[str, Entry] = field(init=False, default_factory=dict)
    """By digest, the records whose mail the next sweep takes through once more."""

    def bring_back(self, entry: Entry) -> None:
        """Have the next sweep take the mail of this record through once more. From any thread."""
        self.wanted[entry.mail] = entry

    def would_find_nothing(self, after: Report) -> bool:
        """Whether a look would find nothing, as that one did, if the server tells the same of all
        folders as it did then. From the thread of the mailbox."""
        if self.wanted or not after.found_nothing or after.checkpoint is None:
            return False
        return Checkpoint.stamp_of(self.checkpoints, after.mailbox) == after.checkpoint

    def run(
        self,
        mailbox: Mailbox,
        folders: Sequence[str] | None = None,
        *,
        again: bool = False,
        since: timedelta | None = None,
        at_once: bool = False,
        wait: float = 60,
        listens: bool = True,
        moved: Callable[[], None] = lambda: None,
        report: Report | None = None,
    ) -> Report:
        """Look at everything new in these folders (all watched ones), the inbox, which
        is the first of them, first and last.

        The look-back window is for a folder that nothing is known of; above what is known every
        mail is new, however old. `again`: at the settled mail of the window as well. `since`:
        another window for that; where nothing is known, it only widens. `at_once`: what waits is
        tried now, whatever its back-off, so that each is told with its reason. `wait`: seconds to
        wait for another sweep of this mailbox to end. `listens`: whether whoever asked listens for
        news afterwards; else the inbox is not looked at once more at the end. `moved` is told of
        each step. `report`: a new one, to be filled, for who looks into it meanwhile."""
        report = report or Report(mailbox.name)
        window = since or self.lookback
        now = self.now()
        begin = now - max(window, self.lookback)  # a narrow `since` must lose nothing
        again_from = now - window if again else None
        try:
            with Checkpoint.hold(
                self.checkpoints, mailbox.name, wait=wait, on_wait=mailbox.ask_anew
            ) as checkpoint:
                goes_on = partial(_go_on, checkpoint, moved)
                run = Run(
                    self,
                    mailbox,
                    checkpoint,
                    report,
                    begin,
                    again_from,
                    at_once,
                    goes_on,
                    listens=listens,
                )
                self._go_through(run, folders)
                report.checkpoint = Checkpoint.stamp_of(self.checkpoints, mailbox.name)
        except (StateError, TransientError) as error:
            # The disk, or another sweep that holds the checkpoint: the session is still good.
            report.error = error
        mailbox.ask_anew()  # whatever this sweep has not come to is old by the next one
        self.pipeline.tell_left_out(of_past_hours=True)
        return report

    def _go_through(self, run: Run, folders: Sequence[str] | None) -> None:
        """Go through the folders and fill the report. StateError: our files cannot be used."""
        run.tell_beginning()
        self.poison.begin_sweep()
        try:
            self._unsettle_wanted(run)
            self._visit(run, run.mailbox.folders() if folders is None else folders)
            self.poison.complete_sweep()
            run.report.complete = True
            run.report.error = self.poison.away or run.report.error
        except Ended:
            run.report.error = self.poison.away
        except StateError:
            raise
        except TokenCatcherError as error:
            run.report.error = error
            run.report.broken = True
        run.report.unapplied = run.checkpoint.unapplied

    def _unsettle_wanted(self, run: Run) -> None:
        """Make the mail of each wanted record pending, on disk before any of it is touched."""
        while self.wanted:
            # Taken out before the search: one that breaks the session must not break the next.
            entry = self.wanted.pop(next(iter(self.wanted)))
            found = Lookup(run.mailbox, self.domains).find(entry, self.now() - self.lookback)
            run.moved()
            if found.mail is None:
                self._tell_missing(entry, found.trouble)
            elif run.checkpoint.unsettle(found.mail.ref, self.now()):
                run.checkpoint.save()

    def _tell_missing(self, entry: Entry, trouble: Trouble | None) -> None:
        """The mail does not bring its token back, or not now."""
        note = "it is in no watched folder any more: reset the user's security token"
        if trouble is not None:
            note = trouble.message
        self.log.warning(
            "mail.missing",
            mailbox=entry.mailbox,
            folder=entry.folder,
            uid=entry.uid,
            org=entry.org,
            username=entry.username,
            note=note,
        )

    def _visit(self, run: Run, folders: Sequence[str]) -> None:
        """Each folder; the inbox first, after each batch of another one, and last."""
        inbox, *others = folders
        self._look(run, inbox)
        opened = [inbox]
        unopened: list[AccessError] = []
        for folder in others:
            try:
                state = self._opened(run, folder)
            except AccessError as error:
                unopened.append(error)  # another folder's trouble must not cost the inbox
                run.report.error = _together(unopened)
                continue
            opened.append(folder)
            self._look_between(run, state, inbox)
        if others and run.listens:
            self._look(run.later, inbox)
        self._follow_up(run, opened)

    def _follow_up(self, run: Run, folders: Sequence[str]) -> None:
        """Do what is to be done to settled mail; the inbox is looked at after each round, and so is
        open again."""
        follow_ups = FollowUps(run)
        while follow_ups.round(folders):
            self._look(run.later, folders[0])

    def _look(self, run: Run, folder: str) -> None:
        """Look at all of a folder."""
        for _ in Visit(run, self._opened(run, folder)).batches():
            pass

    def _look_between(self, run: Run, state: FolderState, inbox: str) -> None:
        """Look at all of the folder that is open, and between its batches at the inbox."""
        with closing(Visit(run, state).batches()) as batches:
            for _ in batches:
                self._look(run.later, inbox)
                if self._opened(run, state.name).uidvalidity != state.uidvalidity:
                    return  # its UIDs are others now: the next sweep begins with them

    def _opened(self, run: Run, folder: str) -> FolderState:
        """The folder, open for reading."""
        state = run.mailbox.examine(folder)
        # No folder is set back on one word: it may be from before the last sweep.
        if run.checkpoint.contradicts(folder, state.uidvalidity, state.uidnext):
            state = run.mailbox.examine(folder)
        if run.checkpoint.wavers(folder, state.uidvalidity):
            state = run.mailbox.select_once(folder)
        return state


def _go_on(checkpoint: Checkpoint, moved: Callable[[], None]) -> None:
    """Show everybody who waits for this sweep that it has made a step."""
    checkpoint.goes_on()
    moved()


def _together(errors: Sequence[AccessError]) -> AccessError:
    """One error that names every folder that cannot be opened."""
    return AccessError("; ".join(map(str, errors)), code=errors[0].code)
