"""Processes of the demo's own: started, waited for, and never left behind."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from token_catcher.errors import Outage
from token_catcher.signals import postponed

Answer = TypeVar("Answer")

PATIENCE: Final = 60.0
"""Seconds that a server, or the program, may take for one thing before the demo gives up."""


def finished(
    command: Sequence[str], env: dict[str, str], *, capture: bool = False
) -> tuple[int, str]:
    """Run a command to its end: its status, and what it printed where that is wanted.

    Outage: it does not end in time."""
    stream = subprocess.PIPE if capture else None
    with running_process(command, env, stdout=stream, stderr=stream) as process:
        try:
            printed, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise Outage(f"demo: {command[0]} did not end within {PATIENCE:.0f} s") from None
    return process.returncode, (printed or b"").decode()


@contextmanager
def logged_process(
    command: Sequence[str], env: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of our own, as `running_process`; both its streams go to the log."""
    with (
        log.open("wb") as stream,
        running_process(command, env, stdout=stream, stderr=stream) as process,
    ):
        yield process


@contextmanager
def running_process(
    command: Sequence[str], env: dict[str, str], **streams: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of our own, for as long as the block runs, and on the way out of it at most 5 s."""
    process = None
    try:
        with postponed():  # interrupted, Popen leaves a process behind which nobody knows
            process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, **streams)
        yield process
    finally:
        if process is not None:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def until(question: Callable[[], Answer], what: str) -> Answer:
    """Ask until the answer is true. Outage: it never was, for as long as patience lasts."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer
        time.sleep(0.05)
    raise Outage(f"demo: gave up waiting for {what} after {PATIENCE:.0f} s")


def await_port(port: int, process: subprocess.Popen[bytes], name: str) -> None:
    """Return when the process listens. Outage: it never does, or it ended."""

    def listens() -> bool:
        raise_if_ended(process, name)
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    until(listens, name)


def raise_if_ended(process: subprocess.Popen[bytes], name: str) -> None:
    """Outage: the process ended, and will never be ready."""
    if process.poll() is not None:
        status = process.returncode
        raise Outage(f"demo: {name} ended with status {status} before it was ready")
