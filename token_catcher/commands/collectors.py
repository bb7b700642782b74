"""Our log's records in what collectors made of it.

A collector keeps a line as text in a field of its own, takes it apart into objects and lists,
renames fields, or turns it into bytes or base64. So every JSON value of a text is looked through,
at any depth and under any name, and texts within it again. A record is an object that has
everything a record has: what somebody made a server or a library say is shorter.

What mentions a rotation and gives no record is told of as unreadable, never passed over. An event
of ours that is no rotation (`events` has their names) quotes other texts, and gives none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from token_catcher.commands.encoded import BASE64, FOLDED, GZIP, PLAIN, ZLIB, decoded
from token_catcher.commands.record_object import (
    ROTATIONS,
    Fields,
    as_ours,
    is_complete,
    pairs_of,
)
from token_catcher.commands.rotation import DIGEST, EVENTS

if TYPE_CHECKING:
    from token_catcher.commands.pieces import Piece

MAX_DEPTH: Final = 40
"""So deep, values within values are looked into."""
MAX_EFFORT: Final = 16
"""So many times the length of a text is read in vain before what is left of it is given up."""

MAX_WHITESPACE: Final = 100
"""Characters that stand around the colon of an object."""


class Told(NamedTuple):
    """A record, as its line has it."""

    fields: Fields
    around: tuple[Fields, ...] = ()
    """The objects it stands in, the innermost first: some keep the time there."""


class Untold(Enum):
    """What mentions a rotation, and is no record."""

    UNREADABLE = "unreadable"
    """It should be one: torn, written for people, or without fields that a record has."""
    QUOTED = "quoted"
    """Another event of ours, which quotes a text."""


Reading = Told | Untold

_DECODER: Final = json.JSONDecoder()
_BYTES: Final = r",\s*".join(str(byte) for byte in PLAIN)
_HEX: Final = PLAIN.hex()
_HIDDEN: Final = "|".join((FOLDED.pattern, rf"(?<![\w+/=-]){GZIP}", _BYTES, f"(?i:{_HEX})"))
_MARK: Final = re.compile("|".join((*BASE64, GZIP, _BYTES)).encode())
_MENTION: Final = re.compile(f"(?i:{'|'.join(map(re.escape, ROTATIONS))})|{_HIDDEN}")
_ESCAPE: Final = re.compile(r"(?:\\+u00|%)([0-9A-Fa-f]{2})")
"""A letter in JSON's way, which may escape any, or in that of addresses."""
_ESCAPED: Final = re.compile(rb"(?:u00|%)(?:7[24]|6[19ef]|2e)")
"""The same of a letter of `rotation.`"""
_ESCAPE_BYTES: Final = re.compile(_ESCAPE.pattern.encode())
_ZLIB_BYTES: Final = re.compile(ZLIB.pattern.encode())
_ZEROS: Final = re.compile(
    rb"(?:[^\0]\0){4}|(?:\0[^\0]){4}"  # UTF-16
    rb"|[^\0]\0{8}"  # what a power cut left; journald has seven in the length of a field
)
_PACKED: Final = re.compile(rb"\x1f\x8b\x08|\xfd7zXZ|\x28\xb5\x2f\xfd|BZh[1-9]1AY&SY")
"""What stands in no text, of gzip, xz, zstd and bz2: another file was put behind one."""
_MAIL: Final = re.compile(f"{DIGEST}[0-9a-f]{{64}}")
_OBJECT_BEGINS: Final = re.compile(r'\{\\*"')
_EMPTY_NAMES: Final = ('{"":', '{"" ')
"""An object of which the first name is empty; in CSV, no quote is followed by these."""
_CSV_FIELD: Final = re.compile(r'(?:[^"]|"")*+')


def record_alone(line: bytes, content: Fields | None = None) -> Fields | None:
    """The record that a line of ours is, as we write it; None: `readings` tells what it is.

    Of a million lines nearly all are such, and each step here is felt. `content`: the line's JSON,
    where it was parsed already."""
    if not line.startswith(b"{") or PLAIN not in line or not line.isascii():
        return None
    if content is None:
        content = _object_alone(line.decode("ascii"))
    if content is not None and content.get("event") in EVENTS and is_complete(content):
        return content
    return None


def _object_alone(text: str) -> Fields | None:
    """The object that begins a text, where nothing follows it."""
    content: Fields
    try:
        content, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if end < len(text) and not text[end:].isspace():
        return None
    return content


