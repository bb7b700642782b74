"""The journal, and the room it has."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.kit.fakes import Silent, utc_now
from tests.kit.locks import Holder
from token_catcher.diagnosis.local_record import disk_steps, journal_steps
from token_catcher.diagnosis.step import Step
from token_catcher.record import Journal, Patience


def room(free: int, inodes: int, counted: int = 1_000_000) -> Any:
    """What a file system says that has so many bytes, and so many inodes free."""

    def statvfs(_path: Path) -> SimpleNamespace:
        return SimpleNamespace(f_bavail=free, f_frsize=1, f_favail=inodes, f_files=counted)

    return statvfs


@pytest.mark.parametrize(
    ("free", "inodes", "counted", "outcome", "saw"),
    [
        (100_000_000, 1_000, 10_000, "ok", "100 MB free, 1000 inodes"),
        (99_999_999, 1_000, 10_000, "warning", "99 MB free, 1000 inodes"),
        (10_000_000, 1_000, 10_000, "warning", "10 MB free, 1000 inodes"),
        (9_999_999, 1_000, 10_000, "failed", "9 MB free, 1000 inodes, expected 10 MB and 100"),
        (100_000_000, 999, 10_000, "warning", "100 MB free, 999 inodes"),
        (100_000_000, 99, 10_000, "failed", "100 MB free, 99 inodes, expected 10 MB and 100"),
        (100_000_000, 0, 0, "ok", "100 MB free"),
    ],
)
def test_room(tmp_path: Path, free: int, inodes: int, counted: int, outcome: str, saw: str) -> None:
    """In bytes and in inodes, where the file system counts them."""
    (step,) = disk_steps([tmp_path, tmp_path], room(free, inodes, counted))
    assert (step.outcome, step.saw) == (outcome, saw)


def test_room_that_cannot_be_known(tmp_path: Path) -> None:
    """A network disk that is gone, say."""

    def statvfs(_path: Path) -> os.statvfs_result:
        raise OSError(5, "Input/output error")

    (step,) = disk_steps([tmp_path], statvfs)
    saw = f"{tmp_path}: cannot be looked at: Input/output error"
    assert (step.outcome, step.saw, step.code) == ("failed", saw, "state")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """One that was opened once."""
    file = tmp_path / "state" / "journal.jsonl"
    Journal(file, now=utc_now, log=Silent()).archive()
    return file


def words(steps: list[Step]) -> list[tuple[str, str, str, str]]:
    """All but area and subject."""
    return [(step.step, step.outcome, step.code, step.saw) for step in steps]


def steps(journal: Path) -> list[tuple[str, str, str, str]]:
    """Without much patience."""
    return words(list(journal_steps(journal, Patience(seconds=0.0))))


def test_a_journal_that_is_not_begun(tmp_path: Path) -> None:
    """It can be made where its directory can be."""
    assert steps(tmp_path / "state" / "journal.jsonl") == [
        ("records", "ok", "", "nothing was recorded yet"),
        ("append", "ok", "", f"can be made in {tmp_path}"),
    ]


def test_a_journal_that_somebody_keeps(journal: Path) -> None:
    """The process is named: a stopped one would keep every record from being written."""
    holder = Holder(journal)
    (_records, append) = steps(journal)
    holder.end()
    saw = f"{journal}: got a lock that process {holder.pid} kept for 0 s, expected it to be free"
    assert append == ("append", "failed", "journal-busy", saw)


def test_a_journal_without_its_head(journal: Path) -> None:
    """Nobody can tell whether it goes on."""
    journal.with_name("journal.jsonl.head").unlink()
    records, append = steps(journal)
    assert records[:3] == ("records", "failed", "journal-broken")
    assert append == ("append", "ok", "", "writable, and no process keeps it")


def test_a_journal_that_is_none(journal: Path) -> None:
    """Another file in its place, with the line that shows it."""
    journal.write_text("hello\n", "ascii")
    records, _append = steps(journal)
    assert records[:3] == ("records", "failed", "journal-broken")
    assert records[3].startswith("line 1: broken: ")


def test_a_journal_that_is_a_directory(tmp_path: Path) -> None:
    """Its code is one that says what to do."""
    records, _append = steps(tmp_path)
    saw = f"{tmp_path}: got a directory, expected a file of ours, or none yet"
    assert records == ("records", "failed", "state", saw)


def test_a_journal_that_is_a_link(journal: Path, tmp_path: Path) -> None:
    """We never write through one."""
    journal.rename(tmp_path / "elsewhere")
    journal.symlink_to(tmp_path / "elsewhere")
    _records, append = steps(journal)
    assert append == (
        "append",
        "failed",
        "state",
        f"{journal}: cannot be opened: it is a symbolic link",
    )
