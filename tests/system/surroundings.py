"""The program in surroundings of a test's own: a clock that jumps, a DNS that a test speaks for.

    python -m tests.system.surroundings --config FILE run

Nothing of the program is exchanged, only what Python's library and the resolver tell it of the
world.
"""

from __future__ import annotations

import datetime
import os
from pathlib import Path


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


if __name__ == "__main__":
    if "SURROUNDINGS_CLOCK" in os.environ:
        _exchange_clock()
    if "SURROUNDINGS_DNS" in os.environ:
        _exchange_dns()
    from token_catcher.cli import main

    main()
