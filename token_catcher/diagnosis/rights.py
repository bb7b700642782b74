"""What a policy lacks for the path of a user, and what it grants beyond that. Pure.

Vault tells the capabilities of a token path by path (`sys/capabilities-self`): words such as
`read`, or `root` for all of them, or `deny` for none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from token_catcher.diagnosis.step import Step
from token_catcher.diagnosis.users import UserPath
from token_catcher.vault import listed, policy_line

NEEDED: Final = ("create", "read", "update")
"""Without one of them some token cannot be stored: the first of a user, the next one, or the one
after a version that expired."""
WRITING: Final = ("create", "update", "patch", "delete")
NEIGHBOUR: Final = "token-catcher-neighbour"
"""A name that no user's path has."""
ROOT: Final = "root"


@dataclass(frozen=True, slots=True)
class SecretPaths:
    """Where the secret of a user is, as policies have it."""

    user: UserPath
    data: str
    metadata: str | None
    """None: the mount is of version 1."""


@dataclass(frozen=True, slots=True)
class Grants:
    """What our policies let us do, as far as it was asked."""

    capabilities: Mapping[str, frozenset[str]]
    """By path of Vault's API."""

    def is_known(self, path: str) -> bool:
        """Whether it was asked for this path."""
        return path in self.capabilities

    def lacks(self, path: str, wanted: Iterable[str]) -> list[str]:
        """Which of these are not granted at this path."""
        if self.has(path, ROOT):
            return []
        return [word for word in wanted if not self.has(path, word)]

    def has(self, path: str, word: str) -> bool:
        """Whether this very word is granted there."""
        return word in self.capabilities.get(path, frozenset())


def neighbour(users: Iterable[UserPath]) -> str:
    """A path of no user, that no policy for users' paths has to cover.

    It has another number of segments than theirs: a `+` stands for one each."""
    lengths = {len(user.path.split("/")) for user in users}
    length = 1
    while length in lengths:
        length += 1
    return "/".join([NEIGHBOUR] * length)


def right_step(secret: SecretPaths, grants: Grants) -> Step:
    """What the policies lack for one user."""
    lacking = grants.lacks(secret.data, NEEDED)
    if lacking:
        saw = f"our token lacks {listed(lacking)} there; grant {policy_line(secret.data, lacking)}"
        return _step(secret, "failed", saw, code="vault-policy")
    if secret.metadata is None:
        return _step(secret, "ok", listed(NEEDED))
    return _wish_step(secret, secret.metadata, grants)


def _wish_step(secret: SecretPaths, metadata: str, grants: Grants) -> Step:
    """What tokens are stored without, at a price."""
    if grants.lacks(secret.data, ["patch"]):
        line = policy_line(secret.data, ["patch"])
        saw = f"our token lacks patch there, so a secret is read, merged and written; grant {line}"
        return _step(secret, "warning", saw, code="vault-policy-patch")
    if not grants.is_known(metadata):
        return _step(secret, "ok", listed([*NEEDED, "patch"]))
    if grants.lacks(metadata, ["read"]):
        line = policy_line(metadata, ["read"])
        saw = (
            "our token lacks read on its metadata, so a version that expired may be taken for a"
            f" deleted one; grant {line}"
        )
        return _step(secret, "warning", saw, code="vault-policy-metadata")
    return _step(secret, "ok", f"{listed([*NEEDED, 'patch'])}; read on its metadata")


def _step(
    secret: SecretPaths, outcome: Literal["ok", "warning", "failed"], saw: str, code: str = ""
) -> Step:
    return Step("vault", secret.data, "rights", outcome, f"{saw}{secret.user.note}", code)


def excess_steps(secrets: Sequence[SecretPaths], beside: str, grants: Grants) -> Iterator[Step]:
    """What the policies grant beyond what is used. `beside`: the path of no user."""
    warnings = list(_excess(secrets, beside, grants))
    yield from warnings
    if not warnings:
        yield Step("vault", "", "excess", "ok", "no rights were found that are not used")


def _excess(secrets: Sequence[SecretPaths], beside: str, grants: Grants) -> Iterator[Step]:
    if grants.has(beside, ROOT):
        saw = "our token has the policy root: it may do everything in Vault"
        yield Step("vault", "", "excess", "warning", saw, code="vault-root")
        return
    for secret in secrets:
        yield from _wide(secret.data, grants, ("delete", "sudo"), "which is never used")
        if secret.metadata is not None:
            why = "which removes all versions of the secret"
            yield from _wide(secret.metadata, grants, ("delete", "sudo"), why)
    yield from _wide(beside, grants, WRITING, "where no user's token is kept")


def _wide(path: str, grants: Grants, words: Iterable[str], why: str) -> Iterator[Step]:
    granted = [word for word in words if grants.has(path, word)]
    if granted:
        saw = f"our token has {listed(granted)} there, {why}"
        yield Step("vault", path, "excess", "warning", saw, code="vault-rights-wide")
