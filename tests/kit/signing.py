"""DKIM signatures with any tags at all, made without dkimpy: what the program reads is checked against a second hand."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from tests.kit.mails import ISSUED, SIGNED_HEADERS, Signer, genuine_signer

Key = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def craft(
    raw: bytes,
    *,
    at: datetime = ISSUED,
    key: Key | None = None,
    signer: Signer | None = None,
    **tags: str | None,
) -> bytes:
    """The mail with a signature on top whose tags are as given, in the order `v a c d s t h bh b` and then the others; None
    leaves a tag out. Headers are canonicalized as `relaxed`, or as they stand under `c=simple/…`."""
    signer = signer or genuine_signer()
    all_tags: dict[str, str | None] = {
        "v": "1",
        "a": "rsa-sha256",
        "c": "relaxed/simple",
        "d": signer.domain,
        "s": signer.selector,
        "t": str(int(at.timestamp())),
        "h": ":".join(SIGNED_HEADERS),
        "bh": None,
        "b": "",
        **tags,
    }
    head, _, body = raw.partition(b"\r\n\r\n")
    header_form, _, body_form = (all_tags["c"] or "simple").partition("/")
    if "bh" not in tags:
        all_tags["bh"] = base64.b64encode(
            hashlib.sha256(_body(body, body_form or "simple")).digest()
        ).decode()
    field = "DKIM-Signature: " + "; ".join(
        f"{name}={value}" for name, value in all_tags.items() if value is not None
    )
    names = [name.strip() for name in (all_tags["h"] or "").split(":")]
    data = b"".join(_header(one, header_form) + b"\r\n" for one in _selected(head, names))
    data += _header(field.encode(), header_form)
    signature = base64.b64encode(_signed(key or _private(signer.private_pem), data)).decode()
    return field.replace("; b=", f"; b={signature}", 1).encode() + b"\r\n" + raw


def record(key: Key, tags: str = "v=DKIM1; k={kind}; p={key}") -> bytes:
    """A key record for this key."""
    public = key.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return tags.format(kind="ed25519", key=base64.b64encode(raw).decode()).encode()
    der = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return tags.format(kind="rsa", key=base64.b64encode(der).decode()).encode()


@cache
def _private(pem: bytes) -> Key:
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _signed(key: Key, data: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(hashlib.sha256(data).digest())
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def _selected(head: bytes, names: Sequence[str]) -> list[bytes]:
    """RFC 6376, section 5.4.2: the bottommost field of a name first; a name without a field (left) is nothing."""
    fields = re.split(rb"\r\n(?![ \t])", head)
    chosen = []
    for name in names:
        wanted = name.lower().encode() + b":"
        for index in range(len(fields) - 1, -1, -1):
            if fields[index].lower().startswith(wanted):
                chosen.append(fields.pop(index))
                break
    return chosen


def _header(field: bytes, form: str) -> bytes:
    if form == "simple":
        return field
    name, _, value = field.partition(b":")
    return name.lower() + b":" + re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip()


def _body(body: bytes, form: str) -> bytes:
    if form == "relaxed":
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
        body = b"\r\n".join(lines)
    body = re.sub(rb"(\r\n)+\Z", b"", body)
    return body + b"\r\n" if body or form == "simple" else b""
