"""Attacks on the chain of servers: Composition Kills (2020), Weak Links in Authentication Chains (2021), SMTP smuggling (2023),
BreakSPF (2024). What reaches the mailbox is a mail; what the servers on the way thought of it stands in its header."""

from __future__ import annotations

from tests.corpus.base import (
    EVIL_TOKEN,
    PASS,
    RECEIVED,
    Item,
    Shelf,
    arrived,
    crlf,
    expect,
    strangers_key,
)
from tests.corpus.results import BOTH, field
from tests.kit.mails import token_mail
from tests.kit.signing import seal

NO = expect("refused unsigned", results="refused unauthenticated")
SPF = "mx.example.com; dmarc=pass header.from=salesforce.com; dkim=none; spf=pass "


def items() -> list[Item]:
    return [*_composition(), *_weak_links(), *_smuggled(), *_shared_senders()]


def _composition() -> list[Item]:
    shelf = Shelf("composition")
    plain = token_mail(token=EVIL_TOKEN)
    key = strangers_key()
    for name, why, raw, verdict in (
        (
            "helo",
            "SPF passed for the HELO name, the envelope sender was empty.",
            crlf(field(SPF + "smtp.helo=salesforce.com") + RECEIVED) + plain,
            NO,
        ),
        (
            "envelope-bracket",
            "An envelope sender that two components read differently.",
            crlf(field(SPF + 'smtp.mailfrom="(any@salesforce.com"') + RECEIVED) + plain,
            NO,
        ),
        (
            "nul-domain",
            "d= with a NUL, which C cuts off for DNS and shows in full.",
            arrived(seal(plain, key, domain="salesforce.com\0.attacker.example")),
            "refused malformed",
        ),
        (
            "bracket-domain",
            "d= with a bracket, whose rest a results reader takes for a comment.",
            arrived(
                seal(plain, key, domain="salesforce.com(.attacker.example"),
                field(
                    "mx.example.com; dmarc=pass header.from=salesforce.com; dkim=pass "
                    "header.d=salesforce.com(.attacker.example header.b=x"
                ),
            ),
            NO,
        ),
        (
            "quote-domain",
            "d= with a quote.",
            arrived(
                seal(plain, key, domain="salesforce.com'.attacker.example"),
                field(
                    "mx.example.com; dmarc=pass header.from=salesforce.com; dkim=pass header.d=salesforce.com'.attacker.example"
                ),
            ),
            NO,
        ),
        (
            "selector-nul",
            "s= with a NUL.",
            arrived(seal(plain, key, selector="attacker.example.\0")),
            "refused malformed",
        ),
        (
            "selector-dns",
            "s= that leads to the attacker's DNS.",
            arrived(seal(plain, key, selector="sf2026._domainkey.attacker.example.x"), field(SPF)),
            expect("refused bad-signature", results="refused unauthenticated"),
        ),
        (
            "replay-subject",
            "A signed mail replayed under a second Subject, and a second text by l=.",
            arrived(b"Subject: hello\r\n" + seal(plain, length=10)),
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
            b"From\r\n : attacker@evil.example\r\n" + arrived(seal(plain)),
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
    ):
        shelf.add(name, why, raw, verdict)
    return shelf.items


def _weak_links() -> list[Item]:
    shelf = Shelf("weak-links")
    plain = token_mail(token=EVIL_TOKEN)
    for name, why, raw, verdict in (
        (
            "auth-user",
            "Sent by a logged-in stranger at a provider that lets From be anything.",
            crlf(
                field(
                    "mx.example.com; auth=pass smtp.auth=x@evil.example; spf=pass; dmarc=fail header.from=salesforce.com"
                )
                + RECEIVED
            )
            + plain,
            NO,
        ),
        (
            "mail-from",
            "SPF passed for another domain than the sender's.",
            crlf(
                field(
                    "mx.example.com; dmarc=fail header.from=salesforce.com; spf=pass smtp.mailfrom=x@evil.example"
                )
                + RECEIVED
            )
            + plain,
            NO,
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
            + plain,
            NO,
        ),
        (
            "subdomain",
            "A sender below a domain whose policy covers only itself.",
            arrived(seal(token_mail(sender="support@mail.salesforce.com"))),
            "refused wrong-sender",
        ),
        (
            "forward",
            "A forwarding service signs the forgery with its own key.",
            arrived(
                seal(plain, strangers_key(), domain="lists.example"),
                field(
                    "mx.example.com; dmarc=fail header.from=salesforce.com; dkim=pass header.d=lists.example; arc=pass"
                ),
            ),
            NO,
        ),
        (
            "arc-override",
            "A sealed chain for which the server overrides DMARC.",
            crlf(
                field(
                    "mx.example.com; dmarc=pass (p=reject arc=pass) header.from=salesforce.com; dkim=fail "
                    "header.d=salesforce.com; arc=pass (i=1 dkim=pass dkdomain=salesforce.com)"
                )
                + RECEIVED
            )
            + plain,
            NO,
        ),
        (
            "arc-results",
            "The word of a server up the chain.",
            crlf(field(f"i=1; mx.example.com; {BOTH}", "ARC-Authentication-Results") + RECEIVED)
            + plain,
            NO,
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
                    token_mail(
                        sender="=?utf-8?q?support=40salesforce.com=00?= <attacker@evil.example>"
                    )
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
                    "mx.example.com; dmarc=pass header.from=xn--salesfrce-ftg.com; dkim=pass header.d=xn--salesfrce-ftg.com"
                ),
            ),
            "refused wrong-sender",
        ),
        (
            "display",
            "A display name that hides the address behind an override.",
            arrived(
                seal(token_mail(sender='"=?utf-8?b?4oCuc3VwcG9ydA==?=" <attacker@evil.example>'))
            ),
            "refused wrong-sender",
        ),
        (
            "on-behalf",
            "Sent on behalf of: Sender is the attacker.",
            b"Sender: attacker@evil.example\r\n"
            + crlf(
                field(
                    "mx.example.com; dmarc=fail header.from=salesforce.com; dkim=pass header.d=evil.example"
                )
                + RECEIVED
            )
            + plain,
            NO,
        ),
    ):
        shelf.add(name, why, raw, verdict)
    return shelf.items


