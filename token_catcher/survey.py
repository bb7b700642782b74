"""Which mails of a folder are for us: asked of a server whose answers may leave mail out.

A mail is passed over only when its own From was read and names none of our domains, or when it
came before the time that is asked about. For that the *headings* of new mail are fetched, not
searched for: a FETCH of a range has no index that lags, and no opinion of what a name matches.

**What a FETCH leaves out** shows as a hole, since the mails of a folder are numbered from 1 to
EXISTS. Then SEARCH is asked which UIDs there are, those without a heading are asked for again, and
a mail whose heading never comes is for us: its body will show. Where not even SEARCH can name what
is missing, the survey is *incomplete*, and says how far it is whole.

**A backlog** of more than `LITTLE` mails is read the same way from its newest mail down, until so
many in a row came before the time that is asked about. A mail that came since lies below those only
if they were moved here after it, and for that alone a search is asked. What was read puts it to the
test: it must have found each of the newest mails that is for us, and must find a mail by the domain
in its From. A search that fails is not believed, and all headings are read.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from token_catcher.headings import AT_A_TIME, LAST_UID, START, Headings, Part
from token_catcher.pace import WIDEST, Pace
from token_catcher.ports import FolderState, Heading, Mailbox, Span

LITTLE: Final = 500
"""Mails whose headings are read whatever they are: about 100 kB."""

_DOMAIN: Final = re.compile(rb"@([a-z0-9-]+(?:\.[a-z0-9-]+)+)", re.IGNORECASE)
_SPACE: Final = b" \t\r\n\v\f"
_LOWER: Final = bytes(range(256)).lower()


@dataclass(frozen=True, slots=True)
class Survey:
    """What a folder holds above some UID, as far as the server can be made to say."""

    ours: tuple[int, ...] = ()
    """UIDs of the mails that are for us, ascending."""
    keys: Mapping[int, str] = field(default_factory=dict)
    """Of those whose heading was read: see `Heading.key`."""
    last: Heading | None = None
    """The newest mail whose heading was read."""
    anchor: Heading | None = None
    """The mail that was asked for along with them, if it was read."""
    uids: tuple[int, ...] = ()
    """All mails that are there, ascending; of a backlog that was searched, those that were read."""
    whole_through: int | None = None
    """None: the survey is complete. Else nothing is missing up to this UID."""
    undated: tuple[int, ...] = ()
    """Of ours, those whose heading was read, and of which the server does not say when they
    arrived."""

    older: int = 0
    """Of the mails whose headings were read, those before the time that is asked about."""

    @property
    def highest(self) -> int:
        """The highest UID that is there; 0: none."""
        return max(self.uids, default=0)

    def above(self, uid: int) -> int:
        """How many mails are above this one."""
        return len(self.uids) - bisect_right(self.uids, uid)


class _Descent:
    """How far down a backlog is read, window by window."""

    def __init__(self, first: int, last: int, top: int, pace: Pace) -> None:
        """`top`: the number of the last mail."""
        self._first = first
        self._pace = pace
        self._older = 0
        """Mails in a row, down to here, that came before the time that is asked about."""
        self._empty = 0
        """UIDs in a row, down to here, without a mail of that time."""
        self.end = last
        """Where the next window ends."""
        self.rest = last
        """The last UID below the mails that were read; where nothing is left, less than `first`."""
        self.top: int | None = top
        """The number of the last mail up to there, where it is known."""

    @property
    def begin(self) -> int:
        """Where the next window begins."""
        return max(self._first, self.end - self._pace.width + 1)

    @property
    def is_last(self) -> bool:
        """Whether nothing is left below the next window."""
        return self.begin == self._first

    @property
    def is_over(self) -> bool:
        """Whether no mail of the time that is asked about is to be expected further down."""
        return self.end < self._first or self._older >= LITTLE or self._empty >= WIDEST

    def read(self, part: Part, since: datetime, seconds: float) -> None:
        """The next window was read. `seconds`: how long its answer took."""
        end = self.begin - 1
        self._count(part, since, self.end - end)
        if part.headings:
            self.rest = part.headings[0].uid - 1
            self.top = part.headings[0].number - 1
        if self.is_last:
            self.rest = end
        self._pace.came(len(part.headings), seconds)
        self.end = end

    def _count(self, part: Part, since: datetime, uids: int) -> None:
        if part.unread or not all(_is_before(heading, since) for heading in part.headings):
            self._older = 0
            self._empty = 0
            return
        self._older += len(part.headings)
        self._empty += uids


def _nobody_waits() -> None:
    """Nobody is told of the steps."""


class Surveyor:
    """Surveys the folder that is open."""

    def __init__(
        self,
        mailbox: Mailbox,
        state: FolderState,
        domains: Sequence[str],
        moved: Callable[[], None] = _nobody_waits,
        ask: Callable[..., Sequence[Heading]] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`domains`: any of them in From, in any case, makes a mail one of ours.

        `moved` is told of each step. `ask`: how headings are asked for; as the mailbox has it.
        `monotonic`: the clock by which a server is found to be quick or slow."""
        self._ask = ask or mailbox.headings
        self._mailbox = mailbox
        self._headings = Headings(mailbox, moved, self._ask)
        self._state = state
        self._monotonic = monotonic
        self._pace = Pace()
        self._domains = [domain.encode().lower() for domain in domains]

    def above(
        self, after: int, since: datetime, anchor: int = 0, *, with_keys: bool = False
    ) -> Survey:
        """Survey the mails above UID `after` that were received at or after `since`.

        `anchor`: the UID of the last mail below that was ever read; 0: none. `with_keys`: read the
        headings of what a search has found as well, for their keys."""
        if self._state.exists == 0:
            return Survey()
        first = after + 1
        last = self._last(first)
        if last is None or last - first < LITTLE or self._state.exists <= LITTLE:
            return self._little(first, last, since, anchor)
        survey = self._backlog(first, last, since)
        if with_keys:
            return self._with_keys(survey)
        return survey

    def _with_keys(self, survey: Survey) -> Survey:
        """The keys of all mails that are ours, as far as they come."""
        keys = dict(survey.keys)
        unread = [uid for uid in survey.ours if uid not in keys]
        for start in range(0, len(unread), AT_A_TIME):
            for uid, heading in self._headings.named(unread[start : start + AT_A_TIME]).items():
                keys[uid] = heading.key
        return replace(survey, keys=keys)

    def _last(self, first: int) -> int | None:
        """The last UID to ask for. None: the server does not say it, and there is little mail."""
        uidnext = self._state.uidnext
        if uidnext is not None and uidnext - first <= LITTLE:
            return max(uidnext - 1, first)
        if self._state.exists > LITTLE:
            # UIDNEXT is missing or far off. `n:*` always gives the last mail (RFC 3501, 6.4.8).
            began = self._monotonic()
            there = self._ask((LAST_UID, None))
            self._pace.alone = self._monotonic() - began
            if there:
                return max(there[-1].uid, first)
        if uidnext is None:
            return None
        return max(uidnext - 1, first)

    # -- little mail --

    def _little(self, first: int, last: int | None, since: datetime, anchor: int) -> Survey:
        """Read all headings, and those from the anchor on, in one command."""
        spans: list[Span] = [(first, last)]
        start = first
        is_near = first - anchor <= LITTLE
        if anchor > 0 and is_near:
            # A look that was broken off has settled mail above the anchor: that is no hole.
            start = anchor + 1
            spans.insert(0, (anchor, first - 1))
        elif anchor > 0:
            spans.insert(0, (anchor, anchor))
        headings = self._ask(*spans)
        below = self._below(start, headings) if anchor == 0 or is_near else None
        part = self._headings.whole(start, last, headings, below, self._state.exists)
        survey = self._survey([_above(part, first)], since)
        known = {heading.uid: heading for heading in headings}
        return replace(survey, anchor=known.get(anchor))

    def _below(self, first: int, headings: Sequence[Heading]) -> Heading | None:
        """The last mail below the range: from its number on, holes show."""
        if first == 1:
            return START
        below = [heading for heading in headings if heading.uid < first]
        if below:
            return below[-1]
        if headings:
            return None
        # Nothing is there, or nothing was told: the last mail of all shows which.
        there = self._ask((LAST_UID, None))
        if there:
            return there[-1]
        return replace(START, uid=first - 1)  # not even that: from here on anything may be missing

    # -- a backlog --

    def _backlog(self, first: int, last: int, since: datetime) -> Survey:
        """Read the headings of the time that is asked about, and search below.

        All headings are read where the search is not to be believed."""
        descent = _Descent(first, last, self._state.exists, self._pace)
        newest: list[Heading] = []
        surveys: list[Survey] = []
        while not descent.is_over:
            began = self._monotonic()
            part = self._next(descent)
            descent.read(part, since, self._monotonic() - began)
            surveys.append(self._survey([part], since))
            if len(newest) < LITTLE:
                newest += part.headings
        survey = _joined(surveys[::-1])
        if descent.rest < first:
            return survey
        hits = self._mailbox.search(first - 1, since)
        if hits is not None and self._believed(hits, newest, since):
            return replace(survey, ours=tuple(sorted({*hits, *survey.ours})))
        below = self._survey(self._windows(first, descent.rest, descent.top), since)
        return _joined([below, survey])

    def _next(self, descent: _Descent) -> Part:
        """The headings of the next window down."""
        begin = descent.begin
        headings = self._ask((begin, descent.end))
        below = _just_below(headings)
        if descent.is_last:
            below = START if begin == 1 else None
        elif not headings:
            return Part([])  # the numbers of the next window show whether any were left out
        # Up to the mail above: what was left out at the seam belongs to this window.
        return self._headings.whole(begin, descent.rest, headings, below, descent.top)

    def _believed(self, hits: Sequence[int], newest: Sequence[Heading], since: datetime) -> bool:
        """Whether the search has found what is known to be there, and would find by a domain."""
        found = frozenset(hits)
        trial = None
        for heading in newest:
            sender = heading.sender or b""
            is_missed = heading.uid not in found and not _is_before(heading, since)
            if is_missed and self._names_us(sender):
                return False
            domain = _DOMAIN.search(sender)
            if domain is not None:
                trial = (heading.uid, domain[1].decode().lower(), heading.received_at or since)
        if trial is None:
            return False
        uid, name, received_at = trial
        return self._mailbox.finds(uid, name, min(received_at, since))

    def _windows(self, first: int, last: int, top: int | None) -> Iterator[Part]:
        """Read every heading, window by window.

        `top`: the number of the last mail, or None."""
        below = START if first == 1 else None
        while first <= last:
            began = self._monotonic()
            end = min(first + self._pace.width - 1, last)
            if _are_few(below, top, self._pace.width):
                end = last  # however many UIDs there are between them
            headings = self._ask((first, end))
            part = self._headings.whole(first, end, headings, below, top if end == last else None)
            self._pace.came(len(part.headings), self._monotonic() - began)
            yield part
            if part.headings:
                below = part.headings[-1]
            first = end + 1

    # -- what is ours --

    def _survey(self, parts: Iterable[Part], since: datetime) -> Survey:
        """Put the parts together, from low UIDs to high ones."""
        ours: list[int] = []
        undated: list[int] = []
        keys: dict[int, str] = {}
        uids: list[int] = []
        last = None
        whole_through = None
        older = 0
        for part in parts:
            ours += part.unread
            for heading in part.headings:
                if _is_before(heading, since):
                    older += 1
                elif self._is_ours(heading):
                    ours.append(heading.uid)
                    keys[heading.uid] = heading.key
                    if heading.received_at is None:
                        undated.append(heading.uid)
                last = heading
            uids += part.names
            if whole_through is None:
                whole_through = part.whole_through
        return Survey(
            ours=tuple(sorted(ours)),
            keys=keys,
            last=last,
            uids=tuple(uids),
            whole_through=whole_through,
            undated=tuple(undated),
            older=older,
        )

    def _is_ours(self, heading: Heading) -> bool:
        """Whether its body must be read: it names one of our domains, or it may."""
        return heading.sender is None or self._names_us(heading.sender)

    def _names_us(self, sender: bytes) -> bool:
        """Whether a From names one of our domains."""
        plain = sender.translate(_LOWER, _SPACE)  # folded within an address
        return any(map(plain.__contains__, self._domains))


