"""What nobody asks for and has to be done all the same, now and again: renewing Vault's token, say."""

from __future__ import annotations

import threading
from collections.abc import Callable

from token_catcher.daemon.watch import place
from token_catcher.ports import Log


class Housekeeping(threading.Thread):
    """Does the housekeeping, round after round.

    No job of the schedule, whose threads Python waits for at the end: this one is left behind, should it wait for
    a Vault that does not answer."""

    def __init__(self, keep: Callable[[], None], pause: float, log: Log) -> None:
        """`pause`: seconds between two rounds."""
        super().__init__(name="housekeeping", daemon=True)
        self._keep = keep
        self._pause = pause
        self._log = log
        self._ending = threading.Event()

    def run(self) -> None:
        """Until `end`."""
        while not self._ending.is_set():
            try:
                self._keep()
            except Exception as bug:  # noqa: BLE001 - a bug in one round must not end all later ones
                self._log.error("housekeeping.crashed", kind=type(bug).__name__, at=place(bug))
            self._ending.wait(self._pause)

    def end(self) -> None:
        """After the round in hand."""
        self._ending.set()
