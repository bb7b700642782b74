"""What a scan tells of Vault itself: that a token could not be stored, though none waits, and which
it has lost."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress

from token_catcher.app import App
from token_catcher.commands import output
from token_catcher.commands.results import ScanResult
from token_catcher.diagnosis import vault_trouble
from token_catcher.errors import StateError, TokenCatcherError
from token_catcher.losses import losses_of
from token_catcher.wording import counted


def vault_results(
    app: App, mailboxes: Collection[str], stored: Collection[str]
) -> Iterator[ScanResult]:
    """An error, where the next token of some user would not reach Vault; then what Vault has lost
    of what came to these mailboxes. `stored`: the digests of mails that the scan has stored."""
    trouble = vault_trouble(app, stored)
    if trouble is not None:
        yield ScanResult.from_error(None, trouble.code, trouble.saw)
    if trouble is None or trouble.is_partial:
        yield from _losses(app, mailboxes, stored)


def dry_vault_results(app: App, mailboxes: Collection[str]) -> Iterator[ScanResult]:
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
    if trouble is None or trouble.is_partial:
        yield from _losses(app, mailboxes, ())


def _losses(app: App, mailboxes: Collection[str], stored: Collection[str]) -> Iterator[ScanResult]:
    with suppress(StateError):  # which a scan tells, and a dry run does without
        losses = losses_of(app, mailboxes, stored)
        for lost in losses.lost:
            yield ScanResult.from_loss(lost)
        if losses.unasked:
            output.complain(
                "token-catcher: Vault answers slowly, so that the tokens of"
                f" {counted(losses.unasked, 'user')} were not looked for; `token-catcher status`"
                " asks for all of them"
            )
