"""The journal's lines: how one is sealed, and whether the next one continues the chain.

One record a line, in ASCII, its JSON keys sorted and without white space, `hash` last. Of each line

    seq     is the record's number, from 1: the line's, until a first file was archived
    prev    is the `hash` of the record before, 64 zeros in record 1
    hash    is the SHA-256, in hexadecimal, of the line without its end and without `,"hash":"…"`

so an auditor needs no program of ours to check line N, and with `prev` everything above it:

    sed -n Np journal.jsonl | sed -E 's/,"hash":"[0-9a-f]{64}"//' | tr -d '\\n' | sha256sum

The hash is over the bytes as they stand: no change of a line, not even of its spelling, leaves it
valid. With `journal.key` two fields come before it:

    key_id  names the key (`keyring`)
    mac     is the HMAC-SHA256 with that key, in hexadecimal, of the line without its end and
            without `,"mac":"…","hash":"…"`

`prev` is in what the mac is of, so nobody without the key can write a line, nor bring one into
another place. Everybody can still check the hashes: a record is read without the key.
"""

from __future__ import annotations

import codecs
import hashlib
import hmac
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from typing import Any, Final, NamedTuple

from token_catcher.model import moment
from token_catcher.record.keyring import NO_KEYS, Key, Keyring
from token_catcher.wording import counted

MAX_LINE: Final = 64 * 1024
"""Bytes of one record; ordinary ones have 900.

Bounds what a foreign file can make us take for a line."""

NOT_OURS: Final = "got a line that is not a record of ours, expected JSON that ends in its hash"

CONVERTED: Final = (
    "the line ends in a CR, which a program that converts line ends has put there: expected the"
    " file as it was written; take a copy that was transferred as it is"
)
BYTE_ORDER_MARK: Final = (
    "the file begins with a byte-order mark, which an editor or a conversion has put there:"
    " expected the file as it was written; take a copy that was transferred as it is"
)

CONTINUED: Final = "journal.continued"
"""The first record of a file that carries on an archived one; only such a file may begin with a
number above 1."""

Pieces = Callable[[int], bytes]
"""Bytes of a journal from an offset on, as many as come; none at its end."""

_CHUNK: Final = 1024 * 1024
_BEGINNINGS: Final = (b'{"asked_by":"', b'{"at":"')
"""Of every line, by its sorted keys: of a mail's record, of one without `asked_by`."""
_DECODER: Final = json.JSONDecoder()
_SEAL: Final = b',"hash":"'
_MAC: Final = b',"mac":"'


class Head(NamedTuple):
    """A place in the chain: the number and the hash of a record."""

    seq: int
    hash: str


START: Final = Head(0, "0" * 64)
"""Before the first record."""


class Fault(Exception):
    """A chain is not as it must be. Never carries text of the file, which may be a foreign one."""

    def __init__(self, line: int | None, problem: str, *, truncated: bool = False) -> None:
        """`line`: of the file, from 1; None: the file as a whole, or its head."""
        super().__init__(problem)
        self.line = line
        self.truncated = truncated


@dataclass(frozen=True, slots=True)
class Known:
    """A place in the chain that is known from elsewhere: the journal must lead through it."""

    head: Head
    source: str
    """What knows it, for people: `head file`."""


