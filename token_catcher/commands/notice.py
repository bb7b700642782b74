"""Says on standard error that the program waits: in one live line on a terminal, elsewhere in a
plain line now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, Self

from token_catcher.commands.output import Progress, complain
from token_catcher.commands.results import ScanResult

PLAIN_EVERY: Final = 30.0
"""Seconds between two plain lines."""


class Notice:
    """Says for whom is waited, how much time is left, where is looked, and what came last."""

    def __init__(self, what: str, seconds: float, monotonic: Callable[[], float]) -> None:
        """`what`: for what is waited; `seconds`: so long."""
        self._what = what
        self._monotonic = monotonic
        self._end = monotonic() + seconds
        self._progress = Progress(f"{what}; Ctrl-C ends it safely")
        self._plain_at = monotonic() + PLAIN_EVERY
        self._last = ""
        self._refused = 0

    def __enter__(self) -> Self:
        if not self._progress.is_live:
            complain(f"token-catcher: {self._what}")
        self._progress.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self._progress.__exit__(*details)

    @contextmanager
    def showing(self, result: ScanResult) -> Iterator[None]:
        """Room for a result, which is remembered as what came last."""
        self._last = _in_words(result)
        if result.outcome == "refused":
            self._refused += 1
        with self._progress.paused():
            yield

    def go_on(self, folders: Mapping[str, Sequence[str]]) -> None:
        """The wait goes on. `folders`: by mailbox, what is looked at."""
        text = "; ".join([f"{self._what} ({self._left})", *self._seen(folders)])
        if self._progress.is_live:
            self._progress.update(f"{text}; Ctrl-C ends it safely")
        elif self._monotonic() >= self._plain_at:
            self._plain_at = self._monotonic() + PLAIN_EVERY
            complain(f"token-catcher: still {text}")

    @property
    def _left(self) -> str:
        """`9:42 left`."""
        minutes, seconds = divmod(max(0, round(self._end - self._monotonic())), 60)
        return f"{minutes}:{seconds:02} left"

    def _seen(self, folders: Mapping[str, Sequence[str]]) -> Iterator[str]:
        if folders:
            watched = [f"{name} {', '.join(of_it)}" for name, of_it in folders.items()]
            yield f"watching {'; '.join(watched)}"
        else:
            yield "no mailbox can be looked at yet"
        if self._refused:
            yield f"{self._refused} refused"
        if self._last:
            yield f"last: {self._last}"


def _in_words(result: ScanResult) -> str:
    """`INBOX/7 refused: bad-signature`."""
    where = result.mailbox
    if result.uid is not None:
        where = f"{result.folder}/{result.uid}"
    if result.reason is None:
        return f"{where} {result.outcome}"
    return f"{where} {result.outcome}: {result.reason}"
