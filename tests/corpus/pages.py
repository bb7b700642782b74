"""HTML confusion: text that one program shows and another hides, and parts that do not say the same.

Signed like those of `parts`: only a text with one reading may pass.
"""

from __future__ import annotations

from tests.corpus.base import Item, Shelf
from tests.corpus.parts import (
    AMBIGUOUS,
    EVIL,
    EVIL_LINES,
    EVIL_TOKEN,
    TEXT,
    UNEXPECTED,
    mime,
    multipart,
    part,
)
from tests.kit.mails import USERNAME, token_body


def items() -> list[Item]:
    return [*_html(), *_disagreeing()]


def _html() -> list[Item]:
    shelf = Shelf("html")
    shown = "<p>" + TEXT.replace("\n", "<br>\n") + "</p>\n"
    evil = "<br>\n".join(EVIL_LINES.splitlines())
    evil_entity = "&#10;".join(EVIL_LINES.splitlines())
    for name, why, body, verdict in (
        (
            "hidden",
            "Another claim that is not displayed.",
            f'{shown}<div style="display:none">{evil}</div>',
            AMBIGUOUS,
        ),
        (
            "white",
            "Another claim in white on white.",
            f'{shown}<font color="white" size="1">{evil}</font>',
            AMBIGUOUS,
        ),
        ("comment", "Another claim in a comment.", f"{shown}<!--\n{EVIL_LINES}-->", AMBIGUOUS),
        ("comment-tags", "The same, with tags.", f"{shown}<!-- <p>{evil}</p> -->", AMBIGUOUS),
        (
            "conditional",
            "Another claim for Outlook only.",
            f"{shown}<!--[if mso]><p>{evil}</p><![endif]-->",
            AMBIGUOUS,
        ),
        (
            "style",
            "Another claim in a style sheet.",
            f"<style>\n{EVIL_LINES}</style>{shown}",
            AMBIGUOUS,
        ),
        (
            "script",
            "Another claim in a script.",
            f"<script>\n{EVIL_LINES}</script>{shown}",
            AMBIGUOUS,
        ),
        (
            "textarea",
            "Another claim in a text field.",
            f"{shown}<textarea>\n{EVIL_LINES}</textarea>",
            AMBIGUOUS,
        ),
        (
            "pre",
            "Another claim in a preformatted text.",
            f"{shown}<pre>\n{EVIL_LINES}</pre>",
            AMBIGUOUS,
        ),
        (
            "pre-line",
            "Another claim by line ends that a style makes count.",
            f'{shown}<div style="white-space:pre">x\n{EVIL_LINES}</div>',
            AMBIGUOUS,
        ),
        (
            "entity-lines",
            "Another claim by line ends written as entities.",
            f"{shown}<div>x&#10;{evil_entity}&#10;</div>",
            AMBIGUOUS,
        ),
        (
            "title",
            "Another claim in the title.",
            f"<title>x\n{EVIL_LINES}</title>{shown}",
            AMBIGUOUS,
        ),
        (
            "attribute",
            "Another claim in a tool tip.",
            f'{shown}<a title="x\n{EVIL_LINES}">x</a>',
            AMBIGUOUS,
        ),
        (
            "attribute-entities",
            "The same with entities.",
            f'{shown}<a title="x&#10;{evil_entity}&#10;">x</a>',
            AMBIGUOUS,
        ),
        (
            "entities",
            "Another claim, every letter an entity.",
            shown + "<br>" + "".join(f"&#{ord(c)};" if c != "\n" else "<br>" for c in EVIL_LINES),
            AMBIGUOUS,
        ),
        (
            "table",
            "Another claim in a table.",
            shown
            + "<table>"
            + "".join(f"<tr><td>{line}</td></tr>" for line in EVIL_LINES.splitlines())
            + "</table>",
            AMBIGUOUS,
        ),
        (
            "cdata",
            "A section that browsers take for a comment.",
            f"{shown}<![CDATA[ > {evil} ]]>",
            UNEXPECTED,
        ),
        ("instruction", "A processing instruction.", f"{shown}<?x {EVIL_LINES}?>", UNEXPECTED),
        (
            "comment-unclosed",
            "A comment that is never closed swallows the claim for some.",
            f"<p>{evil}</p><!-- {shown}",
            UNEXPECTED,
        ),
        (
            "comment-short",
            "A comment that browsers close at once.",
            f"<!-->{evil}--> {shown}",
            UNEXPECTED,
        ),
        (
            "comment-bang",
            "A comment that browsers close with --!>.",
            f"<!-- --!>{evil} --> {shown}",
            UNEXPECTED,
        ),
        (
            "attribute-swallows",
            "An attribute that is never closed swallows the claim for some.",
            f'<p>{evil}</p><img alt="{shown}',
            UNEXPECTED,
        ),
        ("tag-unclosed", "A tag that is never closed.", f"{shown}<a href=x", UNEXPECTED),
        ("tag-in-tag", "A tag inside a tag.", f"{shown}<a <b>{evil}", UNEXPECTED),
        (
            "bracket-in-attribute",
            "A > inside quotes, where careless readers end the tag.",
            f'{shown}<img alt="x>{evil}">',
            UNEXPECTED,
        ),
        ("control", "A control character as an entity.", f"<p>{evil}&#13;</p>{shown}", AMBIGUOUS),
        (
            "large",
            "More HTML than a token mail ever had.",
            shown + ("<p>x</p>" * 60 + "\n") * 40,
            UNEXPECTED,
        ),
    ):
        raw = mime("text/html; charset=UTF-8", body)
        shelf.add(name, why, raw, verdict)
    return shelf.items


