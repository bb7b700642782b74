"""The history as comma-separated values."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Final
from unicodedata import normalize

from token_catcher.commands.rotation import Rotation
from token_catcher.model import printable

FORMULA_STARTS: Final = ("=", "+", "-", "@")
"""What makes a spreadsheet take a cell for a formula."""

_INNER_FORMULA: Final = re.compile(r"(;\s*)([=+@\-\uff1d\uff0b\uff20\uff0d])")
"""One behind what separates cells where the comma is for decimals. The last four are full-width."""


def csv_lines(rotations: Iterable[Rotation]) -> Iterator[str]:
    """RFC 4180, a header line first, with line ends; the columns are the fields of `as_json`."""
    yield _csv_line([*(field.name for field in fields(Rotation)), "advice"])
    for rotation in rotations:
        yield _csv_line(map(_csv_cell, rotation.as_json().values()))


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue()


def _csv_cell(value: object) -> str:
    """A quote in front keeps text from being a formula, which full-width letters begin as well.

    Tabs and line ends, which separate cells and rows, are shown as escapes."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return json.dumps(value)
    value = printable(value)
    # OWASP calls it CSV injection. A quote is shown as text, and nothing is computed.
    if normalize("NFKC", value).lstrip().startswith(FORMULA_STARTS):
        value = "'" + value
    return _INNER_FORMULA.sub(r"\1'\2", value)
