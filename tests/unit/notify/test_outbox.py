"""What is collected, from where, and what of it outlives the process."""

from __future__ import annotations

import builtins
import sqlite3
import stat
import threading
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.kit.waiting import until
from tests.unit.notify.kit import Box, Heap, notice, refused
from tests.unit.record.books import entry
from token_catcher.errors import Outage, StateError
from token_catcher.model import Event
from token_catcher.notify import Kind, Outgoing, Receiver
from token_catcher.notify.outbox import _Bugs, is_for
from token_catcher.notify.store import OutboxFile

AWAY = Outage("away", code="notify-unreachable")


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


def told(box: Box, heap: Heap) -> list[str]:
    """What comes of one beat."""
    before = len(heap.events)
    box.collect()
    box.deliver()
    return heap.types[before:]


def versions(heap: Heap) -> list[int]:
    """Of the stored tokens that were told."""
    return [event.content["data"]["version"] for event in heap.events]


def test_what_was_before_is_history(tmp_path: Path, heap: Heap) -> None:
    """The first time it begins at the journal's end."""
    box = Box(tmp_path, ops=heap)
    box.journal.append(entry(1))
    box.collect()
    box.journal.append(entry(2))
    assert told(box, heap) == ["stored"]
    assert versions(heap) == [2]


def test_records_are_told_by_their_kind(box: Box, heap: Heap) -> None:
    """Unchanged ones are not."""
    box.journal.append(entry(1))
    box.journal.append(entry(2, event=Event.UNCHANGED, reason="stale"))
    box.journal.append(entry(3, event=Event.HELD, reason="unknown-user"))
    box.journal.append(refused(4))
    assert told(box, heap) == ["stored", "held", "refused"]


def test_a_start_goes_on_where_it_was(box: Box, heap: Heap) -> None:
    """What was recorded while nothing ran is told, and nothing twice."""
    box.journal.append(entry(1))
    told(box, heap)
    box.journal.append(entry(2))
    box.start()
    assert told(box, heap) == ["stored"]
    assert versions(heap) == [1, 2]


def test_what_waits_outlives_the_process(box: Box, heap: Heap) -> None:
    """With its id and every byte."""
    heap.error = AWAY
    box.journal.append(entry(1))
    told(box, heap)
    heap.error = None
    box.start()
    box.deliver(10)
    assert heap.types == ["stored"]
    assert heap.tried == [heap.events[0].id] * 2


def test_closed_files_of_the_journal_are_read(box: Box, heap: Heap) -> None:
    """And neither of their last records is looked for again and again."""
    box.journal.append(entry(1))
    box.journal.archive()
    box.start()
    assert told(box, heap) == ["stored"]
    reads = 0
    records = box.journal.records

    def counted(after: int = 0) -> object:
        nonlocal reads
        reads += 1
        return records(after)

    box.journal.records = counted  # type: ignore[method-assign,assignment] # only counted
    assert told(box, heap) == []
    assert reads == 0


def test_another_journal_is_read_from_its_beginning(box: Box, heap: Heap) -> None:
    """As where somebody has begun a new one: all of it is news."""
    for number in (1, 2, 3):
        box.journal.append(entry(number))
    told(box, heap)
    for file in box.home.glob("journal*"):
        file.unlink()
    box.start()
    box.journal.append(entry(4))
    assert told(box, heap) == ["stored"]
    assert versions(heap) == [1, 2, 3, 4]
    assert box.told("notify.another_journal") == [{"seq": 3}]


def test_another_journal_of_the_same_length_is_known_by_its_hash(box: Box, heap: Heap) -> None:
    """A number alone says nothing."""
    box.journal.append(entry(1))
    told(box, heap)
    for file in box.home.glob("journal*"):
        file.unlink()
    box.start()
    box.journal.append(entry(2))
    box.journal.append(entry(3))
    assert told(box, heap) == ["stored", "stored"]
    assert versions(heap) == [1, 2, 3]


