"""What a mail may say that nobody will believe, read without regard for its structure.

Where the strict reader gives up, this decides only whether a mail leaves a record. Linear, for any
bytes.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

from token_catcher.reading import markup, wire

# Lines of at least 20 characters, which leaves words out, and a shorter last one.
_BASE64_RUN: Final = re.compile(
    rb"^(?:[A-Za-z0-9+/]{20,}={0,2}\r?\n?)+[A-Za-z0-9+/]*", re.MULTILINE
)
_ESCAPED_BYTE: Final = re.compile(rb"=[0-9A-Fa-f]{2}")
_BOUNDARY_PARAMETER: Final = re.compile(rb'boundary[ \t]*=[ \t]*"?[^"\s;]*', re.IGNORECASE)
_LINE_END: Final = re.compile(rb"\r\n?")
_HEADER_END: Final = re.compile(rb"\r?\n\r?\n")
_LONGEST_TOKEN: Final = 33
"""32, and a letter that a charset we do not know may leave in front."""
_TOKEN_SHAPE: Final = re.compile(
    r"(?<![A-Za-z0-9/=?&%#._+@~-])"
    r"(?=[A-Za-z]*[0-9])(?=[A-Z0-9]*[a-z])(?=[a-z0-9]*[A-Z])"
    rf"[A-Za-z0-9]{{20,{_LONGEST_TOKEN}}}"
    r"(?![A-Za-z0-9/=?&%#_+@~-])"
)
_NO_COLON: Final = re.compile(r"^[^:：\n]*+(?:\n|\Z)", re.MULTILINE)


def roughly(raw: bytes) -> Iterator[str]:
    """What a mail that nobody will believe may say, read without regard for its structure.

    As it stands, and with quoted-printable and what looks like base64 undone; every tag a line
    end, and those inside a line nothing. Linear, for any bytes."""
    for octets in _undone(raw):
        text = _any_charset(octets)
        yield _with_colons(markup.without_tags(text))
        if "<" in text:
            yield _with_colons(markup.without_inline_tags(text))


def has_token_shape(raw: bytes) -> bool:
    """Whether something in the body has the form of a token, in whatever words and charset.

    A word of letters of both cases and digits that is no part of a link. Linear, for any bytes."""
    body = _HEADER_END.split(raw, maxsplit=1)[-1]
    # The last line of a file in base64 may look like a token, and so may a delimiter.
    text = _BASE64_RUN.sub(_short_runs, _BOUNDARY_PARAMETER.sub(b"", body))
    pieces = [_joined(text)]
    # In a link of a plain text `=FA` is no byte.
    if b"quoted-printable" in raw.lower():
        pieces.append(_quoted(text))
    pieces += [_decoded_run(run) for run in _BASE64_RUN.finditer(body)]
    texts = (markup.without_tags(_any_charset(piece)) for piece in pieces)
    return any(_TOKEN_SHAPE.search(text) for text in texts)


def _undone(raw: bytes) -> Iterator[bytes]:
    """The bytes as they stand, and with each transfer encoding undone that they may be in."""
    yield _joined(raw)
    if _ESCAPED_BYTE.search(raw):
        yield _quoted(raw)
    for run in _BASE64_RUN.finditer(raw):
        yield _decoded_run(run)


def _short_runs(run: re.Match[bytes]) -> bytes:
    """What looks like base64 and is only a line or two stays."""
    if len(run[0]) > 2 * _LONGEST_TOKEN:
        return b"\n"
    return run[0]


def _joined(octets: bytes) -> bytes:
    """With soft line breaks joined, and everything else as it stands."""
    return _LINE_END.sub(b"\n", octets).replace(b"=\n", b"")


def _quoted(octets: bytes) -> bytes:
    """With quoted-printable undone."""
    return _LINE_END.sub(b"\n", binascii.a2b_qp(_LINE_END.sub(b"\n", octets)))


def _decoded_run(run: re.Match[bytes]) -> bytes:
    """What looks like base64, decoded."""
    characters = re.sub(rb"[=\r\n]", b"", run[0])
    whole = len(characters) // 4 * 4
    return _LINE_END.sub(b"\n", base64.b64decode(characters[:whole]))


def _any_charset(octets: bytes) -> str:
    """A text of which ASCII alone is sure; what is no UTF-8 becomes a space.

    UTF-16 has a NUL beside each letter, ISO-2022 an escape sequence around other scripts."""
    plain = re.sub(rb"\x1b[$()]*[@-Z]", b" ", octets.replace(b"\0", b""))
    return plain.decode("utf-8", "replace").replace("\ufffd", " ")


def _with_colons(text: str) -> str:
    """Lines with a colon, of which a claim is made; only so many that a look costs little."""
    lines = _NO_COLON.sub("", text).split("\n", wire.MAX_LINES)
    return "\n".join(lines[: wire.MAX_LINES])
