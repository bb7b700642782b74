"""The key record of a signature (RFC 6376, section 3.6.1): whether it is a key, and one for this.

What is no key speaks neither for the mail nor against it, and may be another at the next question.
A key that is not for this use, or was revoked, is a clear no.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from token_catcher.proof.tags import Unacceptable, demand, names_in, tags_of

MAX_RECORD_BYTES: Final = 4096
MIN_RSA_BITS: Final = 1024
MAX_RSA_BITS: Final = 4096
"""RFC 8301 asks verifiers for 1024 to 4096."""
EXPONENTS: Final = range(3, 2**32, 2)
"""With an exponent of 1 anybody can sign; with one of thousands of bits a check takes seconds."""
# RFC 8301 forbids rsa-sha1; RFC 8463 brought Ed25519.
KEY_TYPES: Final = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}

_PREFIX: Final = "key record: "
"""How a message about one begins."""


def usable_key(record: bytes, tags: Mapping[str, str], domain: str) -> bytes:
    """The rules for the key record: RFC 6376, section 3.6.1, and no key under test.

    Returns the key, without all else."""
    key = _key_tags(record)
    flags = names_in(key.get("t", ""))
    hashes = names_in(key.get("h", "sha256"))
    services = names_in(key.get("s", "*"))
    kind = KEY_TYPES[tags["a"]]
    exact = tags.get("i", "@" + domain).rpartition("@")[2].lower() == domain
    size = f"{MIN_RSA_BITS} to {MAX_RSA_BITS} bits"
    rules = (
        (key.get("k", "rsa") == kind, "the type of the key"),
        ("sha256" in hashes, "h= without sha256"),
        ("*" in services or "email" in services, "s= without email"),
        # RFC 6376, section 3.6.1: such mail is to be treated like unsigned mail.
        ("y" not in flags, "t=y, a key under test"),
        ("s" not in flags or exact, "t=s with an i= that is not d="),
        (key["p"] != "", "p= is empty: revoked"),
    )
    demand(rules, _PREFIX)
    public = _public_key(key["p"], kind)
    demand([(public.is_strong, f"p= is no {kind} key of {size}")], _PREFIX)
    return f"k={kind}; p={key['p']}".encode()


@lru_cache(maxsize=8)
def _key_tags(record: bytes) -> Mapping[str, str]:
    """What is no key record speaks neither for the mail nor against it."""
    try:
        plain = len(record) <= MAX_RECORD_BYTES and record.isascii()
        demand([(plain, "of no known form")])
        key = tags_of(record)
        first = next(iter(key.items()))
        # RFC 6376, section 3.6.1: any other is discarded, as one for DMARC, which has a p= as well.
        ours = "v" not in key or first == ("v", "DKIM1")
        demand([(ours, "v= is not DKIM1, or not the first tag"), ("p" in key, "without p=")])
    except Unacceptable as unacceptable:
        raise Unacceptable(_PREFIX + unacceptable.verification.saw, "no-key") from None
    return key


@dataclass(frozen=True, slots=True)
class _PublicKey:
    """What is asked of a public key."""

    kind: str
    bits: int
    exponent: int = 0

    @property
    def is_strong(self) -> bool:
        """Of a fair size; an Ed25519 key always is."""
        if self.kind == "ed25519":
            return True
        return MIN_RSA_BITS <= self.bits <= MAX_RSA_BITS and self.exponent in EXPONENTS


@lru_cache(maxsize=8)  # a backlog is of one or two keys
def _public_key(encoded: str, kind: str) -> _PublicKey:
    """What `p=` holds. A record that was cut short, say, holds no key and is asked for again."""
    no_key = Unacceptable(f"{_PREFIX}p= holds no {kind} key", "no-key")
    try:
        der = base64.b64decode("".join(encoded.split()), validate=True)
    except binascii.Error:
        raise no_key from None
    if kind == "ed25519":
        if len(der) != 32:  # RFC 8463, section 4.2: the key itself, no SubjectPublicKeyInfo
            raise no_key
        return _PublicKey(kind, 256)
    # As in `signature`: with the first key that is looked at.
    from token_catcher.proof.dkimpy import dkim

    try:
        key = dkim.parse_public_key(der)
    except Exception:  # noqa: BLE001 - dkimpy's ASN.1 reader raises anything on foreign bytes
        raise no_key from None
    return _PublicKey(kind, dkim.bitsize(key["modulus"]), key["publicExponent"])
