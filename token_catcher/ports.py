"""What lies behind a network: mailbox, secret store, keys of signatures; and the log.

Every implementation keeps the promises written here; `tests/contract` runs one suite over fakes
and real servers. Errors are those of `errors`: `AccessError` when the other side says no,
`TransientError` or `Outage` for everything that may pass. No exception of a third-party library
leaves its adapter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from token_catcher.model import Capture, Held, Holding, Mail, MailRef, Stored, Unchanged


class Log(Protocol):
    """Where events are told: an event name and fields (structlog's bound loggers fit)."""

    def debug(self, event: str, **fields: Any) -> Any: ...
    def info(self, event: str, **fields: Any) -> Any: ...
    def warning(self, event: str, **fields: Any) -> Any: ...
    def error(self, event: str, **fields: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class FolderState:
    """What EXAMINE said of a folder."""

    name: str
    uidvalidity: int
    uidnext: int | None
    """None: the server does not say (some do not)."""
    exists: int


@dataclass(frozen=True, slots=True)
class Heading:
    """What is read of a mail before its body."""

    uid: int
    number: int
    """Its place in the folder, from 1: the mails that are there are numbered without a hole."""
    received_at: datetime | None
    """INTERNALDATE. None: the server does not say, or says what cannot be."""
    sender: bytes | None
    """What its From holds, all of them where there are several. None: the server gave none."""
    message_id: bytes = b""
    """What its Message-ID holds, as with From; empty where it has none."""

    @property
    def key(self) -> str:
        """By which the mail is known again under another UID: of arrival, From and
        Message-ID. Empty where one of the two fields is missing.

        Its size is not in it: Exchange estimates that until a mail was read for once."""
        if self.sender is None or not self.message_id:
            return ""
        parts = (str(self.received_at).encode(), self.sender, self.message_id)
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class AddFlag:
    """Set a flag on a mail."""

    flag: str
    """A system flag, `\\Seen`, or a keyword (RFC 3501, section 2.3.2)."""


@dataclass(frozen=True, slots=True)
class MoveTo:
    """Move a mail to another folder."""

    folder: str
    """Its full name on the server, decoded; no watched folder."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a mail."""


MailAction = AddFlag | MoveTo | Delete
"""What is done to a settled token mail, where the configuration wants that."""

Span = tuple[int, int | None]
"""A first and a last UID; None: up to the last mail there is."""


def never() -> bool:
    """Nothing ends."""
    return False


class Mailbox(Protocol):
    """One logged-in IMAP session, used by one thread.

    Nothing it does changes the mailbox: no flag, no move. Only `apply` does, to the one mail that
    it is given.

    What a server answers is handed on as it is, and may be wrong: mail that is there is left out of
    any answer, for a while or for ever. `survey` and `sweep` know how far to believe it.

    The order of use is `folders`, then for each folder `examine`, and whatever follows speaks of
    that folder. Any error ends the session: close it and open a new one.
    """

    @property
    def name(self) -> str:
        """The mailbox's name in the configuration."""

    def folders(self) -> Sequence[str]:
        """The watched folders that exist, decoded (no modified UTF-7), inbox first.

        AccessError: the inbox is missing.
        Another folder that is named is among them, and fails when it is opened."""

    def examine(self, folder: str) -> FolderState:
        """Open the folder read-only."""

    def select_once(self, folder: str) -> FolderState:
        """SELECT the folder, then open it read-only again.

        For a server that gives a folder no lasting UIDVALIDITY before some client SELECTs it.
        Changes no flag of a mail; only what is \\Recent is so no longer."""

    def headings(self, *spans: Span) -> Sequence[Heading]:
        """The headings of the mails in these spans, ascending by UID; others may come along.

        A span that ends in None always gives the last mail, even one below it."""

    def present(self, *spans: Span) -> Sequence[int] | None:
        """The UIDs in these spans that SEARCH says are there, ascending.

        None: the server does not say."""

    def search(self, after_uid: int, since: datetime) -> Sequence[int] | None:
        """UIDs above `after_uid`, ascending,
        of mail received at or after `since` (to the day, never later).

        Only mail whose From names one of the configured sender domains,
        where the server can search for that. None: it refuses to search."""

    def count_before(self, before: datetime, subject: str) -> int | None:
        """How many mails of the sender domains, with this in their subject, SEARCH finds that were
        received before that day.

        For people: a search may leave mail out. None: it cannot be asked."""

    def finds(self, uid: int, domain: str, since: datetime) -> bool:
        """Whether SEARCH finds this mail by a domain in its From and by its day.

        By which it is told what a search is worth at this server."""

    def fetch(self, uids: Sequence[int]) -> Sequence[Mail]:
        """The mails that come with a body, ascending by UID, each cut at MAX_MAIL_BYTES + 1 bytes.

        One that does not come may be there all the same. At most 32 UIDs a call. Where the server
        does not say when a mail arrived, it has the time of this call, and is marked so."""

    def apply(self, action: MailAction, mail: MailRef, digest: str) -> bool:
        """Do this to one mail, and leave its folder open read-only.

        The folder is selected for it. The mail is known by its UID, under its UIDVALIDITY, and by
        the digest of its bytes as they are now; no other mail is touched. Applied twice it is as
        applied once. False: there is no such mail under this number any more.
        NotApplied: the server does not do it, or not to this mail; the session goes on."""

    def has_news(self) -> bool:
        """Whether the server, asked now (NOOP), tells of new mail in the examined folder.

        One question and no wait. Some servers tell it late or never: a look is the truth."""

    @property
    def has_idle(self) -> bool:
        """Whether the server can tell of new mail by itself (RFC 2177)."""

    def idle(
        self,
        seconds: float,
        wake: int,
        *,
        then_look: bool = False,
        ends: Callable[[], bool] = never,
    ) -> bool:
        """Wait until the server tells something of the examined folder (True), `seconds` have
        passed, or the file descriptor `wake` is readable. News that came before the call ends it
        at once.

        `then_look`: what follows news is a look at new mail of that folder. What it begins with may
        be asked with the end of the wait: `examine` and what comes after it answer as of then.
        `ends`: whether all ends, and no look follows after all."""

    @property
    def is_as_before(self) -> bool:
        """Whether the last wait and the one before it were ended by `wake`, were to be followed by
        looks, and the server, asked with the end of each, told the same of all watched folders:
        word for word. False as well: it was not asked."""

    def ask_anew(self) -> None:
        """Have the server asked whatever comes next, although it may have answered it ahead."""

    def close(self) -> None:
        """Log out and free the socket, whatever state it is in; never raises."""


class OrgIds(Protocol):
    """From which Salesforce org the mail of each configured org came first. Thread-safe.

    No network lies behind it, but state that a pure judgement must not touch by itself."""

    def known(self, org: str) -> str | None:
        """The id of that org, 15 characters; None: there was none yet. StateError."""

    def keep(self, org: str, org_id: str) -> str:
        """Keep the id where the org has none yet. Returns the one that is kept. StateError."""


class Storing(Protocol):
    """How tokens are stored."""

    def store(
        self, capture: Capture, *, before_write: Callable[[], None] = lambda: None
    ) -> Stored | Unchanged | Held:
        """Write the token under the capture's path unless the store has it, or a newer one.

        Idempotent: the same capture twice gives one version, whoever wrote it first. The newest
        token wins (`age`); other fields of the secret survive. A secret deleted on purpose is not
        brought back: Held. After a TransientError the write may or may not have happened; calling
        again finds out.

        `before_write` is called before each try to write, once it is certain that there is
        something to write: where it raises, nothing is written."""

    def overtaken(self, capture: Capture, newer: Capture) -> Unchanged | None:
        """What `store` would come to, now that `newer` was stored at the same path. Asks nobody.

        None: that cannot be said without asking."""

    def holds(self, path: str) -> Holding:
        """What is at this path now, in one read of the secret; one more tells a latest version that
        expired from one that was deleted. Changes nothing."""


class SecretStore(Storing, Protocol):
    """The store of tokens. Thread-safe."""

    def foresee(self, capture: Capture) -> Unchanged | Held | None:
        """What `store` would come to now without a write. None: it would write. Changes nothing."""

    def ahead(self, paths: Collection[str], goes_on: Callable[[], bool]) -> Storing:
        """The store, after the secrets at these paths were read together, for one batch of mails.

        To be used by one thread, and thrown away with the batch. What cannot be read is not told:
        whoever stores there will be. Changes nothing. `goes_on` is asked before each of them, also
        as a sign of life; after a no, no more are read."""


class KeyLookup(Protocol):
    """Public keys of DKIM signatures. Thread-safe.

    Whoever sends mail chooses the names that are asked for. So it is told which of them proved
    something, and only these are worth a place in a memory."""

    def lookup(self, name: str, at: datetime) -> bytes | None:
        """The one TXT record at `name` (`selector._domainkey.domain`, no trailing dot),
        strings joined, that was published when a mail of the time `at` arrived.

        None: no such name, no TXT record, more than one, or one that is no key. That may pass.
        TransientError: not answered (time-out, SERVFAIL), or not asked for now."""

    def knows(self, name: str) -> bool:
        """Whether the key of this name is pinned, or has proven a mail before."""

    def verified(self, name: str, record: bytes) -> None:
        """A mail was proven with this record, which `lookup` has given."""
