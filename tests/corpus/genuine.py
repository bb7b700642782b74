"""Mails that must be stored: Salesforce's own, in every form in which they may arrive.

Every token is made up.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tests.corpus.base import (
    FAIL,
    PASS,
    PINNED_ID,
    RECEIVED,
    STORE,
    Item,
    arrived,
    crlf,
    expect,
    item,
    mails,
    salesforce,
    strangers_key,
)
from tests.corpus.languages import encoded, in_labels, japanese
from tests.corpus.parts import multipart, part
from tests.kit.mails import ISSUED, SIGNED_HEADERS, TOKEN, USERNAME, token_body, token_mail
from tests.kit.signing import ed_key, rsa_key, seal, signature, with_value

DKIM_ONLY = expect("refused unauthenticated", dkim=STORE, auto=STORE)
"""The receiving server said nothing that counts."""
RESULTS_ONLY = expect("refused bad-signature", results=STORE, auto=STORE)
ROTATED = expect("held no-key", results=STORE, auto=STORE)
"""The gateway changed the body, so only the receiving server's assessment is left."""


def _as_html(page: str) -> bytes:
    return salesforce(content_type="text/html; charset=utf-8", body=page)


def _with_date(value: str) -> bytes:
    date = b"Tue, 03 Feb 2026 12:57:27 +0000 (GMT)"
    return arrived(seal(token_mail().replace(date, value.encode())))


# Samples that are meant to be genuine, signed again: sender, subject, time, username, token.
SAMPLES = (
    (
        "en-2020",
        "English, as of 2020.",
        "support@salesforce.com",
        "Your new Salesforce security token",
        datetime(2020, 1, 21, 16, 55, tzinfo=UTC),
        "integration@example.com",
        TOKEN,
    ),
    (
        "en-2019-emea",
        "English, from the EMEA sender, as of 2019.",
        "support@emea.salesforce.com",
        "Your new Salesforce security token",
        datetime(2019, 3, 10, 1, 49, 38, tzinfo=UTC),
        "integration@example.com",
        TOKEN,
    ),
    (
        "en-sandbox",
        "From a sandbox, with a token of 24.",
        "support@salesforce.com",
        "Sandbox: Your new Salesforce security token",
        ISSUED,
        "integration@example.com.uat",
        "FAKE4tokenNOTreal2xyzQ9b",
    ),
)
SUBJECT_BASE64 = "=?UTF-8?B?5paw44GX44GEIFNhbGVzZm9yY2Ug44K744Kt44Ol44Oq44OG44Kj44OI44O844Kv44Oz?="

