"""Requests whose answer is given out once: cut off, they lose what nobody gets again.

A renewal of a refresh token, which the server replaces by it, and the unwrapping of a secret_id are
such. At the end of the process those in flight are waited for, and none is begun.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from token_catcher.errors import Outage


class InFlight:
    """Those of one kind in one process. Thread-safe."""

    def __init__(self, refusal: str, code: str) -> None:
        """`refusal`: what is said to who begins one at the end, under this code."""
        self._refusal = refusal
        self._code = code
        self._changed = threading.Condition()
        self._files: list[Path] = []
        self._ending = False

    @contextmanager
    def running(self, file: Path) -> Iterator[None]:
        """While the block runs one more is, whose answer goes into this file.

        Outage: the process ends, and begins none."""
        self._begin(file)
        try:
            yield
        finally:
            self._end_one(file)

    def close(self) -> None:
        """Have none begin from here on."""
        with self._changed:
            self._ending = True

    def end(self, seconds: float) -> Sequence[Path]:
        """Close, and wait for those in flight, at most so many seconds.

        Returns the files of those that are cut off."""
        self.close()
        with self._changed:
            self._changed.wait_for(self._none_is_left, seconds)
            return tuple(self._files)

    def _begin(self, file: Path) -> None:
        with self._changed:
            if self._ending:
                raise Outage(f"{self._refusal}: the program ends", code=self._code)
            self._files.append(file)

    def _end_one(self, file: Path) -> None:
        with self._changed:
            self._files.remove(file)
            self._changed.notify_all()

    def _none_is_left(self) -> bool:
        return not self._files
