"""What a look at new mail begins with goes out with the end of IDLE, where the server reads on.

The answers are those that would have come later; and where anything is unusual, nothing is asked
ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from tests.contract.imap import dovecot_account, refusal, session, wakeup
from tests.contract.scripted import BAD, DONE, NO, SINCE, examined, opened
from tests.kit import mails
from tests.kit.proxy import TcpProxy
from tests.kit.scripted import Reply, Talk
from tests.kit.servers import Dovecot
from tests.kit.waiting import PATIENCE
from token_catcher.errors import AccessError, TokenCatcherError
from token_catcher.imap import ImapMailbox
from token_catcher.imap import idle as idle_module
from token_catcher.ports import Heading

FIRST, SECOND = 'EXAMINE "INBOX"', "UID FETCH 5:37"
"""The two questions, the second without what it asks of each mail."""
READS_ON = ["IDLE", "NOOP", "IDLE"]
"""Before news: an IDLE without any, and the NOOP that goes out with its end."""
RAW = mails.genuine()


def heading(number: int, uid: int) -> bytes:
    """A line of FETCH."""
    fields = b"From: a@example.com\r\n\r\n"
    return (
        b'* %d FETCH (UID %d INTERNALDATE "03-Feb-2026 12:00:00 +0000"'
        b" BODY[HEADER.FIELDS (FROM MESSAGE-ID)] {%d}\r\n%s)\r\n"
        % (number, uid, len(fields), fields)
    )


def quiet(talk: Talk) -> None:
    """An IDLE without news."""
    talk.send(b"+ idling\r\n")
    assert talk.line() == "DONE"
    talk.send(DONE)


def with_news(talk: Talk) -> None:
    """An IDLE that tells of a sixth mail."""
    talk.send(b"+ idling\r\n* 6 EXISTS\r\n")
    assert talk.line() == "DONE"
    talk.send(DONE)


def with_more_news(talk: Talk) -> None:
    """One that tells of a seventh."""
    talk.send(b"+ idling\r\n* 7 EXISTS\r\n")
    assert talk.line() == "DONE"
    talk.send(DONE)


def losing(talk: Talk) -> None:
    """An IDLE without news, whose server drops what it was sent together with DONE."""
    talk.send(b"+ idling\r\n")
    assert talk.line() == "DONE"
    talk.line()
    talk.send(DONE)


class Looks:
    """A session on a folder of five mails, of which the last has UID 5."""

    def __init__(self, mailbox: ImapMailbox, commands: list[str], wake: int) -> None:
        self.mailbox = mailbox
        self._commands = commands
        self._wake = wake

    def idle(self, seconds: float = PATIENCE) -> bool:
        """Wait for news."""
        return self.mailbox.idle(seconds, self._wake, then_look=True)

    @property
    def commands(self) -> list[str]:
        """What the server was asked since the first look, without what is asked of each mail."""
        looked = self._commands.index("UID FETCH 5 " + HEADING) + 1
        return [command.partition(" (")[0] for command in self._commands[looked:]]


HEADING = "(INTERNALDATE BODY.PEEK[HEADER.FIELDS (FROM MESSAGE-ID)])"
HEADINGS = [heading(5, 5) + DONE, heading(5, 5) + heading(6, 6) + DONE]
REPLIES: dict[str, Reply | Sequence[Reply]] = {
    "EXAMINE": [examined(6), examined(7, exists=6)],
    "UID FETCH": HEADINGS,
    "IDLE": [quiet, with_news, quiet],
}


@contextmanager
def looking(**replies: Reply | Sequence[Reply]) -> Iterator[Looks]:
    """After a first look."""
    with (
        opened(REPLIES | {name.replace("_", " "): reply for name, reply in replies.items()}) as (
            mailbox,
            server,
        ),
        wakeup() as (wake, _),
    ):
        mailbox.examine("INBOX")
        mailbox.headings((5, 5))
        yield Looks(mailbox, server.commands, wake)


def uids(headings: Sequence[Heading]) -> list[int]:
    """Of these mails."""
    return [heading.uid for heading in headings]


def test_a_look_at_news_finds_its_questions_asked() -> None:
    """EXAMINE and the headings: the answers are as if they had been asked just now."""
    with looking() as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        state = looks.mailbox.examine("INBOX")
        assert (state.exists, state.uidnext) == (6, 7)
        assert uids(looks.mailbox.headings((5, 5), (6, 6))) == [5, 6]
        assert looks.commands == [*READS_ON, FIRST, SECOND]


def test_nothing_goes_out_with_done_before_the_server_has_proved_itself() -> None:
    """News in the first IDLE of a session."""
    with looking(IDLE=with_news) as looks:
        assert looks.idle()
        looks.mailbox.examine("INBOX")
        assert looks.commands == ["IDLE", FIRST]


def test_a_server_that_loses_what_comes_with_done_is_asked_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The session goes on."""
    monkeypatch.setattr(idle_module, "ANSWER_WITHIN", 0.3)
    with looking(IDLE=[losing, with_news]) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        looks.mailbox.examine("INBOX")
        assert uids(looks.mailbox.headings((5, 5), (6, 6))) == [5, 6]
        assert looks.commands == ["IDLE", "IDLE", FIRST, "UID FETCH 5,6"]


