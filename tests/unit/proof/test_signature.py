"""A DKIM signature counts only if a reader of the mail may rely on it."""

from __future__ import annotations

import base64
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tests.kit.cost import cost
from tests.kit.mails import (
    ISSUED,
    SIGNED_HEADERS,
    Keys,
    Signer,
    genuine,
    genuine_keys,
    genuine_signer,
    rsa_pem,
    sign,
    token_mail,
)
from tests.kit.signing import craft, ed_key, key_of, record, rsa_public_key
from token_catcher.errors import TransientError
from token_catcher.model import Header
from token_catcher.ports import KeyLookup
from token_catcher.proof import dkimpy, signature
from token_catcher.proof.tags import Verification
from token_catcher.reading import wire

NAME = genuine_signer().name
KEYS = genuine_keys()
RECORD = genuine_signer().record
DAY = timedelta(days=1)
PASS = Verification("pass", "dkim salesforce.com test2026", ISSUED)


def check(
    raw: bytes,
    *,
    keys: KeyLookup | None = None,
    received_at: datetime = ISSUED,
    domains: tuple[str, ...] = ("salesforce.com",),
) -> Verification:
    header = wire.read_header(raw)
    assert isinstance(header, Header), header
    return signature.check(raw, header, received_at, domains, keys or KEYS)


def published(text: bytes) -> Keys:
    """The genuine signer's name with another record."""
    return Keys({NAME: text})


class Asked:
    """A KeyLookup that notes what it was asked for."""

    def __init__(self, known: Sequence[str] = ()) -> None:
        self.known = known
        self.names: list[str] = []
        self.proven: list[tuple[str, bytes]] = []

    def knows(self, name: str) -> bool:
        return name in self.known

    def verified(self, name: str, record: bytes) -> None:
        self.proven.append((name, record))

    def lookup(self, name: str, at: datetime) -> bytes | None:
        self.names.append(name)
        return KEYS.lookup(name, at)


@pytest.mark.parametrize(
    "form",
    ["relaxed/simple", "relaxed/relaxed", "simple/simple", "simple/relaxed", "simple", "relaxed"],
)
def test_every_canonical_form_verifies(form: str) -> None:
    """All canonical forms of RFC 6376 are understood, over folds and trailing white space."""
    raw = token_mail(top="Subject2: a\n  folded\tfield\n", body="Hello  \t\n\tworld \n\n\n")
    assert check(craft(raw, c=form)) == PASS


def test_dkimpys_own_signatures_verify() -> None:
    """What a second implementation signs is accepted too."""
    assert check(genuine()) == PASS


def test_an_ed25519_signature_verifies() -> None:
    """A signature with Ed25519 (RFC 8463) is accepted."""
    key = ed_key()
    raw = craft(token_mail(), key=key, a="ed25519-sha256")
    assert check(raw, keys=published(record(key))) == PASS


