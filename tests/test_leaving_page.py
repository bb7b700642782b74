"""What Salesforce ends, and when: each text that tells of it tells the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from token_catcher.status import RETIREMENTS, Retirement

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "leaving-security-tokens.md").read_text("utf-8")
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text("utf-8")
REFUSAL = "INSUFFICIENT_ACCESS: SOAP API login() requires the Use Any API Auth user permission."


def rows() -> list[list[str]]:
    """The table of dates: when, what, how sure."""
    table = PAGE.partition("## What changes, and when")[2].partition("\n\nTwo that")[0]
    lines = [line.strip("| ").split(" | ") for line in table.strip().splitlines()]
    return lines[2:]


def test_every_date_says_how_sure_it_is() -> None:
    """In the order of the days."""
    assert [when.split(",")[0].strip("*") for when, _, _ in rows()] == [
        "2026-12-01",
        "2027-02-20",
        "Spring '27",
        "Summer '27",
    ]
    for _, what, sureness in rows():
        assert what
        assert re.search(r"\b[Ss]ure\b", sureness), sureness


@pytest.mark.parametrize("text", ["README.md", "docs/consumers.md"])
@pytest.mark.parametrize("date", ["2026-12-01", "2027-02-20", "Summer"])
def test_the_short_texts_have_the_dates(text: str, date: str) -> None:
    """Each of them, and where to read on."""
    shown = (ROOT / text).read_text("utf-8")
    assert date in shown
    assert "leaving-security-tokens.md)" in shown


def test_the_nearest_date_is_at_the_top_level() -> None:
    """Whoever reads the README alone meets it under a heading of its own."""
    readme = (ROOT / "README.md").read_text("utf-8")
    section = readme.partition("\n## Good to know\n\n")[2]
    assert section.startswith("**From 2026-12-01** a correct password and token are refused")


def test_the_refusal_is_found_by_its_text() -> None:
    """The very words, for whoever searches for them, in the page and in the runbook."""
    assert REFUSAL in PAGE
    assert f"`{REFUSAL}`" in RUNBOOK


@pytest.mark.parametrize("retirement", RETIREMENTS, ids=lambda retirement: retirement.name)
def test_what_status_tells_is_in_the_page(retirement: Retirement) -> None:
    """With its source; the day where anybody names one, else what it is taken for."""
    assert f"({retirement.page})" in PAGE
    if retirement.certainty != "assumed":
        assert f"| **{retirement.on.isoformat()}**" in PAGE


def test_the_permission_is_not_mistaken() -> None:
    """The field in the query is that of the permission, and its false friend is named."""
    (field,) = set(re.findall(r"Permissions[A-Z]\w+", PAGE.replace("PermissionSet", "")))
    assert field == "PermissionsUseAnyApiAuth"
    assert re.search(r"It is \*\*not\*\* \*Use Any API Client\*", PAGE)
