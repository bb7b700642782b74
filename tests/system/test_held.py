"""From held to stored, between real servers: what waits, who releases it, what is recorded."""

from __future__ import annotations

import os
import pwd
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.kit import mails
from tests.kit.program import Program
from tests.kit.servers import Dovecot, OpenBao
from tests.kit.waiting import until
from tests.system.test_web import Site

NOW = datetime.now(UTC).replace(microsecond=0)
TOKEN = "FAKEheldTOKEN1notREAL2abc"
LATER = "FAKElaterTOKEN1notREAL2ab"
SUBJECT = "Ihr neues Salesforce-Sicherheitstoken"
USER = mails.USERNAME
STRANGER = "stranger@elsewhere.example"


def held_mail(user: str = USER, token: str = TOKEN) -> bytes:
    """Genuine, with a subject that nobody listed."""
    return mails.genuine(user, token, subject=SUBJECT, issued_at=NOW)


def waiting(tool: Program) -> list[dict[str, Any]]:
    """What `held --json` tells."""
    done = tool("held", "--json")
    assert (done.code, done.err) == (0, "")
    return done.lines


def hold(tool: Program, dovecot: Dovecot, user: str, *raws: bytes, folder: str = "INBOX") -> None:
    """Deliver these mails; a scan holds them, and says that somebody must look."""
    for raw in raws:
        dovecot.deliver(raw, user, folder)
    assert tool("scan").code == 1


def token_of(openbao: OpenBao, org: str, user: str = USER) -> str | None:
    """What Vault has of the user."""
    return (openbao.get(f"salesforce/{org}/{user}") or {}).get("security_token")


