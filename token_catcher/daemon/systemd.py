"""What systemd is told of the daemon: readiness, reloading, signs of life, the end."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def notify(message: str) -> None:
    """sd_notify(3): one datagram to the socket that systemd names; nothing where there is none."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, suppress(OSError):
            channel.connect("\0" + address[1:] if address.startswith("@") else address)
            channel.sendall(message.encode())
