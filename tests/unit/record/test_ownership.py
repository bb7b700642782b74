"""A state directory that root put back from a backup: what is ours to mend, and what is told."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.kit.processes import unmeasured
from tests.kit.waiting import PATIENCE
from tests.unit.record.books import in_files, names
from token_catcher.record import State, verify
from token_catcher.record.ownership import is_foreign, refusal
from token_catcher.record.rotated import tail_file

ROOT = Path(__file__).parents[3]
NOBODY = 65534
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root makes files of other owners")

AS_NOBODY = f"""
    # All of them at first: the interpreter's own files may be root's as well.
    import os, sys
    from datetime import UTC, datetime
    from pathlib import Path
    from tests.kit.fakes import Silent
    from tests.unit.record.books import entry, journal
    from token_catcher.record import Checkpoint, verify
    from token_catcher.record.ownership import is_foreign, refusal
    path = Path(sys.argv[1])
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
    """
APPEND = """
    log = Silent()
    print(journal(path, log).append(entry(3)).seq, *[event for event, _ in log.events])
    """
VERIFY = """
    verify(path)
    """
SWEEP = """
    home = path.parent / "checkpoints"
    for uid in (19, 20):
        with Checkpoint.hold(home, "integrations") as checkpoint:
            checkpoint.folder("INBOX", 5, 30, datetime.now(UTC)).settle(uid)
            checkpoint.save()
            print(len(checkpoint.notes), *checkpoint.notes)
    """


@pytest.fixture
def path() -> Iterator[Path]:
    """Where the journal goes, in a directory that everybody may pass."""
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        yield Path(home) / "state" / "journal.jsonl"


def as_nobody(path: Path, code: str, *of_root: Path) -> str:
    """Have another user, to whom all but a few of the files belong, run the code.

    What it printed, or the last line of its error."""
    for file in (path.parent, *path.parent.rglob("*")):
        if file not in of_root:
            os.chown(file, NOBODY, NOBODY)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(AS_NOBODY) + textwrap.dedent(code), str(path)],
        cwd=ROOT,
        env=unmeasured(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return done.stdout + "".join(done.stderr.splitlines(keepends=True)[-1:])


def owner(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_uid, status.st_mode & 0o777


# -- the journal --


def test_a_head_that_cannot_be_read_is_set_aside_and_that_is_noted(path: Path) -> None:
    """No token waits for it; in the chain it counts as vanished, and it is kept."""
    in_files(path, 2)
    head = path.with_name("journal.jsonl.head")
    content = head.read_bytes()
    told = "4 journal.head_set_aside journal.headless\n"
    assert as_nobody(path, APPEND, head) == told
    aside = path.with_name("journal.jsonl.head.set-aside")
    assert (aside.read_bytes(), owner(aside)) == (content, (0, 0o600))
    assert owner(head) == (NOBODY, 0o600)
    assert (verify(path).state, verify(path).repairs) == (State.INTACT, 1)


def test_what_was_cut_off_is_put_back_where_the_head_cannot_be_read(path: Path) -> None:
    """As where there is none."""
    in_files(path, 2)
    head = path.with_name("journal.jsonl.head")
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    told = "5 journal.head_set_aside journal.put_back journal.headless\n"
    assert as_nobody(path, APPEND, head) == told
    assert (verify(path).state, verify(path).repairs) == (State.INTACT, 2)


def test_a_head_that_cannot_be_read_is_not_called_malformed(path: Path) -> None:
    """By who only verifies, and sets nothing aside."""
    in_files(path, 2)
    head = path.with_name("journal.jsonl.head")
    problem = f"{head}: the head of the journal cannot be read: Permission denied\n"
    assert as_nobody(path, VERIFY, head).endswith(f"StateError: {problem}")
    assert owner(head) == (0, 0o600)


def test_our_own_head_that_we_made_unreadable_is_left_alone(path: Path) -> None:
    """Whoever did that meant it, and can undo it."""
    in_files(path, 2)
    head = path.with_name("journal.jsonl.head")
    head.chmod(0)
    problem = f"{head}: the head of the journal cannot be read: Permission denied\n"
    assert as_nobody(path, APPEND).endswith(f"StateError: {problem}")


def test_a_tail_of_roots_is_replaced(path: Path) -> None:
    """Otherwise there would be none for ever."""
    in_files(path, 2)
    assert as_nobody(path, APPEND, tail_file(path)) == "3\n"
    assert owner(tail_file(path)) == (NOBODY, 0o600)
    assert tail_file(path).read_bytes() == path.read_bytes().splitlines(keepends=True)[2]


@pytest.mark.parametrize(
    ("of_root", "mode", "whose"),
    [(True, 0o755, "user 0 (root)"), (False, 0o500, f"user {NOBODY} (nobody)")],
)
def test_a_directory_that_is_not_ours_to_write_is_named(
    path: Path, of_root: bool, mode: int, whose: str
) -> None:
    """With its owner and its mode, and before a record is written that no head could follow."""
    in_files(path, 2)
    path.parent.chmod(mode)
    content = path.read_bytes()
    kept: Sequence[Path] = [path.parent] if of_root else []
    assert as_nobody(path, APPEND, *kept) == (
        f"token_catcher.errors.StateError: {path.parent}: it belongs to {whose} and has mode"
        f" {mode:04o}, expected a directory that user {NOBODY} (nobody) can write\n"
    )
    assert path.read_bytes() == content


def test_a_user_without_a_name_is_told_by_number(path: Path) -> None:
    """As most containers have them; and a directory that is not there is no obstacle."""
    code = """
    nowhere = Path("/nowhere")
    print(refusal(path.parent), is_foreign(path.parent), refusal(nowhere), is_foreign(nowhere))
    """
    path.parent.mkdir(mode=0o700)
    os.chown(path.parent, 4_000_111, 0)
    assert as_nobody(path, code, path.parent) == (
        f"{path.parent}: it belongs to user 4000111 (no name) and has mode 0700, expected a"
        f" directory that user {NOBODY} (nobody) can write True None False\n"
    )
    assert (refusal(path.parent), is_foreign(path.parent)) == (None, False)


# -- the checkpoints --


def checkpoints(path: Path) -> Path:
    """As a sweep by root leaves them."""
    home = path.parent / "checkpoints"
    home.mkdir(mode=0o700, parents=True)
    for end in (".lock", ".json"):
        (home / f"integrations{end}").touch(mode=0o600)
    return home


@pytest.mark.parametrize("mode", [0o600, 0o755])
def test_checkpoints_of_roots_are_set_aside(path: Path, mode: int) -> None:
    """They are a convenience: it is told, with whose they are, and the sweep begins anew."""
    home = checkpoints(path)
    home.chmod(mode)
    (path.parent / "checkpoints.set-aside-1").mkdir()
    assert as_nobody(path, SWEEP, home, *home.iterdir()).splitlines() == [
        f"2 {home}: it belongs to user 0 (root) and has mode {mode:04o}, expected a directory that"
        f" user {NOBODY} (nobody) can write: it is called checkpoints.set-aside-2 now"
        f" {home}/integrations.json: there is no checkpoint yet; the whole look-back window is"
        " looked at",
        "0",
    ]
    assert names(path) == ["checkpoints", "checkpoints.set-aside-1", "checkpoints.set-aside-2"]
    assert owner(path.parent / "checkpoints.set-aside-2") == (0, mode)


def test_checkpoint_files_of_roots_are_replaced(path: Path) -> None:
    """In a directory of ours: the lock, which has nothing in it, and what cannot be read."""
    home = checkpoints(path)
    printed = as_nobody(path, SWEEP, *home.iterdir()).splitlines()
    assert printed == [
        f"1 {home}/integrations.json: the checkpoint cannot be read: Permission denied; the whole"
        " look-back window is looked at",
        "0",
    ]
    assert {owner(file) for file in home.iterdir()} == {(NOBODY, 0o600)}


def test_checkpoints_in_a_directory_of_roots_stay(path: Path) -> None:
    """Nothing can be set aside there: that one is named."""
    home = checkpoints(path)
    path.parent.chmod(0o755)
    assert as_nobody(path, SWEEP, path.parent, home) == (
        f"token_catcher.errors.StateError: {path.parent}: it belongs to user 0 (root) and has mode"
        f" 0755, expected a directory that user {NOBODY} (nobody) can write\n"
    )
    assert names(path) == ["checkpoints"]
