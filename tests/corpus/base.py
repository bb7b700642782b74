"""What an item of the corpus is, how tables become items, and what most mails are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.kit.mails import ADDRESS, ISSUED, Keys, token_mail
from tests.kit.signing import RsaKey, ed_key, record, rsa_key, seal
from token_catcher.proof.authres import Zone
from token_catcher.proof.case import Policy, Terms
from token_catcher.proof.routing import Org

POLICIES: tuple[Policy, ...] = ("dkim", "authentication-results", "both", "auto")
STORE = "would-store"
"""Verdicts are written as `would-store`, `ignored`, `refused REASON` or `held REASON`."""

UNPINNED = (b"nokey", b"huge", b"spf")
"""Selectors of salesforce.com with no key record, in DNS or among pinned ones."""
EVIL_TOKEN = "EViLtokenOFanATTACKER0042"
SUBJECT = "Your new Salesforce security token"
SUBJECT_JA = "新しい Salesforce セキュリティトークン"
ADDRESSES = (ADDRESS, "salesforce-tokens@example.com")
PINNED_ID = "00D5g000004Pin7"
ORGS = (
    Org(
        "acme-production",
        ("integration@acme.example", "batch@acme.example", "*@bots.acme.example"),
        "production",
    ),
    Org("example-production", ("integration@example.com",), "production"),
    Org("example-uat", ("integration@example.com.uat",), "sandbox"),
    Org("acme-pinned", ("pinned@acme.example",), None, PINNED_ID),
)
PATH = "salesforce/{org}/{username}"
SENDERS = ("support@salesforce.com", "support@emea.salesforce.com")


@dataclass(frozen=True)
class Variant:
    """The part of the configuration in which mailboxes differ: what their server does to mail."""

    authserv_ids: tuple[str, ...] = ("mx.example.com",)
    authserv_zone: Zone = "above-first-received"
    addresses: tuple[str, ...] = ADDRESSES
    subject_tags: tuple[str, ...] = ()

    def terms(self, policy: Policy) -> Terms:
        """The terms of trust under a policy."""
        return Terms(
            orgs=ORGS,
            path=PATH,
            policy=policy,
            senders=SENDERS,
            signing_domains=("salesforce.com",),
            subjects=(SUBJECT, SUBJECT_JA),
            authserv_ids=self.authserv_ids,
            authserv_zone=self.authserv_zone,
        )


VARIANTS: Mapping[str, Variant] = {
    "standard": Variant(),
    "gmail": Variant(("mx.google.com",), 2),
    "microsoft365": Variant(("",), 3),
    "fastmail": Variant(("mx5.messagingengine.com",)),
    "icloud": Variant(
        ("bimi.icloud.com", "dmarc.icloud.com", "dkim-verifier.icloud.com", "spf.icloud.com")
    ),
    "yahoo": Variant(("atlas-production.v2-mail-prod1-bf1.omega.yahoo.com",), 1),
    "zoho": Variant(("mx.zohomail.com",)),
    "milters-below": Variant(("mx.example.com",), 1),
    "unique": Variant(("mx.example.com",), "unique"),
    "field": Variant(
        addresses=(*ADDRESSES, "ops+*@example.com", "*@tokens.example.com"),
        subject_tags=("[EXTERNAL]", "EXT:", "***SPAM***"),
    ),
}


@dataclass(frozen=True)
class Item:
    """One mail and how it must end."""

    name: str
    kind: str
    """The class of the trick, or `genuine`, or `field`: genuine as well, as it may arrive."""
    why: str
    """One sentence: what the mail tries, or what makes it genuine."""
    raw: bytes = field(repr=False)
    expected: Mapping[str, str]
    """The verdict by policy."""
    received_at: datetime = ISSUED
    variant: str = "standard"

    @property
    def hostile(self) -> bool:
        """Whether storing its token would be wrong, under whatever policy."""
        return self.kind not in ("genuine", "field")

    @property
    def file(self) -> str:
        """Where it is written; mails of the field have a folder of their own."""
        if self.kind == "field":
            return f"field/{self.name}.eml"
        return f"{self.name}.eml"

    @property
    def asks_dns(self) -> bool:
        """Whether a verdict needs DNS to say that a key is not there."""
        return any(b"; s=" + selector + b";" in self.raw for selector in UNPINNED)


def expect(
    verdict: str, *, dkim: str = "", results: str = "", both: str = "", auto: str = ""
) -> Mapping[str, str]:
    """The same verdict under all policies but those that are named."""
    by_policy = zip(POLICIES, (dkim, results, both, auto), strict=True)
    return {policy: other or verdict for policy, other in by_policy}


Verdict = str | Mapping[str, str]
"""The same under all policies, or by policy."""


def item(kind: str, name: str, why: str, raw: bytes, verdict: Verdict, **fields: Any) -> Item:
    """One mail of a class; `fields` are what is unusual of its arrival."""
    expected = verdict
    if isinstance(expected, str):
        expected = expect(expected)
    return Item(f"{kind}-{name}", kind, why, raw, expected, **fields)


Row = tuple[Any, ...]
"""A line of a table: the name, why, what the mail is made of, and perhaps the verdict."""


def mails(
    kind: str,
    rows: Iterable[Row],
    verdict: Verdict = "",
    *,
    build: Callable[[Any], bytes] = bytes,
) -> Iterator[Item]:
    """The mails of a table.

    `build` makes a mail of the third column, which is the mail itself where nothing is said. The
    fourth, where there is one, stands for the verdict of the table."""
    for name, why, ingredient, *own_verdict in rows:
        expected = own_verdict[0] if own_verdict else verdict
        yield item(kind, name, why, build(ingredient), expected)


def keys() -> Keys:
    """All key records that are published: Salesforce's, good and bad, and those of strangers."""
    good = rsa_key()
    named = {
        "sf2026": record(good),
        "sf2025": record(rsa_key(2048, 2), "v=DKIM1; h=sha256; s=email; k=rsa; p={key}"),
        "short": record(rsa_key(512)),
        "fair": record(rsa_key(1024)),
        "ed2026": record(ed_key()),
        "testing": record(good, "v=DKIM1; k=rsa; t=y; p={key}"),
        "testing-strict": record(good, "v=DKIM1; k=rsa; t=s:y; p={key}"),
        "strict": record(good, "v=DKIM1; k=rsa; t=s; p={key}"),
        "revoked": b"v=DKIM1; k=rsa; p=",
        "sha1only": record(good, "v=DKIM1; h=sha1; k=rsa; p={key}"),
        "tlsrpt": record(good, "v=DKIM1; s=tlsrpt; k=rsa; p={key}"),
        "otherversion": record(good, "v=DKIM2; k=rsa; p={key}"),
        "wrongtype": record(good, "v=DKIM1; k=ed25519; p={key}"),
        "twokeys": record(rsa_key(1024), f"v=DKIM1; p={good.public}; p={{key}}"),
        "garbage": b"v=DKIM1; k=rsa; p=this is not base64!",
        "spf": b"v=spf1 -all",
    }
    strangers = (
        "attacker.example",
        "salesforce.com.attacker.example",
        "salesforce-com.example",
        "emea.salesforce.com",
        "mail.salesforce.com",
        "xn--salesfrce-ftg.com",
        "force.com",
        "com",
        "lists.example",
    )
    own = record(strangers_key())
    published = {f"{selector}._domainkey.salesforce.com": text for selector, text in named.items()}
    return Keys({**published, **{f"sf2026._domainkey.{domain}": own for domain in strangers}})


