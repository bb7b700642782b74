"""The history as comma-separated values, and as a page."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from html import escape
from typing import Final
from unicodedata import normalize

from token_catcher.commands.rotation import KINDS, OUTCOMES, Query, Rotation, outcome
from token_catcher.model import iso

COLUMNS: Final = ("recorded", "outcome", "org", "user", "issued", "path", "version", "why")
"""Of the tables for people."""


def csv_lines(rotations: Iterable[Rotation]) -> Iterator[str]:
    """RFC 4180, a header line first, with line ends; the columns are the fields of `as_json`."""
    yield _csv_line([*KINDS, "advice"])
    for one in rotations:
        yield _csv_line(map(_csv_cell, one.as_json().values()))


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue()


def _csv_cell(value: object) -> str:
    """Spreadsheets take a cell that begins like a formula for one, in full-width letters too: a quote in front prevents it."""
    if isinstance(value, str):
        return (
            "'" + value if normalize("NFKC", value).lstrip()[:1] in ("=", "+", "-", "@") else value
        )
    return "" if value is None else json.dumps(value)


def html_page(rotations: Sequence[Rotation], query: Query, *, made_at: datetime) -> Iterator[str]:
    """One page that needs nothing else: to read, to print, to hand to an auditor."""
    counts = Counter(map(outcome, rotations))
    told = ", ".join(f"{counts[name]} {name}" for name in OUTCOMES if counts[name]) or "none"
    span = f", from {_minute(rotations[0].at)} to {_minute(rotations[-1].at)}" if rotations else ""
    yield _PAGE_BEGIN
    yield f"<h1>Token rotations</h1>\n<p>{told}{span}; asked for: {escape(_asked(query))}.</p>\n"
    yield f"<p>Made at {_minute(iso(made_at))}. All times are UTC.</p>\n"
    yield f"<table>\n<thead><tr>{''.join(f'<th scope=col>{name}' for name in COLUMNS)}</tr></thead>\n<tbody>\n"
    for one in rotations:
        yield f"<tr class={outcome(one)}>{''.join(f'<td>{escape(cell)}' for cell in _cells(one))}</tr>\n"
    yield "</tbody>\n</table>\n</html>\n"


def _asked(query: Query) -> str:
    said = {
        name: iso(value) if isinstance(value, datetime) else value
        for name, value in asdict(query).items()
        if value
    }
    return ", ".join(f"{name} {value}" for name, value in said.items()) or "everything"


def _cells(one: Rotation) -> tuple[str, ...]:
    why = "; ".join(
        filter(None, (one.reason, one.saw, "recovered" if one.recovered else None, one.advice))
    )
    texts = (
        one.org,
        one.username,
        one.issued_at and _minute(one.issued_at),
        one.path,
        str(one.version or ""),
        why,
    )
    return (_minute(one.at), outcome(one), *(text or "" for text in texts))


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
th, td { text-align: left; vertical-align: top; padding: .3em .6em; border-bottom: 1px solid #ccc; overflow-wrap: anywhere; }
td:nth-child(1), td:nth-child(2), td:nth-child(5) { white-space: nowrap; font-variant-numeric: tabular-nums; }
.stored td:nth-child(2) { color: #06632e; }
.held td:nth-child(2) { color: #7a4b00; }
.refused td:nth-child(2) { color: #a3121b; }
@page { size: landscape; margin: 12mm; }
@media print { body { font-size: 9pt; margin: 0; } thead { display: table-header-group; } tr { break-inside: avoid; } }
</style>
"""
