"""Issues JWTs, as a cloud or a cluster does, with a key of its own."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HOUR = 3600


class Issuer:
    """One key, which signs with ES256 (RFC 7518, section 3.4)."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_key(self) -> str:
        """What Vault checks signatures with (PEM)."""
        public = self._key.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def jwt(self, **claims: Any) -> str:
        """Issued now, for an hour, unless the claims say otherwise; None leaves a claim out."""
        now = int(time.time())
        body = {"iat": now, "nbf": now, "exp": now + HOUR, **claims}
        body = {name: value for name, value in body.items() if value is not None}
        signed = f"{_packed({'alg': 'ES256', 'typ': 'JWT'})}.{_packed(body)}"
        return f"{signed}.{self._signature(signed)}"

    def _signature(self, signed: str) -> str:
        """Both numbers of 32 bytes, and not the DER that OpenSSL gives."""
        first, second = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(SHA256())))
        return _base64(first.to_bytes(32, "big") + second.to_bytes(32, "big"))


def _packed(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
