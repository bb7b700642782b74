"""The texts of a mail, out of a structure so plain that all readers agree on it."""

from __future__ import annotations

import base64
from email import message_from_bytes

import pytest

from token_catcher.reading import mime, wire
from token_catcher.reading.headers import CHARSETS as CODECS
from token_catcher.reading.mime import Leaf, MailText, Unexpected

PLAIN = "Content-Type: text/plain; charset=utf-8"


def read(head: str, body: str | bytes = "a\nb\n") -> MailText | Unexpected:
    """The texts of a content header and a body, both with plain line ends."""
    octets = body if isinstance(body, bytes) else crlf(body)
    return mime.read_texts(wire.split(crlf(head)), octets)


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def readings(head: str, body: str | bytes = "a\nb\n") -> tuple[str, ...]:
    texts = read(head, body)
    assert isinstance(texts, MailText), texts
    return texts.readings


def multipart(
    *parts: str, kind: str = "mixed", before: str = "", after: str = ""
) -> MailText | Unexpected:
    body = before + "".join(f"--b\n{part}\n" for part in parts) + "--b--\n" + after
    return read(f"Content-Type: multipart/{kind}; boundary=b", body)


@pytest.mark.parametrize(
    "head",
    [
        "X: y",
        PLAIN,
        'content-type: TEXT/PLAIN; CHARSET="UTF-8"',
        "Content-Type: text/plain;\n\tcharset=utf-8;",
        f"{PLAIN}\nContent-Transfer-Encoding: 7BIT",
        f"{PLAIN}\nContent-Transfer-Encoding: 8bit\nContent-Disposition: Inline\nMIME-Version: 1.0",
        f'{PLAIN}\nContent-Disposition: inline; size=3; creation-date="Tue, 03 Feb 2026"',
        f"{PLAIN}\nContent-Disposition: INLINE ;",
    ],
)
def test_a_plain_text(head: str) -> None:
    """One text/plain part is one reading, with plain line ends, however its header is spelled."""
    assert read(head) == MailText(("a\nb\n",), (), (Leaf("text/plain", b"a\r\nb\r\n"),))


CHARSETS = (
    ("us-ascii", "a", "ascii"),
    ("ascii", "a", "ascii"),
    ("utf-8", "é ユ", "utf-8"),
    ("utf8", "é ユ", "utf-8"),
    ("iso-8859-1", "é", "latin-1"),
    ("latin1", "é", "latin-1"),
    ("iso-8859-2", "ő", "iso8859-2"),
    ("iso-8859-5", "Ж", "iso8859-5"),
    ("iso-8859-7", "λ", "iso8859-7"),
    ("iso-8859-8-i", "ש", "iso8859-8"),
    ("iso-8859-9", "ğ", "iso8859-9"),
    ("iso-8859-11", "ชื่อผู้ใช้", "iso8859-11"),
    ("iso-8859-15", "€", "iso8859-15"),
    ("windows-1250", "ő", "cp1250"),
    ("windows-1251", "Ж", "cp1251"),
    ("windows-1252", "’", "cp1252"),
    ("windows-1253", "λ", "cp1253"),
    ("windows-1254", "ğ", "cp1254"),
    ("windows-1255", "ש", "cp1255"),
    ("windows-1256", "ش", "cp1256"),
    ("windows-1257", "ų", "cp1257"),
    ("windows-1258", "ơ", "cp1258"),
    ("windows-874", "ชื่อผู้ใช้", "cp874"),
    ("tis-620", "ชื่อผู้ใช้", "tis-620"),
    ("koi8-r", "Ж", "koi8-r"),
    ("koi8-u", "Ї", "koi8-u"),
    ("iso-2022-jp", "ユーザ名", "iso-2022-jp"),
    ("shift_jis", "ユーザ名①", "cp932"),
    ("windows-31j", "ユーザ名", "cp932"),
    ("x-SJIS_0213", "ユーザ名①", "shift_jisx0213"),
    ("euc-jp", "ユーザ名", "euc-jp"),
    ("gb2312", "用户名", "gb2312"),
    ("gbk", "使用者名稱", "gbk"),
    ("gb18030", "用户名", "gb18030"),
    ("big5", "使用者名稱", "big5"),
    ("Big5-HKSCS", "嘅名稱", "big5hkscs"),
    ("euc-kr", "사용자", "euc-kr"),
    ("ks_c_5601-1987", "사용자", "cp949"),
    ("x-windows-949", "사용자", "cp949"),
)


