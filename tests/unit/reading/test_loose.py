"""What a mail may say that nobody will believe."""

from __future__ import annotations

import base64

import pytest

from token_catcher.reading import loose


def test_a_careless_look() -> None:
    """Lines with a colon come out of any bytes.

    As they stand, without tags, with soft breaks joined, and out of base64."""
    encoded = base64.encodebytes(b"Username: a@b.example\r\n" * 9)
    raw = b"a: b\rc: d\ne\r\n<b>f: g</b><br>h: i=\r\nj\r\n\xff: k\0\r\n" + encoded
    lines = "a: b\nc: d\nf: g\nh: ij\n : k\n"
    assert list(loose.roughly(raw)) == [lines, lines, "Username: a@b.example\n" * 9]


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"a:=C2=A0b@c.example\r\n", "a:\u00a0b@c.example\n"),
        (b"a=EF=BC=9Ab=\r\nc\r\n", "a：bc\n"),
        (b"<b>a:</b> b<br>", "a: b\n"),
        (b"<STRONG style='x'>a</STRONG><span>: b</span><p>c", "a: b\n"),
        (b"<b>a:</b>=C2=A0b", "a:\u00a0b"),
        (b"a:\xa0b\n", "a: b\n"),
        ("a: b\n".encode("utf-16-le"), "a: b\n"),
        (b"\x1b$B%f\x1b(B: b\n", " %f : b\n"),
    ],
)
def test_a_careless_look_undoes(raw: bytes, line: str) -> None:
    """Quoted-printable, tags inside a line, and charsets of any kind are undone."""
    assert line in list(loose.roughly(raw))


WORDS_LIKE_A_TOKEN = (
    b"FAKE5tokenNOTreal2xyzQ99a",
    b"Token: FAKE5tokenNOTreal2xyzQ99a.",
    b"<td>FAKE5tokenNOTreal2xyzQ99a</td>",
    b'"FAKE5tokenNOTreal2xyzQ99a"',
    b"token=EF=BC=9AFAKE5tokenNOTreal2=\r\nxyzQ99a",
    "\uff1aFAKE5tokenNOTreal2xyzQ99a".encode("cp932"),
    "トークン：FAKE5tokenNOTreal2xyzQ99a".encode("iso-2022-jp"),
    "x FAKE5tokenNOTreal2xyzQ99a".encode("utf-16"),
    base64.encodebytes(b"Guten Tag, das Token ist FAKE5tokenNOTreal2xyzQ99a, viele Gruesse"),
    b"A1b" * 7,
    b"FAKEtokenNOTrealxyzQwErTy",
    b"<td>FAKE5tokenNOTreal2xyzQ99a&nbsp;</td>",
    b"<td>FAKE5token<wbr>NOTreal2<b>xyzQ99a</b></td>",
    b'<input type="text" value="FAKE5tokenNOTreal2xyzQ99a">',
    b"<input value=FAKE5tokenNOTreal2xyzQ99a>",
    b"<img src='cid:x' alt = 'FAKE5tokenNOTreal2xyzQ99a'>",
    b"_FAKE5tokenNOTreal2xyzQ99a_ =FAKE5tokenNOTreal2xyzQ99a",
    "FAKE5token\u200bNOTreal2\u00adxyzQ99a".encode(),
)
SENTENCE = b"Guten Tag, das neue Token ist FAKE5tokenNOTreal2xyzQ99a, viele Gruesse"
WHOLE = base64.b64encode(SENTENCE)
ODD_BASE64 = (
    ("short lines", [WHOLE[start : start + 12] for start in range(0, len(WHOLE), 12)]),
    ("padded lines", [base64.b64encode(SENTENCE[start:][:10]) for start in range(0, 70, 10)]),
    ("indented lines", [b" \t" + WHOLE[start:][:40] for start in range(0, len(WHOLE), 40)]),
    ("spaces behind", [WHOLE[start:][:40] + b"  " for start in range(0, len(WHOLE), 40)]),
    ("no padding", [WHOLE.rstrip(b"=")]),
    ("a character too many", [WHOLE.rstrip(b"=") + b"AAA"]),
)
WORDS_UNLIKE_A_TOKEN = (
    b"FAKE5tokenNOTreal2x",
    b"A1b" * 12,
    b"UserManagementSettings",
    b"0123456789abcdef01234567",
    b"https://x.example/FAKE5tokenNOTreal2xyzQ99a",
    b"https://x.example/?id=FAKE5tokenNOTreal2xyzQ99a",
    b"<FAKE5tokenNOTreal2xyzQ99a@x.example>",
    b"--FAKE5tokenNOTreal2xyzQ99a",
    b'Content-Type: multipart/mixed; boundary="FAKE5tokenNOTreal2xyzQ99a"',
    b"<img class='FAKE5tokenNOTreal2xyzQ99a'>",
    b"<a href='https://x.example/FAKE5tokenNOTreal2xyzQ99a' data-value='x'>x</a>",
    base64.encodebytes(bytes(range(256)) * 4),
)


@pytest.mark.parametrize("body", WORDS_LIKE_A_TOKEN)
def test_what_has_the_form_of_a_token(body: bytes) -> None:
    """A word of letters of both cases and digits is told in any encoding and charset."""
    head = b"Content-Transfer-Encoding: Quoted-Printable\r\n\r\n"
    assert loose.has_token_shape(head + body + b"\r\n")


@pytest.mark.parametrize("lines", [row[1] for row in ODD_BASE64], ids=[r[0] for r in ODD_BASE64])
def test_a_token_in_odd_base64(lines: list[bytes]) -> None:
    """However base64 is broken into lines, it is undone."""
    head = b"Content-Transfer-Encoding: base64\r\n\r\n"
    assert loose.has_token_shape(head + b"\r\n".join(lines) + b"\r\n")


@pytest.mark.parametrize("indent", [b"", b"  "])
def test_a_file_has_no_token(indent: bytes) -> None:
    """Neither the lines of a file in base64 nor what they hold look like one."""
    lines = base64.encodebytes(bytes(range(256)) * 5).splitlines()
    file = b"".join(indent + line + b"\r\n" for line in lines)
    assert not loose.has_token_shape(b"Content-Transfer-Encoding: base64\r\n\r\n" + file)


@pytest.mark.parametrize("body", WORDS_UNLIKE_A_TOKEN)
def test_what_has_another_form(body: bytes) -> None:
    """Parts of links, names of parts, and lines of files are no tokens."""
    assert not loose.has_token_shape(b"X: FAKE5tokenNOTreal2xyzQ99a\r\n\r\n" + body + b"\r\n")


def test_a_careless_look_has_an_end() -> None:
    """A careless look gives no more than 500 lines of a text, and undoes as many runs of base64."""
    assert [text.count("\n") for text in loose.roughly(b":\n" * 9000)] == [499]
    runs = b"QUJDOkFCQzpBQkM6QUJDOg==\n\n" * 9000
    texts = list(loose.roughly(runs))
    assert texts[-1].count("ABC:ABC:ABC:ABC:") == loose.MAX_RUNS
