"""Which mail, or which dependency, is to blame when something fails. Pure: no clock, no I/O.

A *poison message* is a mail that fails for a reason of its own, however often it is tried. It must
wait alone, while its neighbours are settled. An *outage* is a dependency that is away. It must end
the sweep, so that what waits is caught in the order of its arrival once the dependency is back.
One failure looks like the other. What tells them apart is a neighbour that fares better.

**FETCH fails.** The session is lost, and any of the mails that were asked for may be the reason,
or the server. All of them become *suspects*, and the next session fetches each suspect alone. A
suspect whose FETCH fails alone is stepped over: it waits for its own next try, and is *left out*
until a sweep has gone through all folders without it, however soon it is due. So one session
after the other cannot be lost to the same mail. A mail that was fetched is no suspect any more.

**Headings cannot be read.** Of the folder they are asked for one by one from then on, until a sweep
has gone through. A mail whose own heading breaks a session is asked for its heading no more, and is
a suspect.

**The pipeline meets an `Outage`.** Nothing behind the mail would fare better, so the sweep ends
and the mail is due at once: whoever sweeps pauses instead. At its eighth try a neighbour is tried
as well, at its sixteenth two, and so on, since there may be several poison messages in a row. If
one of the neighbours is settled, and the dependency was asked for it, then the dependency is
there, and the mails before it are poison: from now on their outages count for themselves alone.
If all of them meet an outage too, the dependency is away, and the sweep ends. A poison message
that is settled is one no more.

Only mail that waits is remembered, so memory is bounded by it, and nothing survives the process. A
wrong guess costs a mail some minutes of its own back-off; it never costs the mail.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from enum import Enum
from typing import Final

from token_catcher.errors import Outage

TRIED_ALONE: Final = 8
"""At every so many tries of a mail that only meets outages, neighbours are tried as well."""

MailKey = tuple[str, int, int]
"""Folder, UIDVALIDITY and UID: what a mail is known by within its mailbox."""


class Cause(Enum):
    """What is to blame for an outage, and so what the sweep does next."""

    MAIL = "mail"
    """The mail is poison: it waits for its own next try, and the sweep goes on."""
    UNCLEAR = "unclear"
    """The mail is due at once, and the sweep goes on: a neighbour shows it."""
    DEPENDENCY = "dependency"
    """The dependency is away: the mail is due at once, and the sweep ends."""


class Poison:
    """What is known of the poison messages of one mailbox, from sweep to sweep."""

    def __init__(self) -> None:
        self.suspects: set[MailKey] = set()
        """Mails whose FETCH failed, and was not repeated with success."""
        self.left_out: list[MailKey] = []
        """Suspects that were stepped over, and are not to be fetched for now; in that order."""
        self.careful: set[str] = set()
        """Folders whose headings are asked for one by one: an answer broke the session."""
        self.unreadable: set[MailKey] = set()
        """Mails whose headings, asked for alone, broke one."""
        self.messages: set[MailKey] = set()
        """Mails whose outages are their own trouble."""
        self.away: Outage | None = None
        """The outage that the sweep has met, unless the dependency has answered since."""
        self._unclear: list[MailKey] = []
        """The mails that have met one since the dependency last answered in this sweep."""
        self._neighbours = 0
        """How many are tried after the first of them."""

    def begin_sweep(self) -> None:
        """A new sweep finds out by itself which dependency is away."""
        self._unclear.clear()
        self.away = None

    def complete_sweep(self) -> None:
        """All folders were gone through:
        the mail that was left out the longest has its next turn."""
        self.careful.clear()
        # One at a time: all of them together would break that many sessions in a row.
        if self.left_out:
            self.left_out.pop(0)

    def headings_failed(self, folder: str, keys: Sequence[MailKey]) -> None:
        """An answer with headings could not be read. `keys`: the mails, where they were named."""
        self.careful.add(folder)
        if len(keys) == 1:
            self.unreadable.update(keys)
            self.suspects.update(keys)

    def forget_gone(self, folder: str, waiting: Collection[MailKey]) -> None:
        """Of this folder, remember nothing but what is about mails that still wait."""
        remembered = {key for key in self.suspects | self.messages if key[0] == folder}
        gone = remembered.difference(waiting)
        self.suspects -= gone
        self.messages -= gone
        self.left_out = [key for key in self.left_out if key not in gone]

    def fetch_failed(self, keys: Sequence[MailKey]) -> bool:
        """These mails were asked for and the session failed. Whether to step over the mail: it was
        asked for alone, since it was a suspect."""
        # Suspects are fetched alone, so a batch that only has suspects is a single mail.
        step_over = self.suspects.issuperset(keys)
        if step_over:
            self.left_out.extend(keys)
        self.suspects.update(keys)
        return step_over

    def fetched(self, keys: Iterable[MailKey]) -> None:
        """The server answered for these mails."""
        self.suspects.difference_update(keys)

    def met(self, key: MailKey, outage: Outage, attempts: int) -> Cause:
        """A mail met an outage, at its try of this number (from 1)."""
        if key in self.messages:
            return Cause.MAIL
        if not self._unclear:  # the first mail decides how far the sweep goes on
            self._neighbours = _neighbours(attempts)
        self._unclear.append(key)
        self.away = outage
        if len(self._unclear) > self._neighbours:
            return Cause.DEPENDENCY
        return Cause.UNCLEAR

    def settled(self, key: MailKey, *, answered: bool) -> None:
        """A mail was settled.

        `answered`: the dependency was asked for it,
        and so is there, whatever the mails before met."""
        if answered:
            self.messages.update(self._unclear)
            self._unclear.clear()
            self.away = None
        self.messages.discard(key)


def _neighbours(attempts: int) -> int:
    """How many to try after a mail that meets an outage at its try of this number."""
    if attempts % TRIED_ALONE:
        return 0
    return attempts // TRIED_ALONE
