"""The odd server without a quirk: what changes is told, and what is asked to be changed, is."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from imaplib import IMAP4

import pytest

from tests.contract.odd import (
    EXAMINED,
    LOGGED_IN,
    SELECTED,
    account_with,
    answer,
    connected,
    logged_in,
    mail,
    opened,
    raw,
)
from tests.kit.odd_imap import OddImap, Quirks

# -- what others do is told --


def test_idle_tells_of_mail_that_comes_and_goes() -> None:
    """EXISTS and EXPUNGE, as they happen."""
    with OddImap(account=account_with(2)) as server, opened(server) as client:
        client.idle()
        server.wait_for_idle()
        server.account.deliver(mail(3))
        assert client.idle_check(30) == [(3, b"EXISTS"), (3, b"RECENT")]
        server.account.expunge(1)
        assert client.idle_check(30) == [(1, b"EXPUNGE")]
        server.account.flag(3, "\\Seen")
        assert client.idle_check(30) == [
            (2, b"FETCH", (b"UID", 3, b"FLAGS", (b"\\Seen", b"\\Recent")))
        ]
        assert client.idle_done() == (b"done", [])
        assert client.search() == [2, 3]


def test_idle_tells_what_came_before_it() -> None:
    """Together with the continuation: no mail falls between two commands."""
    with OddImap() as server, raw(server, *EXAMINED) as client:
        server.account.deliver(mail())
        assert client.ask("IDLE") == b"+ idling\r\n"
        assert client.line() == b"* 1 EXISTS\r\n"


def test_idle_ends_with_done_alone() -> None:
    """Also where DONE and the next command come in one packet with IDLE."""
    with OddImap() as server, raw(server, *EXAMINED) as client:
        client.send(b"A IDLE\r\nDONE\r\nB NOOP\r\nC IDLE\r\nD NOOP\r\n")
        lines = [client.line() for _ in range(5)]
    assert lines[:2] == [b"+ idling\r\n", b"A OK done\r\n"]
    assert lines[2:4] == [b"B OK done\r\n", b"+ idling\r\n"]
    assert lines[4] == b"C BAD expected DONE\r\n"


def test_every_command_tells_of_changes() -> None:
    """EXPUNGE from the highest number down, then EXISTS, before what was asked for."""
    with OddImap(account=account_with(4)) as server, raw(server, *EXAMINED) as client:
        server.account.expunge(1, 3)
        server.account.deliver(mail(5))
        assert client.ask("UID SEARCH ALL") == (
            b"* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n* 3 EXISTS\r\n* 3 RECENT\r\n"
            b"* SEARCH 2 4 5\r\nT OK done\r\n"
        )
        assert client.ask("NOOP") == b"T OK done\r\n"


def test_a_folder_that_is_numbered_anew_ends_its_sessions() -> None:
    """The same mails under UIDs from 1 on and a new UIDVALIDITY; the others go on."""
    account = account_with(3)
    with OddImap(account=account) as server, opened(server, "Junk") as other:
        with raw(server, *EXAMINED) as client:
            account.expunge(1)
            account.renumber()
            assert client.ask("NOOP").startswith(b"* BYE")
        with raw(server, *EXAMINED, "IDLE") as client:
            account.renumber(keep_uidvalidity=True)
            assert client.line().startswith(b"* BYE")
        other.noop()
        told = other.select_folder("INBOX", readonly=True)
        assert (told[b"UIDVALIDITY"], told[b"UIDNEXT"]) == (8, 3)
        assert other.search(["SUBJECT", "Number 3"]) == [2]


def test_a_folder_may_be_set_back() -> None:
    """Its UIDs are given again under the same UIDVALIDITY."""
    with OddImap(account=account_with(3)) as server, logged_in(server) as client:
        server.account.set_back(2)
        assert server.account.deliver(mail(9)) == 2
        told = client.select_folder("INBOX", readonly=True)
        assert (told[b"UIDVALIDITY"], told[b"UIDNEXT"], told[b"EXISTS"]) == (7, 3, 2)
        assert client.search(["SUBJECT", "Number 9"]) == [2]


def test_a_folder_that_is_deleted_ends_its_sessions() -> None:
    """As Cyrus does it."""
    with OddImap() as server, raw(server, LOGGED_IN, "EXAMINE Junk") as client:
        server.account.remove("Junk")
        assert client.ask("NOOP").startswith(b"* BYE")
        assert client.line() == b""


# -- changing --


def test_append_keeps_bytes_flags_and_time() -> None:
    """And says where the mail is (RFC 4315); the session that has the folder open is told."""
    when = datetime(2026, 1, 9, 3, 4, 5, tzinfo=UTC)
    with OddImap(account=account_with(1)) as server, opened(server) as client:
        assert client.append("INBOX", mail(2), [b"\\Seen"], when) == b"[APPENDUID 7 2] done"
        assert client.noop()[1][0] == (2, b"EXISTS")
        stored = client.fetch([2], ["BODY.PEEK[]", "FLAGS", "INTERNALDATE"])[2]
        assert (stored[b"BODY[]"], stored[b"INTERNALDATE"]) == (mail(2), when)
        assert stored[b"FLAGS"] == (b"\\Seen", b"\\Recent")


def test_a_literal_is_asked_for() -> None:
    """Unless it says that it does not wait (RFC 7888)."""
    with OddImap() as server, raw(server, LOGGED_IN) as client:
        assert client.ask("APPEND INBOX {5}") == b"+ go on\r\n"
        client.send(b"a: b\n\r\n")
        assert client.line() == b"T OK [APPENDUID 7 1] done\r\n"
        client.send(b"T APPEND INBOX {5+}\r\nc: d\n\r\n")
        assert client.line() == b"T OK [APPENDUID 7 2] done\r\n"
        assert server.commands[-2:] == ["APPEND INBOX {5}", "APPEND INBOX {5+}"]


def test_flags_are_set_and_taken_away() -> None:
    """UID STORE, with an answer and silently."""
    with OddImap(account=account_with(2)) as server, opened(server, readonly=False) as client:
        assert client.add_flags([1, 2], [b"\\Seen", "$Token"]) == {
            1: (b"$Token", b"\\Seen", b"\\Recent"),
            2: (b"$Token", b"\\Seen", b"\\Recent"),
        }
        client.remove_flags([1], [b"\\Seen"], silent=True)
        client.set_flags([2], [b"\\Flagged"], silent=True)
        assert client.get_flags([1, 2]) == {
            1: (b"$Token", b"\\Recent"),
            2: (b"\\Flagged", b"\\Recent"),
        }


def test_mails_are_copied_and_moved() -> None:
    """COPYUID is in the tagged line of COPY, and untagged for MOVE (RFC 6851)."""
    with OddImap(account=account_with(3)) as server, raw(server, *SELECTED) as client:
        assert client.ask("UID COPY 1:2 Junk") == b"T OK [COPYUID 7 1,2 1,2] done\r\n"
        assert client.ask("UID MOVE 2 Junk") == (
            b"* OK [COPYUID 7 2 3] done\r\n* 2 EXPUNGE\r\nT OK done\r\n"
        )
        assert client.ask("UID MOVE 2 Junk") == b"T OK done\r\n"
        assert client.ask("UID SEARCH ALL") == b"* SEARCH 1 3\r\nT OK done\r\n"
        assert len(server.account.folders["Junk"].mails) == 3


@pytest.mark.parametrize(
    "command", ["UID COPY 1 Nowhere", "UID MOVE 1 Nowhere", "APPEND Nowhere {1+}\r\nx"]
)
def test_a_target_that_is_not_there_may_be_created(command: str) -> None:
    """TRYCREATE says so; nothing is moved."""
    with OddImap(account=account_with(1)) as server:
        assert answer(server, command, *SELECTED).startswith(b"T NO [TRYCREATE]")
        assert sorted(server.account.folders["INBOX"].mails) == [1]


def test_only_deleted_mail_is_expunged() -> None:
    """UID EXPUNGE: of the set alone; CLOSE: all of it, unless EXAMINE had opened the folder."""
    account = account_with(4)
    for uid in (1, 2, 3):
        account.flag(uid, "\\Deleted")
    with OddImap(account=account) as server, logged_in(server) as client:
        client.select_folder("INBOX")
        client.uid_expunge([1, 4])
        assert client.search() == [2, 3, 4]
        client.unselect_folder()
        client.select_folder("INBOX", readonly=True)
        client.close_folder()
        assert sorted(account.folders["INBOX"].mails) == [2, 3, 4]
        client.select_folder("INBOX")
        client.close_folder()
        assert sorted(account.folders["INBOX"].mails) == [4]


@pytest.mark.parametrize(
    "command", ["UID STORE 1 +FLAGS (\\Seen)", "UID MOVE 1 Junk", "UID EXPUNGE 1", "EXPUNGE"]
)
def test_nothing_is_changed_after_examine(command: str) -> None:
    """READ-ONLY."""
    with OddImap(account=account_with(1)) as server:
        assert answer(server, command).startswith(b"T NO [READ-ONLY]")
        assert server.account.folders["INBOX"].mails[1].flags == frozenset()


# -- the log, and many at a time --


def test_commands_are_counted_and_weighed() -> None:
    """By connection, by name, and in bytes."""
    with OddImap(account=account_with(1)) as server:
        assert answer(server, "UID FETCH 1 (BODY.PEEK[])").endswith(b"T OK done\r\n")
        before = server.bytes_sent
        with raw(server, "NOOP", "NOOP") as client:
            client.ask("LOGOUT")
            assert client.line() == b""
        server.wait_for_answer("LOGOUT")
        assert server.connections[0].commands[1:] == [
            *("EXAMINE INBOX", "UID FETCH 1 (BODY.PEEK[])")
        ]
        assert server.connections[1].commands == ["NOOP", "NOOP", "LOGOUT"]
        assert (server.counts["NOOP"], server.counts["UID FETCH"]) == (2, 1)
        assert server.bytes_sent - before == server.connections[1].bytes_sent
        assert server.connections[1].bytes_received == len("T NOOP\r\nT NOOP\r\nT LOGOUT\r\n")


def test_many_clients_see_every_mail() -> None:
    """Four deliver, four read: each client ends with all UIDs, in order and once."""
    ends: list[list[int]] = []

    def deliver() -> None:
        for number in range(25):
            server.account.deliver(mail(number))

    def read() -> None:
        with opened(server) as client:
            uids: list[int] = []
            while len(uids) < 100:
                uids = client.search(["UID", "1:*"])
                assert sorted(client.fetch(uids, ["BODY.PEEK[]"])) == uids
            ends.append(uids)

    with OddImap(Quirks()) as server:
        threads = [threading.Thread(target=work) for work in (deliver, read) * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert ends == [list(range(1, 101))] * 4


def test_the_end_of_the_server_ends_its_connections() -> None:
    """Also of those that idle; and a client hears of it."""
    with OddImap() as server:
        with raw(server, *EXAMINED, "IDLE") as client:
            server.cut()
            assert client.line() == b""
        with connected(server) as other:
            other.login("someone", "password")
            server.cut()
            with pytest.raises((IMAP4.abort, OSError)):
                other.noop()
