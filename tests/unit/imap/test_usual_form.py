"""What most servers answer is read at once, as the library reads it; all else by the library."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest
from imapclient.datetime_util import parse_to_datetime
from imapclient.response_parser import parse_response

from token_catcher.imap.answers import arrival
from token_catcher.imap.borrowed import of_usual_form

FIELDS = b"BODY[HEADER.FIELDS (FROM MESSAGE-ID)]"
HEADER = b"From: a@example.com\r\nMessage-ID: <1@example.com>\r\n\r\n"


def line(
    number: int = 1,
    uid: int = 11,
    *,
    date: bytes = b" 3-Feb-2026 12:57:27 +0000",
    name: bytes = FIELDS,
    literal: bytes = HEADER,
) -> list[Any]:
    """One mail of an answer, as imaplib has it: what comes before the literal, it, and the rest."""
    head = b'%d (UID %d INTERNALDATE "%s" %s {%d}' % (number, uid, date, name, len(literal))
    return [(head, literal), b")"]


@pytest.mark.parametrize(
    "answer",
    [
        line(),
        [*line(1, 11), *line(2, 4294967295, date=b"26-Nov-2026 23:59:59 -0930")],
        line(name=b"BODY[]<0>", literal=b"From: a@example.com\r\n\r\n1 (UID 2 {3}\r\n)"),
        line(name=b"BODY[]", literal=b""),
    ],
    ids=["headings", "several", "a body", "an empty one"],
)
def test_the_usual_form(answer: list[Any]) -> None:
    """It is read as imapclient's parser reads it."""
    read = of_usual_form(answer)
    assert read is not None
    assert read == list(parse_response(answer))


@pytest.mark.parametrize(
    "answer",
    [
        [None],
        [b"1 (FLAGS (\\Seen) UID 11)"],
        [*line(), b"2 (FLAGS ())"],
        [line()[0], b" FLAGS (\\Seen))"],
        [(b'1 (INTERNALDATE " 3-Feb-2026 12:57:27 +0000" UID 11 BODY[] {2}', b"ab"), b")"],
        line(date=b'3"Feb'),
        line(name=b"BODY[TEXT]"),
        line(number=12345678901),
    ],
    ids=["nothing", "flags", "flags behind", "more fields", "order", "date", "part", "number"],
)
def test_any_other_form(answer: list[Any]) -> None:
    """It is left to imapclient's parser, with all that came along."""
    assert of_usual_form(answer) is None


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"%02d-%s-2026 00:00:00 +0000" % (day, month)
            for day, month in enumerate(
                b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1
            )
        ),
        b" 1-Jan-2026 00:30:00 +0100",
        b"31-Dec-2026 23:30:00 -0930",
        b"29-Feb-2028 12:00:00 +1959",
        b"3-Feb-2026 12:57:27 +0000",
        b"3-feb-2026 12:57:27 +0000",
        b"Tue, 3 Feb 2026 12.57.27 +0200",
    ],
)
def test_a_time(text: bytes) -> None:
    """It is the one that the library reads, whichever of the two reads it."""
    expected = parse_to_datetime(text, normalise=False).astimezone(UTC)
    assert arrival({b"INTERNALDATE": text}) == expected


@pytest.mark.parametrize(
    "text",
    [
        b"31-Feb-2026 00:00:00 +0000",
        b"01-Jan-0000 00:00:00 +0000",
        b"01-Jan-2026 24:00:00 +0000",
        b"31-Dec-9999 23:59:59 -1000",
        b"01-Jan-1970 00:00:00 +0000",
        b"yesterday",
    ],
)
def test_no_time(text: bytes) -> None:
    """A day that is none, or before there was any token mail."""
    assert arrival({b"INTERNALDATE": text}) is None