class Reading:
    """How far a journal file has been read.

    Reads on from there, as long as each line continues the chain."""

    def __init__(
        self, start: Head | None = START, known: Sequence[Known] = (), keys: Keyring = NO_KEYS
    ) -> None:
        """`start`: where the chain stands before the first line. None: where that line says; so an
        archived file can be read without those before it. `keys`: records of others are taken by
        their hashes alone."""
        self.start = start or START
        self.known = list(known)
        self._keys = keys
        self.head = self.start
        self.size = 0
        """Bytes of all whole lines so far."""
        self.torn = b""
        """What follows them without a line end."""
        self.last_event = ""
        """Of the last line."""
        self.last_key_id: str | None = None
        """The key that the last line was written with; None: it names none."""
        self._is_open_start = start is None

    @property
    def line(self) -> int:
        """The number of the line that comes next."""
        return self.head.seq - self.start.seq + 1

    def lines(self, pieces: Pieces) -> Iterator[tuple[int, dict[str, Any]]]:
        """Offset and content of every further line. Fault: one does not continue the chain."""
        self.torn = b""
        # From the end of the last whole line: what follows may have been cut off meanwhile.
        while piece := pieces(self.size):
            *lines, rest = piece.split(b"\n")
            if not lines:
                self.torn = rest
                break
            for line in lines:
                content = self.next(line)
                offset = self.size
                self.size += len(line) + 1
                yield offset, content
        if len(self.torn) >= MAX_LINE:
            raise Fault(self.line, NOT_OURS)

    def next(self, line: bytes) -> dict[str, Any]:
        """The content of the line that comes next, given without its end.

        Fault: it does not continue the chain."""
        number = self.line
        if self._is_open_start:
            self._begin_with(line)
        content, head = continuing(line, self.head, number)
        for known in self.known:
            if known.head.seq == head.seq and known.head.hash != head.hash:
                problem = f"the line is not the one that the {known.source} knows"
                raise Fault(number, f"{problem}: one of the two was exchanged")
        key_id = content.get("key_id")
        if key_id is not None:
            self._expect_key(line, key_id, number)
        self.head = head
        self.last_event = content["event"]
        self.last_key_id = key_id
        return content

    def _begin_with(self, line: bytes) -> None:
        """Take the start from the first line, where it carries an archived file on."""
        self._is_open_start = False
        content = parsed(line, 1)
        if content["event"] == CONTINUED and isinstance(content.get("prev"), str):
            self.start = Head(content["seq"] - 1, content["prev"])
            self.head = self.start

    def _expect_key(self, line: bytes, key_id: object, number: int) -> None:
        """Fault: the line names a key of ours, and was written without it."""
        key = self._keys.get(key_id)
        if key is None:
            return
        body, _, mac = line.rpartition(_SEAL)[0].rpartition(_MAC)
        if not hmac.compare_digest(mac, key.mac(body + b"}") + b'"'):
            problem = f"the line names the key {key.id}, and was written without it"
            raise Fault(number, f"{problem}: its mac is not that key's")

    def expect_known(self) -> None:
        """Fault: the journal ends before a place that is known."""
        for known in self.known:
            if known.head.seq > self.head.seq:
                records = f"its {known.source} knows {counted(known.head.seq, 'record')}"
                problem = f"the journal ends here, {records}: the rest was cut off"
                raise Fault(self.line, problem, truncated=True)


class Chain:
    """Whether lines that are told one after the other are a journal, and nothing else.

    The last may be torn, as where a file was copied while it was written to."""

    def __init__(self) -> None:
        self._reading = Reading(start=None)
        self._is_at_end = False
        self.holds = True
        """Whether all lines so far are of one journal."""

    def take_in(self, line: bytes) -> dict[str, Any] | None:
        """The content of the next line, given with its end; None: it is no record in the chain."""
        whole = line.rstrip(b"\r\n")
        # Empty lines stand between the files of an archive.
        if not self.holds or not whole:
            return None
        self.holds = not self._is_at_end
        if whole == line and may_be_ours(whole):
            self._is_at_end = True
        try:
            content = self._reading.next(whole)
        except Fault:
            self.holds = self.holds and self._is_at_end
            return None
        if not self.holds:
            return None
        return content


def pieces_of(file: FileIO) -> Pieces:
    """The bytes of an open file."""

    def piece(offset: int) -> bytes:
        return os.pread(file.fileno(), _CHUNK, offset)

    return piece


