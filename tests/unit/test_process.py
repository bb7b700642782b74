"""How a process ends, whatever it did."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.kit.waiting import PATIENCE


@pytest.mark.parametrize("work", ["int", "sys.exit"])
def test_nothing_is_looked_for_among_what_goes_with_the_process(work: str) -> None:
    """Garbage, that is: when Python leaves, all that is loaded is out of its sight."""
    code = f"""
import atexit, gc, sys
from token_catcher import process
atexit.register(lambda: print(gc.get_freeze_count() > 10_000, len(gc.get_objects()) < 1_000))
process.main({work})
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout == "True True\n"
