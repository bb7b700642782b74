"""What a journal of a million records costs: to open it, and to ask it for one user.

The journal has the files and indexes that the program makes. Opening it, the question, and
reading and decoding all of it take turns in one process and thread, in processor time. Memory is
the most that a process of its own holds while it opens a journal of each size, or asks it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from tests.bench.audit import decoded, make
from tests.bench.table import Row, amount, at_most
from tests.kit.cost import seconds
from tests.kit.fakes import Silent
from tests.unit.record.books import NOW, entry
from token_catcher.commands.history import run_recorded
from token_catcher.commands.rotation import Query
from token_catcher.model import Entry
from token_catcher.record import NO_KEYS, Journal

SIZES = (amount(10_000, quick=100), amount(100_000, quick=500), amount(1_000_000, quick=1_000))
"""Records; of the largest, what it costs is told as well."""
USERS = 1_000
ROUNDS = amount(3, quick=1)
AT_MOST = 1.5
"""Times as dear as reading and decoding."""
FLAT = 1.4
"""Times as much memory for a hundred times as many records. Where a record of the last file is, of
70,000 records at most, is kept in memory."""
PROBE = """
import re, sys
from pathlib import Path
from tests.bench import journal
getattr(journal, sys.argv[1])(Path(sys.argv[2]))
print(*re.findall("VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text()))
"""


def record(number: int) -> Entry:
    """With all fields that a stored token has."""
    username = user(number)
    return entry(
        number,
        username=username,
        path=f"salesforce/acme-production/{username}",
        issued_at="2026-02-03T12:57:26Z",
        token_length=25,
        proof="dkim: d=salesforce.com s=sfdc rsa-sha256 2048 bits, from DNS",
        request_id="4bbd0ad1-5e2c-6a1f-8d52-3c1a9f8e7d60",
        version_before=number - 1,
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


def rows() -> Iterator[Row]:
    """Seconds of processor time of the largest, and memory of all."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / str(size) / "journal.jsonl" for size in SIZES]
        for path, size in zip(paths, SIZES, strict=True):
            make(path, NO_KEYS, size, record)
            opened(path)  # which makes the indexes of the closed files
        yield from _costs(paths[-1])
        yield from _memory("open", opened, paths)
        yield from _memory("history --user", asked, paths)


def _costs(path: Path) -> Iterator[Row]:
    costs: dict[str, list[float]] = {"opened": [], "asked": [], "decoded": []}
    for _ in range(ROUNDS):
        costs["opened"].append(seconds(partial(opened, path)))
        costs["asked"].append(seconds(partial(asked, path)))
        costs["decoded"].append(seconds(partial(decoded, path)))
    beside = ("json.loads of each", costs["decoded"], (at_most("ratio", AT_MOST),))
    yield Row(f"journal: open, {SIZES[-1]:,} records", "s", costs["opened"], *beside)
    yield Row(f"journal: history --user, {SIZES[-1]:,} records", "s", costs["asked"], *beside)


def _memory(name: str, work: Callable[[Path], None], paths: Sequence[Path]) -> Iterator[Row]:
    """Of each larger one beside the smallest."""
    smallest, *larger = [_peak(work.__name__, path) for path in paths]
    beside = (f"{SIZES[0]:,} records", [smallest], (at_most("ratio", FLAT),))
    for size, peak in zip(SIZES[1:], larger, strict=True):
        yield Row(f"journal: {name}, {size:,} records: peak", "MiB", [peak], *beside)


def _peak(work: str, path: Path) -> float:
    """MiB of a process at most, while it does this."""
    words = [sys.executable, "-c", PROBE, work, str(path)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return int(done.stdout) / 1024
