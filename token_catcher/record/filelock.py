"""Locks on our files: waited for within bounds, and not kept by a process that Ctrl-Z stops.

Whoever holds a lock holds up everybody who needs the file. So Ctrl-Z takes effect when the lock is
given back. Where its holder stands still all the same (SIGSTOP, a debugger, a disk that does not
answer), the others get an error that names it, and go on with what needs no such file.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

from token_catcher import files, signals
from token_catcher.errors import StateError

BUSY: Final = "state-busy"
"""The code of the error, where nothing more is said."""
_POLL: Final = 0.005
"""Seconds between two tries. flock(2) itself cannot wait for a limited time."""
_LOCKS: Final = Path("/proc/locks")
_FLOCK: Final = re.compile(r"\d+: FLOCK +\w+ +\w+ +(?P<pid>\d+) \w+:\w+:(?P<inode>\d+) .*")
"""One that is held; those that are waited for have an arrow before them (proc_locks(5))."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one operation waits for locks of others, which take milliseconds."""

    seconds: float = 20.0
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


PATIENCE: Final = Patience()


class Waiting:
    """What is left of the patience of one operation, however many locks it takes."""

    def __init__(self, patience: Patience = PATIENCE, code: str = BUSY) -> None:
        """`code`: of the error where it runs out."""
        self._patience = patience
        self._deadline = patience.monotonic() + patience.seconds
        self._code = code

    @contextmanager
    def turn(self, mutex: threading.Lock, path: Path) -> Iterator[None]:
        """Keep the other threads of this process from the file while the block runs.

        StateError: one of them did not let go in time; it may itself wait for a lock."""
        if not mutex.acquire(timeout=self._left):
            raise self._over(path)
        try:
            yield
        finally:
            mutex.release()

    @contextmanager
    def locked(self, file: FileIO, path: Path, *, shared: bool = False) -> Iterator[None]:
        """Lock the open file, which has this path, while the block runs.

        StateError: somebody else had it all the time, or its file system has no locks."""
        with signals.unstopped():
            while not files.lock(file, path, shared=shared):
                if not self._left:
                    raise self._over(path)
                self._patience.sleep(_POLL)
            try:
                yield
            finally:
                # Before Ctrl-Z takes effect, and not only with the file.
                files.unlock(file)

    @property
    def _left(self) -> float:
        """Seconds."""
        return max(0.0, self._deadline - self._patience.monotonic())

    def _over(self, path: Path) -> StateError:
        kept = f"a lock that {_holder(path)} kept for {self._patience.seconds:g} s"
        return StateError(f"{path}: got {kept}, expected it to be free", code=self._code)


def _holder(path: Path) -> str:
    """Who has the lock, as far as the kernel tells: not in another container, for one."""
    with suppress(OSError):
        status = path.stat(follow_symlinks=False)
        lines = _LOCKS.read_text("ascii").splitlines()
        for match in filter(None, map(_FLOCK.fullmatch, lines)):
            if int(match["inode"]) == status.st_ino and _has_open(match["pid"], status):
                return f"process {match['pid']}"
    return "somebody else"


def _has_open(pid: str, status: os.stat_result) -> bool:
    """Whether the process has this very file: another file system may have the same inode."""
    with suppress(OSError):
        for descriptor in Path("/proc", pid, "fd").iterdir():
            # One that was closed meanwhile, or that we may not look at.
            with suppress(OSError):
                if os.path.samestat(descriptor.stat(), status):
                    return True
    return False
