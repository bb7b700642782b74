"""Whether each receiver of notifications could be told; no event is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from token_catcher.diagnosis.about import About
from token_catcher.diagnosis.step import Step
from token_catcher.errors import ConfigurationError
from token_catcher.notify import Receiver

AREA: Final = "notify"
LIMIT: Final = 40.0
"""Seconds for one of them: a webhook has 30 of its own, and says more when they are over."""
UNREAD: Final = "secret"
"""The code of a secret that cannot be read."""


def receiver_steps(receivers: Sequence[Receiver], limit: float = LIMIT) -> Iterator[Step]:
    """One for each. `limit`: seconds for one of them."""
    for receiver in receivers:
        about = About(AREA, receiver.name)
        yield about.attempt("receiver", partial(_receiver_step, receiver, about), limit)


def _receiver_step(receiver: Receiver, about: About) -> Step:
    try:
        saw = receiver.transport.probe()
    except ConfigurationError as error:
        if error.code != UNREAD:
            raise
        # A service that is down has its credentials not mounted.
        return about.skipped("receiver", "its secret cannot be read (see files)")
    return about.ok("receiver", saw)
