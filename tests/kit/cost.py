"""What work costs, for tests that hold it to a ratio of other work in the same process."""

from __future__ import annotations

import time
from collections.abc import Callable


def cost(work: Callable[[], object]) -> float:
    """Seconds of processor time, best of three: what else the machine does hardly counts."""
    return min(_once(work) for _ in range(3))


def _once(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
