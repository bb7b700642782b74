"""Genuine mails as receiving servers hand them on: the signature whole, or the body made anew."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from tests.corpus import gateways
from tests.corpus.base import PASS, RECEIVED, STORE, Item, arrived, crlf, expect, item, mails
from tests.corpus.genuine import DKIM_ONLY, GENUINE, RESULTS_ONLY
from tests.corpus.languages import quoted
from tests.corpus.parts import multipart, part
from tests.kit.mails import token_body

# The signature is whole and the server says so in its own way: what it writes, and the variant.
GATEWAYS = (
    ("gmail", "Gmail: below its own Received, with header.i alone.", gateways.GMAIL, "gmail"),
    (
        "microsoft365",
        "Microsoft 365: no authserv-id, three Received above.",
        gateways.MICROSOFT,
        "microsoft365",
    ),
    ("fastmail", "Fastmail: four fields on top.", gateways.FASTMAIL + RECEIVED, "fastmail"),
    ("icloud", "iCloud: four fields under four ids.", gateways.ICLOUD + RECEIVED, "icloud"),
    ("yahoo", "Yahoo: a comment glued to the result.", gateways.YAHOO + RECEIVED, "yahoo"),
    (
        "postfix",
        "Postfix with OpenDKIM and OpenDMARC: a field each, on top.",
        gateways.OPENDMARC + gateways.OPENDKIM + RECEIVED,
        "standard",
    ),
    (
        "postfix-below",
        "The same below the Received.",
        RECEIVED + gateways.OPENDMARC + gateways.OPENDKIM,
        "milters-below",
    ),
    ("rspamd", "rspamd: one field.", gateways.RSPAMD + RECEIVED, "standard"),
    (
        "rspamd-below",
        "rspamd: one field, the only one there is, below.",
        RECEIVED + gateways.RSPAMD,
        "unique",
    ),
)
BOTTOM = GENUINE.replace(b"\r\n\r\n", b"\r\n" + crlf(gateways.RSPAMD) + b"\r\n", 1)
SPELLINGS = (
    (
        "version",
        "An authserv-id with a version.",
        arrived(GENUINE, PASS.replace("mx.example.com;", "mx.example.com 1;")),
    ),
    (
        "id-capitals",
        "An authserv-id in capital letters.",
        arrived(GENUINE, PASS.replace("mx.example.com;", "MX.EXAMPLE.COM;")),
    ),
    (
        "method-version",
        "Methods with versions.",
        arrived(
            GENUINE,
            PASS.replace("dkim=pass", "dkim/1=pass").replace("dmarc=pass", "dmarc/1 = pass"),
        ),
    ),
)

# The gateway writes the body anew, so the signature is broken.
HEAD = GENUINE.partition(b"\r\n\r\n")[0]
TEXT = crlf(token_body())
FORMS = (
    (
        "quoted-printable",
        HEAD + b"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + quoted(TEXT),
    ),
    (
        "base64",
        HEAD
        + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + crlf(base64.encodebytes(TEXT).decode()),
    ),
    (
        "banner",
        GENUINE.replace(b"\r\n\r\n", b"\r\n\r\nCAUTION: this mail came from outside.\r\n\r\n", 1),
    ),
    ("wrapped", GENUINE.replace(b"because you", b"because\r\nyou")),
)
GATEWAYS_THAT_WRITE = (
    ("gmail", gateways.GMAIL, "gmail"),
    ("microsoft365", gateways.MICROSOFT, "microsoft365"),
    ("postfix", gateways.OPENDMARC + gateways.OPENDKIM + RECEIVED, "standard"),
)
PAGE = "<div>" + "<br>\n".join(token_body().splitlines()) + "</div>"
BOTH = multipart(
    part(token_body()), part(PAGE, "text/html; charset=utf-8"), kind="alternative"
).partition(b"\r\nDate:")
MADE = crlf(gateways.MICROSOFT) + b"Date:" + BOTH[2]


def items() -> Iterator[Item]:
    for name, why, top, variant in GATEWAYS:
        yield item("genuine", name, why, crlf(top) + GENUINE, STORE, variant=variant)
    why = "A milter that appends its field at the bottom."
    bottom = crlf(RECEIVED) + BOTTOM
    yield item("genuine", "milter-bottom", why, bottom, STORE, variant="unique")
    why = "Zoho does not say which domain passed: only our own check counts."
    zoho = crlf(gateways.ZOHO + RECEIVED) + GENUINE
    yield item("genuine", "zoho", why, zoho, DKIM_ONLY, variant="zoho")
    yield from mails("genuine", SPELLINGS, STORE)
    yield from _reencoded()


def _reencoded() -> Iterator[Item]:
    for form, raw in FORMS:
        for server, top, variant in GATEWAYS_THAT_WRITE:
            name = f"{form}-by-{server}"
            why = f"{server} changed the body ({form}) after it had checked the signature."
            yield item("genuine", name, why, crlf(top) + raw, RESULTS_ONLY, variant=variant)
    name = "alternative-by-microsoft365"
    why = "Exchange makes an alternative of a text and drops the signature: nothing says what the"
    why += " server checked."
    verdict = expect("refused unsigned", results="held weak-signature")
    yield item("genuine", name, why, MADE, verdict, variant="microsoft365")
