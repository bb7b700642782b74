"""IDLE against servers that end it in every way there is.

Nothing is missed, nothing hangs, nothing spins.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import trustme

from tests.contract.imap import account, dovecot_account, port_for, refusal, session, wakeup
from tests.kit import mails
from tests.kit.cost import calls
from tests.kit.proxy import TcpProxy
from tests.kit.scripted import Reply, ScriptedImap, Talk
from tests.kit.servers import Dovecot
from tests.kit.waiting import FOREVER, PATIENCE
from token_catcher.errors import Outage, TokenCatcherError, TransientError
from token_catcher.imap import ImapMailbox
from token_catcher.imap import idle as idle_module

EXAMINE = (
    b"* 5 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 6] x\r\nTAG OK [READ-ONLY] done\r\n"
)
DONE = b"TAG OK done\r\n"
FEW = 5000
"""Calls of functions in a wait; what spins makes a hundred thousand in no time."""
Script = Callable[[Talk], None]


def until_done(talk: Talk) -> None:
    """Wait for DONE, and end as a server should."""
    assert talk.line() == "DONE"
    talk.send(DONE)


@dataclass
class Client:
    """A session on a folder of five mails, with a server that idles by a script."""

    mailbox: ImapMailbox
    server: ScriptedImap
    wake: int
    trigger: int

    def idle(self, seconds: float) -> bool:
        """Wait for news."""
        return self.mailbox.idle(seconds, self.wake)

    def has_idle(self) -> bool:
        """Whether it is still worth trying."""
        return self.mailbox.has_idle

    def wake_up(self) -> None:
        """End the wait, the next one if there is none, and all that follow."""
        os.write(self.trigger, b"!")


@contextmanager
def idling(*scripts: Script, **replies: Reply) -> Iterator[Client]:
    """Logged in and opened; `UID_SEARCH` is the answer to UID SEARCH."""
    table: dict[str, Reply | Sequence[Reply]] = {"EXAMINE": EXAMINE, "IDLE": scripts}
    for name, reply in replies.items():
        table[name.replace("_", " ")] = reply
    with (
        ScriptedImap(table) as server,
        session(account("127.0.0.1", server.port)) as mailbox,
        wakeup() as (wake, trigger),
    ):
        mailbox.examine("INBOX")
        yield Client(mailbox, server, wake, trigger)


def news(*scripts: Script, seconds: float = PATIENCE, **replies: Reply) -> bool:
    """What one IDLE says, on the server's side all done."""
    with idling(*scripts, **replies) as client:
        return client.idle(seconds)


def saying(*packets: bytes, pause: float = 0.0) -> Script:
    """Send these, one by one, then wait for DONE."""

    def script(talk: Talk) -> None:
        for packet in packets:
            talk.send(packet)
            time.sleep(pause)
        until_done(talk)

    return script


def answering(packet: bytes) -> Script:
    """Send this, and go on to the next command."""

    def script(talk: Talk) -> None:
        talk.send(packet)

    return script


# -- news --


def test_news_in_one_packet_with_the_continuation_is_seen() -> None:
    """It lies in the read buffer, where no poll sees it: missed 20 of 20 by the library's own."""
    assert news(saying(b"+ idling\r\n* 6 EXISTS\r\n")) is True


def test_news_before_the_continuation_is_seen() -> None:
    """An untagged line may come first."""
    assert news(saying(b"* 6 EXISTS\r\n", b"+ idling\r\n")) is True


def test_a_line_before_the_continuation_that_is_no_news_does_no_harm() -> None:
    """The wait goes on, and sees what comes later."""
    assert news(saying(b"* OK hold on\r\n+ idling\r\n", b"* 6 EXISTS\r\n")) is True


def test_news_in_two_segments_is_seen() -> None:
    """A line split anywhere is one line."""
    assert news(saying(b"+ id", b"ling\r", b"\n* 6 EX", b"ISTS", b"\r", b"\n", pause=0.02)) is True


