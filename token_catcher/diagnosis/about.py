"""Steps on one thing, and the limit that each of them has."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from token_catcher import signals
from token_catcher.diagnosis.step import Step, StepOutcome
from token_catcher.errors import Outage, TokenCatcherError

Result = TypeVar("Result")

LIMIT: Final = 30.0
"""Seconds for one step."""
OVERDUE: Final = "check-limit"
"""The code of a step that has not ended in that time."""


@dataclass(frozen=True, slots=True)
class About:
    """Makes the steps of one area on one subject."""

    area: str
    subject: str = ""
    mailbox: str = ""
    """Which one a next step names; empty: none."""

    def ok(self, step: str, saw: str) -> Step:
        """It is as it should be."""
        return self._step(step, "ok", saw)

    def warning(self, step: str, saw: str, code: str) -> Step:
        """It works, and somebody should look at it."""
        return self._step(step, "warning", saw, code)

    def failed(self, step: str, saw: str, code: str) -> Step:
        """It does not work."""
        return self._step(step, "failed", saw, code)

    def skipped(self, step: str, why: str) -> Step:
        """It was not tried."""
        return self._step(step, "skipped", why)

    def attempt(self, step: str, work: Callable[[], Step], seconds: float = LIMIT) -> Step:
        """The step that the work gives; a failed one for an error of ours, or after the limit."""
        try:
            return within(seconds, work)
        except TokenCatcherError as error:
            # Messages name the mailbox, which is the subject of the step already.
            saw = str(error).removeprefix(f"mailbox {self.subject}: ")
            return self.failed(step, saw, error.code)

    def _step(self, step: str, outcome: StepOutcome, saw: str, code: str = "") -> Step:
        return Step(self.area, self.subject, step, outcome, saw, code, self.mailbox)


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """What the work returns, or raises.

    It is done in a thread of its own, since neither a search for a host name nor a read from a
    stuck network disk can be interrupted. The main thread goes on answering signals.
    Outage `check-limit`: it has not ended in time; its thread is left behind, and ends with the
    process."""
    running = _Work(work)
    with signals.unstopped():  # for good: no thread but the main one lets Ctrl-Z in
        thread = threading.Thread(target=running.run, name="diagnosis", daemon=True)
        thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise Outage(f"got no end within {seconds:g} seconds", code=OVERDUE)
    return running.result()


class _Work(Generic[Result]):
    """Work that is done in one thread, and whose end is looked at in another."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._results: list[Result] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        """Do it. Whatever it raises is kept for who waits."""
        try:
            self._results.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._error = error

    def result(self) -> Result:
        """What came of it."""
        if self._error is not None:
            raise self._error
        return self._results[0]
