"""LIST: which folders are asked for, and the line of each (RFC 5258, RFC 6154)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from imapclient.imap_utf7 import encode

from tests.kit.odd_imap.account import Folder
from tests.kit.odd_imap.memory import Memory
from tests.kit.odd_imap.wire import Refused, Token, atom, keywords, quoted, words


@dataclass(frozen=True)
class Listing:
    """One LIST."""

    memory: Memory
    pattern: re.Pattern[str]
    special_only: bool
    """`LIST (SPECIAL-USE) …`."""
    special_asked: bool
    """`LIST … RETURN (SPECIAL-USE)`, or the same by `special_only`."""

    def line(self, folder: Folder) -> bytes:
        """What is told of a folder; nothing where it was not asked for."""
        special = folder.special_use
        if not self.memory.has("SPECIAL-USE"):
            special = ""
        if self.special_only and not special:
            return b""
        # Told unasked, it is allowed by RFC 6154, section 2; Cyrus can be told to wait.
        if self.memory.quirks.special_use_on_request and not self.special_asked:
            special = ""
        attributes = f"\\HasNoChildren {special}".strip()
        return self._line(attributes, self.memory.wire_name(folder))

    def noselect(self) -> bytes:
        """The name that cannot be opened, if there is one."""
        name = self.memory.quirks.noselect
        if not name or self.special_only:
            return b""
        return self._line("\\Noselect \\HasChildren", self.memory.prefix + name)

    def _line(self, attributes: str, name: str) -> bytes:
        raw = encode(name).decode()
        if not self.pattern.fullmatch(raw):
            return b""
        delimiter = quoted(self.memory.delimiter)
        return f"* LIST ({attributes}) ".encode() + delimiter + b" " + quoted(raw) + b"\r\n"


def read_listing(arguments: Sequence[Token], memory: Memory) -> Listing:
    """What is asked for. Refused: no known form, or an extended LIST that this server lacks."""
    rest = list(arguments)
    selection: list[str] = []
    returned: list[str] = []
    extended = False
    if rest and isinstance(rest[0], list):
        selection = keywords(rest.pop(0))
        extended = True
    # What is left is reference and pattern, and behind them what is to be returned.
    if len(rest) == 4 and rest[2] == b"RETURN":
        returned = keywords(rest.pop())
        rest.pop()
        extended = True
    if len(rest) != 2 or (extended and not memory.has("LIST-EXTENDED")):
        raise Refused("BAD", "a LIST of no known form")
    special_only = "SPECIAL-USE" in selection
    pattern = _pattern(atom(rest[0]), words(rest[1]), memory.delimiter)
    return Listing(memory, pattern, special_only, special_only or "SPECIAL-USE" in returned)


def _pattern(reference: bytes, patterns: Sequence[str], delimiter: str) -> re.Pattern[str]:
    """`*` is anything, `%` anything on one level."""
    level = f"[^{re.escape(delimiter)}]*"
    alternatives = []
    for pattern in patterns:
        escaped = re.escape(reference.decode("latin-1") + pattern)
        alternatives.append(escaped.replace(r"\*", ".*").replace("%", level))
    return re.compile("|".join(alternatives))
