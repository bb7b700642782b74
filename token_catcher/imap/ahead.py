"""What a look begins with, asked before the look: questions and answers. Pure.

A look that follows news of IDLE always asks the same: EXAMINE of the folder that is open, the
headings from its last mail on, and the bodies of those that are from one of our senders. Which
bodies, the server finds out by itself where it has SEARCHRES (RFC 5182): no other mail is read.

Whoever is called to a look at all folders asks for their list, and EXAMINEs each. Most often it is
the schedule that calls, and the answers are those of the time before, word for word.

Nothing is believed of these answers that was not believed before. They are those that would have
come later, and are used only where nothing lay between: with the next command they are gone. The
headings decide which mail is ours; a body that the search left out is asked for by name.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from token_catcher.imap.answers import BODY, HEADING, MAX_NUMBER
from token_catcher.ports import FolderState, Heading, Span

AT_MOST: Final = 32
"""New mails whose headings are asked for ahead."""
WHOLE: Final = 4
"""New mails that are asked for whole, if they are ours: the look waits for all of them, and each
may have 256 kB."""
IN_VAIN: Final = 3
"""Trials of a kind in a row that may end without a verdict."""


@dataclass(frozen=True, slots=True)
class Questions:
    """What a look at new mail of one folder begins with."""

    folder: str
    first: int
    """The UID of the last mail that was there: from its number on, holes show."""
    last: int
    commands: Sequence[str]
    """EXAMINE and the FETCH of headings; then, if at all, the SEARCH and the FETCH of bodies."""


def questions(state: FolderState, wire_name: bytes, from_ours: str | None) -> Questions | None:
    """Those of a look at mail that comes after `state`.

    `from_ours`: the criteria of a SEARCH for mail from one of our senders; None: no search. None:
    UIDNEXT is not known, or a command would be more than one line of ASCII (a literal)."""
    if state.uidnext is None or state.uidnext + AT_MOST > MAX_NUMBER:
        return None
    first = max(state.uidnext - 1, 1)
    last = state.uidnext + AT_MOST - 1
    commands = [_examine(wire_name), f"UID FETCH {first}:{last} {HEADING}"]
    if from_ours is not None:
        new = f"UID {state.uidnext}:{state.uidnext + WHOLE - 1}"
        commands += [f"UID SEARCH RETURN (SAVE) {new} {from_ours}", f"UID FETCH $ {BODY}"]
    if not _are_lines(commands):
        return None
    return Questions(state.name, first, last, commands)


@dataclass(frozen=True, slots=True)
class Round:
    """What a look at all folders begins with."""

    commands: Sequence[str]
    """LIST, then EXAMINE of each. The last of them is the one that is open, and stays so."""


def round_of(lists: Sequence[str], wire_names: Sequence[bytes]) -> Round | None:
    """That of a look at these folders, which asks for all with `lists`. None: a command would be
    more than one line of ASCII."""
    commands = [*lists, *map(_examine, wire_names)]
    if not _are_lines(commands):
        return None
    return Round(commands)


def digest_of(text: bytes, tags: Sequence[bytes]) -> bytes | None:
    """Of all untagged lines that answer the commands of these tags. None: the answers do not come
    in this order, or one is not OK.

    The text of an OK often names the time that it took."""
    untagged = []
    left = b"\n" + text
    for tag in tags:
        lines, _, answer = left.partition(b"\n%b " % tag)
        if answer[:2].upper() != b"OK":
            return None
        untagged.append(lines)
        left = answer[answer.find(b"\n") :]
    return hashlib.blake2b(b"\0".join(untagged), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Plain:
    """Commands whose answers a look has no use for."""

    commands: Sequence[str]


Asked = Questions | Round | Plain
NOTHING: Final = Plain(())


@dataclass(slots=True)
class Pipelining:
    """Whether the server of one account answers what it is sent behind DONE (RFC 3501, 5.5).

    It outlives the sessions. Whatever is sent so is on trial until it is answered as it should be.
    A trial that ends otherwise stays open, and is the last one: so whatever a server makes of it,
    that costs one session at most. Where it has answered the like before, the server may only have
    been away, and three of a kind in a row are the last."""

    is_proved: bool = False
    """Whether it has answered a NOOP that was sent so, and whatever followed."""
    is_on_trial: bool = False
    finds: bool = True
    """Whether it can be asked for what a search has found, as far as is known."""
    _answered: set[type[Asked]] = field(default_factory=set)
    """The kinds of questions that it has answered as it should."""
    _in_vain: Counter[type[Asked]] = field(default_factory=Counter)
    """How many trials in a row ended otherwise, of each kind."""

    def prove(self, asked: Asked) -> None:
        """All was answered as it should be."""
        self.is_proved = True
        self.is_on_trial = False
        self._answered.add(type(asked))
        del self._in_vain[type(asked)]

    def break_off(self) -> None:
        """The trial ended before there could be an answer: another one may follow."""
        self.is_on_trial = False

    def fail(self, asked: Asked, *, ran_out: bool = False) -> None:
        """The trial ended without the answers. `ran_out`: with the session, as one ends that ran
        out, which is no verdict; if that comes to be the rule, it is one."""
        if not asked.commands:  # DONE could not be sent any more
            self.break_off()
        if self.is_on_trial:
            kind = type(asked)
            self._in_vain[kind] += 1
            is_known = ran_out or kind in self._answered
            self.is_on_trial = not is_known or self._in_vain[kind] >= IN_VAIN


@dataclass(frozen=True, slots=True)
class Behind:
    """What may go out behind the DONE of a wait."""

    news: Asked
    """Where it ends with news."""
    round: Asked
    """Where somebody calls for a look."""
    ends: Callable[[], bool]
    """Whether no look follows after all."""


def _examine(wire_name: bytes) -> str:
    name = wire_name.decode("latin-1").replace("\\", "\\\\").replace('"', '\\"')
    return f'EXAMINE "{name}"'


def _are_lines(commands: Sequence[str]) -> bool:
    return all(command.isascii() and command.isprintable() for command in commands)


Bodies = Mapping[int, tuple[bytes, datetime | None]]
"""By UID, the bytes of each mail and its arrival."""


@dataclass(slots=True)
class Ahead:
    """The answers. Each is given out once, and in the order of a look."""

    questions: Questions
    _state: FolderState | None
    _headings: Sequence[Heading] | None = field(repr=False)
    _bodies: dict[int, tuple[bytes, datetime | None]] = field(repr=False)

    def state(self, folder: str) -> FolderState | None:
        """What EXAMINE said. None: it was not asked of this folder, or is given out."""
        if folder != self.questions.folder:
            return None
        state = self._state
        self._state = None
        return state

    def headings(self, spans: Sequence[Span]) -> Sequence[Heading] | None:
        """Those of the mails in these spans. None: not all of them were asked for."""
        if self._state is not None or not all(map(self._is_within, spans)):
            return None
        headings = self._headings
        self._headings = None
        if headings is None:
            return None
        return [heading for heading in headings if any(_holds(span, heading) for span in spans)]

    def bodies(self, uids: Sequence[int]) -> Bodies | None:
        """Those of these mails. None: not all of them have come."""
        if self._state is not None or not all(uid in self._bodies for uid in uids):
            return None
        return {uid: self._bodies.pop(uid) for uid in uids}

    def _is_within(self, span: Span) -> bool:
        first, last = span
        return last is not None and self.questions.first <= first and last <= self.questions.last


def _holds(span: Span, heading: Heading) -> bool:
    first, last = span
    return last is not None and first <= heading.uid <= last
