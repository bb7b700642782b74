"""What the page shows, and how it is kept fresh within bounds.

To find it out, journal and Vault are asked, which may take long; no request waits for that longer
than a moment. It is looked up only while somebody asks, on a thread of its own, and so that no more
than a tenth of its time is spent on it, however many users there are and however often is asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from token_catcher.errors import TokenCatcherError
from token_catcher.ports import Log
from token_catcher.record import Record
from token_catcher.status import Overview

PATIENCE: Final = 2.0
"""Seconds that a request waits for what is being looked up: nearly always that is enough."""
REST: Final = 5.0
"""Seconds at least between two looks."""
SHARE: Final = 9
"""How many times as long as a look took there is none."""


@dataclass(frozen=True, slots=True)
class Content:
    """As of one moment: that of the overview."""

    overview: Overview
    recent: tuple[Record, ...]
    """The last mails that were settled, the newest last."""
    waiting: tuple[Record, ...]
    """The held mails that wait for a person, the oldest first."""


@dataclass(frozen=True, slots=True)
class Aged:
    """Content, and how old it is."""

    content: Content
    seconds: float


class Lookup:
    """Looks up what the page shows, for who asks. Thread-safe."""

    def __init__(
        self, look: Callable[[], Content | None], *, monotonic: Callable[[], float], log: Log
    ) -> None:
        """`look` asks journal and Vault; None: there is nothing to look at yet."""
        self._look = look
        self._monotonic = monotonic
        self._log = log
        self._changed = threading.Condition()
        self._is_looking = False
        self._next_at = monotonic()
        self._content: Content | None = None
        self._looked_at = monotonic()

    def latest(self, patience: float = PATIENCE) -> Aged | None:
        """The newest that there is, after a wait of so many seconds for a newer one. None: nothing
        was looked up so far."""
        with self._changed:
            if not self._is_looking and self._monotonic() >= self._next_at:
                self._begin()
            self._changed.wait_for(self._is_at_rest, patience)
            if self._content is None:
                return None
            return Aged(self._content, self._monotonic() - self._looked_at)

    def _is_at_rest(self) -> bool:
        return not self._is_looking

    def _begin(self) -> None:
        thread = threading.Thread(target=self._round, name="page", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the machine has no thread left
            return
        self._is_looking = True

    def _round(self) -> None:
        began = self._monotonic()
        content = self._looked_up()
        ended = self._monotonic()
        with self._changed:
            if content is not None:
                self._content = content
                self._looked_at = began
            self._next_at = ended + max(REST, SHARE * (ended - began))
            self._is_looking = False
            self._changed.notify_all()

    def _looked_up(self) -> Content | None:
        try:
            return self._look()
        except TokenCatcherError as error:
            self._log.warning("web.look_failed", code=error.code, error=str(error))
        except Exception as bug:  # noqa: BLE001 - a bug must not stop the looks for good
            self._log.error("web.crashed", path="/", kind=type(bug).__name__)
        return None
