"""The daemon: starts a watch for every mailbox, wakes them on schedule, and ends them well.

    startup     one lock on the state directory; all watches start, and take turns to log in
    loop        APScheduler sets a watch's wakeup at `poll`, SIGUSR1 sets them all,
                SIGHUP reads the configuration again
    shutdown    SIGTERM or SIGINT: every watch stops between two mails; what is unsettled is found
                again at the next start

The scheduler's jobs only set wakeups: they cannot overlap, hang or be missed to any harm. A watch
that stands still is replaced by another one: no mailbox costs the others theirs.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from types import FrameType
from typing import Final

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.schedulers.background import BackgroundScheduler

from token_catcher import files, signals
from token_catcher.children import CHILDREN
from token_catcher.clock import utc_now
from token_catcher.daemon import systemd
from token_catcher.daemon.housekeeping import Housekeeping
from token_catcher.daemon.logins import ServerLogins
from token_catcher.daemon.wakeups import PACE, Pace, Wakeup, rounds
from token_catcher.daemon.watch import LOGOUT_WITHIN, Health, Watch
from token_catcher.errors import StateError, TokenCatcherError
from token_catcher.ports import Log
from token_catcher.sweep import Watched

STUCK_AFTER: Final = 360.0
"""Seconds without a step after which a loop counts as stuck: the longest IDLE, and time to notice
a dead connection. Twice the deadline of a command."""
BEAT: Final = 5.0
"""Seconds between two looks of the main thread at everything: with a thousand mailboxes one takes
five milliseconds. Signals do not wait for it."""
BEAT_AT_START: Final = 0.1
"""The same until the daemon is ready, which somebody may wait for."""
LEAVE_WITHIN: Final = 2.5
"""Seconds given to the watches to end; then the process leaves all the same, since a crash is safe
as well."""
FINISH_WITHIN: Final = 7.0
"""Seconds given to what a crash is not safe for: the renewal of a sign-in that is on its way."""


@dataclass(frozen=True)
class Generation:
    """The watches of one configuration, and the event that ends their sweeps."""

    ending: threading.Event
    by_name: Mapping[str, Watch]
    """By mailbox, in the order of the configuration."""

    @property
    def watches(self) -> Collection[Watch]:
        """All of them."""
        return self.by_name.values()

    def with_another(self, watch: Watch) -> Generation:
        """The same with the watch of this mailbox exchanged."""
        return Generation(self.ending, {**self.by_name, watch.watched.name: watch})


class Daemon:
    """Runs until SIGTERM, in the main thread, where Python delivers signals. Built by `service`."""

    def __init__(
        self,
        load: Callable[[Callable[[], bool]], Sequence[Watched]],
        *,
        housekeeping: Callable[[], None],
        finish: Callable[[float], None],
        log: Log,
        now: Callable[[], datetime],
        rng: Random,
        monotonic: Callable[[], float] = time.monotonic,
        pace: Pace = PACE,
    ) -> None:
        """`load` reads the configuration (anew) and gives the mailboxes.

        It is handed the question that their sweeps ask between two mails: does all end?
        `housekeeping` is called now and again, to renew what nobody asks for. `finish` is called
        once, at the end: it begins nothing more that must not be cut off, and waits for what is on
        its way, at most so many seconds."""
        self._load = load
        self._log = log
        self._now = now
        self._rng = rng
        self._monotonic = monotonic
        self._pace = pace
        self._finish = finish
        self._housekeeping = Housekeeping(housekeeping, pace.housekeeping, log)
        self._wakeup = Wakeup()
        self._signals: set[int] = set()
        """Those that came and are not answered yet."""
        self._moved_at = monotonic()
        self._ready = False
        self._generation = Generation(threading.Event(), {})
        self._servers: dict[str, ServerLogins] = {}
        """By host; a reload changes nothing of who logged in just now."""
        # A job that is late runs all the same, and several late ones run once.
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
        """Whether the first look at every mailbox has ended, well or not, and nothing ends yet.

        From any thread."""
        return self._ready and not self._leaving

    @property
    def stuck(self) -> Sequence[str]:
        """The mailboxes whose loops stand still, and `daemon` for the main one. From any thread.

        While the main one moves, a mailbox is among them for a moment only: its watch is
        replaced."""
        stuck = [mailbox.name for mailbox in self.health if self._stands_still(mailbox.moved_at)]
        if self._stands_still(self._moved_at):
            return ["daemon", *stuck]
        return stuck

    def _stands_still(self, moved_at: float) -> bool:
        return moved_at < self._monotonic() - STUCK_AFTER

    def wake(self, mailbox: str) -> None:
        """Have the watch of this mailbox look now. From any thread."""
        watch = self._generation.by_name.get(mailbox)
        if watch is not None:  # a reload may have taken it away
            watch.wakeup.set()

    def run(self) -> None:
        """Start, run until a signal ends it. ConfigurationError, StateError: it could not start."""
        # First of all: until then each of them ends the process.
        signals.answer_with(self._note_signal, signal.SIGHUP, signal.SIGUSR1)
        with closing(self._wakeup):
            generation = self._prepare()
            self._start_helpers()
            try:
                self._begin(generation)
                self._log.info("daemon.started", mailboxes=self._names())
                while not self._leaving:
                    self._beat()
            finally:
                systemd.stopping()
                self._housekeeping.end()
                CHILDREN.end_all()  # before threads are joined that wait for them
                self._stop(self._generation)
                leave_by = self._monotonic() + LEAVE_WITHIN
                self._finish(FINISH_WITHIN)
                self._join(self._generation, max(leave_by, self._monotonic() + LOGOUT_WITHIN))
                self._scheduler.shutdown(wait=False)  # its jobs only set wakeups
        self._log.info("daemon.stopped")

    @property
    def _leaving(self) -> bool:
        return not signals.ENDING.isdisjoint(self._signals)

    def _names(self) -> list[str]:
        return list(self._generation.by_name)

    def _prepare(self) -> Generation:
        """Everything that can fail, before anything runs."""
        ending = threading.Event()
        mailboxes = self._load(ending.is_set)
        return Generation(ending, {watched.name: self._watch(watched) for watched in mailboxes})

    def _watch(self, watched: Watched) -> Watch:
        server = self._servers.setdefault(watched.server, ServerLogins(self._pace, self._monotonic))
        return Watch(
            watched,
            threading.Event(),  # its own, since it alone may have to be replaced
            server,
            log=self._log,
            now=self._now,
            monotonic=self._monotonic,
            rng=self._rng,
            pace=self._pace,
        )

    def _start_helpers(self) -> None:
        """The threads that outlive each generation of watches."""
        trouble = EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES
        self._scheduler.add_listener(self._tell_of_job, trouble)
        self._scheduler.start()
        self._housekeeping.start()

    def _begin(self, generation: Generation) -> None:
        """Have the scheduler wake the watches, and start them."""
        self._generation = generation
        self._schedule(generation)
        for watch in generation.watches:
            watch.start()

    def _schedule(self, generation: Generation) -> None:
        """Have each mailbox woken at its `poll`."""
        polls = {name: watch.poll.total_seconds() for name, watch in generation.by_name.items()}
        for round_ in rounds(polls):
            self._scheduler.add_job(
                partial(self._wake_each, round_.mailboxes),
                "interval",
                seconds=round_.poll,
                jitter=round_.poll / 10,  # so that two instances do not sweep in the same second
                start_date=utc_now() + timedelta(seconds=round_.first_in),  # its own clock
                name=f"poll-{round_.mailboxes[0]}",
            )

    def _wake_each(self, mailboxes: Iterable[str]) -> None:
        for mailbox in mailboxes:
            self.wake(mailbox)

    def _stop(self, generation: Generation) -> None:
        """Ask every watch to end, between two mails."""
        self._scheduler.remove_all_jobs()
        generation.ending.set()
        for watch in generation.watches:
            watch.stop()

    def _join(self, generation: Generation, deadline: float) -> None:
        """Wait for the ends of the watches; leave behind what does not end in time.

        `deadline`: monotonic seconds, of all together."""
        for watch in generation.watches:
            if watch.is_alive():  # and was ever started: others cannot be joined
                watch.join(max(0.0, deadline - self._monotonic()))
            if watch.is_alive():
                self._log.warning("mailbox.left_behind", mailbox=watch.watched.name)

    def _beat(self) -> None:
        """Look at everything once, then sleep until a signal comes, or for a while."""
        self._moved_at = self._monotonic()
        self._replace_stuck()
        self._note_readiness()
        self._feed_watchdog()
        self._wakeup.wait(BEAT if self._ready else BEAT_AT_START)
        self._wakeup.clear()
        self._answer_signals()

    def _answer_signals(self) -> None:
        """Do what SIGUSR1 and SIGHUP ask for; several of a kind are answered once."""
        if signal.SIGUSR1 in self._signals:
            self._signals.discard(signal.SIGUSR1)
            for watch in self._generation.watches:
                watch.wakeup.set()
        if signal.SIGHUP in self._signals:
            self._signals.discard(signal.SIGHUP)
            self._reload()

    def _note_readiness(self) -> None:
        """The daemon is ready, once, when the first look at every mailbox has ended."""
        if not self._ready and all(watch.looked for watch in self._generation.watches):
            self._ready = True
            systemd.ready()
            self._log.info("daemon.ready")

    def _replace_stuck(self) -> None:
        """Another watch for each that stands still.

        What holds it up cannot be known here. Its thread stays behind, and ends where it wakes."""
        for watch in self._generation.watches:
            if self._stands_still(watch.slowest_at):
                self._log.error("mailbox.replaced", mailbox=watch.watched.name)
                watch.stop()
                another = self._watch(watch.watched)
                another.follows_a_stuck_one()
                self._generation = self._generation.with_another(another)
                another.start()

    def _feed_watchdog(self) -> None:
        """The main thread is alive, and looks after all others."""
        if self._ready:
            systemd.alive()
        else:  # a long first look is no reason for systemd to lose its patience
            systemd.still_starting()

    def _reload(self) -> None:
        """Take the new configuration if it is a valid one; keep the old one running otherwise."""
        systemd.reloading()
        try:
            generation = self._prepare()
        except TokenCatcherError as error:
            self._log.error("daemon.reload_refused", code=error.code, error=str(error))
        else:
            self._stop(self._generation)
            self._join(self._generation, self._monotonic() + LEAVE_WITHIN)
            self._begin(generation)
            self._log.info("daemon.reloaded", mailboxes=self._names())
        systemd.ready()

    def _note_signal(self, number: int, _frame: FrameType | None) -> None:
        """In a signal handler nothing is decided: the main thread is woken, and answers it."""
        self._signals.add(number)
        self._wakeup.set()

    def _tell_of_job(self, event: JobEvent) -> None:
        self._log.error("schedule.trouble", job=event.job_id, code=event.code)


@contextmanager
def only_one(state_dir: Path) -> Iterator[None]:
    """Hold the state directory for one daemon.

    StateError: another one has it, or the directory cannot be used."""
    path = state_dir / "daemon.lock"
    with ExitStack() as stack:
        try:
            files.make_directory(state_dir)
            ours = stack.enter_context(files.locked(path))
        except OSError as error:
            raise StateError(f"{path}: cannot be opened: {error.strerror}") from None
        if not ours:
            raise StateError(
                f"{path}: another daemon runs on this state directory; "
                "give each its own, or stop the other",
                code="running",
            )
        yield
