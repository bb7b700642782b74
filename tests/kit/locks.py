"""Another process that has a lock on a file of ours, stopped or not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.kit.processes import reaped

_CODE = """
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


class Holder:
    """Has the file locked from its start to `end`, which must come before the test does."""

    def __init__(self, path: Path) -> None:
        self._process = reaped(
            subprocess.Popen(
                [sys.executable, "-c", _CODE, str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"locked\n"

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def stop(self) -> None:
        """As a debugger stops it: until it is killed."""
        os.kill(self.pid, signal.SIGSTOP)

    def end(self) -> None:
        """Let go of it."""
        self._process.kill()
        self._process.wait()
