"""What proves a mail, what a person must decide, and what is refused; rule by rule."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from tests.kit import rig as rigs
from tests.kit.mails import (
    ADDRESS,
    ISSUED,
    OUTRO,
    TOKEN,
    USERNAME,
    Forgetful,
    Keys,
    Signer,
    genuine_keys,
    genuine_signer,
    mail,
    rsa_pem,
    token_body,
    token_mail,
)
from tests.kit.signing import craft
from token_catcher.errors import TransientError
from token_catcher.model import (
    Candidate,
    Capture,
    Evidence,
    Held,
    Judgement,
    Reason,
    Refused,
    Token,
    iso,
)
from token_catcher.ports import KeyLookup
from token_catcher.proof import trust
from token_catcher.proof.case import Case, Finding, Policy, Terms
from token_catcher.proof.policies import POLICIES
from token_catcher.proof.routing import Org
from token_catcher.proof.trust import RULES, Trust
from token_catcher.reading.extract import extract

TERMS = replace(rigs.TERMS, authserv_ids=("mx.example.com",))
PASSED = (
    "Authentication-Results: mx.example.com; dmarc=pass header.from=salesforce.com;"
    " dkim=pass header.d=salesforce.com\r\n"
)
FAILED = PASSED.replace("dkim=pass", "dkim=fail")
UNSURE = PASSED.replace("dkim=pass", "dkim=temperror")
KEYS = genuine_keys()
SILENT_DNS = Keys({genuine_signer().name: None})
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FORGER = Signer(rsa_pem(2048, 1))


def genuine(username: str = USERNAME, token: str = TOKEN, **fields: str) -> bytes:
    """A token mail as Salesforce would send it."""
    return craft(token_mail(username, token, **fields))  # type: ignore[arg-type]


def forged(raw: bytes) -> bytes:
    """Signed in Salesforce's name with another key."""
    return craft(raw, signer=FORGER)


def candidate(raw: bytes, received_at: datetime = ISSUED) -> Candidate:
    extracted = extract(mail(raw, received_at=received_at), TERMS.subjects)
    assert isinstance(extracted, Candidate), extracted
    return extracted


def judge(
    raw: bytes,
    *,
    terms: Terms = TERMS,
    keys: KeyLookup | None = None,
    received_at: datetime = ISSUED,
    addresses: tuple[str, ...] = (ADDRESS,),
) -> Judgement:
    return Trust(terms, keys or KEYS).judge(candidate(raw, received_at), addresses)


def under(policy: Policy, raw: bytes, keys: KeyLookup | None = None) -> str:
    """How a mail ends under a policy: `stored`, or the verdict and its reason."""
    verdict = judge(raw, terms=replace(TERMS, policy=policy), keys=keys).verdict
    if isinstance(verdict, Capture):
        return "stored"
    return f"{type(verdict).__name__.lower()}: {verdict.reason}"


def captured(raw: bytes, **how: object) -> bool:
    return isinstance(judge(raw, **how).verdict, Capture)  # type: ignore[arg-type]


def with_results(results: str, raw: bytes) -> bytes:
    received = b"Received: from x by mx.example.com; Tue, 3 Feb 2026 12:57:27 +0000\r\n"
    return results.encode() + received + raw


def said(judgement: Judgement, rule: str) -> Evidence:
    """What one rule saw."""
    return next(line for line in judgement if line.rule == rule)


def held(judgement: Judgement) -> Reason:
    """Why a proven mail waits for a person."""
    assert isinstance(judgement.verdict, Held)
    return judgement.verdict.reason


def reason(judgement: Judgement) -> Reason:
    assert not isinstance(judgement.verdict, Capture)
    return judgement.verdict.reason


# The whole


def test_a_genuine_mail_is_captured() -> None:
    """A genuine mail passes every rule in the order of the table, and becomes a Capture."""
    raw = genuine()
    judgement = judge(raw)
    assert judgement.verdict == Capture(
        mail(raw),
        USERNAME,
        Token(TOKEN),
        "acme",
        "salesforce/acme/integration@acme.example",
        issued_at=ISSUED,
        dated_at=ISSUED,
    )
    assert [(line.rule, line.passed) for line in judgement] == [(rule.name, True) for rule in RULES]
    assert (judgement.username, judgement.org) == (USERNAME, "acme")


EVIDENCE = (
    Evidence(
        "from",
        True,
        '"support@salesforce.com" <support@salesforce.com>',
        "exactly one address of salesforce.com, emea.salesforce.com",
    ),
    Evidence("proof", True, "dkim salesforce.com test2026", "a DKIM signature of salesforce.com"),
    Evidence(
        "signature",
        True,
        "no server is relied on",
        "a signature of salesforce.com that covers all that counts, within a day of the Date",
    ),
    Evidence(
        "sender",
        True,
        "support@salesforce.com",
        "one of support@salesforce.com, support@emea.salesforce.com",
    ),
    Evidence("recipient", True, ADDRESS, f"one of {ADDRESS}"),
    Evidence(
        "date",
        True,
        "Date 2026-02-03T12:57:27Z, received 2026-02-03T12:57:27Z",
        "at most 24 h before and 1 h after arrival",
    ),
    Evidence(
        "signed-at",
        True,
        "t=2026-02-03T12:57:27Z, Date 2026-02-03T12:57:27Z",
        "t= within a day of the Date, or none",
    ),
    Evidence("username", True, USERNAME, "letters, digits and . _ + - ' around one @, at most 80"),
    Evidence(
        "claim",
        True,
        "one username, one token of 25 characters",
        "one username and one token, the same in every text",
    ),
    Evidence(
        "subject",
        True,
        "Your new Salesforce security token",
        "one of Your new Salesforce security token",
    ),
    Evidence("org", True, f"{USERNAME} belongs to acme", "a username that exactly one org names"),
    Evidence(
        "path",
        True,
        "salesforce/acme/integration@acme.example",
        "segments of letters, digits and . _ + - ' @, none of them . or ..",
    ),
)
"""What the rules say of `genuine()`."""


def test_the_evidence_says_what_was_seen_and_wanted() -> None:
    """Each rule tells what it saw and wanted, of the token only its length."""
    assert judge(genuine()).evidence == EVIDENCE