def test_a_flood_becomes_one_summary(box: Box, heap: Heap) -> None:
    """Across starts."""
    for number in range(1, 16):
        box.journal.append(refused(number))
        box.start()
        box.collect()
    box.time += timedelta(hours=1)
    box.collect()
    box.deliver()
    assert heap.types == ["refused"] * 10 + ["refused.summary"]
    assert heap.events[-1].content["data"]["count"] == 5


def test_a_trouble_is_told_and_its_end(box: Box, heap: Heap) -> None:
    """Across starts; each once."""
    box.troubles = {"vault": "vault-sealed"}
    assert told(box, heap) == []
    box.time += timedelta(minutes=5)
    assert told(box, heap) == ["failing"]
    box.start()
    assert told(box, heap) == []
    box.troubles = {"vault": None}
    assert told(box, heap) == []
    box.time += timedelta(minutes=2)
    assert told(box, heap) == ["healed"]
    assert [event.subject for event in heap.events] == ["vault", "vault"]


def test_a_journal_that_cannot_be_read_is_told_all_the_same(box: Box, heap: Heap) -> None:
    """By its trouble, while its records wait."""
    box.journal.append(entry(1))
    journal = box.home / "journal.jsonl"
    sound = journal.read_bytes()
    journal.write_bytes(b"{}\n")
    box.troubles = {"journal": "journal-broken"}
    box.collect()
    box.time += timedelta(minutes=5)
    assert told(box, heap) == ["failing"]
    journal.write_bytes(sound)
    assert told(box, heap) == ["stored"]


def test_a_receiver_that_fails_is_told_to_the_others(tmp_path: Path, heap: Heap) -> None:
    """And not to itself."""
    dead = Heap()
    dead.error = AWAY
    box = Box(tmp_path, dead=dead, ops=heap)
    box.collect()
    box.journal.append(entry(1))
    box.collect()
    box.deliver(1)
    box.collect()
    box.time += timedelta(minutes=5)
    box.collect()
    box.deliver(1)
    assert heap.types == ["stored", "failing"]
    assert heap.events[1].subject == "notify/dead"
    assert box.outbox.health["dead"].waiting == 1


def test_what_is_handed_in_is_told_once_for_each_key(box: Box, heap: Heap) -> None:
    """Across starts, for as long as it is handed in; another key is another thing."""
    for _ in range(3):
        for key in ("acme/u 2026-01-01", "acme/u 2026-04-01"):
            box.outbox.tell(Kind.OVERDUE, "acme/u", {"age": "91d"}, key=key)
        told(box, heap)
        box.start()
        box.time += timedelta(days=60)
    assert heap.types == ["overdue", "overdue"]
    assert heap.events[0].content["data"] == {"age": "91d"}


def test_a_key_that_is_not_handed_in_any_more_is_forgotten(box: Box, heap: Heap) -> None:
    """After a hundred days."""
    for _ in range(2):
        box.outbox.tell(Kind.NEVER_SEEN, "acme/u", {}, key="acme/u")
        assert told(box, heap) == ["never-seen"]
        box.time += timedelta(days=101)
        box.outbox.tell(Kind.NEVER_SEEN, "acme/other", {}, key=str(box.time))
        told(box, heap)


