"""A server that does not read on behind DONE costs no token, and one session at most.

What goes out so is on trial, from session to session, until it is answered as it should be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.contract.imap import refusal, wakeup
from tests.contract.looking import (
    FIRST,
    HEADINGS,
    NEWS,
    QUIET,
    READS_ON,
    REPLIES,
    SECOND,
    heading,
    looking,
)
from tests.contract.scripted import BAD, DONE, NO, examined, opened
from tests.kit.scripted import Reply, Talk
from tests.kit.waiting import FOREVER, PATIENCE
from token_catcher.errors import AccessError, Outage, SessionEnded, TokenCatcherError
from token_catcher.imap import Pipelining
from token_catcher.imap import idle as idle_module
from token_catcher.imap import questions as questions_module
from token_catcher.imap.ahead import IN_VAIN

NO_PROBE = ["IDLE", "IDLE"]
"""Before news: an IDLE without any, and no more."""
ASKED_BY_ITSELF = [FIRST, "UID FETCH 5,6"]


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that does not come is not waited for so long."""
    monkeypatch.setattr(idle_module, "PROBE_WITHIN", 1.0)
    monkeypatch.setattr(questions_module, "ANSWER_WITHIN", 1.0)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be waited for to the end of days."""
    monkeypatch.setattr(idle_module, "PROBE_WITHIN", FOREVER)


def expect_nothing_ahead(pipelining: Pipelining) -> None:
    """In a further session of the account."""
    with looking(pipelining=pipelining) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.look() == [5, 6]
        assert looks.commands == [*NO_PROBE, *ASKED_BY_ITSELF]


def expect_all_ahead(pipelining: Pipelining) -> None:
    """In a further session of the account, at its first news."""
    with looking(pipelining=pipelining, IDLE=NEWS) as looks:
        assert looks.idle() is True
        assert looks.look() == [5, 6]
        assert looks.commands == ["IDLE", FIRST, SECOND]


# -- the probe --


def test_nothing_goes_out_with_done_before_the_server_has_proved_itself() -> None:
    """News in the first IDLE of all: a probe would only hold it up."""
    with looking(IDLE=NEWS) as looks:
        assert looks.idle()
        assert looks.look() == [5, 6]
        assert looks.commands == ["IDLE", *ASKED_BY_ITSELF]


def test_one_proof_is_enough_for_all_sessions() -> None:
    """Where each of them is short, the first news of one is often the only."""
    pipelining = Pipelining()
    with looking(pipelining=pipelining) as looks:
        looks.idle(0)
    expect_all_ahead(pipelining)


def test_somebody_who_wakes_us_does_not_wait_for_a_probe() -> None:
    """There is news elsewhere."""
    with opened(REPLIES) as (mailbox, server), wakeup() as (wake, waking):
        mailbox.examine("INBOX")
        with open(waking, "wb", closefd=False) as file:
            file.write(b"!")
        assert mailbox.idle(PATIENCE, wake, then_look=True) is False
        assert server.commands[-1] == "IDLE"


def losing(talk: Talk) -> None:
    """An IDLE without news, whose server drops what it was sent together with DONE."""
    talk.send(b"+ idling\r\n")
    assert talk.line() == "DONE"
    talk.line()
    talk.send(DONE)


class Late:
    """A server that answers the probe behind DONE with its next answer."""

    def __init__(self, news: bytes = b"") -> None:
        self._news = news
        self._tag = b""

    def idle(self, talk: Talk) -> None:
        """Without news, unless it comes with the end."""
        talk.send(b"+ idling\r\n")
        assert talk.line() == "DONE"
        self._tag = talk.line().partition(" ")[0].encode()
        talk.send(DONE + self._news)

    def before(self, reply: bytes) -> Callable[[Talk], None]:
        """First the late answer, and then this one."""

        def answer(talk: Talk) -> None:
            talk.send(self._tag + b" OK late\r\n" + reply)

        return answer

    def before_news(self, talk: Talk) -> None:
        """The same, in an IDLE."""
        talk.send(self._tag + b" OK late\r\n")
        NEWS(talk)


@pytest.mark.usefixtures("hurried")
def test_a_server_that_loses_what_comes_with_done_is_asked_nothing_ahead() -> None:
    """The session goes on, and no other tries it again."""
    pipelining = Pipelining()
    with looking(pipelining=pipelining, IDLE=[losing, NEWS]) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.look() == [5, 6]
        assert looks.commands == [*NO_PROBE, *ASKED_BY_ITSELF]
    expect_nothing_ahead(pipelining)


@pytest.mark.usefixtures("hurried")
def test_a_late_answer_to_the_probe_ends_no_session() -> None:
    """Neither in the next IDLE nor along with another answer; but it is late."""
    pipelining = Pipelining()
    late = Late()
    with looking(pipelining=pipelining, IDLE=[late.idle, late.before_news]) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.look() == [5, 6]
    expect_nothing_ahead(pipelining)


@pytest.mark.usefixtures("hurried")
def test_a_late_answer_may_come_along_with_another() -> None:
    """With that to EXAMINE."""
    pipelining = Pipelining()
    late = Late()
    again = late.before(examined(7, exists=6))
    with looking(pipelining=pipelining, IDLE=late.idle, EXAMINE=[examined(6), again]) as looks:
        assert looks.idle(0) is False
        assert looks.look() == [5, 6]
    expect_nothing_ahead(pipelining)


@pytest.mark.usefixtures("patient")
def test_news_does_not_wait_for_the_probe() -> None:
    """The answer may come late then, and the next IDLE without news tries it again."""
    pipelining = Pipelining()
    late = Late(news=b"* 6 EXISTS\r\n")
    again = late.before(examined(7, exists=6))
    replies: dict[str, Reply | Sequence[Reply]] = {
        "IDLE": [late.idle, QUIET],
        "EXAMINE": [examined(6), again],
    }
    with looking(pipelining=pipelining, **replies) as looks:
        assert looks.idle(0) is True
        assert looks.look() == [5, 6]
        assert looks.idle(0) is False
        assert looks.commands == ["IDLE", *ASKED_BY_ITSELF, "IDLE", "NOOP"]
    expect_all_ahead(pipelining)


@pytest.mark.usefixtures("patient")
def test_news_that_comes_before_the_end_of_idle_does_not_wait_either() -> None:
    """Between DONE and the server's OK."""

    def idle(talk: Talk) -> None:
        talk.send(b"+ idling\r\n")
        assert talk.line() == "DONE"
        talk.line()
        talk.send(b"* 6 EXISTS\r\n" + DONE)

    with looking(IDLE=[idle, QUIET]) as looks:
        assert looks.idle(0) is True
        assert looks.look() == [5, 6]
        assert looks.idle(0) is False
        assert looks.commands == ["IDLE", *ASKED_BY_ITSELF, "IDLE", "NOOP"]


