"""What waits is delivered: at least once, for a day, and nobody holds up anybody."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.notify.kit import Box, Heap
from tests.unit.record.books import entry
from token_catcher.errors import ConfigurationError, Outage, Undeliverable
from token_catcher.notify.delivery import LONGEST_PAUSE
from token_catcher.notify.store import MOST_WAITING

AWAY = Outage("webhook x was not reached", code="notify-unreachable")


def stored(box: Box, *numbers: int) -> None:
    """Tokens of users of their own are stored."""
    for number in numbers:
        box.journal.append(entry(number, username=f"u{number}@acme.example"))
    box.collect()


@pytest.fixture
def heap() -> Heap:
    """The one receiver."""
    return Heap()


@pytest.fixture
def box(tmp_path: Path, heap: Heap) -> Box:
    """An outbox that has begun."""
    box = Box(tmp_path, ops=heap)
    box.collect()
    return box


def waiting(box: Box) -> int:
    """How many events are not delivered."""
    box.collect()
    return box.outbox.health["ops"].waiting


def test_each_event_once(box: Box, heap: Heap) -> None:
    """In their order where nothing fails, and told in the log and the metrics."""
    stored(box, 1, 2, 3)
    box.deliver()
    assert [event.content["data"]["version"] for event in heap.events] == [1, 2, 3]
    assert waiting(box) == 0
    assert box.counted == [("ops", "delivered", 1)] * 3
    [first, *_] = box.told("notify.delivered")
    assert first == {
        "receiver": "ops",
        "id": heap.events[0].id,
        "type": "token-catcher.stored",
        "answer": "taken",
    }


@pytest.mark.parametrize(
    "error", [AWAY, ConfigurationError("no secret", code="secret")], ids=["away", "no secret"]
)
def test_a_receiver_that_is_away_gets_all_of_it(box: Box, heap: Heap, error: Outage) -> None:
    """An hour later, under the same ids; a secret that is not there may be put back as well."""
    heap.error = error
    stored(box, 1, 2, 3)
    began = box.now()
    box.deliver(3600)
    [delivery] = box.outbox.deliveries
    assert delivery.failing_since == began
    tries = len(heap.tried)
    assert tries < 20
    assert heap.events == []
    heap.error = None
    box.deliver(1.2 * LONGEST_PAUSE)
    assert sorted(event.content["data"]["version"] for event in heap.events) == [1, 2, 3]
    assert {event.id for event in heap.events} >= set(heap.tried)
    assert delivery.trouble is None
    assert box.outbox.deliveries[0].failing_since is None
    assert box.told("notify.answers_again") == [{"receiver": "ops"}]


def test_failures_are_told_ever_more_seldom(box: Box, heap: Heap) -> None:
    """The 1st, 2nd, 3rd, 5th, 9th in a row as a warning."""
    heap.error = AWAY
    stored(box, 1)
    while len(heap.tried) < 10:
        box.deliver(60)
    assert len([name for name, _ in box.log.warnings if name == "notify.failed"]) == 5
    [first, *others] = box.told("notify.failed")
    assert len(others) == 9
    assert first == {
        "receiver": "ops",
        "id": heap.tried[0],
        "type": "token-catcher.stored",
        "code": "notify-unreachable",
        "error": "webhook x was not reached",
    }


def test_what_fails_for_a_day_is_given_up(box: Box, heap: Heap) -> None:
    """And told, with why; what came later is still tried."""
    heap.error = AWAY
    stored(box, 1)
    box.deliver(23 * 3600)
    stored(box, 2)
    box.deliver(3 * 3600)
    assert waiting(box) == 1
    assert box.told("notify.given_up") == [
        {"receiver": "ops", "count": 1, "code": "notify-unreachable"}
    ]
    assert ("ops", "given_up", 1) in box.counted


def test_what_waited_for_days_without_us_has_its_tries(box: Box, heap: Heap) -> None:
    """A machine that was off over a weekend, and whose network comes minutes after it."""
    stored(box, 1, 2)
    box.time += timedelta(days=3)
    box.start()
    heap.error = AWAY
    box.deliver(300)
    heap.error = None
    box.deliver(600)
    assert sorted(event.content["data"]["version"] for event in heap.events) == [1, 2]
    assert box.told("notify.given_up") == []


def test_what_a_receiver_never_takes_is_given_up_at_once(box: Box, heap: Heap) -> None:
    """And told; the next event is delivered without a pause."""
    heap.poison = {
        "acme-production/u1@acme.example": Undeliverable("got -x", code="notify-argument")
    }
    stored(box, 1, 2)
    box.deliver()
    assert [event.content["data"]["version"] for event in heap.events] == [2]
    assert waiting(box) == 0
    assert box.told("notify.given_up") == [
        {
            "receiver": "ops",
            "count": 1,
            "code": "notify-argument",
            "error": "got -x",
            "id": heap.tried[0],
        }
    ]


def test_a_receiver_that_is_gone_has_trouble(box: Box, heap: Heap) -> None:
    """Its events are given up, and that it wants none is seen until it takes one."""
    heap.error = Undeliverable("got status 410", code="notify-gone")
    stored(box, 1)
    box.deliver()
    [delivery] = box.outbox.deliveries
    assert (waiting(box), delivery.trouble, delivery.is_tried) == (0, "notify-gone", True)
    assert delivery.failing_since is not None
    heap.error = None
    stored(box, 2)
    box.deliver()
    assert delivery.trouble is None
    assert box.outbox.deliveries[0].failing_since is None
    assert [event.content["data"]["version"] for event in heap.events] == [2]


def test_an_event_that_is_poison_holds_up_no_other(box: Box, heap: Heap) -> None:
    """The one behind it comes seconds later, and the poison is tried on by itself."""
    heap.poison = {"acme-production/u1@acme.example": Outage("got status 500, expected 2xx")}
    stored(box, *range(1, 51))
    box.deliver(10)
    assert sorted(event.content["data"]["version"] for event in heap.events) == list(range(2, 51))
    heap.poison = {}
    box.deliver(30)
    assert waiting(box) == 0


def test_an_event_that_is_poison_is_tried_ever_more_seldom(box: Box, heap: Heap) -> None:
    """However well the others go, each of which ends the receiver's own pause."""
    heap.poison = {"acme-production/u1@acme.example": Outage("got status 500, expected 2xx")}
    stored(box, 1)
    for number in range(2, 62):
        stored(box, number)
        box.deliver(60)
    poison = heap.tried[0]
    assert len(heap.events) == 60
    assert 8 <= heap.tried.count(poison) <= 14


