"""Says on standard error that the program waits: in one line at the beginning, and then in a live
one on a terminal, elsewhere in a plain one now and then."""

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
        self._progress = Progress(self._left)
        self._plain_at = monotonic() + PLAIN_EVERY
        self._last = ""
        self._refused = 0

    def __enter__(self) -> Self:
        complain(f"token-catcher: {self._what}{self._how_it_ends}")
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
        if self._progress.is_live:
            # What matters most comes first: a narrow terminal cuts off the end.
            self._progress.update("; ".join([self._left, *self._come(), _watched(folders)]))
        elif self._monotonic() >= self._plain_at:
            self._plain_at = self._monotonic() + PLAIN_EVERY
            text = "; ".join([f"{self._what} ({self._left})", _watched(folders), *self._come()])
            complain(f"token-catcher: still {text}")

    @property
    def _how_it_ends(self) -> str:
        if self._progress.is_live:
            return "; Ctrl-C ends it safely"
        return ""

    @property
    def _left(self) -> str:
        """`9:42 left`."""
        minutes, seconds = divmod(max(0, round(self._end - self._monotonic())), 60)
        return f"{minutes}:{seconds:02} left"

    def _come(self) -> Iterator[str]:
        if self._refused:
            yield f"{self._refused} refused"
        if self._last:
            yield f"last: {self._last}"


def _watched(folders: Mapping[str, Sequence[str]]) -> str:
    if not folders:
        return "no mailbox can be looked at yet"
    watched = [f"{name} {', '.join(of_it)}" for name, of_it in folders.items()]
    return f"watching {'; '.join(watched)}"


def _in_words(result: ScanResult) -> str:
    """`INBOX/7 refused: bad-signature`."""
    where = result.mailbox
    if result.uid is not None:
        where = f"{result.folder}/{result.uid}"
    if result.reason is None:
        return f"{where} {result.outcome}"
    return f"{where} {result.outcome}: {result.reason}"
