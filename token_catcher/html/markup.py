"""Pieces of a page: its beginning and end, words with a colour, tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from token_catcher.html.style import STYLE, STYLE_SOURCE
from token_catcher.model import printable

POLICY: Final = f"default-src 'none'; style-src {STYLE_SOURCE}; base-uri 'none'; form-action 'none'"
"""Of a page that is a file. One that is served has its policy in a header, which can say more."""


def text(value: str) -> str:
    """What comes from outside, as text of a page or as the value of an attribute in quotes.

    What nobody sees, or turns the direction of writing around, is shown as escapes."""
    return escape(printable(value))


def opening(title: str, *, is_file: bool) -> str:
    """Up to the body. `is_file`: the page says itself what it may load, which is nothing."""
    policy = ""
    if is_file:
        policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"{policy}<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#main">Skip to the content</a>\n'
    )


def closing() -> str:
    """The end."""
    return "</body>\n</html>\n"


def word(name: str, kind: str) -> str:
    """A state or an outcome: a word that a colour underlines. `kind`: a class of the sheet."""
    return f'<span class="word {kind}">{text(name)}</span>'


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table. Made by `of` from a text, or of markup that is harmless already."""

    markup: str
    is_time: bool = False

    @classmethod
    def of(cls, value: object) -> Cell:
        """A text; empty where there is none."""
        if value is None:
            return cls("")
        return cls(text(str(value)))

    @classmethod
    def time(cls, moment: str) -> Cell:
        """A time that is never broken into two lines: `2026-02-03 12:57:27`."""
        return cls(text(moment), is_time=True)


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its heads, of which the first names the row. `id` is unique on the page."""

    id: str
    caption: str
    heads: Sequence[str]
    is_stacked: bool = False
    """On a narrow screen its cells stand below each other, each with its head: not for many rows,
    since each cell carries that. Another one scrolls by itself, also by the keyboard (WCAG
    2.1.1)."""

    def lines(self, rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
        """All of it."""
        heads = "".join(self._head(head) for head in self.heads)
        yield f'{self._begin()}<caption id="{self.id}">{text(self.caption)}</caption>\n'
        yield f"<thead{self._role('rowgroup')}><tr{self._role('row')}>{heads}</tr></thead>\n"
        yield f"<tbody{self._role('rowgroup')}>\n"
        for row in rows:
            yield f"<tr{self._role('row')}>{''.join(self._cells(row))}</tr>\n"
        yield "</tbody>\n</table>\n"
        if not self.is_stacked:
            yield "</div>\n"

    def _begin(self) -> str:
        if self.is_stacked:
            return '<table class="stacked" role="table">\n'
        region = 'class="scroll" role="region" tabindex="0"'
        return f'<div {region} aria-labelledby="{self.id}">\n<table>\n'

    def _head(self, head: str) -> str:
        return f'<th scope="col"{self._role("columnheader")}>{text(head)}</th>'

    def _cells(self, row: Sequence[Cell]) -> Iterator[str]:
        first, *others = row
        yield f'<th scope="row"{self._look(first, 0)}{self._role("rowheader")}>{first.markup}</th>'
        for column, cell in enumerate(others, 1):
            yield f"<td{self._look(cell, column)}{self._role('cell')}>{cell.markup}</td>"

    def _look(self, cell: Cell, column: int) -> str:
        """Its class, and its head."""
        attributes = ""
        if cell.is_time:
            attributes += ' class="time"'
        if self.is_stacked:
            attributes += f' data-head="{text(self.heads[column])}"'
        return attributes

    def _role(self, name: str) -> str:
        """Browsers forget that it is a table once its cells are shown as blocks."""
        if self.is_stacked:
            return f' role="{name}"'
        return ""
