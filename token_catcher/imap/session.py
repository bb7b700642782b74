"""One IMAP session that reads and never changes.

EXAMINE, SEARCH, and FETCH of BODY.PEEK with a bound.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from token_catcher.errors import AccessError, TransientError
from token_catcher.imap.folders import Listed, encoded, find_spam
from token_catcher.imap.idle import Idle
from token_catcher.imap.login import Account, log_in
from token_catcher.imap.trouble import malformed
from token_catcher.model import MAX_MAIL_BYTES, Mail, MailRef
from token_catcher.ports import FolderState, Log

WINDOW: Final = 50_000
"""UIDs asked for at a time where the server cannot search by sender.

imaplib reads no answer of 1,000,000 bytes or more."""
BODY: Final = f"BODY.PEEK[]<0.{MAX_MAIL_BYTES + 1}>"


class ImapMailbox:
    """A logged-in session: see `ports.Mailbox`."""

    def __init__(self, account: Account, context: ssl.SSLContext, log: Log) -> None:
        """Connect and log in.

        Outage: not reached. AccessError: refused, or a certificate that is not trusted."""
        self._account = account
        self._log = log
        self._connection = log_in(account, context)
        self._client = self._connection.client
        self._idle = Idle(self._connection)
        self._raw_names: dict[str, bytes] = {}
        self._missing: dict[str, str] = {}
        self._spam_logged: list[str] | None = None

    @property
    def name(self) -> str:
        """The mailbox's name in the configuration."""
        return self._account.name

    def folders(self) -> Sequence[str]:
        """The inbox, the spam folders as far as they exist, and the further ones."""
        folders = self._list()
        inbox = self._present(self._account.inbox, folders)
        spam = self._spam(folders, inbox)
        also = [self._named(name, folders) for name in self._account.also]
        return list(dict.fromkeys([inbox, *spam, *also]))

    def examine(self, folder: str) -> FolderState:
        """EXAMINE: nothing that is read afterwards is marked as read."""
        if folder in self._missing:
            raise AccessError(self._missing.pop(folder), code="imap-folder")
        # Some names are no modified UTF-7, so that encoding them again gives another name.
        name = self._raw_names.get(folder, encoded(folder))
        select = self._client.select_folder
        answer = self._connection.call("EXAMINE", select, name, folder=folder, readonly=True)
        self._folder = self._state(folder, answer)
        self._idle.expect(self._folder.exists)
        return self._folder

    def search(self, after_uid: int, since: datetime) -> Sequence[int]:
        """By UID, day and sender; wider where the server refuses one of them."""
        # SINCE compares days of a zone that is not known: a day more is asked for.
        day = ["SINCE", (since.astimezone(UTC) - timedelta(days=1)).date()]
        uids = self._by_sender(after_uid, [*day, *_any_of(self._account.sender_domains)])
        for wider in (day, []):
            if uids is None:
                uids = self._by_windows(after_uid, wider)
        if uids is None:
            raise TransientError(
                f"{self._account.where}: the server refuses every SEARCH", code="imap-protocol"
            )
        # `n:*` gives the last mail even where there is none above n (RFC 3501, section 6.4.8).
        return sorted(uid for uid in uids if uid > after_uid)

    def fetch(self, uids: Sequence[int]) -> Sequence[Mail]:
        """UID, INTERNALDATE and the first bytes of the body.

        What a server sends unasked is not taken for a mail."""
        if not uids:
            return []
        items = ["INTERNALDATE", BODY]
        answer = self._connection.call("FETCH", self._client.fetch, list(uids), items)
        mails = [self._mail(uid, answer.get(uid, {})) for uid in sorted(uids)]
        return [mail for mail in mails if mail is not None]

    @property
    def has_idle(self) -> bool:
        """RFC 2177, and not refused so far."""
        return self._connection.has("IDLE") and not self._idle.refused

    def idle(self, seconds: float, wake: int) -> bool:
        """See `ports.Mailbox`."""
        return self._idle.wait(seconds, wake)

    def close(self) -> None:
        """LOGOUT if the server answers soon, then free the socket in any case."""
        self._connection.close()

    def _list(self) -> list[Listed]:
        """LIST; also learns the names on the wire."""
        folders = []
        for line in self._connection.call("LIST", self._client.list_folders):
            # imapclient cuts the lines into threes, whatever they hold.
            folder = Listed.parse(*line) if len(line) == 3 else None
            if folder is None:
                raise malformed(self._account.where, "LIST", "folder")
            self._raw_names[folder.name] = folder.raw_name
            folders.append(folder)
        return folders

    def _present(self, wanted: str, folders: Sequence[Listed]) -> str:
        """The folder of this name."""
        selectable = [folder.name for folder in folders if folder.selectable]
        for name in selectable:
            if name == wanted or (_is_inbox(name) and _is_inbox(wanted)):
                return name
        names = ", ".join(ascii(name)[1:-1] for name in selectable[:20])
        raise AccessError(
            f"mailbox {self.name}: got no folder {wanted!a}, expected one of: {names}",
            code="imap-folder",
        )

    def _spam(self, folders: Sequence[Listed], inbox: str) -> list[str]:
        """The spam folders: as the configuration names one, or as the server marks them."""
        configured = self._account.spam
        if configured is None:
            return []
        if configured != "auto":
            return [self._named(configured, folders)]
        spam = [name for name in find_spam(folders) if name != inbox]
        self._log_unusual(spam)
        return spam

    def _named(self, name: str, folders: Sequence[Listed]) -> str:
        """A folder besides the inbox that the configuration names.

        One that is missing fails when it is opened, with this message: it must not cost the
        others."""
        try:
            return self._present(name, folders)
        except AccessError as missing:
            self._missing[name] = str(missing)
            return name

    def _log_unusual(self, spam: list[str]) -> None:
        """No spam folder, or several, are worth a line in the log: once a session."""
        if len(spam) != 1 and spam != self._spam_logged:
            self._log.warning("mailbox.spam_folders", mailbox=self.name, watched=spam)
        self._spam_logged = spam

    def _state(self, folder: str, answer: Mapping[bytes, Any]) -> FolderState:
        """What EXAMINE answers. 163.com and others leave UIDNEXT out."""
        uidvalidity = answer.get(b"UIDVALIDITY")
        exists = answer.get(b"EXISTS")
        if not isinstance(uidvalidity, int):
            raise malformed(self._account.where, "EXAMINE", "UIDVALIDITY")
        if not isinstance(exists, int):
            raise malformed(self._account.where, "EXAMINE", "EXISTS")
        return FolderState(folder, uidvalidity, answer.get(b"UIDNEXT") or None, exists)

    def _by_sender(self, after_uid: int, criteria: Sequence[Any]) -> list[int] | None:
        """The UIDs in one answer; by windows where a flood of mail could make it too large."""
        if (self._folder.uidnext or 0) - after_uid > WINDOW:
            return self._by_windows(after_uid, criteria)
        return self._uids([f"{after_uid + 1}:*", *criteria])

    def _by_windows(self, after_uid: int, criteria: Sequence[Any]) -> list[int] | None:
        """The UIDs, a window at a time: nobody knows how many they are."""
        uids: list[int] = []
        last = self._last_uid(after_uid)
        for start in range(after_uid + 1, last + 1, WINDOW):
            end = min(start + WINDOW - 1, last)
            of_window = self._uids([f"{start}:{end}", *criteria])
            if of_window is None:
                return None
            uids += of_window
        return uids

    def _last_uid(self, after_uid: int) -> int:
        """From UIDNEXT, or by asking for the last mail where the server does not say it."""
        if self._folder.uidnext is not None:
            return self._folder.uidnext - 1
        return max(self._uids(["*"]) or [after_uid])

    def _uids(self, criteria: Sequence[Any]) -> list[int] | None:
        """SEARCH. None: the server does not take these criteria."""
        search = self._client.search
        uids = self._connection.ask("SEARCH", search, ["UID", *criteria], charset=None)
        if uids is None:
            self._log.info("mailbox.search_refused", mailbox=self.name, criteria=len(criteria))
            return None
        return list(uids)

    def _mail(self, uid: int, fields: Mapping[bytes, Any]) -> Mail | None:
        """What FETCH answers for one UID. None: no such mail, as with a body of NIL."""
        # RFC 3501 wants the origin repeated in the name of the body; not everybody does.
        body = fields.get(b"BODY[]<0>", fields.get(b"BODY[]"))
        if not isinstance(body, bytes) or not body:
            return None
        received_at = _in_utc(fields.get(b"INTERNALDATE"))
        if received_at is None:
            raise malformed(self._account.where, "FETCH", "INTERNALDATE")
        ref = MailRef(self.name, self._folder.name, self._folder.uidvalidity, uid)
        return Mail(ref, received_at, body[: MAX_MAIL_BYTES + 1])


def _is_inbox(name: str) -> bool:
    """INBOX is INBOX in any case (RFC 3501, section 5.1)."""
    return name.upper() == "INBOX"


def _in_utc(internaldate: object) -> datetime | None:
    """None: it is not a time, or one that UTC cannot say."""
    if not isinstance(internaldate, datetime):
        return None
    try:
        return internaldate.astimezone(UTC)
    except (ValueError, OverflowError):  # a zone of more than a day; a year past 9999
        return None


def _any_of(domains: Sequence[str]) -> list[Any]:
    """FROM criteria, OR-ed. FROM finds substrings, so a domain covers its subdomains."""
    criteria: list[Any] = []
    for domain in dict.fromkeys(domains):
        if _is_covered(domain, domains):
            continue
        if criteria:
            criteria = ["OR", *criteria]
        criteria += ["FROM", domain]
    return criteria


def _is_covered(domain: str, domains: Sequence[str]) -> bool:
    """Whether the search for a shorter one finds it as well."""
    return any(domain != other and domain.endswith(other) for other in domains)
