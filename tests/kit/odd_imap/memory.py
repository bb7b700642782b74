"""What the quirks remember from one command to the next; one for a server and all its connections.

Guarded by the account's lock, which every session holds while it answers a command.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from tests.kit.odd_imap.account import Account, Folder, StoredMail
from tests.kit.odd_imap.quirks import UNTIL_RELEASED, Chosen, Limit, Quirks, Trouble

CAPABILITIES = (
    *("LITERAL+", "ID", "IDLE", "LIST-EXTENDED", "SPECIAL-USE"),
    *("NAMESPACE", "UNSELECT", "UIDPLUS", "MOVE"),
)
"""What a correct server announces beside IMAP4rev1."""


class Memory:
    """Counts what happens `k` times, and says what a client is shown of the account."""

    def __init__(self, quirks: Quirks, account: Account) -> None:
        self.quirks = quirks
        self._account = account
        self._connections = 0
        self._logins = 0
        self._refused = 0
        self._troubles: Counter[Trouble] = Counter()
        self._strikes: Counter[tuple[str, int]] = Counter()
        self._folder_looks: Counter[str] = Counter()
        self._mail_looks: Counter[int] = Counter()
        self._searches: Counter[int] = Counter()
        self._released: set[int] = set()
        self._settled: set[str] = set()
        self._first_uidvalidity: dict[str, int] = {}
        self._junk_name = quirks.junk_name

    # -- connections and logins --

    def admit(self) -> bool:
        """Count a connection. False: it is to be closed without a word, and is not counted."""
        limited = self.quirks.over_the_limit is Limit.CLOSED
        if limited and 0 < self.quirks.max_connections <= self._connections:
            return False
        self._connections += 1
        return True

    def disconnect(self) -> None:
        """Forget a connection."""
        self._connections -= 1

    def login_refusal(self) -> str | None:
        """The words that a correct password is refused with now, or None: logged in."""
        # Refused logins come first: what is refused takes no place.
        if self._refused < self.quirks.login_refusals:
            self._refused += 1
            return self.quirks.login_refusal
        limited = self.quirks.over_the_limit is Limit.REFUSED_AT_LOGIN
        if limited and 0 < self.quirks.max_connections <= self._logins:
            return self.quirks.login_refusal
        self._logins += 1
        return None

    def log_out(self) -> None:
        """Forget a login."""
        self._logins -= 1

    def has(self, capability: str) -> bool:
        """Whether the server knows it."""
        return capability not in self.quirks.lacks

    def capabilities(self, *, logged_in: bool) -> str:
        """The line of capabilities; ways to log in are announced before the login alone."""
        names = ["IMAP4rev1", *filter(self.has, CAPABILITIES)]
        if not logged_in and not self.quirks.login_disabled:
            names.append("AUTH=PLAIN")
        if not logged_in and self._account.takes_token is not None:
            names.append("AUTH=XOAUTH2")
        disabled = self.quirks.login_disabled
        if logged_in:
            disabled = self.quirks.login_disabled_after_login
        if disabled:
            names.append("LOGINDISABLED")
        return " ".join(names)

    def trouble(self, command: str) -> Trouble | None:
        """How this command fails, if it does."""
        concerned = [trouble for trouble in self.quirks.troubles if trouble.command == command]
        self._troubles.update(concerned)
        for trouble in concerned:
            if 0 < self._troubles[trouble] - trouble.after <= trouble.times:
                return trouble
        return None

    # -- folders --

    @property
    def delimiter(self) -> str:
        """Of the names of folders."""
        return "." if self.quirks.below_inbox else "/"

    @property
    def prefix(self) -> str:
        """Of the personal namespace."""
        return "INBOX." if self.quirks.below_inbox else ""

    def rename_junk(self, name: str) -> None:
        """The spam folder is called so from now on; sessions that have it open keep it."""
        self._junk_name = name

    def wire_name(self, folder: Folder) -> str:
        """What clients call the folder."""
        if folder.name == "INBOX":
            return "INBOX"
        if folder.name == "Junk":
            return self.prefix + self._junk_name
        return self.prefix + folder.name

    def folder(self, name: str) -> Folder | None:
        """The folder that clients call so; INBOX in any case of letters."""
        for folder in self._account.folders.values():
            if self.wire_name(folder) == name or folder.name == name.upper() == "INBOX":
                return folder
        return None

    def look(self, folder: Folder) -> None:
        """EXAMINE, SELECT or STATUS begins."""
        if folder.name not in self._settled:
            self._folder_looks[folder.name] += 1
        self._mail_looks.update(_serials(folder))

    def opened(self, folder: Folder) -> None:
        """EXAMINE or SELECT is answered."""
        if folder.name == "Junk" and self.quirks.junk_renamed_to:
            self._junk_name = self.quirks.junk_renamed_to

    def settle(self, folder: Folder) -> None:
        """SELECT or APPEND: a server of Courier's kind keeps its UIDVALIDITY from now on."""
        self._settled.add(folder.name)

    def release(self) -> None:
        """What is hidden can be seen now."""
        for folder in self._account.folders.values():
            self._released.update(_serials(folder))

    def visible(self, folder: Folder) -> list[StoredMail]:
        """The mails that can be seen, by UID."""
        mails = [folder.mails[uid] for uid in sorted(folder.mails)]
        return list(filter(self._can_be_seen, mails))

    def _can_be_seen(self, mail: StoredMail) -> bool:
        looks = self.quirks.hidden_looks
        if looks == 0 or mail.serial in self._released:
            return True
        return looks != UNTIL_RELEASED and self._mail_looks[mail.serial] > looks

    def uidvalidity(self, folder: Folder) -> int:
        """What is told."""
        if self.quirks.uidvalidity_never_new:
            return self._first_uidvalidity.setdefault(folder.name, folder.uidvalidity)
        # Sums of what only grows: whatever comes together, no number comes twice.
        number = folder.uidvalidity
        if self.quirks.uidvalidity_new_until_select:
            number += self._folder_looks[folder.name]
        if self.quirks.uidvalidity_new_after_delivery:
            number += folder.deliveries
        return number

    def uidnext(self, folder: Folder) -> int:
        """What is told."""
        if self.quirks.uidnext_told_as is not None:
            return self.quirks.uidnext_told_as
        return folder.uidnext + self.quirks.uidnext_ahead_by

    # -- mails --

    def strikes(self, quirk: str, chosen: Chosen, mail: StoredMail, *, alone: bool) -> bool:
        """Whether `quirk` strikes this mail now; that is counted."""
        if not chosen.includes(mail.uid) or (alone and not chosen.also_alone):
            return False
        if self._strikes[quirk, mail.serial] >= chosen.times:
            return False
        self._strikes[quirk, mail.serial] += 1
        return True

    def searched_by_text(self, mails: Iterable[StoredMail]) -> None:
        """A SEARCH asks the index for these."""
        self._searches.update(mail.serial for mail in mails)

    def indexed(self, mail: StoredMail) -> bool:
        """Whether a SEARCH by text knows the mail yet."""
        if self._searches[mail.serial] <= self.quirks.index_lag_searches:
            return False
        return self._account.now() - mail.delivered_at >= self.quirks.index_lag

    def received_at(self, mail: StoredMail) -> datetime:
        """INTERNALDATE as it is told, and as SEARCH takes it; always marked +0000."""
        if self.quirks.internaldate_1970:
            return datetime(1970, 1, 1, tzinfo=UTC)
        told = mail.received_at + timedelta(hours=self.quirks.internaldate_offset_hours)
        if self.quirks.internaldate_noon_as_midnight and told.hour == 12:
            return told.replace(hour=0)
        return told

    def raw(self, mail: StoredMail) -> bytes:
        """The bytes of the mail as they are served."""
        if not self.quirks.x_uid:
            return mail.raw
        head, end, body = mail.raw.partition(b"\r\n\r\n")
        return head + b"\r\nX-UID: %d" % mail.uid + end + body


def _serials(folder: Folder) -> list[int]:
    return [mail.serial for mail in folder.mails.values()]
