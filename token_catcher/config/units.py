"""Durations and sizes, as a person writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from token_catcher.config.problems import LONGEST

LONGEST_DURATION: Final = timedelta(days=3650)
DURATION_PATTERN: Final = r"^[1-9][0-9]{0,8}[smhd]$"
SIZE_PATTERN: Final = r"^[1-9][0-9]{0,5}(kB|MB|GB)$"
A_DURATION: Final = "a duration such as 90s, 10m, 2h or 14d, at most 3650d"
_BYTES: Final[Mapping[str, int]] = {"GB": 10**9, "MB": 10**6, "kB": 10**3}
_SECONDS: Final[Mapping[str, int]] = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


class Size(int):
    """A number of bytes."""

    def __str__(self) -> str:
        return size_text(self)


def duration(text: str) -> timedelta:
    """From `90s`, `10m`, `2h`, `14d`. ValueError: another form, or more than ten years."""
    if re.fullmatch(DURATION_PATTERN, text, re.ASCII):
        seconds = int(text[:-1]) * _SECONDS[text[-1]]
        if seconds <= LONGEST_DURATION.total_seconds():
            return timedelta(seconds=seconds)
    raise ValueError(f"got {text[:LONGEST]!r}, expected {A_DURATION}")


def duration_text(value: timedelta) -> str:
    """In the largest unit that divides it: `14d`, `90s`."""
    seconds = int(value.total_seconds())
    unit = next(unit for unit, length in _SECONDS.items() if seconds % length == 0)
    return f"{seconds // _SECONDS[unit]}{unit}"


def size(text: str) -> Size:
    """From `500kB`, `64MB`, `1GB`. ValueError: another form."""
    if not re.fullmatch(SIZE_PATTERN, text, re.ASCII):
        raise ValueError(f"got {text[:LONGEST]!r}, expected a size such as 500kB or 64MB")
    return Size(int(text[:-2]) * _BYTES[text[-2:]])


def size_text(value: int) -> str:
    """In the largest unit that divides it: `64MB`, `500kB`."""
    unit = next(unit for unit, length in _BYTES.items() if value % length == 0)
    return f"{value // _BYTES[unit]}{unit}"
