"""Header and line-end confusion: the signer, the parser and the person see different lines, or different fields."""

from __future__ import annotations

from tests.corpus.base import EVIL_TOKEN, Item, Shelf, arrived, body, crlf, header, salesforce
from tests.kit.mails import token_body, token_mail
from tests.kit.signing import seal

EVIL = "batch@acme.example"
FAKE = token_body(EVIL, EVIL_TOKEN).replace("\n", "\r\n").encode()
SECOND = (
    ("From", "attacker@evil.example"),
    ("To", "attacker@evil.example"),
    ("Subject", "Sandbox: Your new Salesforce security token"),
    ("Date", "Tue, 03 Feb 2026 13:30:00 +0000"),
    ("Cc", "attacker@evil.example"),
    ("Sender", "attacker@evil.example"),
    ("Reply-To", "attacker@evil.example"),
    ("Message-ID", "<2@evil.example>"),
    ("MIME-Version", "1.0"),
    ("Content-Type", "text/html; charset=UTF-8"),
    ("Content-Transfer-Encoding", "quoted-printable"),
)
BOTH_ALREADY = {
    "Cc": "b@example.com",
    "Sender": "c@example.com",
    "Reply-To": "d@example.com",
    "Content-Transfer-Encoding": "8bit",
}
"""Fields that a second one of is only second when there is a first."""


def items() -> list[Item]:
    return [*_line_ends(), *_fields(), *_second(), *_missing()]


def _line_ends() -> list[Item]:
    shelf = Shelf("line-ends")
    genuine = salesforce()
    hidden = b"\rFrom: attacker@evil.example\rSubject: x\r\r" + FAKE.replace(b"\r\n", b"\r")
    for name, why, raw in (
        (
            "bare-cr-in-front",
            "One unsigned line with bare CRs in front shows another mail to parsers that break there.",
            b"X: y" + hidden + b"\r\n" + genuine,
        ),
        (
            "bare-cr-in-field",
            "A bare CR inside an unsigned field.",
            genuine.replace(b"X-Priority: 3", b"X-Priority: 3\rFrom: attacker@evil.example"),
        ),
        (
            "bare-lf-in-field",
            "A bare LF inside an unsigned field.",
            genuine.replace(b"X-Priority: 3", b"X-Priority: 3\nSubject: x"),
        ),
        (
            "bare-lf-in-front",
            "A whole header with bare LFs in front.",
            b"X: y\nFrom: attacker@evil.example\n\n" + FAKE + genuine,
        ),
        (
            "bare-cr-in-body",
            "A bare CR in the body.",
            genuine.replace(
                b"\r\n\r\nFor more", b"\rUsername: " + EVIL.encode() + b"\r\n\r\nFor more"
            ),
        ),
        (
            "bare-lf-in-body",
            "A bare LF in the body.",
            genuine.replace(b"\r\n\r\nFor more", b"\nUsername: x\r\n\r\nFor more"),
        ),
        ("lf-only", "Unix line ends throughout.", genuine.replace(b"\r\n", b"\n")),
        ("cr-only", "Old Macintosh line ends throughout.", genuine.replace(b"\r\n", b"\r")),
        (
            "lf-cr",
            "Line ends the wrong way round, in front.",
            b"X: y\n\rFrom: attacker@evil.example\r\n" + genuine,
        ),
        ("cr-cr-lf", "Line ends with one CR too many.", genuine.replace(b"\r\n", b"\r\r\n")),
        (
            "nul-in-header",
            "A NUL ends the text for programs in C.",
            genuine.replace(b"X-Priority: 3", b"X-Priority: 3\0x"),
        ),
        (
            "nul-in-from",
            "A NUL in the sender.",
            genuine.replace(
                b"<support@salesforce.com>", b"<support@salesforce.com\0@evil.example>"
            ),
        ),
        ("nul-in-body", "A NUL in the body.", genuine.replace(b"Username", b"\0Username")),
        (
            "vertical-tab",
            "A vertical tab is a line end for some.",
            genuine.replace(b"X-Priority: 3", b"X-Priority: 3\x0bFrom: x@evil.example"),
        ),
        (
            "form-feed",
            "A form feed is a line end for some.",
            genuine.replace(b"Username", b"\x0cUsername"),
        ),
        (
            "file-separator",
            "Python's str.splitlines breaks at FS, GS and RS.",
            genuine.replace(b"X-Priority: 3", b"X-Priority: 3\x1cFrom: x@evil.example"),
        ),
        (
            "backspace",
            "Backspaces rub out what was written, on a terminal.",
            genuine.replace(b"Username", b"Nothing\x08\x08Username"),
        ),
        ("delete", "A DEL in the body.", genuine.replace(b"Username", b"\x7fUsername")),
        (
            "escape-in-header",
            "An escape sequence in the header.",
            genuine.replace(b"X-Priority: 3", b"X-Priority: \x1b[31m3"),
        ),
        (
            "long-line",
            "A line of more than 998 bytes.",
            genuine.replace(b"X-Priority: 3", b"X-Priority: " + b"3" * 1000),
        ),
    ):
        shelf.add(name, why, raw, "refused malformed")
    return shelf.items


