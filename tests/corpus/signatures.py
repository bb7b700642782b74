"""Forged and altered signatures, and every tag that takes the force of one, or of a key, away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from tests.corpus.base import (
    EVIL_TOKEN,
    FAIL,
    Item,
    Row,
    arrived,
    body,
    crlf,
    expect,
    mails,
    strangers_key,
)
from tests.kit.mails import ISSUED, SIGNED_HEADERS, TOKEN, token_mail
from tests.kit.signing import ed_key, rsa_key, seal, signature, with_value

BAD = expect("refused bad-signature", results="refused unauthenticated")
"""A signature that speaks against the mail; the receiving server said so too."""
CANNOT = expect(
    "refused bad-signature", results="refused unauthenticated", auto="refused unauthenticated"
)
"""A signature that cannot be checked: under `auto` the receiving server decides, and says no."""
NO_KEY = expect("held no-key", results="refused unauthenticated", both="refused unauthenticated")
"""A signature without a key to check it with; the receiving server says no, and may be as wrong."""
NONE = expect("refused unsigned", results="refused unauthenticated")
"""No signature that counts."""
OFF_DATE = expect(
    "refused unauthenticated", dkim="held date-out-of-bounds", auto="held date-out-of-bounds"
)
"""A good signature, made at another time than the mail."""
ARC = (
    "ARC-Seal: i=1; a=rsa-sha256; d=attacker.example; s=sf2026; t=1770123447; cv=none; b=QUJD\n"
    "ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=attacker.example; s=sf2026; "
    "h=from; bh=QUJD; b=QUJD\n"
    "ARC-Authentication-Results: i=1; mx.example.com; dmarc=pass header.from=salesforce.com; "
    "dkim=pass header.d=salesforce.com\n"
)

SECOND = int(ISSUED.timestamp())
PLAIN = token_mail()
GENUINE = seal(PLAIN)
EVIL_MAIL = token_mail(token=EVIL_TOKEN)
EVIL_SIGNATURE = signature(EVIL_MAIL)
SIGNATURE = signature(token_mail())
SIGNATURE_VALUE = SIGNATURE.partition(b"\tb=")[2].removesuffix(b"\r\n")
OTHER_NAME = b"X-Google-" + EVIL_SIGNATURE
DOMAIN_KEY = (
    b"DomainKey-Signature: a=rsa-sha1; q=dns; c=nofws; d=salesforce.com; s=sf2026; b=AAAA\r\n"
)
IN_BODY = EVIL_MAIL.replace(b"\r\n\r\n", b"\r\n\r\n" + EVIL_SIGNATURE + b"\r\n", 1)


def _under(*selectors: str) -> bytes:
    """Signatures of the attacker's for these selectors, under Salesforce's name."""
    key = strangers_key()
    return b"".join(signature(EVIL_MAIL, key, selector=selector) for selector in selectors)


FORGED = (
    ("unsigned", "Exact From, Subject and body, no signature.", EVIL_MAIL, NONE),
    (
        "own-domain",
        "Signed by the attacker's own domain.",
        seal(EVIL_MAIL, strangers_key(), domain="attacker.example"),
        NONE,
    ),
    (
        "wrong-key",
        "Claims d=salesforce.com, signed with another key.",
        seal(EVIL_MAIL, strangers_key()),
    ),
    (
        "random-b",
        "A signature value made up.",
        with_value(EVIL_SIGNATURE, b"AbCd" * 86) + EVIL_MAIL,
    ),
    ("empty-b", "An empty signature value.", with_value(EVIL_SIGNATURE, b"") + EVIL_MAIL),
    (
        "zero-b",
        "Zero, which textbook RSA maps to zero.",
        with_value(EVIL_SIGNATURE, b"A" * 342 + b"==") + EVIL_MAIL,
    ),
    (
        "one-b",
        "One, which textbook RSA maps to one.",
        with_value(EVIL_SIGNATURE, b"A" * 341 + b"E=") + EVIL_MAIL,
    ),
    (
        "short-b",
        "A few bytes in place of a signature.",
        with_value(EVIL_SIGNATURE, b"c2FsZXNmb3JjZS5jb20=") + EVIL_MAIL,
    ),
    ("copied", "The signature of a genuine mail on another mail.", SIGNATURE + EVIL_MAIL, CANNOT),
    (
        "copied-b",
        "The value of a genuine signature under a right body hash.",
        with_value(EVIL_SIGNATURE, SIGNATURE_VALUE) + EVIL_MAIL,
    ),
    (
        "arc-only",
        "An ARC seal says that somebody once saw a good signature.",
        crlf(ARC) + EVIL_MAIL,
        NONE,
    ),
    ("domainkey", "The predecessor of DKIM in place of DKIM.", DOMAIN_KEY + EVIL_MAIL, NONE),
    ("in-body", "The signature stands in the body.", IN_BODY, NONE),
    (
        "other-name",
        "The signature stands in a field of another name.",
        OTHER_NAME + EVIL_MAIL,
        NONE,
    ),
    (
        "eight-bad",
        "Eight worthless signatures hide that none is good.",
        with_value(EVIL_SIGNATURE, b"QUJD") * 8 + EVIL_MAIL,
    ),
    (
        "eight-names",
        "Eight selectors that nobody publishes, each a question to DNS.",
        _under("nokey", *"abcdefg") + EVIL_MAIL,
        NO_KEY,
    ),
    (
        "names-above-known",
        "Selectors that nobody publishes, above a bad signature under one that is known.",
        _under("nokey", "a", "b", "sf2026") + EVIL_MAIL,
        NO_KEY,
    ),
    (
        "names-above-revoked",
        "One selector that nobody publishes, and one that was revoked.",
        _under("nokey", "revoked") + EVIL_MAIL,
        NO_KEY,
    ),
    (
        "names-above-unfit",
        "One that nobody publishes above keys that must not count.",
        _under("nokey", "short", "testing") + EVIL_MAIL,
        NO_KEY,
    ),
)

# What Salesforce signed, changed afterwards in one place: the old text and the new.
ALTERED = (
    ("token", "Another token.", (TOKEN.encode(), EVIL_TOKEN.encode()), CANNOT),
    (
        "token-case",
        "One letter of the token in another case.",
        (b"FAKE5token", b"FaKE5token"),
        CANNOT,
    ),
    (
        "username",
        "Another username of the same length, ours as well.",
        (b"Username: integration@acme", b"Username: integration@bots"),
        CANNOT,
    ),
    (
        "appended",
        "Lines appended to the body.",
        (b"token.htm.\r\n", b"token.htm.\r\nUsername: batch@acme.example\r\n"),
        CANNOT,
    ),
    (
        "spaces",
        "White space in the body, which simple canonicalization keeps.",
        (b"Username: i", b"Username:  i"),
        CANNOT,
    ),
    ("subject", "Another subject.", (b"Subject: Your new", b"Subject: Your own new")),
    (
        "subject-sandbox",
        "Sandbox: put before the subject.",
        (b"Subject: Your", b"Subject: Sandbox: Your"),
    ),
    ("date", "A later Date, to beat the stored token.", (b"12:57:27 +0000", b"13:27:27 +0000")),
    (
        "to",
        "Another recipient of ours.",
        (b"To: ops@example.com", b"To: salesforce-tokens@example.com"),
    ),
    (
        "from",
        "Another sender of Salesforce's.",
        (b"<support@salesforce.com>", b"<noreply@salesforce.com>"),
        expect("refused wrong-sender"),
    ),
    (
        "from-plain",
        "The sender without its display name.",
        (b'"support@salesforce.com" <support@salesforce.com>', b"support@salesforce.com"),
    ),
    (
        "content-type",
        "Another charset, under which other text appears.",
        (b"charset=UTF-8", b"charset=GBK"),
    ),
    (
        "content-type-html",
        "Plain text to be read as HTML.",
        (b"Content-Type: text/plain", b"Content-Type: text/html"),
    ),
    ("mime-version", "The MIME version.", (b"MIME-Version: 1.0", b"MIME-Version: 1.1")),
    ("bh", "One character of the body hash.", (b"bh=", b"bh=A"), CANNOT),
    ("b", "One character of the signature.", (b"\tb=", b"\tb=A")),
    ("signed-time", "Another time of signing.", (b" t=17", b" t=16")),
    ("selector", "Another selector, which exists.", (b"s=sf2026", b"s=sf2025")),
    ("canonical", "Another canonical form.", (b"c=relaxed/simple", b"c=simple/simple")),
    (
        "list-of-fields",
        "A field taken off the list of signed ones.",
        (b"Date:From:To", b"Date:From:To:Cc"),
    ),
)

# How the mail is signed: arguments of `seal`.
TAGS: Sequence[Row] = (
    ("l-zero", "l=0 signs no body at all.", {"length": 0}),
    ("l-full", "l= of the whole body: nothing is appended yet.", {"length": len(body(PLAIN))}),
    ("l-negative", "l= of no known form.", {"tags": " l=-1;"}),
    ("l-twice", "l= said twice.", {"tags": " l=99999; l=0;"}),
    (
        "x-past",
        "Expired before it arrived.",
        {"tags": f" x={SECOND - 10};", "at": ISSUED - timedelta(hours=1)},
        CANNOT,
    ),
    ("x-before-t", "Expires before it was signed.", {"tags": f" x={SECOND - 60};"}),
    ("x-garbage", "x= that is no number.", {"tags": " x=never;"}),
    ("t-garbage", "t= that is no number.", {"at": None, "tags": " t=0x7f;"}),
    ("t-negative", "t= before the epoch.", {"at": None, "tags": " t=-1;"}),
    ("t-huge", "t= far beyond every calendar.", {"at": None, "tags": " t=99999999999999999999;"}),
    (
        "t-old",
        "t= two days before the Date: a stored signature used again.",
        {"at": ISSUED - timedelta(days=2)},
        OFF_DATE,
    ),
    ("t-future", "t= two days after the Date.", {"at": ISSUED + timedelta(days=2)}, OFF_DATE),
    ("i-other", "i= of another domain.", {"tags": " i=@attacker.example;"}),
    ("i-suffix", "i= that only ends like d=.", {"tags": " i=x@evilsalesforce.com;"}),
    ("i-bare", "i= without an @.", {"tags": " i=salesforce.com;"}),
    ("v-2", "v= of another version.", {"tags": " v=2;"}),
    (
        "d-twice",
        "d= said twice: the first is ours, the last the attacker's.",
        {"tags": " d=attacker.example;"},
    ),
    ("s-twice", "s= said twice.", {"tags": " s=strict;"}),
    ("h-twice", "h= said twice.", {"tags": " h=From;"}),
    ("b-twice", "b= said twice.", {"tags": " b=AAAA;"}),
    ("q-other", "A way to ask for keys that does not exist.", {"tags": " q=https/wellknown;"}),
    ("no-equals", "A tag without a value.", {"tags": " x;"}),
    ("name-of-digits", "A tag name of no known form.", {"tags": " 9x=1;"}),
    ("c-unknown", "A canonical form that does not exist.", {"canonical": "nowsp/simple"}),
    ("c-three", "Three canonical forms.", {"canonical": "relaxed/simple/relaxed"}),
    ("sha1", "a=rsa-sha1.", {"algorithm": "rsa-sha1"}),
    ("a-unknown", "An algorithm that does not exist.", {"algorithm": "rsa-sha512"}),
    ("h-from-only", "Only From is signed.", {"headers": ["From"]}),
    ("h-empty", "Nothing is signed.", {"headers": []}),
    (
        "selector-path",
        "A selector that walks up the tree of names.",
        {"selector": "sf2026._domainkey.attacker.example."},
    ),
    ("selector-long", "A selector longer than a name in DNS may be.", {"selector": "s" * 64}),
    ("selector-odd", "A selector with characters of no host name.", {"selector": "sf2026/../x"}),
    (
        "signature-4k",
        "A signature of more than 4 kB.",
        {"tags": " n=" + "\r\n\t".join("x" * 900 for _ in range(5)) + ";"},
    ),
)
APPENDED = b"Username: batch@acme.example\r\n"
TWICE = (
    (
        "l-appended",
        "l= and a second token appended.",
        seal(PLAIN, length=len(body(PLAIN))) + APPENDED,
    ),
    (
        "ninth",
        "The good signature is the ninth.",
        with_value(signature(PLAIN), b"QUJD") * 8 + GENUINE,
    ),
)

# Key records that must not count. All are published under salesforce.com, by mistake or for a test.
KEYS = (
    ("short", "A key of 512 bits.", {"key": rsa_key(512), "selector": "short"}),
    ("testing", "A key in test mode (t=y).", {"selector": "testing"}),
    ("testing-strict", "A key in test mode among other flags.", {"selector": "testing-strict"}),
    ("revoked", "A revoked key.", {"selector": "revoked"}),
    ("sha1only", "A key for sha1 only.", {"selector": "sha1only"}),
    ("tlsrpt", "A key for another service than e-mail.", {"selector": "tlsrpt"}),
    ("otherversion", "A record of another version.", {"selector": "otherversion"}, NO_KEY),
    ("wrongtype", "An RSA key in a record for Ed25519.", {"selector": "wrongtype"}),
    ("twokeys", "A record with two keys.", {"selector": "twokeys"}, NO_KEY),
    ("garbage", "A record whose key is no base64.", {"selector": "garbage"}, NO_KEY),
    ("spf", "A record of something else altogether.", {"selector": "spf"}, NO_KEY),
    (
        "strict-subdomain",
        "t=s forbids an i= below d=.",
        {"selector": "strict", "tags": " i=@emea.salesforce.com;"},
    ),
    (
        "ed25519-as-rsa",
        "An Ed25519 signature in a field that says RSA.",
        {"key": ed_key(), "selector": "ed2026"},
    ),
    ("nokey", "A selector that is not published.", {"selector": "nokey"}, NO_KEY),
)

# The domain that signs, with a key that the strangers publish.
DOMAINS = (
    ("below", "A domain below salesforce.com that is not configured.", "mail.salesforce.com"),
    ("emea", "The sender domain emea.salesforce.com as a signing domain.", "emea.salesforce.com"),
    ("above", "The public suffix.", "com"),
    ("look-alike", "A domain that looks like it.", "salesforce-com.example"),
    ("prefix", "A domain that begins like it.", "salesforce.com.attacker.example"),
    ("platform", "Another domain of Salesforce's, under which customers send.", "force.com"),
    ("punycode", "A look-alike in punycode.", "xn--salesfrce-ftg.com"),
    ("list", "A mailing list signed it.", "lists.example"),
    ("dot", "A domain with its final dot.", "salesforce.com."),
    ("space", "A domain with white space inside.", "salesforce .com"),
    ("folded", "A domain folded in its middle.", "salesforce.\r\n\tcom"),
    ("two", "Two domains in one tag.", "salesforce.com,attacker.example"),
    ("address", "An address in place of a domain.", "x@salesforce.com"),
    (
        "8-bit",
        "A domain with a letter outside of ASCII.",
        "salesf\u043erce.com",
        BAD,
    ),
)


def items() -> Iterator[Item]:
    yield from mails("forged", FORGED, BAD, build=_received)
    yield from mails("altered", ALTERED, BAD, build=_altered)
    yield from mails("tags", TAGS, BAD, build=_sealed)
    yield from mails("tags", _without_one_field(), BAD, build=_sealed)
    yield from mails("tags", TWICE, BAD, build=_received)
    yield from mails("keys", KEYS, BAD, build=_sealed)
    yield from mails("domains", DOMAINS, NONE, build=_signed_by)


def _received(raw: bytes) -> bytes:
    return arrived(raw, FAIL)


def _altered(change: tuple[bytes, bytes]) -> bytes:
    """The first place where the old text stands, in the signature or else in what it covers."""
    old, new = change
    assert old in GENUINE, old
    field, date, rest = GENUINE.partition(b"\r\nDate:")
    if old in field:
        return _received(field.replace(old, new, 1) + date + rest)
    return _received(field + date + rest.replace(old, new, 1))


def _sealed(how: Mapping[str, Any]) -> bytes:
    return _received(seal(PLAIN, **how))


def _without_one_field() -> Iterator[Row]:
    for missing in SIGNED_HEADERS:
        headers = [name for name in SIGNED_HEADERS if name != missing]
        name = f"h-without-{missing.lower()}"
        yield name, f"{missing} is not signed.", {"headers": headers}


def _signed_by(domain: str) -> bytes:
    return _received(seal(EVIL_MAIL, strangers_key(), domain=domain))