def test_the_first_rule_that_fails_gives_the_verdict() -> None:
    """The first rule that fails gives the verdict, and the others are looked at all the same.

    But DNS is not asked for a mail that is refused already."""
    raw = token_mail("a*b@x", sender="evil@evil.example", to="else@example.com", subject="Other")
    judgement = judge(raw, keys=SILENT_DNS)
    assert judgement.verdict == Refused(Reason.WRONG_SENDER, "evil@evil.example")
    assert [(line.rule, line.passed) for line in judgement] == [
        ("from", False),
        ("proof", False),
        ("sender", False),
        ("recipient", False),
        ("date", True),
        ("username", False),
        ("claim", True),
        ("subject", False),
    ]
    assert said(judgement, "proof") == Evidence(
        "proof", False, "not looked at", "a mail that passes the rules above"
    )


@pytest.mark.parametrize("left_out", range(len(RULES)))
def test_a_table_that_lacks_a_rule_or_all_passes_nothing(
    left_out: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what every rule has seen becomes a Capture.

    A rule that sees nothing is none that passed."""

    def sees_nothing(_case: Case) -> None:
        return None

    rule = replace(RULES[left_out], look=sees_nothing)
    monkeypatch.setattr(trust, "RULES", (*RULES[:left_out], rule, *RULES[left_out + 1 :]))
    assert not captured(genuine())
    monkeypatch.setattr(trust, "RULES", ())
    assert judge(genuine()).verdict == Refused(
        Reason.UNAUTHENTICATED, "not every rule was looked at"
    )


def test_findings_cannot_be_changed() -> None:
    """A finding is frozen."""
    with pytest.raises(FrozenInstanceError):
        Finding(False, "", "").passed = True  # type: ignore[misc]


@dataclass
class Broken(Forgetful):
    """A KeyLookup that raises."""

    error: Exception

    def lookup(self, name: str, at: datetime) -> bytes | None:
        raise self.error


def test_an_exception_ends_the_mail_and_not_the_loop() -> None:
    """Requirement 22: an exception while a mail is judged refuses it.

    The evidence until then is kept."""
    judgement = judge(genuine(), keys=Broken(ValueError("of this program")))
    assert judgement.verdict == Refused(Reason.UNREADABLE, "ValueError")
    assert [line.rule for line in judgement] == ["from"]


def test_an_exception_after_the_proof_holds_the_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proven mail is held where this program fails on it, so that its token is not lost."""

    def fails(_case: Case) -> Finding:
        raise ValueError("of this program")

    rules = [replace(rule, look=fails) if rule.name == "org" else rule for rule in RULES]
    monkeypatch.setattr(trust, "RULES", rules)
    assert judge(genuine()).verdict == Held(Reason.UNREADABLE, "ValueError")
    assert judge(token_mail()).verdict == Refused(Reason.UNREADABLE, "ValueError")


@pytest.mark.parametrize("error", [MemoryError(), OSError(24, "Too many open files")])
def test_a_machine_in_trouble_is_no_verdict(error: Exception) -> None:
    """A trouble of this machine leaves the mail unjudged."""
    with pytest.raises(TransientError) as caught:
        judge(genuine(), keys=Broken(error))
    assert caught.value.code == "internal"


def test_a_trouble_that_passes_is_no_verdict() -> None:
    """A silent DNS leaves the mail unjudged."""
    with pytest.raises(TransientError):
        judge(genuine(), keys=SILENT_DNS)


# Requirement 4: the sender


@pytest.mark.parametrize(
    "sender",
    [
        "support@salesforce.com",
        "<support@salesforce.com>",
        '"support@salesforce.com" <support@salesforce.com>',
        '"support@salesforce.com"<support@SALESFORCE.com>',
        '"Salesforce, Inc." <support@salesforce.com>',
        "Salesforce Support <support@salesforce.com>",
        '""\n <support@salesforce.com>',
        '"Support@Salesforce.com" <support@salesforce.com>',
        '"SUPPORT@SALESFORCE.COM" <support@salesforce.com>',
    ],
)
def test_a_sender_as_salesforce_writes_it(sender: str) -> None:
    """A plain sender passes with a display name and without."""
    assert captured(genuine(sender=sender))


@pytest.mark.parametrize(
    "sender",
    [
        "support@salesforce.com.evil.example",
        "support@xsalesforce.com",
        "support@salesforce.com, evil@evil.example",
        "evil@evil.example, support@salesforce.com",
        "support@salesforce.com <evil@evil.example>",
        '"support@salesforce.com" <evil@evil.example>',
        '"evil@evil.example" <support@salesforce.com>',
        "<support@salesforce.com> <evil@evil.example>",
        "<evil@evil.example> <support@salesforce.com>",
        "support@salesforce.com (comment)",
        "(comment) support@salesforce.com",
        "support(comment)@salesforce.com",
        "support@salesforce.com(<evil@evil.example>)",
        "support @salesforce.com",
        "support@ salesforce.com",
        "support@\n salesforce.com",
        "support@salesforce.com\n\t.evil.example",
        "<@evil.example:support@salesforce.com>",
        "group: support@salesforce.com;",
        "undisclosed-recipients:;",
        '"support"@salesforce.com',
        "sup\\port@salesforce.com",
        "=?utf-8?q?support=40salesforce.com?= <evil@evil.example>",
        "=?utf-8?q?support=40salesforce.com?=",
        "=?utf-8?q?support?=@salesforce.com",
        "support@[salesforce.com]",
        "support@salesforce.com.",
        "support@@salesforce.com",
        "support@evil.example@salesforce.com",
        "support@xn--salesforce-x.com",
        "support@salesforce.com>",
        "<support@salesforce.com",
        "support@salesforce.com;evil@evil.example",
        "support@salesforce.com evil@evil.example",
    ],
)
def test_a_sender_with_a_trick(sender: str) -> None:
    """A From that could show another sender is refused, though well signed (CVE-2023-27043)."""
    assert reason(judge(genuine(sender=sender))) == Reason.WRONG_SENDER


@pytest.mark.parametrize(
    "name",
    [
        '"a\\""',
        '"a" "b"',
        '"a',
        "=?utf-8?q?Salesforce?=",
        "=?utf-8?b?c3VwcG9ydEBldmlsLmV4YW1wbGU=?=",
        "Salesforce (Support)",
        "Salesforce, Inc.",
    ],
)
def test_an_odd_name_beside_the_one_address(name: str) -> None:
    """It is held once it is proven; without a proof, or of another domain, it is refused."""
    sender = f"{name} <support@salesforce.com>"
    judgement = judge(genuine(sender=sender))
    assert held(judgement) == Reason.UNKNOWN_SENDER
    wanted = "one of support@salesforce.com, support@emea.salesforce.com, plainly written"
    assert said(judgement, "sender").wanted == wanted
    assert reason(judge(forged(token_mail(sender=sender)))) == Reason.BAD_SIGNATURE
    elsewhere = genuine(sender=sender.replace("salesforce.com", "x.example"))
    assert reason(judge(elsewhere)) == Reason.WRONG_SENDER


def test_a_date_that_not_everybody_reads_alike() -> None:
    """It is held once it is proven, and refused without a proof."""
    undated = token_mail().replace(b"+0000 (GMT)", b"CST")
    judgement = judge(craft(undated))
    assert held(judgement) == Reason.BAD_DATE
    assert said(judgement, "date").saw == "Tue, 03 Feb 2026 12:57:27 CST"
    assert reason(judge(forged(undated))) == Reason.BAD_SIGNATURE
    terms = replace(TERMS, policy="authentication-results")
    assert held(judge(with_results(PASSED, craft(undated)), terms=terms)) == Reason.BAD_DATE


@pytest.mark.parametrize(
    "sender",
    [
        "info@salesforce.com",
        "no-reply@salesforce.com",
        "Support@salesforce.com",
        "support+x@salesforce.com",
        "support@mail.salesforce.com",
        '"Salesforce" <support@a.b.SALESFORCE.com>',
    ],
)
def test_a_sender_of_a_signing_domain_that_is_not_listed(sender: str) -> None:
    """A proven mail from another address of Salesforce's is held, so that it may be listed."""
    judgement = judge(genuine(sender=sender))
    assert held(judgement) == Reason.UNKNOWN_SENDER
    assert reason(judge(token_mail(sender=sender))) == Reason.UNSIGNED


def test_only_configured_senders_count() -> None:
    """Any of the configured senders passes, and no other."""
    terms = replace(TERMS, senders=("support@emea.salesforce.com", "noreply@Salesforce.com"))
    assert captured(genuine(sender="noreply@salesforce.com"), terms=terms)
    assert held(judge(genuine(), terms=terms)) == Reason.UNKNOWN_SENDER


def test_a_sender_outside_of_the_signing_domains() -> None:
    """A sender may be listed whose domain signs nothing; another address there proves nothing."""
    terms = replace(TERMS, senders=("tokens@relay.example",))
    assert captured(genuine(sender="tokens@relay.example"), terms=terms)
    assert held(judge(genuine(sender="else@relay.example"), terms=terms)) == Reason.UNKNOWN_SENDER
    assert reason(judge(genuine(sender="x@below.relay.example"), terms=terms)) == (
        Reason.WRONG_SENDER
    )


@pytest.mark.parametrize(
    "sender", ["x@evil.example", "a@salesforce.com, b@salesforce.com", "x@xsalesforce.com"]
)
def test_mail_of_others_costs_no_question(sender: str) -> None:
    """No key is asked for a mail whose From is not one address of a signing domain."""
    assert reason(judge(genuine(sender=sender), keys=SILENT_DNS)) == Reason.WRONG_SENDER


# Requirement 12: recipient, Date and time of signing


@pytest.mark.parametrize(
    "to",
    [
        ADDRESS,
        "OPS@Example.com",
        "<ops@example.com>",
        '"Doe, Jane" <ops@example.com>',
        "first@example.com, ops@example.com",
        '"a, b" <first@example.com>,\n ops@example.com, last@example.com',
        "=?utf-8?q?x?= <ops@example.com>",
        "group: ops@example.com;",
        "ops@example.com,,else@example.com",
    ],
)
def test_a_recipient_that_is_ours(to: str) -> None:
    """A mail to one of our addresses passes, alone or among others."""
    assert captured(genuine(to=to), addresses=("Ops@example.com", "second@example.com"))


@pytest.mark.parametrize(
    "to",
    [
        "else@example.com",
        "xops@example.com",
        "ops@example.com.evil.example",
        "ops+x@example.com",
        '"ops@example.com" <else@example.com>',
        "else@example.com (ops@example.com)",
        '"a, ops@example.com',
        '" ops@example.com',
        "ops@example.com; else@example.com",
        "ops@example.com else@example.com",
        "else@example.com, (ops@example.com",
        "undisclosed-recipients:;",
    ],
)
def test_a_recipient_that_is_not_ours(to: str) -> None:
    """A proven mail to somebody else, or with a list that could be split differently, is held."""
    assert held(judge(genuine(to=to))) == Reason.WRONG_RECIPIENT


@pytest.mark.parametrize(
    ("to", "ours"),
    [
        ("ops+acme@example.com", True),
        ("OPS+@example.com", True),
        ("Ops <anything@tokens.example.com>", True),
        ("ops@example.com", False),
        ("ops+x@evil.example", False),
        ("ops+x@example.com.evil.example", False),
        ("x@y.tokens.example.com", False),
        ("ops+a@b@example.com", False),
    ],
)
def test_a_recipient_may_be_a_pattern(to: str, ours: bool) -> None:
    """`*` stands for anything but an @."""
    patterns = ("ops+*@Example.com", "*@tokens.example.com")
    assert captured(genuine(to=to), addresses=patterns) is ours


def test_without_addresses_no_mail_is_ours() -> None:
    """Without addresses, no mail is ours."""
    assert held(judge(genuine(), addresses=())) == Reason.WRONG_RECIPIENT


@pytest.mark.parametrize(
    ("delay", "in_time"),
    [
        (timedelta(0), True),
        (DAY, True),
        (DAY + timedelta(seconds=1), False),
        (-HOUR, True),
        (-HOUR - timedelta(seconds=1), False),
    ],
)
def test_the_date_is_bounded_by_the_arrival(delay: timedelta, in_time: bool) -> None:
    """The Date lies from 24 hours before to one hour after INTERNALDATE."""
    judgement = judge(genuine(), received_at=ISSUED + delay)
    assert isinstance(judgement.verdict, Capture) is in_time
    assert in_time or held(judgement) == Reason.DATE_OUT_OF_BOUNDS


def test_the_bounds_of_the_arrival_are_configured() -> None:
    """`max_delay` and `clock_skew` say how late and how early a mail may arrive."""
    terms = replace(TERMS, max_delay=3 * DAY, clock_skew=HOUR / 2)
    assert captured(genuine(), terms=terms, received_at=ISSUED + 3 * DAY)
    judgement = judge(genuine(), terms=terms, received_at=ISSUED - HOUR)
    assert held(judgement) == Reason.DATE_OUT_OF_BOUNDS
    assert said(judgement, "date").wanted == "at most 72 h before and 0.5 h after arrival"


@pytest.mark.parametrize(
    "far", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 30, tzinfo=UTC)]
)
def test_a_date_at_the_end_of_time(far: datetime) -> None:
    """A Date at the end of the calendar is compared without an error of arithmetic."""
    written = far.strftime(f"%d %b {far.year:04} %H:%M:%S +0000")
    raw = token_mail().replace(b"Tue, 03 Feb 2026 12:57:27 +0000", written.encode())
    signed = craft(raw)
    assert held(judge(signed)) == Reason.DATE_OUT_OF_BOUNDS
    assert said(judge(signed, received_at=far), "date").passed
    assert reason(judge(raw)) == Reason.UNSIGNED


