"""What a question to a large log costs: beside reading and decoding the same file.

The log has a million rotations of a thousand users, and one of them is asked for. The two take
turns in one process and thread, in processor time. Memory is that of the installed program, over a
log and one of ten times its size.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tests.bench.table import Row, amount, at_most
from tests.kit.cost import seconds
from tests.unit.commands.records import NOW, entry, logged
from token_catcher.commands.history import read
from token_catcher.commands.rotation import Query

RECORDS = amount(1_000_000, quick=1_000)
USERS = amount(1_000, quick=10)
ROUNDS = amount(3, quick=1)
AT_MOST = 1.5
"""Times as dear as reading and decoding."""
SIZES = (amount(10_000, quick=100), amount(100_000, quick=1_000))
FLAT = 1.2
"""Times as much memory for ten times as many records."""
PROBE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@dataclass(frozen=True)
class Both:
    """The two things that are measured."""

    log: Path

    def asked(self, query: Query) -> int:
        """How many rows answer a question."""
        nothing: io.BufferedReader = io.BufferedReader(io.BytesIO())
        return len(read([str(self.log)], query, nothing).rotations)

    def asked_for_a_user(self) -> None:
        """The question of an auditor."""
        assert self.asked(Query(user=user(1))) == RECORDS // USERS

    def decoded(self) -> None:
        """The least that any reader does."""
        with self.log.open("rb") as lines:
            for line in lines:
                json.loads(line)


def user(number: int) -> str:
    """One of them."""
    return f"user{number % USERS}@acme.example"


def make_log(path: Path, count: int) -> None:
    """As the program writes it."""
    with path.open("w", encoding="ascii") as log:
        for number in range(count):
            record = entry(number + 1, username=user(number))
            log.write(logged(record, NOW + timedelta(seconds=number)) + "\n")


def peak(log: Path) -> int:
    """Kilobytes of the installed program at most, while it answers."""
    program = [str(Path(sys.executable).parent / "token-catcher"), "history", "--json"]
    words = [sys.executable, "-c", PROBE, *program, "--user", user(1), str(log)]
    return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def rows() -> Iterator[Row]:
    """Seconds of processor time, and memory."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        small, large = (_peak(log, size) for size in SIZES)
        make_log(log, RECORDS)
        both = Both(log)
        asked, decoded = [], []
        for _ in range(ROUNDS):
            asked.append(seconds(both.asked_for_a_user))
            decoded.append(seconds(both.decoded))
    name = f"history --user, {RECORDS:,} records"
    yield Row(name, "s", asked, "json.loads of each", decoded, (at_most("ratio", AT_MOST),))
    name = f"history --user, {SIZES[1]:,} records: peak"
    yield Row(name, "MiB", [large], f"{SIZES[0]:,}", [small], (at_most("ratio", FLAT),))


def _peak(log: Path, size: int) -> float:
    make_log(log, size)
    return peak(log) / 1024