@pytest.mark.usefixtures("patient")
def test_a_wakeup_does_not_wait_for_the_probe_either() -> None:
    """It may be for news of another folder."""
    with wakeup() as (wake, waking):

        def idle(talk: Talk) -> None:
            losing(talk)
            with open(waking, "wb", closefd=False) as file:
                file.write(b"!")

        with opened(REPLIES | {"IDLE": idle}) as (mailbox, _):
            mailbox.examine("INBOX")
            assert mailbox.idle(0, wake, then_look=True) is False


def test_news_that_comes_with_the_proof_is_news() -> None:
    """Between the OK of IDLE and that of NOOP."""
    with looking(NOOP=b"* 6 EXISTS\r\n" + DONE) as looks:
        assert looks.idle(0) is True


@pytest.mark.parametrize("answer", [NO, BAD], ids=["NO", "BAD"])
def test_a_server_that_refuses_noop_has_not_proved_itself(answer: bytes) -> None:
    """It may take what stands behind DONE for something else."""
    pipelining = Pipelining()
    with looking(pipelining=pipelining, NOOP=answer) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.look() == [5, 6]
        assert looks.commands == [*READS_ON, *ASKED_BY_ITSELF]
    expect_nothing_ahead(pipelining)


@pytest.mark.parametrize("end", [Talk.close, Talk.reset], ids=["FIN", "RST"])
def test_a_server_that_hangs_up_on_the_probe_costs_one_session(end: Reply) -> None:
    """The next one is as before there was any."""
    pipelining = Pipelining()
    with pytest.raises(Outage), looking(pipelining=pipelining, NOOP=end) as looks:
        looks.idle(0)
    expect_nothing_ahead(pipelining)


# -- the questions --


def silent(_talk: Talk) -> None:
    """No answer at all."""


