"""What a look at new mail begins with goes out with the end of IDLE, where the server reads on.

The answers are those that would have come later, and are used only where nothing lay between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from tests.contract.imap import dovecot_account, session, wakeup
from tests.contract.looking import (
    FIRST,
    HEADINGS,
    NEWS,
    OF_THE_SEARCH,
    QUIET,
    RAW,
    READS_ON,
    REPLIES,
    SECOND,
    Looks,
    body,
    heading,
    looking,
    telling,
    uids,
)
from tests.contract.scripted import BAD, DONE, NO, SINCE, examined, opened
from tests.kit.proxy import TcpProxy
from tests.kit.scripted import Reply, Talk
from tests.kit.servers import Dovecot
from tests.kit.waiting import PATIENCE
from token_catcher.imap import ImapMailbox
from token_catcher.imap import questions as questions_module
from token_catcher.imap.ahead import Ahead
from token_catcher.model import MAX_MAIL_BYTES


def test_a_look_at_news_finds_its_questions_asked() -> None:
    """EXAMINE and the headings: the answers are as if they had been asked just now."""
    with looking() as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.look() == [5, 6]
        assert looks.commands == [*READS_ON, FIRST, SECOND]


def ask_for_others(mailbox: ImapMailbox) -> object:
    """For headings that were not asked ahead."""
    mailbox.examine("INBOX")
    return uids(mailbox.headings((2, 6)))


def ask_for_more(mailbox: ImapMailbox) -> object:
    """For more mail than is asked for ahead."""
    mailbox.examine("INBOX")
    return uids(mailbox.headings((5, 5), (6, 38)))


def ask_for_all(mailbox: ImapMailbox) -> object:
    """For whatever there is, however much."""
    mailbox.examine("INBOX")
    return uids(mailbox.headings((5, None)))


def ask_twice(mailbox: ImapMailbox) -> object:
    """A further look in the same sweep: an answer is good for one."""
    mailbox.examine("INBOX")
    mailbox.headings((5, 5))
    return uids(mailbox.headings((5, 6)))


def examine_twice(mailbox: ImapMailbox) -> object:
    """The same of the folder itself."""
    mailbox.examine("INBOX")
    return mailbox.examine("INBOX").exists


def ask_without_examine(mailbox: ImapMailbox) -> object:
    """Nobody knows what the numbers mean."""
    return uids(mailbox.headings((5, 6)))


def ask_anew(mailbox: ImapMailbox) -> object:
    """Something lay between."""
    mailbox.ask_anew()
    return mailbox.examine("INBOX").exists


def search(mailbox: ImapMailbox) -> object:
    """Something else first."""
    return mailbox.search(4, SINCE)


def open_another(mailbox: ImapMailbox) -> object:
    """Another folder first."""
    return mailbox.examine("Junk").name


OTHERS: dict[str, tuple[Callable[[ImapMailbox], object], object, str]] = {
    "other headings": (ask_for_others, [5, 6], "UID FETCH 2:6"),
    "a burst": (ask_for_more, [5, 6], "UID FETCH 5,6:38"),
    "all headings": (ask_for_all, [5, 6], "UID FETCH 5:*"),
    "headings twice": (ask_twice, [5, 6], "UID FETCH 5:6"),
    "EXAMINE twice": (examine_twice, 6, FIRST),
    "headings alone": (ask_without_examine, [5, 6], "UID FETCH 5:6"),
    "anew": (ask_anew, 6, FIRST),
    "a search": (search, [5, 6], "UID SEARCH"),
    "another folder": (open_another, "Junk", 'EXAMINE "Junk"'),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_asked_instead_is_answered(name: str) -> None:
    """What was asked ahead is dropped."""
    ask, answer, command = OTHERS[name]
    with looking(UID_SEARCH=b"* SEARCH 5 6\r\n" + DONE) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert ask(looks.mailbox) == answer
        assert looks.commands[:-1] == [*READS_ON, FIRST, SECOND]
        assert looks.commands[-1].startswith(command)


def test_headings_beyond_those_that_are_asked_for_are_left_out() -> None:
    """A mail came after EXAMINE: the next look begins with it."""
    more = [HEADINGS[0], heading(5, 5) + heading(6, 6) + heading(7, 7) + DONE]
    with looking(UID_FETCH=more) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.look() == [5, 6]


def test_a_new_idle_drops_what_was_asked_ahead() -> None:
    """A look may not have come about."""
    with looking() as looks:
        assert (looks.idle(0), looks.idle(), looks.idle(0)) == (False, True, False)
        looks.look()
        assert looks.commands[-3:] == ["IDLE", FIRST, "UID FETCH 5,6"]


def test_nothing_is_asked_ahead_where_the_server_tells_no_uidnext() -> None:
    """Nobody knows which mails are new."""
    with looking(EXAMINE=examined(None)) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.commands == ["IDLE", "IDLE"]


def test_who_only_waits_for_news_asks_nothing_ahead() -> None:
    """As the listener on a further folder does, which never reads a mail."""
    with opened(REPLIES) as (mailbox, server), wakeup() as (wake, _):
        mailbox.examine("INBOX")
        assert (mailbox.idle(0, wake), mailbox.idle(PATIENCE, wake)) == (False, True)
        assert server.commands[-2:] == ["IDLE", "IDLE"]


# -- what is told among the answers --


def test_a_mail_that_comes_among_the_answers_is_news() -> None:
    """The look is one at the folder as EXAMINE found it; the next wait ends at once."""
    answers = [HEADINGS[0], HEADINGS[1].replace(b"TAG", b"* 7 EXISTS\r\nTAG")]
    with looking(UID_FETCH=answers) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.look() == [5, 6]
        assert looks.idle() is True
        assert looks.commands == [*READS_ON, FIRST, SECOND]


def test_a_mail_that_examine_has_counted_is_no_news_any_more() -> None:
    """It came between IDLE and EXAMINE, and the look comes to it."""
    more = heading(5, 5) + heading(6, 6) + heading(7, 7) + DONE
    two = [examined(6), examined(8, exists=7)]
    with looking(EXAMINE=two, UID_FETCH=[HEADINGS[0], more]) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.mailbox.examine("INBOX").exists == 7
        assert uids(looks.mailbox.headings((5, 5), (6, 7))) == [5, 6, 7]
        assert looks.idle(0) is False


def test_the_folder_is_as_large_as_was_told_last() -> None:
    """The server may tell of a mail before it comes to EXAMINE."""
    with looking(EXAMINE=[examined(6), b"* 5 EXISTS\r\n" + examined(7, exists=6)]) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.look() == [5, 6]


def test_where_examine_does_not_know_of_the_news_the_look_asks_by_itself() -> None:
    """A server of many parts may tell of a mail before all of them have it; it costs no proof."""
    behind = [examined(6), examined(6), examined(7, exists=6)]
    with looking(EXAMINE=behind, UID_FETCH=[HEADINGS[0], HEADINGS[0], HEADINGS[1]]) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.look() == [5, 6]
        assert looks.commands == [*READS_ON, FIRST, SECOND, FIRST, "UID FETCH 5,6"]
        assert looks.idle(0) is False


def test_where_a_mail_goes_among_the_answers_the_look_asks_by_itself() -> None:
    """The numbers of the others are not those of EXAMINE then, and would show a hole."""
    gone = b"* 2 EXPUNGE\r\n" + heading(4, 5) + heading(5, 6) + DONE
    after = [examined(6), examined(7, exists=6), examined(7, exists=5)]
    with looking(EXAMINE=after, UID_FETCH=[HEADINGS[0], gone]) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.mailbox.examine("INBOX").exists == 5
        assert looks.commands == [*READS_ON, FIRST, SECOND, FIRST]
        assert looks.idle(0) is False


# -- bodies --

SEARCHRES = b"TAG OK [CAPABILITY IMAP4rev1 IDLE SEARCHRES] logged in\r\n"
MORE_NEWS = telling(b"* 7 EXISTS\r\n")


@contextmanager
def looking_for_bodies(*fetched: Reply, search: Reply = DONE) -> Iterator[Looks]:
    """After news, EXAMINE and headings; `fetched`: the answers to what asks for bodies."""
    replies: dict[str, Reply | Sequence[Reply]] = {
        "LOGIN": SEARCHRES,
        "UID_FETCH": [*HEADINGS, *fetched],
        "UID_SEARCH": search,
    }
    with looking(IDLE=[QUIET, NEWS, MORE_NEWS], **replies) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.look() == [5, 6]
        yield looks


def bodies(looks: Looks, *uids: int) -> list[bytes]:
    """Of these mails."""
    return [mail.raw for mail in looks.mailbox.fetch(uids)]


def test_new_mail_of_our_senders_comes_with_the_same_packet() -> None:
    """The server finds out which: no other mail is read."""
    with looking_for_bodies(body(6) + DONE) as looks:
        assert bodies(looks, 6) == [RAW]
        assert looks.commands == [*READS_ON, FIRST, SECOND, *OF_THE_SEARCH]


def test_several_come_one_after_the_other() -> None:
    """As a look takes them: the first alone."""
    with looking_for_bodies(body(6) + body(7, RAW + b"x") + DONE) as looks:
        assert bodies(looks, 6) == [RAW]
        assert bodies(looks, 7) == [RAW + b"x"]
        assert looks.commands == [*READS_ON, FIRST, SECOND, *OF_THE_SEARCH]


def test_a_body_is_given_out_once() -> None:
    """Who asks for it again doubts it."""
    with looking_for_bodies(body(6) + DONE) as looks:
        assert bodies(looks, 6) == bodies(looks, 6)
        assert looks.commands[-1] == "UID FETCH 6"


def test_a_body_that_the_search_left_out_is_asked_for_by_name() -> None:
    """It is a hint, as each search is; `$` stands for no mail then, which is none to fetch."""
    with looking_for_bodies(DONE, body(6) + DONE) as looks:
        assert bodies(looks, 6) == [RAW]
        assert looks.commands[-3:] == [*OF_THE_SEARCH, "UID FETCH 6"]


def test_an_older_mail_is_asked_for_by_name() -> None:
    """One that waited, beside the new one."""
    older = body(6).replace(b"* 6 FETCH (UID 6", b"* 4 FETCH (UID 4")
    with looking_for_bodies(body(6) + DONE, older + body(6) + DONE) as looks:
        assert bodies(looks, 4, 6) == [RAW, RAW]
        assert looks.commands[-3:] == [*OF_THE_SEARCH, "UID FETCH 4,6"]


def test_a_body_beyond_the_bound_comes_cut() -> None:
    """At one byte more than is believed, as ever."""
    with looking_for_bodies(body(6, b"x" * (MAX_MAIL_BYTES + 1)) + DONE) as looks:
        assert bodies(looks, 6) == [b"x" * (MAX_MAIL_BYTES + 1)]


def test_no_token_shows_in_what_is_kept() -> None:
    """Nor is it kept once it was given out, or something else was asked."""
    with looking_for_bodies(body(6) + DONE) as looks:
        ahead = looks.mailbox._connection.ahead
        assert isinstance(ahead, Ahead)
        assert "Subject" not in repr(ahead)
        bodies(looks, 6)
        assert ahead._bodies == {}
        looks.mailbox.search(6, SINCE)
        assert looks.mailbox._connection.ahead is None


def silent(_talk: Talk) -> None:
    """No answer at all."""


@pytest.mark.parametrize("search", [NO, BAD, silent], ids=["NO", "BAD", "silent"])
def test_a_search_that_fails_is_not_made_again(
    search: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mail is asked for by name, and from then on each one after it."""
    monkeypatch.setattr(questions_module, "ANSWER_WITHIN", 1.0)
    with looking_for_bodies(DONE, body(6) + DONE, search=search) as looks:
        expect_no_search_any_more(looks)