def _disagreeing() -> list[Item]:
    shelf = Shelf("disagreeing")
    page = "text/html; charset=UTF-8"
    broken = "<br>".join
    for name, why, raw, verdict in (
        (
            "token",
            "The HTML names another token.",
            multipart(
                part(TEXT),
                part(broken(token_body(token=EVIL_TOKEN).splitlines()), page),
                kind="alternative",
            ),
            AMBIGUOUS,
        ),
        (
            "username",
            "The HTML names another username.",
            multipart(
                part(TEXT),
                part(broken(token_body("batch@acme.example").splitlines()), page),
                kind="alternative",
            ),
            AMBIGUOUS,
        ),
        (
            "username-case",
            "The HTML writes the username in another case.",
            multipart(
                part(TEXT),
                part(broken(token_body(USERNAME.upper()).splitlines()), page),
                kind="alternative",
            ),
            AMBIGUOUS,
        ),
        (
            "html-silent",
            "The HTML says nothing of a token.",
            multipart(part(TEXT), part("<p>Hello</p>", page), kind="alternative"),
            AMBIGUOUS,
        ),
        (
            "text-silent",
            "The plain text says nothing of a token.",
            multipart(part("Hello\n"), part(broken(TEXT.splitlines()), page), kind="alternative"),
            AMBIGUOUS,
        ),
        (
            "two-plain",
            "Two plain texts with different tokens.",
            multipart(part(TEXT), part(EVIL)),
            AMBIGUOUS,
        ),
        (
            "footer",
            "A list's footer as a part of its own.",
            multipart(part(TEXT), part("_____\nlist mailing list\n")),
            AMBIGUOUS,
        ),
        (
            "empty-part",
            "An empty part beside the text.",
            multipart(part(TEXT), part("")),
            AMBIGUOUS,
        ),
        (
            "flowed-charset",
            "The same text twice, one in a charset in which it is another.",
            multipart(part(TEXT), part(EVIL, "text/plain; charset=iso-2022-jp")),
            AMBIGUOUS,
        ),
    ):
        shelf.add(name, why, raw, verdict)
    return shelf.items
