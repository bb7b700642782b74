"""What a mail server may cost: time and memory of one answer, whatever it sends."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from functools import partial
from itertools import count

import pytest

from tests.contract.imap import PLAIN, account, wakeup
from tests.contract.scripted import DONE, examined, failure, fetch, kind_and_code, opened
from tests.kit.fakes import Silent
from tests.kit.limited import answer_of
from tests.kit.scripted import Reply, ScriptedImap, Talk
from tests.kit.waiting import FOREVER
from token_catcher.advice import next_step
from token_catcher.errors import Outage, TransientError
from token_catcher.imap import ImapMailbox


def without_end(piece: bytes, begin: bytes = b"") -> Callable[[Talk], None]:
    """Sends a beginning, and then the same piece until nobody listens any more."""

    def send(talk: Talk) -> None:
        talk.send(begin)
        while True:
            talk.send(piece)

    return send


# -- time --


def clock(step: float) -> Callable[[], float]:
    """A clock of which each look is so many seconds after the one before."""
    return partial(next, count(step=step))


def session(server: ScriptedImap, step: float) -> ImapMailbox:
    """Logged in, by such a clock."""
    target = account("127.0.0.1", server.port)
    return ImapMailbox(target, PLAIN, Silent(), monotonic=clock(step))


@pytest.mark.parametrize(
    "drip",
    [
        pytest.param(without_end(b"* OK still here\r\n"), id="lines"),
        pytest.param(without_end(b"x", b"* OK "), id="a line"),
        pytest.param(without_end(b"x", b"* 1 FETCH (BODY[] {200000}\r\n"), id="a literal"),
    ],
)
def test_a_command_has_a_deadline(drip: Reply) -> None:
    """However long the server goes on sending: the answer as a whole has its time."""
    with (
        ScriptedImap({"LIST": drip}) as server,
        closing(session(server, 30.0)) as mailbox,
        pytest.raises(Outage, match="no answer to LIST in time") as caught,
    ):
        mailbox.folders()
    assert caught.value.code == "imap-connection"


def test_a_greeting_has_a_deadline() -> None:
    """Before anything was asked."""
    greeting = b"* OK " + 900_000 * b"x"
    with (
        ScriptedImap(greeting=greeting) as server,
        pytest.raises(Outage, match="no greeting in time"),
    ):
        session(server, 30.0)


def test_a_server_that_waits_for_tls_gives_no_greeting() -> None:
    """Port 993 with `tls: starttls`: both sides wait, and the next step says what for."""
    with (
        ScriptedImap(greeting=b"") as server,
        pytest.raises(Outage, match="no greeting in time") as caught,
    ):
        session(server, 0.5)
    assert caught.value.code == "imap-silent"
    assert "`tls`" in (next_step("imap-silent") or "")


def test_an_answer_in_time_is_read_to_its_end() -> None:
    """The next command has its own time."""
    with ScriptedImap() as server, closing(session(server, 0.5)) as mailbox:
        for _ in range(200):
            mailbox.examine("INBOX")


# -- IDLE --

CHATTER = b"* OK still here\r\n"
FLOOD = 60_000
"""Lines, more than any answer may have."""


def chattering(talk: Talk) -> None:
    """Says things without a pause until DONE is heard; not for ever."""
    talk.narrow()
    talk.send(b"+ idling\r\n" + 100 * CHATTER)
    for _ in range(FLOOD // 100):
        if not talk.hears_nothing(0):
            assert talk.line() == "DONE"
            talk.send(DONE)
            return
        talk.send(100 * CHATTER)
    talk.close()


@pytest.mark.parametrize(
    "seconds", [pytest.param(0.0, id="deadline"), pytest.param(FOREVER, id="wakeup")]
)
def test_a_server_that_never_pauses_does_not_hold_up_a_wait(seconds: float) -> None:
    """The end of the time, or a wakeup that is set, ends the IDLE; and the session goes on."""
    with (
        opened({"EXAMINE": examined(20), "IDLE": chattering}) as (mailbox, server),
        wakeup() as (wake, trigger),
    ):
        mailbox.examine("INBOX")
        if seconds == FOREVER:
            os.write(trigger, b"!")
        assert mailbox.idle(seconds, wake) is False
        mailbox.examine("INBOX")
    assert server.commands[-4:] == ['EXAMINE "INBOX"', "IDLE", 'EXAMINE "INBOX"', "LOGOUT"]


def flooding(begin: bytes) -> Callable[[Talk], None]:
    """Sends a beginning, and then more lines than any answer may have, whatever it is told."""

    def flood(talk: Talk) -> None:
        talk.send(begin)
        for _ in range(FLOOD // 1000):
            talk.send(1000 * CHATTER)
        talk.close()

    return flood


@pytest.mark.parametrize(("step", "begin"), [("begin", b""), ("end", b"+ idling\r\n")])
def test_the_beginning_and_the_end_of_idle_have_a_deadline(step: str, begin: bytes) -> None:
    """Ten seconds each, by a clock that passes with every line."""
    with (
        ScriptedImap({"EXAMINE": examined(20), "IDLE": flooding(begin)}) as server,
        closing(session(server, 1.0)) as mailbox,
        wakeup() as (wake, _),
    ):
        mailbox.examine("INBOX")
        with pytest.raises(Outage, match=f"did not {step} IDLE") as caught:
            mailbox.idle(20.0, wake)
    assert caught.value.code == "imap-connection"


def test_one_idle_says_no_more_than_any_other_answer() -> None:
    """A flood ends the session, however long there is to wait: it would only burn time."""

    def wait(mailbox: ImapMailbox) -> None:
        mailbox.examine("INBOX")
        with wakeup() as (wake, _):
            mailbox.idle(FOREVER, wake)

    flood = flooding(b"+ idling\r\n")
    error = failure({"EXAMINE": examined(20), "IDLE": flood}, wait)
    assert kind_and_code(error) == (TransientError, "imap-protocol")
    assert str(error).endswith("the answer to IDLE is larger than any that was asked for (lines)")


# -- memory --

HUGE = 500_000_000
ENDLESS: dict[str, tuple[str, Reply, str]] = {
    "literal": (
        "UID FETCH",
        without_end(1_000_000 * b"x", b"* 1 FETCH (UID 11 BODY[] {%d}\r\n" % HUGE),
        "fetch",
    ),
    "literals": (
        "UID FETCH",
        without_end(b"* 1 FETCH (UID 11 BODY[] {200000}\r\n" + 200_000 * b"x" + b")\r\n"),
        "fetch",
    ),
    "size": ("UID FETCH", b"* 1 FETCH (UID 11 BODY[] {%d}\r\n" % 10**20, "fetch"),
    "folders": ("LIST", without_end(1000 * b'* LIST () "/" abcdefgh\r\n'), "list_folders"),
    "long folders": (
        "LIST",
        without_end(b'* LIST () "/" "' + 900_000 * b"(" + b'"\r\n'),
        "list_folders",
    ),
    "unasked": ("EXAMINE", without_end(1000 * b"* 1 EXISTS\r\n"), "examine"),
    "hits": ("UID SEARCH", without_end(b"* SEARCH" + 100_000 * b" 1" + b"\r\n"), "search"),
    "atoms": (
        "UID FETCH",
        without_end(b"* 1 FETCH (UID 11 FLAGS (" + 400_000 * b"a " + b"))\r\n"),
        "fetch",
    ),
    "line": ("LIST", without_end(1_000_000 * b"x"), "list_folders"),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_no_answer_costs_more_than_the_session(name: str) -> None:
    """In 256 MiB: whatever has no end ends the session, and not the process."""
    command, reply, use = ENDLESS[name]
    with ScriptedImap({"EXAMINE": examined(20), command: reply}) as server:
        told = answer_of("tests.contract.bounded", "imap", str(server.port), use)
    assert told.startswith(("imap-protocol ", "imap-connection "))
    assert "MemoryError" not in told


def test_nothing_piles_up_from_command_to_command() -> None:
    """In 256 MiB: what nobody asked for, within the bounds of each answer, is let go with it."""
    unasked = 15 * (b"* BOGUS {1000000}\r\n" + 1_000_000 * b"x" + b"\r\n")
    with ScriptedImap({"EXAMINE": examined(20), "UID FETCH": unasked + DONE}) as server:
        told = answer_of("tests.contract.bounded", "imap", str(server.port), "fetch_often")
    assert told == ""


def test_names_of_folders_are_known_until_the_next_list() -> None:
    """A name that is no modified UTF-7 is sent as it was listed, for as long as it is listed."""
    inbox = b'* LIST () "/" INBOX\r\n'
    lists = [inbox + b'* LIST () "/" "A&B"\r\n' + DONE, inbox + DONE]
    with opened({"LIST": lists, "EXAMINE": examined(20)}) as (mailbox, server):
        for _ in lists:
            mailbox.folders()
            mailbox.examine("A&B")
    examines = [command for command in server.commands if command.startswith("EXAMINE")]
    assert examines == ['EXAMINE "A&B"', 'EXAMINE "A&-B"']


def test_it_is_told_what_was_too_large() -> None:
    """Without a word of the server's."""
    flood = without_end(b"* 1 FETCH (UID 11 BODY[] {200000}\r\n" + 200_000 * b"x" + b")\r\n")
    error = failure({"EXAMINE": examined(20), "UID FETCH": flood}, fetch)
    assert kind_and_code(error) == (TransientError, "imap-protocol")
    assert str(error).endswith(
        "the answer to FETCH is larger than any that was asked for (literals)"
    )


def test_as_much_as_was_asked_for_is_read() -> None:
    """32 mails as large as they may be."""
    mail = b"* 1 FETCH (UID %d BODY[]<0> {262145}\r\n" + 262_145 * b"x" + b")\r\n"
    answer = b"".join(mail % uid for uid in range(1, 33)) + DONE
    with opened({"EXAMINE": examined(40), "UID FETCH": answer}) as (mailbox, _):
        mailbox.examine("INBOX")
        assert len(mailbox.fetch(range(1, 33))) == 32


# -- folders --


def test_a_mailbox_watches_at_most_ten_folders() -> None:
    """However many are marked as spam; what the configuration names has its place."""
    marked = b"".join(b'* LIST (\\Junk) "/" Junk%d\r\n' % number for number in range(1000))
    script = {"LIST": b'* LIST () "/" INBOX\r\n* LIST () "/" Filed\r\n' + marked + DONE}
    with opened(script, also=("Filed",)) as (mailbox, _):
        assert mailbox.folders() == ["INBOX", *[f"Junk{number}" for number in range(8)], "Filed"]
