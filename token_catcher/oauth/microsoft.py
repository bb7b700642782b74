"""Access tokens for Microsoft 365, over Microsoft's own library msal.

msal makes the request; the answer is read here before msal sees it, and by nobody else. So no page
of a proxy gets into its log, no refusal into its memory, and none of its exceptions further than
this module. Each request has an object of msal's of its own: the library would keep a token until
five minutes before its end, also one that the mail server refused, and a refusal for a minute, also
once the secret was corrected (docs/adr/0019-msal-asks-we-read.md).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import ModuleType
from typing import Any, Final, Literal, Protocol
from urllib.parse import urlsplit

from token_catcher.certificates import certificate_in, key_in
from token_catcher.errors import AccessError, ConfigurationError, Outage, TokenCatcherError
from token_catcher.log import raised_at
from token_catcher.model import Secret
from token_catcher.oauth.access import AccessToken
from token_catcher.oauth.answers import Granted, error_in, granted, passing_fault
from token_catcher.oauth.endpoint import BoundedSession, EndpointAnswer, answer_of, send
from token_catcher.oauth.microsoft_refusals import (
    Application,
    MicrosoftApplicant,
    ProofKind,
    microsoft_refusal,
)
from token_catcher.oauth.refresh import RefreshTokenFile

RESERVED: Final = ("openid", "profile", "offline_access")
"""Scopes that msal adds by itself, and refuses where they are named."""

_Ask = Callable[[ModuleType, Mapping[str, Any]], None]
"""Makes one request with msal, whose applications take these options."""
Cloud = Literal["global", "gcc-high", "dod", "china"]
AUTHORITIES: Final[Mapping[Cloud, str]] = {
    "global": "https://login.microsoftonline.com",
    "gcc-high": "https://login.microsoftonline.us",
    "dod": "https://login.microsoftonline.us",
    "china": "https://login.partner.microsoftonline.cn",
}
"""Where each cloud gives tokens."""
APPLICATION_SCOPES: Final[Mapping[Cloud, str]] = {
    "global": "https://outlook.office365.com/.default",
    "gcc-high": "https://outlook.office365.us/.default",
    "dod": "https://outlook.office365.us/.default",
    "china": "https://partner.outlook.cn/.default",
}
"""What an application asks for: all that it was given of Exchange Online."""
PERSON_SCOPES: Final[Mapping[Cloud, str]] = {
    "global": "https://outlook.office.com/IMAP.AccessAsUser.All",
    "gcc-high": "https://outlook.office365.us/IMAP.AccessAsUser.All",
    "dod": "https://outlook.office365.us/IMAP.AccessAsUser.All",
    "china": "https://partner.outlook.cn/IMAP.AccessAsUser.All",
}
"""What a person gives. Of the same name there is a scope of Graph, whose tokens IMAP refuses."""


class Proof(Protocol):
    """How an application proves itself."""

    @property
    def kind(self) -> ProofKind:
        """Which way it is."""

    def read(self) -> Secret:
        """What it is, as it is now. ConfigurationError: it is not there, or does not do."""

    def for_library(self, shown: Secret) -> str | Mapping[str, object]:
        """In the form that msal wants. ConfigurationError: it does not do."""

    def ended(self, shown: Secret) -> datetime | None:
        """When it came to its end, where that can be told and has passed."""


@dataclass(frozen=True, slots=True)
class SecretProof:
    """A client secret."""

    read: Callable[[], Secret]
    kind: ProofKind = field(default="client_secret", init=False)

    def for_library(self, shown: Secret) -> str:
        """As it is."""
        return shown.reveal()

    def ended(self, _shown: Secret) -> None:
        """Only Entra ID knows."""


@dataclass(frozen=True, slots=True)
class AssertionProof:
    """What somebody else signed for the application: a projected token of Kubernetes, say."""

    read: Callable[[], Secret]
    kind: ProofKind = field(default="assertion", init=False)

    def for_library(self, shown: Secret) -> Mapping[str, object]:
        """As a call: msal warns of a text, which would end under an object that lives on."""

        def assertion() -> str:
            return shown.reveal()

        return {"client_assertion": assertion}

    def ended(self, _shown: Secret) -> None:
        """Entra ID has a number of its own for it."""


@dataclass(frozen=True, slots=True)
class CertificateProof:
    """A certificate that was uploaded, and its key, which signs an assertion (PS256)."""

    read: Callable[[], Secret]
    """Both, in PEM."""
    where: str
    """The files, for messages."""
    now: Callable[[], datetime]
    kind: ProofKind = field(default="certificate", init=False)

    def for_library(self, shown: Secret) -> Mapping[str, object]:
        """Without a thumbprint: with one msal signs as it used to, with SHA-1 in it (RS256)."""
        certificate = certificate_in(shown, self.where)
        if not certificate.is_rsa:
            raise ConfigurationError(
                f"{self.where}: got a key that is not RSA, expected one: Entra ID takes no other",
                code="certificate",
            )
        key = key_in(shown, self.where).reveal()
        return {"private_key": key, "public_certificate": certificate.pem}

    def ended(self, shown: Secret) -> datetime | None:
        """By our clock; whether that matters is for Entra ID to say."""
        ends_at = certificate_in(shown, self.where).ends_at
        if ends_at > self.now():
            return None
        return ends_at


class MicrosoftApplication:
    """Tokens for an application itself; see `access.Provider`."""

    def __init__(
        self, application: Application, proof: Proof, monotonic: Callable[[], float]
    ) -> None:
        self._application = application
        self._proof = proof
        self._monotonic = monotonic

    def credential(self) -> Secret:
        """See `access.Provider`."""
        return self._proof.read()

    def fetch(self) -> AccessToken:
        """See `access.Provider`."""
        shown = self._proof.read()
        credential = self._proof.for_library(shown)
        ended = self._proof.ended(shown)

        def ask(msal: ModuleType, options: Mapping[str, Any]) -> None:
            # Left to itself it would look for a region, in the environment and by the network.
            client = msal.ConfidentialClientApplication(
                client_credential=credential, azure_region=False, **options
            )
            client.acquire_token_for_client(self._application.scope.split())

        applicant = MicrosoftApplicant(self._application, self._proof.kind, ended)
        return _ask(applicant, ask, self._monotonic).token


class MicrosoftPerson:
    """Tokens for a person who signed in once; see `access.Provider`."""

    def __init__(
        self,
        application: Application,
        refresh_token: RefreshTokenFile,
        monotonic: Callable[[], float],
    ) -> None:
        self._application = application
        self._refresh_token = refresh_token
        self._monotonic = monotonic

    def credential(self) -> Secret:
        """See `access.Provider`."""
        return self._refresh_token.sign_in()

    def fetch(self) -> AccessToken:
        """See `access.Provider`."""
        scopes = [word for word in self._application.scope.split() if word not in RESERVED]
        with self._refresh_token.renewing() as shown:

            def ask(msal: ModuleType, options: Mapping[str, Any]) -> None:
                # What a profile says is of no use here, and need not be consented to.
                client = msal.PublicClientApplication(exclude_scopes=["profile"], **options)
                client.acquire_token_by_refresh_token(shown.reveal(), scopes)

            given = _ask(
                MicrosoftApplicant(self._application, "refresh_token"), ask, self._monotonic
            )
            self._refresh_token.keep(given.refresh_token)
        return given.token


def _ask(applicant: MicrosoftApplicant, ask: _Ask, monotonic: Callable[[], float]) -> Granted:
    """What is granted in the one request that `ask` makes with msal."""
    msal = _library()
    application = applicant.application
    with BoundedSession(monotonic) as session:
        endpoint = _Endpoint(session, applicant)
        options = {
            "client_id": application.client_id,
            "authority": f"{application.authority}/{application.tenant}",
            "http_client": endpoint,
            # Whether an authority is one of Microsoft's would be asked for at another host.
            "instance_discovery": False,
        }
        fault = _fault_of(partial(ask, msal, options), msal.__version__)
    # What the library makes of a token afterwards does not matter.
    if endpoint.granted is not None:
        return endpoint.granted
    # The frames that it came through hold what was shown.
    raise fault.with_traceback(None)


def _fault_of(ask: Callable[[], None], version: str) -> TokenCatcherError:
    """Why a request was granted nothing."""
    place = "no request"
    try:
        ask()
    except TokenCatcherError as fault:  # of the endpoint below: the library lets it through
        return fault
    except Exception as error:  # noqa: BLE001 - whatever msal calls raises, it lets through
        place = f"{type(error).__name__} at {raised_at(error)}"
    return AccessError(
        f"msal {version} cannot ask for a token ({place}), expected another version",
        code="oauth-extra",
    )


def _library() -> Any:
    """msal, loaded when it is first used. AccessError: it is not installed."""
    # It logs what it is answered: pages that are no JSON, events of its cache, claims of ID tokens.
    logging.getLogger("msal").setLevel(logging.CRITICAL + 1)
    try:
        import msal
    except ImportError:
        missing = AccessError(
            "got no msal, which provider microsoft needs,"
            " expected `pip install '.[microsoft]'` from the checkout, or `pipx install --force"
            " '.[microsoft]'`",
            code="oauth-extra",
        )
    else:
        return msal
    raise missing


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer in the form that msal knows."""

    status_code: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


