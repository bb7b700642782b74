"""The byte-level gate."""

from __future__ import annotations

import pytest

from tests.kit.mails import genuine, token_mail
from token_catcher.model import MAX_MAIL_BYTES, Header, HeaderField, Reason, Refused
from token_catcher.reading import wire


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


@pytest.mark.parametrize(("length", "passes"), [(998, True), (999, False)])
def test_long_lines(length: int, passes: bool) -> None:
    """A line of 998 bytes passes, one of 999 does not."""
    header = wire.read_header(token_mail() + b"x" * length + b"\r\n")
    assert isinstance(header, Header) is passes
    assert passes or header == Refused(Reason.MALFORMED, "a line of 999 bytes")


@pytest.mark.parametrize(("count", "passes"), [(5000, True), (5001, False)])
def test_many_lines(count: int, passes: bool) -> None:
    """A mail of 5,000 lines passes, one of 5,001 does not."""
    raw = token_mail()
    header = wire.read_header(raw + b"\r\n" * (count - raw.count(b"\r\n")))
    assert isinstance(header, Header) is passes
    assert passes or header == Refused(Reason.MALFORMED, "5001 lines")


@pytest.mark.parametrize(
    "word", ["Zoë".encode(), "Zoë".encode("latin-1"), "Zo\u2028".encode(), b"\xff"]
)
def test_8_bit_headers(word: bytes) -> None:
    """An 8-bit byte in the header is refused, whatever charset it may be of."""
    raw = token_mail().replace(b"X-Priority: ", b"X-Priority: " + word)
    assert wire.read_header(raw) == Refused(Reason.MALFORMED, "8-bit byte in the header")


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
        b"",
        b"two words: x",
    ],
)
def test_field_names(line: bytes) -> None:
    """A header line that is not a name right before a colon is refused."""
    header = wire.read_header(line + b"\r\n" + token_mail())
    assert header == Refused(Reason.MALFORMED, "a header line without a field name")


@pytest.mark.parametrize("line", [b" ", b"\t", b" \t  "])
def test_blank_folds(line: bytes) -> None:
    """A folded line of white space alone is refused: for some it ends the header."""
    raw = token_mail().replace(b"X-Priority: 3\r\n", b"X-Priority: 3\r\n" + line + b"\r\n")
    assert wire.read_header(raw) == Refused(
        Reason.MALFORMED, "white space where a field should begin"
    )


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
        "Cc",
        "Subject",
        "Date",
        "Message-ID",
        "Sender",
        "Reply-To",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ],
)
@pytest.mark.parametrize("spelling", [str, str.lower, str.upper])
def test_second_fields(name: str, spelling: type[str]) -> None:
    """A second field beside one that counts is refused, however it is spelled."""
    raw = token_mail()
    missing = 1 if f"\r\n{name}: ".encode() in b"\r\n" + raw else 2
    raw = f"{spelling(name)}: x\r\n".encode() * missing + raw
    assert wire.read_header(raw) == Refused(Reason.DUPLICATE_HEADER, f"2 fields {name}")


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
    with pytest.raises(wire.Malformed, match="without a field name"):
        wire.split(b"Content-Type : text/plain")
