"""Mails made to be expensive: each ends quickly, and most before a parser sees them."""

from __future__ import annotations

import base64

from tests.corpus.base import FAIL, Item, Shelf, arrived, crlf, expect
from tests.kit.mails import token_body, token_mail
from tests.kit.signing import rsa_key, seal, signature, with_value
from token_catcher.model import MAX_MAIL_BYTES

MALFORMED = "refused malformed"
UNSIGNED = expect("refused unsigned", results="refused unauthenticated")
BAD = expect("refused bad-signature", results="refused unauthenticated")
CANNOT = expect(
    "refused bad-signature", results="refused unauthenticated", auto="refused unauthenticated"
)
SIGNED = expect("refused unauthenticated", dkim="held unexpected-part", auto="held unexpected-part")


def items() -> list[Item]:
    return [*_sizes(), *_structures(), *_signatures(), *_markup()]


def _unsigned(content_type: str, body: bytes, top: bytes = b"") -> bytes:
    return crlf(FAIL) + top + token_mail(content_type=content_type, body="") + body


def _sizes() -> list[Item]:
    shelf = Shelf("size")
    plain = token_mail()
    text = crlf(token_body())
    for name, why, raw, verdict in (
        (
            "300-kB",
            "More than 256 kB.",
            arrived(plain + b"x" * 76 + (b"\r\n" + b"x" * 76) * 4000),
            "refused oversized",
        ),
        (
            "one-byte-more",
            "One byte more than 256 kB.",
            (arrived(plain + (b"x" * 76 + b"\r\n") * 4000))[: MAX_MAIL_BYTES + 1],
            "refused oversized",
        ),
        (
            "80000-blank-lines",
            "80,000 empty lines, which cost dkimpy seconds.",
            arrived(seal(plain + b"\r\n" * 80000)),
            MALFORMED,
        ),
        (
            "80000-blank-lines-inside",
            "The same before a last word.",
            arrived(seal(plain + b"\r\n" * 80000 + b"x\r\n")),
            MALFORMED,
        ),
        (
            "80000-spaces",
            "80,000 lines of one space, which relaxed canonicalization strips.",
            arrived(seal(plain + b" \r\n" * 80000)),
            MALFORMED,
        ),
        ("one-line", "All in one line of 200 kB.", arrived(plain + b"x" * 200_000), MALFORMED),
        (
            "header-100-kB",
            "A header of 100 kB.",
            arrived(crlf("".join(f"X-{n}: {'y' * 900}\n" for n in range(110))) + plain),
            MALFORMED,
        ),
        ("10000-fields", "10,000 fields.", arrived(b"X: y\r\n" * 10_000 + plain), MALFORMED),
        ("201-fields", "One field more than 200.", arrived(b"X: y\r\n" * 201 + plain), MALFORMED),
        (
            "folds",
            "A field of 60 kB in 20,000 folds.",
            arrived(b"X: y\r\n" + b" z\r\n" * 20_000 + plain),
            MALFORMED,
        ),
        (
            "blank-lines-before",
            "100,000 empty lines before the text.",
            arrived(token_mail(body="")) + b"\r\n" * 100_000 + text,
            MALFORMED,
        ),
    ):
        shelf.add(name, why, raw, verdict)
    return shelf.items


def _structures() -> list[Item]:
    shelf = Shelf("structure")
    text = crlf(token_body())
    part = b"--b\r\n\r\n" + text
    deep = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(1, 900)
    )
    for name, why, raw in (
        (
            "10000-parts",
            "10,000 parts.",
            _unsigned(
                "multipart/mixed; boundary=b", part + b"--b\r\n\r\nx\r\n" * 10_000 + b"--b--\r\n"
            ),
        ),
        (
            "900-levels",
            "900 levels, which parsers walk by recursion.",
            _unsigned("multipart/mixed; boundary=b0", b"--b0\r\n" + deep + b"\r\n" + text * 9),
        ),
        (
            "2000-mails",
            "2,000 mails, each in the next.",
            _unsigned("message/rfc822", b"Content-Type: message/rfc822\r\n\r\n" * 2000 + text),
        ),
        (
            "1500-parts",
            "As many parts as lines allow.",
            _unsigned(
                "multipart/mixed; boundary=b", part + b"--b\r\n\r\nx\r\n" * 1500 + b"--b--\r\n"
            ),
        ),
        (
            "400-levels",
            "As many levels, and a long text inside.",
            _unsigned(
                "multipart/mixed; boundary=b0",
                b"--b0\r\n" + deep[: 400 * 52] + b"\r\n" + text + b"x\r\n" * 3500,
            ),
        ),
        (
            "delimiters",
            "3,000 lines that begin like a delimiter.",
            _unsigned("multipart/mixed; boundary=b", part + b"--bx\r\n" * 3000 + b"--b--\r\n"),
        ),
        (
            "parameters",
            "5,000 parameters.",
            _unsigned("text/plain" + "".join(f";\n\tp{n}={n}" for n in range(4000)), text),
        ),
    ):
        lines = raw.count(b"\r\n")
        shelf.add(name, why, raw, MALFORMED if lines > 5000 else UNSIGNED)
    return shelf.items