def open_start(end: Head) -> Head | None:
    """For `Reading`: after the closed files; where there are none, as the first line says."""
    if end == START:
        return None
    return end


def sealed(content: Mapping[str, Any], before: Head, key: Key | None = None) -> bytes:
    """The line that continues the chain with this content, its end included.

    `key`: None: it proves no more than its place."""
    whole = {**content, "seq": before.seq + 1, "prev": before.hash}
    if key is not None:
        whole["key_id"] = key.id
    body = _body(whole)
    if key is not None:
        body = body[:-1] + _MAC + key.mac(body) + b'"}'
    return body[:-1] + _SEAL + hashlib.sha256(body).hexdigest().encode() + b'"}\n'


def head_after(line: bytes, before: Head) -> Head:
    """The place in the chain of a line that `sealed` has made to follow `before`."""
    seal = line.rpartition(_SEAL)[2].partition(b'"')[0]
    return Head(before.seq + 1, seal.decode("ascii"))


def is_sealed(line: bytes) -> bool:
    """Whether a line has the hash that it names.

    That is no proof that we wrote it: only the chain is, up to a head that is known."""
    body, _, seal = line.rstrip(b"\r\n").rpartition(_SEAL)
    return body != b"" and seal == _digest(body).encode() + b'"}'


def _digest(body: bytes) -> str:
    """Of a line, of which this is what stands before its hash."""
    return hashlib.sha256(body + b"}").hexdigest()


def _body(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii")


def continuing(line: bytes, before: Head, number: int) -> tuple[dict[str, Any], Head]:
    """The content of a line, without its end, and its place in the chain.

    `number`: of the line in its file. Fault: it does not come after `before`."""
    body, _, seal = line.rpartition(_SEAL)
    digest = _digest(body)
    if not body or seal != digest.encode() + b'"}':
        raise Fault(number, _why_not_sealed(line, digest))
    content = parsed(line, number)
    seq = before.seq + 1
    if content["seq"] != seq:
        problem = "a line was removed, added or moved"
        raise Fault(number, f"got record {content['seq']}, expected {seq}: {problem}")
    if content.get("prev") != before.hash:
        problem = "the line does not continue the one above: one of the two was exchanged"
        raise Fault(number, problem)
    return content, Head(seq, digest)


def _why_not_sealed(line: bytes, digest: str) -> str:
    """What is wrong with a line that does not end in its hash, which is this one."""
    if line.startswith(codecs.BOM_UTF8):
        return BYTE_ORDER_MARK
    if line.endswith(digest.encode() + b'"}\r'):
        return CONVERTED
    if line.find(_SEAL) < 1:
        return NOT_OURS
    return "the line was edited: its content does not have the hash it names"


def parsed(line: bytes, number: int | None) -> dict[str, Any]:
    """The content of a line whose hash is right, which is no proof that we wrote it."""
    try:
        content = _decoded(line)
        moment(content["at"])
        # Not isinstance: JSON's true is no number, though Python's True is one.
        ours = type(content["seq"]) is int and isinstance(content["event"], str)
    except (ValueError, TypeError, KeyError, RecursionError):
        ours = False
    if not ours:
        raise Fault(number, NOT_OURS)
    return content


def _decoded(line: bytes) -> dict[str, Any]:
    """As `json.loads`, which first looks in which encoding a line may be: a third of its time.

    ValueError: it is no JSON."""
    content: dict[str, Any]
    if line.startswith(b"{") and line.isascii():
        text = line.decode("ascii")
        content, end = _DECODER.raw_decode(text)
        if end == len(text):
            return content
    content = json.loads(line)
    return content


def may_be_ours(torn: bytes) -> bool:
    """Whether an unfinished line can come from an append."""
    written = torn.rstrip(b"\0")  # which a power cut leaves where bytes had not arrived
    if written.startswith(_BEGINNINGS):
        return True
    return any(beginning.startswith(written) for beginning in _BEGINNINGS)