@pytest.mark.parametrize("fetched", [NO, BAD, silent], ids=["NO", "BAD", "silent"])
def test_what_was_found_and_cannot_be_fetched_is_not_searched_for_again(
    fetched: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some servers announce SEARCHRES and do not know `$`, or not where nothing was found."""
    monkeypatch.setattr(questions_module, "ANSWER_WITHIN", 1.0)
    with looking_for_bodies(fetched, body(6) + DONE) as looks:
        expect_no_search_any_more(looks)


def expect_no_search_any_more(looks: Looks) -> None:
    """The headings came as ever, and the next look asks for them alone."""
    assert bodies(looks, 6) == [RAW]
    assert looks.commands[-3:] == [*OF_THE_SEARCH, "UID FETCH 6"]
    assert looks.idle() is True
    looks.mailbox.ask_anew()
    looks.mailbox.examine("INBOX")
    assert looks.commands[-4:] == ["IDLE", FIRST, "UID FETCH 6:38", FIRST]


def test_the_search_may_be_answered_before_the_headings() -> None:
    """As Dovecot does, which reads mails while it searches."""
    tags: list[str] = []

    def headings_late(talk: Talk) -> None:
        tags.append(talk.tag)
        talk.send(heading(5, 5))

    def rest(talk: Talk) -> None:
        talk.send(body(6) + heading(6, 6) + b"TAG OK done\r\n")
        talk.send(tags[0].encode() + b" OK done\r\n")

    replies: dict[str, Reply | Sequence[Reply]] = {
        "LOGIN": SEARCHRES,
        "UID_FETCH": [HEADINGS[0], headings_late, rest],
        "UID_SEARCH": DONE,
    }
    with looking(**replies) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.look() == [5, 6]
        assert bodies(looks, 6) == [RAW]
        assert looks.commands == [*READS_ON, FIRST, SECOND, *OF_THE_SEARCH]


# -- a real server --


@pytest.mark.servers
@pytest.mark.parametrize(
    ("raw", "fetched"),
    [
        (RAW, RAW),
        (RAW + b"x" * MAX_MAIL_BYTES, (RAW + b"x" * MAX_MAIL_BYTES)[: MAX_MAIL_BYTES + 1]),
    ],
    ids=["usual", "too large"],
)
def test_dovecot_answers_all_of_one_packet(
    dovecot: Dovecot, user: str, raw: bytes, fetched: bytes
) -> None:
    """DONE and all questions, and the mail is there: no more is asked."""
    packets: list[bytes] = []
    dovecot.append(RAW, user=user)
    with (
        TcpProxy(dovecot.port) as proxy,
        session(dovecot_account(dovecot, user, tls="none", port=proxy.port)) as mailbox,
        wakeup() as (wake, _),
    ):
        proxy.on_up = packets.append
        mailbox.examine("INBOX")
        assert mailbox.idle(0.1, wake, then_look=True) is False
        dovecot.append(raw, user=user, received_at=datetime.now(UTC))
        assert mailbox.idle(PATIENCE, wake, then_look=True) is True
        state = mailbox.examine("INBOX")
        assert state.uidnext == 3
        assert uids(mailbox.headings((1, 1), (2, 2))) == [1, 2]
        assert [mail.raw for mail in mailbox.fetch([2])] == [fetched]
    assert packets[-2].startswith(b"DONE")
    done, examine, headings, search, of_bodies = packets[-2].splitlines()
    assert done == b"DONE"
    assert examine.endswith(b' EXAMINE "INBOX"')
    assert b" UID FETCH 1:33 (INTERNALDATE" in headings
    assert search.endswith(b" UID SEARCH RETURN (SAVE) UID 2:5 FROM salesforce.com")
    assert b" UID FETCH $ (INTERNALDATE BODY.PEEK[]" in of_bodies
    assert packets[-1].endswith(b" LOGOUT\r\n")


@pytest.mark.servers
def test_dovecot_goes_on_where_nothing_is_found(dovecot: Dovecot, user: str) -> None:
    """A mail of somebody else: `$` stands for none, and the next look asks ahead again."""
    other = RAW.replace(b"salesforce.com", b"example.net")
    dovecot.append(other, user=user)
    packets: list[bytes] = []
    with (
        TcpProxy(dovecot.port) as proxy,
        session(dovecot_account(dovecot, user, tls="none", port=proxy.port)) as mailbox,
        wakeup() as (wake, _),
    ):
        mailbox.examine("INBOX")
        assert mailbox.idle(0.1, wake, then_look=True) is False
        for raw in (other, RAW):
            dovecot.append(raw, user=user, received_at=datetime.now(UTC))
            proxy.on_up = packets.append
            assert mailbox.idle(PATIENCE, wake, then_look=True) is True
            last = (mailbox.examine("INBOX").uidnext or 0) - 1
            assert uids(mailbox.headings((last, last))) == [last]
        assert [mail.raw for mail in mailbox.fetch([3])] == [RAW]
    assert [len(packet.splitlines()) for packet in packets] == [1, 5, 1, 5, 1]
