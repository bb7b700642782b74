"""Processes of the demo: none is left behind, whenever somebody ends it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from token_catcher.commands.processes import finished, running_process
from token_catcher.errors import Outage

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_a_process_ends_with_its_block() -> None:
    """Also where the block fails."""
    started: list[subprocess.Popen[bytes]] = []

    def fail_beside_it() -> None:
        with running_process(SLEEPER, {}) as process:
            started.append(process)
            raise Outage("the demo fails")

    with pytest.raises(Outage):
        fail_beside_it()
    assert started[0].returncode == -signal.SIGTERM


def test_what_a_command_prints() -> None:
    """And how it ended."""
    command = [sys.executable, "-c", "print('here'); raise SystemExit(3)"]
    assert finished(command, {}, capture=True) == (3, "here\n")
