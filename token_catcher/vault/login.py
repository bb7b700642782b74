"""Ways to get a token of Vault's: each is one small class behind `Login`.

A way decides what is shown to Vault and how its answer is read. `client` decides when: it keeps the
token, renews it, and leaves what was refused alone for a while.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

from token_catcher.errors import AccessError, Outage
from token_catcher.model import Secret
from token_catcher.vault.answer import Answer
from token_catcher.vault.lease import Lease

# What a header can carry, and a token consists of.
_SENDABLE: Final = re.compile(r"[!-~]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Vault does not accept what it was shown."""

    reason: str
    """What was refused, what came back, and what may be wrong: `the … login (got …): …`."""
    code: str
    """The cause, as an error's code."""


class Send(Protocol):
    """Sends one request, with this token or with none.

    Outage: Vault is away, or it was not Vault that answered."""

    def __call__(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: Secret | None = None,
    ) -> Answer: ...


class Login(Protocol):
    """One way to get a token."""

    refused: ClassVar[str]
    """The code of an error where Vault does not accept the token that it gave."""

    def credential(self) -> Secret:
        """What is shown to Vault, read anew. AccessError: it cannot be what it should be."""

    def log_in(self, credential: Secret, send: Send) -> Lease | Refusal:
        """Show it, with as many requests as that takes. Raises what `send` raises.

        AccessError: nothing was refused, and all the same there is no login."""


@dataclass(frozen=True, slots=True)
class AppRoleLogin:
    """With a role of our own."""

    refused: ClassVar[str] = "vault-login"
    role_id: str
    secret_id: Callable[[], Secret]
    mount: str = "approle"

    def credential(self) -> Secret:
        """The secret_id."""
        return self.secret_id()

    def log_in(self, credential: Secret, send: Send) -> Lease | Refusal:
        """One request."""
        path = f"auth/{self.mount}/login"
        body = {"role_id": self.role_id, "secret_id": credential.reveal()}
        answer = send("post", path, body)
        if answer.status == 200:
            return _granted(answer, path)
        if answer.status in (400, 403):
            return _refused(answer, path)
        raise AccessError(
            f"vault.auth.mount: got {answer.status} from {path}, expected Vault's AppRole login",
            code="vault-login-mount",
        )


def _granted(answer: Answer, path: str) -> Lease:
    """The token of a login. Outage: there is none, so this is not Vault's answer to a login."""
    token = answer.auth.get("client_token")
    if not isinstance(token, str):
        raise Outage(
            f"Vault's answer to {path} holds no token (got {answer.form}, expected auth with a"
            " client_token)",
            code="vault-foreign",
        )
    return Lease.of(Secret(token), answer.auth, "lease_duration")


def _refused(answer: Answer, path: str) -> Refusal:
    """What Vault does not accept, as far as it tells."""
    login = f"the AppRole login at {path} (got {answer.status}, expected 200)"
    if answer.says("CIDR"):
        return Refusal(
            f"{login}: the role or the secret_id is bound to other addresses than ours",
            "vault-login-cidr",
        )
    # Without a token Vault says the same of a mount that is not there, and of a role that is
    # locked out; HCP says it of everything outside of the namespace `admin`.
    if answer.status == 403:
        return Refusal(
            f"{login}: there is no such mount in this namespace, or the role is locked out for a"
            " quarter of an hour, after five wrong secret_ids",
            "vault-login-denied",
        )
    # Older ones than OpenBao 2 and Vault 1.15 say which of the two it is.
    if answer.says("role") and not answer.says("secret"):
        return Refusal(f"{login}: there is no role with this role_id", "vault-login-role")
    return Refusal(f"{login}: role_id or secret_id is wrong, expired or used up", "vault-login")


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """With a token that somebody else keeps (Vault Agent, an operator)."""

    refused: ClassVar[str] = "vault-login-token"
    token: Callable[[], Secret]

    def credential(self) -> Secret:
        """The token, if it can be sent at all: requests would show a header that it refuses."""
        token = self.token()
        fault = _fault(token.reveal())
        if fault is not None:
            raise AccessError(
                f"vault.auth.token: got {fault}, expected the token alone on one line",
                code=self.refused,
            )
        return token

    def log_in(self, credential: Secret, send: Send) -> Lease:
        """Ask how long it lives. A token without Vault's default policy may not: never mind."""
        answer = send("get", "auth/token/lookup-self", token=credential)
        return Lease.of(credential, answer.data, "ttl")


def _fault(text: str) -> str | None:
    """What is wrong with the form of a token, in words that do not show it; None: nothing."""
    if not text:
        return "nothing"
    if text.startswith(("{", "[")):
        return "JSON (a sink of Vault Agent with wrap_ttl, or an answer of Vault's, has that form)"
    if text.startswith(('"', "'")):
        return "quotes around it"
    if not _SENDABLE.fullmatch(text):
        return "a blank, a second line, or a character that is not ASCII"
    return None