def test_news_that_comes_with_the_end_is_seen() -> None:
    """Between our DONE and the server's OK."""

    def script(talk: Talk) -> None:
        talk.send(b"+ idling\r\n")
        assert talk.line() == "DONE"
        talk.send(b"* 6 EXISTS\r\n* 1 RECENT\r\n" + DONE)

    assert news(script, seconds=0.05) is True


def test_a_mail_that_takes_the_place_of_another_is_news() -> None:
    """EXPUNGE and EXISTS: as many as before, and one of them new."""
    assert news(saying(b"+ idling\r\n* 2 EXPUNGE\r\n* 5 EXISTS\r\n")) is True


@pytest.mark.parametrize(
    "lines",
    [
        b"* 5 EXISTS\r\n",
        b"* 2 EXPUNGE\r\n* 4 EXISTS\r\n",
        b"* OK Still here\r\n",
        b"* 1 FETCH (FLAGS (\\Seen))\r\n",
        b"* 0 RECENT\r\n",
    ],
)
def test_what_is_no_news_does_not_end_the_wait(lines: bytes) -> None:
    """Somebody reads or removes mail, or the server only shows that it lives."""
    assert news(saying(b"+ idling\r\n" + lines), seconds=0.1) is False


def test_a_second_continuation_does_not_end_the_wait() -> None:
    """Some servers repeat it to keep the connection alive."""
    quiet: list[bool] = []

    def script(talk: Talk) -> None:
        talk.send(b"+ idling\r\n+ still idling\r\n")
        quiet.append(talk.hears_nothing(0.2))
        talk.send(b"* 6 EXISTS\r\n")
        until_done(talk)

    assert (news(script), quiet) == (True, [True])


def test_what_stands_behind_the_end_belongs_to_the_next_command() -> None:
    """A line, split in two, right behind the tagged answer.

    The session goes on, and the news in it is seen."""

    def script(talk: Talk) -> None:
        talk.send(b"+ idling\r\n* 6 EXISTS\r\n")
        assert talk.line() == "DONE"
        talk.send(DONE + b"* 7 EXI")
        talk.tag, _, command = talk.line().partition(" ")
        assert command.startswith("UID SEARCH ")
        talk.send(b"STS\r\n* SEARCH 6 7\r\n" + DONE)

    with idling(script) as client:
        assert client.idle(PATIENCE) is True
        assert list(client.mailbox.search(5, mails.ISSUED) or ()) == [6, 7]
        assert client.idle(PATIENCE) is True


@pytest.mark.parametrize("command", ["UID SEARCH", "UID FETCH"])
def test_news_told_during_another_command_ends_the_next_wait_at_once(command: str) -> None:
    """The library keeps it unread; no IDLE is begun."""
    replies = {command.replace(" ", "_"): b"* 6 EXISTS\r\n" + DONE}
    with idling(Talk.close, **replies) as client:
        client.mailbox.fetch([1])
        client.mailbox.search(5, mails.ISSUED)
        assert client.idle(PATIENCE) is True
    assert "IDLE" not in client.server.commands


def test_a_replacement_told_during_another_command_is_news() -> None:
    """The library keeps EXISTS and EXPUNGE apart: as many as before, and one of them new."""
    with idling(Talk.close, UID_SEARCH=b"* 2 EXPUNGE\r\n* 5 EXISTS\r\n" + DONE) as client:
        client.mailbox.search(5, mails.ISSUED)
        assert client.idle(PATIENCE) is True


@pytest.mark.parametrize(
    "line", [b"* " + b"9" * 5000 + b" EXISTS\r\n", b"* 6 EXISTS {3}\r\nabc\r\n"]
)
def test_a_count_that_is_no_number_ends_the_session(line: bytes) -> None:
    """Told during another command; more digits than Python reads, or a literal behind it."""
    with idling(Talk.close, UID_SEARCH=line + DONE) as client:
        client.mailbox.search(5, mails.ISSUED)
        with pytest.raises(TransientError) as caught:
            client.idle(PATIENCE)
    assert refusal(caught) == (TransientError, "imap-protocol")


