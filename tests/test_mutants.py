"""Every mistake of `tests/mutation` can be planted in the very function that it is meant for."""

from __future__ import annotations

import ast

import pytest

from tests.mutation import trust_rules
from tests.mutation.__main__ import MUTANTS
from tests.mutation.mutants import ROOT, Mutant

TEXT = """\
LIMIT = 1


def first():
    return LIMIT


class Store:
    def read(self):
        return LIMIT
"""


def mutant(function: str | None, old: str = "return LIMIT") -> Mutant:
    """A mistake in the text above."""
    return Mutant("a mistake", "file.py", old, "return 2", (), function)


@pytest.mark.parametrize("mistake", MUTANTS, ids=lambda mistake: mistake.name)
def test_a_mutant_can_be_planted(mistake: Mutant) -> None:
    """Its line stands exactly once where the table says, and another program comes out."""
    text = (ROOT / "token_catcher" / mistake.file).read_text("utf-8")
    planted = mistake.planted(text)
    assert ast.dump(ast.parse(planted)) != ast.dump(ast.parse(text))


def test_mutants_have_names_of_their_own() -> None:
    """A survivor can be told by its name."""
    names = [mistake.name for mistake in MUTANTS]
    assert sorted(names) == sorted(set(names))


def test_every_requirement_is_taken_away() -> None:
    """The 25 of docs/trust.md, each once at least."""
    numbers = {mistake.name[:2] for mistake in trust_rules.MUTANTS}
    assert numbers == {f"{number:2}" for number in range(1, 26)}


@pytest.mark.parametrize("mistake", MUTANTS, ids=lambda mistake: mistake.name)
def test_the_tests_of_a_mutant_exist(mistake: Mutant) -> None:
    """Those that are meant to notice."""
    files = [word for word in mistake.tests if word.endswith(".py")]
    assert files
    assert [file for file in files if not (ROOT / file).exists()] == []


@pytest.mark.parametrize(("function", "place"), [("first", 5), ("Store.read", 10)])
def test_only_the_function_is_changed(function: str, place: int) -> None:
    """The same line elsewhere stays."""
    lines = TEXT.splitlines()
    lines[place - 1] = lines[place - 1].replace("LIMIT", "2")
    assert mutant(function).planted(TEXT).splitlines() == lines


@pytest.mark.parametrize(
    ("mistake", "got"),
    [
        (mutant(None), "expected the line once in the whole file of file.py, got it 2 times"),
        (
            mutant("first", "LIMIT = 1"),
            "expected the line once in first of file.py, got it 0 times",
        ),
        (mutant("read"), "expected one read in file.py, got 0"),
    ],
)
def test_a_line_that_is_not_there_once_is_told(mistake: Mutant, got: str) -> None:
    """A table that the program has outgrown is an error and not a mutant that passes for killed."""
    with pytest.raises(ValueError, match=f"^a mistake: {got}$"):
        mistake.planted(TEXT)
