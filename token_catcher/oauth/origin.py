"""Which sign-in a refresh token began with, whatever renewals have made of it since.

A renewal replaces the token in its file: ours, or that of another mailbox or process that shares
the file. A person who signs in again replaces it as well, and that alone is a reason to try at once
what a mail server has refused. So each renewal is noted beside the file: the sign-in that it goes
back to, and the tokens before and after, all as hashes. A token that is not in the note is a
sign-in of its own.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from token_catcher import files
from token_catcher.model import Secret

NOTE_MAX: Final = 4096
"""Bytes of a note that are read: many times what we write."""


def origin_of(place: Path, token: Secret) -> str:
    """What stands for the sign-in of this token; `place`: the file of the token."""
    known = _digest(token)
    noted = _noted(place)
    if known in noted[1:]:
        return noted[0]
    return known


def note_renewal(place: Path, before: Secret, after: Secret) -> None:
    """To be called before the file is replaced: whoever reads it meanwhile finds either token.

    OSError: it cannot be written. One writer at a time: callers hold the lock of the file."""
    digests = (origin_of(place, before), _digest(before), _digest(after))
    files.replace(note_of(place), f"{' '.join(digests)}\n".encode())


def _noted(place: Path) -> list[str]:
    """The sign-in, and the two tokens of the last renewal; empty where nothing is noted."""
    try:
        with files.opened(note_of(place)) as file:
            return file.read(NOTE_MAX).decode("ascii", "replace").split()
    except OSError:
        return []


def note_of(place: Path) -> Path:
    """The file of the note."""
    return place.with_name(f"{place.name}.renewed")


def _digest(token: Secret) -> str:
    return hashlib.sha256(token.reveal().encode()).hexdigest()
