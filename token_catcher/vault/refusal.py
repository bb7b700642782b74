"""Why Vault refuses a login: its words and numbers in ours, method by method. Pure.

To who is not logged in yet Vault says little. Its words are looked for and never repeated; where it
says nothing but 403, everything is named that it may mean. Both families of words are here, those
of OpenBao 2 and those of HashiCorp Vault, where they differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from token_catcher.vault.answer import Answer
from token_catcher.vault.lease import LOCK_OUT_PAUSE, REFUSAL_PAUSE


@dataclass(frozen=True, slots=True)
class Refusal:
    """Vault does not accept what it was shown, or we do not show it."""

    reason: str
    """What was refused, what came back, and what may be wrong."""
    code: str
    """The cause, as an error's code."""
    pause: float = LOCK_OUT_PAUSE
    """Seconds before the same is shown again."""
    alarm: str | None = None
    """The event by which somebody is told at once that a secret may be in other hands."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that may be wrong."""

    code: str
    text: str
    words: tuple[str, ...] = ()
    """By which Vault tells it, in whatever case; none: it is what a status alone means."""


@dataclass(frozen=True, slots=True)
class Method:
    """How one way to log in is refused."""

    name: str
    """For messages."""
    refused: Cause
    """What 400 means, if Vault does not say more."""
    denied: Cause
    """What 403 means, if Vault does not say more: it hides what is not there behind it."""
    causes: tuple[Cause, ...] = ()
    """What it does say, in the order in which it is looked for."""
    pause: float = REFUSAL_PAUSE
    """Seconds before what was refused is shown again."""


def refusal_of(answer: Answer, method: Method, path: str) -> Refusal | None:
    """What this answer to a login refuses; None: nothing, or it says something else.

    `path`: of the login, for messages."""
    cause = _cause_of(answer, method)
    if cause is None:
        return None
    got = f"(got {answer.status}, expected 200)"
    reason = f"{answer.where} refused the {method.name} login at {path} {got}: {cause.text}"
    return Refusal(reason, cause.code, method.pause)


def _cause_of(answer: Answer, method: Method) -> Cause | None:
    # 500 is how Vault says that a certificate has expired, or that a field is missing. Any other
    # number is no refusal, whatever words come with it.
    if not answer.is_vaults or answer.status not in (400, 403, 500):
        return None
    for cause in _told_apart(method):
        if any(answer.says(words) for words in cause.words):
            return cause
    if answer.status == 400:
        return method.refused
    if answer.status == 403:
        return method.denied
    return None


def _told_apart(method: Method) -> Iterator[Cause]:
    yield from _OF_ANY_METHOD
    yield from method.causes


_NO_MOUNT: Final = "there is no such mount in this namespace"
_BOUND: Final = "the role is bound to other addresses than ours (token_bound_cidrs)"

_OF_ANY_METHOD: Final = (
    Cause(
        "vault-login-cidr",
        "the role or the secret_id is bound to other addresses than ours",
        ("CIDR",),
    ),
    # Each method wants other fields, and says which of them it misses.
    Cause(
        "vault-login-mount",
        "the mount there is of another method, which misses a field of its own",
        ("missing role", "missing password", "missing jwt", "missing secret_id"),
    ),
)

APPROLE: Final = Method(
    "AppRole",
    refused=Cause("vault-login", "role_id or secret_id is wrong, expired or used up"),
    # HCP says it of everything outside of the namespace `admin`.
    denied=Cause(
        "vault-login-denied",
        f"{_NO_MOUNT}, or the role is locked out for a quarter of an hour, after five wrong"
        " secret_ids",
    ),
    # Older ones than OpenBao 2 and Vault 1.15 say which of the two it is.
    causes=(
        Cause(
            "vault-login-role",
            "there is no role with this role_id",
            ("invalid role_id", "invalid role ID"),
        ),
    ),
    pause=LOCK_OUT_PAUSE,
)