@pytest.mark.parametrize(("charset", "text", "codec"), CHARSETS, ids=[row[0] for row in CHARSETS])
def test_charsets(charset: str, text: str, codec: str) -> None:
    """The charsets of mail, of Salesforce's list and their aliases are read."""
    assert readings(f"Content-Type: text/plain; charset={charset}", text.encode(codec)) == (text,)


@pytest.mark.parametrize("codec", sorted(set(CODECS.values())))
def test_every_charset_reads_ascii_as_it_stands(codec: str) -> None:
    """In no charset that is read do bytes of ASCII stand for something else.

    x-SJIS_0213 alone has two characters of its own, which no claim can hold."""
    octets = bytes([9, 10, 13, *range(32, 127)])
    if codec == "shift_jisx0213":
        octets = octets.replace(b"\\", b"").replace(b"~", b"")
    assert octets.decode(codec) == octets.decode("ascii")


def test_bytes_without_a_transfer_encoding() -> None:
    """8-bit bytes pass where no transfer encoding is said: everybody takes them as they are."""
    assert readings(PLAIN, "é\n") == ("é\n",)


def test_transfer_encodings() -> None:
    """Quoted-printable and base64 are undone."""
    quoted = "caf=C3=A9 =3D a=\nb=0D=0Ac =\n\n"
    encoded = base64.encodebytes("é\r\nx".encode() * 40).decode()
    assert readings(f"{PLAIN}\nContent-Transfer-Encoding: Quoted-Printable", quoted) == (
        "café = ab\nc \n",
    )
    assert readings(f"{PLAIN}\nContent-Transfer-Encoding: base64", encoded) == ("é\nx" * 40,)


def test_html_has_readings_and_hidden_text() -> None:
    """An HTML part is read as it is shown; what could be shown as well is hidden text."""
    texts = read("Content-Type: text/html; charset=utf-8", "<p>a\nb</p><!-- c -->\n")
    assert texts == MailText(
        ("a b",), ("a\nb", "c"), (Leaf("text/html", b"<p>a\r\nb</p><!-- c -->\r\n"),)
    )


@pytest.mark.parametrize(
    ("delsp", "joined"), [("", "a b\nc\n d\n\n"), ("; delsp=yes", "ab\nc\n d\n\n")]
)
def test_flowed_texts_have_two_readings(delsp: str, joined: str) -> None:
    """A flowed text is read as it stands and with its lines joined."""
    body = "a \nb\n c\n  d\n"
    assert readings(f"Content-Type: text/plain; format=Flowed{delsp}", body) == (body, joined)


def test_multiparts() -> None:
    """The parts of a multipart are read in their order, and the text around them is hidden text."""
    inner = (
        f'Content-Type: multipart/alternative; boundary="i"\n\n--i\n{PLAIN}\n\na\n--i\n\nb\n\n--i--'
    )
    texts = multipart(inner, f"{PLAIN}\n\nc", kind="related", before="over\n", after="under\n")
    leaves = (Leaf("text/plain", b"a"), Leaf("text/plain", b"b\r\n"), Leaf("text/plain", b"c"))
    assert texts == MailText(("a", "b\n", "c"), ("over", "under\n", "", ""), leaves)


@pytest.mark.parametrize("kind", ["alternative", "mixed", "related"])
def test_kinds_of_multiparts(kind: str) -> None:
    """An alternative, mixed or related multipart is read."""
    assert multipart(f"{PLAIN}\n\na", kind=kind) == MailText(
        ("a",), ("", ""), (Leaf("text/plain", b"a"),)
    )


