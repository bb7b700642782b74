"""One look now, by hand: over all mailboxes or some, waiting for a token, or as a dry run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final, Self

from token_catcher.app import App
from token_catcher.commands import output
from token_catcher.commands.explain import explain
from token_catcher.commands.output import ExitCode, Progress
from token_catcher.commands.render import result_lines, scan_summary
from token_catcher.commands.results import ScanResult, results_of
from token_catcher.commands.streams import trouble_last
from token_catcher.commands.vault_result import dry_vault_results, vault_results
from token_catcher.errors import AccessError, TokenCatcherError
from token_catcher.lookup import Lookup
from token_catcher.model import Entry, Event, moment
from token_catcher.pipeline import had_token
from token_catcher.ports import Mailbox
from token_catcher.record import Record
from token_catcher.report import Report, Trouble
from token_catcher.sweep import Watched

GRACE: Final = timedelta(minutes=15)
"""A token issued this long before `--wait` began counts: people type it after the reset."""
LOGIN_APART: Final = 10.0
"""Seconds between two logins to one mailbox."""
LOOK_EVERY: Final = 1.0
"""Seconds between two looks of `--wait`."""

Show = Callable[[ScanResult], None]


def run(
    app: App, names: Sequence[str], *, again: bool, since: timedelta | None, as_json: bool
) -> ExitCode:
    """Sweep each mailbox once, then see whether a token could be stored, if one came.

    FAILED: something went wrong, or mail still waits.

    ConfigurationError: there is no such mailbox. StateError: the journal cannot be continued."""
    show = _show(as_json)
    code = ExitCode.DONE
    with trouble_last(), _scan(app, names, again, since) as scan:
        for report in scan.look():
            for result in results_of(report):
                show(result)
            if report.error is None and not as_json:
                output.print_lines([scan_summary(report)])
            if report.error is not None or report.pending:
                code = ExitCode.FAILED
        for result in vault_results(app):
            show(result)
            code = ExitCode.FAILED
    return code


def run_dry(app: App, names: Sequence[str], *, since: timedelta | None, as_json: bool) -> ExitCode:
    """Judge the mail of each mailbox. The trouble of one does not keep us from the next.

    FAILED: a mailbox, or a folder of it, cannot be looked at, a mail not judged for now, or a token
    not be stored, if one came.
    ConfigurationError: there is no such mailbox."""
    show = _show(as_json)
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


def run_waiting(
    app: App,
    names: Sequence[str],
    wait: timedelta,
    *,
    user: str | None,
    again: bool,
    since: timedelta | None,
    as_json: bool,
) -> ExitCode:
    """Look until a token of the user (or anybody) is in Vault. WAITED: none came in time.

    FAILED: no mailbox is left that can be looked at. Otherwise as `run`."""
    began = app.now()
    whose = user or "any user"
    until = f"{began + wait:%H:%M:%S} UTC"
    text = f"waiting for a new token of {whose}, until {until}; Ctrl-C ends it safely"
    with trouble_last(), _scan(app, names, again, since) as scan:
        with Progress(text) as progress:
            looks = _Looks(scan, _show(as_json), progress, time.monotonic() + wait.total_seconds())
            record = wait_for(
                looks.look,
                app.recorded(),
                user=user,
                began=began,
                over=looks.over,
                pause=looks.pause,
            )
        if record is not None:
            return ExitCode.DONE
        output.complain(f"token-catcher: no new token of {whose} came within {wait}")
        return ExitCode.FAILED if scan.hopeless else ExitCode.WAITED


def _scan(app: App, names: Sequence[str], again: bool, since: timedelta | None) -> Scan:
    return Scan(app.watched(names), again=again, since=since, monotonic=time.monotonic)


def _show(as_json: bool) -> Show:
    return _show_json if as_json else _show_lines


def _show_json(result: ScanResult) -> None:
    output.write_json([result.as_json()])


def _show_lines(result: ScanResult) -> None:
    output.print_lines(result_lines(result))


class _Looks:
    """The looks of `--wait`, once a second: what is told, how long they go on."""

    def __init__(self, scan: Scan, show: Show, progress: Progress, end: float) -> None:
        """`end`: in monotonic seconds."""
        self._scan = scan
        self._show = show
        self._progress = progress
        self._end = end
        self._shown: set[ScanResult] = set()

    def look(self) -> bool:
        """Look once, and tell each result once. False: no look can help any more."""
        for report in self._scan.look():
            for result in results_of(report):
                if result not in self._shown:
                    self._shown.add(result)
                    with self._progress.paused():
                        self._show(result)
        return not self._scan.hopeless

    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._end

    def pause(self) -> None:
        """Wait for the next look."""
        time.sleep(min(LOOK_EVERY, max(0.0, self._end - time.monotonic())))


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
    ) -> None:
        self._watched = tuple(watched)
        self._again = again
        self._since = since
        self._at_once = True
        self._monotonic = monotonic
        self._sessions: dict[str, Mailbox] = {}
        self._refused: dict[str, Report] = {}
        """Mailboxes that said no: asking once more would lock the account."""
        self._failed: dict[str, tuple[float, Report]] = {}
        """When a mailbox failed last, and how."""

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
    def hopeless(self) -> bool:
        """Whether no mailbox is left that another look could help."""
        return len(self._refused) == len(self._watched)

    def look(self) -> Iterator[Report]:
        """One sweep of each mailbox. `--again` holds for the first, which also tries what waits."""
        for watched in self._watched:
            yield self._look(watched)
        self._again = False
        self._at_once = False

    def _look(self, watched: Watched) -> Report:
        # Both stand without another login: servers lock accounts, and ban who knocks every second.
        standing = self._refused.get(watched.name) or self._failed_just_now(watched.name)
        if standing is not None:
            return standing
        try:
            if watched.name not in self._sessions:
                self._sessions[watched.name] = watched.connect()
            session = self._sessions[watched.name]
            report = watched.sweep.run(
                session, again=self._again, since=self._since, at_once=self._at_once
            )
        except TokenCatcherError as error:
            report = Report(watched.name, error=error, broken=True)
        watched.note_report(report)
        self._remember(watched.name, report)
        return report

    def _failed_just_now(self, name: str) -> Report | None:
        """The failure after which it is too early to log in again."""
        if name not in self._failed:
            return None
        failed_at, report = self._failed[name]
        if self._monotonic() - failed_at >= LOGIN_APART:
            return None
        return report

    def _remember(self, name: str, report: Report) -> None:
        """A session that broke is of no further use."""
        self._failed.pop(name, None)
        if not report.broken:
            return
        if name in self._sessions:
            self._sessions.pop(name).close()
        self._failed[name] = (self._monotonic(), report)
        if isinstance(report.error, AccessError):
            self._refused[name] = report


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


def wait_for(
    look: Callable[[], bool],
    recorded: Callable[[], Iterable[Record]],
    *,
    user: str | None,
    began: datetime,
    over: Callable[[], bool],
    pause: Callable[[], None],
) -> Entry | None:
    """Look until the token is recorded, by us or by a daemon beside us.

    None: `over`, or `look` sees no hope."""
    while True:
        hope = look()
        # After the last look as well: what it brought counts, though there is no other.
        record = awaited(recorded(), began, user)
        if record is not None or not hope or over():
            return record
        pause()


def awaited(records: Iterable[Record], began: datetime, user: str | None) -> Entry | None:
    """The record that `--wait` waits for: a token of the user (or anybody), issued since it began.

    Other people's work counts as well: the token is in Vault, whoever put it there. `began`: by our
    own clock, which may be ahead of everybody else's."""
    for record in records:
        entry = record.entry
        if not had_token(entry) or user not in (None, entry.username):
            continue
        if _is_fresh(entry, began - _ahead(record)):
            return entry
    return None


def _is_fresh(entry: Entry, began: datetime) -> bool:
    return entry.issued_at is not None and moment(entry.issued_at) >= began - GRACE


def _ahead(record: Record) -> timedelta:
    """How far our clock is ahead of Vault's: the time from the version to its record.

    Nothing for a version that another process wrote, or that a crash came after: there it may be
    any time."""
    entry = record.entry
    if entry.event != Event.STORED or entry.recovered or entry.vault_created_at is None:
        return timedelta()
    return max(timedelta(), moment(record.at) - moment(entry.vault_created_at))
