"""Waiting for what another thread or process does; only something broken reaches the bound."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")

PATIENCE = 120.0
"""Seconds that anything here may take: a machine under load is slow and still right."""
SHORTEST = 0.002
LONGEST = 0.1
"""Seconds between two questions."""
FOREVER = 3600.0
"""Seconds of a wait that something has to end: pytest gives up on the test before they are over."""


def until(question: Callable[[], Answer | None], what: str, seconds: float = PATIENCE) -> Answer:
    """Ask until the answer is something, and return it. AssertionError: `what` did not come.

    Asked often at first and less often then: a question may cost a request to a server."""
    deadline = time.monotonic() + seconds
    pause = SHORTEST
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"gave up waiting for {what} after {seconds:.0f} s")
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST)