class Slow:
    """A server that answers EXAMINE and FETCH only when EXAMINE is sent again, in their order."""

    def __init__(self) -> None:
        self._tags: list[bytes] = []

    def wait(self, talk: Talk) -> None:
        """Say nothing yet."""
        self._tags.append(talk.tag.encode())

    def answer(self, talk: Talk) -> None:
        """All that was asked so far, and then EXAMINE."""
        examine, fetch = self._tags
        talk.send(examined(6).replace(b"TAG", examine) + HEADINGS[0].replace(b"TAG", fetch))
        talk.send(examined(7, exists=6))


@pytest.mark.usefixtures("hurried")
def test_answers_that_come_late_cost_no_session() -> None:
    """The look asks by itself; what was told before is not taken for its answer."""
    pipelining = Pipelining()
    slow = Slow()
    replies: dict[str, Reply | Sequence[Reply]] = {
        "EXAMINE": [examined(6), slow.wait, slow.answer],
        "UID_FETCH": [HEADINGS[0], slow.wait, HEADINGS[1]],
    }
    with looking(pipelining=pipelining, **replies) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.look() == [5, 6]
        assert looks.commands == [*READS_ON, FIRST, SECOND, *ASKED_BY_ITSELF]
    expect_nothing_ahead(pipelining)


AGAIN = examined(7, exists=6)
ODD_EXAMINE = AGAIN.replace(b"UIDVALIDITY 7", b"UIDVALIDITY x")
ODD_HEADING = b"* 6 FETCH (UID x)\r\n" + DONE
ODD: dict[str, dict[str, Reply | Sequence[Reply]]] = {
    "no answer to EXAMINE": {"EXAMINE": [examined(6), silent, AGAIN]},
    "EXAMINE refused": {"EXAMINE": [examined(6), NO, AGAIN]},
    "EXAMINE not known": {"EXAMINE": [examined(6), BAD, AGAIN]},
    "EXAMINE of no known form": {"EXAMINE": [examined(6), ODD_EXAMINE, AGAIN]},
    "no answer to FETCH": {"UID_FETCH": [HEADINGS[0], silent, HEADINGS[1]]},
    "FETCH refused": {"UID_FETCH": [HEADINGS[0], NO, HEADINGS[1]]},
    "FETCH of no known form": {"UID_FETCH": [HEADINGS[0], ODD_HEADING, HEADINGS[1]]},
}


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("name", ODD)
def test_any_other_answer_than_the_usual_one_is_the_last(name: str) -> None:
    """It costs the look a moment, no session, and each later look nothing."""
    pipelining = Pipelining()
    with looking(pipelining=pipelining, **ODD[name]) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.look() == [5, 6]
        assert looks.commands == [*READS_ON, FIRST, SECOND, *ASKED_BY_ITSELF]
    expect_nothing_ahead(pipelining)


def half(talk: Talk) -> None:
    """Both headings, and no end of the answer."""
    talk.send(heading(5, 5) + heading(6, 6))


def half_a_line(talk: Talk) -> None:
    """A heading that is cut."""
    talk.send(heading(5, 5) + heading(6, 6)[:-20])


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(("begun", "rest"), [(half, b""), (half_a_line, heading(6, 6)[-20:])])
def test_an_answer_that_begins_and_does_not_go_on_costs_no_session(
    begun: Reply, rest: bytes
) -> None:
    """Silence after the headings is as long as silence before them; the rest may come late."""
    pipelining = Pipelining()
    replies: dict[str, Reply | Sequence[Reply]] = {
        "EXAMINE": [examined(6), AGAIN, rest + AGAIN],
        "UID_FETCH": [HEADINGS[0], begun, HEADINGS[1]],
    }
    with looking(pipelining=pipelining, **replies) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.look() == [5, 6]
        assert looks.commands == [*READS_ON, FIRST, SECOND, *ASKED_BY_ITSELF]
    expect_nothing_ahead(pipelining)


