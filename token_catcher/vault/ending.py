"""Whether a version that is gone expired by itself, or was deleted by somebody. Pure.

Vault has one mark for both, `deletion_time`. The time after which versions go by themselves
(`delete_version_after`) may be set on the secret or on the mount, which few tokens may read, and
may have been changed since the version was written. But Vault sets the end of an expiring version
when it writes it: a whole number of seconds later, to the nanosecond. A person's delete falls on
such a nanosecond once in a thousand million times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from token_catcher.model import moment
from token_catcher.vault.version import SecretVersion

SECOND: Final = 1_000_000_000
"""Nanoseconds."""
COARSE: Final = 3
"""Digits of a second's fraction: a clock that gives no more proves nothing."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a version ended."""

    expired: bool
    """By itself: nobody decided against this secret."""
    saw: str
    """On what that was decided."""


def ending(version: SecretVersion, lifetime: float) -> Ending:
    """How this version ended, which is gone.

    `lifetime`: seconds of the secret's own `delete_version_after` as it is now; 0: none."""
    name = f"version {version.number}"
    if version.destroyed:
        return Ending(False, f"{name} was destroyed")
    began = _nanoseconds(version.created_at)
    ended = _nanoseconds(version.deletion_time)
    if began is None or ended is None:
        return Ending(False, f"{name} is gone, and Vault does not say since when")
    seconds, rest = divmod(ended - began, SECOND)
    if rest or seconds <= 0:
        return Ending(False, f"{name} was deleted")
    if seconds == lifetime:
        return Ending(True, f"{name} expired, by delete_version_after of {seconds} s")
    if _is_coarse(version.created_at):
        saw = f"{name} ended {seconds} s after it was written, by a clock of whole milliseconds"
        return Ending(False, f"{saw}: deleted or expired, taken for deleted")
    saw = f"{name} ended {seconds} s after it was written, to the nanosecond"
    return Ending(True, f"{saw}: taken for expired")


def _nanoseconds(time: str) -> int | None:
    """Since 1970, of a time as Vault writes it; None for anything else."""
    whole, _, fraction = time.removesuffix("Z").partition(".")
    try:
        seconds = int(moment(f"{whole}Z").timestamp())
        return seconds * SECOND + int(fraction.ljust(9, "0")[:9])
    except ValueError:
        return None


def _is_coarse(time: str) -> bool:
    fraction = time.removesuffix("Z").partition(".")[2]
    return len(fraction) <= COARSE
