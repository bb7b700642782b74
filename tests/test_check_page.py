"""docs/check.md lists the broken set-ups that the system tests try, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.system import test_check, test_vault_trouble
from token_catcher.commands.check import fix_of

PAGE = Path(__file__).parents[1] / "docs" / "check.md"


def rows() -> Iterator[str]:
    """The rows of the table: one a set-up."""
    for broken in test_check.BROKEN:
        name = broken.breaks.__name__.replace("_", " ")
        health = "green"
        if broken.scan == 2 or broken.area == "journal":
            health = "does not start"
        elif broken.red:
            health = "red"
        yield f"| {name} | `{broken.code}` | {broken.outcome} | {broken.scan} | {health} |"
    for break_it, code, _words in test_vault_trouble.BROKEN:
        name = break_it.__name__.replace("_", " ")
        yield f"| Vault: {name} | `{code}` | failed | 1 | red |"


def test_the_table_of_broken_set_ups() -> None:
    """Each with the code that names it, the exit code of `scan`, and the daemon's health."""
    lines = PAGE.read_text("utf-8").splitlines()
    begin = lines.index("| set-up | named by | `check` | `scan` ends with | the daemon |")
    table = lines[begin + 2 :]
    assert table[: len(list(rows()))] == list(rows())


def test_forty() -> None:
    """So many are asked for, and each code has a next step."""
    assert len(list(rows())) >= 40
    codes = {line.split("`")[1] for line in rows()}
    assert {code for code in codes if not fix_of(code)} == set()
