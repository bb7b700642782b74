"""What a sweep costs: commands and bytes where nothing is new, and the memory of a first scan.

The program runs as installed, against Dovecot; a relay of the bench's own counts what passes
between the two.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from tests.kit import mails
from tests.kit.program import COMMAND, Program, program
from tests.kit.servers import Dovecot, OpenBao

SIZES = (100, 10_000)


class Relay(threading.Thread):
    """Passes bytes on and counts them, and the commands among them."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.sent = 0
        self.received = 0
        self.commands: list[str] = []

    def run(self) -> None:
        """Until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                self._start(client, server, self._count_sent)
                self._start(server, client, self._count_received)

    def _start(self, *way: object) -> None:
        threading.Thread(target=self._pump, args=way, daemon=True).start()

    def _pump(
        self, source: socket.socket, sink: socket.socket, count: Callable[[bytes], None]
    ) -> None:
        with suppress(OSError):
            data = source.recv(65536)
            while data:
                count(data)
                sink.sendall(data)
                data = source.recv(65536)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _count_sent(self, data: bytes) -> None:
        self.sent += len(data)
        for line in data.splitlines():
            _tag, _, command = line.partition(b" ")
            if command:
                self.commands.append(command.split(b" ")[0].decode())

    def _count_received(self, data: bytes) -> None:
        self.received += len(data)


def main() -> None:
    """Print the figures."""
    with Dovecot() as dovecot, OpenBao() as openbao, tempfile.TemporaryDirectory() as home:
        few, many = [_measured(Path(home, str(size)), dovecot, openbao, size) for size in SIZES]
    print(
        f"peak memory of a first scan: {SIZES[1]} messages take {many / few:.2f} x that of"
        f" {SIZES[0]} ({many} KiB)"
    )


def _measured(home: Path, dovecot: Dovecot, openbao: OpenBao, size: int) -> int:
    """Print what an empty sweep over so many messages costs; returns the peak of a first scan."""
    user = dovecot.user(f"bench{size}@example.com")
    relay = Relay(dovecot.port)
    relay.start()
    tool = _tool(home, dovecot, openbao, user, relay.port)
    _fill(dovecot, user, size)
    peak = _peak(tool)
    relay.commands.clear()
    relay.sent = 0
    relay.received = 0
    tool("scan")
    print(
        f"empty sweep over {size:>6} messages: {' '.join(relay.commands)};"
        f" {relay.sent} bytes sent, {relay.received} received, login and greeting included"
    )
    return peak


def _tool(home: Path, dovecot: Dovecot, openbao: OpenBao, user: str, port: int) -> Program:
    tool = program(home, dovecot, openbao, user, user.partition("@")[0])
    tool.configure(
        host="host: 127.0.0.1", port=f"port: {port}", tls="tls: none", ca_file="ca_file: null"
    )
    return tool


def _fill(dovecot: Dovecot, user: str, size: int) -> None:
    """Mails of Salesforce's domain, so that the search by sender leaves them in: the worst case."""
    now = datetime.now(UTC)
    raw = mails.token_mail(
        subject="Your weekly digest", body="Nothing of note.\n" * 400, issued_at=now
    )
    with dovecot.session(user) as client:
        for _ in range(size):
            client.append("INBOX", "", "", raw)


def _peak(tool: Program) -> int:
    """KiB of the largest process that a first scan takes."""
    words = [COMMAND, "--config", str(tool.config), "scan"]
    code = f"""
import resource, subprocess
subprocess.run({words!r})
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])
