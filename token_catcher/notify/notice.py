"""What is told: a notice, and the event that a receiver gets of it. Pure.

An event is CloudEvents 1.0 in JSON. Its id is made of what the notice is known by and of the
receiver's name, so that it is the same at each try and after each start. What an event holds is
picked by name, from a record that never had a token.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from token_catcher.log import PLAIN_FIELDS
from token_catcher.model import Entry, Event, as_fields, iso, masked, moment, printable
from token_catcher.record import Record

LONGEST_TEXT: Final = 500
"""Characters of a text in an event; an evidence has 200."""


class Kind(StrEnum):
    """What an event tells; the words of `notify[].on`."""

    STORED = "stored"
    HELD = "held"
    REFUSED = "refused"
    FAILING = "failing"
    HEALED = "healed"
    OVERDUE = "overdue"
    NEVER_SEEN = "never-seen"
    LOGIN_REFUSED = "login-refused"
    EXPIRING = "expiring"
    RETIREMENT = "retirement"
    TEST = "test"
    """Only what `notify test` sends; nobody has to ask for it."""


ASKED_FOR: Final = tuple(kind for kind in Kind if kind is not Kind.TEST)
"""Those that a receiver can be given."""

OF_RECORDS: Final[Mapping[Event, Kind]] = {
    Event.STORED: Kind.STORED,
    Event.HELD: Kind.HELD,
    Event.REFUSED: Kind.REFUSED,
}
"""Which records are told. Of an unchanged token there is nothing to do."""
TOLD_OF_RECORDS: Final[Sequence[str]] = (
    "org",
    "username",
    "path",
    "version",
    "mailbox",
    "reason",
    "saw",
    "issued_at",
    "received_at",
    "fingerprint",
    "mail",
    "recovered",
    "mended",
    "released_by",
)
"""Fields of a record, by name: a field that a later version adds is not told by itself."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell, whoever is told."""

    kind: Kind
    key: str
    """What it is known by: of the same kind and key there is one notice."""
    at: datetime
    """When it happened."""
    subject: str
    """Whom it is about: `ORG/USERNAME`, `mailbox/NAME`, `vault`, `journal`, `notify/NAME`."""
    fields: Mapping[str, Any]
    """JSON values; never changed."""
    is_summary: bool = False
    """It stands for several that were left out of a flood."""

    @property
    def type(self) -> str:
        """As CloudEvents wants it: who reads the same type finds the same fields."""
        if self.is_summary:
            return f"token-catcher.{self.kind}.summary"
        return f"token-catcher.{self.kind}"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event for one receiver, as it is kept until it is delivered."""

    id: str
    receiver: str
    subject: str
    body: str
    """JSON. It stays the same, byte for byte, at each try."""

    @property
    def type(self) -> str:
        """That of the event: `token-catcher.stored`."""
        return str(self.content["type"])

    @property
    def content(self) -> dict[str, Any]:
        """The event as an object."""
        return dict(json.loads(self.body))


def notice_of(record: Record) -> Notice | None:
    """What a record tells; None: nothing."""
    entry = record.entry
    kind = OF_RECORDS.get(entry.event)
    if kind is None:
        return None
    recorded = as_fields(entry)
    fields = {name: recorded[name] for name in TOLD_OF_RECORDS if name in recorded}
    fields["record"] = record.seq
    return Notice(kind, record.hash, moment(record.at), subject_of(entry), fields)


def subject_of(entry: Entry) -> str:
    """Whose mail it was, as far as that is known: what a stranger's mail claims is no subject."""
    if entry.org is not None and entry.username is not None:
        return f"{entry.org}/{entry.username}"
    return f"mailbox/{entry.mailbox}"


def event_of(notice: Notice, receiver: str, instance: str) -> Outgoing:
    """The event that this receiver gets of a notice.

    The same arguments give the same bytes."""
    known_by = "\n".join((instance, receiver, notice.type, notice.key))
    # No full stop may be in it: the signature puts one behind it.
    event_id = "msg_" + hashlib.sha256(known_by.encode()).hexdigest()[:32]
    content = {
        "specversion": "1.0",
        "id": event_id,
        "source": instance,
        "type": notice.type,
        "subject": notice.subject,
        "time": iso(notice.at),
        "datacontenttype": "application/json",
        "data": {name: _harmless(name, value) for name, value in notice.fields.items()},
    }
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=str)
    return Outgoing(event_id, receiver, notice.subject, body)


def _harmless(name: str, value: Any) -> Any:
    """Text of a mail or of a server goes where people read, and may have a token in it."""
    if name in PLAIN_FIELDS or not isinstance(value, str):
        return value
    return masked(printable(value))[:LONGEST_TEXT]
