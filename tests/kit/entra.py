"""Microsoft Entra ID, as far as a program that asks for tokens sees it: the dialect of `tokens`.

Over TLS, as msal wants it. Assertions are checked as Entra ID does: with the public key of the
certificate that was uploaded, or of the issuer that was named; refusals have the bodies that Entra
ID sends.
"""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tests.kit import jwts, tokens
from tests.kit.tokens import Asked, Reply, TokenEndpoint

TENANT: Final = "9b1f3c52-0000-4000-8000-00000000f00d"
CLIENT_ID: Final = "5c0ffee0-0000-4000-8000-000000000001"
APPLICATION_SCOPE: Final = "https://outlook.office365.com/.default"
PERSON_SCOPE: Final = "https://outlook.office.com/IMAP.AccessAsUser.All"
JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SKEW: Final = 300
"""Seconds by which clocks may differ."""


@dataclass(frozen=True)
class Pair:
    """A key, and a certificate of it that it signed itself, both in PEM."""

    key: str
    certificate: str

    @property
    def text(self) -> str:
        """Both, as in one file."""
        return self.certificate + self.key


@cache
def pair(name: str = "app", days: int = 365, *, is_rsa: bool = True) -> Pair:
    """One that ends in so many days; the same one for the same name."""
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = ec.generate_private_key(ec.SECP256R1())
    if is_rsa:
        key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=700))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8
    return Pair(
        key.private_bytes(pem, form, serialization.NoEncryption()).decode(),
        certificate.public_bytes(pem).decode(),
    )


@dataclass(frozen=True)
class Federated:
    """A federated credential of an application."""

    issuer: str
    subject: str
    key: rsa.RSAPublicKey
    """Of the issuer."""
    audience: str = "api://AzureADTokenExchange"


CLUSTER: Final = jwts.rsa_key(7)
"""By which a cluster signs the tokens of its service accounts."""
WORKLOAD: Final = Federated(
    "https://oidc.cluster.example",
    "system:serviceaccount:token-catcher:token-catcher",
    CLUSTER.public_key(),
)


def workload_assertion(now: float | None = None) -> str:
    """What the cluster projects into a pod: an hour good."""
    issued_at = int(now or time.time())
    claims = {
        "iss": WORKLOAD.issuer,
        "sub": WORKLOAD.subject,
        "aud": [WORKLOAD.audience],
        "iat": issued_at,
        "nbf": issued_at,
        "exp": issued_at + 3600,
    }
    return jwts.signed(claims, CLUSTER)


@dataclass
class Registration:
    """An application of the tenant."""

    certificates: list[str] = field(default_factory=list)
    """PEM."""
    secrets: list[str] = field(default_factory=list)
    federated: list[Federated] = field(default_factory=list)
    refresh_tokens: list[str] = field(default_factory=list)
    """Those that are good: an old one stays so when it is replaced."""


def refusal(number: int, error: str, status: int = 400, text: str = "FOREIGN-TEXT") -> Reply:
    """As Entra ID refuses."""
    trace = "0f0f0f0f-0000-4000-8000-0123456789ab"
    stamp = "2026-11-26 03:00:00Z"
    about = f"Trace ID: {trace} Correlation ID: {trace} Timestamp: {stamp}"
    return tokens.refusal(
        error,
        status,
        error_description=f"AADSTS{number}: {text} {about}",
        error_codes=[number],
        timestamp=stamp,
        trace_id=trace,
        correlation_id=trace,
        error_uri=f"https://login.microsoftonline.com/error?code={number}",
    )


class _Refused(Exception):
    """A refusal on the way to a token."""

    def __init__(self, number: int, error: str = "invalid_client", status: int = 401) -> None:
        super().__init__(number)
        self.reply = refusal(number, error, status)


