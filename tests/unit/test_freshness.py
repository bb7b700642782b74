"""Access tokens renewed though nobody logs in: no mailbox waits for another's endpoint."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

import pytest

from tests.kit.fakes import Silent
from tests.kit.waiting import PATIENCE, until
from tests.unit.daemon.kit import threads
from tests.unit.oauth.test_access import HOUR, REFUSED, Endpoint
from token_catcher.freshness import AT_A_TIME, Freshness
from token_catcher.imap import PasswordLogin
from token_catcher.logins import Entrance
from token_catcher.model import Secret


def password() -> Secret:
    """Of a mailbox that takes no tokens."""
    return Secret("pw")


PLAIN = Entrance(PasswordLogin("somebody", password), password)


def ended(number: int = 0) -> Endpoint:
    """It gave a token for a login, which is over; the higher the number, the later."""
    endpoint = Endpoint()
    endpoint.time += number
    endpoint.login()
    endpoint.time = 1000.0 + HOUR + 1000.0
    return endpoint


def entrances(endpoints: Iterable[Endpoint]) -> dict[str, Entrance]:
    """Of as many mailboxes, and of one that takes no tokens."""
    ways = {
        f"mailbox {number}": Entrance(PLAIN.login, endpoint.credential, endpoint.tokens)
        for number, endpoint in enumerate(endpoints)
    }
    return {"plain": PLAIN, **ways}


def all_done() -> None:
    """Wait until nothing is being renewed."""
    until(lambda: not threads("renewal-"), "the renewals to end")


class Hanging:
    """Endpoints that answer nobody, until they are let go."""

    def __init__(self) -> None:
        self.asked = 0
        self._lock = threading.Lock()
        self._released = threading.Event()

    def __call__(self) -> None:
        """A request."""
        with self._lock:
            self.asked += 1
        self._released.wait(PATIENCE)

    def release(self) -> None:
        """All of them answer."""
        self._released.set()


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    """Let go at the end."""
    endpoints = Hanging()
    yield endpoints
    endpoints.release()
    all_done()


def test_a_token_that_cannot_be_renewed_is_told() -> None:
    """While mail still comes; of others nothing."""
    endpoint = ended()
    log = Silent()
    freshness = Freshness(log)
    freshness.look(entrances([endpoint]))
    all_done()
    assert (endpoint.fetched, log.events) == (2, [])
    endpoint.error = REFUSED
    endpoint.time += HOUR

    def is_told() -> bool:
        freshness.look(entrances([endpoint]))  # as housekeeping does, again and again
        return log.warnings != []

    until(is_told, "the trouble")
    all_done()
    told = {"mailbox": "mailbox 0", "code": "oauth-credential", "error": str(REFUSED)}
    assert log.warnings == [("oauth.trouble", told)]


def test_a_token_that_could_be_renewed_again_is_told() -> None:
    """Once, whoever got it; of a mailbox that is gone from the configuration nothing."""
    by_renewal = ended()
    by_login = ended()
    gone = ended()
    endpoints = [by_renewal, by_login, gone]
    for endpoint in endpoints:
        endpoint.error = REFUSED
    log = Silent()
    freshness = Freshness(log)
    freshness.look(entrances(endpoints))
    all_done()
    for endpoint in endpoints:
        endpoint.error = None
        endpoint.time += HOUR
    by_login.login()
    for _ in range(3):
        freshness.look(entrances([by_renewal, by_login]))
        all_done()
    told = [fields["mailbox"] for event, fields in log.events if event == "oauth.renewed"]
    assert sorted(told) == ["mailbox 0", "mailbox 1"]


def test_an_endpoint_that_hangs_holds_up_nobody(hanging: Hanging) -> None:
    """Neither housekeeping, which goes on, nor the other mailboxes; nor is it asked twice."""
    stuck = [ended(), ended()]
    for endpoint in stuck:
        endpoint.on_fetch = hanging
    well = ended()
    freshness = Freshness(Silent())
    for _ in range(3):
        freshness.look(entrances([*stuck, well]))
    until(lambda: hanging.asked == 2, "both to hang")
    until(lambda: well.fetched == 2, "the other one")
    hanging.release()
    all_done()
    assert [endpoint.fetched for endpoint in (*stuck, well)] == [2, 2, 2]


def test_so_many_at_a_time_the_longest_due_first(hanging: Hanging) -> None:
    """The others' turn comes in a later round."""
    endpoints = [ended(-number) for number in range(AT_A_TIME + 2)]
    for endpoint in endpoints:
        endpoint.on_fetch = hanging
    freshness = Freshness(Silent())
    for _ in range(3):
        freshness.look(entrances(endpoints))
    until(lambda: hanging.asked == AT_A_TIME, "as many as may")
    assert [endpoint.fetched for endpoint in endpoints] == [1, 1, *[2] * AT_A_TIME]
    hanging.release()
    all_done()
    freshness.look(entrances(endpoints))
    all_done()
    assert [endpoint.fetched for endpoint in endpoints] == [2] * (AT_A_TIME + 2)


def test_a_bug_in_a_renewal_is_told_without_its_text() -> None:
    """By its kind and place; the next renewal is tried all the same."""
    endpoint = ended()
    endpoint.error = ZeroDivisionError("a secret")
    log = Silent()
    freshness = Freshness(log)
    freshness.look(entrances([endpoint]))
    all_done()
    [(event, fields)] = log.events
    assert (event, fields["mailbox"], fields["kind"]) == (
        "oauth.crashed",
        "mailbox 0",
        "ZeroDivisionError",
    )
    assert fields["at"].startswith("test_access.py:")
    assert "secret" not in str(fields)
