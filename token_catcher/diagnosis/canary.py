"""A secret of ours that is written, read and removed: whether it really works.

It lies beside the secrets of the users, under a name that no user has, and never touches one of
theirs. Where our policies do not let us remove it again, it is not written.
"""

from __future__ import annotations

import secrets as randomness
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from token_catcher.diagnosis.rights import Grants, SecretPaths
from token_catcher.diagnosis.step import Step
from token_catcher.errors import TokenCatcherError
from token_catcher.vault import Inspection, policy_line

NAME: Final = "token-catcher-check"
FOLDERS: Final = 20
"""At most so many folders are tried, one canary in each."""


def write_steps(vault: Inspection, secrets: Sequence[SecretPaths]) -> Iterator[Step]:
    """One canary in each folder that users' secrets are in."""
    folders = dict.fromkeys(secret.user.path.rpartition("/")[0] for secret in secrets)
    for folder in list(folders)[:FOLDERS]:
        path = f"{folder}/{NAME}-{randomness.token_hex(4)}".lstrip("/")
        try:
            yield _write_step(vault, path)
        except TokenCatcherError as error:
            yield Step(
                "vault", vault.policy_paths(path).data, "write", "failed", str(error), error.code
            )


def _write_step(vault: Inspection, path: str) -> Step:
    """Raises what stands between us and Vault."""
    subject = vault.policy_paths(path).data
    needed = _needed(vault, path)
    granted = vault.capabilities(list(needed))
    if granted is None:
        saw = "not written: sys/capabilities-self is denied, so nobody knows whether it could be"
        return Step("vault", subject, "write", "skipped", f"{saw} removed", code="vault-canary")
    lines = _missing_lines(Grants(granted), needed)
    if lines:
        saw = f"not written: that and removing it again needs {' '.join(lines)}"
        return Step("vault", subject, "write", "skipped", saw, code="vault-canary")
    return _tried(vault, path)


def _needed(vault: Inspection, path: str) -> Mapping[str, list[str]]:
    """What is done to the canary, by path of Vault's API."""
    data, metadata = vault.policy_paths(path)
    if metadata is None:
        return {data: ["create", "read", "delete"]}
    return {data: ["create", "read", "patch"], metadata: ["delete"]}


def _missing_lines(grants: Grants, needed: Mapping[str, list[str]]) -> list[str]:
    """Of the policy that would let us."""
    lines = []
    for path, words in needed.items():
        lacking = grants.lacks(path, words)
        if lacking:
            lines.append(policy_line(path, lacking))
    return lines


def _tried(vault: Inspection, path: str) -> Step:
    """Written, merged into, read and, whatever came of that, removed."""
    subject = vault.policy_paths(path).data
    try:
        problem = _problem(vault, path)
    finally:
        status = vault.remove_canary(path)
    if problem:
        return Step("vault", subject, "write", "failed", problem, code="vault-canary-write")
    if status not in (200, 204):
        saw = f"it stays there: removing it was answered with {status}, expected 204"
        return Step("vault", subject, "write", "warning", saw, code="vault-canary-stays")
    return Step("vault", subject, "write", "ok", "written, read and removed")


def _problem(vault: Inspection, path: str) -> str:
    """What went wrong; empty: nothing."""
    text = randomness.token_hex(16)
    status = vault.write_canary(path, text)
    if status not in (200, 204):
        return f"writing it was answered with {status}, expected 200"
    if vault.kv_version != 1:
        text = randomness.token_hex(16)
        status = vault.patch_canary(path, text)
        if status != 200:
            return f"merging into it with PATCH was answered with {status}, expected 200"
    if vault.read_canary(path) != text:
        return "something else is read there than was written"
    return ""