JWT: Final = Method(
    "JWT",
    refused=Cause("vault-login-jwt", "Vault does not accept the JWT, and does not say why"),
    denied=Cause("vault-login-denied-mount", f"{_NO_MOUNT}, or {_BOUND}"),
    causes=(
        Cause("vault-login-role", "there is no such role", ("could not be found",)),
        Cause(
            "vault-login-jwt",
            "what the file holds is no JWT, or one without exp, nbf and iat",
            ("three parts", "malformed", "no issued at"),
        ),
        Cause(
            "vault-login-expired",
            "the JWT has expired, or Vault's clock is ahead: whoever writes its file has stopped",
            ("is expired",),
        ),
        Cause(
            "vault-login-early",
            "the JWT is not valid yet: Vault's clock is behind its issuer's",
            ("not yet valid", "in the future"),
        ),
        Cause(
            "vault-login-audience",
            "the JWT is for another audience than bound_audiences of the role",
            ("audience",),
        ),
        Cause(
            "vault-login-issuer",
            "the JWT is from another issuer than bound_issuer of the mount",
            ("issuer",),
        ),
        Cause(
            "vault-login-claims",
            "the JWT has another subject than bound_subject of the role",
            ("subject",),
        ),
        Cause(
            "vault-login-claims",
            "the JWT does not have the claims that bound_claims of the role asks for",
            ("validating claims",),
        ),
        Cause(
            "vault-login-signature",
            "none of the keys that Vault has, or could fetch from the issuer, signed this JWT",
            ("signature", "fetching keys"),
        ),
        Cause(
            "vault-login-mount-config",
            "the mount is not configured: it has neither keys nor an issuer",
            ("could not load configuration",),
        ),
    ),
)

KUBERNETES: Final = Method(
    "Kubernetes",
    refused=Cause("vault-login-jwt", "Vault does not accept the JWT, and does not say why"),
    # The plugin hides whatever the cluster's API says behind the words of a policy.
    denied=Cause(
        "vault-login-review",
        "the cluster's TokenReview does not accept the JWT (expired, of a deleted pod or another"
        " cluster), Vault may not ask for one or does not reach the cluster;"
        f" or {_NO_MOUNT}, or {_BOUND}",
    ),
    causes=(
        Cause("vault-login-role", "there is no such role", ("invalid role name",)),
        Cause(
            "vault-login-audience",
            "the JWT is for another audience than that of the role",
            ("audience",),
        ),
        Cause(
            "vault-login-service-account",
            "the role is for other service accounts (bound_service_account_names)",
            ("service account name not authorized",),
        ),
        Cause(
            "vault-login-service-account",
            "the role is for other Kubernetes namespaces (bound_service_account_namespaces)",
            ("namespace not authorized",),
        ),
        Cause(
            "vault-login-review",
            "the service account was deleted, or made anew, since the JWT was issued",
            ("unauthorized; this could mean",),
        ),
        Cause(
            "vault-login-mount-config",
            "the mount is not configured: it knows no cluster",
            ("could not load backend configuration",),
        ),
    ),
)

CERT: Final = Method(
    "certificate",
    refused=Cause(
        "vault-login-certificate",
        "no role trusts the issuer of our certificate, or vault.auth.name is no role",
    ),
    denied=Cause("vault-login-denied-mount", f"{_NO_MOUNT}, or {_BOUND}"),
    causes=(
        Cause(
            "vault-login-certificate",
            "our certificate did not reach Vault: its listener does not ask for one, or a proxy"
            " ends TLS before it",
            ("no client certificate found", "client certificate must be supplied"),
        ),
        Cause(
            "vault-login-certificate",
            "our certificate, or one of its issuers, has expired or is not valid yet",
            ("expired or is not yet valid",),
        ),
        Cause(
            "vault-login-certificate",
            "our certificate does not have the names that the role allows, or vault.auth.name is"
            " another role",
            ("matching all constraints", "match all constraints"),
        ),
        Cause(
            "vault-login-certificate",
            "our certificate has no common name, which Vault knows a login by",
            ("missing name in alias",),
        ),
    ),
)

USERPASS: Final = Method(
    "userpass",
    refused=Cause("vault-login-password", "username or password is wrong"),
    denied=Cause(
        "vault-login-denied",
        f"{_NO_MOUNT}, the user is locked out for a quarter of an hour, after five wrong"
        f" passwords, or {_BOUND}",
    ),
    pause=LOCK_OUT_PAUSE,
)
