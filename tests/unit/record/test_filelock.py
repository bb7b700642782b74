"""Locks are waited for within bounds, their holder is named, and Ctrl-Z stops nobody who has one.

The holders are real processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.kit.locks import Holder
from tests.kit.processes import reaped
from tests.kit.waiting import PATIENCE
from tests.unit.record.books import as_it_is, entry, journal
from token_catcher import files
from token_catcher.errors import StateError
from token_catcher.model import Receipt
from token_catcher.record import Journal, OrgIds, verify, writer_id
from token_catcher.record.filelock import Patience, Waiting

ROOT = Path(__file__).parents[3]
NOT_AT_ALL = Patience(seconds=0)


def busy(path: Path, who: str, seconds: str = "0") -> str:
    """What is said of a file that somebody has."""
    return f"{path}: got a lock that {who} kept for {seconds} s, expected it to be free"


def lock(path: Path, patience: Patience = NOT_AT_ALL) -> None:
    """Have the lock of the file for a moment."""
    with files.opened(path, os.O_RDWR | os.O_CREAT) as file, Waiting(patience).locked(file, path):
        pass


# -- how long it is waited for --


def test_a_lock_is_waited_for_as_long_as_is_said(tmp_path: Path) -> None:
    """Here ten ticks of a clock; then the error names the holder."""
    path = tmp_path / "file"
    holder = Holder(path)
    ticks = count()
    slept: list[float] = []
    patience = Patience(10, monotonic=lambda: next(ticks), sleep=slept.append)
    with pytest.raises(StateError) as caught:
        lock(path, patience)
    assert (caught.value.code, str(caught.value)) == (
        "state-busy",
        busy(path, f"process {holder.pid}", "10"),
    )
    assert len(slept) == 9


def test_a_lock_that_is_given_back_is_taken(tmp_path: Path) -> None:
    """By who waits for it."""
    path = tmp_path / "file"
    holder = Holder(path)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        holder.end()

    lock(path, Patience(sleep=sleep))
    assert len(slept) == 1


def test_readers_share_it(tmp_path: Path) -> None:
    """And keep a writer out; afterwards it is free."""
    path = tmp_path / "file"
    path.touch(0o600)
    waiting = Waiting(NOT_AT_ALL)
    with (
        files.opened(path) as reader,
        files.opened(path) as other,
        waiting.locked(reader, path, shared=True),
        waiting.locked(other, path, shared=True),
        pytest.raises(StateError) as caught,
    ):
        lock(path)
    assert str(caught.value) == busy(path, f"process {os.getpid()}")
    lock(path)


def test_a_thread_that_does_not_let_go(tmp_path: Path) -> None:
    """Is waited for no longer; without a lock on the file nobody is named."""
    mutex = threading.Lock()
    path = tmp_path / "file"
    path.touch()
    with (
        mutex,
        pytest.raises(StateError) as caught,
        Waiting(NOT_AT_ALL, "journal-busy").turn(mutex, path),
    ):
        pass
    assert (caught.value.code, str(caught.value)) == (
        "journal-busy",
        busy(path, "somebody else"),
    )
    with Waiting(NOT_AT_ALL).turn(mutex, path):
        assert mutex.locked()
    assert not mutex.locked()


# -- who has it --


def locks_of(monkeypatch: pytest.MonkeyPatch, kernel: Path) -> None:
    """Have this file in place of /proc/locks."""
    monkeypatch.setattr("token_catcher.record.filelock._LOCKS", kernel)


@pytest.mark.parametrize("pid", ["1", "0", "-1", "999999999"])
def test_a_process_that_has_not_this_file_is_not_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pid: str
) -> None:
    """Of another container, for one, or with the same inode of another file system."""
    path = tmp_path / "file"
    Holder(path)
    kernel = tmp_path / "locks"
    inode = path.stat().st_ino
    kernel.write_text(f"1: FLOCK  ADVISORY  WRITE {pid} fe:00:{inode} 0 EOF\n", "ascii")
    locks_of(monkeypatch, kernel)
    with pytest.raises(StateError) as caught:
        lock(path)
    assert str(caught.value) == busy(path, "somebody else")


def test_a_kernel_that_tells_of_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has nobody named, and costs nothing else."""
    path = tmp_path / "file"
    Holder(path)
    locks_of(monkeypatch, tmp_path / "nowhere")
    with pytest.raises(StateError) as caught:
        lock(path)
    assert str(caught.value) == busy(path, "somebody else")


# -- every operation that needs one --

