"""A person signs in: what is asked of the endpoint, and what each answer means."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.kit.tokens import CLIENT_ID, Reply, TokenEndpoint, page, refusal, throttling
from token_catcher.errors import AccessError, Outage, TokenCatcherError
from token_catcher.model import Secret
from token_catcher.oauth import (
    SIGN_IN_PARAMETERS,
    BoundedSession,
    Client,
    DeviceCode,
    Granted,
    Redirect,
    begin_with_code,
    wait_for_person,
)
from token_catcher.oauth.signin import REDIRECT

DEVICE = {
    "device_code": "device-code",
    "user_code": "ABCD-EFGH",
    "verification_uri": "https://login.example/device",
    "expires_in": 900,
    "interval": 5,
}
PENDING = refusal("authorization_pending")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[TokenEndpoint]:
    """One for all; each test says what it answers."""
    with TokenEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def client(endpoint: TokenEndpoint) -> Client:
    """A public client, and an endpoint as new."""
    endpoint.renew_all("someone@example.com")
    return Client(CLIENT_ID, "mail offline_access", endpoint.token_url, BoundedSession(zero))


def zero() -> float:
    """A clock that stands still."""
    return 0.0


class Clock:
    """Goes on by what is slept."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)


def begun(client: Client, endpoint: TokenEndpoint, **changed: object) -> DeviceCode:
    """A code of the endpoint's."""
    endpoint.answers(Reply(body={**DEVICE, **changed}))
    return begin_with_code(client, f"{endpoint.url}/devicecode")


def waited(client: Client, device: DeviceCode, clock: Clock | None = None) -> Granted:
    """What comes of it, without waiting."""
    clock = clock or Clock()
    return wait_for_person(client, device, clock.monotonic, clock.sleep)


def fault(client: Client, device: DeviceCode, clock: Clock | None = None) -> TokenCatcherError:
    """What it fails with."""
    with pytest.raises(TokenCatcherError) as caught:
        waited(client, device, clock)
    return caught.value


# -- by a code --


def test_a_code_is_asked_for_by_the_client_and_its_scope(
    client: Client, endpoint: TokenEndpoint
) -> None:
    """What is shown is what the endpoint says."""
    device = begun(client, endpoint)
    assert (device.user_code, device.page, device.seconds, device.interval) == (
        "ABCD-EFGH",
        "https://login.example/device",
        900.0,
        5.0,
    )
    assert endpoint.asked[0].form == {"client_id": CLIENT_ID, "scope": "mail offline_access"}
    assert "device-code" not in repr(device)


def test_it_is_asked_until_the_person_is_done(client: Client, endpoint: TokenEndpoint) -> None:
    """As seldom as the server wants it, and seldomer where it says so."""
    device = begun(client, endpoint)
    endpoint.answers(PENDING, refusal("slow_down"), PENDING, endpoint.granted(refresh_token="r1"))
    clock = Clock()
    given = waited(client, device, clock)
    assert (given.refresh_token, given.token.value.reveal()) == (Secret("r1"), endpoint.given[-1])
    assert clock.slept == [5.0, 5.0, 10.0, 10.0]
    assert endpoint.asked[-1].form == {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": "device-code",
        "client_id": CLIENT_ID,
    }


def test_what_passes_is_asked_again(client: Client, endpoint: TokenEndpoint) -> None:
    """Throttling, a broken server and a proxy's page; the pause that is asked for is kept."""
    device = begun(client, endpoint)
    endpoint.answers(throttling(60), Reply(503), page(), endpoint.granted(refresh_token="r1"))
    clock = Clock()
    assert waited(client, device, clock).refresh_token == Secret("r1")
    assert clock.slept == [5.0, 60.0, 60.0, 60.0]


