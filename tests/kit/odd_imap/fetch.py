"""FETCH: what is asked for, and the line of one mail that answers it (RFC 3501, section 7.4.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.kit.odd_imap import headers
from tests.kit.odd_imap.account import StoredMail
from tests.kit.odd_imap.memory import Memory
from tests.kit.odd_imap.quirks import BodyKey, Chosen, Void
from tests.kit.odd_imap.wire import Refused, Token, internaldate, literal, words

_BODY = re.compile(
    r"BODY(?P<peek>\.PEEK)?\[(?P<section>[^\]]*)\](?:<(?P<start>\d+)\.(?P<count>\d+)>)?",
    re.IGNORECASE,
)
_FIELDS = re.compile(r"HEADER\.FIELDS(?P<others>\.NOT)? \((?P<names>[^)]*)\)", re.IGNORECASE)
_SIMPLE = ("UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is asked for."""

    name: str
    """`FLAGS`, …; `HEADER` for BODY of a header or of its fields, else `BODY`."""
    section: str = ""
    """Of BODY: nothing for the whole mail, HEADER, TEXT, or HEADER.FIELDS (…)."""
    start: int | None = None
    """The first byte; None: all of it."""
    count: int = 0
    peek: bool = True
    """Without `\\Seen` being set."""


def read_items(token: Token) -> list[Item]:
    """What a FETCH asks for. Refused: something that this server does not know."""
    if isinstance(token, bytes):
        token = [token]
    return [_item(text) for text in words(token)]


def _item(text: str) -> Item:
    if text.upper() in _SIMPLE:
        return Item(text.upper())
    body = _BODY.fullmatch(text)
    if not body:
        raise Refused("BAD", "FETCH of something unknown")
    name = "BODY"
    if body["section"].upper().startswith("HEADER"):
        name = "HEADER"
    whole = Item(name, body["section"], peek=bool(body["peek"]))
    if body["start"] is None:
        return whole
    return replace(whole, start=int(body["start"]), count=int(body["count"]))


class Line:
    """Writes the answer for one mail."""

    def __init__(self, memory: Memory, mail: StoredMail, flags: str) -> None:
        """`flags`: as this session is told them."""
        self._memory = memory
        self._mail = mail
        self._flags = flags

    def write(
        self, number: int, items: Sequence[Item], *, first: bool, alone: bool
    ) -> bytes | None:
        """The untagged line, or None: the mail is left out.

        `number`: of the sequence. `first` of those that are answered; `alone`: no other was asked.
        """
        if self._left_out(items, alone=alone):
            return None
        # An answer to UID FETCH has the UID, asked for or not (RFC 3501, section 6.4.8).
        parts = [b"UID %d" % self._mail.uid]
        for item in items:
            part = self._part(item, first=first, alone=alone)
            if part:
                parts.append(part)
        return b"* %d FETCH (%s)\r\n" % (number, b" ".join(parts))

    def _left_out(self, items: Sequence[Item], *, alone: bool) -> bool:
        # A FETCH counts once for each mail, however many of its items a quirk would strike.
        quirks = self._memory.quirks
        asked = {item.name for item in items}
        if "HEADER" in asked and self._strikes(quirks.headers_left_out, "headers", alone=alone):
            return True
        return "BODY" in asked and self._strikes(quirks.bodies_left_out, "bodies", alone=alone)

    def _strikes(self, chosen: Chosen, quirk: str, *, alone: bool) -> bool:
        return self._memory.strikes(quirk, chosen, self._mail, alone=alone)

    def _part(self, item: Item, *, first: bool, alone: bool) -> bytes:
        """Key and value; nothing where the server keeps silent about it, or has said it."""
        if item.name == "FLAGS":
            return f"FLAGS ({self._flags})".encode()
        if item.name == "RFC822.SIZE":
            return b"RFC822.SIZE %d" % len(self._memory.raw(self._mail))
        if item.name == "INTERNALDATE" and not self._memory.quirks.internaldate_missing:
            return b"INTERNALDATE " + internaldate(self._memory.received_at(self._mail))
        if item.name in ("BODY", "HEADER"):
            return self._key(item) + b" " + self._body(item, first=first, alone=alone)
        return b""

    def _key(self, item: Item) -> bytes:
        # The section is repeated as it was asked for; clients find the answer by it.
        key = f"BODY[{item.section}]"
        if item.start is None:
            return key.encode()
        style = self._memory.quirks.body_key
        if style is BodyKey.ORIGIN:
            key += f"<{item.start}>"
        elif style is BodyKey.AS_ASKED:
            key += f"<{item.start}.{item.count}>"
        return key.encode()

    def _body(self, item: Item, *, first: bool, alone: bool) -> bytes:
        void = self._void(item, alone=alone)
        if void:
            return void.value
        data = self._section(item)
        if item.start is not None:
            data = data[item.start : item.start + item.count]
            if self._memory.quirks.only_first_of_partial and not first:
                data = b""
        return literal(data)

    def _void(self, item: Item, *, alone: bool) -> Void | None:
        quirks = self._memory.quirks
        if item.name == "HEADER":
            if self._strikes(quirks.headers_void, "void headers", alone=alone):
                return quirks.headers_void_as
        elif self._strikes(quirks.bodies_void, "void bodies", alone=alone):
            return quirks.bodies_void_as
        return None

    def _section(self, item: Item) -> bytes:
        raw = self._memory.raw(self._mail)
        section = item.section.upper()
        if section == "":
            return raw
        if section == "HEADER":
            return headers.header(raw)
        if section == "TEXT":
            return raw.partition(b"\r\n\r\n")[2]
        # Fields that the mail does not have are no error: the empty line alone comes back.
        fields = _FIELDS.fullmatch(item.section)
        if not fields:
            raise Refused("BAD", "FETCH of an unknown section")
        names = fields["names"].replace('"', "").split()
        return headers.selected(raw, names, others=bool(fields["others"]))
