"""HTTP to Vault through hvac's adapter: logged in, renewed, and every answer classified by its number.

hvac's own exceptions carry no status code, and their text holds URL and body; so the plain responses are used and no foreign
text goes further than here. Redirects are not followed: they would take the Vault token to whatever host they name.
"""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests
from hvac.adapters import RawAdapter

from token_catcher.errors import AccessError, Outage
from token_catcher.model import Secret

CONNECT_TIMEOUT: Final = 3.0
READ_TIMEOUT: Final = 10.0
"""Seconds."""
REFUSAL_PAUSE: Final = 300.0
"""Seconds before a refused secret_id is tried again: Vault locks a role out after five refusals in a quarter of an hour."""
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
"""Answers after which everything else will fail as well, for a while; so will it after any other of 500 and above."""

OPENING: Final = "Upgrading from non-versioned to versioned data"
"""What a KV mount says, with 400, for a moment after it was made or Vault was unsealed."""

_SENDABLE: Final = re.compile(r"[!-~]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """Where Vault is."""

    url: str
    namespace: str | None = None
    ca_file: str | None = None
    """None: the system's certificate authorities."""


@dataclass(frozen=True, slots=True)
class TokenAuth:
    """A token that somebody else keeps (Vault Agent, an operator); read anew when the old one is refused."""

    token: Callable[[], Secret]


@dataclass(frozen=True, slots=True)
class AppRoleAuth:
    """A role of our own."""

    role_id: str
    secret_id: Callable[[], Secret]
    mount: str = "approle"


@dataclass(frozen=True, slots=True)
class Answer:
    """What Vault said."""

    status: int
    body: Mapping[str, Any] = field(repr=False)

    @property
    def data(self) -> Mapping[str, Any]:
        """The `data` of the body, {} where there is none."""
        data = self.body.get("data")
        return data if isinstance(data, Mapping) else {}

    def says(self, words: str) -> bool:
        """Whether one of the errors holds these words."""
        errors = self.body.get("errors")
        return isinstance(errors, list) and any(words in str(error) for error in errors)


class Client:
    """One logged-in client. Thread-safe."""

    def __init__(
        self,
        address: Address,
        auth: TokenAuth | AppRoleAuth,
        *,
        monotonic: Callable[[], float],
        observe: Callable[[str, int | None], None] = lambda _operation, _status: None,
    ) -> None:
        """`observe` is told of each request: read, write, login, renew-self or lookup-self; and the status, if there is one."""
        self._address = address
        self._observe = observe
        self._auth = auth
        self._monotonic = monotonic
        self._lock = threading.RLock()
        self._token = ""
        self._refused: tuple[float, Secret, str] | None = None
        self._renew_at: float | None = None
        self._ends_at: float | None = None
        session = requests.Session()
        session.trust_env = False  # a .netrc or a proxy of the environment is not for Vault
        session.verify = address.ca_file or _system_authorities()
        self._http = RawAdapter(
            base_uri=address.url,
            token="",  # each request brings its own: a login in one thread must not change what another one sends
            namespace=address.namespace,
            session=session,
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
            allow_redirects=False,
        )

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

        Returns what is the caller's to understand: 2xx, 400, 403, 404, 405. Outage: Vault is away. AccessError: login."""
        token = self._ready()
        answer = self._send(method, path, body, headers, token=token)
        if answer.status == 403 and self._died(token):
            token = self._login_again(token)
            answer = self._send(method, path, body, headers, token=token)
            if answer.status == 403 and self._died(token):
                raise AccessError(
                    f"Vault at {self.url} refuses our token (got 403, by lookup-self as well): it expired, was revoked, or"
                    " has no rights at all",
                    code="vault-login",
                )
        return answer

    def keep_alive(self) -> None:
        """Have a token, and renew it in time; for who asks seldom. Raises what `request` raises."""
        self._ready()

    @property
    def seconds_left(self) -> float | None:
        """Until our token expires; None: there is none, or it never does."""
        return None if self._ends_at is None else self._ends_at - self._monotonic()

    def close(self) -> None:
        """Free the connections."""
        self._http.close()

    def _ready(self) -> str:
        """Have a token, renewed at two thirds of its life."""
        with self._lock:
            if not self._token:
                self._login()
            elif self._renew_at is not None and self._monotonic() >= self._renew_at:
                self._renew()
            return self._token

    def _died(self, token: str) -> bool:
        """All refusals of 403 read alike: only asking after the token itself tells a dead one from a policy."""
        return self._send("get", "auth/token/lookup-self", token=token).status == 403

    def _login_again(self, refused: str) -> str:
        """A new token, unless another thread has it already."""
        with self._lock:
            if self._token == refused:
                self._login()
            return self._token

    def _login(self) -> None:
        if isinstance(self._auth, TokenAuth):
            self._token = self._given(self._auth)
            self._lives(self._send("get", "auth/token/lookup-self", token=self._token).data, "ttl")
            return
        secret = self._auth.secret_id()
        if (
            self._refused
            and self._refused[1] == secret
            and self._monotonic() - self._refused[0] < REFUSAL_PAUSE
        ):
            raise AccessError(self._refused[2], code="vault-login")
        body = {"role_id": self._auth.role_id, "secret_id": secret.reveal()}
        answer = self._send("post", f"auth/{self._auth.mount}/login", body)
        auth = answer.body.get("auth")
        if answer.status != 200 or not isinstance(auth, Mapping):
            refusal = (
                f"Vault at {self.url} refused the AppRole login (got {answer.status}, expected 200): role_id or secret_id"
                " is wrong, expired or used up"
            )
            self._refused = (self._monotonic(), secret, refusal)
            raise AccessError(refusal, code="vault-login")
        self._token = str(auth.get("client_token", ""))
        self._lives(auth, "lease_duration")

    def _given(self, auth: TokenAuth) -> str:
        """The token, if it can be sent at all: requests would show a header that it refuses."""
        token = auth.token().reveal()
        if not _SENDABLE.fullmatch(token):
            raise AccessError(
                "vault.auth.token: got no token, expected one line of printable ASCII",
                code="vault-login",
            )
        return token

    def _renew(self) -> None:
        """Where its longest life ends, a token is renewed in part (a warning) or not at all (403, 500): log in again."""
        with suppress(Outage):  # if it was not the token but Vault, the login says so
            answer = self._send("post", "auth/token/renew-self", {}, token=self._token)
            auth = answer.body.get("auth")
            if (
                answer.status == 200
                and isinstance(auth, Mapping)
                and not answer.body.get("warnings")
            ):
                self._lives(auth, "lease_duration")
                return
        self._login()

    def _lives(self, auth: Mapping[str, Any], name: str) -> None:
        seconds = auth.get(name)
        lives = isinstance(seconds, int) and seconds > 0 and bool(auth.get("renewable"))
        self._renew_at = self._monotonic() + seconds * 2 / 3 if lives and seconds else None
        self._ends_at = (
            self._monotonic() + seconds if isinstance(seconds, int) and seconds > 0 else None
        )

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        token: str = "",
    ) -> Answer:
        """One request. A foreign exception is let go before ours is raised: its text, or its request, may hold a secret."""
        sent = {**(headers or {}), **({"X-Vault-Token": token} if token else {})}
        options: dict[str, Any] = {} if body is None else {"json": body}
        try:
            response = self._http.request(
                method, f"/v1/{path}", headers=sent, raise_exception=False, **options
            )
        except OSError as error:  # requests' own are among them
            self._observe(_operation(method, path), None)
            trouble = self._trouble(error)
        else:
            self._observe(_operation(method, path), response.status_code)
            return self._classified(response)
        raise trouble

    def _classified(self, response: requests.Response) -> Answer:
        status = response.status_code
        if status == 429:
            after = response.headers.get("Retry-After", "")
            seconds = float(after) if after.isdecimal() else None
            raise Outage(
                f"Vault at {self.url} asked to slow down (429)",
                code="vault-quota",
                retry_after=seconds,
            )
        if status in AWAY or status >= 500:
            code = "vault-sealed" if status == 503 else "vault-away"
            raise Outage(
                f"Vault at {self.url} is away: {status}, {AWAY.get(status, 'an error of the server')}",
                code=code,
            )
        try:
            body = response.json() if response.content else {}
        except ValueError:
            body = {}
        answer = Answer(status, body if isinstance(body, Mapping) else {})
        if status == 400 and answer.says(OPENING):
            raise Outage(f"Vault at {self.url} is still opening the mount", code="vault-away")
        return answer

    def _trouble(self, error: OSError) -> AccessError | Outage:
        """What kept a request from being answered."""
        kind = type(error).__name__
        if isinstance(error, requests.exceptions.InvalidSchema | requests.exceptions.InvalidURL):
            return AccessError(
                f"vault.address: got {self.url}, which is no address", code="vault-address"
            )
        if self._is_about_certificates(error):
            expected = self._address.ca_file or "the system's authorities"
            return AccessError(
                f"Vault at {self.url}: its certificate is not one of {expected}, or not for this host name",
                code="vault-certificate",
            )
        return Outage(f"Vault at {self.url} was not reached ({kind})", code="vault-unreachable")

    def _is_about_certificates(self, error: OSError) -> bool:
        """Theirs is not trusted, or our file of authorities is not there."""
        if isinstance(error, requests.exceptions.SSLError):
            return "certificate" in str(error).lower()
        return self._address.ca_file is not None and not Path(self._address.ca_file).is_file()


def _operation(method: str, path: str) -> str:
    """What a request is for, in a word."""
    if path.startswith("auth/"):
        return path.rpartition("/")[2]
    return "read" if method == "get" else "write"


def _system_authorities() -> str | bool:
    """The system's, where it has a file of them (requests would take certifi's)."""
    file = ssl.get_default_verify_paths().cafile
    return file if file and Path(file).is_file() else True
