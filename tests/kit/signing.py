"""DKIM signatures of every shape, good and bad, with keys that are the same in every run.

Written apart from dkimpy, which the program uses: a mistake would have to be made twice. The keys
come out of a seed, so they protect nothing and no private key stands in the repository.

`seal` writes a signature as Salesforce does; `craft` takes any tags at all.
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
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from tests.kit.mails import ISSUED, SIGNED_HEADERS, Signer, genuine_signer

_SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
"""The start of DigestInfo (RFC 8017, section 9.2)."""
_RSA_INFO = bytes.fromhex("300d06092a864886f70d0101010500")
"""The algorithm of SubjectPublicKeyInfo."""


@dataclass(frozen=True)
class RsaKey:
    """An RSA key of any size, also of sizes that libraries refuse to sign with."""

    p: int
    q: int
    e: int = 65537
    kind = "rsa"

    @property
    def n(self) -> int:
        return self.p * self.q

    @property
    def d(self) -> int:
        return pow(self.e, -1, (self.p - 1) * (self.q - 1))

    def sign(self, algorithm: str, digest: bytes) -> bytes:
        """PKCS #1 v1.5 (RFC 8017, section 8.2)."""
        if self.n.bit_length() >= 1024:
            hashed = Prehashed({"sha1": SHA1(), "sha256": SHA256()}[algorithm])
            return _library_key(self).sign(digest, PKCS1v15(), hashed)
        assert algorithm == "sha256"
        size = (self.n.bit_length() + 7) // 8
        info = _SHA256_INFO + digest
        padded = b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info
        return pow(int.from_bytes(padded), self.d, self.n).to_bytes(size)

    @property
    def public(self) -> str:
        """SubjectPublicKeyInfo in base64, as `p=` holds it."""
        bits = _der(3, b"\0" + rsa_public_key(self.n, self.e))
        return base64.b64encode(_der(0x30, _RSA_INFO + bits)).decode()


@dataclass(frozen=True)
class EdKey:
    """An Ed25519 key (RFC 8463)."""

    seed: bytes
    kind = "ed25519"

    def sign(self, _algorithm: str, digest: bytes) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(digest)

    @property
    def public(self) -> str:
        """The key itself in base64."""
        key = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


Key = RsaKey | EdKey


@cache
def _library_key(key: RsaKey) -> RSAPrivateKey:
    return RSAPrivateNumbers(
        key.p,
        key.q,
        key.d,
        key.d % (key.p - 1),
        key.d % (key.q - 1),
        pow(key.q, -1, key.p),
        RSAPublicNumbers(key.e, key.n),
    ).private_key()


