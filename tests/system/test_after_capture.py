"""`after_capture`: the installed program moves, marks and removes settled mail on real servers.

Killed between the record and the change, it does the rest at the next start.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.kit import mails
from tests.kit.program import UNMEASURED, Program, program
from tests.kit.proxy import TcpProxy
from tests.kit.servers import Dovecot, OpenBao
from tests.kit.waiting import PATIENCE, until

READING = {
    *("CAPABILITY", "LOGIN", "ID", "LIST", "EXAMINE", "LOGOUT"),
    *("UID SEARCH", "UID FETCH", "IDLE", "DONE"),
}
"""Every command of a mailbox in which nothing is done."""
OTHERS: dict[int, set[str]] = {1: set(), 3: set(), 4: set()}
"""By UID, the mail that nothing is done to, and its flags; see `deliver_all`."""
FOREIGN = mails.token_mail(sender="Shop <news@shop.example.com>", subject="Offers", body="Buy.\n")


@pytest.fixture
def proxy(dovecot: Dovecot, user: str) -> Iterator[TcpProxy]:
    """Sees every command; the mailbox has a folder for what is done."""
    dovecot.create("Done", user)
    with TcpProxy(dovecot.port) as proxy:
        yield proxy


def configure(tool: Program, proxy: TcpProxy, after_capture: str, **more: str) -> None:
    """Over the proxy, in plain text, and with this done to settled mail."""
    tool.configure(
        port=f"port: {proxy.port}",
        tls="tls: none",
        ca_file="ca_file: null",
        idle=f"idle: true\nafter_capture: {after_capture}",
        **more,
    )


def deliver(dovecot: Dovecot, user: str, number: int, folder: str = "INBOX") -> None:
    """A reset within the last hour; the higher the number, the later, and no two at one time."""
    now = datetime.now(UTC).replace(microsecond=0)
    issued_at = now - timedelta(minutes=60 - number)
    raw = mails.genuine(token=mails.token(number), issued_at=issued_at)
    dovecot.deliver(raw, user, folder)


def deliver_all(dovecot: Dovecot, user: str) -> None:
    """UID 1: somebody's mail. 2: a token. 3: a forgery. 4: held, since nobody knows the user."""
    dovecot.deliver(FOREIGN, user)
    deliver(dovecot, user, 1)
    now = datetime.now(UTC).replace(microsecond=0)
    dovecot.deliver(mails.token_mail(token=mails.token(2), issued_at=now), user)
    stranger = mails.genuine("someone@elsewhere.example", mails.token(3), issued_at=now)
    dovecot.deliver(stranger, user)


@pytest.mark.parametrize(
    ("written", "flags", "done"),
    [
        ("none", {2: set()}, []),
        ("seen", {2: {"\\Seen"}}, []),
        ("{flag: $Captured}", {2: {"$Captured"}}, []),
        ("{move: Done}", {}, [1]),
        ("delete", {}, []),
    ],
)
def test_a_scan_does_it_to_the_settled_mail_alone(
    tool: Program,
    dovecot: Dovecot,
    proxy: TcpProxy,
    user: str,
    written: str,
    flags: dict[int, set[str]],
    done: list[int],
) -> None:
    """Dry runs do nothing; forged, held and foreign mail stays as it is, and so does all with
    `none`, under commands that only read."""
    configure(tool, proxy, written)
    deliver_all(dovecot, user)
    tool("scan", "--dry-run")
    assert set(proxy.commands) <= READING
    assert dovecot.flags(user=user) == OTHERS | {2: set()}
    scan = tool("scan")
    assert (scan.code, tool.outcomes[0]) == (1, ("stored", None))  # one is held
    assert dovecot.flags(user=user) == OTHERS | flags
    assert dovecot.uids("Done", user) == done
    if written == "none":
        tool("scan", "--again")
        assert set(proxy.commands) <= READING
    else:
        assert [
            event["uid"] for event in scan.events if event["event"] == "mail.after_capture"
        ] == [2]
    assert {"EXPUNGE", "CLOSE", "STORE"} & set(proxy.commands) == set()


def test_the_daemon_does_it_in_both_folders(
    tool: Program, dovecot: Dovecot, proxy: TcpProxy, user: str
) -> None:
    """As soon as the token is stored, and goes on listening: the next mail is caught by IDLE."""
    configure(tool, proxy, "{move: Done}")
    with tool.daemon() as daemon:
        deliver(dovecot, user, 1)
        until(lambda: dovecot.uids("Done", user) == [1], "the mail to be moved")
        deliver(dovecot, user, 2, "Junk")
        until(lambda: dovecot.uids("Done", user) == [1, 2], "that of the spam folder as well")
        deliver(dovecot, user, 3)
        until(lambda: dovecot.uids("Done", user) == [1, 2, 3], "the third")
        assert daemon.end() == 0
    assert (dovecot.uids(user=user), dovecot.uids("Junk", user)) == ([], [])
    assert tool.outcomes == [("stored", None)] * 3


