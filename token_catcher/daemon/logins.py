"""When a login may be made."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Logins:
    """Keeps the logins to one mailbox apart, whichever of its threads they come from."""

    def __init__(self, apart: float, monotonic: Callable[[], float], first_in: float = 0.0) -> None:
        """`apart`: seconds between two logins; `first_in`: seconds until the first one."""
        self._apart = apart
        self._monotonic = monotonic
        self._next = monotonic() + first_in
        self._lock = threading.Lock()  # a watch and its idle listeners ask at the same time

    def turn(self, *, beside: bool = False) -> float:
        """Seconds until a login may be made; 0.0: the turn is the caller's, and is taken.

        `beside`: for another connection beside one that was let in, which no server takes for
        knocking. It need not wait, but the next one has to."""
        with self._lock:
            now = self._monotonic()
            if now < self._next and not beside:
                return self._next - now  # and whoever does not come back costs nobody a turn
            self._next = now + self._apart
            return 0.0

    def take(self) -> None:
        """A login is made at once: in place of a session that was as long as any, and so seldom."""
        with self._lock:
            self._next = self._monotonic() + self._apart
