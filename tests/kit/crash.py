"""Crashes and full disks at any effect: the operating system's own calls fail before, in the
middle of, or after their work.

The code under test is the real one; what is exchanged is the ground it stands on. Once a crash has
come, every further effect raises as well, so that `finally` blocks of the dying process leave no
trace, as after `kill -9`. A full disk is told once, to the call that meets it, and the program goes
on.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock


class Crash(BaseException):
    """The process is gone. No `except Exception` sees it."""


CALLS = ("fsync", "replace", "unlink", "ftruncate")
"""The effects on files, beside `write`, which may also be cut in the middle."""


class Crashes:
    """Counts effects and crashes at the one that was chosen.

    An effect has two places: just before it, and just after.
    """

    def __init__(self) -> None:
        self._left: int | None = None
        """Places until the chosen one; None: nothing happens."""
        self._full = False
        """Whether the disk is full at the chosen place, in place of a crash."""
        self.dead = False

    @contextmanager
    def at(self, place: int, *, full: bool = False) -> Iterator[None]:
        """Crash at this place, counted from 0.

        `full`: in place of the crash, the disk has no room for the next write."""
        self._begin(place, full=full)
        replaced: dict[str, Any] = {name: self._crashing(getattr(os, name)) for name in CALLS}
        try:
            with mock.patch.multiple(os, write=self._write, **replaced):
                yield
        finally:
            self._begin(None, full=False)

    def _begin(self, place: int | None, *, full: bool) -> None:
        self._left = place
        self._full = full
        self.dead = False

    def __call__(self, _effect: str = "") -> None:
        """One place where a crash may come."""
        if self.dead:
            raise Crash
        if self._left is None:
            return
        self._left -= 1
        if self._left < 0 and not self._full:
            self.dead = True
            raise Crash

    def _crashing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def crashing(*words: Any, **named: Any) -> Any:
            self()
            done = call(*words, **named)
            self()
            return done

        return crashing

    def _write(
        self, descriptor: int, content: Any, *, real: Callable[[int, Any], int] = os.write
    ) -> int:
        """A crash, or the end of the room, may have kept half of it."""
        self()
        half = bytes(content)[: len(content) // 2]
        if self._full and self._left is not None and self._left < 0:
            self._left = None
            real(descriptor, half)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._left == 0 and not self._full:
            real(descriptor, half)
            self()
        done = real(descriptor, content)
        self()
        return done
