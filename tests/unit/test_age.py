"""Which of two tokens is newer, by two clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from token_catcher.age import Age, Order

NOON = datetime(2026, 2, 3, 12, tzinfo=UTC)


def age(issued: int, dated: int) -> Age:
    """In seconds from noon."""
    return Age(NOON + timedelta(seconds=issued), NOON + timedelta(seconds=dated))


@pytest.mark.parametrize(
    ("ours", "theirs", "order"),
    [
        (age(10, 10), age(5, 5), Order.NEWER),
        (age(10, 30), age(5, 20), Order.NEWER),
        (age(5, 5), age(10, 10), Order.OLDER),
        (age(-29, 90), age(0, 0), Order.UNCLEAR),
        (age(0, 0), age(-29, 90), Order.UNCLEAR),
        (age(5, 20), age(5, 10), Order.UNCLEAR),
        (age(5, 10), age(5, 20), Order.UNCLEAR),
        (age(5, 5), age(5, 5), Order.SAME_DATE),
        (age(3, 5), age(5, 5), Order.SAME_DATE),
    ],
    ids=[
        "later",
        "later by two clocks",
        "earlier",
        "issued before, dated after",
        "issued after, dated before",
        "issued at once, dated after",
        "issued at once, dated before",
        "at once",
        "of one Date",
    ],
)
def test_a_token_is_newer_only_where_both_clocks_say_so(
    ours: Age, theirs: Age, order: Order
) -> None:
    """Where they do not agree, nothing is certain."""
    assert ours.beside(theirs) is order