@cache
def rsa_key(bits: int = 2048, seed: int = 1) -> RsaKey:
    """The key of this size and seed."""
    random = Random(f"token-catcher corpus {bits} {seed}")
    while True:
        p = _prime(random, bits // 2)
        q = _prime(random, bits - bits // 2)
        if p != q and (p * q).bit_length() == bits:
            return RsaKey(p, q)


@cache
def ed_key(seed: int = 1) -> EdKey:
    """The key of this seed."""
    return EdKey(Random(f"token-catcher corpus {seed}").randbytes(32))


@cache
def key_of(signer: Signer) -> RsaKey:
    """The signer's private key."""
    private = load_pem_private_key(signer.private_pem, None)
    assert isinstance(private, RSAPrivateKey)
    numbers = private.private_numbers()
    return RsaKey(numbers.p, numbers.q, numbers.public_numbers.e)


def record(key: Key, tags: str = "v=DKIM1; k={kind}; p={key}") -> bytes:
    """A key record as DNS holds it."""
    return tags.format(kind=key.kind, key=key.public).encode()


def seal(raw: bytes, key: Key | None = None, **how: Any) -> bytes:
    """The mail with its signature on top."""
    return signature(raw, key, **how) + raw


def signature(
    raw: bytes,
    key: Key | None = None,
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
    """The DKIM-Signature field of a mail.

    `tags` are added as written and signed with the rest, so they may contradict it."""
    digest = "sha1" if algorithm.endswith("sha1") else "sha256"
    if length is not None:
        tags = f" l={length};{tags}"
    if at is not None:
        tags = f" t={int(at.timestamp())};{tags}"
    field = (
        f"DKIM-Signature: v=1; a={algorithm}; c={canonical}; d={domain}; s={selector};{tags}\r\n"
        f"\th={_listed(headers)};\r\n\tbh={_body_hash(raw, canonical, digest, length)};\r\n\tb="
    )
    value = _signed(raw, field.encode(), headers, canonical, key or rsa_key(), digest)
    lines = [value[start : start + 72] for start in range(0, len(value), 72)]
    return field.encode() + "\r\n\t".join(lines).encode() + b"\r\n"


def with_value(field: bytes, value: bytes) -> bytes:
    """A DKIM-Signature field with another `b=`."""
    return field.partition(b"\tb=")[0] + b"\tb=" + value + b"\r\n"


def craft(
    raw: bytes,
    *,
    at: datetime = ISSUED,
    key: Key | None = None,
    signer: Signer | None = None,
    **tags: str | None,
) -> bytes:
    """The mail with a signature on top whose tags are as given.

    They stand in the order `v a c d s t h bh b`, then the others; None leaves a tag out."""
    signer = signer or genuine_signer()
    canonical = tags.get("c", "relaxed/simple") or "simple"
    listed = tags.get("h", ":".join(SIGNED_HEADERS)) or ""
    all_tags: dict[str, str | None] = {
        "v": "1",
        "a": "rsa-sha256",
        "c": canonical,
        "d": signer.domain,
        "s": signer.selector,
        "t": str(int(at.timestamp())),
        "h": listed,
        "bh": _body_hash(raw, canonical),
        "b": "",
        **tags,
    }
    written = [f"{name}={value}" for name, value in all_tags.items() if value is not None]
    field = "DKIM-Signature: " + "; ".join(written)
    names = [name.strip() for name in listed.split(":")]
    value = _signed(raw, field.encode(), names, canonical, key or key_of(signer))
    return field.replace("; b=", f"; b={value}", 1).encode() + b"\r\n" + raw


def _listed(names: Sequence[str]) -> str:
    """`h=`, a dozen names a line."""
    lines = [":".join(names[start : start + 12]) for start in range(0, len(names), 12)]
    return ":\r\n\t".join(lines)


def _body_hash(
    raw: bytes, canonical: str, digest: str = "sha256", length: int | None = None
) -> str:
    """`bh=`"""
    body = canonical_body(raw.partition(b"\r\n\r\n")[2], _forms(canonical)[1])
    return base64.b64encode(hashlib.new(digest, body[:length]).digest()).decode()


def _signed(
    raw: bytes,
    field: bytes,
    names: Sequence[str],
    canonical: str,
    key: Key,
    digest: str = "sha256",
) -> str:
    """`b=` of a field in which it is still empty."""
    head = raw.partition(b"\r\n\r\n")[0]
    signed = canonical_head(head, field, names, _forms(canonical)[0])
    return base64.b64encode(key.sign(digest, hashlib.new(digest, signed).digest())).decode()


def _forms(canonical: str) -> tuple[str, str]:
    """The form of the header and that of the body, which is `simple` where it is left out."""
    head, body = [*canonical.split("/"), "simple"][:2]
    return head, body


def canonical_body(body: bytes, form: str) -> bytes:
    """RFC 6376, sections 3.4.3 and 3.4.4."""
    if form == "relaxed":
        lines = re.sub(rb"[ \t]+", b" ", body).split(b"\r\n")
        body = b"\r\n".join(line.rstrip(b" ") for line in lines)
    while body.endswith(b"\r\n"):
        body = body[:-2]
    if not body and form == "relaxed":
        return b""
    return body + b"\r\n"


def canonical_head(head: bytes, own: bytes, names: Sequence[str], form: str) -> bytes:
    """RFC 6376, sections 3.4.1, 3.4.2 and 5.4.2.

    The lowest field of a name first; a name without a field (left) is nothing."""
    fields = re.split(rb"\r\n(?![ \t])", head)
    chosen: list[bytes] = []
    for name in names:
        for index in reversed(range(len(fields))):
            if fields[index].partition(b":")[0].lower() == name.lower().encode():
                chosen.append(fields.pop(index))
                break
    return b"\r\n".join(_canonical_field(field, form) for field in [*chosen, own])


def _canonical_field(field: bytes, form: str) -> bytes:
    if form == "simple":
        return field
    name, _, value = field.partition(b":")
    unfolded = re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b""))
    return name.lower().rstrip() + b":" + unfolded.strip()


def _prime(random: Random, bits: int) -> int:
    """A prime with its two highest bits set, so that the product of two has all of theirs."""
    while True:
        candidate = random.getrandbits(bits) | 1 | 3 << bits - 2
        if any(candidate % small == 0 for small in _SMALL_PRIMES):
            continue
        if candidate % 65537 != 1 and _is_prime(random, candidate):
            return candidate


_SMALL_PRIMES = [n for n in range(3, 2000, 2) if all(n % k for k in range(3, int(n**0.5) + 1, 2))]


def _is_prime(random: Random, n: int) -> bool:
    """Miller and Rabin."""
    odd = n - 1
    twos = 0
    while not odd & 1:
        odd >>= 1
        twos += 1
    return not any(_is_witness(random.randrange(2, n - 1), n, odd, twos) for _ in range(8))


def _is_witness(base: int, n: int, odd: int, twos: int) -> bool:
    """Whether this base shows that n is no prime."""
    power = pow(base, odd, n)
    if power in (1, n - 1):
        return False
    for _ in range(twos - 1):
        power = power * power % n
        if power == n - 1:
            return False
    return True


def rsa_public_key(modulus: int, exponent: int) -> bytes:
    """RSAPublicKey (RFC 8017, appendix A.1.1) in DER, of any two numbers."""
    return _der(0x30, _der_integer(modulus) + _der_integer(exponent))


def _der(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + _der_length(len(content)) + content


def _der_length(size: int) -> bytes:
    if size < 128:
        return bytes([size])
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([0x80 | len(octets)]) + octets


def _der_integer(value: int) -> bytes:
    return _der(2, value.to_bytes(value.bit_length() // 8 + 1))
