"""Forged and altered signatures, and every tag of a signature or a key record that takes its force away."""

from __future__ import annotations

from datetime import timedelta

from tests.corpus.base import EVIL_TOKEN, FAIL, Item, Shelf, arrived, crlf, expect, strangers_key
from tests.kit.mails import ISSUED, SIGNED_HEADERS, TOKEN, token_mail
from tests.kit.signing import ed_key, rsa_key, seal, signature, with_value

BAD = expect("refused bad-signature", results="refused unauthenticated")
"""A signature that speaks against the mail; the receiving server said so too."""
CANNOT = expect(
    "refused bad-signature", results="refused unauthenticated", auto="refused unauthenticated"
)
"""A signature that cannot be checked: under `auto` the receiving server decides, and says no."""
ARC = (
    "ARC-Seal: i=1; a=rsa-sha256; d=attacker.example; s=sf2026; t=1770123447; cv=none; b=QUJD\n"
    "ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=attacker.example; s=sf2026; h=from; bh=QUJD; b=QUJD\n"
    "ARC-Authentication-Results: i=1; mx.example.com; dmarc=pass header.from=salesforce.com; dkim=pass "
    "header.d=salesforce.com\n"
)
NONE = expect("refused unsigned", results="refused unauthenticated")


def items() -> list[Item]:
    return [*_forged(), *_altered(), *_tags(), *_keys(), *_domains()]


def _received(raw: bytes) -> bytes:
    return arrived(raw, FAIL)


def _forged() -> list[Item]:
    shelf = Shelf("forged")
    plain = token_mail(token=EVIL_TOKEN)
    own, genuine = signature(plain), signature(token_mail())
    value = genuine.partition(b"\tb=")[2].removesuffix(b"\r\n")
    other_name = b"X-Google-" + own
    domain_key = (
        b"DomainKey-Signature: a=rsa-sha1; q=dns; c=nofws; d=salesforce.com; s=sf2026; b=AAAA\r\n"
    )
    in_body = plain.replace(b"\r\n\r\n", b"\r\n\r\n" + own + b"\r\n", 1)
    for name, why, raw, verdict in (
        ("unsigned", "Exact From, Subject and body, no signature.", plain, NONE),
        (
            "own-domain",
            "Signed by the attacker's own domain.",
            seal(plain, strangers_key(), domain="attacker.example"),
            NONE,
        ),
        (
            "wrong-key",
            "Claims d=salesforce.com, signed with another key.",
            seal(plain, strangers_key()),
            BAD,
        ),
        ("random-b", "A signature value made up.", with_value(own, b"AbCd" * 86) + plain, BAD),
        ("empty-b", "An empty signature value.", with_value(own, b"") + plain, BAD),
        (
            "zero-b",
            "Zero, which textbook RSA maps to zero.",
            with_value(own, b"A" * 342 + b"==") + plain,
            BAD,
        ),
        (
            "one-b",
            "One, which textbook RSA maps to one.",
            with_value(own, b"A" * 341 + b"E=") + plain,
            BAD,
        ),
        (
            "short-b",
            "A few bytes in place of a signature.",
            with_value(own, b"c2FsZXNmb3JjZS5jb20=") + plain,
            BAD,
        ),
        ("copied", "The signature of a genuine mail on another mail.", genuine + plain, CANNOT),
        (
            "copied-b",
            "The value of a genuine signature under a right body hash.",
            with_value(own, value) + plain,
            BAD,
        ),
        (
            "arc-only",
            "An ARC seal says that somebody once saw a good signature.",
            crlf(ARC) + plain,
            NONE,
        ),
        ("domainkey", "The predecessor of DKIM in place of DKIM.", domain_key + plain, NONE),
        ("in-body", "The signature stands in the body.", in_body, NONE),
        (
            "other-name",
            "The signature stands in a field of another name.",
            other_name + plain,
            NONE,
        ),
        (
            "eight-bad",
            "Eight worthless signatures hide that none is good.",
            with_value(own, b"QUJD") * 8 + plain,
            BAD,
        ),
    ):
        shelf.add(name, why, _received(raw), verdict)
    return shelf.items


