"""Who we are in Vault: a random id, kept beside the journal.

Every version that we write carries it, so that a version whose record a crash prevented is known
again as ours. No clock and no name can do that: two processes can share a name, and a container
has a new one at each start. Processes that share the state directory share the id, as they share
the journal. A copy of the directory is another writer: give it no file `writer`.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Final

from token_catcher import files
from token_catcher.errors import StateError
from token_catcher.record.filelock import PATIENCE, Patience, Waiting

BYTES: Final = 16
"""Of randomness: no two writers of a company have the same."""

_ID: Final = re.compile(rb"([0-9a-f]{32})\n")


def writer_id(path: Path, patience: Patience = PATIENCE) -> str:
    """The id in this file, which is made, with mode 0600, where there is none.

    Safe beside other processes. StateError: the file cannot be read or made."""
    try:
        return _read(path) or _agreed(path, Waiting(patience))
    except OSError as error:
        problem = f"{path}: the writer's id cannot be read or made: {error.strerror}"
        raise StateError(f"{problem}{_of_somebody_else(path)}") from None


def known_writer_id(path: Path) -> str | None:
    """The id in this file; None: there is none, and none is made. StateError: it cannot be read."""
    try:
        return _read(path)
    except OSError as error:
        raise StateError(f"{path}: the writer's id cannot be read: {error.strerror}") from None


def _read(path: Path) -> str | None:
    """None: there is no whole id yet.

    To read is enough: a directory that root has restored may have a file that is not ours."""
    with suppress(FileNotFoundError), files.opened(path) as file:
        return _kept(file)
    return None


def _agreed(path: Path, waiting: Waiting) -> str:
    """The id that whoever came first has made, or a new one."""
    files.make_directory(path.parent)
    with (
        files.opened(path, os.O_RDWR | os.O_CREAT) as file,
        waiting.locked(file, path),  # nobody makes another one meanwhile
    ):
        return _kept(file) or _made(file, path)


def _of_somebody_else(path: Path) -> str:
    """What is wrong with the owner of the file, to be put behind an error; empty: nothing."""
    with suppress(OSError):
        owner = path.stat(follow_symlinks=False).st_uid
        if owner != os.geteuid():
            return f" (it belongs to the user id {owner}, expected ours, {os.geteuid()})"
    return ""


def _kept(file: FileIO) -> str | None:
    """None: the file is new, or a crash or a full disk left a part of an id."""
    kept = _ID.fullmatch(os.pread(file.fileno(), 2 * BYTES + 2, 0))
    if kept is None:
        return None
    return kept[1].decode("ascii")


def _made(file: FileIO, path: Path) -> str:
    """A new id, on disk before the first version carries it."""
    made = secrets.token_hex(BYTES)
    os.ftruncate(file.fileno(), 0)
    files.write(file, f"{made}\n".encode("ascii"))
    files.sync_directory(path.parent)
    return made
