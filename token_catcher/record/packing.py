"""Packed files of a journal: what `gzip`, `bzip2` and `xz` made of one, told by the name's end."""

from __future__ import annotations

import bz2
import codecs
import lzma
import zlib
from collections.abc import Callable
from gzip import GzipFile
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final, cast

from token_catcher import files
from token_catcher.record.chain import NOT_OURS, Fault

_CHUNK: Final = 1024 * 1024


def _gzip(file: FileIO) -> BinaryIO:
    return cast(BinaryIO, GzipFile(fileobj=file, mode="rb"))


def _bzip2(file: FileIO) -> BinaryIO:
    return cast(BinaryIO, bz2.BZ2File(file))


def _xz(file: FileIO) -> BinaryIO:
    return cast(BinaryIO, lzma.LZMAFile(file))


PACKED: Final[dict[str, Callable[[FileIO], BinaryIO]]] = {
    ".gz": _gzip,
    ".bz2": _bzip2,
    ".xz": _xz,
}
"""By the end of its name, how a file is unpacked."""

_KINDS: Final = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz"}


_NOT_READ: Final = {
    b"\x28\xb5\x2f\xfd": "it is packed with zstd, which is not read here: unpack it (zstd -d)",
    b"\x04\x22\x4d\x18": "it is packed with lz4, which is not read here: unpack it (lz4 -d)",
    b"PK\x03\x04": "it is a zip archive, which is not read here: unpack it (unzip)",
    b"7z\xbc\xaf": "it is a 7-Zip archive, which is not read here: unpack it (7z x)",
    b"\x1f\x8b": "it is packed with gzip: give it a name that ends in .gz",
    b"BZh": "it is packed with bzip2: give it a name that ends in .bz2",
    b"\xfd7zXZ": "it is packed with xz: give it a name that ends in .xz",
    codecs.BOM_UTF16_LE: "it was converted to UTF-16: take a copy that was transferred as it is",
    codecs.BOM_UTF16_BE: "it was converted to UTF-16: take a copy that was transferred as it is",
}
"""By how a file begins, why it is not read as it is, and what to do."""


def why_not_read(path: Path) -> str | None:
    """What form a file has in place of that of a journal; None: that of a journal, or any.

    OSError: it cannot be read."""
    if is_packed(path):
        return None
    with files.opened(path) as file:
        begin = file.read(16) or b""
    for mark, why in _NOT_READ.items():
        if begin.startswith(mark):
            return why
    return None


def is_packed(path: Path) -> bool:
    """Whether the file has the name of a packed one."""
    return path.suffix in PACKED


def plain_name(path: Path) -> str:
    """The file's name before it was packed."""
    if is_packed(path):
        return path.stem
    return path.name


class Unpacked:
    """The bytes that a packed file holds: read once, from front to back.

    What was read last can be read again, since a line may go on in the next piece."""

    def __init__(self, path: Path, file: FileIO) -> None:
        self._kind = _KINDS[path.suffix]
        self._file = PACKED[path.suffix](file)
        self._offset = 0
        self._piece = b""

    def __call__(self, offset: int) -> bytes:
        """Fault: the file is damaged, or cut off. OSError: it cannot be read."""
        rest = self._piece[offset - self._offset :]
        piece = _read(self._file, _CHUNK)
        if piece is None:
            problem = f"the {self._kind} file is damaged or cut off, expected a whole one"
            raise Fault(None, problem, truncated=True)
        self._piece = rest + piece
        self._offset = offset
        return self._piece


def unpacked_at(path: Path, file: FileIO, offset: int, size: int) -> bytes:
    """Bytes from the middle of a packed file. Fault: it does not hold any there."""
    unpacked = PACKED[path.suffix](file)
    left = offset
    while left:
        piece = _read(unpacked, min(left, _CHUNK))
        if not piece:
            raise Fault(None, NOT_OURS)
        left -= len(piece)
    line = _read(unpacked, size)
    if line is None:
        raise Fault(None, NOT_OURS)
    return line


def _read(file: BinaryIO, size: int) -> bytes | None:
    """None: the file is damaged."""
    try:
        return file.read(size)
    except (EOFError, zlib.error, lzma.LZMAError):
        return None
    except OSError as error:
        # The libraries' own have no number: "Not a gzipped file", "Invalid data stream".
        if error.errno is not None:
            raise
        return None
