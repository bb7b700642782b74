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

_NAMES: Final[Mapping[str, str]] = {
    "ascii": "us-ascii ascii iso646-us ansi_x3.4-1968",
    "utf-8": "utf-8 utf8",
    "iso8859-1": "iso-8859-1 iso8859-1 iso_8859-1 latin1",
    "iso8859-2": "iso-8859-2",
    "iso8859-3": "iso-8859-3",
    "iso8859-4": "iso-8859-4",
    "iso8859-5": "iso-8859-5",
    "iso8859-6": "iso-8859-6",
    "iso8859-7": "iso-8859-7",
    "iso8859-8": "iso-8859-8 iso-8859-8-i",
    "iso8859-9": "iso-8859-9 latin5",
    "iso8859-10": "iso-8859-10",
    "iso8859-11": "iso-8859-11",
    "iso8859-13": "iso-8859-13",
    "iso8859-14": "iso-8859-14",
    "iso8859-15": "iso-8859-15 iso8859-15 iso_8859-15 latin-9",
    "iso8859-16": "iso-8859-16",
    "cp1250": "windows-1250 cp1250",
    "cp1251": "windows-1251 cp1251",
    "cp1252": "windows-1252 cp1252",
    "cp1253": "windows-1253 cp1253",
    "cp1254": "windows-1254 cp1254",
    "cp1255": "windows-1255 cp1255",
    "cp1256": "windows-1256 cp1256",
    "cp1257": "windows-1257 cp1257",
    "cp1258": "windows-1258 cp1258",
    "cp874": "windows-874 cp874 x-windows-874",
    "tis-620": "tis-620 tis620",
    "koi8-r": "koi8-r",
    "koi8-u": "koi8-u",
    "iso2022_jp": "iso-2022-jp",
    "cp932": "shift_jis shift-jis x-sjis sjis ms_kanji windows-31j cp932 ms932 x-ms-cp932",
    "shift_jisx0213": "x-sjis_0213 shift_jisx0213",
    "euc_jp": "euc-jp x-euc-jp",
    "gbk": "gb2312 gb_2312-80 euc-cn gbk x-gbk cp936 ms936 windows-936",
    "gb18030": "gb18030",
    "big5": "big5 x-x-big5",
    "cp950": "cp950 ms950 x-windows-950",
    "big5hkscs": "big5-hkscs big5hkscs",
    "cp949": "euc-kr ks_c_5601-1987 ks_c_5601 ksc5601 cp949 ms949 uhc windows-949 x-windows-949",
}
"""Python's codecs, and how mail calls each of them. Some names stand for a larger charset in all
mail programs."""
CHARSETS: Final[Mapping[str, str]] = {
    name: codec for codec, names in _NAMES.items() for name in names.split()
}
"""Charsets that are read, and Python's codec for each: those of mail, and the list that Salesforce
lets its users choose from. In all of them ASCII is read as it stands (but for two characters of
x-SJIS_0213 and the escape sequences of ISO-2022-JP). Never UTF-7, UTF-16 or a codec that is no
charset."""
MAX_OFFSET: Final = timedelta(hours=14)
"""No place on earth is further from UTC."""

_ENCODED_WORD: Final = re.compile(r"=\?([A-Za-z0-9_.:-]{1,40})\?([BbQq])\?([!->@-~]*)\?=")
_MONTHS: Final = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
# No zones by name but these four: CST is one of China and one of America.
_DATE: Final = re.compile(
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ?)?"
    rf"(?P<day>\d{{1,2}}) (?P<month>{_MONTHS}) (?P<year>\d{{4}})"
    r" (?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d))?"
    r" (?:(?P<sign>[+-])(?P<zone_hours>\d\d)(?P<zone_minutes>[0-5]\d)|GMT|UTC|UT|Z)"
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
    if date["sign"] is None:  # GMT, UTC, UT or Z
        return UTC
    offset = timedelta(hours=int(date["zone_hours"]), minutes=int(date["zone_minutes"]))
    if offset > MAX_OFFSET:
        return None
    if date["sign"] == "-":
        offset = -offset
    return timezone(offset)