FORMS = (
    ("plain", "The present form.", salesforce()),
    ("token-20", "The shortest token that is accepted.", salesforce(token="A1" * 10)),
    ("token-32", "The longest token that is accepted.", salesforce(token="aB" * 16)),
    ("token-digits", "A token of digits alone.", salesforce(token="1234567890123456789012345")),
    ("username-case", "A username in capital letters.", salesforce(USERNAME.upper())),
    (
        "username-pattern",
        "A username that a pattern names.",
        salesforce("o'brien+api_1@bots.acme.example"),
    ),
    ("other-user", "Another user in the same mailbox.", salesforce("batch@acme.example")),
    (
        "pinned",
        "A pinned org reveals its id.",
        salesforce("pinned@acme.example", extra=f"X-SFDC-LK: {PINNED_ID}\n"),
    ),
    (
        "pinned-sandbox",
        "A sandbox whose org is told by its id alone.",
        salesforce(
            "pinned@acme.example",
            subject="Sandbox: Your new Salesforce security token",
            extra=f"X-SFDC-LK: {PINNED_ID}\n",
        ),
    ),
    (
        "noreply",
        "From noreply@salesforce.com, which is no sender by default.",
        salesforce(sender="noreply@salesforce.com"),
        "held unknown-sender",
    ),
    ("sender-bare", "From without a display name.", salesforce(sender="support@salesforce.com")),
    (
        "sender-name",
        "From with a name for people.",
        salesforce(sender='"Salesforce Support" <support@salesforce.com>'),
    ),
    (
        "sender-phrase",
        "From with an unquoted name.",
        salesforce(sender="Salesforce <support@salesforce.com>"),
    ),
    (
        "sender-capitals",
        "From with the domain in capital letters.",
        salesforce(sender="support@SALESFORCE.COM"),
    ),
    ("date-no-comment", "Date without its comment.", _with_date("Tue, 03 Feb 2026 12:57:27 +0000")),
    ("date-zone", "Date in another zone.", _with_date("Tue, 3 Feb 2026 04:57:27 -0800 (PST)")),
    (
        "date-no-weekday",
        "Date without the day of the week.",
        _with_date("3 Feb 2026 12:57:27 +0000"),
    ),
    ("to-name", "To with a name.", salesforce(to='"Salesforce tokens" <ops@example.com>')),
    (
        "to-several",
        "To with several recipients.",
        salesforce(to='"A, B" <a@example.com>, ops@example.com'),
    ),
    ("to-capitals", "To in capital letters.", salesforce(to="OPS@EXAMPLE.COM")),
    (
        "to-second-address",
        "To the second of our addresses.",
        salesforce(to="salesforce-tokens@example.com"),
    ),
    (
        "subject-encoded",
        "An English subject in encoded words.",
        salesforce(subject="=?utf-8?q?Your_new_Salesforce?= =?utf-8?q?_security_token?="),
    ),
    (
        "subject-folded",
        "A folded subject.",
        salesforce(subject="Your new\r\n Salesforce security\r\n token"),
    ),
    (
        "trailing-spaces",
        "Spaces at the ends of lines.",
        salesforce(body=token_body().replace("\n", "  \n")),
    ),
    (
        "wrapped",
        "The long lines wrapped.",
        salesforce(
            body=token_body()
            .replace("because you", "because\nyou")
            .replace("with API", "with\nAPI")
        ),
    ),
    (
        "no-final-line-end",
        "No line end after the last line.",
        salesforce(body=token_body().rstrip("\n")),
    ),
    ("no-charset", "A content type without a charset.", salesforce(content_type="text/plain")),
    (
        "type-capitals",
        "A content type in capital letters.",
        salesforce(content_type='TEXT/PLAIN; CHARSET="UTF-8"'),
    ),
    (
        "type-semicolon",
        "A content type with a semicolon too many.",
        salesforce(content_type="text/plain; charset=UTF-8;"),
    ),
)
DELAYED = (
    ("late", "Delivered after 23 hours of retries.", timedelta(hours=23)),
    ("early", "The sending clock runs half an hour ahead.", -timedelta(minutes=30)),
)

FRENCH = in_labels("Nom d\u2019utilisateur", "Jeton de sécurité")
ENCODINGS = (
    (
        "quoted-printable",
        "In quoted-printable.",
        encoded(token_body(), encoding="quoted-printable"),
    ),
    ("base64", "In base64.", encoded(token_body(), encoding="base64")),
    ("7bit", "Said to be 7bit.", encoded(token_body(), encoding="7bit")),
    ("8bit", "Said to be 8bit.", encoded(token_body(), encoding="8bit")),
    ("8bit-utf-8", "UTF-8 in 8bit.", encoded(FRENCH, encoding="8bit")),
    ("8bit-unsaid", "UTF-8 as it is, and nothing said of it.", salesforce(body=FRENCH)),
    (
        "base64-lf",
        "Base64 of a text with Unix line ends.",
        encoded(token_body(), encoding="base64", line_end="\n"),
    ),
    (
        "flowed",
        "A flowed text, its intro wrapped.",
        salesforce(
            content_type="text/plain; charset=utf-8; format=flowed",
            body=token_body().replace("because you", "because \nyou"),
        ),
    ),
)

