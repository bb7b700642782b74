"""Waits for news, and asks what a look at it begins with in one packet with the end of the wait.

So that takes one round trip instead of four; see `ahead` for what is asked. The answers come within
a moment. Where one does not, or says no, or is of no known form, none is believed: the look asks as
ever, and the server is asked nothing ahead any more in this account. Only the search may fail by
itself, and is left out from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from token_catcher.errors import SessionEnded, TokenCatcherError, TransientError
from token_catcher.imap.ahead import (
    NOTHING,
    Ahead,
    Asked,
    Behind,
    Bodies,
    Pipelining,
    Questions,
    Round,
    digest_of,
    questions,
)
from token_catcher.imap.answers import (
    Body,
    bodies_in,
    headings_in,
    state_in,
    usual_line,
)
from token_catcher.imap.borrowed import Fetched, RawConnection
from token_catcher.imap.connection import Connection
from token_catcher.imap.idle import Idle
from token_catcher.ports import FolderState, Heading

ANSWER_WITHIN: Final = 2.0
"""Seconds for an answer to begin, and to go on. What takes longer is asked for once more, and is
welcome late: so it holds up a token for no more than that, and only once."""
MOMENT: Final = 0.01
"""Seconds for what has come already."""
ALL_WITHIN: Final = 30.0
"""Seconds for all lines of an answer: a server may ask for patience time and again."""


class AskingIdle:
    """The waits of one session that are followed by looks."""

    def __init__(
        self, connection: Connection, idle: Idle, pipelining: Pipelining, from_ours: str
    ) -> None:
        """`from_ours`: the criteria of a SEARCH for mail from one of our senders."""
        self._connection = connection
        self._raw = connection.raw
        self._idle = idle
        self._pipelining = pipelining
        self._from_ours = from_ours
        self._looks_around = True
        """Whether the server can be asked of all folders, as far as this session knows."""
        self._around: bytes | None = None
        """What it was asked so with the end of the last wait was answered with this digest."""
        self.is_as_before = False
        """Whether that is what it was with the end of the wait before."""

    def only_wait(self, seconds: float, wake: int) -> bool:
        """See `Idle.wait`. Nothing is asked."""
        self._around = None
        self.is_as_before = False
        return self._idle.wait(seconds, wake)

    def wait(
        self,
        seconds: float,
        wake: int,
        state: FolderState,
        wire_name: bytes,
        around: Round | None,
        ends: Callable[[], bool],
    ) -> bool:
        """See `Idle.wait`. `state`, `wire_name`: of the folder that is open. `around`: the
        questions of a look at all folders. `ends`: see `ports.Mailbox`.

        What was answered ahead is `ahead` of the connection then, or `is_as_before` tells it."""
        of_news = questions(state, wire_name, self._search())
        if of_news is None or self._pipelining.is_on_trial:
            return self.only_wait(seconds, wake)
        before = self._around
        self._around = None
        self.is_as_before = False
        of_round: Asked = NOTHING
        if self._looks_around:
            of_round = around or NOTHING
        try:
            news = self._idle.wait(seconds, wake, Behind(of_news, of_round, ends))
            asked, tags = self._idle.asked
            if isinstance(asked, Questions):
                self._connection.ahead = self._answers(asked, tags)
            if isinstance(asked, Round):
                self._around = self._answer(asked, tags)
        except TokenCatcherError as error:
            asked, _ = self._idle.asked
            self._pipelining.fail(asked, ran_out=isinstance(error, SessionEnded))
            raise
        self.is_as_before = not news and self._around is not None and self._around == before
        return news

    def _search(self) -> str | None:
        if self._pipelining.finds and self._connection.has("SEARCHRES"):
            return self._from_ours
        return None

    def _answers(self, asked: Questions, tags: Sequence[bytes]) -> Ahead | None:
        """None: the look has to ask by itself."""
        examine, *others = tags
        state = self._state(asked.folder, examine)
        # What is answered before EXAMINE may be of another folder.
        if state is None or any(map(self._raw.is_answered, others)):
            self._pipelining.fail(asked)
            return None
        is_behind = state.exists < self._idle.exists
        # What is told from here on is news to the next wait.
        self._idle.expect(state.exists)
        answers = self._mails(others)
        if answers is None:
            self._pipelining.fail(asked)
            return None
        headings, bodies = answers
        self._pipelining.prove(asked)
        # EXAMINE does not know yet of what IDLE has told: a round trip later it may.
        if is_behind:
            return None
        # The numbers of the headings are not those of EXAMINE then.
        if self._raw.is_expunge_told:
            return None
        return Ahead(asked, state, headings, dict(bodies))

    def _answer(self, asked: Round, tags: Sequence[bytes]) -> bytes | None:
        """A digest of what was answered. None: it is not as it should be, and nobody's mail waited
        for it; no other round is asked for in this session."""
        text = self._connection.call("LIST", self._raw.answered, tags, ANSWER_WITHIN, ALL_WITHIN)
        digest = None
        if text is not None:
            digest = digest_of(text, tags)
        else:
            # What has come of it may be the end of the session.
            self._connection.read_on("LIST", partial(self._raw.answers, tags, MOMENT, ALL_WITHIN))
        if digest is None:
            self._looks_around = False
            self._pipelining.break_off()
        else:
            self._pipelining.prove(asked)
        return digest

    def _state(self, folder: str, tag: bytes) -> FolderState | None:
        if self._read("EXAMINE", [tag]) != ["OK"]:
            return None
        with suppress(TransientError):  # it is of no known form
            return self._connection.read("EXAMINE", partial(_state_in, folder), self._raw)
        return None

    def _mails(self, tags: Sequence[bytes]) -> tuple[Sequence[Heading], Bodies] | None:
        """Headings and bodies, if any. Dovecot answers these commands in any order."""
        with self._raw.collecting(usual_line) as usual:
            fetch, *of_search = self._read("FETCH", tags)
        # Of the search nothing is believed but the bodies.
        if of_search != ["OK"] * len(of_search):
            self._pipelining.finds = False
        if fetch != "OK":
            return None
        with suppress(TransientError):
            return self._connection.read("FETCH", partial(_mails_in, usual), self._raw)
        return None

    def _read(self, command: str, tags: Sequence[bytes]) -> Sequence[str]:
        return self._connection.call(command, self._raw.answers, tags, ANSWER_WITHIN, ALL_WITHIN)


def _state_in(folder: str, raw: RawConnection) -> FolderState:
    return state_in(folder, raw.examined())


def _mails_in(
    usual: Sequence[Heading | Body | None], raw: RawConnection
) -> tuple[Sequence[Heading], Bodies]:
    others = raw.fetched()
    headings = [line for line in usual if isinstance(line, Heading)]
    bodies = [line for line in usual if isinstance(line, tuple)]
    return headings_in(Fetched(headings, others)), bodies_in(Fetched(bodies, others))
