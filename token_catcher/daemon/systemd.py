"""What systemd is told of the daemon, by sd_notify(3). Without systemd, nobody is told."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import Final

MORE_TIME: Final = 30_000_000
"""Microseconds that a start may go on from each time it is asked for."""


def ready() -> None:
    """The start, or the reloading, has ended."""
    _notify("READY=1")


def reloading() -> None:
    """The configuration is being read again; `ready` ends that."""
    now = time.monotonic_ns() // 1000  # the clock of systemd, CLOCK_MONOTONIC
    _notify(f"RELOADING=1\nMONOTONIC_USEC={now}")


def stopping() -> None:
    """The daemon ends."""
    _notify("STOPPING=1")


def alive() -> None:
    """A sign of life for the watchdog."""
    _notify("WATCHDOG=1")


def still_starting() -> None:
    """The start takes its time and needs more than the unit allows."""
    _notify(f"EXTEND_TIMEOUT_USEC={MORE_TIME}")


def _notify(message: str) -> None:
    """Send one datagram to the socket that systemd names."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # in the abstract namespace of Linux
        address = "\0" + address[1:]
    # A systemd that is busy or restarting must not end the daemon.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, suppress(OSError):
        channel.connect(address)
        channel.sendall(message.encode())
