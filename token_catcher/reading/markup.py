"""An HTML text as lines, out of markup so plain that all readers agree on it.

Every tag ends before the next begins, every comment is closed, every attribute is written as in a textbook: a gateway that
makes HTML of a token mail writes no other. On such markup this small reader and a browser see the same, and what a browser
would hide (styles, scripts, elements that are not displayed) is read like all other text. Linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import unescape
from typing import Final

MAX_CHARACTERS: Final = 64 * 1024
MAX_TAGS: Final = 2000

_BREAK: Final = re.compile(
    "address|article|aside|blockquote|body|br|center|dd|details|div|dl|dt|fieldset|figure|footer|form|h[1-6]|head|header|hr|html"
    "|li|main|nav|ol|option|p|pre|script|section|style|table|tbody|template|textarea|tfoot|thead|title|tr|ul"
)
_CELLS: Final = ("td", "th")
_PREFORMATTED: Final = ("pre", "textarea")
_TAG: Final = re.compile(
    r"(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9:]*+)"
    r"""(?P<attributes>(?:\s++[^\s"'<>/=]++(?:\s*+=\s*+(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'<>`]++))?+)*+)\s*+/?"""
)
_VALUE: Final = re.compile(r"""=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"']++))""")
_DOCTYPE: Final = re.compile(r"""!doctype [A-Za-z0-9 "'/.:+-]*+""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Readings:
    """The readings of an HTML text, each with `\\n` between lines."""

    shown: str
    """Lines as a browser breaks them: white space folded, empty lines left out."""
    written: str
    """The same text, where the line ends of the source count as well: a style sheet can ask for that."""
    hidden: str
    """Comments, without the tags in them, and attributes of more than one line."""


class AmbiguousMarkup(Exception):
    """Markup that two readers could see differently. Never leaves the rooms that read mail."""


def read_page(text: str) -> Readings:
    """All readings of a page."""
    if len(text) > MAX_CHARACTERS or text.count("<") > MAX_TAGS:
        raise AmbiguousMarkup("a large HTML part")
    markup, comments = _without_comments(text)
    shown: list[str] = []
    written: list[str] = []
    hidden = [without_tags(comment) for comment in comments]
    preformatted = 0
    for name, end, attributes, data in _elements(markup):
        between = "\n" if _BREAK.fullmatch(name) else " " if name in _CELLS else ""
        if name in _PREFORMATTED:
            preformatted = max(0, preformatted + (-1 if end else 1))
        shown += between, data if preformatted else re.sub(r"\s+", " ", data)
        written += between, data
        hidden += (value for value in map(unescape, _values(attributes)) if "\n" in value)
    return Readings(_folded(shown), _folded(written), _folded("\n".join(hidden)))


def without_tags(text: str) -> str:
    """A text in which every tag has become a line end: for a look into corners, and at text of any kind."""
    return re.sub(r"<[^<>]*>", "\n", text)


def _without_comments(text: str) -> tuple[str, list[str]]:
    """The markup, and the comments that were in it."""
    first, *pieces = text.split("<!--")
    markup, comments = [first], []
    for piece in pieces:
        comment, end, rest = piece.partition("-->")
        if not end or piece.startswith((">", "->")) or "--!>" in comment:
            raise AmbiguousMarkup("an HTML comment of no plain form")
        comments.append(comment)
        markup.append(rest)
    return "".join(markup), comments


def _elements(markup: str) -> Iterator[tuple[str, bool, str, str]]:
    """Tag by tag: the name in lower case, whether it is an end tag, the attributes, and the text up to the next tag."""
    first, *pieces = markup.split("<")
    yield "", False, "", unescape(first)
    for piece in pieces:
        tag, closed, data = piece.partition(">")
        found = _TAG.fullmatch(tag)
        if not closed or (found is None and not _DOCTYPE.fullmatch(tag)):
            raise AmbiguousMarkup("an HTML tag of no plain form")
        if found:
            yield found["name"].lower(), found["end"] == "/", found["attributes"], unescape(data)
        else:
            yield "", False, "", unescape(data)


def _values(attributes: str) -> Iterator[str]:
    return ("".join(found.groups("")) for found in _VALUE.finditer(attributes))


def _folded(pieces: Iterable[str]) -> str:
    """Lines without the empty ones, which come from the markup. Whatever ends a line in any program does so here."""
    lines = (" ".join(line.split()) for line in "".join(pieces).splitlines())
    return "\n".join(line for line in lines if line)
