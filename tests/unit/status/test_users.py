"""The row of a user: what is known of the token, and whether somebody has to do something."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.commands.records import USER, entry, held
from token_catcher.model import Entry, as_fields
from token_catcher.proof import Org
from token_catcher.record import MailToken, Record
from token_catcher.status import (
    RESET_PAGES,
    InVault,
    LastMail,
    OrgTerms,
    Past,
    Pasts,
    Presence,
    State,
    UserRow,
    by_urgency,
    configured_users,
    user_row,
    users_of,
)

NOW = datetime(2026, 2, 13, 12, 57, 20, tzinfo=UTC)
ISSUED_AT = "2026-02-03T12:57:20Z"
"""Ten days before, as the entries have it."""
WRITTEN_AT = "2026-02-03T12:57:28.123456Z"
ORG = "acme-production"
PATH = f"salesforce/{ORG}/{USER}"
TEN_DAYS = 10 * 86400
PRESENT = InVault(Presence.PRESENT, 3, WRITTEN_AT, ISSUED_AT, ISSUED_AT)


def record_of(seq: int, made: Entry) -> Record:
    """The record of this entry."""
    return Record(seq, f"2026-02-03T12:57:{seq:02}Z", "0" * 64, made)


def token_of(made: Entry) -> MailToken:
    """What the journal knows of the newest token."""
    return MailToken.of({**as_fields(made), "seq": 1, "at": ISSUED_AT})


def past_of(*entries: Entry) -> Past:
    """What a journal with these records knows of the user."""
    pasts = Pasts([token_of(made) for made in entries if made.event != "rotation.held"])
    for seq, made in enumerate(entries, 1):
        pasts.take_in(record_of(seq, made))
    return pasts.of((ORG, USER))


def row(
    past: Past = Past(),  # noqa: B008 - it is frozen
    answer: InVault | str | None = None,
    *,
    held: int = 0,
    max_age: timedelta | None = None,
    now: datetime = NOW,
) -> UserRow:
    """The user's row."""
    return user_row((ORG, USER), PATH, max_age, past, answer, held, now)


def test_whole() -> None:
    """Every field of a user with whom all is well."""
    past = past_of(entry(1))
    assert row(past, PRESENT, max_age=timedelta(days=90)).as_json() == {
        "org": ORG,
        "username": USER,
        "path": PATH,
        "in_vault": "present",
        "version": 3,
        "issued_at": ISSUED_AT,
        "written_at": WRITTEN_AT,
        "age_seconds": TEN_DAYS,
        "max_age_seconds": 90 * 86400,
        "overdue": False,
        "never_seen": False,
        "missing": False,
        "cause": None,
        "saw": None,
        "unread": None,
        "held": 0,
        "source": "vault",
        "last_mail": {
            "recorded_at": "2026-02-03T12:57:01Z",
            "received_at": "2026-02-03T12:57:27Z",
            "mailbox": "integrations",
            "outcome": "stored",
            "reason": None,
        },
        "reset_at": (),
        "state": "ok",
    }


@pytest.mark.parametrize(
    ("past", "answer", "mails_held", "state"),
    [
        (Past(), InVault(Presence.ABSENT), 0, State.NEVER_SEEN),
        (Past(), None, 0, State.NEVER_SEEN),
        (Past(), InVault(Presence.DELETED), 0, State.DELETED),
        (Past(), InVault(Presence.ABSENT), 1, State.HELD),
        (Past(), PRESENT, 0, State.OK),
        (past_of(entry(1)), None, 0, State.OK),
        (past_of(entry(1)), InVault(Presence.ABSENT), 0, State.MISSING),
        (past_of(entry(1)), InVault(Presence.DELETED), 0, State.DELETED),
        (past_of(entry(1)), InVault(Presence.ABSENT), 1, State.MISSING),
        (past_of(entry(1)), "vault-policy", 0, State.UNREAD),
        (past_of(entry(1)), PRESENT, 2, State.HELD),
    ],
    ids=[
        "nothing at all",
        "nothing in the journal, and Vault is away",
        "deleted, with a journal of its own",
        "a mail that waits is a sight of the user",
        "by somebody else's hand",
        "by the journal alone",
        "lost",
        "deleted by somebody",
        "lost, and a mail waits",
        "hidden by a policy",
        "there, and a mail waits",
    ],
)
def test_how_a_user_stands(
    past: Past, answer: InVault | str | None, mails_held: int, state: State
) -> None:
    """In a word, the worst first; only what is well, or was deleted, asks for nobody."""
    told = row(past, answer, held=mails_held)
    assert (told.state, told.needs_a_person) == (
        state,
        state not in (State.OK, State.DELETED),
    )


@pytest.mark.parametrize(
    ("later", "missing"),
    [(-5, True), (5, False), (0, False)],
    ids=["an older one", "a newer one", "of the same date"],
)
def test_another_token_in_vault(later: int, missing: bool) -> None:
    """Only one that is older than the journal's is a loss."""
    issued_at = f"2026-02-03T12:57:{20 + later}Z"
    answer = InVault(Presence.PRESENT, 4, WRITTEN_AT, issued_at, issued_at)
    assert row(past_of(entry(1)), answer).missing is missing


def test_a_token_of_unknown_age_is_no_loss() -> None:
    """Whoever wrote it may know of a later reset."""
    answer = InVault(Presence.PRESENT, 4, WRITTEN_AT)
    told = row(past_of(entry(1)), answer)
    assert (told.missing, told.issued_at, told.age_seconds) == (False, None, TEN_DAYS - 9)