OPERATIONS: dict[str, Callable[[Journal], object]] = {
    "open": lambda book: book.open(),
    "append": lambda book: book.append(entry(9)),
    "append_all": lambda book: book.append_all([entry(9)], lambda known: known, as_it_is),
    "archive": lambda book: book.archive(),
    "last_for": lambda book: book.last_for("integrations", entry(1).mail),
    "has_stored": lambda book: book.has_stored(Receipt("path", 1, None, None), entry(1).mail),
    "catch_up": lambda book: book.catch_up(),
    "waiting": lambda book: book.waiting(),
    "newest_tokens": lambda book: list(book.newest_tokens()),
    "records": lambda book: list(book.records()),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
def test_a_journal_that_somebody_keeps(tmp_path: Path, name: str, known: bool) -> None:
    """Stopped or not: each use ends with an error that names who, and works again afterwards.

    `known`: whether the file was read before."""
    path = tmp_path / "journal.jsonl"
    book = journal(path, patience=NOT_AT_ALL)
    book.append(entry(1))
    if not known:
        book = journal(path, patience=NOT_AT_ALL)
    holder = Holder(path)
    holder.stop()
    with pytest.raises(StateError) as caught:
        OPERATIONS[name](book)
    assert (caught.value.code, str(caught.value)) == (
        "journal-busy",
        busy(path, f"process {holder.pid}"),
    )
    holder.end()
    OPERATIONS[name](book)
    assert verify(path).state == "intact"


def test_a_thread_waits_no_longer_for_one_that_waits_itself(tmp_path: Path) -> None:
    """Each has its own patience, from its own beginning; the first one goes on undisturbed."""
    path = tmp_path / "journal.jsonl"
    journal(path).open()
    holder = Holder(path)
    waits = threading.Event()
    ended = threading.Event()

    def sleep(_seconds: float) -> None:
        waits.set()
        ended.wait(PATIENCE)

    # Of the first thread 0, 1 and 2, of the other one 100 and 200.
    clock = partial(next, iter([0, 1, 2, 100, 200]))
    book = journal(path, patience=Patience(10, clock, sleep))
    first = threading.Thread(target=book.open)
    first.start()
    assert waits.wait(PATIENCE)
    with pytest.raises(StateError) as caught:
        book.open()
    assert (caught.value.code, str(caught.value)) == (
        "journal-busy",
        busy(path, f"process {holder.pid}", "10"),
    )
    holder.end()
    ended.set()
    first.join(PATIENCE)
    assert not first.is_alive()


def test_a_rotated_journal_that_somebody_keeps(tmp_path: Path) -> None:
    """Is named itself, and put back once it is free."""
    path = tmp_path / "journal.jsonl"
    journal(path).append(entry(1))
    rotated = path.with_name("journal.jsonl.1")
    path.rename(rotated)
    path.touch(0o600)
    holder = Holder(rotated)
    book = journal(path, patience=NOT_AT_ALL)
    with pytest.raises(StateError) as caught:
        book.open()
    assert (caught.value.code, str(caught.value)) == (
        "journal-busy",
        busy(rotated, f"process {holder.pid}"),
    )
    holder.end()
    assert book.last_for("integrations", entry(1).mail) is not None


OTHERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "org-ids.lock": (
        "org-ids.json",
        lambda path: OrgIds(path, NOT_AT_ALL).keep("acme", "00D0X0000000AbC"),
    ),
    "writer": ("writer", partial(writer_id, patience=NOT_AT_ALL)),
}
"""Of the other files that are waited for: what is locked, the file, and its use."""


@pytest.mark.parametrize("locked", OTHERS)
def test_another_file_that_somebody_keeps(tmp_path: Path, locked: str) -> None:
    """As the journal."""
    name, use = OTHERS[locked]
    holder = Holder(tmp_path / locked)
    with pytest.raises(StateError) as caught:
        use(tmp_path / name)
    assert (caught.value.code, str(caught.value)) == (
        "state-busy",
        busy(tmp_path / locked, f"process {holder.pid}"),
    )
    holder.end()
    assert re.fullmatch("[0-9A-Za-z]+", use(tmp_path / name))


# -- Ctrl-Z --

WORKER = """
    import os, sys
    from pathlib import Path
    from token_catcher import files, signals
    from token_catcher.record.filelock import Waiting

    signals.end_by_exception()  # as every command, which has a second thread from then on
    path = Path(sys.argv[1])
    with files.opened(path, os.O_RDWR | os.O_CREAT) as file, Waiting().locked(file, path):
        print("locked", flush=True)
        sys.stdin.readline()
        print("done", flush=True)
    print("went on", flush=True)
    """


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU])
def test_ctrl_z_waits_until_the_lock_is_given_back(tmp_path: Path, number: signal.Signals) -> None:
    """The process does what it has the lock for, gives it back, and stops only then."""
    path = tmp_path / "file"
    process = reaped(
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WORKER), str(path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,  # as a shell does it; the kernel stops no orphaned group
        )
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    os.kill(process.pid, number)
    process.stdin.write("go on\n")
    process.stdin.flush()
    _pid, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert os.WSTOPSIG(status) == number
    lock(path)
    assert process.stdout.readline() == "done\n"
    os.kill(process.pid, signal.SIGCONT)
    assert process.communicate(timeout=PATIENCE)[0] == "went on\n"
