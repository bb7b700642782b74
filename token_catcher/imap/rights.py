"""What the account may do in a folder, where the server says so: MYRIGHTS (ACL, RFC 4314)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, assert_never

from token_catcher.imap.connection import Connection
from token_catcher.ports import AddFlag, Delete, MailAction, MoveTo

REMOVAL: Final = "et"
"""The rights to mark as deleted, and to expunge."""
INSERTION: Final = "i"
"""The right to put a mail into a folder."""


def missing_rights(
    connection: Connection, action: MailAction, folder: bytes, target: bytes
) -> tuple[str, str]:
    """Which rights the action lacks in the folder of its mail, and in the target of a move.

    Empty where none is known to be missing. `folder`, `target`: names on the wire."""
    in_target = ""
    if isinstance(action, MoveTo):
        in_target = _missing(connection, INSERTION, target)
    return _missing(connection, _needed(action), folder), in_target


def _needed(action: MailAction) -> str:
    """By the letters of RFC 4314, section 4: for STORE, MOVE, COPY and EXPUNGE."""
    match action:
        case AddFlag():
            special = {"\\seen": "s", "\\deleted": "t"}
            return special.get(action.flag.lower(), "w")
        case MoveTo() | Delete():
            return REMOVAL
        case _:
            assert_never(action)


def _missing(connection: Connection, needed: str, folder: bytes) -> str:
    granted = rights(connection, folder)
    if granted is None:
        return ""
    return "".join(letter for letter in needed if letter not in granted)


def rights(connection: Connection, folder: bytes) -> str | None:
    """The letters of the rights in this folder. None: the server tells nothing of rights."""
    if not connection.has("ACL"):
        return None
    lines = connection.ask("MYRIGHTS", connection.raw.my_rights, folder)
    letters = _letters(lines or ())
    if not letters:
        return None
    # RFC 2086 has one letter for both; a server of RFC 4314 adds it to those that are new.
    if "d" in letters and not set(REMOVAL) & set(letters):
        return letters + REMOVAL
    return letters


def _letters(lines: Sequence[Any]) -> str:
    """The last word of the answer; a name in a literal comes as a tuple, and the rights behind it.

    Empty: it is no answer."""
    if not lines or not isinstance(lines[-1], bytes):
        return ""
    return lines[-1].rpartition(b" ")[2].strip(b'"').decode("ascii", "replace").lower()
