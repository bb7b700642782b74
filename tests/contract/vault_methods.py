"""Every way to log in to a real OpenBao, set up as `docs/vault-logins.md` says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme

from tests.contract.vault import opened
from tests.kit.cluster import KUBERNETES_NAMESPACE, SERVICE_ACCOUNT, Cluster
from tests.kit.issuer import Issuer
from tests.kit.servers import OpenBao
from token_catcher.config import SecretSource
from token_catcher.model import Secret
from token_catcher.tls import ClientCertificate
from token_catcher.vault import (
    AppRoleLogin,
    CertLogin,
    JwtLogin,
    KubernetesLogin,
    Login,
    UserpassLogin,
    VaultStore,
)

PASSWORD = "CANARYpasswordMUSTnotLEAK"
ISSUER = "https://issuer.example"
COMMON_NAME = "token-catcher"


@dataclass
class Surroundings:
    """A Vault that speaks TLS, who vouches for us there, and where our files are."""

    server: OpenBao
    cluster: Cluster
    home: Path
    issuer: Issuer = field(default_factory=Issuer)
    authority: trustme.CA = field(default_factory=trustme.CA)

    def file(self, name: str, text: str) -> Callable[[], Secret]:
        """Write a secret; returns what reads it, as it is then."""
        path = self.home / name
        path.touch(0o600)
        path.write_text(text, "utf-8")
        return SecretSource("file", str(path), {}).read

    def certificate(self, name: str = "client.pem", **options: Any) -> ClientCertificate:
        """Write a client certificate of our authority."""
        options = {"common_name": COMMON_NAME, **options}
        return self.write(name, self.authority.issue_cert("catcher@example.com", **options))

    def write(self, name: str, leaf: trustme.LeafCert) -> ClientCertificate:
        """A certificate and its key, in one file."""
        path = self.home / name
        path.touch(0o600)
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        path.write_bytes(leaf.private_key_pem.bytes() + chain)
        return ClientCertificate(str(path))

    def jwt(self, **claims: Any) -> str:
        """For the role of `set_up_jwt`."""
        usual = {"iss": ISSUER, "sub": "host1", "aud": "vault", "team": "crm"}
        return self.issuer.jwt(**{**usual, **claims})


@dataclass(frozen=True)
class Way:
    """One way to log in, ready to be used."""

    login: Login
    login_path: str
    """What is asked for then, by the audit log."""
    role_path: str
    """What was set up for it; deleted, nobody can log in any more."""
    address: Mapping[str, Any]
    """Where Vault is, and what TLS shows there."""

    @contextmanager
    def opened(self, **options: Any) -> Iterator[VaultStore]:
        """A store that logs in so."""
        with opened(**self.address, login=self.login, **options) as store:
            yield store


def by_approle(around: Surroundings, org: str, **settings: Any) -> Way:
    """A role of our own."""
    role = around.server.approle(org, **settings)
    read = around.file("secret-id", role.secret_id)
    path = f"auth/approle/role/{org}"
    return Way(
        AppRoleLogin(role.role_id, read), "auth/approle/login", path, address_of(around.server)
    )


def by_kubernetes(around: Surroundings, org: str, **settings: Any) -> Way:
    """A service account, by the name of the role."""
    mount = enabled(around.server, "kubernetes", org)
    around.server.tell(
        "post",
        f"auth/{mount}/config",
        {
            "kubernetes_host": around.cluster.url,
            "kubernetes_ca_cert": around.authority.cert_pem.bytes().decode(),
            "disable_local_ca_jwt": True,
        },
    )
    path = f"auth/{mount}/role/{org}"
    bound = {
        "bound_service_account_names": [SERVICE_ACCOUNT],
        "bound_service_account_namespaces": [KUBERNETES_NAMESPACE],
        "audience": "vault",
    }
    around.server.tell("post", path, {**bound, **settings})
    read = around.file("jwt", around.cluster.token())
    login = KubernetesLogin(org, read, mount)
    return Way(login, f"auth/{mount}/login", path, address_of(around.server))


def by_jwt(around: Surroundings, org: str, **settings: Any) -> Way:
    """A JWT of an issuer whose key Vault has."""
    mount = enabled(around.server, "jwt", org)
    config = {"jwt_validation_pubkeys": [around.issuer.public_key], "bound_issuer": ISSUER}
    around.server.tell("post", f"auth/{mount}/config", config)
    path = f"auth/{mount}/role/{org}"
    bound = {
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_audiences": ["vault"],
        "bound_subject": "host1",
        "bound_claims": {"team": "crm"},
    }
    around.server.tell("post", path, {**bound, **settings})
    read = around.file("jwt", around.jwt())
    login = JwtLogin(org, read, mount)
    return Way(login, f"auth/{mount}/login", path, address_of(around.server))


def by_cert(around: Surroundings, org: str, **settings: Any) -> Way:
    """A certificate of an authority that the role trusts."""
    mount = enabled(around.server, "cert", org)
    path = f"auth/{mount}/certs/{org}"
    bound = {
        "certificate": around.authority.cert_pem.bytes().decode(),
        "allowed_common_names": [COMMON_NAME],
    }
    around.server.tell("post", path, {**bound, **settings})
    certificate = around.certificate()
    login = CertLogin(certificate, org, mount)
    address = {**address_of(around.server), "client_certificate": certificate}
    return Way(login, f"auth/{mount}/login", path, address)


def by_userpass(around: Surroundings, org: str, **settings: Any) -> Way:
    """A name and a password."""
    mount = enabled(around.server, "userpass", org)
    path = f"auth/{mount}/users/{org}"
    around.server.tell("post", path, {"password": PASSWORD, **settings})
    read = around.file("password", PASSWORD)
    login = UserpassLogin(org, read, mount)
    return Way(login, f"auth/{mount}/login/{org}", path, address_of(around.server))


METHODS: Mapping[str, Callable[..., Way]] = {
    "approle": by_approle,
    "kubernetes": by_kubernetes,
    "jwt": by_jwt,
    "cert": by_cert,
    "userpass": by_userpass,
}
"""By the name in the configuration; `settings` of each are Vault's: `token_ttl` and the like."""


def enabled(server: OpenBao, method: str, org: str) -> str:
    """A mount of this method that no other test has."""
    mount = f"{method}-{org}"
    server.tell("post", f"sys/auth/{mount}", {"type": method})
    return mount


def address_of(server: OpenBao) -> dict[str, Any]:
    """Where it is."""
    return {"url": server.url, "ca_file": server.ca_file}
