"""Asking token endpoints: what is shown, what the answer means, and that none costs much."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count
from pathlib import Path

import pytest
import trustme

from tests.contract.leaks import FOREIGN, hangs_alone, shown
from tests.contract.test_vault_bounds import HEAD, HUGE, Endless, clock
from tests.kit import jwts
from tests.kit.connect import ConnectProxy
from tests.kit.fakes import Silent
from tests.kit.proxy import TcpProxy
from tests.kit.scripted import HttpReply, HttpScript
from tests.kit.servers import free_port
from tests.kit.tokens import (
    CLIENT_ID,
    CLIENT_SECRET,
    Reply,
    TokenEndpoint,
    page,
    refusal,
    throttling,
)
from token_catcher.config import SecretSource
from token_catcher.errors import AccessError, Outage, TokenCatcherError
from token_catcher.model import Secret
from token_catcher.oauth import BoundedSession, CustomProvider, RefreshTokenFile
from token_catcher.oauth.answers import LARGEST_REFRESH_TOKEN
from token_catcher.oauth.endpoint import MAX_BODY

SECRETS = (CLIENT_SECRET, "refresh-1", FOREIGN)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """None but that of the test."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    """Over HTTP."""
    with TokenEndpoint() as server:
        yield server


def given(text: str) -> Callable[[], Secret]:
    """As a file would give it."""
    return lambda: Secret(text)


def by_secret(
    url: str, monotonic: Callable[[], float] = time.monotonic, scope: str | None = None
) -> CustomProvider:
    """An application with its secret."""
    session = BoundedSession(monotonic)
    return CustomProvider(session, url, CLIENT_ID, scope=scope, client_secret=given(CLIENT_SECRET))


def kept_in(path: Path) -> RefreshTokenFile:
    """The refresh token of this file, which begins as the endpoint's first."""
    path.write_text("refresh-1\n", "ascii")

    def read() -> Secret:
        return Secret(path.read_text("ascii").strip())

    return RefreshTokenFile(path, read, Silent(), monotonic=time.monotonic, sleep=time.sleep)


def failure(provider: CustomProvider) -> TokenCatcherError:
    """How asking fails; no secret and no word of the endpoint is in it."""
    with pytest.raises(TokenCatcherError) as caught:
        provider.fetch()
    for text in SECRETS:
        assert text not in shown(caught.value)
    assert hangs_alone(caught.value)
    return caught.value


# -- what is shown --


def test_a_secret_goes_into_the_header(endpoint: TokenEndpoint) -> None:
    """As servers must take it, encoded as in a form; the scope is asked for."""
    token = by_secret(endpoint.token_url, scope="mail.read").fetch()
    [asked] = endpoint.asked
    assert asked.form == {"grant_type": "client_credentials", "scope": "mail.read"}
    assert asked.headers["user-agent"].startswith("token-catcher/")
    assert (token.value.reveal(), token.seconds) == (endpoint.given[0], 3600.0)


def test_a_server_that_wants_the_secret_in_the_form_gets_it_there(endpoint: TokenEndpoint) -> None:
    """After one refusal, and from then on at once."""
    endpoint.takes_header = False
    provider = by_secret(endpoint.token_url)
    provider.fetch()
    provider.fetch()
    assert ["client_secret" in form for form in endpoint.grants] == [False, True, True]


def test_a_wrong_secret_is_shown_twice_and_no_more(endpoint: TokenEndpoint) -> None:
    """Once in each place."""
    endpoint.client_secret = "another"
    error = failure(by_secret(endpoint.token_url))
    assert (type(error), error.code) == (AccessError, "oauth-credential")
    assert len(endpoint.asked) == 2


