"""The byte-level gate."""

from __future__ import annotations

import pytest

from tests.kit.mails import genuine, token_mail
from token_catcher.model import MAX_MAIL_BYTES, Header, HeaderField, Reason, Refused
from token_catcher.reading import wire

PROVING = (b"Received", b"DKIM-Signature", b"Authentication-Results", b"Return-Path")
"""Fields of servers on the way, which may be strangers'."""


def test_gives_the_fields_byte_for_byte() -> None:
    """What passes comes out as it was written, folding included, topmost first."""
    raw = (
        b"From: a@b.example\r\nTo:c@d.example\r\nSubject: one\r\n\ttwo \r\n"
        b"Date: \r\nX-!#: x\r\n\r\ntext\r\n"
    )
    assert wire.read_header(raw) == Header(
        (
            HeaderField("From", b" a@b.example"),
            HeaderField("To", b"c@d.example"),
            HeaderField("Subject", b" one\r\n\ttwo "),
            HeaderField("Date", b" "),
            HeaderField("X-!#", b" x"),
        )
    )


def test_lets_a_genuine_mail_through() -> None:
    """A token mail as Salesforce sends it passes."""
    header = wire.read_header(genuine())
    assert isinstance(header, Header)
    assert header.text("Subject") == "Your new Salesforce security token"


def test_bodies_may_be_8_bit_and_have_escapes() -> None:
    """The body may hold 8-bit bytes, TAB, and ESC, which ISO-2022-JP needs."""
    assert isinstance(wire.read_header(token_mail() + b"\t\x1b$B\x1b(B \xe3\x83\xa6\r\n"), Header)


def test_oversized() -> None:
    """256 kB pass; one byte more, which shows that there was more, does not."""
    mail = (token_mail() + (b"x" * 76 + b"\r\n") * 4000)[: MAX_MAIL_BYTES - 1] + b"\r\n"
    assert isinstance(wire.read_header(mail[:-3] + b"\r\n"), Header)
    assert wire.read_header(mail) == Refused(Reason.OVERSIZED, "more than 262144 bytes")


@pytest.mark.parametrize("control", [*range(9), 11, 12, *range(14, 27), *range(28, 32), 127])
@pytest.mark.parametrize("place", [b"X-Priority: ", b"Username"])
def test_control_characters(control: int, place: bytes) -> None:
    """A control character is refused, in the header and in the body."""
    raw = token_mail().replace(place, place + bytes([control]), 1)
    assert wire.read_header(raw) == Refused(Reason.MALFORMED, f"control character 0x{control:02x}")


@pytest.mark.parametrize("place", [b"X-Priority: ", b"Username"])
@pytest.mark.parametrize(
    ("end", "saw"),
    [
        (b"\r", "CR without LF"),
        (b"\n", "LF without CR"),
        (b"\n\r", "CR without LF"),
        (b"\r\r\n", "CR without LF"),
    ],
)
def test_bare_line_ends(place: bytes, end: bytes, saw: str) -> None:
    """A CR or an LF alone is refused, in the header and in the body."""
    assert wire.read_header(token_mail().replace(place, place + end + b"x", 1)) == Refused(
        Reason.MALFORMED, saw
    )


def test_long_lines_that_decide() -> None:
    """A field that decides may have lines of 998 bytes, folded ones too, and no longer one."""
    for place in (b"Subject: ", b"X-SFDC-LK: ", b"To: ops@example.com\r\n "):
        raw = place + b"x\r\n" + unlike(place)
        line = raw[: raw.index(b"x\r\n") + 1].rpartition(b"\r\n")[2]
        padding = b"x" * (998 - len(line))
        assert isinstance(
            wire.read_header(raw.replace(b"x\r\n", b"x" + padding + b"\r\n", 1)), Header
        )
        longer = raw.replace(b"x\r\n", b"xx" + padding + b"\r\n", 1)
        assert wire.read_header(longer) == Refused(Reason.MALFORMED, "a line of 999 bytes")


def unlike(place: bytes) -> bytes:
    """A token mail without the field that a test puts on top."""
    name = place.partition(b":")[0] + b": "
    return (b"\r\n" + token_mail()).replace(b"\r\n" + name, b"\r\nX-" + name, 1)[2:]


