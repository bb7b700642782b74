"""One look now, by hand: over all mailboxes or some."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

from token_catcher.app import App
from token_catcher.commands import output
from token_catcher.commands.anchor_result import anchor_results
from token_catcher.commands.output import Bar, ExitCode
from token_catcher.commands.render import result_lines, scan_summary
from token_catcher.commands.results import ScanResult, results_of
from token_catcher.commands.streams import trouble_last
from token_catcher.commands.vault_result import vault_results
from token_catcher.errors import AccessError, TokenCatcherError
from token_catcher.lookup import Older, older_mail
from token_catcher.ports import Mailbox
from token_catcher.report import Report
from token_catcher.sweep import Watched

LOGIN_APART: Final = 10.0
"""Seconds between two logins to one mailbox."""

Show = Callable[[ScanResult], None]


def run(
    app: App, names: Sequence[str], *, again: bool, since: timedelta | None, as_json: bool
) -> ExitCode:
    """Sweep each mailbox once, then see whether a token could be stored, if one came, whether Vault
    still has those that did, and have it know the journal's head, where it is to.

    FAILED: something went wrong, mail still waits, or was held, or was refused and may be genuine,
    or Vault has lost a token.
    Mail that was settled before tells of nothing: a forgery makes one scan fail, and no other.
    ConfigurationError: there is no such mailbox. StateError: the journal cannot be continued."""
    show = show_in(as_json)
    code = ExitCode.DONE
    told: set[str | None] = set()
    stored: set[str] = set()
    with trouble_last(), scan_of(app, names, again, since, once=True) as scan:
        for report in scan.look():
            stored |= report.stored
            for result in results_of(report):
                show(result)
                told.add(result.reason)
                if result.attention:
                    code = ExitCode.FAILED
            for older in scan.left_out(report, app.config.trust.subjects):
                show(ScanResult.from_older(report.mailbox, older))
            if report.error is None and not as_json:
                output.print_lines([scan_summary(report)])
            if report.error is not None or report.pending:
                code = ExitCode.FAILED
        for result in vault_results(app, scan.mailboxes, stored):
            code = ExitCode.FAILED
            # A mail that waits for Vault has told why.
            if result.reason not in told:
                show(result)
            told.add(result.reason)
        for result in anchor_results(app, told):
            code = ExitCode.FAILED
            show(result)
    return code


def scan_of(
    app: App,
    names: Sequence[str],
    again: bool,
    since: timedelta | None,
    *,
    once: bool = False,
) -> Scan:
    """Over the mailboxes of these names, all where none is named; see `Scan`."""
    return Scan(
        app.watched(names),
        again=again,
        since=since,
        monotonic=time.monotonic,
        once=once,
    )


def show_in(as_json: bool) -> Show:
    """What prints a result in the form that was asked for."""
    if as_json:
        return _show_json
    return _show_lines


def _show_json(result: ScanResult) -> None:
    output.write_json([result.as_json()])


def _show_lines(result: ScanResult) -> None:
    output.print_lines(result_lines(result))


class Scan:
    """Looks at mailboxes one after the other, as often as asked, with one session each.

    The sessions live as long as the block runs. The trouble of one mailbox is in its report and
    does not touch the next."""

    def __init__(
        self,
        watched: Sequence[Watched],
        *,
        again: bool = False,
        since: timedelta | None = None,
        monotonic: Callable[[], float],
        once: bool = False,
    ) -> None:
        """`once`: each mailbox is looked at once, and a terminal shows how far a long look is."""
        self._watched = tuple(watched)
        self._again = again
        self._since = since
        self._at_once = True
        self._once = once
        self._monotonic = monotonic
        self._sessions: dict[str, Mailbox] = {}
        self._refused: dict[str, Report] = {}
        """Mailboxes that said no: asking once more would lock the account."""
        self._failed: dict[str, tuple[float, Report]] = {}
        """When a mailbox failed last, and how."""
        self._opened: dict[str, Sequence[str]] = {}
        """Of the mailboxes that were looked at to the end, the folders: the first is open, unless
        there is no further look."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for watched in self._watched:
            watched.sweep.pipeline.tell_left_out()
        for name in tuple(self._sessions):
            self._sessions.pop(name).close()

    @property
    def mailboxes(self) -> Sequence[str]:
        """Those that are looked at, by name."""
        return [watched.name for watched in self._watched]

    @property
    def hopeless(self) -> bool:
        """Whether no mailbox is left that another look could help."""
        return len(self._refused) == len(self._watched)

    def look(self) -> Iterator[Report]:
        """One sweep of each mailbox. `--again` holds for the first, which also tries what waits."""
        for watched in self._watched:
            yield self._look(watched)
        self._again = False
        self._at_once = False

    def look_at_news(self) -> Iterator[Report]:
        """A sweep of each inbox in which there is new mail, as its server says when it is asked.

        Of the others, and of a mailbox whose last look had no end, there is no report."""
        for watched in self._watched:
            if watched.name in self._opened:
                report = self._look_at_news(watched)
                if report is not None:
                    yield report

    def left_out(self, report: Report, subjects: Sequence[str]) -> Iterator[Older]:
        """Token mail that the first look at a folder was too narrow for.

        Only for people: a session that breaks by it costs them this, and no more."""
        session = self._sessions.get(report.mailbox)
        if session is None or not report.first_looks:
            return
        try:
            yield from older_mail(session, report.first_looks, subjects)
        except TokenCatcherError:
            self._opened.pop(report.mailbox, None)
            self._sessions.pop(report.mailbox).close()

    @property
    def folders(self) -> dict[str, Sequence[str]]:
        """By mailbox, the folders that the last look went through to the end."""
        return dict(self._opened)

    def _look_at_news(self, watched: Watched) -> Report | None:
        session = self._sessions[watched.name]
        folders = self._opened[watched.name]
        try:
            if not session.has_news():
                return None
            report = watched.sweep.run(session, folders[:1])
        except TokenCatcherError as error:
            report = Report(watched.name, error=error, broken=True)
        watched.note_report(report)
        self._remember(watched.name, report, folders)
        return report

    def _look(self, watched: Watched) -> Report:
        # Both stand without another login: servers lock accounts, and ban who knocks every second.
        standing = self._refused.get(watched.name) or self._failed_just_now(watched.name)
        if standing is not None:
            return standing
        folders: Sequence[str] = ()
        try:
            if watched.name not in self._sessions:
                self._sessions[watched.name] = watched.connect()
            session = self._sessions[watched.name]
            folders = session.folders()
            report = self._sweep(watched, session, folders)
        except TokenCatcherError as error:
            report = Report(watched.name, error=error, broken=True)
        watched.note_report(report)
        self._remember(watched.name, report, folders)
        return report

    def _sweep(self, watched: Watched, session: Mailbox, folders: Sequence[str]) -> Report:
        report = Report(watched.name)
        with Bar(watched.name, self._monotonic, is_wanted=self._once) as bar:
            return watched.sweep.run(
                session,
                folders,
                again=self._again,
                since=self._since,
                at_once=self._at_once,
                listens=not self._once,
                moved=lambda: bar.step(report.taken, report.to_take),
                report=report,
            )

    def _failed_just_now(self, name: str) -> Report | None:
        """The failure after which it is too early to log in again."""
        if name not in self._failed:
            return None
        failed_at, report = self._failed[name]
        if self._monotonic() - failed_at >= LOGIN_APART:
            return None
        return report

    def _remember(self, name: str, report: Report, folders: Sequence[str]) -> None:
        """A session that broke is of no further use."""
        self._failed.pop(name, None)
        self._opened.pop(name, None)
        if report.complete:
            self._opened[name] = folders
        if not report.broken:
            return
        if name in self._sessions:
            self._sessions.pop(name).close()
        self._failed[name] = (self._monotonic(), report)
        if isinstance(report.error, AccessError):
            self._refused[name] = report