def test_delimiters_may_be_padded() -> None:
    """White space may follow a delimiter on its line."""
    assert readings("Content-Type: multipart/mixed; boundary=b", "--b \t\n\na\n--b-- \n") == ("a",)


@pytest.mark.parametrize("kind", ["digest", "parallel", "signed", "report", "form-data"])
def test_other_multiparts(kind: str) -> None:
    """A multipart of any other kind is unexpected."""
    assert multipart(f"{PLAIN}\n\na", kind=kind) == Unexpected(f"a part of type multipart/{kind}")


@pytest.mark.parametrize(
    "kind",
    ["text/calendar", "text/enriched", "message/rfc822", "image/png", "application/octet-stream"],
)
def test_other_types(kind: str) -> None:
    """A part that is neither plain text nor HTML is unexpected, alone and among others."""
    assert read(f"Content-Type: {kind}") == Unexpected(f"a part of type {kind}")
    assert multipart(f"{PLAIN}\n\na", f"Content-Type: {kind}\n\nx") == Unexpected(
        f"a part of type {kind}"
    )


@pytest.mark.parametrize(
    "disposition",
    [
        "attachment",
        "attachment; filename=a",
        "inline; filename=a",
        "inline; size=3; FileName*=utf-8''a",
        "x",
    ],
)
def test_attachments(disposition: str) -> None:
    """An attachment, or a part with a file name, is unexpected."""
    attachment = Unexpected("a part with a file name, or an attachment")
    assert read(f"{PLAIN}\nContent-Disposition: {disposition}") == attachment
    assert multipart(f"{PLAIN}\nContent-Disposition: {disposition}\n\na") == attachment
    assert read(f"{PLAIN}; name=a") == attachment


LOGO = base64.encodebytes(b"\x89PNG\r\n\x1a\n" * 20).decode().rstrip("\n")
PICTURE = "Content-Transfer-Encoding: base64\n{0}\n\n" + LOGO


@pytest.mark.parametrize("kind", ["mixed", "related"])
@pytest.mark.parametrize("picture", ["png", "jpeg", "gif"])
@pytest.mark.parametrize(
    "shown",
    [
        "Content-Disposition: inline",
        'Content-Disposition: inline; filename="logo.png"; size=160',
        "Content-ID: <logo@example.com>",
        "Content-Disposition: attachment; filename=logo.png\nContent-ID: <logo@example.com>",
    ],
)
def test_pictures_beside_the_text(kind: str, picture: str, shown: str) -> None:
    """A picture that is shown with the text, a gateway's logo, is stepped over."""
    head = f"Content-Type: image/{picture}; name=logo.{picture}\n"
    texts = multipart(f"{PLAIN}\n\na", head + PICTURE.format(shown), kind=kind)
    leaves = (Leaf("text/plain", b"a"), Leaf(f"image/{picture}", b"\x89PNG\r\n\x1a\n" * 20))
    assert texts == MailText(("a",), ("", ""), leaves)


@pytest.mark.parametrize(
    ("head", "saw"),
    [
        ("Content-Type: image/png\nX: y", "a part of type image/png"),
        ("Content-Type: image/png\nContent-Disposition: attachment", "a part with a file name"),
        ("Content-Type: image/svg+xml\nContent-ID: <x>", "a part of type image/svg+xml"),
        ("Content-Type: image/png (x)\nContent-ID: <x>", "content type parameters"),
        ("Content-Type: application/pdf\nContent-ID: <x>", "a part of type application/pdf"),
    ],
)
def test_pictures_that_are_not_shown(head: str, saw: str) -> None:
    """A picture that is attached or lies there, and one that can hold text, is unexpected."""
    texts = multipart(f"{PLAIN}\n\na", PICTURE.format(head))
    assert isinstance(texts, Unexpected)
    assert texts.saw.startswith(saw)