def test_an_ed25519_signature_without_pynacl(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no verdict on the mail that the library is broken: the mail waits."""
    key = ed_key()
    raw = craft(token_mail(), key=key, a="ed25519-sha256")
    monkeypatch.delattr(dkimpy.dkim, dkimpy.PYNACL, raising=False)
    monkeypatch.setitem(sys.modules, dkimpy.PYNACL, None)
    with pytest.raises(ImportError):
        check(raw, keys=published(record(key)))


def test_pynacl_is_loaded_with_the_first_ed25519_signature(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RSA does without it, before and after."""
    key = ed_key()
    raw = craft(token_mail(), key=key, a="ed25519-sha256")
    monkeypatch.delattr(dkimpy.dkim, dkimpy.PYNACL, raising=False)
    assert check(genuine()) == PASS
    assert not hasattr(dkimpy.dkim, dkimpy.PYNACL)
    assert check(raw, keys=published(record(key))) == PASS
    assert check(genuine()) == PASS


@pytest.mark.parametrize("domain", ["Salesforce.COM", "salesforce.com"])
def test_a_domain_ignores_case(domain: str) -> None:
    """A domain ignores case in `d=`, in the configuration, and in what DNS is asked for."""
    keys = Asked()
    assert (
        check(
            craft(token_mail(), d=domain, s="TEST2026"), keys=keys, domains=("SALESFORCE.com",)
        ).verdict
        == "pass"
    )
    assert keys.names == ["test2026._domainkey.salesforce.com"]


@pytest.mark.parametrize(
    "domain",
    [
        "evil.example",
        "salesforce.com.",
        "mail.salesforce.com",
        "salesforce.com.evil.example",
        "xsalesforce.com",
        "com",
        "",
    ],
)
def test_only_a_signing_domain_counts(domain: str) -> None:
    """`d=` is compared exactly: no parent, no child, no trailing dot.

    DNS is not asked for such names."""
    keys = Asked()
    verification = check(craft(token_mail(), d=domain), keys=keys)
    assert (verification.verdict, verification.saw, keys.names) == (
        "none",
        f"signed by {domain or 'nobody'}",
        [],
    )


def test_an_unsigned_mail_is_none() -> None:
    """A mail without a signature is told from one with a bad signature."""
    assert check(token_mail()) == Verification("none", "no DKIM signature")


@pytest.mark.parametrize(
    ("tags", "saw"),
    [
        ({"v": "2"}, "v= is not 1"),
        ({"v": None}, "v= is not 1"),
        ({"a": "rsa-sha1"}, "a= is neither rsa-sha256 nor ed25519-sha256"),
        ({"a": "RSA-SHA256"}, "a= is neither rsa-sha256 nor ed25519-sha256"),
        ({"a": None}, "a= is neither rsa-sha256 nor ed25519-sha256"),
        ({"l": "10"}, "l= leaves part of the body unsigned"),
        ({"l": "99999999"}, "l= leaves part of the body unsigned"),
        ({"q": "dns/evil"}, "q= is not dns/txt"),
        ({"c": "nowsp/simple"}, "c= is unknown"),
        ({"s": "a b"}, "s= is no selector"),
        ({"s": "a..b"}, "s= is no selector"),
        ({"s": "x" * 64}, "s= is no selector"),
        ({"s": ""}, "s= is no selector"),
        ({"s": "a/../b"}, "s= is no selector"),
        ({"s": ".".join(["x" * 63] * 4)}, "s= is too long for a name in DNS"),
        ({"h": "To:Subject:Date:MIME-Version:Content-Type"}, "h= leaves out from"),
        ({"h": "From:Subject:Date:MIME-Version:Content-Type"}, "h= leaves out to"),
        ({"h": "From:To:Date:MIME-Version:Content-Type"}, "h= leaves out subject"),
        ({"h": "From:To:Subject:MIME-Version:Content-Type"}, "h= leaves out date"),
        ({"h": "From:To:Subject:Date:Content-Type"}, "h= leaves out mime-version"),
        ({"h": "From:To:Subject:Date:MIME-Version"}, "h= leaves out content-type"),
        ({"h": "F rom:To:Subject:Date:MIME-Version:Content-Type"}, "h= leaves out from"),
        (
            {"h": ":".join([*SIGNED_HEADERS, *(f"X-{n}" for n in range(59))])},
            "h= names more than 64 fields",
        ),
        ({"i": "@evil.example"}, "i= is outside d="),
        ({"i": "salesforce.com"}, "i= is outside d="),
        ({"i": "@xsalesforce.com"}, "i= is outside d="),
        ({"i": "@salesforce.com@evil.example"}, "i= is outside d="),
        ({"bh": "@@@"}, "b= or bh= is no base64"),
        ({"bh": ""}, "b= or bh= is no base64"),
        ({"t": "now"}, "t= is no time"),
        ({"t": "1" * 12}, "t= is no time"),
        ({"t": "-1"}, "t= is no time"),
        ({"x": "soon"}, "x= is no time"),
        ({"x": str(int(ISSUED.timestamp()) - 1)}, "x= is before t="),
        ({"x": ""}, "x= is no time"),
        ({"1x": "y"}, "a malformed tag list"),
        ({"n-n": "1"}, "a malformed tag list"),
    ],
)
def test_a_tag_that_cannot_be_relied_on(tags: dict[str, Any], saw: str) -> None:
    """A good signature whose tags promise too little is held against the mail."""
    assert check(craft(token_mail(), **tags)) == Verification("fail", saw)


def test_a_tag_said_twice_is_malformed() -> None:
    """A tag said twice, of which two programs could take either, ends the signature."""
    raw = craft(token_mail()).replace(
        b"; d=salesforce.com", b"; d=evil.example; d=salesforce.com", 1
    )
    assert check(raw) == Verification("fail", "a malformed tag list")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"; t=", b";; t="),
        (b"; t=", b"; t; t="),
        (b"v=1; ", b"; v=1; "),
        (b"v=1; ", b"v=1 v=1; "),
        (b"; t=", b"; =x; t="),
    ],
)
def test_a_malformed_tag_list(before: bytes, after: bytes) -> None:
    """Malformed tags, which make dkimpy raise anything, end the signature."""
    assert check(craft(token_mail()).replace(before, after, 1)).verdict == "fail"


