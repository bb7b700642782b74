"""The head of a journal, kept in Vault beside the tokens, where who can write the journal cannot.

One secret for each instance, replaced with check-and-set: `token-catcher/journal/INSTANCE` below
the mount.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from token_catcher.errors import AccessError
from token_catcher.model import printable
from token_catcher.vault.capabilities import capabilities, listed, policy_line
from token_catcher.vault.kv import KeyValue
from token_catcher.vault.mount import DENIED, ROOT, Mount
from token_catcher.vault.version import SecretVersion

FOLDER: Final = "token-catcher/journal"
NEEDED: Final = ("create", "read", "update")
"""The capabilities that an anchor needs at its path."""
LACKING: Final = "journal-anchor-policy"
"""The code where our policies do not grant them."""
FOREIGN: Final = "journal-anchor-form"
"""The code where something else stands in the anchor's place."""
_DENIALS: Final = frozenset({DENIED, "vault-mount"})
"""Codes of what a policy may be the cause of: a mount is not shown to who has no rights in it."""
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

    def expect_granted(self, wanted: Sequence[str] = NEEDED) -> None:
        """AccessError: our policies do not grant that at the anchor's path.

        Asked before a request that would be denied: a denial is told by Vault's audit log, and
        counts as one that keeps tokens out. Raises what `Client.ask` raises."""
        lacking = self._lacking(wanted)
        if lacking:
            raise self._policy_error(lacking)

    def read(self) -> AnchorVersion:
        """What is there now. Raises what `VaultStore.holds` raises; AccessError also where
        something else stands in its place."""
        self._mount.check_path(self._path)
        try:
            self._mount.check(self._path)
            version = self._secrets.read(self._path, fresh=True)
        except AccessError as error:
            denial = error
        else:
            return self._version(version)
        # Out here the exception is no context of the next one.
        raise self._refusal(denial, ("read",))

    def write(self, anchor: Anchor, over: AnchorVersion) -> bool:
        """Put this one in its place. False: somebody else was faster, and nothing was written."""
        fields = {name: str(value) for name, value in asdict(anchor).items()}
        try:
            return self._secrets.put(self._path, fields, over.version) is not None
        except AccessError as error:
            denial = error
        raise self._refusal(denial, NEEDED)

    def _refusal(self, denial: AccessError, wanted: Sequence[str]) -> AccessError:
        """What is told of a denial: which policy lacks what, where that is its cause.

        The advice for the paths of users would name another policy."""
        if denial.code not in _DENIALS:
            return denial
        lacking = self._lacking(wanted)
        if lacking:
            return self._policy_error(lacking)
        if denial.code == DENIED:  # and our policies do not let us ask what they grant
            return self._policy_error(wanted)
        return denial

    def _lacking(self, wanted: Sequence[str]) -> list[str]:
        """Which of these are not granted. None of them, where we may not ask."""
        granted = capabilities(self._mount.client, [self.place])
        if granted is None or ROOT in granted[self.place]:
            return []
        return [word for word in wanted if word not in granted[self.place]]

    def _policy_error(self, lacking: Sequence[str]) -> AccessError:
        return AccessError(
            f"our token lacks {listed(lacking)} on the journal's anchor; grant"
            f" {policy_line(self.place, lacking)}",
            code=LACKING,
        )

    def _version(self, version: SecretVersion) -> AnchorVersion:
        if not version.number or version.gone:
            return AnchorVersion(None, version)
        return AnchorVersion(self._anchor(version), version)

    def _anchor(self, version: SecretVersion) -> Anchor:
        # Whoever may write the secret may have written anything there.
        names = ("seq", "hash", "instance", "at")
        texts = [printable(str(version.data.get(name)))[:_LONGEST] for name in names]
        seq, digest, instance, at = texts
        if not _SEQ.fullmatch(seq) or not _HASH.fullmatch(digest):
            raise AccessError(
                f"{self.place}: version {version.number} is no anchor, expected seq and hash of a"
                " record: somebody else wrote there",
                code=FOREIGN,
            )
        return Anchor(int(seq), digest, instance, at)
