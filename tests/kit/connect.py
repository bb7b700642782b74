"""An HTTP proxy of a test's own, as companies have them: CONNECT for HTTPS, and plain requests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from tests.kit.scripted import Listener


class ConnectProxy(Listener):
    """Hands on what it is asked for; at `url`."""

    def __init__(self, *, refuses: bool = False) -> None:
        """`refuses`: it wants a password that nobody has (407)."""
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}"
        self.asked: list[str] = []
        """The first line of each request."""
        self._refuses = refuses

    def serve(self, connection: socket.socket) -> None:
        """One client."""
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(65536)
            if not more:
                return
            head += more
        line = head.partition(b"\r\n")[0].decode()
        self.asked.append(line)
        if self._refuses:
            connection.sendall(b"HTTP/1.1 407 Sorry\r\nContent-Length: 0\r\n\r\n")
            return
        method, target, _ = line.split()
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            with socket.create_connection((host, int(port))) as far:
                connection.sendall(b"HTTP/1.1 200 Go\r\n\r\n")
                self._pass_on(connection, far)

    def _pass_on(self, near: socket.socket, far: socket.socket) -> None:
        """Both ways, until one side ends."""
        back = threading.Thread(target=partial(_pump, far, near), daemon=True)
        back.start()
        _pump(near, far)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    receive: Callable[[], bytes] = partial(source.recv, 65536)
    with suppress(OSError):
        for data in iter(receive, b""):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
