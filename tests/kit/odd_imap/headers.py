"""The header of a mail, as far as SEARCH and HEADER.FIELDS need it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import getaddresses

# A field goes on as long as lines begin with white space (RFC 5322, section 2.2.3).
_FIELD = re.compile(rb"([^\s:]+)[ \t]*:.*?\r\n(?![ \t])", re.DOTALL)


def header(raw: bytes) -> bytes:
    """Up to and with the empty line."""
    head, _, _ = raw.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n"


def selected(raw: bytes, names: Iterable[str], *, others: bool = False) -> bytes:
    """The fields of these names, or all others, as they stand; and the empty line."""
    wanted = {name.lower() for name in names}
    fields = b""
    for match in _FIELD.finditer(header(raw)[:-2]):
        named = match[1].decode("latin-1").lower() in wanted
        if named is not others:
            fields += match[0]
    return fields + b"\r\n"


def values(raw: bytes, name: str) -> list[str]:
    """What the fields of this name say: unfolded, encoded words decoded."""
    fields = selected(raw, [name]).split(b"\r\n")
    unfolded: list[str] = []
    for line in fields:
        text = line.decode("utf-8", "replace")
        if text[:1] in (" ", "\t") and unfolded:
            unfolded[-1] += text
        elif text:
            unfolded.append(text.partition(":")[2].strip())
    return [_decoded(text) for text in unfolded]


def addresses(raw: bytes, name: str) -> list[tuple[str, str]]:
    """Display name and address of everybody in the fields of this name."""
    return getaddresses(values(raw, name))


def _decoded(text: str) -> str:
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, ValueError):
        return text  # an unknown charset is searched as it stands
