"""What a journal of a million records costs: to open it, and to ask it for one user.

The journal is written by the program, in files as it closes them. Opening it, the question and
reading and decoding all of it take turns in one process and thread; figures are the best of the
rounds, in processor time. Memory is the most that a process of its own holds while it opens a
journal of each size, and asks it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

from tests.kit.cost import seconds
from tests.kit.fakes import Silent
from tests.unit.record.books import NOW, entry
from token_catcher.commands.history import run_recorded
from token_catcher.commands.rotation import Query
from token_catcher.model import Entry
from token_catcher.record import Journal, series

SIZES = (10_000, 100_000, 1_000_000)
"""Records; of the largest, what it costs is told as well."""
USERS = 1_000
A_BATCH = 1_000
"""Records that are written with one sync."""
ROUNDS = 3
AT_MOST = 1.5
"""Times as dear as reading and decoding."""
FLAT = 1.2
"""Times as much memory for a hundred times as many records."""
PROBE = """
import re, sys
from pathlib import Path
from tests.bench import journal
getattr(journal, sys.argv[1])(Path(sys.argv[2]))
print(*re.findall("VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text()))
"""


def make(path: Path, count: int) -> None:
    """Records of many users, written by the program."""
    now = iter(NOW + timedelta(seconds=number) for number in range(2 * count))
    journal = Journal(path, now=partial(next, now), log=Silent())
    for batch in _batches(count):
        journal.append_all(batch, lambda known: known)


def _batches(count: int) -> Iterator[list[Entry]]:
    for begin in range(0, count, A_BATCH):
        numbers = range(begin, min(begin + A_BATCH, count))
        yield [_record(number) for number in numbers]


def _record(number: int) -> Entry:
    """With all fields that a stored token has."""
    username = user(number)
    return entry(
        number + 1,
        username=username,
        path=f"salesforce/acme-production/{username}",
        issued_at="2026-02-03T12:57:26Z",
        token_length=25,
        proof="dkim: d=salesforce.com s=sfdc rsa-sha256 2048 bits, from DNS",
        request_id="4bbd0ad1-5e2c-6a1f-8d52-3c1a9f8e7d60",
        version_before=number,
        asked_by="daemon",
        seen_after=0.412,
        written_after=0.057,
    )


def user(number: int) -> str:
    """One of them."""
    return f"user{number % USERS}@acme.example"


def opened(path: Path) -> None:
    """As every command that writes to it begins."""
    Journal(path, now=lambda: NOW, log=Silent()).open()


def asked(path: Path) -> None:
    """The question of an auditor."""
    with tempfile.NamedTemporaryFile(suffix=".html") as page:
        run_recorded(path, Query(user=user(1)), now=NOW, html=Path(page.name))


def decoded(path: Path) -> None:
    """The least that any reader does."""
    for file in series(path):
        with file.open("rb") as lines:
            for line in lines:
                json.loads(line)


def main() -> None:
    """Print the figures; exit code 1 where one is not reached."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / str(size) / "journal.jsonl" for size in SIZES]
        for path, size in zip(paths, SIZES, strict=True):
            path.parent.mkdir(mode=0o700)
            make(path, size)
        is_reached = _told_cost(paths[-1])
        for what in ("opened", "asked"):
            is_reached &= _told_memory(what, [_peak(what, path) for path in paths])
    if not is_reached:
        sys.exit(1)


def _told_cost(path: Path) -> bool:
    """Whether both cost as little as they should."""
    costs: dict[str, list[float]] = {"opened": [], "asked": [], "decoded": []}
    for _ in range(ROUNDS):
        costs["opened"].append(seconds(partial(opened, path)))
        costs["asked"].append(seconds(partial(asked, path)))
        costs["decoded"].append(seconds(partial(decoded, path)))
    least = min(costs.pop("decoded"))
    ratios = []
    for name, took in costs.items():
        ratios.append(min(took) / least)
        print(
            f"{name:<8} {min(took):6.2f} s for {SIZES[-1]} records, {ratios[-1]:.2f} x json.loads"
            f" of each, which took {least:.2f} s (at most {AT_MOST})"
        )
    return max(ratios) <= AT_MOST


def _told_memory(what: str, peaks: list[int]) -> bool:
    """Whether it stays what it is, however large the journal."""
    ratio = peaks[-1] / peaks[0]
    print(f"{what:<8} {peaks} kB for {list(SIZES)} records, ratio {ratio:.2f} (at most {FLAT})")
    return ratio <= FLAT


def _peak(what: str, path: Path) -> int:
    """Kilobytes of a process at most, while it does this."""
    words = [sys.executable, "-c", PROBE, what, str(path)]
    return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
