"""What a sweep costs: commands and bytes of one that finds nothing new, and the memory of a first scan.

The program runs as installed, against Dovecot; a relay of the bench's own counts what passes between the two.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import threading
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
                for source, sink, count in (
                    (client, server, self._count_sent),
                    (server, client, self._count_received),
                ):
                    threading.Thread(
                        target=self._pump, args=(source, sink, count), daemon=True
                    ).start()

    def _pump(self, source: socket.socket, sink: socket.socket, count: object) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                count(data)  # type: ignore[operator]
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _count_sent(self, data: bytes) -> None:
        self.sent += len(data)
        self.commands += [
            line.split(b" ", 2)[1].decode() for line in data.splitlines() if line.count(b" ") >= 1
        ]

    def _count_received(self, data: bytes) -> None:
        self.received += len(data)


def main() -> None:
    """Print the figures."""
    with Dovecot() as dovecot, OpenBao() as openbao, tempfile.TemporaryDirectory() as home:
        peaks = []
        for size in SIZES:
            user = dovecot.user(f"bench{size}@example.com")
            relay = Relay(dovecot.port)
            relay.start()
            tool = _tool(Path(home, str(size)), dovecot, openbao, user, relay.port)
            _fill(dovecot, user, size)
            peaks.append(_peak(tool))
            relay.commands.clear()
            relay.sent = relay.received = 0
            tool("scan")
            print(
                f"empty sweep over {size:>6} messages: {' '.join(relay.commands)};"
                f" {relay.sent} bytes sent, {relay.received} received, login and TLS-less greeting included"
            )
        ratio = peaks[1] / peaks[0]
        print(
            f"peak memory of a first scan: {SIZES[1]} messages take {ratio:.2f} x that of {SIZES[0]} ({peaks[1]} KiB)"
        )


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
    code = f"import resource as r, subprocess as s; s.run({words!r}); print(r.getrusage(r.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])
