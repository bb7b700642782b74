"""What a scan would make of the mail of the window, without writing anything.

Each mail is judged, and Vault asked what it would make of those that would be stored: it is the one
that knows whether their tokens are the newest. Where it does not answer, that is told once, and the
mails are compared with each other alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from token_catcher.advice import next_step
from token_catcher.age import Age, Order
from token_catcher.app import App
from token_catcher.commands import output
from token_catcher.commands.explanation import explanation_of
from token_catcher.commands.output import ExitCode
from token_catcher.commands.results import ScanResult
from token_catcher.commands.scan import show_in
from token_catcher.commands.streams import trouble_last
from token_catcher.commands.vault_result import dry_vault_results
from token_catcher.errors import TokenCatcherError, TransientError
from token_catcher.judge import Verdict
from token_catcher.lookup import Lookup, older_mail
from token_catcher.model import Capture, Event, Held, Mail, Reason, Unchanged
from token_catcher.ports import SecretStore
from token_catcher.record import Journal
from token_catcher.report import Trouble
from token_catcher.sweep import Watched

BESIDE_ANOTHER: Final = {
    Order.OLDER: ("unchanged", Reason.STALE),
    Order.SAME_DATE: ("held", Reason.SAME_DATE),
    Order.UNCLEAR: ("held", Reason.CLOCKS_DISAGREE),
}
"""How a mail ends beside another one of the window, which has a newer token."""


def run(app: App, names: Sequence[str], *, since: timedelta | None, as_json: bool) -> ExitCode:
    """Judge the mail of each mailbox. The trouble of one does not keep us from the next.

    FAILED: a mailbox, or a folder of it, cannot be asked, a mail cannot be judged for now, a token
    could not be stored, or was lost by Vault, or a person must look at a mail; of a refusal that is
    in the journal already nobody must.
    ConfigurationError: there is no such mailbox."""
    show = show_in(as_json)
    code = ExitCode.DONE
    foresight = Foresight(app.store)
    if not _may_be_asked(app):
        foresight.do_without()
    subjects = app.config.trust.subjects
    with trouble_last():
        mailboxes = app.watched(names)
        for watched in mailboxes:
            try:
                for mail, result in dry_run(watched, app.now(), since, foresight, subjects):
                    show(result)
                    if result.attention and not _is_known_refusal(app.journal, mail, result):
                        code = ExitCode.FAILED
            except TokenCatcherError as error:
                show(ScanResult.from_error(watched.name, error.code, str(error)))
                code = ExitCode.FAILED
        for result in dry_vault_results(app, [watched.name for watched in mailboxes]):
            show(result)
            code = ExitCode.FAILED
    return code


def _may_be_asked(app: App) -> bool:
    """Whether Vault can be asked without using a wrapping token up."""
    try:
        would_unwrap = app.store.inspection.would_unwrap()
    except TokenCatcherError:  # which is told at the end
        return False
    if would_unwrap:
        output.complain("token-catcher: Vault is not asked: a dry run unwraps no secret_id")
    return not would_unwrap


class Foresight:
    """What Vault would make of one capture after the other, if each was written."""

    def __init__(self, store: SecretStore) -> None:
        self._store = store
        self._is_asked = True
        self._newest: dict[str, Capture] = {}
        """By path, what would be written."""

    def of(self, capture: Capture, result: ScanResult) -> ScanResult:
        """The result of a mail that would be stored, with what would become of it."""
        foreseen = self._by_vault(capture)
        if foreseen is not None:
            outcome = "held" if isinstance(foreseen, Held) else "unchanged"
            saw = foreseen.saw if isinstance(foreseen, Held) else None
            return replace(result, outcome=outcome, reason=foreseen.reason.value, saw=saw or None)
        return self._beside_another(capture, result)

    def do_without(self) -> None:
        """Vault is not to be asked."""
        self._is_asked = False

    def _by_vault(self, capture: Capture) -> Unchanged | Held | None:
        """None: it would write, or does not answer."""
        if not self._is_asked:
            return None
        try:
            return self._store.foresee(capture)
        except TokenCatcherError as error:
            self._is_asked = False
            _tell(error)
            return None

    def _beside_another(self, capture: Capture, result: ScanResult) -> ScanResult:
        """Beside what an earlier mail of the window would have written by then."""
        newest = self._newest.setdefault(capture.path, capture)
        if newest is capture:
            return result
        if newest.token == capture.token:
            return replace(result, outcome="unchanged", reason=Reason.SAME_TOKEN.value)
        order = _age(capture).beside(_age(newest))
        if order is Order.NEWER:
            self._newest[capture.path] = capture
            return result
        outcome, reason = BESIDE_ANOTHER[order]
        return replace(result, outcome=outcome, reason=reason.value)


def dry_run(
    watched: Watched,
    now: datetime,
    since: timedelta | None,
    foresight: Foresight,
    subjects: Sequence[str],
) -> Iterator[tuple[Mail | None, ScanResult]]:
    """Judge the mail of the window and write nothing: no journal, no checkpoint, no Vault.

    A mail that cannot be judged now, or that the server does not show, is a `retry`. Last comes
    what the window leaves out of mail with these subjects. Raises what `connect` and the session
    raise."""
    horizon = now - (since or watched.lookback)
    with closing(watched.connect()) as mailbox:
        for answer in Lookup(mailbox, watched.sweep.domains).since(horizon):
            if isinstance(answer, Trouble):
                yield None, ScanResult.from_trouble(watched.name, answer)
                continue
            result = _judged(watched, answer, foresight)
            if result.outcome != "ignored":
                yield answer, result
        begins = dict.fromkeys(mailbox.folders(), horizon)
        for older in older_mail(mailbox, begins, subjects):
            yield None, ScanResult.from_older(watched.name, older)


def _judged(watched: Watched, mail: Mail, foresight: Foresight) -> ScanResult:
    verdict: Verdict | TransientError
    try:
        verdict = watched.judge.judge(mail, watched.addresses)
    except TransientError as error:
        verdict = error
    explanation = explanation_of(mail.ref.folder, verdict)
    result = ScanResult.from_explanation(watched.name, mail.ref.uid, explanation)
    if isinstance(verdict, Verdict) and isinstance(verdict.outcome, Capture):
        return foresight.of(verdict.outcome, result)
    return result


def _is_known_refusal(journal: Journal, mail: Mail | None, result: ScanResult) -> bool:
    """Whether the scan that refused the mail has told so: a forgery is no news for two weeks."""
    if mail is None or result.outcome != "refused":
        return False
    record = journal.last_for(mail.ref.mailbox, mail.digest)
    return record is not None and record.entry.event == Event.REFUSED


def _age(capture: Capture) -> Age:
    return Age(capture.issued_at, capture.dated_at)


def _tell(error: TokenCatcherError) -> None:
    output.complain(f"token-catcher: Vault cannot be asked, so mail is judged without it: {error}")
    step = next_step(error.code)
    if step is not None:
        output.complain(f"next: {step}")
