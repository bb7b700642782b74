"""A watch, and what the tests of the daemon wait for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

from tests.kit.mails import token
from tests.kit.rig import Rig
from tests.kit.waiting import FOREVER, PATIENCE, until
from token_catcher.daemon.logins import ServerLogins
from token_catcher.daemon.wakeups import PACE, Pace
from token_catcher.daemon.watch import Watch
from token_catcher.sweep import Watched

QUICK = Pace(
    idle=(FOREVER,),
    logins_apart=0.0,
    trouble=(0.01, 0.02),
    refusal=(0.01, 0.02),
    outage=(0.01, 0.02),
    step=0.01,
)
"""The waits that are not what a test is about; only news and wakeups end an IDLE."""


def made(
    rig: Rig,
    watched: Watched | None = None,
    pace: Pace = PACE,
    ending: threading.Event | None = None,
    server: ServerLogins | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Watch:
    """A watch over the rig's mailbox, or over another, that was not started yet."""
    return Watch(
        watched or rig.watched,
        ending or threading.Event(),
        server or ServerLogins(pace, time.monotonic),
        log=rig.log,
        now=rig.now,
        monotonic=monotonic,
        rng=Random(1),
        pace=pace,
    )


@contextmanager
def watching(rig: Rig, watched: Watched | None = None, pace: Pace = QUICK) -> Iterator[Watch]:
    """A running watch; at the end it has to end by itself."""
    ending = threading.Event()
    watch = made(rig, watched, pace, ending)
    watch.start()
    try:
        yield watch
    finally:
        ending.set()
        watch.wakeup.set()
        watch.join(PATIENCE)
        assert not watch.is_alive()
        until(lambda: not threads("idle-"), "the listeners to end")


def until_told(rig: Rig, event: str, times: int = 1) -> None:
    """Wait until the log has an event so many times."""
    until(lambda: len(rig.said(event)) >= times, event)


def until_asked(rig: Rig, question: str, times: int = 1) -> None:
    """Wait until the sessions were asked this, as the diary has it, so many times."""
    until(lambda: rig.diary.count(question) >= times, question)


def until_stored(rig: Rig, *numbers: int) -> None:
    """Wait until the tokens of these numbers are in Vault, in this order, and no others."""
    tokens = [token(number) for number in numbers]
    until(lambda: rig.tokens == tokens, f"tokens {numbers}")


def threads(*beginnings: str) -> list[str]:
    """The living threads whose names begin so."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith(beginnings)]
