"""Waits for news, and asks what a look at it begins with in one packet with the end of the wait.

So that takes one round trip instead of four; see `ahead` for what is asked. The answers come within
a moment. Where one does not, or says no, or is of no known form, none is believed: the look asks as
ever, and the server is asked nothing ahead any more in this account. Only the search may fail by
itself, and is left out from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from token_catcher.errors import SessionEnded, TransientError
from token_catcher.imap.ahead import Ahead, Bodies, Pipelining, Questions, questions
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

    def wait(self, seconds: float, wake: int, state: FolderState, wire_name: bytes) -> bool:
        """See `Idle.wait`. `state`, `wire_name`: of the folder that is open.

        What was answered ahead is `ahead` of the connection then."""
        asked = questions(state, wire_name, self._search())
        if asked is None or self._pipelining.is_on_trial:
            return self._idle.wait(seconds, wake)
        try:
            news = self._idle.wait(seconds, wake, asked.commands)
            if self._idle.asked:
                self._connection.ahead = self._answers(asked, self._idle.asked)
        except SessionEnded:
            self._pipelining.run_out()  # the hour was over: no question is to blame
            raise
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
            return None
        is_behind = state.exists < self._idle.exists
        # What is told from here on is news to the next wait.
        self._idle.expect(state.exists)
        answers = self._mails(others)
        if answers is None:
            return None
        headings, bodies = answers
        self._pipelining.prove()
        # EXAMINE does not know yet of what IDLE has told: a round trip later it may.
        if is_behind:
            return None
        # The numbers of the headings are not those of EXAMINE then.
        if self._raw.is_expunge_told:
            return None
        return Ahead(asked, state, headings, dict(bodies))

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
