"""The look of our pages: what the picture shows of which rotations, and that it stays small."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta

import pytest

from token_catcher.html import LANES, STYLE_SOURCE, Mark, age_bar, opening, timeline

BEGIN = datetime(2026, 2, 3, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def drawn(*marks: Mark) -> str:
    """The picture of these."""
    return "".join(timeline(marks, "Rotations"))


def test_the_picture_has_a_lane_for_each_user() -> None:
    """By name, with the numbers in words for who does not see it."""
    text = drawn(
        Mark(BEGIN, "b@x.example", "stored"),
        Mark(BEGIN + DAY, "a@x.example", "held"),
        Mark(BEGIN + 2 * DAY, "b@x.example", "stored", 3),
    )
    assert re.findall(r'aria-label="([^"]*)"', text) == [
        "a@x.example: 1 held",
        "b@x.example: 4 stored",
    ]
    caption = "Rotations, from 2026-02-03 12:00 to 2026-02-05 12:00 UTC"
    assert f"<figcaption>{caption}</figcaption>" in text
    assert re.findall(r'class="(\w+)" x="([\d.]+)%"', text) == [
        ("held", "50.0"),
        ("stored", "1.5"),
        ("stored", "98.5"),
    ]


def test_a_mark_says_what_it_stands_for() -> None:
    """Of several at nearly one time the number, and when the last of them was."""
    text = drawn(
        Mark(BEGIN, "a", "refused"),
        Mark(BEGIN + timedelta(minutes=1), "a", "refused", 2),
        Mark(BEGIN + DAY, "a", "stored"),
    )
    assert re.findall("<title>(.*?)</title>", text) == [
        "3 refused, the last 2026-02-03 12:01",
        "2026-02-04 12:00 stored",
    ]


def test_a_single_mark_stands_in_the_middle() -> None:
    """There is no time that could be divided."""
    assert 'x="50.0%"' in drawn(Mark(BEGIN, "a", "unverified"))


def test_the_picture_stays_small() -> None:
    """However many rotations of however many users; those who have a token keep their lane."""
    strangers = [
        Mark(BEGIN + timedelta(seconds=number), f"s{number % 500}@x.example", "refused")
        for number in range(100_000)
    ]
    text = drawn(Mark(BEGIN, "ours@acme.example", "stored"), *strangers)
    assert "ours@acme.example" in text
    assert text.count("<li><span>") == LANES
    assert f"; {LANES} of 501 users</figcaption>" in text
    assert len(text) < 1_000_000


def test_what_is_no_outcome_is_not_drawn() -> None:
    """Nothing from outside becomes the name of a shape."""
    assert drawn(Mark(BEGIN, "a", '"><script>')) == ""


@pytest.mark.parametrize(
    ("age", "kind", "percent"),
    [(0, "part", 0), (45, "part", 50), (90, "part", 100), (91, "overdue", 100)],
)
def test_a_bar_is_as_full_as_a_token_is_old(age: int, kind: str, percent: int) -> None:
    """Overdue is another colour; the words beside the bar say the same."""
    assert f'<rect class="{kind}" width="{percent}%"' in age_bar(age, 90)


def test_the_policy_allows_the_sheet_that_is_there() -> None:
    """By its hash, as a browser computes it."""
    style = opening("A page", is_file=False).partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" == STYLE_SOURCE
