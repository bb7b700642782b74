"""Commands of the operator's end with what they started: real processes, real signals."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kit.processes import until_gone
from token_catcher.children import Children, has_ended
from token_catcher.signals import ENDING, Ended, end_by_exception

SLEEPER = ["sleep", "1000"]


@pytest.fixture
def children() -> Iterator[Children]:
    """None of them outlives the test."""
    ours = Children()
    yield ours
    ours.end_all()


def with_a_job(children: Children, then: str) -> tuple[subprocess.Popen[bytes], int]:
    """A shell with a background job, and the job's number; `then`: what the shell does next."""
    script = f"sleep 1000 > /dev/null & echo $!; {then}"
    process = children.start(["/bin/sh", "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as pipe:
        return process, int(pipe.readline())


@pytest.mark.parametrize(("then", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -15 $$", -15)])
def test_a_command_that_ended_keeps_its_status(children: Children, then: str, status: int) -> None:
    """Its background job ends all the same."""
    process, job = with_a_job(children, then)
    while not has_ended(process):
        pass
    children.end(process)
    assert process.returncode == status
    until_gone(job)


def test_all_that_run_end(children: Children) -> None:
    """With what they started; the thread that waits for one sees its end."""
    process, job = with_a_job(children, "wait")
    another = children.start(SLEEPER)
    children.end_all()
    assert (process.returncode, another.returncode) == (-signal.SIGKILL, -signal.SIGKILL)
    until_gone(job)
    assert has_ended(process)


def test_what_ended_is_not_ended_again(children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number may be somebody else's by then."""
    process = children.start(SLEEPER)
    children.end_all()
    killed: list[int] = []
    monkeypatch.setattr("os.killpg", lambda number, _signal: killed.append(number))
    children.end(process)
    children.end_all()
    assert killed == []


def test_a_command_that_runs_as_root_is_left(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    """We may not end it, and do not wait for it for ever."""
    process = children.start(SLEEPER)
    with monkeypatch.context() as patch:
        patch.setattr("os.killpg", refuse)
        patch.setattr("token_catcher.children.END_WITHIN", 0.05)
        children.end(process)
    assert process.returncode is None
    process.kill()
    process.wait()


def refuse(_number: int, _signal: int) -> None:
    """As the kernel does."""
    raise PermissionError


@pytest.fixture
def _handlers() -> Iterator[None]:
    """As a command has them; afterwards they are pytest's again."""
    before = {number: signal.getsignal(number) for number in ENDING}
    end_by_exception()
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_handlers")
def test_a_start_is_not_left_half_done(children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal in the middle of it takes effect behind it, when the command is known."""
    started = []
    start = subprocess.Popen

    def interrupted(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        signal.raise_signal(signal.SIGTERM)
        started.append(start(*arguments, **options))
        return started[0]

    monkeypatch.setattr("subprocess.Popen", interrupted)
    with pytest.raises(Ended):
        children.start(SLEEPER)
    children.end_all()
    assert [process.returncode for process in started] == [-signal.SIGKILL]


def test_any_thread_may_start_one(children: Children) -> None:
    """Where no signal arrives, and none can be postponed."""
    started = []
    thread = threading.Thread(target=lambda: started.append(children.start(["true"])))
    thread.start()
    thread.join()
    children.end(started[0])
    assert started[0].returncode in (0, -signal.SIGKILL)


ORPHANS = """
import ctypes, os, subprocess
from token_catcher.children import Children, has_ended
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: we are to orphans as process 1
children = Children()
script = "(sleep 1000 & sleep 1000) > /dev/null & echo; exit 0"
process = children.start(["/bin/sh", "-c", script])
while not has_ended(process):
    pass
children.end(process)
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("none")
"""


def test_process_1_waits_for_orphans() -> None:
    """As in a container: nobody else does, and each login would leave some behind."""
    done = subprocess.run(
        [sys.executable, "-c", ORPHANS], capture_output=True, text=True, check=True
    )
    assert done.stdout == "\nnone\n"
