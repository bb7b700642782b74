"""What Vault has lost is stored again by the daemon's look at its start, between real servers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.kit import mails
from tests.kit.program import Program
from tests.kit.servers import Dovecot, OpenBao
from tests.kit.waiting import until
from tests.system.test_web import Site

NOW = datetime.now(UTC).replace(microsecond=0)
USER = mails.USERNAME
FIRST = "FAKEfirstTOKEN1notREAL2ab"
SECOND = "FAKEsecondTOKENnotREAL2ab"


def path(org: str) -> str:
    """Where the user's token is."""
    return f"salesforce/{org}/{USER}"


def token_of(openbao: OpenBao, org: str) -> str | None:
    """What Vault has of the user."""
    return (openbao.get(path(org)) or {}).get("security_token")


def reset(dovecot: Dovecot, user: str, token: str, seconds: int = 0) -> None:
    """A genuine mail arrives."""
    issued_at = NOW + timedelta(seconds=seconds)
    dovecot.deliver(mails.genuine(USER, token, issued_at=issued_at), user)


def test_a_token_that_a_person_dropped_is_stored_again(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """`kv put` of a password alone: the password stays, the token is there again, the record and
    the history say that it was mended."""
    reset(dovecot, user, FIRST)
    assert tool("scan").code == 0
    openbao.put(path(org), {"password": "p"})
    with tool.daemon() as daemon:
        until(lambda: token_of(openbao, org) == FIRST, "the token to be there again")
        until(lambda: len(tool.journal) == 2, "its record")
        assert daemon.says("vault.drift", drift="missing", username=USER)
    assert (openbao.get(path(org)) or {})["password"] == "p"
    records = [
        (record["event"], record["version"], record.get("mended")) for record in tool.journal
    ]
    assert records == [("rotation.stored", 1, None), ("rotation.stored", 3, True)]
    assert [row["mended"] for row in tool("history", "--json").lines] == [False, True]
    assert tool("history").out.count("mended") == 1
    assert tool("audit", "verify").code == 0


def test_a_vault_of_before_gets_the_newest_token_again(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """Restored from a backup, it has the token of before with all that was noted beside it."""
    reset(dovecot, user, FIRST)
    assert tool("scan").code == 0
    backup = openbao.get(path(org)) or {}
    reset(dovecot, user, SECOND, 1)
    assert tool("scan").code == 0
    openbao.purge(path(org))
    openbao.put(path(org), backup)
    with tool.daemon() as daemon:
        until(lambda: token_of(openbao, org) == SECOND, "the newest token")
        until(lambda: len(tool.journal) == 3, "its record")
        assert daemon.says("vault.drift", drift="older", username=USER)
    assert (tool.journal[-1]["mended"], tool.outcomes) == (True, [("stored", None)] * 3)


def test_a_lost_token_without_its_mail_is_told(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """In the log, with what to do, and to Prometheus."""
    reset(dovecot, user, FIRST)
    assert tool("scan").code == 0
    openbao.purge(path(org))
    dovecot.expunge(user=user)
    site = Site(tool)
    with tool.daemon() as daemon:
        until(lambda: daemon.says("mail.missing", username=USER), "the mail to be missed")
        assert site.sample("vault_drift", mailbox="integrations") == 1
    assert (token_of(openbao, org), len(tool.journal)) == (None, 1)


def test_a_secret_that_a_person_deleted_stays_deleted(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """It is told, and nobody is alerted."""
    reset(dovecot, user, FIRST)
    assert tool("scan").code == 0
    openbao.delete(path(org))
    site = Site(tool)
    with tool.daemon() as daemon:
        until(lambda: daemon.says("vault.drift", drift="gone"), "it to be told")
        assert site.sample("vault_drift", mailbox="integrations") == 0
    assert (token_of(openbao, org), len(tool.journal)) == (None, 1)