LINES = token_body().splitlines()
HTML = "text/html; charset=utf-8"
BROKEN_LINES = "<br>\n".join(LINES)
ALTERNATIVE = (
    "<html><head><title>Token</title></head><body><div>" + BROKEN_LINES + "</div></body></html>"
)
LINKED = ALTERNATIVE.replace(f" {USERNAME}", f' <a href="mailto:{USERNAME}">{USERNAME}</a>')
EXCHANGE = (
    '<html>\n<head>\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8">\n<meta '
    'name="Generator" content="Microsoft'
    ' Exchange Server">\n<!-- converted from text --><style><!-- .EmailQuote { margin-left: 1pt; '
    "padding-left: 4pt;"
    ' border-left: #800000 2px solid; } --></style></head>\n<body>\n<font size="2"><span '
    'style="font-size:11pt;"><div class="PlainText">'
    + BROKEN_LINES
    + "</div></span></font>\n</body>\n</html>\n"
)
PARAGRAPHS = "".join(f"<p>{line}</p>\n" for line in LINES if line)
ROWS = "".join(f"<tr><td>{line.replace(': ', '</td><td>', 1)}</td></tr>\n" for line in LINES)
TABLE = f"<table>{ROWS}</table>".replace("Username</td>", "Username:</td>")
TABLE = TABLE.replace("sensitive)</td>", "sensitive):</td>")
LOGO = base64.encodebytes(b"\x89PNG\r\n\x1a\n" * 20).decode()
BOTH = multipart(part(token_body()), part(ALTERNATIVE, HTML), kind="alternative")
PAGES = (
    ("alternative", "A gateway adds an HTML alternative.", BOTH),
    (
        "alternative-linked",
        "The HTML makes a link of the username.",
        multipart(part(token_body()), part(LINKED, HTML), kind="alternative"),
    ),
    (
        "alternative-preamble",
        "A multipart with the usual words before its parts.",
        multipart(
            part(token_body()),
            part(ALTERNATIVE, HTML),
            kind="alternative",
            before="This is a multi-part message in MIME format.\n",
        ),
    ),
    (
        "alternative-in-mixed",
        "An alternative inside a mixed.",
        multipart(
            f'Content-Type: multipart/alternative; boundary="i"\n\n--i\n{part(token_body())}\n--i\n'
            f"{part(ALTERNATIVE, HTML)}\n--i--\n"
        ),
    ),
    ("mixed-one", "A multipart with one part.", multipart(part(token_body()))),
    ("html-exchange", "HTML only, as Exchange makes it of a text.", _as_html(EXCHANGE)),
    ("html-paragraphs", "HTML only, a paragraph a line.", _as_html(PARAGRAPHS)),
    (
        "html-divisions",
        "HTML only, a division a line.",
        _as_html("".join(f"<div>{line or '&nbsp;'}</div>\n" for line in LINES)),
    ),
    (
        "html-conditions",
        "HTML only, with downlevel-revealed conditional comments of both forms.",
        _as_html(
            "<html><!--[if !mso]><!--><style>p {}</style><!--<![endif]--><body><![if !vml]>"
            + BROKEN_LINES
            + "<![endif]></body></html>"
        ),
    ),
    (
        "logo",
        "A gateway's logo beside the alternative.",
        multipart(
            f'Content-Type: multipart/alternative; boundary="i"\n\n--i\n{part(token_body())}\n--i\n'
            f"{part(ALTERNATIVE, HTML)}\n--i--\n",
            part(
                LOGO,
                "image/png; name=logo.png",
                "Content-Transfer-Encoding: base64\nContent-ID: <logo@example.com>\n"
                'Content-Disposition: inline; filename="logo.png"; size=160\n',
            ),
            kind="related",
        ),
    ),
    (
        "inline-parameters",
        "An inline part with parameters.",
        multipart(
            part(
                token_body(),
                extra='Content-Disposition: inline; creation-date="Tue, 03 Feb 2026"\n',
            )
        ),
    ),
    (
        "soft-break-at-the-end",
        "Quoted-printable with a soft break before the delimiter.",
        multipart(
            part(
                token_body().replace("?id=user", "?id=3Duser") + "=",
                extra="Content-Transfer-Encoding: quoted-printable\n",
            )
        ),
    ),
    ("html-pre", "HTML only, preformatted.", _as_html("<pre>" + token_body() + "</pre>")),
    ("html-table", "HTML only, a table.", _as_html(TABLE)),
    (
        "html-wrapped",
        "HTML only, its source wrapped between words.",
        _as_html(ALTERNATIVE.replace("token (case", "token\n(case")),
    ),
    (
        "html-upper",
        "HTML only, in capital letters.",
        _as_html("<P>" + "<BR>\n".join(LINES) + "</P>"),
    ),
    (
        "html-doctype",
        "HTML only, with a document type and entities.",
        _as_html(
            '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" '
            '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">\n'
            + ALTERNATIVE.replace("We've", "We&#39;ve").replace("Username: ", "Username:&nbsp;")
        ),
    ),
)

