"""Who we are in Vault: made once, kept, shared by who shares the state directory."""

from __future__ import annotations

import errno
import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.processes import unmeasured
from tests.kit.waiting import PATIENCE
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


# -- another owner --

NOBODY = 65534
AS_NOBODY = """import os, pathlib, sys
from token_catcher.record import writer_id
from token_catcher.errors import StateError
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
try:
    print(writer_id(pathlib.Path(sys.argv[1])))
except StateError as error:
    print(error)
"""
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root makes files of other owners")


@pytest.fixture
def of_nobody() -> Iterator[Path]:
    """Where the id goes, in a state directory of another user."""
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        state = Path(home) / "state"
        state.mkdir(mode=0o700)
        os.chown(state, NOBODY, NOBODY)
        yield state / "writer"


def asked_by_nobody(path: Path) -> str:
    """What that user gets."""
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(path), str(NOBODY)],
        env=unmeasured(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return done.stdout + done.stderr


@AS_ROOT
@pytest.mark.parametrize("mode", [0o444, 0o644])
def test_an_id_that_root_has_restored_is_read(of_nobody: Path, mode: int) -> None:
    """A backup put back with `cp`: to read it is enough, and the file stays as it is."""
    made = writer_id(of_nobody)
    of_nobody.chmod(mode)
    assert asked_by_nobody(of_nobody) == f"{made}\n"
    status = of_nobody.stat()
    assert (status.st_uid, status.st_mode & 0o777) == (0, mode)


@AS_ROOT
def test_an_id_that_cannot_be_read_is_told_with_its_owner(of_nobody: Path) -> None:
    """A new one would not be known in the versions that carry the old one."""
    made = writer_id(of_nobody)
    assert asked_by_nobody(of_nobody) == (
        f"{of_nobody}: the writer's id cannot be read or made: Permission denied"
        f" (it belongs to the user id 0, expected ours, {NOBODY})\n"
    )
    assert of_nobody.read_text("ascii") == f"{made}\n"


def test_an_id_is_read_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file system that was mounted read-only: the file is opened to be read."""
    path = tmp_path / "writer"
    made = writer_id(path)
    opened = os.open

    def read_only(name: Path, flags: int, mode: int) -> int:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            raise OSError(errno.EROFS, "Read-only file system")
        return opened(name, flags, mode)

    monkeypatch.setattr(os, "open", read_only)
    assert writer_id(path) == made