def _fields() -> list[Item]:
    shelf = Shelf("fields")
    genuine = salesforce()
    evil = b"attacker@evil.example\r\n"
    for name, why, raw in (
        (
            "space-before-colon",
            "`From :` is From for some and unknown for others.",
            b"From : " + evil + genuine,
        ),
        ("tab-before-colon", "The same with a tab.", b"From\t: " + evil + genuine),
        ("folded-name", "The name folded away from its colon.", b"From\r\n : " + evil + genuine),
        ("no-name", "A line that begins with the colon.", b": From " + evil + genuine),
        (
            "no-colon",
            "A header line without a colon.",
            b"From attacker at evil.example\r\n" + genuine,
        ),
        (
            "mbox-from",
            "The separator of an mbox file on top.",
            b"From support@salesforce.com Tue Feb  3 12:57:27 2026\r\n" + genuine,
        ),
        (
            "escaped-mbox-from",
            "The escaped separator of an mbox file on top.",
            b">From support@salesforce.com Tue Feb  3 2026\r\n" + genuine,
        ),
        ("fold-first", "A mail that begins with a folded line.", b" From: " + evil + genuine),
        (
            "blank-fold",
            "A folded line of white space, which ends the header for some.",
            _in_front_of_mime(genuine, b"X: y\r\n \r\n"),
        ),
        ("blank-fold-tab", "The same with a tab.", _in_front_of_mime(genuine, b"X: y\r\n\t\r\n")),
        (
            "blank-fold-evil",
            "The rest of the header becomes the text.",
            b"X: y\r\n \r\nUsername: " + EVIL.encode() + b"\r\n" + genuine,
        ),
        (
            "8-bit-value",
            "A letter outside of ASCII in a field.",
            _in_front_of_mime(genuine, "X-Name: Zoë\r\n".encode()),
        ),
        (
            "8-bit-latin",
            "The same in Latin-1.",
            _in_front_of_mime(genuine, "X-Name: Zoë\r\n".encode("latin-1")),
        ),
        (
            "8-bit-name",
            "A field name with a Cyrillic letter.",
            "Fr\u043em: ".encode() + evil + genuine,
        ),
        (
            "8-bit-subject",
            "A raw UTF-8 Subject.",
            salesforce(subject="Your new Salesforce security token \u2713"),
        ),
        ("byte-order-mark", "A byte order mark before the first field.", b"\xef\xbb\xbf" + genuine),
        (
            "line-separator",
            "U+2028 in a field.",
            _in_front_of_mime(genuine, "X: y\u2028From: x@evil.example\r\n".encode()),
        ),
        (
            "next-line",
            "U+0085 in a field.",
            _in_front_of_mime(genuine, "X: y\u0085From: x@evil.example\r\n".encode()),
        ),
        (
            "no-end",
            "A header that never ends: the text is not there.",
            header(genuine) + b"\r\nX-Text: Security token: FAKE5tokenNOTreal2xyzQ99a\r\n",
        ),
        (
            "dot-stuffed-name",
            "A field name with a leading dot, left over from SMTP, and a space.",
            b". From: " + evil + genuine,
        ),
    ):
        shelf.add(name, why, raw, "refused malformed")
    return shelf.items


def _second() -> list[Item]:
    """A second field beside a signed one: dkimpy checks one, a mail program shows the other."""
    shelf = Shelf("second")
    for name, value in SECOND:
        first = f"{name}: {BOTH_ALREADY[name]}\n" if name in BOTH_ALREADY else ""
        genuine = arrived(seal(token_mail(extra=first)))
        shelf.add(
            f"{name.lower()}-above",
            f"A second {name} above all others.",
            crlf(f"{name}: {value}\n") + genuine,
            "refused duplicate-header",
        )
        below = header(genuine) + crlf(f"\n{name.upper()}: {value}\n\n") + body(genuine)
        shelf.add(
            f"{name.lower()}-below",
            f"A second {name.upper()} below all others.",
            below,
            "refused duplicate-header",
        )
    shelf.add(
        "from-same",
        "The same From twice.",
        b"From: support@salesforce.com\r\n" + salesforce(),
        "refused duplicate-header",
    )
    return shelf.items


def _missing() -> list[Item]:
    shelf = Shelf("missing")
    for name in ("From", "To", "Subject", "Date"):
        raw = salesforce()
        start = raw.index(f"\r\n{name}: ".encode())
        end = raw.index(b"\r\n", start + 2)
        shelf.add(
            name.lower(), f"No {name} at all.", raw[:start] + raw[end:], "refused missing-header"
        )
    renamed = salesforce().replace(b"\r\nFrom: ", b"\r\nSender: ", 1)
    shelf.add(
        "from-but-sender", "A Sender in place of the From.", renamed, "refused missing-header"
    )
    early = b"X: y\r\n\r\n" + salesforce()
    shelf.add(
        "header-in-body",
        "An empty line before the header makes all of it text.",
        early,
        "refused missing-header",
    )
    return shelf.items


def _in_front_of_mime(raw: bytes, field: bytes) -> bytes:
    return raw.replace(b"X-Priority: 3\r\n", field + b"X-Priority: 3\r\n", 1)
