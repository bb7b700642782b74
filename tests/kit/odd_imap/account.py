"""One IMAP account in memory, which outlives every connection to it.

Folders have the names that tests use (`INBOX`, `Junk`); what a server calls them on the wire is its
own affair. All that is here is guarded by `Account.lock`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count

SPECIAL_USES: Mapping[str, str] = {
    "Archive": "\\Archive",
    "Drafts": "\\Drafts",
    "Junk": "\\Junk",
    "Sent": "\\Sent",
    "Trash": "\\Trash",
}
"""Folder to its special use (RFC 6154); other folders have none."""


def utc_now() -> datetime:
    """The real clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class StoredMail:
    """One mail in one folder."""

    serial: int
    """Of this copy, unique in the account; it stays when the folder is numbered anew."""
    uid: int
    raw: bytes = field(repr=False)
    received_at: datetime
    """INTERNALDATE, in UTC and whole seconds."""
    delivered_at: datetime
    """When it came to this folder, by the account's clock."""
    flags: frozenset[str] = frozenset()


@dataclass(eq=False)
class Folder:
    """One folder. A folder that is numbered anew, or set back, is replaced by another object."""

    name: str
    uidvalidity: int = 7
    uidnext: int = 1
    mails: dict[int, StoredMail] = field(default_factory=dict)
    recent: set[int] = field(default_factory=set)
    """UIDs that no session has been the first to SELECT."""
    deliveries: int = 0
    """How many mails have come by delivery, not by a client's command."""

    @property
    def special_use(self) -> str:
        """The attribute of RFC 6154, or nothing."""
        return SPECIAL_USES.get(self.name, "")


class Account:
    """Folders and their mail, the clock they live by, and whoever wants to be told of changes."""

    def __init__(
        self,
        folders: Iterable[str] = ("INBOX", "Junk"),
        *,
        username: str | None = None,
        password: str | None = None,
        takes_token: Callable[[str], bool] | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """`username`, `password`: None takes any.

        `takes_token`: whether an access token logs in; None: the server takes none (OAuth 2)."""
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        """Notified after every change and every command."""
        self.folders = {name: Folder(name) for name in folders}
        self.username = username
        self.password = password
        self.takes_token = takes_token
        self.now = now
        self._serials = count(1)
        self._wakers: list[Callable[[], None]] = []

    # -- what a test does to it --

    def deliver(
        self,
        raw: bytes,
        folder: str = "INBOX",
        *,
        received_at: datetime | None = None,
        flags: Iterable[str] = (),
    ) -> int:
        """A mail arrives. Returns its UID."""
        with self.lock:
            self.folders[folder].deliveries += 1
            return self.add(raw, folder, received_at=received_at, flags=flags)

    def expunge(self, *uids: int, folder: str = "INBOX") -> None:
        """Mails vanish; all of them by default."""
        with self.lock:
            mails = self.folders[folder].mails
            for uid in uids or tuple(mails):
                del mails[uid]
            self.tell()

    def flag(self, uid: int, *flags: str, folder: str = "INBOX") -> None:
        """The mail has these flags from now on, and no others: somebody reads it on a phone."""
        with self.lock:
            mails = self.folders[folder].mails
            mails[uid] = replace(mails[uid], flags=frozenset(flags))
            self.tell()

    def renumber(self, folder: str = "INBOX", *, keep_uidvalidity: bool = False) -> None:
        """The same mails under UIDs from 1 on, as after a move to another server.

        That calls for a new UIDVALIDITY, which a careless restore does not give.
        """
        with self.lock:
            old = self.folders[folder]
            new = Folder(folder, old.uidvalidity, deliveries=old.deliveries)
            if not keep_uidvalidity:
                new.uidvalidity += 1
            for uid in sorted(old.mails):
                new.mails[new.uidnext] = replace(old.mails[uid], uid=new.uidnext)
                new.uidnext += 1
            self.folders[folder] = new
            self.tell()

    def set_back(self, uidnext: int, folder: str = "INBOX") -> None:
        """A backup is restored: mails from `uidnext` on are gone, and their UIDs are given again.

        UIDVALIDITY stays, although it must not (RFC 3501, section 2.3.1.1).
        """
        with self.lock:
            old = self.folders[folder]
            new = Folder(folder, old.uidvalidity, uidnext, deliveries=old.deliveries)
            new.mails = {uid: mail for uid, mail in old.mails.items() if uid < uidnext}
            self.folders[folder] = new
            self.tell()

    def remove(self, folder: str) -> None:
        """The folder is deleted; sessions that have it open end, as at Cyrus."""
        with self.lock:
            del self.folders[folder]
            self.tell()

    # -- what sessions do to it --

    def admits(self, username: str, password: str) -> bool:
        """Whether these log in."""
        if self.username not in (None, username):
            return False
        return self.password in (None, password)

    def add(
        self,
        raw: bytes,
        folder: str,
        *,
        received_at: datetime | None = None,
        flags: Iterable[str] = (),
    ) -> int:
        """Put a mail into a folder, as APPEND and COPY do. Returns its UID."""
        with self.lock:
            there = self.folders[folder]
            uid = there.uidnext
            now = self.now()
            received = (received_at or now).astimezone(UTC).replace(microsecond=0)
            there.mails[uid] = StoredMail(
                next(self._serials), uid, raw, received, now, frozenset(flags)
            )
            there.uidnext += 1
            there.recent.add(uid)
            self.tell()
            return uid

    def copy(self, mail: StoredMail, folder: str) -> int:
        """The same mail in another folder, as COPY does. Returns the UID of the copy."""
        return self.add(mail.raw, folder, received_at=mail.received_at, flags=mail.flags)

    def tell(self) -> None:
        """Wake who waits for a change."""
        with self.lock:
            self.changed.notify_all()
            for wake in self._wakers:
                wake()

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Call `wake` after each change; it must not block."""
        with self.lock:
            self._wakers.append(wake)

    def unsubscribe(self, wake: Callable[[], None]) -> None:
        """Stop calling `wake`."""
        with self.lock:
            self._wakers.remove(wake)
