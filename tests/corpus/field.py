"""Genuine mails as they arrive in the field: what servers, gateways and people make of them.

Each row says where it was seen or why it must be expected, and how it ends under each policy with
the variant `field` of the configuration: two addresses of our own and two patterns, the tags of a
mail system. What is stored is the token; what is held waits for a person. Only what breaks the
signature where nothing but the signature counts, or what no two programs would read alike, is
refused.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

from tests.corpus import rewritten
from tests.corpus.base import (
    PASS,
    PINNED_ID,
    RECEIVED,
    STORE,
    SUBJECT,
    Item,
    Row,
    Verdict,
    arrived,
    crlf,
    expect,
    item,
    salesforce,
)
from tests.kit.mails import ADDRESS, ISSUED, TOKEN, USERNAME, token_mail
from tests.kit.signing import seal

GENUINE = seal(token_mail())
KIND = "field"
"""The class, the folder and the variant of the configuration."""
TO = "held wrong-recipient"
SENDER = "held unknown-sender"
DATE = "held date-out-of-bounds"
TITLE = "held unknown-subject"
USER = "held unknown-user"


def after_checking(verdict: str) -> Verdict:
    """The server checked the mail and changed it then: only its assessment is left."""
    return expect("refused bad-signature", results=verdict, auto=verdict)


# To, as administrators typed it in Salesforce and as programs write it.
RECIPIENTS = (
    ("plain", "As Salesforce writes it.", ADDRESS),
    ("angle", "In angle brackets.", f"<{ADDRESS}>"),
    ("name", "With the user's name.", f"Integration User <{ADDRESS}>"),
    ("name-quoted", "With a quoted name.", f'"Integration User" <{ADDRESS}>'),
    ("name-comma", "A quoted name with a comma.", f'"User, Integration" <{ADDRESS}>'),
    ("name-comma-bare", "A name with a comma that nobody quoted.", f"User, Int. <{ADDRESS}>"),
    ("name-dot", "A name with a dot that nobody quoted.", f"J. Doe <{ADDRESS}>"),
    ("name-escaped", "A quoted name with quotes in it.", f'"The \\"Int\\" User" <{ADDRESS}>'),
    ("name-q", "A name in encoded words.", f"=?utf-8?q?Int=C3=A9gration?= <{ADDRESS}>"),
    ("name-b", "A Japanese name.", f"=?iso-2022-jp?b?GyRCTyI3SBsoQg==?= <{ADDRESS}>"),
    ("name-words", "Two encoded words.", f"=?utf-8?q?J=C3=B6rg?= =?utf-8?q?_M?= <{ADDRESS}>"),
    ("name-word-comma", "A comma in an encoded word.", f"=?utf-8?q?D=C3=B6e,_J?= <{ADDRESS}>"),
    ("name-address", "The address as the name.", f'"{ADDRESS}" <{ADDRESS}>'),
    ("name-outlook", "Outlook's quotes in quotes.", f"\"'{ADDRESS}'\" <{ADDRESS}>"),
    ("single-quotes", "Outlook's quotes alone.", f"'{ADDRESS}'"),
    ("quotes", "A quoted address without another.", f'"{ADDRESS}"'),
    ("comment", "With a comment behind.", f"{ADDRESS} (Integration User)"),
    ("comment-before", "With a comment in front.", f"(Integration (User)) {ADDRESS}"),
    ("group", "In a named group.", f"Integration: {ADDRESS}, else@example.com;"),
    ("group-beside", "Beside an empty group.", f"undisclosed-recipients:;, {ADDRESS}"),
    ("capitals", "In capital letters.", ADDRESS.upper()),
    ("capitals-mixed", "In the case that somebody typed.", "Ops@Example.Com"),
    ("comma-after", "A comma behind it.", f"{ADDRESS},"),
    ("comma-before", "A comma in front of it.", f", {ADDRESS}"),
    ("commas", "An empty entry in the list.", f"else@example.com,, {ADDRESS}"),
    ("neighbour-bare", "A neighbour without a domain.", f"root, {ADDRESS}"),
    ("neighbour-route", "A neighbour with a route.", f"<@a.example:b@example.com>, {ADDRESS}"),
    ("neighbour-two-at", "A neighbour with two @.", f"a@b@example.com, {ADDRESS}"),
    ("many", "The last of ten.", ",\n ".join([*(f"u{n}@example.com" for n in range(9)), ADDRESS])),
    ("second", "The other of two addresses.", "salesforce-tokens@example.com"),
    ("tagged", "A plus-address under a pattern.", "ops+acme@example.com"),
    ("tagged-capitals", "The same as somebody typed it.", "OPS+Acme@Example.com"),
    ("catch-all", "Any address of a domain.", "Acme <uat-17@tokens.example.com>"),
    ("distribution", "A distribution list that nobody listed.", "integrations@example.com", TO),
    ("alias", "An alias of the mailbox that nobody listed.", "ops@corp.example.com", TO),
    ("undisclosed", "Sent by Bcc.", "undisclosed-recipients:;", TO),
    ("below-catch-all", "A host below the domain of a pattern.", "x@a.tokens.example.com", TO),
)

# From, as Salesforce writes it, or might.
SENDERS = (
    ("name-capitals", "A name in other case.", '"Support@Salesforce.com" <support@salesforce.com>'),
    ("name-shouting", "A name in capitals.", '"SUPPORT@SALESFORCE.COM" <support@salesforce.com>'),
    ("bare", "No name.", "support@salesforce.com"),
    ("name-other", "A name that is no address.", '"salesforce.com" <support@salesforce.com>'),
    (
        "name-encoded",
        "A name in encoded words.",
        "=?utf-8?q?Salesforce?= <support@salesforce.com>",
        SENDER,
    ),
    (
        "name-comma",
        "A name that wants quotes.",
        "Salesforce, Inc. <support@salesforce.com>",
        SENDER,
    ),
    ("noreply", "An address of identity mail, not listed.", "noreply@salesforce.com", SENDER),
    ("no-reply", "An address of storefronts, not listed.", "no-reply@salesforce.com", SENDER),
)

REGIONS = (
    ("emea", "The sender of EMEA.", "emea.salesforce.com"),
    ("ap", "A region whose sender nobody listed.", "ap.salesforce.com", SENDER),
)

# What the mail system put in front of the subject after it had checked the signature.
TAGGED = (
    ("external", "Exchange's usual tag.", f"[EXTERNAL] {SUBJECT}", STORE),
    ("ext", "A shorter one.", f"EXT: {SUBJECT}", STORE),
    ("spam", "A spam filter's.", f"***SPAM*** {SUBJECT}", STORE),
    ("two", "Two servers, a tag each.", f"***SPAM*** [EXTERNAL] {SUBJECT}", STORE),
    ("twice", "One server twice.", f"[EXTERNAL] [EXTERNAL] {SUBJECT}", STORE),
    ("glued", "No space behind the tag.", f"[EXTERNAL]{SUBJECT}", STORE),
    (
        "encoded",
        "In encoded words.",
        "=?utf-8?q?[EXTERNAL]_Your_new?= Salesforce security token",
        STORE,
    ),
    ("unknown", "A tag that nobody configured.", f"[Caution] {SUBJECT}", TITLE),
    ("case", "A configured tag in other case.", f"[External] {SUBJECT}", TITLE),
    ("behind", "A tag at the end.", f"{SUBJECT} [EXTERNAL]", TITLE),
    ("forwarded", "A rule that forwards.", f"FW: {SUBJECT}", TITLE),
    (
        "sandbox",
        "A sandbox's mail for production's user.",
        f"[EXTERNAL] Sandbox: {SUBJECT}",
        "held wrong-environment",
    ),
    (
        "sandbox-unknown",
        "The same behind a tag that nobody configured.",
        f"[Caution] Sandbox: {SUBJECT}",
        TITLE,
    ),
    ("behind-prefix", "A tag behind the prefix.", f"Sandbox: [EXTERNAL] {SUBJECT}", TITLE),
)
SANDBOX_USER = "integration@example.com.uat"
SANDBOXES = (
    ("plain", "A sandbox and its user.", salesforce(SANDBOX_USER, subject=f"Sandbox: {SUBJECT}")),
    (
        "no-prefix",
        "Nothing shows that it is from our sandbox: a person sets org_id.",
        salesforce(SANDBOX_USER),
        "held wrong-environment",
    ),
    ("folded", "A folded prefix.", salesforce(SANDBOX_USER, subject=f"Sandbox:\n {SUBJECT}")),
    (
        "new",
        "A sandbox nobody configured.",
        salesforce("integration@example.com.dev", subject=f"Sandbox: {SUBJECT}"),
        USER,
    ),
    (
        "refreshed",
        "A refreshed sandbox.",
        salesforce(f"{USERNAME}.invalid", subject=f"Sandbox: {SUBJECT}"),
        USER,
    ),
    (
        "production",
        "Production's user in a sandbox.",
        salesforce(subject=f"Sandbox: {SUBJECT}"),
        "held wrong-environment",
    ),
)

# How late a mail came, by what the server says.
ARRIVALS = (
    ("at-once", "Two seconds.", timedelta(seconds=2), STORE),
    ("greylisted", "Greylisting.", timedelta(minutes=15), STORE),
    ("retried", "Retries for most of a day.", timedelta(hours=23, minutes=50), STORE),
    ("day", "A day to the second.", timedelta(hours=24), STORE),
    ("clock-ahead", "Salesforce's clock is ahead.", timedelta(minutes=-10), STORE),
    ("clock-hour", "An hour ahead to the second.", timedelta(hours=-1), STORE),
    ("east", "Local time marked +0000, in Tokyo.", timedelta(hours=9), STORE),
    ("noon", "Midnight for noon.", timedelta(hours=12), STORE),
    ("west", "Local time marked +0000, in New York.", timedelta(hours=-5), DATE),
    ("far-west", "The same in Honolulu.", timedelta(hours=-10), DATE),
    ("retried-longer", "A relay that retries for longer.", timedelta(hours=30), DATE),
    ("quarantine", "Three days in a quarantine.", timedelta(days=3), DATE),
    ("restored", "Moved in from an old mailbox.", timedelta(days=400), DATE),
    ("epoch", "INTERNALDATE 1970.", -timedelta(days=20487), DATE),
)

# Date, in other forms than that of RFC 5322. What some read otherwise waits for a person.
DATES = (
    ("utc", "UTC by its name.", "Tue, 3 Feb 2026 12:57:27 UTC"),
    ("no-space", "No space behind the day.", "Tue,3 Feb 2026 12:57:27 +0000"),
    ("no-day", "No day of the week.", "3 Feb 2026 12:57:27 +0000"),
    ("pst", "A zone by its name.", "Tue, 3 Feb 2026 04:57:27 PST", "held bad-date"),
    ("no-zone", "No zone.", "Tue, 3 Feb 2026 12:57:27", "held bad-date"),
)

# A signed field rewritten after the server had checked it, or the key revoked since.
DOUBTED = expect("refused bad-signature", results=STORE, auto="held bad-signature")
DOUBTS = (
    (
        "to-rewritten",
        "A gateway adds a name to the address.",
        GENUINE.replace(b"\r\nTo: ", b"\r\nTo: Ops Mailbox <").replace(
            b"ops@example.com\r\n", b"ops@example.com>\r\n", 1
        ),
    ),
    (
        "charset-rewritten",
        "A gateway writes the content type anew.",
        GENUINE.replace(b"charset=UTF-8", b'charset="utf-8"'),
    ),
    ("revoked", "The key was revoked since.", seal(token_mail(), selector="revoked")),
)

# What relays, filters and stores put in front, none of it signed.
STRANGER = "DKIM-Signature: v=1; a=rsa-sha256; d=relay.example; s=x;\n\th=from; bh=QUJD; b=QUJD\n"
ON_TOP: tuple[tuple[str, str, str | bytes], ...] = (
    (
        "spam-status",
        "SpamAssassin.",
        "X-Spam-Status: No, score=-0.2 required=5.0\n\ttests=DKIM_VALID\n",
    ),
    (
        "spam-report-blank",
        "cPanel: folded white space.",
        "X-Ham-Report: no spam\n \n Content preview: We've sent you\n \n -0.2 DKIM_VALID\n",
    ),
    (
        "spam-report-utf-8",
        "Proxmox: raw UTF-8.",
        "X-SPAM-LEVEL: Spam detection results: 0\n\tBAYES Häufigkeit\n",
    ),
    ("spam-report-latin-1", "The same in Latin-1.", b"X-Spam-Report: H\xe4ufigkeit\r\n"),
    (
        "spam-report-long",
        "A line of over 998 bytes.",
        "X-Spam-Report: " + "BAYES_00, " * 150 + "\n",
    ),
    ("mbox", "An mbox store.", ">From support@salesforce.com Tue Feb  3 12:57:27 2026\n"),
    ("message-id", "A relay that misses the Message-ID.", "Message-ID: <2@relay.example>\n"),
    ("sender", "A forwarder's Sender.", "Sender: forwarder@example.com\nSender: ops@example.com\n"),
    ("cc", "A list's copies.", "Cc: a@example.com\nCc: b@example.com\n"),
    ("reply-to", "A help desk's.", "Reply-To: a@example.com\nReply-To: b@example.com\n"),
    ("received", "Ten hops.", RECEIVED * 10),
    ("resent", "A redirecting rule.", "Resent-From: a@example.com\nResent-To: ops@example.com\n"),
    ("list", "A group address.", "List-Id: <ops.example.com>\nPrecedence: list\n"),
    ("arc", "Somebody's seal.", "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=x.example; b=RmFrZQ==\n"),
    (
        "relay-results",
        "A relay's own results.",
        RECEIVED + "Authentication-Results: relay.example; dkim=fail\n",
    ),
    (
        "exchange",
        "Exchange's headers.",
        "X-MS-Exchange-Organization-SCL: -1\nX-MS-TNEF-Correlator:\n",
    ),
    ("antivirus", "A scanner.", "X-Virus-Scanned: amavisd-new at example.com\nX-AV: <none>\n"),
    ("delivered-to", "Three mailboxes on the way.", "Delivered-To: a@example.com\n" * 3),
    ("status", "A store's flags.", "X-UID: 17\nStatus: RO\nX-Status: A\nX-Keywords:\n"),
    ("empty", "Fields without a value.", "X-Empty:\nX-Blank: \n"),
    ("tls-report", "A comment out of form.", 'X-TLS: cipher=(TLS_AES; "x\n'),
    ("disposition", "A request for a receipt.", "Disposition-Notification-To: a@example.com\n"),
    (
        "stranger",
        "A relay signs as well.",
        "DKIM-Signature: v=1; a=rsa-sha256; d=relay.example; s=x;\n\th=from; bh=QUJD; b=QUJD\n",
    ),
    ("stranger-odd", "A relay's signature out of form.", "DKIM-Signature: none\n"),
    ("strangers", "Nine relays sign as well.", STRANGER * 9),
    ("stranger-long", "A relay's signature in one line.", STRANGER[:-1] + "A" * 1000 + "\n"),
    ("stranger-8-bit", "A relay's signature with a comment.", STRANGER[:-1] + "; n=Häufig\n"),
    ("stranger-blank", "A relay's signature with a blank fold.", STRANGER + " \n\tQUJD\n"),
    (
        "received-latin-1",
        "Exchange's time zone, in words.",
        b"Received: from a by b; Tue, 3 Feb 2026 13:57:29 +0100\r\n"
        b"\t(Mitteleurop\xe4ische Zeit)\r\n",
    ),
    (
        "received-long",
        "A server that names all recipients.",
        "Received: from a by b for " + ", ".join(f"<u{n}@example.com>" for n in range(80)) + "\n",
    ),
    ("received-blank", "A server that folds badly.", "Received: from a by b\n \n\t; Tue\n"),
    (
        "relay-results-odd",
        "A relay's own results, in other letters.",
        "Authentication-Results: relay.example; dkim=none (kein Schlüssel)\n",
    ),
    ("return-path-8-bit", "A forwarder's envelope.", "Return-Path: <jörg@relay.example>\n"),
    ("obsolete", "The obsolete form of RFC 5322.", "X-Mailer : Old 1.0\n"),
    ("mime-version", "A gateway that writes it anew.", "MIME-Version: 1.0\n"),
)

# Layouts that nobody knows, under a subject that nobody knows: a person must see them.
UNHEARD = "Ihr neues Sicherheitstoken"
LETTERS = "FAKEtokenNOTrealxyzQwErTy"
CELLS = "<table><tr><td>Benutzername</td><td>%s</td></tr><tr><td>Token</td><td>%s</td></tr></table>"
LAYOUTS = (
    ("no-digit", "A token without a digit.", f"Sicherheitstoken:\n{LETTERS}\n"),
    ("no-digit-cells", "The same in cells.", CELLS % (USERNAME, LETTERS)),
    ("entity", "An entity behind the token.", CELLS % (USERNAME, f"{TOKEN}&nbsp;")),
    ("form", "In a field of a form.", f'<p>Token <input value="{TOKEN}"></p>'),
    ("zero-width", "A mark inside of the token.", f"Token: {TOKEN[:9]}\u200b{TOKEN[9:]}\n"),
    ("soft-hyphen", "A soft hyphen inside.", f"Token: {TOKEN[:9]}\u00ad{TOKEN[9:]}\n"),
    ("markdown", "In Markdown.", f"Sicherheitstoken: _{TOKEN}_\n"),
    ("equals", "Behind an equals sign.", f"token={TOKEN}\n"),
    ("slashes", "Between slashes.", f"Token /{TOKEN}/\n"),
    ("hash", "Behind a number sign.", f"Token #{TOKEN}\n"),
    ("question-mark", "A letter that was lost.", f"Sicherheitstoken:?{TOKEN}\n"),
)

# The same in base64 that the strict reader does not read.
SENTENCE = f"Guten Tag, Ihr neues Token ist {TOKEN}, viele Gruesse".encode()
WHOLE = base64.b64encode(SENTENCE)
BASE64 = (
    (
        "base64-padded",
        "Each line of base64 padded.",
        [base64.b64encode(SENTENCE[start : start + 10]) for start in range(0, len(SENTENCE), 10)],
    ),
    (
        "base64-indented",
        "Base64 in indented lines.",
        [b"  " + WHOLE[start : start + 40] for start in range(0, len(WHOLE), 40)],
    ),
    (
        "base64-short",
        "Base64 in short lines.",
        [WHOLE[start : start + 12] for start in range(0, len(WHOLE), 12)],
        rewritten.LAYOUT,
    ),
)

# What the receiving server says of the mail.
CISCO = (
    "Authentication-Results: mx.example.com; dkim=pass (signature verified)\n"
    " header.i=@salesforce.com; spf=Pass smtp.mailfrom=x@x.um8.bnc.salesforce.com; spf=None\n"
    " smtp.helo=postmaster@mta.salesforce.com; dmarc=pass (p=reject dis=none) d=salesforce.com\n"
)
UNSURE = expect("held unauthenticated", dkim=STORE, auto=STORE)
RESULTS: tuple[tuple[Any, ...], ...] = (
    ("cisco", "Cisco's gateway, which has no header.from.", CISCO),
    (
        "timeout",
        "Microsoft's query for the key.",
        PASS.replace("dkim=pass", "dkim=timeout"),
        UNSURE,
    ),
    ("tempfail", "Another word for it.", PASS.replace("dkim=pass", "dkim=tempfail"), UNSURE),
    (
        "guessed",
        "Microsoft found no policy of Salesforce's.",
        PASS.replace("dmarc=pass", "dmarc=bestguesspass"),
        UNSURE,
    ),
)

# Which org it was: the envelope sender after a forward.
OURS = f"X-SFDC-LK: {PINNED_ID}\n"
CODE = "5g-4pin7eac"
OUR_PATH = f"Return-Path: <support=salesforce.com__0-1@mnopqr.{CODE}.um8.bnc.salesforce.com>\n"
THEIR_PATH = OUR_PATH.replace(CODE, "8d-3trx3eag")
FORWARDER = "Return-Path: <SRS0=Zm9v=AB=salesforce.com=support@relay.example>\n"
PINNED = salesforce("pinned@acme.example", extra=OURS)
SILENT = salesforce("pinned@acme.example", extra="")
ORG = "held wrong-org"
ENVELOPES = (
    ("both", "Id and envelope.", crlf(OUR_PATH) + PINNED),
    ("envelope-only", "No id, as through a relay that drops it.", crlf(OUR_PATH) + SILENT),
    (
        "no-brackets",
        "An envelope without brackets.",
        crlf(OUR_PATH.replace("<", "").replace(">", "")) + SILENT,
    ),
    ("forwarded", "A forwarder's on top.", crlf(FORWARDER + OUR_PATH) + PINNED),
    ("forwarded-below", "A forwarder's below.", crlf(OUR_PATH + FORWARDER) + SILENT),
    ("twice", "The same twice.", crlf(OUR_PATH * 2) + PINNED),
    ("id-decides", "Two orgs' envelopes, our id.", crlf(THEIR_PATH + OUR_PATH) + PINNED),
    ("id-only", "A forwarder's envelope and our id.", crlf(FORWARDER) + PINNED),
    ("empty", "An empty envelope and our id.", crlf("Return-Path: <>\n") + PINNED),
    ("contradicting", "One envelope of another org's.", crlf(THEIR_PATH) + PINNED, ORG),
    ("undecided", "Two orgs' envelopes, no id.", crlf(THEIR_PATH + OUR_PATH) + SILENT, ORG),
    ("nothing", "A relay that drops both.", crlf(FORWARDER) + SILENT, ORG),
)


def items() -> Iterator[Item]:
    yield from _rows("to", RECIPIENTS, STORE, build=_to)
    yield from _rows("from", SENDERS, STORE, build=_from)
    yield from _rows("from", REGIONS, STORE, build=_of_region)
    yield from _rows("tag", TAGGED, "", build=_titled, wrap=after_checking)
    yield from _rows("sandbox", SANDBOXES, STORE)
    for name, why, late, verdict in ARRIVALS:
        late_by = ISSUED + late
        yield item(
            KIND, f"arrival-{name}", why, salesforce(), verdict, received_at=late_by, variant=KIND
        )
    yield from _rows("top", ON_TOP, STORE, build=_under)
    yield from _rows("layout", LAYOUTS, rewritten.LAYOUT, build=_laid_out)
    yield from _rows("layout", BASE64, rewritten.PARTS, build=_in_base64)
    yield from _rows("date", DATES, STORE, build=_dated)
    yield from _rows("signature", DOUBTS, DOUBTED, build=arrived)
    yield from _rows("results", RESULTS, STORE, build=_assessed)
    yield from _rows("envelope", ENVELOPES, STORE)
    yield from _rows("glued", rewritten.GLUED, "", build=rewritten.glued, wrap=after_checking)
    yield from _rows("body", rewritten.BODIES, after_checking(STORE), wrap=after_checking)
    yield from _rows("signature", rewritten.UNSIGNED, "")
    yield from _rows("charset", rewritten.CHARSETS, STORE, build=rewritten.in_charset)
    yield from _rows("language", rewritten.languages(), STORE)


def _rows(
    group: str,
    rows: Iterable[Row],
    verdict: Verdict,
    *,
    build: Callable[[Any], bytes] = bytes,
    wrap: Callable[[Any], Verdict] = lambda verdict: verdict,
) -> Iterator[Item]:
    """The mails of a table; `wrap` makes the verdict by policy of the one that a row has."""
    for name, why, ingredient, *own in rows:
        expected = wrap(own[0]) if own else verdict
        yield item(KIND, f"{group}-{name}", why, build(ingredient), expected, variant=KIND)


def _to(value: str) -> bytes:
    return salesforce(to=value)


def _from(value: str) -> bytes:
    return salesforce(sender=value)


def _of_region(domain: str) -> bytes:
    """A region's own sender, for whose domain the server says what it says for the main one."""
    results = PASS.replace("header.from=salesforce.com", f"header.from={domain}")
    return salesforce(sender=f"support@{domain}", results=results)


def _titled(subject: str) -> bytes:
    return arrived(GENUINE.replace(f"Subject: {SUBJECT}".encode(), f"Subject: {subject}".encode()))


def _laid_out(body: str) -> bytes:
    kind = "text/plain"
    if "<" in body:
        kind = "text/html"
    return salesforce(subject=UNHEARD, body=body, content_type=f"{kind}; charset=UTF-8")


def _in_base64(lines: list[bytes]) -> bytes:
    head = token_mail(subject=UNHEARD, body="", extra="Content-Transfer-Encoding: base64\n")
    return arrived(seal(head + b"".join(line + b"\r\n" for line in lines)))


def _dated(value: str) -> bytes:
    return arrived(
        seal(token_mail().replace(b"Tue, 03 Feb 2026 12:57:27 +0000 (GMT)", value.encode()))
    )


def _assessed(results: str) -> bytes:
    return arrived(GENUINE, results)


def _under(top: str | bytes) -> bytes:
    """Below what was put in front, and below what our server put in front of that."""
    if isinstance(top, str):
        top = crlf(top)
    return arrived(top + GENUINE)