def test_pictures_in_place_of_the_text() -> None:
    """A picture that some programs show and not the text is unexpected."""
    logo = "Content-Type: image/png\n" + PICTURE.format("Content-ID: <x>")
    text = f"{PLAIN}\n\na"
    unexpected = Unexpected("a part of type image/png")
    assert multipart(text, logo, kind="alternative") == unexpected
    assert multipart(logo, text, kind="related") == unexpected
    assert read("Content-Type: image/png\nContent-ID: <x>", LOGO) == unexpected
    assert readings_of(multipart(logo, text, kind="mixed")) == ("a",)


def readings_of(texts: MailText | Unexpected) -> tuple[str, ...]:
    assert isinstance(texts, MailText), texts
    return texts.readings


def test_pictures_in_other_encodings() -> None:
    """A picture is in base64, and well-formed, so that everybody sees the same part."""
    head = "Content-Type: image/png\nContent-ID: <x>\nContent-Transfer-Encoding: "
    text = f"{PLAIN}\n\na"
    assert multipart(text, head + "8bit\n\nx") == Unexpected("a part of type image/png")
    malformed = Unexpected("base64 that is not well-formed")
    assert multipart(text, head + "base64\n\nA===") == malformed


def test_pictures_count_as_parts() -> None:
    """With its pictures a mail has ten parts at most."""
    logo = "Content-Type: image/png\n" + PICTURE.format("Content-ID: <x>")
    assert readings_of(multipart("\na", *[logo] * 8)) == ("a",)
    assert multipart("\na", *[logo] * 9) == Unexpected("more than 4 levels or 10 parts")


def test_a_soft_break_before_a_delimiter() -> None:
    """In quoted-printable the line end of a last soft break may be the delimiter's."""
    head = f"{PLAIN}\nContent-Transfer-Encoding: quoted-printable"
    texts = multipart(f"{head}\n\na=\nb=", f"{head}\n\nc=3D\n=")
    leaves = (Leaf("text/plain", b"ab"), Leaf("text/plain", b"c=\r\n"))
    assert texts == MailText(("ab", "c=\n"), ("", ""), leaves)
    malformed = Unexpected("quoted-printable that is not well-formed")
    assert multipart(f"{head}\n\na==") == malformed
    raw = crlf(f"Content-Type: multipart/mixed; boundary=b\n\n--b\n{head}\n\na=\nb=\n--b--\n")
    assert mime.same(message_from_bytes(raw), MailText((), (), leaves[:1]))


@pytest.mark.parametrize(("count", "passes"), [(16, True), (17, False)])
def test_many_parameters(count: int, passes: bool) -> None:
    """A content type has 16 parameters at most."""
    texts = read("Content-Type: text/plain" + "".join(f"; p{n}=x" for n in range(count)))
    assert passes or texts == Unexpected("more than 16 content type parameters")
    assert isinstance(texts, MailText) is passes


