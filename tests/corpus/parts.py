"""MIME, boundary, charset and transfer encoding confusion: one mail, two texts.

All are signed over their body and Content-Type by Salesforce's key, as if a profile name or a template carried the trick, and
the receiving server is content: only a text with one reading may pass.
"""

from __future__ import annotations

import base64

from tests.corpus.base import EVIL_TOKEN, Item, Shelf, arrived, crlf, salesforce
from tests.kit.mails import TOKEN, USERNAME, token_body, token_mail
from tests.kit.signing import seal

TEXT = token_body()
EVIL = token_body("batch@acme.example", EVIL_TOKEN)
LINES = f"Username: {USERNAME}\nSecurity token (case-sensitive): {TOKEN}\n"
EVIL_LINES = f"Username: batch@acme.example\nSecurity token (case-sensitive): {EVIL_TOKEN}\n"
UNEXPECTED = "held unexpected-part"
AMBIGUOUS = "held ambiguous-claim"


def items() -> list[Item]:
    return [*_types(), *_boundaries(), *_part_headers(), *_charsets(), *_encodings()]


def mime(content_type: str, body: str | bytes, encoding: str = "") -> bytes:
    """A signed mail of this content."""
    extra = f"Content-Transfer-Encoding: {encoding}\n" if encoding else ""
    plain = token_mail(content_type=content_type, body="", extra=extra)
    return arrived(seal(plain + (crlf(body) if isinstance(body, str) else body)))


def multipart(
    *parts: str, kind: str = "mixed", boundary: str = "b1", before: str = "", after: str = ""
) -> bytes:
    """A signed multipart of parts, each a header, an empty line and a text."""
    return mime(
        f'multipart/{kind}; boundary="{boundary}"',
        before + "".join(f"--{boundary}\n{part}\n" for part in parts) + f"--{boundary}--\n{after}",
    )


def part(body: str, content_type: str = "text/plain; charset=UTF-8", extra: str = "") -> str:
    """One part of a multipart."""
    return f"Content-Type: {content_type}\n{extra}\n{body}"


def _types() -> list[Item]:
    shelf = Shelf("types")
    attached = "Content-Disposition: attachment; filename=token.txt\n"
    for name, why, raw in (
        (
            "attachment",
            "A text attached to the text.",
            multipart(part(TEXT), part(EVIL, extra=attached)),
        ),
        ("attachment-only", "The text is an attachment.", multipart(part(TEXT, extra=attached))),
        (
            "attachment-inline-name",
            "An inline part with a file name.",
            multipart(part(TEXT, extra="Content-Disposition: inline; filename=a.txt\n")),
        ),
        (
            "name-parameter",
            "A file name in the content type.",
            multipart(part(TEXT, "text/plain; charset=UTF-8; name=a.txt")),
        ),
        (
            "binary",
            "A binary file beside the text.",
            multipart(
                part(TEXT),
                part("AAAA", "application/octet-stream", "Content-Transfer-Encoding: base64\n"),
            ),
        ),
        (
            "image",
            "An image beside the text.",
            multipart(
                part(TEXT),
                part("AAAA", "image/png", "Content-Transfer-Encoding: base64\n"),
                kind="related",
            ),
        ),
        (
            "calendar",
            "An invitation beside the text.",
            multipart(part(TEXT), part("BEGIN:VCALENDAR", "text/calendar"), kind="alternative"),
        ),
        (
            "enriched",
            "A text in a form nobody uses any more.",
            multipart(part(TEXT), part(EVIL, "text/enriched"), kind="alternative"),
        ),
        (
            "rfc822",
            "A whole mail inside.",
            multipart(
                part("see below\n"),
                part("From: support@salesforce.com\n\n" + EVIL, "message/rfc822"),
            ),
        ),
        (
            "rfc822-alone",
            "A mail that is only another mail.",
            mime("message/rfc822", "From: support@salesforce.com\nSubject: x\n\n" + EVIL),
        ),
        ("partial", "A piece of a mail.", mime("message/partial; id=x; number=1; total=2", EVIL)),
        (
            "external",
            "A body that is elsewhere.",
            mime('message/external-body; access-type=URL; URL="https://evil.example/"', EVIL),
        ),
        (
            "digest",
            "A digest, whose parts are mails if nothing is said.",
            multipart("\n" + EVIL, kind="digest"),
        ),
        ("parallel", "A multipart of another kind.", multipart(part(TEXT), kind="parallel")),
        (
            "signed",
            "A multipart with a signature of its own.",
            multipart(part(TEXT), part("x", "application/pgp-signature"), kind="signed"),
        ),
        ("report", "A bounce.", multipart(part(TEXT), kind="report")),
        ("depth", "Five levels.", _nested(5)),
        ("eleven", "Eleven parts.", multipart(*[part(TEXT) for _ in range(11)])),
        ("no-type", "A content type without its second half.", mime("text", TEXT)),
        (
            "two-types",
            "Two content types in one field.",
            mime("text/plain; charset=UTF-8, text/html", TEXT),
        ),
        (
            "comment",
            "A comment in the content type.",
            mime("text/plain (text/html); charset=UTF-8", TEXT),
        ),
        ("encoded", "An encoded content type.", mime("=?utf-8?q?text/plain?=", TEXT)),
    ):
        shelf.add(name, why, raw, UNEXPECTED)
    disposed = arrived(seal(token_mail(extra="Content-Disposition: attachment\n")))
    shelf.add(
        "disposition",
        "The whole mail is an attachment (an unsigned field says so).",
        disposed,
        UNEXPECTED,
    )
    return shelf.items


