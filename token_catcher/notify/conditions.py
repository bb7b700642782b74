"""When something counts as failing, and when as healed. Pure.

A connection that drops for a minute is no news. What has trouble for five minutes is told once;
once it has been well for two, that is told as well, if the trouble was. Trouble that comes and goes
within these times is one trouble. A receiver that refuses us is told at once: it has answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from token_catcher.model import iso, moment
from token_catcher.notify.notice import Kind, Notice
from token_catcher.notify.receiver import GONE, REFUSED

FAILING_AFTER: Final = timedelta(minutes=5)
HEALED_AFTER: Final = timedelta(minutes=2)
AT_ONCE: Final = frozenset((GONE, REFUSED))
"""The codes of troubles that do not pass within minutes."""


@dataclass(slots=True)
class Condition:
    """The trouble of one subject. Times are ISO 8601."""

    subject: str
    code: str
    """Of the error, as it was first seen; or of the one that was told at once."""
    since: str
    is_told: bool = False
    well_since: str | None = None
    """None: it has trouble now."""

    def failing(self, now: datetime) -> Notice:
        """That it fails."""
        fields = {"code": self.code, "since": self.since}
        return Notice(Kind.FAILING, self._key, now, self.subject, fields)

    def healed(self, now: datetime) -> Notice:
        """That it does not fail any more."""
        fields = {"code": self.code, "since": self.since, "until": self.well_since}
        return Notice(Kind.HEALED, self._key, now, self.subject, fields)

    @property
    def _key(self) -> str:
        return f"{self.subject} {self.since}"


class Conditions:
    """The troubles that last, or were there a moment ago."""

    def __init__(self, conditions: Iterable[Condition] = ()) -> None:
        self._conditions = {condition.subject: condition for condition in conditions}

    @classmethod
    def from_json(cls, values: Iterable[dict[str, Any]]) -> Conditions:
        """What `as_json` gave."""
        return cls(Condition(**value) for value in values)

    def as_json(self) -> list[dict[str, Any]]:
        """All of them, to be kept."""
        return [asdict(condition) for condition in self._conditions.values()]

    def begin_anew(self) -> None:
        """After a start: of a trouble that was not told yet nobody saw whether it lasted."""
        for subject, condition in tuple(self._conditions.items()):
            if not condition.is_told:
                del self._conditions[subject]

    def look(self, troubles: Mapping[str, str | None], now: datetime) -> list[Notice]:
        """What is to be told, of subjects with the code of their trouble; None: they are well.

        A subject that is not among them is not known just now, and stays as it was."""
        notices = []
        for subject, code in troubles.items():
            notice = self._look_at(subject, code, now)
            if notice is not None:
                notices.append(notice)
        return notices

    def _look_at(self, subject: str, code: str | None, now: datetime) -> Notice | None:
        if code is None:
            return self._well(subject, now)
        return self._ailing(subject, code, now)

    def _ailing(self, subject: str, code: str, now: datetime) -> Notice | None:
        condition = self._conditions.setdefault(subject, Condition(subject, code, iso(now)))
        condition.well_since = None
        if condition.is_told:
            return None
        if code in AT_ONCE:
            condition.code = code
        elif now - moment(condition.since) < FAILING_AFTER:
            return None
        condition.is_told = True
        return condition.failing(now)

    def _well(self, subject: str, now: datetime) -> Notice | None:
        condition = self._conditions.get(subject)
        if condition is None:
            return None
        condition.well_since = condition.well_since or iso(now)
        if now - moment(condition.well_since) < HEALED_AFTER:
            return None
        del self._conditions[subject]
        if not condition.is_told:
            return None
        return condition.healed(now)