@pytest.mark.parametrize(
    "name", ["Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "MIME-Version"]
)
def test_fields_said_twice(name: str) -> None:
    """A field that decides how a part is read stands there once."""
    value = {
        "Content-Type": "text/plain",
        "Content-Transfer-Encoding": "7bit",
        "Content-Disposition": "inline",
    }.get(name, "1.0")
    head = f"{name}: {value}\n{name.upper()}: {value}"
    assert read(head) == Unexpected(f"{name.lower()} said twice")
    assert multipart(f"{head}\n\na") == Unexpected(f"{name.lower()} said twice")


@pytest.mark.parametrize(
    "value",
    [
        "text/plain charset=utf-8",
        "text/plain; charset=utf-8, text/html",
        "text/plain (x)",
        "text/plain; charset=utf-8; charset=utf-8",
        "text/plain; charset=utf-8; CHARSET=gbk",
        "text/plain; charset*=utf-8''utf-7",
        "text/plain; charset*0=utf; charset*1=-7",
        'text/plain; charset="utf\\-8"',
        'text/plain; charset="utf-8',
        "text/plain; charset",
        "text/plain;; charset=utf-8",
    ],
)
def test_content_types(value: str) -> None:
    """A content type with parameters said twice, extended, escaped or out of form is unexpected."""
    assert read(f"Content-Type: {value}") == Unexpected(
        "content type parameters said twice or of no known form"
    )


@pytest.mark.parametrize("value", ["text", "=?utf-8?q?text/plain?=", ""])
def test_content_types_without_a_type(value: str) -> None:
    """A content type that begins with no type is unexpected."""
    assert read(f"Content-Type: {value}") == Unexpected("a content type of no known form")


@pytest.mark.parametrize(
    "charset",
    [
        "utf-7",
        "utf-16",
        "utf-32",
        "hz-gb-2312",
        "iso-2022-kr",
        "idna",
        "rot13",
        "unicode_escape",
        "x-unknown",
        "cp037",
        '""',
    ],
)
def test_unknown_charsets(charset: str) -> None:
    """A charset off the list is unexpected."""
    assert read(f"Content-Type: text/plain; charset={charset}") == Unexpected("an unknown charset")


@pytest.mark.parametrize(
    ("charset", "octets"),
    [
        ("us-ascii", b"\xe9"),
        ("utf-8", b"\xff"),
        ("utf-8", b"\xc1\x80"),
        ("utf-8", b"\xed\xa0\x80"),
        ("gbk", b"\x81"),
        ("iso-2022-jp", b"\x1b$Bx\n"),
    ],
)
def test_bytes_of_another_charset(charset: str, octets: bytes) -> None:
    """Bytes that are not of the charset are unexpected, since decoding is strict."""
    assert read(f"Content-Type: text/plain; charset={charset}", octets) == Unexpected(
        "bytes that are not of the charset"
    )


@pytest.mark.parametrize(
    "character",
    ["\x00", "\x0b", "\x0c", "\r", "\x1b", "\x1c", "\x7f", "\x85", "\x9b", "\u2028", "\u2029"],
)
def test_control_characters(character: str) -> None:
    """A control character in a decoded text is unexpected.

    So is everything that some program takes for a line end."""
    control = Unexpected("control characters in a text")
    encoded = base64.encodebytes(f"a{character}b".encode()).decode()
    assert read(f"{PLAIN}\nContent-Transfer-Encoding: base64", encoded) == control
    assert multipart(f"{PLAIN}\n\na", before=f"a{character}b\n") == control


@pytest.mark.parametrize(
    ("encoding", "body", "saw"),
    [
        ("base64", "QQ=\n", "base64"),
        ("base64", "QQ==\nQQ==\n", "base64"),
        ("base64", "QQ==QQ==\n", "base64"),
        ("base64", "QQ!=\n", "base64"),
        ("base64", "Q Q=\n", "base64"),
        ("base64", "Q-_=\n", "base64"),
        ("base64", "QQ\n", "base64"),
        ("quoted-printable", "a=ZZ\n", "quoted-printable"),
        ("quoted-printable", "a=4\n", "quoted-printable"),
        ("quoted-printable", "a= \nb\n", "quoted-printable"),
        ("quoted-printable", "a=", "quoted-printable"),
        ("quoted-printable", "é\n", "quoted-printable"),
    ],
)
def test_encodings_that_are_not_well_formed(encoding: str, body: str, saw: str) -> None:
    """What lenient decoders skip, join or guess is unexpected."""
    assert read(f"{PLAIN}\nContent-Transfer-Encoding: {encoding}", body) == Unexpected(
        f"{saw} that is not well-formed"
    )


@pytest.mark.parametrize(
    "encoding", ["binary", "x-uuencode", "7bit, base64", "7bit (x)", "quoted printable", ""]
)
def test_other_encodings(encoding: str) -> None:
    """No other transfer encoding is known, and 7bit is what it says."""
    other = Unexpected("a transfer encoding of no known form, or 8-bit bytes in a 7-bit part")
    assert read(f"{PLAIN}\nContent-Transfer-Encoding: {encoding}") == other
    assert read(f"{PLAIN}\nContent-Transfer-Encoding: 7bit", "é\n") == other


@pytest.mark.parametrize(
    "parameters",
    ["", '; boundary=""', '; boundary="b "', '; boundary="b$"', f"; boundary={'b' * 71}"],
)
def test_boundaries(parameters: str) -> None:
    """A multipart needs a boundary as RFC 2046 wants it."""
    assert read(f"Content-Type: multipart/mixed{parameters}", "--b\n\na\n--b--\n") == Unexpected(
        "a multipart without a plain boundary"
    )


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "binary"])
def test_encoded_multiparts(encoding: str) -> None:
    """A multipart in a transfer encoding is unexpected."""
    head = f"Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: {encoding}"
    assert read(head, "--b\n\na\n--b--\n") == Unexpected("a multipart without a plain boundary")


