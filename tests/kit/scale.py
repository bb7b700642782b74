"""How much is tried: some with every change, and many times that before a release.

`make test` runs with TEST_SCALE=1 and takes the same examples every time, so that it is red only
where a change made it so. `make soak` sets a larger one, and looks for examples that are new.
"""

from __future__ import annotations

import os

import hypothesis

SCALE = float(os.environ.get("TEST_SCALE", "1"))


def times(count: int) -> int:
    """So many examples or rounds in `make test`, and more by the scale elsewhere; one at least."""
    return max(1, round(count * SCALE))


def choose_examples() -> None:
    """Set up hypothesis, before the first test is loaded. No bound of its own is a clock's."""
    hypothesis.settings.register_profile(
        "scaled",
        max_examples=times(100),
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
        derandomize=SCALE == 1,
        database=None,
    )
    hypothesis.settings.load_profile("scaled")
