"""The program in surroundings of a test's own: a clock that jumps, a DNS that a test speaks for, a
disk that fails.

    python -m tests.system.surroundings --config FILE run

Nothing of the program is exchanged, only what Python's library and the resolver tell it of the
world.
"""

from __future__ import annotations

import datetime
import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import Any


class _Jumping(datetime.datetime):
    """A clock that is set by a file: seconds ahead of the true time."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override] # not Self
        ahead = float(Path(os.environ["SURROUNDINGS_CLOCK"]).read_text("ascii"))
        return super().now(tz) + datetime.timedelta(seconds=ahead)


def _exchange_clock() -> None:
    """Before anything else takes `datetime` into its hand: APScheduler has the same clock as we."""
    datetime.datetime = _Jumping  # type: ignore[misc]


def _exchange_dns() -> None:
    """As if /etc/resolv.conf named a server at this port."""
    from dns.resolver import BaseResolver, Resolver

    def read(resolver: BaseResolver, _file: object) -> None:
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = int(os.environ["SURROUNDINGS_DNS"])

    # It has no file to read here.
    Resolver.read_resolv_conf = read  # type: ignore[assignment,method-assign]


def _exchange_disk(name: str) -> None:
    """Every volume is full (ENOSPC, EDQUOT), read-only (EROFS), or has no locks (all others)."""
    failure = OSError(getattr(errno, name), os.strerror(getattr(errno, name)))
    really_open, really_write = os.open, os.write

    def read_only(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise failure
        return really_open(path, flags, *more, **named)

    def full(descriptor: int, content: Any) -> int:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise failure
        return really_write(descriptor, content)

    def lockless(_file: Any, _how: int) -> None:
        raise failure

    if name == "EROFS":
        os.open = read_only
    elif name in ("ENOSPC", "EDQUOT"):
        os.write = full
    else:
        fcntl.flock = lockless


if __name__ == "__main__":
    if "SURROUNDINGS_DISK" in os.environ:
        _exchange_disk(os.environ["SURROUNDINGS_DISK"])
    if "SURROUNDINGS_CLOCK" in os.environ:
        _exchange_clock()
    if "SURROUNDINGS_DNS" in os.environ:
        _exchange_dns()
    from token_catcher.cli import main

    main()
