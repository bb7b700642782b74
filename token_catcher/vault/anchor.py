"""The head of a journal, kept in Vault beside the tokens, where who can write the journal cannot.

One secret for each instance, replaced with check-and-set: `token-catcher/journal/INSTANCE` below
the mount.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Final

from token_catcher.model import printable
from token_catcher.vault.kv import KeyValue
from token_catcher.vault.mount import Mount
from token_catcher.vault.version import SecretVersion

FOLDER: Final = "token-catcher/journal"
_LONGEST: Final = 64
"""Characters of a field."""
_SEQ: Final = re.compile("[1-9][0-9]{0,17}", re.ASCII)
_HASH: Final = re.compile("[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place in a journal that Vault knows."""

    seq: int
    hash: str
    instance: str
    """Whose journal it is."""
    at: str
    """When it was written there, by our clock."""


@dataclass(frozen=True, slots=True)
class AnchorVersion:
    """What is at the anchor's path, to be written over."""

    anchor: Anchor | None
    """None: nothing was written there yet, or somebody deleted it."""
    version: SecretVersion


class AnchorStore:
    """The anchor of one instance. Thread-safe."""

    def __init__(self, mount: Mount, secrets: KeyValue, instance: str) -> None:
        """`instance`: by whose name it is kept."""
        self._mount = mount
        self._secrets = secrets
        self._path = f"{FOLDER}/{instance}"

    @property
    def place(self) -> str:
        """Its path in Vault's API and in its policies."""
        return self._mount.where(self._path)

    def read(self) -> AnchorVersion:
        """What is there now. Raises what `VaultStore.holds` raises; TransientError also where
        something else stands in its place."""
        self._mount.check_path(self._path)
        self._mount.check(self._path)
        version = self._secrets.read(self._path, fresh=True)
        if not version.number or version.gone:
            return AnchorVersion(None, version)
        return AnchorVersion(self._anchor(version), version)

    def write(self, anchor: Anchor, over: AnchorVersion) -> bool:
        """Put this one in its place. False: somebody else was faster, and nothing was written."""
        fields = {name: str(value) for name, value in asdict(anchor).items()}
        return self._secrets.put(self._path, fields, over.version) is not None

    def _anchor(self, version: SecretVersion) -> Anchor:
        # Whoever may write the secret may have written anything there.
        names = ("seq", "hash", "instance", "at")
        texts = [printable(str(version.data.get(name)))[:_LONGEST] for name in names]
        seq, digest, instance, at = texts
        if not _SEQ.fullmatch(seq) or not _HASH.fullmatch(digest):
            raise self._mount.malformed(self._path, "no anchor: expected seq and hash of a record")
        return Anchor(int(seq), digest, instance, at)
