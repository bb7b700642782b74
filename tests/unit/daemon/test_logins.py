"""When a login may be made: at each mailbox and at each server."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import pytest

from token_catcher.daemon.logins import Logins, ServerLogins
from token_catcher.daemon.wakeups import Pace

PACE = Pace(server_logins_apart=0.5, server_logins=3, server_login_counts=20.0)


@dataclass
class Clock:
    """Moves when it is told to."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """At 100 s."""
    return Clock()


@pytest.fixture
def server(clock: Clock) -> ServerLogins:
    """Half a second between two logins, three on their way."""
    return ServerLogins(PACE, clock)


# -- at one mailbox --


def test_logins_to_a_mailbox_are_kept_apart(clock: Clock, server: ServerLogins) -> None:
    """Ten seconds, however many ask; who does not take its turn does not cost one."""
    logins = Logins(10.0, clock, server)
    assert [logins.turn("watch"), logins.turn("listener"), logins.turn("another")] == [0, 10, 10]
    clock.now += 4
    assert logins.turn("listener") == 6
    clock.now += 6
    assert [logins.turn("another"), logins.turn("listener")] == [0, 10]


def test_a_mailbox_has_one_place_in_the_queue(clock: Clock, server: ServerLogins) -> None:
    """The second of its threads asks again when the first can have logged in."""
    assert server.turn("somebody else") == 0
    logins = Logins(10.0, clock, server)
    assert [logins.turn("watch"), logins.turn("listener")] == [0.5, 10]
    clock.now += 0.5
    assert [logins.turn("watch"), logins.turn("listener")] == [0, 10]


def test_a_thread_that_ends_leaves_its_turn_to_another(clock: Clock, server: ServerLogins) -> None:
    """Of the same mailbox; leaving without having a turn changes nothing."""
    assert server.turn("somebody else") == 0
    logins = Logins(10.0, clock, server)
    assert logins.turn("watch") == 0.5
    logins.leave("listener")
    assert logins.turn("listener") == 10
    logins.leave("watch")
    assert logins.turn("listener") == 0.5


def test_a_login_beside_a_session_leaves_nobody_in_the_queue(
    clock: Clock, server: ServerLogins
) -> None:
    """Who waited in the queue has to wait for ten seconds again, and gives up its place."""
    assert server.turn("somebody else") == 0
    logins = Logins(10.0, clock, server)
    assert logins.turn("watch") == 0.5
    assert logins.turn("listener", beside=True) == 1
    clock.now += 0.5
    logins.leave("watch")
    assert logins.turn("listener", beside=True) == 0
    assert logins.turn("watch") == 10


def test_a_login_beside_a_session_need_not_wait(clock: Clock, server: ServerLogins) -> None:
    """But for its turn at the server; the others wait for it, as for any."""
    logins = Logins(10.0, clock, server)
    assert logins.turn("watch") == 0
    assert logins.turn("listener", beside=True) == 0.5
    assert logins.turn("another", beside=True) == 1
    clock.now += 0.5
    assert logins.turn("listener", beside=True) == 0
    assert logins.turn("watch") == 10


# -- at one server --


def test_mailboxes_log_in_in_the_order_in_which_they_came(
    clock: Clock, server: ServerLogins
) -> None:
    """Each is told when to ask again: after those before it, if all goes well."""
    assert [server.turn(name) for name in "abcd"] == [0, 0.5, 1, 1.5]
    clock.now += 0.5
    assert [server.turn(name) for name in "dcb"] == [1, 0.5, 0]


def test_a_turn_that_is_taken_late_delays_no_other(clock: Clock, server: ServerLogins) -> None:
    """A busy machine wakes everybody a little late; after a pause it is not made up for."""
    assert [server.turn(name) for name in "abc"] == [0, 0.5, 1]
    clock.now += 0.7
    assert [server.turn(name) for name in "bc"] == [0, pytest.approx(0.3)]
    clock.now += 60
    assert [server.turn(name) for name in "cd"] == [0, pytest.approx(0.25)]


def test_few_logins_are_on_their_way_at_a_time(clock: Clock, server: ServerLogins) -> None:
    """The next begins when one of them has ended."""
    for name in "abc":
        assert server.turn(name) == 0
        clock.now += 0.5
    assert server.turn("d") == 0.5
    server.done("b")
    assert server.turn("d") == 0


def test_logins_that_hang_keep_nobody_out_for_long(clock: Clock, server: ServerLogins) -> None:
    """They count as on their way for a while, and no longer."""
    for name in "abc":
        assert server.turn(name) == 0
        clock.now += 0.5
    clock.now = 119.9
    assert server.turn("d") == 0.5
    clock.now = 120.0
    assert server.turn("d") == 0


def test_who_leaves_the_queue_costs_nobody_a_turn(clock: Clock, server: ServerLogins) -> None:
    """Those behind move up."""
    assert [server.turn(name) for name in "abc"] == [0, 0.5, 1]
    server.leave("b")
    server.leave("b")
    clock.now += 0.5
    assert server.turn("c") == 0


@dataclass
class Start:
    """A thousand mailboxes ask at the same moment, each again when it was told to."""

    clock: Clock
    server: ServerLogins
    logged_in: list[tuple[float, int]] = field(default_factory=list)
    """When, and which."""
    asked: int = 0

    def run(self, count: int) -> None:
        """Until all have logged in; each login ends at once."""
        due = [(self.clock.now, number) for number in range(count)]
        while due:
            self.clock.now, number = heapq.heappop(due)
            self.asked += 1
            seconds = self.server.turn(number)
            if seconds > 0:
                heapq.heappush(due, (self.clock.now + seconds, number))
                continue
            self.logged_in.append((self.clock.now, number))
            self.server.done(number)


def test_a_thousand_mailboxes_log_in_forty_a_second(clock: Clock) -> None:
    """By the pace of the program: in their order, and without asking in vain again and again."""
    start = Start(clock, ServerLogins(Pace(), clock))
    start.run(1000)
    assert [number for _, number in start.logged_in] == list(range(1000))
    assert start.logged_in[-1][0] - 100 == pytest.approx(999 / 40)
    assert start.asked <= 3 * 1000
