"""The file that is written to, as far as a process has read it, and a record out of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from io import FileIO
from typing import Any, Final

from token_catcher.model import Entry, Event
from token_catcher.record.chain import (
    CONTINUED,
    MAX_LINE,
    NOT_OURS,
    Fault,
    Reading,
    parsed,
    pieces_of,
)
from token_catcher.record.index import MemoryIndex
from token_catcher.record.waiting import MailToken, Waiting

_ENTRY_FIELDS: Final = tuple(field.name for field in fields(Entry))


@dataclass(frozen=True, slots=True)
class Record:
    """The entry of one mail, as the journal has it."""

    seq: int
    at: str
    """When it was written."""
    hash: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class HeldRecords:
    """The held mails that wait for a person, as far as that is known."""

    records: tuple[Record, ...]
    unreadable: tuple[MailToken, ...]
    """Those that wait as well, but whose records are in files that are not here, or cannot be
    read."""
    missing: int
    """Of the records up to this number some were never seen: more mails may wait. 0: all were."""


class OpenFile:
    """What is known of the file that is written to, as far as it was read."""

    def __init__(self, status: os.stat_result | None, reading: Reading, waiting: Waiting) -> None:
        """`status`: None where there is no file. `waiting`: as of the end of the closed files."""
        self._identity = identity(status)
        self.reading = reading
        self.index = MemoryIndex(reading.head, waiting)
        self.follows: str | None = None
        """The closed file that this one carries on, by name."""
        self.has_head = True
        """Whether there was a head file beside it."""

    def is_still(self, status: os.stat_result) -> bool:
        """Whether a file is this one, and nothing of it is missing."""
        return self._identity == identity(status) and status.st_size >= self.reading.size

    def catch_up(self, file: FileIO) -> None:
        """Take in what was appended. Fault: it does not continue the chain."""
        for offset, content in self.reading.lines(pieces_of(file)):
            if content["event"] == CONTINUED:
                self.follows = str(content.get("file"))
            self.index.take_in(offset, content)
        self.reading.expect_known()

    def content(self, file: FileIO, offset: int) -> dict[str, Any]:
        """The line at an offset, read again."""
        line = os.pread(file.fileno(), MAX_LINE, offset).partition(b"\n")[0]
        return parsed(line, None)


def identity(status: os.stat_result | None) -> tuple[int, int] | None:
    """What a file is known by, whatever its name; None of none."""
    if status is None:
        return None
    return status.st_dev, status.st_ino


def record_of(content: Mapping[str, Any]) -> Record:
    """The record of a mail. Fields that a later version may have added are left out.

    Fault: it is none."""
    known = {name: content[name] for name in _ENTRY_FIELDS if name in content}
    try:
        if "waived" in known:  # which JSON has as a list
            known["waived"] = tuple(known["waived"])
        known["event"] = Event(content["event"])
        entry = Entry(**known)
        return Record(content["seq"], content["at"], content["hash"], entry)
    except (TypeError, KeyError, ValueError):
        raise Fault(content["seq"], NOT_OURS) from None
