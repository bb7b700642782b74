"""Where a line ends, where a value of many lines does, and where one without end is cut."""

from __future__ import annotations

import json

import pytest

from tests.kit.cost import calls
from tests.unit.commands.conversions import LINES, UIDS
from tests.unit.commands.records import ask, entry, logged, uids
from token_catcher.commands import pieces as module
from token_catcher.commands.pieces import MAX_PIECE, Piece, pieces


def of(*lines: str) -> list[tuple[int, str, bool]]:
    """The pieces of these lines."""
    text = "".join(f"{line}\n" for line in lines).encode()
    return [(line, content.decode(), whole) for line, content, whole in pieces([text])]


def test_a_line_is_a_piece() -> None:
    """Whatever brackets are in it, as long as none of a value is open at its end."""
    lines = ("text", "[info] {", '{"a": 1}', 'x {"a": [', "", '[{"a": 1}, 2]', "[12 {")
    assert of(*lines) == [(number, f"{line}\n", True) for number, line in enumerate(lines, 1)]


def test_a_value_on_several_lines_is_a_piece() -> None:
    """Brackets within strings are none."""
    value = ("{", '  "a": "}\\"]",', '  "b": [1, {"c": 2}', "  ]", "}")
    whole = "".join(f"{line}\n" for line in value)
    assert of("x", *value, "y") == [(1, "x\n", True), (2, whole, True), (7, "y\n", True)]


@pytest.mark.parametrize("line", ['{"a', "{a", '{"a": "b', '["a'])
def test_a_torn_line_is_not_whole(line: str) -> None:
    """And what follows it is read."""
    assert of(line, "x") == [(1, f"{line}\n", False), (2, "x\n", True)]


def test_a_value_without_end_is_not_whole() -> None:
    """It was cut off; the parts of it are there all the same."""
    assert of("{", '"a": [', '{"b": 1},') == [(1, '{\n"a": [\n{"b": 1},\n', False)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_line_ends_may_fall_between_chunks(size: int) -> None:
    """A carriage return at the end of one, the line feed at the beginning of the next."""
    text = b"a\r\nb\rc\nd"
    parts = [text[start : start + size] for start in range(0, len(text), size)]
    assert list(pieces(parts)) == [
        Piece(1, b"a\r\n"),
        Piece(2, b"b\r"),
        Piece(3, b"c\n"),
        Piece(4, b"d"),
    ]


LARGE = {
    "an array on a line": "[{}]",
    "an array, an element a line": "[\n{}\n]",
    "in an object": '{{"records": [{}]}}',
    "in an object, printed": '{{\n"records": [\n{}\n]\n}}',
    "deep in objects": '{{"data": {{"result": [{{"stream": {{}}, "values": [{}]}}]}}}}',
    "concatenated": "{}",
}


@pytest.mark.parametrize("form", LARGE.values(), ids=LARGE)
@pytest.mark.parametrize("as_text", [False, True], ids=["objects", "texts"])
def test_a_value_of_any_size_is_read(
    form: str, as_text: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece at a time, cut between its parts, none of which is lost."""
    monkeypatch.setattr(module, "MAX_PIECE", 5_000)
    lines = [logged(entry(uid)) for uid in range(1, 200)]
    if as_text:
        lines = [json.dumps(["1770123448123456789", line]) for line in lines]
    separator = ",\n" if "\n" in form else ","
    history = ask("-", stdin=form.format(separator.join(lines)).encode())
    assert sorted(uid or 0 for uid in uids(history)) == list(range(1, 200))
    assert history.unreadable == 0


def test_what_cannot_be_cut_is_passed_over() -> None:
    """One text without end: it counts as lost, and what stands on the next line is read."""
    endless = b'{"a": "' + b"x" * (3 * MAX_PIECE) + b'"}\n'
    history = ask("-", stdin=endless + "\n".join(LINES).encode())
    assert (uids(history), history.places) == (UIDS, ("-:1",))


def test_a_value_that_cannot_be_cut_is_not_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts on many lines, with nothing that ends: what is behind them is read."""
    monkeypatch.setattr(module, "MAX_PIECE", 5_000)
    lines = ["{", *[f'"{number}": "{"x" * 100}",' for number in range(60)]]
    history = ask("-", stdin="\n".join([*lines, *LINES]).encode())
    assert (uids(history), history.places) == (UIDS, ("-:1",))


@pytest.mark.parametrize(
    "unit", ["{", "[", '{"a":', '"', '\\"', '{"', '{""', '{\\"', "[]", "{}[", '[""', "}{", "{\n"]
)
def test_reading_is_linear(unit: str) -> None:
    """Ten times as much of anything costs ten times as much, not a hundred times."""
    named = " rotation.stored\n"

    def cost(size: int) -> int:
        text = (unit * (size // len(unit)) + named).encode()
        return calls(lambda: ask("-", stdin=text))

    assert cost(200_000) <= 14 * cost(20_000)
