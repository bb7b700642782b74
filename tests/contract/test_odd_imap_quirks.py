"""The odd server's quirks of login, folders and numbers: each does what its docstring says."""

from __future__ import annotations

from imaplib import IMAP4
from typing import Any

import pytest
from imapclient.exceptions import IMAPClientError, LoginError

from tests.contract.odd import (
    LOGGED_IN,
    SELECTED,
    answer,
    connected,
    logged_in,
    mail,
    odd,
    opened,
    raw,
    uids,
)
from tests.kit.odd_imap import (
    ABSURD_UIDNEXT,
    REFUSALS,
    UNTIL_RELEASED,
    Account,
    Limit,
    OddImap,
    Quirks,
)

DONE = b"T OK done\r\n"


def numbers(server: OddImap, look: str) -> tuple[int | None, int | None, int | None]:
    """UIDVALIDITY, UIDNEXT and the number of mails, as far as one look is told of them."""
    with logged_in(server) as client:
        if look == "STATUS":
            told = client.folder_status("INBOX", ["UIDVALIDITY", "UIDNEXT", "MESSAGES"])
        else:
            told = client.select_folder("INBOX", readonly=look == "EXAMINE")
        count = told.get(b"EXISTS", told.get(b"MESSAGES"))
        return told.get(b"UIDVALIDITY"), told.get(b"UIDNEXT"), count


# -- capabilities, connections and login --


@pytest.mark.parametrize(
    ("capability", "command"),
    [
        ("IDLE", "IDLE"),
        ("MOVE", "UID MOVE 1 Junk"),
        ("ID", "ID NIL"),
        ("UNSELECT", "UNSELECT"),
        ("UIDPLUS", "UID EXPUNGE 1"),
        ("NAMESPACE", "NAMESPACE"),
        ("LIST-EXTENDED", 'LIST "" "*" RETURN (SPECIAL-USE)'),
    ],
)
def test_what_a_server_lacks_it_neither_announces_nor_takes(capability: str, command: str) -> None:
    """The command is unknown."""
    with odd(lacks=frozenset({capability})) as server:
        assert capability.encode() not in answer(server, "CAPABILITY", LOGGED_IN).split()
        assert answer(server, command, *SELECTED).startswith(b"T BAD")


def test_without_uidplus_nothing_is_said_of_copies() -> None:
    """APPEND and COPY are done all the same."""
    with odd(lacks=frozenset({"UIDPLUS"})) as server:
        assert answer(server, "UID COPY 1 Junk") == DONE
        assert answer(server, "APPEND Junk {1+}\r\nx", LOGGED_IN) == DONE
        assert len(server.account.folders["Junk"].mails) == 2


@pytest.mark.parametrize("name", REFUSALS)
def test_logins_are_refused_for_a_while(name: str) -> None:
    """With the words of each server; correct passwords alone are counted."""
    account = Account(password="password")
    quirks = Quirks(login_refusals=2, login_refusal=REFUSALS[name])
    with OddImap(quirks, account) as server, raw(server) as client:
        assert b"AUTHENTICATIONFAILED" in client.ask("LOGIN someone wrong")
        for _ in range(2):
            assert client.ask(LOGGED_IN) == b"T NO %s\r\n" % REFUSALS[name].encode()
        assert client.ask(LOGGED_IN).startswith(b"T OK")


def test_logins_may_be_disabled() -> None:
    """Announced, and refused in both ways."""
    with odd(login_disabled=True) as server, connected(server) as client:
        announced = client.capabilities()
        assert b"LOGINDISABLED" in announced
        assert b"AUTH=PLAIN" not in announced
        for log_in in (client.login, client.plain_login):
            with pytest.raises(LoginError, match="PRIVACYREQUIRED"):
                log_in("someone", "password")


def test_logins_may_be_disabled_once_one_is_logged_in() -> None:
    """Announced, and of no meaning."""
    with odd(login_disabled_after_login=True) as server, connected(server) as client:
        assert not client.has_capability("LOGINDISABLED")
        client.login("someone", "password")
        assert client.has_capability("LOGINDISABLED")


