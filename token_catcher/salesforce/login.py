"""One login: HTTP to Salesforce, within bounds of time and size, without redirects.

Proxies of the environment are honoured. Of an exception nothing goes further, since its request
holds the password.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from typing import Final

import requests
import urllib3

from token_catcher.connections import causes, was_never_sent, why_unanswered
from token_catcher.model import Secret, Token
from token_catcher.oauth import BoundedSession, TooLarge
from token_catcher.salesforce.answer import LoginAnswer, LoginResult
from token_catcher.salesforce.soap import (
    HEADERS,
    PATH,
    answer_in,
    login_request,
)
from token_catcher.tls import tls_failure

_BEFORE_THE_REQUEST: Final = (
    ssl.SSLCertVerificationError,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
)
"""A certificate that is refused ends the handshake; the others are of a proxy's address."""
_NO_TUNNEL: Final = re.compile("Tunnel connection failed: ([0-9]{3})", re.ASCII)
"""What http.client says of a proxy's answer to CONNECT, which no request of ours went with."""


def log_in(
    host: str, username: str, password: Secret, token: Token, *, monotonic: Callable[[], float]
) -> LoginAnswer:
    """How the login ends, which is over as soon as that is known: its session is not used.

    `host`: a name, or an address with `http://` before it."""
    # A new one each time: it would keep the session as a cookie.
    session = BoundedSession(monotonic)
    try:
        body = login_request(username, password, token)
    except ValueError:
        saw = "a control character, or half of a pair, in the password"
        return LoginAnswer(LoginResult.NO_PASSWORD, saw)
    try:
        response = session.request("POST", _url(host), data=body, headers=HEADERS)
    except (OSError, urllib3.exceptions.HTTPError) as error:
        return _unanswered(error)
    return answer_in(response.status_code, response.content)


def _url(host: str) -> str:
    if host.startswith("http://"):
        return host + PATH
    return f"https://{host}{PATH}"


def _unanswered(error: BaseException) -> LoginAnswer:
    """Whether the request may have arrived, which is what counts as a try."""
    if isinstance(error, TooLarge):
        return LoginAnswer(LoginResult.FOREIGN, "an answer that is far too large")
    if _was_not_sent(error):
        return LoginAnswer(LoginResult.UNREACHABLE, _why(error))
    return LoginAnswer(LoginResult.NO_ANSWER, _why(error))


def _was_not_sent(error: BaseException) -> bool:
    if was_never_sent(error) or _proxy_status(error) is not None:
        return True
    return any(isinstance(cause, _BEFORE_THE_REQUEST) for cause in causes(error))


def _proxy_status(error: BaseException) -> str | None:
    """The status by which a proxy refuses to pass anything on; None: it did not."""
    for cause in causes(error):
        refusal = _NO_TUNNEL.search(str(cause))
        if refusal is not None:
            return refusal[1]
    return None


def _why(error: BaseException) -> str:
    status = _proxy_status(error)
    if status is not None:
        return f"the proxy refuses, with status {status}"
    failure = tls_failure(error, "the system's authorities")
    if failure is not None:
        return failure.text
    return why_unanswered(error)
