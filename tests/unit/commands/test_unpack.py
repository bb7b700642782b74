"""How files are packed and encoded: what is known is read, what is not is an error."""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import io
import lzma
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Literal

import pytest

from tests.kit.waiting import PATIENCE
from tests.unit.commands.records import ask, entry, logged, uids
from token_catcher.commands import unpack
from token_catcher.errors import TokenCatcherError

LINES = "".join(f"{logged(entry(uid))}\n" for uid in range(1, 500)).encode()


def refused(path: Path, content: bytes) -> str:
    """What is said of a file with this content, without its name."""
    path.write_bytes(content)
    with pytest.raises(TokenCatcherError) as caught:
        ask(str(path))
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(("magic", "name"), unpack.UNKNOWN.items(), ids=unpack.UNKNOWN.values())
def test_a_form_that_is_not_read_is_named(tmp_path: Path, magic: bytes, name: str) -> None:
    """Nothing could be found in it, and that would look like an empty history."""
    said = refused(tmp_path / "log", magic + bytes(100))
    assert said == f"cannot be read: got {name}, expected text"


@pytest.mark.parametrize("packing", ["w", "w:gz", "w:xz"])
def test_a_tar_archive_is_named(tmp_path: Path, packing: Literal["w", "w:gz", "w:xz"]) -> None:
    """Its compression is a known one: it is what is inside that is not read."""
    (tmp_path / "a.log").write_bytes(LINES)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=packing) as archive:
        archive.add(tmp_path / "a.log", "a.log")
    assert refused(tmp_path / "a.tar", packed.getvalue()) == (
        "cannot be read: got a tar archive; `tar -xOf FILE` gives the text in it"
    )


@pytest.mark.parametrize(
    "content",
    [LINES.decode().encode("cp037"), os.urandom(4096), bytes(4096)],
    ids=["EBCDIC", "noise", "nothing but zeros"],
)
def test_what_is_no_text_is_an_error(tmp_path: Path, content: bytes) -> None:
    """Whatever it is."""
    assert refused(tmp_path / "log", content) == (
        "cannot be read: got neither text in UTF-8, UTF-16 or UTF-32 nor a known compression"
        " (gzip, bz2, xz, zip, zstd)"
    )


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("size", [4, 1024, 100_000])
def test_a_hole_before_a_log_is_passed_over(tmp_path: Path, pack: object, size: int) -> None:
    """Zeros, which logrotate's `copytruncate` leaves where the writer does not append."""
    assert callable(pack)
    assert ask_of(tmp_path, pack(bytes(size) + LINES)) == (499, 0)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_part_of_an_archive_gives_what_it_can(tmp_path: Path, pack: object) -> None:
    """What is lost counts as unreadable, wherever it is torn or damaged."""
    assert callable(pack)
    content = pack(LINES)
    for part in (content[:-9], content[:20], content[:-9] + b"damaged!!", content + b"garbage"):
        (tmp_path / "log").write_bytes(part)
        history = ask(str(tmp_path / "log"))
        assert 1 <= history.unreadable <= 3  # the archive, and what was cut or spoilt with it
        assert uids(history) == list(range(1, len(history.rotations) + 1))


def test_a_damaged_zip_gives_what_it_can(tmp_path: Path) -> None:
    """The checksum of a file in it is wrong, or its directory is gone."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("log", LINES)
    content = file.getvalue()
    (tmp_path / "log").write_bytes(content.replace(b"acme-production", b"acme-productiom", 1))
    assert ask(str(tmp_path / "log")).unreadable in (1, 2)
    (tmp_path / "log").write_bytes(content[:-50])
    assert ask(str(tmp_path / "log")).unreadable == 1


def test_an_encrypted_zip_is_an_error(tmp_path: Path) -> None:
    """Which file in it cannot be read is said."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("log", LINES)
    content = bytearray(file.getvalue())
    content[6] |= 1  # of the file
    content[content.index(b"PK\x01\x02") + 8] |= 1  # of the directory
    assert refused(tmp_path / "log", bytes(content)) == (
        "'log' cannot be read: it is encrypted, or packed in a way that is not known"
    )


