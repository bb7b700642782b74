"""Judges mail from files with the configured trust, and says why: it teaches, and it diagnoses.

Nothing is written and neither mailbox nor Vault is asked, so both may be unreachable; only keys
that are not pinned are asked of DNS.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime

from token_catcher.app import App
from token_catcher.commands import mailfiles, output
from token_catcher.commands.explanation import Explanation, explanation_of
from token_catcher.commands.output import ExitCode
from token_catcher.commands.render import explanation_lines
from token_catcher.errors import TransientError
from token_catcher.judge import Judge
from token_catcher.model import Mail


def run(
    app: App,
    files: Sequence[str],
    *,
    received_at: datetime | None,
    mailbox: str | None,
    as_json: bool,
) -> ExitCode:
    """Explain every mail of the files. FAILED: of one of them nothing can be said for now.

    ConfigurationError: there is no such mailbox. TokenCatcherError: a file cannot be read."""
    own = app.mailbox(mailbox)
    code = ExitCode.DONE
    for file in files:
        for saved in mailfiles.read(file, sys.stdin.buffer):
            _tell_what_was_taken_off(saved)
            if saved.problem is not None:
                output.complain(f"{saved.name}: {saved.problem}")
            mail = mailfiles.as_mail(saved.name, saved.raw, received_at, own.name)
            trust_date = received_at is None
            explanation = explain(saved.name, mail, app.judge, own.addresses, trust_date=trust_date)
            _show(explanation, as_json=as_json)
            if explanation.outcome == "retry":
                code = ExitCode.FAILED
    return code


def explain(
    file: str, mail: Mail, judge: Judge, addresses: Sequence[str], *, trust_date: bool = False
) -> Explanation:
    """Judge one mail. `trust_date`: its own Date stands for the time of arrival."""
    try:
        return explanation_of(file, judge.judge(mail, addresses, trust_date=trust_date))
    except TransientError as error:
        return explanation_of(file, error)


def _tell_what_was_taken_off(saved: mailfiles.SavedMail) -> None:
    """On standard error: no result, and a mail that came so would be refused."""
    if saved.taken_off:
        what = " and ".join(saved.taken_off)
        output.complain(f"{saved.name}: read without {what}, of the program that saved it")


def _show(explanation: Explanation, *, as_json: bool) -> None:
    if as_json:
        output.write_json([explanation.as_json()])
    else:
        output.print_lines(explanation_lines(explanation))