PLAIN = token_mail()
GENUINE = seal(PLAIN)
MALFORMED = (
    "Authentication-Results: mx4-lo2-sp1.mta.salesforce.com "
    'x-tls.subject="/C=US/CN=*.salesforce.com"; auth=pass (cipher=X\n'
)
INTERNAL = (
    "Received: from [10.0.0.1] ([10.0.0.1:40046] helo=um8-app2-22-lo2.ops.sfdc.net)\n\tby "
    "mx4-lo2-sp1.mta.salesforce.com\n\t(ecelerity 4.2.38.62368 r(Core:release/4.2.38.0)) with "
    "ESMTPS "
    "id 61/B8-07121-73D39426; Tue, 03 Feb 2026 12:57:27 +0000\n"
)
HAM_REPORT = crlf(
    'X-Ham-Report: Spam detection software, running on the system "host.example.com",\n'
    " has NOT identified this incoming email as spam.\n"
    " \n"
    " Content preview:  We've sent you a new Salesforce security token because you\n"
    "    recently changed your password [...]\n"
    " \n"
    " Content analysis details:   (-0.2 points, 5.0 required)\n"
    " \n"
    "  pts rule name              description\n"
    " ---- ---------------------- --------------------------------------------------\n"
    " -0.2 DKIM_VALID             Message has at least one valid DKIM signature\n"
)
HEADERS = (
    (
        "malformed-results",
        "Salesforce's own server adds a malformed Authentication-Results.",
        arrived(crlf(INTERNAL + MALFORMED) + GENUINE),
    ),
    (
        "forged-results-below",
        "Somebody else's Authentication-Results below our Received.",
        arrived(crlf("Authentication-Results: mx.evil.example; dkim=fail\n") + GENUINE),
    ),
    ("extra-received", "Ten more hops.", arrived(crlf(INTERNAL * 10) + GENUINE)),
    (
        "folded",
        "Signed fields folded on the way, which relaxed canonicalization allows.",
        arrived(GENUINE.replace(b"Subject: Your new ", b"Subject: Your new\r\n\t")),
    ),
    (
        "header-spaces",
        "Spaces of signed fields changed on the way.",
        arrived(GENUINE.replace(b"To: ops", b"To:   ops")),
    ),
    (
        "unsigned-fields",
        "Unsigned fields added on the way.",
        arrived(
            crlf(
                "X-Spam-Status: No\nX-Scanned: yes\nList-Unsubscribe: <mailto:x@example.com>\n"
                "Sender: "
                "support@salesforce.com\n"
            )
            + GENUINE
        ),
    ),
    (
        "message-id-changed",
        "Another Message-ID.",
        arrived(GENUINE.replace(b"<Fake0000T00000ZZ00@sfdc.net>", b"<x@mx.example.com>")),
    ),
    *(
        (name, why, arrived(field + GENUINE))
        for name, why, field in (
            (
                "report-blank-fold",
                "A spam report with folded lines of white space, as cPanel's.",
                HAM_REPORT,
            ),
            (
                "report-8-bit",
                "A spam report in raw UTF-8, as Proxmox's.",
                crlf("X-SPAM-LEVEL: Spam detection results:  0\n\tBAYES_00 -1.9 Häufigkeit\n"),
            ),
            (
                "report-8-bit-latin",
                "The same in Latin-1.",
                "X-Spam-Report: Häufigkeit\r\n".encode("latin-1"),
            ),
            (
                "report-long",
                "A spam report in one line of over 998 bytes.",
                b"X-Spam-Report: " + b"BAYES_00, " * 150 + b"\r\n",
            ),
            (
                "escaped-mbox-from",
                "The escaped separator of an mbox file.",
                b">From support@salesforce.com Tue Feb  3 12:57:27 2026\r\n",
            ),
        )
    ),
    (
        "report-at-the-bottom",
        "cPanel writes its report below all other fields.",
        arrived(GENUINE.replace(b"\r\n\r\n", b"\r\n" + HAM_REPORT + b"\r\n", 1)),
    ),
    ("report-above-all", "The report above the server's results.", HAM_REPORT + arrived(GENUINE)),
    *(
        (
            f"second-{name.lower()}",
            f"A second {name} on top, as a forward adds it.",
            arrived(
                crlf(f"{name}: {value}\n") + seal(token_mail(extra=f"{name}: x@example.com\n"))
            ),
        )
        for name, value in (
            ("Message-ID", "<2@mx.example.com>"),
            ("Sender", "forwarder@example.com"),
            ("Cc", "list@example.com"),
            ("Reply-To", "forwarder@example.com"),
        )
    ),
    (
        "html-long-line",
        "HTML in one line of over 998 bytes, as a gateway makes it.",
        _as_html("<div>" + "<br>".join(LINES) + f"<p style='{'color:black;' * 99}'>x</p></div>"),
    ),
    ("spam-header", "A spam filter's opinion.", crlf("X-Spam-Flag: YES\n") + arrived(GENUINE)),
    ("dot-line", "A line that begins with a dot.", salesforce(body=token_body() + ".\n..\n")),
    (
        "address-in-footer",
        "Another address in the text, on a line of its own kind.",
        salesforce(body=token_body() + "Contact: admin@acme.example\n"),
    ),
)

