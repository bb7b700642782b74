"""A person signs in once, in a browser: what comes of it is a refresh token.

Two ways, for programs that no browser can come back to by itself:

    device code     RFC 8628: we show a code, the person types it on a page anywhere, we ask until
                    that is done
    redirect        RFC 6749 with PKCE (RFC 7636): we show an address; the browser ends at one of
                    this machine where nobody listens, and the person pastes that one here

The code in a pasted address is worth nothing to others: it counts once, and with our verifier.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from token_catcher.errors import AccessError, Outage, TokenCatcherError
from token_catcher.model import Secret
from token_catcher.oauth.answers import Granted, error_in, granted, passing_fault, refusal
from token_catcher.oauth.endpoint import BoundedSession, EndpointAnswer, post

REDIRECT: Final = "http://127.0.0.1:8400/"
"""Where the browser ends: a native application's own machine (RFC 8252, section 7.3)."""
SIGN_IN_PARAMETERS: Final = frozenset(
    (
        "response_type",
        "client_id",
        "redirect_uri",
        "state",
        "scope",
        "code_challenge",
        "code_challenge_method",
        "login_hint",
    )
)
"""What `Redirect` adds to the address where people sign in; none may be there twice."""
DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_LONGEST_LIFE: Final = 3600.0
"""Seconds for which a device code is asked after, whatever the server says."""
SHORTEST_INTERVAL: Final = 5.0
"""Seconds between two questions at the least, and unless the server says (RFC 8628, section 3.2).
"""
_SLOWER: Final = 5.0
"""Seconds that are added where we ask too often (RFC 8628, section 3.5)."""
_USER_CODE: Final = re.compile(r"[A-Za-z0-9-]{4,40}", re.ASCII)
_ADDRESS: Final = re.compile(r"https?://[!-~]{1,200}", re.ASCII)
DECLINED: Final = ("access_denied", "authorization_declined")
USED_UP: Final = "invalid_grant"
"""What is said of a code that was used before, or is too old (RFC 6749, section 5.2)."""
_OVER: Final = ("expired_token", "code_expired")


def _plainly(answer: EndpointAnswer, where: str) -> TokenCatcherError:
    """By the standard's words alone."""
    if error_in(answer) in DECLINED:
        return _declined(where)
    return refusal(answer, where, "oauth-refused")


