"""Looks after one mailbox for as long as the process lives: connect → sweep → listen → sweep …

A wakeup carries no content: IDLE, the schedule, SIGUSR1, a pending mail that is due. Set twice is
set once, and the sweep that follows is the truth. One thread does all the work of a mailbox: it
sweeps every folder and then listens on the inbox, which the sweep left open. For each further
folder an idle listener waits on a connection of its own, and wakes that thread. No news is missed,
since a wakeup is cleared before the sweep that answers it, and IDLE tells of everything since
EXAMINE.

Any trouble of a session ends it; a new one begins after a pause with back-off. Nothing that one
mailbox meets touches another: each has its threads, its connections and its back-off.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from token_catcher.daemon.wakeups import PACE, BackOff, Logins, Pace, Wakeup, doubling
from token_catcher.errors import AccessError, Outage, TokenCatcherError
from token_catcher.model import Secret
from token_catcher.ports import Log, Mailbox
from token_catcher.sweep import Report, Watched

LATE: Final = 1.5
"""A schedule whose wakeup is late by this factor stands still (its clock is the wall's, which jumps): look without it."""


LOGOUT_WITHIN: Final = 0.5
"""Seconds for an idle listener to log out when all ends."""


class Loop(threading.Thread):
    """Sessions with a mailbox, one after the other. No exception ends it: a mailbox that nobody looks after is the worst."""

    def __init__(
        self,
        watched: Watched,
        ending: threading.Event,
        logins: Logins,
        *,
        name: str,
        log: Log,
        monotonic: Callable[[], float],
        rng: Random,
        pace: Pace = PACE,
    ) -> None:
        """Ends, between two mails, once `ending` is set, and its wakeup to have it noticed."""
        super().__init__(name=name, daemon=True)
        self.wakeup = Wakeup()
        self.moved_at = monotonic()
        """Monotonic seconds of the last step: progress, or a wait that ended in time."""
        self.connected = False
        self.trouble: str | None = None
        """The code of what went wrong last; None: all is well."""
        self.looked = threading.Event()
        """Set once the first look ended, well or not."""
        self._watched = watched
        self._ending = ending
        self._logins = logins
        self._log = log
        self._monotonic = monotonic
        self._rng = rng
        self._pace = pace
        self._back_off = BackOff(pace, rng)
        self._about: dict[str, str] = {"mailbox": watched.name}

    def run(self) -> None:
        """Wait for a turn to log in, live through a session, pause."""
        while not self._ending.is_set():
            if (left := self._logins.turn()) > 0:
                self._rest(left)
                continue
            credential = self._credential()
            began = self._monotonic()
            error = self._live()
            self._pause(error, self._monotonic() - began, credential)
        self.wakeup.close()

    @abstractmethod
    def _session(self, mailbox: Mailbox) -> None:
        """What to do while connected. Returns once it ends; raises what breaks the session."""

    def _live(self) -> TokenCatcherError | None:
        """One session. Returns its error; None as well for one that nobody foresaw."""
        try:
            with closing(self._watched.connect()) as mailbox:
                self.connected, self.trouble = True, None
                self._log.info(
                    "mailbox.connected", **self._about, idle=self._watched.idle and mailbox.has_idle
                )
                self._session(mailbox)
        except TokenCatcherError as error:
            self.trouble = error.code
            self._log.warning("mailbox.trouble", **self._about, code=error.code, error=str(error))
            return error
        except Exception as bug:  # noqa: BLE001 - a bug in one look must not end all later ones
            self.trouble = "internal"
            self._log.error(
                "mailbox.crashed", **self._about, kind=type(bug).__name__, at=place(bug)
            )
        finally:
            self.connected = False
            self.looked.set()
        return None

    def _pause(
        self, error: TokenCatcherError | None, lived: float, credential: Secret | None
    ) -> None:
        """Stay away for a while. Bells do not shorten it; a new password does, where the old one was refused."""
        if self._ending.is_set():
            return
        seconds = self._back_off.pause(error, lived)
        self._log.info("mailbox.pause", **self._about, seconds=round(seconds, 1))
        refused = isinstance(error, AccessError) and credential is not None
        if self._rest(seconds, lambda: refused and self._credential() not in (None, credential)):
            self._back_off.failures = 0

    def _rest(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> bool:
        """Wait, step by step, unless it ends. True: it was cut short since it was enough."""
        until = self._monotonic() + seconds
        while (left := until - self._monotonic()) > 0 and not self._ending.wait(
            min(left, self._pace.step)
        ):
            self._moved()
            if enough():
                return True
        self._moved()
        return False

    def _credential(self) -> Secret | None:
        """What a login would use now; None where that cannot be read, which the login itself will say."""
        try:
            return self._watched.credential()
        except TokenCatcherError:
            return None

    def _moved(self) -> None:
        self.moved_at = self._monotonic()


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
    """The folders besides the inbox on which an idle listener waits."""
    last_sweep_at: datetime | None
    """When all folders were last looked at without any trouble."""
    trouble: str | None
    pending: int


class Watch(Loop):
    """Looks after one mailbox: sweeps all folders, listens on the inbox, keeps an idle listener on each of the others."""

    def __init__(
        self,
        watched: Watched,
        ending: threading.Event,
        *,
        log: Log,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        rng: Random,
        starts_in: float = 0.0,
        pace: Pace = PACE,
    ) -> None:
        """`starts_in`: seconds before the first login, so that many mailboxes do not log in at once."""
        logins = Logins(pace.logins_apart, monotonic, starts_in)
        name = f"mailbox-{watched.name}"
        super().__init__(
            watched, ending, logins, name=name, log=log, monotonic=monotonic, rng=rng, pace=pace
        )
        self._now = now
        self._listeners: tuple[IdleListener, ...] = ()
        self._last_sweep_at: datetime | None = None
        self._pending = 0
        self._quiet = 0
        """How many times IDLE ended without news since it last had some."""
        self._outages = 0
        """How many sweeps in a row met a dependency away."""

    @property
    def poll(self) -> timedelta:
        """How often the schedule wakes it."""
        return self._watched.poll

    @property
    def health(self) -> Health:
        """As of now, from any thread."""
        listeners = self._listeners
        return Health(
            name=self._watched.name,
            moved_at=min([self.moved_at, *(listener.moved_at for listener in listeners)]),
            looked=self.looked.is_set(),
            connected=self.connected,
            listening=tuple(listener.folder for listener in listeners if listener.connected),
            last_sweep_at=self._last_sweep_at,
            trouble=self.trouble,
            pending=self._pending,
        )

    def _session(self, mailbox: Mailbox) -> None:
        """Sweep and listen until something breaks. While all is well, news of the inbox needs no look at other folders."""
        folders: Sequence[str] = ()
        news = False
        try:
            while not self._ending.is_set():
                hasty = (
                    news
                    and self._pending == 0
                    and self.trouble is None
                    and not self.wakeup.is_set()
                )
                if not hasty:
                    self.wakeup.clear()
                    folders = mailbox.folders()
                    self._keep_listeners(folders[1:] if self._has_idle(mailbox) else ())
                report = self._sweep(mailbox, folders[:1] if hasty else folders)
                if report.complete and report.error is None and not hasty:
                    self._last_sweep_at = self._now()
                news = self._listen(mailbox, report)
        finally:
            listeners = self._listeners
            self._keep_listeners(())
            for listener in listeners if self._ending.is_set() else ():
                listener.join(LOGOUT_WITHIN)

    def _sweep(self, mailbox: Mailbox, folders: Sequence[str]) -> Report:
        report = self._watched.sweep.run(mailbox, folders, moved=self._moved)
        self._moved()
        self.looked.set()
        self._pending = report.pending
        if report.error is None:
            self.trouble, self._outages = None, 0
            return report
        if report.broken:
            raise report.error
        self.trouble = report.error.code
        if self._outages & (self._outages - 1) == 0:  # the 1st, 2nd, 3rd, 5th, 9th … time
            self._log.warning(
                "sweep.interrupted",
                **self._about,
                code=self.trouble,
                error=str(report.error),
                pending=self._pending,
            )
        self._outages += 1
        return report

    def _listen(self, mailbox: Mailbox, report: Report) -> bool:
        """Wait for a wakeup, and no longer than until something is due. True: the server tells of news in the inbox."""
        if self._ending.is_set():  # the wakeup that said so may have been cleared with the others
            return False
        seconds = self._until_due(report)
        if not report.complete:  # the inbox is not open
            self._rest(seconds)
            return False
        if not self._has_idle(mailbox):
            self.wakeup.wait(min(seconds, LATE * self.poll.total_seconds()))
            self._moved()
            return False
        self._quiet = 0 if report.entries else self._quiet
        news = mailbox.idle(min(seconds, self._pace.slice(self._quiet)), self.wakeup.fileno())
        self._quiet = 0 if news else self._quiet + 1
        self._moved()
        return news

    def _until_due(self, report: Report) -> float:
        """Seconds. After a sweep that was cut short, or met a dependency away, a pause; else until a pending mail is due."""
        if isinstance(report.error, Outage) or not report.complete:
            asked = report.error.retry_after if isinstance(report.error, Outage) else None
            return min(
                asked or doubling(self._pace.outage, self._outages - 1), self._pace.trouble[1]
            )
        if report.next_try is None:
            return self._pace.idle[-1]
        return max(0.0, (report.next_try - self._now()).total_seconds())

    def _has_idle(self, mailbox: Mailbox) -> bool:
        return self._watched.idle and mailbox.has_idle

    def _keep_listeners(self, folders: Sequence[str]) -> None:
        """Have an idle listener on each of these folders and on no other."""
        for listener in self._listeners:
            if listener.folder not in folders:
                listener.stop()
        kept = {listener.folder: listener for listener in self._listeners}
        self._listeners = tuple(kept.get(folder) or self._listener(folder) for folder in folders)
        for listener in self._listeners:
            if listener.ident is None:
                listener.start()

    def _listener(self, folder: str) -> IdleListener:
        return IdleListener(
            self._watched,
            folder,
            self.wakeup,
            self._logins,
            log=self._log,
            monotonic=self._monotonic,
            rng=self._rng,
            pace=self._pace,
        )


class IdleListener(Loop):
    """Listens on one further folder of a mailbox, and wakes its watch.

    Losing it costs seconds, never a mail: the schedule wakes the watch as well."""

    def __init__(
        self,
        watched: Watched,
        folder: str,
        news: Wakeup,
        logins: Logins,
        *,
        log: Log,
        monotonic: Callable[[], float],
        rng: Random,
        pace: Pace = PACE,
    ) -> None:
        """`news`: the wakeup of the watch."""
        name = f"listener-{watched.name}-{folder}"
        super().__init__(
            watched,
            threading.Event(),
            logins,
            name=name,
            log=log,
            monotonic=monotonic,
            rng=rng,
            pace=pace,
        )
        self.folder = folder
        self._news = news
        self._about["folder"] = folder

    def stop(self) -> None:
        """Ask the thread to end."""
        self._ending.set()
        self.wakeup.set()

    def _session(self, mailbox: Mailbox) -> None:
        """Open the folder, wake the watch for what came before, then whenever there is news and at each renewal."""
        quiet = 0
        mailbox.examine(self.folder)
        self._news.set()
        while not self._ending.is_set() and mailbox.has_idle:
            news = mailbox.idle(self._pace.slice(quiet), self.wakeup.fileno())
            self._moved()
            quiet = 0 if news else quiet + 1
            if not news:
                mailbox.examine(self.folder)
            self._news.set()


def place(bug: BaseException) -> str:
    """Where it was raised: the last file and line, never a text."""
    trace = bug.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return (
        f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
        if trace
        else "?"
    )
