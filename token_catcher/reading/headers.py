"""The two header values whose meaning counts: a Subject in encoded words, and a Date."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from itertools import groupby
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
"""Charsets that are read, and Python's codec for each: those of mail and of Salesforce's Japanese, Chinese and Korean. Some
names stand for a larger charset in all mail programs. Never UTF-7 or a codec that is no charset."""

_WORD: Final = re.compile(r"=\?([A-Za-z0-9_.:-]{1,40})\?([BbQq])\?([!->@-~]*)\?=")
_DATE: Final = re.compile(
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?(\d{1,2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (\d{4})"
    r" (\d\d):(\d\d)(?::(\d\d))? (?:([+-])(\d\d)([0-5]\d)|GMT|UT|Z)(?: \([A-Za-z0-9 +:./_-]{0,40}\))?",
    re.ASCII,
)
_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)


def decode_words(value: str) -> str:
    """Decode the encoded words of RFC 2047 in an unfolded value; what is not decodable stays as it stands."""
    if "=?" not in value:
        return value
    return " ".join("".join(_runs(value)).split())


def _runs(value: str) -> list[str]:
    """Plain text and decoded runs. White space between neighbouring words is not text; a character may be split between them,
    so the bytes of neighbours with one charset are decoded together."""
    pieces: list[tuple[str, str, bytes]] = []
    position = 0
    for word in _WORD.finditer(value):
        gap = value[position : word.start()]
        if gap.strip() or not pieces or not pieces[-1][0]:
            pieces.append(("", gap, b""))
        octets = _octets(word[2], word[3])
        codec = CHARSETS.get(word[1].lower(), "") if octets is not None else ""
        pieces.append((codec, word[0], octets or b""))
        position = word.end()
    pieces.append(("", value[position:], b""))
    return [
        _decoded(codec, list(run)) for codec, run in groupby(pieces, key=lambda piece: piece[0])
    ]


def _decoded(codec: str, run: list[tuple[str, str, bytes]]) -> str:
    written = "".join(text for _, text, _ in run)
    if not codec:
        return written
    try:
        text = b"".join(octets for _, _, octets in run).decode(codec)
    except UnicodeDecodeError:
        return written
    return text if text.isprintable() else written


def _octets(encoding: str, text: str) -> bytes | None:
    """The bytes of one encoded word; None where they are not well-formed."""
    if encoding in "Bb":
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error:
            return None
    if re.search(r"=(?![0-9A-Fa-f]{2})", text):
        return None
    return binascii.a2b_qp(text.replace("_", "=20"))


def parse_date(value: str) -> datetime | None:
    """RFC 5322, section 3.3, in the form that mail of this century has; a zone is needed, one comment may follow."""
    found = _DATE.fullmatch(value)
    if found is None:
        return None
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
    offset = timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0))
    if offset > timedelta(hours=14):
        return None
    zone = timezone(-offset if sign == "-" else offset)
    try:
        moment = datetime(
            int(year),
            _MONTHS.index(month) + 1,
            int(day),
            int(hour),
            int(minute),
            int(second or 0),
            tzinfo=zone,
        )
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