@pytest.mark.parametrize(
    ("offset", "fits"),
    [
        (DAY, True),
        (-DAY, True),
        (DAY + timedelta(seconds=1), False),
        (-DAY - timedelta(seconds=1), False),
    ],
)
def test_the_time_of_signing_is_near_the_date(offset: timedelta, fits: bool) -> None:
    """The time of signing lies within a day of the Date, either way."""
    judgement = judge(craft(token_mail(), at=ISSUED + offset))
    assert isinstance(judgement.verdict, Capture) is fits
    assert fits or held(judgement) == Reason.DATE_OUT_OF_BOUNDS


@pytest.mark.parametrize("policy", ["dkim", "authentication-results"])
def test_without_a_time_of_signing_the_date_stands_alone(policy: Policy) -> None:
    """Where no `t=` is known, the rule about it passes.

    A signature may lack it, and proof by the server has none."""
    judgement = judge(
        with_results(PASSED, craft(token_mail(), t=None)), terms=replace(TERMS, policy=policy)
    )
    assert isinstance(judgement.verdict, Capture)
    assert said(judgement, "signed-at") == Evidence(
        "signed-at", True, "no t=", "t= within a day of the Date, or none"
    )


# Requirements 5 to 9: the proof, by policy

TAGGED = genuine().replace(b"Subject: ", b"Subject: [EXTERNAL] ")
CASES = {
    "signed and said": with_results(PASSED, genuine()),
    "signed, nothing said": genuine(),
    "signed, said no": with_results(FAILED, genuine()),
    "signed, server unsure": with_results(UNSURE, genuine()),
    "body changed and said": with_results(PASSED, genuine().replace(b"Username: ", b"Username:  ")),
    "body changed, said no": with_results(FAILED, genuine().replace(b"Username: ", b"Username:  ")),
    "body changed, server unsure": with_results(
        UNSURE, genuine().replace(b"Username: ", b"Username:  ")
    ),
    "body changed, nothing said": genuine().replace(b"Username: ", b"Username:  "),
    "field changed and said": with_results(
        PASSED, genuine().replace(b"12:57:27 +0000 (GMT)", b"12:57:28 +0000 (GMT)")
    ),
    "subject tagged and said": with_results(PASSED, TAGGED),
    "subject tagged, said no": with_results(FAILED, TAGGED),
    "subject changed and said": with_results(PASSED, genuine().replace(b" token\r", b" t0ken\r")),
    "forged and said": with_results(PASSED, forged(token_mail())),
    "unsigned and said": with_results(PASSED, token_mail()),
    "unsigned, said no": with_results(FAILED, token_mail()),
    "unsigned": token_mail(),
    "signed by a stranger": craft(token_mail(), signer=Signer(rsa_pem(2048, 1), "evil.example")),
    "results of a stranger": with_results(
        PASSED.replace("mx.example.com", "mx.evil.example"), token_mail()
    ),
    "results below Received": b"Received: from x by y\r\n" + PASSED.encode() + token_mail(),
}
BAD = "refused: bad-signature"
DOUBTED = "held: bad-signature"
NONE = "refused: unsigned"
NOBODY = "refused: unauthenticated"
HELD = "held: unauthenticated"
WEAK = "held: weak-signature"
TITLE = "held: unknown-subject"
EXPECTED = {
    # case                          dkim      authentication-results  auto      both
    "signed and said":             ("stored", "stored",               "stored", "stored"),
    "signed, nothing said":        ("stored", NOBODY,                 "stored", NOBODY),
    "signed, said no":             ("stored", NOBODY,                 "stored", NOBODY),
    "signed, server unsure":       ("stored", HELD,                   "stored", HELD),
    "body changed and said":       (BAD,      "stored",               "stored", BAD),
    "body changed, said no":       (BAD,      NOBODY,                 NOBODY,   BAD),
    "body changed, server unsure": (BAD,      HELD,                   HELD,     BAD),
    "body changed, nothing said":  (BAD,      NOBODY,                 HELD,     BAD),
    "field changed and said":      (BAD,      "stored",               DOUBTED,  BAD),
    "forged and said":             (BAD,      "stored",               DOUBTED,  BAD),
    "subject tagged and said":     (BAD,      TITLE,                  TITLE,    BAD),
    "subject tagged, said no":     (BAD,      NOBODY,                 BAD,      BAD),
    "subject changed and said":    (BAD,      TITLE,                  DOUBTED,  BAD),
    "unsigned and said":           (NONE,     WEAK,                   NONE,     NONE),
    "unsigned, said no":           (NONE,     NOBODY,                 NONE,     NONE),
    "unsigned":                    (NONE,     NOBODY,                 NONE,     NONE),
    "signed by a stranger":        (NONE,     NOBODY,                 NONE,     NONE),
    "results of a stranger":       (NONE,     NOBODY,                 NONE,     NONE),
    "results below Received":      (NONE,     NOBODY,                 NONE,     NONE),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_policy_on_each_case(case: str) -> None:
    """What each policy makes of the two proofs.

    `forged and said` cannot happen: the server would have said fail."""
    policies: tuple[Policy, ...] = ("dkim", "authentication-results", "auto", "both")
    assert tuple(under(policy, CASES[case]) for policy in policies) == EXPECTED[case]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("signed and said", "stored"),
        ("body changed and said", "stored"),
        ("body changed, said no", NOBODY),
        ("body changed, server unsure", HELD),
        ("body changed, nothing said", HELD),
    ],
)
def test_auto_without_a_key(case: str, expected: str) -> None:
    """Without a key, `auto` leaves the decision to the receiving server.

    So downgrading the signature gains a forger nothing."""
    assert under("auto", CASES[case], Keys({})) == expected


