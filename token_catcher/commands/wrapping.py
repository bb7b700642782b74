"""Lines for a terminal that are too long for it: each goes on below itself, indented.

They are wrapped between words; what stands between backticks, a command to copy, is one word. A
word that is longer than the terminal is wide stays whole, so that it can be copied all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from token_catcher.commands import styled

HANGING: Final = 4
"""Columns by which a line without columns of its own goes on behind its beginning."""
MOST: Final = 20
"""Columns: a line whose second column is further right goes on as one without columns."""
_WORD: Final = re.compile(r"\s*(?:[^\s`]*`[^`]+`\S*|\S+)")
"""With the room before it."""
_FIRST_COLUMN: Final = re.compile(r"\s*\S+(?: \S+)*?(?:  +|(?<=next:) )")
"""All that stands before the second column: two spaces end a column, or the word `next:`."""


def wrapped(line: styled.Text, width: int) -> Iterator[styled.Text]:
    """The line in pieces of so many columns."""
    plain = line.plain
    if styled.cell_len(plain) <= width:
        yield line
        return
    indent = _indent(plain)
    begin = 0
    end = 0
    room = width
    for word in _WORD.finditer(plain):
        if end > begin and styled.cell_len(plain[begin : word.end()]) > room:
            yield _piece(line, begin, end, width - room)
            begin = word.end() - len(word[0].lstrip())
            room = width - indent
        end = word.end()
    yield _piece(line, begin, end, width - room)


def _piece(line: styled.Text, begin: int, end: int, indent: int) -> styled.Text:
    return styled.Text.assemble(" " * indent, line[begin:end])


def _indent(plain: str) -> int:
    """Below the second column, where there is one."""
    column = _FIRST_COLUMN.match(plain)
    if column is not None and column.end() <= MOST:
        return column.end()
    return len(plain) - len(plain.lstrip()) + HANGING
