"""`explain`: what a mail is and why, for machines and for people;
and the containers it reads mail from."""

from __future__ import annotations

import mailbox as containers
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest

from tests.kit.mails import (
    ADDRESS,
    ISSUED,
    TOKEN,
    USERNAME,
    Keys,
    genuine_keys,
    genuine_signer,
    mail,
    token_mail,
)
from tests.kit.signing import craft
from token_catcher.commands.advice import ADVICE, IF_GENUINE, next_step
from token_catcher.commands.explain import explain
from token_catcher.commands.explanation import Explanation
from token_catcher.commands.mailfiles import as_mail, read
from token_catcher.errors import ConfigurationError
from token_catcher.model import MAX_MAIL_BYTES, Evidence, Mail, MailRef, Reason, Token
from token_catcher.pipeline import Judge
from token_catcher.proof.routing import Org
from token_catcher.proof.trust import RULES, Terms, Trust

TERMS = Terms((Org("acme", (USERNAME,)),), "salesforce/{org}/{username}")
GENUINE = craft(token_mail())
FINGERPRINT = Token(TOKEN).fingerprint


def explained(
    raw: bytes, *, terms: Terms = TERMS, keys: Keys | None = None, trust_date: bool = False
) -> Explanation:
    judge = Judge(Trust(terms, keys or genuine_keys()), terms.subjects)
    return explain("a.eml", mail(raw), judge, (ADDRESS,), trust_date=trust_date)


# For machines


def test_the_contract_for_machines() -> None:
    """Nine fields, in this order, whatever the outcome."""
    found = explained(GENUINE).as_json()
    rules = found.pop("rules")
    assert list(found.items()) == [
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
    assert rules[3] == {
        "rule": "proof",
        "passed": True,
        "saw": "dkim salesforce.com test2026",
        "wanted": "a DKIM signature of salesforce.com",
    }


def test_a_refused_mail() -> None:
    """What it claims is said, where it would have gone is not."""
    found = explained(token_mail())
    assert found == Explanation(
        "a.eml",
        "refused",
        "unsigned",
        USERNAME,
        "acme",
        None,
        "2026-02-03T12:57:27Z",
        FINGERPRINT,
        found.rules,
        "no DKIM signature",
        25,
    )
    assert [rule.rule for rule in found.rules if not rule.passed] == ["proof"]
    assert found.advice == IF_GENUINE[Reason.UNSIGNED]


def test_a_held_mail() -> None:
    """With the advice that a person needs."""
    found = explained(GENUINE, terms=replace(TERMS, orgs=()))
    assert (found.outcome, found.reason, found.username, found.org, found.path) == (
        "held",
        "unknown-user",
        USERNAME,
        None,
        None,
    )
    assert found.advice == ADVICE[Reason.UNKNOWN_USER]


def test_a_mail_that_waits_for_dns() -> None:
    """`retry`, with the code of the trouble; a good mail needs no advice."""
    found = explained(GENUINE, keys=Keys({genuine_signer().name: None}))
    assert (found.outcome, found.reason, found.rules) == ("retry", "transient", ())
    assert (found.advice, explained(GENUINE).advice) == (None, None)
    assert Explanation("a.eml", "retry", "dns").advice == next_step("dns")


def test_another_mail_is_ignored() -> None:
    """With a line that says why."""
    found = explained(token_mail(subject="Hello", body="Good morning\n"))
    line = Evidence("claim", False, "no username and token, and another subject", "a token mail")
    assert found == Explanation("a.eml", "ignored", rules=(line,))


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
        (
            GENUINE.replace(b"Date: Tue, 03", b"Date: Tue, 99"),
            "bad-date",
            ("extract", "a Date that is not in the form of RFC 5322 with a zone"),
        ),
    ],
)
def test_a_mail_that_never_came_before_the_rules(
    raw: bytes, reason: str, line: tuple[str, str]
) -> None:
    """One line, of the gate that refused it."""
    found = explained(raw)
    assert (found.outcome, found.reason) == ("refused", reason)
    assert [(rule.rule, rule.saw, rule.passed) for rule in found.rules] == [(*line, False)]
    assert found.rules[0].wanted


def test_the_token_is_in_no_explanation() -> None:
    """Only its length and its fingerprint."""
    for raw in (GENUINE, token_mail(), craft(token_mail(subject=f"New {TOKEN}"))):
        found = explained(raw)
        assert TOKEN not in repr(found) + repr(found.as_json())
        assert (found.fingerprint, found.token_length) == (FINGERPRINT, 25)


def test_the_date_may_stand_for_the_arrival() -> None:
    """For mail from files, whose arrival nobody recorded."""
    epoch = as_mail("a.eml", GENUINE, None, "integrations")
    judge = Judge(Trust(TERMS, genuine_keys()), TERMS.subjects)
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
        Reason.UNAUTHENTICATED,
        Reason.UNKNOWN_AGE,
    }
    assert set(ADVICE) == held


def test_the_next_step_of_an_error() -> None:
    """The longest known beginning of its code."""
    assert next_step("imap-login-throttled") == next_step("imap-login") != next_step("imap")
    assert next_step("dnssec") is None


# Where mail is read from


