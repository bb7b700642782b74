"""The history as comma-separated values: whole, and harmless whatever is in it."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from tests.unit.commands.records import NOW, ask
from token_catcher.commands.csv_form import csv_lines
from token_catcher.commands.rotation import Rotation
from token_catcher.model import iso


def test_csv_can_be_read_back(mixed: str) -> None:
    """RFC 4180: a header, CRLF, quotes where they are needed; every column of the JSON."""
    rows = [*ask(mixed).rotations, Rotation(iso(NOW), "rotation.held", saw='a "b", c')]
    text = "".join(csv_lines(rows))
    assert text.count("\r\n") == text.count("\n") == len(rows) + 1
    read_back = list(csv.DictReader(io.StringIO(text, newline="")))
    assert read_back == [as_text(row.as_json()) for row in rows]


def as_text(fields: dict[str, Any]) -> dict[str, str]:
    """What a cell shows: text as it is, nothing for null, other values as JSON."""
    cells = {}
    for name, value in fields.items():
        if value is None:
            cells[name] = ""
        else:
            cells[name] = value if isinstance(value, str) else json.dumps(value)
    return cells


@pytest.mark.parametrize(
    "value", ["=1+1", "+1", "-1", "@SUM(A1)", " =1+1", "＝1+1", "＋1", "－1", "＠x"]
)
def test_no_cell_is_a_formula(value: str) -> None:
    """A username in a mail must not become a command in an auditor's spreadsheet."""
    (row,) = csv.DictReader(csv_lines([Rotation(iso(NOW), "rotation.held", username=value)]))
    assert row["username"] == "'" + value


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("a;=1+1", "a;'=1+1"),
        ("a; @x;+1", "a; '@x;'+1"),
        ("a\t-1", r"a\t-1"),
        ("\t=1", r"\t=1"),
        ("\r=1", r"\r=1"),
        ("a\r\n@x", r"a\r\n@x"),
        ("a;\u202e=1", r"a;\u202e=1"),
        ("a;\uff1d1", "a;'\uff1d1"),
        ("=1;=2", "'=1;'=2"),
        ("a; b - c, =d", "a; b - c, =d"),
    ],
)
def test_no_part_of_a_cell_is_a_formula(value: str, cell: str) -> None:
    """A spreadsheet may take semicolons for what separates cells, or tabs and line ends.

    These are escapes, as all that is not to be seen."""
    (row,) = csv.DictReader(csv_lines([Rotation(iso(NOW), "rotation.held", username=value)]))
    assert row["username"] == cell
