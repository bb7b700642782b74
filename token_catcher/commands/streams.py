"""The standard streams, made so that none of them can do harm.

A closed one is an empty one. What a stream's encoding cannot hold is shown with escapes. Where
standard output cannot be written, that is raised once: as TokenCatcherError, or as BrokenPipeError
where the reader has gone away. Where standard error cannot, there is nobody to tell.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TextIO

from token_catcher.errors import TokenCatcherError


class Sink(io.BufferedWriter):
    """The bytes of a standard stream. The first that cannot be written is a trouble, the rest is
    thrown away, so that what is still buffered makes no second one when the process ends.

    What is below it is not Python: a signal there could have bytes written twice."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(io.FileIO(descriptor, "wb", closefd=False))

    def write(self, content: Any) -> int:
        """Take all of it, and return how many bytes that were.

        `content`: a Buffer, for which Python has a type from 3.12 on."""
        try:
            super().write(content)
        except OSError as error:
            self._lose(error)
        return memoryview(content).nbytes

    def flush(self) -> None:
        """Write what was taken."""
        try:
            super().flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        """Have everything from here on go nowhere."""
        nothing = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(nothing, self.fileno())
        os.close(nothing)
        self.meet(error)

    def meet(self, error: OSError) -> None:
        """Nobody can be told that standard error cannot be written."""


class Results(Sink):
    """Standard output."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._trouble: Exception | None = None
        self._keeps = False

    def meet(self, error: OSError) -> None:
        """Raise the trouble, or keep it for later."""
        self._trouble = _told(error)
        if not self._keeps:
            raise self._trouble from None

    @contextmanager
    def trouble_last(self) -> Iterator[None]:
        """Have a trouble raised when the block ends, and not before."""
        self._keeps = True
        try:
            yield
        finally:
            self._keeps = False
        if self._trouble is not None:
            raise self._trouble


def _told(error: OSError) -> Exception:
    if isinstance(error, BrokenPipeError):
        return error  # the reader has what it wanted: typer ends the program quietly
    return TokenCatcherError(f"standard output cannot be written: {error.strerror}")


def take_over() -> None:
    """Exchange the standard streams of the process.

    In the order of their numbers: what is opened next takes that of a closed one."""
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - stays open
    sys.stdout = _taken_over(sys.stdout, Results)
    sys.stderr = _taken_over(sys.stderr, Sink)


def _taken_over(stream: TextIO | None, kind: type[Sink]) -> TextIO:
    """`stream`: None, where the caller closed it."""
    if stream is None:
        return Path(os.devnull).open("w", encoding="utf-8", errors="backslashreplace")
    return io.TextIOWrapper(
        kind(stream.fileno()),
        encoding=stream.encoding,
        errors="backslashreplace",
        # What is told must be there before we wait for somebody. PYTHONUNBUFFERED, which images of
        # containers set, is another mode of Python's stream than this one.
        line_buffering=kind is Sink or bool(stream.line_buffering),
    )


def trouble_last() -> AbstractContextManager[None]:
    """For a block of work that must not end where its results cannot be written.

    The trouble is raised when the block ends: as TokenCatcherError, or BrokenPipeError."""
    sink = getattr(sys.stdout, "buffer", None)
    if isinstance(sink, Results):
        return sink.trouble_last()
    return nullcontext()  # a stream of somebody who calls us from Python
