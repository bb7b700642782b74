"""When a token is asked for: once an hour, by one at a time, and not again right after a no."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.contract.leaks import hangs_alone
from tests.kit.waiting import PATIENCE, until
from token_catcher.errors import (
    AccessError,
    ConfigurationError,
    Outage,
    StateError,
    TokenCatcherError,
)
from token_catcher.model import Secret
from token_catcher.oauth.access import (
    AHEAD,
    FRESH_PAUSE,
    REFUSAL_PAUSE,
    AccessToken,
    AccessTokens,
    TokenHealth,
)

REFUSED = AccessError("token endpoint x: got invalid_client", code="oauth-credential")
AWAY = Outage("token endpoint x was not reached", code="oauth-unreachable")
UNWRITABLE = StateError("refresh token x: cannot be written", code="oauth-file")
HOUR = 3600.0


def nothing() -> None:
    """Happens, unless a test lets something happen."""


@dataclass
class Endpoint:
    """A provider that gives `token-1`, `token-2`, …, each for so many seconds."""

    life: float | None = HOUR
    shown: str = "secret"
    error: Exception | None = None
    """Raised in place of the next tokens."""
    on_fetch: Callable[[], None] = nothing
    fetched: int = 0
    time: float = 1000.0
    tokens: AccessTokens = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = AccessTokens(self, self.monotonic)

    def monotonic(self) -> float:
        """The clock."""
        return self.time

    def credential(self) -> Secret:
        """As a file."""
        if not self.shown:
            raise ConfigurationError("secret {file: x}: got no such file", code="secret")
        return Secret(self.shown)

    def fetch(self) -> AccessToken:
        """As a request."""
        self.fetched += 1
        self.on_fetch()
        if self.error is not None:
            raise self.error
        return AccessToken(Secret(f"token-{self.fetched}"), self.life)

    def login(self) -> str:
        """The token of one login."""
        return self.tokens.for_login().reveal()

    def failure(self) -> TokenCatcherError:
        """How a login fails, which no other exception hangs on."""
        with pytest.raises((AccessError, Outage)) as caught:
            self.tokens.for_login()
        assert hangs_alone(caught.value)
        return caught.value


@pytest.fixture
def endpoint() -> Endpoint:
    """Gives tokens for an hour."""
    return Endpoint()


# -- how long a token serves --


def test_nothing_is_asked_before_the_first_login(endpoint: Endpoint) -> None:
    """A mailbox that nobody logs in to costs no request."""
    assert endpoint.fetched == 0
    assert endpoint.tokens.health == TokenHealth(None, None)


def test_a_token_serves_until_it_has_ten_minutes_left(endpoint: Endpoint) -> None:
    """To the second: then the next login gets another one."""
    assert endpoint.login() == "token-1"
    endpoint.time += HOUR - AHEAD
    assert endpoint.login() == "token-1"
    assert endpoint.tokens.health.seconds_left == AHEAD
    endpoint.time += 1
    assert endpoint.login() == "token-2"


@pytest.mark.parametrize("life", [1.0, 60.0, 599.0, 700.0, 1199.0])
def test_a_short_token_serves_for_half_its_life(life: float) -> None:
    """It never has ten minutes left, or hardly ever: not each login asks for another one."""
    endpoint = Endpoint(life)
    assert [endpoint.login() for _ in range(5)] == ["token-1"] * 5
    endpoint.time += life / 2
    assert endpoint.login() == "token-1"
    endpoint.time += 0.5
    assert endpoint.login() == "token-2"


def test_a_token_of_unknown_life_serves_once() -> None:
    """Some other tool keeps it, and may have another one by the next login."""
    endpoint = Endpoint(None)
    assert [endpoint.login() for _ in range(3)] == ["token-1", "token-2", "token-3"]
    assert endpoint.tokens.health.seconds_left is None


def test_another_credential_is_used_at_once(endpoint: Endpoint) -> None:
    """A replaced secret, though the token that was got with the old one lives."""
    endpoint.login()
    endpoint.shown = "another"
    assert endpoint.login() == "token-2"
    assert endpoint.login() == "token-2"


# -- one at a time --


def test_who_asks_second_waits_for_the_first(endpoint: Endpoint) -> None:
    """Eight sessions at the same time: one request."""
    here = threading.Barrier(9)
    answered = threading.Event()

    def answer() -> None:
        answered.wait(PATIENCE)

    endpoint.on_fetch = answer
    logins: list[str] = []

    def log_in() -> None:
        here.wait(PATIENCE)
        logins.append(endpoint.login())

    threads = [threading.Thread(target=log_in) for _ in range(8)]
    for thread in threads:
        thread.start()
    here.wait(PATIENCE)
    until(lambda: endpoint.fetched == 1, "the first request")
    answered.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert logins == ["token-1"] * 8
    assert endpoint.fetched == 1


# -- a provider that is away --


def test_while_the_provider_is_away_the_old_token_serves_to_its_end(endpoint: Endpoint) -> None:
    """Each login asks again; none fails before it must."""
    endpoint.login()
    endpoint.error = AWAY
    endpoint.time += HOUR - 1
    assert endpoint.login() == "token-1"
    assert endpoint.fetched == 2
    endpoint.time += 1
    assert endpoint.failure().code == "oauth-unreachable"
    endpoint.error = None
    assert endpoint.login() == "token-4"
    assert endpoint.tokens.health.refused is None


def test_a_token_of_unknown_life_does_not_outlive_its_provider() -> None:
    """Nobody knows whether it is good for another login."""
    endpoint = Endpoint(None)
    endpoint.login()
    endpoint.error = AWAY
    assert endpoint.failure().code == "oauth-unreachable"


def test_the_pause_that_a_provider_asks_for_is_kept(endpoint: Endpoint) -> None:
    """Whatever is shown: nobody asks again before, and it is told how long that is."""
    endpoint.error = Outage("throttled", code="oauth-throttled", retry_after=120.0)
    endpoint.failure()
    endpoint.time += 20
    endpoint.shown = "another"
    error = endpoint.failure()
    assert isinstance(error, Outage)
    assert (error.code, error.retry_after, endpoint.fetched) == ("oauth-throttled", 100.0, 1)
    endpoint.time += 100
    endpoint.error = None
    assert endpoint.login() == "token-2"


def test_the_old_token_serves_during_a_pause_as_well(endpoint: Endpoint) -> None:
    """Without a further request."""
    endpoint.login()
    endpoint.time += HOUR - AHEAD + 1
    endpoint.error = Outage("throttled", code="oauth-throttled", retry_after=300.0)
    assert [endpoint.login(), endpoint.login()] == ["token-1", "token-1"]
    assert endpoint.fetched == 2


def test_a_pause_has_an_end(endpoint: Endpoint) -> None:
    """A provider that asks for a year is asked after an hour."""
    endpoint.error = Outage("throttled", code="oauth-throttled", retry_after=31_536_000.0)
    endpoint.failure()
    endpoint.error = None
    endpoint.time += HOUR
    assert endpoint.login() == "token-2"


# -- a refusal --


def test_a_refusal_is_not_asked_for_again_at_once(endpoint: Endpoint) -> None:
    """Some providers lock who knocks on; the same is told meanwhile."""
    endpoint.error = REFUSED
    first = endpoint.failure()
    endpoint.error = None
    endpoint.time += REFUSAL_PAUSE - 1
    again = endpoint.failure()
    assert (str(again), again.code, endpoint.fetched) == (str(first), first.code, 1)
    assert again is not first
    assert endpoint.tokens.health.refused == "oauth-credential"
    endpoint.time += 1
    assert endpoint.login() == "token-2"
    assert endpoint.tokens.health.refused is None


def test_a_mended_credential_is_tried_at_once(endpoint: Endpoint) -> None:
    """The pause is for what was refused."""
    endpoint.error = REFUSED
    endpoint.failure()
    endpoint.error = None
    endpoint.shown = "mended"
    assert endpoint.login() == "token-2"


def test_a_credential_that_is_gone_is_told_as_that(endpoint: Endpoint) -> None:
    """By the file's own message; nothing is asked."""
    endpoint.shown = ""
    with pytest.raises(ConfigurationError, match="no such file"):
        endpoint.tokens.for_login()
    assert endpoint.fetched == 0