@pytest.mark.parametrize(
    "tags", [{"i": "@salesforce.com"}, {"i": "x@eu.salesforce.com"}, {"i": "X@EU.Salesforce.com"}]
)
def test_an_identity_inside_the_domain(tags: dict[str, Any]) -> None:
    """`i=` is the domain or below it."""
    assert check(craft(token_mail(), **tags)) == PASS


@pytest.mark.parametrize(
    "listed",
    [
        "from:to:subject:date:mime-version:content-type",
        "FROM:TO:SUBJECT:DATE:MIME-VERSION:CONTENT-TYPE",
        "Date : From : To : Subject : MIME-Version : Content-Type",
        "From:From:To:Subject:Subject:Date:MIME-Version:Content-Type:Content-Type",
        "Date:From:To:Subject:MIME-Version:Content-Type:X-Not-There:X-Not-There",
        "Date:From:To:Subject:MIME-Version:Content-Type:Message-ID:X-Priority:X-SFDC-LK",
    ],
)
def test_what_may_be_covered(listed: str) -> None:
    """`h=` may have any case and order, names twice, and names of fields that are not there."""
    assert check(craft(token_mail(), h=listed)) == PASS


def test_a_field_signed_as_missing_cannot_be_added() -> None:
    """A field that `h=` names and that is not there cannot be added."""
    signed = craft(token_mail(), h=":".join([*SIGNED_HEADERS, "Cc"]))
    added = signed.replace(b"X-Priority:", b"Cc: someone@else.example\r\nX-Priority:", 1)
    assert (check(signed), check(added)) == (
        PASS,
        Verification("fail", "the signature does not fit the mail"),
    )


def test_from_in_another_case_is_the_same_field() -> None:
    """Field names ignore case, for the signer and for us."""
    raw = craft(token_mail()).replace(b"\r\nFrom: ", b"\r\nFROM: ", 1)
    assert check(raw) == PASS


@pytest.mark.parametrize("name", SIGNED_HEADERS)
def test_a_changed_field_breaks_the_signature(name: str) -> None:
    """A change of any covered field breaks the signature."""
    raw = genuine()
    position = raw.index(f"\r\n{name}: ".encode()) + len(name) + 4
    assert check(raw[:position] + b"x" + raw[position:]) == Verification(
        "fail", "the signature does not fit the mail"
    )


def test_a_changed_body_is_told_apart() -> None:
    """A changed body is no proof, and nothing against the mail: servers change bodies."""
    raw = genuine().replace(b"Username: ", b"Username:  ")
    assert check(raw) == Verification("unverifiable", "the body was changed after signing")


