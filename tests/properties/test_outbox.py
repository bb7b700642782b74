"""The outbox under crashes at any place, a receiver that fails in every way, and time that passes.

In the end each record was told, and each id stands for one content.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.kit.scale import times
from tests.unit.notify.kit import Box, Heap
from tests.unit.record.books import entry
from token_catcher.errors import Outage
from token_catcher.notify import Kind, Outgoing
from token_catcher.notify.store import OutboxFile, Transaction

AWAY = Outage("away", code="notify-unreachable")


class Crash(BaseException):
    """The process ends here."""


class CrashingFile(OutboxFile):
    """One under which the process ends, right before or after a transaction is durable."""

    crash = ""
    crash_at = 1
    """Of the transactions from now on, the one."""

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with super().transaction() as transaction:
            self.crash_at -= 1
            yield transaction
            if self.crash == "before" and self.crash_at <= 0:
                raise Crash
        if self.crash == "after" and self.crash_at <= 0:
            raise Crash


class CrashingHeap(Heap):
    """One that has taken an event when the process ends."""

    crash = False

    def deliver(self, event: Outgoing) -> str:
        answer = super().deliver(event)
        if self.crash:
            raise Crash
        return answer


class Machine(RuleBasedStateMachine):
    """One journal, one outbox, one receiver."""

    @initialize()
    def begin(self) -> None:
        """The outbox is there before the first record."""
        self.directory = tempfile.TemporaryDirectory()
        self.heap = CrashingHeap()
        self.box = Box(Path(self.directory.name), ops=self.heap)
        self.box.collect()
        self.count = 0
        self.overdue = 0

    @rule()
    def a_token_is_stored(self) -> None:
        """The journal has its record."""
        self.count += 1
        self.box.journal.append(entry(self.count, username=f"u{self.count % 3}@acme.example"))

    @rule()
    def a_user_is_overdue(self) -> None:
        """Which is handed in at every look, so after each start as well."""
        self.overdue += 1

    def hand_in(self) -> None:
        """What there is to be handed in."""
        for number in range(self.overdue):
            self.box.outbox.tell(Kind.OVERDUE, f"acme/{number}", {}, key=str(number))

    @rule(crash=st.sampled_from(["", "before", "after"]))
    def a_beat(self, crash: str) -> None:
        """What is new is taken in."""
        self.hand_in()
        self.until_crash(crash)

    def until_crash(self, crash: str, *, delivers: bool = False) -> None:
        """Collect, or take a step; after a crash there is another process."""
        file = CrashingFile(self.box.home / "outbox.db")
        file.crash = crash
        [delivery] = self.box.outbox.deliveries
        self.box.outbox._file = delivery._file = file
        try:
            if delivers:
                delivery.step()
            else:
                self.box.collect()
        except Crash:
            self.box.start()
        file.crash = ""

    @rule(
        crash=st.sampled_from(["", "before", "after"]),
        is_away=st.booleans(),
        ends_taken=st.booleans(),
    )
    def a_step(self, crash: str, is_away: bool, ends_taken: bool) -> None:
        """An event is tried."""
        self.heap.error = AWAY if is_away else None
        self.heap.crash = ends_taken
        self.until_crash(crash, delivers=True)

    @rule(minutes=st.integers(0, 30))
    def time_passes(self, minutes: int) -> None:
        """Never as long as events are tried for."""
        self.heap.error = AWAY
        self.heap.crash = False
        self.box.deliver(60 * minutes)

    @rule()
    def a_start(self) -> None:
        """As after kill -9."""
        self.box.start()

    def teardown(self) -> None:
        """The receiver is back, and nothing ends any more."""
        if not hasattr(self, "box"):
            return
        self.heap.error = None
        self.heap.crash = False
        self.box.start()
        self.box.journal.catch_up()
        self.hand_in()
        self.box.collect()
        self.box.deliver(3600)
        contents = [event.content for event in self.heap.events]
        versions = {content["data"].get("version") for content in contents} - {None}
        assert versions == set(range(1, self.count + 1))
        overdue = {content["subject"] for content in contents if "overdue" in content["type"]}
        assert overdue == {f"acme/{number}" for number in range(self.overdue)}
        bodies = {(event.id, event.body) for event in self.heap.events}
        ids = {event.id for event in self.heap.events}
        assert len(bodies) == len(ids) == self.count + self.overdue
        self.directory.cleanup()


@pytest.mark.parametrize("crash", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 6))
def test_a_crash_at_any_transaction_of_a_beat(number: int, crash: str, tmp_path: Path) -> None:
    """What the journal tells and what is handed in reaches the receiver, with one id each."""
    heap = Heap()
    box = Box(tmp_path, ops=heap)
    box.collect()
    box.journal.append(entry(1))
    file = CrashingFile(tmp_path / "outbox.db")
    file.crash, file.crash_at = crash, number
    box.outbox._file = file
    for _ in range(2):
        box.outbox.tell(Kind.OVERDUE, "acme/0", {}, key="0")
        with suppress(Crash):
            box.collect()
        box.start()
    box.deliver(3600)
    told = [event.content["data"].get("version") for event in heap.events]
    assert sorted(told, key=str) == [1, None]


TestOutbox = Machine.TestCase
TestOutbox.settings = hypothesis.settings(max_examples=times(25), stateful_step_count=20)