def test_auto_with_a_silent_dns() -> None:
    """Under `auto` the receiving server's yes decides; anything else waits for DNS."""
    assert under("auto", CASES["signed and said"], SILENT_DNS) == "stored"
    for case in ("signed, nothing said", "signed, said no", "signed, server unsure"):
        with pytest.raises(TransientError):
            under("auto", CASES[case], SILENT_DNS)


def with_tags(raw: bytes, *, org: Org, policy: Policy = "auto") -> Judgement:
    """The judgement where `[EXTERNAL]` is a configured tag."""
    extracted = extract(mail(raw), TERMS.subjects, ("[EXTERNAL]",))
    assert isinstance(extracted, Candidate)
    terms = replace(TERMS, orgs=(org,), policy=policy)
    return Trust(terms, KEYS).judge(extracted, (ADDRESS,))


def test_a_tag_that_the_server_put_there_after_it_had_checked() -> None:
    """Under `auto` a tagged mail that the server vouches for is stored once the tag is known.

    Our own check fails for ever, so `dkim` refuses it."""
    org = Org("acme", (USERNAME,))
    raw = with_results(PASSED, TAGGED)
    assert isinstance(with_tags(raw, org=org).verdict, Capture)
    assert reason(with_tags(raw, org=org, policy="dkim")) == Reason.BAD_SIGNATURE
    assert reason(with_tags(with_results(FAILED, TAGGED), org=org)) == Reason.BAD_SIGNATURE


