"""Coverage-guided fuzzing with atheris: `python -m tests.fuzz.run TARGET SECONDS`, in the environment that `make fuzz` makes.

Begins with the corpus, keeps what it finds interesting in .fuzz/TARGET, and what breaks an invariant in .fuzz/crash-*.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["token_catcher"]):
    from tests.corpus.verdicts import corpus
    from tests.fuzz.targets import TARGETS, in_time

HOME = Path(__file__).parents[2] / ".fuzz"


def seeds(name: str) -> Path:
    """A folder with the corpus, or with the results that stand in it."""
    folder = HOME / name
    folder.mkdir(parents=True, exist_ok=True)
    for item in corpus():
        raw = item.raw if name != "results" else b"\n".join(_results(item.raw))
        (folder / item.name).write_bytes(raw[:65536])
    return folder


def _results(raw: bytes) -> list[bytes]:
    head = raw.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    return [
        line.partition(b":")[2]
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"authentication-results:")
    ]


def main(name: str, seconds: str) -> None:
    """Run one target for so many seconds; libFuzzer prints executions and coverage as it goes."""
    options = [
        f"-max_total_time={seconds}",
        "-max_len=65536",
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
