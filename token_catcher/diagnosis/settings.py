"""How the mount, and each secret in it, keeps versions: what is lost by that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from token_catcher.diagnosis.limits import Limit
from token_catcher.diagnosis.rights import SecretPaths
from token_catcher.diagnosis.step import Step
from token_catcher.errors import TokenCatcherError
from token_catcher.vault import Inspection, Settings, policy_line

DEFAULT_VERSIONS: Final = 10
"""How many Vault keeps where nothing else is set."""


def settings_steps(
    vault: Inspection, secrets: Sequence[SecretPaths], limit: Limit
) -> Iterator[Step]:
    """Those of the mount of version 2, then those of each secret that has its own."""
    try:
        yield from _of_the_mount(vault)
        yield from _of_the_secrets(vault, secrets, limit)
    except TokenCatcherError as error:
        yield Step("vault", vault.mount, "settings", "failed", str(error), code=error.code)


def _of_the_mount(vault: Inspection) -> Iterator[Step]:
    settings = vault.mount_settings()
    if settings is None:
        line = policy_line(f"{vault.mount}/config", ["read"])
        saw = (
            "our token may not read how the mount keeps versions (max_versions, cas_required,"
            f" delete_version_after); {line} would show it"
        )
        yield Step("vault", vault.mount, "settings", "skipped", saw, code="vault-settings-denied")
        return
    warnings = list(_warnings(vault.mount, settings))
    yield from warnings
    if not warnings:
        versions = settings.max_versions or DEFAULT_VERSIONS
        saw = f"{versions} versions are kept; cas_required is {settings.cas_required}".lower()
        yield Step("vault", vault.mount, "settings", "ok", saw)


def _of_the_secrets(
    vault: Inspection, secrets: Sequence[SecretPaths], limit: Limit
) -> Iterator[Step]:
    """Only what stands out: most secrets have no settings of their own."""
    deadline = limit.deadline()
    for number, secret in enumerate(secrets):
        if limit.is_over(deadline):
            yield limit.left_out("settings", len(secrets) - number, len(secrets))
            return
        settings = vault.settings_of(secret.user.path)
        if settings is not None:
            yield from _warnings(secret.metadata or "", settings)


def _warnings(subject: str, settings: Settings) -> Iterator[Step]:
    """What the settings of a mount, or of one secret, cost."""
    if settings.max_versions == 1:
        saw = "max_versions is 1: a token that was overwritten is lost, and so is the history"
        yield Step("vault", subject, "settings", "warning", saw, code="vault-max-versions")
    if settings.delete_version_after:
        saw = (
            f"delete_version_after is {settings.delete_version_after}: Vault deletes a token so"
            " long after it was stored, whether another one has come or not"
        )
        yield Step("vault", subject, "settings", "warning", saw, code="vault-delete-version-after")