def test_a_continuation_may_end_in_a_bare_line_feed() -> None:
    """imaplib does not go on from there."""
    with odd(continuation_in_bare_lf=True) as server:
        assert answer(server, "AUTHENTICATE PLAIN", "NOOP") == b"+ \n"
        with connected(server) as client:
            with pytest.raises(LoginError, match="unterminated"):
                client.plain_login("someone", "password")
            client.shutdown()


def test_one_connection_too_many_is_refused_at_login() -> None:
    """Until another one has logged out."""
    with odd(max_connections=1) as server:
        with logged_in(server), connected(server) as second:
            with pytest.raises(LoginError, match="Too many simultaneous"):
                second.login("someone", "password")
            second.noop()
        with logged_in(server) as client:
            client.noop()


def test_one_connection_too_many_is_closed_without_a_word() -> None:
    """Before the greeting."""
    with odd(max_connections=1, over_the_limit=Limit.CLOSED) as server:
        with logged_in(server), pytest.raises(IMAP4.abort), connected(server):
            pass
        with logged_in(server) as client:
            client.noop()


# -- folders --


def attributes(server: OddImap, command: str = 'LIST "" "*"') -> dict[str, str]:
    """Wire name of each folder to its attributes."""
    lines = answer(server, command, LOGGED_IN).decode().split("\r\n")[:-2]
    return {line.split('"')[-2]: line.partition("(")[2].partition(")")[0] for line in lines}


def test_special_use_may_be_told_on_request_alone() -> None:
    """By `RETURN (SPECIAL-USE)`, or by selection."""
    with odd(special_use_on_request=True) as server:
        assert attributes(server)["Junk"] == "\\HasNoChildren"
        for command in ('LIST () "" "*" RETURN (SPECIAL-USE)', 'LIST (SPECIAL-USE) "" "*"'):
            assert attributes(server, command)["Junk"] == "\\HasNoChildren \\Junk"


def test_special_use_may_never_be_told() -> None:
    """The folder has only a name."""
    with odd(lacks=frozenset({"SPECIAL-USE"}), junk_name="Søppelpost") as server:
        for command in ('LIST "" "*"', 'LIST "" "*" RETURN (SPECIAL-USE)'):
            assert attributes(server, command)["S&APg-ppelpost"] == "\\HasNoChildren"
        with logged_in(server) as client:
            server.account.deliver(mail(), "Junk")
            assert client.select_folder("Søppelpost", readonly=True)[b"EXISTS"] == 1


def test_folders_may_be_below_inbox() -> None:
    """With `.` between the levels, and so told by NAMESPACE."""
    with odd(below_inbox=True) as server, logged_in(server) as client:
        assert client.list_folders()[1] == (*((b"\\HasNoChildren", b"\\Junk"), b".", "INBOX.Junk"),)
        assert client.namespace().personal == (("INBOX.", "."),)
        assert client.select_folder("INBOX.Junk", readonly=True)[b"EXISTS"] == 0
        with pytest.raises(IMAPClientError, match="NONEXISTENT"):
            client.select_folder("Junk")


@pytest.mark.parametrize("renamed_to", ["Trap", ""])
def test_the_spam_folder_may_be_renamed_while_it_is_watched(renamed_to: str) -> None:
    """By itself or by the test. Who has it open keeps it; the special use wanders with it."""
    with odd(junk_renamed_to=renamed_to) as server, opened(server, "Junk") as client:
        if not renamed_to:
            server.rename_junk("Trap")
        client.idle()
        server.wait_for_idle("Junk")
        server.account.deliver(mail(), "Junk")
        assert client.idle_check(30)[0] == (1, b"EXISTS")
        client.idle_done()
        assert client.find_special_folder(b"\\Junk") == "Trap"
        with pytest.raises(IMAPClientError, match="NONEXISTENT"):
            client.select_folder("Junk")


def test_a_listed_name_may_be_no_folder() -> None:
    """\\Noselect, and it cannot be opened."""
    with odd(noselect="[Gmail]", junk_name="[Gmail]/Spam") as server:
        assert attributes(server)["[Gmail]"] == "\\Noselect \\HasChildren"
        assert attributes(server)["[Gmail]/Spam"] == "\\HasNoChildren \\Junk"
        assert answer(server, 'EXAMINE "[Gmail]"', LOGGED_IN).startswith(b"T NO")


