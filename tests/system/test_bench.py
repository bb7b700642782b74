"""`make bench`, at a small size: what it measures, not how fast."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.bench.__main__ import BENCHES
from tests.bench.machine import WATCHES, versions
from tests.bench.peers import PYTHON
from tests.bench.table import LEGEND

ROOT = Path(__file__).parents[2]
OF_PEERS = ("peers", "peer-scans")


def test_every_bench_has_rows_in_the_table_and_in_the_file() -> None:
    """The same ones, each with its samples, and an exit code that says whether an aim is missed.
    What the kernel allows is put back. Peers are measured where `make bench` installed them."""
    benches = [name for name in BENCHES if name not in OF_PEERS or PYTHON.exists()]
    allowed = WATCHES.read_text()
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", *benches],
        cwd=ROOT,
        env=os.environ | {"BENCH_QUICK": "1"},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    printed, _, _ = done.stdout.partition(LEGEND)
    _, _, *table = printed.splitlines()
    kept = json.loads((ROOT / "build" / "bench-quick.json").read_text("utf-8"))
    assert list(dict.fromkeys(row["bench"] for row in kept["rows"])) == benches
    assert [row["name"] for row in kept["rows"]] == [line[:56].rstrip() for line in table]
    assert all(row["samples"] and isinstance(row["p95"], float) for row in kept["rows"])
    assert done.returncode == any(not row["met"] for row in kept["rows"])
    assert kept["versions"] == versions()
    assert WATCHES.read_text() == allowed