def test_a_tagged_sandbox_mail_is_never_productions() -> None:
    """Behind a tag, `Sandbox: ` is found all the same."""
    raw = genuine(subject="Sandbox: Your new Salesforce security token")
    tagged = with_results(PASSED, raw.replace(b"Subject: ", b"Subject: [EXTERNAL] "))
    production = Org("acme", (USERNAME,), "production")
    assert held(with_tags(tagged, org=production)) == Reason.WRONG_ENVIRONMENT
    terms = replace(TERMS, policy="auto", orgs=(production,))
    assert held(judge(tagged, terms=terms)) == Reason.UNKNOWN_SUBJECT


@pytest.mark.parametrize(
    ("raw", "saw"),
    [
        (token_mail(), "no DKIM signature"),
        (craft(token_mail(), l="10"), "l= leaves part of the body unsigned"),
        (craft(token_mail(), h="From:Date"), "h= leaves out to, subject, mime-version"),
        (craft(token_mail(), at=ISSUED - 2 * DAY), "t= is more than a day from the Date"),
        (craft(token_mail(), a="rsa-sha1"), "a= is neither rsa-sha256 nor ed25519-sha256"),
        (
            craft(token_mail(), signer=Signer(rsa_pem(2048, 1), "evil.example")),
            "signed by evil.example",
        ),
    ],
)
def test_what_a_server_passes_must_cover_what_counts(raw: bytes, saw: str) -> None:
    """The server's `dkim=pass` may be about a signature that covers less: such mail is held."""
    terms = replace(TERMS, policy="authentication-results")
    judgement = judge(with_results(PASSED, raw), terms=terms)
    assert held(judgement) == Reason.WEAK_SIGNATURE
    assert said(judgement, "signature").saw.startswith(saw)


def on_top(weak: bytes, raw: bytes) -> bytes:
    """Passed by the server, with the signature of another mail over that of this one."""
    return with_results(PASSED, weak.removesuffix(token_mail()) + raw)


@pytest.mark.parametrize("below", [0, 1, 20])
def test_every_signature_must_cover_what_counts(below: int) -> None:
    """Which one the server passed is not known: a good one beside it makes up for nothing.

    Under `auto` as well, where none can be checked."""
    bogus = genuine().removesuffix(token_mail())
    weak = craft(token_mail(), l="10")
    raw = with_results(PASSED, bogus * below + weak.removesuffix(token_mail()) + genuine())
    weak_signature = f"held: {Reason.WEAK_SIGNATURE}"
    assert under("authentication-results", raw) == weak_signature
    assert under("auto", raw, Keys({})) == weak_signature
    assert under("auto", on_top(weak, token_mail()), Keys({})) == DOUBTED
    changed = on_top(weak, TAGGED)
    assert held(with_tags(changed, org=Org("acme", (USERNAME,)))) == Reason.WEAK_SIGNATURE


def test_a_signature_that_cannot_be_read_may_be_the_one_that_was_passed() -> None:
    """Nobody knows whose signature the server took it for."""
    raw = with_results(PASSED, b"DKIM-Signature: d=salesforce.com; d=evil.example\r\n" + genuine())
    assert under("authentication-results", raw) == f"held: {Reason.WEAK_SIGNATURE}"


