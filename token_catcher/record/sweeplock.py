"""The lock that a sweep of a mailbox holds on its checkpoint, and that a stopped one loses."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from io import FileIO
from pathlib import Path
from typing import Final

from token_catcher import files

STOPPED_AFTER: Final = 20.0
"""Seconds without a sign of the sweep that holds the lock, after which the next one takes it over.
Two sweeps at a time do no harm, since the journal and Vault recognise what they know; waiting for
a stopped one does."""
_POLL: Final = 0.05


class SweepLock:
    """One file, locked by flock(2) as long as it is the one of this name.

    The time of its last change is the sign that whoever holds it goes on."""

    def __init__(
        self, path: Path, monotonic: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._path = path
        self._monotonic = monotonic
        self._sleep = sleep
        self._open = ExitStack()
        self._file: FileIO | None = None

    def acquire(self, wait: float, on_wait: Callable[[], None] = lambda: None) -> bool:
        """Take it, from a stopped sweep as well. False: another one had it for `wait` seconds.

        `on_wait`: called as soon as it shows that another has it. OSError: the file cannot be
        used."""
        signed_at = self._monotonic()
        deadline = signed_at + wait
        sign = self._sign()
        while not self._is_taken():
            on_wait()
            now = self._monotonic()
            if now >= deadline:
                return False
            if self._sign() != sign:
                sign = self._sign()
                signed_at = now
            elif now - signed_at >= STOPPED_AFTER:
                # Whoever holds the old file keeps it; this name will be that of a new one.
                with suppress(FileNotFoundError):
                    self._path.unlink()
                continue
            self._sleep(_POLL)
        self.touch()
        return True

    @property
    def is_ours(self) -> bool:
        """Whether nobody has taken it over."""
        if self._file is None:
            return False
        ours = os.fstat(self._file.fileno())
        with suppress(FileNotFoundError):
            return os.path.samestat(ours, self._path.stat())
        return False

    def touch(self) -> None:
        """Show that the sweep goes on."""
        if self._file is not None:
            # A full disk, say: the worst that comes of it is that another sweep takes over.
            with suppress(OSError):
                # The kernel's own clock of files moves some milliseconds at a time.
                now = time.time_ns()
                os.utime(self._file.fileno(), ns=(now, now))

    def close(self) -> None:
        """Let go of it."""
        self._file = None
        self._open.close()

    def _is_taken(self) -> bool:
        """Open the file of this name, which may be another one by now, and try to lock it."""
        self.close()
        try:
            file = self._opened()
        except PermissionError:
            # Another owner's, who put a backup back: there is nothing in it.
            self._path.unlink()
            file = self._opened()
        if not files.lock(file, self._path):
            return False
        self._file = file
        return self.is_ours

    def _opened(self) -> FileIO:
        return self._open.enter_context(files.opened(self._path, os.O_RDWR | os.O_CREAT))

    def _sign(self) -> tuple[int, int] | None:
        """Which file it is, and when it was last touched. None: there is none."""
        with suppress(FileNotFoundError):
            status = self._path.stat()
            return status.st_ino, status.st_mtime_ns
        return None
