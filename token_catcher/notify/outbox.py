"""The outbox: collects what is to be told, and has it delivered; no capture waits for it.

A thread of its own reads the journal from where it last stopped, looks at the health of the daemon,
and takes what others hand in (`tell`). What comes of it goes into the outbox's file, in one
transaction with the place in the journal. Each receiver has threads of its own, so that one that
hangs holds up no other.

The first time there is no place, and it begins at the journal's end: what happened before somebody
wanted to be told is history.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final

from token_catcher.errors import StateError
from token_catcher.log import raised_at
from token_catcher.notify.conditions import Conditions
from token_catcher.notify.delivery import Delivery, Outcome
from token_catcher.notify.flood import Floods
from token_catcher.notify.notice import Kind, Notice, event_of, notice_of
from token_catcher.notify.receiver import Receiver
from token_catcher.notify.store import Backlog, OutboxFile
from token_catcher.ports import Log
from token_catcher.record import Head, Journal, Record

BEAT: Final = 1.0
"""Seconds between two looks at the journal and at what else is to be told."""
A_BEAT: Final = 5_000
"""Records that are read in one of them."""
AFTER_TROUBLE: Final = 15.0
"""Seconds until the file of the outbox is tried again."""
AFTER_BUGS: Final = 900.0
"""Seconds until a step is taken again that has failed by a bug several times, at most."""
SEEN_FOR: Final = timedelta(hours=12)
"""How long the file is not asked again about a key."""
MOST_SEEN: Final = 10_000
"""Keys that this is remembered of."""
LEAVE_WITHIN: Final = 1.0
"""Seconds for the threads to end; a delivery that takes longer is left behind, and made again."""


@dataclass(frozen=True, slots=True)
class ReceiverHealth:
    """How it stands with one receiver."""

    waiting: int
    oldest: datetime | None
    """Since when the event waits that has waited longest."""
    trouble: str | None
    """Why the last try failed, as the code of the error; None: it did not."""
    failing_since: datetime | None = None
    """When the first of the tries failed that have failed in a row since the start."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What somebody handed in, once for each key."""

    key: str
    notice: Notice


class _Bugs:
    """Of the steps of one thread, since one last went well."""

    def __init__(self) -> None:
        self.count = 0
        self._told: set[tuple[str, str]] = set()

    def is_news(self, kind: str, at: str) -> bool:
        """Whether a bug of this kind at this place was not told yet; it counts as told now."""
        bug = (kind, at)
        is_news = bug not in self._told
        self._told.add(bug)
        return is_news

    def pause(self) -> float:
        """Seconds until the next step, ever more of them."""
        seconds: float = AFTER_TROUBLE * 2 ** min(self.count, 20)
        self.count += 1
        return min(seconds, AFTER_BUGS)

    def forget(self) -> None:
        """A step has gone well."""
        self.count = 0
        self._told.clear()


class _Memory:
    """What is known from one beat to the next, and kept in the file."""

    def __init__(self, kept: Mapping[str, Any]) -> None:
        self.seq: int = kept["seq"]
        """The number of the last record that was read."""
        self.hash: str = kept["hash"]
        """Its hash."""
        self.floods = Floods.from_json(kept["floods"])
        self.conditions = Conditions.from_json(kept["conditions"])

    @classmethod
    def recalled(cls, kept: Any, path: Path) -> _Memory:
        """The memory as the file has it. StateError: it is in no form of ours."""
        try:
            return cls(kept)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            kind = type(error).__name__
        raise StateError(
            f"{path}: the outbox cannot be used: its memory is in no form of ours ({kind})",
            code="notify-outbox",
        )

    def read_to(self, head: Head) -> None:
        """What is up to there was read."""
        if head.seq > self.seq:
            self.seq = head.seq
            self.hash = head.hash

    def as_json(self) -> dict[str, Any]:
        """To be kept."""
        return {
            "seq": self.seq,
            "hash": self.hash,
            "floods": self.floods.as_json(),
            "conditions": self.conditions.as_json(),
        }


