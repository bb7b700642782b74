"""What a server's untagged lines say: how a folder stands out of EXAMINE, UIDs out of SEARCH,
headings and bodies out of FETCH.

Pure. The library has taken the lines apart; each part is looked at here before it is used, and
what is of no known form raises `OddAnswer`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from imapclient.datetime_util import format_criteria_date, parse_to_datetime

from token_catcher.imap.borrowed import Fetched
from token_catcher.model import MAX_MAIL_BYTES
from token_catcher.ports import FolderState, Heading

HEADING: Final = "(INTERNALDATE BODY.PEEK[HEADER.FIELDS (FROM MESSAGE-ID)])"
"""What is asked of a mail before its body."""
BODY: Final = f"(INTERNALDATE BODY.PEEK[]<0.{MAX_MAIL_BYTES + 1}>)"
"""What is asked of a mail that is ours, or may be."""
EARLIEST: Final = datetime(1971, 1, 1, tzinfo=UTC)
"""No mail is older: a server that names 1970 does not know."""

MAX_NUMBER: Final = 2**32 - 1
"""Of UIDs and counts (RFC 3501, section 9: nz-number)."""

_MONTHS: Final = {
    month: number
    for number, month in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)
}
_DATE_TIME: Final = re.compile(
    rb" ?(\d{1,2}-(?:%b)-\d{4} (?:[01]\d|2[0-3])):([0-5]\d):([0-5]\d) ([+-][01]\d[0-5]\d)"
    % b"|".join(_MONTHS)
)
"""INTERNALDATE, to the letter of RFC 3501, section 9. What is written otherwise the library
reads, ten times as slowly."""
# A first look reads a hundred thousand: what times have in common is made once.
_MINUTES: Final = {b"%02d" % number: timedelta(minutes=number) for number in range(60)}
_SECONDS: Final = {b"%02d" % number: timedelta(seconds=number) for number in range(60)}
_SEARCH: Final = re.compile(rb"([\d ]*)(?:\(MODSEQ \d+\) *)?", re.IGNORECASE)
_MESSAGE_ID: Final = re.compile(
    rb"^message-id[ \t]*:\s*(<[!#-\[\]-~]{1,250}>)\s*$", re.IGNORECASE | re.MULTILINE
)
"""Without what a quoted string of IMAP would have to escape."""
_USUAL_HEADER: Final = re.compile(
    rb"From: ([^\r\n]*)\r\nMessage-ID: ([^\r\n]*)\r\n(?:\r\n)?", re.IGNORECASE
)
"""One of each, in the order that most mail has."""
_FIELD: Final = re.compile(
    rb"^(from|message-id)[ \t]*:(.*(?:\n[ \t].*)*)", re.IGNORECASE | re.MULTILINE
)


Body = tuple[int, datetime | None, bytes, bytes]


class OddAnswer(ValueError):
    """An answer of no known form. Carries no text of the server's."""


@dataclass(frozen=True, slots=True)
class Line:
    """One untagged FETCH."""

    number: int
    """Of the sequence."""
    uid: int
    fields: Mapping[bytes, Any]


def state_in(folder: str, answer: Mapping[bytes, Any]) -> FolderState:
    """What EXAMINE answers. 163.com and others leave UIDNEXT out."""
    uidvalidity = answer.get(b"UIDVALIDITY")
    uidnext = answer.get(b"UIDNEXT")
    exists = answer.get(b"EXISTS")
    if not isinstance(uidvalidity, int) or uidvalidity < 0:
        raise OddAnswer("UIDVALIDITY")
    if not isinstance(exists, int) or exists > MAX_NUMBER:
        raise OddAnswer("EXISTS")
    if not isinstance(uidnext, int) or not 1 <= uidnext <= MAX_NUMBER:
        uidnext = None
    return FolderState(folder, uidvalidity, uidnext, exists)


def uids_in(lines: Sequence[object]) -> list[int]:
    """The UIDs of all SEARCH lines: some servers send several, others none for no hits.

    What no UID can be is left out: no command can name such a mail."""
    uids: set[int] = set()
    for line in lines:
        if line is None:
            continue
        match = _SEARCH.fullmatch(line) if isinstance(line, bytes) else None
        if match is None:
            raise OddAnswer("UIDs")
        uids.update(int(uid) for uid in match[1].split())
    return sorted(uid for uid in uids if _is_uid(uid))


def lines_of(answer: Sequence[object]) -> Iterator[Line]:
    """Each FETCH line that names a UID. Others were sent unasked (RFC 3501, section 7.4.2).

    A mail of a number that no UID can be is left out, and so shows as one without a name."""
    if len(answer) % 2:
        raise OddAnswer("line")
    for number, content in zip(answer[::2], answer[1::2], strict=True):
        if not isinstance(number, int) or not isinstance(content, tuple) or len(content) % 2:
            raise OddAnswer("line")
        fields = _fields(content)
        uid = fields.get(b"UID")
        if uid is None:
            continue
        if not isinstance(uid, int):
            raise OddAnswer("UID")
        if _is_uid(uid):
            yield Line(number, uid, fields)


def _is_uid(number: int) -> bool:
    return 1 <= number <= MAX_NUMBER


def _fields(content: Sequence[object]) -> dict[bytes, object]:
    fields = {}
    for name, value in zip(content[::2], content[1::2], strict=True):
        if not isinstance(name, bytes):
            raise OddAnswer("field")
        fields[name.upper()] = value
    return fields