def test_signatures_of_others_are_no_matter() -> None:
    """Intermediaries put their own on top, and cover what they like."""
    other = craft(token_mail(), signer=Signer(rsa_pem(2048, 1), "relay.example"), l="10")
    assert under("authentication-results", on_top(other, genuine())) == "stored"


@pytest.mark.parametrize("hours", [(0, 5), (5, 0), (-5, 4), (None, 5), (5, None)])
def test_of_several_times_of_signing_the_furthest_counts(hours: tuple[int | None, ...]) -> None:
    """In whichever order they stand; one without `t=` says nothing."""

    def signed(offset: int | None) -> bytes:
        if offset is None:
            return craft(token_mail(), t=None)
        return craft(token_mail(), at=ISSUED + offset * HOUR)

    upper, lower = hours
    terms = replace(TERMS, policy="authentication-results")
    judgement = judge(on_top(signed(upper), signed(lower)), terms=terms)
    furthest = max((offset for offset in hours if offset is not None), key=abs)
    assert said(judgement, "signed-at").saw.startswith(f"t={iso(ISSUED + furthest * HOUR)}")


@pytest.mark.parametrize("policy", ["dkim", "both"])
def test_a_silent_dns_is_waited_for(policy: Policy) -> None:
    """Where the signature must be checked, a silent DNS is waited for."""
    with pytest.raises(TransientError):
        under(policy, CASES["signed and said"], SILENT_DNS)


def test_the_servers_assessment_needs_no_dns() -> None:
    """`authentication-results` asks for no key."""
    assert under("authentication-results", CASES["signed and said"], SILENT_DNS) == "stored"


def test_no_authserv_id_trusts_nobody() -> None:
    """Without authserv-ids no results are believed."""
    terms = replace(TERMS, policy="authentication-results", authserv_ids=())
    assert reason(judge(CASES["signed and said"], terms=terms)) == Reason.UNAUTHENTICATED


def test_what_proved_it_is_said() -> None:
    """The evidence of `proof` says which proof it was, for the journal."""

    def proof(policy: Policy, case: str) -> str:
        return said(judge(CASES[case], terms=replace(TERMS, policy=policy)), "proof").saw

    by_server = "authentication-results dmarc=pass, dkim=pass salesforce.com"
    assert proof("dkim", "signed and said") == "dkim salesforce.com test2026"
    assert proof("authentication-results", "signed and said") == by_server
    assert (
        proof("auto", "body changed and said") == f"the body was changed after signing; {by_server}"
    )
    assert proof("both", "signed and said") == f"dkim salesforce.com test2026; {by_server}"
    assert (
        proof("insecure-accept-unauthenticated", "unsigned")
        == "nothing: insecure-accept-unauthenticated"
    )


def test_the_insecure_policy_is_spelled_out() -> None:
    """Requirement 25: the insecure policy has no shorter name, and all other rules stay."""
    assert (
        set(POLICIES)
        == set(get_args(Policy))
        == {"dkim", "authentication-results", "auto", "both", "insecure-accept-unauthenticated"}
    )
    assert under("insecure-accept-unauthenticated", CASES["unsigned"]) == "stored"
    assert (
        under("insecure-accept-unauthenticated", token_mail(sender="evil@evil.example"))
        == "refused: wrong-sender"
    )


@pytest.mark.parametrize("policy", ["insecure", "none", "", "DKIM"])
def test_an_unknown_policy_passes_nothing(policy: str) -> None:
    """A policy that is not in the table captures nothing."""
    assert not captured(genuine(), terms=replace(TERMS, policy=policy))  # type: ignore[arg-type]


def test_dmarc_is_asked_for_the_senders_domain() -> None:
    """DMARC must pass for the domain of From, not for that of the signature."""
    terms = replace(
        TERMS, policy="authentication-results", senders=("support@emea.salesforce.com",)
    )
    raw = genuine(sender="support@emea.salesforce.com")
    assert not captured(with_results(PASSED, raw), terms=terms)
    assert captured(with_results(PASSED.replace("from=", "from=emea."), raw), terms=terms)


@pytest.mark.parametrize("folder", ["INBOX", "Junk"])
def test_inbox_and_spam_pass_the_same_gate(folder: str) -> None:
    """Requirement 11: the folder says nothing, for good or bad."""
    for raw, expected in ((genuine(), Capture), (forged(token_mail()), Refused)):
        extracted = extract(mail(raw, folder=folder), TERMS.subjects)
        assert isinstance(extracted, Candidate)
        assert isinstance(Trust(TERMS, KEYS).judge(extracted, (ADDRESS,)).verdict, expected)


@pytest.mark.parametrize(
    "extra",
    [
        "X-Spam-Status: Yes",
        "Received-SPF: fail",
        "ARC-Seal: i=1; cv=pass",
        "ARC-Authentication-Results: i=1; mx.example.com; dkim=pass",
    ],
)
def test_what_says_nothing(extra: str) -> None:
    """SPF, spam filters and ARC neither prove nor disprove."""
    raw = token_mail(extra=f"{extra}\n")
    assert under("dkim", craft(raw)) == "stored"
    assert under("dkim", raw) == NONE
    assert under("authentication-results", raw) == NOBODY


# Requirements 16 to 18: username and claim


@pytest.mark.parametrize(
    ("written", "username"),
    [
        ("integration@acme.example", "integration@acme.example"),
        ("Integration@ACME.Example", "integration@acme.example"),
        ("integration@acme.example.uat", "integration@acme.example.uat"),
        ("o'neil_a+b-c.d@x", "o'neil_a+b-c.d@x"),
        ("a" * 78 + "@b", "a" * 78 + "@b"),
    ],
)
def test_a_username_is_folded_after_its_form_was_checked(written: str, username: str) -> None:
    """Requirement 18: a valid username is lower-cased."""
    judgement = judge(genuine(written), terms=replace(TERMS, orgs=(Org("acme", (username,)),)))
    assert isinstance(judgement.verdict, Capture)
    assert (judgement.verdict.username, judgement.username) == (username, username)


