"""What `status` shows: to a person in 80 columns, to a machine in one object."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest

from token_catcher.commands.status_lines import as_json, status_lines
from token_catcher.status import (
    RETIREMENTS,
    AnchorRow,
    JournalRow,
    LastMail,
    LoginEnd,
    MailboxRow,
    Overview,
    Presence,
    UserRow,
    VaultRow,
    anchor_row,
)

NOW = datetime(2026, 11, 26, 7, tzinfo=UTC)
USER = UserRow(
    org="acme-production",
    username="integration@acme.example",
    path="salesforce/acme-production/integration@acme.example",
    in_vault=Presence.PRESENT,
    version=7,
    issued_at="2026-08-01T08:00:00Z",
    written_at="2026-08-01T08:00:01Z",
    age_seconds=117 * 86400,
    max_age_seconds=None,
    overdue=False,
    never_seen=False,
    missing=False,
    cause=None,
    saw=None,
    unread=None,
    held=0,
    source="vault",
    last_mail=LastMail(
        "2026-08-01T08:00:02Z", "2026-08-01T08:00:00Z", "integrations", "stored", None
    ),
)
MAILBOX = MailboxRow(
    mailbox="integrations",
    swept_at="2026-11-26T06:59:00Z",
    seconds_since_sweep=60,
    looked_by="run",
    trouble=None,
    trouble_at=None,
    token=None,
    pending=0,
    keyless=0,
    pending_since=None,
    next_try_at=None,
    pending_codes=(),
    held=0,
    held_unproven_and_old=0,
    unapplied=0,
    logins=(),
)
VAULT = VaultRow(
    address="https://vault.example.com:8200",
    reachable=True,
    sealed=False,
    logged_in=True,
    trouble=None,
    saw=None,
    token_ends_at="2026-11-26T11:00:00Z",
    lists_users=None,
    logins=(),
)
JOURNAL = JournalRow("/var/lib/token-catcher/journal.jsonl", 41, None, None, 0)
WELL = Overview("2026-11-26T07:00:00Z", [USER], [MAILBOX], VAULT, JOURNAL, [])


def shown(overview: Overview) -> list[str]:
    """The lines, as they are printed."""
    return [line.plain for line in status_lines(overview)]


def user_lines(user: UserRow) -> list[str]:
    """What is shown of one user."""
    lines = shown(replace(WELL, users=[user]))
    start = lines.index("users (1)")
    others = [lines.index(part) for part in ("mailboxes (1)", "vault", "journal")]
    end = min((place for place in others if place > start), default=len(lines))
    return lines[start + 1 : end]


def test_all_is_well() -> None:
    """Each part in its place; times in UTC."""
    assert shown(WELL) == [
        "users (1)",
        "  ok          integration@acme.example (acme-production)",
        "              v7, issued 2026-08-01 08:00 UTC, 117 d ago",
        "              last mail 2026-08-01 08:00 UTC in integrations: stored",
        "mailboxes (1)",
        "  ok          integrations",
        "              last swept 2026-11-26 06:59 UTC, 1 min ago, by run",
        "vault",
        "  ok          https://vault.example.com:8200",
        "              logged in, until 2026-11-26 11:00 UTC",
        "journal",
        "  ok          /var/lib/token-catcher/journal.jsonl",
        "              its last record is number 41",
    ]
    assert not WELL.needs_a_person


SINCE = "2026-11-26T06:56:00Z"
ANCHOR = anchor_row(
    "secret/data/token-catcher/journal/one", 40, "2026-11-26T06:58:00Z", 1, SINCE, NOW
)


@pytest.mark.parametrize(
    ("anchor", "lines"),
    [
        (
            ANCHOR,
            [
                "  ok          secret/data/token-catcher/journal/one",
                "              Vault knows record 40, since 2026-11-26 06:58 UTC; unanchored tail",
                "                of 1",
            ],
        ),
        (
            anchor_row(ANCHOR.path, 0, None, 0, None, NOW),
            [
                "  ok          secret/data/token-catcher/journal/one",
                "              Vault knows no record yet",
            ],
        ),
        (
            AnchorRow(ANCHOR.path),
            [
                "  unknown     secret/data/token-catcher/journal/one",
                "              not asked for: the journal or Vault fails",
            ],
        ),
    ],
    ids=["a tail", "none yet", "not asked"],
)
def test_the_anchor_of_the_journal(anchor: AnchorRow, lines: list[str]) -> None:
    """What Vault knows of it, where the configuration wants that."""
    overview = replace(WELL, anchor=anchor)
    assert shown(overview)[-len(lines) - 1 :] == ["journal's anchor", *lines]
    assert not overview.needs_a_person
    told = as_json(overview)["journal"]["anchor"]
    assert told == {**asdict(anchor), "failing": False, "next": None}


def test_records_that_vault_should_know_by_now() -> None:
    """After a quarter of an hour, by the record's own time; that comes first, and is a failure."""
    late = anchor_row(ANCHOR.path, 39, ANCHOR.at, 2, SINCE, NOW + timedelta(minutes=10))
    assert late.trouble is None
    late = anchor_row(ANCHOR.path, 39, ANCHOR.at, 2, SINCE, NOW + timedelta(minutes=11))
    overview = replace(WELL, anchor=late)
    assert overview.needs_a_person
    assert shown(overview)[:6] == [
        "journal's anchor",
        "  failing     secret/data/token-catcher/journal/one",
        "              journal-unanchored: Vault does not know the last 2 records, the",
        "                first of 2026-11-26T06:56:00Z",
        "              Vault knows record 39, since 2026-11-26 06:58 UTC; unanchored tail",
        "                of 2",
    ]
    assert shown(overview)[6].startswith("              next: run `token-catcher check`")