def _nested(depth: int) -> bytes:
    inner = part(TEXT)
    for level in range(depth - 1):
        inner = f'Content-Type: multipart/mixed; boundary="n{level}"\n\n--n{level}\n{inner}\n--n{level}--\n'
    _, _, body = inner.partition("\n\n")
    return mime(f'multipart/mixed; boundary="n{depth - 2}"', body)


def _boundaries() -> list[Item]:
    shelf = Shelf("boundary")
    one = f"--b\n{part(TEXT)}\n--b--\n"
    evil = f"--e\n{part(EVIL)}\n--e--\n"
    for name, why, raw in (
        (
            "twice",
            "Two boundaries: each reader takes another.",
            mime("multipart/mixed; boundary=b; boundary=e", one + evil),
        ),
        (
            "twice-case",
            "The same in another case.",
            mime("multipart/mixed; boundary=b; BOUNDARY=e", one + evil),
        ),
        (
            "continued",
            "A boundary in pieces (RFC 2231).",
            mime("multipart/mixed; boundary=b; boundary*0=e", one + evil),
        ),
        (
            "extended",
            "A boundary with a charset (RFC 2231).",
            mime("multipart/mixed; boundary*=utf-8''e; boundary=b", one + evil),
        ),
        ("missing", "No boundary.", mime("multipart/mixed", one)),
        (
            "empty",
            "An empty boundary.",
            mime('multipart/mixed; boundary=""', "--\n" + part(TEXT) + "\n----\n"),
        ),
        (
            "long",
            "A boundary of more than 70 characters.",
            mime(f'multipart/mixed; boundary="{"x" * 80}"', one.replace("--b", "--" + "x" * 80)),
        ),
        (
            "final-space",
            "A boundary that ends in a space.",
            mime('multipart/mixed; boundary="b "', one),
        ),
        (
            "escaped",
            "An escaped letter in the boundary.",
            mime('multipart/mixed; boundary="\\b"', one),
        ),
        (
            "odd",
            "A boundary with a character it may not have.",
            mime('multipart/mixed; boundary="b$"', one.replace("--b", "--b$")),
        ),
        (
            "prefix",
            "A line that only begins like a delimiter.",
            mime("multipart/mixed; boundary=b", f"--b\n{part(TEXT)}\n--bx\n{part(EVIL)}\n--b--\n"),
        ),
        (
            "unclosed",
            "No end: the rest belongs to the last part, or does not.",
            mime("multipart/mixed; boundary=b", f"--b\n{part(TEXT)}\n"),
        ),
        (
            "after-end",
            "A part after the end.",
            mime("multipart/mixed; boundary=b", one + f"--b\n{part(EVIL)}\n--b--\n"),
        ),
        (
            "no-parts",
            "An end without a beginning.",
            mime("multipart/mixed; boundary=b", TEXT + "--b--\n"),
        ),
        (
            "same-inside",
            "A multipart inside with the same boundary.",
            mime(
                "multipart/mixed; boundary=b",
                "--b\nContent-Type: multipart/mixed; boundary=b\n\n" + one + "--b--\n",
            ),
        ),
        (
            "trailing",
            "Text behind a delimiter on its line.",
            mime("multipart/mixed; boundary=b", one.replace("--b\n", "--b (x)\n", 1)),
        ),
        (
            "encoded",
            "A multipart in base64.",
            mime(
                "multipart/mixed; boundary=b", base64.encodebytes(one.encode()).decode(), "base64"
            ),
        ),
        (
            "quoted-printable",
            "A multipart in quoted-printable.",
            mime("multipart/mixed; boundary=b", one, "quoted-printable"),
        ),
    ):
        shelf.add(name, why, raw, UNEXPECTED)
    shelf.add(
        "preamble",
        "Another claim before the first part.",
        multipart(part(TEXT), before=EVIL),
        AMBIGUOUS,
    )
    shelf.add(
        "epilogue",
        "Another claim after the last part.",
        multipart(part(TEXT), after=EVIL),
        AMBIGUOUS,
    )
    shelf.add(
        "preamble-only",
        "A claim before the parts, none in them.",
        multipart(part("hello\n"), before=EVIL),
        AMBIGUOUS,
    )
    return shelf.items


