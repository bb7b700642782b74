"""Google Workspace: access tokens for the mailbox of a user.

Three ways: a service account with domain-wide delegation, by its key; the same without a key, by
impersonation; a person who signed in once. The first two are google-auth's: it signs, and it finds
out who we are. What it sends goes through a session of ours, which judges every answer itself: so
nothing is tried again behind our back, and no text of Google's gets into an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from token_catcher.errors import ConfigurationError, Outage, TokenCatcherError
from token_catcher.model import Secret, printable
from token_catcher.oauth import google_source
from token_catcher.oauth.access import AccessToken
from token_catcher.oauth.answers import Granted, granted
from token_catcher.oauth.endpoint import BoundedSession, EndpointAnswer, answer_of, post, send
from token_catcher.oauth.google_refusals import Applicant, fault_of, not_google, unreached, where
from token_catcher.oauth.refresh import RefreshTokenFile

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.oauth2.service_account import Credentials as ServiceAccount

DELEGATED_SCOPE: Final = "https://www.googleapis.com/auth/gmail.imap_admin"
"""IMAP that shows every label and every mail, whatever the user's settings hide from it."""
SIGNED_IN_SCOPE: Final = "https://mail.google.com/"
"""IMAP for a person: the other one is for delegation alone."""
GOOGLE_TOKEN_URL: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address, and no secret
AWS: Final = "urn:ietf:params:aws:token-type:aws4_request"
"""The type of a workload's own token that AWS signs."""


@dataclass(frozen=True, slots=True)
class GoogleServiceAccount:
    """A service account with domain-wide delegation, by its key."""

    key: Callable[[], Secret]
    """The JSON that the console gave out, read anew each time."""
    username: str
    """The user whose mailbox it is."""
    scope: str
    session: BoundedSession

    def credential(self) -> Secret:
        """The key. ConfigurationError: it is not there, or cannot be one."""
        key = self.key()
        google_source.key_of(key)
        return key

    def fetch(self) -> AccessToken:
        """By an assertion that the key signs (RFC 7523)."""
        info = google_source.key_of(self.key())
        applicant = Applicant(
            kind="delegation",
            name=_shown(info["client_email"]),
            client_id=_shown(info.get("client_id")),
            username=self.username,
            scope=self.scope,
            token_url=info["token_uri"],
        )
        credentials = _signing(info)
        delegated = credentials.with_subject(self.username).with_scopes(self.scope.split())
        return _token_of(delegated, self.session, applicant)


@dataclass(frozen=True, slots=True)
class GoogleImpersonation:
    """A service account with domain-wide delegation, as which we act without a key of it."""

    account: str
    """Its address."""
    username: str
    """The user whose mailbox it is."""
    scope: str
    environ: Mapping[str, str]
    """May name the file of a workload identity."""
    session: BoundedSession

    def credential(self) -> Secret:
        """Who we are: the file of the environment, or nothing but this machine.

        What the file points to is not in it: a workload's own token is a new one every hour.
        ConfigurationError: the file is not there, or leads where no token of ours may go."""
        file = google_source.file_of(self.environ)
        if file is None:
            return Secret("")
        google_source.workload_of(file)
        return file

    def fetch(self) -> AccessToken:
        """By an assertion that IAM signs for the service account."""
        file = google_source.file_of(self.environ)
        _need_library()
        from google.auth import impersonated_credentials

        applicant = Applicant(
            kind="delegation",
            name=self.account,
            client_id=f"(the Unique ID of {self.account})",
            username=self.username,
            scope=self.scope,
            token_url=GOOGLE_TOKEN_URL,
        )
        credentials = impersonated_credentials.Credentials(
            _ourselves(file), self.account, self.scope.split(), subject=self.username
        )
        return _token_of(credentials, self.session, applicant)


@dataclass(frozen=True, slots=True)
class GoogleSignedIn:
    """A person who signed in. One form is all that is sent: the library is not needed."""

    client_id: str
    client_secret: Callable[[], Secret]
    """Read anew each time, as is the other one."""
    refresh_token: RefreshTokenFile
    username: str
    """Who signed in, and whose mailbox it is."""
    scope: str
    session: BoundedSession

    def credential(self) -> Secret:
        """The client's secret and the sign-in. ConfigurationError: one of them is not there."""
        secret = self.client_secret()
        sign_in = self.refresh_token.sign_in()
        return Secret(f"{secret.reveal()}\n{sign_in.reveal()}")

    def fetch(self) -> AccessToken:
        """By the refresh token (RFC 6749, section 6)."""
        with self.refresh_token.renewing() as shown:
            given = self._renewed(shown)
            self.refresh_token.keep(given.refresh_token)
        return given.token

    def _renewed(self, refresh_token: Secret) -> Granted:
        applicant = Applicant(
            kind="sign-in",
            name=f"the client {self.client_id}",
            client_id=self.client_id,
            username=self.username,
            scope=self.scope,
            token_url=GOOGLE_TOKEN_URL,
        )
        form = {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "client_secret": self.client_secret().reveal(),
            "refresh_token": refresh_token.reveal(),
            "scope": self.scope,
        }
        answer = post(self.session, GOOGLE_TOKEN_URL, form)
        fault = fault_of(answer, GOOGLE_TOKEN_URL, applicant)
        if fault is not None:
            raise fault
        return granted(answer, where(GOOGLE_TOKEN_URL, applicant))