@pytest.mark.parametrize(
    "username",
    [
        "integration\u212a@acme.example",
        "\uff41dmin@acme.example",
        "аdmin@acme.example",
        "a" * 79 + "@b",
        "a..b@acme.example",
        ".a@acme.example",
        "a@b@acme.example",
        "a%2f@acme.example",
        "a\\b@acme.example",
        "{username}@acme.example",
        "$(id)@acme.example",
        "a*@acme.example",
        "a?b#c@acme.example",
        "a@",
        "@a",
        "a@acme.example-",
        "a@.acme.example",
        "a,b@acme.example",
        "integration@acme.example<mailto:integration@acme.example>",
        "integration@acme.example\u200b",
        "\ufeffintegration@acme.example",
        "integration@acme.example.",
        "integration@acme.example,",
    ],
)
def test_a_username_of_no_valid_form(username: str) -> None:
    """A username that others would read as something else is held.

    The Kelvin sign lower-cases to k; paths, templates and patterns mean something elsewhere."""
    judgement = judge(
        genuine(body=token_body(username)), terms=replace(TERMS, orgs=(Org("acme", ("*",)),))
    )
    assert held(judgement) == Reason.BAD_USERNAME
    assert (judgement.username, judgement.org) == (None, None)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            token_body() + token_body("other@acme.example", "FAKE9other0NOTreal1abcXY8"),
            Reason.AMBIGUOUS_CLAIM,
        ),
        (f"{OUTRO}\nSecurity token (case-sensitive): {TOKEN}\n", Reason.UNKNOWN_LAYOUT),
        ("nothing of the kind\n", Reason.UNKNOWN_LAYOUT),
    ],
)
def test_a_claim_that_is_not_clear_is_held(body: str, expected: Reason) -> None:
    """Requirement 16: a claim that is not clear is held, in a mail that is genuine in all else."""
    judgement = judge(genuine(body=body))
    assert isinstance(judgement.verdict, Held)
    assert (judgement.verdict.reason, judgement.username) == (expected, None)


def test_an_unclear_claim_that_is_not_genuine_is_refused() -> None:
    """An unclear claim without a proof is refused: nobody needs to look at forgeries."""
    assert reason(judge(token_mail(body="nothing of the kind\n"))) == Reason.UNSIGNED


@pytest.mark.parametrize(
    ("length", "words"),
    [(24, "24 characters"), (25, "25 characters"), (20, "20 characters, unusual")],
)
def test_an_unusual_length_is_said(length: int, words: str) -> None:
    """A token of other than 24 or 25 characters is called unusual."""
    assert (
        said(judge(genuine(token=TOKEN.ljust(32, "x")[:length])), "claim").saw
        == f"one username, one token of {words}"
    )


# Requirement 15: the subject


@pytest.mark.parametrize(
    ("subject", "configured"),
    [
        ("Your new Salesforce security token", "Your new Salesforce security token"),
        ("Sandbox: Your new Salesforce security token", "Your new Salesforce security token"),
        ("Your new Salesforce\n security token", "Your new Salesforce security token"),
        ("=?utf-8?b?44OI44O844Kv44Oz?=", "トークン"),
        ("Sandbox: =?utf-8?q?Jeton_de_s=C3=A9curit=C3=A9?=", "Jeton de sécurité"),
    ],
)
def test_a_configured_subject(subject: str, configured: str) -> None:
    """A subject is compared decoded, with or without the sandbox prefix."""
    assert captured(genuine(subject=subject), terms=replace(TERMS, subjects=(configured,)))


@pytest.mark.parametrize(
    "subject",
    [
        "FW: Your new Salesforce security token",
        "[EXTERNAL] Your new Salesforce security token",
        "Your new Salesforce security token!",
        "your new Salesforce security token",
        "Sandbox: Sandbox: Your new Salesforce security token",
        "sandbox: Your new Salesforce security token",
        "Your new Salesforce security tоken",
        "Something else",
    ],
)
def test_another_subject_is_held(subject: str) -> None:
    """A genuine mail under another subject is held, so that a person may add it."""
    raw = genuine(
        subject=subject
        if subject.isascii()
        else "=?utf-8?q?Your_new_Salesforce_security_t=D0=BEken?="
    )
    judgement = judge(raw)
    assert isinstance(judgement.verdict, Held)
    assert judgement.verdict.reason == Reason.UNKNOWN_SUBJECT
    assert judgement.verdict.saw.isascii()


# Requirements 19 and 20: org and path


def test_a_username_that_no_org_names_is_held() -> None:
    """Requirement 19: a username that no org names is held.

    Anyone can have Salesforce send us a real token mail."""
    judgement = judge(genuine("stranger@else.example"))
    assert judgement.verdict == Held(Reason.UNKNOWN_USER, "no org names stranger@else.example")
    assert (judgement.username, judgement.org) == ("stranger@else.example", None)


def test_a_pinned_org_needs_its_id() -> None:
    """Requirement 19: a pinned org stores no mail without its id.

    A stranger's sandbox may carry our production username."""
    pinned = replace(TERMS, orgs=(Org("acme", (USERNAME,), org_id="00D0X0000000AbC"),))
    assert captured(genuine(), terms=pinned)
    assert reason(judge(genuine(extra=""), terms=pinned)) == Reason.WRONG_ORG
    assert (
        reason(judge(genuine(extra="X-SFDC-LK: 00D8d000003TRx3\n"), terms=pinned))
        == Reason.WRONG_ORG
    )


ENCODED = token_body().replace("@", "=40").replace("?id=", "?id=3D")
COVERED = "Date:From:To:Subject:MIME-Version:Content-Type"


@pytest.mark.parametrize("policy", ["dkim", "authentication-results", "auto", "both"])
def test_an_unsigned_transfer_encoding_makes_no_claim(policy: Policy) -> None:
    """Requirement 17: what was signed as it stands is not read in another way."""
    raw = craft(token_mail(body=ENCODED))
    field = b"\r\nContent-Transfer-Encoding: quoted-printable"
    relabelled = PASSED.encode() + raw.replace(b"\r\nX-Priority", field + b"\r\nX-Priority")
    judged = judge(relabelled, terms=replace(TERMS, policy=policy))
    saw = "a claim that only an unsigned Content-Transfer-Encoding makes"
    assert judged.verdict == Held(Reason.AMBIGUOUS_CLAIM, saw)


