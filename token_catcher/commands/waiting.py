"""Looks again and again, until a new token is in Vault.

The whole of each mailbox is looked at every second. In between the server is asked four times a
second for news of the inbox (NOOP), and news leads to a look at once. Not IDLE, which holds one
connection and one thread: Dovecot batches what it tells for half a second, and some servers never
tell. That is some seven commands a second and mailbox, for the minutes that a person waits; the
daemon, which waits for months, listens with IDLE instead.

What counts is what the journal says since the wait began, whoever wrote it: so a daemon beside
over the same state directory may be the one that stores the token.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from token_catcher.advice import USUAL_REASONS, next_step
from token_catcher.ahead import load_all
from token_catcher.app import App
from token_catcher.commands import output
from token_catcher.commands.anchor_result import tell_unanchored
from token_catcher.commands.awaited import GRACE, Awaited, clock_ahead, is_later
from token_catcher.commands.notice import Notice
from token_catcher.commands.output import ExitCode
from token_catcher.commands.render import found_line
from token_catcher.commands.results import ScanResult
from token_catcher.commands.scan import Scan, Show, scan_of, show_in
from token_catcher.commands.streams import trouble_last
from token_catcher.commands.vault_result import dry_vault_results
from token_catcher.diagnosis import TOO_FAR
from token_catcher.errors import ConfigurationError, TokenCatcherError
from token_catcher.model import Entry, Event, Holding, iso, moment
from token_catcher.record import UNPROVEN, Record
from token_catcher.report import Report

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at all folders."""
ASK_EVERY: Final = 0.25
"""Seconds between two questions for news of the inbox."""
MOST_NAMED: Final = 8
"""Usernames and patterns of the configuration, in a message."""

Place = tuple[str | None, str | None, int | None]
"""Mailbox, folder and UID."""


