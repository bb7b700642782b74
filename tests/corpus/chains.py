"""Attacks on the chain of servers: what those on the way thought of a mail stands in its header.

Composition Kills (2020), Weak Links in Authentication Chains (2021), SMTP smuggling (2023),
BreakSPF (2024).
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus.base import (
    EVIL_TOKEN,
    PASS,
    RECEIVED,
    Item,
    Row,
    arrived,
    crlf,
    expect,
    mails,
    strangers_key,
)
from tests.corpus.results import BOTH, field
from tests.kit.mails import token_mail
from tests.kit.signing import seal

NO = expect("refused unsigned", results="refused unauthenticated")
SPF = "mx.example.com; dmarc=pass header.from=salesforce.com; dkim=none; spf=pass "
EVIL_MAIL = token_mail(token=EVIL_TOKEN)
KEY = strangers_key()
COMPOSITION = (
    (
        "helo",
        "SPF passed for the HELO name, the envelope sender was empty.",
        crlf(field(SPF + "smtp.helo=salesforce.com") + RECEIVED) + EVIL_MAIL,
    ),
    (
        "envelope-bracket",
        "An envelope sender that two components read differently.",
        crlf(field(SPF + 'smtp.mailfrom="(any@salesforce.com"') + RECEIVED) + EVIL_MAIL,
    ),
    (
        "nul-domain",
        "d= with a NUL, which C cuts off for DNS and shows in full.",
        arrived(seal(EVIL_MAIL, KEY, domain="salesforce.com\0.attacker.example")),
        "refused malformed",
    ),
    (
        "bracket-domain",
        "d= with a bracket, whose rest a results reader takes for a comment.",
        arrived(
            seal(EVIL_MAIL, KEY, domain="salesforce.com(.attacker.example"),
            field(
                "mx.example.com; dmarc=pass header.from=salesforce.com; dkim=pass "
                "header.d=salesforce.com(.attacker.example header.b=x"
            ),
        ),
    ),
    (
        "quote-domain",
        "d= with a quote.",
        arrived(
            seal(EVIL_MAIL, KEY, domain="salesforce.com'.attacker.example"),
            field(
                "mx.example.com; dmarc=pass header.from=salesforce.com; dkim=pass "
                "header.d=salesforce.com'.attacker.example"
            ),
        ),
    ),
    (
        "selector-nul",
        "s= with a NUL.",
        arrived(seal(EVIL_MAIL, KEY, selector="attacker.example.\0")),
        "refused malformed",
    ),
    (
        "selector-dns",
        "s= that leads to the attacker's DNS.",
        arrived(seal(EVIL_MAIL, KEY, selector="sf2026._domainkey.attacker.example.x"), field(SPF)),
        expect("refused bad-signature", results="refused unauthenticated"),
    ),
    (
        "replay-subject",
        "A signed mail replayed under a second Subject, and a second text by l=.",
        arrived(b"Subject: hello\r\n" + seal(EVIL_MAIL, length=10)),
        "refused duplicate-header",
    ),
    (
        "replay-type",
        "A signed mail replayed under a second Content-Type that makes its text a preamble.",
        arrived(b"Content-Type: multipart/mixed; boundary=b\r\n" + seal(token_mail())),
        "refused duplicate-header",
    ),
    (
        "from-fold",
        "From with its colon on the next line, above the real one.",
        b"From\r\n : attacker@evil.example\r\n" + arrived(seal(EVIL_MAIL)),
        "refused malformed",
    ),
    (
        "from-escaped",
        "An escaped comma between two senders.",
        arrived(seal(token_mail(sender="<support@salesforce.com>\\, <attacker@evil.example>"))),
        "refused wrong-sender",
    ),
    (
        "from-route",
        "A route portion as the sender, one component checks the other.",
        arrived(seal(token_mail(sender="<@salesforce.com,@any.com:attacker@evil.example>"))),
        "refused wrong-sender",
    ),
    (
        "no-from",
        "No From; a Sender that programs show instead.",
        arrived(seal(token_mail().replace(b"\r\nFrom:", b"\r\nSender:"))),
        "refused missing-header",
    ),
    (
        "many-from",
        "Three Froms in three spellings.",
        b"from: a@evil.example\r\nFROM: b@evil.example\r\n" + arrived(seal(token_mail())),
        "refused duplicate-header",
    ),
)

WEAK_LINKS = (
    (
        "auth-user",
        "Sent by a logged-in stranger at a provider that lets From be anything.",
        crlf(
            field(
                "mx.example.com; auth=pass smtp.auth=x@evil.example; spf=pass; dmarc=fail "
                "header.from=salesforce.com"
            )
            + RECEIVED
        )
        + EVIL_MAIL,
    ),
    (
        "mail-from",
        "SPF passed for another domain than the sender's.",
        crlf(
            field(
                "mx.example.com; dmarc=fail header.from=salesforce.com; spf=pass "
                "smtp.mailfrom=x@evil.example"
            )
            + RECEIVED
        )
        + EVIL_MAIL,
    ),
    (
        "empty-mail-from",
        "An empty envelope sender.",
        crlf(
            field(
                "mx.example.com; dmarc=fail header.from=salesforce.com; spf=pass smtp.mailfrom=<>"
            )
            + RECEIVED
        )
        + EVIL_MAIL,
    ),
    (
        "subdomain",
        "A sender below a domain whose policy covers only itself.",
        arrived(seal(token_mail(sender="support@mail.salesforce.com"))),
        expect("refused unauthenticated", dkim="held unknown-sender", auto="held unknown-sender"),
    ),
    (
        "forward",
        "A forwarding service signs the forgery with its own key.",
        arrived(
            seal(EVIL_MAIL, strangers_key(), domain="lists.example"),
            field(
                "mx.example.com; dmarc=fail header.from=salesforce.com; dkim=pass "
                "header.d=lists.example; arc=pass"
            ),
        ),
    ),
    (
        "arc-override",
        "A sealed chain for which the server overrides DMARC.",
        crlf(
            field(
                "mx.example.com; dmarc=pass (p=reject arc=pass) header.from=salesforce.com; "
                "dkim=fail "
                "header.d=salesforce.com; arc=pass (i=1 dkim=pass dkdomain=salesforce.com)"
            )
            + RECEIVED
        )
        + EVIL_MAIL,
    ),
    (
        "arc-results",
        "The assessment of a server up the chain.",
        crlf(field(f"i=1; mx.example.com; {BOTH}", "ARC-Authentication-Results") + RECEIVED)
        + EVIL_MAIL,
    ),
    (
        "encoded-from",
        "From in base64, which some decode before they check and some after.",
        arrived(
            seal(
                token_mail(
                    sender="=?utf-8?B?PHN1cHBvcnRAc2FsZXNmb3JjZS5jb20+?= <attacker@evil.example>"
                )
            )
        ),
        "refused wrong-sender",
    ),
    (
        "truncated",
        "From that ends early for programs that stop at a NUL in an encoded word.",
        arrived(
            seal(
                token_mail(sender="=?utf-8?q?support=40salesforce.com=00?= <attacker@evil.example>")
            )
        ),
        "refused wrong-sender",
    ),
    (
        "homograph",
        "A look-alike domain, with everything in order for itself.",
        arrived(
            seal(
                token_mail(sender="support@xn--salesfrce-ftg.com"),
                strangers_key(),
                domain="xn--salesfrce-ftg.com",
            ),
            field(
                "mx.example.com; dmarc=pass header.from=xn--salesfrce-ftg.com; dkim=pass "
                "header.d=xn--salesfrce-ftg.com"
            ),
        ),
        "refused wrong-sender",
    ),
    (
        "display",
        "A display name that hides the address behind an override.",
        arrived(seal(token_mail(sender='"=?utf-8?b?4oCuc3VwcG9ydA==?=" <attacker@evil.example>'))),
        "refused wrong-sender",
    ),
    (
        "on-behalf",
        "Sent on behalf of: Sender is the attacker.",
        b"Sender: attacker@evil.example\r\n"
        + crlf(
            field(
                "mx.example.com; dmarc=fail header.from=salesforce.com; dkim=pass "
                "header.d=evil.example"
            )
            + RECEIVED
        )
        + EVIL_MAIL,
    ),
)

# What a smuggled second mail leaves behind: an end of data that only one of two servers saw.
ENVELOPE = crlf("MAIL FROM:<support@salesforce.com>\nRCPT TO:<ops@example.com>\nDATA\n")
SECOND = token_mail("batch@acme.example", EVIL_TOKEN)
FIRST = token_mail(sender="attacker@evil.example", subject="hello", body="hello\n", extra="")
OUTSIDE = crlf(PASS.replace("salesforce.com", "evil.example") + RECEIVED) + SECOND
APPENDED = arrived(seal(token_mail())) + b".\r\n" + ENVELOPE + SECOND
ENDS_OF_DATA = (
    ("crlf", "The end of data in full.", b"\r\n.\r\n"),
    ("lf", "The end of data with LFs.", b"\n.\n"),
    ("lf-crlf", "LF, dot, CRLF.", b"\n.\r\n"),
    ("crlf-lf", "CRLF, dot, LF.", b"\r\n.\n"),
    ("cr", "The end of data with CRs.", b"\r.\r"),
    ("crlf-cr", "CRLF, dot, CR.", b"\r\n.\r"),
    ("nul", "A NUL before the end of data.", b"\r\n\0.\r\n"),
    ("stuffed", "The end of data, dot-stuffed.", b"\r\n..\r\n"),
)
SMUGGLED = (
    ("second", "Taken for one: the second mail has the first one's clean results on top.", OUTSIDE),
    (
        "appended",
        "A genuine mail, and a smuggled one behind it.",
        APPENDED,
        expect("held ambiguous-claim", dkim="refused bad-signature", both="refused bad-signature"),
    ),
    (
        "pipelined",
        "Commands of SMTP in front of the header.",
        ENVELOPE + arrived(SECOND),
        "refused malformed",
    ),
)

# BreakSPF and the like: SPF that passes because everybody shares the sending servers.
TENANT = "Return-Path: <info=attacker.example__0-1r@x.8d-3trx3eag.um8.bnc.salesforce.com>\n"
SHARED_SERVERS = (
    (
        "spf",
        "SPF and DMARC pass by a shared server.",
        field(SPF + "smtp.mailfrom=support@salesforce.com") + RECEIVED,
    ),
    (
        "tenant",
        "Another customer of Salesforce's: the same servers, the same SPF.",
        field(
            "mx.example.com; dmarc=pass header.from=salesforce.com; spf=pass "
            "smtp.mailfrom=x@x.8d-3trx3eag.um8.bnc.salesforce.com"
        )
        + RECEIVED
        + TENANT,
    ),
    (
        "tenant-signed",
        "The same, signed by the customer's own domain.",
        field(
            "mx.example.com; dmarc=pass header.from=salesforce.com; dkim=pass "
            "header.d=attacker.example; spf=pass"
        )
        + RECEIVED
        + TENANT,
    ),
    (
        "received-spf",
        "A Received-SPF that says pass.",
        "Received-SPF: pass (mx.example.com: domain of salesforce.com)\n" + RECEIVED,
    ),
    (
        "spam-status",
        "A spam filter that is content.",
        "X-Spam-Status: No, score=-5.0 tests=DKIM_VALID_AU,USER_IN_DKIM_WHITELIST,SPF_PASS\n"
        + RECEIVED,
    ),
)


def items() -> Iterator[Item]:
    yield from mails("composition", COMPOSITION, NO)
    yield from mails("weak-links", WEAK_LINKS, NO)
    yield from mails("smuggled", _inside())
    yield from mails("smuggled", SMUGGLED, NO)
    yield from mails("shared-servers", SHARED_SERVERS, NO, build=_under)


def _inside() -> Iterator[Row]:
    """An end of data that no server took for one: two mails in one text."""
    for name, why, end in ENDS_OF_DATA:
        raw = arrived(FIRST + end + ENVELOPE + SECOND + b"\r\n.\r\nQUIT\r\n")
        clean = b"\0" not in end and end.count(b"\r\n") == end.count(b"\r") == end.count(b"\n")
        verdict = "refused wrong-sender" if clean else "refused malformed"
        yield f"{name}-inside", why + " Not taken for one: two mails in one text.", raw, verdict


def _under(top: str) -> bytes:
    return crlf(top) + EVIL_MAIL
