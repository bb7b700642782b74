"""The history as comma-separated values and as a page: whole, and harmless whatever is in it."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.scale import times
from tests.unit.commands.records import NOW, USER, ask
from token_catcher.advice import ADVICE
from token_catcher.commands.csv_form import csv_lines
from token_catcher.commands.history_page import html_page
from token_catcher.commands.rotation import Query, Rotation
from token_catcher.model import Reason, iso


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


class Page(HTMLParser):
    """The tags of a page with their attributes, and its table, cell by cell."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip("\n")


def test_the_page_shows_every_row(mixed: str) -> None:
    """For people: to the second, the outcome in a word, the reason with what to do about it."""
    page = Page("".join(html_page(ask(mixed).rotations, Query(), made_at=NOW)))
    assert [row[:2] for row in page.rows] == [
        ["recorded", "outcome"],
        ["2026-02-03 12:57:28", "stored"],
        ["2026-02-03 13:07:28", "stored"],
        ["2026-02-03 13:17:28", "unchanged"],
        ["2026-02-03 13:27:28", "held"],
        ["2026-02-03 13:37:28", "refused"],
    ]
    assert page.rows[1][2:] == [
        "acme-production",
        USER,
        "2026-02-03 12:57:20",
        f"salesforce/acme-production/{USER}",
        "3",
        "",
        "journal",
    ]
    assert page.rows[4][2:] == [
        "acme-production",
        USER,
        "2026-02-03 12:57:20",
        "",
        "",
        f"unknown-user; {ADVICE[Reason.UNKNOWN_USER]}",
        "journal",
    ]


def test_the_page_says_what_it_is(mixed: str) -> None:
    """How many of what, from when to when, what was asked for, when it was made;
    also when there is nothing."""
    query = Query(org="acme-production", event="stored", since=NOW)
    text = "".join(html_page(ask(mixed).rotations, query, made_at=NOW + timedelta(days=1)))
    counts = "2 stored, 1 unchanged, 1 held, 1 refused"
    assert f"<p>{counts}, from 2026-02-03 12:57:28 to 2026-02-03 13:37:28; " in text
    assert "; asked for: org acme-production, event stored, since 2026-02-03T12:57:28Z.</p>" in text
    assert "<p>Made at 2026-02-04 12:57:28. All times are UTC.</p>" in text
    assert "<p>none; asked for: everything.</p>" in "".join(html_page((), Query(), made_at=NOW))


def test_the_page_shows_what_is_not_to_be_seen() -> None:
    """A mark of writing direction would turn a name around, in a row and in the question."""
    row = Rotation(iso(NOW), "rotation.held", "a\u202eb", "c\u200bd")
    page = "".join(html_page([row], Query(org="a\u202eb", user="e\x00f"), made_at=NOW))
    assert Page(page).rows[1][2:4] == [r"a\u202eb", r"c\u200bd"]
    assert r"asked for: org a\u202eb, user e\x00f." in page
    assert page.replace("\n", "").isprintable()


@settings(max_examples=times(100))
@given(
    text=st.text()
    | st.sampled_from(
        ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</td><td>", "&lt;", '"><a']
    )
)
def test_no_text_becomes_markup(text: str) -> None:
    """Whatever stands in a field, or was asked for:
    the page has the tags it has without it, and no script."""
    clean = Rotation(iso(NOW), "rotation.held", "a", "a", "a", "a", 1, "a", "a")
    dirty = Rotation(iso(NOW), "rotation.held", text, text, text, text, 1, text, text)
    clean_page = Page("".join(html_page([clean], Query(org="a"), made_at=NOW)))
    dirty_page = Page("".join(html_page([dirty], Query(org=text or "a"), made_at=NOW)))
    assert clean_page.tags == dirty_page.tags


def test_the_page_needs_nothing_else() -> None:
    """No script, no address of anything: it can be mailed, printed and kept for years."""
    page = Page("".join(html_page([Rotation(iso(NOW), "rotation.held")], Query(), made_at=NOW)))
    assert {tag for tag, _ in page.tags} == {
        "html",
        "meta",
        "title",
        "style",
        "h1",
        "p",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    assert {name for _, attributes in page.tags for name in attributes} == {
        "lang",
        "charset",
        "name",
        "content",
        "http-equiv",
        "scope",
        "class",
    }
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    assert ("meta", {"http-equiv": "Content-Security-Policy", "content": policy}) in page.tags
