"""The addresses of From and To.

From says who is believed, so it is read strictly: one plain address, or none. To only says whether
a mail that proved itself is for us, and people, mail programs and gateways write it in many ways.
So it is read as they mean it: only the addresses count, and an entry that can be read in two ways
is void, but not its neighbours. Linear in the length of a field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

MAX_ADDRESSES: Final = 500
"""Of one To; SMTP servers take 100 for one mail."""
MAX_DEPTH: Final = 10

_ADDRESS: Final = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}"
_DISPLAY: Final = r"""(?:"(?P<quoted>[^"\\]*)" ?|(?P<phrase>[A-Za-z0-9 !#$%&'*+/^_`{|}~.-]*))"""
_MAILBOX: Final = re.compile(rf"(?P<bare>{_ADDRESS})|{_DISPLAY}<(?P<angle>{_ADDRESS})>")
_PLAIN: Final = re.compile(_ADDRESS)
_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
# RFC 2047, section 2: no white space and no `?` in an encoded word. A comma in one (section 5
# forbids it there) is no comma of the list.
_ENCODED_WORD: Final = r"=\?[^\s?]{1,40}\?[BbQq]\?[^\s?]*\?="
_ANGLE: Final = rf'<(?:[^<>"]|{_QUOTED})*>'
_PIECE: Final = re.compile(rf'{_QUOTED}|{_ENCODED_WORD}|{_ANGLE}|[,;:]|[^\s"(<,;:]+')
_BRACKET: Final = re.compile(r"\\.|[()]")


def single_address(value: str) -> str | None:
    """The address of an unfolded field that holds exactly one, plainly written; None for all else.

    No comments, groups, routes, escapes or encoded words: a mail that needs them is not
    Salesforce's (CVE-2023-27043)."""
    mailbox = _MAILBOX.fullmatch(value)
    if mailbox is None:
        return None
    address = mailbox["bare"] or mailbox["angle"]
    display = mailbox["quoted"] or mailbox["phrase"] or ""
    # Programs show the display name, so one that looks like an address must be this address. In
    # whatever case: it shows no other sender.
    if "=?" in value or ("@" in display and display.lower() != address.lower()):
        return None
    return address


def address_behind_a_name(value: str) -> str | None:
    """The address of an unfolded field that holds one in angle brackets behind whatever name.

    Not every program shows this sender, so it says whom to ask for a proof, and no more."""
    name, bracket, written = value.rpartition("<")
    address = written.removesuffix(">")
    if not bracket or address == written or "@" in name or not _PLAIN.fullmatch(address):
        return None
    return address


def listed_addresses(value: str) -> Sequence[str]:
    """The addresses of an unfolded To, as written.

    Display names, comments and the names of groups are stepped over. After a quote, a bracket or
    a comment that is never closed, nothing more is read: it may all be part of a name."""
    addresses: list[str] = []
    members: list[str] | None = None
    entry: list[str] = []
    for piece in (*_pieces(value), ","):
        if piece == ":" and entry and members is None:
            # RFC 5322, section 3.4: the name of a group. Its members count when it is closed.
            members = []
            entry = []
        elif piece == ";" and members is not None:
            addresses += [*members, *_address_of(entry)]
            members = None
            # Only a comma may follow: with anything else behind it, this is no address.
            entry = [piece]
        elif piece == ",":
            target = addresses if members is None else members
            target += _address_of(entry)
            entry = []
        else:
            entry.append(piece)
    return addresses[:MAX_ADDRESSES]


def _pieces(value: str) -> Iterator[str]:
    """Words, quoted strings and addresses in angle brackets, each whole, and what parts them."""
    position = 0
    while position < len(value):
        if value[position].isspace():
            position += 1
        elif value[position] == "(":
            position = _after_comment(value, position)
        else:
            piece = _PIECE.match(value, position)
            # What is opened and never closed swallows the rest, and voids what it stands behind.
            if piece is None:
                yield value[position:]
                return
            yield piece[0]
            position = piece.end()


def _after_comment(value: str, position: int) -> int:
    """Where the comment that begins here has ended; the end of the field where it has not.

    RFC 5322, section 3.2.2: comments nest."""
    depth = 0
    for bracket in _BRACKET.finditer(value, position):
        if bracket[0] == "(":
            depth += 1
        elif bracket[0] == ")":
            depth -= 1
        if depth == 0:
            return bracket.end()
        if depth > MAX_DEPTH:
            break
    return len(value)


def _address_of(entry: Sequence[str]) -> list[str]:
    """The address of an entry, alone or behind a display name; none where it is written oddly."""
    if not entry:
        return []
    written = entry[-1]
    names = entry[:-1]
    if written.startswith("<"):
        # One that is never closed may be the beginning of any address.
        if not written.endswith(">"):
            return []
        written = written[1:-1].strip()
        if any(name.startswith("<") for name in names):
            return []
    elif names:
        return []
    # Old mail programs quote an address that stands alone, as if it were a name.
    for quote in ('"', "'"):
        if len(written) > 2 and written[0] == written[-1] == quote:
            written = written[1:-1]
    if not _PLAIN.fullmatch(written):
        return []
    return [written]


def folded(address: str) -> str:
    """An address for comparison: only the domain ignores case."""
    local, at, domain = address.rpartition("@")
    return local + at + domain.lower()
