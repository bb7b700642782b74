"""What a mail may say that nobody will believe, read without regard for its structure.

Where the strict reader gives up, this decides only whether a mail leaves a record. Linear, for any
bytes.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from token_catcher.reading import markup, shape

MAX_LINES: Final = 500
"""Lines with a colon of one text that are looked at, those of the header among them: four times
those of a mail after many servers."""
MAX_RUNS: Final = 500
"""Runs of lines that look like base64; a part is one, or one for each padded line."""
# Lines of at least 20 characters, which leaves words out, and a shorter last one.
_BASE64_RUN: Final = re.compile(
    rb"^(?:[ \t]*[A-Za-z0-9+/]{20,}={0,2}[ \t]*\r?\n?)+[ \t]*[A-Za-z0-9+/]*", re.MULTILINE
)
_BASE64_LINES: Final = re.compile(
    rb"^(?:[ \t]*+[A-Za-z0-9+/]++={0,2}+[ \t]*+(?:\r?\n|\Z))++", re.MULTILINE
)
"""Lines of any length: words as well, so for a mail that speaks of base64 only."""
_ESCAPED_BYTE: Final = re.compile(rb"=[0-9A-Fa-f]{2}")
_BOUNDARY_PARAMETER: Final = re.compile(rb'boundary[ \t]*=[ \t]*"?[^"\s;]*', re.IGNORECASE)
_LINE_END: Final = re.compile(rb"\r\n?")
_HEADER_END: Final = re.compile(rb"\r?\n\r?\n")
_NO_COLON: Final = re.compile(r"^[^:：\n]*+(?:\n|\Z)", re.MULTILINE)
_SHOWN_ATTRIBUTE: Final = re.compile(
    r"""\b(?:value|alt|title|aria-label)\s*+=\s*+("[^"<>]*+"|'[^'<>]*+'|[^\s"'<>]++)""",
    re.IGNORECASE,
)
"""What programs show of a tag: the text of a form's field, and what stands for a picture."""


def roughly(raw: bytes) -> Iterator[str]:
    """What the mail may say: its lines with a colon.

    As it stands, and with quoted-printable and what looks like base64 undone; every tag a line
    end, and those inside a line nothing."""
    for octets in _undone(raw):
        text = _any_charset(octets)
        yield _with_colons(markup.without_tags(text))
        if "<" in text:
            yield _with_colons(markup.without_inline_tags(text))


def has_token_shape(raw: bytes) -> bool:
    """Whether something in the body has the form of a token, in whatever words and charset."""
    body = _HEADER_END.split(raw, maxsplit=1)[-1]
    # The last line of a file in base64 may look like a token, and so may a delimiter.
    text = _BASE64_RUN.sub(_short_runs, _BOUNDARY_PARAMETER.sub(b"", body))
    pieces = [_joined(text)]
    # In a link of a plain text `=FA` is no byte.
    if b"quoted-printable" in raw.lower():
        pieces.append(_quoted(text))
    pieces.append(_out_of_base64(body, _base64_pattern(raw)))
    return any(_shows_a_token(_any_charset(piece)) for piece in pieces)


def _shows_a_token(text: str) -> bool:
    """Whether a token stands in a text or a page, in its lines or in a field of a form."""
    if shape.has_token_word(markup.without_tags(text)):
        return True
    if "<" not in text:
        return False
    shown = "\n".join(_SHOWN_ATTRIBUTE.findall(text))
    return shape.has_token_word(shown) or shape.has_token_word(markup.without_inline_tags(text))


def _undone(raw: bytes) -> Iterator[bytes]:
    """The bytes as they stand, and with each transfer encoding undone that they may be in."""
    yield _joined(raw)
    if _ESCAPED_BYTE.search(raw):
        yield _quoted(raw)
    decoded = _out_of_base64(raw, _base64_pattern(raw))
    if decoded:
        yield decoded


def _short_runs(run: re.Match[bytes]) -> bytes:
    """What looks like base64 and is only a line or two stays."""
    if len(run[0]) > 2 * shape.LONGEST:
        return b"\n"
    return run[0]


def _joined(octets: bytes) -> bytes:
    """With soft line breaks joined, and everything else as it stands."""
    return _LINE_END.sub(b"\n", octets).replace(b"=\n", b"")


def _quoted(octets: bytes) -> bytes:
    """With quoted-printable undone."""
    return _LINE_END.sub(b"\n", binascii.a2b_qp(_LINE_END.sub(b"\n", octets)))


def _base64_pattern(raw: bytes) -> re.Pattern[bytes]:
    """What looks like base64 in this mail."""
    if b"base64" in raw.lower():
        return _BASE64_LINES
    return _BASE64_RUN


def _out_of_base64(octets: bytes, pattern: re.Pattern[bytes]) -> bytes:
    """All that looks like base64, decoded, a line end between one run of lines and the next."""
    runs = islice(pattern.finditer(octets), MAX_RUNS)
    decoded = [_decoded_run(run[0]) for run in runs]
    return _LINE_END.sub(b"\n", b"\n".join(decoded))


def _decoded_run(run: bytes) -> bytes:
    """What stands between padding is decoded by itself: some programs pad every line."""
    pieces = b"".join(run.split()).split(b"=")
    return b"".join(_decoded_piece(piece) for piece in pieces)


def _decoded_piece(characters: bytes) -> bytes:
    """Base64 without its padding; a last character that decodes to nothing is left out."""
    if len(characters) % 4 == 1:
        characters = characters[:-1]
    return base64.b64decode(characters + b"=" * (-len(characters) % 4))


def _any_charset(octets: bytes) -> str:
    """A text of which ASCII alone is sure; what is no UTF-8 becomes a space.

    UTF-16 has a NUL beside each letter, ISO-2022 an escape sequence around other scripts."""
    plain = re.sub(rb"\x1b[$()]*[@-Z]", b" ", octets.replace(b"\0", b""))
    return plain.decode("utf-8", "replace").replace("\ufffd", " ")


def _with_colons(text: str) -> str:
    """Lines with a colon, of which a claim is made; only so many that a look costs little."""
    lines = _NO_COLON.sub("", text).split("\n", MAX_LINES)
    return "\n".join(lines[:MAX_LINES])
