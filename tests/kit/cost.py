"""What something costs, without a clock on the wall: counted calls, or a share of other work.

A bound in seconds says more of the machine than of the program. A count is the same everywhere.
Where the work is one call into C (a regular expression, a hash), it is compared with other work
that is done in turns with it, in the same thread.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

ROUNDS = 5


def calls(work: Callable[[], object]) -> int:
    """How many functions this thread calls meanwhile, of Python and of C."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        if event in ("call", "c_call"):
            count += 1

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def times_dearer(work: Callable[[], object], reference: Callable[[], object]) -> float:
    """How many times the reference's processor time the work takes.

    The best of several rounds counts for each: what else the machine does only ever adds."""
    best = seconds(work)
    best_reference = seconds(reference)
    for _ in range(ROUNDS - 1):
        best = min(best, seconds(work))
        best_reference = min(best_reference, seconds(reference))
    return best / best_reference


def cost(work: Callable[[], object]) -> float:
    """Seconds of processor time, best of several: what else the machine does hardly counts."""
    return min(seconds(work) for _ in range(ROUNDS))


def seconds(work: Callable[[], object]) -> float:
    """Processor time of this thread."""
    began = time.thread_time()
    work()
    return time.thread_time() - began
