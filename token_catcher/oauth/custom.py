"""Tokens of any OAuth 2 server (RFC 6749): client credentials, or a refresh token.

An application proves itself by its secret, or by what somebody else signed for it (RFC 7523,
section 2.2); a person's refresh token is shown with the secret or without one.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote_plus, urlsplit

from token_catcher.errors import TokenCatcherError
from token_catcher.model import Secret
from token_catcher.oauth.access import AccessToken
from token_catcher.oauth.answers import Granted, error_in, granted, passing_fault, refusal
from token_catcher.oauth.endpoint import BoundedSession, EndpointAnswer, post
from token_catcher.oauth.refresh import RefreshTokenFile

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

CODES: Final[Mapping[str, str]] = {
    "invalid_client": "oauth-credential",
    "invalid_grant": "oauth-credential",
    "unauthorized_client": "oauth-consent",
    "invalid_scope": "oauth-scope",
    "insufficient_scope": "oauth-scope",
}
"""By error of RFC 6749, section 5.2."""


class CustomProvider:
    """One client of one token endpoint; see `access.Provider`."""

    def __init__(
        self,
        session: BoundedSession,
        token_url: str,
        client_id: str,
        *,
        scope: str | None = None,
        client_secret: Callable[[], Secret] | None = None,
        assertion: Callable[[], Secret] | None = None,
        refresh_token: RefreshTokenFile | None = None,
    ) -> None:
        """The secrets are read anew for each request."""
        self._session = session
        self._token_url = token_url
        self._client_id = client_id
        self._scope = scope
        self._client_secret = client_secret
        self._assertion = assertion
        self._refresh_token = refresh_token
        self._where = f"token endpoint {urlsplit(token_url).netloc}"
        self._in_header = True
        """Whether the secret goes into the header (RFC 6749, section 2.3.1)."""

    def credential(self) -> Secret:
        """All that is shown, one below the other; of a refresh token, its sign-in."""
        sources = [self._client_secret, self._assertion]
        if self._refresh_token is not None:
            sources.append(self._refresh_token.sign_in)
        texts = [read().reveal() for read in sources if read is not None]
        return Secret("\n".join(texts))

    def fetch(self) -> AccessToken:
        """See `access.Provider`."""
        if self._refresh_token is None:
            return self._grant({"grant_type": "client_credentials"}).token
        with self._refresh_token.renewing() as shown:
            given = self._grant({"grant_type": "refresh_token", "refresh_token": shown.reveal()})
            self._refresh_token.keep(given.refresh_token)
        return given.token

    def _grant(self, form: Mapping[str, str]) -> Granted:
        """What the endpoint gives for this grant."""
        if self._scope is not None:
            form = {**form, "scope": self._scope}
        answer = self._ask(form)
        if self._client_secret is not None and error_in(answer) == "invalid_client":
            # Servers must take the secret in the header, and some take it only in the form.
            self._in_header = not self._in_header
            answer = self._ask(form)
        fault = passing_fault(answer, self._where)
        if fault is not None:
            raise fault
        if answer.status != 200:
            raise self._refusal(answer)
        return granted(answer, self._where)

    def _ask(self, form: Mapping[str, str]) -> EndpointAnswer:
        headers = {"Accept": "application/json"}
        proof = {"client_id": self._client_id}
        if self._assertion is not None:
            proof["client_assertion_type"] = ASSERTION_TYPE
            proof["client_assertion"] = self._assertion().reveal()
        elif self._client_secret is not None and self._in_header:
            proof = {}
            headers["Authorization"] = self._basic(self._client_secret())
        elif self._client_secret is not None:
            proof["client_secret"] = self._client_secret().reveal()
        return post(self._session, self._token_url, {**form, **proof}, headers)

    def _basic(self, secret: Secret) -> str:
        """Each encoded as in a form first (RFC 6749, section 2.3.1)."""
        pair = f"{quote_plus(self._client_id)}:{quote_plus(secret.reveal())}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    def _refusal(self, answer: EndpointAnswer) -> TokenCatcherError:
        return refusal(answer, self._where, self._code_of(error_in(answer)))

    def _code_of(self, error: str) -> str:
        """What a person has to change."""
        if error == "invalid_client" and self._client_secret is None and self._assertion is None:
            return "oauth-client"
        if error == "invalid_grant" and self._refresh_token is not None:
            return "oauth-sign-in"
        return CODES.get(error, "oauth-refused")
