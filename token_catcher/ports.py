"""What lies behind a network: mailbox, secret store, keys of signatures; and the log.

Every implementation keeps the promises written here; `tests/contract` runs one suite over fakes
and real servers. Errors are those of `errors`: `AccessError` when the other side says no,
`TransientError` or `Outage` for everything that may pass. No exception of a third-party library
leaves its adapter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from token_catcher.model import Capture, Held, Mail, Stored, Unchanged


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


class Mailbox(Protocol):
    """One logged-in IMAP session, used by one thread.

    Nothing it does changes the mailbox: no flag, no move.

    The order of use is `folders`, then for each folder `examine`, `search`, `fetch`.
    Any error ends the session: close it and open a new one.
    """

    @property
    def name(self) -> str:
        """The mailbox's name in the configuration."""

    def folders(self) -> Sequence[str]:
        """The watched folders that exist, decoded (no modified UTF-7), inbox first.

        AccessError: the inbox is missing.
        Another folder that is named is among them, and fails when it is opened."""

    def examine(self, folder: str) -> FolderState:
        """Open the folder read-only; `search` and `fetch` speak of it from then on."""

    def search(self, after_uid: int, since: datetime) -> Sequence[int]:
        """UIDs above `after_uid`, ascending,
        of mail received at or after `since` (to the day, never later).

        Only mail whose From names one of the configured sender domains,
        where the server can search for that."""

    def fetch(self, uids: Sequence[int]) -> Sequence[Mail]:
        """The mails, ascending by UID, each cut at MAX_MAIL_BYTES + 1 bytes;
        vanished ones are left out.

        At most 32 UIDs a call."""

    @property
    def has_idle(self) -> bool:
        """Whether the server can tell of new mail by itself (RFC 2177)."""

    def idle(self, seconds: float, wake: int) -> bool:
        """Wait until the server tells something of the examined folder (True), `seconds` have
        passed, or the file descriptor `wake` is readable. News that came before the call ends it
        at once."""

    def close(self) -> None:
        """Log out and free the socket, whatever state it is in; never raises."""


class SecretStore(Protocol):
    """The store of tokens. Thread-safe."""

    def store(self, capture: Capture) -> Stored | Unchanged | Held:
        """Write the token under the capture's path unless the store has it, or a newer one.

        Idempotent: the same capture twice gives one version, whoever wrote it first. Newest
        `issued_at` wins; other fields of the secret survive. A secret deleted on purpose is not
        brought back: Held. After a TransientError the write may or may not have happened; calling
        again finds out."""


class KeyLookup(Protocol):
    """Public keys of DKIM signatures. Thread-safe."""

    def lookup(self, name: str, at: datetime) -> bytes | None:
        """The one TXT record at `name` (`selector._domainkey.domain`, no trailing dot),
        strings joined, that was published when a mail of the time `at` arrived.

        None: no such name, no TXT record, or more than one.
        TransientError: not answered (time-out, SERVFAIL)."""