def test_a_credential_that_is_gone_is_no_health(endpoint: Endpoint) -> None:
    """Though the connection that is there goes on; and all is well once it is there again."""
    endpoint.login()
    endpoint.shown = ""
    endpoint.time += HOUR
    with pytest.raises(ConfigurationError, match="no such file"):
        endpoint.tokens.keep_fresh()
    assert endpoint.tokens.health == TokenHealth("secret", 0.0)
    endpoint.shown = "secret"
    assert endpoint.login() == "token-2"
    assert endpoint.tokens.health == TokenHealth(None, HOUR)


def test_a_credential_that_was_gone_for_a_moment_is_well(endpoint: Endpoint) -> None:
    """Replaced in two steps: the token that is there serves again, and nothing is asked."""
    endpoint.login()
    endpoint.shown = ""
    with pytest.raises(ConfigurationError, match="no such file"):
        endpoint.tokens.for_login()
    assert endpoint.tokens.health == TokenHealth("secret", HOUR)
    endpoint.shown = "secret"
    assert endpoint.login() == "token-1"
    assert endpoint.tokens.health == TokenHealth(None, HOUR)


def test_a_credential_that_cannot_be_shown_is_no_health(endpoint: Endpoint) -> None:
    """A key that cannot sign, a library that is not installed: nobody refuses, and nobody asks."""
    endpoint.error = ConfigurationError("got no library", code="oauth-extra")
    with pytest.raises(ConfigurationError, match="no library"):
        endpoint.tokens.for_login()
    assert endpoint.tokens.health == TokenHealth("oauth-extra", None)
    endpoint.error = None
    assert endpoint.login() == "token-2"
    assert endpoint.tokens.health == TokenHealth(None, HOUR)


