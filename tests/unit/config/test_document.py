"""The text itself: what is no YAML, and what YAML allows and we do not."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.unit.config.texts import CANARY, changed, load, refusal_of
from token_catcher.config.document import parse
from token_catcher.config.problems import Loc

NO_YAML = "expected YAML or JSON"
TEXTS = {
    b"": (
        "1: got an empty file, expected a mapping with mailboxes, orgs and vault; `token-catcher"
        " config example` shows one"
    ),
    b"# nothing\n": "1: got an empty file, expected a mapping with mailboxes, orgs and vault; "
    "`token-catcher config example` shows one",
    b"- a\n": "1: got a list, expected a mapping",
    b"hunter2-canary": "1: got text, expected a mapping",
    b"a: 1\nb: [1,\n": (
        "3: got text that is not YAML (expected the node content, but found '<stream end>'),"
        f" {NO_YAML}"
    ),
    b"a: 1\n  b: 2\n": (
        f"2: got text that is not YAML (mapping values are not allowed here), {NO_YAML}"
    ),
    b"a: *hunter2-canary\n": f"1: got text that is not YAML (found undefined alias …), {NO_YAML}",
    b"a: @hunter2-canary\n": (
        f"1: got text that is not YAML (found character … that cannot start any token), {NO_YAML}"
    ),
    b"a: 'hunter2-canary\n": (
        f"2: got text that is not YAML (found unexpected end of stream), {NO_YAML}"
    ),
    b"a: 1\n---\nb: 1\n": f"2: got text that is not YAML (found another document), {NO_YAML}",
    b"a: 1\nb: \x00\n": f"2: got text that is not YAML, {NO_YAML}",
    b"a: 1\nb: \xff\n": "2: got bytes that are not UTF-8, expected YAML or JSON in UTF-8",
    b'a: "\\UFFFFFFFF"\n': f"1: got text that cannot be read as YAML, {NO_YAML}",
    b"[" * 1000: f"1: got text that is not YAML, {NO_YAML}",
    b"#" * 1_048_577: "1: got a larger file, expected at most 1048576 bytes",
}


@pytest.mark.parametrize(("raw", "expected"), TEXTS.items(), ids=range(len(TEXTS)))
def test_what_is_no_yaml(home: Path, raw: bytes, expected: str) -> None:
    """The line, and the parser's words without what it quotes."""
    assert refusal_of(home, raw) == f"config.yaml:{expected}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a: {b: 1,\n c: {d: 1,\n d: 2}}",
            "3: a.c.d: got the key again (first on line 2), expected each key once",
        ),
        (
            "password: {hunter2: 1, hunter2: 2}",
            "1: password.…: got the key again (first on line 1), expected each key once",
        ),
        (
            "<<: {a: 1}",
            "1: got a key that is no text, or a merge key (<<), expected keys that are written out",
        ),
        (
            "? [a]\n: 1",
            "1: got a key that is no text, or a merge key (<<), expected keys that are written out",
        ),
        ("a: !!python/name:os.system x", "1: a: got a tag, expected a value without one"),
        ("a: &x [*x]", "1: a[0]: got an alias that holds itself, expected a value"),
    ],
)
def test_what_yaml_allows_and_we_do_not(text: str, expected: str) -> None:
    """Keys that stand twice, merge keys, tags, and aliases that hold themselves."""
    assert [str(problem) for problem in parse(text.encode()).problems] == [expected]


def test_numbers_are_numbers() -> None:
    """However YAML writes them; a date, and a number nobody could mean, stays text."""
    data = parse(f"[1, 0x10, -3, 1.5, 1e3, 2026-02-03, {'9' * 100}, !!float hunter2]".encode()).data
    assert data[:-1] == (1, 16, -3, 1.5, 1000.0, "2026-02-03", "9" * 100)
    assert math.isnan(data[-1])


def test_a_number_in_old_yaml_is_not_warned_about(home: Path) -> None:
    """A parser's warning would print it, and it may be a password."""
    assert CANARY not in refusal_of(
        home, f"%YAML 1.1\n---\npassword: 1e5\nvault: !!bool {CANARY}\n"
    )


def test_aliases_are_values(home: Path) -> None:
    """The last anchor's value stands wherever an alias does."""
    text = changed(
        "username: sf@example.com",
        "idle: &us true\n    username: &us sf@example.com\n    addresses: [*us, ops@example.com]",
    )
    assert load(home, text).mailboxes[0].addresses == ("sf@example.com", "ops@example.com")


def test_aliases_of_aliases_cost_nothing() -> None:
    """Nine lines that would be a billion values."""
    lines = [
        "a0: &a0 x",
        *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)),
    ]
    value = parse("\n".join(lines).encode()).data["a9"]
    assert value[0] is value[9]


def test_a_problem_stands_on_the_line_of_its_key() -> None:
    """Or on that of the nearest thing around it."""
    document = parse(b"a:\n  - b: 1\n    c:\n      2\n  - x\n")
    places: list[Loc] = [(), ("a",), ("a", 0), ("a", 0, "c"), ("a", 1), ("a", 0, "d"), ("z",)]
    assert [document.line(loc) for loc in places] == [1, 1, 2, 3, 5, 2, 1]
