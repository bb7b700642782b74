"""The texts of a mail, out of a MIME structure so plain that all readers agree on it.

Only text/plain and text/html, alone or in multipart/alternative, mixed or related; at most four
levels and ten parts; strict charsets and transfer encodings; no attachments, no parameters said
twice. A picture that a text shows beside itself, a gateway's logo, is stepped over. Anything else
is `Unexpected`: a token mail never had it.

Where a text still has two readings (wrapped or flowed, HTML with its hidden text) all of them are
given: whoever believes a mail asks that they agree. What is read here is compared with what a
parser saw (`same`).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import Final

from token_catcher.model import HeaderField
from token_catcher.reading import markup, wire
from token_catcher.reading.headers import CHARSETS

MAX_DEPTH: Final = 4
MAX_PARTS: Final = 10
MULTIPART_TYPES: Final = ("multipart/alternative", "multipart/mixed", "multipart/related")
TEXT_TYPES: Final = ("text/plain", "text/html")
PICTURE_TYPES: Final = tuple(
    f"image/{kind}" for kind in ("png", "jpeg", "jpg", "pjpeg", "gif", "bmp", "webp")
)
"""No SVG, which is markup and can hold text."""
MAX_TEXT_LINES: Final = 1000
"""Of one text, after its transfer encoding is undone: 240 kB of base64 hold 60,000 short ones. The
longest pages that gateways make of a token mail have some hundred."""
MAX_PARAMETERS: Final = 16
"""Of a content type."""
CONTENT_FIELDS: Final = (
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
)
"""The fields that decide how a part is read; each at most once."""

_TYPE: Final = re.compile(r"\s*([A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+)\s*")
# No `*` in a name: RFC 2231 lets a parameter come in pieces, and readers differ on them.
_PARAMETER: Final = re.compile(
    r';\s*([A-Za-z0-9-]+)\s*=\s*("[^"\\\r\n]*"|[^\s"();,<>@\\/?=:\[\]]+)\s*'
)
_BAD_QUOTED_PRINTABLE: Final = re.compile(rb"=(?![0-9A-Fa-f]{2}|\r\n)")
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
"""RFC 2046, section 5.1.1: at most 70 characters, the last one no space."""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
"""Control characters but TAB and LF, and everything else that some program takes for a line end."""


@dataclass(frozen=True, slots=True)
class Unexpected:
    """Something a token mail never had."""

    saw: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """One text or picture, as two programs must see it."""

    kind: str
    """text/plain, text/html, or the type of a picture"""
    octets: bytes = field(repr=False)
    """After the transfer encoding, before the charset."""


@dataclass(frozen=True, slots=True)
class MailText:
    """Every text of a mail, with `\\n` between lines."""

    readings: tuple[str, ...] = field(repr=False)
    """What a person may be shown as the text of each part."""
    hidden: tuple[str, ...] = field(repr=False)
    """What some program may show as well: text around the parts, comments, attributes."""
    leaves: tuple[Leaf, ...]


class _Surprise(Exception):
    """What becomes an `Unexpected`; its text is what was seen."""


def read_texts(fields: Sequence[HeaderField], body: bytes) -> MailText | Unexpected:
    """Every text of a mail with this header and these bytes after it. Linear."""
    reader = _Reader()
    try:
        reader.read_part(fields, body, depth=1)
    except (_Surprise, wire.Malformed, markup.AmbiguousMarkup) as surprise:
        return Unexpected(str(surprise))
    return MailText(tuple(reader.readings), tuple(reader.hidden), tuple(reader.leaves))


def undecoded(fields: Sequence[HeaderField], body: bytes) -> str | None:
    """What a mail says whose quoted-printable is not undone.

    None: nothing is to be undone, or base64 is, in which nobody reads a line of any other text.
    For a mail that `read_texts` has read."""
    values = _values(fields)
    if values.get("content-transfer-encoding", "").lower() != "quoted-printable":
        return None
    text = body.decode("ascii", "replace").replace("\r\n", "\n")
    if _kind(values) == "text/html":
        return markup.without_tags(text)
    return text


def same(message: Message, texts: MailText) -> bool:
    """Whether a parser saw the same parts with the same octets, and nothing to wonder about."""
    parts = list(message.walk())
    if any(part.defects for part in parts):
        return False
    leaves = [part for part in parts if not part.is_multipart()]
    return texts.leaves == tuple(Leaf(leaf.get_content_type(), _payload(leaf)) for leaf in leaves)


def _payload(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return b""
    return payload


class _Reader:
    """Walks the parts in their order and gathers their texts."""

    def __init__(self) -> None:
        self.readings: list[str] = []
        self.hidden: list[str] = []
        self.leaves: list[Leaf] = []
        self._parts = 0

    def read_part(self, fields: Sequence[HeaderField], body: bytes, depth: int) -> None:
        self._count(depth)
        values = _values(fields)
        # RFC 2045, section 5.2: what a part is that does not say so.
        kind, parameters = _content_type(values.get("content-type", "text/plain; charset=us-ascii"))
        # RFC 2045, section 6.1, says 7bit. Everybody takes the bytes as they are.
        encoding = values.get("content-transfer-encoding", "8bit").lower()
        if not _is_inline(values) or "name" in parameters:
            raise _Surprise("a part with a file name, or an attachment")
        if kind in MULTIPART_TYPES:
            self._read_multipart(kind, parameters, encoding, body, depth)
        elif kind in TEXT_TYPES:
            if depth > 1 and encoding == "quoted-printable":
                # A soft break whose line end belongs to the delimiter (RFC 2046, section 5.1.1).
                body = body.removesuffix(b"=")
            self._read_text(kind, parameters, encoding, body)
        else:
            raise _Surprise(f"a part of type {kind[:60]}")

    def _count(self, depth: int) -> None:
        self._parts += 1
        if depth > MAX_DEPTH or self._parts > MAX_PARTS:
            raise _Surprise(f"more than {MAX_DEPTH} levels or {MAX_PARTS} parts")

    def _read_multipart(
        self, kind: str, parameters: Mapping[str, str], encoding: str, body: bytes, depth: int
    ) -> None:
        boundary = parameters.get("boundary", "")
        if not _BOUNDARY.fullmatch(boundary) or encoding not in ("7bit", "8bit"):
            raise _Surprise("a multipart without a plain boundary")
        preamble, pieces, epilogue = _split(body, boundary.encode())
        # To be ignored (RFC 2046, section 5.1.1), and shown by programs that know no MIME.
        self.hidden += [_decoded(preamble, "utf-8"), _decoded(epilogue, "utf-8")]
        for number, piece in enumerate(pieces):
            fields, content = _part(piece)
            # Of an alternative a picture would be the text; in related the first part is shown.
            beside = kind == "multipart/mixed" or (kind == "multipart/related" and number > 0)
            if beside and _is_picture(fields):
                self._step_over(fields, content, depth + 1)
            else:
                self.read_part(fields, content, depth + 1)

    def _step_over(self, fields: Sequence[HeaderField], body: bytes, depth: int) -> None:
        """A picture has no text, and must all the same be the same part for another reader."""
        self._count(depth)
        self.leaves.append(Leaf(_kind(_values(fields)), _octets(body, "base64")))

    def _read_text(
        self, kind: str, parameters: Mapping[str, str], encoding: str, body: bytes
    ) -> None:
        charset = parameters.get("charset", "us-ascii").lower()
        if charset not in CHARSETS:
            raise _Surprise("an unknown charset")
        octets = _octets(body, encoding)
        self.leaves.append(Leaf(kind, octets))
        text = _decoded(octets, CHARSETS[charset])
        if kind == "text/html":
            page = markup.read_page(text)
            self.readings.append(page.shown)
            self.hidden += [page.written, page.hidden]
            return
        self.readings.append(text)
        # A program that does not know the format shows the lines as they stand.
        if parameters.get("format", "").lower() == "flowed":
            self.readings.append(_flowed(text, parameters))


def _values(fields: Sequence[HeaderField]) -> dict[str, str]:
    """The values of the fields that count, unfolded."""
    values: dict[str, str] = {}
    for header_field in fields:
        name = header_field.name.lower()
        if name not in CONTENT_FIELDS:
            continue
        if name in values:
            raise _Surprise(f"{name} said twice")
        values[name] = header_field.value.decode("ascii").replace("\r\n", "").strip()
    return values


def _is_picture(fields: Sequence[HeaderField]) -> bool:
    """Whether a part is a picture that is shown with a text; its name does not matter."""
    values = _values(fields)
    inline = "content-disposition" in values and _disposition(values) == "inline"
    referred_to = any(header_field.name.lower() == "content-id" for header_field in fields)
    encoding = values.get("content-transfer-encoding", "").lower()
    return _kind(values) in PICTURE_TYPES and (inline or referred_to) and encoding == "base64"


def _kind(values: Mapping[str, str]) -> str:
    """The type of a part, whatever its parameters are."""
    return values.get("content-type", "").partition(";")[0].strip().lower()


def _disposition(values: Mapping[str, str]) -> str:
    """`inline` where nothing is said."""
    return values.get("content-disposition", "inline").partition(";")[0].strip().lower()


def _is_inline(values: Mapping[str, str]) -> bool:
    """Whether a part is shown where it stands, and is no file.

    Of the parameters only a file name decides: with it some programs take a part for a file. So
    they do where one may be hidden (RFC 2231)."""
    _, semicolon, written = values.get("content-disposition", "").partition(";")
    try:
        parameters = _parameters(semicolon + written)
    except _Surprise:
        return False
    return _disposition(values) == "inline" and not any("name" in name for name in parameters)


def _content_type(value: str) -> tuple[str, dict[str, str]]:
    """Type, in lower case, and parameters."""
    kind = _TYPE.match(value)
    if kind is None:
        raise _Surprise("a content type of no known form")
    return kind[1].lower(), _parameters(value[kind.end() :])


def _parameters(text: str) -> dict[str, str]:
    """Each with its semicolon: RFC 2045, section 5.1, without comments and without the extensions
    of RFC 2231."""
    text = text.removesuffix(";")
    parameters: dict[str, str] = {}
    position = 0
    while position < len(text):
        parameter = _PARAMETER.match(text, position)
        # Of a parameter said twice, one reader takes the first and another the last.
        if parameter is None or parameter[1].lower() in parameters:
            raise _Surprise("content type parameters said twice or of no known form")
        if len(parameters) == MAX_PARAMETERS:
            raise _Surprise(f"more than {MAX_PARAMETERS} content type parameters")
        parameters[parameter[1].lower()] = parameter[2].strip('"')
        position = parameter.end()
    return parameters


def _split(body: bytes, boundary: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Preamble, parts and epilogue.

    RFC 2046, section 5.1.1, to the letter: a delimiter is a line."""
    delimiter = b"--" + boundary
    close = delimiter + b"--"
    pieces: list[list[bytes]] = [[]]
    closed = False
    for line in body.split(b"\r\n"):
        if not line.startswith(delimiter):
            pieces[-1].append(line)
            continue
        mark = line.rstrip(b" \t")
        if closed or mark not in (delimiter, close):
            raise _Surprise("a line that only begins like a delimiter, or one after the end")
        closed = mark == close
        pieces.append([])
    if not closed or len(pieces) < 3:
        raise _Surprise("a multipart without parts or without an end")
    preamble, *parts, epilogue = (b"\r\n".join(lines) for lines in pieces)
    return preamble, parts, epilogue


