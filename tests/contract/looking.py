"""A session that waits for news of a folder with five mails, and looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.contract.imap import wakeup
from tests.contract.scripted import DONE, examined, opened
from tests.kit import mails
from tests.kit.scripted import Reply, Talk
from tests.kit.waiting import PATIENCE
from token_catcher.imap import ImapMailbox
from token_catcher.ports import Heading

HEADING = "(INTERNALDATE BODY.PEEK[HEADER.FIELDS (FROM MESSAGE-ID)])"
FIRST, SECOND = 'EXAMINE "INBOX"', "UID FETCH 5:37"
"""The two questions, the second without what it asks of each mail."""
OF_THE_SEARCH = ["UID SEARCH RETURN", "UID FETCH $"]
"""The two that follow where the server has SEARCHRES."""
READS_ON = ["IDLE", "NOOP", "IDLE"]
"""Before news: an IDLE without any, and the NOOP that goes out with its end."""
RAW = mails.genuine()
WHEN = b'INTERNALDATE "03-Feb-2026 12:00:00 +0000"'


def heading(number: int, uid: int) -> bytes:
    """A line of FETCH."""
    fields = b"From: a@example.com\r\n\r\n"
    return b"* %d FETCH (UID %d %b BODY[HEADER.FIELDS (FROM MESSAGE-ID)] {%d}\r\n%b)\r\n" % (
        number,
        uid,
        WHEN,
        len(fields),
        fields,
    )


def body(uid: int, raw: bytes = RAW) -> bytes:
    """A line of FETCH, of the mail with this number and UID."""
    return b"* %d FETCH (UID %d %b BODY[]<0> {%d}\r\n%b)\r\n" % (uid, uid, WHEN, len(raw), raw)


def telling(news: bytes) -> Callable[[Talk], None]:
    """An IDLE in which that is told."""

    def idle(talk: Talk) -> None:
        talk.send(b"+ idling\r\n" + news)
        assert talk.line() == "DONE"
        talk.send(DONE)

    return idle


QUIET = telling(b"")
NEWS = telling(b"* 6 EXISTS\r\n")
HEADINGS = [heading(5, 5) + DONE, heading(5, 5) + heading(6, 6) + DONE]
REPLIES: dict[str, Reply | Sequence[Reply]] = {
    "EXAMINE": [examined(6), examined(7, exists=6)],
    "UID FETCH": HEADINGS,
    "IDLE": [QUIET, NEWS, QUIET],
}


class Looks:
    """A session after a first look. The last of the five mails has UID 5."""

    def __init__(self, mailbox: ImapMailbox, commands: list[str], wake: int) -> None:
        self.mailbox = mailbox
        self._commands = commands
        self._wake = wake

    def idle(self, seconds: float = PATIENCE) -> bool:
        """Wait for news, and look then."""
        return self.mailbox.idle(seconds, self._wake, then_look=True)

    def look(self) -> list[int]:
        """What follows news of a sixth mail. Returns the UIDs of the headings."""
        state = self.mailbox.examine("INBOX")
        assert (state.exists, state.uidnext) == (6, 7)
        return uids(self.mailbox.headings((5, 5), (6, 6)))

    @property
    def commands(self) -> list[str]:
        """What the server was asked since the first look, without what is asked of each mail."""
        looked = self._commands.index("UID FETCH 5 " + HEADING) + 1
        return [command.partition(" (")[0] for command in self._commands[looked:]]


@contextmanager
def looking(*, pipelining: Any = None, **replies: Reply | Sequence[Reply]) -> Iterator[Looks]:
    """After a first look. `pipelining`: what earlier sessions have learnt."""
    named = {name.replace("_", " "): reply for name, reply in replies.items()}
    with (
        opened(REPLIES | named, pipelining=pipelining) as (mailbox, server),
        wakeup() as (wake, _),
    ):
        mailbox.examine("INBOX")
        mailbox.headings((5, 5))
        yield Looks(mailbox, server.commands, wake)


def uids(headings: Sequence[Heading]) -> list[int]:
    """Of these mails."""
    return [heading.uid for heading in headings]