def test_a_credential_that_goes_during_a_request_costs_no_token(endpoint: Endpoint) -> None:
    """The token that came is good."""

    def remove() -> None:
        endpoint.shown = ""

    endpoint.on_fetch = remove
    assert endpoint.login() == "token-1"


# -- a file that cannot be written --


def test_without_a_place_for_the_next_one_the_token_serves_to_its_end(endpoint: Endpoint) -> None:
    """It is told by the metrics from the first try on, and at each login once nothing is left."""
    endpoint.login()
    endpoint.error = UNWRITABLE
    endpoint.time += HOUR - 1
    assert endpoint.login() == "token-1"
    assert endpoint.tokens.health == TokenHealth("oauth-file", 1.0)
    endpoint.time += 1
    with pytest.raises(StateError, match="cannot be written"):
        endpoint.tokens.for_login()
    endpoint.error = None
    assert endpoint.login() == "token-4"
    assert endpoint.tokens.health == TokenHealth(None, HOUR)


# -- a mail server that refuses a token --


def test_a_refused_token_is_replaced(endpoint: Endpoint) -> None:
    """One that served before may be revoked, or the server's clock ahead."""
    token = endpoint.tokens.for_login()
    endpoint.login()
    assert endpoint.tokens.in_place_of(token) == Secret("token-2")
    assert endpoint.login() == "token-2"


def test_a_token_that_was_new_is_not_replaced_at_once(endpoint: Endpoint) -> None:
    """The next one would be refused as well; a later login gets another all the same."""
    token = endpoint.tokens.for_login()
    assert endpoint.tokens.in_place_of(token) is None
    assert endpoint.fetched == 1
    assert endpoint.login() == "token-2"


