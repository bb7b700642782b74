"""How wide the next window of headings is."""

from __future__ import annotations

import pytest

from token_catcher.pace import AIM, FEWEST, FIRST, LONGEST, MOST, QUICK, SLOW, WIDEST, Pace


@pytest.mark.parametrize(
    ("headings", "seconds", "width"),
    [
        (FIRST, QUICK, 2 * FIRST),
        (FIRST // 4, 0.0, 2 * FIRST),
        (FIRST // 4 - 1, 0.0, 4 * FIRST),
        (FIRST, QUICK + 0.1, FIRST),
        (FIRST, SLOW, FIRST),
        (FIRST, 10.0, int(FIRST * AIM / 10)),
        (0, 10.0, int(FIRST * AIM / 10)),
        (FIRST, 500.0, FEWEST),
        (0, 0.0, FIRST),
    ],
)
def test_the_next_window(headings: int, seconds: float, width: int) -> None:
    """Wider after a quick one, narrower after a slow one; else, or after none, the same."""
    pace = Pace()
    pace.came(headings, seconds)
    assert pace.width == width


def test_a_quick_server_is_asked_for_ever_more() -> None:
    """Up to a bound."""
    pace = Pace()
    widths = []
    while pace.width not in widths:
        widths.append(pace.width)
        pace.came(pace.width, 0.1)
    assert widths == [100, 200, 400, 800, 1600, 3200, MOST]


def test_where_few_uids_are_in_use_more_of_them_are_asked_about() -> None:
    """Up to a wider bound; and where many are, to the other one again."""
    pace = Pace()
    for _ in range(3):
        pace.came(pace.width, 0.1)
    widths = []
    while pace.width not in widths:
        widths.append(pace.width)
        pace.came(100, 0.1)
    assert widths == [800, 3200, WIDEST]
    pace.came(WIDEST, 0.1)
    assert pace.width == MOST


def test_a_window_may_hold_no_more_than_what_came_quickly_speaks_for() -> None:
    """Of a server that gives ten headings a second: behind a gap, all UIDs may be in use."""
    pace = Pace()
    for _ in range(9):
        pace.came(10, 1.0)
    assert pace.width == 10 * LONGEST / QUICK