@pytest.mark.parametrize(
    "line", ["--bx", "--b x", "--b--x", "--b--\n--b\n\nc\n", "--b--\n--b--", "--b-"]
)
def test_lines_like_delimiters(line: str) -> None:
    """A line that begins like a delimiter is one, in its place, or unexpected."""
    texts = read("Content-Type: multipart/mixed; boundary=b", f"--b\n\na\n{line}\n--b--\n")
    assert texts == Unexpected("a line that only begins like a delimiter, or one after the end")


@pytest.mark.parametrize(
    "body", ["a\n", "--b\n\na\n", "--b\n\na\n--b\n\nc\n", "a\n--b--\n", "--b--\n"]
)
def test_multiparts_without_parts_or_end(body: str) -> None:
    """A multipart without a first part or without an end is unexpected."""
    assert read("Content-Type: multipart/mixed; boundary=b", body) == Unexpected(
        "a multipart without parts or without an end"
    )


@pytest.mark.parametrize(
    ("part", "saw"),
    [
        ("Content-Type : text/html\n\na", "a header line without a field name"),
        ("no colon\n\na", "a header line without a field name"),
        ("X: y\n \n\na", "white space where a field should begin"),
        (" x\n\na", "white space where a field should begin"),
        ("X: é\n\na", "8-bit byte in the header"),
        ("X: y", "a part without an empty line after its header"),
    ],
)
def test_headers_of_parts(part: str, saw: str) -> None:
    """The header of a part is as strict as that of the mail."""
    assert multipart(part) == Unexpected(saw)


def test_depth_and_number() -> None:
    """Four levels and ten parts are read, a fifth and an eleventh are not."""
    too_much = Unexpected("more than 4 levels or 10 parts")

    def nested(levels: int) -> MailText | Unexpected:
        part = f"{PLAIN}\n\na"
        for level in range(levels - 1):
            head = f"Content-Type: multipart/mixed; boundary=n{level}"
            part = f"{head}\n\n--n{level}\n{part}\n--n{level}--"
        head, _, body = part.partition("\n\n")
        return read(head, body)

    assert isinstance(nested(4), MailText)
    assert nested(5) == too_much
    assert isinstance(multipart(*["\na"] * 9), MailText)
    assert multipart(*["\na"] * 10) == too_much


@pytest.mark.parametrize(
    ("raw", "agrees"),
    [
        (b"Content-Type: text/plain; charset=utf-8\r\n\r\n\xc3\xa9\r\n", True),
        (b"Content-Type: text/plain; charset=utf-8\r\n\r\nx\r\n", False),
        (b"Content-Type: text/html; charset=utf-8\r\n\r\n\xc3\xa9\r\n", False),
        (
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\xc3\xa9\r\n\r\n"
            b"--b--\r\n",
            True,
        ),
        (
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\xc3\xa9\r\n\r\n--b\r\n"
            b"\r\nx\r\n--b--\r\n",
            False,
        ),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\xc3\xa9\r\n\r\n", False),
    ],
)
def test_compares_with_a_parser(raw: bytes, agrees: bool) -> None:
    """Another reader must see the same parts with the same octets, and no defect."""
    assert (
        mime.same(
            message_from_bytes(raw), MailText((), (), (Leaf("text/plain", "é\r\n".encode()),))
        )
        is agrees
    )
