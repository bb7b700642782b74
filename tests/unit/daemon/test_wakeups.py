"""Wakeups, and how long is waited for what."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from random import Random

import pytest

from tests.kit.waiting import FOREVER
from token_catcher.daemon.wakeups import BackOff, IdleTime, Pace, Round, Wakeup, rounds, steps
from token_catcher.errors import AccessError, Outage, TokenCatcherError, TransientError

LOST = Outage("the connection was lost", code="imap-connection")
REFUSED = AccessError("the login was refused", code="imap-login")


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    """Closed at the end."""
    made = Wakeup()
    yield made
    made.close()


# -- wakeups --


def test_a_wakeup_is_set_until_it_is_cleared(wakeup: Wakeup) -> None:
    """However often it was set."""
    assert not wakeup.is_set()
    for _ in range(3):
        wakeup.set()
    assert wakeup.is_set()
    assert wakeup.is_set()
    wakeup.clear()
    assert not wakeup.is_set()


def test_setting_never_blocks(wakeup: Wakeup) -> None:
    """A million times is once."""
    for _ in range(100_000):
        wakeup.set()
    wakeup.clear()
    assert not wakeup.is_set()


def test_a_wakeup_ends_a_wait(wakeup: Wakeup) -> None:
    """It is set from another thread before the time is over."""
    threading.Timer(0.01, wakeup.set).start()
    assert wakeup.wait(FOREVER)


def test_a_closed_wakeup_may_be_set() -> None:
    """A schedule may be late; nobody hears it, and no other file gets the byte."""
    wakeup = Wakeup()
    wakeup.close()
    wakeup.set()


# -- pauses --


def test_a_wait_goes_step_by_step() -> None:
    """Each step gives whoever waits a turn; the last one ends with the wait."""
    ending = threading.Event()
    assert len(list(steps(0.02, 0.005, ending, time.monotonic))) >= 1
    assert list(steps(0.0, 0.005, ending, time.monotonic)) == []


def test_a_wait_ends_when_all_ends() -> None:
    """At the next step, however long it was to last."""
    ending = threading.Event()
    for _ in steps(3600.0, 0.001, ending, time.monotonic):
        ending.set()


def test_idle_lasts_longer_the_longer_there_is_no_news() -> None:
    """Up to the longest; after any news it is short again."""
    idle_time = IdleTime(Pace(idle=(1.0, 2.0, 3.0)))
    lengths = []
    for news in (False, False, False, True, False):
        lengths.append(idle_time.seconds)
        idle_time.ended(news=news)
    assert lengths == [1.0, 2.0, 3.0, 3.0, 1.0]
    idle_time.shorten()
    assert idle_time.seconds == 1.0


def test_mailboxes_are_woken_in_rounds() -> None:
    """Each at its `poll`, evenly over it, in one round a second at most."""
    polls = {"a": 2.5, "b": 60.0, "c": 2.5, "d": 0.5, "e": 2.5, "f": 0.5}
    assert list(rounds(polls)) == [
        Round(("a", "e"), 2.5, 1.25),
        Round(("c",), 2.5, 2.5),
        Round(("b",), 60.0, 60.0),
        Round(("d", "f"), 0.5, 0.5),
    ]


def test_a_thousand_mailboxes_take_sixty_rounds_a_minute() -> None:
    """No mailbox is in two of them."""
    polls = {f"mailbox-{number}": 60.0 for number in range(1000)}
    planned = list(rounds(polls))
    assert [round_.first_in for round_ in planned] == [float(second) for second in range(1, 61)]
    assert {len(round_.mailboxes) for round_ in planned} == {16, 17}
    assert sorted(name for round_ in planned for name in round_.mailboxes) == sorted(polls)


class AlwaysMost(Random):
    """Dice that always give the longest pause."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def pauses(error: TokenCatcherError | None, times: int, lived: float = 0.0) -> list[float]:
    """The longest pauses that the dice can give."""
    back_off = BackOff(Pace(), AlwaysMost())
    return [back_off.pause(error, lived) for _ in range(times)]


def test_trouble_backs_off_to_five_minutes() -> None:
    """Doubling from 4 s; an error that nobody foresaw as well."""
    expected = [4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0]
    assert pauses(LOST, 9) == expected
    assert pauses(None, 9) == expected


def test_a_refusal_backs_off_to_an_hour() -> None:
    """Doubling from two minutes: an account is not locked by a program that keeps knocking."""
    assert pauses(REFUSED, 7) == [120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0]


def test_a_spare_connection_leaves_its_place_to_others() -> None:
    """A server without room is left alone as after a refusal; any other trouble is as for all."""
    full = Outage("no login now", code="imap-unavailable")
    spare = BackOff(Pace(), AlwaysMost(), spare=True)
    assert [spare.pause(full, 0.0), spare.pause(full, 0.0)] == [120.0, 240.0]
    assert BackOff(Pace(), AlwaysMost()).pause(full, 0.0) == 4.0
    assert BackOff(Pace(), AlwaysMost(), spare=True).pause(Outage("gone"), 0.0) == 4.0


def test_pauses_have_jitter() -> None:
    """At least half of the longest, so that a refusal costs a minute at any rate."""
    seconds = [BackOff(Pace(), Random(seed)).pause(REFUSED, 0.0) for seed in range(200)]
    assert 60.0 <= min(seconds) < 65.0
    assert 115.0 < max(seconds) <= 120.0


def test_what_a_server_asks_for_is_kept() -> None:
    """Just that long, and it is no failure; but no longer than an hour."""
    back_off = BackOff(Pace(), Random(1))
    assert back_off.pause(TransientError("throttled", retry_after=299.91), 0.0) == 299.91
    assert back_off.pause(TransientError("throttled", retry_after=1e9), 0.0) == 3600.0
    assert back_off.failures == 0


def test_a_healthy_session_clears_the_record() -> None:
    """After five minutes of life the next trouble is the first."""
    assert pauses(LOST, 3, lived=300.0) == [4.0, 4.0, 4.0]
    assert pauses(LOST, 3, lived=299.0) == [4.0, 8.0, 16.0]
