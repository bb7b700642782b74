"""Whether all folders are as before is asked in one packet with the end of IDLE, by who is called.

Most often they are: a daemon with many mailboxes does little else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.contract.imap import dovecot_account, session, wakeup
from tests.contract.looking import NEWS, QUIET, heading
from tests.contract.scripted import BAD, DONE, NO, Script, examined, opened
from tests.kit import mails
from tests.kit.fakes import Silent
from tests.kit.proxy import TcpProxy
from tests.kit.scripted import DEFAULTS, Reply, Talk
from tests.kit.servers import Dovecot
from tests.kit.waiting import PATIENCE
from token_catcher.errors import Outage, TokenCatcherError
from token_catcher.imap import ImapMailbox, Pipelining
from token_catcher.imap import questions as questions_module
from token_catcher.imap.ahead import IN_VAIN, NOTHING

AROUND = ['LIST "" "*"', 'EXAMINE "Junk"', 'EXAMINE "INBOX"']
"""The questions: the inbox last, which stays open."""
SPECIAL_USE = 'LIST "" "*" RETURN (SPECIAL-USE)'
"""The second, where the first marks no spam folder."""
SAME = examined(6)
LOOK = [SAME] * 3
"""What the first look takes of the answers to EXAMINE."""
ONE_FOLDER = b'* LIST () "/" INBOX\r\nTAG OK done\r\n'
ANOTHER_FOLDER = b'* LIST () "/" INBOX\r\n* LIST (\\Junk) "/" Junk\r\n* LIST () "/" x\r\n' + DONE
LIST = DEFAULTS["LIST"]


class Calls:
    """A session after a first look at two folders with five mails each, and a first wait."""

    def __init__(self, mailbox: ImapMailbox, commands: list[str], wake: int, waking: int) -> None:
        self.mailbox = mailbox
        self._commands = commands
        self._asked = 0
        self._wake = wake
        self._waking = waking

    def look(self) -> None:
        """At all folders, as a sweep does that finds nothing."""
        inbox, *others = self.mailbox.folders()
        for folder in (inbox, *others, inbox):
            self.mailbox.examine(folder)

    def idle(self, seconds: float = PATIENCE) -> bool:
        """Wait for news or a call, and look then."""
        return self.mailbox.idle(seconds, self._wake, then_look=True)

    def call(self) -> bool:
        """Wait, and be called at once. Returns whether all is as before."""
        os.write(self._waking, b"!")
        try:
            self._asked = len(self._commands)
            assert self.idle() is False
            return self.mailbox.is_as_before
        finally:
            os.read(self._wake, 1)

    @property
    def asked(self) -> list[str]:
        """What the server was asked since the last call, without the IDLE."""
        return self._commands[self._asked + 1 :]


@contextmanager
def called(
    pipelining: Pipelining | None = None,
    log: Silent | None = None,
    /,
    **replies: Reply | Sequence[Reply],
) -> Iterator[Calls]:
    """After the first wait. `pipelining`: what earlier sessions have learnt."""
    script: dict[str, Reply | Sequence[Reply]] = {"EXAMINE": SAME, "IDLE": QUIET}
    script |= {name.replace("_", " "): reply for name, reply in replies.items()}
    with (
        opened(script, log=log, pipelining=pipelining) as (mailbox, server),
        wakeup() as (wake, waking),
    ):
        calls = Calls(mailbox, server.commands, wake, waking)
        calls.look()
        assert calls.idle(0) is False
        yield calls


def test_who_is_called_twice_asks_whether_all_is_as_before() -> None:
    """In one packet with the end of IDLE; the first call has nothing to compare with."""
    with called() as calls:
        assert calls.call() is False
        assert calls.asked == AROUND
        assert calls.call() is True
        assert calls.asked == AROUND


def test_the_inbox_alone_is_asked_about_where_it_is_alone() -> None:
    """LIST all the same: a spam folder may be made."""
    with called(LIST=ONE_FOLDER) as calls:
        assert (calls.call(), calls.call()) == (False, True)
        assert calls.asked == [AROUND[0], SPECIAL_USE, AROUND[2]]


def test_special_use_is_asked_for_as_the_look_does() -> None:
    """An old folder may become the one for spam, which LIST alone does not tell."""
    unmarked = ONE_FOLDER.replace(DONE, b'* LIST () "/" Old\r\n' + DONE)
    marked = unmarked.replace(b'() "/" Old', b'(\\Junk) "/" Old')
    with called(LIST=[*[unmarked] * 5, marked]) as calls:
        assert calls.call() is False
        assert calls.asked == [AROUND[0], SPECIAL_USE, AROUND[2]]
        assert calls.call() is False


def test_the_text_of_an_ok_is_no_difference() -> None:
    """Dovecot names the time that it took."""
    other = SAME.replace(b"done", b"done (0.002 secs)")
    with called(EXAMINE=[*LOOK, SAME, SAME, other, other]) as calls:
        assert (calls.call(), calls.call()) == (False, True)


DIFFERENT: dict[str, dict[str, Reply | Sequence[Reply]]] = {
    "a mail in the spam folder": {"EXAMINE": [*LOOK, SAME, SAME, examined(7, exists=6), SAME]},
    "a mail in the inbox": {"EXAMINE": [*LOOK, SAME, SAME, SAME, examined(7, exists=6)]},
    "one for another": {"EXAMINE": [*LOOK, SAME, SAME, SAME, examined(7)]},
    "numbered anew": {
        "EXAMINE": [*LOOK, SAME, SAME, SAME, SAME.replace(b"VALIDITY 7", b"VALIDITY 8")]
    },
    "told before EXAMINE": {"EXAMINE": [*LOOK, SAME, SAME, SAME, b"* 6 EXISTS\r\n" + SAME]},
    "another folder": {"LIST": [LIST, LIST, ANOTHER_FOLDER]},
    "no spam folder any more": {"LIST": [LIST, LIST, ONE_FOLDER]},
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_any_other_word_is_a_difference(name: str) -> None:
    """And is what the next answers are compared with."""
    with called(**DIFFERENT[name]) as calls:
        assert (calls.call(), calls.call()) == (False, False)
        assert calls.asked == AROUND
        calls.look()
        assert calls.mailbox.is_as_before is False


def test_what_was_told_before_another_wait_is_not_compared_with() -> None:
    """Whoever looked after that one may have found something."""
    with called(IDLE=[QUIET, QUIET, NEWS, QUIET]) as calls:
        assert calls.call() is False
        assert calls.idle() is True
        assert calls.mailbox.is_as_before is False
        assert (calls.call(), calls.call()) == (False, True)


def test_news_that_comes_with_a_call_is_a_difference() -> None:
    """The server tells it behind DONE."""

    def late(talk: Talk) -> None:
        talk.send(b"+ idling\r\n")
        assert talk.line() == "DONE"
        talk.send(b"* 6 EXISTS\r\n" + DONE)

    with called(IDLE=[QUIET, QUIET, late]) as calls:
        assert calls.call() is False
        with pytest.raises(AssertionError):  # it is news
            calls.call()
        assert calls.mailbox.is_as_before is False


def test_a_mail_that_comes_behind_the_answers_is_news_to_the_next_wait() -> None:
    """It comes before the next IDLE begins."""
    with called(EXAMINE=[*LOOK, SAME, SAME, SAME, SAME + b"* 6 EXISTS\r\n"]) as calls:
        assert (calls.call(), calls.call()) == (False, True)
        assert calls.idle() is True


def test_nobody_is_asked_who_only_waits() -> None:
    """As the listener on a further folder does."""
    with called() as calls, wakeup() as (wake, waking):
        assert (calls.call(), calls.call()) == (False, True)
        os.write(waking, b"!")
        assert calls.mailbox.idle(PATIENCE, wake) is False
        assert calls.asked == [*AROUND, "IDLE"]
        assert calls.mailbox.is_as_before is False
        assert (calls.call(), calls.call()) == (False, True)


def test_nobody_is_asked_where_all_ends() -> None:
    """No look follows: the answers would only be waited for."""
    with called() as calls, wakeup() as (wake, waking):
        assert calls.call() is False
        os.write(waking, b"!")
        assert calls.mailbox.idle(PATIENCE, wake, then_look=True, ends=lambda: True) is False
        assert calls.asked == [*AROUND, "IDLE"]


def test_nothing_is_asked_before_the_server_has_proved_itself() -> None:
    """The probe went out with no DONE yet, since somebody always waited."""
    script: Script = {"EXAMINE": SAME, "IDLE": QUIET}
    with opened(script) as (mailbox, server), wakeup() as (wake, waking):
        calls = Calls(mailbox, server.commands, wake, waking)
        calls.look()
        assert (calls.call(), calls.call()) == (False, False)
        assert calls.asked == []


# -- answers that are not as they should be --


def silent(_talk: Talk) -> None:
    """No answer at all."""


class Late:
    """A server that answers the first questions only once the look asks them again."""

    def __init__(self, listed: bytes = b"") -> None:
        """`listed`: what LIST was to be answered."""
        self._listed = listed
        self._tags: list[bytes] = []

    def wait(self, talk: Talk) -> None:
        """Say nothing yet."""
        self._tags.append(talk.tag.encode())

    def answer(self, talk: Talk) -> None:
        """All that was asked so far, and then LIST."""
        talk.send(self._listed)
        for tag in self._tags:
            talk.send(examined(9, exists=9).replace(b"TAG", tag))
        assert isinstance(LIST, bytes)
        talk.send(LIST)


def refuse_the_second(reply: Reply) -> dict[str, Reply | Sequence[Reply]]:
    """Of the first two EXAMINE that are asked ahead."""
    return {"EXAMINE": [*LOOK, SAME, reply, SAME]}


FAILING: dict[str, dict[str, Reply | Sequence[Reply]]] = {
    "LIST refused": {"LIST": [LIST, NO, LIST]},
    "LIST not known": {"LIST": [LIST, BAD, LIST]},
    "no answer to LIST": {"LIST": [LIST, silent, LIST]},
    "EXAMINE refused": refuse_the_second(NO),
    "EXAMINE not known": refuse_the_second(BAD),
    "no answer to EXAMINE": refuse_the_second(silent),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_round_that_fails_is_the_last_of_the_session(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look asks by itself, as ever; and news is still asked for ahead."""
    monkeypatch.setattr(questions_module, "ANSWER_WITHIN", 1.0)
    fetched = heading(5, 5) + heading(6, 6) + DONE
    replies = FAILING[name] | {"IDLE": [QUIET] * 4 + [NEWS], "UID_FETCH": fetched}
    pipelining = Pipelining()
    with called(pipelining, **replies) as calls:
        assert calls.call() is False
        calls.look()
        assert (calls.call(), calls.call()) == (False, False)
        assert calls.asked == []
        assert calls.idle() is True
        assert calls.asked[1:3] == ['EXAMINE "INBOX"', calls.asked[2]]
        assert calls.asked[2].startswith("UID FETCH")
    expect_rounds(pipelining)


