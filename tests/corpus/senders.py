"""From, and what programs make of it: ways to show one sender and to be another.

They are those of CVE-2023-27043 and its kin. Each mail is signed by Salesforce's key over just
this From, and the receiving server is content: only the rules about the sender are left to keep it
out. A From with one address of Salesforce's is held, every other one refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus.base import Item, expect, mails, salesforce

GOOD = "support@salesforce.com"
EVIL = "attacker@evil.example"
UNLISTED = "held unknown-sender"
BELOW = expect("refused unauthenticated", dkim=UNLISTED, auto=UNLISTED)
"""The receiving server saw DMARC pass for another domain than this one."""

VALUES = (
    ("two", "Two addresses.", f"{GOOD}, {EVIL}"),
    ("two-evil-first", "Two addresses, the attacker's first.", f"{EVIL}, {GOOD}"),
    ("two-semicolon", "Two addresses as Outlook separates them.", f"{GOOD};{EVIL}"),
    ("two-space", "Two addresses with only a space between.", f"{GOOD} {EVIL}"),
    ("two-angles", "Two addresses in angle brackets.", f"<{GOOD}> <{EVIL}>"),
    ("two-angles-glued", "The same without a space.", f"<{EVIL}><{GOOD}>"),
    ("empty-element", "A list with an empty element.", f"{GOOD},"),
    ("folded-list", "The second address on a folded line.", f"{GOOD},\r\n\t{EVIL}"),
    ("name-bare", "The good address as an unquoted display name.", f"{GOOD} <{EVIL}>"),
    ("name-quoted", "The good address as a display name.", f'"{GOOD}" <{EVIL}>'),
    (
        "name-other-address",
        "Another address as the display name of the good one.",
        f'"{EVIL}" <{GOOD}>',
    ),
    (
        "name-holds-address",
        "An address inside the display name.",
        f'"Salesforce ({GOOD})" <{GOOD}>',
    ),
    (
        "name-encoded",
        "The good address as an encoded display name.",
        f"=?utf-8?q?support=40salesforce.com?= <{EVIL}>",
    ),
    (
        "name-encoded-good",
        "An encoded display name, whatever it says.",
        f"=?utf-8?b?c3VwcG9ydEBldmlsLmV4YW1wbGU=?= <{GOOD}>",
        UNLISTED,
    ),
    (
        "name-escaped",
        "A quoted name that ends later than it seems.",
        f'"{GOOD}\\" <{GOOD}>" <{EVIL}>',
    ),
    ("name-unclosed", "A quote that is never closed.", f'"Salesforce <{GOOD}>', UNLISTED),
    ("after-angle", "An address after the angle brackets.", f"<{EVIL}> {GOOD}"),
    ("garbage-after", "Something after the address.", f"Salesforce <{GOOD}> x"),
    ("unclosed-angle", "An angle bracket that is never closed.", f"<{GOOD}"),
    ("only-closing-angle", "An angle bracket that was never opened.", f"{GOOD}>"),
    ("nested-angle", "Angle brackets in angle brackets.", f"<<{GOOD}>>"),
    ("comment-after", "The attacker's address in a comment.", f"{GOOD} ({EVIL})"),
    ("comment-before", "The good address in a comment.", f"({GOOD}) {EVIL}"),
    ("comment-inside", "A comment inside the address.", "support(x)@salesforce.com(@evil.example)"),
    ("comment-nested", "Comments that nest.", f"({GOOD}\\)) {EVIL} (()"),
    ("group", "A group of one.", f"Salesforce: {GOOD};"),
    ("group-empty", "A group of none.", "undisclosed-recipients:;"),
    ("group-then-address", "A group and then an address.", f"A: {GOOD};, {EVIL}"),
    ("route", "A source route.", f"<@evil.example:{GOOD}>"),
    (
        "route-of-salesforce",
        "A source route over Salesforce.",
        f"<@salesforce.com,@evil.example:{EVIL}>",
    ),
    ("percent", "The percent hack of old relays.", "support%salesforce.com@evil.example"),
    ("bang", "A UUCP path.", f"evil.example!{GOOD}", UNLISTED),
    ("two-at", "Two @.", f"{GOOD}@evil.example"),
    ("quoted-at", "An @ in a quoted local part.", f'"{GOOD}"@evil.example'),
    (
        "quoted-local",
        "A quoted local part, which some compare unquoted.",
        '"support"@salesforce.com',
    ),
    ("escaped-local", "An escaped letter in the local part.", "sup\\port@salesforce.com"),
    ("spaces", "White space around the @.", "support @ salesforce.com"),
    ("encoded", "The whole address encoded.", "=?utf-8?b?c3VwcG9ydEBzYWxlc2ZvcmNlLmNvbQ==?="),
    ("encoded-local", "The local part encoded.", "=?utf-8?q?support?=@salesforce.com"),
    ("encoded-domain", "The domain encoded.", "support@=?utf-8?q?salesforce.com?="),
    (
        "encoded-bracket",
        "The brackets encoded.",
        f"=?utf-8?q?=3Csupport=40salesforce=2Ecom=3E?= {EVIL}",
    ),
    ("mailto", "A link in place of an address.", f"mailto:{GOOD}"),
    ("empty", "No address.", ""),
    ("empty-angle", "The empty address of bounces.", "<>"),
    ("literal", "An address literal.", "support@[192.0.2.10]"),
    ("final-dot", "A domain with its final dot.", f"{GOOD}."),
    ("suffix", "A domain that begins like it.", f"{GOOD}.evil.example"),
    ("prefix", "A domain that ends like it.", "support@evilsalesforce.com"),
    (
        "below",
        "A subdomain that is no sender, perhaps not even in DNS.",
        "support@mail.salesforce.com",
        BELOW,
    ),
    (
        "other-domain",
        "Another domain of Salesforce's, under which customers send.",
        "support@force.com",
    ),
    ("other-local", "Another local part.", "supp0rt@salesforce.com", UNLISTED),
    ("local-case", "The local part in another case.", "Support@salesforce.com", UNLISTED),
    ("plus", "A tagged local part.", "support+token@salesforce.com", UNLISTED),
    ("punycode", "A look-alike in punycode.", "support@xn--salesfrce-ftg.com"),
    ("look-alike-ascii", "rn for m, in ASCII.", "support@salesforce.corn"),
    ("hyphen", "A domain with a hyphen.", "support@sales-force.com"),
)
EIGHT_BIT = (
    ("cyrillic", "A Cyrillic a.", "support@s\u0430lesforce.com"),
    ("full-width-at", "A full-width @.", "support\uff20salesforce.com"),
    ("dotless", "A full-width dot.", "support@salesforce\uff0ecom"),
    ("zero-width", "A zero-width space.", "support@salesforce.com\u200b"),
    ("right-to-left", "An override turns what follows round.", f"\u202e{EVIL}\u202c <{GOOD}>"),
    ("halfwidth-filler", "An invisible letter that some cut off.", f"{EVIL}\uffa0,{GOOD}"),
)


def items() -> Iterator[Item]:
    yield from mails("sender", VALUES, "refused wrong-sender", build=_from)
    yield from mails("sender", EIGHT_BIT, "refused malformed", build=_from)


def _from(value: str) -> bytes:
    return salesforce(sender=value)
