"""How the tokens of all users stand, the mailboxes, Vault and the journal: without a daemon."""

from __future__ import annotations

from token_catcher.app import App
from token_catcher.commands import output
from token_catcher.commands.output import ExitCode
from token_catcher.commands.status_lines import as_json, status_lines
from token_catcher.overview import overview_of


def run(app: App, *, in_json: bool) -> ExitCode:
    """Show all of it. FAILED: a token is overdue, was never seen, is missing or held, or a mailbox,
    Vault or the journal fails.

    ConfigurationError: which mailboxes are ours is not known."""
    overview = overview_of(app)
    if in_json:
        output.write_json([as_json(overview)])
    else:
        output.print_lines(status_lines(overview))
    if overview.needs_a_person:
        return ExitCode.FAILED
    return ExitCode.DONE
