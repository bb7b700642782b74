"""What `imap.borrowed` takes of imapclient's and imaplib's insides is there and does its work.

A failure here, after an update of Python or of imapclient, says what IDLE has lost.
"""

from __future__ import annotations

import inspect
import logging
import re
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from imaplib import IMAP4
from typing import Any

import imapclient
import pytest
from imapclient import SocketTimeout

from tests.contract.scripted import DONE
from tests.kit.scripted import Reply, ScriptedImap, Talk
from tests.kit.servers import until
from tests.kit.waiting import PATIENCE
from token_catcher.imap.borrowed import BoundedClient, RawConnection, Told
from token_catcher.imap.reader import CHUNK, Reader


@dataclass
class Library:
    """The client, what is borrowed of it, and the server that it talks to."""

    client: Any
    raw: RawConnection
    server: ScriptedImap

    @property
    def imap(self) -> Any:
        """imaplib's object."""
        return self.client._imap


VERSIONS = f"imapclient {imapclient.__version__} on Python {sys.version.split()[0]}"
OF_THE_CLIENT = (
    "_imap",
    "socket",
    "_proc_folder_list",
    "_cached_capabilities",
    "_normalise_folder",
    "_normalise_capabilites",
    "_process_select_response",
)
OF_IMAPLIB = (
    "debug",
    "untagged_responses",
    "tagged_commands",
    "_command",
    "_simple_command",
    "_new_tag",
    "_get_response",
    "_check_bye",
    "uid",
)


@contextmanager
def logged_in(**replies: Reply | Sequence[Reply]) -> Iterator[Library]:
    """The library's own client, logged in to a scripted server."""
    with ScriptedImap(replies) as server:
        client = BoundedClient(
            "127.0.0.1", server.port, context=None, timeout=SocketTimeout(PATIENCE, PATIENCE)
        )
        try:
            client.login("someone@example.com", "password")
            yield Library(client, RawConnection(client), server)
        finally:
            client.shutdown()


# -- it is there --


@pytest.mark.parametrize("name", OF_THE_CLIENT)
def test_imapclient_has_what_is_borrowed(name: str) -> None:
    """Its own imaplib object, and its socket."""
    with logged_in() as library:
        exists = hasattr(library.client, name)
    assert exists, f"{VERSIONS} has no IMAPClient.{name}: see imap/borrowed.py"


@pytest.mark.parametrize("name", OF_IMAPLIB)
def test_imaplib_has_what_is_borrowed(name: str) -> None:
    """The parts that send, that keep what was read, and that log."""
    with logged_in() as library:
        exists = hasattr(library.imap, name)
    assert exists, f"{VERSIONS} has no IMAP4.{name}: see imap/borrowed.py"


def test_imaplib_reads_by_two_methods_alone() -> None:
    """What it read by another way would have no bounds, and would be lost to IDLE."""
    methods = [getattr(IMAP4, name) for name in ("_get_response", "_get_line")]
    source = "".join(inspect.getsource(method) for method in methods)
    reads = set(re.findall(r"self\.(read\w*|file|_file|sock|_readbuf)\b", source))
    assert reads == {"read", "readline"}, f"{VERSIONS}: see imap/borrowed.py"


def test_no_file_is_kept_over_the_connection() -> None:
    """Its buffer would be the largest part of a connection that idles, and nothing reads it."""
    with logged_in() as library:
        kept = getattr(library.imap, "file", None)
    assert kept is None


def test_connections_share_what_they_know_of_their_server() -> None:
    """A thousand would have the same capabilities in as many copies."""
    with logged_in() as one, logged_in() as another:
        assert one.client.capabilities() is another.client.capabilities()
        assert another.client.capabilities() == (b"IMAP4REV1", b"IDLE", b"SPECIAL-USE")


# -- it is what it is taken for --


def test_debug_keeps_lines_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """imapclient has every line logged until it is muted."""
    with caplog.at_level(logging.DEBUG), logged_in() as library:
        loud = len(caplog.records)
        library.raw.mute()
        library.client.noop()
        assert loud > 0
        assert len(caplog.records) == loud


def test_untagged_responses_hold_what_nobody_asked_for() -> None:
    """As bytes, in the order of arrival, until it is taken."""
    noop = b"* 6 EXISTS\r\n* 2 EXPUNGE\r\n* 7 EXISTS\r\n" + DONE
    with logged_in(NOOP=noop) as library:
        library.client.noop()
        assert library.raw.take_untagged("EXISTS") == [b"6", b"7"]
        assert library.raw.take_untagged("EXISTS") == []
        library.raw.forget_untagged()
        assert library.raw.take_untagged("EXPUNGE") == []


def test_of_earlier_answers_only_counts_and_capabilities_are_left() -> None:
    """Counts as one sum over all commands; capabilities as the library first read them."""
    noop = (
        b"* 9 EXISTS\r\n* 2 EXPUNGE\r\n* 7 EXISTS\r\n* BOGUS {3}\r\nabc\r\n* FLAGS ()\r\n"
        b"* CAPABILITY IMAP4rev1\r\n" + DONE
    )
    with logged_in(NOOP=noop) as library:
        for _ in range(3):
            library.raw.begin_command()
            library.imap.noop()
        library.raw.begin_command()
        assert library.imap.untagged_responses == {"CAPABILITY": [b"IMAP4rev1 IDLE SPECIAL-USE"]}
        assert library.raw.take_told() == Told(exists=7, most=9, expunged=3)
        assert library.raw.take_told() == Told()


def test_a_list_is_taken_apart_when_it_has_changed() -> None:
    """The same lines are the same folders."""
    inbox = b'* LIST () "/" INBOX\r\n'
    junk = b'* LIST (\\Junk) "/" Junk\r\n'
    with logged_in(LIST=[inbox + DONE, inbox + DONE, inbox + junk + DONE, DONE]) as library:
        first, second, third, fourth = [library.raw.list_folders() for _ in range(4)]
    assert second is first
    assert first == [((), b"/", "INBOX")]
    assert third == [((), b"/", "INBOX"), ((b"\\Junk",), b"/", "Junk")]
    assert fourth == []


def test_command_sends_and_does_not_wait() -> None:
    """Its tag is that of the line, and no longer among those that imaplib awaits."""
    tags: list[str] = []
    with logged_in(IDLE=lambda talk: tags.append(talk.tag)) as library:
        tag = library.raw.begin("IDLE")
        until(lambda: tags == [tag.decode()], "the command to arrive")
        assert tag not in library.imap.tagged_commands


@contextmanager
def behind_done(*commands: str, idle: Reply, **replies: Reply) -> Iterator[tuple[Library, Any]]:
    """These commands went out with the DONE of an IDLE. Yields their tags as well."""
    with logged_in(IDLE=idle, **replies) as library:
        library.raw.begin("IDLE")
        tags = library.raw.end_idle(commands, PATIENCE)
        library.client.socket().settimeout(PATIENCE)
        library.raw.begin_command()
        yield library, tags


def ended(talk: Talk) -> None:
    """An IDLE that was never begun, whose end is not told."""
    assert talk.line() == "DONE"


def test_commands_go_out_in_one_packet_with_done() -> None:
    """Each is answered by its own tag, which is forgotten then."""
    noop = b"* 6 EXISTS\r\n" + DONE
    with behind_done("NOOP", "UID FETCH 9 UID", idle=ended, NOOP=noop) as (library, tags):
        assert library.raw.answers(tags[:1], PATIENCE, PATIENCE) == ["OK"]
        assert library.raw.take_untagged("EXISTS") == [b"6"]
        assert library.raw.answers(tags[1:], PATIENCE, PATIENCE) == ["OK"]
        assert library.imap.tagged_commands == {}