def test_an_assertion_proves_the_application(endpoint: TokenEndpoint) -> None:
    """What somebody else signed, read anew each time."""
    key = jwts.rsa_key(1)
    endpoint.assertion_key = key.public_key()
    claims = {"aud": endpoint.token_url, "sub": CLIENT_ID, "exp": time.time() + 60}
    assertion = jwts.signed(claims, key)
    session = BoundedSession(time.monotonic)
    provider = CustomProvider(session, endpoint.token_url, CLIENT_ID, assertion=given(assertion))
    assert provider.fetch().value.reveal() == endpoint.given[0]
    assert endpoint.grants == [
        {
            "grant_type": "client_credentials",
            "client_id": CLIENT_ID,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
        }
    ]
    late = jwts.signed({**claims, "exp": 1}, key)
    provider = CustomProvider(session, endpoint.token_url, CLIENT_ID, assertion=given(late))
    assert failure(provider).code == "oauth-credential"


@pytest.mark.parametrize("secret", [None, CLIENT_SECRET])
def test_a_refresh_token_is_replaced_at_each_renewal(
    endpoint: TokenEndpoint, tmp_path: Path, secret: str | None
) -> None:
    """With a secret beside it and without: the server never sees an old one."""
    file = kept_in(tmp_path / "refresh")
    provider = CustomProvider(
        BoundedSession(time.monotonic),
        endpoint.token_url,
        CLIENT_ID,
        client_secret=given(secret) if secret else None,
        refresh_token=file,
    )
    for _ in range(3):
        provider.fetch()
        assert file.read() == Secret(endpoint.refresh_token)
    assert endpoint.grants[0]["refresh_token"] == "refresh-1"
    assert len(endpoint.asked) == 3
    assert not endpoint.stolen


# -- what the answer means --

JSON_PAGE = Reply(403, {"message": FOREIGN})
MEANINGS: Mapping[str, tuple[Reply, type[TokenCatcherError], str]] = {
    "a wrong secret": (refusal("invalid_client", 401), AccessError, "oauth-credential"),
    "a grant that is not this client's": (
        refusal("unauthorized_client"),
        AccessError,
        "oauth-consent",
    ),
    "a scope that is unknown": (refusal("invalid_scope"), AccessError, "oauth-scope"),
    "a grant that is unknown": (refusal("unsupported_grant_type"), AccessError, "oauth-refused"),
    "an error of its own": (
        refusal("x_odd", error_description=FOREIGN),
        AccessError,
        "oauth-refused",
    ),
    "a throttled client": (throttling(), Outage, "oauth-throttled"),
    "a broken server": (Reply(500, {"error": "server_error"}), Outage, "oauth-unreachable"),
    "a server that says so by 400": (
        refusal("temporarily_unavailable"),
        Outage,
        "oauth-unreachable",
    ),
    "a gateway": (page(502), Outage, "oauth-unreachable"),
    "a request that took too long": (page(408), Outage, "oauth-unreachable"),
    "a proxy's login page": (page(200), Outage, "oauth-foreign"),
    "a proxy that blocks": (page(403), Outage, "oauth-foreign"),
    "a proxy that blocks in JSON": (JSON_PAGE, Outage, "oauth-foreign"),
    "a redirect": (Reply(302, b"", {"Location": "/elsewhere"}), Outage, "oauth-foreign"),
    "a redirect that keeps the form": (
        Reply(307, b"", {"Location": "/token"}),
        Outage,
        "oauth-foreign",
    ),
    "JSON that is no answer": (Reply(200, {"hello": "x"}), Outage, "oauth-foreign"),
    "JSON that is no object": (Reply(200, b"[1]"), Outage, "oauth-foreign"),
    "JSON without an end": (Reply(200, b'{"access_token": "x"'), Outage, "oauth-foreign"),
    "too many brackets": (Reply(200, b"[" * 200_000), Outage, "oauth-foreign"),
    "a token of two lines": (Reply(200, {"access_token": "a\r\nb"}), Outage, "oauth-foreign"),
    "a token that is a number": (Reply(200, {"access_token": 7}), Outage, "oauth-foreign"),
    "a token of another type": (
        Reply(200, {"access_token": "x", "token_type": "mac"}),
        Outage,
        "oauth-foreign",
    ),
}


