"""The odd server without a quirk is a correct one: a plain imapclient finds all as it should."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from imapclient.exceptions import LoginError

from tests.contract.odd import (
    EXAMINED,
    LOGGED_IN,
    NOON,
    account_with,
    answer,
    connected,
    logged_in,
    mail,
    opened,
    raw,
)
from tests.kit.odd_imap import Account, OddImap

# -- login and capabilities --


def test_the_capabilities_are_those_that_are_spoken() -> None:
    """And of the ways to log in, PLAIN is announced until one is logged in."""
    with OddImap() as server, connected(server) as client:
        before = set(client.capabilities())
        client.login("someone", "password")
        after = set(client.capabilities())
    assert before - after == {b"AUTH=PLAIN"}
    assert after == {
        *(b"IMAP4REV1", b"LITERAL+", b"ID", b"IDLE", b"LIST-EXTENDED", b"SPECIAL-USE"),
        *(b"NAMESPACE", b"UNSELECT", b"UIDPLUS", b"MOVE"),
    }


@pytest.mark.parametrize(
    ("method", "username", "password"),
    [
        ("login", "someone", 'a "quoted" \\ word'),
        ("plain_login", "someone", "Schlüssel"),
    ],
)
def test_login_takes_the_right_password_alone(method: str, username: str, password: str) -> None:
    """By LOGIN and by AUTHENTICATE PLAIN."""
    account = Account(username=username, password=password)
    with OddImap(account=account) as server:
        with connected(server) as client:
            getattr(client, method)(username, password)
            client.noop()
        with connected(server) as client, pytest.raises(LoginError, match="AUTHENTICATIONFAILED"):
            getattr(client, method)(username, "wrong")


def test_a_command_is_refused_where_the_state_does_not_allow_it() -> None:
    """RFC 3501, section 3; and so is one that nobody knows."""
    with OddImap() as server:
        assert answer(server, "EXAMINE INBOX", "NOOP").startswith(b"T BAD")
        assert answer(server, "UID SEARCH ALL", LOGGED_IN).startswith(b"T BAD")
        assert answer(server, "LOGIN a b", LOGGED_IN).startswith(b"T BAD")
        assert answer(server, "XYZZY").startswith(b"T BAD")
        assert answer(server, "UID FETCH 1", *EXAMINED).startswith(b"T BAD")
        assert answer(server, "(").startswith(b"T BAD")
        assert answer(server, "").startswith(b"T BAD")


def test_id_and_noop_are_answered() -> None:
    """RFC 2971."""
    with OddImap() as server, logged_in(server) as client:
        assert client.id_({"name": "test"}) == ((b"name", b"odd"),)
        assert client.noop() == (b"done", [])


# -- folders --


def test_folders_are_listed_with_their_special_use() -> None:
    """RFC 6154; names that are no ASCII are in modified UTF-7."""
    with (
        OddImap(account=Account(("INBOX", "Junk", "Größe"))) as server,
        logged_in(server) as client,
    ):
        assert client.list_folders() == [
            ((b"\\HasNoChildren",), b"/", "INBOX"),
            ((b"\\HasNoChildren", b"\\Junk"), b"/", "Junk"),
            ((b"\\HasNoChildren",), b"/", "Größe"),
        ]
        assert client.find_special_folder(b"\\Junk") == "Junk"
        assert client.select_folder("Größe", readonly=True)[b"EXISTS"] == 0


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ('LIST "" *', [b"INBOX", b"Junk", b"Archive"]),
        ('LIST "" ""', [b""]),
        ('LIST "" %', [b"INBOX", b"Junk", b"Archive"]),
        ('LIST "" J*', [b"Junk"]),
        ('LIST (SPECIAL-USE) "" "*"', [b"Junk", b"Archive"]),
        ('LIST "" ("IN*" "A%") RETURN (SPECIAL-USE)', [b"INBOX", b"Archive"]),
        ('LIST () "" "*" RETURN (SPECIAL-USE)', [b"INBOX", b"Junk", b"Archive"]),
    ],
)
def test_a_list_may_be_extended(command: str, names: list[bytes]) -> None:
    """RFC 5258: patterns, selection and return options."""
    with OddImap(account=Account(("INBOX", "Junk", "Archive"))) as server:
        lines = answer(server, command, LOGGED_IN).split(b"\r\n")[:-2]
    assert [line.split(b'"')[-2] for line in lines] == names


def test_the_namespace_is_told() -> None:
    """RFC 2342."""
    with OddImap() as server, logged_in(server) as client:
        assert client.namespace().personal == (("", "/"),)


def test_examine_tells_the_numbers_of_a_folder() -> None:
    """EXISTS, RECENT, UIDVALIDITY, UIDNEXT and that nothing can be changed."""
    with OddImap(account=account_with(3)) as server, logged_in(server) as client:
        server.account.expunge(1)
        told = client.select_folder("inbox", readonly=True)
        assert (told[b"EXISTS"], told[b"RECENT"]) == (2, 2)
        assert (told[b"UIDVALIDITY"], told[b"UIDNEXT"]) == (7, 4)
        assert told[b"PERMANENTFLAGS"] == ()
        assert b"READ-ONLY" in told


def test_a_folder_that_is_not_there_is_refused() -> None:
    """And the one that was open is closed by the attempt."""
    with OddImap() as server, raw(server, *EXAMINED) as client:
        assert client.ask("EXAMINE Nowhere").startswith(b"T NO [NONEXISTENT]")
        assert client.ask("UID SEARCH ALL").startswith(b"T BAD")


def test_status_tells_what_it_is_asked_for() -> None:
    """Without a folder being opened."""
    with OddImap(account=account_with(2)) as server, logged_in(server) as client:
        server.account.flag(1, "\\Seen")
        server.account.expunge(server.account.deliver(mail()))
        told = client.folder_status("INBOX")
        assert (told[b"UIDVALIDITY"], told[b"UIDNEXT"]) == (7, 4)
        assert (told[b"MESSAGES"], told[b"RECENT"], told[b"UNSEEN"]) == (2, 2, 1)
        assert client.folder_status("Junk", ["UIDNEXT"]) == {b"UIDNEXT": 1}


def test_recent_mail_belongs_to_the_first_who_selects() -> None:
    """EXAMINE takes it from nobody (RFC 3501, section 2.3.2)."""
    with OddImap(account=account_with(1)) as server, logged_in(server) as client:
        assert client.select_folder("INBOX", readonly=True)[b"RECENT"] == 1
        assert client.select_folder("INBOX")[b"RECENT"] == 1
        assert client.get_flags([1]) == {1: (b"\\Recent",)}
        with opened(server, readonly=False) as other:
            assert other.get_flags([1]) == {1: ()}


# -- SEARCH --


@pytest.mark.parametrize(
    ("criteria", "uids"),
    [
        (["ALL"], [1, 2, 4]),
        (["UID", "2:3"], [2]),
        (["UID", "2:*"], [2, 4]),
        (["UID", "9:*"], [4]),
        (["UID", "1,4"], [1, 4]),
        (["2:3"], [2, 4]),
        (["SINCE", date(2026, 2, 3)], [2, 4]),
        (["BEFORE", date(2026, 2, 3)], [1]),
        (["ON", date(2026, 2, 2)], [1]),
        (["FROM", "Salesforce.COM"], [2, 4]),
        (["FROM", "über"], [4]),
        (["TO", "ops@"], [1, 2]),
        (["SUBJECT", "number 1"], [1]),
        (["HEADER", "X-Folded", "one two"], [1, 2]),
        (["HEADER", "X-Nothing", ""], []),
        (["TEXT", "This is 2."], [2]),
        (["NOT", ["FROM", "salesforce.com"]], [1]),
        (["OR", "SUBJECT", "number 1", "FROM", "über"], [1, 4]),
        (["OR", "OR", "UID", "1", "UID", "2", "UID", "4"], [1, 2, 4]),
        (["UID", "1:*", "SINCE", date(2026, 2, 3), "FROM", "support"], [2]),
        (["SEEN"], [2]),
        (["UNSEEN"], [1, 4]),
        (["LARGER", 100], [1, 2]),
        (["SMALLER", 100], [4]),
    ],
)
def test_search_finds_by(criteria: list[object], uids: list[int]) -> None:
    """Each key of RFC 3501, section 6.4.4, that anybody here uses."""
    account = account_with(0)
    account.deliver(mail(1), received_at=NOON - timedelta(days=1))
    account.deliver(mail(2, "support@eu.salesforce.com"), flags=["\\Seen"])
    account.deliver(mail(3))
    account.expunge(3)
    account.deliver(b"From: =?utf-8?q?=C3=9Cber?= <x@salesforce.com>\r\nTo: b@c.d\r\n\r\n")
    with OddImap(account=account) as server, opened(server) as client:
        assert client.search(criteria, charset="UTF-8") == uids


@pytest.mark.parametrize(
    "keys",
    [
        "",
        "UID",
        "UID x",
        "SINCE 1",
        "SINCE 31-Feb-2026",
        "OR ALL",
        "(ALL",
        "ALL)",
        "XYZZY",
        "LARGER x",
    ],
)
def test_a_search_of_no_known_form_is_refused(keys: str) -> None:
    """Also in an empty folder."""
    with OddImap() as server:
        assert answer(server, f"UID SEARCH {keys}").startswith(b"T BAD")


def test_search_of_an_empty_folder_gives_an_empty_line() -> None:
    """`n:*` has no last mail there."""
    with OddImap() as server:
        assert answer(server, "UID SEARCH UID 1:*") == b"* SEARCH\r\nT OK done\r\n"


# -- FETCH --


def test_fetch_gives_what_is_asked_for() -> None:
    """Whole, in part, fields of the header, size, flags and INTERNALDATE."""
    with OddImap(account=account_with(2)) as server, opened(server) as client:
        server.account.flag(2, "\\Seen")
        items = [
            *("FLAGS", "INTERNALDATE", "RFC822.SIZE", "BODY.PEEK[]", "BODY.PEEK[]<6.5>"),
            *("BODY.PEEK[HEADER.FIELDS (SUBJECT x-folded DATE)]", "BODY.PEEK[TEXT]"),
            *("BODY.PEEK[HEADER]", "BODY.PEEK[HEADER.FIELDS.NOT (FROM TO SUBJECT)]"),
        ]
        assert client.fetch([2, 3], items) == {
            2: {
                b"SEQ": 2,
                b"FLAGS": (b"\\Seen", b"\\Recent"),
                b"INTERNALDATE": NOON,
                b"RFC822.SIZE": len(mail(2)),
                b"BODY[]": mail(2),
                b"BODY[]<6>": mail(2)[6:11],
                b"BODY[HEADER.FIELDS (SUBJECT X-FOLDED DATE)]": (
                    b"Subject: Number 2\r\nX-Folded: one\r\n two\r\n\r\n"
                ),
                b"BODY[TEXT]": b"This is 2.\r\n",
                b"BODY[HEADER]": mail(2).partition(b"This")[0],
                b"BODY[HEADER.FIELDS.NOT (FROM TO SUBJECT)]": b"X-Folded: one\r\n two\r\n\r\n",
            }
        }


def test_a_partial_fetch_beyond_the_end_gives_what_is_there() -> None:
    """Less than asked for, or an empty literal."""
    with OddImap(account=account_with(1)) as server, raw(server, *EXAMINED) as client:
        whole = client.ask("UID FETCH 1 BODY.PEEK[]<0.9999>")
        assert b"BODY[]<0> {%d}\r\n%s)\r\n" % (len(mail(1)), mail(1)) in whole
        assert b"BODY[]<9999> {0}\r\n)\r\n" in client.ask("UID FETCH 1 BODY.PEEK[]<9999.5>")


def test_a_body_may_look_like_an_answer() -> None:
    """Literals are counted."""
    body = b"From: x\r\n\r\n)\r\nT OK done\r\n* 1 FETCH (UID 1 BODY[] {3}\r\n\x00\xff\r\n"
    with OddImap() as server, opened(server) as client:
        server.account.deliver(body)
        assert client.fetch([1], ["BODY.PEEK[]"])[1][b"BODY[]"] == body


@pytest.mark.parametrize(
    ("uids", "numbers"),
    [
        ("1:*", [1, 2, 3]),
        ("*", [3]),
        ("9:*", [3]),
        ("3:2", [2, 3]),
        ("1,3", [1, 3]),
        ("1:2,2:3", [1, 2, 3]),
        ("7", []),
    ],
)
def test_a_set_may_be_a_range(uids: str, numbers: list[int]) -> None:
    """`*` is the last mail, also where it is below the other end (RFC 3501, section 9)."""
    with OddImap(account=account_with(3)) as server:
        lines = answer(server, f"UID FETCH {uids} (UID)").split(b"\r\n")[:-2]
    assert lines == [b"* %d FETCH (UID %d)" % (number, number) for number in numbers]


def test_reading_marks_a_mail_as_seen_only_where_it_may() -> None:
    """BODY[] in a folder that is SELECTed; neither PEEK nor EXAMINE does."""
    with OddImap(account=account_with(2)) as server:
        with opened(server) as client:
            client.fetch([1, 2], ["BODY[]"])
            assert client.get_flags([1]) == {1: (b"\\Recent",)}
        with opened(server, readonly=False) as client:
            client.fetch([1], ["BODY.PEEK[]"])
            assert client.fetch([2], ["BODY[]"])[2][b"FLAGS"] == (b"\\Seen", b"\\Recent")
            assert client.search(["SEEN"]) == [2]
