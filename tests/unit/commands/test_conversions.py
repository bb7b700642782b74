"""What collectors made of one log is read, whichever it was; or it is told that it could not be."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.commands.conversions import (
    CONVERSIONS,
    LINES,
    UIDS,
    Conversion,
    base64_of,
    each,
    objects,
    text,
)
from tests.unit.commands.records import ask
from token_catcher.commands.rotation import Rotation

MENTION = re.compile(rb"rotation\.(stored|held|refused|unchanged)")


def rows(content: bytes, tmp_path: Path) -> tuple[list[Rotation], int]:
    """What a file with this content tells, and how much of it cannot be read."""
    path = tmp_path / "log"
    path.write_bytes(content)
    history = ask(str(path))
    return list(history.rotations), history.unreadable


@pytest.mark.parametrize("name", CONVERSIONS)
def test_a_converted_log_tells_the_same(tmp_path: Path, name: str) -> None:
    """Every field of every row, but for the time where the collector has taken ours away."""
    wanted, _ = rows(text(LINES), tmp_path)
    assert [row.uid for row in wanted] == UIDS
    told, unreadable = rows(CONVERSIONS[name](LINES), tmp_path)
    told.sort(key=lambda row: row.uid or 0)
    times = [row.at for row in wanted]
    if any(row.at.startswith("2026-02-03T12:57:28.1") for row in told):
        times = [row.at for row in told]
    assert told == [replace(row, at=at) for row, at in zip(wanted, times, strict=True)]
    assert unreadable == 0


def test_there_are_many() -> None:
    """As many as there were when 39 of 87 gave less than all, without a word."""
    assert len(CONVERSIONS) >= 87


@pytest.mark.parametrize("name", CONVERSIONS)
def test_a_torn_conversion_is_never_silent(tmp_path: Path, name: str) -> None:
    """Cut off anywhere, a file gives all its rows, or says that it could not be read; but for a
    last line that was cut off before it names a rotation."""
    content = CONVERSIONS[name](LINES)
    for share in (3, 5, 7):
        part = content[: len(content) * share // 8]
        told, unreadable = rows(part, tmp_path)
        line = part.rpartition(b"\n")[2]
        is_other = line.isascii() and not MENTION.search(line)
        assert unreadable or is_other or len(told) == len(UIDS), f"{share}/8: {len(told)} rows"


def behind(tail: Callable[[bytes], bytes]) -> Callable[[Sequence[str]], bytes]:
    """A file of another kind, put behind the first lines."""
    return lambda lines: text(lines[:3]) + tail(text(lines[3:]))


def escaped(line: str) -> str:
    """As it stands in an address, every letter in its code."""
    return "".join(f"%{byte:02X}" for byte in line.encode())


UNREAD: dict[str, Conversion] = {
    "gzip behind text": behind(gzip.compress),
    "gzip with a name behind text": behind(
        lambda content: b"\x1f\x8b\x08\x08abcd\x02\x03log\0" + gzip.compress(content)[10:]
    ),
    "bz2 behind text": behind(bz2.compress),
    "xz behind text": behind(lzma.compress),
    "zstd behind text": behind(lambda _content: b"\x28\xb5\x2f\xfd\x24\x41"),
    "UTF-16 behind text": behind(lambda content: content.decode().encode("utf-16")),
    "UTF-16, big-endian, behind text": behind(lambda text: text.decode().encode("utf-16-be")),
    "a hole in a line": behind(lambda content: b'2026-02-03 "' + bytes(512) + b"\n"),
    "base64 of gzip, folded, in no JSON": lambda lines: base64.encodebytes(
        gzip.compress(text(lines))
    ),
    "hexadecimal": each(lambda line: line.encode().hex()),
    "hexadecimal in JSON": objects(lambda line: {"data": "\\x" + line.encode().hex().upper()}),
    "an address": each(escaped),
    "capitals": each(str.upper),
}


@pytest.mark.parametrize("name", UNREAD)
def test_what_is_hidden_is_never_silent(tmp_path: Path, name: str) -> None:
    """What cannot be read is told, whatever is read beside it."""
    told, unreadable = rows(UNREAD[name](LINES), tmp_path)
    assert {row.uid for row in told} <= {1, 2}
    assert unreadable


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({"data": base64_of("nothing of ours, and long enough to be packed")}),
        base64.b64encode(zlib.compress(b"nothing of ours, and long enough to be packed")).decode(),
        json.dumps({"session": "eJxVjEEOwiAQRe_C2pAZGIRx695zkAGmFo1t"}),
        "GET /a%20b?c=%7B%22 caf\u00e9 \\u00e9",
    ],
    ids=["base64", "zlib", "what begins like zlib", "escapes"],
)
def test_what_is_no_rotation_is_passed_over(tmp_path: Path, line: str) -> None:
    """However it is written."""
    assert rows(text([line]), tmp_path) == ([], 0)