@pytest.mark.parametrize("name", MEANINGS)
def test_only_the_endpoint_refuses(endpoint: TokenEndpoint, name: str) -> None:
    """By its own error codes; whatever else comes may pass."""
    reply, kind, code = MEANINGS[name]
    endpoint.always(reply)
    error = failure(by_secret(endpoint.token_url))
    assert (type(error), error.code) == (kind, code)
    assert endpoint.url.removeprefix("http://") in str(error)


def test_the_largest_refresh_token_can_be_read_again(
    endpoint: TokenEndpoint, tmp_path: Path
) -> None:
    """By what reads secrets; a larger one is refused, and the one in the file stays."""
    file = kept_in(tmp_path / "refresh")
    file.path.chmod(0o600)
    file.read = SecretSource("file", str(file.path), {}).read
    session = BoundedSession(time.monotonic)
    provider = CustomProvider(session, endpoint.token_url, CLIENT_ID, refresh_token=file)
    largest = "r" * LARGEST_REFRESH_TOKEN
    endpoint.always(Reply(200, {"access_token": "x", "refresh_token": largest}))
    provider.fetch()
    assert file.read() == Secret(largest)
    endpoint.always(Reply(200, {"access_token": "x", "refresh_token": largest + "r"}))
    error = failure(provider)
    assert (type(error), error.code, str(error)) == (
        Outage,
        "oauth-foreign",
        f"token endpoint {endpoint.url.removeprefix('http://')}: got a refresh_token of 65536 bytes"
        " (status 200), expected at most 65535, and the one in its file stays",
    )
    assert file.read() == Secret(largest)


@pytest.mark.parametrize("status", [200, 403])
def test_a_page_is_told_as_one(endpoint: TokenEndpoint, status: int) -> None:
    """Whatever its status: it is no answer that lacks a token."""
    endpoint.always(page(status))
    assert "got no JSON, as of a page that a proxy gives" in str(
        failure(by_secret(endpoint.token_url))
    )


def test_a_redirect_is_not_followed(endpoint: TokenEndpoint) -> None:
    """The secret goes to the endpoint that is configured, and nowhere else."""
    with TokenEndpoint() as thief:
        endpoint.always(Reply(307, b"", {"Location": thief.token_url}))
        failure(by_secret(endpoint.token_url))
        assert thief.asked == []


def test_without_a_secret_it_is_the_client_that_is_unknown(
    endpoint: TokenEndpoint, tmp_path: Path
) -> None:
    """And a refresh token that is over wants a sign-in."""
    file = kept_in(tmp_path / "refresh")
    session = BoundedSession(time.monotonic)
    unknown = CustomProvider(session, endpoint.token_url, "nobody", refresh_token=file)
    assert failure(unknown).code == "oauth-client"
    endpoint.refresh_token = "another"
    known = CustomProvider(session, endpoint.token_url, CLIENT_ID, refresh_token=file)
    assert failure(known).code == "oauth-sign-in"
    assert file.read() == Secret("refresh-1")


@pytest.mark.parametrize(
    ("body", "seconds"), [(b"<html>Sorry.</html>", 300.0), ({"error": "slow_down"}, 86400.0)]
)
def test_a_pages_pause_is_five_minutes_at_most(
    endpoint: TokenEndpoint, body: bytes | dict[str, str], seconds: float
) -> None:
    """A proxy says when it is there again, and not when the endpoint is."""
    endpoint.always(Reply(503, body, {"Retry-After": "86400"}))
    error = failure(by_secret(endpoint.token_url))
    assert isinstance(error, Outage)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, "17", 17.0),
        (503, "120", 120.0),
        (429, "Wed, 21 Oct 2026 07:28:00 GMT", None),
        (429, "-1", None),
        (429, "1" * 9, None),
        (429, "\u0661", None),
    ],
)
def test_the_pause_that_an_endpoint_asks_for(
    endpoint: TokenEndpoint, status: int, header: str, seconds: float | None
) -> None:
    """In whole seconds; anything else is none."""
    endpoint.always(Reply(status, {}, {"Retry-After": header.encode().decode("latin-1")}))
    error = failure(by_secret(endpoint.token_url))
    assert isinstance(error, Outage)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (3599, 3599.0),
        ("3599", 3599.0),
        (59.5, 59.5),
        (None, None),
        (0, None),
        (-5, None),
        ("soon", None),
        ("nan", None),
        (1e400, None),
        (True, None),
        ([3600], None),
        (10**400, None),
    ],
)
def test_how_long_a_token_lives(
    endpoint: TokenEndpoint, told: object, seconds: float | None
) -> None:
    """A number, as text as well (Azure AD v1); anything else says nothing."""
    endpoint.always(Reply(200, {"access_token": "x", "token_type": "bearer", "expires_in": told}))
    assert by_secret(endpoint.token_url).fetch().seconds == seconds


