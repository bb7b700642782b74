"""JSON Web Tokens (RFC 7519) of a test's own, signed with RSA and checked."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

PADDINGS: Mapping[str, Any] = {
    "RS256": padding.PKCS1v15(),
    "PS256": padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH),
}
"""By `alg` (RFC 7518, section 3.1)."""


class BadToken(ValueError):
    """Not signed by this key, or none at all."""


@cache
def rsa_key(number: int = 0) -> RSAPrivateKey:
    """One key for each number; making one takes its time."""
    del number
    return rsa.generate_private_key(65537, 2048)


def private_pem(key: RSAPrivateKey) -> str:
    """PKCS #8, as key files have it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def public_pem(key: RSAPrivateKey) -> str:
    """The public half."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def signed(
    claims: Mapping[str, Any], key: RSAPrivateKey, alg: str = "RS256", **headers: str
) -> str:
    """The token."""
    head = {"typ": "JWT", "alg": alg, **headers}
    text = f"{_packed(json.dumps(head).encode())}.{_packed(json.dumps(dict(claims)).encode())}"
    signature = key.sign(text.encode(), PADDINGS[alg], hashes.SHA256())
    return f"{text}.{_packed(signature)}"


def verified(
    token: str, key: RSAPublicKey, alg: str = "RS256"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims. BadToken: another algorithm, another key, or no token."""
    try:
        head, claims, signature = token.split(".")
        header = json.loads(_unpacked(head))
        if header["alg"] != alg:
            raise BadToken(f"alg {header['alg']}")
        key.verify(
            _unpacked(signature), f"{head}.{claims}".encode(), PADDINGS[alg], hashes.SHA256()
        )
        return header, json.loads(_unpacked(claims))
    except (ValueError, KeyError, InvalidSignature) as error:
        raise BadToken(str(error)) from None


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims as they are written, signed by whomever."""
    head, claims, _ = token.split(".")
    return json.loads(_unpacked(head)), json.loads(_unpacked(claims))
