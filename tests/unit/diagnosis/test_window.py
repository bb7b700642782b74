"""A trial look at mail: how it would end, what became of it on its way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.kit import mails
from tests.kit.fakes import FakeAccount, FakeMailbox
from tests.kit.rig import BEGIN, TERMS, judge_under
from token_catcher.diagnosis.step import Step
from token_catcher.diagnosis.window import Look, WayTerms, Window, window_steps
from token_catcher.lookup import Lookup
from token_catcher.proof import Policy, Zone

HORIZON = BEGIN - timedelta(days=14)
OURS = "mx.example.com"
PASS = "dmarc=pass header.from=salesforce.com; dkim=pass header.d=salesforce.com"
RECEIVED = "Received: from a by b; Tue, 3 Feb 2026 12:57:27 +0000\r\n"


def terms(
    policy: Policy = "dkim", ids: tuple[str, ...] = (), zone: Zone = "above-first-received"
) -> WayTerms:
    return WayTerms(policy, ("salesforce.com",), ids, zone)


def genuine(user: str = mails.USERNAME, *, top: str = "", minutes: int = 0, **fields: str) -> bytes:
    """A token mail of this user, with what servers put on top of it."""
    issued_at = BEGIN - timedelta(hours=1) + timedelta(minutes=minutes)
    return top.encode() + mails.genuine(user, issued_at=issued_at, **fields)


def results(server: str = OURS) -> str:
    """A field that vouches for the mail."""
    return f"Authentication-Results: {server}; {PASS}\r\n"


def looked(
    raws: Iterable[bytes],
    wanted: WayTerms | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Window:
    """What is seen of these mails."""
    wanted = wanted or terms()
    account = FakeAccount(now=lambda: BEGIN)
    for raw in raws:
        account.append(raw)
    judge = judge_under(
        replace(
            TERMS,
            policy=wanted.policy,
            authserv_ids=wanted.authserv_ids,
            authserv_zone=wanted.authserv_zone,
        )
    )
    look = Look(judge, [mails.ADDRESS], wanted, monotonic=monotonic)
    return look.over(Lookup(FakeMailbox(account), ["salesforce.com"]), HORIZON)


def told(steps: Iterable[Step], step: str) -> list[tuple[str, str, str]]:
    """Outcome, code and what was seen of this step."""
    return [(told.outcome, told.code, told.saw) for told in steps if told.step == step]


def steps_of(raws: Iterable[bytes], wanted: WayTerms | None = None) -> list[Step]:
    return list(window_steps("integrations", looked(raws, wanted), wanted or terms(), 14))


# -- how it would end --


def test_an_empty_window() -> None:
    """Nothing is known, and nothing is wrong."""
    assert [(step.step, step.outcome) for step in steps_of([])] == [
        ("mail", "ok"),
        ("body", "skipped"),
        ("assessment", "skipped"),
    ]


def test_mail_of_the_senders_that_is_no_token_mail() -> None:
    """It is counted, and teaches what becomes of mail on its way."""
    news = mails.sign(mails.token_mail(subject="News", body="Nothing.\r\n", issued_at=BEGIN))
    steps = steps_of([news])
    assert told(steps, "mail") == [
        ("ok", "", "1 mail of the senders in 14 days, 0 of them token mail")
    ]
    assert told(steps, "token mail") == []
    assert told(steps, "body") == [("ok", "", "as it was signed, in 1 of 1 mail")]


def test_the_newest_mail_of_a_user_counts() -> None:
    """A held one that was followed by a good one asks for nobody."""
    held = genuine(to="alias@example.com")
    assert told(steps_of([held, genuine(minutes=1)]), "token mail") == [
        (
            "ok",
            "",
            "1 held (wrong-recipient): integration@acme.example, alias@example.com; a newer one of"
            " that user came since",
        ),
        ("ok", "", "1 would be stored: integration@acme.example"),
    ]
    assert told(steps_of([held, genuine("b@acme.example", minutes=1)]), "token mail")[0] == (
        "failed",
        "held-wrong-recipient",
        "1 held (wrong-recipient): integration@acme.example, alias@example.com",
    )


def test_a_mail_that_was_released() -> None:
    """Its token is in Vault, whatever the rules say of the mail."""
    account = FakeAccount(now=lambda: BEGIN)
    raw = genuine(to="alias@example.com")
    account.append(raw)
    stored = [mails.mail(raw).digest]
    look = Look(judge_under(), [mails.ADDRESS], terms(), stored=stored)
    window = look.over(Lookup(FakeMailbox(account), ["salesforce.com"]), HORIZON)
    assert told(window_steps("integrations", window, terms(), 14), "token mail") == [
        ("ok", "", "1 is in Vault: integration@acme.example")
    ]


def test_a_forgery_beside_good_mail_is_a_warning() -> None:
    """Anybody can send one; where nothing else came, it may be genuine mail that is refused."""
    forged = mails.token_mail(issued_at=BEGIN)
    refused = "1 refused (unsigned): integration@acme.example, no DKIM signature"
    assert ("warning", "refused-unsigned", refused) in told(
        steps_of([forged, genuine()]), "token mail"
    )
    assert told(steps_of([forged]), "token mail") == [("failed", "refused-unsigned", refused)]


def test_many_users_are_not_listed_all() -> None:
    """A line stays a line."""
    raws = [genuine(f"user{number}@acme.example") for number in range(5)]
    assert told(steps_of(raws), "token mail") == [
        (
            "ok",
            "",
            "5 would be stored: user0@acme.example; user1@acme.example; user2@acme.example; and 2"
            " more",
        )
    ]


def test_a_claim_without_a_user() -> None:
    """It is told without one."""
    unclear = genuine(body="Security token (case-sensitive): FAKE5tokenNOTreal2xyzQ99a\n")
    ((outcome, code, saw),) = told(steps_of([unclear]), "token mail")
    assert (outcome, code) == ("failed", "held-unknown-layout")
    assert saw.startswith("1 held (unknown-layout): no user, ")


def test_a_key_that_cannot_be_asked_for() -> None:
    """That may pass, so it is a warning."""
    account = FakeAccount(now=lambda: BEGIN)
    account.append(genuine())
    silent = mails.Keys({mails.genuine_signer().name: None})
    look = Look(judge_under(keys=silent), [mails.ADDRESS], terms())
    window = look.over(Lookup(FakeMailbox(account), ["salesforce.com"]), HORIZON)
    steps = window_steps("integrations", window, terms(), 14)
    silence = f"DNS did not answer for {mails.genuine_signer().name}"
    saw = f"1 not judged now (transient): no user, {silence}"
    assert told(steps, "token mail") == [("warning", "transient", saw)]


def test_a_window_that_is_too_long() -> None:
    """What was seen by then is told, and that there is more."""
    times = iter([0.0, 61.0])
    window = looked([genuine(), genuine("b@acme.example")], monotonic=lambda: next(times))
    (step, *_) = window_steps("integrations", window, terms(), 14)
    assert step.saw == (
        "1 mail of the senders in 14 days, 1 of them token mail, and no time for the rest"
    )


def test_a_folder_that_is_not_whole() -> None:
    """A mail that the server does not show is told; a missing folder was told before."""
    account = FakeAccount(now=lambda: BEGIN)
    del account.folders["Junk"]
    look = Look(judge_under(), [mails.ADDRESS], terms())
    window = look.over(Lookup(FakeMailbox(account), ["salesforce.com"]), HORIZON)
    assert [trouble.code for trouble in window.troubles] == ["imap-folder"]
    assert [step.step for step in window_steps("integrations", window, terms(), 14)] == [
        "mail",
        "body",
        "assessment",
    ]
    window.troubles = [replace(window.troubles[0], code="imap-no-body", message="not shown")]
    assert told(window_steps("integrations", window, terms(), 14), "mail")[1] == (
        "warning",
        "imap-no-body",
        "not shown",
    )


def test_the_last_arrival_is_kept() -> None:
    """For the clock; None where nothing came."""
    assert looked([genuine()]).newest == BEGIN
    assert looked([]).newest is None


# -- what became of it on its way --


CHANGED = genuine() + b"-- \r\nScanned.\r\n"


@pytest.mark.parametrize(
    ("raws", "policy", "outcome", "saw"),
    [
        (
            [CHANGED],
            "dkim",
            "failed",
            "got a body that was changed after signing in 1 of 1 mail, expected none under policy"
            " dkim",
        ),
        (
            [CHANGED, genuine()],
            "both",
            "warning",
            "got a body that was changed after signing in 1 of 2 mails, expected none under policy"
            " both",
        ),
        (
            [CHANGED],
            "auto",
            "ok",
            "changed after signing in 1 of 1 mail; policy auto does without it",
        ),
    ],
    ids=["all", "some", "policy-auto"],
)
def test_bodies_that_are_changed(raws: list[bytes], policy: Policy, outcome: str, saw: str) -> None:
    """By the body's hash alone; the policy says whether that matters."""
    steps = steps_of(raws, terms(policy, (OURS,)))
    assert [(outcome, saw) for outcome, _code, saw in told(steps, "body")] == [(outcome, saw)]