@pytest.mark.parametrize("name", [b"X-Spam-Report", *PROVING])
def test_long_lines_that_decide_nothing(name: bytes) -> None:
    """Any other field and the body may have lines of up to 64 kB, wherever they stand."""
    long = name + b": " + b"x, " * 1000 + b"\r\n"
    for raw in (
        long + token_mail(),
        in_the_middle(long),
        token_mail() + b"x" * 65536 + b"\r\n",
    ):
        assert isinstance(wire.read_header(raw), Header)
    too_long = wire.read_header(token_mail() + b"x" * 65537 + b"\r\n")
    assert too_long == Refused(Reason.MALFORMED, "a line of 65537 bytes")


@pytest.mark.parametrize("field", [b"From: x", b"to : x", b"CONTENT-TYPE:x", b"Received: x"])
def test_fields_in_the_rest_of_a_long_line(field: bytes) -> None:
    """Whoever cuts a long line must not find a field that counts in the rest of it."""
    raw = b"X: " + b"y" * 1000 + field + b"\r\n" + token_mail()
    saw = f"a field in the rest of a line of {1003 + len(field)} bytes"
    assert wire.read_header(raw) == Refused(Reason.MALFORMED, saw)


def in_the_middle(fields: bytes) -> bytes:
    """A token mail with fields between those that count."""
    raw = token_mail()
    assert raw.index(b"\r\nFrom:") < raw.index(b"X-Priority: ") < raw.index(b"\r\nX-SFDC-LK:")
    return raw.replace(b"X-Priority: ", fields + b"X-Priority: ", 1)


@pytest.mark.parametrize(("count", "passes"), [(5000, True), (5001, False)])
def test_many_lines(count: int, passes: bool) -> None:
    """A mail of 5,000 lines passes, one of 5,001 does not."""
    raw = token_mail()
    header = wire.read_header(raw + b"\r\n" * (count - raw.count(b"\r\n")))
    assert isinstance(header, Header) is passes
    assert passes or header == Refused(Reason.MALFORMED, "5001 lines")


WORDS = ("Zoë".encode(), "Zoë".encode("latin-1"), "Zo\u2028".encode(), b"\xff")
DECIDING = sorted(wire.DECIDING)


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("name", DECIDING)
def test_8_bit_fields_that_decide(word: bytes, name: str) -> None:
    """An 8-bit byte in a field that decides is refused, whatever charset it may be of."""
    raw = name.encode() + b": " + word + b"\r\n" + token_mail()
    assert wire.read_header(raw) == Refused(Reason.MALFORMED, "8-bit byte in the header")


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("name", [b"X-Spam-Level", *PROVING])
def test_8_bit_fields_that_decide_nothing(word: bytes, name: bytes) -> None:
    """Any other field may hold 8-bit bytes, wherever it stands."""
    field = name + b": " + word + b"\r\n\tx" + word + b"\r\n"
    assert isinstance(wire.read_header(field + token_mail()), Header)
    assert isinstance(wire.read_header(in_the_middle(field)), Header)


@pytest.mark.parametrize(
    "end", ["\u0085".encode(), b"\x85", b"\x85\x85 ", "\u2028".encode(), "\u2029\t".encode()]
)
@pytest.mark.parametrize(
    "name", [b"From", b"subject ", b"DKIM-Signature", b"Authentication-Results"]
)
def test_fields_after_a_line_end_of_some_programs(end: bytes, name: bytes) -> None:
    """Whoever takes U+0085 or its like for a line end must not find a field that counts there."""
    raw = b"X: y" + end + name + b": x\r\n" + token_mail()
    saw = "a field behind a line end of some programs"
    assert wire.read_header(raw) == Refused(Reason.MALFORMED, saw)


def test_escape_in_the_header() -> None:
    """ESC belongs into a body, not into a header."""
    raw = token_mail().replace(b"X-Priority: ", b"X-Priority: \x1b")
    assert wire.read_header(raw) == Refused(
        Reason.MALFORMED, "control character 0x1b in the header"
    )


@pytest.mark.parametrize(
    "line",
    [
        b"From : a@b",
        b"From\t: a@b",
        b": a@b",
        b"no colon",
        b"From a@b Tue Feb 3",
        b">From",
        b"> From a@b",
        "X\u00e9: a".encode(),
        b"",
        b"two words: x",
    ],
)
def test_field_names(line: bytes) -> None:
    """A header line that is not a name right before a colon is refused."""
    header = wire.read_header(line + b"\r\n" + token_mail())
    assert header == Refused(Reason.MALFORMED, "a header line without a field name")


