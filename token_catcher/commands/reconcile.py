"""Does the journal agree with Vault? Each secret's records, held against its versions.

Vault is asked once for a secret, when the first record of it comes, and the records are read one
after the other, so that memory does not grow with the journal. The daemon writes meanwhile: where
something does not agree, its secrets are looked at once more a moment later.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final

from token_catcher.advice import next_step
from token_catcher.app import App
from token_catcher.commands import output
from token_catcher.commands.audit import AnchorLook, look_at_anchor
from token_catcher.commands.logs import Row, rows
from token_catcher.commands.output import ExitCode
from token_catcher.commands.reconcile_lines import Result, Totals, result_lines, summary
from token_catcher.commands.render import verification_lines
from token_catcher.commands.rotation import Query, Rotation
from token_catcher.commands.vault_log import VaultLog
from token_catcher.diagnosis import users_of
from token_catcher.errors import AccessError, TokenCatcherError, TransientError
from token_catcher.files import may_exist
from token_catcher.fingerprints import Fingerprints
from token_catcher.journal_keys import keyring_of
from token_catcher.overview import pattern_folders
from token_catcher.record import (
    Beginning,
    Code,
    Comparison,
    Difference,
    Recorded,
    State,
    Verification,
    series,
    verify,
)
from token_catcher.standing import ALONE
from token_catcher.wording import counted

A_MOMENT: Final = 1.0
"""Seconds after which what did not agree is looked at again: a version has its record by then."""
ONE_SECRET: Final = ALONE | {"vault-audit-policy", "vault-path"}
"""Codes where one secret cannot be read, and the others may be."""


def run(
    app: App,
    logs: Sequence[str],
    *,
    as_json: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> ExitCode:
    """Tell what does not agree. FAILED: there is a finding, or a secret cannot be read.

    `logs`: files of Vault's audit device; none: who wrote is not told. `sleep`: waits so many
    seconds. TokenCatcherError: Vault, the journal or a log cannot be read at all, or that would
    use up a wrapping token."""
    if not app.store.keeps_versions:
        raise TokenCatcherError(
            "vault.kv_version: got 1, expected 2: version 1 keeps no versions, so there is"
            " nothing to hold the journal against",
            code="audit-kv1",
        )
    app.store.inspection.leave_wrapped()
    anchor = AnchorLook()
    if app.config.journal.anchor:
        # Asked first, as `audit verify` does: the daemon may move it on while we read.
        anchor = look_at_anchor(app)
    keys = keyring_of(app.config.journal.key)
    verification = verify(app.config.journal_file, keys=keys, anchor=anchor.head)
    look = _whole_look(_Look(app, verification, keys.fingerprints), sleep)
    differences = look.differences()
    if anchor.is_unread:
        differences.insert(0, Difference(Code.ANCHOR_UNREAD, None, anchor.note or ""))
    results = [*look.unreadable(), *_with_logins(app, differences, logs)]
    totals = Totals.of(results, look.secrets, look.records)
    if as_json:
        output.write_json(_objects(verification, results))
    else:
        _print(app, verification, anchor.note, results, totals, by_log=bool(logs))
    if verification.state is State.INTACT and totals.is_well:
        return ExitCode.DONE
    return ExitCode.FAILED


def _whole_look(look: _Look, sleep: Callable[[float], None]) -> _Look:
    """At all secrets, and once more at those that do not agree."""
    look.take_in(_configured_paths(look.app, look))
    doubtful = {difference.path for difference in look.differences() if difference.is_finding}
    if doubtful:
        sleep(A_MOMENT)
        look.look_again(doubtful)
    return look


class _Look:
    """The journal and Vault, as they were read side by side."""

    def __init__(self, app: App, verification: Verification, fingerprints: Fingerprints) -> None:
        self.app = app
        self._fingerprints = fingerprints
        self._writer = app.known_writer
        self._comparisons: dict[str, Comparison] = {}
        self._errors: dict[str, TokenCatcherError] = {}
        self._began = Beginning(None, verification.first == 1)
        self.unlisted: dict[str, str] = {}
        """Of each org whose users Vault does not list to us, the folder of their secrets."""
        self.records = 0
        """How many there are, of mails and of logins."""

    @property
    def secrets(self) -> int:
        """How many were read."""
        return len(self._comparisons)

    def take_in(self, paths: Iterator[str]) -> None:
        """All records, and the secrets of these paths whether a record names them or not."""
        for path in paths:
            self._ask(path)
        for row in self._rows():
            self.records += 1
            if self._began.at is None:
                self._began = Beginning(row.moment, self._began.is_whole)
            self._take(row.rotation)
        if self._errors and not self._comparisons:
            raise next(iter(self._errors.values()))

    def look_again(self, paths: Collection[str | None]) -> None:
        """Ask for these secrets anew, and read the records of them."""
        for path in paths:
            self._comparisons.pop(path or "")
            self._ask(path or "")
        for row in self._rows():
            if row.rotation.path in paths:
                self._take(row.rotation)

    def differences(self) -> list[Difference]:
        """Of all secrets."""
        comparisons = [self._comparisons[path] for path in sorted(self._comparisons)]
        numbers = [comparison.own_since for comparison in comparisons]
        own_since = min((number for number in numbers if number is not None), default=None)
        differences = list(self._unseen())
        for comparison in comparisons:
            differences += comparison.differences(self._began, own_since)
        return differences

    def _unseen(self) -> Iterator[Difference]:
        """The orgs with a pattern of whose users none was looked at: it is known that there is one.

        Where records name some of them, a policy that lists nothing is what we ship."""
        looked_at = {path.rpartition("/")[0] for path in self._comparisons}
        orgs = [org for org, folder in self.unlisted.items() if folder not in looked_at]
        if orgs:
            saw = f"our token may not list the users of {', '.join(orgs)}, and no record names one"
            yield Difference(Code.NOT_LISTED, None, saw)

    def unreadable(self) -> Iterator[Result]:
        """The secrets that Vault did not show, each for itself."""
        for path, error in sorted(self._errors.items()):
            yield Result("error", error.code, path, str(error))

    def _rows(self) -> Iterator[Row]:
        assert isinstance(sys.stdin.buffer, io.BufferedReader)
        for file in series(self.app.config.journal_file):
            if not may_exist(file):
                continue
            for row in rows(str(file), Query(), sys.stdin.buffer, recorded=True):
                # What cannot be read was told by the look at the chain, which has no such line.
                if isinstance(row, Row):
                    yield row

    def _take(self, rotation: Rotation) -> None:
        if rotation.path is None:
            return
        comparison = self._ask(rotation.path)
        if comparison is not None:
            comparison.take(_recorded(rotation, rotation.path))

    def _ask(self, path: str) -> Comparison | None:
        """None: Vault does not show this secret. Raises what concerns all of them."""
        if path in self._errors:
            return None
        comparison = self._comparisons.get(path)
        if comparison is not None:
            return comparison
        try:
            versions = self.app.store.kept(path)
        except (AccessError, TransientError) as error:
            if error.code not in ONE_SECRET:
                raise
            self._errors[path] = error
            return None
        comparison = Comparison(path, versions, self._writer, self._fingerprints)
        self._comparisons[path] = comparison
        return comparison


def _configured_paths(app: App, look: _Look) -> Iterator[str]:
    """Of every user that the configuration names, and of those in Vault that fit a pattern."""
    for user in users_of(app):
        if not user.is_made_up:
            yield user.path
    for org, folder in pattern_folders(app):
        names = app.store.names(folder)
        if names is None:
            look.unlisted[org] = folder
            continue
        yield from _paths_of(app, org, names)


def _paths_of(app: App, org: str, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        path = app.path_of(org, name)
        if path is not None:
            yield path


def _recorded(rotation: Rotation, path: str) -> Recorded:
    return Recorded(
        rotation.seq or 0,
        rotation.at,
        rotation.event,
        path,
        rotation.instance,
        rotation.version,
        rotation.vault_created_at,
        rotation.request_id,
        rotation.fingerprint,
        rotation.mail,
        rotation.issued_at,
        rotation.dated_at,
        bool(rotation.recovered),
    )


def _with_logins(
    app: App, differences: Sequence[Difference], logs: Sequence[str]
) -> Iterator[Result]:
    """As results. What is as recorded is told only where the log says who wrote it."""
    if not logs:
        for difference in differences:
            if difference.code is not Code.RECORDED:
                yield Result.of(difference, None)
        return
    vault = app.config.vault
    log = VaultLog(differences, f"{(vault.namespace or '').strip('/')}/{vault.mount}")
    assert isinstance(sys.stdin.buffer, io.BufferedReader)
    for source in logs:
        log.read(source, sys.stdin.buffer)
    for difference, login in log.results():
        yield Result.of(difference, login)
    if log.unreadable:
        lines = counted(log.unreadable, "line")
        saw = f"--vault-log: {lines} in no form of an audit log"
        yield Result("error", "audit-log", None, saw)


def _objects(verification: Verification, results: Sequence[Result]) -> Iterator[dict[str, Any]]:
    if verification.state is not State.INTACT:
        code = f"journal-{verification.state}"
        yield Result("finding", code, None, verification.problem or "").as_json(next_step(code))
    for result in results:
        yield result.as_json(next_step(result.code))


def _print(
    app: App,
    verification: Verification,
    anchor: str | None,
    results: Sequence[Result],
    totals: Totals,
    *,
    by_log: bool,
) -> None:
    """`anchor`: what Vault told of the journal."""
    if verification.state is not State.INTACT:
        file = verification.file or app.config.journal_file
        output.print_lines(verification_lines(file, verification, anchor))
    output.print_lines(result_lines(results))
    output.print_lines([summary(totals, by_log=by_log)])