def found_in(path: Path | str, standard_input: bytes = b"") -> list[tuple[str, bytes]]:
    return list(read(str(path), BytesIO(standard_input)))


@pytest.mark.parametrize("content", [GENUINE, GENUINE.replace(b"\r\n", b"\n")])
def test_a_file(tmp_path: Path, content: bytes) -> None:
    """With the line ends of the wire, or saved with those of Unix."""
    file = tmp_path / "a.eml"
    file.write_bytes(content)
    assert found_in(file) == [(str(file), GENUINE)]


def test_mixed_line_ends_stay_as_they_are(tmp_path: Path) -> None:
    """They were mixed on the wire, and the gate refuses them."""
    file = tmp_path / "a.eml"
    mixed = GENUINE.replace(b"\r\n", b"\n", 1)
    file.write_bytes(mixed)
    assert found_in(file) == [(str(file), mixed)]


def test_standard_input() -> None:
    """One mail, whatever its line ends, with or without the line that mbox writes above it."""
    assert found_in("-", GENUINE) == [("-", GENUINE)]
    assert found_in("-", GENUINE.replace(b"\r\n", b"\n")) == [("-", GENUINE)]
    assert found_in(
        "-", b"From support Tue Feb  3 12:57:27 2026\n" + GENUINE.replace(b"\r\n", b"\n")
    ) == [("-", GENUINE)]


@pytest.mark.parametrize("size", [MAX_MAIL_BYTES - 1, MAX_MAIL_BYTES + 9, 3 * MAX_MAIL_BYTES])
@pytest.mark.parametrize("filling", [b"x", b"\n", b"\r\n"])
def test_no_more_is_read_than_is_judged(tmp_path: Path, size: int, filling: bytes) -> None:
    """One byte more shows that there was more."""
    content = (b"x" + filling * size)[:size]
    file = tmp_path / "a.eml"
    file.write_bytes(content)
    for _, raw in (*found_in(file), *found_in("-", content)):
        assert len(raw) <= MAX_MAIL_BYTES + 1
        assert (len(raw) > MAX_MAIL_BYTES) == (size > MAX_MAIL_BYTES or filling == b"\n")


@pytest.mark.parametrize(
    "above", [b"From attacker at evil.example\r\n", b"From a@b.c Tue Feb  3 12:57:27 2026\r\n"]
)
def test_an_eml_file_is_one_mail(tmp_path: Path, above: bytes) -> None:
    """What stands above the header belongs to it, and breaks it: as `scan` would see it."""
    file = tmp_path / "mail.eml"
    file.write_bytes(above + GENUINE)
    assert found_in(file) == [(str(file), above + GENUINE)]


def test_an_mbox(tmp_path: Path) -> None:
    """Its mails one by one, numbered; the file is not changed."""
    file = tmp_path / "mbox"
    box = containers.mbox(file)
    for raw in (GENUINE, token_mail()):
        box.add(raw.replace(b"\r\n", b"\n"))
    box.close()
    before = file.read_bytes()
    assert found_in(file) == [(f"{file}#1", GENUINE), (f"{file}#2", token_mail())]
    assert file.read_bytes() == before


def test_an_mbox_that_may_not_be_written(tmp_path: Path) -> None:
    """Reading is enough."""
    file = tmp_path / "mbox"
    file.write_bytes(b"From x Tue Feb  3 12:57:27 2026\n" + GENUINE.replace(b"\r\n", b"\n"))
    file.chmod(0o400)
    assert found_in(file) == [(f"{file}#1", GENUINE)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_large_mail_in_an_mbox(tmp_path: Path, end: bytes) -> None:
    """It is cut, and its neighbour is read."""
    file = tmp_path / "mbox"
    line = b"From x Tue Feb  3 12:57:27 2026\n"
    file.write_bytes(line + (b"x" + end) * MAX_MAIL_BYTES + b"\n" + line + b"A: b\n\nc\n")
    assert [len(raw) for _, raw in found_in(file)] == [MAX_MAIL_BYTES + 1, 11]


def test_a_maildir(tmp_path: Path) -> None:
    """New and seen mail, by name; nothing is moved."""
    for name in ("new/b", "cur/a:2,S", "tmp/c"):
        file = tmp_path / name
        file.parent.mkdir()
        file.write_bytes(GENUINE)
    assert found_in(tmp_path) == [
        (str(tmp_path / name), GENUINE) for name in ("cur/a:2,S", "new/b")
    ]
    assert (tmp_path / "new/b").exists()


def test_another_folder_is_a_usage_error(tmp_path: Path) -> None:
    """It says what was got and what is expected."""
    with pytest.raises(
        ConfigurationError,
        match="got a folder without new/ and cur/, expected a mail file, an mbox or a Maildir",
    ):
        found_in(tmp_path)


@pytest.mark.parametrize("name", ["missing.eml", "a.eml/b"])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    """One clear message."""
    (tmp_path / "a.eml").write_bytes(GENUINE)
    with pytest.raises(
        ConfigurationError, match=r"cannot be read: (No such file or directory|Not a directory)"
    ) as raised:
        found_in(tmp_path / name)
    assert next_step(raised.value.code) is None
