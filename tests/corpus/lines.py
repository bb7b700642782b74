"""Header and line-end confusion: signer, parser and person see other lines, or other fields."""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus.base import (
    EVIL_TOKEN,
    PASS,
    RECEIVED,
    Item,
    Row,
    arrived,
    body,
    crlf,
    expect,
    header,
    item,
    mails,
    salesforce,
)
from tests.kit.mails import token_body, token_mail
from tests.kit.signing import seal

EVIL = "batch@acme.example"
FAKE = token_body(EVIL, EVIL_TOKEN).replace("\n", "\r\n").encode()
SECOND = (
    ("From", "attacker@evil.example"),
    ("To", "attacker@evil.example"),
    ("Subject", "Sandbox: Your new Salesforce security token"),
    ("Date", "Tue, 03 Feb 2026 13:30:00 +0000"),
    ("MIME-Version", "1.1"),
    ("Content-Type", "text/html; charset=UTF-8"),
    ("Content-Transfer-Encoding", "quoted-printable"),
)
ALREADY_THERE = {"Content-Transfer-Encoding": "8bit"}
"""Fields that a second one of is only second when there is a first."""

GENUINE = salesforce()


def _in_front_of_mime(field: bytes) -> bytes:
    return GENUINE.replace(b"X-Priority: 3\r\n", field + b"X-Priority: 3\r\n", 1)


HIDDEN = b"\rFrom: attacker@evil.example\rSubject: x\r\r" + FAKE.replace(b"\r\n", b"\r")
LINE_ENDS = (
    (
        "bare-cr-in-front",
        "One unsigned line with bare CRs in front shows another mail to parsers that break there.",
        b"X: y" + HIDDEN + b"\r\n" + GENUINE,
    ),
    (
        "bare-cr-in-field",
        "A bare CR inside an unsigned field.",
        GENUINE.replace(b"X-Priority: 3", b"X-Priority: 3\rFrom: attacker@evil.example"),
    ),
    (
        "bare-lf-in-field",
        "A bare LF inside an unsigned field.",
        GENUINE.replace(b"X-Priority: 3", b"X-Priority: 3\nSubject: x"),
    ),
    (
        "bare-lf-in-front",
        "A whole header with bare LFs in front.",
        b"X: y\nFrom: attacker@evil.example\n\n" + FAKE + GENUINE,
    ),
    (
        "bare-cr-in-body",
        "A bare CR in the body.",
        GENUINE.replace(b"\r\n\r\nFor more", b"\rUsername: " + EVIL.encode() + b"\r\n\r\nFor more"),
    ),
    (
        "bare-lf-in-body",
        "A bare LF in the body.",
        GENUINE.replace(b"\r\n\r\nFor more", b"\nUsername: x\r\n\r\nFor more"),
    ),
    ("lf-only", "Unix line ends throughout.", GENUINE.replace(b"\r\n", b"\n")),
    ("cr-only", "Old Macintosh line ends throughout.", GENUINE.replace(b"\r\n", b"\r")),
    (
        "lf-cr",
        "Line ends the wrong way round, in front.",
        b"X: y\n\rFrom: attacker@evil.example\r\n" + GENUINE,
    ),
    ("cr-cr-lf", "Line ends with one CR too many.", GENUINE.replace(b"\r\n", b"\r\r\n")),
    (
        "nul-in-header",
        "A NUL ends the text for programs in C.",
        GENUINE.replace(b"X-Priority: 3", b"X-Priority: 3\0x"),
    ),
    (
        "nul-in-from",
        "A NUL in the sender.",
        GENUINE.replace(b"<support@salesforce.com>", b"<support@salesforce.com\0@evil.example>"),
    ),
    ("nul-in-body", "A NUL in the body.", GENUINE.replace(b"Username", b"\0Username")),
    (
        "vertical-tab",
        "A vertical tab is a line end for some.",
        GENUINE.replace(b"X-Priority: 3", b"X-Priority: 3\x0bFrom: x@evil.example"),
    ),
    (
        "form-feed",
        "A form feed is a line end for some.",
        GENUINE.replace(b"Username", b"\x0cUsername"),
    ),
    (
        "file-separator",
        "Python's str.splitlines breaks at FS, GS and RS.",
        GENUINE.replace(b"X-Priority: 3", b"X-Priority: 3\x1cFrom: x@evil.example"),
    ),
    (
        "backspace",
        "Backspaces rub out what was written, on a terminal.",
        GENUINE.replace(b"Username", b"Nothing\x08\x08Username"),
    ),
    ("delete", "A DEL in the body.", GENUINE.replace(b"Username", b"\x7fUsername")),
    (
        "escape-in-header",
        "An escape sequence in the header.",
        GENUINE.replace(b"X-Priority: 3", b"X-Priority: \x1b[31m3"),
    ),
    (
        "long-line",
        "A signed field of more than 998 bytes.",
        salesforce(to="x" * 1000 + "@example.com, ops@example.com"),
    ),
    (
        "long-line-cut",
        "Whoever cuts a long line sees another sender.",
        b"X: " + b"y" * 995 + b"From: attacker@evil.example\r\n" + GENUINE,
    ),
    (
        "long-line-cut-later",
        "The same for a program with a larger buffer.",
        _in_front_of_mime(b"X: " + b"y" * 4093 + b"Content-Transfer-Encoding: base64\r\n"),
    ),
)

