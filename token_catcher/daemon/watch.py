"""Looks after one mailbox for as long as the process lives: connect → sweep → listen → sweep …

A wakeup carries no content: IDLE, the schedule, SIGUSR1, a pending mail that is due. Set twice is
set once, and the sweep that follows is the truth. One thread does all the work of a mailbox: it
sweeps every folder and then listens on the inbox, which the sweep left open. For each further
folder an idle listener waits on a connection of its own, and wakes that thread. No news is missed,
since a wakeup is cleared before the sweep that answers it, and IDLE tells of everything since
EXAMINE.

Nothing that one mailbox meets touches another: each has its threads, its connections and its
back-off.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from token_catcher.daemon.listener import IdleListener
from token_catcher.daemon.logins import Logins, ServerLogins
from token_catcher.daemon.sessions import SessionLoop
from token_catcher.daemon.wakeups import PACE, IdleTime, Pace, doubling
from token_catcher.errors import Outage, StateError, TokenCatcherError
from token_catcher.model import Secret
from token_catcher.ports import Log, Mailbox
from token_catcher.report import Report
from token_catcher.sweep import Watched

LATE: Final = 1.5
"""A schedule whose wakeup is late by this factor stands still: look without it. Its clock is the
wall's, which may be set back."""
LEFT_OUT_FOR: Final = 600.0
"""Seconds after a look at all folders for which others are left out, where the server tells that
all is as it was."""
LOGOUT_WITHIN: Final = 0.5
"""Seconds for an idle listener to log out when all ends."""


@dataclass(frozen=True, slots=True)
class Health:
    """How one mailbox does: for readiness, the watchdog, health page and metrics."""

    name: str
    moved_at: float
    """Monotonic seconds of the last step of the slowest of its threads."""
    looked: bool
    """Whether the first look ended, well or not."""
    connected: bool
    listening: tuple[str, ...]
    """The folders besides the inbox on which an idle listener is connected."""
    last_sweep_at: datetime | None
    """When all folders were last looked at without any trouble."""
    trouble: str | None
    pending: int
    keyless: int
    unapplied: int
    """Settled mails that `after_capture` could not be applied to so far."""


