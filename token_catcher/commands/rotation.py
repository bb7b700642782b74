"""One row of the history, and which rows are asked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, get_args, get_type_hints

from token_catcher.commands.advice import ADVICE
from token_catcher.errors import ConfigurationError
from token_catcher.model import Event, moment

EVENTS: Final = tuple(Event)
OUTCOMES: Final = tuple(event.outcome for event in Event)


@dataclass(frozen=True, slots=True)
class Rotation:
    """One row: how a mail ended. The fields, and what they mean, are those of the journal."""

    at: str
    """When it was recorded. Times are ISO 8601 in UTC."""
    event: str
    org: str | None = None
    username: str | None = None
    issued_at: str | None = None
    path: str | None = None
    version: int | None = None
    reason: str | None = None
    saw: str | None = None
    recovered: bool | None = None
    fingerprint: str | None = None
    token_length: int | None = None
    proof: str | None = None
    vault_created_at: str | None = None
    request_id: str | None = None
    instance: str | None = None
    mailbox: str | None = None
    folder: str | None = None
    uidvalidity: int | None = None
    uid: int | None = None
    mail: str | None = None
    received_at: str | None = None
    seq: int | None = None
    """Number and hash of the journal's record; None for what only a log tells."""
    hash: str | None = None

    @property
    def moment(self) -> datetime:
        """`at`, to compare."""
        return moment(self.at)

    @property
    def advice(self) -> str | None:
        """What a person does next about a held mail."""
        held = self.event == Event.HELD
        return next(
            (text for reason, text in ADVICE.items() if held and reason == self.reason), None
        )

    def as_json(self) -> dict[str, Any]:
        """The contract of `history --json`."""
        return {**asdict(self), "recovered": bool(self.recovered), "advice": self.advice}


@dataclass(frozen=True, slots=True)
class Query:
    """Which rotations are asked for; None: all."""

    org: str | None = None
    user: str | None = None
    event: str | None = None
    """`stored` or `rotation.stored`."""
    since: datetime | None = None
    until: datetime | None = None
    """Up to, but without it: the reports of two months share no row."""

    def __post_init__(self) -> None:
        """ConfigurationError: there is no such event."""
        if self.event is not None and self.event.removeprefix("rotation.") not in OUTCOMES:
            raise ConfigurationError(
                f"--event: got {self.event[:40]!a}, expected one of: {', '.join(OUTCOMES)}"
            )

    def fits(self, one: Rotation) -> bool:
        """Whether it is asked for, whatever its time."""
        return (
            self.org in (None, one.org)
            and (self.user is None or self.user.lower() == one.username)
            and (self.event is None or self.event.removeprefix("rotation.") == outcome(one))
        )

    def in_time(self, one: Rotation) -> bool:
        """Whether its time is asked for."""
        return (self.since is None or self.since <= one.moment) and (
            self.until is None or one.moment < self.until
        )


def outcome(one: Rotation) -> str:
    """stored | unchanged | held | refused"""
    return Event(one.event).outcome


KINDS: Final = {
    name: get_args(hint)[0] if get_args(hint) else hint
    for name, hint in get_type_hints(Rotation).items()
}
"""Of each field, what kind of value it has where it has one."""
