"""Whether a store gets past the policies, beyond what capabilities tell; tried without a change.

A policy that wants or forbids parameters, or wants answers wrapped, grants every capability and
refuses every store. `Inspection.denied` says how that is found out and why nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from token_catcher.diagnosis.limits import Limit
from token_catcher.diagnosis.rights import NEEDED, SecretPaths
from token_catcher.diagnosis.step import Step, StepOutcome
from token_catcher.errors import TokenCatcherError
from token_catcher.vault import Inspection, listed, policy_line
from token_catcher.wording import counted

MOST_FOLDERS: Final = 20
"""In so many folders one path is tried, where not every path is."""
CONSTRAINT: Final = "vault-policy-constraint"


@dataclass(frozen=True, slots=True)
class Rights:
    """Where a store may be tried."""

    sufficient: Sequence[SecretPaths] = ()
    """The paths where our token lacks nothing that a store needs, as far as that is known."""
    without_patch: frozenset[str] = frozenset()
    """Those of them, in Vault's API, where it is known to lack `patch`: a store does without."""
    is_known: bool = True
    """Whether our policies let us ask for our capabilities."""


def one_in_each_folder(secrets: Sequence[SecretPaths]) -> list[SecretPaths]:
    """The first path of each folder: policies name folders, and seldom a single user."""
    firsts: dict[str, SecretPaths] = {}
    for secret in secrets:
        firsts.setdefault(secret.data.rpartition("/")[0], secret)
    return list(firsts.values())[:MOST_FOLDERS]


def trial_steps(vault: Inspection, rights: Rights, limit: Limit) -> Iterator[Step]:
    """Each path that a store is kept from; or that none is."""
    secrets = rights.sufficient
    deadline = limit.deadline()
    problems = 0
    for number, secret in enumerate(secrets):
        if limit.is_over(deadline):
            yield limit.left_out("trial", len(secrets) - number, len(secrets))
            return
        step = _trial_step(vault, secret, rights)
        if step is not None:
            problems += 1
            yield step
    if secrets and not problems:
        yield _passed_step(vault, len(secrets))


def _passed_step(vault: Inspection, count: int) -> Step:
    paths = counted(count, "path")
    if vault.kv_version == 1:
        saw = (
            f"reading gets past the policies on {paths}; no write was tried, since KV version 1"
            " has no check-and-set that would keep it from changing something (--write-test)"
        )
        return Step("vault", "", "trial", "skipped", saw, "vault-trial-unversioned")
    saw = f"a store gets past the policies on {paths}; nothing was written"
    return Step("vault", "", "trial", "ok", saw)


def _trial_step(vault: Inspection, secret: SecretPaths, rights: Rights) -> Step | None:
    """What keeps a store from this path; None: nothing."""
    try:
        with_patch = secret.data not in rights.without_patch
        denied = list(vault.denied(secret.user.path, with_patch=with_patch))
    except TokenCatcherError as error:
        return Step("vault", secret.data, "trial", "failed", str(error), error.code)
    if not denied:
        return None
    if not rights.is_known:
        return _unknown_step(secret, denied)
    saw = (
        f"{listed(denied)} denied there, though the capabilities are granted: a policy wants or"
        " forbids parameters, or wants answers wrapped"
    )
    if denied == ["PATCH"]:
        saw = f"{saw}; tokens are stored with POST all the same"
        return _step(secret, "warning", saw, CONSTRAINT)
    return _step(secret, "failed", saw, CONSTRAINT)


def _unknown_step(secret: SecretPaths, denied: Sequence[str]) -> Step:
    """Where nobody tells our capabilities: most likely it lacks one."""
    if denied == ["PATCH"]:
        line = policy_line(secret.data, ["patch"])
        saw = f"PATCH denied there, so a secret is read, merged and written; grant {line}"
        return _step(secret, "warning", saw, "vault-policy-patch")
    line = policy_line(secret.data, NEEDED)
    return _step(secret, "failed", f"{listed(denied)} denied there; grant {line}", "vault-policy")


def _step(secret: SecretPaths, outcome: StepOutcome, saw: str, code: str) -> Step:
    return Step("vault", secret.data, "trial", outcome, f"{saw}{secret.user.note}", code)