EVIL_VALUE = b"attacker@evil.example\r\n"
FIELDS = (
    (
        "space-before-colon",
        "`From :` is From for some and unknown for others.",
        b"From : " + EVIL_VALUE + GENUINE,
    ),
    ("tab-before-colon", "The same with a tab.", b"From\t: " + EVIL_VALUE + GENUINE),
    ("folded-name", "The name folded away from its colon.", b"From\r\n : " + EVIL_VALUE + GENUINE),
    ("no-name", "A line that begins with the colon.", b": From " + EVIL_VALUE + GENUINE),
    ("no-colon", "A header line without a colon.", b"From attacker at evil.example\r\n" + GENUINE),
    (
        "mbox-from",
        "The separator of an mbox file on top.",
        b"From support@salesforce.com Tue Feb  3 12:57:27 2026\r\n" + GENUINE,
    ),
    (
        "escaped-mbox-from",
        "The escaped separator of an mbox file in the middle, which ends the header for some.",
        _in_front_of_mime(b">From support@salesforce.com Tue Feb  3 2026\r\n"),
    ),
    ("fold-first", "A mail that begins with a folded line.", b" From: " + EVIL_VALUE + GENUINE),
    (
        "blank-fold",
        "A folded line of white space, which ends the header for some.",
        _in_front_of_mime(b"X: y\r\n \r\n"),
    ),
    ("blank-fold-tab", "The same with a tab.", _in_front_of_mime(b"X: y\r\n\t\r\n")),
    (
        "blank-fold-evil",
        "The rest of the header becomes the text.",
        b"X: y\r\n \r\nUsername: " + EVIL.encode() + b"\r\n" + GENUINE,
        "held ambiguous-claim",
    ),
    (
        "mbox-from-evil",
        "The same below the escaped separator of an mbox file.",
        b">From x\r\nSecurity-token: x\r\nUsername: " + EVIL.encode() + b"\r\n" + GENUINE,
        "held ambiguous-claim",
    ),
    (
        "blank-fold-signed",
        "A signed field with a folded line of white space, which relaxed canonicalization allows.",
        GENUINE.replace(b"Subject: Your new ", b"Subject: Your new\r\n \r\n "),
    ),
    ("8-bit-value", "A letter outside of ASCII in the To.", salesforce(to="Zoë <ops@example.com>")),
    (
        "8-bit-results",
        "A letter outside of ASCII in what claims to be the server's results.",
        crlf(PASS.replace("2048-bit key", "Schlüssel") + RECEIVED) + token_mail(EVIL, EVIL_TOKEN),
        expect("refused unsigned", results="refused unauthenticated"),
    ),
    (
        "8-bit-signature",
        "A letter outside of ASCII in a signature of a signing domain.",
        arrived(seal(token_mail()).replace(b"; d=", "; z=Zoë; d=".encode(), 1)),
        expect("refused bad-signature", results="held weak-signature", auto="held bad-signature"),
    ),
    (
        "obsolete-evil",
        "A field of the obsolete form that is a username for whoever ends the header there.",
        f"Username : {EVIL}\r\nUsername: {EVIL}\r\n".encode() + GENUINE,
        "held ambiguous-claim",
    ),
    (
        "obsolete-between",
        "A field of the obsolete form between those that decide.",
        _in_front_of_mime(b"X : y\r\n"),
    ),
    (
        "8-bit-name",
        "A field name with a Cyrillic letter.",
        "Fr\u043em: ".encode() + EVIL_VALUE + GENUINE,
    ),
    (
        "8-bit-subject",
        "A raw UTF-8 Subject.",
        salesforce(subject="Your new Salesforce security token \u2713"),
    ),
    ("byte-order-mark", "A byte order mark before the first field.", b"\xef\xbb\xbf" + GENUINE),
    (
        "line-separator",
        "U+2028 in a field.",
        _in_front_of_mime("X: y\u2028From: x@evil.example\r\n".encode()),
    ),
    (
        "next-line",
        "U+0085 in a field.",
        _in_front_of_mime("X: y\u0085From: x@evil.example\r\n".encode()),
    ),
    (
        "next-line-latin",
        "The same in Latin-1, where it is a byte.",
        _in_front_of_mime(b"X: y\x85 from : x@evil.example\r\n"),
    ),
    (
        "no-end",
        "A header that never ends: the text is not there.",
        header(GENUINE) + b"\r\nX-Text: Security token: FAKE5tokenNOTreal2xyzQ99a\r\n",
    ),
    (
        "dot-stuffed-name",
        "A field name with a leading dot, left over from SMTP, and a space.",
        b". From: " + EVIL_VALUE + GENUINE,
    ),
)