def _part_headers() -> list[Item]:
    shelf = Shelf("part-header")
    for name, why, one in (
        (
            "two-types",
            "Two content types for one part.",
            "Content-Type: text/plain; charset=UTF-8\nContent-Type: text/html\n\n" + TEXT,
        ),
        (
            "two-encodings",
            "Two transfer encodings for one part.",
            part(
                TEXT, extra="Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n"
            ),
        ),
        (
            "space-before-colon",
            "A field name with a space.",
            "Content-Type : text/html\nContent-Type: text/plain\n\n" + TEXT,
        ),
        (
            "no-colon",
            "A line without a colon ends the header for some.",
            f"Content-Type: text/plain\n{EVIL_LINES.partition(':')[0]}\n\n" + TEXT,
        ),
        (
            "blank-fold",
            "A folded line of white space ends the header for some.",
            f"Content-Type: text/plain\nX: y\n \n {EVIL}\n\n{TEXT}",
        ),
        (
            "fold-first",
            "A part that begins with a folded line.",
            " x\nContent-Type: text/plain\n\n" + TEXT,
        ),
        ("8-bit", "A letter outside of ASCII.", part(TEXT, extra="X-Name: Zoë\n")),
        (
            "no-end",
            "A header without an end.",
            "Content-Type: text/plain\nX: Security token: " + TOKEN,
        ),
        (
            "mbox-from",
            "The separator of an mbox file.",
            "From x\nContent-Type: text/html\n\n" + TEXT,
        ),
    ):
        raw = multipart(one)
        shelf.add(name, why, raw, UNEXPECTED)
    return shelf.items


