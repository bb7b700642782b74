"""What is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from token_catcher.daemon import Health


class Loops(Protocol):
    """The part of the daemon that is looked at; answers from any thread."""

    @property
    def health(self) -> Sequence[Health]:
        """How each mailbox does."""

    @property
    def ready(self) -> bool:
        """Whether the first look at every mailbox has ended."""

    @property
    def stuck(self) -> Sequence[str]:
        """The loops that stand still."""


@dataclass(frozen=True)
class Subject:
    """What the pages tell of. Every question is answered from memory."""

    version: str
    instance: str
    loops: Loops
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    shard: tuple[int, int] = (0, 1)
    """Index and count."""
    journal_head: Callable[[], int] = lambda: 0
    """The number of the last record."""
    vault_token_expires_at: Callable[[], datetime | None] = lambda: None
    """None: it does not expire, or there is none yet."""