OWN = signature(PLAIN)
BROKEN = with_value(signature(PLAIN, strangers_key(), domain="lists.example"), b"QUJD")
SIGNATURES = (
    (
        "ed25519",
        "Signed with Ed25519.",
        seal(PLAIN, ed_key(), algorithm="ed25519-sha256", selector="ed2026"),
    ),
    ("rsa-1024", "A key of 1024 bits.", seal(PLAIN, rsa_key(1024), selector="fair")),
    (
        "other-selector",
        "Another selector, whose record says more.",
        seal(PLAIN, rsa_key(2048, 2), selector="sf2025"),
    ),
    (
        "strict",
        "A record that asks for an i= in d= itself.",
        seal(PLAIN, selector="strict", tags=" i=@salesforce.com;"),
    ),
    ("identity-below", "i= below d=.", seal(PLAIN, tags=" i=support@emea.salesforce.com;")),
    ("simple", "Simple canonicalization.", seal(PLAIN, canonical="simple/simple")),
    ("relaxed", "Relaxed canonicalization.", seal(PLAIN, canonical="relaxed/relaxed")),
    (
        "relaxed-changed",
        "Relaxed canonicalization, spaces added on the way.",
        seal(PLAIN, canonical="relaxed/relaxed").replace(b"Username: ", b"Username:   "),
    ),
    (
        "oversigned",
        "Every field signed once more.",
        seal(PLAIN, headers=[*SIGNED_HEADERS, *SIGNED_HEADERS]),
    ),
    (
        "more-signed",
        "More fields signed.",
        seal(PLAIN, headers=[*SIGNED_HEADERS, "Message-ID", "X-Priority"]),
    ),
    ("no-time", "No t=.", seal(PLAIN, at=None)),
    (
        "expires-later",
        "x= in a week.",
        seal(PLAIN, tags=f" x={int((ISSUED + timedelta(days=7)).timestamp())};"),
    ),
    (
        "copied-fields",
        "z= carries copies of fields for nobody.",
        seal(PLAIN, tags=" z=From:attacker@evil.example;"),
    ),
    ("query", "q= said.", seal(PLAIN, tags=" q=dns/txt;")),
    ("broken-above", "An intermediary's broken signature above.", BROKEN + OWN + PLAIN),
    ("two-broken-above", "Two of them.", BROKEN * 2 + OWN + PLAIN),
    (
        "stranger-above",
        "An intermediary's good signature above.",
        signature(PLAIN, strangers_key(), domain="lists.example") + OWN + PLAIN,
    ),
    (
        "own-broken-above",
        "A broken one of Salesforce's above.",
        with_value(OWN, b"QUJD") + OWN + PLAIN,
    ),
    (
        "blank-lines-after",
        "Empty lines at the end, which no canonical form counts.",
        OWN + PLAIN + b"\r\n" * 5,
    ),
)
NO_KEY = arrived(seal(PLAIN, selector="nokey"))
UNSURE = PASS.replace("dkim=pass", "dkim=temperror")
ASSESSED = (
    ("silent-server", "A server that writes no results.", crlf(RECEIVED) + OWN + PLAIN, DKIM_ONLY),
    ("rotated", "The key is gone, our server saw it in time.", NO_KEY, ROTATED),
    (
        "server-fails",
        "The receiving server fails on a good signature.",
        arrived(OWN + PLAIN, FAIL),
        DKIM_ONLY,
    ),
    (
        "server-temperror",
        "The receiving server could not tell.",
        arrived(OWN + PLAIN, UNSURE),
        expect("held unauthenticated", dkim=STORE, auto=STORE),
    ),
)


def items() -> Iterator[Item]:
    yield from _samples()
    yield from mails("genuine", FORMS, STORE)
    for name, why, late in DELAYED:
        yield item("genuine", name, why, salesforce(), STORE, received_at=ISSUED + late)
    yield from mails("genuine", ENCODINGS, STORE)
    yield from mails("genuine", PAGES, STORE)
    yield from mails("genuine", HEADERS, STORE)
    yield from mails("genuine", SIGNATURES, STORE, build=arrived)
    yield from mails("genuine", ASSESSED)


def _samples() -> Iterator[Item]:
    for name, why, sender, subject, issued, username, token in SAMPLES:
        address = f'"{sender}" <{sender}>'
        plain = token_mail(username, token, issued_at=issued, sender=address, subject=subject)
        results = PASS.replace(
            "header.from=salesforce.com", "header.from=" + sender.partition("@")[2]
        )
        raw = arrived(seal(plain, at=issued), results)
        yield item("genuine", name, why, raw, STORE, received_at=issued)
    raw = encoded(japanese(), subject=SUBJECT_BASE64)
    yield item("genuine", "ja", "Japanese in base64.", raw, STORE)