@pytest.mark.parametrize("listed", [b"", b'* LIST () "/" INBOX\r\n* LIST (\\Junk) "/" Junk\r\n'])
def test_answers_that_come_late_cost_no_session(
    monkeypatch: pytest.MonkeyPatch, listed: bytes
) -> None:
    """What they say is not taken for what the look asks, nor one spam folder for two."""
    monkeypatch.setattr(questions_module, "ANSWER_WITHIN", 1.0)
    late = Late(listed)
    log = Silent()
    replies: dict[str, Reply | Sequence[Reply]] = {
        "LIST": [LIST, late.wait, late.answer],
        "EXAMINE": [*LOOK, late.wait, late.wait, SAME],
    }
    with called(None, log, **replies) as calls:
        assert calls.call() is False
        assert calls.mailbox.folders() == ["INBOX", "Junk"]
        assert calls.mailbox.examine("INBOX").exists == 5
    assert log.warnings == []


def test_answers_out_of_order_are_not_believed() -> None:
    """They may be of another folder."""
    tags: list[bytes] = []

    def wait(talk: Talk) -> None:
        tags.append(talk.tag.encode())

    def answer(talk: Talk) -> None:
        talk.send(SAME + SAME.replace(b"TAG", tags[0]))

    with called(EXAMINE=[*LOOK, wait, answer, SAME]) as calls:
        assert (calls.call(), calls.call()) == (False, False)
        assert calls.asked == []
        calls.look()


