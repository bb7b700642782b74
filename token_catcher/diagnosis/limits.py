"""How long one look at many things may take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from token_catcher.diagnosis.step import Step


@dataclass(frozen=True, slots=True)
class Limit:
    """Seconds, by a monotonic clock. Each request has a time of its own as well (`connections`)."""

    seconds: float = 20.0
    monotonic: Callable[[], float] = time.monotonic

    def deadline(self) -> float:
        """Of a look that begins now."""
        return self.monotonic() + self.seconds

    def is_over(self, deadline: float) -> bool:
        """Whether it has passed."""
        return self.monotonic() >= deadline

    def left_out(self, step: str, left: int, count: int) -> Step:
        """So many of the things are left when it is over."""
        saw = f"{left} of {count} secrets were not looked at within {self.seconds:.0f} s"
        return Step("vault", "", step, "warning", saw, code="vault-slow")
