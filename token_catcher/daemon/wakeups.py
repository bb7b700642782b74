"""When to look, and how long to wait: wakeups, the pace of it all, back-off, logins that come gently.

A wakeup carries no content and says "look now" to one thread; setting it twice is setting it once.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Final

from token_catcher.errors import AccessError, TokenCatcherError, TransientError


@dataclass(frozen=True, slots=True)
class Pace:
    """How long is waited for what, in seconds."""

    idle: tuple[float, ...] = (5.0, 30.0, 240.0)
    """IDLE before a sweep that nobody asked for: short after any news (some servers swallow what arrives just before IDLE),
    four minutes at most (NATs forget silent connections)."""
    logins_apart: float = 10.0
    """Between two logins to one mailbox, whichever connection they are for."""
    trouble: tuple[float, float] = (4.0, 300.0)
    """After a session that broke: at first, and at most."""
    refusal: tuple[float, float] = (120.0, 3600.0)
    """After a refusal (a wrong password): servers lock accounts that keep knocking."""
    outage: tuple[float, float] = (2.0, 10.0)
    """After a sweep that met a dependency away: what waits is to be caught within seconds of its return."""
    healthy: float = 300.0
    """A session that lived so long clears the record of failures."""
    step: float = 5.0
    """The longest pause without a sign of life, and without a look whether the pause has lost its cause."""
    housekeeping: float = 30.0
    """Between two rounds of housekeeping."""

    def slice(self, quiet: int) -> float:
        """How long to IDLE after so many times without news."""
        return self.idle[min(quiet, len(self.idle) - 1)]


PACE: Final = Pace()


class Wakeup:
    """Says "look now" to one thread, from any thread or signal handler. A socket, so that a poll can wait for it too."""

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)

    def set(self) -> None:
        """Never blocks: a full socket is set already, and nobody waits for a closed one."""
        with suppress(OSError):
            self._sender.send(b"!")

    def fileno(self) -> int:
        """Readable while it is set."""
        return self._receiver.fileno()

    def is_set(self) -> bool:
        """Whether it was set since it was last cleared."""
        return self.wait(0.0)

    def wait(self, seconds: float) -> bool:
        """Wait until it is set, at most so many seconds. Returns whether it is."""
        poll = select.poll()  # select() fails beyond 1,024 descriptors
        poll.register(self._receiver, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def clear(self) -> None:
        """Take it as heard."""
        with suppress(BlockingIOError):
            while self._receiver.recv(4096):
                pass

    def close(self) -> None:
        """Free both ends."""
        self._receiver.close()
        self._sender.close()


class Logins:
    """Keeps the logins to one mailbox apart, whichever of its threads they come from."""

    def __init__(self, apart: float, monotonic: Callable[[], float], first_in: float = 0.0) -> None:
        self._apart = apart
        self._monotonic = monotonic
        self._next = monotonic() + first_in
        self._lock = threading.Lock()

    def turn(self) -> float:
        """Seconds until a login may be made; 0.0: the turn is the caller's."""
        with self._lock:
            now = self._monotonic()
            if self._next <= now:
                self._next = now + self._apart
                return 0.0
            return self._next - now


@dataclass
class BackOff:
    """How long to wait before the next session: doubling from the first to the longest pause, with jitter."""

    pace: Pace
    rng: Random
    failures: int = 0

    def pause(self, error: TokenCatcherError | None, lived: float) -> float:
        """Seconds to wait after a session of `lived` seconds that ended with this error; what the server asks for is kept."""
        if lived >= self.pace.healthy:
            self.failures = 0
        if isinstance(error, TransientError) and error.retry_after is not None:
            return min(error.retry_after, self.pace.refusal[1])
        seconds = doubling(
            self.pace.refusal if isinstance(error, AccessError) else self.pace.trouble,
            self.failures,
        )
        self.failures += 1
        return self.rng.uniform(seconds / 2, seconds)


def doubling(bounds: tuple[float, float], times: int) -> float:
    """The first bound doubled so many times, at most the last."""
    first, last = bounds
    return min(last, first * 2.0 ** min(times, 32))
