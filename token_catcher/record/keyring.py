"""The keys of the chain: with one, a record proves that whoever wrote it had the key.

The text has one key a line, the newest first: that one is written with, the others verify what was
written before. A key is any text of at least 32 characters, as `openssl rand -hex 32` gives it; it
is used as it stands, so that other tools can check a record with it. Records name their key by its
id: the first 16 hexadecimal digits of the SHA-256 of `token-catcher journal key:` and the key.

Fingerprints are made with another key that follows from it, the HMAC-SHA256 of
`token-catcher fingerprint` with the key: no key is used for two things.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from token_catcher.fingerprints import FingerprintKey, Fingerprints
from token_catcher.model import Secret

SHORTEST_KEY: Final = 32
"""Characters of a key. The id, and each record, would let somebody guess a short one."""
_ID_PREFIX: Final = b"token-catcher journal key:"
_FINGERPRINT: Final = b"token-catcher fingerprint"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the chain."""

    id: str
    """What its records name it by; of no use to find the key."""
    _material: bytes = field(repr=False)

    @classmethod
    def of(cls, material: bytes) -> Key:
        """With the id that follows from it."""
        digest = hashlib.sha256(_ID_PREFIX + material).hexdigest()
        return cls(digest[:16], material)

    def mac(self, body: bytes) -> bytes:
        """HMAC-SHA256 (RFC 2104) of a record, in hexadecimal."""
        return hmac.digest(self._material, body, "sha256").hex().encode("ascii")

    @property
    def for_fingerprints(self) -> FingerprintKey:
        """The key of the fingerprints in its records."""
        return FingerprintKey(self.id, hmac.digest(self._material, _FINGERPRINT, "sha256"))


class Keyring:
    """The key that is written with, and those that were."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        """`keys`: the newest first."""
        self._by_id: dict[str, Key] = {}
        for key in keys:
            self._by_id.setdefault(key.id, key)

    @classmethod
    def of(cls, text: Secret) -> Keyring:
        """Out of the text of `journal.key`. ValueError: a key is too short, or there is none."""
        lines = [line.strip() for line in text.reveal().splitlines()]
        keys = [line for line in lines if line]
        if not keys:
            raise ValueError("no key")
        shortest = min(len(key) for key in keys)
        if shortest < SHORTEST_KEY:
            raise ValueError(f"one of {shortest} characters")
        return cls(Key.of(key.encode()) for key in keys)

    @property
    def current(self) -> Key | None:
        """The key that is written with. None: there is no key at all."""
        return next(iter(self._by_id.values()), None)

    @property
    def ids(self) -> tuple[str, ...]:
        """Of all keys, the newest first."""
        return tuple(self._by_id)

    @property
    def fingerprints(self) -> Fingerprints:
        """What makes and compares the fingerprints of records."""
        return Fingerprints(key.for_fingerprints for key in self._by_id.values())

    def get(self, key_id: object) -> Key | None:
        """The key of this id. None: it is none of these."""
        if not isinstance(key_id, str):
            return None
        return self._by_id.get(key_id)


NO_KEYS: Final = Keyring()
"""For who has no key: then records are checked by their hashes alone."""
