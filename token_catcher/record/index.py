"""Where to find the record of a mail in one journal file: in memory, and beside a closed file.

On disk it begins with a line of JSON, which has the end of that file and what its records and all
before say of held mails. A table follows, sorted by key: 16 bytes of key, and 8 of the offset of
a line. So a look-up costs a few reads, however many records there are.
"""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from bisect import bisect_left
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from struct import Struct
from typing import Any, Final, Protocol

from token_catcher import files
from token_catcher.model import Event
from token_catcher.record.chain import Head
from token_catcher.record.waiting import Waiting

_EVENTS: Final = frozenset(Event)
_ROW: Final = Struct(">16sQ")
_LONGEST_SUMMARY: Final = 64 * 1024 * 1024
"""Bytes; bounds what a foreign file can make us read."""


def mail_key(mailbox: object, digest: object) -> bytes:
    """What a mail of a mailbox is known by."""
    return _key(mailbox, digest)


def stored_keys(content: Mapping[str, Any]) -> tuple[bytes, ...]:
    """What the version of a `stored` record is known by, the surest first."""
    path = content.get("path")
    version = content.get("version")
    by_mail = _key("mail", path, version, content.get("mail"))
    created_at = content.get("vault_created_at")
    if created_at is None:
        return (by_mail,)
    return _key(path, version, created_at), by_mail


def is_of_mail(content: Mapping[str, Any]) -> bool:
    """Whether a record tells of a mail, and not of the journal itself."""
    return content["event"] in _EVENTS


class FileIndex(Protocol):
    """The index of one file, wherever it is."""

    @property
    def end(self) -> Head:
        """The last record of the file."""

    @property
    def waiting(self) -> Waiting:
        """What the records up to that end say of held mails."""

    def find(self, key: bytes) -> int | None:
        """The offset of the newest record with this key."""


class MemoryIndex:
    """Told of each record of a file, in their order."""

    def __init__(self, start: Head, waiting: Waiting) -> None:
        """`waiting`: as of the end of the file before."""
        self.end = start
        self.waiting = waiting
        self.offsets = array("Q")
        """Of each line."""
        self._places: dict[bytes, int] = {}

    def take_in(self, offset: int, content: Mapping[str, Any]) -> None:
        """The record that comes next."""
        self.offsets.append(offset)
        self.end = Head(content["seq"], content["hash"])
        if is_of_mail(content):
            mail = mail_key(content.get("mailbox"), content.get("mail"))
            self._places[mail] = offset
            self.waiting.take_in(mail, content)
        if content["event"] == Event.STORED:
            self._places.update(dict.fromkeys(stored_keys(content), offset))

    def find(self, key: bytes) -> int | None:
        """The offset of the newest record with this key."""
        return self._places.get(key)

    def save(self, path: Path) -> None:
        """Put it on disk, for `SavedIndex`. OSError: it could not be."""
        summary = {"seq": self.end.seq, "hash": self.end.hash, **self.waiting.as_fields()}
        rows = [_ROW.pack(key, place) for key, place in sorted(self._places.items())]
        files.replace(path, b"\n".join([json.dumps(summary).encode(), b"".join(rows)]))


class SavedIndex:
    """One that was put on disk; its table stays there, and what it says of held mails."""

    def __init__(self, path: Path) -> None:
        """OSError: there is none. ValueError: it is not one of ours."""
        self._path = path
        with files.opened(path) as file:
            line = _first_line(file)
            self._table = len(line) + 1
            self._rows, rest = divmod(os.fstat(file.fileno()).st_size - self._table, _ROW.size)
        if rest:
            raise ValueError("the table is cut off")
        self.end, _ = _summary(line)

    @property
    def waiting(self) -> Waiting:
        """Read anew each time: of many closed files, only the last is asked, once.

        OSError: it is gone. ValueError: another file has its name."""
        with files.opened(self._path) as file:
            _, waiting = _summary(_first_line(file))
        return waiting

    def find(self, key: bytes) -> int | None:
        """The offset of the newest record with this key. OSError: it is gone."""
        with files.opened(self._path) as file:
            rows = _Rows(file, self._table, self._rows)
            number = bisect_left(rows, key)
            if number < len(rows) and rows[number] == key:
                return rows.place(number)
        return None


class _Rows:
    """The keys of a table, as `bisect` wants them."""

    def __init__(self, file: FileIO, begin: int, count: int) -> None:
        self._file = file
        self._begin = begin
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> bytes:
        key, _place = self._row(number)
        return key

    def place(self, number: int) -> int:
        _key, place = self._row(number)
        return place

    def _row(self, number: int) -> tuple[bytes, int]:
        begin = self._begin + number * _ROW.size
        key, place = _ROW.unpack(os.pread(self._file.fileno(), _ROW.size, begin))
        return key, place


def _summary(line: bytes) -> tuple[Head, Waiting]:
    """The end of a file, and what waits there. ValueError: the line is not one of ours."""
    try:
        summary = json.loads(line)
        return Head(summary["seq"], summary["hash"]), Waiting.of_fields(summary)
    except (KeyError, TypeError, RecursionError):
        raise ValueError("the summary is not one of ours") from None


def _first_line(file: FileIO) -> bytes:
    """Without its end. ValueError: it has none."""
    begin = b""
    while b"\n" not in begin and len(begin) < _LONGEST_SUMMARY:
        piece = file.read(64 * 1024)
        if not piece:
            break
        begin += piece
    line, end, _rest = begin.partition(b"\n")
    if not end:
        raise ValueError("no line")
    return line


def _key(*parts: object) -> bytes:
    """What the index holds in place of texts: 16 bytes, too many for anybody to find two alike."""
    text = "\0".join(map(str, parts))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
