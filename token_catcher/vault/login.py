"""Ways to get a token of Vault's: each is one small class behind `Login`.

A way decides what is shown to Vault and how its answer is read. `client` decides when: it keeps the
token, renews it, and leaves what was refused alone for a while.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from token_catcher.errors import AccessError
from token_catcher.model import Secret
from token_catcher.vault.answer import Answer

# What a header can carry, and a token consists of.
_SENDABLE: Final = re.compile(r"[!-~]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Lease:
    """A token, and for how long it is ours."""

    token: Secret
    seconds: int
    """0: it never ends, or Vault does not say."""
    renewable: bool

    @classmethod
    def of(cls, token: Secret, about: Mapping[str, Any], lifetime: str) -> Lease:
        """By what Vault says about it. `lifetime`: the field that holds the seconds."""
        seconds = about.get(lifetime)
        if not isinstance(seconds, int) or seconds < 0:
            seconds = 0
        return cls(token, seconds, bool(about.get("renewable")))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Vault does not accept what it was shown."""

    reason: str
    """What was refused, what came back, and what may be wrong: `the … login (got …): …`."""


class Send(Protocol):
    """Sends one request, with this token or with none. Outage: Vault is away."""

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

    def credential(self) -> Secret:
        """What is shown to Vault, read anew. AccessError: it cannot be what it should be."""

    def log_in(self, credential: Secret, send: Send) -> Lease | Refusal:
        """Show it, with as many requests as that takes."""


@dataclass(frozen=True, slots=True)
class AppRoleLogin:
    """With a role of our own."""

    role_id: str
    secret_id: Callable[[], Secret]
    mount: str = "approle"

    def credential(self) -> Secret:
        """The secret_id."""
        return self.secret_id()

    def log_in(self, credential: Secret, send: Send) -> Lease | Refusal:
        """One request; Vault answers 400 for a wrong role_id and a wrong secret_id alike."""
        body = {"role_id": self.role_id, "secret_id": credential.reveal()}
        answer = send("post", f"auth/{self.mount}/login", body)
        token = answer.auth.get("client_token")
        if answer.status != 200 or not isinstance(token, str):
            return Refusal(
                f"the AppRole login (got {answer.status}, expected 200): role_id or secret_id is"
                " wrong, expired or used up"
            )
        return Lease.of(Secret(token), answer.auth, "lease_duration")


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """With a token that somebody else keeps (Vault Agent, an operator)."""

    token: Callable[[], Secret]

    def credential(self) -> Secret:
        """The token, if it can be sent at all: requests would show a header that it refuses."""
        token = self.token()
        if not _SENDABLE.fullmatch(token.reveal()):
            raise AccessError(
                "vault.auth.token: got no token, expected one line of printable ASCII",
                code="vault-login",
            )
        return token

    def log_in(self, credential: Secret, send: Send) -> Lease:
        """Ask how long it lives. A token without Vault's default policy may not: never mind."""
        answer = send("get", "auth/token/lookup-self", token=credential)
        return Lease.of(credential, answer.data, "ttl")
