"""The ways to prove who we are to a mail server, each one small class behind `Login`.

What is shown is got ready before the connection is opened: a token endpoint that is away, or a
file that is missing, costs the mail server nothing. Where a server refuses an access token, a
second one may do, and is tried on a connection of its own.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal, Protocol

from token_catcher.errors import AccessError, Outage, TokenCatcherError
from token_catcher.imap.connection import Connection
from token_catcher.imap.trouble import LOST, TOKEN_REFUSED
from token_catcher.model import Secret

Attempt = Callable[[Connection], None]
"""Shows on a connection what was got ready."""
Mechanism = Literal["auto", "xoauth2", "oauthbearer"]

LONG_ANSWER: Final = 8000
"""Characters of a line that every server should take (RFC 2683, section 3.2.1.5). Dovecot takes
fewer than 8,192 as the answer of a login, and ends the connection without a word at more."""
_CHALLENGE_MAX: Final = 8192
"""Bytes of a server's reason that are looked at."""


class Login(Protocol):
    """One way to prove who we are."""

    def attempts(self) -> Iterator[Attempt]:
        """What can be shown, each on a connection of its own; the next where a token is refused.

        AccessError, ConfigurationError: it cannot be got. Outage: it cannot be got now."""


@dataclass(frozen=True, slots=True)
class PasswordLogin:
    """By name and password."""

    username: str
    password: Callable[[], Secret]
    """Read anew at each login, since files are rotated under a running program."""

    def attempts(self) -> Iterator[Attempt]:
        """The password as it is now."""
        yield partial(self._log_in, self.password())

    def _log_in(self, password: Secret, connection: Connection) -> None:
        """LOGIN; AUTHENTICATE PLAIN (RFC 4616) where that cannot be.

        LOGIN carries ASCII alone, and some servers disable it (RFC 3501, section 6.2.3).
        AccessError: the server takes no password on this connection."""
        text = password.reveal()
        log_in = connection.client.login
        disabled = connection.has("LOGINDISABLED")
        if disabled and not connection.has("AUTH=PLAIN"):
            raise _takes_no_password(connection)
        if disabled or not (self.username + text).isascii():
            log_in = connection.client.plain_login
        connection.call("LOGIN", log_in, self.username, text)


def _takes_no_password(connection: Connection) -> AccessError:
    """LOGINDISABLED and no AUTH=PLAIN: nothing is sent that would only be refused."""
    if isinstance(connection.raw.sock, ssl.SSLSocket):
        return AccessError(
            f"{connection.where}: the server takes no passwords, expected LOGIN or AUTH=PLAIN",
            code="imap-login",
        )
    return AccessError(
        f"{connection.where}: the server takes passwords only under TLS,"
        " expected tls implicit or starttls",
        code="imap-tls",
    )


class Tokens(Protocol):
    """Where access tokens come from; see `oauth.AccessTokens`."""

    def for_login(self) -> Secret:
        """A token that is good for a login now."""

    def in_place_of(self, token: Secret) -> Secret | None:
        """Another one for that which the server refused; None: it would be refused as well."""


@dataclass(frozen=True, slots=True)
class OAuthLogin:
    """By an access token (OAuth 2): XOAUTH2, or OAUTHBEARER (RFC 7628)."""

    username: str
    """Whose mailbox it is; of a shared one, its own address."""
    tokens: Tokens
    mechanism: Mechanism = "auto"
    giver: str = ""
    """Who gives the tokens, `microsoft` or another ending of the code of a refused one; empty: any
    other server."""

    def attempts(self) -> Iterator[Attempt]:
        """The token there is, then another one: it may be revoked, or the server's clock ahead."""
        token = self.tokens.for_login()
        yield partial(self._log_in, token)
        another = self.tokens.in_place_of(token)
        if another is not None:
            yield partial(self._log_in, another)
            self.tokens.in_place_of(another)

    def _log_in(self, token: Secret, connection: Connection) -> None:
        """AUTHENTICATE. AccessError: refused, with the server's reason, or not offered."""
        mechanism = self._chosen(connection)
        if mechanism == "XOAUTH2":
            answer = SaslAnswer(f"user={self.username}\1{_bearer(token)}", b"")
        else:
            name = self.username.replace("=", "=3D").replace(",", "=2C")  # RFC 5801, section 4
            place = f"host={connection.client.host}\1port={connection.client.port}\1"
            answer = SaslAnswer(f"n,a={name},\1{place}{_bearer(token)}", b"\1")
        try:
            _authenticate(connection, mechanism, answer)
        except AccessError as error:
            trouble = self._with_giver(error)
        else:
            return
        raise trouble

    def _with_giver(self, refusal: AccessError) -> AccessError:
        """What is done about a token that is plainly refused depends on who gave it."""
        if refusal.code != TOKEN_REFUSED or not self.giver:
            return refusal
        return AccessError(str(refusal), code=f"{TOKEN_REFUSED}-{self.giver}")

    def _chosen(self, connection: Connection) -> str:
        """As configured; else what the server offers, XOAUTH2 first.

        OAUTHBEARER names host and port, and a server behind a forwarder refuses those by which we
        know it; Microsoft has none. docs/adr/0018-one-port-for-access-tokens.md"""
        if self.mechanism != "auto":
            return self.mechanism.upper()
        for mechanism in ("XOAUTH2", "OAUTHBEARER"):
            if connection.has(f"AUTH={mechanism}"):
                return mechanism
        raise AccessError(
            f"{connection.where}: the server offers no login by access token,"
            " expected AUTH=XOAUTH2 or AUTH=OAUTHBEARER",
            code="imap-oauth",
        )