def expect_rounds(pipelining: Pipelining) -> None:
    """In a further session of the account."""
    with called(pipelining) as calls:
        assert (calls.call(), calls.call()) == (False, True)


def expect_no_round(pipelining: Pipelining) -> None:
    """In a further session of the account, nor anything else ahead."""
    with called(pipelining) as calls:
        assert (calls.call(), calls.call()) == (False, False)
        assert calls.asked == []


ENDS = [b"* BYE shutting down\r\n", Talk.close, Talk.reset]


@pytest.mark.parametrize("end", ENDS, ids=["BYE", "FIN", "RST"])
def test_a_server_that_hangs_up_on_the_first_round_costs_one_session(end: Reply) -> None:
    """It is the last that was asked anything ahead."""
    pipelining = Pipelining()
    with called(pipelining, EXAMINE=[*LOOK, end]) as calls, pytest.raises(Outage):
        calls.call()
    expect_no_round(pipelining)


def lose(pipelining: Pipelining, end: Reply, usual: int = 0) -> None:
    """A session that ends with a round, after some that were answered."""
    replies = [*LOOK, *[SAME] * 2 * usual, end]
    with called(pipelining, EXAMINE=replies) as calls:
        for _ in range(usual):
            calls.call()
        with pytest.raises(TokenCatcherError):
            calls.call()