def test_news_is_told_once() -> None:
    """The next wait waits again, and counts from what is known."""
    scripts = [saying(b"+ idling\r\n* %d EXISTS\r\n" % count) for count in (6, 7)]
    with idling(*scripts, UID_SEARCH=b"* 6 EXISTS\r\n" + DONE) as client:
        client.mailbox.search(5, mails.ISSUED)
        assert [client.idle(0.1), client.idle(0.1), client.idle(PATIENCE)] == [
            True,
            False,
            True,
        ]


def test_if_in_doubt_it_is_news() -> None:
    """EXISTS, then EXPUNGE, in an order that the library does not keep.

    Six may be five, so six again may be one more."""
    with idling(
        saying(b"+ idling\r\n* 6 EXISTS\r\n"), UID_SEARCH=b"* 6 EXISTS\r\n* 1 EXPUNGE\r\n" + DONE
    ) as client:
        client.mailbox.search(5, mails.ISSUED)
        assert [client.idle(0.1), client.idle(PATIENCE)] == [True, True]


def test_news_of_one_folder_is_forgotten_with_the_next() -> None:
    """EXAMINE begins anew."""
    with idling(saying(b"+ idling\r\n"), UID_SEARCH=b"* 6 EXISTS\r\n" + DONE) as client:
        client.mailbox.search(5, mails.ISSUED)
        client.mailbox.examine("Junk")
        assert client.idle(0.05) is False


# -- ends --


@pytest.mark.parametrize("together", [b"", b"+ idling\r\n"])
def test_a_server_that_ends_idle_by_itself_is_a_reason_to_look(together: bytes) -> None:
    """The tagged answer without our DONE; in one packet with the continuation as well.

    The session goes on."""

    def script(talk: Talk) -> None:
        if not together:
            talk.send(b"+ idling\r\n")
        talk.send(together + DONE)

    with idling(script, saying(b"+ idling\r\n")) as client:
        assert client.idle(PATIENCE) is True
        assert client.idle(0.05) is False
        client.mailbox.examine("INBOX")
    assert client.server.commands[-4:] == ["IDLE", "IDLE", 'EXAMINE "INBOX"', "LOGOUT"]


def test_a_server_that_ends_every_idle_at_once_is_not_asked_for_ever() -> None:
    """Three times in a row, and it is taken for one without IDLE.

    Then it is looked at on the schedule alone, instead of without end."""
    with idling(answering(b"+ idling\r\n" + DONE)) as client:
        assert [client.idle(0.05) for _ in range(5)] == [True, True, True, False, False]
        assert client.has_idle() is False
    assert client.server.commands.count("IDLE") == 3


@pytest.mark.parametrize("answer", [b"TAG BAD what?\r\n", b"TAG NO not here\r\n"])
def test_a_refused_idle_is_slept_instead(answer: bytes) -> None:
    """The server announces it and refuses it: no news by itself, and it is not asked again."""
    with idling(answering(answer)) as client:
        assert client.has_idle() is True
        began = time.monotonic()
        assert client.idle(0.2) is False
        assert time.monotonic() - began >= 0.2
        assert client.has_idle() is False
        assert client.idle(0.05) is False
        client.mailbox.examine("INBOX")
    assert client.server.commands.count("IDLE") == 1


def test_a_refused_idle_can_be_woken() -> None:
    """The sleep ends with the wakeup."""
    with idling(answering(b"TAG NO x\r\n")) as client:
        client.wake_up()
        assert client.idle(FOREVER) is False


def test_a_server_without_idle_is_known_by_its_capabilities() -> None:
    """Nothing is tried."""
    login = b"TAG OK [CAPABILITY IMAP4rev1] x\r\n"
    with (
        ScriptedImap({"LOGIN": login}) as server,
        session(account("127.0.0.1", server.port)) as mailbox,
    ):
        assert mailbox.has_idle is False


def hang_up(talk: Talk) -> None:
    """EOF."""
    talk.send(b"+ idling\r\n")
    talk.close()


def hang_up_in_a_line(talk: Talk) -> None:
    """EOF before the end of the line."""
    talk.send(b"+ idling\r\n* 6 EXI")
    talk.close()


def reset(talk: Talk) -> None:
    """RST."""
    talk.send(b"+ idling\r\n")
    talk.reset()