def _bearer(token: Secret) -> str:
    return f"auth=Bearer {token.reveal()}\1\1"


def _unknown_end() -> None:
    """Nobody has looked."""


@dataclass(frozen=True, slots=True)
class ExternalLogin:
    """By the client certificate that TLS has shown (SASL EXTERNAL, RFC 4422, appendix A)."""

    username: str
    """As whom: a certificate that is somebody else's is refused, and does not open his mailbox."""
    ended_at: Callable[[], datetime | None] = _unknown_end
    """When the certificate ended, to be told where it is refused; None: it is good yet."""

    def attempts(self) -> Iterator[Attempt]:
        """The certificate was read for the connection."""
        yield self._log_in

    def _log_in(self, connection: Connection) -> None:
        if not connection.has("AUTH=EXTERNAL"):
            raise AccessError(
                f"{connection.where}: the server offers no login by client certificate,"
                " expected AUTH=EXTERNAL",
                code="imap-external",
            )
        shown = SaslAnswer(self.username, b"")
        try:
            connection.call("EXTERNAL", connection.client.sasl_login, "EXTERNAL", shown)
        except AccessError as error:
            refusal = self._with_end(error)
        else:
            return
        raise refusal

    def _with_end(self, refusal: AccessError) -> AccessError:
        """Servers give no reason; one that we know ourselves is told."""
        ended_at = self.ended_at()
        if ended_at is None:
            return refusal
        text = f"{refusal}; the certificate ended on {ended_at:%Y-%m-%d}"
        return AccessError(text, code=refusal.code)


class SaslAnswer:
    """Our side of a login: what we show, then an empty word to whatever else the server says.

    That is its reason for a refusal, as JSON (RFC 7628, section 3.2.2), before its NO."""

    def __init__(self, shown: str, afterwards: bytes) -> None:
        """`afterwards`: what the mechanism wants in answer to a reason."""
        self._shown: bytes | None = shown.encode()
        self.length = len(base64.b64encode(self._shown))
        """Characters of the line in which it is sent."""
        self._afterwards = afterwards
        self.reason: dict[str, Any] = {}
        """What the server gave as its reason; empty where it gave none."""

    def __call__(self, challenge: bytes) -> bytes:
        """The answer to a challenge."""
        if self._shown is None:
            self.reason = _json_in(challenge)
            return self._afterwards
        shown = self._shown
        self._shown = None
        return shown

    def part(self, name: str) -> str:
        """A field of the reason, cleaned; empty where it is not there."""
        value = self.reason.get(name)
        if not isinstance(value, str | int):
            return ""
        return re.sub(r"[^A-Za-z0-9 _.:/-]", "", str(value))[:120]


def _json_in(challenge: bytes) -> dict[str, Any]:
    try:
        reason = json.loads(challenge[:_CHALLENGE_MAX])
    except (ValueError, RecursionError):
        return {}
    if not isinstance(reason, dict):
        return {}
    return reason


def _authenticate(connection: Connection, mechanism: str, answer: SaslAnswer) -> None:
    """AUTHENTICATE; what a refused token means is told with the server's reason."""
    try:
        connection.call("AUTHENTICATE", connection.client.sasl_login, mechanism, answer)
    except AccessError as error:
        trouble: TokenCatcherError = _with_reason(error, connection.where, answer)
    except Outage as error:
        trouble = _with_length(error, connection.where, answer)
    else:
        return
    raise trouble


def _with_length(outage: Outage, where: str, answer: SaslAnswer) -> Outage:
    """A connection that ends on a long line may have ended because of it."""
    if outage.code not in LOST or answer.length <= LONG_ANSWER:
        return outage
    return Outage(
        f"{where}: the server gave no answer to the access token, which made a line of"
        f" {answer.length} characters, expected at most {LONG_ANSWER}",
        code="imap-token-length",
    )


def _with_reason(refusal: AccessError, where: str, answer: SaslAnswer) -> AccessError:
    """Status 400 beside a scope: the token is good, and for something else (Google)."""
    status = answer.part("status")
    scope = answer.part("scope")
    if refusal.code != TOKEN_REFUSED or not status:
        return refusal
    text = f"{where}: the server refuses the access token (status {status})"
    if status == "400" and scope:
        return AccessError(f"{text}, expected one for {scope}", code=f"{TOKEN_REFUSED}-scope")
    return AccessError(text, code=TOKEN_REFUSED)
