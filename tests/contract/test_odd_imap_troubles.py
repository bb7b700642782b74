"""The odd server at its worst: it fails at commands, plays named servers, has every quirk."""

from __future__ import annotations

from dataclasses import fields, replace
from imaplib import IMAP4

import pytest
from imapclient import IMAPClient

from tests.contract.odd import EXAMINED, LOGGED_IN, account_with, answer, logged_in, odd, raw
from tests.kit.odd_imap import How, OddImap, Quirks, Trouble, presets

WHOLE = "BODY.PEEK[]"
FIELDS = "BODY.PEEK[HEADER.FIELDS (SUBJECT)]"

# -- troubles --


def troubled(command: str, how: How, **when: int) -> OddImap:
    """A server that fails at one command."""
    return odd(troubles=(Trouble(command, how, **when),))


def test_a_server_may_close_at_a_command() -> None:
    """So often, after so many; the command is not done."""
    with troubled("APPEND", How.CLOSES, after=1, times=2) as server:
        told = [answer(server, "APPEND Junk {1+}\r\nx", LOGGED_IN) for _ in range(4)]
        assert [text != b"" for text in told] == [True, False, False, True]
        assert len(server.account.folders["Junk"].mails) == 2


def test_a_server_may_close_in_the_middle_of_an_answer() -> None:
    """The command is done."""
    with troubled("UID FETCH", How.CLOSES_HALFWAY) as server:
        half = answer(server, f"UID FETCH 1:3 ({WHOLE})")
        whole = answer(server, f"UID FETCH 1:3 ({WHOLE})")
        assert half == whole[: len(whole) // 2]


def test_a_server_may_drip() -> None:
    """All of it comes."""
    with troubled("UID FETCH", How.DRIPS) as server:
        dripped = answer(server, "UID FETCH 1 (BODY.PEEK[])")
        assert dripped == answer(server, "UID FETCH 1 (BODY.PEEK[])")


def test_a_server_may_hang() -> None:
    """Until it is cut off; other connections are served."""
    with troubled("NOOP", How.HANGS) as server, raw(server, LOGGED_IN) as client:
        client.send(b"T NOOP\r\n")
        server.wait_for(lambda: server.counts["NOOP"] == 1)
        with logged_in(server) as other:
            other.noop()
        server.cut()
        assert client.line() == b""


def test_a_server_may_fail_before_it_greets() -> None:
    """Once."""
    with troubled("GREETING", How.CLOSES) as server:
        with pytest.raises(IMAP4.abort):
            IMAPClient("127.0.0.1", server.port, ssl=False)
        with logged_in(server) as client:
            client.noop()


# -- named servers, and everything together --


def test_every_server_that_is_named_differs() -> None:
    """From a correct one, and from each other."""
    every = [Quirks(), *presets().values()]
    assert len({repr(quirks) for quirks in every}) == len(every)


@pytest.mark.parametrize("name", presets())
def test_every_server_that_is_named_serves_its_mail_in_the_end(name: str) -> None:
    """By UID, one at a time, asked for thrice."""
    with OddImap(presets()[name], account_with(3)) as server:
        bodies: dict[int, bytes] = {}
        for _ in range(3):
            with raw(server, *EXAMINED) as client:
                for uid in (1, 2, 3):
                    bodies[uid] = client.ask(f"UID FETCH {uid} (BODY.PEEK[]<0.9999>)")
    for uid, told in bodies.items():
        assert b"This is %d.\r\n" % uid in told


def every_quirk() -> Quirks:
    """What the named servers have, in one."""
    together = Quirks()
    for quirks in presets().values():
        for field in fields(Quirks):
            value = getattr(quirks, field.name)
            if value != field.default:
                together = replace(together, **{field.name: value})
    return together


def test_quirks_go_together() -> None:
    """A server with all of them answers every command, and nothing of it breaks."""
    quirks = replace(every_quirk(), lacks=frozenset())
    commands = [
        *(LOGGED_IN, 'LIST "" "*" RETURN (SPECIAL-USE)', "STATUS INBOX (UIDNEXT MESSAGES)"),
        *("NAMESPACE", "ID NIL", "CAPABILITY", "EXAMINE INBOX", "SELECT INBOX"),
        *("UID SEARCH UID 1:* FROM example.com", "UID SEARCH CHARSET US-ASCII ALL"),
        *(f"UID FETCH 1:* (UID FLAGS INTERNALDATE {WHOLE} {FIELDS} BODY[]<0.9>)", "NOOP"),
        *("UID STORE 1:* +FLAGS (\\Deleted)", "APPEND INBOX {1+}\r\nx", "CHECK"),
        *('UID COPY 1 "INBOX.Junk Email"', "UID EXPUNGE 1", "EXPUNGE", "UNSELECT", "LOGOUT"),
    ]
    with OddImap(quirks, account_with(3)) as server, raw(server) as client:
        for command in commands:
            assert client.ask(command).splitlines()[-1].startswith(b"T OK"), command
