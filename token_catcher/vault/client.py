"""HTTP to Vault through hvac's adapter: logged in, renewed, each answer classified by its number.

hvac's own exceptions carry no status code, and their text holds URL and body; so the plain
responses are used and no foreign text goes further than here. Redirects are not followed: they
would take the Vault token to whatever host they name.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests
from hvac.adapters import RawAdapter

from token_catcher.errors import AccessError, Outage
from token_catcher.model import Secret
from token_catcher.vault.answer import Answer, mapping
from token_catcher.vault.login import Lease, Login, Refusal

CONNECT_TIMEOUT: Final = 3.0
READ_TIMEOUT: Final = 10.0
"""Seconds."""
REFUSAL_PAUSE: Final = 300.0
"""Seconds before a refused credential is shown again.

Vault locks a role out after five refusals in a quarter of an hour."""
MERGE_PATCH: Final = "application/merge-patch+json"
AWAY: Final[Mapping[int, str]] = {
    307: "a standby that knows no active node, or names another host",
    308: "a redirect",
    412: "a standby that is behind",
    472: "a disaster recovery secondary",
    473: "a performance standby",
    500: "an internal error",
    502: "a proxy without a server",
    503: "sealed, or without an active node",
    504: "a proxy without an answer",
}
"""Answers after which everything else will fail as well, for a while; so will it after any other
of 500 and above."""

OPENING: Final = "Upgrading from non-versioned to versioned data"
"""What a KV mount says, with 400, for a moment after it was made or Vault was unsealed."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where Vault is."""

    url: str
    namespace: str | None = None
    ca_file: str | None = None
    """None: the system's certificate authorities."""


def _unobserved(_operation: str, _status: int | None) -> None:
    """Nobody counts the requests."""


