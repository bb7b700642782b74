"""`explain`: what a mail is and why, for machines and for people;
and the containers it reads mail from."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.kit.mails import (
    ADDRESS,
    ISSUED,
    TOKEN,
    USERNAME,
    Keys,
    genuine_signer,
    mail,
    token_body,
    token_mail,
)
from tests.kit.rig import TERMS, judge_under
from tests.kit.signing import craft
from token_catcher.advice import ADVICE, IF_GENUINE, next_step
from token_catcher.commands.explain import explain
from token_catcher.commands.explanation import Explanation
from token_catcher.commands.mailfiles import as_mail
from token_catcher.model import MAX_MAIL_BYTES, Evidence, Mail, MailRef, Reason, Token
from token_catcher.proof.case import Terms
from token_catcher.proof.trust import RULES

GENUINE = craft(token_mail())
FINGERPRINT = Token(TOKEN).fingerprint


def explained(
    raw: bytes, *, terms: Terms = TERMS, keys: Keys | None = None, trust_date: bool = False
) -> Explanation:
    judge = judge_under(terms, keys)
    return explain("a.eml", mail(raw), judge, (ADDRESS,), trust_date=trust_date)


# For machines


def test_the_contract_for_machines() -> None:
    """Nine fields, in this order, whatever the outcome."""
    explanation = explained(GENUINE).as_json()
    rules = explanation.pop("rules")
    assert list(explanation.items()) == [
        ("file", "a.eml"),
        ("outcome", "would-store"),
        ("reason", None),
        ("username", USERNAME),
        ("org", "acme"),
        ("path", "salesforce/acme/integration@acme.example"),
        ("issued_at", "2026-02-03T12:57:27Z"),
        ("fingerprint", FINGERPRINT),
    ]
    assert [(rule["rule"], rule["passed"]) for rule in rules] == [
        (rule.name, True) for rule in RULES
    ]
    assert rules[1] == {
        "rule": "proof",
        "passed": True,
        "saw": "dkim salesforce.com test2026",
        "wanted": "a DKIM signature of salesforce.com",
    }


def test_a_refused_mail() -> None:
    """What it claims is said, where it would have gone is not."""
    explanation = explained(token_mail())
    assert explanation == Explanation(
        "a.eml",
        "refused",
        "unsigned",
        USERNAME,
        "acme",
        None,
        "2026-02-03T12:57:27Z",
        FINGERPRINT,
        explanation.rules,
        "no DKIM signature",
        25,
    )
    assert [rule.rule for rule in explanation.rules if not rule.passed] == ["proof"]
    assert explanation.advice == IF_GENUINE[Reason.UNSIGNED]


def test_a_held_mail() -> None:
    """With the advice that a person needs."""
    explanation = explained(GENUINE, terms=replace(TERMS, orgs=()))
    assert (
        explanation.outcome,
        explanation.reason,
        explanation.username,
        explanation.org,
        explanation.path,
    ) == (
        "held",
        "unknown-user",
        USERNAME,
        None,
        None,
    )
    assert explanation.advice == ADVICE[Reason.UNKNOWN_USER]


def test_a_mail_that_waits_for_dns() -> None:
    """`retry`, with the code of the trouble; a good mail needs no advice."""
    explanation = explained(GENUINE, keys=Keys({genuine_signer().name: None}))
    assert (explanation.outcome, explanation.reason, explanation.rules) == (
        "retry",
        "transient",
        (),
    )
    assert (explanation.advice, explained(GENUINE).advice) == (None, None)
    assert Explanation("a.eml", "retry", "dns").advice == next_step("dns")


def test_another_mail_is_ignored() -> None:
    """With a line that says why."""
    explanation = explained(token_mail(subject="Hello", body="Good morning\n"))
    line = Evidence("claim", False, "no username and token, and another subject", "a token mail")
    assert explanation == Explanation("a.eml", "ignored", rules=(line,))


# Python refuses to read a number of 6,000 digits, even in HTML.
PAGE = token_body().replace("\n", "<br>\n") + f"&#{'9' * 6000};"
UNREADABLE = token_mail(
    content_type="text/html; charset=UTF-8",
    body=base64.encodebytes(PAGE.encode()).decode(),
    extra="Content-Transfer-Encoding: base64\n",
)


@pytest.mark.parametrize(
    ("raw", "reason", "line"),
    [
        (b"\r" + GENUINE, "malformed", ("wire", "CR without LF")),
        (GENUINE.replace(b"\r\nTo: ", b"\r\nX-To: "), "missing-header", ("wire", "no field To")),
        (b"Subject: x\r\n" + GENUINE, "duplicate-header", ("wire", "2 fields Subject")),
        (
            GENUINE + b"x" * MAX_MAIL_BYTES,
            "oversized",
            ("wire", f"more than {MAX_MAIL_BYTES} bytes"),
        ),
        (UNREADABLE, "unreadable", ("extract", "ValueError")),
    ],
)
def test_a_mail_that_never_came_before_the_rules(
    raw: bytes, reason: str, line: tuple[str, str]
) -> None:
    """One line, of the gate that refused it."""
    explanation = explained(raw)
    assert (explanation.outcome, explanation.reason) == ("refused", reason)
    assert [(rule.rule, rule.saw, rule.passed) for rule in explanation.rules] == [(*line, False)]
    assert explanation.rules[0].wanted


def test_a_date_that_cannot_stand_for_the_arrival() -> None:
    """A Date that not everybody reads alike is told by its rule, with advice and without a time."""
    undated = craft(token_mail().replace(b"+0000 (GMT)", b"PST"))
    epoch = as_mail("a.eml", undated, None, "integrations")
    explanation = explain("a.eml", epoch, judge_under(), (ADDRESS,), trust_date=True)
    assert (explanation.outcome, explanation.reason) == ("held", "bad-date")
    assert (explanation.issued_at, explanation.advice) == (None, ADVICE[Reason.BAD_DATE])


def test_the_token_is_in_no_explanation() -> None:
    """Only its length and its fingerprint."""
    for raw in (GENUINE, token_mail(), craft(token_mail(subject=f"New {TOKEN}"))):
        explanation = explained(raw)
        assert TOKEN not in repr(explanation) + repr(explanation.as_json())
        assert (explanation.fingerprint, explanation.token_length) == (FINGERPRINT, 25)


def test_the_date_may_stand_for_the_arrival() -> None:
    """For mail from files, whose arrival nobody recorded."""
    epoch = as_mail("a.eml", GENUINE, None, "integrations")
    judge = judge_under()
    assert explain("a.eml", epoch, judge, (ADDRESS,)).reason == "date-out-of-bounds"
    assert explain("a.eml", epoch, judge, (ADDRESS,), trust_date=True).outcome == "would-store"
    later = as_mail("a.eml", GENUINE, ISSUED + timedelta(days=2), "integrations")
    assert later == Mail(
        MailRef("integrations", "a.eml", 0, 0), ISSUED + timedelta(days=2), GENUINE
    )
    assert explain("a.eml", later, judge, (ADDRESS,)).reason == "date-out-of-bounds"


def test_every_reason_of_a_held_mail_has_advice() -> None:
    """Nobody is left without a next step."""
    held = {
        Reason.UNKNOWN_SENDER,
        Reason.WEAK_SIGNATURE,
        Reason.WRONG_RECIPIENT,
        Reason.DATE_OUT_OF_BOUNDS,
        Reason.BAD_DATE,
        Reason.BAD_SIGNATURE,
        Reason.BAD_USERNAME,
        Reason.UNREADABLE,
        Reason.UNKNOWN_SUBJECT,
        Reason.UNKNOWN_LAYOUT,
        Reason.AMBIGUOUS_CLAIM,
        Reason.UNEXPECTED_PART,
        Reason.UNKNOWN_USER,
        Reason.AMBIGUOUS_ORG,
        Reason.WRONG_ORG,
        Reason.WRONG_ENVIRONMENT,
        Reason.SECRET_DELETED,
        Reason.SAME_DATE,
        Reason.CLOCKS_DISAGREE,
        Reason.UNAUTHENTICATED,
        Reason.UNKNOWN_AGE,
        Reason.NO_KEY,
    }
    assert set(ADVICE) == held


def test_the_next_step_of_an_error() -> None:
    """The longest known beginning of its code."""
    assert next_step("imap-login-throttled") == next_step("imap-login") != next_step("imap")
    assert next_step("dnssec") is None


def test_a_next_step_names_the_mailbox() -> None:
    """As it can be typed."""
    sign_in = "sign in: `token-catcher login --mailbox {}` (TC340)"
    assert next_step("oauth-sign-in") == sign_in.format("NAME")
    assert next_step("oauth-sign-in", "integrations") == sign_in.format("integrations")
    assert next_step("oauth-sign-in", "a b") == sign_in.format("'a b'")
    assert next_step("dnssec", "integrations") is None