def _part(piece: bytes) -> tuple[tuple[HeaderField, ...], bytes]:
    """The fields of a part, of which it may have none, and its content."""
    head, end, content = (b"\r\n" + piece).partition(b"\r\n\r\n")
    if not end:
        raise _Surprise("a part without an empty line after its header")
    if not head:
        return (), content
    return wire.split(head.removeprefix(b"\r\n")), content


def _octets(body: bytes, encoding: str) -> bytes:
    """Undo the transfer encoding; RFC 2045, section 6, without its leniency."""
    if encoding == "base64":
        try:
            return base64.b64decode(body.replace(b"\r\n", b""), validate=True)
        except binascii.Error:
            raise _Surprise("base64 that is not well-formed") from None
    if encoding == "quoted-printable":
        if not body.isascii() or _BAD_QUOTED_PRINTABLE.search(body):
            raise _Surprise("quoted-printable that is not well-formed")
        return binascii.a2b_qp(body)
    if encoding not in ("7bit", "8bit") or (encoding == "7bit" and not body.isascii()):
        raise _Surprise("a transfer encoding of no known form, or 8-bit bytes in a 7-bit part")
    return body


def _decoded(octets: bytes, codec: str) -> str:
    try:
        text = octets.decode(codec)
    except UnicodeDecodeError:
        raise _Surprise("bytes that are not of the charset") from None
    text = text.replace("\r\n", "\n")
    if text.count("\n") > MAX_TEXT_LINES:
        raise _Surprise(f"more than {MAX_TEXT_LINES} lines in a text")
    if _CONTROL.search(text):
        raise _Surprise("control characters in a text")
    return text


def _flowed(text: str, parameters: Mapping[str, str]) -> str:
    """RFC 3676: a line that ends in a space goes on in the next; a leading space is stuffing."""
    keep_space = parameters.get("delsp", "").lower() != "yes"
    flowed = []
    for line in text.split("\n"):
        line = line.removeprefix(" ")
        if not line.endswith(" "):
            line += "\n"
        elif not keep_space:
            line = line.removesuffix(" ")
        flowed.append(line)
    return "".join(flowed)
