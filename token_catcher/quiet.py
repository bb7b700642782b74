"""How much of a flood of events is told: enough to notice it, and how many there were.

Ten of a kind in an hour are told one by one. What is left out is counted, and the count always
comes: with the first of the kind in the next hour, or with the last that was left out, once the
hour is over or the program ends. So a log tells of as many as there were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from token_catcher.model import Entry


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What was not told of a kind: the last entry, and how many there were before it."""

    entry: Entry
    at: datetime
    """When the last one was recorded."""
    before: int


@dataclass(slots=True)
class _Hour:
    """What came of one kind, and what of that is not told yet."""

    began: datetime
    count: int = 0
    untold: LeftOut | None = None


class Quiet:
    """Lets ten entries of a kind through in an hour."""

    LIMIT: Final = 10
    PERIOD: Final = timedelta(hours=1)

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._hours: dict[tuple[str, ...], _Hour] = {}

    def admit(self, entry: Entry) -> int | None:
        """How many of its kind were left out before this one; None: this one is as well."""
        now = self._now()
        kind = (entry.mailbox, entry.event, entry.reason or "")
        hour = self._hours.get(kind)
        if hour is None or self._is_over(hour):
            self._hours[kind] = _Hour(now, count=1)
            return _untold(hour)
        hour.count += 1
        if hour.count > self.LIMIT:
            hour.untold = LeftOut(entry, now, before=_untold(hour))
            return None
        return 0

    def take_left_out(self, *, of_past_hours: bool = False) -> list[LeftOut]:
        """What is not told yet, of each kind; whoever takes it tells it.

        `of_past_hours`: only that of which no more can come in its hour."""
        taken = []
        for hour in self._hours.values():
            if hour.untold is None or (of_past_hours and not self._is_over(hour)):
                continue
            taken.append(hour.untold)
            hour.untold = None
        return taken

    def _is_over(self, hour: _Hour) -> bool:
        return self._now() - hour.began >= self.PERIOD


def _untold(hour: _Hour | None) -> int:
    """How many were left out of an hour, and are not told yet."""
    if hour is None or hour.untold is None:
        return 0
    return hour.untold.before + 1