# -- how it is reached --


def test_an_endpoint_that_is_away_may_come_back() -> None:
    """Nobody listens, or who does hangs up."""
    url = f"http://127.0.0.1:{free_port()}/token"
    assert failure(by_secret(url)).code == "oauth-unreachable"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(0.0)
        port = silent.getsockname()[1]
        silent.close()
        assert failure(by_secret(f"http://127.0.0.1:{port}/token")).code == "oauth-unreachable"


def test_no_connection_is_kept() -> None:
    """Nor where the server would: an hour later it has closed it, and a request is lost."""
    answer = HttpReply(body={"access_token": "x"})
    with HttpScript({"POST /token": answer}) as server, TcpProxy(server.port) as line:
        provider = by_secret(f"http://127.0.0.1:{line.port}/token")
        for times in (1, 2, 3):
            provider.fetch()
            assert line.connections == times


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        pytest.param(HEAD + HUGE, b" ", id="body"),
        pytest.param(HEAD + b"X: ", b"y", id="headers"),
    ],
)
def test_an_answer_has_a_deadline(begin: bytes, piece: bytes) -> None:
    """An endpoint that drips holds up a login for half a minute, not for ever."""
    with Endless(begin, piece) as server:
        error = failure(by_secret(f"http://127.0.0.1:{server.port}/token", clock(step=11.0)))
    assert error.code == "oauth-unreachable"
    assert "no end of its answer in time" in str(error)


def test_an_answer_has_a_size(endpoint: TokenEndpoint) -> None:
    """Up to the bound, to the byte; packed answers are counted unpacked."""
    text = b'{"access_token": "x", "token_type": "Bearer"}'
    endpoint.answers(Reply(200, text.ljust(MAX_BODY)), Reply(200, text.ljust(MAX_BODY + 1)))
    provider = by_secret(endpoint.token_url)
    assert provider.fetch().value == Secret("x")
    error = failure(provider)
    assert (type(error), error.code) == (Outage, "oauth-foreign")
    assert str(error).endswith(": got an answer of more than 256 KiB, expected a token")


@pytest.fixture
def authority() -> trustme.CA:
    """Of HTTPS endpoints."""
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[TokenEndpoint]:
    """Over HTTPS."""
    with TokenEndpoint(certificate=authority.issue_cert("127.0.0.1", "localhost")) as server:
        yield server


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the system trusted the authority."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


@pytest.mark.usefixtures("trusted")
def test_https_is_asked_of_whom_the_system_trusts(secure: TokenEndpoint) -> None:
    """And of nobody else: see below."""
    assert by_secret(secure.token_url).fetch().seconds == 3600.0


def test_an_endpoint_that_nobody_trusts_gets_nothing(secure: TokenEndpoint) -> None:
    """A proxy that opens TLS, say: a person has to say whom to trust."""
    error = failure(by_secret(secure.token_url))
    assert (type(error), error.code) == (AccessError, "oauth-certificate")
    assert secure.asked == []


