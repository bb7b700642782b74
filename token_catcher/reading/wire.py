"""The byte-level gate: what two programs could read differently is refused before any parser.

A signature is checked by one program and the mail read by another. Where they disagree about
where a line or a field ends, an attacker signs one thing and shows the other (facts: one line
with bare CRs in front of any signed mail was enough). So the bytes that separate lines and fields
are strict in the whole mail, and so is every field that decides. Of a Received only the name is
read, and of the other fields that prove something most are strangers': a relay's signature, the
assessment of somebody else's server. Whoever relies on one looks whether it is `plain`. Spam
filters and relays write these and all other fields as they please; they may be odd, where nobody
sees anything else that counts:

    passes                            why no two readers differ in what counts
    8-bit bytes                       Fields end at CRLF. For whoever takes U+0085, U+2028 or the
                                      byte 0x85 for a line end, no field that counts begins there.
    a line over 998 bytes             Whoever cuts it finds no field that counts in the rest. In a
                                      body a cut changes what was signed.
    a folded line of white space,     Some programs end the header here. They see a mail without a
    and a `>From ` line, above        sender, and every signature must cover one (RFC 6376, section
    the fields that decide            5.4): nothing passes. What follows is no word of a server's
                                      (`Header.early_ends`).
    the same, below all fields        They see the same fields that count, and the rest of the
    that count                        header as text: it must not contradict the claim.
    a second Message-ID, Sender,      None of them counts. A signature that covers one is checked
    Cc, Reply-To                      with the lowest, as RFC 6376 wants.

Everything here is linear in the size of the mail, and what passes is small enough for modules that
are not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from token_catcher.model import MAX_MAIL_BYTES, Header, HeaderField, Reason, Refused

MAX_LINE: Final = 998
"""Bytes of a line in a field that decides, and of a line in the header of a part: RFC 5322,
section 2.1.1."""
MAX_LONG_LINE: Final = 64 * 1024
"""Bytes of any other line: as many as an HTML text may have."""
MAX_LINES: Final = 5000
"""More than the largest mail has in base64.

