"""One folder that one session has opened: what the client knows of it, and what it does there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tests.kit.odd_imap.account import Account, Folder, StoredMail
from tests.kit.odd_imap.fetch import Item, Line, read_items
from tests.kit.odd_imap.memory import Memory
from tests.kit.odd_imap.search import Search
from tests.kit.odd_imap.wire import (
    Answer,
    Refused,
    Token,
    atom,
    expect,
    ranges,
    within,
    word,
    words,
)

SYSTEM_FLAGS = "\\Answered \\Flagged \\Deleted \\Seen \\Draft"


class Selected:
    """The client's picture of a folder, which `notices` brings up to date."""

    def __init__(
        self, account: Account, memory: Memory, folder: Folder, *, read_only: bool
    ) -> None:
        self.folder = folder
        self.read_only = read_only
        self._account = account
        self._memory = memory
        self._known: dict[int, frozenset[str]] = {}
        """Flags by UID."""
        self._numbers: dict[int, int] = {}
        """Sequence numbers by UID."""
        self._recent: set[int] = set()
        self._take_over()

    @property
    def exists(self) -> bool:
        """Whether the folder is still there, under the same numbers."""
        return self.folder in self._account.folders.values()

    # -- telling --

    def opened(self) -> bytes:
        """The untagged answers to SELECT and EXAMINE."""
        permanent = f"{SYSTEM_FLAGS} \\*"
        if self.read_only:
            permanent = ""
        lines = [
            f"FLAGS ({SYSTEM_FLAGS})",
            f"OK [PERMANENTFLAGS ({permanent})] kept",
            f"{len(self._known)} EXISTS",
            f"{len(self._recent)} RECENT",
            f"OK [UIDVALIDITY {self._memory.uidvalidity(self.folder)}] valid",
        ]
        if not self._memory.quirks.uidnext_missing:
            lines.append(f"OK [UIDNEXT {self._memory.uidnext(self.folder)}] predicted")
        return _untagged(lines)

    def notices(self) -> bytes:
        """What has changed since the client was told last."""
        before = self._known
        numbers = self._numbers
        self._take_over()
        # From the highest number down, so that an EXPUNGE moves none that is still to be told.
        gone = sorted(before.keys() - self._known.keys(), reverse=True)
        lines = [f"{numbers[uid]} EXPUNGE" for uid in gone]
        if self._known.keys() - before.keys():
            lines.append(f"{len(self._known)} EXISTS")
            lines.append(f"{len(self._recent)} RECENT")
        for uid, flags in before.items():
            if self._known.get(uid, flags) != flags:
                lines.append(self._flags_line(uid))
        return _untagged(lines)

    def _take_over(self) -> None:
        """Know what can be seen now. The first to SELECT a folder takes \\Recent with it."""
        self._known = {mail.uid: mail.flags for mail in self._mails()}
        self._numbers = {uid: number for number, uid in enumerate(self._known, 1)}
        fresh = self.folder.recent & self._known.keys()
        self._recent = (self._recent | fresh) & self._known.keys()
        # EXAMINE takes it from nobody.
        if not self.read_only:
            self.folder.recent -= fresh

    def _mails(self) -> list[StoredMail]:
        return self._memory.visible(self.folder)

    def _flags(self, uid: int) -> str:
        flags = sorted(self.folder.mails[uid].flags)
        if uid in self._recent:
            flags.append("\\Recent")
        return " ".join(flags)

    def _flags_line(self, uid: int) -> str:
        return f"{self._numbers[uid]} FETCH (UID {uid} FLAGS ({self._flags(uid)}))"

    def _named(self, text: bytes) -> list[StoredMail]:
        """The mails of a set of UIDs; those that are not there are passed over."""
        pairs = ranges(text, max(self._known, default=0))
        return [mail for mail in self._mails() if within(mail.uid, pairs)]

    # -- reading --

    def search(self, arguments: Sequence[Token]) -> Answer:
        """UID SEARCH."""
        quirks = self._memory.quirks
        if quirks.search_refused:
            raise Refused(quirks.search_refused, "SEARCH is not possible")
        mails = self._mails()
        found = Search(arguments, mails, self._memory).found()
        hits = []
        for mail in self._in_order(mails):
            if mail.uid in found and not self._lost(mail, alone=_names_one(arguments)):
                hits.append(str(mail.uid))
        return Answer(_untagged(self._hits(hits)))

    def _lost(self, mail: StoredMail, *, alone: bool) -> bool:
        chosen = self._memory.quirks.searches_leave_out
        return self._memory.strikes("searches", chosen, mail, alone=alone)

    def _hits(self, hits: Sequence[str]) -> list[str]:
        """The SEARCH lines: one, unless a quirk makes it none or many."""
        if not hits and self._memory.quirks.no_line_for_no_hits:
            return []
        size = self._memory.quirks.search_hits_per_line or max(len(hits), 1)
        lines = []
        for start in range(0, max(len(hits), 1), size):
            lines.append(" ".join(["SEARCH", *hits[start : start + size]]))
        return lines

    def _in_order(self, mails: list[StoredMail]) -> list[StoredMail]:
        if self._memory.quirks.newest_first:
            return mails[::-1]
        return mails

    def fetch(self, arguments: Sequence[Token]) -> Answer:
        """UID FETCH."""
        uids, asked = expect(2, arguments)
        text = atom(uids)
        items = read_items(asked)
        mails = self._asked(text)
        if not self.read_only and not all(item.peek for item in items):
            for mail in mails:
                self._change(mail, mail.flags | {"\\Seen"})
            # Flags that a FETCH changes are part of its answer (RFC 3501, section 6.4.5).
            items.append(Item("FLAGS"))
        lines: list[bytes] = []
        for mail in self._in_order(mails):
            line = self._line(mail, items, first=not lines, alone=text.isdigit())
            if line:
                lines.append(line)
        if self._memory.quirks.unasked_fetches:
            lines.append(self._unasked())
        return Answer(b"".join(lines))

    def _asked(self, text: bytes) -> list[StoredMail]:
        if not self._memory.quirks.ranges_give_first_only:
            return self._named(text)
        first: dict[int, StoredMail] = {}
        for part in text.split(b","):
            for mail in self._named(part)[:1]:
                first[mail.uid] = mail
        return [first[uid] for uid in sorted(first)]

    def _line(
        self, mail: StoredMail, items: Sequence[Item], *, first: bool, alone: bool
    ) -> bytes | None:
        line = Line(self._memory, mail, self._flags(mail.uid))
        return line.write(self._numbers[mail.uid], items, first=first, alone=alone)

    def _unasked(self) -> bytes:
        """Flags of every mail; those of the first once more without its UID, as the RFC allows."""
        lines = [self._flags_line(uid) for uid in self._known]
        for uid in list(self._known)[:1]:
            lines.append(f"1 FETCH (FLAGS ({self._flags(uid)}))")
        return _untagged(lines)

    # -- changing --

    def store(self, arguments: Sequence[Token]) -> Answer:
        """UID STORE: answered by the flags as they are now, unless it is to be silent."""
        self._must_write()
        uids, item, flags = expect(3, arguments)
        text = atom(uids)
        mode, _, silent = word(item).partition(".")
        given = frozenset(words(flags)) - {"\\Recent"}
        for mail in self._named(text):
            if mode == "+FLAGS":
                self._change(mail, mail.flags | given)
            elif mode == "-FLAGS":
                self._change(mail, mail.flags - given)
            elif mode == "FLAGS":
                self._change(mail, given)
            else:
                raise Refused("BAD", "STORE of something unknown")
        if silent:
            return Answer()
        return Answer(_untagged(self._flags_line(mail.uid) for mail in self._named(text)))

    def _change(self, mail: StoredMail, flags: frozenset[str]) -> None:
        self.folder.mails[mail.uid] = replace(mail, flags=flags)
        # The client hears of it by the answer, so it is no news to it.
        self._known[mail.uid] = flags
        self._account.tell()

    def copy(self, text: bytes, target: Folder) -> Answer:
        """UID COPY."""
        return Answer(text=self._copied(self._named(text), target))

    def move(self, text: bytes, target: Folder) -> Answer:
        """UID MOVE: COPYUID is untagged, before the EXPUNGEs (RFC 6851)."""
        self._must_write()
        mails = self._named(text)
        if not mails:
            return Answer()
        copied = _untagged(["OK " + self._copied(mails, target)])
        self._account.expunge(*(mail.uid for mail in mails), folder=self.folder.name)
        return Answer(copied + self.notices())

    def _copied(self, mails: Sequence[StoredMail], target: Folder) -> str:
        """Copy them; what is said of it (COPYUID is RFC 4315)."""
        copies = [self._account.copy(mail, target.name) for mail in mails]
        if not copies or not self._memory.has("UIDPLUS"):
            return "done"
        uidvalidity = self._memory.uidvalidity(target)
        uids = [mail.uid for mail in mails]
        return f"[COPYUID {uidvalidity} {_set(uids)} {_set(copies)}] done"

    def expunge(self, arguments: Sequence[Token]) -> Answer:
        """EXPUNGE, or UID EXPUNGE of a set: remove what is \\Deleted."""
        self._must_write()
        mails = self._mails()
        if arguments:
            mails = self._named(atom(arguments[0]))
        deleted = [mail.uid for mail in mails if "\\Deleted" in mail.flags]
        if deleted:
            self._account.expunge(*deleted, folder=self.folder.name)
        return Answer(self.notices())

    def _must_write(self) -> None:
        if self.read_only:
            raise Refused("NO", "[READ-ONLY] opened by EXAMINE")


def _names_one(arguments: Sequence[Token]) -> bool:
    """Whether a SEARCH asks for one UID and nothing else."""
    if len(arguments) != 2 or isinstance(arguments[1], list):
        return False
    return arguments[1].isdigit()


def _set(uids: Iterable[int]) -> str:
    return ",".join(str(uid) for uid in uids)


def _untagged(lines: Iterable[str]) -> bytes:
    return b"".join(f"* {line}\r\n".encode() for line in lines)