def test_many_keys_take_no_memory(box: Box, heap: Heap, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file knows them all the same."""
    monkeypatch.setattr("token_catcher.notify.outbox.MOST_SEEN", 2)
    for _ in range(2):
        for number in range(5):
            box.outbox.tell(Kind.OVERDUE, "acme/u", {}, key=str(number))
    assert told(box, heap) == ["overdue"] * 5


def test_nothing_is_written_where_nothing_happens(box: Box) -> None:
    """Month after month."""
    file = box.home / "outbox.db"
    before = file.stat().st_mtime_ns
    box.troubles = {"vault": None}
    for _ in range(5):
        box.time += timedelta(hours=5)
        assert not box.collect()
        box.deliver()
    assert file.stat().st_mtime_ns == before


def test_the_file_is_ours_alone(box: Box) -> None:
    """It holds usernames, and who is told; also where a backup was restored for others to read."""
    (box.home / "outbox.db").chmod(0o644)
    box.collect()
    assert stat.S_IMODE((box.home / "outbox.db").stat().st_mode) == 0o600


def test_a_receiver_that_is_gone_leaves_nothing_waiting(box: Box, heap: Heap) -> None:
    """And that is told."""
    heap.error = AWAY
    box.journal.append(entry(1))
    told(box, heap)
    other = Heap()
    box.start(dev=other)
    assert told(box, other) == []
    assert box.told("notify.receiver_gone") == [{"count": 1}]


def test_a_receiver_that_is_new_is_told_from_now_on(box: Box, heap: Heap) -> None:
    """Of what comes after its first start."""
    box.journal.append(entry(1))
    told(box, heap)
    other = Heap()
    box.start(ops=heap, dev=other)
    box.collect()
    box.journal.append(entry(2))
    told(box, heap)
    assert versions(other) == [2]


# -- trouble with the file --


def test_an_outbox_that_cannot_be_used_loses_nothing(box: Box, heap: Heap) -> None:
    """What was to be told is told once it can be, and the error names the file."""
    file = box.home / "outbox.db"
    aside = file.rename(box.home / "aside")
    file.mkdir()
    box.journal.append(entry(1))
    box.outbox.tell(Kind.OVERDUE, "acme/u", {}, key="k")
    with pytest.raises(StateError) as caught:
        box.collect()
    assert str(caught.value) == f"{file}: the outbox cannot be used: Is a directory"
    assert caught.value.code == "notify-outbox"
    file.rmdir()
    aside.rename(file)
    assert told(box, heap) == ["stored", "overdue"]


def test_a_file_that_is_no_outbox_is_told(tmp_path: Path, heap: Heap) -> None:
    """It is not touched."""
    file = tmp_path / "outbox.db"
    file.write_bytes(b"something else, and long enough to be looked at" * 100)
    with pytest.raises(StateError, match="the outbox cannot be used: SQLITE_NOTADB"):
        Box(tmp_path, ops=heap).collect()
    assert file.read_bytes().startswith(b"something else")


def test_an_outbox_of_a_later_version_is_told(box: Box) -> None:
    """Nobody knows what its tables mean."""
    connection = sqlite3.connect(box.home / "outbox.db")
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    box.start()
    with pytest.raises(StateError, match="got an outbox of form 2, expected 1"):
        box.collect()


# -- who is told --


def test_who_did_not_ask_is_not_told() -> None:
    """A receiver gets the kinds that it was given."""
    receiver = Receiver("ops", frozenset({Kind.STORED}), Heap())
    assert is_for(receiver, notice(Kind.STORED))
    assert not is_for(receiver, notice(Kind.HELD))


# -- threads --


class Hanging:
    """Takes the first event, and does not come back before it is let go."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.may_end = threading.Event()

    def deliver(self, _event: Outgoing) -> str:
        """See `Transport`."""
        self.has_begun.set()
        self.may_end.wait()
        return "taken"

    def probe(self) -> str:
        """See `Transport`."""
        return "there"


def test_a_receiver_that_hangs_holds_up_nobody(tmp_path: Path, heap: Heap) -> None:
    """Not the journal, which takes a hundred records meanwhile; not another receiver, which is
    told of each; and not the end."""
    hanging = Hanging()
    box = Box(tmp_path, hanging=hanging, ops=heap)
    box.collect()
    box.outbox.begin()
    box.journal.append(entry(1))
    assert hanging.has_begun.wait(60)
    for number in range(2, 102):
        box.journal.append(entry(number, username=f"u{number}@acme.example"))
    until(lambda: len(heap.events) == 101, "the other receiver to be told")
    assert box.journal.head.seq == 101
    box.outbox.end()
    assert not hanging.may_end.is_set()
    hanging.may_end.set()


def test_a_bug_is_told_and_ends_no_thread(
    box: Box, heap: Heap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next step is taken all the same; told once a cause, and that it runs again."""
    monkeypatch.setattr("token_catcher.notify.outbox.AFTER_TROUBLE", 0.01)
    broken = iter([True, True, False])

    def troubles() -> dict[str, str | None]:
        if next(broken, False):
            raise ZeroDivisionError
        return {}

    box.outbox._troubles = troubles
    box.outbox.begin()
    box.journal.append(entry(1))
    until(lambda: heap.events, "the event to come all the same")
    box.outbox.end()
    assert [crash["kind"] for crash in box.told("notify.crashed")] == ["ZeroDivisionError"]
    assert box.told("notify.runs_again") == [{"after": 2}]


def test_a_locked_file_holds_up_no_start(tmp_path: Path, heap: Heap) -> None:
    """What is recorded while it is locked is told afterwards, at the very first start as well."""
    box = Box(tmp_path, ops=heap)
    box.journal.append(entry(1))
    with closing(sqlite3.connect(box.home / "outbox.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        box.outbox.begin()
        box.journal.append(entry(2))
        other.execute("ROLLBACK")
    try:
        until(lambda: heap.events, "the event")
    finally:
        box.outbox.end()
    assert versions(heap) == [2]


def test_a_bug_that_stays_is_met_ever_more_seldom(box: Box) -> None:
    """Up to a quarter of an hour; another one is told by itself, and so is the first once a step
    has gone well."""
    bugs = _Bugs()
    causes = ["KeyError", "KeyError", "TypeError", *["KeyError"] * 5]
    steps = [
        partial(box.outbox._guarded, partial(_raise, getattr(builtins, cause)), bugs)
        for cause in causes
    ]
    assert [step() for step in steps] == [15, 30, 60, 120, 240, 480, 900, 900]
    assert [crash["kind"] for crash in box.told("notify.crashed")] == ["KeyError", "TypeError"]
    assert box.outbox._guarded(lambda: 7.0, bugs) == 7.0
    assert steps[0]() == 15
    assert len(box.told("notify.crashed")) == 3


def _raise(kind: type[Exception]) -> float:
    raise kind


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("{}", "in no form of ours (KeyError)"),
        ("7", "in no form of ours (TypeError)"),
        ('{"seq": 1, "hash": "", "floods": [{"odd": 1}], "conditions": []}', "in no form"),
        ('{"seq": 1, "hash": "", "floods": {"odd": 1}, "conditions": []}', "in no form"),
        ("{", "no JSON (JSONDecodeError)"),
    ],
)
def test_a_memory_that_is_none_is_told_once_and_when_it_is_mended(
    tmp_path: Path, heap: Heap, monkeypatch: pytest.MonkeyPatch, value: str, reason: str
) -> None:
    """Whatever somebody wrote into the file, the daemon begins, and catches tokens; what happened
    meanwhile is told once the file was moved away."""
    monkeypatch.setattr("token_catcher.notify.outbox.AFTER_TROUBLE", 0.01)
    box = Box(tmp_path, ops=heap)
    with OutboxFile(box.home / "outbox.db").transaction() as outbox:
        outbox._ask("INSERT INTO memory VALUES ('outbox', ?)", value)
    box.outbox.begin()
    try:
        until(lambda: box.outbox.trouble == "notify-outbox", "the trouble to be seen")
        box.journal.append(entry(1))
        (box.home / "outbox.db").unlink()
        until(lambda: heap.events, "the event")
    finally:
        box.outbox.end()
    [trouble] = box.told("notify.trouble")
    assert reason in trouble["error"]
    assert str(box.home / "outbox.db") in trouble["error"]
    assert box.told("notify.crashed") == []
    assert len(box.told("notify.usable_again")) == 1


def test_an_outbox_that_can_be_used_again_says_so(
    tmp_path: Path, heap: Heap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its trouble is told once, and seen from outside."""
    monkeypatch.setattr("token_catcher.notify.outbox.AFTER_TROUBLE", 0.01)
    box = Box(tmp_path, ops=heap)
    (tmp_path / "outbox.db").mkdir()
    box.outbox.begin()
    until(lambda: box.outbox.trouble == "notify-outbox", "the trouble to be seen")
    (tmp_path / "outbox.db").rmdir()
    until(lambda: box.told("notify.usable_again"), "the outbox to be used again")
    box.outbox.end()
    assert len(box.told("notify.trouble")) == 1
    assert box.outbox.trouble is None