def readings(piece: Piece) -> Iterable[tuple[int, Reading]]:
    """What a piece tells of rotations, each with the number of its line."""
    content = piece.content
    if _is_binary(content):
        return ((piece.line, Untold.UNREADABLE), *_of_text(content, piece.line))
    return _of_text(content, piece.line)


def _is_binary(content: bytes) -> bool:
    if b"\0" in content and _ZEROS.search(content) is not None:
        return True
    return not content.isascii() and _PACKED.search(content) is not None


def _of_text(content: bytes, line: int) -> Iterable[tuple[int, Reading]]:
    if not _may_mention(content):
        return ()
    text = content.decode("utf-8", "replace")
    if decoded(text) != text:
        # The line is base64 as a whole: what it holds has lines of its own.
        return [(line, reading) for reading in _in_string(text, (), 0)]
    return _numbered(text, line)


def _may_mention(content: bytes) -> bool:
    """Whether it is worth the work of decoding, which most lines of a log of others are not."""
    lower = content.lower()
    if PLAIN in lower or _HEX.encode() in lower:
        return True
    if _ESCAPED.search(lower) and PLAIN in _ESCAPE_BYTES.sub(_unescaped_byte, lower):
        return True
    flat = content
    if b"\\" in content:
        flat = content.replace(b"\\r", b"").replace(b"\\n", b"")
    return _MARK.search(flat) is not None or _ZLIB_BYTES.search(flat) is not None


def _unescaped_byte(escape: re.Match[bytes]) -> bytes:
    return bytes.fromhex(escape[1].decode())


def _mentions(text: str) -> set[str]:
    """The events of rotations that a text names, or how it hides that it does."""
    mentions = set(_MENTION.findall(text))
    if not mentions and ("\\u00" in text or "%" in text):
        mentions.update(_MENTION.findall(_ESCAPE.sub(_unescaped, text)))
    return mentions


def _unescaped(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16))


def _numbered(text: str, line: int) -> Iterator[tuple[int, Reading]]:
    counted = 0
    for start, reading in _in_text(text, (), 0):
        line += text.count("\n", counted, start)
        counted = start
        yield line, reading


# -- texts --


def _in_text(text: str, around: tuple[Fields, ...], depth: int) -> Iterator[tuple[int, Reading]]:
    """What the JSON values of a text tell, and where each begins."""
    understood = 0
    before: list[Fields] = []
    for start, end, value in _values(text):
        result = _in_value(value, around, depth + 1)
        if not result and not _mentions(text[start:end]):
            continue  # it belongs to what stands around it
        records = _records(result)
        yield from _between(text, understood, start, before + records)
        for reading in result or (Untold.UNREADABLE,):
            yield start, reading
        understood = end
        before = records
    yield from _between(text, understood, len(text), before)


def _values(text: str) -> Iterator[tuple[int, int, Any]]:
    """The JSON objects of a text and the quoted texts that hold any; where each begins and ends.

    None stands for a text that must not be looked into."""
    effort = MAX_EFFORT * len(text)
    understood = 0
    start = text.find("{")
    while start >= 0 and effort >= 0:
        begin, end, value = _quoted(text, start, understood)
        if value is not None:
            if _is_in_torn_object(text, begin):
                value = None
        else:
            try:
                value, end = _DECODER.raw_decode(text, start)
            except (ValueError, RecursionError) as error:
                # A brace of the text around the JSON; the next may begin it. To make the error,
                # the lines up to it were counted.
                effort -= getattr(error, "pos", len(text))
                start = text.find("{", start + 1)
                continue
        yield begin, end, value
        understood = end
        start = text.find("{", end)


def _quoted(text: str, start: int, floor: int) -> tuple[int, int, str | None]:
    """The quoted text that a brace stands in, in JSON's, Go's or CSV's way; None: in no text.

    With where it begins, after `floor`, and ends."""
    if text.startswith('{""', start) and not text.startswith(_EMPTY_NAMES, start):
        csv = _CSV_FIELD.match(text, start)
        assert csv is not None  # it matches the empty text as well
        return start, csv.end(), csv[0].replace('""', '"')
    if text.startswith('{\\"', start):
        quote = text.rfind('"', floor, start)
        while quote > floor and text[quote - 1] == "\\":
            quote = text.rfind('"', floor, quote)
        if quote >= 0:
            return _string_at(text, quote)
    return start, start, None


def _string_at(text: str, quote: int) -> tuple[int, int, str | None]:
    try:
        value, end = _DECODER.raw_decode(text, quote)
    except ValueError:
        return quote, quote, None
    return quote, end, value


