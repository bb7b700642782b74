"""How SIGTERM and SIGINT end a command: at once, with 128 and their number as the exit code.

The kernel drops a signal for which process 1, as in a container, has no handler. So there is one
before the program's other modules are imported, and always one from then on:

    importing   `leave_at_once`: nothing is to be cleaned up yet
    a command   `end_by_exception`: `Ended` is raised in the main thread, so that sessions log out,
                the terminal gets its cursor back, and processes of the demo's are stopped;
                `postponed` where something would be lost that is given out once
    the daemon  its own handlers, once it runs: it ends between two mails, with exit code 0

What the caller has us ignore stays ignored: SIGINT of a script's `&`, for one.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT})
STOPPING: Final = frozenset({signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
"""What a terminal stops a process with, Ctrl-Z for one. SIGSTOP is not among them: nothing can keep
it waiting."""
TWINS_WITHIN: Final = 1.0
"""Seconds within which a second signal is the first one's twin: timeout(1) sends two."""
STUCK_AFTER: Final = 2.0
"""Seconds until a main thread that does not answer a signal is left: the C library's search for a
host name, for one, takes longer, and Python answers no signal meanwhile."""

Handler = Callable[[int, FrameType | None], None]

# Signals belong to the process, so this is one of a process as well.
_answered = threading.Event()
"""Whether the main thread has answered a signal."""


class Ended(SystemExit):
    """A signal ends the command; `code` is 128 and its number."""


def leave_at_once() -> None:
    """Have the signals end the process on the spot: there is nothing to clean up."""
    _handle_by(_leave)


def end_by_exception() -> None:
    """Have the signals raise `Ended` in the main thread. A second one ends the process at once."""
    _handle_by(_end)
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    # Python writes the number of each signal to it at once, whatever the main thread does.
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    with unstopped():  # for good: while the main thread must not be stopped, no other one is
        thread = threading.Thread(
            target=_leave_if_stuck, args=(reader,), name="signals", daemon=True
        )
        thread.start()


def answer_with(handler: Handler, *further: signal.Signals) -> None:
    """Hand the signals, and further ones, to a main thread that always answers soon."""
    for number in (*ENDING, *further):
        signal.signal(number, handler)
    signal.set_wakeup_fd(-1)


@contextmanager
def postponed() -> Iterator[None]:
    """Have the signals take effect when the block ends: it must not be left half done.

    A second one, that is no twin, ends the process at once: the block takes too long for somebody.
    Another thread than the main one is never interrupted by a signal."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    first_at = 0.0

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal first_at
        _answered.set()
        if not arrived:
            first_at = time.monotonic()
        elif time.monotonic() - first_at > TWINS_WITHIN:
            _leave(number, frame)
        arrived.append(number)

    before = {number: signal.getsignal(number) for number in ENDING}
    _handle_by(note)
    try:
        yield
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)
        for number in arrived:  # also where the block failed
            signal.raise_signal(number)


@contextmanager
def unstopped() -> Iterator[None]:
    """Have Ctrl-Z take effect when the block ends: others wait for what is done in it.

    Any thread that lets the signal in stops all of them. A command's main thread is the only one
    that does; a thread that starts in the block never will."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _handle_by(handler: Handler) -> None:
    for number in ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    _answered.set()
    ended_at = time.monotonic()

    def again(number: int, frame: FrameType | None) -> None:
        """Cleaning up takes too long for somebody."""
        if time.monotonic() - ended_at > TWINS_WITHIN:
            _leave(number, frame)

    _handle_by(again)
    raise Ended(128 + number)


def _leave(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)


def _leave_if_stuck(reader: int) -> None:
    """Wait for the first signal, and leave where the main thread does not answer it."""
    number = 0
    while number not in ENDING:
        number = os.read(reader, 1)[0]
    if not _answered.wait(STUCK_AFTER):
        _leave(number, None)
