"""A healthy mailbox beside a hostile mail server, a flood of heavy mail, and a Vault that drips.

One daemon watches the healthy mailbox, into whose spam folder the flood goes, and a mailbox whose
server sends a byte now and then for ever. Another daemon has a Vault that does the same. The
resets of the healthy mailbox must hardly notice.
"""

from __future__ import annotations

import base64
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.kit import mails
from tests.kit.program import Daemon, Program, program
from tests.kit.scripted import Listener
from tests.kit.servers import Dovecot, OpenBao, until
from tests.kit.waiting import PATIENCE
from tests.system.resets import Resets

BYTE_APART = 0.2
"""Seconds between two pieces of what never ends."""
PAUSE = 1.0
"""Seconds between two resets."""
FLOOD_EVERY = 5
FLOOD = 8
"""Heavy mails at a time, before every fifth reset."""
SLOWER = 2.0
"""Times, at most, that a reset takes beside all this, at the 95th of 100."""
SLACK = 0.25
"""Seconds on top: what both measures vary by on a busy machine."""
GROWTH = 48 * 1024
"""Kilobytes, from the first quarter to the end."""
HEAVY = mails.token_mail(
    subject="Your new Salesforce security token",
    body=base64.encodebytes(b"a:b\r\n" * 35_000).decode().replace("\n", "\r\n"),
)


class Dripping(Listener):
    """A server that answers whatever it is asked with the same piece for ever."""

    def __init__(self, begin: bytes, answer: bytes, piece: bytes) -> None:
        super().__init__()
        self._begin = begin
        self._answer = answer
        self._piece = piece

    def serve(self, connection: socket.socket) -> None:
        """Greet, wait for a question, and never end the answer."""
        connection.sendall(self._begin)
        connection.recv(65536)
        connection.sendall(self._answer)
        while not self.ending.wait(BYTE_APART):
            connection.sendall(self._piece)


def beside_a_hostile_mailbox(
    home: Path,
    dovecot: Dovecot,
    openbao: OpenBao,
    count: int,
    *,
    pause: float = PAUSE,
    org: str = "hostile",
) -> str:
    """So many resets alone, and so many beside all this. Returns the figures."""
    user = f"{org}@example.com"
    tool = program(home / "tool", dovecot, openbao, user, org)
    resets = Resets(tool, dovecot, openbao, user, org)
    with tool.daemon():
        alone = [_seconds(resets, pause) for _ in range(count)]
    with _beside(home, tool, dovecot, openbao, org) as daemon:
        until(lambda: daemon.says("mailbox.connected", folder="Junk"), "both connections")
        beside: list[float] = []
        sizes: list[int] = []
        for number in range(count):
            if number % FLOOD_EVERY == 0:
                _flood(dovecot, user)
            beside.append(_seconds(resets, pause))
            sizes.append(_resident(daemon))
        assert daemon.process.poll() is None, "it died"
    growth = sizes[-1] - sizes[count // 4]
    assert growth <= GROWTH, f"it grew by {growth} kB"
    before, after = _p95(alone), _p95(beside)
    assert after <= SLOWER * before + SLACK, f"p95 alone {before:.2f} s, beside {after:.2f} s"
    return (
        f"{count} resets alone, p95 {before:.2f} s; {count} beside a dripping mail server, a"
        f" dripping Vault and {FLOOD} heavy mails before every fifth: p95 {after:.2f} s,"
        f" {sizes[-1] // 1024} MB, {growth:+d} kB"
    )


@contextmanager
def _beside(
    home: Path, tool: Program, dovecot: Dovecot, openbao: OpenBao, org: str
) -> Iterator[Daemon]:
    """The daemon with the hostile mailbox as well; another one has the dripping Vault."""
    with ExitStack() as stack:
        mail = stack.enter_context(Dripping(b"* OK ready\r\n", b"* OK", b" still here\r\n* OK"))
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"
        vault = stack.enter_context(Dripping(b"", head, b" "))
        tool.configure(
            mailboxes="mailboxes:\n  - {name: hostile, host: 127.0.0.1,"
            f" port: {mail.port}, tls: none, username: h@example.com,"
            " password: {file: imap-password}}"
        )
        other = program(home / "other", dovecot, openbao, f"{org}-2@example.com", f"{org}-2")
        other.configure(address=f"address: http://127.0.0.1:{vault.port}")
        stack.enter_context(other.daemon(ready=False))
        yield stack.enter_context(tool.daemon(ready=False))


def _flood(dovecot: Dovecot, user: str) -> None:
    for _ in range(FLOOD):
        dovecot.deliver(HEAVY, user, "Junk")


def _seconds(resets: Resets, pause: float) -> float:
    """From a reset's delivery to its token in Vault."""
    time.sleep(pause)
    began = time.monotonic()
    resets.make_the_trip("INBOX", PATIENCE)
    return time.monotonic() - began


def _p95(seconds: list[float]) -> float:
    return sorted(seconds)[int(0.95 * (len(seconds) - 1))]


def _resident(daemon: Daemon) -> int:
    """Kilobytes of memory that the process has."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text("utf-8")
    size = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert size is not None
    return int(size[1])
