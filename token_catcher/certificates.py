"""Certificates by which we prove who we are: their pieces, and when they end.

Unlike `tls`, which hands files to OpenSSL, this reads them: for who signs with the key himself, and
for telling in time that one ends. cryptography is loaded with the first certificate, since most
configurations have none, and it takes 8 MB.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from token_catcher.errors import ConfigurationError
from token_catcher.model import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

_CERTIFICATE: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----\s.*?-----END CERTIFICATE-----", re.DOTALL
)
_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN (?P<kind>([A-Z0-9]+ )?PRIVATE KEY)-----\s.*?-----END (?P=kind)-----", re.DOTALL
)
"""PKCS #8, encrypted as well, and `RSA PRIVATE KEY` and the like, which OpenSSL wrote before."""


class Unusable(ConfigurationError):
    """Files that do not hold a certificate and its key."""

    def __init__(self, where: str, got: str, expected: str) -> None:
        """`where`: the files, for messages."""
        super().__init__(f"{where}: got {got}, expected {expected}", code="certificate")
        self.got = got
        self.expected = expected


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """A certificate of ours."""

    pem: str
    """Without those of its issuers."""
    is_rsa: bool
    ends_at: datetime
    """UTC."""


def certificate_in(text: Secret, where: str) -> OwnCertificate:
    """The first one in the text of one file, or of two. `where`: the files, for messages.

    Unusable: there is none."""
    from cryptography.x509.oid import PublicKeyAlgorithmOID

    pem = _first(text, _CERTIFICATE)
    certificate = _certificate(pem, where)
    # By its name: of a kind that cryptography does not know, the key itself cannot be had.
    is_rsa = certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5
    return OwnCertificate(pem, is_rsa, certificate.not_valid_after_utc)


def key_in(text: Secret, where: str) -> Secret:
    """The key in that text, which is the certificate's, in PEM. Takes a tenth of a second.

    Unusable: there is none that can be used, or the two do not belong together, as in the
    middle of a renewal."""
    pem = _first(text, _PRIVATE_KEY)
    key = _key(pem, where)
    if _certificate(_first(text, _CERTIFICATE), where).public_key() != key.public_key():
        raise Unusable(where, "a key of another certificate", "the two of one pair")
    return Secret(pem)


def _first(text: Secret, kind: re.Pattern[str]) -> str:
    """The first block of this kind; empty where there is none."""
    block = kind.search(text.reveal())
    if block is None:
        return ""
    return f"{block[0]}\n"


def _certificate(pem: str, where: str) -> Certificate:
    from cryptography import x509

    if not pem:
        raise Unusable(where, "no certificate", "one in PEM")
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        fault = Unusable(where, "a certificate that cannot be read", "one in PEM")
    raise fault


def _key(pem: str, where: str) -> PrivateKeyTypes:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if not pem:
        raise Unusable(where, "no private key", "one in PEM")
    try:
        return load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        fault = Unusable(where, "an encrypted key", "one in PEM, not encrypted")
    except ValueError:
        fault = Unusable(where, "a key that cannot be read", "one in PEM, not encrypted")
    # Out here the foreign exception is let go.
    raise fault
