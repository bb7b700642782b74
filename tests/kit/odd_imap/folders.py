"""The commands about folders that need none to be open: LIST, NAMESPACE, STATUS, APPEND."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from imapclient.imap_utf7 import decode, encode

from tests.kit.odd_imap.account import Account, Folder
from tests.kit.odd_imap.listing import read_listing
from tests.kit.odd_imap.memory import Memory
from tests.kit.odd_imap.wire import (
    Answer,
    Refused,
    Token,
    atom,
    expect,
    keywords,
    parse_internaldate,
    quoted,
    words,
)


class Folders:
    """All folders of the account, by the names that clients use."""

    def __init__(self, account: Account, memory: Memory) -> None:
        self._account = account
        self._memory = memory

    def named(self, token: Token, code: str = "NONEXISTENT") -> Folder:
        """The folder of this name. Refused with `code`: there is none."""
        name = atom(token)
        folder = None
        with suppress(ValueError):  # no modified UTF-7: no name of a folder of ours
            folder = self._memory.folder(decode(name))
        if folder is None:
            raise Refused("NO", f"[{code}] no such folder")
        return folder

    def list_folders(self, arguments: Sequence[Token]) -> Answer:
        """LIST; of an empty pattern only the delimiter (RFC 3501, section 6.3.8)."""
        if list(arguments) == [b"", b""]:
            return Answer(b'* LIST (\\Noselect) %s ""\r\n' % quoted(self._memory.delimiter))
        listing = read_listing(arguments, self._memory)
        lines = [listing.line(folder) for folder in self._account.folders.values()]
        return Answer(b"".join([*lines, listing.noselect()]))

    def namespace(self, _arguments: Sequence[Token]) -> Answer:
        """NAMESPACE (RFC 2342): a personal one alone."""
        prefix = quoted(self._memory.prefix)
        delimiter = quoted(self._memory.delimiter)
        return Answer(b"* NAMESPACE ((%s %s)) NIL NIL\r\n" % (prefix, delimiter))

    def status(self, arguments: Sequence[Token]) -> Answer:
        """STATUS."""
        name, items = expect(2, arguments)
        folder = self.named(name)
        self._memory.look(folder)
        figures = self._figures(folder)
        told = []
        for item in keywords(items):
            if item in figures:
                told.append(f"{item} {figures[item]}")
        called = quoted(encode(self._memory.wire_name(folder)).decode())
        return Answer(b"* STATUS %s (%s)\r\n" % (called, " ".join(told).encode()))

    def _figures(self, folder: Folder) -> dict[str, int]:
        mails = self._memory.visible(folder)
        unseen = [mail for mail in mails if "\\Seen" not in mail.flags]
        figures = {
            "MESSAGES": len(mails),
            "RECENT": len(folder.recent & folder.mails.keys()),
            "UIDVALIDITY": self._memory.uidvalidity(folder),
            "UNSEEN": len(unseen),
        }
        if not self._memory.quirks.uidnext_missing_in_status:
            figures["UIDNEXT"] = self._memory.uidnext(folder)
        return figures

    def append(self, arguments: Sequence[Token]) -> Answer:
        """APPEND, with flags and a time if they are given."""
        if len(arguments) < 2:
            raise Refused("BAD", "APPEND takes a folder and a mail")
        folder = self.named(arguments[0], "TRYCREATE")
        flags: list[str] = []
        received_at = None
        for option in arguments[1:-1]:
            if isinstance(option, bytes):
                received_at = parse_internaldate(option.decode("latin-1"))
            else:
                flags = words(option)
        raw = atom(arguments[-1])
        uid = self._account.add(raw, folder.name, received_at=received_at, flags=flags)
        self._memory.settle(folder)
        if not self._memory.has("UIDPLUS"):
            return Answer()
        return Answer(text=f"[APPENDUID {self._memory.uidvalidity(folder)} {uid}] done")
