"""A piece of work in a process of its own that may have only so much memory."""

from __future__ import annotations

import resource
import subprocess
import sys

from tests.kit.waiting import PATIENCE

LIMIT = 256 * 1024 * 1024
"""Bytes of address space."""


def answer_of(module: str, *arguments: str) -> str:
    """What `python -m module` prints with so little memory. It must not fail."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        preexec_fn=_limit,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
