"""The history as a page: the timeline, a summary by user, each rotation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from token_catcher.commands.rotation import OUTCOMES, Query, Rotation
from token_catcher.html import Cell, Mark, Table, closing, opening, text, timeline, word
from token_catcher.model import Event, iso, moment

MOST_USERS: Final = 500
"""Rows of the summary."""
NOBODY: Final = "(no username)"
"""Instead of the username of a mail that names none, or several."""
_USERS: Final = Table(
    "table-users",
    "What the rotations below tell of each user",
    ("user", "rotations", "last stored", "version", "last rotation", "outcome"),
)
_ROTATIONS: Final = Table(
    "table-rotations",
    "Each rotation, the newest last",
    ("recorded", "outcome", "org", "user", "issued", "path", "version", "why", "source"),
)


def html_page(rotations: Sequence[Rotation], query: Query, *, made_at: datetime) -> Iterator[str]:
    """One page that needs nothing else: to read, to print, to hand to an auditor."""
    yield opening("Token rotations", is_file=True)
    yield '<main id="main">\n<h1>Token rotations</h1>\n'
    # What comes from logs or from the question is escaped; times and counts are our own.
    asked = text(_asked(query))
    yield f"<p>{_counted(rotations)}{_span(rotations)}; asked for: {asked}.</p>\n"
    yield f"<p>Made at {_time(iso(made_at))}. All times are UTC.</p>\n"
    users = users_in(rotations)
    if users:
        yield '<h2 id="timeline">Timeline</h2>\n'
        yield from timeline([_mark(rotation) for rotation in rotations], "Rotations by user")
        yield '<h2 id="users">Users</h2>\n'
        yield from _USERS.lines(_user_cells(user) for user in users[:MOST_USERS])
        yield from _more_users(len(users))
    yield '<h2 id="rotations">Rotations</h2>\n'
    yield from _ROTATIONS.lines(_cells(rotation) for rotation in rotations)
    yield "</main>\n"
    yield closing()


def _mark(rotation: Rotation) -> Mark:
    count = 1 + (rotation.suppressed or 0)
    return Mark(moment(rotation.at), rotation.username or NOBODY, rotation.outcome, count)


@dataclass(frozen=True, slots=True)
class UserSummary:
    """What the rotations tell of one user."""

    name: str
    """Empty: mail that names none."""
    counts: str
    """`2 stored, 1 held`"""
    stored_at: str
    """When a token of theirs was last stored, ISO 8601 in UTC; empty: never."""
    version: int | None
    """Of that one."""
    last: Rotation
    """The newest one."""


def users_in(rotations: Sequence[Rotation]) -> list[UserSummary]:
    """Each user, those with a token first, then by name.

    Anybody can send mail that names users without end: it displaces none of ours."""
    by_user: dict[str, list[Rotation]] = {}
    for rotation in rotations:
        by_user.setdefault(rotation.username or "", []).append(rotation)
    users = [_summary(name, by_user[name]) for name in sorted(by_user)]
    return sorted(users, key=_has_no_token)


def _has_no_token(user: UserSummary) -> bool:
    return not user.stored_at


def _summary(name: str, rotations: Sequence[Rotation]) -> UserSummary:
    stored_at = ""
    version = None
    for rotation in rotations:
        if rotation.event == Event.STORED:
            stored_at = rotation.at
            version = rotation.version
    return UserSummary(name, _counted(rotations), stored_at, version, rotations[-1])


def _user_cells(user: UserSummary) -> Sequence[Cell]:
    last = user.last
    ending = word(last.outcome, last.outcome)
    if last.reason is not None:
        ending += f" {text(last.reason)}"
    return (
        Cell.of(user.name or NOBODY),
        Cell.of(user.counts),
        Cell.time(_time(user.stored_at)),
        Cell.of(user.version),
        Cell.time(_time(last.at)),
        Cell(ending),
    )


def _more_users(count: int) -> Iterator[str]:
    if count > MOST_USERS:
        yield f"<p>{count - MOST_USERS} more have no row here; their rotations are below.</p>\n"


def _counted(rotations: Iterable[Rotation]) -> str:
    """`2 stored, 1 held`, with those that a log left out of a flood."""
    counts: Counter[str] = Counter()
    for rotation in rotations:
        counts[rotation.outcome] += 1 + (rotation.suppressed or 0)
    return ", ".join(f"{counts[name]} {name}" for name in OUTCOMES if counts[name]) or "none"


def _span(rotations: Sequence[Rotation]) -> str:
    if not rotations:
        return ""
    return f", from {_time(rotations[0].at)} to {_time(rotations[-1].at)}"


def _asked(query: Query) -> str:
    words = []
    for name, value in asdict(query).items():
        if isinstance(value, datetime):
            words.append(f"{name} {iso(value)}")
        elif value:
            words.append(f"{name} {value}")
    return ", ".join(words) or "everything"


def _cells(rotation: Rotation) -> Sequence[Cell]:
    """A row of the page, in the order of the columns."""
    return (
        Cell.time(_time(rotation.at)),
        Cell(word(rotation.outcome, rotation.outcome)),
        Cell.of(rotation.org),
        Cell.of(rotation.username),
        Cell.time(_time(rotation.issued_at or "")),
        Cell.of(rotation.path),
        Cell.of(rotation.version),
        Cell.of("; ".join(_words(rotation))),
        Cell.of(rotation.source),
    )


def _words(rotation: Rotation) -> Iterator[str]:
    """Why it ended so, and what a person does about it."""
    words = [rotation.reason, rotation.saw]
    if rotation.recovered:
        words.append("recovered")
    if rotation.mended:
        words.append("mended")
    words += [_release(rotation), _suppressed(rotation), rotation.advice]
    yield from filter(None, words)


def _suppressed(rotation: Rotation) -> str | None:
    if not rotation.suppressed:
        return None
    return f"{rotation.suppressed} more before it were not logged"


def _release(rotation: Rotation) -> str | None:
    """`released by alice: moved to a new mailbox (without recipient)`"""
    if rotation.released_by is None:
        return None
    words = f"released by {rotation.released_by}"
    if rotation.release_reason:
        words += f": {rotation.release_reason}"
    if rotation.waived:
        words += f" (without {', '.join(rotation.waived)})"
    return words


def _time(moment: str) -> str:
    """`2026-02-03 12:57:27`: without fractions and zone."""
    return moment[:19].replace("T", " ")
