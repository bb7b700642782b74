"""What the renewals of refresh tokens in one process have in common.

A renewal that is cut off loses the sign-in: the server has used up the old token, and nobody has
the new one. So at the end of the process those in flight are waited for, and none is begun.

What a renewal gave and could not be written is all there is of a sign-in. It belongs to the file,
not to the mailbox: whoever shares the file has it, and a reload of the configuration keeps it. It
is written as soon as that works, without waiting for the next renewal, and at the end once more:
whoever mends the volume restarts the daemon next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from token_catcher.in_flight import InFlight
from token_catcher.model import Secret


@dataclass(slots=True)
class Kept:
    """What is known of one file. To be touched under the lock alone."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held by the thread that renews."""
    in_file: Secret | None = None
    """What the file held when it was last read."""
    unwritten: Secret | None = None
    """What came after that, and could not be written."""
    write_again: Callable[[], None] | None = None
    """Tries to; None: all that came was written."""


class Renewals:
    """Those of one process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_flight = InFlight("no refresh token is renewed any more", "oauth-ending")
        self._kept: dict[Path, Kept] = {}

    def kept_at(self, place: Path) -> Kept:
        """What is known of this file, for all who use it."""
        with self._lock:
            return self._kept.setdefault(place, Kept())

    def in_flight(self, file: Path) -> AbstractContextManager[None]:
        """While the block runs one more is. Outage: the process ends, and begins none."""
        return self._in_flight.running(file)

    def write_again(self) -> None:
        """Write what could not be written before, where that works now. Waits for nobody."""
        with self._lock:
            known = tuple(self._kept.values())
        for kept in known:
            if kept.write_again is not None:
                kept.write_again()

    def end(self, seconds: float) -> Sequence[Path]:
        """Have none begin from here on, and wait for those in flight, at most so many seconds.

        Returns the files of those that are cut off."""
        cut_off = self._in_flight.end(seconds)
        self.write_again()
        return cut_off
