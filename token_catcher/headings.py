"""The headings of a range of UIDs, whatever a FETCH leaves out.

The mails of a folder are numbered from 1 to EXISTS, so what is left out shows as a hole. Then
SEARCH is asked which UIDs there are, and those without a heading are asked for again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from token_catcher.ports import Heading, Mailbox

AT_A_TIME: Final = 100
"""UIDs in one command: a line of 4,000 bytes is safe everywhere."""
ALONE: Final = 32
"""Headings that are asked for one by one; further ones are taken for mail that is for us."""
LAST_UID: Final = 2**32 - 1


@dataclass(slots=True)
class Part:
    """What was read of one range of UIDs."""

    headings: list[Heading]
    """Ascending by UID."""
    unread: list[int] = field(default_factory=list)
    """Mails that are there, and whose headings do not come."""
    whole_through: int | None = None

    @property
    def names(self) -> list[int]:
        """Every UID that is known to be there, ascending."""
        return sorted([*self.unread, *(heading.uid for heading in self.headings)])


START: Final = Heading(uid=0, number=0, received_at=None, sender=None)
"""Before the first mail of a folder."""


class Headings:
    """Reads them in the folder that is open."""

    def __init__(
        self,
        mailbox: Mailbox,
        moved: Callable[[], None],
        ask: Callable[..., Sequence[Heading]],
    ) -> None:
        """`moved` is told of each range: there may be many before the first mail is looked at."""
        self._mailbox = mailbox
        self._moved = moved
        self._ask = ask

    def whole(
        self,
        first: int,
        last: int | None,
        answer: Sequence[Heading],
        below: Heading | None,
        top: int | None,
    ) -> Part:
        """The headings of the range, and what it takes to have all of them.

        `below`: the mail before the range, or None; `top`: the number of the last mail of the
        range, or None."""
        self._moved()
        headings = _of_range(answer, first, last)
        if _is_complete(headings, below, top):
            return Part(headings)
        there = self._mailbox.present((first, last)) or ()
        read = {heading.uid for heading in headings}
        missing = [uid for uid in there if _within(uid, first, last) and uid not in read]
        headings = sorted([*headings, *self._again(missing)], key=_by_uid)
        read = {heading.uid for heading in headings}
        part = Part(headings, [uid for uid in missing if uid not in read])
        part.whole_through = _hole(part, below, top)
        return part

    def _again(self, missing: Sequence[int]) -> list[Heading]:
        """Ask once more for mails that were left out: by name, and then one by one."""
        headings: dict[int, Heading] = {}
        for start in range(0, len(missing), AT_A_TIME):
            named = missing[start : start + AT_A_TIME]
            headings |= self.named(named)
        left = [uid for uid in missing if uid not in headings]
        for uid in left[:ALONE]:
            headings |= self.named([uid])
        return list(headings.values())

    def named(self, uids: Sequence[int]) -> dict[int, Heading]:
        """By UID, the headings of these mails, as far as they come."""
        answer = self._ask(*[(uid, uid) for uid in uids])
        return {heading.uid: heading for heading in answer if heading.uid in uids}


def _of_range(headings: Sequence[Heading], first: int, last: int | None) -> list[Heading]:
    """Those of the range; all of them are ascending by UID."""
    begin = bisect_left(headings, first, key=_by_uid)
    end = len(headings)
    if last is not None:
        end = bisect_right(headings, last, key=_by_uid)
    return list(headings[begin:end])


def _within(uid: int, first: int, last: int | None) -> bool:
    return uid >= first and (last is None or uid <= last)


def _by_uid(heading: Heading) -> int:
    return heading.uid


def _is_complete(headings: Sequence[Heading], below: Heading | None, top: int | None) -> bool:
    """Whether the numbers run without a hole from the mail below to the top."""
    if below is None:
        return False
    number = below.number
    for heading in headings:
        number += 1
        if heading.number != number:
            return False
    return top is None or number == top


def _hole(part: Part, below: Heading | None, top: int | None) -> int | None:
    """Up to which UID no mail is missing that has no name; None: none is."""
    names = part.names
    before = below
    for heading in part.headings:
        if before is not None:
            room = heading.number - before.number - 1
            if room > _between(names, before.uid, heading.uid):
                return before.uid
        before = heading
    if top is not None and before is not None:
        room = top - before.number
        if room > _between(names, before.uid, LAST_UID + 1):
            return before.uid
    return None


def _between(uids: Sequence[int], low: int, high: int) -> int:
    """How many of these, ascending, are above the one and below the other."""
    return bisect_left(uids, high) - bisect_right(uids, low)
