"""Genuine mails as the receiving servers of the facts hand them on, with the signature whole or with the body written anew."""

from __future__ import annotations

import base64

from tests.corpus import gateways
from tests.corpus.base import PASS, RECEIVED, STORE, Item, Shelf, arrived, crlf, expect
from tests.corpus.genuine import DKIM_ONLY, RESULTS_ONLY
from tests.corpus.languages import quoted
from tests.corpus.parts import multipart, part
from tests.kit.mails import token_body, token_mail
from tests.kit.signing import seal


def items() -> list[Item]:
    shelf = Shelf("genuine")
    _gateways(shelf)
    _reencoded(shelf)
    return shelf.items


def _gateways(shelf: Shelf) -> None:
    """The signature is whole and the server says so in its own way."""
    genuine = seal(token_mail())
    for name, why, top, variant in (
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
    ):
        shelf.add(name, why, crlf(top) + genuine, STORE, variant=variant)
    bottom = genuine.replace(b"\r\n\r\n", b"\r\n" + crlf(gateways.RSPAMD) + b"\r\n", 1)
    shelf.add(
        "milter-bottom",
        "A milter that appends its field at the bottom.",
        crlf(RECEIVED) + bottom,
        STORE,
        variant="unique",
    )
    shelf.add(
        "zoho",
        "Zoho does not say which domain passed: only our own check counts.",
        crlf(gateways.ZOHO + RECEIVED) + genuine,
        DKIM_ONLY,
        variant="zoho",
    )
    shelf.add(
        "version",
        "An authserv-id with a version.",
        arrived(genuine, PASS.replace("mx.example.com;", "mx.example.com 1;")),
        STORE,
    )
    shelf.add(
        "id-capitals",
        "An authserv-id in capital letters.",
        arrived(genuine, PASS.replace("mx.example.com;", "MX.EXAMPLE.COM;")),
        STORE,
    )
    shelf.add(
        "method-version",
        "Methods with versions.",
        arrived(
            genuine,
            PASS.replace("dkim=pass", "dkim/1=pass").replace("dmarc=pass", "dmarc/1 = pass"),
        ),
        STORE,
    )


def _reencoded(shelf: Shelf) -> None:
    """The gateway writes the body anew, so the signature is broken."""
    genuine = seal(token_mail())
    head = genuine.partition(b"\r\n\r\n")[0]
    text = crlf(token_body())
    forms = (
        (
            "quoted-printable",
            head + b"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + quoted(text),
        ),
        (
            "base64",
            head
            + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + crlf(base64.encodebytes(text).decode()),
        ),
        (
            "banner",
            genuine.replace(
                b"\r\n\r\n", b"\r\n\r\nCAUTION: this mail came from outside.\r\n\r\n", 1
            ),
        ),
        ("wrapped", genuine.replace(b"because you", b"because\r\nyou")),
    )
    for form, raw in forms:
        for name, top, variant in (
            ("gmail", gateways.GMAIL, "gmail"),
            ("microsoft365", gateways.MICROSOFT, "microsoft365"),
            ("postfix", gateways.OPENDMARC + gateways.OPENDKIM + RECEIVED, "standard"),
        ):
            shelf.add(
                f"{form}-by-{name}",
                f"{name} changed the body ({form}) after it had checked the signature.",
                crlf(top) + raw,
                RESULTS_ONLY,
                variant=variant,
            )
    page = "<div>" + "<br>\n".join(token_body().splitlines()) + "</div>"
    both = multipart(
        part(token_body()), part(page, "text/html; charset=utf-8"), kind="alternative"
    ).partition(b"\r\nDate:")
    made = crlf(gateways.MICROSOFT) + b"Date:" + both[2]
    shelf.add(
        "alternative-by-microsoft365",
        "Exchange makes an alternative of a text and drops the signature.",
        made,
        expect("refused unsigned", results=STORE),
        variant="microsoft365",
    )
