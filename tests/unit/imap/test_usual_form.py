"""What most servers answer is taken at once, however it comes; all else is left to the library."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC
from typing import Any, cast

import pytest
from imapclient.datetime_util import parse_to_datetime
from imapclient.response_parser import parse_response

from token_catcher.imap.answers import arrival, bodies_in, headings_in, usual_body, usual_heading
from token_catcher.imap.borrowed import USUAL_LINE, Fetched
from token_catcher.imap.reader import MAX_LITERAL, Reader, TooMuch
from token_catcher.pace import WIDEST

FIELDS = b"BODY[HEADER.FIELDS (FROM MESSAGE-ID)]"
HEADER = b"From: a@example.com\r\nMessage-ID: <1@example.com>\r\n\r\n"
DONE = b"A1 OK done\r\n"


def line(
    number: int = 1,
    uid: int = 11,
    *,
    date: bytes = b" 3-Feb-2026 12:57:27 +0000",
    name: bytes = FIELDS,
    literal: bytes = HEADER,
    end: bytes = b")\r\n",
) -> bytes:
    """One mail of an answer."""
    head = b'* %d FETCH (UID %d INTERNALDATE "%s" %s' % (number, uid, date, name)
    return b"%s {%d}\r\n%s%s" % (head, len(literal), literal, end)


def as_it_came(*parts: bytes) -> tuple[bytes, ...]:
    """What is made of a line where nothing is."""
    return parts


class Pieces:
    """A socket from which these come, one at a time."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)

    def recv(self, _size: int) -> bytes:
        return next(self._pieces, b"")

    def gettimeout(self) -> None:
        return None

    def settimeout(self, seconds: float | None) -> None:
        """It never waits."""


NO_LINE = re.compile(rb"(?!)")


def taken(
    *pieces: bytes, make: Callable[..., Any] = as_it_came, form: re.Pattern[bytes] = USUAL_LINE
) -> Fetched[Any]:
    """The answer, read as imaplib reads it: a line, and the literal that it announces.

    `form`: what is kept aside from that."""
    reader = Reader(lambda: 0.0)
    source: Any = Pieces(pieces)
    lines: list[Any] = []
    with reader.collecting(form, make) as usual:
        rest = reader.line(source)
        while not rest.startswith(b"A1 "):
            text = re.sub(rb"^\* (\d+) FETCH ", rb"\1 ", rest).removesuffix(b"\r\n")
            size = re.search(rb"\{(\d+)\}$", text)
            if size is None:
                lines.append(text)
            else:
                lines.append((text, reader.literal(source, int(size[1]))))
            rest = reader.line(source)
    return Fetched(usual, parse_response(lines))


def as_parsed(answer: Fetched[Any]) -> list[tuple[int, dict[bytes, Any]]]:
    """All that it tells, by number, whichever of the two has read it."""
    mails = [
        (int(number), {b"UID": int(uid), b"INTERNALDATE": time, name: body})
        for number, uid, time, name, body in answer.usual
    ]
    for number, content in zip(answer.others[::2], answer.others[1::2], strict=True):
        fields = cast("tuple[Any, ...]", content)
        mails.append((number, dict(zip(fields[::2], fields[1::2], strict=True))))
    return sorted(mails, key=lambda mail: mail[0])


USUAL = {
    "a heading": line(),
    "the highest": line(2, 4294967295, date=b"26-Nov-2026 23:59:59 -0930"),
    "a body": line(
        3, name=b"BODY[]<0>", literal=b"From: a@b.c\r\n\r\n* 1 FETCH (UID 2 {3}\r\n)\r\n"
    ),
    "an empty body": line(4, name=b"BODY[]", literal=b""),
}
OTHERS = {
    "flags": b"* 1 FETCH (FLAGS (\\Seen) UID 11)\r\n",
    "flags behind": line(end=b" FLAGS (\\Seen))\r\n"),
    "order": b'* 1 FETCH (INTERNALDATE " 3-Feb-2026 12:57:27 +0000" UID 11 BODY[] {2}\r\nab)\r\n',
    "part": line(name=b"BODY[TEXT]"),
    "number": line(number=12345678901),
    "quoted": b'* 1 FETCH (UID 11 INTERNALDATE " 3-Feb-2026 12:57:27 +0000" BODY[] "ab")\r\n',
}


@pytest.mark.parametrize("text", USUAL.values(), ids=USUAL)
def test_the_usual_form(text: bytes) -> None:
    """It is read as imapclient's parser reads it, and nothing is left for that."""
    by_library = taken(text + DONE, form=NO_LINE)
    assert (by_library.usual, len(by_library.others)) == ([], 2)
    whole = taken(text + DONE)
    assert (len(whole.usual), whole.others) == (1, ())
    assert as_parsed(whole) == as_parsed(by_library)


