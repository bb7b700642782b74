"""Where Vault is, and how it is logged in to, by the configuration."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from token_catcher import vault
from token_catcher.config import (
    AppRoleAuth,
    CertAuth,
    Config,
    JwtAuth,
    KubernetesAuth,
    NoAuth,
    TokenAuth,
    UserpassAuth,
    VaultConfig,
    each_address,
)
from token_catcher.in_flight import InFlight


def address_of(section: VaultConfig) -> vault.Address:
    """All of its nodes, and who we are to them."""
    first, *others = each_address(section.address)
    ca_file = None
    if section.ca_file is not None:
        ca_file = str(section.ca_file)
    address = vault.Address(first, section.namespace, ca_file, others=tuple(others))
    if section.client_certificate is None:
        return address
    return replace(address, client_certificate=section.client_certificate.as_pair())


def login_of(  # noqa: PLR0911 - one for each method
    config: Config, unwrappings: InFlight
) -> vault.Login:
    """As it is configured; every secret is read anew at each login."""
    section = config.vault
    auth = section.auth
    match auth:
        case AppRoleAuth():
            return _approle_login(auth, config, unwrappings)
        case KubernetesAuth():
            return vault.KubernetesLogin(auth.role, auth.jwt.read, auth.mount, auth.namespace)
        case JwtAuth():
            return vault.JwtLogin(auth.role, auth.jwt.read, auth.mount, auth.namespace)
        case CertAuth():
            assert section.client_certificate is not None  # the schema sees to it
            certificate = section.client_certificate.as_pair()
            return vault.CertLogin(certificate, auth.name, auth.mount, auth.namespace)
        case UserpassAuth():
            read = auth.password.read
            return vault.UserpassLogin(auth.username, read, auth.mount, auth.namespace)
        case TokenAuth():
            return vault.TokenLogin(auth.token.read, auth.namespace)
        case NoAuth():
            return vault.NoLogin()
        case _:
            assert_never(auth)


def _approle_login(auth: AppRoleAuth, config: Config, unwrappings: InFlight) -> vault.Login:
    """With the secret_id as it is, or with one that comes wrapped."""
    if auth.secret_id is not None:
        return vault.AppRoleLogin(auth.role_id, auth.secret_id.read, auth.mount, auth.namespace)
    assert auth.wrapped_secret_id is not None  # the schema sees to it
    kept = vault.KeptSecretId(config.state_dir / "vault-secret-id.json")
    read = auth.wrapped_secret_id.read
    return vault.WrappedAppRoleLogin(
        auth.role_id, read, kept, auth.mount, auth.namespace, unwrappings
    )
