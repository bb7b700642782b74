"""The timeline: a lane for each user, a mark for each rotation; bounded, whatever it shows.

Rotations of one lane that fall into one column are one mark with their number. An outcome has a
shape of its own as well as a colour, so that nobody needs to tell the colours apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from token_catcher.html.markup import text
from token_catcher.model import iso

LANES: Final = 24
"""Users with a lane: those who have a token, and of them those whose last rotation is newest."""
COLUMNS: Final = 200
"""Into so many parts the time from the first to the last rotation is divided."""
SHAPES: Final[Mapping[str, str]] = {
    "stored": '<circle r="5"/>',
    "unchanged": '<circle r="4.5" stroke-width="2"/>',
    "held": '<path d="M0-6 6 5H-6Z"/>',
    "refused": '<path d="M-5-5 5 5M5-5-5 5" stroke-width="2.5"/>',
    "verified": '<path d="M0-6 6 0 0 6-6 0Z"/>',
    "unverified": '<path d="M0-6 6 0 0 6-6 0Z" stroke-width="2"/>',
}
"""By outcome, around the point that it marks."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One rotation."""

    at: datetime
    who: str
    """The lane that it stands in."""
    outcome: str
    count: int = 1
    """For how many rotations it stands."""


def timeline(marks: Sequence[Mark], what: str) -> Iterator[str]:
    """The picture of these rotations; nothing where there are none. `what`: what they are of.

    A mark whose outcome has no shape is none of ours, and left out."""
    marks = [mark for mark in marks if mark.outcome in SHAPES]
    if not marks:
        return
    begin = min(mark.at for mark in marks)
    end = max(mark.at for mark in marks)
    lanes = _lanes(marks)
    shown = _chosen(lanes)
    used = {mark.outcome for name in shown for mark in lanes[name]}
    outcomes = [name for name in SHAPES if name in used]
    yield f"<figure>\n<figcaption>{text(_caption(what, begin, end, len(lanes)))}</figcaption>\n"
    yield _shapes(outcomes)
    yield _legend(outcomes)
    yield '<ul class="lanes">\n'
    for name in shown:
        yield _lane(name, _merged(lanes[name], begin, end))
    yield "</ul>\n"
    yield (
        f'<p class="axis" aria-hidden="true"><span>{_day(begin)}</span>'
        f"<span>{_day(end)}</span></p>\n</figure>\n"
    )


def _lanes(marks: Iterable[Mark]) -> dict[str, list[Mark]]:
    lanes: dict[str, list[Mark]] = {}
    for mark in marks:
        lanes.setdefault(mark.who, []).append(mark)
    return lanes


def _chosen(lanes: Mapping[str, Sequence[Mark]]) -> list[str]:
    """By name. Anybody can send mail that names users without end: it displaces none of ours."""

    def urgency(name: str) -> tuple[bool, datetime]:
        has_token = any(mark.outcome == "stored" for mark in lanes[name])
        return has_token, max(mark.at for mark in lanes[name])

    return sorted(sorted(lanes, key=urgency, reverse=True)[:LANES])


def _caption(what: str, begin: datetime, end: datetime, users: int) -> str:
    words = f"{what}, from {_minute(begin)} to {_minute(end)} UTC"
    if users > LANES:
        words += f"; {LANES} of {users} users"
    return words


def _merged(marks: Iterable[Mark], begin: datetime, end: datetime) -> list[tuple[float, Mark]]:
    """With each mark its place, in percent. Later ones lie above earlier ones."""
    span = (end - begin).total_seconds()
    merged: dict[tuple[int, str], Mark] = {}
    for mark in marks:
        column = COLUMNS // 2
        if span:
            column = int((mark.at - begin).total_seconds() * COLUMNS / span)
        key = (column, mark.outcome)
        count = mark.count
        if key in merged:
            count += merged[key].count
        merged[key] = Mark(mark.at, mark.who, mark.outcome, count)
    # A mark has some width: the first and the last one stay within the lane.
    return [(1.5 + 97 * column / COLUMNS, merged[column, name]) for column, name in sorted(merged)]


def _lane(name: str, marks: Sequence[tuple[float, Mark]]) -> str:
    counts: Counter[str] = Counter()
    for _, mark in marks:
        counts[mark.outcome] += mark.count
    summary = ", ".join(f"{counts[outcome]} {outcome}" for outcome in SHAPES if counts[outcome])
    drawn = "".join(_mark(place, mark) for place, mark in marks)
    return (
        f"<li><span>{text(name)}</span>"
        f'<svg role="img" aria-label="{text(f"{name}: {summary}")}" focusable="false">'
        f'<line x1="0" x2="100%" y1="50%" y2="50%"/>{drawn}</svg></li>\n'
    )


def _mark(place: float, mark: Mark) -> str:
    """`title` shows when a pointer rests on it."""
    told = f"{_minute(mark.at)} {mark.outcome}"
    if mark.count > 1:
        told = f"{mark.count} {mark.outcome}, the last {_minute(mark.at)}"
    return (
        f'<use href="#shape-{mark.outcome}" class="{mark.outcome}" x="{place:.1f}%" y="50%">'
        f"<title>{told}</title></use>"
    )


def _shapes(outcomes: Iterable[str]) -> str:
    groups = "".join(f'<g id="shape-{name}">{SHAPES[name]}</g>' for name in outcomes)
    return f'<svg class="shapes" aria-hidden="true" focusable="false"><defs>{groups}</defs></svg>\n'


def _legend(outcomes: Iterable[str]) -> str:
    items = "".join(
        f'<li><svg viewBox="-8 -8 16 16" aria-hidden="true" focusable="false">'
        f'<use href="#shape-{name}" class="{name}"/></svg> {name}</li>'
        for name in outcomes
    )
    return f'<ul class="legend">{items}</ul>\n'


def _minute(moment: datetime) -> str:
    """`2026-02-03 12:57`."""
    return iso(moment)[:16].replace("T", " ")


def _day(moment: datetime) -> str:
    return iso(moment)[:10]