def test_a_token_that_was_kept_fresh_is_replaced(endpoint: Endpoint) -> None:
    """It was not got for this login: it may have been revoked since, with nobody logged in."""
    endpoint.login()
    endpoint.time += HOUR
    endpoint.tokens.keep_fresh()
    endpoint.time += HOUR / 2
    token = endpoint.tokens.for_login()
    assert token == Secret("token-2")
    assert endpoint.tokens.in_place_of(token) == Secret("token-3")


def test_two_sessions_replace_a_refused_token_once(endpoint: Endpoint) -> None:
    """Both had it; the second takes what the first got."""
    token = endpoint.tokens.for_login()
    endpoint.login()
    assert endpoint.tokens.in_place_of(token) == Secret("token-2")
    assert endpoint.tokens.in_place_of(token) == Secret("token-2")
    assert endpoint.fetched == 2


def test_a_refused_token_is_used_no_more_while_the_provider_is_away(endpoint: Endpoint) -> None:
    """Then there is none."""
    token = endpoint.tokens.for_login()
    endpoint.login()
    endpoint.error = AWAY
    with pytest.raises(Outage):
        endpoint.tokens.in_place_of(token)
    assert endpoint.failure().code == "oauth-unreachable"


# -- who replaced the credential --


def test_what_a_mailbox_goes_by_is_the_providers(endpoint: Endpoint) -> None:
    """Another one once somebody replaced it; a request that is on its way holds nobody up."""
    seen: list[Secret] = []
    endpoint.on_fetch = lambda: seen.append(endpoint.tokens.credential())
    endpoint.login()
    endpoint.shown = "signed in again"
    assert [*seen, endpoint.tokens.credential()] == [Secret("secret"), Secret("signed in again")]


def test_a_credential_that_comes_during_a_request_is_used_next(endpoint: Endpoint) -> None:
    """The token that was got with the one before is not kept for an hour."""

    def sign_in() -> None:
        endpoint.shown = "signed in meanwhile"

    endpoint.on_fetch = sign_in
    assert [endpoint.login() for _ in range(3)] == ["token-1", "token-2", "token-2"]


# -- kept fresh while nobody logs in --


def test_a_token_that_ended_is_renewed_though_nobody_logs_in(endpoint: Endpoint) -> None:
    """At its end, and not before: a refusal is known at once, at no more than a request a life."""
    endpoint.tokens.keep_fresh()
    assert endpoint.fetched == 0
    endpoint.login()
    for expected in (1, 2, 3):
        endpoint.time += HOUR - 1
        endpoint.tokens.keep_fresh()
        assert endpoint.fetched == expected
        endpoint.time += 1
        endpoint.tokens.keep_fresh()
    assert endpoint.tokens.health.seconds_left == HOUR


def test_a_token_of_unknown_life_is_not_kept_fresh() -> None:
    """Nobody knows whether it has ended."""
    endpoint = Endpoint(None)
    endpoint.login()
    endpoint.time += 100 * HOUR
    endpoint.tokens.keep_fresh()
    assert endpoint.fetched == 1


@pytest.mark.parametrize(
    "error", [REFUSED, AWAY, UNWRITABLE, Outage("x", code="x", retry_after=20.0)]
)
def test_what_failed_is_kept_fresh_again_after_a_while(error: Exception) -> None:
    """Told every few minutes, and nothing is asked in between."""
    endpoint = Endpoint()
    endpoint.login()
    endpoint.error = error
    endpoint.time += HOUR
    for expected in (2, 3):
        with pytest.raises(type(error)):
            endpoint.tokens.keep_fresh()
        endpoint.time += FRESH_PAUSE - 1
        endpoint.tokens.keep_fresh()
        assert endpoint.fetched == expected
        endpoint.time += 1
    # So the metric goes on to say when it ended, and not that it ends just now.
    assert endpoint.tokens.health.seconds_left == -2 * FRESH_PAUSE
