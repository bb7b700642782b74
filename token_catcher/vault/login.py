"""Ways to get a token of Vault's: each is one small class behind `Login`.

A way decides what is shown to Vault; `refusal` knows what Vault's answer to it means. `client`
decides when: it keeps the token, renews it, and leaves what was refused alone for a while.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

from token_catcher.errors import AccessError, Outage, TokenCatcherError
from token_catcher.model import Secret
from token_catcher.tls import ClientCertificate
from token_catcher.vault import refusal
from token_catcher.vault.answer import Answer
from token_catcher.vault.lease import Lease
from token_catcher.vault.refusal import Method, Refusal, refusal_of

# What a header can carry, and a token consists of.
_SENDABLE: Final = re.compile(r"[!-~]+", re.ASCII)
# What Vault makes secret_ids of, and tokens only before 2018.
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TOKEN: Final = re.compile(r"(s|b|hvs|hvb)\.[A-Za-z0-9_-]{20,}")


class Vault(Protocol):
    """Vault as a login sees it: asked in the namespace of the login, with a token or none."""

    @property
    def namespace(self) -> str | None:
        """Of the login; None: the one above all, or an Agent chooses it."""

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: Secret | None = None,
    ) -> Answer:
        """The answer, whoever gives it. Outage or AccessError: there was none."""

    def trouble_of(self, answer: Answer) -> TokenCatcherError | None:
        """What it says of Vault as a whole; None: it is Vault's answer to what was asked."""


class Login(Protocol):
    """One way to get a token."""

    method_name: ClassVar[str]
    """For messages."""
    refused: ClassVar[str]
    """The code of an error where Vault does not accept the token that it gave."""

    @property
    def namespace(self) -> str | None:
        """Where the login lives; None: where the secrets do."""

    def credential(self) -> Secret:
        """What is shown to Vault, read anew. AccessError: it cannot be what it should be."""

    def log_in(self, credential: Secret, vault: Vault) -> Lease | Refusal:
        """Show it, with as many requests as that takes. Outage: Vault is away.

        AccessError: nothing was refused, and all the same there is no login."""


def log_in_by(method: Method, vault: Vault, path: str, body: Mapping[str, Any]) -> Lease | Refusal:
    """The one request of most methods. Outage: Vault is away, or it was not Vault that answered.

    AccessError: what is there is no login of this method."""
    answer = vault.ask("post", path, body)
    refused = refusal_of(answer, method, path)
    if refused is not None:
        return refused
    raise_trouble(vault, answer)
    if answer.status == 200:
        return _granted(answer, path)
    raise AccessError(
        f"vault.auth.mount: got {answer.status} from {path}, expected Vault's {method.name} login",
        code="vault-login-mount",
    )


def raise_trouble(vault: Vault, answer: Answer) -> None:
    """Outage or AccessError, where the answer tells of Vault and not of what was asked."""
    trouble = vault.trouble_of(answer)
    if trouble is not None:
        raise trouble


def _granted(answer: Answer, path: str) -> Lease:
    """The token of a login. Outage: there is none that could be sent in a header, so this is not
    Vault's answer to a login."""
    text = answer.auth.get("client_token")
    if not isinstance(text, str):
        raise Outage(
            f"Vault's answer to {path} holds no token (got {answer.form}, expected auth with a"
            " client_token)",
            code="vault-foreign",
        )
    token = Secret(text)
    fault = fault_of_token(token)
    if fault is not None:
        raise Outage(
            f"Vault's answer to {path} holds a client_token that cannot be sent (got {fault},"
            " expected the token alone)",
            code="vault-foreign",
        )
    return Lease.of(token, answer.auth, "lease_duration")


_MIXED_UP: Final = (
    "it has the form of a token of Vault's, and a wrapping token belongs under"
    " vault.auth.wrapped_secret_id"
)


@dataclass(frozen=True, slots=True)
class AppRoleLogin:
    """With a role of our own."""

    method_name: ClassVar[str] = "AppRole"
    refused: ClassVar[str] = "vault-login"
    role_id: str
    secret_id: Callable[[], Secret]
    mount: str = "approle"
    namespace: str | None = None

    def credential(self) -> Secret:
        """The secret_id."""
        return self.secret_id()

    def log_in(self, credential: Secret, vault: Vault) -> Lease | Refusal:
        """One request."""
        secret_id = credential.reveal()
        body = {"role_id": self.role_id, "secret_id": secret_id}
        lease = log_in_by(refusal.APPROLE, vault, f"auth/{self.mount}/login", body)
        is_token = _TOKEN.fullmatch(secret_id) is not None
        if is_token and isinstance(lease, Refusal) and lease.code == self.refused:
            # A secret_id that somebody chose himself may look so, and then it is not refused.
            return replace(lease, reason=f"{lease.reason}; {_MIXED_UP}")
        return lease


