"""The journal's lines: how one is sealed, and whether the next one continues the chain.

One record a line, in ASCII, its JSON keys sorted and without white space, `hash` last. Of each line

    seq     is the line's number, from 1
    prev    is the `hash` of the line above, 64 zeros in line 1
    hash    is the SHA-256, in hexadecimal, of the line without its end and without `,"hash":"…"`

so an auditor needs no program of ours to check line N, and with `prev` everything above it:

    sed -n Np journal.jsonl | sed -E 's/,"hash":"[0-9a-f]{64}"//' | tr -d '\\n' | sha256sum

The hash is over the bytes as they stand: no change of a line, not even of its spelling, leaves it
valid.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from typing import Any, Final

from token_catcher.model import moment

MAX_LINE: Final = 64 * 1024
"""Bytes of one record; ordinary ones have 900.

Bounds what a foreign file can make us take for a line."""

NOT_OURS: Final = "got a line that is not a record of ours, expected JSON that ends in its hash"

_CHUNK: Final = 1024 * 1024
_BEGINNING: Final = b'{"at":"'
"""Of every line, since `at` is the first of its sorted keys."""
_SEAL: Final = b',"hash":"'


@dataclass(frozen=True, slots=True)
class Head:
    """A place in the chain: the number and the hash of a record."""

    seq: int
    hash: str


START: Final = Head(0, "0" * 64)
"""Before the first record."""


class Fault(Exception):
    """A chain is not as it must be. Never carries text of the file, which may be a foreign one."""

    def __init__(self, line: int | None, problem: str, *, truncated: bool = False) -> None:
        super().__init__(problem)
        self.line = line
        self.truncated = truncated


class Reading:
    """How far a journal has been read.

    Reads on from there, as long as each line continues the chain."""

    def __init__(self) -> None:
        self.noted: Head | None = None
        """What the head file says."""
        self.head = START
        self.size = 0
        """Bytes of all whole lines so far."""
        self.torn = b""
        """What follows them without a line end."""

    def lines(self, file: FileIO) -> Iterator[tuple[int, dict[str, Any]]]:
        """Offset and content of every further line. Fault: one does not continue the chain."""
        self.torn = b""
        while chunk := os.pread(file.fileno(), _CHUNK, self.size):
            *lines, rest = chunk.split(b"\n")
            if not lines:
                self.torn = rest
                break
            for line in lines:
                content = self._next(line)
                offset = self.size
                self.size += len(line) + 1
                yield offset, content
        if len(self.torn) >= MAX_LINE:
            raise Fault(self.head.seq + 1, NOT_OURS)

    def _next(self, line: bytes) -> dict[str, Any]:
        content, head = continuing(line, self.head)
        noted = self.noted
        if noted is not None and noted.seq == head.seq and noted.hash != head.hash:
            raise Fault(
                head.seq,
                "the line is not the one that the head file knows: one of the two was exchanged",
            )
        self.head = head
        return content

    def expect_head(self) -> None:
        """Fault: the journal ends before its head."""
        if self.noted is not None and self.noted.seq > self.head.seq:
            known = f"its head file knows {self.noted.seq} records"
            problem = f"the journal ends here, {known}: the rest was cut off"
            raise Fault(self.head.seq + 1, problem, truncated=True)


def sealed(content: Mapping[str, Any], before: Head) -> bytes:
    """The line that continues the chain with this content, its end included."""
    whole = {**content, "seq": before.seq + 1, "prev": before.hash}
    body = json.dumps(whole, sort_keys=True, separators=(",", ":")).encode("ascii")
    return body[:-1] + _SEAL + hashlib.sha256(body).hexdigest().encode() + b'"}\n'


def continuing(line: bytes, before: Head) -> tuple[dict[str, Any], Head]:
    """The content of a line, without its end, and its place in the chain.

    Fault: it does not come after `before`."""
    number = before.seq + 1
    body, _, seal = line.rpartition(_SEAL)
    digest = hashlib.sha256(body + b"}").hexdigest()
    if not body:
        raise Fault(number, NOT_OURS)
    if seal != digest.encode() + b'"}':
        raise Fault(number, "the line was edited: its content does not have the hash it names")
    content = parsed(line, number)
    if content["seq"] != number:
        problem = "a line was removed, added or moved"
        raise Fault(number, f"got record {content['seq']}, expected {number}: {problem}")
    if content.get("prev") != before.hash:
        problem = "the line does not continue the one above: one of the two was exchanged"
        raise Fault(number, problem)
    return content, Head(number, digest)


def parsed(line: bytes, number: int) -> dict[str, Any]:
    """The content of a line whose hash is right, which is no proof that we wrote it."""
    try:
        content: dict[str, Any] = json.loads(line)
        moment(content["at"])
        # Not isinstance: JSON's true is no number, though Python's True is one.
        ours = type(content["seq"]) is int and isinstance(content["event"], str)
    except (ValueError, TypeError, KeyError, RecursionError):
        ours = False
    if not ours:
        raise Fault(number, NOT_OURS)
    return content


def may_be_ours(torn: bytes) -> bool:
    """Whether an unfinished line can come from an append."""
    written = torn.rstrip(b"\0")  # which a power cut leaves where bytes had not arrived
    return written.startswith(_BEGINNING) or _BEGINNING.startswith(written)
