"""The row of a mailbox: its last sweep, its trouble, what waits there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.commands.records import entry, held
from token_catcher.model import Entry, as_fields
from token_catcher.record import LastLook, MailToken, Pending
from token_catcher.status import HeldMails, LoginEnd, MailboxRow, held_mails, mailbox_row

NOW = datetime(2026, 2, 3, 13, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SWEPT = LastLook("2026-02-03T12:59:00Z", looked_by="run")
NOTHING = HeldMails(0, 0)


def row(
    look: LastLook | None = SWEPT,
    *pending: Pending,
    held: HeldMails = NOTHING,
    logins: tuple[LoginEnd, ...] = (),
    poll: timedelta = MINUTE,
    now: datetime = NOW,
    waits_for_sign_in: bool = False,
) -> MailboxRow:
    """The row of the mailbox."""
    return mailbox_row(
        "integrations",
        poll,
        look,
        pending,
        held,
        logins,
        now,
        waits_for_sign_in=waits_for_sign_in,
    )


def test_whole() -> None:
    """Every field of a mailbox with which all is well."""
    assert row().as_json() == {
        "mailbox": "integrations",
        "swept_at": "2026-02-03T12:59:00Z",
        "seconds_since_sweep": 60,
        "looked_by": "run",
        "trouble": None,
        "trouble_at": None,
        "token": None,
        "pending": 0,
        "keyless": 0,
        "pending_since": None,
        "next_try_at": None,
        "pending_codes": (),
        "held": 0,
        "held_unproven_and_old": 0,
        "unapplied": 0,
        "logins": (),
        "failing": False,
    }


@pytest.mark.parametrize(
    ("look", "trouble"),
    [
        (None, "oauth-sign-in"),
        (SWEPT, None),
        (LastLook(trouble="imap-connect", trouble_at="2026-02-03T12:59:00Z"), "imap-connect"),
    ],
    ids=["never swept", "swept before", "other trouble"],
)
def test_before_the_sign_in(look: LastLook | None, trouble: str | None) -> None:
    """It fails, and says so: before that nobody can look, and nothing else is worth typing."""
    waits = row(look, waits_for_sign_in=True)
    assert (waits.token, waits.trouble, waits.failing) == ("oauth-sign-in", trouble, True)
    assert waits.codes == tuple(dict.fromkeys(filter(None, (trouble, "oauth-sign-in"))))


def test_a_token_that_cannot_be_renewed() -> None:
    """A person has to see to it, though mail still comes."""
    refused = row(replace(SWEPT, token="oauth-credential"))
    assert (refused.trouble, refused.token) == (None, "oauth-credential")
    assert (refused.needs_a_person, refused.codes) == (True, ("oauth-credential",))


def waiting(code: str, minutes: int, *, since: bool = True) -> Pending:
    """A mail that was first seen so many minutes ago, and is due as many from now."""
    seen = NOW - minutes * MINUTE if since else None
    return Pending(1, NOW + minutes * MINUTE, code, since=seen)


def test_mail_that_is_not_settled() -> None:
    """How much, why, since when, and when the next try is."""
    mails = [waiting("outage", 2), waiting("dns", 5), waiting("outage", 1, since=False)]
    told = row(SWEPT, *mails)
    assert (told.pending, told.keyless, told.pending_codes) == (3, 1, ("dns", "outage"))
    assert (told.pending_since, told.next_try_at) == (
        "2026-02-03T12:55:00Z",
        "2026-02-03T13:01:00Z",
    )
    assert told.failing


def test_mail_without_a_key_may_be_anybodys() -> None:
    """It is told, and is no failure of the mailbox."""
    told = row(SWEPT, waiting("dns-no-key", 5))
    assert (told.pending, told.keyless, told.failing, told.needs_a_person) == (1, 1, False, False)


@pytest.mark.parametrize(
    ("look", "poll", "trouble"),
    [
        (None, 1, "mailbox-never-swept"),
        (LastLook(), 1, "mailbox-never-swept"),
        (LastLook(trouble="imap-login", trouble_at="2026-02-03T12:59:00Z"), 1, "imap-login"),
        (LastLook("2026-02-03T12:45:00Z", looked_by="run"), 1, None),
        (LastLook("2026-02-03T12:44:59Z", looked_by="run"), 1, "mailbox-not-swept"),
        (LastLook("2026-02-03T12:30:00Z", looked_by="run"), 10, None),
        (LastLook("2026-02-03T12:29:59Z", looked_by="run"), 10, "mailbox-not-swept"),
        (LastLook("2025-02-03T12:00:00Z", looked_by="scan"), 1, None),
    ],
    ids=[
        "no note",
        "an empty note",
        "trouble",
        "the daemon, just in time",
        "the daemon, no longer",
        "a daemon that looks seldom",
        "the same, no longer",
        "a scan, long ago",
    ],
)
def test_what_keeps_us_from_it(look: LastLook | None, poll: int, trouble: str | None) -> None:
    """Trouble that was met, or that nobody looks any more; a scan comes when somebody likes."""
    told = row(look, poll=poll * MINUTE)
    assert (told.trouble, told.failing) == (trouble, trouble is not None)


@pytest.mark.parametrize(("days", "failing"), [(0, False), (-1, True), (None, False)])
def test_a_login_that_has_ended(days: int | None, failing: bool) -> None:
    """The mailbox is lost with it."""
    assert row(logins=(LoginEnd("client", "c.pem", None, days),)).failing is failing


def test_days_left() -> None:
    """Whole ones; the day on which it ends is 0, and what has ended is below."""
    ends = [timedelta(days=3, hours=1), timedelta(hours=1), timedelta(hours=-1)]
    told = [LoginEnd.of("oauth", "c.pem", NOW + end, NOW) for end in ends]
    assert [login.days_left for login in told] == [3, 0, -1]
    assert told[1] == LoginEnd("oauth", "c.pem", "2026-02-03T14:00:00Z", 0)
    assert LoginEnd.of("refresh-token", "t", None, NOW, NOW) == LoginEnd(
        "refresh-token", "t", None, None, "2026-02-03T13:00:00Z"
    )


def token_of(made: Entry, days: int, mailbox: str = "integrations") -> MailToken:
    """What waits since so many days."""
    at = (NOW - timedelta(days=days)).isoformat()
    return replace(MailToken.of({**as_fields(made), "seq": 1, "at": at}), mailbox=mailbox)


def test_held_mail_counts_until_it_is_settled() -> None:
    """But what anybody can have caused does so for the look-back window alone."""
    proven = held(1, "unknown-subject")
    anybodys = held(2, "unknown-user", org=None)
    keyless = held(3, "no-key")
    mails = [
        token_of(proven, 400),
        token_of(anybodys, 13),
        token_of(anybodys, 15),
        token_of(keyless, 15),
        token_of(entry(4), 1, mailbox="other"),
    ]
    assert held_mails(mails, "integrations", timedelta(days=14), NOW) == HeldMails(2, 2)


def test_held_mail_needs_a_person() -> None:
    """It is no failure of the mailbox."""
    told = row(held=HeldMails(1, 2))
    assert (told.held, told.held_unproven_and_old, told.failing, told.needs_a_person) == (
        1,
        2,
        False,
        True,
    )