def test_news_that_comes_with_the_proof_is_news() -> None:
    """Between the OK of IDLE and that of NOOP."""
    with looking(NOOP=b"* 6 EXISTS\r\n" + DONE) as looks:
        assert looks.idle(0) is True


def test_a_server_that_refuses_noop_has_not_proved_itself() -> None:
    """It may take what stands behind DONE for something else."""
    with looking(NOOP=NO) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        looks.mailbox.examine("INBOX")
        assert looks.commands == [*READS_ON, FIRST]


def ask_for_others(mailbox: ImapMailbox) -> object:
    """For headings that were not asked ahead."""
    mailbox.examine("INBOX")
    return uids(mailbox.headings((2, 6)))


def search(mailbox: ImapMailbox) -> object:
    """Something else first."""
    return mailbox.search(4, SINCE)


def open_another(mailbox: ImapMailbox) -> object:
    """Another folder first."""
    return mailbox.examine("Junk").name


OTHERS: dict[str, tuple[Callable[[ImapMailbox], object], object, str]] = {
    "other headings": (ask_for_others, [5, 6], "UID FETCH 2:6"),
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


def test_a_new_idle_drops_what_was_asked_ahead() -> None:
    """A look may not have come about."""
    with looking() as looks:
        assert (looks.idle(0), looks.idle(), looks.idle(0)) == (False, True, False)
        assert looks.commands == [*READS_ON, FIRST, SECOND, "IDLE"]


def test_nothing_is_asked_ahead_where_the_server_tells_no_uidnext() -> None:
    """Nobody knows which mails are new."""
    with looking(EXAMINE=examined(None)) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        assert looks.commands == ["IDLE", "IDLE"]


def test_who_only_waits_for_news_asks_nothing_ahead() -> None:
    """As the listener on a further folder does."""
    with opened(REPLIES) as (mailbox, server), wakeup() as (wake, _):
        mailbox.examine("INBOX")
        assert (mailbox.idle(0, wake), mailbox.idle(PATIENCE, wake)) == (False, True)
        assert server.commands[-2:] == ["IDLE", "IDLE"]


def test_a_refusal_of_what_was_asked_ahead_is_told_as_ever() -> None:
    """The folder was removed meanwhile."""
    with looking(EXAMINE=[examined(6), NO]) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        with pytest.raises(TokenCatcherError) as caught:
            looks.mailbox.examine("INBOX")
    assert refusal(caught) == (AccessError, "imap-folder")


# -- bodies --

SEARCHRES = b"TAG OK [CAPABILITY IMAP4rev1 IDLE SEARCHRES] logged in\r\n"
OF_THE_SEARCH = ["UID SEARCH RETURN", "UID FETCH $"]
BODY_OF_6 = (
    b'* 6 FETCH (UID 6 INTERNALDATE "03-Feb-2026 12:00:00 +0000" BODY[]<0> {%d}\r\n%s)\r\n'
    % (len(RAW), RAW)
)


@contextmanager
def looking_for_bodies(*fetched: bytes, search: bytes = DONE) -> Iterator[Looks]:
    """After news, EXAMINE and headings; `fetched`: the answers to what asks for bodies."""
    replies: dict[str, Reply | Sequence[Reply]] = {
        "LOGIN": SEARCHRES,
        "UID_FETCH": [*HEADINGS, *fetched],
        "UID_SEARCH": search,
    }
    with looking(IDLE=[quiet, with_news, with_more_news], **replies) as looks:
        assert (looks.idle(0), looks.idle()) == (False, True)
        looks.mailbox.examine("INBOX")
        looks.mailbox.headings((5, 5), (6, 6))
        yield looks


def bodies(looks: Looks, *uids: int) -> list[bytes]:
    """Of these mails."""
    return [mail.raw for mail in looks.mailbox.fetch(uids)]


def test_new_mail_of_our_senders_comes_with_the_same_packet() -> None:
    """The server finds out which: no other mail is read."""
    with looking_for_bodies(BODY_OF_6 + DONE) as looks:
        assert bodies(looks, 6) == [RAW]
        assert looks.commands == [*READS_ON, FIRST, SECOND, *OF_THE_SEARCH]


def test_a_body_that_the_search_left_out_is_asked_for_by_name() -> None:
    """It is a hint, as each search is."""
    with looking_for_bodies(DONE, BODY_OF_6 + DONE) as looks:
        assert bodies(looks, 6) == [RAW]
        assert looks.commands[-3:] == [*OF_THE_SEARCH, "UID FETCH 6"]


def test_an_older_mail_is_asked_for_by_name() -> None:
    """One that waited, beside the new one."""
    older = BODY_OF_6.replace(b"* 6 FETCH (UID 6", b"* 4 FETCH (UID 4")
    with looking_for_bodies(BODY_OF_6 + DONE, older + BODY_OF_6 + DONE) as looks:
        assert bodies(looks, 4, 6) == [RAW, RAW]
        assert looks.commands[-3:] == [*OF_THE_SEARCH, "UID FETCH 4,6"]


@pytest.mark.parametrize("refusal", [NO, BAD], ids=["NO", "BAD"])
def test_a_search_that_is_refused_is_not_made_again(refusal: bytes) -> None:
    """The mail is asked for by name, and in that session each one after it."""
    with looking_for_bodies(DONE, BODY_OF_6 + DONE, search=refusal) as looks:
        assert bodies(looks, 6) == [RAW]
        assert looks.commands[-3:] == [*OF_THE_SEARCH, "UID FETCH 6"]
        assert looks.idle() is True
        looks.mailbox.examine("INBOX")
        looks.mailbox.search(6, SINCE)
        assert looks.commands[-4:-1] == ["IDLE", FIRST, "UID FETCH 6:38"]


@pytest.mark.servers
def test_dovecot_answers_all_of_one_packet(dovecot: Dovecot, user: str) -> None:
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
        mailbox.headings((1, 1))
        assert mailbox.idle(0.1, wake, then_look=True) is False
        dovecot.append(RAW, user=user, received_at=datetime.now(UTC))
        assert mailbox.idle(PATIENCE, wake, then_look=True) is True
        state = mailbox.examine("INBOX")
        assert state.uidnext == 3
        assert uids(mailbox.headings((1, 1), (2, 2))) == [1, 2]
        assert [mail.raw for mail in mailbox.fetch([2])] == [RAW]
    assert packets[-2].startswith(b"DONE")
    done, examine, headings, search, bodies = packets[-2].splitlines()
    assert done == b"DONE"
    assert examine.endswith(b' EXAMINE "INBOX"')
    assert b" UID FETCH 1:33 (INTERNALDATE" in headings
    assert search.endswith(b" UID SEARCH RETURN (SAVE) UID 2:33 FROM salesforce.com")
    assert b" UID FETCH $ (INTERNALDATE BODY.PEEK[]" in bodies
    assert packets[-1].endswith(b" LOGOUT\r\n")
