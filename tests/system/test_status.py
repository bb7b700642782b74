"""`status`, as it is after each thing that can happen, between real servers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.kit import mails
from tests.kit.program import Done, Program, program
from tests.kit.servers import Dovecot, OpenBao
from tests.kit.waiting import until
from tests.system.test_web import Site
from token_catcher.model import iso, moment
from token_catcher.status import RESET_PAGES

NOW = datetime.now(UTC).replace(microsecond=0)
USER = mails.USERNAME
TOKEN = "FAKEstatusTOKEN1notREAL2a"
NAMED = f"usernames: [{USER}]\nmax_age: 90d"
OTHERS: dict[str, Any] = {
    "missing": False,
    "cause": None,
    "saw": None,
    "next": None,
    "unread": None,
    "overdue": False,
    "never_seen": False,
    "held": 0,
    "reset_at": [],
    "max_age_seconds": 90 * 86400,
}
"""What a user's row has where nothing is wrong."""


@pytest.fixture
def named(tool: Program) -> Program:
    """The program, with one user that is named, whose token may be 90 days old."""
    tool.configure(usernames=NAMED)
    return tool


@pytest.fixture
def own_vault(
    tmp_path: Any, dovecot: Dovecot, user: str, org: str
) -> Iterator[tuple[Program, OpenBao]]:
    """The same over a Vault of its own, which a test may seal."""
    with OpenBao() as openbao:
        tool = program(tmp_path / "tool", dovecot, openbao, user, org)
        tool.configure(usernames=NAMED)
        yield tool, openbao


def deliver(dovecot: Dovecot, user: str, **fields: Any) -> None:
    """A genuine mail of now, unless the fields say otherwise."""
    dovecot.deliver(mails.genuine(USER, TOKEN, **{"issued_at": NOW, **fields}), user)


def status(tool: Program) -> tuple[int, dict[str, Any]]:
    """Exit code and object of `status --json`."""
    done = tool("status", "--json")
    assert done.err == ""
    (told,) = done.lines
    assert list(told) == [
        "now",
        "needs_a_person",
        "users",
        "mailboxes",
        "vault",
        "journal",
        "retirements",
    ]
    assert told["needs_a_person"] == (done.code == 1)
    return done.code, told


def row_of(told: dict[str, Any], org: str) -> dict[str, Any]:
    """The row of the one user, without what no test can know beforehand."""
    (row,) = told["users"]
    age = row.pop("age_seconds")
    written_at = row.pop("written_at")
    last_mail = row.pop("last_mail")
    assert (row.pop("org"), row.pop("username"), row.pop("path")) == (
        org,
        USER,
        f"salesforce/{org}/{USER}",
    )
    return {**row, "_age": age, "_written_at": written_at, "_last_mail": last_mail}


def test_a_user_that_was_never_seen(named: Program, openbao: OpenBao, org: str) -> None:
    """Neither Vault nor the journal has ever had a token; nobody has looked at the mailbox."""
    code, told = status(named)
    assert (code, row_of(told, org)) == (
        1,
        {
            **OTHERS,
            "state": "never-seen",
            "never_seen": True,
            "in_vault": "absent",
            "source": "vault",
            "version": None,
            "issued_at": None,
            "_age": None,
            "_written_at": None,
            "_last_mail": None,
        },
    )
    (mailbox,) = told["mailboxes"]
    assert (mailbox["swept_at"], mailbox["trouble"]) == (None, "mailbox-never-swept")
    assert "token-catcher scan" in mailbox["next"]
    assert list(named.home.glob("state/*")) == []