def _smuggled() -> list[Item]:
    """What a smuggled second mail leaves behind: an end of data that one server saw and the next did not."""
    shelf = Shelf("smuggled")
    envelope = crlf("MAIL FROM:<support@salesforce.com>\nRCPT TO:<ops@example.com>\nDATA\n")
    second = token_mail("batch@acme.example", EVIL_TOKEN)
    first = token_mail(sender="attacker@evil.example", subject="hello", body="hello\n", extra="")
    for name, why, end in (
        ("crlf", "The end of data in full.", b"\r\n.\r\n"),
        ("lf", "The end of data with LFs.", b"\n.\n"),
        ("lf-crlf", "LF, dot, CRLF.", b"\n.\r\n"),
        ("crlf-lf", "CRLF, dot, LF.", b"\r\n.\n"),
        ("cr", "The end of data with CRs.", b"\r.\r"),
        ("crlf-cr", "CRLF, dot, CR.", b"\r\n.\r"),
        ("nul", "A NUL before the end of data.", b"\r\n\0.\r\n"),
        ("stuffed", "The end of data, dot-stuffed.", b"\r\n..\r\n"),
    ):
        clean = end.count(b"\r\n") == end.count(b"\r") == end.count(b"\n") and b"\0" not in end
        inside = first + end + envelope + second + b"\r\n.\r\nQUIT\r\n"
        shelf.add(
            f"{name}-inside",
            why + " Not taken for one: two mails in one text.",
            arrived(inside),
            "refused wrong-sender" if clean else "refused malformed",
        )
    outside = crlf(PASS.replace("salesforce.com", "evil.example") + RECEIVED) + second
    shelf.add(
        "second",
        "Taken for one: the second mail has the first one's clean word on top.",
        outside,
        NO,
    )
    appended = arrived(seal(token_mail())) + b".\r\n" + envelope + second
    shelf.add(
        "appended",
        "A genuine mail, and a smuggled one behind it.",
        appended,
        expect("held ambiguous-claim", dkim="refused bad-signature", both="refused bad-signature"),
    )
    shelf.add(
        "pipelined",
        "Commands of SMTP in front of the header.",
        envelope + arrived(second),
        "refused malformed",
    )
    return shelf.items


def _shared_senders() -> list[Item]:
    """BreakSPF and the like: SPF that passes because everybody shares the sending servers."""
    shelf = Shelf("shared-servers")
    plain = token_mail(token=EVIL_TOKEN)
    tenant = "Return-Path: <info=attacker.example__0-1r@x.8d-3trx3eag.um8.bnc.salesforce.com>\n"
    for name, why, top in (
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
            + tenant,
        ),
        (
            "tenant-signed",
            "The same, signed by the customer's own domain.",
            field(
                "mx.example.com; dmarc=pass header.from=salesforce.com; dkim=pass header.d=attacker.example; spf=pass"
            )
            + RECEIVED
            + tenant,
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
    ):
        shelf.add(name, why, crlf(top) + plain, NO)
    return shelf.items