def _signatures() -> list[Item]:
    shelf = Shelf("signatures")
    plain = token_mail()
    own = signature(plain)
    big = token_mail(content_type="text/plain; charset=utf-8") + (b"a " * 498 + b"\r\n") * 240
    relaxed = signature(big, canonical="relaxed/relaxed")
    huge = crlf("X-To: " + "\n ".join("a@b," * 240 for _ in range(55)) + "\n")
    for name, why, raw, verdict in (
        (
            "eight-large",
            "Eight signatures over 240 kB of short words.",
            with_value(relaxed, b"QUJD") * 8 + big,
            BAD,
        ),
        (
            "eight-large-other-body",
            "The same over another body.",
            relaxed * 8 + big + b"x\r\n",
            CANNOT,
        ),
        ("150", "150 signatures.", with_value(own, b"QUJD") * 130 + plain, BAD),
        (
            "of-8-kB",
            "A signature of 8 kB.",
            seal(plain, tags=" n=" + "\r\n\t".join("x" * 900 for _ in range(9)) + ";"),
            BAD,
        ),
        (
            "1000-fields-signed",
            "1,000 names in h=.",
            seal(
                plain,
                headers=[*["Date"] * 80, "From", "To", "Subject", "MIME-Version", "Content-Type"]
                + ["X-A"] * 600,
            ),
            BAD,
        ),
        (
            "large-key",
            "A key far larger than any verifier should try.",
            seal(plain, rsa_key(), selector="huge"),
            CANNOT,
        ),
        (
            "addresses",
            "13,000 addresses in one field.",
            huge.replace(b"X-To", b"Cc") + plain,
            UNSIGNED,
        ),
        (
            "semicolons",
            "50,000 empty groups in one field.",
            huge.replace(b"X-To", b"Reply-To").replace(b"a@b,", b";;;;") + plain,
            UNSIGNED,
        ),
        (
            "received",
            "180 Received of 300 bytes.",
            crlf("".join(f"Received: from {'a ( [' * 50} by x; y\n" for _ in range(180))) + plain,
            UNSIGNED,
        ),
        (
            "encoded-words",
            "Encoded words without an end.",
            plain.replace(
                b"X-Priority: 3", b"X-Name: " + b"\r\n ".join(b"=?utf-8?q?" * 90 for _ in range(60))
            ),
            UNSIGNED,
        ),
        (
            "encoded-subject",
            "A Subject of 50 kB of encoded words.",
            plain.replace(
                b"Subject: Your new Salesforce security token",
                b"Subject: Your new Salesforce security token" + b"\r\n =?utf-8?q?x?=" * 2500,
            ),
            UNSIGNED,
        ),
        (
            "comments",
            "A From of 50 kB of brackets.",
            plain.replace(
                b"<support@", b"\r\n ".join(b"(" * 900 for _ in range(55)) + b"<support@"
            ),
            "refused wrong-sender",
        ),
        (
            "results",
            "150 fields of results with deep comments.",
            crlf(
                "".join(
                    f"Authentication-Results: mx.example.com; {'(' * 100}\n" for _ in range(150)
                )
            )
            + plain,
            UNSIGNED,
        ),
    ):
        shelf.add(name, why, arrived(raw, FAIL), verdict)
    return shelf.items


def _markup() -> list[Item]:
    """HTML on which Python's parser is quadratic."""
    shelf = Shelf("markup")
    page = "<p>" + token_body().replace("\n", "<br>\n") + "</p>\n"
    for name, why, unit in (
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
    ):
        filler = "\n".join(unit * max(1, 900 // len(unit)) for _ in range(60))
        raw = arrived(
            token_mail(content_type="text/html; charset=utf-8", body=page + filler + "\n"), FAIL
        )
        shelf.add(name, why, raw, UNSIGNED)
    encoded = base64.encodebytes(
        ("<p>" + token_body().replace("\n", "<br>") + "&#" + "9" * 6000 + ";").encode()
    ).decode()
    raw = arrived(
        token_mail(
            content_type="text/html; charset=utf-8",
            body=encoded,
            extra="Content-Transfer-Encoding: base64\n",
        ),
        FAIL,
    )
    shelf.add(
        "long-number",
        "A reference of 6,000 digits, which Python refuses to read.",
        raw,
        "refused unreadable",
    )
    return shelf.items
