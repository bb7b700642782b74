"""A token endpoint of a test's own, over HTTP or HTTPS on the loopback.

It speaks OAuth 2 as RFC 6749 has it: client credentials by a secret (in header or form) or by a
signed assertion, and refresh tokens that are replaced at each use. Its access tokens are JWTs that
Dovecot checks by itself, or asks `/introspect` about. Other dialects are routes of their own:

    endpoint.route("/{tenant}/oauth2/v2.0/token", handler)

A test has it refuse, throttle, be slow, answer a page or nothing at all: `endpoint.instead`.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, unquote_plus, urlsplit

import trustme
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from tests.kit import jwts
from tests.kit.jwts import BadToken

CLIENT_ID = "token-catcher-client"
CLIENT_SECRET = "client-secret~of+the/endpoint=%"
SCOPE = "mail"
USER = "someone@example.com"


@dataclass(frozen=True)
class Asked:
    """One request, as it was sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes = field(repr=False)

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int = 200
    body: Mapping[str, Any] | bytes = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[..., Reply]
"""Takes the request, and the parts of the path by the names that the route has."""
Instead = Callable[[Asked], Reply | None]
"""Asked before any route; None: the route answers."""


def refusal(error: str, status: int = 400, **more: Any) -> Reply:
    """RFC 6749, section 5.2; Entra's `error_codes`, and so on, by `more`."""
    return Reply(status, {"error": error, **more})


def throttling(seconds: int | None = None) -> Reply:
    """Too many requests."""
    headers = {}
    if seconds is not None:
        headers["Retry-After"] = str(seconds)
    return Reply(429, {"error": "too_many_requests"}, headers)


def page(status: int = 200) -> Reply:
    """What a proxy says in the endpoint's place."""
    return Reply(status, b"<html>Sorry.</html>", {"Content-Type": "text/html"})


