"""Processes that a test starts are gone at its end, however it ends."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from tests.kit.waiting import until

Process = TypeVar("Process", bound=subprocess.Popen[Any])

_started: list[subprocess.Popen[Any]] = []


def reaped(process: Process) -> Process:
    """The same process; when the test ends, it is killed if it is still there, and reaped."""
    _started.append(process)
    return process


def reap_all() -> None:
    """Called at the end of every test: see `tests/conftest.py`."""
    while _started:
        process = _started.pop()
        process.kill()
        # Closing the pipe to a process that is gone may fail; __exit__ waits all the same.
        with suppress(BrokenPipeError), process:
            pass


def unmeasured() -> dict[str, str]:
    """The environment without what has a process measure its coverage.

    For one that becomes another user, who cannot write the measurement."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}


def until_gone(number: int) -> None:
    """Wait until no process of this number runs. One that nobody has waited for runs no more."""
    status = Path(f"/proc/{number}/stat")

    def is_gone() -> bool:
        try:
            return ") Z " in status.read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True

    until(is_gone, f"process {number} to end")