@dataclass(frozen=True, slots=True)
class JwtLogin:
    """With a JWT that somebody else issues and renews: a cloud, SPIFFE, a CI system."""

    method_name: ClassVar[str] = "JWT"
    refused: ClassVar[str] = "vault-login-rights"
    role: str
    jwt: Callable[[], Secret]
    mount: str = "jwt"
    namespace: str | None = None
    method: ClassVar[Method] = refusal.JWT

    def credential(self) -> Secret:
        """The JWT: its file is rewritten, by the kubelet for one, long before it expires."""
        return self.jwt()

    def log_in(self, credential: Secret, vault: Vault) -> Lease | Refusal:
        """One request."""
        body = {"role": self.role, "jwt": credential.reveal()}
        return log_in_by(self.method, vault, f"auth/{self.mount}/login", body)


@dataclass(frozen=True, slots=True)
class KubernetesLogin(JwtLogin):
    """With the JWT of a service account, which Vault has the cluster review."""

    method_name: ClassVar[str] = "Kubernetes"
    mount: str = "kubernetes"
    method: ClassVar[Method] = refusal.KUBERNETES


@dataclass(frozen=True, slots=True)
class CertLogin:
    """With the certificate that TLS shows in any case."""

    method_name: ClassVar[str] = "certificate"
    refused: ClassVar[str] = "vault-login-rights"
    certificate: ClientCertificate
    name: str | None = None
    """The role; None: any that fits."""
    mount: str = "cert"
    namespace: str | None = None

    def credential(self) -> Secret:
        """What tells this certificate from the next one; the connection shows it itself."""
        try:
            content = Path(self.certificate.file).read_bytes()
        except OSError:
            content = b""  # what is missing is told by who makes the connection
        return Secret(hashlib.sha256(content).hexdigest())

    def log_in(
        self,
        credential: Secret,  # noqa: ARG002 - the connection shows it
        vault: Vault,
    ) -> Lease | Refusal:
        """One request, whose body names the role at most."""
        body = {}
        if self.name is not None:
            body["name"] = self.name
        return log_in_by(refusal.CERT, vault, f"auth/{self.mount}/login", body)


@dataclass(frozen=True, slots=True)
class UserpassLogin:
    """With a name and a password."""

    method_name: ClassVar[str] = "userpass"
    refused: ClassVar[str] = "vault-login-rights"
    username: str
    """One plain segment of a path."""
    password: Callable[[], Secret]
    mount: str = "userpass"
    namespace: str | None = None

    def credential(self) -> Secret:
        """The password."""
        return self.password()

    def log_in(self, credential: Secret, vault: Vault) -> Lease | Refusal:
        """One request."""
        path = f"auth/{self.mount}/login/{self.username}"
        return log_in_by(refusal.USERPASS, vault, path, {"password": credential.reveal()})


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """With a token that somebody else keeps (Vault Agent, an operator)."""

    method_name: ClassVar[str] = "token"
    refused: ClassVar[str] = "vault-login-token"
    token: Callable[[], Secret]
    namespace: str | None = None

    def credential(self) -> Secret:
        """The token, if it can be sent at all: requests would show a header that it refuses."""
        return sendable(self.token(), "vault.auth.token", self.refused)

    def log_in(self, credential: Secret, vault: Vault) -> Lease:
        """Ask how long it lives. A token without Vault's default policy may not: never mind."""
        answer = vault.ask("get", "auth/token/lookup-self", token=credential)
        raise_trouble(vault, answer)
        return Lease.of(credential, answer.data, "ttl")


@dataclass(frozen=True, slots=True)
class NoLogin:
    """None: a Vault Agent or Proxy adds its own token to what has none."""

    method_name: ClassVar[str] = "none"
    refused: ClassVar[str] = "vault-login-none"
    namespace: ClassVar[None] = None

    def credential(self) -> Secret:
        """Nothing is shown."""
        return Secret("")

    def log_in(
        self,
        credential: Secret,  # noqa: ARG002 - there is none
        vault: Vault,  # noqa: ARG002 - which is not asked
    ) -> Lease:
        """No request: what the Agent's token may do shows when it is used."""
        return Lease(None, seconds=0, renewable=False)


def sendable(token: Secret, key: str, code: str, *, wraps: bool = False) -> Secret:
    """The token, as it can be sent in a header.

    `key`: of the configuration, for the message. `wraps`: it should be a wrapping token.
    AccessError: it has another form."""
    fault = fault_of_token(token, wraps=wraps)
    if fault is not None:
        raise AccessError(
            f"{key}: got {fault}, expected the token alone on one line",
            code=code,
        )
    return token


def fault_of_token(token: Secret, *, wraps: bool = False) -> str | None:
    """What is wrong with the form of a token, in words that do not show it; None: nothing.

    `wraps`: it should be a wrapping token."""
    text = token.reveal()
    if not text:
        return "nothing"
    if text.startswith(("{", "[")):
        return "JSON (a sink of Vault Agent with wrap_ttl, or an answer of Vault's, has that form)"
    if text.startswith(('"', "'")):
        return "quotes around it"
    if not _SENDABLE.fullmatch(text):
        return "a blank, a second line, or a character that is not ASCII"
    if wraps and _UUID.fullmatch(text):
        return "a UUID, as a secret_id is that was not wrapped (no WRAP_TTL when it was made)"
    return None
