"""The part of the page on who is told of events: what waits for them, and since when they fail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from token_catcher.advice import next_step
from token_catcher.html import Cell, Table, text, word
from token_catcher.model import iso
from token_catcher.notify import ReceiverHealth
from token_catcher.web.snapshot import NOBODY_IS_TOLD, Telling
from token_catcher.wording import counted

_RECEIVERS: Final = Table(
    "table-receivers",
    "Each receiver of notifications",
    ("receiver", "state", "waiting", "what is known", "what to do"),
    is_stacked=True,
)


def receiver_pieces(telling: Telling) -> Iterator[str]:
    """Nothing, where nobody is to be told."""
    if telling == NOBODY_IS_TOLD:
        return
    yield '<h2 id="receivers">Receivers of notifications</h2>\n'
    if telling.trouble is not None:
        state = word(telling.trouble, "failing")
        yield f"<p>Nobody is told: {state} {text(next_step(telling.trouble) or '')}</p>\n"
    yield from _RECEIVERS.lines(_cells(name, health) for name, health in telling.receivers.items())


def _cells(name: str, health: ReceiverHealth) -> Sequence[Cell]:
    state = word("ok", "ok")
    if health.trouble is not None:
        state = word(health.trouble, "failing")
    return (
        Cell.of(name),
        Cell(state),
        Cell.of(counted(health.waiting, "event")),
        Cell.of("; ".join(_known_of(health))),
        Cell.of(next_step(health.trouble or "")),
    )


def _known_of(health: ReceiverHealth) -> Iterator[str]:
    if health.failing_since is not None:
        yield f"failing since {_minute(health.failing_since)}"
    if health.oldest is not None:
        yield f"the oldest event waits since {_minute(health.oldest)}"


def _minute(time: datetime) -> str:
    """`2026-02-03 12:57`."""
    return iso(time)[:16].replace("T", " ")