def _is_in_torn_object(text: str, begin: int) -> bool:
    """Whether a quoted text is the value of a name, and so of an object that is not whole.

    Our own line that was cut off, or the rest of it, quotes mail in such a text: what would be a
    record in it is a stranger's."""
    before = text[max(0, begin - MAX_WHITESPACE) : begin].rstrip()
    if not text.startswith('"', begin) or not before.endswith(":"):
        return False
    return before[:-1].rstrip().endswith('"')


def _between(
    text: str, start: int, end: int, beside: Sequence[Fields]
) -> Iterator[tuple[int, Reading]]:
    """What was not understood, line by line; `beside`: the records that it stands next to."""
    while start < end:
        stop = text.find("\n", start, end) + 1 or end
        part = text[start:stop]
        if _mentions(part) and (_is_line(text, start, stop) or not _is_title(part, beside)):
            yield start, Untold.UNREADABLE
        start = stop


def _is_line(text: str, start: int, stop: int) -> bool:
    """Whether this is a whole line, and not what stands beside a record."""
    begins = start == 0 or text[start - 1] == "\n"
    return begins and (stop == len(text) or text[stop - 1] == "\n")


def _is_title(text: str, records: Sequence[Fields]) -> bool:
    """Whether what stands beside records on their line does no more than name an event of theirs.

    What has values of its own, `event=rotation.stored user=a`, tells of another."""
    events = {fields["event"] for fields in records}
    return "=" not in text and "{" not in text and _mentions(text) <= events


# -- values --


def _in_value(value: Any, around: tuple[Fields, ...], depth: int) -> Sequence[Reading]:
    if depth > MAX_DEPTH:
        return ()
    if isinstance(value, str):
        return _in_string(value, around, depth)
    if isinstance(value, dict):
        return _in_object(value, around, depth)
    if isinstance(value, list):
        return _in_list(value, around, depth)
    return ()


def _in_string(value: str, around: tuple[Fields, ...], depth: int) -> Sequence[Reading]:
    text = decoded(value)
    if not _mentions(text) and ZLIB.search(text) is None:
        return ()
    return [reading for _, reading in _in_text(text, around, depth)]


def _in_list(items: list[Any], around: tuple[Fields, ...], depth: int) -> Sequence[Reading]:
    if not items:
        return ()
    if type(items[0]) is int:
        # journald has a line that is not plain text as numbers.
        try:
            return _in_string(bytes(items).decode("utf-8", "replace"), around, depth)
        except (ValueError, TypeError):
            return ()
    pairs = pairs_of(items)
    if pairs:
        return _in_object(pairs, around, depth)
    result: list[Reading] = []
    for item in items:
        result += _in_value(item, around, depth + 1)
    return result


def _in_object(value: Fields, around: tuple[Fields, ...], depth: int) -> Sequence[Reading]:
    line = as_ours(value)
    if line is None:
        return _in_fields(value, (value, *around), depth)
    # It quotes other texts, but never carries another record.
    if line["event"] not in ROTATIONS:
        return (Untold.QUOTED,)
    if is_complete(line):
        return (Told(line, (value, *around)),)
    return _in_fields(value, (value, *around), depth) or (Untold.UNREADABLE,)


def _in_fields(value: Fields, around: tuple[Fields, ...], depth: int) -> Sequence[Reading]:
    result: list[Reading] = []
    of_texts: list[Reading] = []
    unreadable: list[str] = []
    for field in value.values():
        readings = _in_value(field, around, depth + 1)
        if not isinstance(field, str):
            result += readings
        elif Untold.UNREADABLE in readings and not _records(readings):
            unreadable.append(decoded(field))
        else:
            of_texts += readings
    # What was told as an object need not be readable as text as well.
    objects = _records(result)
    titles = {fields["event"] for fields in _records(of_texts)}
    for text in unreadable:
        if text not in titles and not _is_told(text, objects):
            of_texts.append(Untold.UNREADABLE)
    return result + of_texts


def _records(readings: Iterable[Reading]) -> list[Fields]:
    return [reading.fields for reading in readings if isinstance(reading, Told)]


def _is_told(text: str, records: Sequence[Fields]) -> bool:
    """Whether a text says no more than a record that stands beside it as an object: it names no
    other mail and no other event, and is no record of its own."""
    events = {fields["event"] for fields in records}
    mails = set(_MAIL.findall(text))
    if "\n" in text.strip() or not _mentions(text) <= events:
        return False
    if not mails:
        return _OBJECT_BEGINS.search(text) is None
    return mails <= {fields["mail"] for fields in records}