def _altered() -> list[Item]:
    """What Salesforce signed, changed afterwards in one place."""
    shelf = Shelf("altered")
    genuine = seal(token_mail())
    for name, why, old, new, verdict in (
        ("token", "Another token.", TOKEN.encode(), EVIL_TOKEN.encode(), CANNOT),
        (
            "token-case",
            "One letter of the token in another case.",
            b"FAKE5token",
            b"FaKE5token",
            CANNOT,
        ),
        (
            "username",
            "Another username of the same length, ours as well.",
            b"Username: integration@acme",
            b"Username: integration@bots",
            CANNOT,
        ),
        (
            "appended",
            "Lines appended to the body.",
            b"token.htm.\r\n",
            b"token.htm.\r\nUsername: batch@acme.example\r\n",
            CANNOT,
        ),
        (
            "spaces",
            "White space in the body, which simple canonicalization keeps.",
            b"Username: i",
            b"Username:  i",
            CANNOT,
        ),
        ("subject", "Another subject.", b"Subject: Your new", b"Subject: Your own new", BAD),
        (
            "subject-sandbox",
            "Sandbox: put before the subject.",
            b"Subject: Your",
            b"Subject: Sandbox: Your",
            BAD,
        ),
        (
            "date",
            "A later Date, to beat the stored token.",
            b"12:57:27 +0000",
            b"13:27:27 +0000",
            BAD,
        ),
        (
            "to",
            "Another recipient of ours.",
            b"To: ops@example.com",
            b"To: salesforce-tokens@example.com",
            BAD,
        ),
        (
            "from",
            "Another sender of Salesforce's.",
            b"<support@salesforce.com>",
            b"<noreply@salesforce.com>",
            expect("refused wrong-sender"),
        ),
        (
            "from-plain",
            "The sender without its display name.",
            b'"support@salesforce.com" <support@salesforce.com>',
            b"support@salesforce.com",
            BAD,
        ),
        (
            "content-type",
            "Another charset, under which other text appears.",
            b"charset=UTF-8",
            b"charset=GBK",
            BAD,
        ),
        (
            "content-type-html",
            "Plain text to be read as HTML.",
            b"Content-Type: text/plain",
            b"Content-Type: text/html",
            BAD,
        ),
        ("mime-version", "The MIME version.", b"MIME-Version: 1.0", b"MIME-Version: 1.1", BAD),
        ("bh", "One character of the body hash.", b"bh=", b"bh=A", CANNOT),
        ("b", "One character of the signature.", b"\tb=", b"\tb=A", BAD),
        ("signed-time", "Another time of signing.", b" t=17", b" t=16", BAD),
        ("selector", "Another selector, which exists.", b"s=sf2026", b"s=sf2025", BAD),
        ("canonical", "Another canonical form.", b"c=relaxed/simple", b"c=simple/simple", BAD),
        (
            "list-of-fields",
            "A field taken off the list of signed ones.",
            b"Date:From:To",
            b"Date:From:To:Cc",
            BAD,
        ),
    ):
        assert old in genuine, name
        sealed, _, rest = genuine.partition(b"\r\nDate:")
        changed = (
            (sealed.replace(old, new, 1) + b"\r\nDate:" + rest)
            if old in sealed
            else (sealed + b"\r\nDate:" + rest.replace(old, new, 1))
        )
        shelf.add(name, why, _received(changed), verdict)
    return shelf.items