def test_a_body_that_grew_is_changed() -> None:
    """Nothing can be appended to a body that is signed without `l=`."""
    assert check(genuine() + b"Security token: x\r\n").verdict == "unverifiable"


def test_a_forged_signature_does_not_fit() -> None:
    """A signature by somebody else's key under Salesforce's name is held against the mail."""
    forger = Signer(rsa_pem(2048, 1))
    assert check(sign(token_mail(), forger)) == Verification(
        "fail", "the signature does not fit the mail"
    )


def test_without_a_key_nothing_can_be_said() -> None:
    """A signature without a key in DNS cannot be verified, and never passes."""
    assert check(genuine(), keys=Keys({})) == Verification("no-key", f"no key at {NAME}")


def test_a_silent_dns_is_a_trouble_that_passes() -> None:
    """A silent DNS, of which dkimpy makes a False, is a TransientError."""
    with pytest.raises(TransientError):
        check(genuine(), keys=Keys({NAME: None}))


def test_a_changed_body_costs_no_question() -> None:
    """What can be seen without a key is looked at first."""
    keys = Asked()
    assert check(genuine() + b"x\r\n", keys=keys).verdict == "unverifiable"
    assert keys.names == []


def forged(*selectors: str, body: bytes = b"") -> bytes:
    """A signature for each of these selectors, the first on top, by a key that nobody publishes."""
    raw = token_mail() + body
    forger = Signer(rsa_pem(2048, 1))
    for selector in reversed(selectors):
        raw = sign(raw, replace(forger, selector=selector))
    return raw


def name_of(selector: str) -> str:
    return f"{selector}._domainkey.salesforce.com"


def test_a_mail_has_two_unknown_names_asked() -> None:
    """However many it names; the others are as good as absent."""
    keys = Asked()
    verification = check(forged("a", "b", "a", "c", "d"), keys=keys)
    assert keys.names == [name_of("a"), name_of("b"), name_of("a")]
    assert verification == Verification("no-key", f"no key at {name_of('a')}")


def test_a_name_that_was_not_asked_is_no_proof_against_the_mail() -> None:
    """Were two bad signatures on top enough to refuse the mail, a genuine one below were lost."""
    bad = Signer(rsa_pem(2048, 1)).record
    keys = Keys({name_of("a"): bad, name_of("b"): RECORD})
    raw = sign(forged("b"), replace(genuine_signer(), selector="a"))
    verification = check(sign(raw, replace(genuine_signer(), selector="c")), keys=keys)
    assert verification.verdict == "no-key"
    saw = f"{name_of('c')} was not asked for: a mail has 2 unknown names asked"
    raw = b"".join(forged(name).partition(b"Date:")[0] for name in "ab") + forged("c")
    keys = Keys({name_of("a"): RECORD, name_of("b"): RECORD})
    assert check(raw, keys=keys) == Verification("no-key", saw)


def test_known_names_are_asked_first_and_all_of_them() -> None:
    """Forged signatures on top do not keep a known key from its turn."""
    keys = Asked(known=[NAME, name_of("k")])
    verification = check(
        forged("a", "b", "c").partition(b"Date:")[0] + sign(forged("k"), genuine_signer()),
        keys=keys,
    )
    assert (verification, keys.names) == (PASS, [NAME])
    del keys.names[:]
    check(forged("a", "b", "c", "k"), keys=keys)
    assert keys.names == [name_of("k"), name_of("a"), name_of("b")]


def test_the_keys_are_told_what_proved_a_mail() -> None:
    """And of no other name."""
    keys = Asked()
    check(forged("a").partition(b"Date:")[0] + genuine(), keys=keys)
    check(forged("b"), keys=keys)
    assert keys.proven == [(NAME, RECORD)]


def test_a_good_signature_beside_a_silent_one() -> None:
    """One good signature suffices, whatever DNS says of the others."""
    other = replace(genuine_signer(), selector="other")
    raw = sign(genuine(), other)
    assert check(raw, keys=Keys({NAME: RECORD, other.name: None})) == PASS


