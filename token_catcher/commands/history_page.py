"""The history as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from html import escape
from typing import Final

from token_catcher.commands.rotation import OUTCOMES, Query, Rotation
from token_catcher.model import iso, printable

COLUMNS: Final = (
    "recorded",
    "outcome",
    "org",
    "user",
    "issued",
    "path",
    "version",
    "why",
    "source",
)
"""Of the page."""


def html_page(rotations: Sequence[Rotation], query: Query, *, made_at: datetime) -> Iterator[str]:
    """One page that needs nothing else: to read, to print, to hand to an auditor."""
    heads = "".join(f"<th scope=col>{name}" for name in COLUMNS)
    # What comes from logs or from the question is escaped; times and counts are our own.
    yield _PAGE_BEGIN
    yield "<h1>Token rotations</h1>\n"
    asked = escape(printable(_asked(query)))
    yield f"<p>{_counted(rotations)}{_span(rotations)}; asked for: {asked}.</p>\n"
    yield f"<p>Made at {_minute(iso(made_at))}. All times are UTC.</p>\n"
    yield f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n"
    for rotation in rotations:
        cells = "".join(f"<td>{escape(printable(cell))}" for cell in _cells(rotation))
        yield f"<tr class={rotation.outcome}>{cells}</tr>\n"
    yield "</tbody>\n</table>\n</html>\n"


def _counted(rotations: Iterable[Rotation]) -> str:
    """`2 stored, 1 held`, with those that a log left out of a flood."""
    counts: Counter[str] = Counter()
    for rotation in rotations:
        counts[rotation.outcome] += 1 + (rotation.suppressed or 0)
    return ", ".join(f"{counts[name]} {name}" for name in OUTCOMES if counts[name]) or "none"


def _span(rotations: Sequence[Rotation]) -> str:
    if not rotations:
        return ""
    return f", from {_minute(rotations[0].at)} to {_minute(rotations[-1].at)}"


def _asked(query: Query) -> str:
    words = []
    for name, value in asdict(query).items():
        if isinstance(value, datetime):
            words.append(f"{name} {iso(value)}")
        elif value:
            words.append(f"{name} {value}")
    return ", ".join(words) or "everything"


def _cells(rotation: Rotation) -> Iterator[str]:
    """A row of the page, in the order of the columns."""
    yield _minute(rotation.at)
    yield rotation.outcome
    yield rotation.org or ""
    yield rotation.username or ""
    yield _minute(rotation.issued_at or "")
    yield rotation.path or ""
    yield str(rotation.version or "")
    words = [rotation.reason, rotation.saw]
    if rotation.recovered:
        words.append("recovered")
    if rotation.mended:
        words.append("mended")
    words += [_release(rotation), _suppressed(rotation), rotation.advice]
    yield "; ".join(filter(None, words))
    yield rotation.source


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


def _minute(moment: str) -> str:
    """`2026-02-03 12:57:27`: without fractions and zone."""
    return moment[:19].replace("T", " ")


_PAGE_BEGIN: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Token rotations</title>
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #111; background: #fff; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3em .6em;
  border-bottom: 1px solid #ccc; overflow-wrap: anywhere; }
td:nth-child(1), td:nth-child(2), td:nth-child(5) { white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.stored td:nth-child(2) { color: #06632e; }
.held td:nth-child(2), .unverified td:nth-child(2) { color: #7a4b00; }
.refused td:nth-child(2) { color: #a3121b; }
@page { size: landscape; margin: 12mm; }
@media print { body { font-size: 9pt; margin: 0; } thead { display: table-header-group; }
  tr { break-inside: avoid; } }
</style>
"""