def _tags() -> list[Item]:
    shelf = Shelf("tags")
    plain = token_mail()

    def add(name: str, why: str, verdict: dict[str, str] | object = BAD, **how: object) -> None:
        shelf.add(name, why, _received(seal(plain, **how)), verdict)  # type: ignore[arg-type]

    add("l-zero", "l=0 signs no body at all.", length=0)
    add(
        "l-full",
        "l= of the whole body: nothing is appended yet.",
        length=len(plain.partition(b"\r\n\r\n")[2]),
    )
    shelf.add(
        "l-appended",
        "l= and a second token appended.",
        _received(
            seal(plain, length=len(plain.partition(b"\r\n\r\n")[2]))
            + b"Username: batch@acme.example\r\n"
        ),
        BAD,
    )
    add("l-negative", "l= of no known form.", tags=" l=-1;")
    add("l-twice", "l= said twice.", tags=" l=99999; l=0;")
    add(
        "x-past",
        "Expired before it arrived.",
        CANNOT,
        tags=f" x={int(ISSUED.timestamp()) - 10};",
        at=ISSUED - timedelta(hours=1),
    )
    add("x-before-t", "Expires before it was signed.", tags=f" x={int(ISSUED.timestamp()) - 60};")
    add("x-garbage", "x= that is no number.", tags=" x=never;")
    add("t-garbage", "t= that is no number.", at=None, tags=" t=0x7f;")
    add("t-negative", "t= before the epoch.", at=None, tags=" t=-1;")
    add("t-huge", "t= far beyond every calendar.", at=None, tags=" t=99999999999999999999;")
    add(
        "t-old",
        "t= two days before the Date: a stored signature used again.",
        expect(
            "refused unauthenticated",
            dkim="refused date-out-of-bounds",
            auto="refused date-out-of-bounds",
        ),
        at=ISSUED - timedelta(days=2),
    )
    add(
        "t-future",
        "t= two days after the Date.",
        expect(
            "refused unauthenticated",
            dkim="refused date-out-of-bounds",
            auto="refused date-out-of-bounds",
        ),
        at=ISSUED + timedelta(days=2),
    )
    add("i-other", "i= of another domain.", tags=" i=@attacker.example;")
    add("i-suffix", "i= that only ends like d=.", tags=" i=x@evilsalesforce.com;")
    add("i-bare", "i= without an @.", tags=" i=salesforce.com;")
    add("v-2", "v= of another version.", tags=" v=2;")
    add(
        "d-twice",
        "d= said twice: the first is ours, the last the attacker's.",
        tags=" d=attacker.example;",
    )
    add("s-twice", "s= said twice.", tags=" s=strict;")
    add("h-twice", "h= said twice.", tags=" h=From;")
    add("b-twice", "b= said twice.", tags=" b=AAAA;")
    add("q-other", "A way to ask for keys that does not exist.", tags=" q=https/wellknown;")
    add("no-equals", "A tag without a value.", tags=" x;")
    add("name-of-digits", "A tag name of no known form.", tags=" 9x=1;")
    add("c-unknown", "A canonical form that does not exist.", canonical="nowsp/simple")
    add("c-three", "Three canonical forms.", canonical="relaxed/simple/relaxed")
    add("sha1", "a=rsa-sha1.", algorithm="rsa-sha1")
    add("a-unknown", "An algorithm that does not exist.", algorithm="rsa-sha512")
    for missing in SIGNED_HEADERS:
        add(
            f"h-without-{missing.lower()}",
            f"{missing} is not signed.",
            headers=[name for name in SIGNED_HEADERS if name != missing],
        )
    add("h-from-only", "Only From is signed.", headers=["From"])
    add("h-empty", "Nothing is signed.", headers=[])
    add(
        "selector-path",
        "A selector that walks up the tree of names.",
        selector="sf2026._domainkey.attacker.example.",
    )
    add("selector-long", "A selector longer than a name in DNS may be.", selector="s" * 64)
    add("selector-odd", "A selector with characters of no host name.", selector="sf2026/../x")
    add(
        "signature-4k",
        "A signature of more than 4 kB.",
        tags=" n=" + "\r\n\t".join("x" * 900 for _ in range(5)) + ";",
    )
    shelf.add(
        "ninth",
        "The good signature is the ninth.",
        _received(with_value(signature(plain), b"QUJD") * 8 + seal(plain)),
        BAD,
    )
    return shelf.items