def strangers_key() -> RsaKey:
    """The key that all the strangers' domains publish."""
    return rsa_key(2048, 9)


RECEIVED = (
    "Received: from smtp09-lo2-sp1.mta.salesforce.com (smtp09-lo2-sp1.mta.salesforce.com "
    "[192.0.2.10])\n"
    "\tby mx.example.com (Postfix) with ESMTPS id 4VTx2k0Zq0z9sRg\n"
    "\tfor <ops@example.com>; Tue,  3 Feb 2026 12:57:29 +0000 (UTC)\n"
)
PASS = (
    "Authentication-Results: mx.example.com;\n"
    "\tdmarc=pass (p=reject) header.from=salesforce.com;\n"
    "\tdkim=pass (2048-bit key) header.d=salesforce.com header.s=sf2026 header.b=Zm9v;\n"
    '\tspf=pass smtp.mailfrom="support=salesforce.com__0-1@x.0x-abcuau.um8.bnc.salesforce.com"\n'
)
FAIL = (
    "Authentication-Results: mx.example.com;\n"
    "\tdmarc=fail (p=reject) header.from=salesforce.com;\n"
    '\tdkim=fail reason="signature verification failed" header.d=salesforce.com header.s=sf2026;\n'
    "\tspf=pass smtp.mailfrom=bounce@attacker.example\n"
)


def crlf(text: str) -> bytes:
    """A text with the line ends of the wire."""
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode()


def arrived(signed: bytes, results: str = PASS, received: str = RECEIVED) -> bytes:
    """The mail as the receiving server keeps it: its results and its Received on top."""
    return crlf(results + received) + signed


def salesforce(*args: Any, results: str = PASS, **fields: Any) -> bytes:
    """A mail that Salesforce signed and our server received, in order but for what `fields` say."""
    return arrived(seal(token_mail(*args, **fields), at=fields.get("issued_at", ISSUED)), results)


def header(raw: bytes) -> bytes:
    """The header without its empty line."""
    return raw.partition(b"\r\n\r\n")[0]


def body(raw: bytes) -> bytes:
    """What follows the empty line."""
    return raw.partition(b"\r\n\r\n")[2]


def at(hour: int, minute: int = 0, *, day: int = 3) -> datetime:
    """A moment of February 2026."""
    return datetime(2026, 2, day, hour, minute, tzinfo=UTC)
