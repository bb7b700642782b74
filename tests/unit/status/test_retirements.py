"""What Salesforce retires: told within 90 days, in order, each with its page."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from token_catcher.status import RETIREMENTS, near


@pytest.mark.parametrize(
    ("today", "names"),
    [
        ("2026-09-01", []),
        ("2026-09-02", ["use-any-api-auth"]),
        ("2026-11-26", ["use-any-api-auth", "instanced-urls", "username-password-flow"]),
        ("2027-03-01", ["use-any-api-auth", "instanced-urls", "username-password-flow"]),
        ("2027-03-02", ["instanced-urls", "username-password-flow"]),
        ("2027-03-03", ["instanced-urls", "username-password-flow", "soap-login"]),
        ("2027-08-30", ["soap-login"]),
        ("2027-08-31", []),
    ],
)
def test_told_before_and_after_its_day(today: str, names: list[str]) -> None:
    """For 90 days each."""
    now = datetime.fromisoformat(today).replace(tzinfo=UTC)
    assert [retirement.name for retirement in near(now)] == names


def test_days_left() -> None:
    """Whole days by the date, not by the hour."""
    first = RETIREMENTS[0]
    assert first.days_left(datetime(2026, 11, 26, 23, 59, tzinfo=UTC)) == 5
    assert first.days_left(datetime(2026, 12, 1, 12, tzinfo=UTC)) == 0
    assert first.days_left(datetime(2026, 12, 2, 0, 1, tzinfo=UTC)) == -1


def test_the_table() -> None:
    """In the order of the days; each has its page at Salesforce, and a name of its own."""
    days = [retirement.on for retirement in RETIREMENTS]
    assert days == sorted(days)
    assert len({retirement.name for retirement in RETIREMENTS}) == len(RETIREMENTS)
    for retirement in RETIREMENTS:
        assert retirement.page.startswith("https://")
        assert "salesforce.com/" in retirement.page
