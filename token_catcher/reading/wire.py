"""The byte-level gate: what two programs could read differently is refused before any parser.

A signature is checked by one program and the mail read by another. Where they disagree about
where a line or a field ends, an attacker signs one thing and shows the other (facts: one line
with bare CRs in front of any signed mail was enough). So only mail in the strict form of RFC 5322
passes: CRLF line ends and nothing else, one of each field that counts.

Everything here is linear in the size of the mail, and what passes is small enough for modules that
are not.
"""

from __future__ import annotations

import re
from typing import Final

from token_catcher.model import MAX_MAIL_BYTES, Header, HeaderField, Reason, Refused

MAX_LINE: Final = 998
"""RFC 5322, section 2.1.1; also what keeps the regular expressions of later modules linear."""
MAX_LINES: Final = 5000
"""More than the largest mail has in base64.

A line costs every later module some microseconds, however short it is."""
# Several times what a mail has after many servers.
MAX_FIELDS: Final = 200
MAX_HEADER_BYTES: Final = 64 * 1024
REQUIRED: Final = ("From", "To", "Subject", "Date")
AT_MOST_ONCE: Final = (
    *REQUIRED,
    "Cc",
    "Message-ID",
    "Sender",
    "Reply-To",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
)
"""Salesforce signs each of these once and oversigns none: a second one on top leaves the signature
valid."""

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")
"""Control characters but TAB, CR, LF (looked at separately), and ESC, which ISO-2022-JP needs in a
body."""
_FIELD: Final = re.compile(rb"([!-9;-~]+):")
"""RFC 5322, section 2.2: a name of printable ASCII, and the colon right behind it."""


class Malformed(Exception):
    """A header that is not in the strict form; says what was seen. Never leaves `reading`."""


def read_header(raw: bytes) -> Header | Refused:
    """The header of a mail that everybody reads alike, or why there is none."""
    if len(raw) > MAX_MAIL_BYTES:
        return Refused(Reason.OVERSIZED, f"more than {MAX_MAIL_BYTES} bytes")
    try:
        _check_bytes(raw)
        fields = split(raw.partition(b"\r\n\r\n")[0])
    except Malformed as trouble:
        return Refused(Reason.MALFORMED, str(trouble))
    return _counted(Header(fields))


def split(head: bytes) -> tuple[HeaderField, ...]:
    """The fields of a header, of the mail or of a part, without the empty line after it.

    Malformed: not everybody sees these fields."""
    _check_head(head)
    fields: list[tuple[str, list[bytes]]] = []
    for line in head.split(b"\r\n"):
        if line[:1] in (b" ", b"\t"):
            # A folded line of white space alone ends the header for some programs.
            if not fields or not line.strip():
                raise Malformed("white space where a field should begin")
            fields[-1][1].append(line)
            continue
        # `From :` is From for some programs and an unknown field for others.
        name = _FIELD.match(line)
        if name is None:
            raise Malformed("a header line without a field name")
        fields.append((name[1].decode("ascii"), [line[name.end() :]]))
    if len(fields) > MAX_FIELDS:
        raise Malformed(f"{len(fields)} header fields")
    return tuple(HeaderField(name, b"\r\n".join(lines)) for name, lines in fields)


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
    if longest > MAX_LINE:
        raise Malformed(f"a line of {longest} bytes")


def _check_head(head: bytes) -> None:
    """The rules for the bytes of a header."""
    if len(head) > MAX_HEADER_BYTES:
        raise Malformed(f"a header of {len(head)} bytes")
    # RFC 6532 allows UTF-8 here, and programs guess at other charsets. Salesforce needs neither.
    if not head.isascii():
        raise Malformed("8-bit byte in the header")
    if b"\x1b" in head:
        raise Malformed("control character 0x1b in the header")


def _counted(header: Header) -> Header | Refused:
    """Exactly one of what must be there, at most one of what must not be there twice."""
    # A verifier checks the lowest of two, a mail program shows the topmost (RFC 6376, 5.4.2).
    names = [field.name.lower() for field in header.fields]
    for name in AT_MOST_ONCE:
        if names.count(name.lower()) > 1:
            return Refused(Reason.DUPLICATE_HEADER, f"{names.count(name.lower())} fields {name}")
    for name in REQUIRED:
        if name.lower() not in names:
            return Refused(Reason.MISSING_HEADER, f"no field {name}")
    return header
