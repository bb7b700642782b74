"""The fingerprint of a token as the record has it, under the keys of the journal; pure.

A token's own fingerprint is plain, `sha256:` and 16 hexadecimal digits, and stands beside the token
in Vault, where consumers and other instances compare it. With `journal.key` the record has it keyed
instead:

    hmac-sha256:KEY:DIGITS

`KEY` is the id of the journal's key, `DIGITS` the first 16 of the HMAC-SHA256 of the plain
fingerprint. So whoever has the record, but not the key, cannot tell whose token one is that they
came upon; whoever has the key compares with Vault's field, and needs no token.

Records of before have a plain fingerprint, or that of an earlier key, and are compared all the
same. Where a key is not there any more, nobody can tell, which is neither yes nor no.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

KEYED: Final = "hmac-sha256"
"""How a keyed fingerprint begins."""
_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class FingerprintKey:
    """What follows from one key of the journal for fingerprints alone."""

    id: str
    """Of the journal's key."""
    _material: bytes = field(repr=False)

    def of(self, fingerprint: str) -> str:
        """The plain fingerprint, keyed."""
        digest = hmac.digest(self._material, fingerprint.encode("ascii"), "sha256").hex()
        return f"{KEYED}:{self.id}:{digest[:_DIGITS]}"


class Fingerprints:
    """Makes and compares the fingerprints of records."""

    def __init__(self, keys: Iterable[FingerprintKey] = ()) -> None:
        """`keys`: the newest first, with which fingerprints are made. None: they are plain."""
        self._by_id = {key.id: key for key in keys}

    def recorded(self, fingerprint: str) -> str:
        """What a record gets of a token with this fingerprint."""
        current = next(iter(self._by_id.values()), None)
        if current is None:
            return fingerprint
        return current.of(fingerprint)

    def forms(self, fingerprint: str) -> list[str]:
        """All that records may have of a token with this fingerprint."""
        return [fingerprint, *(key.of(fingerprint) for key in self._by_id.values())]

    def is_known(self, recorded: str | None) -> bool:
        """Whether a record's fingerprint can be compared: it is plain, or we have its key."""
        key_id = _key_id(recorded)
        return key_id is None or key_id in self._by_id

    def is_of(self, recorded: str | None, fingerprint: str | None) -> bool | None:
        """Whether a record's fingerprint is of the token with this one; None on either side: there
        is no token. Returns None where nobody can tell: its key is not there any more."""
        if recorded is None or fingerprint is None:
            return recorded is fingerprint
        key_id = _key_id(recorded)
        if key_id is None:
            return recorded == fingerprint
        key = self._by_id.get(key_id)
        if key is None:
            return None
        return recorded == key.of(fingerprint)


def _key_id(recorded: str | None) -> str | None:
    """Of the key that it was made with. None: it is plain."""
    kind, _, rest = (recorded or "").partition(":")
    if kind != KEYED:
        return None
    return rest.partition(":")[0]


PLAIN: Final = Fingerprints()
"""Without a key."""