BLANK = (b" ", b"\t", b" \t  ")
MBOX = b">From support@salesforce.com Tue Feb  3 12:57:27 2026"
REPORT = b"X-Ham-Report: Spam detection software\r\n%b\r\n Content preview: x\r\n"
OBSOLETE = b"X-Priority : 1\r\n"
NO_FIELDS = (MBOX + b"\r\n", OBSOLETE, b"Message-ID\t :\r\n <x@y.example>\r\n")
ODD_LINES = (*(REPORT.replace(b"%b", line) for line in BLANK), *NO_FIELDS)
EARLY = Refused(Reason.MALFORMED, "white space where a field should begin")


@pytest.mark.parametrize("odd", ODD_LINES)
def test_odd_lines_on_top(odd: bytes) -> None:
    """A folded line of white space, `>From ` and `Name : x` may stand above all that decides.

    Who ends the header there sees no sender, whatever servers and forwards wrote on top."""
    top = b"Return-Path: <a@b.example>\r\nDKIM-Signature: x\r\nReceived: x\r\n"
    header = wire.read_header(top + odd + token_mail())
    assert isinstance(header, Header)
    assert header.early_ends == (3 + (odd not in NO_FIELDS),)
    assert (b"\r\n" + header.early_text).endswith(b"\r\n" + token_mail().partition(b"\r\n\r\n")[0])
    assert [field.name for field in header.fields if field.name.startswith(">")] == []


@pytest.mark.parametrize("odd", ODD_LINES)
def test_odd_lines_at_the_bottom(odd: bytes) -> None:
    """They may stand below all fields that count: who ends the header there sees them all."""
    raw = token_mail().replace(b"\r\n\r\n", b"\r\n" + odd + b"X-Spam-Flag: NO\r\n\r\n", 1)
    header = wire.read_header(raw)
    assert isinstance(header, Header)
    assert header.early_text.endswith(b"X-Spam-Flag: NO")


@pytest.mark.parametrize("odd", ODD_LINES)
def test_odd_lines_in_the_middle(odd: bytes) -> None:
    """Between fields that count they are refused: some would see only the upper ones."""
    assert wire.read_header(in_the_middle(odd)) == EARLY
    assert wire.read_header(odd + in_the_middle(odd)) == EARLY


@pytest.mark.parametrize("name", DECIDING)
@pytest.mark.parametrize("line", BLANK)
def test_blank_folds_that_decide(name: str, line: bytes) -> None:
    """A field that decides has none, wherever it stands."""
    field = name.encode() + b": x\r\n" + line + b"\r\n"
    assert wire.read_header(field + token_mail()) == EARLY


@pytest.mark.parametrize("name", PROVING)
@pytest.mark.parametrize("odd", [b"x\xff", b"x" * 998, b"x\r\n \r\n y"])
def test_who_relies_on_a_field_is_told(name: bytes, odd: bytes) -> None:
    """A field of a server on the way may be odd, and is marked: it may be a stranger's."""
    header = wire.read_header(name + b": " + odd + b"\r\n" + name + b": x\r\n" + token_mail())
    assert isinstance(header, Header)
    odd_field, plain_field = header.all(name.decode())[:2]
    assert odd_field == HeaderField(name.decode(), b" " + odd, plain=False)
    assert plain_field == HeaderField(name.decode(), b" x")


@pytest.mark.parametrize("name", ["From", "date", "MIME-VERSION", "Received", "DKIM-Signature"])
@pytest.mark.parametrize("space", [b" ", b"\t", b" \t "])
def test_obsolete_fields_that_count(name: str, space: bytes) -> None:
    """White space before the colon of a field that counts is refused."""
    header = wire.read_header(name.encode() + space + b": x\r\n" + token_mail())
    assert header == Refused(Reason.MALFORMED, "a header line without a field name")


def test_an_obsolete_field_is_text_for_some() -> None:
    """Who ends the header there shows the line itself as well."""
    header = wire.read_header(b"Username : x@y.example\r\n" + token_mail())
    assert isinstance(header, Header)
    assert header.early_text.startswith(b"Username : x@y.example\r\n")


def test_a_folded_separator() -> None:
    """What is folded below `>From ` belongs to no field."""
    header = wire.read_header(MBOX + b"\r\n x\r\n" + token_mail())
    assert header == Refused(Reason.MALFORMED, "a header line without a field name")


