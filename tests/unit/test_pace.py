"""How wide the next window of headings is."""

from __future__ import annotations

import pytest

from token_catcher.imap.reader import COMMAND_WITHIN
from token_catcher.pace import AIM, FEWEST, FIRST, LONGEST, MOST, QUICK, SLOW, UNKNOWN, WIDEST, Pace


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
        (0, 0.0, 4 * FIRST),
    ],
)
def test_the_next_window(headings: int, seconds: float, width: int) -> None:
    """Wider after a quick one, narrower after a slow one, else the same."""
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
    assert widths == [100, 200, 400, MOST]


def widths_where(used: float, a_second: float, alone: float) -> list[int]:
    """The windows until they are as wide as they get, where so many of a thousand UIDs are in use.

    `alone`: seconds of one heading."""
    pace = Pace(alone)
    widths: list[int] = []
    while pace.width not in widths:
        widths.append(pace.width)
        headings = int(pace.width * used / 1000)
        pace.came(headings, alone + max(0, headings - 1) / a_second)
    return widths


@pytest.mark.parametrize("alone", [0.000_1, 0.08])
@pytest.mark.parametrize("used", [5, 10, 100, 240])
def test_where_few_uids_are_in_use_more_of_them_are_asked_about(used: float, alone: float) -> None:
    """However far away the server is."""
    widths = widths_where(used, a_second=100_000, alone=alone)
    assert (len(widths), widths[-1]) in ((5, WIDEST), (6, WIDEST))


def test_where_none_is_in_use_nothing_is_known_of_the_server() -> None:
    """If it is slow, a minute has to be enough where all of them are all of a sudden."""
    assert widths_where(0, a_second=10, alone=0.1)[-1] == UNKNOWN * LONGEST


@pytest.mark.parametrize("used", [1, 2, 4, 8, 16, 32, 64, 128])
def test_a_slow_server_is_asked_about_few_uids_though_few_are_in_use(used: float) -> None:
    """Of one that gives ten headings a second: further on all of them may be in use."""
    seconds = max(widths_where(used, a_second=10, alone=0.1)) / 10
    assert seconds < COMMAND_WITHIN / 1.5


def test_where_many_uids_are_in_use_again_fewer_are_asked_about() -> None:
    """The bound is that of a window of which most are in use."""
    pace = Pace(width=WIDEST)
    pace.came(WIDEST, 0.5)
    assert pace.width == MOST
