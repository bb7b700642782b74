"""The folders of an account: which are watched, and what each is called on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from token_catcher.errors import AccessError, NotApplied
from token_catcher.imap.connection import Connection
from token_catcher.imap.folders import Listed, encoded, find_spam, marks_spam
from token_catcher.imap.login import Account
from token_catcher.imap.trouble import malformed
from token_catcher.ports import Log

LIST: Final = 'LIST "" "*"'
MOST_FOLDERS: Final = 10
"""Watched in one mailbox: each further one costs a connection, and time of every sweep."""


class AccountFolders:
    """The folders of one account, as one session knows them."""

    def __init__(self, connection: Connection, account: Account, log: Log) -> None:
        self._connection = connection
        self._account = account
        self._log = log
        self._raw_names: dict[str, bytes] = {}
        self._missing: dict[str, str] = {}
        self._watched: Sequence[str] = ()
        self.lists: Sequence[str] = ()
        """What the folders were listed with last."""
        self._spam_logged: list[str] | None = None
        self.spam_found_by = ""
        """How the spam folders were found when they were listed last; empty: there is none."""

    def watched(self) -> Sequence[str]:
        """The inbox, the spam folders as far as they exist, and the further ones."""
        folders = self._list()
        inbox = self._present(self._account.inbox, folders)
        also = [self._named(name, folders) for name in self._account.also]
        # Whoever can make folders could mark a thousand of them as spam.
        spam = self._spam(folders, inbox)[: MOST_FOLDERS - 1 - len(also)]
        self._watched = list(dict.fromkeys([inbox, *spam, *also]))
        return self._watched

    def present(self) -> list[str]:
        """Those of the watched that the server listed last."""
        return [folder for folder in self._watched if folder in self._raw_names]

    def besides(self, folder: str) -> list[bytes]:
        """The names on the wire of all others that were listed last and are watched."""
        return [self.wire_name(other) for other in self.present() if other != folder]

    def expect_present(self, folder: str) -> None:
        """AccessError: it is configured, and was not among the folders when they were listed."""
        if folder in self._missing:
            raise AccessError(self._missing.pop(folder), code="imap-folder")

    def wire_name(self, folder: str) -> bytes:
        """Some names are no modified UTF-7, so that encoding them again gives another name."""
        return self._raw_names.get(folder, encoded(folder))

    def target(self, folder: str) -> bytes:
        """The name on the wire of the folder of a move.

        NotApplied: there is no such one, or it is watched, and so each mail would come back."""
        name = self._known(folder)
        if name in self._watched:
            raise NotApplied(
                f"{self._account.where}: after_capture moves to {folder!a}, which is watched:"
                " expected another folder",
                code="imap-apply-watched",
            )
        return self._raw_names[name]

    def _known(self, folder: str) -> str:
        """The folder of a move, by its name in the list."""
        if folder in self._raw_names:
            return folder
        try:
            return self._present(folder, self._list())
        except AccessError as missing:
            problem = f"after_capture, {missing}; make the folder, or name another"
        raise NotApplied(problem, code="imap-apply-folder")

    def _list(self) -> list[Listed]:
        """LIST; with special use asked for where it marks no spam folder by itself.

        Names of earlier lists are forgotten: a server may give new ones each time."""
        self._raw_names = {}
        self.lists = [LIST]
        folders = self._listed(self._connection.call("LIST", self._connection.raw.list_folders))
        if self._account.spam != "auto" or marks_spam(folders):
            return folders
        if not self._connection.has("SPECIAL-USE"):
            return folders
        # Cyrus with `specialusealways: no` tells it to nobody who does not ask.
        asked = self._connection.ask("LIST", self._connection.raw.list_special_use)
        if asked is None:
            return folders
        self.lists = [LIST, f"{LIST} RETURN (SPECIAL-USE)"]
        special = self._listed(asked)
        if marks_spam(special):
            return special
        return folders

    def _listed(self, lines: Sequence[Sequence[Any]]) -> list[Listed]:
        """The folders of a LIST; also learns their names on the wire.

        Each once: the answer to an earlier LIST may come late, along with that of this one."""
        folders: dict[str, Listed] = {}
        for line in lines:
            folder = None
            if len(line) == 3:  # imapclient cuts the lines into threes, whatever they hold
                folder = Listed.parse(*line)
            if folder is None:
                raise malformed(self._account.where, "LIST", "folder")
            self._raw_names[folder.name] = folder.raw_name
            folders[folder.name] = folder
        return list(folders.values())

    def _present(self, wanted: str, folders: Sequence[Listed]) -> str:
        """The folder of this name."""
        selectable = [folder.name for folder in folders if folder.selectable]
        for name in selectable:
            if name == wanted or (_is_inbox(name) and _is_inbox(wanted)):
                return name
        names = ", ".join(ascii(name)[1:-1] for name in selectable[:20])
        raise AccessError(
            f"mailbox {self._account.name}: got no folder {wanted!a}, expected one of: {names}",
            code="imap-folder",
        )

    def _spam(self, folders: Sequence[Listed], inbox: str) -> list[str]:
        """The spam folders: as the configuration names one, or as the server marks them."""
        self.spam_found_by = ""
        configured = self._account.spam
        if configured is None:
            return []
        if configured != "auto":
            self.spam_found_by = "configuration"
            return [self._named(configured, folders)]
        spam = [name for name in find_spam(folders) if name != inbox]
        if spam:
            self.spam_found_by = "a known name"
        if spam and marks_spam(folders):
            self.spam_found_by = "special use"
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
            self._log.warning("mailbox.spam_folders", mailbox=self._account.name, watched=spam)
        self._spam_logged = spam


def _is_inbox(name: str) -> bool:
    """INBOX is INBOX in any case (RFC 3501, section 5.1)."""
    return name.upper() == "INBOX"