@pytest.mark.kill
@pytest.mark.parametrize("command", ["SELECT", "UID MOVE"])
def test_killed_between_record_and_move_the_next_start_moves(
    tool: Program,
    dovecot: Dovecot,
    openbao: OpenBao,
    proxy: TcpProxy,
    user: str,
    org: str,
    command: str,
) -> None:
    """Before anything was changed, and when the server has moved and nobody heard of it."""
    tool.env |= UNMEASURED
    configure(tool, proxy, "{move: Done}")
    deliver(dovecot, user, 1)
    scan = tool.start("scan")

    def kill(sent: bytes) -> None:
        if f" {command} ".encode() in sent:
            scan.kill()

    proxy.on_up = kill
    assert scan.wait(PATIENCE) == -9
    assert tool.outcomes == [("stored", None)]
    proxy.on_up = lambda _sent: None
    assert tool("scan").code == 0
    assert (dovecot.uids(user=user), dovecot.uids("Done", user)) == ([], [1])
    assert tool.outcomes == [("stored", None)]
    assert list(openbao.versions(f"salesforce/{org}/{mails.USERNAME}")) == [1]


@pytest.fixture
def without_move(
    tmp_path: Path, openbao: OpenBao, user: str, org: str
) -> Iterator[tuple[Program, Dovecot, TcpProxy]]:
    """A server that moves by COPY, STORE and UID EXPUNGE."""
    with Dovecot(capability="IMAP4rev1 LITERAL+ IDLE UIDPLUS SPECIAL-USE ID") as dovecot:
        tool = program(tmp_path / "copying", dovecot, openbao, user, org)
        dovecot.create("Done", user)
        with TcpProxy(dovecot.port) as proxy:
            yield tool, dovecot, proxy


@pytest.mark.kill
@pytest.mark.parametrize("command", ["UID STORE", "UID EXPUNGE"])
def test_killed_between_copy_and_removal_there_is_one_copy(
    without_move: tuple[Program, Dovecot, TcpProxy], user: str, command: str
) -> None:
    """The next start finds it, and removes the original alone."""
    tool, dovecot, proxy = without_move
    tool.env |= UNMEASURED
    configure(tool, proxy, "{move: Done}")
    deliver(dovecot, user, 1)
    scan = tool.start("scan")

    def kill(sent: bytes) -> None:
        if f" {command} ".encode() in sent:
            scan.kill()

    proxy.on_up = kill
    assert scan.wait(PATIENCE) == -9
    assert dovecot.uids("Done", user) == [1]
    proxy.on_up = lambda _sent: None
    assert tool("scan").code == 0
    assert (dovecot.uids(user=user), dovecot.uids("Done", user)) == ([], [1])
    assert tool.outcomes == [("stored", None)]


def test_a_folder_that_is_missing_costs_no_token(
    tool: Program, dovecot: Dovecot, proxy: TcpProxy, user: str
) -> None:
    """It is told with what there is, and is no failure; once it is made, the mail follows."""
    configure(tool, proxy, "{move: Later}")
    deliver(dovecot, user, 1)
    scan = tool("scan")
    assert (scan.code, tool.outcomes) == (0, [("stored", None)])
    (told,) = [event for event in scan.events if event["event"] == "mail.after_capture_failed"]
    assert (told["level"], told["code"], told["attempts"]) == ("warning", "imap-apply-folder", 1)
    assert "got no folder 'Later', expected one of: " in told["error"]
    dovecot.create("Later", user)
    assert tool("scan").code == 0
    assert (dovecot.uids(user=user), dovecot.uids("Later", user)) == ([], [1])


def test_mail_from_before_is_done_by_another_look(
    tool: Program, dovecot: Dovecot, proxy: TcpProxy, user: str
) -> None:
    """`scan --again`: its token is there already."""
    configure(tool, proxy, "none")
    deliver(dovecot, user, 1)
    tool("scan")
    configure(tool, proxy, "delete")
    tool("scan")
    assert dovecot.uids(user=user) == [1]
    assert tool("scan", "--again").code == 0
    assert (dovecot.uids(user=user), tool.outcomes) == ([], [("stored", None)])
