"""Headings, asked for with caution where an answer broke a session.

One mail may make a server answer a FETCH in a form that nobody can read, and the session is lost
with all other headings in the answer. So the next session asks for the headings of that folder one
by one. The mail whose answer breaks it is asked for no more: without a heading it is for us, and
what its body does is `poison`'s to find out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from token_catcher.errors import TransientError
from token_catcher.poison import MailKey, Poison
from token_catcher.ports import FolderState, Heading, Mailbox, Span

ODD: Final = ("imap-protocol", "internal")
"""Codes of an answer that cannot be read. A connection that is lost says nothing of a mail."""
AT_A_TIME: Final = 100
"""UIDs in one command."""


class CautiousHeadings:
    """The headings of the folder that is open."""

    def __init__(self, mailbox: Mailbox, state: FolderState, poison: Poison) -> None:
        self._mailbox = mailbox
        self._state = state
        self._poison = poison

    def __call__(self, *spans: Span) -> Sequence[Heading]:
        """See `ports.Mailbox.headings`; without the mails whose headings cannot be read."""
        unreadable = self._poison.unreadable
        careful = self._state.name in self._poison.careful
        if not careful and not any(self._is_of_here(key) for key in unreadable):
            return self._asked(spans)
        uids = self._mailbox.present(*spans)
        if uids is None:
            return self._asked(spans)
        readable = [uid for uid in uids if self._key(uid) not in unreadable]
        size = AT_A_TIME
        if careful:
            size = 1
        headings: list[Heading] = []
        for start in range(0, len(readable), size):
            named = readable[start : start + size]
            headings += self._asked([(uid, uid) for uid in named], named)
        return headings

    def _asked(self, spans: Sequence[Span], named: Sequence[int] = ()) -> Sequence[Heading]:
        """Ask, and remember for the next session what breaks this one."""
        try:
            return self._mailbox.headings(*spans)
        except TransientError as error:
            if error.code in ODD:
                self._poison.headings_failed(self._state.name, [self._key(uid) for uid in named])
            raise

    def _is_of_here(self, key: MailKey) -> bool:
        return key[:2] == (self._state.name, self._state.uidvalidity)

    def _key(self, uid: int) -> MailKey:
        return self._state.name, self._state.uidvalidity, uid
