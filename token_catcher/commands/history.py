"""Questions about the record: which token was rotated when. What journal and log both tell of is one row."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from token_catcher.commands.logs import numbered_lines, rotation_of
from token_catcher.commands.rotation import Query, Rotation

SAME: Final = timedelta(minutes=1)
"""The log line follows the record at once: within this time two tellings of the same end of the same mail are one."""


@dataclass(frozen=True, slots=True)
class History:
    """The rotations asked for, in order of time. Made by `read`."""

    rotations: tuple[Rotation, ...]
    unreadable: int
    """Lines that should be a rotation and cannot be read: torn, or written for people."""
    first_unreadable: str | None
    """Where the first of them stands: `FILE:LINE`."""


def read(sources: Iterable[str], query: Query, stdin: io.BufferedReader) -> History:
    """Ask the sources, one after the other. ConfigurationError: one cannot be opened or read."""
    found: list[Rotation] = []
    unreadable: list[str] = []
    for source in sources:
        for number, line in numbered_lines(source, stdin):
            try:
                one = rotation_of(line)
            except (ValueError, OverflowError):
                unreadable.append(f"{source}:{number}")
            else:
                if one and query.fits(one):
                    found.append(one)
    rotations = sorted(
        filter(query.in_time, _merged(found)), key=lambda one: (one.moment, one.seq or 0)
    )
    return History(tuple(rotations), len(unreadable), next(iter(unreadable), None))


def _merged(rotations: Iterable[Rotation]) -> list[Rotation]:
    """Each rotation once, as the journal tells of it where it does."""
    kept: list[Rotation] = []
    last: dict[tuple[object, ...], int] = {}
    for one in sorted(rotations, key=lambda one: one.moment):
        index = last.setdefault(_identity(one), len(kept))
        if index < len(kept) and _is_same(kept[index], one):
            kept[index] = kept[index] if one.hash is None else one
        else:
            last[_identity(one)] = len(kept)
            kept.append(one)
    return kept


def _identity(one: Rotation) -> tuple[object, ...]:
    return (
        one.event,
        one.instance,
        one.mailbox,
        one.folder,
        one.uid,
        one.mail,
        one.reason,
        one.path,
        one.version,
    )


def _is_same(before: Rotation, after: Rotation) -> bool:
    """Two records of the journal never are."""
    return after.moment - before.moment <= SAME and (
        before.hash is None or after.hash in (None, before.hash)
    )
