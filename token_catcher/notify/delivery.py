"""What waits for one receiver, delivered: at least once, and in no promised order.

An event that fails is tried again for a day, ever more seldom, and then given up. Each event has
its own pause, so that one which the receiver cannot take holds up no other. And the receiver has
one: after a failure nothing is sent to it for a while, whatever waits, and the next try is another
event. So a receiver that is away costs one try in fifteen minutes, and an event that is poison
costs its neighbours seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Final, Literal

from token_catcher.errors import TokenCatcherError, TransientError, Undeliverable
from token_catcher.log import raised_at
from token_catcher.notify.receiver import GONE, Receiver
from token_catcher.notify.store import OutboxFile, Waiting
from token_catcher.ports import Log

TRIED_FOR: Final = timedelta(days=1)
LEAST_TRIES: Final = 8
"""Before that nothing is given up that may pass; they take 20 minutes."""
FIRST_PAUSE: Final = 5.0
"""Seconds before the second try."""
LONGEST_PAUSE: Final = 900.0
"""Seconds between two tries, at most, unless the receiver asks for more."""
LONGEST_REQUEST: Final = 3600.0
"""Seconds that a receiver may ask us to wait: more is taken for a mistake, and cut."""
JITTER: Final = 0.2
"""The part by which the dice make a pause longer."""
LONGEST_SLEEP: Final = 60.0
"""Seconds without a look at what waits; whatever is added wakes."""

Outcome = Literal["delivered", "failed", "given_up"]


class Delivery:
    """The way of events to one receiver. Any thread may take a step; each takes one event."""

    def __init__(
        self,
        receiver: Receiver,
        file: OutboxFile,
        *,
        now: Callable[[], datetime],
        rng: Random,
        log: Log,
        observe: Callable[[str, Outcome, int], None] = lambda _receiver, _outcome, _count: None,
    ) -> None:
        """`observe` is told of the end of each try, and of how many were given up."""
        self.receiver = receiver
        self._file = file
        self._now = now
        self._rng = rng
        self._log = log
        self._observe = observe
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        """The subjects of the events that are under way."""
        self._silent_until: datetime | None = None
        self._failures = 0
        """In a row, of whatever event."""
        self._told_bugs: set[tuple[str, str]] = set()
        self.trouble: str | None = None
        """Why the last try failed, as the code of the error. From any thread."""
        self.failing_since: datetime | None = None
        """When the first of the tries failed that have failed in a row. From any thread."""
        self.is_tried = False
        """Whether there was a try since the start."""

    def step(self) -> float:
        """Try one event that is due. Seconds until there may be another.

        StateError: the outbox cannot be used."""
        now = self._now()
        silence = self._silence(now)
        if silence > 0:
            return silence
        waiting = self._claimed(now)
        if waiting is None:
            return self._until_due(now)
        try:
            self._try(waiting)
        finally:
            with self._lock:
                self._busy.discard(waiting.event.subject)
        return 0.0

    def _silence(self, now: datetime) -> float:
        """Seconds for which nothing is sent. A clock that was set back ends them."""
        if self._silent_until is None:
            return 0.0
        seconds = (self._silent_until - now).total_seconds()
        if seconds > (1 + JITTER) * LONGEST_REQUEST:
            return 0.0
        return seconds

    def _claimed(self, now: datetime) -> Waiting | None:
        """The event that this thread tries; None: there is none for it just now."""
        with self._lock, self._file.transaction() as outbox:
            given_up = outbox.drop_excess(self.receiver.name)
            waiting = outbox.due(self.receiver.name, now, self._busy)
            if waiting is not None:
                self._busy.add(waiting.event.subject)
        if given_up:
            self._give_up(given_up, "notify-too-many")
        return waiting

    def _until_due(self, now: datetime) -> float:
        with self._file.transaction() as outbox:
            next_try = outbox.next_try(self.receiver.name)
        if next_try is None:
            return LONGEST_SLEEP
        # What is due and was not claimed is of a subject that another thread has in hand.
        return min(LONGEST_SLEEP, max(1.0, (next_try - now).total_seconds()))

    def _try(self, waiting: Waiting) -> None:
        """Deliver one event, and note how that ended. A crash before that delivers it again."""
        try:
            answer = self.receiver.transport.deliver(waiting.event)
        except Undeliverable as error:
            self._remove(waiting)
            gone_since = self.failing_since or self._now()
            self._heal()
            if error.code == GONE:
                self.trouble = error.code
                self.failing_since = gone_since
            self._give_up(1, error.code, error=str(error), id=waiting.event.id)
        except TokenCatcherError as error:
            self._fail(waiting, error)
        except Exception as bug:  # noqa: BLE001 - a bug in one way must hold up no other event
            kind = type(bug).__name__
            self._tell_bug(kind, raised_at(bug))
            self._fail(waiting, TokenCatcherError(f"a bug ({kind})", code="notify-crashed"))
        else:
            self._remove(waiting)
            self._heal()
            self._observe(self.receiver.name, "delivered", 1)
            self._log.info(
                "notify.delivered",
                receiver=self.receiver.name,
                id=waiting.event.id,
                type=waiting.event.type,
                answer=answer,
            )

    def _tell_bug(self, kind: str, at: str) -> None:
        """Once for each kind and place since the start: the event that shows it is tried again."""
        bug = (kind, at)
        if bug not in self._told_bugs:
            self._log.error("notify.crashed", receiver=self.receiver.name, kind=kind, at=at)
        self._told_bugs.add(bug)

    def _remove(self, waiting: Waiting) -> None:
        with self._file.transaction() as outbox:
            outbox.remove(waiting)

    def _heal(self) -> None:
        """The receiver has answered, whatever it said."""
        if self._failures:
            self._log.info("notify.answers_again", receiver=self.receiver.name)
        self._failures = 0
        self._silent_until = None
        self.trouble = None
        self.failing_since = None
        self.is_tried = True

    def _fail(self, waiting: Waiting, error: TokenCatcherError) -> None:
        """Try again later: this event after its own pause, the others after the receiver's."""
        self.trouble = error.code
        self.is_tried = True
        asked_for = 0.0
        if isinstance(error, TransientError) and error.retry_after:
            asked_for = min(error.retry_after, LONGEST_REQUEST)
        now = self._now()
        self.failing_since = self.failing_since or now
        silence = max(asked_for, self._pause(self._failures))
        self._silent_until = now + timedelta(seconds=silence)
        own = max(asked_for, self._pause(waiting.tries))
        with self._file.transaction() as outbox:
            outbox.postpone(waiting, now + timedelta(seconds=own))
            given_up = outbox.expire(self.receiver.name, now - TRIED_FOR, self._least_tries())
        self._tell_failure(waiting, error)
        self._failures += 1
        self._observe(self.receiver.name, "failed", 1)
        if given_up:
            self._give_up(given_up, error.code)

    def _least_tries(self) -> int:
        """Of an event that is given up, however long it has waited.

        After days without us it may be old, and the network not there yet."""
        if self._failures + 1 >= LEAST_TRIES:  # the receiver itself was tried so often in a row
            return 0
        return LEAST_TRIES

    def _pause(self, failures: int) -> float:
        """Seconds after so many failures before this one."""
        seconds: float = min(FIRST_PAUSE * 2 ** min(failures, 20), LONGEST_PAUSE)
        return seconds * (1 + JITTER * self._rng.random())

    def _tell_failure(self, waiting: Waiting, error: TokenCatcherError) -> None:
        """The 1st, 2nd, 3rd, 5th, 9th … failure in a row; the others are only counted."""
        tell = self._log.debug
        if self._failures & (self._failures - 1) == 0:
            tell = self._log.warning
        tell(
            "notify.failed",
            receiver=self.receiver.name,
            id=waiting.event.id,
            type=waiting.event.type,
            code=error.code,
            error=str(error),
        )

    def _give_up(self, count: int, code: str, **more: str) -> None:
        self._observe(self.receiver.name, "given_up", count)
        self._log.error(
            "notify.given_up", receiver=self.receiver.name, count=count, code=code, **more
        )