def _charsets() -> list[Item]:
    shelf = Shelf("charset")
    utf7 = LINES.replace("@", "+AEA-")
    for name, why, raw in (
        (
            "utf-7",
            "UTF-7 hides the @.",
            mime(
                "text/plain; charset=utf-7", TEXT.replace("integration@", "x+AEA-") + LINES + utf7
            ),
        ),
        (
            "idna",
            "A codec of Python's that is no charset, and slow.",
            mime("text/plain; charset=idna", TEXT),
        ),
        ("rot13", "Another.", mime("text/plain; charset=rot13", TEXT)),
        (
            "unicode-escape",
            "Another, in which \\n is a line end.",
            mime("text/plain; charset=unicode_escape", TEXT),
        ),
        ("utf-16", "Two bytes a letter.", mime("text/plain; charset=utf-16", TEXT)),
        ("ebcdic", "Letters elsewhere.", mime("text/plain; charset=cp037", TEXT)),
        ("unknown", "A charset nobody knows.", mime("text/plain; charset=x-unknown", TEXT)),
        ("empty", "An empty charset.", mime('text/plain; charset=""', TEXT)),
        ("twice", "Two charsets.", mime("text/plain; charset=utf-8; charset=gbk", TEXT)),
        (
            "extended",
            "A charset with a charset (RFC 2231).",
            mime("text/plain; charset*=us-ascii''utf-7", TEXT),
        ),
        (
            "continued",
            "A charset in pieces.",
            mime("text/plain; charset*0=utf; charset*1=-7", TEXT),
        ),
        ("none-8-bit", "8-bit bytes without a charset.", mime("text/plain", TEXT + "Zoë\n")),
        (
            "bad-utf-8",
            "Bytes that are no UTF-8.",
            mime("text/plain; charset=utf-8", crlf(TEXT) + b"\xff\xfe\r\n"),
        ),
        (
            "overlong",
            "An overlong @, which careless decoders take.",
            mime("text/plain; charset=utf-8", crlf(TEXT) + b"x\xc1\x80y\r\n"),
        ),
        (
            "surrogate",
            "Half a character.",
            mime("text/plain; charset=utf-8", crlf(TEXT) + b"\xed\xa0\x80\r\n"),
        ),
        (
            "gbk-eats",
            "A lead byte eats the next letter.",
            mime("text/plain; charset=gbk", crlf(TEXT) + b"\x81\r\n"),
        ),
        (
            "escape-outside",
            "An escape sequence where none belongs.",
            mime("text/plain; charset=utf-8", crlf(TEXT) + b"\x1b$B\r\n"),
        ),
        (
            "iso-2022-jp-open",
            "Japanese that never returns to ASCII.",
            mime("text/plain; charset=iso-2022-jp", b"\x1b$B" + crlf(TEXT)),
        ),
        (
            "next-line",
            "U+0085, which is a line end for some.",
            mime("text/plain; charset=utf-8", TEXT + "x\u0085" + EVIL_LINES),
        ),
        (
            "next-line-latin",
            "The same in Latin-1.",
            mime(
                "text/plain; charset=iso-8859-1",
                crlf(TEXT) + b"x\x85Username: batch@acme.example\r\n",
            ),
        ),
        (
            "line-separator",
            "U+2028, which is a line end for some.",
            mime("text/plain; charset=utf-8", TEXT + "Zoë\u2028" + EVIL_LINES),
        ),
        (
            "paragraph-separator",
            "U+2029, which is one as well.",
            mime("text/plain; charset=utf-8", TEXT + "Zoë\u2029" + EVIL_LINES),
        ),
        (
            "c1-control",
            "A control character above ASCII.",
            mime("text/plain; charset=utf-8", TEXT + "\u009b31m\n"),
        ),
    ):
        shelf.add(name, why, raw, UNEXPECTED)
    return shelf.items