class Watch(SessionLoop):
    """Looks after one mailbox: sweeps all folders, then listens on the inbox.

    On each of the other folders it keeps an idle listener."""

    def __init__(
        self,
        watched: Watched,
        ending: threading.Event,
        server: ServerLogins,
        *,
        log: Log,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        rng: Random,
        pace: Pace = PACE,
    ) -> None:
        """`server`: the logins to its server, in which all mailboxes there take their turns."""
        super().__init__(
            watched,
            ending,
            Logins(pace.logins_apart, monotonic, server),
            name=f"mailbox-{watched.name}",
            log=log,
            monotonic=monotonic,
            rng=rng,
            pace=pace,
        )
        self._now = now
        self._listeners: tuple[IdleListener, ...] = ()
        self._idle_time = IdleTime(pace)
        self._last_sweep_at: datetime | None = None
        self._swept_at = 0.0
        """Monotonic seconds at the last look at all folders, or when it could be left out."""
        self._folders: Sequence[str] = ()
        """What the session looks at."""
        self._full: Report | None = None
        """Of its last look at all of that."""
        self._full_at = 0.0
        """Monotonic seconds at that."""
        self._is_as_before = False
        """Whether the server has told, since then and with the last wait, that all is as it was."""
        self._let_beside: set[str] = set()
        """The folders whose listeners have logged in beside this session."""
        self._pending = 0
        self._keyless = 0
        self._unapplied = 0
        self._interruptions = 0
        """How many sweeps in a row met trouble that the session outlived: a dependency away."""
        self._is_told = False
        """Whether an idle listener has told of news that no look has answered yet."""
        self._is_thread_missed = False
        """Whether it was told that an idle listener got no thread."""

    def follows_a_stuck_one(self) -> None:
        """It takes the place of a watch that stood still: its first look ended, and not well."""
        self.trouble = "stuck"
        self.looked = True

    def run(self) -> None:
        """Until all ends, and then tell what the log lacks so far."""
        super().run()
        self.watched.sweep.pipeline.tell_left_out()

    @property
    def poll(self) -> timedelta:
        """How often the schedule wakes it."""
        return self.watched.poll

    @property
    def slowest_at(self) -> float:
        """Monotonic seconds of the last step of the slowest of its threads. From any thread."""
        return min([self.moved_at, *(listener.moved_at for listener in self._listeners)])

    @property
    def health(self) -> Health:
        """How the mailbox does now. From any thread."""
        listeners = self._listeners  # once, since another thread exchanges the tuple
        return Health(
            name=self.watched.name,
            moved_at=self.slowest_at,
            looked=self.looked,
            connected=self.connected,
            listening=tuple(listener.folder for listener in listeners if listener.connected),
            last_sweep_at=self._last_sweep_at,
            trouble=self.trouble,
            pending=self._pending,
            keyless=self._keyless,
            unapplied=self._unapplied,
        )

    def _session(self, mailbox: Mailbox) -> None:
        """Sweep and listen until something breaks."""
        of_inbox = False
        self._folders = ()
        self._full = None
        self._is_as_before = False
        self._let_beside = set()
        try:
            while not self._ending.is_set():
                if of_inbox and self._nothing_else_waits():
                    report = self._sweep(mailbox, self._folders[:1])
                else:
                    self.wakeup.clear()  # what is set from here on leads to another sweep
                    report = self._look_at_all(mailbox)
                    if report.complete and report.error is None:
                        self._last_sweep_at = self._now()
                        self.watched.note_sweep()
                of_inbox = self._listen(mailbox, report)
        finally:
            self._stop_listeners()

    def _look_at_all(self, mailbox: Mailbox) -> Report:
        """Sweep all folders. Not where that would find nothing: the report is that of the last
        time then."""
        self._swept_at = self._monotonic()
        if self._full is not None and self._would_find_nothing(self._full):
            return self._full
        self._folders = mailbox.folders()
        self._full_at = self._swept_at
        self._full = self._sweep(mailbox, self._folders)
        # After a look: some servers end this session for the login of another one.
        self._listen_to(mailbox, self._folders[1:])
        return self._full

    def _would_find_nothing(self, full: Report) -> bool:
        """Whether a look would find what the last one did, if that was nothing."""
        is_as_before, self._is_as_before = self._is_as_before, False
        # This session may learn a round trip later what a listener has told of.
        if self._is_told:
            self._is_told = False
            return False
        if len(self._listeners) < len(self._folders) - 1:
            return False  # one got no thread
        if not is_as_before or self._swept_at - self._full_at >= LEFT_OUT_FOR:
            return False
        return self.watched.sweep.would_find_nothing(full)

    def _pause(
        self, error: TokenCatcherError | None, lived: float, credential: Secret | None
    ) -> None:
        """As every loop; what broke the session is noted before, for who asks meanwhile."""
        if self.trouble is not None:
            self.watched.note_trouble(self.trouble)
        super()._pause(error, lived, credential)

    def _nothing_else_waits(self) -> bool:
        """Whether a look at the inbox can do without one at the other folders.

        Not for longer than their schedule, whoever else should have kept it."""
        if self._monotonic() - self._swept_at >= LATE * self.poll.total_seconds():
            return False
        return self._pending == 0 and self.trouble is None and not self.wakeup.is_set()

    def _listen_to(self, mailbox: Mailbox, folders: Sequence[str]) -> None:
        """The idle listeners follow the folders, which may come and go."""
        if self._has_idle(mailbox):
            self._listen_besides(folders)
        else:
            self._listen_besides(())

    def _sweep(self, mailbox: Mailbox, folders: Sequence[str]) -> Report:
        """Raises the error that broke the session; any other is in the report."""
        report = self.watched.sweep.run(mailbox, folders, moved=self._moved)
        self._moved()
        self.looked = True
        self._pending = report.pending
        self._keyless = report.keyless
        self._unapplied = report.unapplied
        if report.error is None:
            self.trouble = None
            self._interruptions = 0
        elif report.broken:
            raise report.error
        else:
            self._interrupted(report.error)
        return report

    def _interrupted(self, error: TokenCatcherError) -> None:
        """Note an error that left the session whole, and tell of it ever more seldom."""
        self.trouble = error.code
        self.watched.note_trouble(error.code)
        # Before it: none, or a power of two. So the 1st, 2nd, 3rd, 5th, 9th … in a row is told.
        if self._interruptions & (self._interruptions - 1) == 0:
            self._log.warning(
                "sweep.interrupted",
                **self._subject,
                code=error.code,
                error=str(error),
                pending=self._pending,
            )
        self._interruptions += 1

    def _listen(self, mailbox: Mailbox, report: Report) -> bool:
        """Wait for a wakeup, at most until something is due. True: the inbox is worth a look.

        It has news, or the server may have swallowed some before an IDLE that was short for that;
        the idle listeners count the mails of the other folders in the same way."""
        if self._ending.is_set():  # its wakeup may have been cleared together with others
            return False
        seconds = self._until_due(report)
        if not report.complete:  # the inbox is not open
            self._rest(seconds)
            return False
        if not self._has_idle(mailbox):
            self.wakeup.wait(min(seconds, LATE * self.poll.total_seconds()))
            self._moved()
            return False
        if report.entries:
            self._idle_time.shorten()
        longest = self._idle_time.seconds
        alone = self._nothing_else_waits()
        wake = self.wakeup.fileno()
        seconds = min(seconds, longest)
        news = mailbox.idle(seconds, wake, then_look=alone, ends=self._ending.is_set)
        self._is_as_before = mailbox.is_as_before
        self._idle_time.ended(news=news)
        self._moved()
        return news or longest < self._pace.idle[-1]

    def _until_due(self, report: Report) -> float:
        """Seconds until the next sweep is due, whoever wakes or does not."""
        if isinstance(report.error, Outage) or not report.complete:
            return self._outage_pause(report.error)
        if report.next_try is None:
            return self._pace.idle[-1]
        return max(0.0, (report.next_try - self._now()).total_seconds())

    def _outage_pause(self, error: TokenCatcherError | None) -> float:
        """Seconds: what the dependency that is away asked for, or a pause that doubles."""
        seconds = doubling(self._pace.outage, self._interruptions - 1)
        if isinstance(error, Outage) and error.retry_after:
            seconds = error.retry_after
        return min(seconds, self._pace.trouble[1])

    def _listen_besides(self, folders: Sequence[str]) -> None:
        """Have an idle listener on each of these folders and on no other."""
        kept: dict[str, IdleListener] = {}
        for listener in self._listeners:
            if listener.folder in folders:
                kept[listener.folder] = listener
            else:
                listener.stop()
        added = {folder: self._listener(folder) for folder in folders if folder not in kept}
        listeners = kept | added
        self._listeners = tuple(listeners[folder] for folder in folders)
        for listener in added.values():
            self._start(listener)

    def _start(self, listener: IdleListener) -> None:
        """Without a thread for it, the folder is looked at by the schedule; which tries again."""
        try:
            listener.start()
        except StateError as error:
            listener.wakeup.close()
            self._listeners = tuple(other for other in self._listeners if other is not listener)
            tell = self._log.debug
            if not self._is_thread_missed:
                tell = self._log.warning
            self._is_thread_missed = True
            about = {**self._subject, "folder": listener.folder}
            tell("mailbox.trouble", **about, code=error.code, error=str(error))

    def _stop_listeners(self) -> None:
        """End all of them; where the whole process ends, leave them the time to log out."""
        listeners = self._listeners
        self._listen_besides(())
        if self._ending.is_set():
            for listener in listeners:
                listener.join(LOGOUT_WITHIN)

    def _note_news(self) -> None:
        """Of a further folder, from the thread of its listener."""
        self._is_told = True
        self.wakeup.set()

    def _listener(self, folder: str) -> IdleListener:
        is_beside = folder not in self._let_beside
        self._let_beside.add(folder)
        return IdleListener(
            self.watched,
            folder,
            self._note_news,
            self._logins,
            is_beside=is_beside,
            log=self._log,
            monotonic=self._monotonic,
            rng=self._rng,
            pace=self._pace,
        )