@pytest.mark.parametrize(
    ("days", "overdue"), [(9, True), (10, False), (None, False)], ids=["over", "just", "never"]
)
def test_overdue(days: int | None, overdue: bool) -> None:
    """Older than the org allows; then the pages are named where it is reset."""
    max_age = None if days is None else timedelta(days=days)
    told = row(past_of(entry(1)), PRESENT, max_age=max_age)
    assert (told.overdue, told.reset_at) == (overdue, RESET_PAGES if overdue else ())


def test_a_clock_ahead_makes_no_age() -> None:
    """A token from the future is new."""
    assert row(answer=PRESENT, now=NOW - timedelta(days=30)).age_seconds == 0


def test_by_the_journal() -> None:
    """Version and time of the newest version that was written."""
    told = row(past_of(entry(1)))
    assert (told.source, told.version, told.issued_at, told.written_at) == (
        "journal",
        3,
        ISSUED_AT,
        "2026-02-03T12:57:28.123456Z",
    )


def test_a_version_of_another_token_is_not_told() -> None:
    """The newest token was found in Vault: the version that we wrote before is another one."""
    newer = entry(
        2,
        event="rotation.unchanged",
        reason="same-token",
        fingerprint="sha256:fedcba9876543210",
        issued_at="2026-02-04T12:57:20Z",
        version=None,
        vault_created_at=None,
    )
    told = row(past_of(entry(1), newer))
    assert (told.version, told.issued_at, told.written_at) == (None, "2026-02-04T12:57:20Z", None)


def test_beside_a_newer_token_that_somebody_else_wrote() -> None:
    """A stale mail says that there is one, and nothing of its age."""
    past = past_of(entry(1, event="rotation.unchanged", reason="stale"))
    told = row(past, max_age=timedelta(days=1))
    assert (told.source, told.issued_at, told.age_seconds, told.overdue) == (
        "journal",
        None,
        None,
        False,
    )
    assert row(past, InVault(Presence.ABSENT)).missing is False


def test_a_time_that_is_none_is_left_out() -> None:
    """The record need not be the work of this program."""
    broken = replace(token_of(entry(1)), issued_at="yesterday")
    told = row(Past(token=broken))
    assert (told.issued_at, told.age_seconds) == (None, None)
    assert row(Past(token=broken), PRESENT).missing is False


def test_the_last_mail_is_the_newest_record() -> None:
    """Whatever it came to: a refused mail is what somebody waits for in vain."""
    refused = entry(2, event="rotation.refused", reason="bad-signature", mailbox="other")
    assert past_of(entry(1), refused).last == LastMail(
        "2026-02-03T12:57:02Z", "2026-02-03T12:57:27Z", "other", "refused", "bad-signature"
    )


def test_records_without_user_or_org_are_nobodys() -> None:
    """They say nothing of any row."""
    pasts = Pasts([replace(token_of(entry(1)), org=None)])
    pasts.take_in(record_of(1, held(1, org=None)))
    pasts.take_in(record_of(2, entry(2, username=None)))
    assert pasts.users == set()


@pytest.mark.parametrize(
    ("made", "is_known"),
    [
        (entry(1), True),
        (entry(1, event="rotation.refused", reason="unauthenticated"), False),
        (held(1, reason="no-key"), False),
        (held(1, reason="unknown-sender"), True),
    ],
)
def test_a_stranger_makes_no_user(made: Entry, is_known: bool) -> None:
    """Where a pattern names the users, a forged mail to any name would be one never seen."""
    pasts = Pasts([token_of(made)])
    pasts.take_in(record_of(1, made))
    assert pasts.users == ({(ORG, USER)} if is_known else set())


ORGS = [
    OrgTerms(Org(ORG, (USER, "*@acme.example")), timedelta(days=90)),
    OrgTerms(Org("acme-uat", ("etl@acme.example",), "sandbox"), None),
]


def test_users_that_are_named() -> None:
    """In the order of the configuration, without patterns."""
    assert configured_users(ORGS) == [(ORG, USER), ("acme-uat", "etl@acme.example")]


def test_users_of_patterns() -> None:
    """Whom the journal knows or Vault lists, where the configuration gives them to that org."""
    known = {(ORG, "b@acme.example"), ("gone", "x@acme.example"), (ORG, "c@elsewhere.example")}
    listed = {ORG: ["A@acme.example", "no username", "etl@acme.example"], "acme-uat": []}
    assert users_of(ORGS, known, listed) == [
        (ORG, USER),
        ("acme-uat", "etl@acme.example"),
        (ORG, "a@acme.example"),
        (ORG, "b@acme.example"),
    ]


def test_what_needs_a_person_comes_first() -> None:
    """Missing, held, unread, overdue (the oldest first), never seen, deleted, and all else."""

    def of(username: str, **changes: Any) -> UserRow:
        return replace(row(past_of(entry(1)), PRESENT), username=username, **changes)

    rows = [
        of("ok"),
        of("deleted", in_vault=Presence.DELETED),
        of("never", never_seen=True),
        of("young", overdue=True, age_seconds=100),
        of("old", overdue=True, age_seconds=200),
        of("unread", unread="vault-policy"),
        of("held", held=1),
        of("missing", missing=True),
        of("b"),
    ]
    assert [told.username for told in by_urgency(rows)] == [
        "missing",
        "held",
        "unread",
        "old",
        "young",
        "never",
        "deleted",
        "b",
        "ok",
    ]
