"""Coverage-guided fuzzing with atheris, in the environment that `make fuzz` makes.

`python -m tests.fuzz.run TARGET SECONDS` begins with the corpus, keeps what it finds interesting in
.fuzz/TARGET, and what breaks an invariant in .fuzz/crash-*.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["token_catcher"]):
    from tests.corpus.verdicts import corpus
    from tests.fuzz.targets import TARGETS, in_time

HOME = Path(__file__).parents[2] / ".fuzz"
MAX_SEED = 65536
"""Bytes, of a seed and of what the fuzzer makes of it."""


def seeds(name: str) -> Path:
    """A folder with the corpus, or with the results that stand in it."""
    folder = HOME / name
    folder.mkdir(parents=True, exist_ok=True)
    for item in corpus():
        seed = item.raw
        if name == "results":
            seed = b"\n".join(_results(item.raw))
        (folder / item.name).write_bytes(seed[:MAX_SEED])
    return folder


def _results(raw: bytes) -> list[bytes]:
    head = raw.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    results = []
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"authentication-results":
            results.append(value)
    return results


def main(name: str, seconds: str) -> None:
    """Run one target for so many seconds; libFuzzer prints executions and coverage meanwhile."""
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={MAX_SEED}",
        "-rss_limit_mb=4096",
        "-timeout=20",
        "-print_final_stats=1",
    ]
    atheris.Setup(
        [sys.argv[0], *options, f"-artifact_prefix={HOME}/crash-{name}-", str(seeds(name))],
        in_time(TARGETS[name]),
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:3])