def items() -> Iterator[Item]:
    yield from mails("line-ends", LINE_ENDS, "refused malformed")
    yield from mails("fields", FIELDS, "refused malformed")
    yield from mails("second", _second(), "refused duplicate-header")
    yield from _below_an_early_end()
    yield from mails("missing", _missing(), "refused missing-header")


def _second() -> Iterator[Row]:
    """A second field beside a signed one: dkimpy checks one, a mail program shows the other."""
    for name, value in SECOND:
        first = f"{name}: {ALREADY_THERE[name]}\n" if name in ALREADY_THERE else ""
        genuine = arrived(seal(token_mail(extra=first)))
        above = crlf(f"{name}: {value}\n") + genuine
        yield f"{name.lower()}-above", f"A second {name} above all others.", above
        below = header(genuine) + crlf(f"\n{name.upper()}: {value}\n\n") + body(genuine)
        yield f"{name.lower()}-below", f"A second {name.upper()} below all others.", below
    same = b"From: support@salesforce.com\r\n" + GENUINE
    yield "from-same", "The same From twice.", same


def _below_an_early_end() -> Iterator[Item]:
    """A server that ends the header there removes no results that a stranger wrote below."""
    verdict = expect("refused unsigned", results="held unauthenticated")
    forged = crlf(PASS) + token_mail(EVIL, EVIL_TOKEN)
    for name, odd in (("blank-fold", b"X: y\r\n \r\n"), ("mbox-from", b">From x\r\n")):
        for variant in ("unique", "milters-below"):
            raw = crlf(RECEIVED) + odd + forged
            why = "Results where a server that ends the header early does not look."
            yield item("fields", f"{name}-results-{variant}", why, raw, verdict, variant=variant)


def _missing() -> Iterator[Row]:
    for name in ("From", "To", "Subject", "Date"):
        start = GENUINE.index(f"\r\n{name}: ".encode())
        end = GENUINE.index(b"\r\n", start + 2)
        yield name.lower(), f"No {name} at all.", GENUINE[:start] + GENUINE[end:]
    renamed = GENUINE.replace(b"\r\nFrom: ", b"\r\nSender: ", 1)
    yield "from-but-sender", "A Sender in place of the From.", renamed
    early = b"X: y\r\n\r\n" + GENUINE
    yield "header-in-body", "An empty line before the header makes all of it text.", early