class Entra(TokenEndpoint):
    """One tenant with one application."""

    def __init__(self, directory: Path) -> None:
        """`directory`: where the authority of its own certificate is put."""
        authority = trustme.CA()
        self.ca_file = directory / "entra-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        super().__init__(certificate=authority.issue_cert("127.0.0.1"))
        self.life = 4500
        self.registration = Registration()
        self.assertions: list[Mapping[str, Any]] = []
        """The claims of those that were taken."""
        self.more: dict[str, Any] = {}
        """What stands beside a token."""
        self.token_url = f"{self.url}/{TENANT}/oauth2/v2.0/token"
        self.route("/{tenant}/v2.0/.well-known/openid-configuration", self._addresses)
        self.route(f"/{TENANT}/oauth2/v2.0/token", self._grant)

    def answers_once(self, method: str, reply: Reply) -> None:
        """To the next request of this method, in place of its own answer."""
        left = [reply]

        def instead(asked: Asked) -> Reply | None:
            if asked.method == method and left:
                return left.pop()
            return None

        self.instead = instead

    def _addresses(self, _asked: Asked, tenant: str) -> Reply:
        if tenant != TENANT:
            return refusal(90002, "invalid_tenant", text=f"Tenant '{tenant}' not found.")
        base = f"{self.url}/{TENANT}"
        return Reply(
            body={
                "token_endpoint": self.token_url,
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                "tenant_region_scope": "EU",
            }
        )

    def _grant(self, asked: Asked) -> Reply:
        form = asked.form
        try:
            if form.get("client_id") != CLIENT_ID:
                raise _Refused(700016, "unauthorized_client", 400)
            if form["grant_type"] == "refresh_token":
                return self._for_person(form)
            self._prove(form)
            if form["scope"] != APPLICATION_SCOPE:
                raise _Refused(1002012, "invalid_scope", 400)
        except _Refused as refused:
            return refused.reply
        return self.granted(ext_expires_in=self.life, **self.more)

    def _prove(self, form: Mapping[str, str]) -> None:
        """Who asks is the application."""
        assert form["grant_type"] == "client_credentials"
        if "client_secret" in form:
            if form["client_secret"] not in self.registration.secrets:
                raise _Refused(7000215)
            return
        assert form["client_assertion_type"] == JWT_BEARER
        header, claims = jwts.unverified(form["client_assertion"])
        if "x5t" in header or "x5t#S256" in header:
            self._check_certificate(form["client_assertion"], header["x5t#S256"])
        else:
            self._check_federated(form["client_assertion"], claims)

    def _check_certificate(self, assertion: str, thumbprint: str) -> None:
        certificates = {
            # msal leaves the padding in.
            urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).decode(): certificate
            for certificate in map(_certificate, self.registration.certificates)
        }
        if thumbprint not in certificates:
            raise _Refused(700027)
        key = certificates[thumbprint].public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        claims = self._verified(assertion, key, "PS256", self.token_url)
        if (claims["iss"], claims["sub"]) != (CLIENT_ID, CLIENT_ID):
            raise _Refused(700021)
        if claims["jti"] in [taken["jti"] for taken in self.assertions]:
            raise _Refused(700029)
        self.assertions.append(claims)

    def _check_federated(self, assertion: str, shown: Mapping[str, Any]) -> None:
        if not self.registration.federated:
            raise _Refused(70025)
        for credential in self.registration.federated:
            if (shown["iss"], shown["sub"]) == (credential.issuer, credential.subject):
                audience = credential.audience
                self._verified(assertion, credential.key, "RS256", audience)
                return
        raise _Refused(700213)

    def _verified(
        self, assertion: str, key: rsa.RSAPublicKey, alg: str, audience: str
    ) -> Mapping[str, Any]:
        """Its claims, signed, meant for us, and of this time by the endpoint's clock."""
        try:
            _, claims = jwts.verified(assertion, key, alg)
        except jwts.BadToken:
            raise _Refused(700027) from None
        if claims["aud"] not in (audience, [audience]):
            raise _Refused(700023)
        begins = claims.get("nbf", claims["iat"])
        if not begins - SKEW <= self.now() <= claims["exp"] + SKEW:
            raise _Refused(700024)
        return claims

    def _for_person(self, form: Mapping[str, str]) -> Reply:
        if form["refresh_token"] not in self.registration.refresh_tokens:
            raise _Refused(70000, "invalid_grant", 400)
        scopes = form["scope"].split()
        if PERSON_SCOPE not in scopes:
            raise _Refused(65001, "invalid_grant", 400)
        more = {"scope": PERSON_SCOPE, **self.more}
        if "offline_access" in scopes:
            number = len(self.registration.refresh_tokens)
            more["refresh_token"] = f"refresh-{number}-{'r' * 40}"
            self.registration.refresh_tokens.append(more["refresh_token"])
        return self.granted(**more)


def _certificate(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())
