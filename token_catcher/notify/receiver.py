"""Who is told: a receiver by its name, and the way to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from token_catcher.notify.notice import Kind, Outgoing

GONE: Final = "notify-gone"
"""The code where a receiver wants no more events."""
REFUSED: Final = "notify-refused"
"""The code where it does not take them from us: it has answered, so that is no passing outage."""


class Transport(Protocol):
    """A way to a receiver. One thread for each event."""

    def deliver(self, event: Outgoing) -> str:
        """Hand it over, and say in words of ours how it was taken: `answered 204`.

        Undeliverable: another try would not help; with the code `GONE`, nor would another event.
        Any other TokenCatcherError: try again later, an Outage after its pause. However it ends, it
        ends within a minute or two. No text of the receiver's is in what is returned or raised."""

    def probe(self) -> str:
        """See whether an event could be handed over, without one, and say in words of ours what
        was looked at. Raises what `deliver` raises, but never Undeliverable."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Somebody who is told."""

    name: str
    """Unique; stands in logs and metrics, and is part of the ids of its events."""
    kinds: frozenset[Kind]
    """What it is told of."""
    transport: Transport
    workers: int = 1
    """How many events may be under way at a time; those of one subject never are."""
