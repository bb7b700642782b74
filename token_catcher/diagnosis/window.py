"""A trial look at the mail of the look-back window: how each token mail would end, and why.

And what became of mail on its way: whether the body is still the one that Salesforce signed, and
what the receiving server really writes into Authentication-Results. It is held against the
configuration, and what would fit is proposed; it is never taken, since whoever can send mail can
send such fields as well.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from token_catcher.diagnosis.about import About
from token_catcher.diagnosis.step import Step
from token_catcher.errors import TransientError
from token_catcher.judge import Judge
from token_catcher.lookup import Lookup
from token_catcher.model import (
    MAX_MAIL_BYTES,
    Candidate,
    Capture,
    Claim,
    Header,
    Held,
    Ignored,
    Mail,
    Refused,
)
from token_catcher.proof import Place, Policy, Zone, counts, outlines, places
from token_catcher.reading import read_header
from token_catcher.report import Trouble
from token_catcher.wording import counted

AREA: Final = "imap"
LOOKED_AT_WITHIN: Final = 60.0
"""Seconds; what is left of the window after that is not looked at."""
STORED: Final = ("would be stored", "is in Vault")
"""Outcomes after which nothing is to be done."""
READ_RESULTS: Final = ("authentication-results", "auto", "both")
"""The policies that go by Authentication-Results."""


@dataclass(frozen=True, slots=True)
class WayTerms:
    """What the configuration says of the way of a mail."""

    policy: Policy
    signing_domains: tuple[str, ...]
    authserv_ids: tuple[str, ...]
    authserv_zone: Zone


@dataclass(frozen=True, slots=True)
class Ending:
    """How one token mail would end."""

    user: str
    """As the mail claims; empty where it is unclear."""
    issued_at: datetime
    outcome: str
    """`would be stored`, `is in Vault`, `held`, `refused` or `not judged now`."""
    reason: str
    saw: str


@dataclass(frozen=True, slots=True)
class Way:
    """What became of one mail of the senders on its way."""

    bodies: tuple[bool, ...]
    """For each signature of a signing domain whether the body is the one that was signed."""
    key_names: tuple[str, ...]
    places: tuple[Place, ...]
    is_counted: bool
    """Whether an Authentication-Results is taken for our server's."""


@dataclass
class Window:
    """What was seen of the window of one mailbox."""

    mails: int = 0
    endings: list[Ending] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    newest: datetime | None = None
    """The last arrival."""
    is_whole: bool = False
    """False: the time was up before the end."""


