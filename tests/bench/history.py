"""What a question to a large log costs: beside reading and decoding the same file.

The log has a million rotations of a thousand users, and one of them is asked for. The two take
turns in one process and thread; figures are the best of the rounds, in processor time. Memory is
that of the installed program, over a log and one of ten times its size.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tests.kit.cost import seconds
from tests.unit.commands.records import NOW, entry, logged
from token_catcher.commands.history import read
from token_catcher.commands.rotation import Query

RECORDS = 1_000_000
USERS = 1_000
ROUNDS = 3
AT_MOST = 1.5
"""Times as dear as reading and decoding."""
SIZES = (10_000, 100_000)
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


def main() -> None:
    """Print the figures; exit code 1 where one is not reached."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        small, large = (_peak(log, size) for size in SIZES)
        make_log(log, RECORDS)
        both = Both(log)
        asked, decoded = [], []
        for _ in range(ROUNDS):
            asked.append(seconds(both.asked_for_a_user))
            decoded.append(seconds(both.decoded))
    ratio = min(asked) / min(decoded)
    print(
        f"history         {min(asked):6.2f} s for {RECORDS} records, of which one user's are told"
    )
    print(f"json.loads      {min(decoded):6.2f} s for the same file, line by line")
    print(f"ratio           {ratio:6.2f} (at most {AT_MOST})")
    print(f"memory          {small} kB for {SIZES[0]} records, {large} kB for {SIZES[1]}")
    print(f"ratio           {large / small:6.2f} (at most {FLAT})")
    if ratio > AT_MOST or large / small > FLAT:
        sys.exit(1)


def _peak(log: Path, size: int) -> int:
    make_log(log, size)
    return peak(log)


if __name__ == "__main__":
    main()
