"""What collectors made of one log is read, whichever it was; or it is told that it could not be."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.commands.conversions import CONVERSIONS, LINES, UIDS, text
from tests.unit.commands.records import ask
from token_catcher.commands.rotation import Rotation

MENTION = re.compile(rb"rotation\.(stored|held|refused|unchanged)")


def rows(content: bytes, tmp_path: Path) -> tuple[list[Rotation], int]:
    """What a file with this content tells, and how much of it cannot be read."""
    path = tmp_path / "log"
    path.write_bytes(content)
    history = ask(str(path))
    return list(history.rotations), history.unreadable


@pytest.mark.parametrize("name", CONVERSIONS)
def test_a_converted_log_tells_the_same(tmp_path: Path, name: str) -> None:
    """Every field of every row, but for the time where the collector has taken ours away."""
    wanted, _ = rows(text(LINES), tmp_path)
    assert [row.uid for row in wanted] == UIDS
    told, unreadable = rows(CONVERSIONS[name](LINES), tmp_path)
    told.sort(key=lambda row: row.uid or 0)
    times = [row.at for row in wanted]
    if any(row.at.startswith("2026-02-03T12:57:28.1") for row in told):
        times = [row.at for row in told]
    assert told == [replace(row, at=at) for row, at in zip(wanted, times, strict=True)]
    assert unreadable == 0


def test_there_are_many() -> None:
    """As many as there were when 39 of 87 gave less than all, without a word."""
    assert len(CONVERSIONS) >= 87


@pytest.mark.parametrize("name", CONVERSIONS)
def test_a_torn_conversion_is_never_silent(tmp_path: Path, name: str) -> None:
    """Cut off anywhere, a file gives all its rows, or says that it could not be read; but for a
    last line that was cut off before it names a rotation."""
    content = CONVERSIONS[name](LINES)
    for share in (3, 5, 7):
        part = content[: len(content) * share // 8]
        told, unreadable = rows(part, tmp_path)
        line = part.rpartition(b"\n")[2]
        is_other = line.isascii() and not MENTION.search(line)
        assert unreadable or is_other or len(told) == len(UIDS), f"{share}/8: {len(told)} rows"