@pytest.mark.parametrize("text", USUAL.values(), ids=USUAL)
def test_the_usual_form_cut(text: bytes) -> None:
    """What has not come whole is waited for: a long answer is cut every 16 KiB."""
    whole = taken(text + DONE)
    for cut in range(text.index(b"}") + 3, len(text)):
        assert taken(text[:cut], text[cut:] + DONE) == whole, cut


def test_a_connection_that_ends_in_the_usual_form() -> None:
    """The line is handed on, and then as much of the literal as there is."""
    reader = Reader(lambda: 0.0)
    source: Any = Pieces([line()[:-20]])
    with reader.collecting(USUAL_LINE, as_it_came) as usual:
        head = reader.line(source)
        assert line().startswith(head + reader.literal(source, len(HEADER)))
    assert (head.endswith(b"{%d}\r\n" % len(HEADER)), usual) == (True, [])


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_any_other_form(text: bytes) -> None:
    """It is left to imapclient's parser, and what stands around it is not."""
    before, behind = line(2, 12), line(3, 13)
    answer = taken(before + text + behind + DONE)
    assert ([int(usual[1]) for usual in answer.usual], len(answer.others)) == ([12, 13], 2)


def test_nothing() -> None:
    """Not even one line."""
    assert taken(DONE) == Fetched([], ())


def test_however_it_comes() -> None:
    """In two pieces, wherever they part, and byte by byte: the same mails, each once."""
    forms = [*USUAL.values(), OTHERS["flags behind"].replace(b"* 1 ", b"* 5 ")]
    text = b"".join(forms) + DONE
    whole = as_parsed(taken(text))
    assert [number for number, _ in whole] == [1, 2, 3, 4, 5]
    for cut in range(1, len(text)):
        assert as_parsed(taken(text[:cut], text[cut:])) == whole, cut
    assert as_parsed(taken(*(text[place : place + 1] for place in range(len(text))))) == whole


def test_a_literal_that_is_too_large() -> None:
    """It is refused, whether it has come whole or not."""
    text = line(name=b"BODY[]", literal=b"a" * (MAX_LITERAL + 1))
    for pieces in ([text + DONE], [text[:100], text[100:] + DONE]):
        with pytest.raises(TooMuch):
            taken(*pieces)


def test_the_widest_window() -> None:
    """An answer may hold as many headings as are ever asked for, with fields of 1.5 kB each."""
    header = b"From: %s <a@example.com>\r\nMessage-ID: <1@example.com>\r\n\r\n" % (1400 * b"a")
    answer = taken(*(line(uid, uid, literal=header) for uid in range(1, WIDEST + 1)), DONE)
    assert (len(answer.usual), answer.others) == (WIDEST, ())


def test_headings_and_bodies_are_not_taken_for_each_other() -> None:
    """Nor is a number that no UID can be taken for one."""
    answer = line(1, 11) + line(2, 12, name=b"BODY[]") + line(3, 4294967296) + DONE
    assert [heading.uid for heading in headings_in(taken(answer, make=usual_heading))] == [11]
    assert list(bodies_in(taken(answer, make=usual_body))) == [12]


@pytest.mark.parametrize(
    "header",
    [
        HEADER,
        b"message-id: <1@example.com>\r\nFROM: a@example.com\r\n\r\n",
        b"From: a@example.com\r\nMessage-ID:\r\n <1@example.com>\r\n\r\n",
        b"From: \r\n a@example.com\r\nMessage-ID: <1@example.com>\r\n",
    ],
    ids=["usual", "order", "folded", "folded twice"],
)
def test_a_header(header: bytes) -> None:
    """Its fields are the same in any order, folded or not."""
    [heading] = headings_in(taken(line(literal=header) + DONE, make=usual_heading))
    [usual] = headings_in(taken(line() + DONE, make=usual_heading))
    assert (heading, heading.key) == (usual, usual.key)


def test_several_senders() -> None:
    """All of them count, and a mail without From or Message-ID has no key."""
    two = b"From: a@example.com\r\nFrom: b@example.com\r\n\r\n"
    [heading] = headings_in(taken(line(literal=two) + DONE, make=usual_heading))
    assert (heading.sender, heading.key) == (b"a@example.com\nb@example.com", "")
    nobody = line(literal=b"Message-ID: <1@example.com>\r\n\r\n")
    [heading] = headings_in(taken(nobody + DONE, make=usual_heading))
    assert (heading.sender, heading.key) == (None, "")


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
