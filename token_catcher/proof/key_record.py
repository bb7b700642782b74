"""The key record of a signature (RFC 6376, section 3.6.1): whether it is a key for this use."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Final

import dkim

from token_catcher.proof.tags import Unacceptable, demand, names_in, tags_of

MAX_RECORD_BYTES: Final = 4096
MIN_RSA_BITS: Final = 1024
MAX_RSA_BITS: Final = 4096
"""RFC 8301 asks verifiers for 1024 to 4096."""
EXPONENTS: Final = range(3, 2**32, 2)
"""With an exponent of 1 anybody can sign; with one of thousands of bits a check takes seconds."""
# RFC 8301 forbids rsa-sha1; RFC 8463 brought Ed25519.
KEY_TYPES: Final = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}


def usable_key(record: bytes, tags: Mapping[str, str], domain: str) -> bytes:
    """The rules for the key record: RFC 6376, section 3.6.1, and no key under test.

    Returns the key, without all else."""
    if len(record) > MAX_RECORD_BYTES or not record.isascii():
        raise Unacceptable("a key record of no known form")
    key = tags_of(record)
    flags = names_in(key.get("t", ""))
    hashes = names_in(key.get("h", "sha256"))
    services = names_in(key.get("s", "*"))
    kind = KEY_TYPES[tags["a"]]
    first = next(iter(key.items()))
    exact = tags.get("i", "@" + domain).rpartition("@")[2].lower() == domain
    size = f"{MIN_RSA_BITS} to {MAX_RSA_BITS} bits"
    rules = (
        ("v" not in key or first == ("v", "DKIM1"), "v= is not DKIM1, or not the first tag"),
        (key.get("k", "rsa") == kind, "the type of the key"),
        ("sha256" in hashes, "h= without sha256"),
        ("*" in services or "email" in services, "s= without email"),
        # RFC 6376, section 3.6.1: such mail is to be treated like unsigned mail.
        ("y" not in flags, "t=y, a key under test"),
        ("s" not in flags or exact, "t=s with an i= that is not d="),
        (key.get("p") != "", "p= is empty: revoked"),
        (_strong(key.get("p", ""), kind), f"p= is no {kind} key of {size}"),
    )
    demand(rules, "key record: ")
    return f"k={kind}; p={key['p']}".encode()


def _strong(encoded: str, kind: str) -> bool:
    """Whether the key is there and of a fair size."""
    try:
        der = base64.b64decode("".join(encoded.split()), validate=True)
    except binascii.Error:
        return False
    if kind == "ed25519":
        return len(der) == 32  # RFC 8463, section 4.2: the key itself, no SubjectPublicKeyInfo
    try:
        key = dkim.parse_public_key(der)
    except Exception:  # noqa: BLE001 - dkimpy's ASN.1 reader raises anything on foreign bytes
        return False
    bits = dkim.bitsize(key["modulus"])
    return MIN_RSA_BITS <= bits <= MAX_RSA_BITS and key["publicExponent"] in EXPONENTS
