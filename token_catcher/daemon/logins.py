"""When a login may be made: seconds apart at each mailbox, in a row and few at a time at a server.

After a start, and once a server is back, all connections of a thousand mailboxes want to log in at
the same moment. Each mailbox then takes a place in the queue of its server, and asks again when its
turn can have come. Mailboxes of different servers do not wait for each other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from token_catcher.daemon.wakeups import Pace


class ServerLogins:
    """The logins to one server, whichever mailboxes they are to. From any thread.

    A server that answers slowly is given fewer: only so many logins are on their way at a time. But
    each counts for a while alone, since those that hang must not keep the others out."""

    def __init__(self, pace: Pace, monotonic: Callable[[], float]) -> None:
        self._apart = pace.server_logins_apart
        self._at_a_time = pace.server_logins
        self._counted_for = pace.server_login_counts
        self._monotonic = monotonic
        self._next = monotonic()
        self._queue: dict[object, None] = {}
        """The threads that wait, in the order in which they came."""
        self._begun: dict[object, float] = {}
        """The threads whose logins are on their way, and since when."""
        self._lock = threading.Lock()

    def turn(self, who: object) -> float:
        """Seconds after which to ask again; 0.0: the turn is the caller's, and is taken.

        Whoever does not log in after all has to `leave`; when the login has ended, `done` is due.
        """
        with self._lock:
            now = self._monotonic()
            self._queue.setdefault(who)
            place = list(self._queue).index(who)
            wait = self._wait(now)
            if place > 0 or wait > 0:
                return wait + place * self._apart
            del self._queue[who]
            self._begun[who] = now
            # A turn that is taken a little late delays none of those that follow.
            self._next = max(self._next, now - self._apart / 2) + self._apart
            return 0.0

    def leave(self, who: object) -> None:
        """Give up the place in the queue."""
        with self._lock:
            self._queue.pop(who, None)

    def done(self, who: object) -> None:
        """Its login has ended, well or not."""
        with self._lock:
            self._begun.pop(who, None)

    def _wait(self, now: float) -> float:
        """Seconds until the first of the queue may log in, at the soonest."""
        hung_since = now - self._counted_for
        self._begun = {who: begun for who, begun in self._begun.items() if begun > hung_since}
        if len(self._begun) >= self._at_a_time:
            return self._apart
        return max(0.0, self._next - now)


class Logins:
    """The logins to one mailbox, whichever of its threads they come from."""

    def __init__(self, apart: float, monotonic: Callable[[], float], server: ServerLogins) -> None:
        """`apart`: seconds between two logins."""
        self._apart = apart
        self._monotonic = monotonic
        self._server = server
        self._next = monotonic()
        self._in_turn: object | None = None
        """Which of the threads waits in the queue of the server."""
        self._lock = threading.Lock()  # a watch and its idle listeners ask at the same time

    def turn(self, who: object, *, beside: bool = False) -> float:
        """Seconds after which to ask again; 0.0: the turn is the caller's, and is taken.

        `who`: one thread. It has to `leave` if it does not log in after all, and to call `done`
        when the login has ended. `beside`: for another connection beside one that was let in, or
        in place of one that was as long as any, which no server takes for knocking. It waits for
        its turn at the server alone, and the others of the mailbox for it."""
        with self._lock:
            now = self._monotonic()
            if not beside:
                seconds = self._wait(who, now)
                if seconds > 0:
                    return seconds
                self._in_turn = who
            seconds = self._server.turn(who)
            if seconds == 0:
                self._release(who)
                self._next = now + self._apart
            return seconds

    def _wait(self, who: object, now: float) -> float:
        """Seconds until this mailbox can be logged in to, whatever the server."""
        if self._in_turn not in (None, who):
            return self._apart
        if now < self._next:
            self._release(who)  # or it would keep everybody behind it waiting
            return self._next - now
        return 0.0

    def leave(self, who: object) -> None:
        """Leave the turn to others."""
        with self._lock:
            self._release(who)

    def done(self, who: object) -> None:
        """The login of this thread has ended, well or not."""
        self._server.done(who)

    def _release(self, who: object) -> None:
        self._server.leave(who)
        if self._in_turn is who:
            self._in_turn = None
