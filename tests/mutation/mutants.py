"""Mistakes planted in a copy of the program, to see that the tests notice: not part of `make test`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Mutant:
    """One mistake: in `file`, `old` becomes `new`; the tests that must go red."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def survivors(mutants: Iterable[Mutant]) -> list[str]:
    """Plant each alone, run its tests, print how it ended. Returns those that no test noticed."""
    alive = []
    for mutant in mutants:
        killed = _is_killed(mutant)
        print(f"{'killed' if killed else 'SURVIVED':<9} {mutant.name}", flush=True)
        if not killed:
            alive.append(mutant.name)
    return alive


def _is_killed(mutant: Mutant) -> bool:
    with tempfile.TemporaryDirectory() as home:
        tree = Path(home)
        for name in (
            "token_catcher",
            "tests",
            "pyproject.toml",
            "config.example.yaml",
            "deploy",
            "docs",
        ):
            source = ROOT / name
            shutil.copytree(source, tree / name) if source.is_dir() else shutil.copy(
                source, tree / name
            )
        file = tree / "token_catcher" / mutant.file
        text = file.read_text("utf-8")
        assert text.count(mutant.old) == 1, (
            f"{mutant.name}: the line to change stands {text.count(mutant.old)} times"
        )
        file.write_text(text.replace(mutant.old, mutant.new), "utf-8")
        words = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            *mutant.tests,
        ]
        done = subprocess.run(
            words,
            cwd=tree,
            env=os.environ | {"PYTHONPATH": str(tree)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 1), (
            f"{mutant.name}: the tests did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
        return done.returncode == 1
