"""AppRole with a secret_id that comes wrapped: good once, so that a theft shows.

Whoever makes the secret_id hands over a wrapping token in its place; Vault gives the secret_id to
the first who shows that token, and to nobody else. So a token that is used up is an alarm, and what
a token wraps is asked before it is unwrapped: whoever took ours could have put another one there,
and we would log in with a secret of theirs (developer.hashicorp.com, "response wrapping").

Vault tells the path that a wrapped answer came from, with the name of the role, which no
configuration holds: any role of the mount is taken here, and the login proves that it is ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

from token_catcher import signals
from token_catcher.errors import AccessError
from token_catcher.in_flight import InFlight
from token_catcher.model import Secret, masked, printable
from token_catcher.vault.answer import Answer, not_vaults
from token_catcher.vault.kept import KeptSecretId
from token_catcher.vault.lease import Lease
from token_catcher.vault.login import AppRoleLogin, Vault, raise_trouble, sendable
from token_catcher.vault.refusal import Refusal

KEY: Final = "vault.auth.wrapped_secret_id"
LOOKUP: Final = "sys/wrapping/lookup"
UNWRAP: Final = "sys/wrapping/unwrap"
LONGEST: Final = 200
"""Characters of a foreign path that are shown."""


def unwrappings() -> InFlight:
    """Those of one process, which its end waits for."""
    return InFlight("no wrapping token is unwrapped any more", "vault-ending")


@dataclass(frozen=True, slots=True)
class WrappedAppRoleLogin:
    """With a role of our own, whose secret_id is unwrapped once and kept."""

    method_name: ClassVar[str] = "AppRole"
    refused: ClassVar[str] = "vault-login"
    role_id: str
    wrapping_token: Callable[[], Secret]
    kept: KeptSecretId
    mount: str = "approle"
    namespace: str | None = None
    in_flight: InFlight = field(default_factory=unwrappings)
    """Vault gives a secret_id out once: whoever ends the process waits for it to be on disk."""

    def credential(self) -> Secret:
        """The wrapping token: as long as its file holds it, what it wrapped is used."""
        return sendable(self.wrapping_token(), KEY, "vault-login-wrapping", wraps=True)

    def would_unwrap(self) -> bool:
        """Whether a login now unwraps the token, which nobody can do once more.

        StateError: what is kept cannot be read. AccessError: there is no token."""
        unwrapping = self.kept.of(self.credential())
        return unwrapping is None or unwrapping.secret_id is None

    def objection(self, credential: Secret, vault: Vault) -> Refusal | None:
        """Why a login would not unwrap this token; None: it would. One request, which uses
        nothing up.

        StateError: what is kept cannot be read. Outage or AccessError: Vault does not tell."""
        return self._objection_to(credential, vault, is_first=self.kept.of(credential) is None)

    def log_in(self, credential: Secret, vault: Vault) -> Lease | Refusal:
        """One request, after those that unwrap a new token.

        StateError: what is kept cannot be read or written. Outage: the process ends. Nothing is
        unwrapped then."""
        with self.kept.locked():
            unwrapping = self.kept.of(credential)
            if unwrapping is not None and unwrapping.secret_id is not None:
                return self._log_in(unwrapping.secret_id, vault)
            secret_id = self._unwrapped(credential, vault, is_first=unwrapping is None)
        if isinstance(secret_id, Refusal):
            return secret_id
        return self._log_in(secret_id, vault)

    def _log_in(self, secret_id: Secret, vault: Vault) -> Lease | Refusal:
        approle = AppRoleLogin(self.role_id, lambda: secret_id, self.mount, self.namespace)
        lease = approle.log_in(secret_id, vault)
        if isinstance(lease, Refusal):
            return replace(
                lease, reason=f"{lease.reason} (unwrapped, and kept in {self.kept.path})"
            )
        return lease

    def _unwrapped(self, token: Secret, vault: Vault, *, is_first: bool) -> Secret | Refusal:
        """What it wraps, once that is surely a secret_id of ours, and on disk."""
        refusal = self._objection_to(token, vault, is_first=is_first)
        if refusal is not None:
            return refusal
        # A signal interrupts the main thread, and the end of the process all others.
        with self.in_flight.running(self.kept.path), signals.postponed():
            return self._used(token, vault, is_first=is_first)

    def _used(self, token: Secret, vault: Vault, *, is_first: bool) -> Secret | Refusal:
        """Unwrap it, and keep what was in it."""
        # From here on a crash may lose the secret_id; then the next start knows who used the token.
        self.kept.begin(token)
        # As the client's own token, and not in the body as well: so Vault's audit log has it once.
        answer = vault.ask("post", UNWRAP, token=token)
        if _is_used_up(answer):
            return _used_up(answer, UNWRAP, is_first=is_first)
        raise_trouble(vault, answer)
        secret_id = answer.data.get("secret_id")
        if not isinstance(secret_id, str):
            raise not_vaults(answer, answer.where)
        unwrapped = Secret(secret_id)
        self.kept.keep(token, unwrapped)
        return unwrapped

    def _objection_to(self, token: Secret, vault: Vault, *, is_first: bool) -> Refusal | None:
        """Why we do not unwrap this token; None: it wraps a secret_id of a role of this mount."""
        answer = vault.ask("post", LOOKUP, {"token": token.reveal()})
        if _is_used_up(answer):
            return _used_up(answer, LOOKUP, is_first=is_first)
        raise_trouble(vault, answer)
        if answer.status != 200:
            raise AccessError(
                f"{answer.where} denies {LOOKUP} (got {answer.status}, expected 200): it lies in"
                " another namespace, or a proxy lets nobody ask there",
                code="vault-login-denied-mount",
            )
        path = str(answer.data.get("creation_path", ""))
        if self._is_ours(path, vault.namespace):
            return None
        shown = printable(masked(path[:LONGEST]))
        return Refusal(
            f"{KEY}: got a token that wraps an answer of {shown!r}, expected one of"
            f" auth/{self.mount}/role/…/secret-id; it was not unwrapped",
            "vault-login-wrapping-path",
            alarm="vault.wrapping_token_foreign",
        )

    def _is_ours(self, path: str, namespace: str | None) -> bool:
        """OpenBao leaves the namespace out; where it stands in front it is ours as well."""
        if namespace is not None:
            path = path.removeprefix(f"{namespace}/")
        ours = rf"auth/{re.escape(self.mount)}/role/[^/]+/secret-id"
        return re.fullmatch(ours, path) is not None


def _is_used_up(answer: Answer) -> bool:
    """Vault does not tell a used token from one that has expired, or never was."""
    return answer.status == 400 and answer.is_vaults


def _used_up(answer: Answer, path: str, *, is_first: bool) -> Refusal:
    whose = "if none of yours did that, somebody else has the secret_id"
    if not is_first:
        whose = "we began to unwrap it and were interrupted, or somebody else has the secret_id"
    return Refusal(
        f"{answer.where} refused the wrapping token of {KEY} at {path} (got 400, expected 200): it"
        f" was used already, or has expired; {whose}",
        "vault-login-wrapping-used",
        alarm="vault.wrapping_token_used",
    )