@pytest.mark.parametrize(
    ("interval", "slept"),
    [(5, [5.0, 895.0]), (999_999, [900.0])],
    ids=["a pause that an outage asks for", "the interval itself"],
)
def test_nobody_waits_for_longer_than_the_code_counts(
    client: Client, endpoint: TokenEndpoint, interval: int, slept: list[float]
) -> None:
    """However long a pause is asked for: 9,999,999 seconds would be four months."""
    device = begun(client, endpoint, interval=interval)
    endpoint.answers(throttling(9_999_999))
    clock = Clock()
    assert fault(client, device, clock).code == "oauth-device-code"
    assert clock.slept == slept


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (refusal("authorization_declined"), "oauth-sign-in-declined"),
        (refusal("access_denied"), "oauth-sign-in-declined"),
        (refusal("expired_token"), "oauth-device-code"),
        (refusal("invalid_grant"), "oauth-refused"),
    ],
    ids=["declined at Microsoft", "declined", "over", "refused"],
)
def test_a_no_is_the_end(client: Client, endpoint: TokenEndpoint, reply: Reply, code: str) -> None:
    """Each for its cause."""
    device = begun(client, endpoint)
    endpoint.answers(PENDING, reply)
    error = fault(client, device)
    assert (type(error), error.code) == (AccessError, code)


def test_nobody_is_waited_for_longer_than_the_code_counts(
    client: Client, endpoint: TokenEndpoint
) -> None:
    """Whatever the server goes on to say; an absurd time is an hour."""
    device = begun(client, endpoint, expires_in=999_999)
    endpoint.always(PENDING)
    clock = Clock()
    error = fault(client, device, clock)
    assert error.code == "oauth-device-code"
    assert "within 60 minutes" in str(error)
    assert clock.now == 3600.0


@pytest.mark.parametrize(
    "changed",
    [
        {"user_code": "A\x1b[31m"},
        {"verification_uri": "javascript:alert(1)"},
        {"device_code": None},
    ],
    ids=["a terminal's escape", "no address", "no code"],
)
def test_what_cannot_be_shown_is_not(
    client: Client, endpoint: TokenEndpoint, changed: dict[str, object]
) -> None:
    """Somebody else answers, or nothing that a person could type."""
    with pytest.raises(Outage) as caught:
        begun(client, endpoint, **changed)
    assert caught.value.code == "oauth-foreign"


def test_numbers_that_are_none_have_the_usual_values(
    client: Client, endpoint: TokenEndpoint
) -> None:
    """A quarter of an hour, every five seconds."""
    device = begun(client, endpoint, expires_in="soon", interval=-1)
    assert (device.seconds, device.interval) == (900.0, 5.0)


@pytest.mark.parametrize(
    ("interval", "pause"), [(0.01, 5.0), (4.9, 5.0), (5, 5.0), (7, 7.0), (True, 5.0)]
)
def test_it_is_not_asked_more_often_than_every_five_seconds(
    client: Client, endpoint: TokenEndpoint, interval: float, pause: float
) -> None:
    """RFC 8628, section 3.2, whatever a server thinks it can bear."""
    assert begun(client, endpoint, interval=interval).interval == pause


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "1 s"), (119, "119 s"), (179, "2 minutes")],
)
def test_a_short_life_is_told_in_seconds(
    client: Client, endpoint: TokenEndpoint, seconds: float, text: str
) -> None:
    """Minutes are rounded down: nobody is promised more than there is."""
    device = begun(client, endpoint, expires_in=seconds)
    endpoint.always(PENDING)
    assert str(fault(client, device)).endswith(f"nobody finished the sign-in within {text}")


def test_a_refused_code_says_why(client: Client, endpoint: TokenEndpoint) -> None:
    """The endpoint's own word; a page of a proxy is an outage."""
    for reply, kind in ((refusal("invalid_client"), AccessError), (page(403), Outage)):
        endpoint.answers(reply)
        with pytest.raises(kind):
            begin_with_code(client, f"{endpoint.url}/devicecode")


# -- by an address --


def redirect(client: Client, endpoint: TokenEndpoint) -> Redirect:
    """One that wants something of its own."""
    return Redirect(client, f"{endpoint.url}/authorize", {"prompt": "consent"})


def ended_at(**fields: str) -> str:
    """Where the browser ends."""
    return f"{REDIRECT}?{urlencode(fields)}\n"


