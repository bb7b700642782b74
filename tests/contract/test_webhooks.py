"""Webhooks against a server: what is sent, how it is signed, and what each answer means."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path

import pytest
import trustme

from tests.kit.hooks import SECRET, Hooks
from tests.kit.scripted import HttpReply, HttpScript
from tests.kit.tokens import Reply, TokenEndpoint
from tests.unit.notify.kit import notice
from token_catcher.errors import ConfigurationError, Outage, TokenCatcherError, Undeliverable
from token_catcher.model import Secret
from token_catcher.notify import Webhook, event_of

NOW = datetime(2026, 2, 3, 13, tzinfo=UTC)
EVENT = event_of(notice(fields={"org": "acme", "saw": "µ"}), "ops", "one")
CANARY = "hunter2-canary"


def webhook(url: str, ca_file: Path | None = None, secret: str = SECRET) -> Webhook:
    """One whose clock stands still."""
    return Webhook(
        url,
        lambda: Secret(secret),
        ca_file=None if ca_file is None else str(ca_file),
        now=lambda: NOW,
    )


def refusal(url: str, ca_file: Path | None = None) -> TokenCatcherError:
    """How a delivery fails, without what follows the host, and without the key."""
    with pytest.raises(TokenCatcherError) as caught:
        webhook(f"{url}?key={CANARY}", ca_file).deliver(EVENT)
    assert CANARY not in str(caught.value)
    assert SECRET not in str(caught.value)
    return caught.value


def test_an_event_is_sent_signed() -> None:
    """As CloudEvents has it in structured mode, and Standard Webhooks its headers."""
    with Hooks() as hooks:
        assert webhook(hooks.url).deliver(EVENT) == "answered 204"
    [hook] = hooks.came
    assert hook.path == "/hook"
    assert hook.body == EVENT.body.encode()
    assert hook.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert hook.headers["webhook-id"] == EVENT.id
    assert hook.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert hook.is_signed


def test_a_key_that_was_replaced_signs_the_next_event() -> None:
    """It is read at each try."""
    secrets = iter([SECRET, SECRET.replace("AAEC", "////")])
    with Hooks() as hooks:
        hook = Webhook(hooks.url, lambda: Secret(next(secrets)), now=lambda: NOW)
        hook.deliver(EVENT)
        hook.deliver(EVENT)
    assert [hook.is_signed for hook in hooks.came] == [True, False]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_what_is_taken(status: int) -> None:
    """Any status of success."""
    with Hooks(lambda _hook: status) as hooks:
        assert webhook(hooks.url).deliver(EVENT) == f"answered {status}"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 422])
def test_what_is_refused_is_tried_again(status: int) -> None:
    """A key that the receiver does not have yet, an address that was moved: within the day
    somebody can mend it."""
    with Hooks(lambda _hook: status) as hooks:
        error = refusal(hooks.url)
    assert isinstance(error, Outage)
    assert error.code == "notify-refused"
    assert str(error) == (
        f"webhook 127.0.0.1:{hooks.port}: got status {status}, expected one of 200 to 299"
    )


def test_only_a_receiver_that_is_gone_ends_an_event() -> None:
    """410, as Standard Webhooks has it."""
    with Hooks(lambda _hook: 410) as hooks:
        error = refusal(hooks.url)
    assert isinstance(error, Undeliverable)
    assert error.code == "notify-gone"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_is_tried_again(status: int) -> None:
    """Trouble of the receiver's, and refusals that ask for another try."""
    with Hooks(lambda _hook: status) as hooks:
        error = refusal(hooks.url)
    assert isinstance(error, Outage)
    assert error.code == "notify-status"
    assert error.retry_after is None


def test_a_pause_that_is_asked_for_goes_along() -> None:
    """Retry-After, in seconds."""
    busy = HttpReply(503, headers={"Retry-After": "120"})
    with HttpScript({"POST /hook": busy}) as server:
        error = refusal(f"{server.url}/hook")
    assert isinstance(error, Outage)
    assert error.retry_after == 120


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    """It would take the event elsewhere. It is tried again, since it may be mended in a day."""
    with Hooks() as elsewhere:
        moved = HttpReply(status, headers={"Location": elsewhere.url})
        with HttpScript({"POST /hook": moved}) as server:
            error = refusal(f"{server.url}/hook")
    assert elsewhere.came == []
    assert isinstance(error, Outage)
    assert error.code == "notify-redirect"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (HttpReply(drop=True), "it closed the connection without an answer"),
        (HttpReply(body=b"x" * 1000, cut=True), "its answer broke off"),
    ],
)
def test_an_answer_that_breaks_off(reply: HttpReply, why: str) -> None:
    """Nobody knows whether the event was taken: it is sent again."""
    with HttpScript({"POST /hook": reply}) as server:
        error = refusal(f"{server.url}/hook")
    assert isinstance(error, Outage)
    assert error.code == "notify-unreachable"
    assert why in str(error)


