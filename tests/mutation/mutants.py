"""Mistakes planted in a copy of the program, to see that the tests notice: `make mutants`.

A mistake that cannot be planted proves nothing, and neither do tests that are red without it. So
each mutant says where its line stands (`tests/test_mutants.py` holds all of them to it, with every
`make test`), and each set of tests has to pass over an untouched copy before a mutant is believed
to be killed by it.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("token_catcher", "tests", "deploy", "docs", "pyproject.toml", "config.example.yaml")
"""What the tests of a copy need."""

WIDTH = 50
"""Columns for the name of a mutant."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Mutant:
    """One mistake: `old` becomes `new`, and one of `tests` has to go red."""

    name: str
    file: str
    """Below `token_catcher/`."""
    old: str
    new: str
    tests: tuple[str, ...]
    function: str | None = None
    """`function` or `Class.method`, where `old` stands exactly once.

    None: in the whole file, for constants and tables."""

    def planted(self, text: str) -> str:
        """The text of the file with the mistake. ValueError: `old` is not there exactly once."""
        before, place, after = self._divided(text)
        count = place.count(self.old)
        if count != 1:
            where = self.function or "the whole file"
            raise ValueError(
                f"{self.name}: expected the line once in {where} of {self.file},"
                f" got it {count} times"
            )
        return before + place.replace(self.old, self.new) + after

    def _divided(self, text: str) -> tuple[str, str, str]:
        """What stands before the function, the function, and what stands after it."""
        if self.function is None:
            return "", text, ""
        nodes = [node for name, node in _functions(ast.parse(text)) if name == self.function]
        if len(nodes) != 1:
            raise ValueError(
                f"{self.name}: expected one {self.function} in {self.file}, got {len(nodes)}"
            )
        lines = text.splitlines(keepends=True)
        first = nodes[0].lineno - 1
        end = nodes[0].end_lineno
        return "".join(lines[:first]), "".join(lines[first:end]), "".join(lines[end:])


def _functions(
    parent: ast.Module | ast.ClassDef, prefix: str = ""
) -> Iterator[tuple[str, Function]]:
    """Functions of the module and methods of its classes, by their qualified names."""
    for node in parent.body:
        if isinstance(node, Function):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{prefix}{node.name}.")


def survivors(mutants: Sequence[Mutant]) -> list[str]:
    """Plant each alone, run its tests, print how it ended.

    Returns the names of those that no test noticed. AssertionError: some tests are red without a
    mistake, or did not run at all."""
    alive = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        untouched = dict.fromkeys(mutant.tests for mutant in mutants)
        for failed in pool.map(_first_failure, untouched):
            assert failed is None, f"{failed} fails in the untouched program"
        all_tests = [mutant.tests for mutant in mutants]
        noticing = pool.map(_first_failure, all_tests, mutants)
        for mutant, noticed_by in zip(mutants, noticing, strict=True):
            if noticed_by is None:
                alive.append(mutant.name)
            print(f"{mutant.name:<{WIDTH}}  {_ending(noticed_by)}", flush=True)
    return alive


def _ending(noticed_by: str | None) -> str:
    if noticed_by is None:
        return "SURVIVED"
    return f"killed    {noticed_by}"


def _first_failure(tests: Sequence[str], mutant: Mutant | None = None) -> str | None:
    """The first test that goes red over the program with this mistake; None: all are green."""
    with _copy() as tree:
        if mutant is not None:
            file = tree / "token_catcher" / mutant.file
            file.write_text(mutant.planted(file.read_text("utf-8")), "utf-8")
        words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:xdist", *tests]
        environment = os.environ | {"PYTHONPATH": str(tree)}
        done = subprocess.run(
            words, cwd=tree, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode == 0:
        return None
    failed = re.search(r"(?m)^(?:FAILED|ERROR) (\S+)", done.stdout)
    assert done.returncode == 1, f"{mutant}: the tests did not run:\n{done.stdout}{done.stderr}"
    assert failed is not None, f"{mutant}: no test is named:\n{done.stdout}"
    return failed[1]


@contextmanager
def _copy() -> Iterator[Path]:
    """The checkout once more, for a mistake to be planted in."""
    with tempfile.TemporaryDirectory(prefix="tc-mutant-") as home:
        tree = Path(home)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, tree / name)
        yield tree