def run(
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

    FAILED: no mailbox is left that can be looked at. ConfigurationError: no org names the user.
    Otherwise as `scan.run`."""
    if user is not None:
        _expect_known(app, user)
    whose = user or "any user"
    began = app.now()
    until = f"{began + wait:%H:%M:%S} UTC"
    with trouble_last(), scan_of(app, names, again, since) as scan:
        recorded = app.recorded()
        awaited = Awaited(user, began, _before(app, user), app.fingerprints)
        for line in _already_there(awaited):
            output.complain(f"token-catcher: {line}")
        show = show_in(as_json)
        for result in dry_vault_results(app, ()):
            show(result)  # what lasts; somebody may mend it meanwhile
        load_all(app.config)  # now, rather than when the token is there
        what = f"waiting for a new token of {whose}, until {until}"
        with Notice(what, wait.total_seconds(), time.monotonic) as notice:
            waiting = Wait(scan, awaited, recorded, show, notice)
            waiting.know(_held(app, user))
            entry = waiting.run(wait.total_seconds())
        if entry is not None:
            _tell_found(app, entry, waiting.seconds, as_json=as_json)
            tell_unanchored(app)
            return ExitCode.DONE
        output.complain(f"token-catcher: no new token of {whose} came within {wait}")
        tell_unanchored(app)
        if scan.hopeless:
            return ExitCode.FAILED
        _tell_why(awaited, waiting.clock_ahead)
        return ExitCode.WAITED


@dataclass
class Wait:
    """One wait: looks, tells each thing once, and knows the token when it is there."""

    scan: Scan
    awaited: Awaited
    recorded: Callable[[], Iterable[Record]]
    """What was added to the journal since it was last asked."""
    show: Show
    notice: Notice
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    clock_ahead: timedelta = field(init=False, default=timedelta())
    """How far our clock is ahead of Vault's, by the last version that was written meanwhile."""
    _began: float = field(init=False, default=0.0)
    _end: float = field(init=False, default=0.0)
    _looked_at: float = field(init=False, default=0.0)
    _shown: set[ScanResult] = field(init=False, default_factory=set)
    _unsettled: dict[Place, ScanResult] = field(init=False, default_factory=dict)
    """By place, mail that is held or waits."""
    _met: list[Entry] = field(init=False, default_factory=list)
    """What would end the wait, but for newer mail that is not settled."""

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return self.monotonic() - self._began

    def know(self, held: Iterable[Record]) -> None:
        """Tell of mail that was held before the wait began, and waits for a person."""
        for record in held:
            self._take_record(record)

    def run(self, seconds: float) -> Entry | None:
        """Look until the token is recorded, by us or by a daemon beside us.

        None: the time is up, or no look can help any more."""
        self._began = self.monotonic()
        self._end = self._began + seconds
        reports = self._whole_look()
        while True:
            for report in reports:
                self._take_records()
                self._take_troubles(report)
            self._take_records()  # of a daemon beside us
            entry = self._answer()
            # After the last look as well: what it brought counts, though there is no other.
            if entry is not None or self.scan.hopeless or self._is_over():
                return entry
            self.notice.go_on(self.scan.folders)
            self.sleep(min(ASK_EVERY, max(0.0, self._end - self.monotonic())))
            reports = self._next_look()

    def _next_look(self) -> Iterator[Report]:
        is_due = self.monotonic() - self._looked_at >= LOOK_EVERY
        if is_due or self._is_over():
            return self._whole_look()
        return self.scan.look_at_news()

    def _whole_look(self) -> Iterator[Report]:
        self._looked_at = self.monotonic()
        return self.scan.look()

    def _is_over(self) -> bool:
        return self.monotonic() >= self._end

    def _answer(self) -> Entry | None:
        """The newest token that is there, unless a newer one of that user is on its way."""
        for entry in sorted(self._met, key=_issued_at, reverse=True):
            if not any(_is_newer(result, entry) for result in self._unsettled.values()):
                return entry
        return None

    def _take_records(self) -> None:
        for record in self.recorded():
            self._take_record(record)
            self.clock_ahead = clock_ahead(record) or self.clock_ahead
            if self.awaited.is_met_by(record):
                self._met.append(record.entry)

    def _take_record(self, record: Record) -> None:
        result = ScanResult.from_entry(record.entry)
        self._unsettled.pop(_place(result), None)
        # What nobody has proven may be anybody's, who must not keep us waiting.
        if result.outcome == Event.HELD.outcome and result.reason not in UNPROVEN:
            self._unsettled[_place(result)] = result
        self._tell(result)

    def _take_troubles(self, report: Report) -> None:
        for trouble in report.troubles:
            result = ScanResult.from_trouble(report.mailbox, trouble)
            self._unsettled[_place(result)] = result
            self._tell(result)
        if report.error is not None:
            error = report.error
            self._tell(ScanResult.from_error(report.mailbox, error.code, str(error)))

    def _tell(self, result: ScanResult) -> None:
        if result not in self._shown:
            self._shown.add(result)
            with self.notice.showing(result):
                self.show(result)


def _place(result: ScanResult) -> Place:
    return result.mailbox, result.folder, result.uid


def _issued_at(entry: Entry) -> datetime:
    assert entry.issued_at is not None  # or it would not be the awaited one
    return moment(entry.issued_at)


def _is_newer(result: ScanResult, entry: Entry) -> bool:
    """Whether mail that is not settled carries a newer token of that user, in that org.

    Mail that waits for its proof names no org: it may be anybody's, who must not keep us waiting.
    """
    if (result.username, result.org) != (entry.username, entry.org):
        return False
    return is_later(result.issued_at, _issued_at(entry))


def _expect_known(app: App, user: str) -> None:
    """ConfigurationError: no token of this user could ever be stored."""
    if app.paths_of(user):
        return
    named = [name for org in app.config.orgs for name in org.usernames]
    shown = ", ".join(named[:MOST_NAMED])
    if len(named) > MOST_NAMED:
        shown += f" or one of {len(named) - MOST_NAMED} more"
    raise ConfigurationError(
        f"--user: got {user!r}, which no org names, expected one of: {shown}", code="usage"
    )


def _before(app: App, user: str | None) -> dict[str, Holding]:
    """By path, what Vault has of this user's now. Where it does not answer, that is told."""
    before: dict[str, Holding] = {}
    if user is None:  # nobody knows all paths that a pattern stands for
        return before
    for path in app.paths_of(user).values():
        try:
            before[path] = app.store.holds(path)
        except TokenCatcherError as error:
            output.complain(f"token-catcher: what Vault has of {user} is not known: {error}")
            step = next_step(error.code)
            if step is not None:
                output.complain(f"next: {step}")
    return before


def _held(app: App, user: str | None) -> list[Record]:
    """The mails of this user that wait for a person."""
    return [record for record in app.journal.waiting() if record.entry.username == user]


def _tell_found(app: App, entry: Entry, seconds: float, *, as_json: bool) -> None:
    """Whose token is where now. Of one that others have stored, Vault knows the version."""
    if entry.version is None and entry.path is not None:
        with suppress(TokenCatcherError):  # the token was there a moment ago, by its record
            entry = replace(entry, version=app.store.holds(entry.path).version)
    if as_json:
        result = replace(ScanResult.from_entry(entry), outcome="found", reason=None)
        output.write_json([result.as_json() | {"after_seconds": round(seconds, 1)}])
    else:
        output.print_lines([found_line(entry, seconds)])


def _tell_why(awaited: Awaited, ahead: timedelta) -> None:
    """Why none may have come, the likeliest first, and where to look."""
    output.complain("usual reasons, and where to look:")
    for reason in (*_clocks_apart(awaited, ahead), *_already_there(awaited), *USUAL_REASONS):
        output.complain(f"- {reason}")


def _clocks_apart(awaited: Awaited, ahead: timedelta) -> Iterator[str]:
    """A token that is in Vault was perhaps passed over for it."""
    if abs(ahead) < TOO_FAR:
        return
    side = "behind"
    if ahead > timedelta():
        side = "ahead of"
    yield (
        f"this machine's clock is {abs(ahead) / timedelta(minutes=1):.0f} min {side} Vault's, so"
        f" only a token that was issued after {iso(awaited.began - ahead - GRACE)} counts:"
        " `token-catcher check` tells which clock is wrong"
    )


def _already_there(awaited: Awaited) -> Iterator[str]:
    """Tokens that may be of the very reset that is meant: a daemon may have been faster."""
    for path, holding in awaited.before.items():
        if holding.issued_at is not None and holding.issued_at >= awaited.began - GRACE:
            yield (
                f"it was there before: version {holding.version} of {path} has a token that was"
                f" issued at {iso(holding.issued_at)}, and only a newer one is waited for"
            )