def test_unsigned_mail_teaches_nothing_of_bodies() -> None:
    """Nor does a signature that cannot be read."""
    assert told(steps_of([mails.token_mail(issued_at=BEGIN)]), "body") == [
        ("skipped", "", "no mail with a readable signature of a signing domain")
    ]


@pytest.mark.parametrize(
    ("top", "wanted", "outcome", "saw"),
    [
        (
            results(),
            terms(),
            "ok",
            "policy dkim does without; mx.example.com on top of 1: if that is your mail server,"
            " write authserv_ids: [mx.example.com] and authserv_zone: above-first-received",
        ),
        ("", terms(), "ok", "policy dkim does without; no server writes any"),
        (results(), terms("auto", (OURS,)), "ok", "of our server in 1 of 1 mail"),
        (
            RECEIVED + RECEIVED + results(),
            terms("auto", (OURS,)),
            "failed",
            "got none of mx.example.com in the zone above-first-received in 1 of 1 mail;"
            " mx.example.com on top of 1: if that is your mail server, write authserv_ids:"
            " [mx.example.com] and authserv_zone: {received_above: 2}",
        ),
        (
            f"Authentication-Results: {PASS}\r\n",
            terms("auto", (OURS,), 3),
            "failed",
            "got none of mx.example.com in the zone {received_above: 3} in 1 of 1 mail; '' on top"
            " of 1: if that is your mail server, write authserv_ids: [''] and authserv_zone:"
            " above-first-received",
        ),
        (
            "",
            terms("auto", ("",), "unique"),
            "failed",
            "got none of '' in the zone unique in 1 of 1 mail; no server writes any",
        ),
    ],
    ids=["not-asked", "none-and-not-asked", "ours", "other-zone", "no-id", "none"],
)
def test_what_the_server_writes(top: str, wanted: WayTerms, outcome: str, saw: str) -> None:
    """Against what is configured; what would fit is proposed, whoever wrote it."""
    steps = steps_of([genuine(top=top)], wanted)
    assert [(outcome, saw) for outcome, _code, saw in told(steps, "assessment")] == [(outcome, saw)]


def test_a_server_that_began_to_write_them() -> None:
    """Older mail has none: a warning, and the newer mail passes."""
    steps = steps_of([genuine(), genuine(top=results(), minutes=1)], terms("auto", (OURS,)))
    ((outcome, code, saw),) = told(steps, "assessment")
    assert (outcome, code) == ("warning", "authserv")
    assert saw.startswith("got none of mx.example.com in the zone above-first-received in 1 of 2")


def test_mail_that_no_two_programs_read_alike_teaches_nothing() -> None:
    """Nor one that is larger than we read."""
    window = looked([b"X: a\rb\r\n" + genuine(), genuine(body="x" * 300_000)])
    assert (window.mails, window.ways) == (2, [])
