"""When to look, and how long to wait: wakeups, the pace of it all, back-off.

A wakeup carries no content and says "look now" to one thread; setting it twice is setting it once.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Final

from token_catcher.errors import AccessError, TokenCatcherError, TransientError

ROUNDS_APART: Final = 1.0
"""Seconds between two rounds of the schedule at least, of mailboxes with the same `poll`."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long is waited for what, in seconds."""

    idle: tuple[float, ...] = (1.0, 2.0, 5.0, 30.0, 240.0)
    """IDLE before a sweep that nobody asked for: short after any news (some servers swallow what
    arrives just before IDLE), four minutes at most (NATs forget silent connections)."""
    logins_apart: float = 10.0
    """Between two logins to one mailbox, whichever connection they are for."""
    server_logins_apart: float = 1 / 40
    """Between two logins to one server, whichever mailboxes they are to."""
    server_logins: int = 8
    """No time but a number: the logins to one server that are on their way at once."""
    server_login_counts: float = 2.0
    """For so long each of them counts as one."""
    trouble: tuple[float, float] = (4.0, 300.0)
    """After a session that broke: at first, and at most."""
    refusal: tuple[float, float] = (120.0, 3600.0)
    """After a refusal (a wrong password): servers lock accounts that keep knocking."""
    outage: tuple[float, float] = (2.0, 10.0)
    """After a sweep that met a dependency away: what waits is caught within seconds of its
    return."""
    healthy: float = 300.0
    """A session that lived so long clears the record of failures."""
    brief: float = 60.0
    """A session that a server ended as one that ran out is trouble all the same where it lived
    less: somebody has to wait."""
    step: float = 5.0
    """The longest pause without a sign of life, and without a look whether its cause is gone."""
    housekeeping: float = 15.0
    """Between two rounds of housekeeping, which find out that Vault is away."""


PACE: Final = Pace()


class Wakeup:
    """Says "look now" to one thread, from any thread or signal handler.

    It is used like a threading.Event. It is a pair of sockets, so that a poll can wait for it
    together with a connection."""

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)

    def set(self) -> None:
        """Wake the thread. Never blocks and never fails, not even when closed."""
        with suppress(OSError):  # a full socket is set already; for a closed one nobody waits
            self._sender.send(b"!")

    def is_set(self) -> bool:
        """Whether it was set since it was last cleared."""
        return self.wait(0.0)

    def wait(self, seconds: float) -> bool:
        """Wait until it is set, at most so many seconds. Returns whether it is."""
        poll = select.poll()  # select() fails beyond 1,024 descriptors
        poll.register(self._receiver, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def clear(self) -> None:
        """Take back every `set` so far."""
        with suppress(BlockingIOError):
            while self._receiver.recv(4096):
                pass

    def fileno(self) -> int:
        """A file descriptor that is readable while the wakeup is set."""
        return self._receiver.fileno()

    def close(self) -> None:
        """Free both ends."""
        self._receiver.close()
        self._sender.close()


@dataclass(frozen=True, slots=True)
class Round:
    """Mailboxes that the schedule wakes together."""

    mailboxes: tuple[str, ...]
    poll: float
    """Seconds between two wakeups."""
    first_in: float
    """Seconds until the first one."""


def rounds(polls: Mapping[str, float]) -> Iterator[Round]:
    """The rounds in which these mailboxes are woken, each at its `poll`, evenly over that time.

    One a second at most, whose mailboxes are several then: each costs the scheduler and its threads
    as much as half a sweep."""
    alike: dict[float, list[str]] = {}
    for mailbox, poll in polls.items():
        alike.setdefault(poll, []).append(mailbox)
    for poll, mailboxes in alike.items():
        count = max(1, min(len(mailboxes), int(poll / ROUNDS_APART)))
        for number in range(count):
            together = tuple(mailboxes[number::count])
            yield Round(together, poll, poll * (number + 1) / count)


def steps(
    seconds: float, step: float, ending: threading.Event, monotonic: Callable[[], float]
) -> Iterator[None]:
    """Wait for so many seconds, or until `ending` is set; yields after every `step` seconds.

    Whoever waits shows a sign of life then, or breaks off."""
    until = monotonic() + seconds
    left = seconds
    while left > 0 and not ending.wait(min(left, step)):
        yield
        left = until - monotonic()


class IdleTime:
    """How long the next IDLE of a connection lasts: the longer, the longer there was no news."""

    def __init__(self, pace: Pace) -> None:
        self._durations = pace.idle
        self._quiet = 0

    @property
    def seconds(self) -> float:
        """The longest duration of the next IDLE."""
        last = len(self._durations) - 1
        return self._durations[min(self._quiet, last)]

    def ended(self, *, news: bool) -> None:
        """Note that an IDLE ended, with news or without."""
        if news:
            self.shorten()
        else:
            self._quiet += 1

    def shorten(self) -> None:
        """Begin with the shortest again: there was news, from wherever it was known."""
        self._quiet = 0


class BackOff:
    """How long to wait before the next session: doubling from the first to the longest pause."""

    def __init__(self, pace: Pace, rng: Random, *, spare: bool = False) -> None:
        """`spare`: for a connection that can be done without, and that leaves its place to others
        where a server has no room."""
        self._pace = pace
        self._rng = rng
        self._spare = spare
        self.failures = 0
        """How many sessions in a row failed."""

    def pause(self, error: TokenCatcherError | None, lived: float) -> float:
        """Seconds to wait after a session of `lived` seconds that ended with this error.

        What the server asks for is kept. Any other pause has jitter: it is at least half as long
        as it could be."""
        if lived >= self._pace.healthy:
            self.reset()
        if isinstance(error, TransientError) and error.retry_after is not None:
            # A throttled connection is no failure; the bound is for a server that asks for a year.
            return min(error.retry_after, self._pace.refusal[1])
        bounds = self._pace.trouble
        no_room = self._spare and error is not None and error.code == "imap-unavailable"
        if no_room or isinstance(error, AccessError):
            bounds = self._pace.refusal
        seconds = doubling(bounds, self.failures)
        self.failures += 1
        return self._rng.uniform(seconds / 2, seconds)

    def reset(self) -> None:
        """Forget the failures so far: the next pause is a first one."""
        self.failures = 0


def doubling(bounds: tuple[float, float], times: int) -> float:
    """The first bound doubled so many times, at most the last."""
    first, last = bounds
    factor = 2.0 ** min(times, 32)  # further doubling would end in an OverflowError
    return min(last, first * factor)