class TokenEndpoint:
    """At `url`, while the block runs."""

    ca_file: Path | None = None
    """Who issued the certificate, in PEM; None: it speaks HTTP, or whoever asks knows."""

    def __init__(
        self,
        *,
        certificate: trustme.LeafCert | None = None,
        key: RSAPrivateKey | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`certificate`: for HTTPS. `key`: by which access tokens are signed. `now`: Unix time."""
        self.key = key or jwts.rsa_key()
        self.now = now
        self._really_now = now
        self.assertion_key: RSAPublicKey | None = None
        """By which a client's assertion is checked."""
        self._numbers = count(1)
        self._lock = threading.Lock()
        self.renew_all(USER)
        self._routes: list[tuple[re.Pattern[str], Handler]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.scheme = "http"
        if certificate is not None:
            self.scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"
        self.token_url = f"{self.url}/token"
        self.route("/token", self._token)
        self.route("/introspect", self._introspect)

    def renew_all(self, user: str) -> None:
        """As it begins, with all that a test may have changed; access tokens are for this user."""
        self.now = self._really_now
        self.user = user
        """Whose mailbox access tokens are for."""
        self.life: int | None = 3600
        """Seconds of an access token; None: it does not say."""
        self.not_before = 0
        """Seconds until an access token begins to be good."""
        self.client_secret = CLIENT_SECRET
        self.refresh_token = f"refresh-{next(self._numbers)}"
        """The one that is good now."""
        self.replaces_refresh_tokens = True
        self.takes_header = True
        """False: the client's secret counts in the form alone."""
        self.revoked: set[str] = set()
        """Access tokens that introspection speaks of as over."""
        self.takes_back_all = False
        """Whether it speaks so of every token, as soon as it was given."""
        self.instead: Instead = _nothing_else
        self.asked: list[Asked] = []
        self.given: list[str] = []
        """Every access token."""
        self.stolen = False
        """Whether a refresh token was shown that had been replaced."""

    def revoke_all(self) -> None:
        """What was given is good no more, for whoever asks."""
        self.revoked.update(self.given)

    def clock_is_off_by(self, seconds: float) -> None:
        """Its clock is so many seconds ahead."""
        self.now = lambda: self._really_now() + seconds

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def route(self, path: str, handler: Handler) -> None:
        """Answer this path; `{tenant}` stands for a segment, and is handed on by that name."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
        self._routes.append((re.compile(pattern), handler))

    def answers(self, *replies: Reply) -> None:
        """Each once, in this order, in place of whatever would be answered; then as usual."""
        left = list(replies)

        def next_one(_asked: Asked) -> Reply | None:
            if left:
                return left.pop(0)
            return None

        self.instead = next_one

    def always(self, reply: Reply) -> None:
        """In place of whatever would be answered, until `recover`."""
        self.instead = lambda _asked: reply

    def recover(self) -> None:
        """Answer as usual again."""
        self.instead = _nothing_else

    @property
    def grants(self) -> list[dict[str, str]]:
        """The forms of all requests for a token, whatever was answered."""
        return [asked.form for asked in self.asked if b"grant_type=" in asked.body]

    # -- tokens --

    def access_token(
        self,
        user: str | None = None,
        *,
        scope: str = SCOPE,
        key: RSAPrivateKey | None = None,
        **claims: Any,
    ) -> str:
        """A new one, for the user of the endpoint and by its key unless others are named."""
        now = int(self.now())
        life = self.life or 3600
        name = user or self.user
        filled = {
            "iss": "https://issuer.example",
            "sub": name,
            "email": name,
            "scope": scope,
            "iat": now,
            "nbf": now + self.not_before,
            "exp": now + life,
            "jti": str(next(self._numbers)),
        }
        token = jwts.signed({**filled, **claims}, key or self.key)
        self.given.append(token)
        return token

    def granted(self, **more: Any) -> Reply:
        """RFC 6749, section 5.1."""
        body: dict[str, Any] = {"access_token": self.access_token(), "token_type": "Bearer"}
        if self.life is not None:
            body["expires_in"] = self.life
        return Reply(200, {**body, **more}, {"Cache-Control": "no-store"})

    def answer(self, asked: Asked) -> Reply:
        """The answer to a request."""
        with self._lock:
            self.asked.append(asked)
        # A mail server that asks is none of those whom a test lets wait.
        if asked.path != "/introspect":
            reply = self.instead(asked)
            if reply is not None:
                return reply
        for pattern, handler in self._routes:
            match = pattern.fullmatch(urlsplit(asked.path).path)
            if match is not None:
                with self._lock:
                    return handler(asked, **match.groupdict())
        return page(404)

    # -- OAuth 2 as it is written --

    def _token(self, asked: Asked) -> Reply:
        form = asked.form
        match form.get("grant_type"):
            case "client_credentials" if self._proves_itself(asked):
                return self.granted()
            case "refresh_token" if self._may_renew(asked):
                return self._renewed(form.get("refresh_token", ""))
            case "client_credentials" | "refresh_token":
                return refusal("invalid_client", 401)
            case _:
                return refusal("unsupported_grant_type")

    def _may_renew(self, asked: Asked) -> bool:
        """A client without a secret only says who it is."""
        if self._proves_itself(asked):
            return True
        form = asked.form
        return "client_secret" not in form and form.get("client_id") == CLIENT_ID

    def _proves_itself(self, asked: Asked) -> bool:
        form = asked.form
        basic = asked.headers.get("authorization", "")
        if basic.startswith("Basic ") and self.takes_header:
            name, _, secret = base64.b64decode(basic[6:]).decode().partition(":")
            return (unquote_plus(name), unquote_plus(secret)) == (CLIENT_ID, self.client_secret)
        if form.get("client_id") != CLIENT_ID:
            return False
        if "client_assertion" in form:
            return self._is_signed(form["client_assertion"])
        return form.get("client_secret") == self.client_secret

    def _is_signed(self, assertion: str) -> bool:
        if self.assertion_key is None:
            return False
        try:
            _, claims = jwts.verified(assertion, self.assertion_key)
        except BadToken:
            return False
        return bool(claims["aud"] == self.token_url and claims["exp"] > self.now())

    def _renewed(self, shown: str) -> Reply:
        if shown != self.refresh_token:
            self.stolen = self.stolen or shown.startswith("refresh-")
            return refusal("invalid_grant")
        if not self.replaces_refresh_tokens:
            return self.granted()
        self.refresh_token = f"refresh-{next(self._numbers)}"
        return self.granted(refresh_token=self.refresh_token)

    def _introspect(self, asked: Asked) -> Reply:
        """RFC 7662."""
        token = asked.form.get("token", "")
        try:
            _, claims = jwts.verified(token, self.key.public_key())
        except BadToken:
            return Reply(body={"active": False})
        if self.takes_back_all or token in self.revoked or claims["exp"] <= self.now():
            return Reply(body={"active": False})
        return Reply(body={**claims, "active": True})


def _nothing_else(_asked: Asked) -> Reply | None:
    return None


def _handler_of(endpoint: TokenEndpoint) -> type[BaseHTTPRequestHandler]:
    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, ssl.SSLError):
                self.close_connection = True  # the client hung up, or does not trust us

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, self.rfile.read(length))
            reply = endpoint.answer(asked)
            body = reply.body
            if not isinstance(body, bytes):
                body = json.dumps(body).encode()
            self.send_response(reply.status)
            fields = {"Content-Type": "application/json", "Content-Length": str(len(body))}
            for name, value in {**fields, **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing to standard error."""

    return Requests