def test_a_journal_that_its_anchor_contradicts() -> None:
    """With what contradicts it."""
    saw = "the anchor in Vault knows 5 records of one, the journal has 2: the rest was cut off"
    anchor = AnchorRow(ANCHOR.path, at=ANCHOR.at, trouble="journal-anchor", saw=saw)
    overview = replace(WELL, anchor=anchor)
    assert overview.needs_a_person
    assert shown(overview)[1:4] == [
        "  failing     secret/data/token-catcher/journal/one",
        "              journal-anchor: the anchor in Vault knows 5 records of one, the",
        "                journal has 2: the rest was cut off",
    ]


def test_a_token_that_cannot_be_renewed() -> None:
    """The mailbox is swept all the same; the next step names it. Beside it, what stayed undone."""
    mailbox = replace(MAILBOX, token="oauth-sign-in", unapplied=2)
    lines = shown(replace(WELL, mailboxes=[mailbox]))
    start = lines.index("mailboxes (1)")
    assert lines[start + 1 : start + 7] == [
        "  failing     integrations",
        "              last swept 2026-11-26 06:59 UTC, 1 min ago, by run",
        "              no access token can be got for the next login: oauth-sign-in",
        "              settled mails that after_capture could not be applied to: 2",
        "                (token-catcher check)",
        "              next: sign in: `token-catcher login --mailbox integrations`",
    ]


def test_a_token_that_is_overdue() -> None:
    """How old it may be, and the pages where it is reset."""
    user = replace(USER, max_age_seconds=90 * 86400, overdue=True)
    assert user_lines(user) == [
        "  overdue     integration@acme.example (acme-production)",
        "              v7, issued 2026-08-01 08:00 UTC, 117 d ago, at most 90 d",
        "              last mail 2026-08-01 08:00 UTC in integrations: stored",
        "              reset it as that user; MYDOMAIN is the org's own:",
        "              https://MYDOMAIN/_ui/system/security/ResetApiTokenEdit",
        "              https://MYDOMAIN/lightning/settings/personal/ResetApiToken/home",
    ]


ABSENT = replace(USER, path="salesforce/acme/x", in_vault=Presence.ABSENT)
HELD = LastMail("", "2026-08-01T08:00:00Z", "m", "held", "unknown-subject")
KNOWN = {
    "no token was ever caught, and Vault has none": replace(ABSENT, never_seen=True),
    "Vault has no token at salesforce/acme/x": replace(ABSENT, missing=True),
    "vault-secret-gone: there is no secret any more": replace(
        ABSENT,
        missing=True,
        cause="vault-secret-gone",
        saw="there is no secret any more",
    ),
    "somebody deleted salesforce/acme/x": replace(ABSENT, in_vault=Presence.DELETED),
    "v7, written 2026-08-01 08:00 UTC, 117 d ago, issued before that": replace(
        USER, issued_at=None
    ),
    "v7, of unknown age": replace(USER, issued_at=None, age_seconds=None),
    "issued 2026-08-01 08:00 UTC, 5 h ago, by the journal alone": replace(
        USER, version=None, age_seconds=5 * 3600, source="journal"
    ),
    "v7, issued 2026-08-01 08:00 UTC, 2 min ago": replace(USER, age_seconds=179),
    "v7, issued 2026-08-01 08:00 UTC, 0 min ago": replace(USER, age_seconds=59),
    "last mail 2026-08-01 08:00 UTC in m: held (unknown-subject)": replace(
        USER, held=1, last_mail=HELD
    ),
}


@pytest.mark.parametrize(("line", "user"), KNOWN.items(), ids=list(KNOWN))
def test_what_is_known_of_a_token(line: str, user: UserRow) -> None:
    """In a line."""
    assert f"              {line}" in user_lines(user)


