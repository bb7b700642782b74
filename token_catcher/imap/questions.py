"""What a look at new mail begins with, asked before anybody asks for it.

A look that follows news of IDLE always asks the same: EXAMINE of the folder that is open, the
headings from its last mail on, and the bodies of those that are from one of our senders. Sent in
one packet with the DONE that ends the IDLE, all that takes one round trip instead of four. Which
bodies, the server finds out by itself (SEARCHRES, RFC 5182): no other mail is read. Where it cannot
do that, bodies are asked for as ever.

The answers are those that would have come later: the server answers in the order in which it is
asked. Each is taken when its question is asked; whatever else is asked first drops the rest. The
search is a hint, as each is: a body that it left out is asked for by name.

Where an answer once made us ask with more care, mail by mail, nothing is asked ahead any more in
that session: the answer of a range could break it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from token_catcher.imap.answers import BODY, HEADING, Body, usual_body, usual_heading
from token_catcher.imap.borrowed import Fetched
from token_catcher.imap.connection import Connection, unless_refused
from token_catcher.ports import Heading, Span

AT_MOST: Final = 32
"""New mails that are asked for ahead."""
FETCH_FOUND: Final = f"UID FETCH $ {BODY}"


class Questions:
    """Those of one session."""

    def __init__(self, connection: Connection, from_ours: str) -> None:
        """`from_ours`: the criteria of a SEARCH for mail from one of our senders."""
        self._connection = connection
        self._raw = connection.raw
        self._from_ours = from_ours
        self._is_search_refused = False
        self._is_asked_for_headings = False
        self._is_careful = False
        self._uids = (0, 0)
        """The range whose headings are asked for: the last known mail, and what may follow it."""
        self._uidnext = 0
        """Where new mail begins."""

    def asked_for_headings(self) -> None:
        """Somebody looks at mail in this session, and does not only wait for news."""
        self._is_asked_for_headings = True

    def be_careful(self) -> None:
        """Ask nothing ahead any more."""
        self._is_careful = True

    def behind_done(self, folder: bytes, uidnext: int | None) -> Sequence[str]:
        """What to ask once there is news of the folder that is open. `folder`: its wire name."""
        if self._is_careful or not self._is_asked_for_headings or uidnext is None:
            return ()
        first = max(uidnext - 1, 1)
        self._uids = (first, first + AT_MOST)
        self._uidnext = uidnext
        questions = [self._raw.examine_of(folder), self._fetch]
        if self._connection.has("SEARCHRES") and not self._is_search_refused:
            questions += [self._search, FETCH_FOUND]
        return questions

    def examined(self, folder: str, wire_name: bytes) -> Mapping[bytes, Any] | None:
        """The answer to EXAMINE of this folder. None: it was not asked ahead."""
        command = self._raw.examine_of(wire_name)
        if self._raw.next_ahead != command:
            return None
        answer: Mapping[bytes, Any] = self._connection.take(
            "EXAMINE", self._raw.examined, command, folder=folder
        )
        return answer

    def headings(self, spans: Sequence[Span]) -> Fetched[Heading | None] | None:
        """The answer to FETCH of these headings; others may come along.

        None: it was not asked ahead, or not for all of them."""
        if self._raw.next_ahead != self._fetch or not all(map(self._covers, spans)):
            return None
        return self._connection.take("FETCH", self._raw.fetched, self._fetch, usual_heading)

    def bodies(self, uids: Sequence[int]) -> Fetched[Body] | None:
        """The answer to FETCH of new mails, as far as the search found them.

        None: it was not asked ahead, or not for these."""
        first, last = self._uidnext, self._uids[1]
        if self._raw.next_ahead != self._search or not all(first <= uid <= last for uid in uids):
            return None
        found = self._raw.found
        answer = self._connection.take(
            "FETCH", unless_refused, found, self._search, FETCH_FOUND, usual_body
        )
        self._is_search_refused = answer is None
        return answer

    def _covers(self, span: Span) -> bool:
        first, last = span
        return last is not None and self._uids[0] <= first and last <= self._uids[1]

    @property
    def _fetch(self) -> str:
        first, last = self._uids
        return f"UID FETCH {first}:{last} {HEADING}"

    @property
    def _search(self) -> str:
        uids = f"{self._uidnext}:{self._uids[1]}"
        return f"UID SEARCH RETURN (SAVE) UID {uids} {self._from_ours}"
