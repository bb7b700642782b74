"""MIME, boundary, charset and transfer encoding confusion: one mail, two texts.

All are signed over their body and Content-Type by Salesforce's key, as if a profile name or a
template carried the trick, and the receiving server is content: only a text with one reading may
pass.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from tests.corpus.base import EVIL_TOKEN, Item, Row, arrived, crlf, mails, salesforce
from tests.kit.mails import TOKEN, USERNAME, token_body, token_mail
from tests.kit.signing import seal

TEXT = token_body()
EVIL = token_body("batch@acme.example", EVIL_TOKEN)
LINES = f"Username: {USERNAME}\nSecurity token (case-sensitive): {TOKEN}\n"
EVIL_LINES = f"Username: batch@acme.example\nSecurity token (case-sensitive): {EVIL_TOKEN}\n"
UNEXPECTED = "held unexpected-part"
AMBIGUOUS = "held ambiguous-claim"


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


def _nested(depth: int) -> bytes:
    inner = part(TEXT)
    for level in range(depth - 1):
        head = f'Content-Type: multipart/mixed; boundary="n{level}"\n\n'
        inner = f"{head}--n{level}\n{inner}\n--n{level}--\n"
    _, _, body = inner.partition("\n\n")
    return mime(f'multipart/mixed; boundary="n{depth - 2}"', body)


ATTACHED = "Content-Disposition: attachment; filename=token.txt\n"
DISPOSED = arrived(seal(token_mail(extra="Content-Disposition: attachment\n")))
TYPES = (
    (
        "attachment",
        "A text attached to the text.",
        multipart(part(TEXT), part(EVIL, extra=ATTACHED)),
    ),
    ("attachment-only", "The text is an attachment.", multipart(part(TEXT, extra=ATTACHED))),
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
            part("see below\n"), part("From: support@salesforce.com\n\n" + EVIL, "message/rfc822")
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
    ("disposition", "The whole mail is an attachment (an unsigned field says so).", DISPOSED),
)

ONE_PART = f"--b\n{part(TEXT)}\n--b--\n"
OTHER_PART = f"--e\n{part(EVIL)}\n--e--\n"
BOUNDARIES = (
    (
        "twice",
        "Two boundaries: each reader takes another.",
        mime("multipart/mixed; boundary=b; boundary=e", ONE_PART + OTHER_PART),
    ),
    (
        "twice-case",
        "The same in another case.",
        mime("multipart/mixed; boundary=b; BOUNDARY=e", ONE_PART + OTHER_PART),
    ),
    (
        "continued",
        "A boundary in pieces (RFC 2231).",
        mime("multipart/mixed; boundary=b; boundary*0=e", ONE_PART + OTHER_PART),
    ),
    (
        "extended",
        "A boundary with a charset (RFC 2231).",
        mime("multipart/mixed; boundary*=utf-8''e; boundary=b", ONE_PART + OTHER_PART),
    ),
    ("missing", "No boundary.", mime("multipart/mixed", ONE_PART)),
    (
        "empty",
        "An empty boundary.",
        mime('multipart/mixed; boundary=""', "--\n" + part(TEXT) + "\n----\n"),
    ),
    (
        "long",
        "A boundary of more than 70 characters.",
        mime(f'multipart/mixed; boundary="{"x" * 80}"', ONE_PART.replace("--b", "--" + "x" * 80)),
    ),
    (
        "final-space",
        "A boundary that ends in a space.",
        mime('multipart/mixed; boundary="b "', ONE_PART),
    ),
    (
        "escaped",
        "An escaped letter in the boundary.",
        mime('multipart/mixed; boundary="\\b"', ONE_PART),
    ),
    (
        "odd",
        "A boundary with a character it may not have.",
        mime('multipart/mixed; boundary="b$"', ONE_PART.replace("--b", "--b$")),
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
        mime("multipart/mixed; boundary=b", ONE_PART + f"--b\n{part(EVIL)}\n--b--\n"),
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
            "--b\nContent-Type: multipart/mixed; boundary=b\n\n" + ONE_PART + "--b--\n",
        ),
    ),
    (
        "trailing",
        "Text behind a delimiter on its line.",
        mime("multipart/mixed; boundary=b", ONE_PART.replace("--b\n", "--b (x)\n", 1)),
    ),
    (
        "encoded",
        "A multipart in base64.",
        mime(
            "multipart/mixed; boundary=b", base64.encodebytes(ONE_PART.encode()).decode(), "base64"
        ),
    ),
    (
        "quoted-printable",
        "A multipart in quoted-printable.",
        mime("multipart/mixed; boundary=b", ONE_PART, "quoted-printable"),
    ),
    (
        "preamble",
        "Another claim before the first part.",
        multipart(part(TEXT), before=EVIL),
        AMBIGUOUS,
    ),
    (
        "epilogue",
        "Another claim after the last part.",
        multipart(part(TEXT), after=EVIL),
        AMBIGUOUS,
    ),
    (
        "preamble-only",
        "A claim before the parts, none in them.",
        multipart(part("hello\n"), before=EVIL),
        AMBIGUOUS,
    ),
)

PART_HEADERS = (
    (
        "two-types",
        "Two content types for one part.",
        "Content-Type: text/plain; charset=UTF-8\nContent-Type: text/html\n\n" + TEXT,
    ),
    (
        "two-encodings",
        "Two transfer encodings for one part.",
        part(TEXT, extra="Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n"),
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
    ("no-end", "A header without an end.", "Content-Type: text/plain\nX: Security token: " + TOKEN),
    ("mbox-from", "The separator of an mbox file.", "From x\nContent-Type: text/html\n\n" + TEXT),
)

UTF_7 = LINES.replace("@", "+AEA-")
CHARSETS = (
    (
        "utf-7",
        "UTF-7 hides the @.",
        mime("text/plain; charset=utf-7", TEXT.replace("integration@", "x+AEA-") + LINES + UTF_7),
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
    ("continued", "A charset in pieces.", mime("text/plain; charset*0=utf; charset*1=-7", TEXT)),
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
            "text/plain; charset=iso-8859-1", crlf(TEXT) + b"x\x85Username: batch@acme.example\r\n"
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
)

# The field that says the transfer encoding is not signed: whoever carries the mail can change it.
# In quoted-printable the link of the mail needs its `=` encoded.
QUOTED = TEXT.replace("?id=user", "?id=3Duser")
ENCODED = base64.encodebytes(crlf(TEXT)).decode()
JOINED = QUOTED.replace(USERNAME, USERNAME + "=\n.evil.example")
ENCODINGS = (
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
    ("list", "Two transfer encodings.", mime("text/plain; charset=utf-8", TEXT, "7bit, base64")),
    ("comment", "A comment.", mime("text/plain; charset=utf-8", TEXT, "7bit (base64)")),
    (
        "7-bit-with-8",
        "8-bit bytes in what is called 7bit.",
        mime("text/plain; charset=utf-8", TEXT + "Zoë\n", "7bit"),
    ),
    (
        "qp-bad-hex",
        "An = that is no escape.",
        mime("text/plain; charset=utf-8", QUOTED + "=ZZ\n", "quoted-printable"),
    ),
    (
        "qp-space-break",
        "A soft line break with a space, which Python does not take for one.",
        mime(
            "text/plain; charset=utf-8",
            QUOTED.replace(USERNAME, USERNAME + "= \n.evil.example"),
            "quoted-printable",
        ),
    ),
    (
        "qp-end",
        "An = at the very end.",
        mime("text/plain; charset=utf-8", QUOTED + "=", "quoted-printable"),
    ),
    (
        "qp-nul",
        "An encoded NUL.",
        mime("text/plain; charset=utf-8", QUOTED + "=00\n", "quoted-printable"),
    ),
    (
        "qp-cr",
        "An encoded CR alone.",
        mime("text/plain; charset=utf-8", QUOTED + "x=0D" + EVIL_LINES, "quoted-printable"),
    ),
    (
        "qp-8-bit",
        "8-bit bytes in quoted-printable.",
        mime("text/plain; charset=utf-8", QUOTED + "Zoë\n", "quoted-printable"),
    ),
    (
        "base64-after-end",
        "Text after the padding.",
        mime("text/plain; charset=utf-8", ENCODED + "\n" + EVIL, "base64"),
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
        mime("text/plain; charset=utf-8", ENCODED.replace("\n", "!\n"), "base64"),
    ),
    (
        "base64-url",
        "The other alphabet.",
        mime("text/plain; charset=utf-8", ENCODED + "-_\n", "base64"),
    ),
    (
        "base64-no-padding",
        "Padding left out.",
        mime(
            "text/plain; charset=utf-8",
            base64.b64encode(crlf(TEXT) + b"x" * ((1 - len(crlf(TEXT))) % 3)).decode().rstrip("="),
            "base64",
        ),
    ),
    (
        "qp-soft-break",
        "A soft line break makes another username of ours.",
        mime("text/plain; charset=utf-8", JOINED, "quoted-printable"),
        AMBIGUOUS,
    ),
)
FLOWED = (
    (
        "flowed-username",
        "A flowed line goes on in the next.",
        (TEXT.replace(USERNAME, USERNAME + " "), ""),
    ),
    (
        "flowed-token",
        "A flowed token goes on in the next line.",
        (TEXT.replace(TOKEN, TOKEN[:20] + " \n" + TOKEN[20:]), "; delsp=yes"),
    ),
    (
        "flowed-stuffed",
        "A stuffed line is another claim.",
        (TEXT + "".join(f" {line}\n" for line in EVIL_LINES.splitlines()), ""),
    ),
)


def items() -> Iterator[Item]:
    yield from mails("types", TYPES, UNEXPECTED)
    yield from mails("boundary", BOUNDARIES, UNEXPECTED)
    yield from mails("part-header", PART_HEADERS, UNEXPECTED, build=multipart)
    yield from mails("charset", CHARSETS, UNEXPECTED)
    yield from mails("encoding", ENCODINGS, UNEXPECTED)
    yield from mails("encoding", _relabelled(), UNEXPECTED)
    yield from mails("relabelled", RELABELLED, AMBIGUOUS, build=_relabelled_after_signing)
    yield from mails("encoding", FLOWED, AMBIGUOUS, build=_flowed)


# Signed as it stands, without a Content-Transfer-Encoding, which is put in afterwards.
RELABELLED = (
    ("username", "The @ of a stranger's text.", token_body("batch=40acme.example", EVIL_TOKEN)),
    (
        "username-split",
        "A line end in the middle of a username.",
        token_body("x@bots.acme.ex=\nample", EVIL_TOKEN),
    ),
    ("token", "A letter of the token.", token_body(token="=45" + EVIL_TOKEN[1:])),
    ("line-end", "The end of a line.", token_body().replace("\nSecurity", "=0D=0ASecurity")),
    (
        "second-username",
        "A name that a known label announces only as it stands.",
        token_body("batch@acme.example", EVIL_TOKEN)
        .replace("Username:", "Benutzer:")
        .replace("\nBenutzer", "\nUsername: stranger@else.example=\n/\nBenutzer"),
    ),
)


def _relabelled_after_signing(body: str) -> bytes:
    field = b"Content-Transfer-Encoding: quoted-printable\r\nX-Priority"
    return salesforce(body=body.replace("?id=", "?id=3D")).replace(b"X-Priority", field, 1)


def _relabelled() -> Iterator[Row]:
    for name, encoding in (("base64", "base64"), ("qp", "quoted-printable")):
        field = f"Content-Transfer-Encoding: {encoding}\r\nX-Priority".encode()
        raw = salesforce().replace(b"X-Priority", field, 1)
        yield f"plain-as-{name}", f"A plain text is called {encoding}.", raw


def _flowed(text: tuple[str, str]) -> bytes:
    body, delsp = text
    return mime(f"text/plain; charset=utf-8; format=flowed{delsp}", body)
