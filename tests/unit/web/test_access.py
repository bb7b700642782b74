"""Who may see the page."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from tests.kit.fakes import Silent
from token_catcher.errors import ConfigurationError
from token_catcher.model import Secret
from token_catcher.web.access import COOKIE, SESSION, Access, Verdict
from token_catcher.web.exchange import Request

TOKEN = "page-token-0123456789"


def gone() -> Secret:
    """A file that is not there any more."""
    raise ConfigurationError("secret {file: t}: got nothing there", code="secret")


class Door:
    """An access with a clock and a token that a test changes."""

    def __init__(self) -> None:
        self.clock = 0.0
        self.token = TOKEN
        self.log = Silent()
        self.access = self.made(lambda: Secret(self.token))

    def made(self, token: Callable[[], Secret] | None, *, is_loopback: bool = True) -> Access:
        """Another one."""
        return Access(token, is_loopback=is_loopback, monotonic=lambda: self.clock, log=self.log)

    def sign_in(self, typed: str) -> str | None:
        """The cookie that the form gives for this."""
        body = urlencode({"token": typed}).encode()
        return self.access.sign_in(Request("localhost", body=body))

    def verdict(self, *, authorization: str = "", cookie: str = "") -> Verdict:
        """On a request that carries this."""
        return self.access.verdict(Request("localhost:9464", authorization, cookie))


@pytest.fixture
def door() -> Door:
    """With a token."""
    return Door()


@pytest.mark.parametrize(
    ("host", "verdict"),
    [
        ("localhost", Verdict.GRANTED),
        ("LocalHost:9464", Verdict.GRANTED),
        ("127.0.0.1:9464", Verdict.GRANTED),
        ("127.8.8.8", Verdict.GRANTED),
        ("[::1]:9464", Verdict.GRANTED),
        ("", Verdict.WRONG_HOST),
        ("evil.example:9464", Verdict.WRONG_HOST),
        ("localhost.evil.example", Verdict.WRONG_HOST),
        ("127.0.0.1.evil.example", Verdict.WRONG_HOST),
        ("192.0.2.1:9464", Verdict.WRONG_HOST),
        ("localhost/", Verdict.WRONG_HOST),
        ("localhost:9464:1", Verdict.WRONG_HOST),
        ("user@localhost", Verdict.WRONG_HOST),
    ],
)
def test_without_a_token_only_this_machine_sees_it(door: Door, host: str, verdict: Verdict) -> None:
    """By a name that no stranger's DNS can make: a browser is made to ask by others."""
    assert door.made(None).verdict(Request(host)) is verdict


def test_beyond_the_loopback_a_token_is_needed(door: Door) -> None:
    """Without one nobody sees the page, by whatever name."""
    for host in ("localhost", "10.0.0.1", "catcher.example.com"):
        assert door.made(None, is_loopback=False).verdict(Request(host)) is Verdict.CLOSED


@pytest.mark.parametrize(
    ("authorization", "verdict"),
    [
        (f"Bearer {TOKEN}", Verdict.GRANTED),
        (f"bearer  {TOKEN}", Verdict.GRANTED),
        (f"Bearer {TOKEN}x", Verdict.SIGN_IN),
        (f"Bearer {TOKEN[:-1]}", Verdict.SIGN_IN),
        ("Bearer", Verdict.SIGN_IN),
        ("Bearer \xe9", Verdict.SIGN_IN),
        (f"Basic {TOKEN}", Verdict.SIGN_IN),
        (TOKEN, Verdict.SIGN_IN),
        ("", Verdict.SIGN_IN),
    ],
)
def test_the_token_opens_it_as_a_bearer(door: Door, authorization: str, verdict: Verdict) -> None:
    """RFC 6750; on the loopback as well, once there is a token."""
    assert door.verdict(authorization=authorization) is verdict


def test_the_form_gives_a_cookie_that_opens_it(door: Door) -> None:
    """For a working day. No script reads it, no other site sends it, it does not hold the token."""
    cookie = door.sign_in(TOKEN)
    assert cookie is not None
    pair, _, attributes = cookie.partition("; ")
    assert attributes == f"Path=/; Max-Age={SESSION}; HttpOnly; SameSite=Strict"
    assert TOKEN not in cookie
    assert door.verdict(cookie=f"other=1; {pair}") is Verdict.GRANTED
    door.clock = SESSION + 1
    assert door.verdict(cookie=pair) is Verdict.SIGN_IN


def test_a_new_token_ends_every_sign_in(door: Door) -> None:
    """It is read anew for each request."""
    pair = (door.sign_in(TOKEN) or "").partition(";")[0]
    door.token = "another-token-9876543210"
    assert door.verdict(cookie=pair) is Verdict.SIGN_IN
    assert door.verdict(authorization=f"Bearer {TOKEN}") is Verdict.SIGN_IN


def test_another_process_takes_no_cookie_of_ours(door: Door) -> None:
    """The code in it is made with a key of this one."""
    pair = (door.sign_in(TOKEN) or "").partition(";")[0]
    other = door.made(lambda: Secret(TOKEN))
    assert other.verdict(Request("localhost", cookie=pair)) is Verdict.SIGN_IN


@pytest.mark.parametrize(
    "forge",
    [
        lambda value: f"9{value}",
        lambda value: f"{value}0",
        lambda value: value.partition(".")[0],
        lambda value: "9" * 30 + "." + value.partition(".")[2],
        lambda value: "\u0661." + value.partition(".")[2],
        lambda value: f"-{value}",
        lambda _value: "",
    ],
    ids=["later end", "longer code", "no code", "endless", "other digits", "negative", "empty"],
)
def test_a_forged_cookie_opens_nothing(door: Door, forge: Callable[[str], str]) -> None:
    """Neither a later end nor another code is taken."""
    value = (door.sign_in(TOKEN) or "").partition(";")[0].partition("=")[2]
    assert door.verdict(cookie=f"{COOKIE}={forge(value)}") is Verdict.SIGN_IN


@pytest.mark.parametrize(
    "body", [b"", b"token=", b"token=x", b"\xff", b"a=1&b=2&token=x", b"nothing"]
)
def test_what_is_not_the_token_gives_no_cookie(door: Door, body: bytes) -> None:
    """And is told, without what was typed."""
    assert door.access.sign_in(Request("localhost", body=body)) is None
    assert door.log.events == [("web.sign_in_refused", {"count": 1})]


def test_refused_sign_ins_do_not_flood_the_log(door: Door) -> None:
    """One event a minute, with their number."""
    for _ in range(5):
        assert door.sign_in("guess") is None
    door.clock = 61
    assert door.sign_in("guess") is None
    assert door.log.events == [
        ("web.sign_in_refused", {"count": 1}),
        ("web.sign_in_refused", {"count": 5}),
    ]


def test_a_token_that_cannot_be_read_opens_nothing(door: Door) -> None:
    """The log says why; nobody is let in, and nobody is asked for it."""
    access = door.made(gone)
    assert access.verdict(Request("localhost")) is Verdict.UNREADABLE
    assert access.sign_in(Request("localhost", body=b"token=")) is None
    assert door.log.events[0][0] == "web.token_unreadable"
