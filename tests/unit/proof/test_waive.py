"""Rules that a person sets aside for a mail: which they can be, and what holds all the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import combinations

import pytest

from tests.kit.mails import (
    ADDRESS,
    ISSUED,
    TOKEN,
    USERNAME,
    Signer,
    genuine_keys,
    mail,
    rsa_pem,
    token_mail,
)
from tests.kit.signing import craft
from token_catcher.model import Candidate, Capture, Held, Judgement, Mail, Reason, Refused
from token_catcher.proof import WAIVABLE, Org, Terms, Trust
from token_catcher.proof.case import Policy
from token_catcher.proof.trust import RULES
from token_catcher.reading import extract

TERMS = Terms((Org("acme", (USERNAME,)),), "salesforce/{org}/{username}")
FORGER = Signer(rsa_pem(2048, 1))
ODD = {
    "sender": mail(craft(token_mail(sender="no-reply@salesforce.com"))),
    "recipient": mail(craft(token_mail(to="somebody.else@example.com"))),
    "date": mail(craft(token_mail()), received_at=ISSUED + timedelta(days=30)),
    "signed-at": mail(craft(token_mail(), at=ISSUED + timedelta(days=2))),
    "subject": mail(craft(token_mail(subject="Hello"))),
}
"""Genuine mail that fails one rule each."""


def judge(received: Mail, waive: frozenset[str] = WAIVABLE) -> Judgement:
    """Under the default policy."""
    candidate = extract(received, TERMS.subjects)
    assert isinstance(candidate, Candidate)
    return Trust(TERMS, genuine_keys()).judge(candidate, [ADDRESS], waive=waive)


@pytest.mark.parametrize("rule", ODD)
def test_a_rule_that_is_waived_does_not_decide(rule: str) -> None:
    """It is looked at, fails, and is shown as waived; every other rule has passed."""
    judgement = judge(ODD[rule])
    assert isinstance(judgement.verdict, Capture)
    assert judgement.waived == (rule,)
    assert [line.rule for line in judgement] == [known.name for known in RULES]
    assert [line.rule for line in judgement if not line.passed] == [rule]


@pytest.mark.parametrize("rule", ODD)
def test_only_the_rule_that_is_named_is_waived(rule: str) -> None:
    """With all the others set aside, it still decides."""
    judgement = judge(ODD[rule], WAIVABLE - {rule})
    assert not isinstance(judgement.verdict, Capture)
    assert judgement.waived == ()


def test_a_rule_that_passes_is_not_waived() -> None:
    """Nothing was set aside for a mail that needs nothing."""
    judgement = judge(mail(craft(token_mail())))
    assert isinstance(judgement.verdict, Capture)
    assert judgement.waived == ()


def test_several_rules_can_be_waived_for_one_mail() -> None:
    """A mail to a former address, out of a quarantine."""
    late = mail(craft(token_mail(to="former@example.com")), received_at=ISSUED + timedelta(days=30))
    judgement = judge(late)
    assert isinstance(judgement.verdict, Capture)
    assert judgement.waived == ("recipient", "date")


@pytest.mark.parametrize(
    "received",
    [
        mail(token_mail(subject="Hello")),
        mail(craft(token_mail(subject="Hello"), signer=FORGER)),
        mail(craft(token_mail(subject="Hello")).replace(TOKEN[:9].encode(), b"FAKE6toke")),
    ],
    ids=["unsigned", "signed by another", "changed"],
)
def test_proof_is_never_waived(received: Mail) -> None:
    """What nothing proves is refused, whatever a person says."""
    assert isinstance(judge(received).verdict, Refused)


@pytest.mark.parametrize(
    "raw",
    [
        token_mail("stranger@elsewhere.example"),
        token_mail(body="Username: a@acme.example\nSecurity token (case-sensitive): no token\n"),
        token_mail(sender="support@elsewhere.example"),
    ],
    ids=["user", "claim", "From of a domain that is nobody's"],
)
def test_whose_token_it_is_is_never_waived(raw: bytes) -> None:
    """User, org, path and claim hold as for every mail."""
    assert isinstance(judge(mail(craft(raw))).verdict, Refused | Held)


@pytest.mark.parametrize("prefix", ["[EXTERNAL] Sandbox: ", "[EXT] sandbox: ", "Sandbox : "])
def test_a_sandbox_behind_a_tag_is_never_waived(prefix: str) -> None:
    """Its token would replace production's: the tag has to be configured."""
    tagged = token_mail(subject=f"{prefix}Your new Salesforce security token")
    judgement = judge(mail(craft(tagged)))
    assert isinstance(judgement.verdict, Held)
    assert (judgement.verdict.reason, judgement.waived) == (Reason.UNKNOWN_SUBJECT, ())


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (
            token_mail(sender="=?utf-8?q?Salesforce?= <support@salesforce.com>"),
            Reason.UNKNOWN_SENDER,
        ),
        (token_mail().replace(b"+0000 (GMT)", b"PST"), Reason.BAD_DATE),
    ],
    ids=["a name that hides the sender", "a Date that some read otherwise"],
)
def test_what_not_everybody_reads_alike_is_never_waived(raw: bytes, reason: Reason) -> None:
    """Nobody can tell what such a From shows, or whether such a token is the newest."""
    judgement = judge(mail(craft(raw)))
    assert isinstance(judgement.verdict, Held)
    assert (judgement.verdict.reason, judgement.waived) == (reason, ())


@pytest.mark.parametrize("policy", ["authentication-results", "auto"])
@pytest.mark.parametrize(
    ("subject", "taken"),
    [
        ("[Suspected spam]", False),
        ("Hello", False),
        ("[EXTERNAL] Your new Salesforce security token", True),
    ],
)
def test_a_subject_that_was_replaced_is_never_waived(
    policy: Policy, subject: str, taken: bool
) -> None:
    """Where the server is believed: it may have checked the subject of a sandbox.

    Where the known one still stands in it, a person can take the mail."""
    sent = craft(token_mail(subject="Sandbox: Your new Salesforce security token"))
    changed = sent.replace(b"Sandbox: Your new Salesforce security token", subject.encode())
    results = (
        b"Authentication-Results: mx.example.com; dmarc=pass header.from=salesforce.com;"
        b" dkim=pass header.d=salesforce.com\r\nReceived: from x by mx.example.com\r\n"
    )
    # Without a body of its own the signature is beyond our check, and `auto` asks the server.
    candidate = extract(mail(results + changed + b"scanned\r\n"), TERMS.subjects)
    assert isinstance(candidate, Candidate)
    terms = replace(TERMS, policy=policy, authserv_ids=("mx.example.com",))
    judgement = Trust(terms, genuine_keys()).judge(candidate, [ADDRESS], waive=WAIVABLE)
    assert isinstance(judgement.verdict, Capture) == taken
    if not taken:
        assert isinstance(judgement.verdict, Held)
        assert judgement.verdict.reason == Reason.UNKNOWN_SUBJECT


def test_other_rules_cannot_even_be_named() -> None:
    """A mistake of ours is an error at once, and never a mail that is believed."""
    fixed = [rule.name for rule in RULES if rule.name not in WAIVABLE]
    assert {"proof", "username", "claim", "org", "path"} <= set(fixed)
    for names in [*combinations(fixed, 1), ("subject", "proof"), ("no such rule",)]:
        with pytest.raises(ValueError, match="never set aside"):
            judge(ODD["subject"], frozenset(names))
