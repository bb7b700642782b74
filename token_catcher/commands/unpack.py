"""What a file of logs holds: unpacked and as UTF-8, a bounded chunk at a time.

How it is packed and encoded is told by how it begins: rotated files are not always named for it.
What is not known is an error, since nothing could be found in it and that would look like an empty
history.
"""

from __future__ import annotations

import bz2
import codecs
import importlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from token_catcher.errors import TokenCatcherError
from token_catcher.ownership import why

CHUNK: Final = 256 * 1024
STEP: Final = 1024
"""Packed bytes that are unpacked at once."""
MAX_LAYERS: Final = 3
"""A packed file in a packed file, and one more."""
MAX_MEMORY: Final = 128 * 1024 * 1024
"""Bytes that an archive may ask for to be unpacked: twice what `xz -9` does."""
SAMPLE: Final = 1024
"""Bytes of a file by which text is told from what is none."""
HOLE: Final = bytes(4)
"""As many zeros begin no text: in UTF-32 there are three at most."""

ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
ZSTD: Final = b"\x28\xb5\x2f\xfd"
ZSTD_LIBRARIES: Final = ("compression.zstd", "zstandard")
"""The first is Python's own, from 3.14 on."""
UNKNOWN: Final = {
    b"\x04\x22\x4d\x18": "lz4",
    b"\xff\x06\x00\x00sNaPpY": "snappy",
    b"\x1f\x9d": "compress (.Z)",
    b"LZIP\x01": "lzip",
    b"\x89LZO\x00": "lzop",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!\x1a\x07": "RAR",
    b"PAR1": "Parquet",
    b"ORC": "ORC",
    b"Obj\x01": "Avro",
    b"SQLite format 3\x00": "SQLite",
    b"LPKSHHRH": "the systemd journal's own files; `journalctl --file FILE -o json` gives text",
}
"""Of forms that are not read, how they begin."""
_TAR: Final = b"ustar"
_TAR_AT: Final = 257
"""Where a tar archive has its mark, after a name that is filled up with zeros."""
MARKS: Final = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
UNMARKED: Final[dict[tuple[bool, ...], str]] = {
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
}
"""Which of the first four bytes are zero where a file without a mark begins with ASCII: RFC 4627,
section 3."""
WHITESPACE: Final = "\t\n\r\f\v\b\x1b\x1e"
"""Control characters that logs have: of lines, of colours, of RFC 7464."""


class DamagedError(Exception):
    """An archive is damaged or ends too early. What came out before counts."""


class Decoder(Protocol):
    """What unpacks one stream: the form of bz2, of lzma, and of Python's own zstd."""

    @property
    def eof(self) -> bool:
        """Whether the stream is at its end."""

    @property
    def needs_input(self) -> bool:
        """Whether everything came out that is in what it was given."""

    @property
    def unused_data(self) -> bytes:
        """What stands behind the stream."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """The next bytes of the stream."""


@dataclass(frozen=True, slots=True)
class Packing:
    """A form in which files are packed."""

    decoder: Callable[[], Decoder]
    error: type[Exception]
    """What the decoder raises where the data are damaged."""


def chunks(source: str, stdin: io.BufferedReader) -> Iterator[bytes]:
    """What a file, or standard input for `-`, holds.

    TokenCatcherError: it cannot be opened or read, or is in no form that is known.
    DamagedError: so far it could be unpacked, and no further."""
    try:
        with _opened(source, stdin) as file:
            yield from _unpacked(source, file, MAX_LAYERS)
    except OSError as error:
        raise _refusal(f"{source}: cannot be read: {why(error)}") from None


def _opened(source: str, stdin: io.BufferedReader) -> AbstractContextManager[io.BufferedReader]:
    if source == "-":
        return nullcontext(stdin)
    return Path(source).open("rb")


def _unpacked(source: str, file: io.BufferedReader, layers: int) -> Iterator[bytes]:
    head = _head(file)
    is_zip = head.startswith(ZIP)
    packing = _packing(source, head)
    if not layers and (is_zip or packing is not None):
        raise _refusal(f"{source}: cannot be read: packed more than {MAX_LAYERS} times")
    if is_zip:
        yield from _members(source, file, layers - 1)
    elif packing is not None:
        yield from _unpacked(source, io.BufferedReader(_Stream(file, packing), CHUNK), layers - 1)
    else:
        _check_form(source, head)
        yield from _as_utf8(file, head)


def _head(file: io.BufferedReader) -> bytes:
    """How a file begins, behind the zeros of a log that was emptied under its writer.

    logrotate's `copytruncate` makes such a hole where the writer does not append."""
    zeros = b""
    while (head := file.peek(SAMPLE)[:SAMPLE]).startswith(HOLE):
        zeros = head[: len(head) - len(head.lstrip(b"\0"))]
        file.read(len(zeros))
    return head or zeros


def _packing(source: str, head: bytes) -> Packing | None:
    """How a file that begins so is packed; None: not at all.

    TokenCatcherError: the library for it is missing."""
    if head.startswith(ZSTD):
        return _zstd(source)
    for magic, packing in PACKINGS.items():
        if head.startswith(magic):
            return packing
    return None