def _keys() -> list[Item]:
    """Key records that must not count. All are published under salesforce.com, by mistake or for a test."""
    shelf = Shelf("keys")
    plain = token_mail()
    for name, why, key in (
        ("short", "A key of 512 bits.", rsa_key(512)),
        ("testing", "A key in test mode (t=y).", rsa_key()),
        ("testing-strict", "A key in test mode among other flags.", rsa_key()),
        ("revoked", "A revoked key.", rsa_key()),
        ("sha1only", "A key for sha1 only.", rsa_key()),
        ("tlsrpt", "A key for another service than e-mail.", rsa_key()),
        ("otherversion", "A record of another version.", rsa_key()),
        ("wrongtype", "An RSA key in a record for Ed25519.", rsa_key()),
        ("twokeys", "A record with two keys.", rsa_key()),
        ("garbage", "A record whose key is no base64.", rsa_key()),
        ("spf", "A record of something else altogether.", rsa_key()),
    ):
        shelf.add(name, why, _received(seal(plain, key, selector=name)), BAD)
    shelf.add(
        "strict-subdomain",
        "t=s forbids an i= below d=.",
        _received(seal(plain, selector="strict", tags=" i=@emea.salesforce.com;")),
        BAD,
    )
    shelf.add(
        "ed25519-as-rsa",
        "An Ed25519 signature in a field that says RSA.",
        _received(seal(plain, ed_key(), selector="ed2026")),
        BAD,
    )
    shelf.add(
        "nokey",
        "A selector that is not published.",
        _received(seal(plain, selector="nokey")),
        CANNOT,
    )
    return shelf.items


def _domains() -> list[Item]:
    shelf = Shelf("domains")
    plain = token_mail(token=EVIL_TOKEN)
    for name, why, domain in (
        ("below", "A domain below salesforce.com that is not configured.", "mail.salesforce.com"),
        (
            "emea",
            "The sender domain emea.salesforce.com as a signing domain.",
            "emea.salesforce.com",
        ),
        ("above", "The public suffix.", "com"),
        ("look-alike", "A domain that looks like it.", "salesforce-com.example"),
        ("prefix", "A domain that begins like it.", "salesforce.com.attacker.example"),
        ("platform", "Another domain of Salesforce's, under which customers send.", "force.com"),
        ("punycode", "A look-alike in punycode.", "xn--salesfrce-ftg.com"),
        ("list", "A mailing list signed it.", "lists.example"),
    ):
        shelf.add(name, why, _received(seal(plain, strangers_key(), domain=domain)), NONE)
    shelf.add(
        "dot",
        "A domain with its final dot.",
        _received(seal(plain, strangers_key(), domain="salesforce.com.")),
        NONE,
    )
    shelf.add(
        "space",
        "A domain with white space inside.",
        _received(seal(plain, strangers_key(), domain="salesforce .com")),
        NONE,
    )
    shelf.add(
        "folded",
        "A domain folded in its middle.",
        _received(seal(plain, strangers_key(), domain="salesforce.\r\n\tcom")),
        NONE,
    )
    shelf.add(
        "two",
        "Two domains in one tag.",
        _received(seal(plain, strangers_key(), domain="salesforce.com,attacker.example")),
        NONE,
    )
    shelf.add(
        "address",
        "An address in place of a domain.",
        _received(seal(plain, strangers_key(), domain="x@salesforce.com")),
        NONE,
    )
    shelf.add(
        "8-bit",
        "A domain with a letter outside of ASCII.",
        _received(seal(plain, strangers_key(), domain="salesf\u043erce.com")),
        "refused malformed",
    )
    return shelf.items
