"""Local files: locks, a file system without them, and modes that give too much."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from token_catcher import files
from token_catcher.daemon import only_one
from token_catcher.errors import StateError
from token_catcher.record import Checkpoint, Journal


class _Opening(AbstractContextManager[None]):
    """A journal that is opened."""

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path, now=lambda: datetime.now(UTC), log=structlog.get_logger())

    def __enter__(self) -> None:
        self._journal.open()

    def __exit__(self, *_details: object) -> None:
        return None


def everything_locked(state: Path) -> dict[str, AbstractContextManager[Any]]:
    """Each of the program's locks, by the file that is locked."""
    return {
        "daemon.lock": only_one(state),
        "journal.jsonl": _Opening(state / "journal.jsonl"),
        "checkpoints/integrations.lock": Checkpoint.hold(state / "checkpoints", "integrations"),
    }


@pytest.mark.parametrize("number", sorted(files.LOCKLESS), ids=errno.errorcode.get)
@pytest.mark.parametrize("name", everything_locked(Path("state")))
def test_a_file_system_without_locks(
    name: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is locked there: one error, with a code of its own, names file and cause."""

    def flock(_file: object, _how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(StateError) as raised, everything_locked(tmp_path)[name]:
        pass
    assert raised.value.code == "locks"
    assert str(raised.value) == (
        f"{tmp_path / name}: got a file system without locks ({os.strerror(number)}),"
        " expected flock to work"
    )


def test_a_lock_file_is_held_by_one(tmp_path: Path) -> None:
    """Nobody waits: a second one is told that somebody else has it; afterwards it is free."""
    path = tmp_path / "lock"
    with files.locked(path) as first, files.locked(path) as second:
        assert (first, second) == (True, False)
    with files.locked(path) as third:
        assert third


def test_readers_share_a_lock(tmp_path: Path) -> None:
    """A shared lock keeps writers out and other readers not."""
    path = tmp_path / "file"
    path.touch(0o600)
    with (
        files.opened(path) as one_reader,
        files.opened(path) as other,
        files.opened(path) as writer,
    ):
        assert files.lock(one_reader, path, shared=True)
        assert files.lock(other, path, shared=True)
        assert not files.lock(writer, path)


@pytest.mark.parametrize(
    ("mode", "forbidden", "expected"),
    [
        (0o600, files.OTHERS, None),
        (0o400, files.OTHERS, None),
        (0o640, files.OTHERS, "0640"),
        (0o604, files.OTHERS, "0604"),
        (0o644, files.WRITABLE_BY_OTHERS, None),
        (0o660, files.WRITABLE_BY_OTHERS, "0660"),
        (0o602, files.WRITABLE_BY_OTHERS, "0602"),
    ],
)
def test_a_mode_that_gives_too_much(mode: int, forbidden: int, expected: str | None) -> None:
    """It is told as `chmod` writes it."""
    status = os.stat_result((stat.S_IFREG | mode, *[0] * 9))
    assert files.excess(status, forbidden) == expected
