"""HTTP to token endpoints, within bounds; proxies of the environment are honoured.

Of an answer its status, its JSON and the pause that it asks for go further, and of an exception
nothing: their texts may quote what the endpoint was shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import urllib3

from token_catcher import __version__
from token_catcher.connections import CONNECT_TIMEOUT, Clock, why_unanswered
from token_catcher.errors import AccessError, Outage, TokenCatcherError
from token_catcher.oauth.adapters import PlainAdapter, TlsAdapter
from token_catcher.oauth.proxies import proxy_trouble
from token_catcher.tls import tls_failure, trusting_context

METADATA_SERVERS: Final = frozenset(("metadata.google.internal", "169.254.169.254"))
"""Where a cloud's machine asks who it is, over plain HTTP."""
READ_TIMEOUT: Final = 10.0
"""Seconds in which nothing comes."""
MAX_BODY: Final = 256 * 1024
"""Bytes of an answer: many times the largest token."""


@dataclass(frozen=True, slots=True)
class OtherSide:
    """Whom a request goes to, for messages and codes."""

    words: str
    code: str
    """What the codes of its troubles begin with."""
    authorities: str = "the system's authorities"
    """Who has to have issued its certificate."""
    answer: str = "a token"
    """What it is to answer."""


TOKEN_ENDPOINT: Final = OtherSide("token endpoint", "oauth")


@dataclass(frozen=True, slots=True)
class EndpointAnswer:
    """What a token endpoint said."""

    status: int
    body: Mapping[str, Any]
    """Its JSON object; empty where it is none: then it was not the endpoint that spoke."""
    retry_after: float | None
    """Seconds; None: it asks for no pause."""

    def text(self, name: str) -> str:
        """A field of the JSON; empty where it is no text."""
        value = self.body.get(name)
        if isinstance(value, str):
            return value
        return ""


class TooLarge(requests.exceptions.RequestException):
    """An answer has more than `MAX_BODY` bytes."""


class BoundedSession(requests.Session):
    """A session whose answers are bounded in time and size; it follows no redirect.

    Plain enough to be handed to a library that wants a session of its own. It raises what requests
    raises; see `trouble`."""

    def __init__(self, monotonic: Clock, ca_file: str | None = None) -> None:
        """`ca_file`: certificate authorities in place of the system's. OSError: it cannot be read,
        or holds none."""
        super().__init__()
        self.auth = _no_netrc
        self.headers.update({"User-Agent": f"token-catcher/{__version__}", "Connection": "close"})
        self.mount("https://", TlsAdapter(trusting_context(ca_file), monotonic))
        self.mount("http://", PlainAdapter(monotonic))

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        """The whole answer. Raises as well where it is too large."""
        bounds = {"timeout": (CONNECT_TIMEOUT, READ_TIMEOUT), "allow_redirects": False}
        try:
            response = super().request(*arguments, **{**options, **bounds, "stream": True})
            with response:
                content = response.raw.read(MAX_BODY + 1, decode_content=True)
        finally:
            # A token is asked for about once an hour: a connection that is kept for so long would
            # be one that the server has closed.
            self.close()
        if len(content) > MAX_BODY:
            raise TooLarge
        response._content = content  # noqa: SLF001 - where requests keeps a body that was read
        return response

    def merge_environment_settings(self, url: Any, *arguments: Any) -> Any:
        """No proxy reaches the metadata server of our own machine, nor may see what it says."""
        settings = super().merge_environment_settings(url, *arguments)
        if urlsplit(str(url)).hostname in METADATA_SERVERS:
            settings["proxies"] = {}
        return settings


def post(
    session: BoundedSession,
    url: str,
    form: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
) -> EndpointAnswer:
    """What the endpoint answers to a form. Outage: there was no answer. AccessError: TLS."""
    return answer_of(send(session, "POST", url, form, headers))


def send(
    session: BoundedSession,
    method: str,
    url: str,
    body: Mapping[str, str] | bytes | None = None,
    headers: Mapping[str, str] | None = None,
    other_side: OtherSide = TOKEN_ENDPOINT,
) -> requests.Response:
    """Whatever is answered, whole. Outage: there was no answer. AccessError: TLS."""
    try:
        return session.request(method, url, data=body, headers=headers)
    except (OSError, urllib3.exceptions.HTTPError) as error:
        fault = trouble(error, url, other_side)
    # Out here the foreign exception is let go: its request holds what was shown.
    raise fault


def answer_of(response: requests.Response) -> EndpointAnswer:
    """The parts of an answer that are of use."""
    body: Any = None
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        body = {}
    return EndpointAnswer(response.status_code, body, _pause(response.headers.get("Retry-After")))


def trouble(
    error: BaseException, url: str, other_side: OtherSide = TOKEN_ENDPOINT
) -> TokenCatcherError:
    """Why there was no answer, without a word of the foreign exception."""
    where = f"{other_side.words} {urlsplit(url).netloc}"
    if isinstance(error, TooLarge):
        size = f"more than {MAX_BODY // 1024} KiB"
        return Outage(
            f"{where}: got an answer of {size}, expected {other_side.answer}",
            code=f"{other_side.code}-foreign",
        )
    proxy = proxy_trouble(error, url, where, other_side.code)
    if proxy is not None:
        return proxy
    failure = tls_failure(error, other_side.authorities)
    if failure is not None:
        code = f"{other_side.code}-{failure.code}"
        if failure.lasting:
            return AccessError(f"{where}: {failure.text}", code=code)
        return Outage(f"{where}: {failure.text}", code=code)
    why = why_unanswered(error)
    return Outage(f"{where} was not reached ({why})", code=f"{other_side.code}-unreachable")


def _pause(header: str | None) -> float | None:
    """Seconds; a date, which no known endpoint sends, is no pause."""
    if header is not None and header.isascii() and header.isdigit() and len(header) < 8:
        return float(header)
    return None


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """requests would send what `.netrc` holds for the host; with an `auth` it does not look."""
    return request