@pytest.mark.parametrize("arrived", [ISSUED, ISSUED + timedelta(minutes=59)])
def test_expiry_is_compared_with_the_arrival(arrived: datetime) -> None:
    """A mail that arrived before `x=` verifies, though it has expired by this clock."""
    raw = craft(token_mail(), x=str(int(ISSUED.timestamp()) + 3600))
    assert check(raw, received_at=arrived) == PASS


def test_expired_on_arrival() -> None:
    """A signature that had expired on arrival is no proof, and nothing against the mail."""
    raw = craft(token_mail(), x=str(int(ISSUED.timestamp()) + 3600))
    verification = check(raw, received_at=ISSUED + timedelta(minutes=61))
    assert verification == Verification("unverifiable", "the signature had expired on arrival")


def test_a_signature_of_the_future_is_no_matter_of_the_clock() -> None:
    """`t=` is compared with the Date by the rules, not with this machine's clock."""
    later = datetime(2999, 1, 1, tzinfo=ISSUED.tzinfo)
    assert check(craft(token_mail(), at=later), received_at=later) == replace(PASS, signed_at=later)


def test_without_a_time_of_signing() -> None:
    """A signature without `t=` verifies."""
    assert check(craft(token_mail(), t=None)) == replace(PASS, signed_at=None)


OURS = b"DKIM-Signature: v=1; d=salesforce.com\r\n"
STRANGERS = b"DKIM-Signature: v=1; d=evil.example\r\n"


def test_the_eighth_signature_counts() -> None:
    """Seven broken signatures on top do not hide a good one."""
    assert check(OURS * 7 + genuine()) == PASS


def test_the_ninth_signature_does_not_count() -> None:
    """A good signature below eight others of a signing domain is not looked at."""
    assert check(OURS * 8 + genuine()) == Verification(
        "fail", "a= is neither rsa-sha256 nor ed25519-sha256"
    )


@pytest.mark.parametrize("stranger", [STRANGERS, b"DKIM-Signature: none\r\n"])
def test_strangers_are_not_counted(stranger: bytes) -> None:
    """However many relays have signed above it, a signature of a signing domain is looked at."""
    assert check(stranger * 40 + genuine()) == PASS


@pytest.mark.parametrize("odd", [b"\xff", b"A" * 998, b"A\r\n \r\n "])
def test_an_odd_signature(odd: bytes) -> None:
    """One that not everybody reads alike says nothing if a stranger made it.

    Of a signing domain it is no good, whatever it would prove."""
    stranger = STRANGERS.replace(b"v=1", b"v=1; z=" + odd)
    assert check(stranger + genuine()) == PASS
    own = genuine().replace(b"; d=salesforce.com", b"; z=" + odd + b"; d=salesforce.com", 1)
    assert check(own).verdict == "fail"
    for raw in (own, own.replace(b"; d=sales", b"; d=\xffsales", 1)):
        header = wire.read_header(raw)
        assert isinstance(header, Header)
        assert signature.read(header, ISSUED, ("salesforce.com",)).verdict == "fail"


def test_a_long_signature_does_not_count() -> None:
    """A signature of more than 4 kB, folding included, ends without a check."""
    filler = "\r\n".join(" z" * 400 for _ in range(6))
    raw = craft(token_mail(), z="a" + "\r\n" + filler)
    assert check(raw) == Verification("fail", "a signature of more than 4096 bytes")


def test_a_folded_signature_is_read() -> None:
    """A folded signature, as every server writes it, verifies."""
    raw = genuine()
    assert raw.partition(b"\r\nDate")[0].count(b"\r\n ") >= 2
    assert check(raw) == PASS


def test_the_best_that_can_be_said_comes_first() -> None:
    """Of several signatures the one that says least against the mail is told."""
    broken = b"DKIM-Signature: v=1; v=1\r\n"
    foreign = b"DKIM-Signature: v=1; d=evil.example\r\n"
    assert check(foreign + broken + genuine(), keys=Keys({})).verdict == "no-key"
    assert check(foreign + broken + token_mail()).verdict == "fail"