def test_a_secret_that_cannot_be_read() -> None:
    """With the next step."""
    lines = user_lines(replace(USER, unread="vault-policy"))
    assert lines[0].startswith("  unread      ")
    assert "              Vault does not show its secret: vault-policy" in lines
    assert any(line.startswith("              next: ") for line in lines)


def test_a_mailbox_that_fails() -> None:
    """It comes before users with whom all is well; with the code, the time and the next step."""
    mailbox = replace(
        MAILBOX,
        trouble="imap-login",
        trouble_at="2026-11-26T07:00:00Z",
        pending=2,
        pending_codes=("outage",),
        held=1,
        logins=(
            LoginEnd("client", "c.pem", "2026-11-28T07:00:00Z", 2),
            LoginEnd("oauth", "o.pem", "2027-11-28T07:00:00Z", 367),
            LoginEnd("oauth", "p.pem", None, None, unread="p.pem: got nothing"),
            LoginEnd("refresh-token", "t", None, None, "2026-11-26T07:00:00Z"),
        ),
    )
    lines = shown(replace(WELL, mailboxes=[mailbox]))
    assert lines[:10] == [
        "mailboxes (1)",
        "  failing     integrations",
        "              last swept 2026-11-26 06:59 UTC, 1 min ago, by run; imap-login at",
        "                2026-11-26 07:00 UTC",
        "              mails that are not settled yet: 2 (outage)",
        "              mails that wait for a person: 1 (token-catcher held)",
        "              client ends 2026-11-28 07:00 UTC, in 2 d: c.pem",
        "              oauth: p.pem: got nothing",
        "              next: check username and password; for Gmail and Microsoft 365 see",
        "                    docs/mailboxes.md; nothing was lost (TC201)",
    ]
    assert lines[10] == "users (1)"


def test_a_mailbox_with_held_mail() -> None:
    """It does not fail, and somebody has to look."""
    lines = shown(replace(WELL, mailboxes=[replace(MAILBOX, held=1, swept_at=None)]))
    assert lines[:3] == [
        "mailboxes (1)",
        "  held        integrations",
        "              never swept",
    ]


def test_vault_that_fails() -> None:
    """The code with its words, and by what the users are told."""
    vault = replace(
        VAULT,
        trouble="vault-sealed",
        saw="Vault is away",
        token_ends_at=None,
        lists_users=False,
    )
    lines = shown(replace(WELL, vault=vault))
    assert lines[:5] == [
        "vault",
        "  failing     https://vault.example.com:8200",
        "              vault-sealed: Vault is away",
        "              users stand as the journal has them, where it says so",
        "              users of patterns: those of the journal (Vault lists none to us)",
    ]


def test_a_journal_that_fails() -> None:
    """And one of which files were moved away."""
    broken = JournalRow("j.jsonl", 0, "journal-broken", "j.jsonl:3: not ours", 0)
    lines = shown(replace(WELL, journal=broken))
    assert lines[:3] == ["journal", "  failing     j.jsonl", "              j.jsonl:3: not ours"]
    gap = shown(replace(WELL, journal=replace(JOURNAL, missing_through=30)))
    assert gap[-1] == "              of the records up to 30 not all are here"


def test_what_salesforce_retires() -> None:
    """The day, how sure it is, and the page; before and after."""
    first = RETIREMENTS[0]
    lines = shown(replace(WELL, retirements=[(first, 5), (first, -2)]))
    start = lines.index("what Salesforce retires")
    assert lines[start + 1 :][:5] == [
        "  in 5 d      2026-12-01 UTC",
        "              SOAP login() by password and token fails with INSUFFICIENT_ACCESS",
        "                unless the user has the permission Use Any API Auth",
        "              the change is Salesforce's word, the day is others'",
        f"              {first.page}",
    ]
    assert "  since 2 d   2026-12-01 UTC" in lines


def test_json() -> None:
    """The keys of each part; trouble comes with the next step."""
    overview = replace(
        WELL,
        mailboxes=[replace(MAILBOX, trouble="imap-login")],
        retirements=[(RETIREMENTS[0], 5)],
    )
    told = as_json(overview)
    assert list(told) == [
        "now",
        "needs_a_person",
        "users",
        "mailboxes",
        "vault",
        "journal",
        "retirements",
    ]
    assert told["needs_a_person"] is True
    assert told["mailboxes"][0]["next"].startswith("check username and password")
    assert (told["vault"]["next"], told["journal"]["next"]) == (None, None)
    assert told["retirements"] == [
        {
            "name": "use-any-api-auth",
            "on": "2026-12-01",
            "certainty": "reported",
            "what": RETIREMENTS[0].what,
            "page": RETIREMENTS[0].page,
            "days_left": 5,
        }
    ]