class _Endpoint:
    """The endpoints of a tenant, in the form of the HTTP client that msal wants.

    It asks for the tenant's addresses first (GET), then for a token (POST)."""

    def __init__(self, session: BoundedSession, applicant: MicrosoftApplicant) -> None:
        self._session = session
        self._applicant = applicant
        self.granted: Granted | None = None

    def get(self, url: str, headers: Mapping[str, str] | None = None, **_: Any) -> _Reply:
        """The tenant's addresses."""
        answer = self._answer("GET", url, None, headers)
        for name in ("authorization_endpoint", "token_endpoint"):
            if urlsplit(answer.text(name)).scheme != "https":
                # msal takes no other, and would say so in words that quote the answer.
                raise Outage(
                    f"{_where(url)}: got no {name}, expected the addresses of tenant"
                    f" {self._applicant.application.tenant}",
                    code="oauth-foreign",
                )
        return _reply(answer)

    def post(
        self,
        url: str,
        data: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> _Reply:
        """A token."""
        answer = self._answer("POST", url, data, headers)
        self.granted = granted(answer, _where(url))
        return _reply(answer)

    def close(self) -> None:
        """Whoever gave the session closes it."""

    def _answer(
        self,
        method: str,
        url: str,
        form: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> EndpointAnswer:
        """One that grants what was asked for. Raises what any other one means."""
        answer = answer_of(send(self._session, method, url, form, headers))
        where = _where(url)
        passing = passing_fault(answer, where)
        if passing is not None:
            raise passing
        if error_in(answer):
            raise microsoft_refusal(answer, where, self._applicant)
        return answer


def _reply(answer: EndpointAnswer) -> _Reply:
    return _Reply(answer.status, json.dumps(dict(answer.body)))


def _where(url: str) -> str:
    """Who answers, for messages."""
    return urlsplit(url).netloc
