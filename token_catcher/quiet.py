"""How much of a flood of events is told: enough to notice it, and how many there were."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final


class Quiet:
    """Lets ten events of a kind through in an hour.

    The first of the next hour says how many were left out."""

    LIMIT: Final = 10
    PERIOD: Final = timedelta(hours=1)

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._hours: dict[tuple[str, ...], tuple[datetime, int]] = {}
        """Of each kind, when its hour began and how many events there were since."""

    def admit(self, kind: tuple[str, ...]) -> int | None:
        """How many events of this kind were left out before this one; None: this one is as well."""
        now = self._now()
        began, count = self._hours.get(kind, (now, 0))
        if now - began >= self.PERIOD:
            self._hours[kind] = (now, 1)
            return max(0, count - self.LIMIT)
        self._hours[kind] = (began, count + 1)
        if count >= self.LIMIT:
            return None
        return 0
