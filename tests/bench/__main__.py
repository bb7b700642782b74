"""All figures in one table, and in build/bench.json: `make bench`. Words name the benches to run.

BENCH_QUICK=1 does everything at a small size. Exit code 1 where an aim is missed, 2 where a word
names no bench or a server is missing, 130 where it was broken off.
"""

from __future__ import annotations

import importlib
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.bench.machine import machine, versions, watches
from tests.bench.table import LEGEND, QUICK, Row, head

BENCHES = (
    "start",
    "sweep",
    "judge",
    "history",
    "audit",
    "journal",
    "latency",
    "mailboxes",
    "peers",
    "peer-scans",
    "backlog",
    "first-scan",
)
KEPT = Path("build", "bench-quick.json" if QUICK else "bench.json")


def main(names: Sequence[str]) -> int:
    """Print each row as soon as it is measured; returns the exit code."""
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"No bench: {' '.join(unknown)}. There are: {' '.join(BENCHES)}", file=sys.stderr)
        return 2
    about = {
        "began": datetime.now(UTC).isoformat(),
        "quick": QUICK,
        "machine": machine(),
        "versions": versions(),
    }
    with watches() as remark:
        print(remark or "fs.inotify.max_user_instances is high enough while this runs.")
        print(head(), flush=True)
        rows: list[dict[str, Any]] = []
        try:
            for bench, row in _rows(names):
                print(row, flush=True)
                rows.append({"bench": bench} | row.kept())
        except KeyboardInterrupt:
            print(f"Broken off. Rows kept in {KEPT}: {len(rows)}", file=sys.stderr)
            return 130
        finally:
            if rows:
                _keep(about | {"remark": remark, "rows": rows})
    print(LEGEND)
    missed = sum(not row["met"] for row in rows)
    print(f"{len(rows)} rows, kept in {KEPT}. Of these miss their aims: {missed}")
    return min(missed, 1)


def _rows(names: Sequence[str]) -> Iterator[tuple[str, Row]]:
    """Each with the bench that it is of."""
    for name in names:
        module = importlib.import_module(f"tests.bench.{name.replace('-', '_')}")
        for row in module.rows():
            yield name, row


def _keep(kept: dict[str, Any]) -> None:
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    # However it is ended, servers are stopped, and what the kernel allows is put back.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        sys.exit(main(sys.argv[1:] or BENCHES))
    except (pytest.skip.Exception, pytest.fail.Exception) as missing:  # as the kit says it
        print(missing, file=sys.stderr)
        sys.exit(2)