A line costs every later module some microseconds, however short it is."""
# Several times what a mail has after many servers.
MAX_FIELDS: Final = 200
MAX_HEADER_BYTES: Final = 64 * 1024
REQUIRED: Final = ("From", "To", "Subject", "Date")
AT_MOST_ONCE: Final = (*REQUIRED, "MIME-Version", "Content-Type", "Content-Transfer-Encoding")
"""Salesforce signs these once and oversigns none: a second one on top leaves the signature valid.
The last is not signed, and decides what the text is."""
REPEATABLE: Final = ("mime-version", "content-transfer-encoding")
"""Of these a second one is harmless that says the same, as careless gateways add it."""
DECIDING: Final = frozenset(
    (
        "from",
        "to",
        "subject",
        "date",
        "mime-version",
        "content-type",
        "content-transfer-encoding",
        "content-disposition",
        "x-sfdc-lk",
    )
)
"""Fields from which is read who sent the mail, and what it says."""
COUNTED: Final = DECIDING | {
    "authentication-results",
    "dkim-signature",
    "received",
    "return-path",
}
"""The same, and those from which is read what proves it; servers on the way write them on top."""

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")
"""Control characters but TAB, CR, LF (looked at separately), and ESC, which ISO-2022-JP needs in a
body."""
_FIELD: Final = re.compile(rb"([!-9;-~]+):")
"""RFC 5322, section 2.2: a name of printable ASCII, and the colon right behind it."""
_OBSOLETE_FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]+:")
"""RFC 5322, section 4.5: white space in front of the colon."""
_ESCAPED_SEPARATOR: Final = b">From "
"""How an mbox file writes a line that begins with `From `: the separator above a mail as well."""
_COUNTED_FIELD: Final = rb"(?:" + "|".join(sorted(COUNTED)).encode() + rb")[ \t]*:"
_FIELD_IN_A_LINE: Final = re.compile(_COUNTED_FIELD, re.IGNORECASE)
_FIELD_AFTER_A_LINE_END: Final = re.compile(
    rb"(?:\x85|\xe2\x80[\xa8\xa9])[ \t]*" + _COUNTED_FIELD, re.IGNORECASE
)
"""U+0085, in Latin-1 and in UTF-8, U+2028 and U+2029 are line ends for some programs."""
_CUT: Final = 900
"""Bytes of a line that no program cuts in two; most cut at 998 or at a power of two above it."""


class Malformed(Exception):
    """A header that is not in the strict form; says what was seen. Never leaves `reading`."""


def read_header(raw: bytes) -> Header | Refused:
    """The header of a mail in which everybody reads alike what counts, or why there is none."""
    if len(raw) > MAX_MAIL_BYTES:
        return Refused(Reason.OVERSIZED, f"more than {MAX_MAIL_BYTES} bytes")
    try:
        _check_bytes(raw)
        header = _read(raw.partition(b"\r\n\r\n")[0])
    except Malformed as trouble:
        return Refused(Reason.MALFORMED, str(trouble))
    return _counted(header)


def split(head: bytes) -> tuple[HeaderField, ...]:
    """The fields of the header of a part, without the empty line after it. All of it is strict.

    Malformed: not everybody sees these fields."""
    fields = []
    for _, folded in _fields_as_folded(_lines(head)):
        fields.append(_field(folded))
        _check_strictly(folded)
    return tuple(fields)


def _read(head: bytes) -> Header:
    """The fields of a mail, strict where they count, and where some programs end the header."""
    lines = _lines(head)
    fields: list[HeaderField] = []
    early_ends: list[int] = []
    early_text = b""
    for number, folded in _fields_as_folded(lines):
        odd = _odd_line(folded)
        if odd == 0:
            _check_loosely(folded)
        else:
            fields.append(_checked(folded))
        if odd is None:
            continue
        if not early_ends:
            early_text = b"\r\n".join(lines[_text_after(number, odd) :])
        early_ends.append(len(fields))
    for above in early_ends:
        _check_early_end(fields, above)
    return Header(tuple(fields), tuple(early_ends), early_text)


def _text_after(number: int, odd: int) -> int:
    """Which line is the first of the text for a program that ends the header at this field.

    A folded line of white space is no text, and all else is."""
    if odd == 0:
        return number
    return number + odd + 1


def _lines(head: bytes) -> list[bytes]:
    """The lines of a header, after the rules for its bytes."""
    if len(head) > MAX_HEADER_BYTES:
        raise Malformed(f"a header of {len(head)} bytes")
    if b"\x1b" in head:
        raise Malformed("control character 0x1b in the header")
    return head.split(b"\r\n")


def _fields_as_folded(lines: Sequence[bytes]) -> Sequence[tuple[int, list[bytes]]]:
    """The lines field by field, each field with the number of its first line."""
    fields: list[tuple[int, list[bytes]]] = []
    for number, line in enumerate(lines):
        if line[:1] not in (b" ", b"\t"):
            fields.append((number, [line]))
        elif fields:
            fields[-1][1].append(line)
        else:
            raise Malformed("white space where a field should begin")
    if len(fields) > MAX_FIELDS:
        raise Malformed(f"{len(fields)} header fields")
    return fields


def _odd_line(folded: Sequence[bytes]) -> int | None:
    """Which of these lines, if any, ends the header for some programs.

    0 where it is an escaped separator or a field of the obsolete form; else a folded line of white
    space alone."""
    if len(folded) == 1 and folded[0].startswith(_ESCAPED_SEPARATOR):
        return 0
    if _is_obsolete(folded[0]):
        return 0
    for number, line in enumerate(folded[1:], start=1):
        if not line.strip():
            return number
    return None


def _is_obsolete(line: bytes) -> bool:
    """Whether it begins a field of the obsolete form that does not count."""
    name = _OBSOLETE_FIELD.match(line)
    return name is not None and name[1].decode("ascii").lower() not in COUNTED


def _field(folded: Sequence[bytes]) -> HeaderField:
    text = b"\r\n".join(folded)
    # `From :` is From for some programs and an unknown field for others.
    name = _FIELD.match(text)
    if name is None:
        raise Malformed("a header line without a field name")
    return HeaderField(name[1].decode("ascii"), text[name.end() :])


def _checked(folded: Sequence[bytes]) -> HeaderField:
    """A field of a mail."""
    field = _field(folded)
    if field.name.lower() in DECIDING:
        _check_strictly(folded)
        return field
    _check_loosely(folded)
    if _oddity(folded) is None:
        return field
    return replace(field, plain=False)


def _check_strictly(folded: Sequence[bytes]) -> None:
    """The rules for a field that decides."""
    oddity = _oddity(folded)
    if oddity is not None:
        raise Malformed(oddity)


def _oddity(folded: Sequence[bytes]) -> str | None:
    """What is odd in a field; None where it is plain."""
    # RFC 6532 allows UTF-8 here, and programs guess at other charsets. Salesforce needs neither.
    if not all(line.isascii() for line in folded):
        return "8-bit byte in the header"
    if _odd_line(folded) is not None:
        return "white space where a field should begin"
    longest = max(map(len, folded))
    if longest > MAX_LINE:
        return f"a line of {longest} bytes"
    return None


def _check_loosely(folded: Sequence[bytes]) -> None:
    """The rules for a field that decides nothing: whoever breaks its lines elsewhere sees no other.

    Such a line could begin with a field that counts, and we would not have seen it."""
    for line in folded:
        if not line.isascii() and _FIELD_AFTER_A_LINE_END.search(line):
            raise Malformed("a field behind a line end of some programs")
        if len(line) > MAX_LINE and _FIELD_IN_A_LINE.search(line, _CUT):
            raise Malformed(f"a field in the rest of a line of {len(line)} bytes")


def _check_early_end(fields: Sequence[HeaderField], above: int) -> None:
    """Above such a line nothing that decides, or below it nothing that counts."""
    names = [field.name.lower() for field in fields]
    if DECIDING.intersection(names[:above]) and COUNTED.intersection(names[above:]):
        raise Malformed("white space where a field should begin")


def _check_bytes(raw: bytes) -> None:
    """The rules for the bytes anywhere in the mail."""
    control = _CONTROL.search(raw)
    if control:
        raise Malformed(f"control character 0x{control[0][0]:02x}")
    # dkimpy ends a header line at LF alone, Python's email at CR alone as well.
    lines = raw.count(b"\r\n")
    if raw.count(b"\r") != lines:
        raise Malformed("CR without LF")
    if raw.count(b"\n") != lines:
        raise Malformed("LF without CR")
    if b"\r\n\r\n" not in raw:
        raise Malformed("no empty line after the header")
    if lines > MAX_LINES:
        raise Malformed(f"{lines} lines")
    longest = max(map(len, raw.split(b"\r\n")))
    if longest > MAX_LONG_LINE:
        raise Malformed(f"a line of {longest} bytes")


def _counted(header: Header) -> Header | Refused:
    """Exactly one of what must be there, at most one of what must not be there twice."""
    # A verifier checks the lowest of two, a mail program shows the topmost (RFC 6376, 5.4.2).
    names = [field.name.lower() for field in header.fields]
    for name in AT_MOST_ONCE:
        if names.count(name.lower()) > 1 and not _says_the_same(header, name.lower()):
            return Refused(Reason.DUPLICATE_HEADER, f"{names.count(name.lower())} fields {name}")
    for name in REQUIRED:
        if name.lower() not in names:
            return Refused(Reason.MISSING_HEADER, f"no field {name}")
    return header


def _says_the_same(header: Header, name: str) -> bool:
    """Whether several fields of this name may stand there, and all have one value."""
    values = {field.value.strip() for field in header.all(name)}
    return name in REPEATABLE and len(values) == 1