def test_a_zip_out_of_a_pipe_is_an_error() -> None:
    """Its directory stands at its end."""
    reader, writer = os.pipe()
    os.write(writer, b"PK\x03\x04" + bytes(100))
    os.close(writer)
    with os.fdopen(reader, "rb") as stdin, pytest.raises(TokenCatcherError) as caught:
        list(unpack.chunks("-", stdin))
    said = "-: a zip archive cannot be read from a pipe: give the name of the file"
    assert str(caught.value) == said


def test_a_zip_in_gzip_is_an_error(tmp_path: Path) -> None:
    """For the same reason."""
    assert "from a pipe" in refused(tmp_path / "log", gzip.compress(b"PK\x03\x04" + bytes(100)))


def test_packed_without_end_is_an_error(tmp_path: Path) -> None:
    """Four times is nobody's log."""
    content = LINES
    for _ in range(3):
        content = gzip.compress(content)
    (tmp_path / "log").write_bytes(content)
    assert len(ask(str(tmp_path / "log")).rotations) == 499
    said = refused(tmp_path / "log", gzip.compress(content))
    assert said == "cannot be read: packed more than 3 times"


def test_an_archive_within_archives_is_an_error(tmp_path: Path) -> None:
    """The same holds for zip in zip."""
    content = LINES
    for _ in range(5):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("log", content)
        content = file.getvalue()
    assert refused(tmp_path / "log", content) == "cannot be read: packed more than 3 times"


def test_zstd_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither library is there."""
    monkeypatch.setattr(unpack, "ZSTD_LIBRARIES", ("no_such_library",))
    assert refused(tmp_path / "log", unpack.ZSTD + bytes(100)) == (
        "cannot be read: it is packed with zstd; `pip install zstandard` beside token-catcher, or"
        " unpack it first: `zstdcat FILE | token-catcher history -`"
    )


def test_zstd_is_read(tmp_path: Path) -> None:
    """Where a library for it is; what is torn is told."""
    names = (name for name in unpack.ZSTD_LIBRARIES if importlib.util.find_spec(name.split(".")[0]))
    library = importlib.import_module(next(names))
    content = library.compress(LINES)
    (tmp_path / "log").write_bytes(content + content)
    assert len(ask(str(tmp_path / "log")).rotations) == 499
    (tmp_path / "log").write_bytes(content[:-20])
    assert ask(str(tmp_path / "log")).unreadable


@pytest.mark.parametrize("pack", ["gzip", "bz2", "lzma"])
def test_what_is_packed_does_not_fill_memory(tmp_path: Path, pack: str) -> None:
    """Zeros without end, under a limit of 300 MB of addresses."""
    script = """
        import resource, sys, io
        resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20))
        from token_catcher.commands.history import read
        from token_catcher.commands.rotation import Query
        history = read([sys.argv[1]], Query(), io.BufferedReader(io.BytesIO()))
        print(history.unreadable)
        """
    path = tmp_path / "log"
    compress = importlib.import_module(pack).compress
    text = b"so that it begins like text\n" * 40
    path.write_bytes(compress(text) + compress(bytes(BOMB)) * 7)
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(map(str.strip, script.splitlines())), str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


BOMB = 50 << 20
"""Bytes."""


def test_xz_may_not_ask_for_any_memory(tmp_path: Path) -> None:
    """A file can name a dictionary of gigabytes."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 20}]
    content = bytearray(lzma.compress(LINES, filters=filters))
    assert ask_of(tmp_path, bytes(content)) == (499, 0)
    limited = lzma.compress(LINES, filters=[{**filters[0], "dict_size": 1 << 28}])
    assert ask_of(tmp_path, limited) == (0, 1)


def ask_of(folder: Path, content: bytes) -> tuple[int, int]:
    """How many rows a file with this content gives, and how much of it cannot be read."""
    (folder / "log").write_bytes(content)
    history = ask(str(folder / "log"))
    return len(history.rotations), history.unreadable
