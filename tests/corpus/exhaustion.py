"""Mails made to be expensive: each ends quickly, and most before a parser sees them."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from tests.corpus.base import FAIL, Item, arrived, crlf, expect, item, mails
from tests.corpus.signatures import NO_KEY
from tests.kit.mails import SIGNED_HEADERS, token_body, token_mail
from tests.kit.signing import rsa_key, seal, signature, with_value
from token_catcher.model import MAX_MAIL_BYTES

MALFORMED = "refused malformed"
UNSIGNED = expect("refused unsigned", results="refused unauthenticated")
BAD = expect("refused bad-signature", results="refused unauthenticated")
CANNOT = expect(
    "refused bad-signature", results="refused unauthenticated", auto="refused unauthenticated"
)
SIGNED = expect("refused unauthenticated", dkim="held unexpected-part", auto="held unexpected-part")


def _unsigned(content_type: str, body: bytes) -> bytes:
    return crlf(FAIL) + token_mail(content_type=content_type, body="") + body


SPARED = expect("would-store", results="refused unauthenticated", both="refused unauthenticated")
"""Genuine, though made to be expensive; only the receiving server says that it is not."""
LONG_LINES = (b" \t", b"x", b"a:b ", b"<a b>")
PLAIN = token_mail()
TEXT = crlf(token_body())
SIZES = (
    (
        "300-kB",
        "More than 256 kB.",
        arrived(PLAIN + b"x" * 76 + (b"\r\n" + b"x" * 76) * 4000),
        "refused oversized",
    ),
    (
        "one-byte-more",
        "One byte more than 256 kB.",
        (arrived(PLAIN + (b"x" * 76 + b"\r\n") * 4000))[: MAX_MAIL_BYTES + 1],
        "refused oversized",
    ),
    (
        "80000-blank-lines",
        "80,000 empty lines, which cost dkimpy seconds.",
        arrived(seal(PLAIN + b"\r\n" * 80000)),
    ),
    (
        "80000-blank-lines-inside",
        "The same before a last word.",
        arrived(seal(PLAIN + b"\r\n" * 80000 + b"x\r\n")),
    ),
    (
        "80000-spaces",
        "80,000 lines of one space, which relaxed canonicalization strips.",
        arrived(seal(PLAIN + b" \r\n" * 80000)),
    ),
    ("one-line", "All in one line of 200 kB.", arrived(PLAIN + b"x" * 200_000)),
    (
        "header-100-kB",
        "A header of 100 kB.",
        arrived(crlf("".join(f"X-{n}: {'y' * 900}\n" for n in range(110))) + PLAIN),
    ),
    ("10000-fields", "10,000 fields.", arrived(b"X: y\r\n" * 10_000 + PLAIN)),
    ("201-fields", "One field more than 200.", arrived(b"X: y\r\n" * 201 + PLAIN)),
    (
        "folds",
        "A field of 60 kB in 20,000 folds.",
        arrived(b"X: y\r\n" + b" z\r\n" * 20_000 + PLAIN),
    ),
    (
        "blank-lines-before",
        "100,000 empty lines before the text.",
        arrived(token_mail(body="")) + b"\r\n" * 100_000 + TEXT,
    ),
)

GENUINE = (
    (
        "long-lines",
        "Four lines of 60 kB: spaces, one word, labels, and tags.",
        arrived(
            seal(PLAIN + b"".join(unit * (60_000 // len(unit)) + b"\r\n" for unit in LONG_LINES)),
            FAIL,
        ),
    ),
    (
        "long-fields",
        "A field of 60 kB in one line of spaces, which a signature covers.",
        arrived(
            seal(b"X-A: y" + b" " * 55_000 + b"z\r\n" + PLAIN, headers=[*SIGNED_HEADERS, "X-A"]),
            FAIL,
        ),
    ),
    (
        "odd-lines",
        "180 fields that end the header for some.",
        arrived(b"X: y\r\n \r\n z\r\n" * 180 + seal(PLAIN), FAIL),
    ),
)

PART = b"--b\r\n\r\n" + TEXT
DEEP = b"".join(
    b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(1, 900)
)
STRUCTURES = (
    (
        "10000-parts",
        "10,000 parts.",
        _unsigned(
            "multipart/mixed; boundary=b", PART + b"--b\r\n\r\nx\r\n" * 10_000 + b"--b--\r\n"
        ),
        MALFORMED,
    ),
    (
        "900-levels",
        "900 levels, which parsers walk by recursion.",
        _unsigned("multipart/mixed; boundary=b0", b"--b0\r\n" + DEEP + b"\r\n" + TEXT * 9),
    ),
    (
        "2000-mails",
        "2,000 mails, each in the next.",
        _unsigned("message/rfc822", b"Content-Type: message/rfc822\r\n\r\n" * 2000 + TEXT),
    ),
    (
        "1500-parts",
        "As many parts as lines allow.",
        _unsigned("multipart/mixed; boundary=b", PART + b"--b\r\n\r\nx\r\n" * 1500 + b"--b--\r\n"),
    ),
    (
        "400-levels",
        "As many levels, and a long text inside.",
        _unsigned(
            "multipart/mixed; boundary=b0",
            b"--b0\r\n" + DEEP[: 400 * 52] + b"\r\n" + TEXT + b"x\r\n" * 3500,
        ),
    ),
    (
        "delimiters",
        "3,000 lines that begin like a delimiter.",
        _unsigned("multipart/mixed; boundary=b", PART + b"--bx\r\n" * 3000 + b"--b--\r\n"),
    ),
    (
        "parameters",
        "5,000 parameters.",
        _unsigned("text/plain" + "".join(f";\n\tp{n}={n}" for n in range(4000)), TEXT),
    ),
)

OWN = signature(PLAIN)
BIG = token_mail(content_type="text/plain; charset=utf-8") + (b"a " * 498 + b"\r\n") * 240
RELAXED = signature(BIG, canonical="relaxed/relaxed")
HUGE = crlf("X-To: " + "\n ".join("a@b," * 240 for _ in range(55)) + "\n")
SIGNATURES = (
    (
        "eight-large",
        "Eight signatures over 240 kB of short words.",
        with_value(RELAXED, b"QUJD") * 8 + BIG,
        BAD,
    ),
    ("eight-large-other-body", "The same over another body.", RELAXED * 8 + BIG + b"x\r\n", CANNOT),
    ("150", "150 signatures.", with_value(OWN, b"QUJD") * 130 + PLAIN, BAD),
    (
        "of-8-kB",
        "A signature of 8 kB.",
        seal(PLAIN, tags=" n=" + "\r\n\t".join("x" * 900 for _ in range(9)) + ";"),
        BAD,
    ),
    (
        "1000-fields-signed",
        "1,000 names in h=.",
        seal(
            PLAIN,
            headers=[*["Date"] * 80, "From", "To", "Subject", "MIME-Version", "Content-Type"]
            + ["X-A"] * 600,
        ),
        BAD,
    ),
    (
        "large-key",
        "A key far larger than any verifier should try.",
        seal(PLAIN, rsa_key(), selector="huge"),
        NO_KEY,
    ),
    ("addresses", "13,000 addresses in one field.", HUGE.replace(b"X-To", b"Cc") + PLAIN),
    (
        "semicolons",
        "50,000 empty groups in one field.",
        HUGE.replace(b"X-To", b"Reply-To").replace(b"a@b,", b";;;;") + PLAIN,
    ),
    (
        "received",
        "180 Received of 300 bytes.",
        crlf("".join(f"Received: from {'a ( [' * 50} by x; y\n" for _ in range(180))) + PLAIN,
    ),
    (
        "encoded-words",
        "Encoded words without an end.",
        PLAIN.replace(
            b"X-Priority: 3", b"X-Name: " + b"\r\n ".join(b"=?utf-8?q?" * 90 for _ in range(60))
        ),
    ),
    (
        "encoded-subject",
        "A Subject of 50 kB of encoded words.",
        PLAIN.replace(
            b"Subject: Your new Salesforce security token",
            b"Subject: Your new Salesforce security token" + b"\r\n =?utf-8?q?x?=" * 2500,
        ),
    ),
    (
        "comments",
        "A From of 50 kB of brackets.",
        PLAIN.replace(b"<support@", b"\r\n ".join(b"(" * 900 for _ in range(55)) + b"<support@"),
        "refused wrong-sender",
    ),
    (
        "results",
        "150 fields of results with deep comments.",
        crlf("".join(f"Authentication-Results: mx.example.com; {'(' * 100}\n" for _ in range(150)))
        + PLAIN,
    ),
)

# HTML on which Python's parser is quadratic: what is repeated.
PAGE = "<p>" + token_body().replace("\n", "<br>\n") + "</p>\n"
MARKUP = (
    ("tags", "Tags that never end.", "<a "),
    ("attributes", "Attributes that never end.", '<a x="'),
    ("quotes", "Quotes that never end.", "<a x='y' "),
    ("comments", "Comments that never end.", "<!--"),
    ("declarations", "Declarations that never end.", "<!"),
    ("sections", "Sections that never end.", "<!["),
    ("instructions", "Instructions that never end.", "<?"),
    ("end-tags", "End tags that never end.", "</"),
    ("brackets", "Nothing but brackets.", "<"),
    ("references", "References that never end.", "&#"),
    ("number", "One reference of 4,000 digits, too long for an int.", "&#" + "9" * 900),
)
ENCODED = base64.encodebytes(
    ("<p>" + token_body().replace("\n", "<br>") + "&#" + "9" * 6000 + ";").encode()
).decode()
LONG_NUMBER = arrived(
    token_mail(
        content_type="text/html; charset=utf-8",
        body=ENCODED,
        extra="Content-Transfer-Encoding: base64\n",
    ),
    FAIL,
)


def items() -> Iterator[Item]:
    yield from mails("size", SIZES, MALFORMED)
    yield from mails("genuine", GENUINE, SPARED)
    yield from mails("structure", STRUCTURES, UNSIGNED)
    yield from mails("signatures", SIGNATURES, UNSIGNED, build=_received)
    yield from mails("markup", MARKUP, UNSIGNED, build=_repeated)
    why = "A reference of 6,000 digits, which Python refuses to read."
    yield item("markup", "long-number", why, LONG_NUMBER, "refused unreadable")


def _received(raw: bytes) -> bytes:
    return arrived(raw, FAIL)


def _repeated(unit: str) -> bytes:
    """60 lines of what is repeated, as long as lines may be."""
    line = unit * max(1, 900 // len(unit))
    filler = "\n".join([line] * 60)
    return arrived(
        token_mail(content_type="text/html; charset=utf-8", body=PAGE + filler + "\n"), FAIL
    )
