"""One look now, by hand: over all mailboxes or some, waiting for a token or only rehearsing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final, Self

from token_catcher.commands.explanation import explanation
from token_catcher.commands.results import Line, from_explanation
from token_catcher.errors import AccessError, TokenCatcherError
from token_catcher.model import Entry, Event, Reason, moment
from token_catcher.ports import Mailbox
from token_catcher.sweep import Report, Watched, rehearse

GRACE: Final = timedelta(minutes=15)
"""A token issued this long before `--wait` began counts: people type the command after the reset."""
LOGIN_APART: Final = 10.0
"""Seconds between two logins to one mailbox."""


class Scan:
    """Looks at mailboxes one after the other, as often as asked, with one session each for as long as the block runs.

    The trouble of one mailbox is in its report and does not touch the next."""

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
        self._monotonic = monotonic
        self._sessions: dict[str, Mailbox] = {}
        self._refused: dict[str, Report] = {}
        """Mailboxes that said no: asking once more would lock the account."""
        self._failed: dict[str, tuple[float, Report]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for name in tuple(self._sessions):
            self._sessions.pop(name).close()

    @property
    def hopeless(self) -> bool:
        """Whether no mailbox is left that another look could help."""
        return len(self._refused) == len(self._watched)

    def look(self) -> Iterator[Report]:
        """One sweep of each mailbox. `--again` holds for the first."""
        for one in self._watched:
            yield self._look(one)
        self._again = False

    def _look(self, one: Watched) -> Report:
        if one.name in self._refused:
            return self._refused[one.name]
        since, failure = self._failed.get(one.name, (-LOGIN_APART, None))
        if failure is not None and self._monotonic() - since < LOGIN_APART:
            return failure
        try:
            if one.name not in self._sessions:
                self._sessions[one.name] = one.connect()
            report = one.sweep.run(self._sessions[one.name], again=self._again, since=self._since)
        except TokenCatcherError as error:
            report = Report(one.name, error=error, broken=True)
        self._remember(one.name, report)
        return report

    def _remember(self, name: str, report: Report) -> None:
        """A session that broke is of no further use."""
        self._failed.pop(name, None)
        if not report.broken:
            return
        if session := self._sessions.pop(name, None):
            session.close()
        self._failed[name] = (self._monotonic(), report)
        if isinstance(report.error, AccessError):
            self._refused[name] = report


def dry_run(one: Watched, now: datetime, since: timedelta | None = None) -> Iterator[Line]:
    """Judge the mail of the window without writing anything: no journal, no checkpoint, no Vault. Raises what `connect`
    and the session raise."""
    with closing(one.connect()) as mailbox:
        for mail, verdict in rehearse(
            mailbox, one.judge, one.addresses, now - (since or one.lookback)
        ):
            said = explanation(mail.ref.folder, verdict)
            if said.outcome != "ignored":
                yield from_explanation(one.name, mail.ref.uid, said)


def wait_for(
    look: Callable[[], bool],
    recorded: Callable[[], Iterable[Entry]],
    *,
    user: str | None,
    began: datetime,
    over: Callable[[], bool],
    pause: Callable[[], None],
) -> Entry | None:
    """Look until the token is recorded, by us or by a daemon beside us; None: `over`, or `look` sees no hope."""
    while True:
        hope = look()
        found = awaited(recorded(), began, user)
        if found or not hope or over():
            return found
        pause()


def awaited(entries: Iterable[Entry], began: datetime, user: str | None) -> Entry | None:
    """The record that `--wait` waits for: a token of the user (or anybody) in Vault, issued since the beginning."""
    for entry in entries:
        in_vault = entry.event == Event.STORED or (
            entry.event == Event.UNCHANGED and entry.reason == Reason.SAME_TOKEN
        )
        fresh = entry.issued_at is not None and moment(entry.issued_at) >= began - GRACE
        if in_vault and fresh and user in (None, entry.username):
            return entry
    return None