@pytest.mark.parametrize("end", ENDS, ids=["BYE", "FIN", "RST"])
def test_a_server_that_has_answered_before_may_have_been_away(end: Reply) -> None:
    """A line that breaks shows with the next DONE, and a round goes out with most of them."""
    pipelining = Pipelining()
    for _ in range(IN_VAIN + 1):
        lose(pipelining, end, usual=1)
    for _ in range(IN_VAIN - 2):
        lose(pipelining, end)
    expect_rounds(pipelining)
    for _ in range(IN_VAIN):
        lose(pipelining, end)
    expect_no_round(pipelining)


def test_rounds_that_are_answered_say_nothing_of_the_questions_after_news() -> None:
    """Nor the other way round: a server that hangs up on one kind would do so for ever."""
    pipelining = Pipelining(is_proved=True)
    fetched = heading(5, 5) + heading(6, 6) + DONE
    with called(pipelining, IDLE=[QUIET, NEWS, QUIET], UID_FETCH=fetched) as calls:
        assert calls.idle() is True
    for _ in range(IN_VAIN):
        replies: list[Reply] = [*LOOK, SAME, SAME, Talk.close]
        with called(pipelining, EXAMINE=replies, IDLE=[QUIET, QUIET, NEWS]) as calls:
            calls.call()
            with pytest.raises(Outage):
                calls.idle()
    expect_no_round(pipelining)


def test_what_could_not_be_sent_says_nothing_of_the_server() -> None:
    """The line had broken before."""
    pipelining = Pipelining(is_proved=True)
    for _ in range(IN_VAIN):
        pipelining.is_on_trial = True
        pipelining.fail(NOTHING)
    expect_rounds(pipelining)


def test_an_answer_that_is_too_large_ends_the_session() -> None:
    """As it does to who asks for it without haste."""
    line = b'* LIST () "/" ' + b"x" * 900_000 + b"\r\n"

    def flood(talk: Talk) -> None:
        for _ in range(6):
            talk.send(line)

    with called(LIST=[LIST, flood]) as calls, pytest.raises(TokenCatcherError) as caught:
        calls.call()
    assert caught.value.code == "imap-protocol"


# -- a real server --


def deliver_to_inbox(dovecot: Dovecot, user: str) -> None:
    """A token mail."""
    dovecot.append(mails.genuine(), user=user)


def deliver_to_spam(dovecot: Dovecot, user: str) -> None:
    """The same, as a filter has it."""
    dovecot.append(mails.genuine(), user=user, folder="Junk")


def make_a_folder(dovecot: Dovecot, user: str) -> None:
    """Whatever it is for."""
    with dovecot.session(user) as client:
        client.create("Another")


@pytest.mark.servers
@pytest.mark.parametrize("change", [deliver_to_inbox, deliver_to_spam, make_a_folder])
def test_dovecot_tells_whether_all_is_as_before(
    dovecot: Dovecot, user: str, change: Callable[[Dovecot, str], None]
) -> None:
    """One packet, whatever is in the mailbox."""
    packets: list[bytes] = []
    deliver_to_inbox(dovecot, user)
    with (
        TcpProxy(dovecot.port) as proxy,
        session(dovecot_account(dovecot, user, tls="none", port=proxy.port)) as mailbox,
        wakeup() as (wake, waking),
    ):
        calls = Calls(mailbox, [], wake, waking)
        calls.look()
        assert calls.idle(0.1) is False
        assert calls.call() is False
        calls.look()
        proxy.on_up = packets.append
        assert calls.call() is True
        idle, questions = packets
        assert idle.endswith(b" IDLE\r\n")
        done, *commands = questions.splitlines()
        assert done == b"DONE"
        assert [command.partition(b" ")[2].decode() for command in commands] == AROUND
        change(dovecot, user)
        os.write(waking, b"!")
        mailbox.idle(PATIENCE, wake, then_look=True)
        assert mailbox.is_as_before is False