def test_a_fold_first() -> None:
    """A mail cannot begin with a folded line."""
    assert wire.read_header(b" x\r\n" + token_mail()) == Refused(
        Reason.MALFORMED, "white space where a field should begin"
    )


def test_no_end_of_the_header() -> None:
    """A header needs its empty line."""
    head = token_mail().partition(b"\r\n\r\n")[0] + b"\r\n"
    assert wire.read_header(head) == Refused(Reason.MALFORMED, "no empty line after the header")


@pytest.mark.parametrize(("count", "passes"), [(200, True), (201, False)])
def test_many_fields(count: int, passes: bool) -> None:
    """200 fields pass, 201 do not."""
    raw = token_mail()
    have = raw.partition(b"\r\n\r\n")[0].count(b"\r\n") + 1
    header = wire.read_header(b"X: y\r\n" * (count - have) + raw)
    assert isinstance(header, Header) is passes
    assert passes or header == Refused(Reason.MALFORMED, "201 header fields")


def test_large_headers() -> None:
    """A header of more than 64 kB is refused."""
    field = b"X: " + b"\r\n ".join(b"y" * 900 for _ in range(73)) + b"\r\n"
    header = wire.read_header(field + token_mail())
    assert isinstance(header, Refused)
    assert (header.reason, header.saw.startswith("a header of 66")) == (Reason.MALFORMED, True)


@pytest.mark.parametrize(
    "name",
    [
        "From",
        "To",
        "Subject",
        "Date",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ],
)
@pytest.mark.parametrize("spelling", [str, str.lower, str.upper])
def test_second_fields(name: str, spelling: type[str]) -> None:
    """A second field beside one that counts is refused, however it is spelled."""
    raw = token_mail()
    fields = [f"{spelling(name)}: {value}\r\n".encode() for value in ("x", "y")]
    missing = 1 if f"\r\n{name}: ".encode() in b"\r\n" + raw else 2
    raw = b"".join(fields[:missing]) + raw
    assert wire.read_header(raw) == Refused(Reason.DUPLICATE_HEADER, f"2 fields {name}")


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        ("MIME-Version", True),
        ("Content-Transfer-Encoding", True),
        ("Content-Type", False),
        ("Subject", False),
    ],
)
def test_the_same_field_twice(name: str, passes: bool) -> None:
    """Two that say the same are harmless where gateways write them; all others stay refused."""
    raw = token_mail().replace(f"{name}: ".encode(), b"X-Other: ", 1)
    header = wire.read_header(f"{name}: 1.0\r\n{name.upper()}:1.0 \r\n".encode() + raw)
    if passes:
        assert isinstance(header, Header)
    else:
        assert header == Refused(Reason.DUPLICATE_HEADER, f"2 fields {name}")


@pytest.mark.parametrize("name", ["Message-ID", "Sender", "Cc", "Reply-To", "X-Priority"])
def test_second_fields_that_do_not_count(name: str) -> None:
    """A second field of any other name passes, as servers and forwards add them."""
    raw = f"{name}: x\r\n{name.upper()}: y\r\n".encode() + token_mail()
    assert isinstance(wire.read_header(raw), Header)


@pytest.mark.parametrize("name", ["From", "To", "Subject", "Date"])
def test_missing_fields(name: str) -> None:
    """A mail without one of the fields that decide is refused."""
    raw = token_mail().replace(f"{name}: ".encode(), f"X-{name}: ".encode(), 1)
    assert wire.read_header(raw) == Refused(Reason.MISSING_HEADER, f"no field {name}")


def test_splitting_a_part_header() -> None:
    """The header of a part is split by the same rules, and needs no From or Date."""
    assert wire.split(b"Content-Type: text/plain\r\nX: y\r\n z") == (
        HeaderField("Content-Type", b" text/plain"),
        HeaderField("X", b" y\r\n z"),
    )


@pytest.mark.parametrize(
    ("head", "saw"),
    [
        (b"Content-Type : text/plain", "without a field name"),
        (MBOX, "without a field name"),
        (b"X: y\r\n \r\n z", "white space where a field should begin"),
        ("X: é".encode(), "8-bit byte"),
        (b"X: " + b"y" * 1000, "a line of 1003 bytes"),
        (b"X: \x1b", "control character"),
    ],
)
def test_the_header_of_a_part_is_strict(head: bytes, saw: str) -> None:
    """Nothing on its way writes there, so no field may be odd."""
    with pytest.raises(wire.Malformed, match=saw):
        wire.split(head)