def is_gone(mailbox: Mailbox, uid: int) -> bool:
    """Whether the server, asked for this one mail, says that it is not there.

    By two commands: a search alone may leave it out."""
    return mailbox.present((uid, uid)) == [] and not mailbox.headings((uid, uid))


def _joined(surveys: Sequence[Survey]) -> Survey:
    """One of several, from low UIDs to high ones."""
    keys: dict[int, str] = {}
    ours: list[int] = []
    undated: list[int] = []
    uids: list[int] = []
    last = None
    whole_through = None
    older = 0
    for survey in surveys:
        keys |= survey.keys
        older += survey.older
        ours += survey.ours
        undated += survey.undated
        uids += survey.uids
        last = survey.last or last
        if whole_through is None:
            whole_through = survey.whole_through
    return Survey(tuple(ours), keys, last, None, tuple(uids), whole_through, tuple(undated), older)


def _above(part: Part, first: int) -> Part:
    """What of the part is not below this UID."""
    headings = [heading for heading in part.headings if heading.uid >= first]
    unread = [uid for uid in part.unread if uid >= first]
    return Part(headings, unread, part.whole_through)


def _are_few(below: Heading | None, top: int | None, width: int) -> bool:
    """Whether no more mails are left up to the top than a window of this width may hold."""
    return below is not None and top is not None and top - below.number <= width


def _is_before(heading: Heading, since: datetime) -> bool:
    return heading.received_at is not None and heading.received_at < since


def _just_below(headings: Sequence[Heading]) -> Heading | None:
    """A mail before the first of these, as if it had been read."""
    if not headings:
        return None
    first = headings[0]
    return replace(START, uid=first.uid - 1, number=first.number - 1)
