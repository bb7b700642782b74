"""The daemon: starts a watch for every mailbox, wakes them on schedule, and ends them well.

    startup     one lock on the state directory; watches start apart from each other, so that logins come gently
    loop        APScheduler sets a watch's wakeup at `poll`, SIGUSR1 sets them all, SIGHUP reads the configuration again
    shutdown    SIGTERM or SIGINT: every watch stops between two mails; what is unsettled is found again at the next start

The scheduler's jobs only set wakeups: they cannot overlap, hang or be missed to any harm.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import FrameType
from typing import Final

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.schedulers.background import BackgroundScheduler

from token_catcher import files
from token_catcher.daemon.housekeeping import Housekeeping
from token_catcher.daemon.systemd import notify
from token_catcher.daemon.wakeups import PACE, Pace, Wakeup
from token_catcher.daemon.watch import Health, Watch
from token_catcher.errors import StateError, TokenCatcherError
from token_catcher.ports import Log
from token_catcher.sweep import Watched

STARTS_APART: Final = 0.2
"""Seconds between the first logins of two mailboxes."""
STUCK_AFTER: Final = 360.0
"""Seconds without a step after which a loop counts as stuck: the longest IDLE, and time to notice a dead connection."""
BEAT: Final = 1.0
"""Seconds between two looks of the main thread at everything."""
LEAVE_WITHIN: Final = 2.5
"""Seconds given to the watches to end; then the process leaves all the same, since a crash is safe as well."""
ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT})


@dataclass(frozen=True)
class Generation:
    """The watches of one configuration, and the one word that ends them all."""

    ending: threading.Event
    watches: tuple[Watch, ...]


class Daemon:
    """Runs until SIGTERM. Built by `app`, started from the main thread, where Python delivers signals."""

    def __init__(
        self,
        load: Callable[[Callable[[], bool]], Sequence[Watched]],
        *,
        log: Log,
        now: Callable[[], datetime],
        rng: Random,
        monotonic: Callable[[], float] = time.monotonic,
        pace: Pace = PACE,
        housekeeping: Callable[[], None] = lambda: None,
    ) -> None:
        """`load` reads the configuration (anew) and gives the mailboxes; it is handed the question that their sweeps ask
        between two mails: are we leaving? `housekeeping` is called now and again, to renew what nobody asks for."""
        self._load = load
        self._log = log
        self._now = now
        self._rng = rng
        self._monotonic = monotonic
        self._pace = pace
        self._housekeeping = Housekeeping(housekeeping, pace.housekeeping, log)
        self._wakeup = Wakeup()
        self._asked: set[int] = set()
        self._moved_at = monotonic()
        self._stuck: Sequence[str] = ()
        self._ready = False
        self._generation = Generation(threading.Event(), ())
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    @property
    def health(self) -> Sequence[Health]:
        """How each mailbox does. From any thread."""
        return [watch.health for watch in self._generation.watches]

    @property
    def ready(self) -> bool:
        """Whether the first look at every mailbox has ended, well or not, and nobody asked us to leave. From any thread."""
        return self._ready and not self._leaving

    @property
    def stuck(self) -> Sequence[str]:
        """The mailboxes whose loops stand still, and `daemon` for the main one. From any thread."""
        moved = [("daemon", self._moved_at), *((one.name, one.moved_at) for one in self.health)]
        return [name for name, at in moved if self._monotonic() - at > STUCK_AFTER]

    def run(self) -> None:
        """Start, run until a signal says stop, end. ConfigurationError, StateError: it could not start."""
        for number in (*ENDING, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, self._hear)
        with closing(self._wakeup):
            generation = self._prepare()
            self._scheduler.add_listener(
                self._tell_job, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES
            )
            self._scheduler.start()
            self._housekeeping.start()
            try:
                self._begin(generation)
                self._log.info("daemon.started", mailboxes=[one.name for one in self.health])
                while not self._leaving:
                    self._beat()
            finally:
                notify("STOPPING=1")
                self._housekeeping.end()
                self._end(self._generation)
                self._scheduler.shutdown(wait=False)
        self._log.info("daemon.stopped")

    @property
    def _leaving(self) -> bool:
        return not ENDING.isdisjoint(self._asked)

    def _prepare(self) -> Generation:
        """Everything that can fail, before anything runs."""
        ending = threading.Event()
        watched = self._load(ending.is_set)
        return Generation(
            ending, tuple(self._watch(one, ending, place) for place, one in enumerate(watched))
        )

    def _watch(self, watched: Watched, ending: threading.Event, place: int) -> Watch:
        return Watch(
            watched,
            ending,
            log=self._log,
            now=self._now,
            monotonic=self._monotonic,
            rng=self._rng,
            starts_in=place * STARTS_APART,
            pace=self._pace,
        )

    def _begin(self, generation: Generation) -> None:
        """Have the scheduler wake the watches, and start them."""
        self._generation = generation
        for watch in generation.watches:
            poll = watch.poll.total_seconds()
            self._scheduler.add_job(
                watch.wakeup.set, "interval", seconds=poll, jitter=poll / 10, name=watch.name
            )
            watch.start()

    def _end(self, generation: Generation) -> None:
        """Let every watch end between two mails; leave those behind that do not in time: a crash is safe as well."""
        self._scheduler.remove_all_jobs()
        generation.ending.set()
        for watch in generation.watches:
            watch.wakeup.set()
        deadline = self._monotonic() + LEAVE_WITHIN
        for watch in generation.watches:
            if watch.is_alive():
                watch.join(max(0.0, deadline - self._monotonic()))
            if watch.is_alive():
                self._log.warning("mailbox.left_behind", mailbox=watch.health.name)

    def _beat(self) -> None:
        """Look after everything once, then sleep until a signal asks for something, or for a while."""
        self._moved_at = self._monotonic()
        if not self._ready and all(one.looked for one in self.health):
            self._ready = True
            notify("READY=1")
            self._log.info("daemon.ready")
        self._feed_watchdog()
        self._wakeup.wait(BEAT if self._ready else BEAT / 10)
        self._wakeup.clear()
        if signal.SIGUSR1 in self._asked:
            self._asked.discard(signal.SIGUSR1)
            for watch in self._generation.watches:
                watch.wakeup.set()
        if signal.SIGHUP in self._asked:
            self._asked.discard(signal.SIGHUP)
            self._reload()

    def _reload(self) -> None:
        """Take the new configuration if it is a valid one; keep the old one running otherwise."""
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            generation = self._prepare()
        except TokenCatcherError as error:
            self._log.error("daemon.reload_refused", code=error.code, error=str(error))
        else:
            self._end(self._generation)
            self._begin(generation)
            self._log.info("daemon.reloaded", mailboxes=[one.name for one in self.health])
        notify("READY=1")

    def _feed_watchdog(self) -> None:
        """Only while every loop moves. A long first look is no reason for systemd to lose its patience."""
        before, self._stuck = self._stuck, self.stuck
        if self._stuck:
            if self._stuck != before:
                self._log.error("daemon.stuck", mailboxes=self._stuck)
            return
        notify("WATCHDOG=1" if self._ready else "EXTEND_TIMEOUT_USEC=30000000")

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        """In a signal handler nothing is decided: note it and wake the main thread."""
        self._asked.add(number)
        self._wakeup.set()

    def _tell_job(self, event: JobEvent) -> None:
        self._log.error("schedule.trouble", job=event.job_id, code=event.code)


@contextmanager
def only_one(state_dir: Path) -> Iterator[None]:
    """Hold the state directory for one daemon. StateError: another one has it, or the directory cannot be used."""
    path = state_dir / "daemon.lock"
    with ExitStack() as stack:
        try:
            files.make_directory(state_dir)
            ours = stack.enter_context(files.locked(path, wait=False))
        except OSError as error:
            raise StateError(f"{path}: cannot be opened: {error.strerror}") from None
        if not ours:
            raise StateError(
                f"{path}: another daemon runs on this state directory; give each its own, or stop the other",
                code="running",
            )
        yield