def test_a_signed_transfer_encoding_is_obeyed() -> None:
    """The signature that proved the mail covers the field: its sender wants the body decoded."""
    encoded = token_mail(body=ENCODED, extra="Content-Transfer-Encoding: quoted-printable\n")
    assert captured(craft(encoded, h=f"{COVERED}:Content-Transfer-Encoding"))
    assert reason(judge(craft(encoded, h=COVERED))) == Reason.AMBIGUOUS_CLAIM


class Remembered:
    """What is remembered of orgs, in a test's hands."""

    def __init__(self, **org_ids: str) -> None:
        self.org_ids = org_ids

    def known(self, org: str) -> str | None:
        return self.org_ids.get(org)

    def keep(self, org: str, org_id: str) -> str:
        return self.org_ids.setdefault(org, org_id)


FIRST = "00D0X0000000AbC"
TENANT = "Return-Path: <support=salesforce.com__0-1@x.{}.um8.bnc.salesforce.com>\r\n"


@pytest.mark.parametrize(
    ("extra", "envelope", "sender"),
    [
        ("X-SFDC-LK: 00D8d000003TRx3\n", "", "00D8d000003TRx3"),
        ("X-SFDC-LK: 00D8d000003TRx3EAG\n", "", "00D8d000003TRx3"),
        ("", "8d-3trx3eag", "00D8d000003TRx3"),
        ("", "", "no org id"),
        (f"X-SFDC-LK: {FIRST}\n", "8d-3trx3eag", "org ids that contradict each other"),
    ],
)
def test_an_org_keeps_the_id_of_its_first_mail(extra: str, envelope: str, sender: str) -> None:
    """Requirement 19: without an `org_id` a mail of another org than the first one's is held.

    So is one that reveals nothing where the first one did, or too much."""
    raw = genuine(extra=extra)
    if envelope:
        raw = TENANT.format(envelope).encode() + raw
    judged = Trust(TERMS, KEYS, Remembered(acme=FIRST)).judge(candidate(raw), (ADDRESS,))
    saw = f"{sender} in a mail for acme, whose first one came from {FIRST}"
    assert judged.verdict == Held(Reason.WRONG_ORG, saw)


@pytest.mark.parametrize("kept", [{}, {"acme": FIRST}, {"other": "00D8d000003TRx3"}])
def test_a_capture_says_which_org_sent_it(kept: dict[str, str]) -> None:
    """The first id of an org, and the same one again, go along with the token."""
    judged = Trust(TERMS, KEYS, Remembered(**kept)).judge(candidate(genuine()), (ADDRESS,))
    assert isinstance(judged.verdict, Capture)
    assert judged.verdict.org_id == FIRST


def test_a_configured_id_stands_above_the_remembered_one() -> None:
    """Whoever sets `org_id` decides, and nothing is to be remembered."""
    pinned = replace(TERMS, orgs=(Org("acme", (USERNAME,), org_id=FIRST),))
    remembered = Remembered(acme="00D8d000003TRx3")
    judged = Trust(pinned, KEYS, remembered).judge(candidate(genuine()), (ADDRESS,))
    assert isinstance(judged.verdict, Capture)
    assert judged.verdict.org_id is None


@pytest.mark.parametrize(
    "path",
    [
        "x/{org}/../{username}",
        "x//{username}",
        "/{username}",
        "x/%2e/{username}",
        "x/{other}/{username}",
        ".",
    ],
)
def test_a_path_that_is_not_plain_is_held(path: str) -> None:
    """Requirement 20: nothing is written to a path that is not plain, whatever is configured."""
    judgement = judge(genuine(), terms=replace(TERMS, path=path))
    assert held(judgement) == Reason.BAD_USERNAME


def test_the_path_holds_what_the_mail_may_choose_and_no_more() -> None:
    """The path has the org of the configuration and the username in lower case."""
    verdict = judge(
        genuine("Integration@Acme.Example"), terms=replace(TERMS, path="a/{username}/b/{org}/{org}")
    ).verdict
    assert isinstance(verdict, Capture)
    assert verdict.path == "a/integration@acme.example/b/acme/acme"


# Requirement 23: what leaves the module


@pytest.mark.parametrize(
    "raw",
    [
        genuine(subject=f"Your new Salesforce security token {TOKEN}"),
        genuine(sender=f'"{TOKEN}" <evil@evil.example>'),
        genuine(to=f"{TOKEN}@example.com"),
        genuine(body=f"Username: a@b{TOKEN}\nSecurity token: {TOKEN}\n"),
        genuine(),
    ],
)
def test_the_token_is_in_no_evidence(raw: bytes) -> None:
    """The token is in no evidence, wherever it stands in the mail."""
    judgement = judge(raw, terms=replace(TERMS, orgs=()))
    assert isinstance(judgement.verdict, Refused | Held)
    assert TOKEN not in repr((judgement.evidence, judgement.verdict))


def test_mail_text_leaves_escaped_and_cut_short() -> None:
    """Nothing of a mail can draw on a terminal or fill a record."""
    encoded = "=?utf-8?b?4oCuG1szMW0=?=" + " x" * 300
    judgement = judge(genuine(subject=encoded))
    assert all(
        line.saw.isascii() and line.saw.isprintable() and len(line.saw) <= 200 for line in judgement
    )
    assert all(line.wanted.isascii() and len(line.wanted) <= 200 for line in judgement)


# The table of docs/trust.md


def test_every_requirement_names_tests_that_exist() -> None:
    """docs/trust.md names tests that exist for all 25 requirements, in their order."""
    root = Path(__file__).parents[3]
    rows = re.findall(
        r"^\| (\d+) \|.*\|(.*)\|$", (root / "docs" / "trust.md").read_text("utf-8"), re.MULTILINE
    )
    assert [int(number) for number, _ in rows] == list(range(1, 26))
    for number, named in rows:
        tests = re.findall(r"`([\w/.]+)::(\w+)`", named)
        assert tests, number
        for file, test in tests:
            assert f"def {test}(" in (root / file).read_text("utf-8"), f"{number}: {file}::{test}"
