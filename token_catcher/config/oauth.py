"""How access tokens for a mailbox are got: a section for each `provider`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from token_catcher.certificates import Unusable, certificate_in
from token_catcher.config import kinds
from token_catcher.config.problems import Wrong
from token_catcher.config.secret import SecretDocument, SecretFile, SecretKey, TokenSource
from token_catcher.config.section import ClientCertificate, Section

CREDENTIALS: Final = ("certificate", "assertion", "client_secret", "refresh_token")


class Provider(Section):
    """What all providers have in common."""

    scope: kinds.Text | None = None
    """What the token is to be good for. Default: what the provider wants for IMAP."""
    mechanism: Literal["auto", "xoauth2", "oauthbearer"] = "auto"
    """auto: what the mail server offers."""


def _given(section: Provider, names: tuple[str, ...]) -> list[str]:
    """Those of the keys that hold something."""
    return [name for name in names if getattr(section, name) is not None]


def _listed(names: list[str]) -> str:
    return " and ".join(names) or "none of them"


class Microsoft(Provider):
    """Microsoft 365: as an application, or for a person who signed in."""

    provider: Literal["microsoft"]
    """Who gives the tokens."""
    tenant: kinds.Tenant
    """The directory: its id, or one of its domains."""
    client_id: kinds.Text
    """The application's id (not its object id)."""
    certificate: ClientCertificate | None = None
    """The application proves itself by this certificate and key."""
    assertion: SecretKey | None = None
    """The application proves itself by what somebody else signed (workload identity federation)."""
    client_secret: SecretKey | None = None
    """The application proves itself by a client secret: its value, not its id."""
    refresh_token: SecretFile | None = None
    """A person signed in: `token-catcher login` writes this file, and each renewal replaces it."""
    cloud: Literal["global", "gcc-high", "dod", "china"] = "global"
    """Which of Microsoft's clouds."""
    authority: kinds.Authority | None = None
    """Where tokens are asked for, in place of the cloud's own address, without the tenant."""

    @field_validator("scope")
    @classmethod
    def _not_of_graph(cls, scope: str | None) -> str | None:
        # The portal offers it under the same name, and IMAP refuses its tokens.
        if scope is not None and "graph.microsoft.com" in scope:
            raise Wrong("a scope of Exchange Online, https://outlook.office…", "one of Graph")
        return scope

    @field_validator("certificate")
    @classmethod
    def _can_sign(
        cls, certificate: ClientCertificate | None, info: ValidationInfo
    ) -> ClientCertificate | None:
        if certificate is None or not kinds.Origin.of(info).secrets:
            return certificate
        text = certificate.look(kinds.Origin.of(info).owners)
        try:
            is_rsa = certificate_in(text, "certificate").is_rsa
        except Unusable as fault:
            raise Wrong(fault.expected, fault.got) from None
        if not is_rsa:
            raise Wrong("an RSA key: Microsoft takes no other", "another kind of key")
        return certificate

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        given = _given(self, CREDENTIALS)
        if len(given) != 1:
            raise Wrong(f"one of {', '.join(CREDENTIALS)}", _listed(given))
        if self.refresh_token is None and self.tenant in ("common", "organizations", "consumers"):
            raise Wrong("the tenant's own id, or one of its domains", f"tenant {self.tenant}")
        return self


class Google(Provider):
    """Google Workspace: a service account with delegation, or a person who signed in."""

    provider: Literal["google"]
    """Who gives the tokens."""
    service_account: SecretDocument | None = None
    """The key of a service account with domain-wide delegation (JSON)."""
    impersonate: kinds.Address | None = None
    """A service account with domain-wide delegation, as which we act without a key of it."""
    client_id: kinds.Text | None = None
    """The OAuth client a person signed in to."""
    client_secret: SecretKey | None = None
    """The secret of that client."""
    refresh_token: SecretFile | None = None
    """`token-catcher login` writes this file."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        names = ("service_account", "impersonate", "client_id", "client_secret", "refresh_token")
        given = _given(self, names)
        if given not in (["service_account"], ["impersonate"], list(names[2:])):
            raise Wrong(
                "service_account, or impersonate, or client_id with client_secret and"
                " refresh_token",
                _listed(given),
            )
        return self


class Custom(Provider):
    """Any other OAuth 2 server."""

    provider: Literal["custom"]
    """Who gives the tokens."""
    token_url: kinds.TokenUrl
    """Its token endpoint, to the last slash as the server has it."""
    client_id: kinds.Text
    """Who we are there."""
    client_secret: SecretKey | None = None
    """Our secret there; also beside refresh_token, where the server wants both."""
    assertion: SecretKey | None = None
    """What somebody else signed for us (RFC 7523)."""
    refresh_token: SecretFile | None = None
    """A person signed in: each renewal replaces this file."""

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        given = _given(self, CREDENTIALS[1:])
        if len(given) != 1 and given != ["client_secret", "refresh_token"]:
            raise Wrong(f"one of {', '.join(CREDENTIALS[1:])}", _listed(given))
        return self


class External(Provider):
    """Some other tool keeps the access token."""

    provider: Literal["external"]
    """Who gives the tokens."""
    token: TokenSource
    """Where it is, read anew at each login: {file: PATH}, {env: NAME}, or {command: [PROGRAM, …]},
    which prints it."""


PROVIDERS: Final[Mapping[str, type[Provider]]] = {
    "microsoft": Microsoft,
    "google": Google,
    "custom": Custom,
    "external": External,
}
"""The section of each provider."""

OAuth2 = Annotated[Microsoft | Google | Custom | External, Field(discriminator="provider")]