# -- UIDVALIDITY and UIDNEXT --


def test_uidvalidity_may_be_new_at_each_look_until_a_select() -> None:
    """EXAMINE and STATUS are looks; the folder keeps what SELECT has got."""
    with odd(uidvalidity_new_until_select=True) as server:
        looks = [numbers(server, look)[0] for look in ("EXAMINE", "STATUS", "EXAMINE")]
        assert len(set(looks)) == 3
        settled = numbers(server, "SELECT")[0]
        assert settled not in looks
        assert [numbers(server, "EXAMINE")[0], numbers(server, "STATUS")[0]] == [settled] * 2


def test_an_append_settles_uidvalidity_as_well() -> None:
    """A mailbox that an MDA alone feeds is never settled."""
    with odd(uidvalidity_new_until_select=True) as server:
        server.account.deliver(mail())
        assert numbers(server, "EXAMINE")[0] != numbers(server, "EXAMINE")[0]
        answer(server, "APPEND INBOX {1+}\r\nx", LOGGED_IN)
        assert numbers(server, "EXAMINE")[0] == numbers(server, "EXAMINE")[0]


def test_uidvalidity_may_be_new_after_each_delivery() -> None:
    """And stays while none comes."""
    with odd(uidvalidity_new_after_delivery=True) as server:
        assert [numbers(server, look)[0] for look in ("EXAMINE", "SELECT")] == [10, 10]
        server.account.deliver(mail())
        assert [numbers(server, look)[0] for look in ("EXAMINE", "STATUS")] == [11, 11]


def test_uidvalidity_may_stay_although_mails_are_numbered_anew() -> None:
    """It is the one that was told first."""
    with odd(uidvalidity_never_new=True) as server:
        assert numbers(server, "EXAMINE") == (7, 4, 3)
        server.account.expunge(1)
        server.account.renumber()
        assert numbers(server, "EXAMINE") == (7, 3, 2)


@pytest.mark.parametrize(
    ("quirks", "examined", "status"),
    [
        ({}, 4, 4),
        ({"uidnext_missing": True}, None, 4),
        ({"uidnext_missing": True, "uidnext_missing_in_status": True}, None, None),
        ({"uidnext_ahead_by": 5}, 9, 9),
        ({"uidnext_told_as": ABSURD_UIDNEXT}, 4294967295, 4294967295),
        ({"uidnext_told_as": 0}, 0, 0),
    ],
)
def test_uidnext_may_be(quirks: dict[str, Any], examined: int | None, status: int | None) -> None:
    """Missing, too high, or absurd."""
    with odd(**quirks) as server:
        assert numbers(server, "EXAMINE")[1] == examined
        assert numbers(server, "STATUS")[1] == status


def test_uidnext_may_be_raised_before_the_mail_can_be_seen() -> None:
    """For so many looks neither EXISTS nor SEARCH nor FETCH knows of it."""
    with odd(0, hidden_looks=2) as server:
        server.account.deliver(mail())
        for _ in range(2):
            with raw(server, LOGGED_IN) as client:
                assert b"* 0 EXISTS" in client.ask("EXAMINE INBOX")
                assert client.ask("UID SEARCH UID 1:*") == b"* SEARCH\r\n" + DONE
                assert client.ask("UID FETCH 1 (UID)") == DONE
        assert numbers(server, "EXAMINE") == (7, 2, 1)
        assert uids(server) == [1]


def test_a_mail_may_be_hidden_until_it_is_released() -> None:
    """Then IDLE tells of it."""
    with odd(0, hidden_looks=UNTIL_RELEASED) as server, opened(server) as client:
        server.account.deliver(mail())
        for _ in range(5):
            assert numbers(server, "EXAMINE") == (7, 2, 0)
        client.idle()
        server.wait_for_idle()
        server.release()
        assert client.idle_check(30)[0] == (1, b"EXISTS")
        client.idle_done()
        assert client.search() == [1]
