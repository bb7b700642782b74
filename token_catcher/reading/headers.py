"""The two header values whose meaning counts: a Subject in encoded words, and a Date."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import groupby
from operator import attrgetter
from typing import Final

CHARSETS: Final[Mapping[str, str]] = {
    "us-ascii": "ascii",
    "utf-8": "utf-8",
    "iso-8859-1": "iso-8859-1",
    "windows-1252": "cp1252",
    "iso-2022-jp": "iso2022_jp",
    "shift_jis": "cp932",
    "windows-31j": "cp932",
    "euc-jp": "euc_jp",
    "gb2312": "gbk",
    "gbk": "gbk",
    "gb18030": "gb18030",
    "big5": "big5",
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
}
"""Charsets that are read, and Python's codec for each: those of mail and of Salesforce's
Japanese, Chinese and Korean. Some names stand for a larger charset in all mail programs. Never
UTF-7 or a codec that is no charset."""
MAX_OFFSET: Final = timedelta(hours=14)
"""No place on earth is further from UTC."""

_ENCODED_WORD: Final = re.compile(r"=\?([A-Za-z0-9_.:-]{1,40})\?([BbQq])\?([!->@-~]*)\?=")
_MONTHS: Final = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
# No zones by name but these three: CST is one of China and one of America.
_DATE: Final = re.compile(
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?"
    rf"(?P<day>\d{{1,2}}) (?P<month>{_MONTHS}) (?P<year>\d{{4}})"
    r" (?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d))?"
    r" (?:(?P<sign>[+-])(?P<zone_hours>\d\d)(?P<zone_minutes>[0-5]\d)|GMT|UT|Z)"
    r"(?: \([A-Za-z0-9 +:./_-]{0,40}\))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of a value: an encoded word that can be read, or anything else."""

    written: str
    codec: str = ""
    """Empty where the text stays as it is written."""
    octets: bytes = b""


def decode_words(value: str) -> str:
    """Decode the encoded words of RFC 2047 in an unfolded value.

    What is not decodable stays as it stands."""
    if "=?" not in value:
        return value
    # A character may be split between neighbouring words (mail programs do so, against RFC 2047,
    # section 5), so the bytes of neighbours with one charset are decoded together.
    runs = groupby(_pieces(value), key=attrgetter("codec"))
    text = "".join(_decoded(codec, list(pieces)) for codec, pieces in runs)
    return " ".join(text.split())


def _pieces(value: str) -> Iterator[_Piece]:
    """The value from left to right, in encoded words and the text between."""
    after_word = False
    position = 0
    for word in _ENCODED_WORD.finditer(value):
        gap = value[position : word.start()]
        # RFC 2047, section 6.2: white space between two encoded words is no text.
        if gap.strip() or not after_word:
            yield _Piece(gap)
        piece = _word(word)
        yield piece
        after_word = bool(piece.codec)
        position = word.end()
    yield _Piece(value[position:])


def _word(word: re.Match[str]) -> _Piece:
    charset, encoding, text = word.groups()
    octets = _octets(encoding, text)
    if octets is None:
        return _Piece(word[0])
    return _Piece(word[0], CHARSETS.get(charset.lower(), ""), octets)


def _octets(encoding: str, text: str) -> bytes | None:
    """The bytes of one encoded word; None where they are not well-formed."""
    if encoding in "Bb":
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error:
            return None
    if re.search(r"=(?![0-9A-Fa-f]{2})", text):
        return None
    # RFC 2047, section 4.2: an underscore is a space, in whatever charset.
    return binascii.a2b_qp(text.replace("_", "=20"))


def _decoded(codec: str, pieces: list[_Piece]) -> str:
    """The text of neighbouring pieces with one codec, or what is written where that is no text."""
    written = "".join(piece.written for piece in pieces)
    if not codec:
        return written
    try:
        text = b"".join(piece.octets for piece in pieces).decode(codec)
    except UnicodeDecodeError:
        return written
    # A control or an override in a subject would draw on the terminal of whoever reads it.
    if not text.isprintable():
        return written
    return text


def parse_date(value: str) -> datetime | None:
    """RFC 5322, section 3.3, in the form that mail of this century has.

    A zone is needed, one comment may follow. None for every other form; UTC otherwise."""
    date = _DATE.fullmatch(value)
    if date is None:
        return None
    zone = _zone(date)
    if zone is None:
        return None
    try:
        local = datetime(
            int(date["year"]),
            _MONTHS.split("|").index(date["month"]) + 1,
            int(date["day"]),
            int(date["hour"]),
            int(date["minute"]),
            int(date["second"] or 0),
            tzinfo=zone,
        )
        return local.astimezone(UTC)
    except (ValueError, OverflowError):  # no such day, or beyond the calendar in UTC
        return None


def _zone(date: re.Match[str]) -> timezone | None:
    """The zone of a date; None where no place has it."""
    if date["sign"] is None:  # GMT, UT or Z
        return UTC
    offset = timedelta(hours=int(date["zone_hours"]), minutes=int(date["zone_minutes"]))
    if offset > MAX_OFFSET:
        return None
    if date["sign"] == "-":
        offset = -offset
    return timezone(offset)
