"""What one sweep did, and what it could not settle."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from token_catcher.errors import Subject, TokenCatcherError
from token_catcher.model import Entry, Event

NO_BODY: Final = "imap-no-body"
"""The code of a mail that is there, and whose body the server does not give."""
INCOMPLETE: Final = "imap-incomplete"
"""The code where mail is there that the server does not name."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A mail that could not be settled now, and why."""

    folder: str
    uid: int | None
    """None: the folder as a whole."""
    code: str
    message: str
    subject: Subject | None = None
    """Whose token waits, where it is known."""


def without_body(mailbox: str, folder: str, uid: int) -> Trouble:
    """The server has the mail, and does not give its body."""
    text = f"mailbox {mailbox}: the server does not give the body of a mail"
    return Trouble(folder, uid, NO_BODY, text)


def incomplete(mailbox: str, folder: str, whole_through: int) -> Trouble:
    """The server counts mail above this UID that it does not name."""
    text = (
        f"mailbox {mailbox}: folder {folder!a} holds mail above UID {whole_through} that the server"
        " does not tell"
    )
    return Trouble(folder, whole_through + 1, INCOMPLETE, text)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a look at one folder left to wait."""

    mails: int
    keyless: int
    """Of these, the mails that wait for a key: they may be anybody's."""
    next_try: datetime | None
    """When the first of them is due. None: none waits, or only those it did not come to."""


@dataclass(slots=True)
class Report:
    """What one sweep did; filled while it runs, whole when it ends, whatever ended it."""

    mailbox: str
    looked_at: int = 0
    """Mails taken through the pipeline."""
    entries: list[Entry] = field(default_factory=list)
    """What was added to the journal."""
    still_held: list[Entry] = field(default_factory=list)
    """The records of mail that somebody wanted looked at again, and that is held as before."""
    troubles: list[Trouble] = field(default_factory=list)
    pending: int = 0
    """Mails waiting for another try when the sweep ended, and those it did not come to."""
    keyless: int = 0
    """Of these, the mails that wait for a key."""
    next_try: datetime | None = None
    """When the first of them is due."""
    unapplied: int = 0
    """Settled mails that `after_capture` could not be applied to so far."""
    error: TokenCatcherError | None = None
    """What went wrong besides single mails; everything settled until then stays so."""
    complete: bool = False
    """Whether every folder was gone through, or tried: one that cannot be opened leaves an error,
    and the others follow."""
    broken: bool = False
    """Whether the mailbox session must be replaced: the error was not the store's or the disk's."""
    first_looks: dict[str, datetime] = field(default_factory=dict)
    """The folders of which nothing was known, where there may be older mail than was looked at, and
    where the look at each began."""
    to_take: int = 0
    """Mails that the looks so far found to be new, or due."""
    taken: int = 0
    """How many of these it has come to."""
    asked: bool = False
    """Whether more was asked of a folder than how it stands: there was something new, or due."""
    checkpoint: tuple[int, ...] | None = None
    """How the file of the checkpoint was left. None: there is none, or it was not held."""
    _waiting: dict[str, Waiting] = field(default_factory=dict, repr=False)

    @property
    def found_nothing(self) -> bool:
        """Whether another look would find nothing either, if all is as it was for this one."""
        waits = self.pending or self.unapplied or self.next_try is not None
        return self.complete and self.error is None and not self.asked and not waits

    @property
    def stored(self) -> frozenset[str]:
        """The digests of the mails whose tokens the sweep has stored."""
        return frozenset(entry.mail for entry in self.entries if entry.event == Event.STORED)

    def waits(self, folder: str, waiting: Waiting) -> None:
        """Note what waits in a folder, in place of what an earlier look at it left."""
        self._waiting[folder] = waiting
        self.pending = sum(waiting.mails for waiting in self._waiting.values())
        self.keyless = sum(waiting.keyless for waiting in self._waiting.values())
        tries = [waiting.next_try for waiting in self._waiting.values()]
        self.next_try = min((at for at in tries if at is not None), default=None)

    def trouble(self, trouble: Trouble) -> None:
        """Note a trouble, once, however many looks at its folder met it."""
        if trouble not in self.troubles:
            self.troubles.append(trouble)