def test_a_bug_in_one_way_holds_up_no_other_event(box: Box, heap: Heap) -> None:
    """It counts as a failure, and is told with its place; once, however often it is tried."""
    heap.poison = {"acme-production/u1@acme.example": ZeroDivisionError()}  # type: ignore[dict-item]
    stored(box, 1, 2)
    box.deliver(10)
    assert [event.content["data"]["version"] for event in heap.events] == [2]
    box.deliver(600)
    assert heap.tried.count(heap.tried[0]) > 3
    [crash] = box.told("notify.crashed")
    assert (crash["receiver"], crash["kind"]) == ("ops", "ZeroDivisionError")


def test_a_receiver_that_hangs_or_fails_holds_up_no_other_receiver(
    tmp_path: Path, heap: Heap
) -> None:
    """Each has its own pauses."""
    dead = Heap()
    dead.error = AWAY
    box = Box(tmp_path, dead=dead, ops=heap)
    box.collect()
    stored(box, 1, 2)
    box.deliver()
    assert heap.types == ["stored", "stored"]
    assert {name: box.outbox.health[name].waiting for name in ("dead", "ops")} == {
        "dead": 2,
        "ops": 2,
    }
    box.collect()
    assert {name: box.outbox.health[name].waiting for name in ("dead", "ops")} == {
        "dead": 2,
        "ops": 0,
    }


@pytest.mark.parametrize(("asked", "kept"), [(120.0, 120), (999_999.0, 3600)])
def test_a_pause_that_is_asked_for_is_kept(box: Box, heap: Heap, asked: float, kept: int) -> None:
    """Retry-After, up to an hour, by every event of that receiver."""
    heap.error = Outage("got status 429", code="notify-status", retry_after=asked)
    stored(box, 1)
    box.deliver()
    heap.error = None
    stored(box, 2)
    box.deliver(kept - 1)
    assert heap.events == []
    box.deliver(2)
    assert sorted(event.content["data"]["version"] for event in heap.events) == [1, 2]


def test_a_clock_that_is_set_back_postpones_nothing(box: Box, heap: Heap) -> None:
    """What only such a clock can have put so far off is due."""
    heap.error = AWAY
    box.time += timedelta(days=30)
    stored(box, 1)
    box.deliver()
    heap.error = None
    box.time -= timedelta(days=30)
    box.deliver()
    assert heap.types == ["stored"]


def test_two_events_of_one_subject_are_never_under_way_at_a_time(box: Box, heap: Heap) -> None:
    """A command runs once at a time for a user, whatever else runs meanwhile."""
    box.journal.append(entry(1, username="u1@acme.example"))
    box.journal.append(entry(2, username="u1@acme.example"))
    box.journal.append(entry(3, username="u3@acme.example"))
    box.collect()
    [delivery] = box.outbox.deliveries
    under_way: list[list[str]] = []
    taken = heap.deliver

    def deliver(event: object) -> str:
        """While one is under way another thread would take this step."""
        busy = sorted(delivery._busy)
        under_way.append(busy)
        if len(busy) < 2:
            delivery.step()
        return taken(event)  # type: ignore[arg-type] # as the transport has it

    heap.deliver = deliver  # type: ignore[method-assign] # what happens in between
    delivery.step()
    one, other = "acme-production/u1@acme.example", "acme-production/u3@acme.example"
    assert under_way == [[one], [one, other]]
    assert [event.subject for event in heap.events] == [other, one]


def test_more_than_can_be_kept_is_given_up_oldest_first(
    box: Box, heap: Heap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And told."""
    assert MOST_WAITING == 10_000
    monkeypatch.setattr("token_catcher.notify.store.MOST_WAITING", 2)
    stored(box, 1, 2, 3, 4)
    box.deliver()
    assert [event.content["data"]["version"] for event in heap.events] == [3, 4]
    assert box.told("notify.given_up") == [
        {"receiver": "ops", "count": 2, "code": "notify-too-many"}
    ]
