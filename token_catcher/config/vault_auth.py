"""The forms of `vault.auth`: one section for each way to log in to Vault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from token_catcher.config import kinds
from token_catcher.config.problems import Wrong
from token_catcher.config.secret import FORM, SecretKey, SecretSource
from token_catcher.config.section import Section
from token_catcher.vault import fault_of_token

SERVICE_ACCOUNT_TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105
"""Where Kubernetes puts the JWT of a pod's service account, unless the pod says otherwise."""


Mount = Annotated[kinds.VaultPath, Field(description="Where the method is enabled, below auth/.")]
Namespace = Annotated[
    kinds.VaultPath | None,
    Field(
        description="Where the login lives, if not in vault.namespace; root: above all namespaces."
    ),
]


def _is_a_token(source: SecretSource | None, info: ValidationInfo) -> SecretSource | None:
    """Whether a header can carry it, so that it is told with its line, and not at the login."""
    if source is not None and kinds.Origin.of(info).secrets:
        _expect_token(source, wraps=False)
    return source


def _is_a_wrapping_token(source: SecretSource | None, info: ValidationInfo) -> SecretSource | None:
    """The same, and whether it can be one that wraps."""
    if source is not None and kinds.Origin.of(info).secrets:
        _expect_token(source, wraps=True)
    return source


def _expect_token(source: SecretSource, *, wraps: bool) -> None:
    fault = fault_of_token(source.look(), wraps=wraps)
    if fault is not None:
        raise Wrong("the token alone on one line", fault)


Token = Annotated[SecretKey, AfterValidator(_is_a_token)]
"""A secret that is sent in a header."""
WrappingToken = Annotated[SecretKey, AfterValidator(_is_a_wrapping_token)]
"""One that is good once, for what it wraps."""


class AppRoleAuth(Section):
    """A role of our own."""

    method: Literal["approle"]
    """How to log in."""
    role_id: kinds.Text
    """The role."""
    wrapped_secret_id: WrappingToken | None = None
    """A wrapping token in place of the secret_id, good once: {file: PATH} or {env: NAME}. What it
    holds is kept in state_dir, until another token is there."""
    secret_id: SecretKey | None = None
    """Its secret: {file: PATH} or {env: NAME}."""
    mount: Mount = "approle"
    namespace: Namespace = None

    @field_validator("secret_id")
    @classmethod
    def _one_of_the_two(
        cls, secret_id: SecretSource | None, info: ValidationInfo
    ) -> SecretSource | None:
        # One that is wrong itself is not among the data.
        if "wrapped_secret_id" not in info.data:
            return secret_id
        is_wrapped = info.data["wrapped_secret_id"] is not None
        if secret_id is None and not is_wrapped:
            raise Wrong(f"{FORM}, or wrapped_secret_id", "nothing")
        if secret_id is not None and is_wrapped:
            raise Wrong("one of secret_id and wrapped_secret_id", "both")
        return secret_id


class KubernetesAuth(Section):
    """A pod's service account, whose JWT Vault has the cluster review."""

    method: Literal["kubernetes"]
    """How to log in."""
    role: kinds.Text
    """The role."""
    # Read like one that is written.
    jwt: SecretKey = Field(default={"file": SERVICE_ACCOUNT_TOKEN})  # type: ignore[assignment]
    """The JWT: {file: PATH} or {env: NAME}; read anew at each login, since the kubelet rewrites it.
    Default: the pod's own; better one of a projected volume, for Vault's audience alone."""
    mount: Mount = "kubernetes"
    namespace: Namespace = None


class JwtAuth(Section):
    """A JWT of an issuer that Vault knows: a cloud, SPIFFE, a CI system."""

    method: Literal["jwt"]
    """How to log in."""
    role: kinds.Text
    """The role."""
    jwt: SecretKey
    """The JWT: {file: PATH} or {env: NAME}; read anew at each login."""
    mount: Mount = "jwt"
    namespace: Namespace = None


class CertAuth(Section):
    """vault.client_certificate, which is needed then."""

    method: Literal["cert"]
    """How to log in."""
    name: kinds.Text | None = None
    """The role; null: whichever fits."""
    mount: Mount = "cert"
    namespace: Namespace = None


class UserpassAuth(Section):
    """A name and a password."""

    method: Literal["userpass"]
    """How to log in."""
    username: kinds.PathSegment
    """Who we are."""
    password: SecretKey
    """The password: {file: PATH} or {env: NAME}; read anew at each login."""
    mount: Mount = "userpass"
    namespace: Namespace = None


class TokenAuth(Section):
    """A token that somebody else keeps alive: Vault Agent, an operator."""

    method: Literal["token"]
    """How to log in."""
    token: Token
    """The token: {file: PATH} or {env: NAME}; read anew when the old one is refused."""
    namespace: Namespace = None


class NoAuth(Section):
    """No login and no token of ours: Vault Agent or Proxy, at vault.address, adds its own."""

    method: Literal["none"]
    """How to log in."""


AUTH: Final[Mapping[str, type[Section]]] = {
    "approle": AppRoleAuth,
    "kubernetes": KubernetesAuth,
    "jwt": JwtAuth,
    "cert": CertAuth,
    "userpass": UserpassAuth,
    "token": TokenAuth,
    "none": NoAuth,
}
"""The section of each method."""

VaultAuth = Annotated[
    AppRoleAuth | KubernetesAuth | JwtAuth | CertAuth | UserpassAuth | TokenAuth | NoAuth,
    Field(discriminator="method"),
]
