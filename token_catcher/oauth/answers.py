"""What a token endpoint's answer means (RFC 6749, section 5). Pure.

Only an error in the endpoint's own words is a refusal. A page of a proxy, a redirect, a server that
is busy or broken: all that passes, however much its status looks like a refusal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from token_catcher.errors import AccessError, Outage, TokenCatcherError
from token_catcher.model import Secret
from token_catcher.oauth.access import AccessToken
from token_catcher.oauth.endpoint import EndpointAnswer

_VISIBLE: Final = re.compile(r"[\x20-\x7e]+")
"""What a token is made of (RFC 6749, appendix A.12 and A.17)."""
LARGEST_REFRESH_TOKEN: Final = 64 * 1024 - 1
"""Bytes: with the end of its line as much as the file of a secret may hold."""
_PASSING: Final = ("server_error", "temporarily_unavailable", "slow_down")
"""Errors that are none of ours (RFC 6749, section 4.1.2.1; RFC 8628, section 3.5)."""
_LONGEST_OF_A_PAGE: Final = 300.0
"""Seconds."""
A_PAGE: Final = "no JSON, as of a page that a proxy gives"
_LONGEST: Final = 10 * 365 * 24 * 3600
"""Seconds that a token may be said to live."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What an endpoint gave."""

    token: AccessToken
    refresh_token: Secret | None
    """In place of the one that was shown; None: there is none, or that one stays."""


def granted(answer: EndpointAnswer, where: str) -> Granted:
    """The token. Outage: the answer is none of a token endpoint, or we could not use it again.

    `where`: for messages."""
    token = _secret(answer, "access_token")
    if token is None:
        raise _foreign(answer, where, _in_place_of_a_token(answer))
    kind = answer.text("token_type").lower()
    if kind not in ("", "bearer"):  # some servers forget it
        raise _foreign(answer, where, "a token of another type than Bearer")
    # Its file could be written, and never be read again: the old one is the better one.
    size = len(answer.text("refresh_token"))
    if size > LARGEST_REFRESH_TOKEN:
        raise _foreign(
            answer,
            where,
            f"a refresh_token of {size} bytes",
            f"at most {LARGEST_REFRESH_TOKEN}, and the one in its file stays",
        )
    life = _seconds(answer.body.get("expires_in"))
    return Granted(AccessToken(token, life), _secret(answer, "refresh_token"))


def passing_fault(answer: EndpointAnswer, where: str) -> Outage | None:
    """Why there is no token now, where that may pass; None: the endpoint granted or refused."""
    error = error_in(answer)
    if answer.status == 429:
        return _outage(answer, f"{where} throttles us (status 429)", "oauth-throttled")
    if answer.status >= 500 or answer.status == 408 or error in _PASSING:
        text = f"{where} cannot answer now (status {answer.status})"
        return _outage(answer, text, "oauth-unreachable")
    is_refusal = 400 <= answer.status < 500 and error
    if answer.status != 200 and not is_refusal:
        return _foreign(answer, where, _what_came(answer))
    return None


def error_in(answer: EndpointAnswer) -> str:
    """The error's code, `invalid_grant` for one, cleaned; empty where there is none."""
    return re.sub(r"[^A-Za-z0-9_.:-]", "", answer.text("error"))[:60]


def refusal(answer: EndpointAnswer, where: str, code: str) -> TokenCatcherError:
    """AccessError: the endpoint's own word, with its code and without its text."""
    return AccessError(
        f"{where}: got {error_in(answer)} (status {answer.status}), expected a token", code=code
    )


def _in_place_of_a_token(answer: EndpointAnswer) -> str:
    if answer.body:
        return "no access_token"
    return A_PAGE


def _what_came(answer: EndpointAnswer) -> str:
    if 300 <= answer.status < 400:
        return "a redirect"
    if answer.body:
        return "JSON without error or access_token"
    return A_PAGE


def _foreign(
    answer: EndpointAnswer, where: str, what: str, expected: str = "a token endpoint's answer"
) -> Outage:
    text = f"{where}: got {what} (status {answer.status}), expected {expected}"
    return _outage(answer, text, "oauth-foreign")


def _outage(answer: EndpointAnswer, text: str, code: str) -> Outage:
    pause = answer.retry_after
    # A page is a proxy's, whose pause may be a day: the endpoint may be there again in a moment.
    if pause is not None and not answer.body:
        pause = min(pause, _LONGEST_OF_A_PAGE)
    return Outage(text, code=code, retry_after=pause)


def _secret(answer: EndpointAnswer, name: str) -> Secret | None:
    """A field that can be sent on; None: it is not there, or it is none."""
    text = answer.text(name)
    if not _VISIBLE.fullmatch(text):
        return None
    return Secret(text)


def _seconds(value: Any) -> float | None:
    """A number, or one that is written as text; None: neither, or not above zero."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    if not 0 < seconds <= _LONGEST:  # NaN as well
        return None
    return seconds
