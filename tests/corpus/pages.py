"""HTML confusion: text that one program shows and another hides, and parts that disagree.

Signed like those of `parts`: only a text with one reading may pass.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus.base import EVIL_TOKEN, Item, mails
from tests.corpus.parts import AMBIGUOUS, EVIL, EVIL_LINES, TEXT, UNEXPECTED, mime, multipart, part
from tests.kit.mails import USERNAME, token_body

SHOWN = "<p>" + TEXT.replace("\n", "<br>\n") + "</p>\n"
EVIL_HTML = "<br>\n".join(EVIL_LINES.splitlines())
EVIL_ENTITIES = "&#10;".join(EVIL_LINES.splitlines())
HTML = (
    (
        "hidden",
        "Another claim that is not displayed.",
        f'{SHOWN}<div style="display:none">{EVIL_HTML}</div>',
    ),
    (
        "white",
        "Another claim in white on white.",
        f'{SHOWN}<font color="white" size="1">{EVIL_HTML}</font>',
    ),
    ("comment", "Another claim in a comment.", f"{SHOWN}<!--\n{EVIL_LINES}-->"),
    ("comment-tags", "The same, with tags.", f"{SHOWN}<!-- <p>{EVIL_HTML}</p> -->"),
    (
        "conditional",
        "Another claim for Outlook only.",
        f"{SHOWN}<!--[if mso]><p>{EVIL_HTML}</p><![endif]-->",
    ),
    ("style", "Another claim in a style sheet.", f"<style>\n{EVIL_LINES}</style>{SHOWN}"),
    ("script", "Another claim in a script.", f"<script>\n{EVIL_LINES}</script>{SHOWN}"),
    ("textarea", "Another claim in a text field.", f"{SHOWN}<textarea>\n{EVIL_LINES}</textarea>"),
    ("pre", "Another claim in a preformatted text.", f"{SHOWN}<pre>\n{EVIL_LINES}</pre>"),
    (
        "pre-line",
        "Another claim by line ends that a style makes count.",
        f'{SHOWN}<div style="white-space:pre">x\n{EVIL_LINES}</div>',
    ),
    (
        "entity-lines",
        "Another claim by line ends written as entities.",
        f"{SHOWN}<div>x&#10;{EVIL_ENTITIES}&#10;</div>",
    ),
    ("title", "Another claim in the title.", f"<title>x\n{EVIL_LINES}</title>{SHOWN}"),
    ("attribute", "Another claim in a tool tip.", f'{SHOWN}<a title="x\n{EVIL_LINES}">x</a>'),
    (
        "attribute-entities",
        "The same with entities.",
        f'{SHOWN}<a title="x&#10;{EVIL_ENTITIES}&#10;">x</a>',
    ),
    (
        "entities",
        "Another claim, every letter an entity.",
        SHOWN + "<br>" + "".join(f"&#{ord(c)};" if c != "\n" else "<br>" for c in EVIL_LINES),
    ),
    (
        "table",
        "Another claim in a table.",
        SHOWN
        + "<table>"
        + "".join(f"<tr><td>{line}</td></tr>" for line in EVIL_LINES.splitlines())
        + "</table>",
    ),
    (
        "cdata",
        "A section that browsers take for a comment.",
        f"{SHOWN}<![CDATA[ > {EVIL_HTML} ]]>",
        UNEXPECTED,
    ),
    ("instruction", "A processing instruction.", f"{SHOWN}<?x {EVIL_LINES}?>", UNEXPECTED),
    (
        "comment-unclosed",
        "A comment that is never closed swallows the claim for some.",
        f"<p>{EVIL_HTML}</p><!-- {SHOWN}",
        UNEXPECTED,
    ),
    (
        "comment-short",
        "A comment that browsers close at once.",
        f"<!-->{EVIL_HTML}--> {SHOWN}",
        UNEXPECTED,
    ),
    (
        "comment-bang",
        "A comment that browsers close with --!>.",
        f"<!-- --!>{EVIL_HTML} --> {SHOWN}",
        UNEXPECTED,
    ),
    (
        "attribute-swallows",
        "An attribute that is never closed swallows the claim for some.",
        f'<p>{EVIL_HTML}</p><img alt="{SHOWN}',
        UNEXPECTED,
    ),
    ("tag-unclosed", "A tag that is never closed.", f"{SHOWN}<a href=x", UNEXPECTED),
    ("tag-in-tag", "A tag inside a tag.", f"{SHOWN}<a <b>{EVIL_HTML}", UNEXPECTED),
    (
        "bracket-in-attribute",
        "A > inside quotes, where careless readers end the tag.",
        f'{SHOWN}<img alt="x>{EVIL_HTML}">',
        UNEXPECTED,
    ),
    ("control", "A control character as an entity.", f"<p>{EVIL_HTML}&#13;</p>{SHOWN}"),
    (
        "large",
        "More HTML than a token mail ever had.",
        SHOWN + ("<p>x</p>" * 60 + "\n") * 40,
        UNEXPECTED,
    ),
)


def _alternative(plain: str, html: str) -> bytes:
    page = part(html, "text/html; charset=UTF-8")
    return multipart(part(plain), page, kind="alternative")


def _broken(text: str) -> str:
    """The lines of a text, broken as HTML breaks them."""
    return "<br>".join(text.splitlines())


DISAGREEING = (
    (
        "token",
        "The HTML names another token.",
        _alternative(TEXT, _broken(token_body(token=EVIL_TOKEN))),
    ),
    (
        "username",
        "The HTML names another username.",
        _alternative(TEXT, _broken(token_body("batch@acme.example"))),
    ),
    (
        "username-case",
        "The HTML writes the username in another case.",
        _alternative(TEXT, _broken(token_body(USERNAME.upper()))),
    ),
    ("html-silent", "The HTML says nothing of a token.", _alternative(TEXT, "<p>Hello</p>")),
    (
        "text-silent",
        "The plain text says nothing of a token.",
        _alternative("Hello\n", _broken(TEXT)),
    ),
    ("two-plain", "Two plain texts with different tokens.", multipart(part(TEXT), part(EVIL))),
    (
        "footer",
        "A list's footer as a part of its own.",
        multipart(part(TEXT), part("_____\nlist mailing list\n")),
    ),
    ("empty-part", "An empty part beside the text.", multipart(part(TEXT), part(""))),
    (
        "flowed-charset",
        "The same text twice, one in a charset in which it is another.",
        multipart(part(TEXT), part(EVIL, "text/plain; charset=iso-2022-jp")),
    ),
)


def items() -> Iterator[Item]:
    yield from mails("html", HTML, AMBIGUOUS, build=_page)
    yield from mails("disagreeing", DISAGREEING, AMBIGUOUS)


def _page(body: str) -> bytes:
    return mime("text/html; charset=UTF-8", body)
