"""Commands of the operator's, each with a process group of its own, whose end is theirs as well.

A command may leave something behind: a shell its background jobs, a time-out all that it started.
What has made a session of its own (gpg-agent, for one) is meant to go on, and does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, Final

from token_catcher.signals import postponed

END_WITHIN: Final = 2.0
"""Seconds given to what was killed. What runs as root (sudo, for one) cannot be, and is left."""
END_PAUSE: Final = 0.01
"""Seconds between two looks meanwhile."""


class Children:
    """Those that run now. Thread-safe."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        """Nobody has waited for these yet: the number of each is its own, and its group's."""
        self._lock = threading.RLock()
        """One that a signal's handler can take again in the thread that it interrupts."""

    def start(self, arguments: Sequence[str], **streams: Any) -> subprocess.Popen[bytes]:
        """Run a command; no shell comes between. OSError: it cannot be run.

        Until `end`, ask `has_ended` instead of the process itself."""
        with _whole(), self._lock:
            process = subprocess.Popen(  # noqa: S603 - the operator's own command, and no shell
                arguments, stdin=subprocess.DEVNULL, start_new_session=True, **streams
            )
            self._running.add(process)
        return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End it with all that it started, in whatever state they are, and wait for them.

        Its `returncode` is known then; None: it runs as somebody whose processes we cannot end."""
        with _whole():
            with self._lock:
                if process in self._running:  # `end_all` was not here before
                    self._running.discard(process)
                    _kill(process)
            _wait(process)

    def end_all(self) -> None:
        """End what runs, and wait for it. From any thread."""
        with self._lock:
            ended = tuple(self._running)
            self._running.clear()
            for process in ended:
                _kill(process)
        for process in ended:
            _wait(process)


CHILDREN: Final = Children()
"""Children belong to the process, so this is one of a process as well."""


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the command itself has, whatever it left behind. Its number stays its own."""
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # `end_all` has waited for it
        return True


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The whole group, also where the command itself has ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _wait(process: subprocess.Popen[bytes]) -> None:
    """For the command, and then for its orphans: as process 1, as in a container, they are ours."""
    until = time.monotonic() + END_WITHIN
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_WITHIN)
    with suppress(ChildProcessError):  # none is left
        while time.monotonic() < until:
            number, _ = os.waitpid(-process.pid, os.WNOHANG)
            if number == 0:
                time.sleep(END_PAUSE)


def _whole() -> AbstractContextManager[None]:
    """A block that no signal leaves half done; only the main thread is interrupted by them."""
    if threading.current_thread() is threading.main_thread():
        return postponed()
    return nullcontext()
