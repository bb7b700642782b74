"""Sessions that a server ends every hour: nobody is told, nothing is late, nobody is hammered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from tests.contract.odd_world import OddWorld
from tests.kit.fakes import Silent
from tests.kit.odd_imap import Quirks
from tests.kit.waiting import FOREVER, PATIENCE, until
from token_catcher.daemon.logins import ServerLogins
from token_catcher.daemon.wakeups import Pace
from token_catcher.daemon.watch import Watch
from token_catcher.imap import OAuthLogin
from token_catcher.model import Secret
from token_catcher.oauth import AccessToken, AccessTokens

HOUR = 3600.0
TURNS = 60.0
"""Seconds of that clock which pass while connections wait for their turns to log in again."""
PACE = Pace(idle=(FOREVER,), step=0.01)
"""As it is, but that only news and ends interrupt an IDLE."""
FAREWELLS = [
    "Session expired, please login again.",
    "Session invalidated - AccessTokenExpired",
    "Connection is closed. 13",
]


class Levelled(Silent):
    """A log that keeps the levels apart."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, str]] = []
        """Level and event."""

    def debug(self, event: str, **fields: Any) -> None:
        self._tell("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._tell("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._tell("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._tell("error", event, fields)

    def _tell(self, level: str, event: str, fields: dict[str, Any]) -> None:
        self.told.append((level, event))
        self.events.append((event, fields))

    def above_info(self) -> list[tuple[str, str]]:
        """What a person would be woken by."""
        return [told for told in self.told if told[0] in ("warning", "error")]


class HourlyWorld(OddWorld):
    """A mailbox that is logged in to by access token, and a clock that only the test moves."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, Quirks())
        self.log: Levelled = Levelled()
        self.seconds = 0.0
        """By the clock that is never set back."""
        self.requests: list[float] = []
        """When tokens were asked for."""
        self.inbox.takes_token = self._takes
        tokens = AccessTokens(self, self.monotonic)
        self._changed = {"login": OAuthLogin("sf@example.com", tokens)}
        self.states: list[tuple[bool, str | None]] = []
        """Whether it was connected, and its trouble, each time that the test looked."""

    def monotonic(self) -> float:
        """See `seconds`."""
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        """Time passes."""
        self.seconds += seconds
        self.time += timedelta(seconds=seconds)

    # -- the provider --

    def credential(self) -> Secret:
        """Never another one."""
        return Secret("secret")

    def fetch(self) -> AccessToken:
        """For an hour."""
        self.requests.append(self.seconds)
        return AccessToken(Secret(f"token-{self.seconds}"), HOUR)

    def has_asked(self) -> bool:
        """Whether there was a request for a token."""
        return bool(self.requests)

    def _takes(self, token: str) -> bool:
        """As Gmail: one that lives."""
        return self.seconds < float(token.removeprefix("token-")) + HOUR

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        """The real watch, with a log that is looked at afterwards."""
        ending = threading.Event()
        watch = Watch(
            self.but(idle=True, poll=timedelta(days=30)),
            ending,
            ServerLogins(PACE, self.monotonic),
            log=self.log,
            now=self.now,
            monotonic=self.monotonic,
            rng=Random(1),
            pace=PACE,
        )
        watch.start()
        try:
            # The hours begin with the first login: the clock stands until then.
            until(self.has_asked, "the first access token")
            yield watch
        finally:
            ending.set()
            watch.wakeup.set()
            watch.join(PATIENCE)
            assert not watch.is_alive()

    def listens(self, watch: Watch) -> None:
        """Wait until inbox and spam folder are listened to; let the logins keep their distance."""

        def is_idle() -> bool:
            self.states.append((watch.health.connected, watch.health.trouble))
            idling = [connection.idling for connection in self.server.connections]
            if {"INBOX", "Junk"} <= set(idling):
                return True
            self.pass_by(1.0)
            return False

        until(is_idle, "both folders to be listened to")

    def listens_to_inbox(self) -> bool:
        """Whether a connection does."""
        return any(connection.idling == "INBOX" for connection in self.server.connections)

    def has_connected_since(self, number: int) -> bool:
        """Whether there were more connections than so many."""
        return len(self.server.connections) > number

    def pauses(self) -> list[float]:
        """Those of the mailbox itself, in seconds; a listener has its own."""
        told = self.said("mailbox.pause")
        return [fields["seconds"] for fields in told if "folder" not in fields]

    def has_paused(self, times: int) -> bool:
        """Whether so many pauses were told."""
        return len(self.pauses()) >= times

    def arrives(self, folder: str) -> None:
        """A token mail comes, and is in Vault before any time has passed."""
        self.reset(folder)
        expected = list(self.sent.values())
        until(lambda: self.tokens == expected, "the token in Vault")

    def arrives_between_sessions(self) -> None:
        """The same, but for the turns that two connections take to log in again."""
        self.reset("INBOX")
        expected = list(self.sent.values())

        def is_stored() -> bool:
            self.pass_by(PACE.server_logins_apart)
            return self.tokens == expected

        until(is_stored, "the token in Vault")


def test_a_day_of_sessions_that_end_hourly(tmp_path: Path) -> None:
    """No event above info, no mail late, at most one token an hour, and nothing is down."""
    world = HourlyWorld(tmp_path)
    with world.server, world.watching() as watch:
        world.listens(watch)
        for hour in range(24):
            world.pass_by(1200.0)
            world.arrives("INBOX")
            world.pass_by(1200.0)
            world.arrives("Junk")
            world.pass_by((hour + 1) * HOUR - world.seconds)
            world.states.clear()
            ended = len(world.server.connections)
            world.server.end_sessions(FAREWELLS[hour % len(FAREWELLS)])
            # What comes while the session is away is in Vault as soon as the next one looks.
            world.arrives_between_sessions()
            world.server.wait_for(partial(world.has_connected_since, ended))
            world.listens(watch)
            assert set(world.states) == {(True, None)}
    assert world.log.above_info() == []
    assert len(world.tokens) == 72
    assert len(world.requests) <= 25
    pairs = zip(world.requests, world.requests[1:], strict=False)
    # But for the turns to log in, which one hour may take longer than the next.
    assert all(later - earlier >= HOUR - TURNS for earlier, later in pairs)
    assert [event for _, event in world.log.told].count("mailbox.pause") == 0


def test_a_server_that_ends_each_session_at_once_is_left_alone(tmp_path: Path) -> None:
    """The same words right after a login are trouble: a pause that doubles, and a warning."""
    world = HourlyWorld(tmp_path)
    with world.server, world.watching() as watch:
        for times in (1, 2, 3):
            until(world.listens_to_inbox, "a session")
            world.server.end_sessions(FAREWELLS[0])
            until(partial(world.has_paused, times), "a pause")
            assert not watch.health.connected
            assert watch.health.trouble == "imap-session-ended"
            world.pass_by(1000.0)
    assert world.pauses() == sorted(world.pauses())
    assert ("warning", "mailbox.trouble") in world.log.told