def headings_in(answer: Fetched[Heading | None]) -> list[Heading]:
    """The headings of all mails that are answered for, ascending by UID.

    A line without any of the things that were asked for is another session's change of flags."""
    merged: dict[int, dict[bytes, Any]] = {}
    numbers: dict[int, int] = {}
    for line in lines_of(answer.others):
        if not any(_is_of_heading(name) for name in line.fields):
            continue
        merged.setdefault(line.uid, {}).update(line.fields)
        numbers[line.uid] = line.number
    headings = {uid: _merged(uid, numbers[uid], merged[uid]) for uid in merged}
    for heading in answer.usual:
        if heading is not None:
            headings[heading.uid] = heading
    return [headings[uid] for uid in sorted(headings)]


def usual_heading(
    number: bytes, digits: bytes, time: bytes, name: bytes, header: bytes
) -> Heading | None:
    """That of one line of the usual form. None: it was not asked for, or is of no UID.

    `digits`: of the UID."""
    uid = int(digits)
    if not name.startswith(b"BODY[HEADER") or not _is_uid(uid):
        return None
    return _heading(uid, int(number), _arrival(time), header)


def _is_of_heading(name: bytes) -> bool:
    return name == b"INTERNALDATE" or name.startswith(b"BODY[HEADER")


def _merged(uid: int, number: int, fields: Mapping[bytes, Any]) -> Heading:
    """The heading of a mail whose fields came in any form, or in several lines."""
    headers = [
        header
        for name, header in fields.items()
        if name.startswith(b"BODY[HEADER") and isinstance(header, bytes)
    ]
    return _heading(uid, number, arrival(fields), b"\n".join(headers))


def _heading(uid: int, number: int, received_at: datetime | None, header: bytes) -> Heading:
    """`header`: the lines of From and Message-ID, every one of them."""
    usual = _USUAL_HEADER.fullmatch(header)
    if usual is not None:
        return Heading(uid, number, received_at, usual[1].strip() or None, usual[2].strip())
    values: dict[bytes, list[bytes]] = {b"from": [], b"message-id": []}
    for field, value in _FIELD.findall(header):
        values[field.lower()].append(value.strip())
    sender = b"\n".join(values[b"from"]).strip()
    return Heading(uid, number, received_at, sender or None, b"\n".join(values[b"message-id"]))


def message_id_of(raw: bytes) -> str | None:
    """The Message-ID of a whole mail; None: it has none that can be searched for as it is."""
    header = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0]
    field = _MESSAGE_ID.search(header)
    if field is None:
        return None
    return field[1].decode("ascii")


def bodies_in(answer: Fetched[Body]) -> dict[int, tuple[bytes, datetime | None]]:
    """Body and arrival of each mail that came with a body.

    RFC 3501 wants the origin repeated in the name of the body, `BODY[]<0>`; others leave it out,
    or repeat what they were asked for. An empty body, or NIL, is none."""
    bodies = {}
    for line in lines_of(answer.others):
        for name, body in line.fields.items():
            if _is_body(name, body):
                bodies[line.uid] = (body, arrival(line.fields))
    for uid, time, name, body in answer.usual:
        if _is_uid(uid) and _is_body(name, body):
            bodies[uid] = (body, time)
    return bodies


def usual_body(_number: bytes, uid: bytes, time: bytes, name: bytes, body: bytes) -> Body:
    """That of one line of the usual form: UID, arrival, name and bytes."""
    return int(uid), _arrival(time), name, body


def usual_line(
    number: bytes, uid: bytes, time: bytes, name: bytes, data: bytes
) -> Heading | Body | None:
    """That of one line of the usual form, where both were asked for."""
    if name.startswith(b"BODY[]"):
        return usual_body(number, uid, time, name, data)
    return usual_heading(number, uid, time, name, data)


def _is_body(name: bytes, body: object) -> bool:
    return name.startswith(b"BODY[]") and isinstance(body, bytes) and bool(body.strip())


def arrival(fields: Mapping[bytes, Any]) -> datetime | None:
    """INTERNALDATE in UTC. None: missing, not a time, or before there was any token mail."""
    text = fields.get(b"INTERNALDATE")
    if not isinstance(text, bytes):
        return None
    return _arrival(text)


def _arrival(text: bytes) -> datetime | None:
    try:
        received_at = _time(text)
    except (ValueError, OverflowError):  # no date; a zone of more than a day; a year past 9999
        return None
    if received_at < EARLIEST:
        return None
    return received_at


def _time(text: bytes) -> datetime:
    """In UTC. ValueError, OverflowError: it is none."""
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        parsed: datetime = parse_to_datetime(text, normalise=False).astimezone(UTC)
        return parsed
    hour, minute, second, zone = match.groups()
    return _hour(hour, zone) + _MINUTES[minute] + _SECONDS[second]


@lru_cache(maxsize=512)  # three weeks
def _hour(text: bytes, zone: bytes) -> datetime:
    """The beginning of an hour, in UTC. `text`: `26-Nov-2026 10`."""
    date, hour = text.split(b" ")
    day, month, year = date.split(b"-")
    local = datetime(int(year), _MONTHS[month], int(day), int(hour), tzinfo=UTC)
    east = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:]))
    if zone.startswith(b"-"):
        return local + east
    return local - east


def day_of(time: datetime) -> str:
    """The day as SEARCH wants it, in UTC and in no locale's language: `03-Feb-2026`."""
    day: bytes = format_criteria_date(time.astimezone(UTC))
    return day.decode()
