"""SEARCH: each key gives the UIDs it holds for (RFC 3501, section 6.4.4), as odd as quirks ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from operator import eq, ge, gt, lt
from typing import Any

from tests.kit.odd_imap import headers
from tests.kit.odd_imap.account import StoredMail
from tests.kit.odd_imap.memory import Memory
from tests.kit.odd_imap.quirks import FromSearch
from tests.kit.odd_imap.wire import (
    Refused,
    Token,
    atom,
    number,
    parse_date,
    ranges,
    within,
    word,
)

FLAGS = ("ANSWERED", "DELETED", "DRAFT", "FLAGGED", "SEEN")
"""Keys of SEARCH; with UN in front they ask for mail without the flag."""


class Search:
    """One SEARCH over the mails that a client knows."""

    def __init__(
        self, tokens: Sequence[Token], mails: Sequence[StoredMail], memory: Memory
    ) -> None:
        """`mails`: by UID."""
        self._tokens = list(tokens)
        self._mails = mails
        self._memory = memory
        self._asked_index = False
        self._keys: dict[str, Callable[[], set[int]]] = {
            "ALL": self._all,
            "UID": self._uid,
            "NOT": self._not,
            "OR": self._or,
            "FROM": self._from,
            "TO": partial(self._field, "To"),
            "SUBJECT": partial(self._field, "Subject"),
            "HEADER": self._header,
            "TEXT": self._text,
            "BEFORE": partial(self._day, lt),
            "ON": partial(self._day, eq),
            "SINCE": partial(self._day, ge),
            "LARGER": partial(self._size, gt),
            "SMALLER": partial(self._size, lt),
        }
        for flag in FLAGS:
            self._keys[flag] = partial(self._those, _has_flag, f"\\{flag.title()}")
            self._keys[f"UN{flag}"] = partial(self._those, _lacks_flag, f"\\{flag.title()}")

    def found(self) -> set[int]:
        """UIDs of the mails that all keys hold for. Refused: keys of no known form."""
        self._skip_charset()
        if not self._tokens:
            raise Refused("BAD", "expected search keys")
        return self._conjunction()

    def _skip_charset(self) -> None:
        if self._tokens[:1] != [b"CHARSET"]:
            return
        self._next()
        charset = word(self._next())
        if self._memory.quirks.charset_refused and charset != "US-ASCII":
            raise Refused("NO", "[BADCHARSET (US-ASCII)] not supported")

    def _conjunction(self) -> set[int]:
        uids = self._all()
        while self._tokens:
            uids &= self._key()
        return uids

    def _next(self) -> Token:
        if not self._tokens:
            raise Refused("BAD", "the criteria end too early")
        return self._tokens.pop(0)

    def _key(self) -> set[int]:
        token = self._next()
        if isinstance(token, list):
            return self._nested(token)
        key = self._keys.get(word(token))
        if key:
            return key()
        return self._numbered(token)

    def _nested(self, tokens: list[Token]) -> set[int]:
        """What stands in parentheses."""
        rest = self._tokens
        self._tokens = list(tokens)
        uids = self._conjunction()
        self._tokens = rest
        return uids

    def _those(self, test: Callable[..., bool], *arguments: Any) -> set[int]:
        return {mail.uid for mail in self._mails if test(mail, *arguments)}

    # -- keys --

    def _all(self) -> set[int]:
        return {mail.uid for mail in self._mails}

    def _numbered(self, token: bytes) -> set[int]:
        """A set of sequence numbers."""
        pairs = ranges(token, len(self._mails))
        return {mail.uid for place, mail in enumerate(self._mails, 1) if within(place, pairs)}

    def _uid(self) -> set[int]:
        text = atom(self._next())
        if self._memory.quirks.star_range_finds_nothing and b":*" in text:
            return set()
        return self._those(_in_ranges, ranges(text, max(self._all(), default=0)))

    def _not(self) -> set[int]:
        return self._all() - self._key()

    def _or(self) -> set[int]:
        return self._key() | self._key()

    def _day(self, compare: Callable[[date, date], bool]) -> set[int]:
        return self._those(self._arrived, compare, parse_date(word(self._next())))

    def _size(self, compare: Callable[[int, int], bool]) -> set[int]:
        return self._those(self._sized, compare, number(self._next()))

    def _from(self) -> set[int]:
        return self._by_text(_FROM[self._memory.quirks.search_from])

    def _field(self, name: str) -> set[int]:
        return self._by_text(partial(_field_holds, name))

    def _header(self) -> set[int]:
        return self._field(atom(self._next()).decode("latin-1"))

    def _text(self) -> set[int]:
        return self._by_text(_text_holds)

    def _by_text(self, test: Callable[[StoredMail, str], bool]) -> set[int]:
        """Among the mails that the index knows."""
        if not self._asked_index:
            self._memory.searched_by_text(self._mails)
            self._asked_index = True
        wanted = atom(self._next()).decode("utf-8", "replace").lower()
        return self._those(test, wanted) & self._those(self._memory.indexed)

    # -- tests --

    def _arrived(self, mail: StoredMail, compare: Callable[[date, date], bool], day: date) -> bool:
        return compare(self._memory.received_at(mail).date(), day)

    def _sized(self, mail: StoredMail, compare: Callable[[int, int], bool], size: int) -> bool:
        return compare(len(self._memory.raw(mail)), size)


def _has_flag(mail: StoredMail, flag: str) -> bool:
    return flag in mail.flags


def _lacks_flag(mail: StoredMail, flag: str) -> bool:
    return flag not in mail.flags


def _in_ranges(mail: StoredMail, pairs: Sequence[tuple[int, int]]) -> bool:
    return within(mail.uid, pairs)


def _text_holds(mail: StoredMail, wanted: str) -> bool:
    return wanted in mail.raw.decode("utf-8", "replace").lower()


def _field_holds(name: str, mail: StoredMail, wanted: str) -> bool:
    return any(wanted in value.lower() for value in headers.values(mail.raw, name))


def _from_address(mail: StoredMail, wanted: str) -> bool:
    return any(wanted == address.lower() for _, address in headers.addresses(mail.raw, "From"))


def _from_name(mail: StoredMail, wanted: str) -> bool:
    return any(wanted in name.lower() for name, _ in headers.addresses(mail.raw, "From"))


def _from_nothing(_mail: StoredMail, _wanted: str) -> bool:
    return False


_FROM: Mapping[FromSearch, Callable[[StoredMail, str], bool]] = {
    FromSearch.SUBSTRING: partial(_field_holds, "From"),
    FromSearch.WHOLE_ADDRESS: _from_address,
    FromSearch.DISPLAY_NAME: _from_name,
    FromSearch.NOTHING: _from_nothing,
}
