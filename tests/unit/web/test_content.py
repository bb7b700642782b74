"""What the page shows is looked up within bounds, whoever asks how often."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from tests.kit.fakes import Silent
from tests.kit.waiting import FOREVER, PATIENCE
from token_catcher.errors import StateError
from token_catcher.status import JournalRow, Overview, VaultAnswer, vault_row
from token_catcher.web.content import Content, Lookup

OVERVIEW = Overview(
    now="2026-02-03T13:00:00Z",
    users=(),
    mailboxes=(),
    vault=vault_row("https://vault.example.com", VaultAnswer(None, logged_in=True), ()),
    journal=JournalRow("journal.jsonl", 0, None, None, 0),
    retirements=(),
)
CONTENT = Content(OVERVIEW, (), ())


@dataclass
class Looks:
    """A look that takes as long as a test says, by a clock of its own."""

    clock: float = 0.0
    takes: float = 0.0
    error: Exception | None = None
    count: int = 0
    log: Silent = field(default_factory=Silent)
    may_end: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_end.set()
        self.lookup = Lookup(self.look, monotonic=lambda: self.clock, log=self.log)

    def look(self) -> Content | None:
        """The next one."""
        self.count += 1
        assert self.may_end.wait(FOREVER)
        self.clock += self.takes
        if self.error is not None:
            raise self.error
        return CONTENT

    def age(self, patience: float = PATIENCE) -> float | None:
        """Of what is shown; None: nothing is."""
        aged = self.lookup.latest(patience)
        if aged is None:
            return None
        return aged.seconds


def test_nothing_is_looked_up_before_somebody_asks() -> None:
    """Then at once."""
    looks = Looks()
    assert looks.count == 0
    assert (looks.age(), looks.count) == (0, 1)


def test_a_look_stands_for_some_seconds() -> None:
    """However often is asked meanwhile."""
    looks = Looks()
    for seconds in (0, 1, 4.9):
        looks.clock = seconds
        assert looks.age() == seconds
    assert looks.count == 1
    looks.clock = 5
    assert (looks.age(), looks.count) == (0, 2)


def test_a_look_that_takes_long_comes_seldom() -> None:
    """Of the time, a tenth at most."""
    looks = Looks(takes=100)
    assert looks.age() == 100
    looks.clock = 999
    assert (looks.age(), looks.count) == (999, 1)
    looks.clock = 1000
    looks.age()
    assert looks.count == 2


def test_nobody_waits_for_a_look_that_hangs() -> None:
    """What was known is shown, with its age; a second look does not begin beside it."""
    looks = Looks()
    looks.age()
    looks.may_end.clear()
    looks.clock = 70
    assert looks.age(0.01) == 70
    assert looks.age(0.01) == 70
    assert looks.count == 2
    looks.may_end.set()
    assert looks.age() == 0


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (StateError("not there"), ("web.look_failed", {"code": "state", "error": "not there"})),
        (ZeroDivisionError("x"), ("web.crashed", {"path": "/", "kind": "ZeroDivisionError"})),
    ],
)
def test_a_look_that_fails_costs_no_more_than_itself(
    error: Exception, told: tuple[str, dict[str, str]]
) -> None:
    """What was known stays, its age shows; the log says why, and the next look mends it."""
    looks = Looks(error=error)
    assert looks.age() is None
    assert looks.log.events == [told]
    looks.error = None
    looks.clock = 10
    assert looks.age() == 0
    looks.error = error
    looks.clock = 100
    assert looks.age() == 90


def test_a_machine_without_threads_shows_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next request tries again."""

    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    looks = Looks()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        assert looks.age() is None
    assert looks.age() == 0