@pytest.mark.parametrize(
    ("tags", "saw"),
    [
        ("v=DKIM1; k=rsa; t=y; p={key}", "key record: t=y, a key under test"),
        ("v=DKIM1; k=rsa; t=s:y; p={key}", "key record: t=y, a key under test"),
        ("v=DKIM1; k=rsa; h=sha1; p={key}", "key record: h= without sha256"),
        ("v=DKIM1; k=rsa; s=tlsrpt; p={key}", "key record: s= without email"),
        ("v=DKIM1; k=ed25519; p={key}", "key record: the type of the key"),
        ("v=DKIM1; k=rsa; p=", "key record: p= is empty: revoked"),
    ],
)
def test_a_key_that_cannot_be_relied_on(tags: str, saw: str) -> None:
    """A good signature under a key that is not for this use is held against the mail."""
    key = key_of(genuine_signer())
    assert check(genuine(), keys=published(record(key, tags))) == Verification("fail", saw)


@pytest.mark.parametrize(
    ("tags", "saw"),
    [
        ("v=DKIM1; k=rsa", "without p="),
        ("v=DKIM2; k=rsa; p={key}", "v= is not DKIM1, or not the first tag"),
        ("k=rsa; v=DKIM1; p={key}", "v= is not DKIM1, or not the first tag"),
        ("v=DMARC1; p=reject; t=y", "v= is not DKIM1, or not the first tag"),
        ("v=DMARC1; p=", "v= is not DKIM1, or not the first tag"),
        ("v=DKIM1; k=rsa; p=AAAA", "p= holds no rsa key"),
        ("v=DKIM1; k=rsa; p=!{key}", "p= holds no rsa key"),
        ("v=DKIM1; k=rsa; p={key}; p={key}", "a malformed tag list"),
        ("no tags at all", "a malformed tag list"),
        ("", "a malformed tag list"),
        ("v=DKIM1; n=" + "x" * 4096 + "; p={key}", "of no known form"),
        ("v=DKIM1; n=ü; p={key}", "of no known form"),
    ],
)
def test_a_record_that_is_no_key(tags: str, saw: str) -> None:
    """It says as little as no record at all, for or against the mail."""
    keys = published(record(key_of(genuine_signer()), tags))
    assert check(genuine(), keys=keys) == Verification("no-key", f"key record: {saw}")


def test_a_key_that_was_cut_short() -> None:
    """The first string of a split record is no key."""
    verification = check(genuine(), keys=published(RECORD[: RECORD.index(b"p=") + 82]))
    assert verification == Verification("no-key", "key record: p= holds no rsa key")


@pytest.mark.parametrize(
    "tags",
    [
        "p={key}",
        "v=DKIM1;p={key};",
        " v = DKIM1 ; k = rsa ; p = {key} ",
        'v=DKIM1; k=rsa; n=a note, with = and "quotes"; g=*; p={key}',
        "v=DKIM1; h=sha1:sha256; s=email; t=s; p={key}",
        "v=DKIM1; s=tlsrpt : email; unknown=1; p={key}",
    ],
)
def test_a_key_record_as_people_write_them(tags: str) -> None:
    """White space, notes, and tags of other standards do not disturb."""
    key = key_of(genuine_signer())
    assert check(genuine(), keys=published(record(key, tags))) == PASS


def test_a_key_in_pieces_is_one_key() -> None:
    """White space inside `p=` is no part of it."""
    spaced = RECORD.replace(b"p=", b"p= ")[:60] + b" " + RECORD.replace(b"p=", b"p= ")[60:]
    assert check(genuine(), keys=published(spaced)) == PASS


