"""All figures, one after the other: `make bench`."""

from __future__ import annotations

import importlib
import sys

BENCHES = (
    "start",
    "sweep",
    "judge",
    "history",
    "audit",
    "latency",
    "backlog",
    "first-scan",
)

if __name__ == "__main__":
    for name in sys.argv[1:] or BENCHES:
        print(f"== {name}")
        importlib.import_module(f"tests.bench.{name.replace('-', '_')}").main()