def _zstd(source: str) -> Packing:
    """TokenCatcherError: there is no library for it."""
    for name in ZSTD_LIBRARIES:
        try:
            library: Any = importlib.import_module(name)
        except ImportError:
            continue
        if name != "zstandard":
            return Packing(library.ZstdDecompressor, library.ZstdError)
        decompressor = library.ZstdDecompressor()
        return Packing(partial(_unbounded, decompressor.decompressobj), library.ZstdError)
    raise _refusal(
        f"{source}: cannot be read: it is packed with zstd; `pip install zstandard` beside"
        " token-catcher, or unpack it first: `zstdcat FILE | token-catcher history -`"
    )


def _members(source: str, file: io.BufferedReader, layers: int) -> Iterator[bytes]:
    """The files of a zip archive, one after the other."""
    if not file.seekable():
        raise _refusal(
            f"{source}: a zip archive cannot be read from a pipe: give the name of the file"
        )
    try:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                with _member(source, archive, info) as member:
                    yield from _unpacked(source, member, layers)
                yield b"\n"  # a last line without an end ends with its file
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError):
        raise DamagedError from None


def _member(
    source: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo
) -> AbstractContextManager[io.BufferedReader]:
    """TokenCatcherError: it is encrypted, or packed in a way that Python does not know."""
    try:
        member: Any = archive.open(info)
    except (RuntimeError, NotImplementedError):
        raise _refusal(
            f"{source}: {info.filename!a} cannot be read:"
            " it is encrypted, or packed in a way that is not known"
        ) from None
    return io.BufferedReader(member, CHUNK)


def _check_form(source: str, head: bytes) -> None:
    """TokenCatcherError: no text begins so, as far as can be told."""
    for magic, name in UNKNOWN.items():
        if head.startswith(magic):
            raise _refusal(f"{source}: cannot be read: got {name}, expected text")
    if head.startswith(_TAR, _TAR_AT) and b"\0" in head[:_TAR_AT]:
        raise _refusal(
            f"{source}: cannot be read: got a tar archive; `tar -xOf FILE` gives the text in it"
        )
    text = head.decode(_encoding(head), "replace")
    strange = sum(map(_is_strange, text))
    if strange * 10 > len(text) * 3:
        raise _refusal(
            f"{source}: cannot be read: got neither text in UTF-8, UTF-16 or UTF-32 nor a known"
            " compression (gzip, bz2, xz, zip, zstd)"
        )


def _is_strange(letter: str) -> bool:
    if letter in WHITESPACE:
        return False
    return letter == "\ufffd" or letter < " "


def _encoding(head: bytes) -> str:
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding
    zeros = tuple(byte == 0 for byte in head[:4])
    return UNMARKED.get(zeros, "utf-8")


def _as_utf8(file: io.BufferedReader, head: bytes) -> Iterator[bytes]:
    encoding = _encoding(head)
    if encoding == "utf-8":
        # As it is. Lines are decoded one by one, so that a wrong byte spoils no other line.
        while chunk := file.read1(CHUNK):
            yield chunk
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    while chunk := file.read1(CHUNK):
        yield decoder.decode(chunk).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


class _Stream(io.RawIOBase):
    """A packed file, unpacked: its streams one after the other, as `cat a.gz b.gz` makes them.

    Of our own, since `LZMAFile` takes as much memory as a file asks for."""

    def __init__(self, file: io.BufferedReader, packing: Packing) -> None:
        super().__init__()
        self._file = file
        self._packing = packing
        self._decoder = packing.decoder()
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """DamagedError: it ends within a stream, or is no stream."""
        while not self._ready:
            if self._decoder.eof:
                packed = self._next_stream()
                if not packed:
                    return 0
                self._decoder = self._packing.decoder()
            elif self._decoder.needs_input:
                packed = self._file.read(STEP)
                if not packed:
                    raise DamagedError
            else:
                packed = b""
            self._ready = memoryview(self._decompressed(packed))
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _next_stream(self) -> bytes:
        """How the next stream begins; nothing where there is none."""
        packed = self._decoder.unused_data.lstrip(b"\0")  # padding, as tapes and xz have it
        while not packed:
            step = self._file.read(STEP)
            if not step:
                return b""
            packed = step.lstrip(b"\0")
        return packed

    def _decompressed(self, packed: bytes) -> bytes:
        try:
            return self._decoder.decompress(packed, CHUNK)
        except self._packing.error:
            raise DamagedError from None


class _Unbounded:
    """A decoder of zlib or zstandard. Each gives out all it can, which of `STEP` bytes is at most
    a megabyte and some thirty: only bz2 and xz pack more into less."""

    needs_input = True

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder

    @property
    def eof(self) -> bool:
        return bool(self._decoder.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._decoder.unused_data)

    def decompress(self, data: bytes, _max_length: int) -> bytes:
        return bytes(self._decoder.decompress(data))


def _unbounded(make: Callable[[], Any]) -> Decoder:
    return _Unbounded(make())


def _gzip() -> Decoder:
    return _Unbounded(zlib.decompressobj(wbits=16 + zlib.MAX_WBITS))


def _xz() -> Decoder:
    return lzma.LZMADecompressor(memlimit=MAX_MEMORY)


PACKINGS: Final = {
    b"\x1f\x8b": Packing(_gzip, zlib.error),
    b"BZh": Packing(bz2.BZ2Decompressor, OSError),
    b"\xfd7zXZ\x00": Packing(_xz, lzma.LZMAError),
    b"\x5d\x00\x00": Packing(_xz, lzma.LZMAError),
}
"""By how they begin; the last is xz's forerunner, `.lzma`."""


def _refusal(problem: str) -> TokenCatcherError:
    return TokenCatcherError(problem, code="file")
