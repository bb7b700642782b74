"""Whose a directory is, where that keeps us from writing: for people, who have to mend it."""

from __future__ import annotations

import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

_MAKE_FILES: Final = os.W_OK | os.X_OK


def refusal(directory: Path) -> str | None:
    """Why we cannot make or replace a file in it; None: we can, or it is not there.

    OSError: nothing can be learned of it."""
    if os.access(directory, _MAKE_FILES) or not directory.exists():
        return None
    status = directory.stat()
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    owner = f"it belongs to {_user(status.st_uid)} and has mode {mode}"
    return f"{directory}: {owner}, expected a directory that {_user(os.geteuid())} can write"


def is_foreign(directory: Path) -> bool:
    """Whether it is somebody else's, and closed to us. OSError: as `refusal`."""
    return refusal(directory) is not None and directory.stat().st_uid != os.geteuid()


def _user(uid: int) -> str:
    name = "no name"
    with suppress(KeyError):  # in a container most users have none
        name = pwd.getpwuid(uid).pw_name
    return f"user {uid} ({name})"