def test_a_held_mail_is_shown_released_and_stored(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """The runbook's way: `held` gives the id, `release` stores, and the record says who and why."""
    hold(tool, dovecot, user, held_mail())
    (mail,) = waiting(tool)
    assert (mail["username"], mail["reason"], len(mail["id"])) == (USER, "unknown-subject", 12)
    assert mail["id"] in tool("held").out
    assert token_of(openbao, org) is None
    done = tool("release", mail["id"], "--reason", "the user's language, INC-1234")
    assert (done.code, token_of(openbao, org)) == (0, TOKEN)
    assert f"stored  {USER} → salesforce/{org}/{USER} v1" in done.out
    record = tool.journal[-1]
    assert (record["event"], record["mail"], record["version"]) == (
        "rotation.stored",
        mail["mail"],
        1,
    )
    assert record["released_by"] == pwd.getpwuid(os.getuid()).pw_name
    assert record["release_reason"] == "the user's language, INC-1234"
    assert record["waived"] == ["subject"]
    assert (waiting(tool), tool("held").out) == ([], "no held mail waits\n")
    assert tool("audit", "verify").code == 0


@pytest.mark.parametrize(
    ("fields", "days", "reason", "waived"),
    [
        ({"to": "former@example.com"}, 0, "wrong-recipient", ["recipient"]),
        ({}, 3, "date-out-of-bounds", ["date"]),
        ({"sender": "no-reply@salesforce.com"}, 0, "unknown-sender", ["sender"]),
    ],
    ids=["to an address that is gone", "out of a quarantine", "of another sender of Salesforce's"],
)
def test_what_a_person_can_set_aside(
    tool: Program,
    dovecot: Dovecot,
    openbao: OpenBao,
    user: str,
    org: str,
    fields: dict[str, str],
    days: int,
    reason: str,
    waived: list[str],
) -> None:
    """Recipient, arrival and sender: each mail is held, and stored once it is released."""
    raw = mails.genuine(USER, TOKEN, issued_at=NOW - timedelta(days=days), **fields)
    hold(tool, dovecot, user, raw)
    (mail,) = waiting(tool)
    assert (mail["reason"], token_of(openbao, org)) == (reason, None)
    assert tool("release", mail["id"]).code == 0
    assert (tool.journal[-1]["waived"], token_of(openbao, org)) == (waived, TOKEN)


def test_the_history_tells_of_a_release(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str
) -> None:
    """In every form."""
    hold(tool, dovecot, user, held_mail())
    (mail,) = waiting(tool)
    assert tool("release", mail["id"]).code == 0
    name = pwd.getpwuid(os.getuid()).pw_name
    (row,) = tool("history", "--event", "stored", "--json").lines
    assert (row["released_by"], row["release_reason"], row["waived"]) == (name, None, ["subject"])
    assert f"released by {name}" in tool("history").out
    assert '["subject"]' in tool("history", "--csv").out.replace('""', '"')
    page = tool.home / "history.html"
    assert tool("history", "--html", str(page)).code == 0
    assert f"released by {name} (without subject)" in page.read_text("utf-8")


def test_a_release_beside_the_daemon(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """The daemon's metric tells of the mail that waits, and that it waits no longer."""
    site = Site(tool)
    mailbox = {"mailbox": "integrations"}
    with tool.daemon():
        dovecot.deliver(held_mail(), user)
        until(lambda: site.sample("held_waiting", **mailbox) == 1, "the mail to wait")
        (mail,) = waiting(tool)
        assert tool("release", mail["id"]).code == 0
        assert token_of(openbao, org) == TOKEN
        until(lambda: site.sample("held_waiting", **mailbox) == 0, "the daemon to know")
        dovecot.deliver(mails.genuine(USER, LATER, issued_at=NOW + timedelta(seconds=1)), user)
        until(lambda: len(tool.outcomes) == 3, "the record of the next token")
    assert token_of(openbao, org) == LATER
    assert tool.outcomes == [("held", "unknown-subject"), ("stored", None), ("stored", None)]


def test_a_mail_that_was_moved_is_found(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """By its digest, in any of the watched folders."""
    dovecot.create("Filed", user)
    tool.configure(idle="folders: {also: [Filed]}\nidle: true")
    hold(tool, dovecot, user, held_mail(), folder="Junk")
    (mail,) = waiting(tool)
    with dovecot.session(user) as session:
        session.select("Junk")
        assert session.uid("MOVE", str(mail["uid"]), "Filed")[0] == "OK"
    done = tool("release", mail["id"])
    assert (done.code, token_of(openbao, org)) == (0, TOKEN)
    assert tool.journal[-1]["folder"] == "Filed"


def test_what_cannot_be_released_is_told(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """Each on its own: a stranger's, one that is gone, one that is no mail; the last is stored."""
    gone = held_mail("etl@acme.example", "FAKEgoneTOKEN1notREAL2abc")
    hold(tool, dovecot, user, held_mail(STRANGER, "FAKEstrangerTOKEN1notREAL"), gone, held_mail())
    ids = {mail["username"]: mail["id"] for mail in waiting(tool)}
    dovecot.expunge("2", "INBOX", user)
    done = tool("release", ids[STRANGER], ids["etl@acme.example"], "0123456789ab", ids[USER])
    assert done.code == 1
    assert f"held  {STRANGER} unknown-user" in done.out
    assert f"{ids['etl@acme.example']}: the mail is gone" in done.err
    assert "0123456789ab: no mail of the journal has this id" in done.err
    assert "`token-catcher held` shows" in done.err
    assert token_of(openbao, org) == TOKEN
    assert {mail["username"] for mail in waiting(tool)} == {STRANGER, "etl@acme.example"}
    assert openbao.paths(f"salesforce/{org}/") == [f"salesforce/{org}/{USER}"]


def test_a_forged_mail_cannot_be_released(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """It is refused, so it is not held, and no word of a person changes that."""
    hold(tool, dovecot, user, mails.token_mail(issued_at=NOW, subject=SUBJECT))
    (record,) = tool.journal
    done = tool("release", record["mail"])
    assert (done.code, token_of(openbao, org)) == (1, None)
    assert "it is not held: it ended as refused" in done.err


def test_held_needs_neither_mailbox_nor_vault(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str
) -> None:
    """The journal is enough, also while both are away."""
    hold(tool, dovecot, user, held_mail())
    tool.configure(port="port: 9", address="address: http://127.0.0.1:9")
    assert [mail["username"] for mail in waiting(tool)] == [USER]


@pytest.mark.parametrize("sudo", [True, False])
def test_the_person_behind_sudo_is_recorded(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, sudo: bool
) -> None:
    """Not the account of the service."""
    hold(tool, dovecot, user, held_mail())
    nobody = pwd.getpwnam("nobody")
    if sudo:
        tool.env["SUDO_UID"] = str(nobody.pw_uid)
    assert tool("release", waiting(tool)[0]["id"]).code == 0
    expected = nobody if sudo else pwd.getpwuid(os.getuid())
    assert tool.journal[-1]["released_by"] == expected.pw_name


def test_mail_of_a_further_folder_reaches_vault(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """`folders.also`, at once while the daemon listens; a folder that is missing costs nothing."""
    dovecot.create("Filed", user)
    tool.configure(idle="folders: {also: [Gone, Filed]}\nidle: true")
    with tool.daemon() as daemon:
        until(lambda: daemon.says("mailbox.connected", folder="Filed"), "the listener there")
        dovecot.deliver(mails.genuine(USER, TOKEN, issued_at=NOW), user, "Filed")
        until(lambda: token_of(openbao, org) == TOKEN, "the token in Vault")
    done = tool("scan")
    assert (done.code, "got no folder 'Gone'" in done.out) == (1, True)


STRANGERS_ORG = "X-SFDC-LK: 00D8d000003TRx3\n"


def test_a_second_salesforce_org_is_held_until_its_id_is_configured(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """The first mail says whose an org is, to every later process; `org_id` says it for good."""
    dovecot.deliver(mails.genuine(USER, TOKEN, issued_at=NOW), user)
    assert tool("scan").code == 0
    another = mails.genuine(USER, LATER, issued_at=datetime.now(UTC), extra=STRANGERS_ORG)
    hold(tool, dovecot, user, another)
    assert [mail["reason"] for mail in waiting(tool)] == ["wrong-org"]
    assert token_of(openbao, org) == TOKEN
    config = tool.config.read_text("utf-8")
    pinned = config.replace(f"{org}\n", f"{org}\n    org_id: 00D8d000003TRx3\n", 1)
    tool.config.write_text(pinned, "utf-8")
    assert tool("scan", "--again").code == 0
    assert (token_of(openbao, org), waiting(tool)) == (LATER, [])
