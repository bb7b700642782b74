"""Authentication-Results not to be believed: forged, injected, contradictory, or too little.

The mails carry no signature, so that the assessment of the receiving server is all there is.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus.base import EVIL_TOKEN, FAIL, PASS, RECEIVED, Item, Row, crlf, expect, item, mails
from tests.corpus.gateways import GMAIL_TOP, MICROSOFT_RECEIVED
from tests.kit.mails import token_mail

NO = expect("refused unsigned", results="refused unauthenticated")
UNSURE = expect("refused unsigned", results="held unauthenticated")
SENDERS_RECEIVED = (
    "Received: from evil.example by smtp.evil.example; Tue, 3 Feb 2026 12:57:28 +0000\n"
)
DKIM = "dkim=pass header.d=salesforce.com"
DMARC = "dmarc=pass header.from=salesforce.com"
BOTH = f"{DMARC}; {DKIM}"


def field(value: str, name: str = "Authentication-Results") -> str:
    """One field."""
    return f"{name}: {value}\n"


# In the right place, of our own server or pretending to be, and not enough.
SAID = (
    ("nothing", "Our server checked nothing.", "mx.example.com; none"),
    (
        "only-spf",
        "SPF passed: every customer of Salesforce's can have that.",
        "mx.example.com; spf=pass smtp.mailfrom=support@salesforce.com",
    ),
    (
        "dmarc-by-spf",
        "DMARC that passed by SPF alone.",
        f"mx.example.com; {DMARC}; dkim=none; spf=pass smtp.mailfrom=x@salesforce.com",
    ),
    (
        "dmarc-by-spf-dkim-failed",
        "DMARC by SPF, beside a signature that failed.",
        f"mx.example.com; {DMARC}; dkim=fail header.d=salesforce.com; spf=pass",
    ),
    ("dkim-without-dmarc", "A signature without alignment.", f"mx.example.com; {DKIM}"),
    (
        "dmarc-fail",
        "Signed, and not aligned.",
        f"mx.example.com; dmarc=fail header.from=salesforce.com; {DKIM}",
    ),
    (
        "dmarc-none",
        "Signed, and no policy found.",
        f"mx.example.com; dmarc=none header.from=salesforce.com; {DKIM}",
    ),
    (
        "dmarc-guessed",
        "Microsoft's guess in place of a policy.",
        f"mx.example.com; dmarc=bestguesspass header.from=salesforce.com; {DKIM}",
        UNSURE,
    ),
    (
        "dmarc-guessed-by-spf",
        "The same guess by SPF alone.",
        "mx.example.com; dmarc=bestguesspass header.from=salesforce.com; dkim=none; spf=pass",
    ),
    (
        "dmarc-d-other",
        "DMARC for another domain, as Cisco writes it, beside the domain of the signature.",
        f"mx.example.com; dmarc=pass (p=none dis=none) d=evil.example; {DKIM}",
    ),
    (
        "dmarc-d-elsewhere",
        "The domain of From in a result for something else.",
        f"mx.example.com; dmarc=pass; x-dmarc=pass d=salesforce.com; {DKIM}",
    ),
    (
        "dmarc-longer",
        "A result that only begins with pass.",
        f"mx.example.com; dmarc=passed header.from=salesforce.com; {DKIM}",
    ),
    (
        "dmarc-permerror",
        "DMARC that could not be read.",
        f"mx.example.com; dmarc=permerror header.from=salesforce.com; {DKIM}",
    ),
    (
        "dmarc-other-from",
        "DMARC for another sender's domain.",
        f"mx.example.com; dmarc=pass header.from=evil.example; {DKIM}",
    ),
    (
        "dmarc-other-salesforce",
        "DMARC for another sender's domain of Salesforce's.",
        f"mx.example.com; dmarc=pass header.from=emea.salesforce.com; {DKIM}",
    ),
    (
        "dmarc-no-from",
        "DMARC without the domain it is about.",
        f"mx.example.com; dmarc=pass; {DKIM}",
    ),
    (
        "dmarc-envelope",
        "DMARC's domain under another name.",
        f"mx.example.com; dmarc=pass smtp.from=salesforce.com; {DKIM}",
    ),
    (
        "dmarc-twice",
        "Two results for DMARC in one field.",
        f"mx.example.com; dmarc=fail header.from=salesforce.com; {BOTH}",
    ),
    (
        "dkim-other",
        "A signature of another domain.",
        f"mx.example.com; {DMARC}; dkim=pass header.d=evil.example",
    ),
    (
        "dkim-other-identity",
        "A signature of another identity.",
        f"mx.example.com; {DMARC}; dkim=pass header.i=@evil.example",
    ),
    (
        "dkim-prefix",
        "A signing domain that begins like it.",
        f"mx.example.com; {DMARC}; dkim=pass header.d=salesforce.com.evil.example",
    ),
    (
        "dkim-suffix",
        "A signing domain that ends like it.",
        f"mx.example.com; {DMARC}; dkim=pass header.d=evilsalesforce.com",
    ),
    (
        "dkim-below",
        "A signing domain below it.",
        f"mx.example.com; {DMARC}; dkim=pass header.d=mail.salesforce.com",
    ),
    (
        "dkim-contradiction",
        "header.d and header.i of different domains.",
        f"mx.example.com; {DMARC}; dkim=pass header.d=evil.example header.i=@salesforce.com",
    ),
    (
        "dkim-selector-only",
        "A signature without its domain.",
        f"mx.example.com; {DMARC}; dkim=pass header.s=salesforce.com",
    ),
    (
        "dkim-neutral",
        "A signature that is neither.",
        f"mx.example.com; {DMARC}; dkim=neutral header.d=salesforce.com",
    ),
    (
        "dkim-policy",
        "A signature that local policy does not take.",
        f"mx.example.com; {DMARC}; dkim=policy header.d=salesforce.com",
    ),
    (
        "property-twice",
        "header.d said twice.",
        f"mx.example.com; {DMARC}; dkim=pass header.d=evil.example header.d=salesforce.com",
    ),
    (
        "in-comment",
        "The good results stand in a comment.",
        f"mx.example.com; dmarc=fail ({BOTH}) header.from=salesforce.com",
    ),
    (
        "in-quotes",
        "The good results stand in quotes.",
        'mx.example.com; dmarc=fail header.from=salesforce.com; spf=pass smtp.mailfrom="x; '
        f'{BOTH}"',
    ),
    (
        "in-reason",
        "The good results stand in a reason.",
        f'mx.example.com; dmarc=fail reason="{BOTH}" header.from=salesforce.com',
    ),
    (
        "quote-escaped",
        "A quote that ends later than it seems.",
        f'mx.example.com; dmarc=fail; spf=pass smtp.mailfrom="x\\"; {BOTH}; y="z"',
    ),
    (
        "quote-unclosed",
        "A quote that is never closed, in a field of our own server.",
        f'mx.example.com; {BOTH}; spf=pass smtp.mailfrom="x',
    ),
    (
        "comment-unclosed",
        "A comment that is never closed, in a field of our own server.",
        f"mx.example.com; {BOTH}; spf=pass (x",
    ),
    ("comment-extra", "A comment closed twice.", f"mx.example.com; dmarc=fail (x)) ; {BOTH}"),
    (
        "comment-deep",
        "Comments nested deeper than anybody writes.",
        f"mx.example.com; {BOTH} " + "(" * 20 + ")" * 20,
    ),
    (
        "comment-in-domain",
        "d=salesforce.com(.evil.example, a name that exists in the attacker's DNS "
        "(CVE-2020-12272).",
        f"mx.example.com; {DMARC}; dkim=pass header.d=salesforce.com(.evil.example) header.s=x",
    ),
    (
        "quote-in-domain",
        'd=salesforce.com".evil.example, the same with a quote.',
        f'mx.example.com; {DMARC}; dkim=pass header.d=salesforce.com".evil.example" header.s=x',
    ),
    (
        "quote-before-domain",
        "The same, the quote before.",
        f'mx.example.com; {DMARC}; dkim=pass header.d="salesforce.com".evil.example header.s=x',
    ),
    (
        "semicolon-in-domain",
        "A semicolon in the signing domain begins a result of its own.",
        "mx.example.com; dmarc=fail header.from=salesforce.com; dkim=pass "
        "header.d=evil.example;dmarc=pass "
        "header.from=salesforce.com;dkim=pass header.d=salesforce.com",
    ),
    (
        "comment-in-from",
        "A comment in the sender's domain.",
        f"mx.example.com; dmarc=pass header.from=salesforce.com(.evil.example); {DKIM}",
    ),
    (
        "identity-two-at",
        "An identity with two @.",
        f"mx.example.com; {DMARC}; dkim=pass header.i=@salesforce.com@evil.example",
    ),
    (
        "space-in-domain",
        "White space splits the signing domain.",
        f"mx.example.com; {DMARC}; dkim=pass header.d=salesforce.com .evil.example",
    ),
    (
        "equals-in-domain",
        "An = in the signing domain.",
        f"mx.example.com; {DMARC}; dkim=pass header.d=evil.example=header.d=salesforce.com",
    ),
    (
        "method-in-quotes",
        "A method in quotes.",
        f'mx.example.com; "dmarc"=pass header.from=salesforce.com; {DKIM}',
    ),
    (
        "result-in-quotes",
        "A result in quotes.",
        f'mx.example.com; dmarc="pass" header.from=salesforce.com; {DKIM}',
    ),
    (
        "method-glued",
        "Another method of which the name ends in dmarc.",
        f"mx.example.com; x-dmarc=pass header.from=salesforce.com; {DKIM}",
    ),
    (
        "long",
        "A field of more than 8 kB.",
        f"mx.example.com; {BOTH}; spf=pass" + "\n\t".join(" x" * 400 for _ in range(12)),
    ),
    ("other-id", "Another server's assessment.", f"mx.evil.example; {BOTH}"),
    ("id-prefix", "An id that begins like ours.", f"mx.example.com.evil.example; {BOTH}"),
    ("id-suffix", "An id that ends like ours.", f"evil-mx.example.com; {BOTH}"),
    ("id-in-comment", "Our id in a comment.", f"(mx.example.com;) evil.example; {BOTH}"),
    ("id-second", "Our id after another.", f"evil.example mx.example.com; {BOTH}"),
    ("id-in-quotes", "Our id in quotes, with more.", f'"mx.example.com evil"; {BOTH}'),
    ("no-id", "No id at all, where one is expected.", BOTH),
    ("id-only-semicolon", "An empty id.", f"; {BOTH}"),
    (
        "temperror",
        "Our server could not tell.",
        f"mx.example.com; dmarc=temperror header.from=salesforce.com; {DKIM}",
        UNSURE,
    ),
    (
        "timeout",
        "Microsoft could not ask for the key: held.",
        f"mx.example.com; {DMARC}; dkim=timeout (key query timeout) header.d=salesforce.com",
        UNSURE,
    ),
    (
        "temperror-dkim",
        "Our server could not fetch the key.",
        f"mx.example.com; {DMARC}; dkim=temperror header.d=salesforce.com",
        UNSURE,
    ),
)
OTHER_NAMES = (
    "ARC-Authentication-Results",
    "X-Authentication-Results",
    "Authentication-Results-Original",
    "Old-Authentication-Results",
    "Original-Authentication-Results",
    "X-Original-Authentication-Results",
)

# The best of assessments, in the wrong place.
FORGED = field(f"mx.example.com; {BOTH}")
IN_BODY = token_mail(token=EVIL_TOKEN).replace(b"\r\n\r\n", b"\r\n\r\n" + crlf(FORGED), 1)
PLACED = (
    ("below", "Written by the sender, below our Received.", RECEIVED + FORGED),
    ("below-ours", "The same, while our server says no.", FAIL + RECEIVED + FORGED),
    (
        "below-own-received",
        "The same, below a Received of the sender's own.",
        RECEIVED + SENDERS_RECEIVED + FORGED,
    ),
    (
        "beside-ours",
        "An assessment of ours and one of the sender's, both on top: they must agree.",
        FAIL + FORGED + RECEIVED,
    ),
    ("beside-ours-first", "The same, the sender's first.", FORGED + FAIL + RECEIVED),
    (
        "twice",
        "Twice the same: exactly one result for DMARC may be there.",
        FORGED + FORGED + RECEIVED,
    ),
    (
        "split",
        "DMARC of ours and a signature of the sender's, which fit together.",
        field("mx.example.com; dmarc=fail header.from=salesforce.com")
        + field(f"mx.example.com; {DKIM}")
        + RECEIVED,
    ),
    ("case", "Another spelling of the field's name below our Received.", RECEIVED + FORGED.upper()),
    ("folded", "The id folded away.", RECEIVED + field(f"\n\tmx.example.com;\n\t{BOTH}")),
)

# What a sender writes for servers that put their fields elsewhere: above the mail, and the variant.
GMAIL_NO = field("mx.google.com; dmarc=fail (p=REJECT) header.from=salesforce.com; spf=pass")
MICROSOFT_NO = field(
    "spf=pass smtp.mailfrom=evil.example; dkim=none; dmarc=fail action=oreject "
    "header.from=salesforce.com;compauth=fail reason=000"
)
MICROSOFT_YES = field(
    f"spf=pass smtp.mailfrom=salesforce.com; {DKIM};{DMARC} action=none;compauth=pass reason=100"
)
GATEWAYS = (
    (
        "gmail-forged",
        "Gmail says no, the sender yes, right below.",
        GMAIL_TOP + GMAIL_NO + field(f"mx.google.com; {BOTH}"),
        "gmail",
    ),
    (
        "gmail-deep",
        "Only the sender says yes, below a Received of its own.",
        GMAIL_TOP + SENDERS_RECEIVED + field(f"mx.google.com; {BOTH}"),
        "gmail",
    ),
    (
        "gmail-arc",
        "Gmail's seal over another server's assessment.",
        GMAIL_TOP + GMAIL_NO + field(f"i=1; mx.google.com; {BOTH}", "ARC-Authentication-Results"),
        "gmail",
    ),
    (
        "microsoft-forged",
        "Microsoft says no, the sender yes, right below.",
        MICROSOFT_RECEIVED + MICROSOFT_NO + MICROSOFT_YES,
        "microsoft365",
    ),
    (
        "microsoft-composite",
        "Microsoft's composite authentication is no DMARC.",
        MICROSOFT_RECEIVED
        + field(
            "spf=pass; dkim=none (message not signed) header.d=none;dmarc=none action=none "
            "header.from=salesforce.com;compauth=pass reason=703"
        ),
        "microsoft365",
    ),
    (
        "microsoft-deep",
        "Only the sender says yes, below a Received of its own.",
        MICROSOFT_RECEIVED + SENDERS_RECEIVED + MICROSOFT_YES,
        "microsoft365",
    ),
    (
        "icloud-split",
        "Apple's DMARC, and a verifier's assessment of the sender's.",
        field("dmarc.icloud.com; dmarc=pass header.from=salesforce.com")
        + field("dkim-verifier.icloud.com; dkim=none")
        + RECEIVED
        + field(f"dkim-verifier.icloud.com; {DKIM}"),
        "icloud",
    ),
    (
        "milters-forged",
        "Our milter says no, the sender yes, right below.",
        RECEIVED + FAIL + field(f"mx.example.com; {BOTH}"),
        "milters-below",
    ),
    (
        "milters-duplicates",
        "OpenDKIM took away only every other forged field (CVE-2022-48521).",
        RECEIVED + FAIL + field(f"mx.example.com; {BOTH}") * 4,
        "milters-below",
    ),
    (
        "milters-no-dmarc",
        "Our milter knows no DMARC and saw the signature fail; the sender says the rest.",
        RECEIVED
        + field("mx.example.com; dkim=fail header.d=salesforce.com")
        + field(f"mx.example.com; {BOTH}"),
        "milters-below",
    ),
    (
        "unique-two",
        "Two fields where our server leaves one.",
        PASS + RECEIVED + field(f"mx.example.com; {BOTH}"),
        "unique",
    ),
    ("unique-fail", "The one field says no.", RECEIVED + FAIL, "unique"),
    (
        "zoho",
        "A pass that does not say of which domain.",
        field("mx.zohomail.com; dkim=pass; spf=pass; dmarc=pass header.from=salesforce.com")
        + RECEIVED,
        "zoho",
    ),
)


def items() -> Iterator[Item]:
    yield from mails("results", SAID, NO, build=_said)
    yield from mails("placed", PLACED, NO, build=_under)
    yield from mails("placed", _under_other_names(), NO, build=_under)
    why = "The assessment stands in the body."
    yield item("placed", "in-body", why, crlf(RECEIVED) + IN_BODY, NO)
    for name, why, top, variant in GATEWAYS:
        yield item("gateways", name, why, _under(top), NO, variant=variant)


def _said(value: str) -> bytes:
    return _under(field(value) + RECEIVED)


def _under(top: str) -> bytes:
    return crlf(top) + token_mail(token=EVIL_TOKEN)


def _under_other_names() -> Iterator[Row]:
    why = "The assessment under a name that anybody may use."
    for name in OTHER_NAMES:
        yield f"as-{name.lower()}", why, field(f"mx.example.com; {BOTH}", name) + RECEIVED