class Client:
    """One logged-in client. Thread-safe."""

    def __init__(
        self,
        address: Address,
        login: Login,
        *,
        monotonic: Callable[[], float],
        observe: Callable[[str, int | None], None] = _unobserved,
    ) -> None:
        """`observe` is called for each request: read, write, login, renew-self or lookup-self.

        With the status, or None where there was no answer."""
        self._address = address
        self._login = login
        self._observe = observe
        self._own = OwnToken(monotonic)
        self._lock = threading.Lock()  # one login at a time, whoever asks for it
        self._http = _adapter(address)

    @property
    def url(self) -> str:
        """The configured address, for messages."""
        return self._address.url

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request; log in first where needed, and once more where the token has died.

        Returns what is the caller's to understand: 2xx, 400, 403, 404, 405. Outage: Vault is away.
        AccessError: login."""
        token = self._ready()
        answer = self._send(method, path, body, headers, token=token)
        # A policy denies with the same number and words; that is the caller's to understand.
        if answer.status != 403 or not self._died(token):
            return answer
        token = self._replaced(token)
        answer = self._send(method, path, body, headers, token=token)
        if answer.status == 403 and self._died(token):
            raise AccessError(
                f"Vault at {self.url} refuses our token (got 403, by lookup-self as well):"
                " it expired, was revoked, or has no rights at all",
                code="vault-login",
            )
        return answer

    def keep_alive(self) -> None:
        """Have a token, and renew it in time; for who asks seldom. Raises what `request` raises."""
        self._ready()

    @property
    def seconds_left(self) -> float | None:
        """Until our token expires; None: there is none, or it never does."""
        return self._own.seconds_left

    def close(self) -> None:
        """Free the connections."""
        self._http.close()

    def _ready(self) -> Secret:
        """Our token: the one there is, renewed in time, or a new one."""
        with self._lock:
            lease = self._own.lease
            if lease is None:
                return self._log_in()
            if self._own.is_due:
                return self._renew(lease)
            return lease.token

    def _died(self, token: Secret) -> bool:
        """All refusals of 403 read alike.

        Only asking after the token itself tells a dead one from a policy."""
        return self._send("get", "auth/token/lookup-self", token=token).status == 403

    def _replaced(self, refused: Secret) -> Secret:
        """A new token, unless another thread has it already."""
        with self._lock:
            lease = self._own.lease
            if lease is None or lease.token == refused:
                return self._log_in()
            return lease.token

    def _log_in(self) -> Secret:
        credential = self._login.credential()
        # Showing it again would only bring the lock-out nearer.
        reason = self._own.refusal_of(credential)
        if reason is not None:
            raise AccessError(reason, code="vault-login")
        lease = self._login.log_in(credential, self._send)
        if isinstance(lease, Refusal):
            reason = f"Vault at {self.url} refused {lease.reason}"
            self._own.refuse(credential, reason)
            raise AccessError(reason, code="vault-login")
        self._own.take(lease)
        return lease.token

    def _renew(self, lease: Lease) -> Secret:
        """Renewed where Vault does that in full; otherwise log in again, while there is time."""
        renewed = self._renewed(lease)
        if renewed is None:
            return self._log_in()
        self._own.take(renewed)
        return renewed.token

    def _renewed(self, lease: Lease) -> Lease | None:
        """None: not, or not in full.

        Where its longest life ends, a token is renewed in part (a warning) or not at all (403,
        500)."""
        try:
            answer = self._send("post", "auth/token/renew-self", {}, token=lease.token)
        except Outage:  # of the token, or of Vault: the login that follows says which
            return None
        # The warning says that less was granted than asked for.
        if answer.status != 200 or not answer.auth or answer.body.get("warnings"):
            return None
        return Lease.of(lease.token, answer.auth, "lease_duration")

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        token: Secret | None = None,
    ) -> Answer:
        """One request. Outage or AccessError: it was not answered, or by a Vault that is away."""
        options: dict[str, Any] = {"headers": dict(headers or {})}
        if token is not None:
            options["headers"]["X-Vault-Token"] = token.reveal()
        if body is not None:
            options["json"] = body
        response = self._response(method, path, options)
        self._observe(_operation(method, path), response.status_code)
        return self._classified(response)

    def _response(self, method: str, path: str, options: Mapping[str, Any]) -> requests.Response:
        """Call the library, and nothing else. Its own exceptions for 4xx and 5xx are off."""
        ask = self._http.request
        try:
            response: requests.Response = ask(
                method, f"/v1/{path}", raise_exception=False, **options
            )
            return response
        except OSError as error:  # requests' own are among them
            trouble = self._trouble(error)
        # Out here the foreign exception is let go: its text, or its request, may hold a secret.
        self._observe(_operation(method, path), None)
        raise trouble

    def _classified(self, response: requests.Response) -> Answer:
        """The answer, unless it says that Vault is away: by the number, never by foreign words."""
        status = response.status_code
        # A rate limit quota of Vault's, or of a proxy before it.
        if status == 429:
            raise Outage(
                f"Vault at {self.url} asked to slow down (429)",
                code="vault-quota",
                retry_after=_seconds(response.headers.get("Retry-After", "")),
            )
        if status == 503:
            raise self._away(status, "vault-sealed")
        if status in AWAY or status >= 500:
            raise self._away(status, "vault-away")
        answer = Answer(status, mapping(_json(response)))
        if status == 400 and answer.says(OPENING):
            raise Outage(f"Vault at {self.url} is still opening the mount", code="vault-away")
        return answer

    def _away(self, status: int, code: str) -> Outage:
        why = AWAY.get(status, "an error of the server")
        return Outage(f"Vault at {self.url} is away: {status}, {why}", code=code)

    def _trouble(self, error: OSError) -> AccessError | Outage:
        """What kept a request from being answered."""
        if isinstance(error, requests.exceptions.InvalidSchema | requests.exceptions.InvalidURL):
            return AccessError(
                f"vault.address: got {self.url}, which is no address", code="vault-address"
            )
        if self._is_about_certificates(error):
            expected = self._address.ca_file or "the system's authorities"
            return AccessError(
                f"Vault at {self.url}: its certificate is not one of {expected}, or not for this"
                " host name",
                code="vault-certificate",
            )
        kind = type(error).__name__
        return Outage(f"Vault at {self.url} was not reached ({kind})", code="vault-unreachable")

    def _is_about_certificates(self, error: OSError) -> bool:
        """Theirs is not trusted, or our file of authorities is not there."""
        # OpenSSL names the certificate in its text alone; there is no type for it here.
        if isinstance(error, requests.exceptions.SSLError):
            return "certificate" in str(error).lower()
        # requests says OSError for a file that is missing.
        return self._address.ca_file is not None and not Path(self._address.ca_file).is_file()


class OwnToken:
    """The state of our login: the token, its life, and what Vault last refused."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """`monotonic`: seconds, never set back."""
        self._monotonic = monotonic
        self._since = 0.0
        self._refused: _Refused | None = None
        self.lease: Lease | None = None
        """None: there is no token yet."""

    def take(self, lease: Lease) -> None:
        """From now on it is this one."""
        self.lease = lease
        self._since = self._monotonic()

    @property
    def is_due(self) -> bool:
        """Whether it is to be renewed: two thirds of its life are over."""
        if self.lease is None or not self.lease.renewable or not self.lease.seconds:
            return False
        return self._monotonic() >= self._since + self.lease.seconds * 2 / 3

    @property
    def seconds_left(self) -> float | None:
        """Until it ends; None: there is none, or it never does."""
        if self.lease is None or not self.lease.seconds:
            return None
        return self._since + self.lease.seconds - self._monotonic()

    def refuse(self, credential: Secret, reason: str) -> None:
        """Vault does not accept this credential."""
        self._refused = _Refused(credential, reason, self._monotonic())

    def refusal_of(self, credential: Secret) -> str | None:
        """Why it was refused, if this very one was, within the last `REFUSAL_PAUSE` seconds."""
        refused = self._refused
        if refused is None or refused.credential != credential:
            return None
        if self._monotonic() - refused.at >= REFUSAL_PAUSE:
            return None
        return refused.reason


@dataclass(frozen=True, slots=True)
class _Refused:
    """The last refusal."""

    credential: Secret
    reason: str
    at: float
    """Seconds, by the same clock."""


def _adapter(address: Address) -> RawAdapter:
    """hvac's own client would read tokens, proxies and addresses from the surroundings."""
    session = requests.Session()
    session.trust_env = False  # a .netrc or a proxy of the environment is not for Vault
    session.verify = address.ca_file or _system_authorities()
    return RawAdapter(
        base_uri=address.url,
        token="",  # each request brings its own: a login must not change what other threads send
        namespace=address.namespace,
        session=session,
        timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
        allow_redirects=False,
    )


def _system_authorities() -> str | bool:
    """The system's, where it has a file of them (requests would take certifi's)."""
    file = ssl.get_default_verify_paths().cafile
    if file and Path(file).is_file():
        return file
    return True


def _operation(method: str, path: str) -> str:
    """What a request is for, in a word."""
    if path.startswith("auth/"):
        return path.rpartition("/")[2]
    if method == "get":
        return "read"
    return "write"


def _seconds(retry_after: str) -> float | None:
    """Retry-After in seconds; its other form, a date, is not understood."""
    if not retry_after.isdecimal():
        return None
    return float(retry_after)


def _json(response: requests.Response) -> object:
    """The body; None where it is none, or no JSON, or nested past all sense."""
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None
