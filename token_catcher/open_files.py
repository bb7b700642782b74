"""How many files and connections may be open at once; raised where that is too few.

Most systems start a process with a limit of 1,024, for the sake of programs that call select(2);
ours does not. How far a process may raise it is a second limit, which only root can change.
"""

from __future__ import annotations

import resource
from contextlib import suppress

from token_catcher.errors import StateError


def make_room(needed: int, what_for: str) -> None:
    """Raise our limit to as many, where it is less. StateError: it cannot be raised so far.

    `what_for`: for the message."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _is_enough(limit, needed):
        return
    got = most
    if _is_enough(most, needed):
        with suppress(OSError, ValueError):  # a filter of system calls may forbid it
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, most))
            return
        got = limit
    raise StateError(
        f"got a limit of {got} open files, expected {needed} at least, for {what_for}",
        code="open-files",
    )


def _is_enough(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed
