"""Waits for news with IDLE (RFC 2177), without the holes of imapclient's own; or asks with NOOP.

imapclient's IDLE loses what arrives together with the continuation line, since it lies in imaplib's
buffer where no poll sees it; it spins on a closed connection, and cannot be woken. Here what is
buffered is read before anything is waited for, and socket and wake-up are polled together. A server
that never pauses holds up neither deadline nor wake-up, which are looked at before each line, and
may say no more in one IDLE than in any other answer. Whatever is not understood ends the session:
the sweep after the next connect is the truth.
"""

from __future__ import annotations

import re
import select
import time
from collections.abc import Callable, Sequence
from enum import Enum, auto
from socket import socket
from typing import Final

from token_catcher.errors import Outage, TransientError
from token_catcher.imap.ahead import NOTHING, Asked, Behind, Pipelining, Plain
from token_catcher.imap.connection import Connection
from token_catcher.imap.texts import ends_session
from token_catcher.imap.trouble import malformed, session_ended

ANSWER_WITHIN: Final = 10.0
"""Seconds for the server to begin and to end an IDLE; silence is how a dead connection shows."""
PROBE: Final = Plain(("NOOP",))
"""What has to be answered behind DONE before anything else is sent so."""
PROBE_WITHIN: Final = 2.0
"""Seconds for that. Nobody's mail waits meanwhile."""
HASTY: Final = 3
"""IDLEs in a row that the server ended by itself within a second."""
MAX_LINE: Final = 64 * 1024
_EXISTS: Final = re.compile(rb"\* (\d{1,10}) EXISTS", re.IGNORECASE)
_EXPUNGE: Final = re.compile(rb"\* \d{1,10} EXPUNGE", re.IGNORECASE)
_BYE: Final = re.compile(rb"\* BYE\b", re.IGNORECASE)


class Meaning(Enum):
    """What a line of the server means to a client that idles."""

    BEGUN = auto()
    NEWS = auto()
    ENDED = auto()
    REFUSED = auto()