@dataclass(frozen=True, slots=True)
class Client:
    """For whom somebody signs in, and where."""

    client_id: str
    scope: str | None
    token_url: str
    session: BoundedSession
    client_secret: Callable[[], Secret] | None = None
    refusal: Callable[[EndpointAnswer, str], TokenCatcherError] = _plainly
    """What a refusal in the endpoint's own words means."""

    @property
    def where(self) -> str:
        """Who answers, for messages."""
        return f"token endpoint {urlsplit(self.token_url).netloc}"

    def ask(self, form: Mapping[str, str], url: str | None = None) -> EndpointAnswer:
        """What is answered to a form, with who we are. Raises as `endpoint.post`."""
        proof = {"client_id": self.client_id}
        if self.client_secret is not None:
            proof["client_secret"] = self.client_secret().reveal()
        return post(self.session, url or self.token_url, {**form, **proof})

    def take(self, answer: EndpointAnswer) -> Granted:
        """What was granted. AccessError: refused. Outage: it may pass."""
        fault = passing_fault(answer, self.where)
        if fault is not None:
            raise fault
        if answer.status != 200:
            raise self.refusal(answer, self.where)
        return granted(answer, self.where)


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What a person is shown, and what we ask with meanwhile."""

    user_code: str
    page: str
    """Where it is typed."""
    seconds: float
    """For which it counts."""
    interval: float
    """Seconds between two questions of ours."""
    code: Secret = field(repr=False)

    @property
    def lasts(self) -> str:
        """How long it counts, for a person."""
        if self.seconds < 120:
            return f"{self.seconds:.0f} s"
        return f"{self.seconds // 60:.0f} minutes"


def begin_with_code(client: Client, url: str) -> DeviceCode:
    """Ask for a code. `url`: the device authorization endpoint. AccessError, Outage."""
    form = {}
    if client.scope is not None:
        form["scope"] = client.scope
    answer = client.ask(form, url)
    fault = passing_fault(answer, client.where)
    if fault is not None:
        raise fault
    if answer.status != 200:
        raise client.refusal(answer, client.where)
    # Microsoft writes `verification_uri`, as RFC 8628 does; others wrote `…_url` before it.
    page = answer.text("verification_uri") or answer.text("verification_url")
    user_code = answer.text("user_code")
    code = answer.text("device_code")
    if not (code and _USER_CODE.fullmatch(user_code) and _ADDRESS.fullmatch(page)):
        raise Outage(
            f"{client.where}: got no user_code, device_code or verification_uri, expected them",
            code="oauth-foreign",
        )
    return DeviceCode(
        user_code,
        page,
        min(_number(answer, "expires_in", 900.0), _LONGEST_LIFE),
        max(_number(answer, "interval", SHORTEST_INTERVAL), SHORTEST_INTERVAL),
        Secret(code),
    )


def wait_for_person(
    client: Client,
    device: DeviceCode,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
) -> Granted:
    """Ask until the person is done, as seldom as the server wants it.

    AccessError: declined, too late, or refused. What only passes is asked again, and nobody waits
    for longer than the code counts, whatever pause is asked for."""
    until = monotonic() + device.seconds
    interval = device.interval
    while True:
        sleep(max(0.0, min(interval, until - monotonic())))
        if monotonic() >= until:
            raise _too_late(client.where, device)
        form = {"grant_type": DEVICE_GRANT, "device_code": device.code.reveal()}
        try:
            answer = client.ask(form)
            error = error_in(answer)
            if error == "authorization_pending":
                continue
            if error == "slow_down":
                interval += _SLOWER
                continue
            if error in _OVER:
                raise _too_late(client.where, device)
            return client.take(answer)
        except Outage as outage:
            interval = max(interval, outage.retry_after or 0.0)


@dataclass(frozen=True, slots=True)
class Redirect:
    """One sign-in in a browser."""

    client: Client
    authorize_url: str
    """Where people sign in; it may have a query, without any of `SIGN_IN_PARAMETERS`."""
    extra: Mapping[str, str]
    """What this provider wants beside the standard's parameters."""
    verifier: Secret = field(default_factory=lambda: Secret(secrets.token_urlsafe(64)))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def address(self) -> str:
        """What the person opens."""
        digest = hashlib.sha256(self.verifier.reveal().encode()).digest()
        parameters = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": REDIRECT,
            "state": self.state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **self.extra,
        }
        if self.client.scope is not None:
            parameters["scope"] = self.client.scope
        # What it has of a query is kept (RFC 6749, section 3.1).
        url, _, query = self.authorize_url.partition("?")
        if query:
            query = query.rstrip("&") + "&"
        return f"{url}?{query}{urlencode(parameters)}"

    def finish(self, pasted: str) -> Granted:
        """By the address that the browser ended at. AccessError: it is another one, or a no."""
        fields = _fields_of(pasted)
        if fields.get("state") != self.state:
            raise AccessError(
                f"sign-in: got {_what(pasted)}, expected the whole address that the browser ended"
                f" at: it begins with {REDIRECT}?",
                code="oauth-pasted",
            )
        if fields.get("error") in DECLINED:
            raise _declined(self.client.where)
        if not fields.get("code"):
            error = re.sub(r"[^a-z_]", "", fields.get("error", ""))[:60] or "no code"
            raise AccessError(
                f"sign-in: got {error}, expected a code in the address", code="oauth-refused"
            )
        form = {
            "grant_type": "authorization_code",
            "code": fields["code"],
            "redirect_uri": REDIRECT,
            "code_verifier": self.verifier.reveal(),
        }
        answer = self.client.ask(form)
        if error_in(answer) == USED_UP:
            raise AccessError(
                f"{self.client.where}: got a code that it does not take ({USED_UP}), expected one"
                " that is fresh and was not used before",
                code="oauth-code",
            )
        return self.client.take(answer)


def _fields_of(pasted: str) -> dict[str, str]:
    """Of the address's query; none where it is no address."""
    try:
        return dict(parse_qsl(urlsplit(pasted.strip()).query))
    except ValueError:
        return {}


def _what(pasted: str) -> str:
    """What was pasted, without a word of it: it may be another sign-in's code."""
    if not pasted.strip():
        return "nothing"
    if "state=" in pasted:
        return "the address of another sign-in"
    return "something else"


def _number(answer: EndpointAnswer, name: str, otherwise: float) -> float:
    value = answer.body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        return otherwise
    return float(value)


def _declined(where: str) -> AccessError:
    return AccessError(
        f"{where}: got a no from the person, expected a yes", code="oauth-sign-in-declined"
    )


def _too_late(where: str, device: DeviceCode) -> AccessError:
    return AccessError(
        f"{where}: nobody finished the sign-in within {device.lasts}",
        code="oauth-device-code",
    )