def test_a_receiver_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the time that any endpoint has."""
    monkeypatch.setattr("token_catcher.oauth.endpoint.READ_TIMEOUT", 0.2)
    with HttpScript({"POST /hook": HttpReply(hang=True)}) as server:
        assert "no answer in time" in str(refusal(f"{server.url}/hook"))


def test_a_receiver_that_is_slow_byte_by_byte_is_not_waited_for() -> None:
    """The whole answer has thirty seconds."""
    with Hooks() as hooks:
        slow = Webhook(
            hooks.url,
            lambda: Secret(SECRET),
            now=lambda: NOW,
            monotonic=partial(next, count(0, 31)),
        )
        with pytest.raises(Outage, match="no end of its answer in time"):
            slow.deliver(EVENT)


def test_a_large_answer_is_not_read() -> None:
    """Nothing of it is of use."""
    with HttpScript({"POST /hook": HttpReply(body=b"x" * 300_000)}) as server:
        assert isinstance(refusal(f"{server.url}/hook"), Outage)


def test_nobody_listens() -> None:
    """The usual outage."""
    with Hooks() as hooks:
        pass
    error = refusal(hooks.url)
    assert str(error) == f"webhook 127.0.0.1:{hooks.port} was not reached (Connection refused)"


# -- TLS --


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Whom `ca_file` names."""
    return trustme.CA()


@pytest.fixture(scope="module")
def server(authority: trustme.CA) -> Iterator[TokenEndpoint]:
    """A receiver over HTTPS, which takes everything."""
    with TokenEndpoint(certificate=authority.issue_cert("127.0.0.1")) as endpoint:
        endpoint.instead = lambda _asked: Reply(204)
        yield endpoint


def test_authorities_of_our_own(
    server: TokenEndpoint, authority: trustme.CA, tmp_path: Path
) -> None:
    """In place of the system's."""
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    assert webhook(f"{server.url}/hook", ca_file).deliver(EVENT) == "answered 204"


def test_a_certificate_that_is_not_trusted_is_tried_again(server: TokenEndpoint) -> None:
    """It may be renewed within the day."""
    error = refusal(f"{server.url}/hook")
    assert isinstance(error, Outage)
    assert error.code == "notify-certificate"
    assert "was not issued by an authority that we trust (ca_file)" in str(error)


def test_authorities_that_are_gone_are_told(server: TokenEndpoint, tmp_path: Path) -> None:
    """And tried again once they are back."""
    error = refusal(f"{server.url}/hook", tmp_path / "gone.pem")
    assert isinstance(error, ConfigurationError)
    assert error.code == "notify-ca-file"


def test_a_key_that_is_broken_by_now_is_told() -> None:
    """Nothing is sent without a signature."""
    with Hooks() as hooks, pytest.raises(ConfigurationError) as caught:
        webhook(hooks.url, secret="short").deliver(EVENT)
    assert hooks.came == []
    assert caught.value.code == "notify-secret"
    assert "short" not in str(caught.value)


def test_the_time_of_a_try_is_its_own() -> None:
    """Receivers refuse what was signed long ago; the id stays."""
    times = iter([1000.0, 2000.0])
    with Hooks() as hooks:
        hook = Webhook(
            hooks.url,
            lambda: Secret(SECRET),
            now=lambda: datetime.fromtimestamp(next(times), UTC),
            monotonic=time.monotonic,
        )
        hook.deliver(EVENT)
        hook.deliver(EVENT)
    assert [hook.headers["webhook-timestamp"] for hook in hooks.came] == ["1000", "2000"]
    assert {hook.id for hook in hooks.came} == {EVENT.id}
    assert all(hook.is_signed for hook in hooks.came)
