"""An HTML text as lines, out of markup so plain that all readers agree on it.

Every tag ends before the next begins, every comment is closed, every attribute is written as in a
textbook: a gateway that makes HTML of a token mail writes no other. On such markup this small
reader and a browser see the same, and what a browser would hide (styles, scripts, elements that
are not displayed) is read like all other text. Linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import unescape
from typing import Final

MAX_CHARACTERS: Final = 64 * 1024
MAX_TAGS: Final = 2000

_BREAKING: Final = re.compile(
    "address|article|aside|blockquote|body|br|center|dd|details|div|dl|dt|fieldset|figure|footer"
    "|form|h[1-6]|head|header|hr|html|li|main|nav|ol|option|p|pre|script|section|style|table|tbody"
    "|template|textarea|tfoot|thead|title|tr|ul"
)
"""Elements that begin and end a line."""
_CELLS: Final = ("td", "th")
_PREFORMATTED: Final = ("pre", "textarea")

# All quantifiers are possessive: what they took is never given back, so no text costs more than one
# walk over it.
_TAG: Final = re.compile(
    r"(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9:]*+)"
    r"""(?P<attributes>(?:\s++[^\s"'<>/=]++"""
    r"""(?:\s*+=\s*+(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'<>`]++))?+)*+)\s*+/?"""
)
_VALUE: Final = re.compile(r"""=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"']++))""")
_REVEALED: Final = re.compile(r"<!--\[if [^<>\[\]-]{1,80}\]><!--(?: ?--)?+>")
"""The beginning of a downlevel-revealed conditional comment, in the form that is a comment to a
browser. What it encloses is shown by all programs but one, and its end is a comment of its own."""
_CONDITION: Final = re.compile(r"!\[(?:if [^<>\[\]-]{1,80}|endif)\](?:--)?+")
"""The older form, `<![if !mso]>` and `<![endif]>`: a bogus comment to a browser."""
_INLINE_TAG: Final = re.compile(
    r"</?(?:a|abbr|b|big|code|em|font|i|mark|o:p|small|span|strong|sub|sup|tt|u|wbr)(?:\s[^<>]*)?>",
    re.IGNORECASE,
)
_DOCTYPE: Final = re.compile(r"""!doctype [A-Za-z0-9 "'/.:+-]*+""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Readings:
    """The readings of an HTML text, each with `\\n` between lines."""

    shown: str
    """Lines as a browser breaks them: white space folded, empty lines left out."""
    written: str
    """The same, where line ends of the source count as well: a style sheet can ask for it."""
    hidden: str
    """Comments, without the tags in them, and attributes of more than one line."""


@dataclass(frozen=True, slots=True)
class _Element:
    """A tag, and the text up to the next one."""

    text: str
    """With its entities resolved."""
    name: str = ""
    """In lower case; empty for the document type, and for the text before the first tag."""
    is_end: bool = False
    attributes: str = ""


class AmbiguousMarkup(Exception):
    """Markup that two readers could see differently. Never leaves `reading`."""


def read_page(text: str) -> Readings:
    """All readings of a page. AmbiguousMarkup: it is large, or not of the plain form."""
    if len(text) > MAX_CHARACTERS or text.count("<") > MAX_TAGS:
        raise AmbiguousMarkup("a large HTML part")
    markup, comments = _without_comments(text)
    shown: list[str] = []
    written: list[str] = []
    hidden = [without_tags(comment) for comment in comments]
    preformatted = 0
    for element in _elements(markup):
        # An end tag without its beginning is nothing to a browser.
        if element.name in _PREFORMATTED:
            preformatted += -1 if element.is_end else 1
            preformatted = max(0, preformatted)
        written += _separator(element.name), element.text
        shown += _separator(element.name), _shown(element.text, preformatted > 0)
        hidden += _values_with_lines(element.attributes)
    return Readings(_folded(shown), _folded(written), _folded("\n".join(hidden)))


def without_tags(text: str) -> str:
    """A text in which every tag has become a line end: for hidden text, and text of any kind."""
    return re.sub(r"<[^<>]*>", "\n", text)


def without_inline_tags(text: str) -> str:
    """The same, where a tag inside a line, `<b>` say, has become nothing."""
    return without_tags(_INLINE_TAG.sub("", text))


def _without_comments(text: str) -> tuple[str, list[str]]:
    """The markup, and the comments that were in it."""
    markup = []
    comments = []
    position = 0
    while (start := text.find("<!--", position)) >= 0:
        markup.append(text[position:start])
        # A comment inside a tag is none to a browser, and would be one here.
        if markup[-1].rfind("<") > markup[-1].rfind(">"):
            raise AmbiguousMarkup("an HTML comment of no plain form, inside a tag")
        revealed = _REVEALED.match(text, start)
        if revealed:
            position = revealed.end()
            continue
        end = text.find("-->", start + 4)
        comment = text[start + 4 : end]
        # By the HTML standard a browser ends comments at `<!-->`, `<!--->` and `--!>` as well.
        if end < 0 or comment.startswith((">", "->")) or "--!>" in comment or "<!--" in comment:
            raise AmbiguousMarkup("an HTML comment of no plain form")
        comments.append(comment)
        position = end + 3
    return "".join([*markup, text[position:]]), comments


def _elements(markup: str) -> Iterator[_Element]:
    """Tag by tag, in the order of the text."""
    # A bracket inside quotes would end the tag for careless readers: `_TAG` allows none.
    first, *pieces = markup.split("<")
    yield _Element(unescape(first))
    for piece in pieces:
        tag, closed, text = piece.partition(">")
        parts = _TAG.fullmatch(tag)
        if closed and parts:
            name = parts["name"].lower()
            yield _Element(unescape(text), name, parts["end"] == "/", parts["attributes"])
        elif closed and (_DOCTYPE.fullmatch(tag) or _CONDITION.fullmatch(tag)):
            yield _Element(unescape(text))
        else:
            raise AmbiguousMarkup("an HTML tag of no plain form")


def _separator(name: str) -> str:
    """What a browser puts between the text before this tag and the text after it."""
    if _BREAKING.fullmatch(name):
        return "\n"
    if name in _CELLS:
        return " "
    return ""


def _shown(text: str, preformatted: bool) -> str:
    if preformatted:
        return text
    return re.sub(r"\s+", " ", text)


def _values_with_lines(attributes: str) -> Iterator[str]:
    """Attributes of more than one line; a claim takes two."""
    for value in _VALUE.finditer(attributes):
        text = unescape("".join(value.groups("")))
        if "\n" in text:
            yield text


def _folded(pieces: Iterable[str]) -> str:
    """Lines without the empty ones, which come from the markup.

    Whatever ends a line in any program does so here (`str.splitlines`)."""
    lines = [" ".join(line.split()) for line in "".join(pieces).splitlines()]
    return "\n".join(filter(None, lines))
