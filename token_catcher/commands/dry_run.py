"""What a scan would make of the mail of the window, without writing anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta

from token_catcher.app import App
from token_catcher.commands.explain import explain
from token_catcher.commands.output import ExitCode
from token_catcher.commands.results import ScanResult
from token_catcher.commands.scan import show_in
from token_catcher.commands.streams import trouble_last
from token_catcher.commands.vault_result import dry_vault_results
from token_catcher.errors import TokenCatcherError
from token_catcher.lookup import Lookup
from token_catcher.report import Trouble
from token_catcher.sweep import Watched


def run(app: App, names: Sequence[str], *, since: timedelta | None, as_json: bool) -> ExitCode:
    """Judge the mail of each mailbox. The trouble of one does not keep us from the next.

    FAILED: a mailbox, or a folder of it, cannot be looked at, or a mail not judged for now.
    ConfigurationError: there is no such mailbox."""
    show = show_in(as_json)
    code = ExitCode.DONE
    with trouble_last():
        for watched in app.watched(names):
            try:
                for result in dry_run(watched, app.now(), since):
                    show(result)
                    if result.outcome in ("retry", "error"):
                        code = ExitCode.FAILED
            except TokenCatcherError as error:
                show(ScanResult.from_error(watched.name, error.code, str(error)))
                code = ExitCode.FAILED
        for result in dry_vault_results(app):
            show(result)
            code = ExitCode.FAILED
    return code


def dry_run(
    watched: Watched, now: datetime, since: timedelta | None = None
) -> Iterator[ScanResult]:
    """Judge the mail of the window and write nothing: no journal, no checkpoint, no Vault.

    A mail that cannot be judged now, or that the server does not show, is a `retry`. Raises what
    `connect` and the session raise."""
    horizon = now - (since or watched.lookback)
    with closing(watched.connect()) as mailbox:
        for answer in Lookup(mailbox, watched.sweep.domains).since(horizon):
            if isinstance(answer, Trouble):
                yield ScanResult.from_trouble(watched.name, answer)
                continue
            explanation = explain(answer.ref.folder, answer, watched.judge, watched.addresses)
            if explanation.outcome != "ignored":
                yield ScanResult.from_explanation(watched.name, answer.ref.uid, explanation)