def test_an_answer_may_come_after_it_was_waited_for() -> None:
    """Along with that of another command: imaplib knows the tag."""

    def late(talk: Talk) -> None:
        tag = talk.tag
        talk.tag = talk.line().partition(" ")[0]
        talk.send(tag.encode() + b" OK late\r\n" + DONE)

    with behind_done("NOOP", idle=ended, NOOP=late) as (library, tags):
        assert library.raw.answers(tags, 0.05, PATIENCE) == [""]
        library.raw.noop()
        assert library.raw.answers(tags, PATIENCE, PATIENCE) == ["OK"]


def test_an_answer_that_was_read_elsewhere_is_kept() -> None:
    """As IDLE reads lines: only of a command that is not answered yet."""
    with behind_done("NOOP", idle=ended, NOOP=lambda _talk: None) as (library, tags):
        assert library.raw.keep_answer(b"XXXX1", b"OK done") is False
        assert library.raw.keep_answer(tags[0], b"NO not now") is True
        assert library.raw.answers(tags, PATIENCE, PATIENCE) == ["NO"]


def test_of_several_counts_the_last_one_is_that_of_examine() -> None:
    """imapclient takes the first; one may have been told before."""
    answer = (
        b"* 5 EXISTS\r\n* 6 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 6] x\r\n"
        b"* OK [UIDNEXT 7] x\r\n* OK [PERMANENTFLAGS (\\Seen)] x\r\n" + DONE
    )
    with logged_in(EXAMINE=answer) as library:
        assert library.client.select_folder("INBOX", readonly=True) == {
            b"EXISTS": 6,
            b"UIDVALIDITY": 7,
            b"UIDNEXT": 7,
            b"PERMANENTFLAGS": (b"\\Seen",),
        }


def test_what_was_read_ahead_is_received_line_by_line() -> None:
    """One packet: the first line is taken out, and what stands behind it is left to imaplib."""
    noops = [DONE + b"* 6 EXISTS\r\n* SEARCH 6\r\n", DONE]
    with logged_in(NOOP=noops) as library:
        library.client.noop()
        with library.raw.without_blocking():
            assert library.raw.receive() == b"* 6 EXISTS\r\n"
        library.client.noop()
        assert library.raw.take_untagged("SEARCH") == [b"6"]


# -- what is read without waiting --


Ends = tuple[Reader, socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A reader, our end of a connection, and the server's."""
    ours, servers = socket.socketpair()
    with ours, servers:
        ours.setblocking(False)
        yield Reader(time.monotonic), ours, servers


def test_lines_are_received_one_by_one(ends: Ends) -> None:
    """In order; a part is given as it comes."""
    reader, ours, servers = ends
    servers.sendall(b"+ idling\r\n* 6 EXISTS\r\n* 7 EX")
    assert [reader.receive(ours) for _ in range(4)] == [
        b"+ idling\r\n",
        b"* 6 EXISTS\r\n",
        b"* 7 EX",
        None,
    ]
    servers.sendall(b"ISTS\r\n")
    assert [reader.receive(ours) for _ in range(2)] == [b"ISTS\r\n", None]


def test_more_than_one_chunk_is_received_in_order(ends: Ends) -> None:
    """Lines that lie across the ends of what is read at once."""
    reader, ours, servers = ends
    lines = [b"* %d EXISTS\r\n" % number for number in range(2 * CHUNK // 12)]
    servers.sendall(b"".join(lines))
    received = b"".join(iter(partial(reader.receive, ours), None))
    assert received.splitlines(keepends=True) == lines


def test_an_end_of_the_connection_is_no_pause(ends: Ends) -> None:
    """None for a pause, nothing for the end, and what came before it first."""
    reader, ours, servers = ends
    assert reader.receive(ours) is None
    servers.sendall(b"* BYE\r\n")
    servers.close()
    assert [reader.receive(ours) for _ in range(3)] == [b"* BYE\r\n", b"", b""]