def never_begin(talk: Talk) -> None:
    """No continuation line."""
    talk.hears_nothing(5)


def never_end(talk: Talk) -> None:
    """No tagged answer to DONE."""
    talk.send(b"+ idling\r\n* 6 EXISTS\r\n")
    talk.line()
    talk.hears_nothing(5)


ENDS: dict[str, tuple[Script, type[TokenCatcherError]]] = {
    "EOF": (hang_up, Outage),
    "EOF at once": (Talk.close, Outage),
    "RST": (reset, Outage),
    "BYE": (saying(b"+ idling\r\n* BYE going down\r\n"), Outage),
    "BYE before the continuation": (saying(b"* BYE\r\n"), Outage),
    "half a line": (hang_up_in_a_line, Outage),
    "another tag": (saying(b"+ idling\r\nXXXX9 OK done\r\n"), TransientError),
    "the tag alone": (saying(b"+ idling\r\nTAG\r\n"), TransientError),
    "no protocol": (saying(b"+ idling\r\nHTTP/1.1 200 OK\r\n"), TransientError),
    "an endless line": (saying(b"+ idling\r\n* " + b"x" * 70_000), TransientError),
    "no continuation": (never_begin, Outage),
    "no end": (never_end, Outage),
}


@pytest.mark.parametrize("end", ENDS)
def test_whatever_is_not_understood_ends_the_session(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of ours, soon, and without burning the processor."""
    monkeypatch.setattr(idle_module, "ANSWER_WITHIN", 0.3)
    script, kind = ENDS[end]
    with idling(script) as client:
        kinds: list[type[TokenCatcherError]] = []

        def wait() -> None:
            with pytest.raises(TokenCatcherError) as caught:
                client.idle(PATIENCE)
            kinds.append(refusal(caught)[0])

        assert calls(wait) < FEW
        client.server.cut()
    assert kinds == [kind]


# -- cost --


def test_waiting_costs_nothing(dovecot: Dovecot, user: str) -> None:
    """A second of IDLE over TLS, with a server that says things now and then."""
    with (
        session(dovecot_account(dovecot, user), ca_file=str(dovecot.ca_file)) as mailbox,
        wakeup() as (wake, _),
    ):
        mailbox.examine("INBOX")
        assert calls(lambda: mailbox.idle(1.0, wake)) < FEW


def test_a_thousand_lines_leave_nothing_behind() -> None:
    """Flags change all day long; the library would keep every line for ever."""
    chatter = b"".join(
        b"* %d FETCH (FLAGS (\\Seen))\r\n" % (number % 5 + 1) for number in range(1000)
    )
    with idling(saying(b"+ idling\r\n" + chatter)) as client:
        imap = client.mailbox._connection.client._imap
        for _ in range(3):
            assert client.idle(0.05) is False
        assert imap.untagged_responses == {}
        assert imap.tagged_commands == {}


# -- real lines and real time --


@pytest.mark.parametrize("tls", ["implicit", "none"])
def test_no_wake_up_is_lost_over_a_long_line(dovecot: Dovecot, user: str, tls: str) -> None:
    """Pairs of mails half a second apart over 80 ms of round trip.

    Both are seen soon, wherever IDLE just is."""
    with (
        TcpProxy(port_for(dovecot, tls), delay=0.04) as proxy,
        session(
            dovecot_account(dovecot, user, tls=tls, port=proxy.port), ca_file=str(dovecot.ca_file)
        ) as mailbox,
        wakeup() as (wake, _),
    ):
        expected = mailbox.examine("INBOX").uidnext or 0
        for gap in (0.45, 0.55, 0.65):
            expected += 2
            pair = [
                threading.Timer(after, dovecot.deliver, [mails.token_mail(), user])
                for after in (0.1, 0.1 + gap)
            ]
            for arrival in pair:
                arrival.start()
            while (mailbox.examine("INBOX").uidnext or 0) < expected:
                assert mailbox.idle(PATIENCE, wake) is True
            for arrival in pair:
                arrival.join()


def test_tls_records_that_hold_many_lines_are_read_to_the_end(tmp_path: object) -> None:
    """What TLS has decrypted already shows on no poll."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    ca_file = f"{tmp_path}/ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    chatter = b"* 1 FETCH (FLAGS (\\Seen))\r\n" * 500

    def starttls(talk: Talk) -> None:
        talk.send(DONE)
        talk.secure(context)

    table: dict[str, Reply | Sequence[Reply]] = {
        "CAPABILITY": b"* CAPABILITY IMAP4rev1 IDLE STARTTLS\r\n" + DONE,
        "STARTTLS": starttls,
        "EXAMINE": EXAMINE,
        "IDLE": saying(b"+ idling\r\n" + chatter + b"* 6 EXISTS\r\n"),
    }
    with (
        ScriptedImap(table) as server,
        session(account("127.0.0.1", server.port, tls="starttls"), ca_file=ca_file) as mailbox,
    ):
        mailbox.examine("INBOX")
        with wakeup() as (wake, _):
            assert mailbox.idle(PATIENCE, wake) is True


def test_a_frozen_server_is_noticed_when_idle_ends(
    own_dovecot: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No tagged answer to DONE: the connection is dead."""
    monkeypatch.setattr(idle_module, "ANSWER_WITHIN", 0.3)
    with (
        session(dovecot_account(own_dovecot, user), ca_file=str(own_dovecot.ca_file)) as mailbox,
        wakeup() as (wake, _),
    ):
        mailbox.examine("INBOX")
        own_dovecot.freeze()
        with pytest.raises(Outage):
            mailbox.idle(0.1, wake)
        own_dovecot.thaw()


def test_a_kicked_session_is_noticed_at_once(own_dovecot: Dovecot, user: str) -> None:
    """The administrator ends it: BYE or EOF."""
    with (
        session(dovecot_account(own_dovecot, user), ca_file=str(own_dovecot.ca_file)) as mailbox,
        wakeup() as (wake, _),
    ):
        mailbox.examine("INBOX")
        kick = threading.Timer(0.1, own_dovecot.kick, [user])
        kick.start()
        with pytest.raises(Outage):
            mailbox.idle(PATIENCE, wake)
        kick.join()


def test_keepalive_is_on(dovecot: Dovecot, user: str) -> None:
    """A connection that died behind a NAT is noticed after two minutes instead of hours."""
    with session(dovecot_account(dovecot, user), ca_file=str(dovecot.ca_file)) as mailbox:
        connection = mailbox._connection.client.socket()
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        options = [
            connection.getsockopt(socket.IPPROTO_TCP, name)
            for name in (socket.TCP_KEEPIDLE, socket.TCP_USER_TIMEOUT)
        ]
    assert options == [60, 120_000]


# -- NOOP --


@pytest.mark.parametrize(
    ("answer", "news"),
    [
        (DONE, False),
        (b"* 6 EXISTS\r\n" + DONE, True),
        (b"* 5 EXISTS\r\n" + DONE, False),
        (b"* 3 EXPUNGE\r\n* 4 EXISTS\r\n" + DONE, False),
        (b"* 3 EXPUNGE\r\n* 5 EXISTS\r\n" + DONE, True),
        (b"* 2 FETCH (FLAGS (\\Seen))\r\n" + DONE, False),
        (b"* NOBODY KNOWS\r\n" + DONE, False),
    ],
)
def test_what_a_noop_brings(answer: bytes, news: bool) -> None:
    """News is that there is one more mail, however many went away."""
    with idling(NOOP=answer) as client:
        assert client.mailbox.has_news() is news


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"TAG NO not now\r\n", "imap-protocol"),
        (b"TAG BAD what?\r\n", "imap-protocol"),
        (b"* BYE\r\n", "imap-connection"),
        (b"* many EXISTS\r\n" + DONE, "imap-connection"),
    ],
)
def test_a_noop_that_fails_ends_the_session(answer: bytes, code: str) -> None:
    """As every other command does: the look after the next login is the truth."""
    with idling(NOOP=answer) as client, pytest.raises(TokenCatcherError) as caught:
        client.mailbox.has_news()
    assert caught.value.code == code
