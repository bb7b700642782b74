"""The history as a page: whole, and harmless whatever is in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.scale import times
from tests.unit.commands.records import NOW, USER, ask
from token_catcher.advice import ADVICE
from token_catcher.commands.history_page import MOST_USERS, NOBODY, html_page
from token_catcher.commands.rotation import Query, Rotation
from token_catcher.html import STYLE_SOURCE
from token_catcher.model import Reason, iso


class Page(HTMLParser):
    """The tags of a page with their attributes, and its tables, cell by cell."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self._is_in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._is_in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._is_in_cell = False

    def handle_data(self, data: str) -> None:
        if self._is_in_cell:
            self.tables[-1][-1][-1] += data

    @property
    def markup(self) -> list[tuple[str, dict[str, str | None]]]:
        """The tags, without the one attribute that is a text."""
        return [(tag, pairs | {"aria-label": None}) for tag, pairs in self.tags]

    @property
    def users(self) -> list[list[str]]:
        """The summary, without its heads."""
        return self.tables[0][1:]

    @property
    def rows(self) -> list[list[str]]:
        """The rotations, with their heads."""
        return self.tables[-1]


def page_of(rotations: Sequence[Rotation], query: Query | None = None) -> Page:
    """The page of these rotations."""
    return Page("".join(html_page(rotations, query or Query(), made_at=NOW)))


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
    assert clean_page.markup == dirty_page.markup


def test_the_page_needs_nothing_else() -> None:
    """No script, no address of anything: it can be mailed, printed and kept for years.

    Its policy allows its own style sheet alone, and no attribute is a style."""
    page = page_of([Rotation(iso(NOW), "rotation.held", username=USER)])
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "img", "iframe", "object", "form", "base"}
    attributes = [pair for _, pairs in page.tags for pair in pairs.items()]
    assert not {name for name, _ in attributes} & {"src", "style", "action", "onload"}
    assert {value for name, value in attributes if name == "href"} == {"#main", "#shape-held"}
    policy = f"default-src 'none'; style-src {STYLE_SOURCE}; base-uri 'none'; form-action 'none'"
    assert ("meta", {"http-equiv": "Content-Security-Policy", "content": policy}) in page.tags


def test_each_user_has_a_summary(mixed: str) -> None:
    """Those with a token first: how often what happened, the last token, the last rotation."""
    assert page_of(ask(mixed).rotations).users == [
        [
            "etl@acme.example",
            "1 stored",
            "2026-02-03 13:07:28",
            "3",
            "2026-02-03 13:07:28",
            "stored",
        ],
        [
            USER,
            "1 stored, 1 unchanged, 1 held",
            "2026-02-03 12:57:28",
            "3",
            "2026-02-03 13:27:28",
            "held unknown-user",
        ],
        [NOBODY, "1 refused", "", "", "2026-02-03 13:37:28", "refused bad-signature"],
    ]


def test_the_summary_is_bounded() -> None:
    """Mail of anybody's that names users without end displaces nobody who has a token."""
    strangers = [
        Rotation(iso(NOW), "rotation.refused", username=f"a{number}@x.example")
        for number in range(MOST_USERS + 2)
    ]
    ours = Rotation(iso(NOW), "rotation.stored", username=USER)
    text = "".join(html_page([*strangers, ours], Query(), made_at=NOW))
    users = Page(text).users
    assert (users[0][0], len(users)) == (USER, MOST_USERS)
    assert "<p>3 more have no row here; their rotations are below.</p>" in text


def test_the_page_of_nothing_has_no_picture() -> None:
    """The heads alone, so that it is seen that the question was understood."""
    page = page_of([])
    assert "svg" not in {tag for tag, _ in page.tags}
    assert [len(table) for table in page.tables] == [1]