class Idle:
    """IDLE over one connection."""

    def __init__(
        self,
        connection: Connection,
        pipelining: Pipelining,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._pipelining = pipelining
        self._raw = connection.raw
        self._monotonic = monotonic
        self._lines = Lines(connection, monotonic)
        self._exists = 0
        self._tag = b""
        self._behind: Behind | None = None
        self.asked: tuple[Asked, Sequence[bytes]] = (NOTHING, ())
        """What went out with the end of the last wait, and the tag of each command."""
        self._begun = False
        self._hasty = 0
        self.refused = False
        """Whether the server announced IDLE and then refused it; `wait` only sleeps then."""

    @property
    def exists(self) -> int:
        """The number of mails, as far as was told."""
        return self._exists

    def expect(self, exists: int) -> None:
        """The number of mails after EXAMINE: more than that is news.

        What was told unasked before that is of no interest."""
        self._exists = exists
        self._raw.take_told()

    def has_news(self) -> bool:
        """Whether the server tells of new mail in answer to NOOP (RFC 3501, section 6.1.2).

        Outage: the connection is gone. TransientError: it is out of step."""
        self._connection.call("NOOP", self._raw.noop)
        return self._told_before()

    def wait(self, seconds: float, wake: int, behind: Behind | None = None) -> bool:
        """True: there is news, or the server ended the IDLE: look.

        False: time is over, or the file descriptor `wake` is readable. Outage: the connection is
        gone. TransientError: it is out of step. `behind`: what the look that follows begins with;
        where the server is known to read on, it goes out with DONE (see `asked`)."""
        self._behind = behind
        self.asked = (NOTHING, ())
        deadline = self._monotonic() + seconds
        # That would be missed: the server tells each change once, and IDLE begins after it.
        if self._told_before():
            return True
        if not self.refused and self._idle(deadline, wake):
            return True
        if self.refused:
            _wait(deadline - self._monotonic(), wake)
        return False

    def _told_before(self) -> bool:
        """Whether there is news that imaplib read along with other answers.

        If in doubt, it is news. TransientError: a count that is no number."""
        told = self._raw.take_told()
        if told.is_odd:
            raise malformed(self._connection.where, "another command", "EXISTS")
        before = self._exists
        latest = before
        if told.exists is not None:
            latest = told.exists
        self._exists = max(0, latest - told.expunged)
        return told.most > before - told.expunged

    def _idle(self, deadline: float, wake: int) -> bool:
        """Begin, wait, end, without ever blocking in a read."""
        self._tag = self._connection.call("IDLE", self._raw.begin, "IDLE")
        self._begun = False
        with self._raw.without_blocking():
            return self._talk(deadline, wake)

    def _talk(self, deadline: float, wake: int) -> bool:
        """One clock for the wait, another for each answer that is due."""
        began = self._monotonic()
        meaning: Meaning | None
        meaning, news = self._answer("begin")
        if meaning is Meaning.REFUSED:
            self.refused = True
            return news
        # News before the continuation line is reason enough to end at once.
        if meaning is Meaning.BEGUN and not news:
            meaning = self._next(deadline, wake)
            news = meaning is Meaning.NEWS
        if meaning in (Meaning.ENDED, Meaning.REFUSED):
            self._ended_early(self._monotonic() - began)
            return True
        self._hasty = 0
        behind = self._behind_done(wake, news=news)
        if behind.commands:
            self._pipelining.is_on_trial = True
        tags = self._connection.call("IDLE", self._raw.end_idle, behind.commands, ANSWER_WITHIN)
        self.asked = (behind, tags)
        # A mail may come between our DONE and the server's OK.
        _, late_news = self._answer("end")
        if behind is not PROBE:
            return news or late_news
        if late_news:
            self._pipelining.break_off()  # the look does not wait for the answer to the probe
            return True
        return self._probe(tags[0], wake)

    def _behind_done(self, wake: int, *, news: bool) -> Asked:
        """What goes out in one packet with DONE; the probe only where nobody waits for a look."""
        if self._behind is None or self._behind.ends():
            return NOTHING
        is_awaited = news or _is_readable(wake)
        if not self._pipelining.is_proved:
            return NOTHING if is_awaited else PROBE
        if news:
            return self._behind.news
        return self._behind.round if is_awaited else NOTHING

    def _probe(self, tag: bytes, wake: int) -> bool:
        """Wait for the answer to the probe. Returns whether there is news instead.

        That ends the trial undecided, as `wake` does: the answer comes late then."""
        self._tag = tag
        meaning = self._next(self._monotonic() + PROBE_WITHIN, wake)
        match meaning:
            case Meaning.ENDED:
                self._pipelining.prove(PROBE)
            case Meaning.NEWS:
                self._pipelining.break_off()
            case None if _is_readable(wake):
                self._pipelining.break_off()
        return meaning is Meaning.NEWS

    def _ended_early(self, seconds: float) -> None:
        """A server that always ends IDLE by itself and at once has none worth the name."""
        if seconds >= 1:
            self._hasty = 0
            return
        self._hasty += 1
        self.refused = self._hasty == HASTY

    def _answer(self, step: str) -> tuple[Meaning, bool]:
        """What the server answers to IDLE or DONE, and whether it told news before that."""
        deadline = self._monotonic() + ANSWER_WITHIN
        news = False
        while True:
            meaning = self._next(deadline)
            if meaning is None:
                raise self._lost(f"did not {step} IDLE")
            if meaning is not Meaning.NEWS:
                return meaning, news
            news = True

    def _next(self, deadline: float, wake: int | None = None) -> Meaning | None:
        """The next line that means something; None: time is over, or `wake` is readable."""
        while True:
            line = self._lines.next(deadline, wake)
            if line is None:
                return None
            meaning = self._meaning(line)
            if meaning is not None:
                return meaning

    def _meaning(self, line: bytes) -> Meaning | None:
        """None: nothing of interest. A BYE, or a line of no known form, ends the session."""
        tag, space, answer = line.partition(b" ")
        if space and tag == self._tag:
            return Meaning.ENDED if answer[:2].upper() == b"OK" else Meaning.REFUSED
        if space and self._raw.keep_answer(tag, answer):
            return None  # late, to what went out with the DONE of an earlier IDLE
        if line.startswith(b"+"):
            return self._continued()
        if _BYE.match(line):
            raise self._bye(line)
        if not line.startswith(b"* "):
            raise TransientError(
                f"{self._connection.where}: the server sent a line out of place",
                code="imap-protocol",
            )
        return Meaning.NEWS if self._grew(line) else None

    def _continued(self) -> Meaning | None:
        """The first continuation line begins the IDLE; some servers repeat it to stay alive."""
        if self._begun:
            return None
        self._begun = True
        return Meaning.BEGUN

    def _grew(self, line: bytes) -> bool:
        """Keep count of the mails. True: there is another one."""
        if _EXPUNGE.fullmatch(line):
            self._exists = max(0, self._exists - 1)
        exists = _EXISTS.fullmatch(line)
        if exists is None:
            return False
        before = self._exists
        self._exists = int(exists[1])
        return self._exists > before

    def _bye(self, line: bytes) -> Outage:
        """Why it said BYE: most servers end every session some day."""
        if ends_session(line.decode("latin-1")):
            return session_ended(self._connection.where)
        return self._lost("said BYE")

    def _lost(self, what: str) -> Outage:
        return Outage(f"{self._connection.where}: the server {what}", code="imap-connection")


class Lines:
    """The server's lines, read without blocking; a part of one is kept until its rest comes."""

    def __init__(self, connection: Connection, monotonic: Callable[[], float]) -> None:
        self._connection = connection
        self._monotonic = monotonic
        self._part = b""

    def next(self, deadline: float, wake: int | None) -> bytes | None:
        """The next line, without its end. None: time is over, or `wake` is readable.

        Nothing is lost by that: what can be had is read after DONE. Outage: the server closed the
        connection. TransientError: a line without an end, or too many of them."""
        while not self._part.endswith(b"\r\n"):
            left = deadline - self._monotonic()
            if left <= 0 or _is_readable(wake):
                return None
            more = self._connection.read_on("IDLE", self._connection.raw.receive)
            if more is not None:
                self._add(more)
            else:
                _wait(left, wake, self._connection.raw.sock)
        line = self._part.removesuffix(b"\r\n")
        self._part = b""
        return line

    def _add(self, more: bytes) -> None:
        where = self._connection.where
        if not more:
            raise Outage(f"{where}: the server closed the connection", code="imap-connection")
        self._part += more
        if len(self._part) > MAX_LINE:
            raise TransientError(
                f"{where}: the server sent a line without an end", code="imap-protocol"
            )


def _is_readable(wake: int | None) -> bool:
    """Whether the file descriptor, if there is one, is readable now."""
    if wake is None:
        return False
    poller = select.poll()  # select() fails beyond 1,024 descriptors
    poller.register(wake, select.POLLIN)
    return bool(poller.poll(0))


def _wait(seconds: float, wake: int | None, connection: socket | None = None) -> None:
    """Wait for the connection or for `wake`, so long at most."""
    poller = select.poll()
    if connection is not None:
        poller.register(connection, select.POLLIN | select.POLLHUP | select.POLLERR)
    if wake is not None:
        poller.register(wake, select.POLLIN)
    poller.poll(max(0.0, seconds) * 1000)
