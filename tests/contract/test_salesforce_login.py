"""A login over HTTP: what is sent, what comes of each answer, and that none costs much."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from tests.contract.test_vault_bounds import HEAD, HUGE, Endless, clock
from tests.kit.connect import ConnectProxy
from tests.kit.scripted import HttpReply
from tests.kit.servers import free_port
from tests.kit.soap import LoginRequest, Salesforce, fault, result
from tests.kit.tokens import TokenEndpoint
from token_catcher.model import Secret, Token
from token_catcher.salesforce import PATH, LoginAnswer, LoginResult, log_in

USER = "integration@acme.example"
PASSWORD = "CanaryPASSWORDx<&]]>ü"
TOKEN = "CanaryTOKENx9x8x7x6notREAL"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """None but that of the test."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def salesforce() -> Iterator[Salesforce]:
    """Over HTTP."""
    with Salesforce() as server:
        yield server


def tried(
    host: str, password: str = PASSWORD, monotonic: Callable[[], float] = time.monotonic
) -> LoginAnswer:
    """One login; neither password nor token is in what is told of it."""
    answer = log_in(host, USER, Secret(password), Token(TOKEN), monotonic=monotonic)
    assert "Canary" not in repr(answer)
    assert answer.saw.isascii()
    return answer


def test_password_and_token_are_sent_as_one(salesforce: Salesforce) -> None:
    """In one request, to the partner API; the session that comes of it is not used."""
    assert tried(salesforce.url) == LoginAnswer(LoginResult.ACCEPTED)
    assert salesforce.logins == [LoginRequest(PATH, USER, PASSWORD + TOKEN)]
    assert len(salesforce.requests) == 1
    assert "authorization" not in salesforce.requests[0].headers


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (fault("INVALID_LOGIN"), LoginAnswer(LoginResult.REFUSED, "INVALID_LOGIN")),
        (
            fault("INSUFFICIENT_ACCESS"),
            LoginAnswer(LoginResult.NO_PERMISSION, "INSUFFICIENT_ACCESS"),
        ),
        (
            HttpReply(503, b"<html>Sorry</html>"),
            LoginAnswer(LoginResult.FOREIGN, "status 503, and no answer to a login"),
        ),
        (
            HttpReply(drop=True),
            LoginAnswer(LoginResult.NO_ANSWER, "it closed the connection without an answer"),
        ),
        (
            HttpReply(200, b"x" * 1000, cut=True),
            LoginAnswer(LoginResult.NO_ANSWER, "its answer broke off"),
        ),
    ],
    ids=["refused", "no permission", "a page", "dropped", "cut"],
)
def test_an_answer_has_its_class(
    salesforce: Salesforce, reply: HttpReply, expected: LoginAnswer
) -> None:
    """And no request is made twice."""
    salesforce.answer = lambda _request: reply
    assert tried(salesforce.url) == expected
    assert len(salesforce.logins) == 1


def test_no_redirect_is_followed(salesforce: Salesforce) -> None:
    """The password goes to the configured host alone."""
    with Salesforce() as elsewhere:
        headers = {"Location": elsewhere.url + PATH}
        salesforce.answer = lambda _request: HttpReply(307, b"", headers)
        assert tried(salesforce.url).result is LoginResult.FOREIGN
    assert elsewhere.requests == []


def test_a_cookie_does_not_come_back(salesforce: Salesforce) -> None:
    """Salesforce sets the session as one: each login is alone."""
    reply = result()
    salesforce.answer = lambda _request: HttpReply(
        200, reply.body, {"Set-Cookie": "sid=secret; Path=/"}
    )
    tried(salesforce.url)
    tried(salesforce.url)
    assert ["cookie" in request.headers for request in salesforce.requests] == [False, False]


def test_an_answer_has_a_deadline() -> None:
    """However long something goes on coming. The request may have counted."""
    with Endless(HEAD + HUGE, b" ") as server:
        answer = tried(f"http://127.0.0.1:{server.port}", monotonic=clock(step=11.0))
    assert answer == LoginAnswer(LoginResult.NO_ANSWER, "no end of its answer in time")


def test_a_huge_answer_is_not_read() -> None:
    """It is not Salesforce's."""
    with Endless(HEAD + HUGE, b"<a>" * 20_000) as server:
        answer = tried(f"http://127.0.0.1:{server.port}")
    assert answer == LoginAnswer(LoginResult.FOREIGN, "an answer that is far too large")


def test_a_password_that_cannot_be_sent_is_not(salesforce: Salesforce) -> None:
    """Without its control character it would be another password."""
    answer = tried(salesforce.url, "Canary\0")
    assert answer == LoginAnswer(
        LoginResult.NO_PASSWORD, "a control character, or half of a pair, in the password"
    )
    assert salesforce.requests == []


# -- what was certainly not sent --


def test_nobody_listens() -> None:
    """So nothing was sent."""
    answer = tried(f"http://127.0.0.1:{free_port()}")
    assert answer == LoginAnswer(LoginResult.UNREACHABLE, "Connection refused")


def test_a_name_without_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """So nothing was sent."""

    def unknown(*_question: object, **_more: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    answer = tried("nowhere.invalid")
    assert answer == LoginAnswer(LoginResult.UNREACHABLE, "no address for its host name")


@pytest.fixture
def authority() -> trustme.CA:
    """Of the HTTPS server."""
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[TokenEndpoint]:
    """Over HTTPS, and not Salesforce."""
    with TokenEndpoint(certificate=authority.issue_cert("127.0.0.1")) as server:
        yield server


def test_who_is_not_trusted_gets_nothing(secure: TokenEndpoint) -> None:
    """A proxy that opens TLS, say: the handshake ends, and nothing was sent."""
    answer = tried(f"127.0.0.1:{secure.port}")
    assert answer.result is LoginResult.UNREACHABLE
    assert "certificate" in answer.saw
    assert secure.asked == []


def test_https_goes_to_whom_the_system_trusts(
    secure: TokenEndpoint, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the answer is read like any other."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert tried(f"127.0.0.1:{secure.port}").result is LoginResult.FOREIGN
    assert [asked.path for asked in secure.asked] == [PATH]


def test_a_proxy_passes_it_on(monkeypatch: pytest.MonkeyPatch, secure: TokenEndpoint) -> None:
    """By CONNECT, so that it sees neither password nor token."""
    with ConnectProxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert tried(f"127.0.0.1:{secure.port}").result is LoginResult.UNREACHABLE
        assert [line.split()[:2] for line in proxy.asked] == [
            ["CONNECT", f"127.0.0.1:{secure.port}"]
        ]


def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was asked for a tunnel, and the request was never sent."""
    with ConnectProxy(refuses=True) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        answer = tried("login.invalid")
    assert answer == LoginAnswer(LoginResult.UNREACHABLE, "the proxy refuses, with status 407")


@pytest.mark.parametrize("variable", ["nonsense", "socks5://127.0.0.1:9", "http://"])
def test_a_proxy_that_is_none(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Nobody was asked anything."""
    monkeypatch.setenv("HTTPS_PROXY", variable)
    assert tried("login.invalid").result is LoginResult.UNREACHABLE
