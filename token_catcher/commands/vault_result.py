"""What a scan tells of Vault itself: that a token could not be stored, though none waits."""

from __future__ import annotations

from collections.abc import Iterator

from token_catcher.app import App
from token_catcher.commands.results import ScanResult
from token_catcher.diagnosis import vault_trouble
from token_catcher.errors import TokenCatcherError


def vault_results(app: App) -> Iterator[ScanResult]:
    """An error, where the next token of some user would not reach Vault; otherwise nothing."""
    trouble = vault_trouble(app)
    if trouble is not None:
        yield ScanResult.from_error(None, trouble.code, trouble.saw)


def dry_vault_results(app: App) -> Iterator[ScanResult]:
    """The same for a dry run, which does without Vault where that does not answer.

    A secret_id that is wrapped stays so: nobody could unwrap it once more."""
    try:
        if app.store.inspection.would_unwrap():
            return
    except TokenCatcherError as error:
        yield ScanResult.from_error(None, error.code, str(error))
        return
    trouble = vault_trouble(app)
    if trouble is not None and not trouble.passes:
        yield ScanResult.from_error(None, trouble.code, trouble.saw)
