"""Whether a version that is gone expired by itself, or was deleted by somebody."""

from __future__ import annotations

import pytest

from token_catcher.vault.ending import Ending, ending
from token_catcher.vault.version import SecretVersion

BEGAN = "2026-02-03T12:57:27.123456789Z"
COARSE = "2026-02-03T12:57:27.123Z"

EXPIRED = Ending(
    True, "version 3 ended 60 s after it was written, to the nanosecond: taken for expired"
)
BY_SETTING = Ending(True, "version 3 expired, by delete_version_after of 60 s")
DELETED = Ending(False, "version 3 was deleted")
CANNOT_TELL = Ending(
    False,
    "version 3 ended 60 s after it was written, by a clock of whole milliseconds: deleted or"
    " expired, taken for deleted",
)
UNSAID = Ending(False, "version 3 is gone, and Vault does not say since when")

CASES = {
    "to the nanosecond": (BEGAN, "2026-02-03T12:58:27.123456789Z", 0.0, EXPIRED),
    "by another setting than now": (BEGAN, "2026-02-03T12:58:27.123456789Z", 5.0, EXPIRED),
    "by the setting of now": (BEGAN, "2026-02-03T12:58:27.123456789Z", 60.0, BY_SETTING),
    "a nanosecond later": (BEGAN, "2026-02-03T12:58:27.12345679Z", 60.0, DELETED),
    "a nanosecond earlier": (BEGAN, "2026-02-03T12:58:27.123456788Z", 60.0, DELETED),
    "at the moment it was written": (BEGAN, BEGAN, 0.0, DELETED),
    "before it was written": (BEGAN, "2026-02-03T12:56:27.123456789Z", 0.0, DELETED),
    "microseconds": (
        "2026-02-03T12:57:27.1234Z",
        "2026-02-03T12:58:27.1234Z",
        0.0,
        EXPIRED,
    ),
    "a coarse clock": (COARSE, "2026-02-03T12:58:27.123Z", 0.0, CANNOT_TELL),
    "a coarse clock and another setting": (COARSE, "2026-02-03T12:58:27.123Z", 5.0, CANNOT_TELL),
    "a coarse clock and the setting": (COARSE, "2026-02-03T12:58:27.123Z", 60.0, BY_SETTING),
    "a clock of seconds": (
        "2026-02-03T12:57:27Z",
        "2026-02-03T12:58:27Z",
        0.0,
        CANNOT_TELL,
    ),
    "no end": (BEGAN, "", 60.0, UNSAID),
    "no time": (BEGAN, "yesterday", 60.0, UNSAID),
    "no fraction": (BEGAN, "2026-02-03T12:58:27.xZ", 60.0, UNSAID),
    "no beginning": ("", BEGAN, 60.0, UNSAID),
}


@pytest.mark.parametrize(("began", "ended", "lifetime", "expected"), CASES.values(), ids=CASES)
def test_how_a_version_ended(began: str, ended: str, lifetime: float, expected: Ending) -> None:
    """By the nanoseconds, by the setting of now, and by neither where the clock is coarse."""
    version = SecretVersion(3, began, gone=True, deletion_time=ended)
    assert ending(version, lifetime) == expected


def test_what_is_destroyed_was_destroyed() -> None:
    """Whatever its times say: nothing is destroyed by itself."""
    ended = "2026-02-03T12:58:27.123456789Z"
    version = SecretVersion(3, BEGAN, gone=True, deletion_time=ended, destroyed=True)
    assert ending(version, 60.0) == Ending(False, "version 3 was destroyed")
