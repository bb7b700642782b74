"""Who may see the page, which names users and tells what waits.

    on the loopback, without a token   whoever is on this machine: the Host has to be its own name,
                                       or a page elsewhere could have a browser read ours for it, by
                                       a name of its own that leads here (DNS rebinding)
    with `http.token`                  who sends it: as a bearer (RFC 6750), or in the form, which
                                       sets a cookie. A browser keeps that for the name that it was
                                       got under, so any name will do
    beyond the loopback, without one   nobody

The token is never part of an address, which logs and histories of browsers keep. The cookie does
not hold it either, but an end of its time and a code over both, made with a key of this process.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qs

from token_catcher.errors import ConfigurationError
from token_catcher.model import Secret
from token_catcher.ports import Log
from token_catcher.web.exchange import Request

COOKIE: Final = "token_catcher_page"
SESSION: Final = 12 * 3600
"""Seconds for which a sign-in lasts, a working day; a new token or a new start ends it as well."""
TOLD_APART: Final = 60.0
"""Seconds between two events about refused sign-ins; the second tells how many there were."""
_HOST: Final = re.compile(r"(?P<name>[\w.-]{1,253}|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?", re.ASCII)


class Verdict(Enum):
    """What is answered."""

    GRANTED = auto()
    WRONG_HOST = auto()
    CLOSED = auto()
    """There is no token that would open it."""
    UNREADABLE = auto()
    """There is one, and it cannot be read."""
    SIGN_IN = auto()


class Access:
    """The one place that decides. Thread-safe."""

    def __init__(
        self,
        token: Callable[[], Secret] | None,
        *,
        is_loopback: bool,
        monotonic: Callable[[], float],
        log: Log,
    ) -> None:
        """`token` reads it anew; ConfigurationError: it cannot be read. None: there is none.

        `is_loopback`: whether nobody but this machine reaches the page."""
        self._token = token
        self._is_loopback = is_loopback
        self._monotonic = monotonic
        self._log = log
        self._key = secrets.token_bytes(32)
        self._refused = 0
        self._told_at: float | None = None

    def verdict(self, request: Request) -> Verdict:
        """What a request for the page is answered with."""
        host = _HOST.fullmatch(request.host)
        if host is None:
            return Verdict.WRONG_HOST
        if self._token is None:
            return self._without_token(host["name"])
        token = self._read(self._token)
        if token is None:
            return Verdict.UNREADABLE
        if self._is_bearer(request, token) or self._has_session(request, token):
            return Verdict.GRANTED
        return Verdict.SIGN_IN

    def sign_in(self, request: Request) -> str | None:
        """The cookie for who sent the token in the form. None: it is another one."""
        assert self._token is not None, "without a token nobody is asked for it"
        token = self._read(self._token)
        if token is None:
            return None
        if _typed(request.body or b"") != token:
            self._tell_refusal()
            return None
        ends_at = int(self._monotonic()) + SESSION
        value = f"{ends_at}.{self._code(ends_at, token)}"
        return f"{COOKIE}={value}; Path=/; Max-Age={SESSION}; HttpOnly; SameSite=Strict"

    def _without_token(self, name: str) -> Verdict:
        if not self._is_loopback:
            return Verdict.CLOSED
        if not _is_loopback_name(name):
            return Verdict.WRONG_HOST
        return Verdict.GRANTED

    def _read(self, read: Callable[[], Secret]) -> Secret | None:
        try:
            return read()
        except ConfigurationError as error:
            self._log.error("web.token_unreadable", code=error.code, error=str(error))
            return None

    def _is_bearer(self, request: Request, token: Secret) -> bool:
        """Secrets are compared in constant time."""
        scheme, _, credential = request.authorization.partition(" ")
        return scheme.lower() == "bearer" and Secret(credential.strip()) == token

    def _has_session(self, request: Request, token: Secret) -> bool:
        for pair in request.cookie.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == COOKIE and self._is_session(value, token):
                return True
        return False

    def _is_session(self, value: str, token: Secret) -> bool:
        ends_at, _, code = value.partition(".")
        if not (ends_at.isascii() and ends_at.isdigit() and len(ends_at) < 20):
            return False
        if not hmac.compare_digest(code.encode(), self._code(int(ends_at), token).encode()):
            return False
        return self._monotonic() < int(ends_at)

    def _code(self, ends_at: int, token: Secret) -> str:
        told = f"{ends_at}.{token.reveal()}".encode()
        return hmac.new(self._key, told, hashlib.sha256).hexdigest()

    def _tell_refusal(self) -> None:
        """That somebody tries tokens. Who it is, a proxy's log says."""
        self._refused += 1
        now = self._monotonic()
        if self._told_at is not None and now - self._told_at < TOLD_APART:
            return
        self._log.warning("web.sign_in_refused", count=self._refused)
        self._refused = 0
        self._told_at = now


REFUSALS: Final = {
    Verdict.WRONG_HOST: (
        HTTPStatus.MISDIRECTED_REQUEST,
        "This page answers to localhost and addresses of the loopback alone; under another name it"
        " needs http.token in the configuration.",
    ),
    Verdict.CLOSED: (
        HTTPStatus.FORBIDDEN,
        "This page is not served beyond the loopback without http.token in the configuration.",
    ),
    Verdict.UNREADABLE: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "http.token cannot be read; the log says why.",
    ),
}
"""Status and text of each verdict that is no page."""


def _typed(body: bytes) -> Secret:
    """What stands in the field of the form; nobody's token is empty."""
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=2, errors="strict")
    except ValueError:
        return Secret("")
    return Secret("".join(fields.get("token", [])))


def _is_loopback_name(name: str) -> bool:
    if name.lower() == "localhost":
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
