"""Looks again and again, until a new token is in Vault."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from token_catcher.app import App
from token_catcher.commands import output
from token_catcher.commands.output import ExitCode, Progress
from token_catcher.commands.results import ScanResult, results_of
from token_catcher.commands.scan import Scan, Show, scan_of, show_in
from token_catcher.commands.streams import trouble_last
from token_catcher.model import Entry, Event, moment
from token_catcher.pipeline import had_token
from token_catcher.record import Record

GRACE: Final = timedelta(minutes=15)
"""A token issued this long before `--wait` began counts: people type it after the reset."""
LOOK_EVERY: Final = 1.0
"""Seconds between two looks of `--wait`."""


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

    FAILED: no mailbox is left that can be looked at. Otherwise as `run`."""
    began = app.now()
    whose = user or "any user"
    until = f"{began + wait:%H:%M:%S} UTC"
    text = f"waiting for a new token of {whose}, until {until}; Ctrl-C ends it safely"
    with trouble_last(), scan_of(app, names, again, since) as scan:
        with Progress(text) as progress:
            looks = _Looks(
                scan, show_in(as_json), progress, time.monotonic() + wait.total_seconds()
            )
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