class _Transport:
    """What google-auth sends its requests with, and gets an answer of that is no refusal."""

    def __init__(self, session: BoundedSession, applicant: Applicant) -> None:
        self.session = session
        """google-auth mounts its own TLS on it, for a metadata server that speaks that."""
        self.last: tuple[EndpointAnswer, str] | None = None
        """The last answer, and who gave it; None: nothing was asked for yet."""
        self._applicant = applicant

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **_options: Any,
    ) -> Any:
        """An answer with `status`, `headers` and `data`.

        Raises ours, which the library lets through: AccessError, Outage."""
        try:
            response = send(self.session, method, url, body, headers)
        except Outage as outage:
            raise unreached(outage, url, self._applicant) from None
        answer = answer_of(response)
        self.last = (answer, where(url, self._applicant))
        fault = fault_of(answer, url, self._applicant)
        if fault is not None:
            raise fault
        return SimpleNamespace(
            status=response.status_code, headers=response.headers, data=response.content
        )


def _token_of(
    credentials: Credentials, session: BoundedSession, applicant: Applicant
) -> AccessToken:
    """A new token, as the last answer gives it.

    Not as the library does: it knows when a token ends by our clock, which may be set meanwhile."""
    from google.auth.exceptions import GoogleAuthError

    fault: TokenCatcherError | None = None
    transport = _Transport(session, applicant)
    try:
        credentials.refresh(transport)
    except TokenCatcherError as error:
        fault = error.with_traceback(None)
    except (GoogleAuthError, LookupError, ArithmeticError, TypeError, ValueError, OSError):
        fault = _no_token(transport.last)
    if fault is not None:
        # Out here what the library had on its way, keys and assertions, is let go.
        raise fault
    assert transport.last is not None  # it cannot have a token without asking
    return granted(*transport.last).token


def _no_token(last: tuple[EndpointAnswer, str] | None) -> TokenCatcherError:
    """The library could make nothing of what it was given: by an endpoint, or by a file."""
    if last is not None:
        return not_google(last[1], "an answer without what was asked for")
    return ConfigurationError(
        f"{google_source.VARIABLE}: got a credential_source that gives no token, expected the file"
        " that it names to be there, readable, and to hold this workload's own token",
        code="oauth-source",
    )


def _ourselves(file: Secret | None) -> Credentials:
    """Who asks IAM: the workload that a file describes, or this machine.

    ConfigurationError: the file describes none."""
    from google.auth import aws, compute_engine, identity_pool

    if file is None:
        # Named, it is not asked for at a time and in a way of the library's own.
        return compute_engine.Credentials(universe_domain=google_source.UNIVERSE)
    info = google_source.workload_of(file)
    kind: Any = identity_pool.Credentials
    if info.get("subject_token_type") == AWS:
        kind = aws.Credentials
    try:
        credentials: Credentials = kind.from_info(info)
    except (AttributeError, TypeError, ValueError):
        pass
    else:
        return credentials
    raise ConfigurationError(
        f"{google_source.VARIABLE}: got a file of which Google's library can make nothing, expected"
        " one as `gcloud iam workload-identity-pools create-cred-config` writes it",
        code="oauth-source",
    )


def _signing(info: Mapping[str, Any]) -> ServiceAccount:
    """ConfigurationError: its private key cannot be used."""
    _need_library()
    from google.oauth2 import service_account

    try:
        credentials: ServiceAccount = service_account.Credentials.from_service_account_info(info)
        credentials.sign_bytes(b"")
    except (TypeError, ValueError):
        pass
    else:
        return credentials
    raise ConfigurationError(
        f"{google_source.KEY}: got a private_key that cannot sign, expected the whole file as the"
        " console gave it out",
        code="oauth-credential-key",
    )


def _need_library() -> None:
    """ConfigurationError: google-auth is not installed."""
    try:
        import google.auth  # noqa: F401 - whether it can be imported is what is asked
    except ImportError:
        raise ConfigurationError(
            "provider google: got no library google-auth, expected"
            " `pip install '.[google]'` from the checkout, or `pipx install --force '.[google]'`",
            code="oauth-extra",
        ) from None


def _shown(field: object) -> str:
    """A field of a key, for messages."""
    return printable(str(field))[:100]
