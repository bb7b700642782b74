"""Signatures of webhooks: Standard Webhooks 1.0.0, symmetric (`v1`)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

from token_catcher.model import Secret

PREFIX: Final = "whsec_"
SHORTEST: Final = 24
LONGEST: Final = 64
"""Bytes of a key, as the specification has it."""
A_KEY: Final = f"{PREFIX} and the base64 of {SHORTEST} to {LONGEST} random bytes"


def fault_of_key(secret: Secret) -> str | None:
    """Why this is no key to sign with, in words that show nothing of it; None: it is one."""
    key = _key(secret)
    if key is None:
        return "something else than base64"
    if not SHORTEST <= len(key) <= LONGEST:
        return f"a key of {len(key)} bytes"
    return None


def signature(secret: Secret, event_id: str, seconds: int, body: bytes) -> str:
    """The value of `webhook-signature`.

    `secret`: without a fault. `seconds`: when this try was made, since 1970."""
    key = _key(secret)
    assert key is not None  # whoever read it has looked
    signed = f"{event_id}.{seconds}.".encode() + body
    code = hmac.digest(key, signed, hashlib.sha256)
    return "v1," + base64.b64encode(code).decode()


def _key(secret: Secret) -> bytes | None:
    """None: it is no base64. The prefix may be left out, as `openssl rand -base64 32` does."""
    try:
        return base64.b64decode(secret.reveal().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
