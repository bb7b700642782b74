"""Who we are in Vault: made once, kept, shared by who shares the state directory."""

from __future__ import annotations

import errno
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from token_catcher import files
from token_catcher.errors import StateError
from token_catcher.record import writer_id


def test_the_id_is_made_once(tmp_path: Path) -> None:
    """For its owner alone, and as random as two writers need to be told apart."""
    path = tmp_path / "state" / "writer"
    made = writer_id(path)
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert path.read_text("ascii") == made + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert writer_id(path) == made
    assert writer_id(tmp_path / "other") != made


@pytest.mark.parametrize("left", [b"", b"0123", b"0" * 32, b"x" * 33, b"0" * 40 + b"\n"])
def test_what_is_no_id_is_made_anew(tmp_path: Path, left: bytes) -> None:
    """A crash or a full disk leaves a part of one, which no version carries."""
    path = tmp_path / "writer"
    path.write_bytes(left)
    made = writer_id(path)
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert path.read_text("ascii") == made + "\n"


def test_processes_that_begin_at_once_have_one_id(tmp_path: Path) -> None:
    """Whoever comes first makes it, and nobody reads half of it."""
    code = (
        "import sys, pathlib, token_catcher.record as record;"
        "sys.stdin.readline();"
        "print(record.writer_id(pathlib.Path(sys.argv[1])))"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "writer")]
    processes = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(6)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    ids = {process.communicate()[0] for process in processes}
    assert len(ids) == 1


def test_an_id_that_cannot_be_kept_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the file; and none is used that is not on disk."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "write", full)
    path = tmp_path / "writer"
    with pytest.raises(StateError) as caught:
        writer_id(path)
    assert str(caught.value) == (
        f"{path}: the writer's id cannot be read or made: No space left on device"
    )
