"""A connection that died silently is noticed: behind a NAT or a firewall nobody says so."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Final

TIMES: Final = {
    "TCP_KEEPIDLE": 60,
    "TCP_KEEPINTVL": 15,
    "TCP_KEEPCNT": 4,
    "TCP_USER_TIMEOUT": 120_000,
}
"""Seconds, seconds, tries, milliseconds: after about two minutes instead of hours. Not every system
has all of them."""

Option = tuple[int, int, int]
"""Level, name and value, as `socket.setsockopt` takes them."""


def options() -> Iterator[Option]:
    """What a socket over TCP is to be told."""
    yield socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1
    for name, value in TIMES.items():
        option = getattr(socket, name, None)
        if option is not None:
            yield socket.IPPROTO_TCP, option, value
