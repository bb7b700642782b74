"""Looks after one mailbox for as long as the process lives: connect → sweep → listen → sweep …

A bell carries no content: IDLE, the schedule, SIGUSR1, a pending mail that is due. Ringing twice is ringing once, and the
sweep that follows is the truth. One thread does all the work of a mailbox: it sweeps every folder and then listens on the
inbox, which the sweep left open. For each further folder an ear listens on a connection of its own, and rings. No news is
missed, since a bell is hushed before the sweep that answers it, and IDLE tells of everything since EXAMINE.

Any trouble of a session ends it; a new one begins after a pause with back-off. Nothing that one mailbox meets touches another:
each has its threads, its connections and its back-off.
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

from token_catcher.daemon.wakeups import PACE, BackOff, Bell, Logins, Pace, doubling
from token_catcher.errors import AccessError, Outage, TokenCatcherError
from token_catcher.model import Secret
from token_catcher.ports import Log, Mailbox
from token_catcher.sweep import Report, Watched

LATE: Final = 1.5
"""A schedule whose bell is late by this factor stands still (its clock is the wall's, which jumps): look without it."""


FAREWELL: Final = 0.5
"""Seconds for an ear to log out when all ends."""


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
        """Ends, between two mails, once `ending` is set and its bell rung."""
        super().__init__(name=name, daemon=True)
        self.bell = Bell()
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
        self.bell.close()

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
    """The folders besides the inbox on which an ear listens."""
    last_sweep_at: datetime | None
    """When all folders were last looked at without any trouble."""
    trouble: str | None
    pending: int


class Watch(Loop):
    """Looks after one mailbox: sweeps all folders, listens on the inbox, keeps an ear on each of the others."""

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
        self._ears: tuple[Ear, ...] = ()
        self._last_sweep_at: datetime | None = None
        self._pending = 0
        self._quiet = 0
        """How many times IDLE ended without news since it last had some."""
        self._outages = 0
        """How many sweeps in a row met a dependency away."""

    @property
    def poll(self) -> timedelta:
        """How often the schedule rings."""
        return self._watched.poll

    @property
    def health(self) -> Health:
        """As of now, from any thread."""
        ears = self._ears
        return Health(
            name=self._watched.name,
            moved_at=min([self.moved_at, *(ear.moved_at for ear in ears)]),
            looked=self.looked.is_set(),
            connected=self.connected,
            listening=tuple(ear.folder for ear in ears if ear.connected),
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
                    news and self._pending == 0 and self.trouble is None and not self.bell.rings()
                )
                if not hasty:
                    self.bell.hush()
                    folders = mailbox.folders()
                    self._keep_ears(folders[1:] if self._has_idle(mailbox) else ())
                report = self._sweep(mailbox, folders[:1] if hasty else folders)
                if report.complete and report.error is None and not hasty:
                    self._last_sweep_at = self._now()
                news = self._listen(mailbox, report)
        finally:
            ears = self._ears
            self._keep_ears(())
            for ear in ears if self._ending.is_set() else ():
                ear.join(FAREWELL)

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
        """Wait for a bell, and no longer than until something is due. True: the server tells of news in the inbox."""
        if self._ending.is_set():  # the bell that said so may have been hushed with the others
            return False
        seconds = self._until_due(report)
        if not report.complete:  # the inbox is not open
            self._rest(seconds)
            return False
        if not self._has_idle(mailbox):
            self.bell.rings(min(seconds, LATE * self.poll.total_seconds()))
            self._moved()
            return False
        self._quiet = 0 if report.entries else self._quiet
        news = mailbox.idle(min(seconds, self._pace.slice(self._quiet)), self.bell.fileno())
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

    def _keep_ears(self, folders: Sequence[str]) -> None:
        """Have an ear on each of these folders and on no other."""
        for ear in self._ears:
            if ear.folder not in folders:
                ear.stop()
        kept = {ear.folder: ear for ear in self._ears}
        self._ears = tuple(kept.get(folder) or self._ear(folder) for folder in folders)
        for ear in self._ears:
            if ear.ident is None:
                ear.start()

    def _ear(self, folder: str) -> Ear:
        return Ear(
            self._watched,
            folder,
            self.bell,
            self._logins,
            log=self._log,
            monotonic=self._monotonic,
            rng=self._rng,
            pace=self._pace,
        )


class Ear(Loop):
    """Listens on one further folder of a mailbox, and rings. Losing it costs seconds, never a mail: the schedule rings too."""

    def __init__(
        self,
        watched: Watched,
        folder: str,
        rings: Bell,
        logins: Logins,
        *,
        log: Log,
        monotonic: Callable[[], float],
        rng: Random,
        pace: Pace = PACE,
    ) -> None:
        """`rings`: the bell of the watch."""
        name = f"ear-{watched.name}-{folder}"
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
        self._rings = rings
        self._about["folder"] = folder

    def stop(self) -> None:
        """Ask the thread to end."""
        self._ending.set()
        self.bell.ring()

    def _session(self, mailbox: Mailbox) -> None:
        """Open the folder, ring for what came before, then whenever there is news and at each renewal."""
        quiet = 0
        mailbox.examine(self.folder)
        self._rings.ring()
        while not self._ending.is_set() and mailbox.has_idle:
            news = mailbox.idle(self._pace.slice(quiet), self.bell.fileno())
            self._moved()
            quiet = 0 if news else quiet + 1
            if not news:
                mailbox.examine(self.folder)
            self._rings.ring()


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
