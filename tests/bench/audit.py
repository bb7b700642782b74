"""What it costs to verify a large journal: beside reading and decoding the same files.

The journal has a million records in files as the program closes them, with a key and without one.
The two take turns in one process and thread, in processor time. Memory is that of the installed
program, over all of it.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from tests.bench.table import Row, amount, at_most
from tests.kit.cost import seconds
from tests.unit.record.books import NOW, entry
from token_catcher.model import Entry, Secret, as_fields, iso
from token_catcher.record import NO_KEYS, Keyring, State, series, verify
from token_catcher.record.archive import ARCHIVED
from token_catcher.record.chain import CONTINUED, START, Head, sealed

RECORDS = amount(1_000_000, quick=1_000)
A_FILE = amount(70_000, quick=300)
"""Records until the program closes one."""
ROUNDS = amount(3, quick=1)
AT_MOST = 3.0
"""Times as dear as reading and decoding."""
MEBIBYTES = 100
KEY = "k" * 64
PROBE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def make(
    path: Path,
    keys: Keyring,
    count: int = RECORDS,
    record: Callable[[int], Entry] = entry,
) -> None:
    """The files of a journal, as the program writes them; without indexes, which are not asked."""
    path.parent.mkdir(mode=0o700)
    head = START
    records = map(record, itertools.count(1))
    for position in itertools.count(1):
        name = f"{path.stem}-{position:06}{path.suffix}"
        is_last = head.seq + A_FILE >= count
        target = path
        if not is_last:
            target = path.with_name(name)
        with target.open("wb") as file:
            for content in _contents(path, position, records, count - head.seq, is_last):
                line = sealed(content, head, keys.current)
                digest = line[-67:-3].decode("ascii")
                head = Head(head.seq + 1, digest)
                file.write(line)
        if is_last:
            break
    noted = json.dumps({"seq": head.seq, "hash": head.hash})
    path.with_name(path.name + ".head").write_text(noted + "\n", "ascii")


def _contents(
    path: Path, position: int, records: Iterator[Entry], left: int, is_last: bool
) -> Iterator[dict[str, object]]:
    """What one file holds, its own records first and last."""
    at = {"at": iso(NOW)}
    count = min(A_FILE, left)
    if position > 1:
        count -= 1
        before = f"{path.stem}-{position - 1:06}{path.suffix}"
        yield {**at, "event": CONTINUED, "file": before}
    if not is_last:
        count -= 1
    for record in itertools.islice(records, count):
        time = NOW + timedelta(seconds=record.uid)
        yield {**as_fields(record), "at": iso(time)}
    if not is_last:
        yield {**at, "event": ARCHIVED, "file": f"{path.stem}-{position:06}{path.suffix}"}


def decoded(path: Path) -> None:
    """The least that any reader does."""
    for file in series(path):
        with file.open("rb") as lines:
            for line in lines:
                json.loads(line)


def peak(path: Path, key: Path) -> int:
    """MiB of the installed program at most, while it verifies."""
    program = [str(Path(sys.executable).parent / "token-catcher"), "audit", "verify"]
    words = [sys.executable, "-c", PROBE, *program, "--key", str(key), str(path)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return int(done.stdout) // 1024


def rows() -> Iterator[Row]:
    """Seconds of processor time, and memory."""
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / "key"
        key.touch(mode=0o600)
        key.write_text(KEY)
        for name, keys in (("no key", NO_KEYS), ("a key", Keyring.of(Secret(KEY)))):
            path = Path(folder) / name / "journal.jsonl"
            make(path, keys)
            yield _measured(name, path, keys)
        memory = peak(path, key)
    name = f"audit verify, {RECORDS:,} records: peak"
    yield Row(name, "MiB", [memory], aims=(at_most("most", MEBIBYTES),))


def _measured(name: str, path: Path, keys: Keyring) -> Row:
    def verified() -> None:
        verification = verify(path, keys=keys)
        assert (verification.state, verification.records) == (State.INTACT, RECORDS)

    verifying, decoding = [], []
    for _ in range(ROUNDS):
        verifying.append(seconds(verified))
        decoding.append(seconds(lambda: decoded(path)))
    name = f"audit verify, {RECORDS:,} records, {name}"
    return Row(name, "s", verifying, "json.loads of each", decoding, (at_most("ratio", AT_MOST),))
