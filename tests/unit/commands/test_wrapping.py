"""Lines that are too long for a terminal go on below themselves."""

from __future__ import annotations

import pytest
from rich.text import Text

from token_catcher.commands.wrapping import wrapped

LONG = "/var/lib/token-catcher/" + "x" * 60
WRAPPED = {
    "columns": (
        "ok       vault          state          unsealed and active",
        ["ok       vault          state", "         unsealed and active"],
    ),
    "a next step": (
        "         next: add the line to the policy of the program",
        ["         next: add the line to the policy", "               of the program"],
    ),
    "no columns": (
        "journal.jsonl: intact, 41 records, head 41:0123456789abcdef",
        ["journal.jsonl: intact, 41 records, head", "    41:0123456789abcdef"],
    ),
    "a list": (
        "  an indented line that is too long for the terminal",
        ["  an indented line that is too long for", "      the terminal"],
    ),
    "a command to copy": (
        "look at it with (`token-catcher held --json`), then go on",
        ["look at it with", "    (`token-catcher held --json`), then go", "    on"],
    ),
    "a backtick of somebody's own": (
        "this ` stands alone in a line that is too long for it",
        ["this ` stands alone in a line that is too", "    long for it"],
    ),
    "a path that is wider than the terminal": (
        f"look into {LONG} for it",
        ["look into", f"    {LONG}", "    for it"],
    ),
    "a path alone": (LONG, [LONG]),
    "a second column far away": (
        "a-very-long-identifier-of-mine  and what is said of it",
        ["a-very-long-identifier-of-mine  and what", "    is said of it"],
    ),
    "what fits": ("forty-two columns are just enough for this", None),
    "nothing": ("", None),
}


@pytest.mark.parametrize(("line", "pieces"), WRAPPED.values(), ids=WRAPPED)
def test_a_line_goes_on_below_itself(line: str, pieces: list[str] | None) -> None:
    """Between words, and below its second column, where there is one near enough."""
    assert [piece.plain for piece in wrapped(Text(line), 42)] == (pieces or [line])


def test_colours_stay_with_their_words() -> None:
    """Also behind the place where the line breaks."""
    line = Text.assemble(("failed", "red"), "   it is ", ("sealed", "bold"))
    pieces = list(wrapped(line, 12))
    styles = [
        (piece.plain[span.start : span.end], span.style) for piece in pieces for span in piece.spans
    ]
    assert [piece.plain for piece in pieces] == ["failed   it", "         is", "         sealed"]
    assert ("failed", "red") in styles
    assert ("sealed", "bold") in styles


def test_a_style_of_the_whole_line_is_that_of_each_piece() -> None:
    """Such as that of a next step."""
    pieces = list(wrapped(Text("one two three", "dim"), 8))
    dim = [[str(span.style) for span in piece.spans] + [str(piece.style)] for piece in pieces]
    assert all("dim" in styles for styles in dim)


def test_wide_characters_take_two_columns() -> None:
    """As a terminal shows them."""
    pieces = wrapped(Text("東京 東京 東京"), 10)
    assert [piece.plain for piece in pieces] == ["東京 東京", "    東京"]