class Outbox:
    """Tells all receivers of one configuration."""

    def __init__(
        self,
        path: Path,
        receivers: Sequence[Receiver],
        journal: Journal,
        *,
        instance: str,
        troubles: Callable[[], Mapping[str, str | None]],
        now: Callable[[], datetime],
        rng: Random,
        log: Log,
        observe: Callable[[str, Outcome, int], None] = lambda _receiver, _outcome, _count: None,
    ) -> None:
        """`troubles`: of each subject whose state is known, the code of its trouble, or None.
        `observe`: see `Delivery`."""
        self._path = path
        self._file = OutboxFile(path)
        self._journal = journal
        self._instance = instance
        self._troubles = troubles
        self._now = now
        self._log = log
        self.deliveries = [
            Delivery(receiver, self._file, now=now, rng=rng, log=log, observe=observe)
            for receiver in receivers
        ]
        self._handed_in: deque[_Told] = deque()
        self._seen_at: dict[str, datetime] = {}
        """When each key was last handed in, so that the file need not be asked every time."""
        self._kept: str | None = None
        """The memory as the file has it; None: not known yet."""
        self._began_at: Head | None = None
        """See `_end_of_history`; None: not known yet."""
        self._trouble: str | None = None
        self._health: Mapping[str, ReceiverHealth] = {}
        self._ending = threading.Event()
        self._wakeups: list[threading.Event] = []
        """Of the threads that deliver."""
        self._threads: list[threading.Thread] = []

    @property
    def health(self) -> Mapping[str, ReceiverHealth]:
        """How it stands with each receiver, as of the last beat. From any thread."""
        return self._health

    @property
    def trouble(self) -> str | None:
        """Why the outbox's own file cannot be used, as the code of the error. From any thread."""
        return self._trouble

    def tell(self, kind: Kind, subject: str, fields: Mapping[str, Any], *, key: str) -> None:
        """Have something told, once for each key. From any thread; neither waits nor raises.

        Whoever sees a state tells it at every look, with the same key for as long as it is the same
        thing, so that nothing is lost in a crash: `overdue`, with the user and the date of the
        token. A key is known for a hundred days after it was last handed in. `fields`: JSON values,
        never a secret."""
        now = self._now()
        full_key = f"{kind} {key}"
        known = self._seen_at.get(full_key)
        if known is not None and now - known < SEEN_FOR:
            return
        if len(self._seen_at) > MOST_SEEN:
            self._seen_at.clear()
        self._seen_at[full_key] = now
        self._handed_in.append(_Told(full_key, Notice(kind, key, now, subject, dict(fields))))

    # -- threads --

    def begin(self) -> None:
        """Start the threads; what is recorded from here on is told."""
        # The file is opened by the threads alone: it may be locked, or on a disk that hangs.
        with suppress(StateError):  # of the journal, which the daemon tells
            self._end_of_history()
        self._start(self._collect_for_good, "notify")
        for delivery in self.deliveries:
            for number in range(delivery.receiver.workers):
                wakeup = threading.Event()
                self._wakeups.append(wakeup)
                name = f"notify-{delivery.receiver.name}-{number}"
                self._start(partial(self._deliver_for_good, delivery, wakeup), name)

    def end(self) -> None:
        """Ask the threads to end, and wait a moment for them."""
        self._ending.set()
        for wakeup in self._wakeups:
            wakeup.set()
        for thread in self._threads:
            thread.join(LEAVE_WITHIN / len(self._threads))

    def _start(self, target: Callable[[], None], name: str) -> None:
        # Python does not wait for it at exit.
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _collect_for_good(self) -> None:
        bugs = _Bugs()
        while not self._ending.is_set():
            self._ending.wait(self._guarded(self._beat, bugs))

    def _deliver_for_good(self, delivery: Delivery, wakeup: threading.Event) -> None:
        bugs = _Bugs()
        while not self._ending.is_set():
            wakeup.wait(self._guarded(delivery.step, bugs))
            wakeup.clear()

    def _guarded(self, step: Callable[[], float], bugs: _Bugs) -> float:
        """Seconds until the next step. A bug in one must not end all later ones.

        Each bug is told once until a step has gone well. `bugs`: of this thread."""
        try:
            seconds = step()
        except StateError as error:
            self._meet(error)
            return AFTER_TROUBLE
        except Exception as bug:  # noqa: BLE001 - see above
            kind = type(bug).__name__
            at = raised_at(bug)
            if bugs.is_news(kind, at):
                self._log.error("notify.crashed", kind=kind, at=at)
            return bugs.pause()
        if bugs.count:
            self._log.info("notify.runs_again", after=bugs.count)
            bugs.forget()
        return seconds

    def _meet(self, error: StateError) -> None:
        if self._trouble != error.code:
            self._log.error("notify.trouble", code=error.code, error=str(error))
        self._trouble = error.code

    # -- what is to be told --

    def _beat(self) -> float:
        """Collect, and wake who delivers. Seconds until the next."""
        if self.collect():
            for wakeup in self._wakeups:
                wakeup.set()
        return BEAT

    def collect(self) -> bool:
        """Take in all that is to be told now. Whether there was anything.

        StateError: the outbox cannot be used; all of it is taken in the next time."""
        now = self._now()
        if self._kept is None:
            self._kept = self._begin()
        memory = _Memory(json.loads(self._kept))
        notices = list(self._new(memory, now))
        told = self._taken()
        try:
            added = self._write(memory, notices, told, now)
        except StateError:
            self._handed_in.extendleft(reversed(told))
            raise
        self._look_at_backlogs()
        if self._trouble is not None:
            self._log.info("notify.usable_again")
        self._trouble = None
        return added

    def _end_of_history(self) -> Head:
        """The journal's last record when we began. StateError: it cannot be read."""
        if self._began_at is None:
            self._journal.catch_up()
            self._began_at = self._journal.head
        return self._began_at

    def _begin(self) -> str:
        """What the file knows; the first time, that all there was at the beginning was told."""
        head = self._end_of_history()
        self._journal.catch_up()
        names = [delivery.receiver.name for delivery in self.deliveries]
        with self._file.transaction() as outbox:
            kept = outbox.recall("outbox")
            forgotten = outbox.forget_others(names)
            if kept is None:
                # Nothing was kept yet.
                kept = {"seq": head.seq, "hash": head.hash, "floods": [], "conditions": []}
            memory = _Memory.recalled(kept, self._path)
            memory.conditions.begin_anew()
            self._expect_same_journal(memory)
            outbox.keep("outbox", memory.as_json())
        if forgotten:
            self._log.warning("notify.receiver_gone", count=forgotten)
        return json.dumps(memory.as_json())

    def _expect_same_journal(self, memory: _Memory) -> None:
        """Of another journal than the one that was read, all is news."""
        is_another = self._journal.head.seq < memory.seq
        for record in islice(self._journal.records(after=memory.seq - 1), 1):
            is_another = record.seq == memory.seq and record.hash != memory.hash
        if is_another:
            self._log.warning("notify.another_journal", seq=memory.seq)
            memory.seq = 0
            memory.hash = ""

    def _new(self, memory: _Memory, now: datetime) -> Iterator[Notice]:
        """What the journal and the daemon's health tell that was not told yet."""
        for record in self._added(memory):
            notice = notice_of(record)
            if notice is not None:
                yield from memory.floods.admit(notice)
        yield from memory.floods.end(now)
        yield from memory.conditions.look(self._all_troubles(), now)

    def _added(self, memory: _Memory) -> list[Record]:
        """The next records of mails, which count as read by now."""
        # It is in memory: no lock is taken, and no file looked at, where nothing was added.
        head = self._journal.head
        if head.seq <= memory.seq:
            return []
        records: list[Record] = []
        with suppress(StateError):  # which the daemon tells; what fails beside it is told here
            records = list(islice(self._journal.records(after=memory.seq), A_BEAT))
            if len(records) < A_BEAT:
                # The last ones may be of the journal itself, and are not looked for again.
                memory.read_to(head)
        if records:
            memory.read_to(Head(records[-1].seq, records[-1].hash))
        return records

    def _all_troubles(self) -> Mapping[str, str | None]:
        """Those of the daemon, and of the receivers that were tried since the start."""
        troubles = dict(self._troubles())
        for delivery in self.deliveries:
            if delivery.is_tried:
                troubles[f"notify/{delivery.receiver.name}"] = delivery.trouble
        return troubles

    def _taken(self) -> list[_Told]:
        """What was handed in since the last time."""
        told = []
        while self._handed_in:
            told.append(self._handed_in.popleft())
        return told

    def _write(
        self, memory: _Memory, notices: Sequence[Notice], told: Sequence[_Told], now: datetime
    ) -> bool:
        """Put it into the file, where it is anything new. Whether an event was added."""
        kept = json.dumps(memory.as_json())
        if kept == self._kept and not notices and not told:
            return False
        with self._file.transaction() as outbox:
            new = [item.notice for item in told if outbox.is_new(item.key, now)]
            events = [
                event_of(notice, delivery.receiver.name, self._instance)
                for notice in (*notices, *new)
                for delivery in self.deliveries
                if is_for(delivery.receiver, notice)
            ]
            outbox.add(events, now)
            outbox.keep("outbox", json.loads(kept))
        self._kept = kept
        return bool(events)

    def _look_at_backlogs(self) -> None:
        with self._file.transaction() as outbox:
            backlogs = outbox.backlogs()
        health = {}
        for delivery in self.deliveries:
            name = delivery.receiver.name
            health[name] = _health(backlogs.get(name), delivery)
        self._health = health


def is_for(receiver: Receiver, notice: Notice) -> bool:
    """Whether this receiver is told; nobody is told through a receiver that it fails."""
    return notice.kind in receiver.kinds and notice.subject != f"notify/{receiver.name}"


def _health(backlog: Backlog | None, delivery: Delivery) -> ReceiverHealth:
    waiting = 0
    oldest = None
    if backlog is not None:
        waiting = backlog.count
        oldest = backlog.oldest
    return ReceiverHealth(waiting, oldest, delivery.trouble, delivery.failing_since)