def _encodings() -> list[Item]:
    """Transfer encodings. The field is not signed: whoever carries the mail can change it."""
    shelf = Shelf("encoding")
    encoded = base64.encodebytes(crlf(TEXT)).decode()
    for name, why, raw in (
        ("plain-as-base64", "A plain text is called base64.", _relabelled("base64")),
        (
            "plain-as-qp",
            "A plain text is called quoted-printable.",
            _relabelled("quoted-printable"),
        ),
        (
            "uuencode",
            "A form of Unix.",
            mime("text/plain; charset=utf-8", "begin 644 x\n" + TEXT + "end\n", "x-uuencode"),
        ),
        (
            "unknown",
            "A transfer encoding nobody knows.",
            mime("text/plain; charset=utf-8", TEXT, "x-token"),
        ),
        ("binary", "No lines are promised.", mime("text/plain; charset=utf-8", TEXT, "binary")),
        (
            "list",
            "Two transfer encodings.",
            mime("text/plain; charset=utf-8", TEXT, "7bit, base64"),
        ),
        ("comment", "A comment.", mime("text/plain; charset=utf-8", TEXT, "7bit (base64)")),
        (
            "7-bit-with-8",
            "8-bit bytes in what is called 7bit.",
            mime("text/plain; charset=utf-8", TEXT + "Zoë\n", "7bit"),
        ),
        (
            "qp-bad-hex",
            "An = that is no escape.",
            mime(
                "text/plain; charset=utf-8",
                TEXT.replace("?id=user", "?id=3Duser") + "=ZZ\n",
                "quoted-printable",
            ),
        ),
        (
            "qp-space-break",
            "A soft line break with a space, which Python does not take for one.",
            mime(
                "text/plain; charset=utf-8",
                TEXT.replace("?id=user", "?id=3Duser").replace(
                    USERNAME, USERNAME + "= \n.evil.example"
                ),
                "quoted-printable",
            ),
        ),
        (
            "qp-end",
            "An = at the very end.",
            mime(
                "text/plain; charset=utf-8",
                TEXT.replace("?id=user", "?id=3Duser") + "=",
                "quoted-printable",
            ),
        ),
        (
            "qp-nul",
            "An encoded NUL.",
            mime(
                "text/plain; charset=utf-8",
                TEXT.replace("?id=user", "?id=3Duser") + "=00\n",
                "quoted-printable",
            ),
        ),
        (
            "qp-cr",
            "An encoded CR alone.",
            mime(
                "text/plain; charset=utf-8",
                TEXT.replace("?id=user", "?id=3Duser") + "x=0D" + EVIL_LINES,
                "quoted-printable",
            ),
        ),
        (
            "qp-8-bit",
            "8-bit bytes in quoted-printable.",
            mime(
                "text/plain; charset=utf-8",
                TEXT.replace("?id=user", "?id=3Duser") + "Zoë\n",
                "quoted-printable",
            ),
        ),
        (
            "base64-after-end",
            "Text after the padding.",
            mime("text/plain; charset=utf-8", encoded + "\n" + EVIL, "base64"),
        ),
        (
            "base64-padding-inside",
            "Padding in the middle: one reader stops, another goes on.",
            mime(
                "text/plain; charset=utf-8",
                base64.b64encode(crlf(TEXT) + b"x").decode()
                + "\n"
                + base64.encodebytes(crlf(EVIL)).decode(),
                "base64",
            ),
        ),
        (
            "base64-garbage",
            "Characters that are no base64, which some skip.",
            mime("text/plain; charset=utf-8", encoded.replace("\n", "!\n"), "base64"),
        ),
        (
            "base64-url",
            "The other alphabet.",
            mime("text/plain; charset=utf-8", encoded + "-_\n", "base64"),
        ),
        (
            "base64-no-padding",
            "Padding left out.",
            mime(
                "text/plain; charset=utf-8",
                base64.b64encode(crlf(TEXT) + b"x" * ((1 - len(crlf(TEXT))) % 3))
                .decode()
                .rstrip("="),
                "base64",
            ),
        ),
    ):
        shelf.add(name, why, raw, UNEXPECTED)
    joined = TEXT.replace("?id=user", "?id=3Duser").replace(USERNAME, USERNAME + "=\n.evil.example")
    shelf.add(
        "qp-soft-break",
        "A soft line break makes another username of ours.",
        mime("text/plain; charset=utf-8", joined, "quoted-printable"),
        "held unknown-user",
    )
    for name, why, body, delsp in (
        (
            "flowed-username",
            "A flowed line goes on in the next.",
            TEXT.replace(USERNAME, USERNAME + " "),
            "",
        ),
        (
            "flowed-token",
            "A flowed token goes on in the next line.",
            TEXT.replace(TOKEN, TOKEN[:20] + " \n" + TOKEN[20:]),
            "; delsp=yes",
        ),
        (
            "flowed-stuffed",
            "A stuffed line is another claim.",
            TEXT + "".join(f" {line}\n" for line in EVIL_LINES.splitlines()),
            "",
        ),
    ):
        shelf.add(
            name, why, mime(f"text/plain; charset=utf-8; format=flowed{delsp}", body), AMBIGUOUS
        )
    return shelf.items


def _relabelled(encoding: str) -> bytes:
    genuine = salesforce()
    return genuine.replace(
        b"X-Priority", f"Content-Transfer-Encoding: {encoding}\r\nX-Priority".encode(), 1
    )
