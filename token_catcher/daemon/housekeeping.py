"""What nobody asks for and has to be done all the same: renewing Vault's token, for one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from token_catcher.log import raised_at
from token_catcher.ports import Log


class Housekeeping(threading.Thread):
    """Does it round after round, from the start to the end of the daemon.

    This is no job of the scheduler, whose threads Python waits for at exit: a round that waits for
    a Vault that does not answer is left behind."""

    def __init__(self, round_: Callable[[], None], pause: float, log: Log) -> None:
        """`pause`: seconds between two rounds."""
        super().__init__(name="housekeeping", daemon=True)
        self._round = round_
        self._pause = pause
        self._log = log
        self._ending = threading.Event()

    def run(self) -> None:
        """Until `end`."""
        while not self._ending.is_set():
            try:
                self._round()
            except Exception as bug:  # noqa: BLE001 - a bug in one round must not end all later ones
                kind = type(bug).__name__
                self._log.error("housekeeping.crashed", kind=kind, at=raised_at(bug))
            self._ending.wait(self._pause)

    def end(self) -> None:
        """Ask the thread to end after the round in hand."""
        self._ending.set()