def test_a_token_that_is_there(
    named: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """Exit code 0; version, ages and the last mail are those of the record. No value is read."""
    deliver(dovecot, user)
    assert named("scan").code == 0
    before = len(openbao.audited)
    code, told = status(named)
    row = row_of(told, org)
    assert row.pop("_age") == (moment(told["now"]) - NOW).total_seconds()
    (record,) = named.journal
    assert moment(row.pop("_written_at")) == moment(record["vault_created_at"])
    assert (code, row) == (
        0,
        {
            **OTHERS,
            "state": "ok",
            "in_vault": "present",
            "source": "vault",
            "version": 1,
            "issued_at": iso(NOW),
            "_last_mail": {
                "recorded_at": record["at"],
                "received_at": record["received_at"],
                "mailbox": "integrations",
                "outcome": "stored",
                "reason": None,
            },
        },
    )
    read = {entry["request"]["path"] for entry in openbao.audited[before:]}
    assert f"secret/data/salesforce/{org}/{USER}" not in read
    (mailbox,) = told["mailboxes"]
    swept_at = mailbox.pop("swept_at")
    assert 0 <= (moment(told["now"]) - moment(swept_at)).total_seconds() < 60
    assert mailbox.pop("seconds_since_sweep") >= 0
    assert mailbox == {
        "mailbox": "integrations",
        "looked_by": "scan",
        "trouble": None,
        "trouble_at": None,
        "token": None,
        "pending": 0,
        "keyless": 0,
        "pending_since": None,
        "next_try_at": None,
        "pending_codes": [],
        "held": 0,
        "held_unproven_and_old": 0,
        "unapplied": 0,
        "logins": [],
        "failing": False,
        "next": None,
    }
    vault = told["vault"]
    assert moment(vault.pop("token_ends_at")) > NOW
    assert vault == {
        "address": openbao.url,
        "reachable": True,
        "sealed": False,
        "logged_in": True,
        "trouble": None,
        "saw": None,
        "lists_users": None,
        "logins": [],
        "failing": False,
        "next": None,
    } | {"lists_users": False}  # the sandbox org has a pattern, which the shipped policy hides
    assert told["journal"] == {
        "file": str(named.state / "journal.jsonl"),
        "head": 1,
        "trouble": None,
        "saw": None,
        "missing_through": 0,
        "failing": False,
        "next": None,
        "anchor": None,
    }


def test_a_token_that_is_overdue(
    named: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """By the org's max_age; the pages are told where it is reset."""
    deliver(dovecot, user)
    assert named("scan").code == 0
    named.configure(usernames=f"usernames: [{USER}]\nmax_age: 1s")
    until(lambda: datetime.now(UTC) - NOW > timedelta(seconds=2), "the token to be older")
    code, told = status(named)
    row = row_of(told, org)
    assert (code, row["state"], row["overdue"], row["version"]) == (1, "overdue", True, 1)
    assert (row["max_age_seconds"], row["issued_at"]) == (1, iso(NOW))
    assert row["reset_at"] == list(RESET_PAGES)
    out = named("status").out
    assert f"  overdue     {USER} ({org})\n" in out
    assert all(f"              {page}\n" in out for page in RESET_PAGES)


def test_a_mail_that_is_held(
    named: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """It waits in the user's row and in the mailbox's, and is the last mail of the user."""
    deliver(dovecot, user, subject="Ihr neues Salesforce-Sicherheitstoken")
    assert named("scan").code in (0, 1)
    code, told = status(named)
    row = row_of(told, org)
    assert (code, row["state"], row["held"], row["never_seen"]) == (1, "held", 1, False)
    assert row["_last_mail"]["outcome"] == "held"
    assert row["_last_mail"]["reason"] == "unknown-subject"
    (mailbox,) = told["mailboxes"]
    assert (mailbox["held"], mailbox["failing"]) == (1, False)


def test_a_sealed_vault(
    own_vault: tuple[Program, OpenBao], dovecot: Dovecot, user: str, org: str
) -> None:
    """What Vault does not tell stands as the journal has it, and says so."""
    tool, openbao = own_vault
    deliver(dovecot, user)
    assert tool("scan").code == 0
    openbao.seal()
    code, told = status(tool)
    row = row_of(told, org)
    assert (code, row["state"], row["source"], row["in_vault"]) == (1, "ok", "journal", None)
    assert (row["version"], row["issued_at"]) == (1, iso(NOW))
    vault = told["vault"]
    assert (vault["reachable"], vault["sealed"], vault["logged_in"]) == (True, True, None)
    assert (vault["trouble"], vault["failing"]) == ("vault-sealed", True)
    assert "unseal" in vault["next"].lower()
    assert "by the journal alone" in " ".join(tool("status").out.split())


def test_a_vault_out_of_reach(named: Program, dovecot: Dovecot, user: str, org: str) -> None:
    """The same; whether it is sealed nobody knows."""
    deliver(dovecot, user)
    assert named("scan").code == 0
    named.configure(usernames=NAMED, address="address: http://127.0.0.1:9")
    code, told = status(named)
    vault = told["vault"]
    assert (code, vault["reachable"], vault["sealed"]) == (1, False, None)
    assert (told["users"][0]["source"], told["users"][0]["version"]) == ("journal", 1)


def test_a_mailbox_that_fails(
    named: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """The last trouble, and when all was well for the last time."""
    deliver(dovecot, user)
    assert named("scan").code == 0
    swept_at = status(named)[1]["mailboxes"][0]["swept_at"]
    named.secret("imap-password", "wrong")
    assert named("scan").code == 1
    code, told = status(named)
    (mailbox,) = told["mailboxes"]
    assert (code, mailbox["failing"], mailbox["trouble"]) == (1, True, "imap-login")
    assert (mailbox["swept_at"], mailbox["looked_by"]) == (swept_at, "scan")
    assert moment(mailbox["trouble_at"]) >= moment(swept_at)
    assert mailbox["next"].startswith("check username and password")
    assert "  failing     integrations\n" in named("status").out


def test_a_daemon_that_was_killed(
    named: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """What it has noted stays: while it is young all is well, later nobody looks any more."""
    deliver(dovecot, user)
    with named.daemon():
        until(lambda: status(named)[0] == 0, "the daemon to have swept")
    code, told = status(named)
    (mailbox,) = told["mailboxes"]
    assert (code, mailbox["looked_by"], mailbox["trouble"]) == (0, "run", None)
    note = named.state / "looks" / "integrations.json"
    old = iso(NOW - timedelta(hours=1))
    note.write_text(note.read_text("utf-8").replace(mailbox["swept_at"], old), "utf-8")
    code, told = status(named)
    (mailbox,) = told["mailboxes"]
    assert (code, mailbox["swept_at"], mailbox["trouble"]) == (1, old, "mailbox-not-swept")


def test_credentials_that_are_not_mounted(
    named: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """All is told by the journal; what could not be read is named."""
    deliver(dovecot, user)
    assert named("scan").code == 0
    for name in ("imap-password", "secret-id"):
        (named.home / name).unlink()
    code, told = status(named)
    assert (code, told["users"][0]["source"], told["users"][0]["version"]) == (1, "journal", 1)
    vault = told["vault"]
    assert (vault["reachable"], vault["logged_in"]) == (None, None)
    assert "secret-id" in vault["saw"]


def test_a_token_that_vault_lost(
    named: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """The journal tells of it, and Vault has none: that comes first of all."""
    deliver(dovecot, user)
    assert named("scan").code == 0
    openbao.put(f"salesforce/{org}/{USER}", {"password": "x"})
    code, told = status(named)
    row = row_of(told, org)
    assert (code, row["state"], row["in_vault"]) == (1, "missing", "absent")


def test_a_secret_that_somebody_deleted(
    named: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """Their decision: nobody is asked for anything."""
    deliver(dovecot, user)
    assert named("scan").code == 0
    openbao.delete(f"salesforce/{org}/{USER}")
    code, told = status(named)
    row = row_of(told, org)
    assert (code, row["state"], row["in_vault"]) == (0, "deleted", "deleted")


def test_a_token_that_somebody_else_wrote(named: Program, openbao: OpenBao, org: str) -> None:
    """Nobody knows when it was issued, but since when it is there."""
    openbao.put(f"salesforce/{org}/{USER}", {"security_token": TOKEN})
    _, told = status(named)
    row = row_of(told, org)
    created_at = openbao.versions(f"salesforce/{org}/{USER}")[1]["created_time"]
    assert moment(row["_written_at"]) == moment(created_at)
    assert (row["state"], row["version"], row["issued_at"]) == ("ok", 1, None)
    assert row["_age"] >= 0


def test_a_user_of_a_pattern(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """Known by the journal; what Vault lists as well, where the policy allows it."""
    deliver(dovecot, user)
    assert tool("scan").code == 0
    openbao.put(f"salesforce/{org}/other@acme.example", {"security_token": TOKEN})
    openbao.put(f"salesforce/{org}/foreign@elsewhere.example", {"security_token": TOKEN})
    assert [row["username"] for row in status(tool)[1]["users"]] == [USER]
    openbao.policy(
        f"{org}-list",
        f'path "secret/metadata/salesforce/{org}" {{capabilities=["list"]}}\n'
        f'path "secret/metadata/salesforce/{org}/" {{capabilities=["list"]}}',
    )
    openbao.tell(
        "post",
        f"auth/approle/role/{org}-test",
        {"token_policies": ["token-catcher", f"{org}-list"]},
    )
    told = status(tool)[1]
    assert [row["username"] for row in told["users"]] == sorted([USER, "other@acme.example"])


def test_the_daemon_counts_users(
    named: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """Never seen at first; after a rotation, and with another age, overdue; by org alone."""
    named.text = named.text.replace('usernames: ["*@acme.example"]', f"usernames: [{USER}]")
    site = Site(named)
    with named.daemon() as daemon:
        until(lambda: site.sample("users_never_seen", org=org) == 1, "the first look at all users")
        assert daemon.says("token.never_seen", org=org, username=USER)
        assert site.sample("tokens_overdue", org=org) == 0
        deliver(dovecot, user)
        until(lambda: len(named.journal) == 1, "the record")
    named.configure(usernames=f"usernames: [{USER}]\nmax_age: 1s")
    until(lambda: datetime.now(UTC) - NOW > timedelta(seconds=2), "the token to be older")
    with named.daemon() as daemon:
        until(lambda: site.sample("tokens_overdue", org=org) == 1, "the first look at all users")
        assert daemon.says("token.overdue", org=org, username=USER, version=1)
        assert site.sample("users_never_seen", org=org) == 0
        assert site.sample("mailbox_failing", mailbox="integrations") == 0
        assert USER not in site.get("/metrics")[1]


def lines(done: Done) -> list[str]:
    """What a person sees."""
    return done.out.splitlines()


def test_what_a_person_sees(
    named: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """80 columns, UTC where times stand, and what Salesforce retires in the end."""
    deliver(dovecot, user)
    assert named("scan").code == 0
    shown = lines(named("status"))
    # A name or a page is never broken.
    assert [line for line in shown if len(line) > 80 and len(line.split()) > 2] == []
    assert shown[:2] == ["users (1)", f"  ok          {USER} ({org})"]
    issued = f"{NOW:%Y-%m-%d %H:%M} UTC"
    assert re.fullmatch(rf" {{14}}v1, issued {issued}, \d+ min ago, at most 90 d", shown[2])
    assert shown[4] == "mailboxes (1)"


def test_a_journal_that_is_broken(
    named: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """It tells nothing, and Vault is asked all the same."""
    deliver(dovecot, user)
    assert named("scan").code == 0
    journal = named.state / "journal.jsonl"
    journal.write_text(journal.read_text("utf-8").replace("stored", "held", 1), "utf-8")
    code, told = status(named)
    assert (code, told["journal"]["trouble"]) == (1, "journal-broken")
    assert (told["users"][0]["source"], told["users"][0]["issued_at"]) == ("vault", iso(NOW))