def test_an_endpoint_that_speaks_no_tls_may_be_a_proxy(endpoint: TokenEndpoint) -> None:
    """Whoever speaks there is not the endpoint: no refusal."""
    url = endpoint.token_url.replace("http://", "https://")
    error = failure(by_secret(url))
    assert (type(error), error.code) == (Outage, "oauth-tls")
    assert endpoint.asked == []


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_the_proxy_of_the_environment_is_used(
    secure: TokenEndpoint, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """TLS goes through it to the endpoint: the proxy learns a host name and no more."""
    with ConnectProxy() as proxy:
        monkeypatch.setenv(variable, proxy.url)
        assert by_secret(secure.token_url).fetch().seconds == 3600.0
        # From Python 3.12 on http.client asks by HTTP/1.1.
        (asked,) = proxy.asked
        assert asked.rpartition("/")[0] == f"CONNECT 127.0.0.1:{secure.port} HTTP"


@pytest.mark.usefixtures("trusted")
def test_an_exception_from_the_proxy_is_kept(
    secure: TokenEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_PROXY names hosts that are reached directly."""
    with ConnectProxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,elsewhere.example")
        by_secret(secure.token_url).fetch()
        assert proxy.asked == []


@pytest.mark.usefixtures("trusted")
def test_a_proxy_that_refuses_is_no_refusal(
    secure: TokenEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not the endpoint that speaks; nor is one that is away."""
    with ConnectProxy(refuses=True) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        error = failure(by_secret(secure.token_url))
        where = f"token endpoint 127.0.0.1:{secure.port} was not reached through the proxy"
        name = f"'127.0.0.1:{proxy.port}' of HTTPS_PROXY"
        assert str(error) == f"{where} {name} (it refuses, with status 407)"
    assert (type(error), error.code) == (Outage, "oauth-unreachable")
    error = failure(by_secret(secure.token_url))
    assert (type(error), error.code) == (Outage, "oauth-unreachable")
    assert str(error) == f"{where} {name} (Connection refused)"
    assert secure.asked == []


MISTAKEN = {
    "socks5://PROXY:1080": "a proxy of the kind socks5://, which is not spoken",
    "socks5h://PROXY": "a proxy of the kind socks5h://, which is not spoken",
    "htp://PROXY:3128": "a proxy of the kind htp://, which is not spoken",
    "http:/PROXY:3128": "no address of a proxy",
    "PROXY:3128": "no address of a proxy",
    "http://user:PROXY@h:port": "no address of a proxy",
    "http://PROXY@[::1": "no address of a proxy",
    "http://PROXY:99999": "no address of a proxy",
}


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("value", MISTAKEN)
def test_a_variable_that_names_no_proxy_is_told(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """By its name; a person has to mend it. Of its value nothing is told: see `FOREIGN`."""
    monkeypatch.setenv(variable, value.replace("PROXY", FOREIGN))
    error = failure(by_secret("https://127.0.0.1:9/token"))
    assert (type(error), error.code) == (AccessError, "oauth-proxy")
    where = "token endpoint 127.0.0.1:9"
    assert str(error) == f"{where}: {variable}: got {MISTAKEN[value]}, expected http://HOST:PORT"


def test_of_two_variables_the_one_in_small_letters_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As urllib has it."""
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "socks5://a")
    monkeypatch.setenv("https_proxy", "socks5h://b")
    error = failure(by_secret("https://127.0.0.1:9/token"))
    assert "https_proxy: got a proxy of the kind socks5h://" in str(error)


@pytest.mark.usefixtures("trusted")
def test_an_answer_through_a_proxy_has_a_deadline_too(
    secure: TokenEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy's own, and the endpoint's."""
    with ConnectProxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        slow = partial(next, count(step=31.0))
        assert failure(by_secret(secure.token_url, slow)).code == "oauth-unreachable"
    with Endless(b"HTTP/1.1 200 OK\r\nX: ", b"y") as drips:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{drips.port}")
        error = failure(by_secret(secure.token_url, clock(step=11.0)))
        assert error.code == "oauth-unreachable"


def test_no_netrc_is_read(
    endpoint: TokenEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's password for that host is none of ours."""
    netrc = tmp_path / ".netrc"
    netrc.touch(0o600)
    netrc.write_text("machine 127.0.0.1 login somebody password theirs\n", "ascii")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    session = BoundedSession(time.monotonic)
    file = kept_in(tmp_path / "refresh")
    CustomProvider(session, endpoint.token_url, CLIENT_ID, refresh_token=file).fetch()
    assert "authorization" not in endpoint.asked[0].headers