def test_a_strict_key_and_a_subdomain_identity() -> None:
    """`t=s` in the key forbids an `i=` below the domain."""
    strict = published(RECORD.replace(b"k=rsa", b"k=rsa; t=s"))
    assert check(craft(token_mail(), i="@salesforce.com"), keys=strict) == PASS
    verification = check(craft(token_mail(), i="@eu.salesforce.com"), keys=strict)
    assert verification == Verification("fail", "key record: t=s with an i= that is not d=")


@pytest.mark.parametrize(("bits", "verdict"), [(1024, "pass"), (4096, "pass")])
def test_rsa_keys_of_the_allowed_sizes(bits: int, verdict: str) -> None:
    """RSA keys of 1024 to 4096 bits verify (RFC 8301)."""
    signer = Signer(rsa_pem(bits))
    assert (
        check(sign(token_mail(), signer), keys=Keys({signer.name: signer.record})).verdict
        == verdict
    )


@pytest.mark.parametrize(
    ("modulus_bits", "exponent"),
    [
        (1023, 65537),
        (512, 65537),
        (4097, 65537),
        (2048, 1),
        (2048, 2),
        (2048, 0),
        (2048, 2**2048 + 1),
    ],
)
def test_rsa_keys_of_other_sizes(modulus_bits: int, exponent: int) -> None:
    """RSA keys of other sizes or with a strange exponent do not count.

    Short ones can be broken, long ones take seconds, and with an exponent of 1 anybody signs."""
    der = rsa_public_key(2 ** (modulus_bits - 1) + 1, exponent)
    keys = published(b"v=DKIM1; p=" + base64.b64encode(der))
    assert check(genuine(), keys=keys) == Verification(
        "fail", "key record: p= is no rsa key of 1024 to 4096 bits"
    )


def test_an_ed25519_key_of_the_wrong_size() -> None:
    """An Ed25519 key of other than 32 bytes does not count."""
    key = ed_key()
    keys = published(b"v=DKIM1; k=ed25519; p=" + base64.b64encode(b"x" * 31))
    verification = check(craft(token_mail(), key=key, a="ed25519-sha256"), keys=keys)
    assert verification == Verification("no-key", "key record: p= holds no ed25519 key")


def test_a_key_of_another_kind_than_the_algorithm() -> None:
    """An Ed25519 key proves no RSA signature, nor the other way round."""
    key = ed_key()
    assert check(genuine(), keys=published(record(key))) == Verification(
        "fail", "key record: the type of the key"
    )
    raw = craft(token_mail(), key=key, a="ed25519-sha256")
    assert check(raw) == Verification("fail", "key record: the type of the key")


def test_a_forged_ed25519_signature() -> None:
    """An Ed25519 signature by somebody else's key does not fit."""
    raw = craft(token_mail(), key=ed_key(2), a="ed25519-sha256")
    keys = published(record(ed_key()))
    assert check(raw, keys=keys) == Verification("fail", "the signature does not fit the mail")


@pytest.mark.parametrize("b", ["AAAA", "A", "=", "AAAAA"])
def test_a_signature_of_another_length(b: str) -> None:
    """A signature of a length that makes dkimpy raise is held against the mail."""
    raw = craft(token_mail())
    start = raw.index(b"; b=") + 4
    assert check(raw[:start] + b.encode() + raw[raw.index(b"\r\n") :]).verdict == "fail"


def test_hostile_white_space_is_cheap() -> None:
    """230 kB of white space cost no more than thrice what as many words do.

    dkimpy's own relaxed form is quadratic in runs of white space."""
    hostile = badly_signed(" " * 990 + "x\n")
    ordinary = badly_signed("word " * 198 + "x\n")
    assert check(hostile).verdict == "fail"
    assert cost(partial(check, hostile)) < 3 * cost(partial(check, ordinary))


def badly_signed(line: str) -> bytes:
    """230 kB under eight signatures, none of which fits."""
    raw = token_mail(body=line * 230)
    for _ in range(8):
        raw = craft(raw, c="relaxed/relaxed")
    return raw.replace(b"Subject: Y", b"Subject: y")
