"""`--help` and `--version` are answered from texts that are there, and are what typer would say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.program import COMMAND, UNMEASURED
from tests.kit.terminal import Terminal
from tests.kit.waiting import PATIENCE
from token_catcher import __version__

BY_TYPER = {"COLUMNS": "80"}
"""Where the environment says how wide a terminal is, typer makes the help."""
ANSWERED = [
    "--help",
    "-h",
    "--version",
    "scan --help",
    "init -h",
    "audit --help",
    "audit verify -h",
]
"""All texts are compared by tests/test_pages.py; here, what is printed."""
USUAL = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | UNMEASURED
"""The environment of a shell. pytest-xdist has that variable."""
NOT_ANSWERED = [
    "",
    "nonsense --help",
    "scan --nonsense --help",
    "--config x scan --help",
    "audit",
    "--version --help",
]
"""Typed rarely, or wrongly: typer says what it says."""


def run(line: str, env: dict[str, str], **more: int) -> tuple[int, str, str]:
    """Exit code, standard output, standard error, with the names of the modules that it loaded."""
    words = [sys.executable, "-X", "importtime", COMMAND, *line.split()]
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=more.get("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        env=USUAL | env,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def loaded(err: str) -> set[str]:
    """The modules that Python says it has loaded."""
    return set(re.findall(r"(?m)^import time: .*\| *(\S+)$", err))


def told(err: str) -> list[str]:
    """Standard error without them."""
    return [line for line in err.splitlines() if not line.startswith("import time:")]


@pytest.mark.parametrize("line", ANSWERED)
def test_it_is_what_typer_says(line: str) -> None:
    """To the byte, with the same exit code; and typer was not loaded for it."""
    code, out, err = run(line, {})
    assert (code, told(err)) == (0, [])
    assert "typer" not in loaded(err)
    by_typer = run(line, BY_TYPER)
    assert "typer" in loaded(by_typer[2])
    assert (code, out, told(err)) == (*by_typer[:2], told(by_typer[2]))


def test_no_library_is_loaded_for_it() -> None:
    """Python's own few and three modules of ours: what takes time is loading."""
    _, out, err = run("--version", {})
    assert out == f"{__version__}\n"
    foreign = {name.partition(".")[0] for name in loaded(err)} - sys.stdlib_module_names
    assert foreign - {"sitecustomize", "usercustomize", "_distutils_hack", "coverage"} <= {
        "token_catcher"
    }
    assert {name for name in loaded(err) if name.startswith("token_catcher.")} == {
        "token_catcher.__main__",
        "token_catcher.quick",
        "token_catcher.signals",
    }


@pytest.mark.parametrize("line", NOT_ANSWERED)
def test_all_else_is_typers(line: str) -> None:
    """What is not one of the texts is not guessed at."""
    _, _, err = run(line, {})
    assert "typer" in loaded(err)


def test_a_narrow_terminal_has_its_lines_wrapped() -> None:
    """By typer, which knows how."""
    terminal = Terminal([COMMAND, "scan", "--help"], USUAL, columns=60)
    assert terminal.end() == 0
    options = terminal.shown.partition("Examples:")[0]  # which are to be typed as they are
    assert max(map(len, options.splitlines())) <= 60


def test_a_wide_terminal_has_the_text() -> None:
    """Typer fills no more than 80 columns."""
    terminal = Terminal([COMMAND, "scan", "--help"], USUAL, columns=200)
    assert terminal.end() == 0
    assert terminal.shown.replace("\r\n", "\n") == run("scan --help", BY_TYPER)[1]


def test_an_output_that_cannot_be_written_is_told() -> None:
    """As of every command: typer's try fails too, and is told."""
    with Path("/dev/full").open("wb") as full:
        code, _, err = run("--help", {}, stdout=full.fileno())
    assert (code, told(err)) == (
        1,
        ["token-catcher: standard output cannot be written: No space left on device"],
    )


def test_another_encoding_is_typers() -> None:
    """Not every one holds what the texts hold."""
    code, _, err = run("init --help", {"PYTHONIOENCODING": "latin-1"})
    assert (code, told(err)) == (0, [])
    assert "typer" in loaded(err)


def test_a_line_to_complete_is_typers() -> None:
    """A shell that asks for completions gets none of the texts."""
    env = {
        "_TOKEN_CATCHER_COMPLETE": "complete_bash",
        "COMP_WORDS": "token-catcher --he",
        "COMP_CWORD": "1",
    }
    _, out, err = run("--help", env)
    assert "typer" in loaded(err)
    assert "Usage:" not in out
