"""How much of a flood is told: ten of a kind in an hour, and then one event for all others. Pure.

Anybody can send mail that is refused, and many can send mail that is held. The hour is reckoned by
the times of the records alone, so that the same records give the same events, whenever they are
read. The others of an hour are told when it is over.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from token_catcher.model import iso, moment
from token_catcher.notify.notice import Kind, Notice

LIMIT: Final = 10
PERIOD: Final = timedelta(hours=1)
LIMITED: Final = frozenset({Kind.REFUSED, Kind.HELD})


@dataclass(slots=True)
class Flood:
    """What came of one kind to one mailbox within an hour. Times are ISO 8601."""

    kind: str
    mailbox: str
    began: str
    told: int = 0
    left_out: int = 0
    first: str = ""
    """When the first one came that was left out."""
    last: str = ""
    key: str = ""
    """Of the last one that was left out."""
    reasons: dict[str, int] = field(default_factory=dict)
    """How many were left out for each."""

    def is_over(self, at: datetime) -> bool:
        """Whether its hour is."""
        return at - moment(self.began) >= PERIOD

    def leave_out(self, notice: Notice) -> None:
        """Count one that is not told."""
        self.left_out += 1
        self.first = self.first or iso(notice.at)
        self.last = iso(notice.at)
        self.key = notice.key
        reason = str(notice.fields.get("reason", ""))
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    def summary(self) -> Notice:
        """One notice for all that were left out."""
        fields = {
            "mailbox": self.mailbox,
            "count": self.left_out,
            "first": self.first,
            "last": self.last,
            "reasons": dict(self.reasons),
        }
        subject = f"mailbox/{self.mailbox}"
        return Notice(
            Kind(self.kind), self.key, moment(self.last), subject, fields, is_summary=True
        )


class Floods:
    """The hours that are not over yet."""

    def __init__(self, floods: Iterable[Flood] = ()) -> None:
        self._floods = {(flood.kind, flood.mailbox): flood for flood in floods}

    @classmethod
    def from_json(cls, values: Iterable[dict[str, Any]]) -> Floods:
        """What `as_json` gave."""
        return cls(Flood(**value) for value in values)

    def as_json(self) -> list[dict[str, Any]]:
        """All of them, to be kept."""
        return [asdict(flood) for flood in self._floods.values()]

    def admit(self, notice: Notice) -> list[Notice]:
        """What is told now that this one came: itself, unless it is left out; and before it what
        was left out of an hour that it shows to be over."""
        if notice.kind not in LIMITED:
            return [notice]
        mailbox = str(notice.fields.get("mailbox", ""))
        told = []
        flood = self._floods.get((notice.kind, mailbox))
        if flood is None or flood.is_over(notice.at):
            if flood is not None and flood.left_out:
                told.append(flood.summary())
            flood = Flood(notice.kind, mailbox, iso(notice.at))
            self._floods[notice.kind, mailbox] = flood
        if flood.told >= LIMIT:
            flood.leave_out(notice)
        else:
            flood.told += 1
            told.append(notice)
        return told

    def end(self, now: datetime) -> list[Notice]:
        """What was left out of hours that are over by now."""
        over = [key for key, flood in self._floods.items() if flood.is_over(now)]
        ended = [self._floods.pop(key) for key in over]
        return [flood.summary() for flood in ended if flood.left_out]
