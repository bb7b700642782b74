"""DKIM signatures of every shape, good and bad, with keys that are the same in every run.

Written apart from dkimpy, which the program uses: a mistake would have to be made twice. The keys come out of a seed, so
they protect nothing and no private key stands in the repository.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPrivateNumbers,
    RSAPublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.kit.mails import ISSUED, SIGNED_HEADERS

_DIGEST_INFO = {"sha256": bytes.fromhex("3031300d060960864801650304020105000420")}


@dataclass(frozen=True)
class RsaKey:
    """An RSA key of any size, also of sizes that libraries refuse to sign with."""

    p: int
    q: int
    e: int = 65537

    @property
    def n(self) -> int:
        return self.p * self.q

    def sign(self, algorithm: str, digest: bytes) -> bytes:
        """PKCS #1 v1.5 (RFC 8017, section 8.2)."""
        if self.n.bit_length() >= 1024:
            return _library_key(self).sign(
                digest, PKCS1v15(), Prehashed({"sha1": SHA1(), "sha256": SHA256()}[algorithm])
            )
        size = (self.n.bit_length() + 7) // 8
        info = _DIGEST_INFO[algorithm] + digest
        padded = b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info
        return pow(
            int.from_bytes(padded), pow(self.e, -1, (self.p - 1) * (self.q - 1)), self.n
        ).to_bytes(size)

    @property
    def public(self) -> str:
        """SubjectPublicKeyInfo in base64, as `p=` holds it."""
        numbers = _der(0x30, _der_integer(self.n) + _der_integer(self.e))
        return base64.b64encode(
            _der(0x30, bytes.fromhex("300d06092a864886f70d0101010500") + _der(3, b"\0" + numbers))
        ).decode()


@cache
def _library_key(key: RsaKey) -> RSAPrivateKey:
    d = pow(key.e, -1, (key.p - 1) * (key.q - 1))
    exponents = d % (key.p - 1), d % (key.q - 1), pow(key.q, -1, key.p)
    return RSAPrivateNumbers(
        key.p, key.q, d, *exponents, RSAPublicNumbers(key.e, key.n)
    ).private_key()


@dataclass(frozen=True)
class EdKey:
    """An Ed25519 key (RFC 8463)."""

    seed: bytes

    def sign(self, _algorithm: str, digest: bytes) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(digest)

    @property
    def public(self) -> str:
        """The key itself in base64."""
        key = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


@cache
def rsa_key(bits: int = 2048, seed: int = 1) -> RsaKey:
    """The key of this size and seed."""
    random = Random(f"token-catcher corpus {bits} {seed}")
    while True:
        p, q = _prime(random, bits // 2), _prime(random, bits - bits // 2)
        if p != q and (p * q).bit_length() == bits:
            return RsaKey(p, q)


@cache
def ed_key(seed: int = 1) -> EdKey:
    """The key of this seed."""
    return EdKey(Random(f"token-catcher corpus {seed}").randbytes(32))


def signature(
    raw: bytes,
    key: RsaKey | EdKey | None = None,
    *,
    domain: str = "salesforce.com",
    selector: str = "sf2026",
    algorithm: str = "rsa-sha256",
    canonical: str = "relaxed/simple",
    headers: Sequence[str] = SIGNED_HEADERS,
    at: datetime | None = ISSUED,
    tags: str = "",
    length: int | None = None,
) -> bytes:
    """The DKIM-Signature field of a mail. `tags` are added as written and signed with the rest, so they may contradict."""
    head, _, body = raw.partition(b"\r\n\r\n")
    for_head, for_body = [*canonical.split("/"), "simple"][:2]
    digest = "sha1" if algorithm.endswith("sha1") else "sha256"
    hashed = base64.b64encode(
        hashlib.new(digest, canonical_body(body, for_body)[:length]).digest()
    ).decode()
    moment = "" if at is None else f" t={int(at.timestamp())};"
    limit = "" if length is None else f" l={length};"
    field = (
        f"DKIM-Signature: v=1; a={algorithm}; c={canonical}; d={domain}; s={selector};{moment}{limit}{tags}\r\n"
        f"\th={_listed(headers)};\r\n\tbh={hashed};\r\n\tb="
    ).encode()
    signed = hashlib.new(digest, canonical_head(head, field, headers, for_head)).digest()
    value = base64.b64encode((key or rsa_key()).sign(digest, signed)).decode()
    folded = "\r\n\t".join(value[start : start + 72] for start in range(0, len(value), 72))
    return field + folded.encode() + b"\r\n"


def _listed(names: Sequence[str]) -> str:
    """`h=`, a dozen names a line."""
    return ":\r\n\t".join(":".join(names[start : start + 12]) for start in range(0, len(names), 12))


def seal(raw: bytes, key: RsaKey | EdKey | None = None, **how: Any) -> bytes:
    """The mail with its signature on top."""
    return signature(raw, key, **how) + raw


def with_value(field: bytes, value: bytes) -> bytes:
    """A DKIM-Signature field with another `b=`."""
    return field.partition(b"\tb=")[0] + b"\tb=" + value + b"\r\n"


def canonical_body(body: bytes, form: str) -> bytes:
    """RFC 6376, sections 3.4.3 and 3.4.4."""
    if form == "relaxed":
        body = b"\r\n".join(
            re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")
        )
    while body.endswith(b"\r\n"):
        body = body[:-2]
    return body + b"\r\n" if body or form == "simple" else b""


def canonical_head(head: bytes, own: bytes, names: Sequence[str], form: str) -> bytes:
    """RFC 6376, sections 3.4.1, 3.4.2 and 5.4.2: the lowest field of a name first; one that is not there counts as empty."""
    fields = re.split(rb"\r\n(?![ \t])", head)
    chosen: list[bytes] = []
    for name in names:
        for field in reversed(fields):
            if field.partition(b":")[0].lower() == name.lower().encode():
                fields.remove(field)
                chosen.append(field)
                break
    return b"\r\n".join(_canonical_field(field, form) for field in [*chosen, own])


def _canonical_field(field: bytes, form: str) -> bytes:
    if form == "simple":
        return field
    name, _, value = field.partition(b":")
    return (
        name.lower().rstrip() + b":" + re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip()
    )


def _prime(random: Random, bits: int) -> int:
    while True:
        candidate = random.getrandbits(bits) | 1 | 3 << bits - 2
        if (
            all(candidate % small for small in _SMALL)
            and candidate % 65537 != 1
            and _is_prime(random, candidate)
        ):
            return candidate


def _is_prime(random: Random, n: int) -> bool:
    """Miller and Rabin."""
    odd, twos = n - 1, 0
    while not odd & 1:
        odd, twos = odd >> 1, twos + 1
    for _ in range(8):
        x = pow(random.randrange(2, n - 1), odd, n)
        if x not in (1, n - 1) and all((x := x * x % n) != n - 1 for _ in range(twos - 1)):
            return False
    return True


_SMALL = [n for n in range(3, 2000, 2) if all(n % k for k in range(3, int(n**0.5) + 1, 2))]


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = (
        bytes([size])
        if size < 128
        else bytes([0x80 | (n := (size.bit_length() + 7) // 8)]) + size.to_bytes(n)
    )
    return bytes([tag]) + length + content


def _der_integer(value: int) -> bytes:
    return _der(2, value.to_bytes(value.bit_length() // 8 + 1))