class Look:
    """Looks at the mail of one mailbox."""

    def __init__(
        self,
        judge: Judge,
        addresses: Sequence[str],
        terms: WayTerms,
        *,
        stored: Collection[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`stored`: the digests of mails whose token is the newest of its user in the record. One
        of them may have been released by a person, whatever the rules say of it."""
        self._judge = judge
        self._addresses = addresses
        self._terms = terms
        self._stored = stored
        self._monotonic = monotonic

    def over(self, lookup: Lookup, horizon: datetime) -> Window:
        """All mail of the senders that arrived from the horizon on, as far as the time goes.

        Raises what the session raises."""
        window = Window()
        deadline = self._monotonic() + LOOKED_AT_WITHIN
        for answer in lookup.since(horizon):
            if isinstance(answer, Trouble):
                window.troubles.append(answer)
            else:
                self._take_in(window, answer)
            if self._monotonic() > deadline:
                return window
        window.is_whole = True
        return window

    def _take_in(self, window: Window, mail: Mail) -> None:
        window.mails += 1
        if mail.is_arrival_told and (window.newest is None or mail.received_at > window.newest):
            window.newest = mail.received_at
        ending = self._ending(mail)
        if ending is not None:
            window.endings.append(ending)
        header = read_header(mail.raw)
        # Of a mail that was cut, no body's hash could fit.
        if isinstance(header, Header) and len(mail.raw) <= MAX_MAIL_BYTES:
            window.ways.append(self._way(mail.raw, header))

    def _ending(self, mail: Mail) -> Ending | None:
        """None: it is no token mail."""
        try:
            verdict = self._judge.judge(mail, self._addresses)
        except TransientError as error:
            return Ending("", mail.received_at, "not judged now", error.code, str(error))
        outcome = verdict.outcome
        if isinstance(outcome, Ignored):
            return None
        user = _user(verdict.candidate)
        issued_at = mail.received_at
        if verdict.candidate is not None and verdict.candidate.issued_at is not None:
            issued_at = verdict.candidate.issued_at
        if mail.digest in self._stored:
            return Ending(user, issued_at, "is in Vault", "", "")
        return Ending(user, issued_at, *_words_of(outcome))

    def _way(self, raw: bytes, header: Header) -> Way:
        terms = self._terms
        signatures = outlines(raw, header, terms.signing_domains)
        return Way(
            tuple(signature.is_body_intact for signature in signatures),
            tuple(signature.key_name for signature in signatures),
            tuple(places(header)),
            counts(header, terms.authserv_ids, terms.authserv_zone),
        )


def _user(candidate: Candidate | None) -> str:
    if candidate is None or not isinstance(candidate.claim, Claim):
        return ""
    return candidate.claim.username.lower()


def _words_of(outcome: Capture | Held | Refused) -> tuple[str, str, str]:
    """Outcome, reason, and what was seen."""
    match outcome:
        case Capture():
            return "would be stored", "", ""
        case Held(reason, saw):
            return "held", reason.value, saw
        case Refused(reason, saw):
            return "refused", reason.value, saw


def window_steps(mailbox: str, window: Window, terms: WayTerms, days: int) -> Iterator[Step]:
    """What the window says. `days`: how far back it goes."""
    about = About(AREA, mailbox)
    yield _mail_step(about, window, days)
    for trouble in window.troubles:
        # A folder that is missing was told where the folders are.
        if trouble.code != "imap-folder":
            yield about.warning("mail", trouble.message, trouble.code)
    yield from _ending_steps(about, window.endings)
    if window.ways:
        yield _body_step(about, window.ways, terms)
        yield _results_step(about, window.ways, terms)
    else:
        for step in ("body", "assessment"):
            yield about.skipped(step, "no mail of the senders to learn it from")


def _mail_step(about: About, window: Window, days: int) -> Step:
    tokens = len(window.endings)
    mails = counted(window.mails, "mail")
    saw = f"{mails} of the senders in {counted(days, 'day')}, {tokens} of them token mail"
    if not window.is_whole:
        saw = f"{saw}, and no time for the rest"
    return about.ok("mail", saw)


def _ending_steps(about: About, endings: Sequence[Ending]) -> Iterator[Step]:
    """One for each outcome and reason. What counts is the newest mail of a user: whatever became
    of the older ones, its token is the valid one."""
    newest: dict[str, Ending] = {}
    for ending in sorted(endings, key=_by_time):
        newest[ending.user] = ending
    groups: dict[tuple[str, str], list[Ending]] = {}
    for ending in endings:
        groups.setdefault((ending.outcome, ending.reason), []).append(ending)
    # Anybody can have a forgery refused here: it must not hide that genuine mail is stored.
    none_stored = all(ending.outcome not in STORED for ending in endings)
    for group in groups.values():
        waiting = [ending for ending in group if newest[ending.user] is ending]
        yield _ending_step(about, group, waiting, none_stored=none_stored)


def _by_time(ending: Ending) -> datetime:
    return ending.issued_at


def _ending_step(
    about: About, group: Sequence[Ending], waiting: Sequence[Ending], *, none_stored: bool
) -> Step:
    """Forgeries are refused every day, so a refusal is a failure only where nothing else came."""
    first = group[0]
    saw = f"{len(group)} {first.outcome}"
    if first.outcome in STORED:
        users = dict.fromkeys(ending.user for ending in group)
        return about.ok("token mail", f"{saw}: {_listed(users)}")
    saw = f"{saw} ({first.reason}): {_listed(_told(group))}"
    if first.outcome == "not judged now":
        return about.warning("token mail", saw, first.reason)
    # The same reason asks for other advice where mail is held than where it is refused.
    code = f"{first.outcome}-{first.reason}"
    if first.outcome == "held" and not waiting:
        return about.ok("token mail", f"{saw}; a newer one of that user came since")
    if first.outcome == "held" or none_stored:
        return about.failed("token mail", saw, code)
    return about.warning("token mail", saw, code)


def _told(group: Iterable[Ending]) -> dict[str, None]:
    """The users and what was seen, each once."""
    texts = []
    for ending in group:
        parts = [ending.user or "no user", ending.saw]
        texts.append(", ".join(part for part in parts if part))
    return dict.fromkeys(texts)


def _listed(texts: Iterable[str]) -> str:
    """The first of them: a line stays a line."""
    texts = list(texts)
    listed = "; ".join(texts[:3])
    if len(texts) > 3:
        listed = f"{listed}; and {len(texts) - 3} more"
    return listed


def _body_step(about: About, ways: Sequence[Way], terms: WayTerms) -> Step:
    """Microsoft 365 and many gateways write a mail anew, so that its signature fits no longer."""
    # RFC 6376, section 3.7: `bh=` is compared before any key is asked for.
    signed = [way for way in ways if way.bodies]
    changed = [way for way in signed if not any(way.bodies)]
    if not signed:
        return about.skipped("body", "no mail with a readable signature of a signing domain")
    if not changed:
        return about.ok(
            "body", f"as it was signed, in {len(signed)} of {counted(len(signed), 'mail')}"
        )
    saw = f"changed after signing in {len(changed)} of {counted(len(signed), 'mail')}"
    if terms.policy in ("auto", "authentication-results"):
        return about.ok("body", f"{saw}; policy {terms.policy} does without it")
    saw = f"got a body that was {saw}, expected none under policy {terms.policy}"
    if len(changed) == len(signed):
        return about.failed("body", saw, "mail-changed")
    return about.warning("body", saw, "mail-changed")


def _results_step(about: About, ways: Sequence[Way], terms: WayTerms) -> Step:
    """What the receiving server writes, against what it is expected to write."""
    step = "assessment"
    proposal = _proposal(ways)
    mails = counted(len(ways), "mail")
    believed = sum(way.is_counted for way in ways)
    if terms.policy not in READ_RESULTS:
        return about.ok(step, f"policy {terms.policy} does without; {proposal}")
    if believed == len(ways):
        return about.ok(step, f"of our server in {believed} of {mails}")
    names = ", ".join(name or "''" for name in terms.authserv_ids)
    saw = (
        f"got none of {names} in the zone {_zone_text(terms.authserv_zone)} in"
        f" {len(ways) - believed} of {mails}"
    )
    saw = f"{saw}; {proposal}"
    if believed:
        return about.warning(step, saw, "authserv")
    return about.failed(step, saw, "authserv")


def _proposal(ways: Iterable[Way]) -> str:
    """The id that stands on top most often, and the lines that would believe it.

    RFC 8601, section 4.1: each server writes above what it got."""
    tops = Counter(way.places[0] for way in ways if way.places)
    if not tops:
        return "no server writes any"
    (place, number), *_others = tops.most_common(1)
    zone: Zone = "above-first-received"
    # Gmail and Microsoft 365 put Received of their own above their results.
    if place.received_above:
        zone = place.received_above
    name = place.authserv_id or "''"
    return (
        f"{name} on top of {number}: if that is your mail server, write authserv_ids: [{name}]"
        f" and authserv_zone: {_zone_text(zone)}"
    )


def _zone_text(zone: Zone) -> str:
    if isinstance(zone, int):
        return f"{{received_above: {zone}}}"
    return zone
