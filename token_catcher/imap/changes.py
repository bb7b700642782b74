"""Changes one mail: a flag, a move, a removal. No other module sends what changes a mailbox.

    AddFlag   STORE +FLAGS
    MoveTo    MOVE (RFC 6851); without it COPY, unless that was done, and then what Delete does
    Delete    STORE +FLAGS \\Deleted, and UID EXPUNGE (UIDPLUS, RFC 4315)

Each names the UID of that mail alone. A bare EXPUNGE is never sent: it would remove whatever else
somebody has marked as deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from imaplib import IMAP4
from typing import Any, Final, assert_never

from token_catcher.errors import NotApplied
from token_catcher.imap.connection import Connection, Result
from token_catcher.imap.rights import missing_rights
from token_catcher.imap.trouble import is_answered
from token_catcher.ports import AddFlag, Delete, MailAction, MoveTo

DELETED: Final = "\\Deleted"
INSTEAD: Final = "set after_capture to seen, to another flag, or to none"
"""What always can be done."""


class Changes:
    """What is done to single mails over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._client = connection.client

    def expect_possible(self, action: MailAction) -> None:
        """Before anything is asked of the folder. NotApplied: the server has not what it takes."""
        needed = ["UIDPLUS"]
        if isinstance(action, AddFlag):
            return
        if isinstance(action, MoveTo):
            needed.insert(0, "MOVE")
        if any(self._connection.has(capability) for capability in needed):
            return
        expected = " or ".join(needed)
        raise self._not_applied(
            f"the server offers no {expected}, so that no mail can be removed alone: {INSTEAD}",
            "lacks",
        )

    def expect_rights(self, action: MailAction, folder: str, name: bytes, target: bytes) -> None:
        """Before there is a mail to change. `name`: the folder's on the wire; `target`: that of a
        move. NotApplied: the server says that the account lacks a right."""
        here, there = missing_rights(self._connection, action, name, target)
        if here:
            raise self._lacks(here, folder)
        if there:
            assert isinstance(action, MoveTo)  # no other action has a target
            raise self._lacks(there, action.folder)

    def _lacks(self, letters: str, folder: str) -> NotApplied:
        return self._not_applied(
            f"the account lacks the rights {letters} (RFC 4314) in folder {folder!a}: have them"
            f" granted, or {INSTEAD}",
            "rights",
        )

    def select(self, folder: str, name: bytes) -> Mapping[bytes, Any]:
        """What SELECT answers. `name`: the folder's on the wire.

        NotApplied: the folder cannot be opened, or can only be read."""
        select = self._client.select_folder
        answer = self._connection.call("SELECT", _unless_refused, select, name, readonly=False)
        if answer is None:
            raise self._not_applied(
                f"folder {folder!a} can only be read: give the account the right to write there",
                "read-only",
            )
        selected: Mapping[bytes, Any] = answer
        return selected

    def copies(self, action: MailAction) -> bool:
        """Whether it is done in several steps, between which a crash leaves a copy."""
        return isinstance(action, MoveTo) and not self._connection.has("MOVE")

    def make(
        self,
        action: MailAction,
        uid: int,
        selected: Mapping[bytes, Any],
        target: bytes,
        *,
        is_copied: bool,
    ) -> None:
        """Change this mail of the selected folder. `selected`: what SELECT answered. `target`: the
        name on the wire of the folder of a move. `is_copied`: it has a copy there already.

        NotApplied: the server refuses it."""
        match action:
            case AddFlag():
                self._add(action.flag, uid, selected)
            case MoveTo():
                self._move(action, uid, selected, target, is_copied=is_copied)
            case Delete():
                self._remove(uid, selected)
            case _:
                assert_never(action)

    def _add(self, flag: str, uid: int, selected: Mapping[bytes, Any]) -> None:
        self._expect_kept(flag, selected)
        if not self._does("STORE", self._client.add_flags, [uid], [flag], silent=True):
            raise self._not_applied(f"the flag {flag} was refused: {INSTEAD}", "refused")

    def _move(
        self,
        action: MoveTo,
        uid: int,
        selected: Mapping[bytes, Any],
        target: bytes,
        *,
        is_copied: bool,
    ) -> None:
        folder = action.folder
        if not self.copies(action):
            if not self._does("MOVE", self._client.move, [uid], target):
                raise self._cannot_move(folder)
            return
        self._expect_kept(DELETED, selected)  # before there is a copy
        if not is_copied and not self._does("COPY", self._client.copy, [uid], target):
            raise self._cannot_move(folder)
        try:
            self._remove(uid, selected)
        except NotApplied as refusal:
            # Another try would make another copy.
            raise NotApplied(
                f"{refusal}; a copy of the mail is in {folder!a}", code=refusal.code, final=True
            ) from None

    def _cannot_move(self, folder: str) -> NotApplied:
        return self._not_applied(
            f"the mail was not taken by folder {folder!a}: expected an existing one with room, in"
            " which the account may write",
            "refused",
        )

    def _remove(self, uid: int, selected: Mapping[bytes, Any]) -> None:
        self._add(DELETED, uid, selected)
        if not self._does("UID EXPUNGE", self._client.uid_expunge, [uid]):
            raise self._not_applied(
                f"UID EXPUNGE was refused, and the mail is marked {DELETED}: {INSTEAD}", "refused"
            )

    def _expect_kept(self, flag: str, selected: Mapping[bytes, Any]) -> None:
        """PERMANENTFLAGS: what a session may change for good (RFC 3501, section 7.1)."""
        kept = selected.get(b"PERMANENTFLAGS")
        if kept is None or _is_kept(flag, kept):
            return
        names = b" ".join(kept).decode("ascii", "replace") or "none"
        raise self._not_applied(
            f"the folder does not keep the flag {flag}, expected one of: {names}", "flag"
        )

    def _does(self, command: str, function: Callable[..., Any], *words: Any, **named: Any) -> bool:
        """Whether the server does it; False: it answers NO or BAD, for whatever reason."""
        answer = self._connection.call(command, _unless_refused, _done, function, *words, **named)
        return answer is not None

    def _not_applied(self, problem: str, kind: str) -> NotApplied:
        return NotApplied(f"{self._connection.where}: {problem}", code=f"imap-apply-{kind}")


def _unless_refused(function: Callable[..., Result], *words: Any, **named: Any) -> Result | None:
    """What the library returns; None where the server refuses, and can be asked on."""
    try:
        return function(*words, **named)
    except IMAP4.readonly:  # imaplib's name for a folder that can only be read
        return None
    except IMAP4.error as error:
        if not is_answered(error):
            raise
        return None


def _done(function: Callable[..., Any], *words: Any, **named: Any) -> bool:
    """True, whatever the library returns: it has nothing to say of what was done."""
    function(*words, **named)
    return True


def _is_kept(flag: str, kept: tuple[bytes, ...]) -> bool:
    r"""A keyword that the folder does not know yet is kept where `\*` stands among them."""
    names = {name.lower() for name in kept}
    if flag.lower().encode() in names:
        return True
    return b"\\*" in names and not flag.startswith("\\")