def test_the_address_holds_the_challenge_and_not_the_verifier(
    client: Client, endpoint: TokenEndpoint
) -> None:
    """RFC 7636, section 4: S256. Each sign-in has a state and a verifier of its own."""
    first, second = redirect(client, endpoint), redirect(client, endpoint)
    asked = dict(parse_qsl(urlsplit(first.address).query))
    digest = hashlib.sha256(first.verifier.reveal().encode()).digest()
    assert asked == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT,
        "state": first.state,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        "prompt": "consent",
        "scope": "mail offline_access",
    }
    assert first.verifier.reveal() not in first.address + repr(first)
    assert (first.state, first.verifier) != (second.state, second.verifier)


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("?audience=imap&p=B2C%2B1", {"audience": "imap", "p": "B2C+1"}),
        ("?a=1&", {"a": "1"}),
        ("?", {}),
        ("", {}),
    ],
)
def test_the_query_of_an_address_is_kept(
    client: Client, endpoint: TokenEndpoint, query: str, kept: dict[str, str]
) -> None:
    """RFC 6749, section 3.1: what we add comes behind it."""
    sign_in = Redirect(client, f"{endpoint.url}/authorize{query}", {})
    asked = parse_qsl(urlsplit(sign_in.address).query)
    names = [name for name, _ in asked]
    assert kept.items() <= dict(asked).items()
    assert set(names) == kept.keys() | (SIGN_IN_PARAMETERS - {"login_hint"})
    assert len(names) == len(set(names))
    assert sign_in.address.startswith(f"{endpoint.url}/authorize?")


def test_the_code_is_shown_with_the_verifier(client: Client, endpoint: TokenEndpoint) -> None:
    """As it was pasted, with the line end."""
    sign_in = redirect(client, endpoint)
    endpoint.answers(endpoint.granted(refresh_token="r1"))
    given = sign_in.finish(ended_at(state=sign_in.state, code="4/0A+b", scope="mail"))
    assert given.refresh_token == Secret("r1")
    assert endpoint.asked[-1].form == {
        "grant_type": "authorization_code",
        "code": "4/0A+b",
        "redirect_uri": REDIRECT,
        "code_verifier": sign_in.verifier.reveal(),
        "client_id": CLIENT_ID,
    }


@pytest.mark.parametrize(
    ("fields", "code", "got"),
    [
        ({}, "oauth-pasted", "something else"),
        ({"state": "another", "code": "c"}, "oauth-pasted", "the address of another sign-in"),
        ({"state": "OURS", "error": "access_denied"}, "oauth-sign-in-declined", "a no"),
        ({"state": "OURS", "error": "invalid_scope"}, "oauth-refused", "invalid_scope"),
        ({"state": "OURS"}, "oauth-refused", "no code"),
    ],
    ids=["no address", "another sign-in", "declined", "refused", "no code"],
)
def test_another_address_is_not_taken(
    client: Client, endpoint: TokenEndpoint, fields: dict[str, str], code: str, got: str
) -> None:
    """Nothing is asked of the endpoint, and no word of what was pasted is told."""
    sign_in = redirect(client, endpoint)
    if fields.get("state") == "OURS":
        fields = {**fields, "state": sign_in.state}
    with pytest.raises(AccessError) as caught:
        sign_in.finish(ended_at(**fields))
    assert (caught.value.code, f"got {got}" in str(caught.value)) == (code, True)
    assert sign_in.state not in str(caught.value)
    assert endpoint.asked == []


@pytest.mark.parametrize("pasted", ["http://[::1/?state=x", "http://h/?state=\u00fc", "\udcff"])
def test_an_odd_paste_is_another_address(
    client: Client, endpoint: TokenEndpoint, pasted: str
) -> None:
    """Whatever the clipboard held."""
    with pytest.raises(AccessError) as caught:
        redirect(client, endpoint).finish(pasted)
    assert caught.value.code == "oauth-pasted"


def test_nothing_pasted_is_told_as_nothing(client: Client, endpoint: TokenEndpoint) -> None:
    """The end of standard input, too."""
    with pytest.raises(AccessError, match="got nothing"):
        redirect(client, endpoint).finish("")