def murmuring(talk: Talk) -> None:
    """No answer, but never silence either, until something else is asked."""
    while talk.hears_nothing(0.05):
        talk.send(b"* OK still at it\r\n")


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("question", ["EXAMINE", "UID_FETCH"])
def test_a_server_that_only_asks_for_patience_is_not_waited_for(
    question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of an answer has its time, and not only each silence."""
    monkeypatch.setattr(questions_module, "ALL_WITHIN", 0.5)
    pipelining = Pipelining()
    usual = {"EXAMINE": [examined(6), AGAIN, AGAIN], "UID_FETCH": [*HEADINGS, HEADINGS[1]]}
    usual[question][1] = murmuring  # type: ignore[call-overload] # a reply as any other
    with looking(pipelining=pipelining, **usual) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.look() == [5, 6]
        assert looks.commands == [*READS_ON, FIRST, SECOND, *ASKED_BY_ITSELF]
    expect_nothing_ahead(pipelining)


def test_what_is_answered_before_examine_is_not_believed() -> None:
    """It may be of a folder that was open before."""
    tags: list[bytes] = []

    def wait(talk: Talk) -> None:
        tags.append(talk.tag.encode())

    def answer(talk: Talk) -> None:
        talk.send(HEADINGS[1])
        talk.send(AGAIN.replace(b"TAG", tags[0]))

    pipelining = Pipelining()
    replies: dict[str, Reply | Sequence[Reply]] = {
        "EXAMINE": [examined(6), wait, AGAIN],
        "UID_FETCH": [HEADINGS[0], answer, HEADINGS[1]],
    }
    with looking(pipelining=pipelining, **replies) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.look() == [5, 6]
        assert looks.commands == [*READS_ON, FIRST, SECOND, *ASKED_BY_ITSELF]
    expect_nothing_ahead(pipelining)


def test_a_refusal_of_what_was_asked_ahead_is_told_as_ever() -> None:
    """The folder was removed meanwhile."""
    with looking(EXAMINE=[examined(6), NO]) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        with pytest.raises(TokenCatcherError) as caught:
            looks.mailbox.examine("INBOX")
    assert refusal(caught) == (AccessError, "imap-folder")


@pytest.mark.parametrize("question", ["EXAMINE", "UID_FETCH"])
@pytest.mark.parametrize(
    "end", [b"* BYE shutting down\r\n", Talk.close, Talk.reset], ids=["BYE", "FIN", "RST"]
)
def test_a_server_that_hangs_up_on_the_questions_costs_one_session(
    question: str, end: Reply
) -> None:
    """It is the last that was asked anything ahead."""
    pipelining = Pipelining()
    usual = {"EXAMINE": examined(6), "UID_FETCH": HEADINGS[0]}[question]
    replies: dict[str, Reply | Sequence[Reply]] = {question: [usual, end]}
    with looking(pipelining=pipelining, **replies) as looks:
        looks.idle(0)
        with pytest.raises(Outage):
            looks.idle()
    expect_nothing_ahead(pipelining)


def test_a_session_that_runs_out_says_nothing_of_the_questions() -> None:
    """Gmail tells it with the first command after the hour: the next one asks ahead again."""
    pipelining = Pipelining()
    ended = b"* BYE Session expired, please login again.\r\n"
    with looking(pipelining=pipelining, EXAMINE=[examined(6), ended]) as looks:
        looks.idle(0)
        with pytest.raises(SessionEnded):
            looks.idle()
    expect_all_ahead(pipelining)


@pytest.mark.usefixtures("hurried")
def test_what_was_the_last_trial_stays_the_last_where_a_session_runs_out() -> None:
    """The end of a later session is no new chance."""
    pipelining = Pipelining()
    with looking(pipelining=pipelining, IDLE=losing) as looks:
        looks.idle(0)
    ended = b"+ idling\r\n* BYE Session expired, please login again.\r\n"
    with looking(pipelining=pipelining, IDLE=ended) as looks, pytest.raises(SessionEnded):
        looks.idle()
    expect_nothing_ahead(pipelining)


def test_a_server_that_ends_each_session_for_the_questions_is_asked_nothing_ahead() -> None:
    """Microsoft's words for an hour that is over are also those for whatever went wrong."""
    pipelining = Pipelining(is_proved=True)
    ended = b"* BYE Connection is closed. 13\r\n"
    for _ in range(IN_VAIN):
        with (
            looking(pipelining=pipelining, IDLE=NEWS, EXAMINE=[examined(6), ended]) as looks,
            pytest.raises(SessionEnded),
        ):
            looks.idle()
    expect_nothing_ahead(pipelining)


def test_sessions_that_run_out_between_answers_say_nothing_of_the_questions() -> None:
    """However many they are."""
    pipelining = Pipelining(is_proved=True)
    ended = b"* BYE Session expired, please login again.\r\n"
    for _ in range(IN_VAIN + 1):
        with (
            looking(pipelining=pipelining, IDLE=NEWS, EXAMINE=[examined(6), ended]) as looks,
            pytest.raises(SessionEnded),
        ):
            looks.idle()
        expect_all_ahead(pipelining)
