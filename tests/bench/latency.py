"""From delivery to Vault: the daemon beside a minimal loop, measured alternately in one run.

The loop is written by hand, what one would write in an afternoon: a raw TLS socket, IDLE, UID
FETCH, a regular expression, one HTTP request. It proves nothing, remembers nothing and records
nothing, and so shows what the promises cost. Measured from LMTP's answer to the time that Vault
itself gives the version; both on one machine, so with one clock.
"""

from __future__ import annotations

import http.client
import json
import random
import re
import socket
import ssl
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from tests.kit import mails
from tests.kit.program import program
from tests.kit.servers import Dovecot, OpenBao, until

RESETS = 100
ORG = "bench"
IDLE_OF_A_MINUTE = 60.0


@dataclass
class HandWritten(threading.Thread):
    """The minimal loop."""

    dovecot: Dovecot
    openbao: OpenBao
    user: str
    path: str

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.listening = threading.Event()
        self._read = b""

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        """Until the connection is closed."""
        context = ssl.create_default_context(cafile=str(self.dovecot.ca_file))
        plain = socket.create_connection(("localhost", self.dovecot.tls_port))
        self._imap = context.wrap_socket(plain, server_hostname="localhost")
        self._vault = http.client.HTTPConnection("127.0.0.1", self.openbao.port)
        with suppress(OSError, ValueError):
            self._line()
            self._command(f"LOGIN {self.user} {self.dovecot.password}")
            self._command("EXAMINE INBOX")
            while True:
                self._wait_for_news()
                self._store(self._fetch())

    def close(self) -> None:
        """End the loop."""
        with suppress(OSError):
            self._imap.shutdown(socket.SHUT_RDWR)
        self.join(5)
        self._imap.close()
        self._vault.close()

    def _wait_for_news(self) -> None:
        self._imap.sendall(b"a IDLE\r\n")
        line = self._line()
        while b"EXISTS" not in line:
            if line.startswith(b"+"):
                self.listening.set()
            line = self._line()
        self._imap.sendall(b"DONE\r\n")
        self._rest()

    def _fetch(self) -> bytes:
        return self._command("UID FETCH *:* BODY.PEEK[]")

    def _store(self, raw: bytes) -> None:
        token = re.search(rb"case-sensitive\): ([A-Za-z0-9]+)", raw)
        assert token
        body = json.dumps({"data": {"security_token": token[1].decode()}})
        headers = {"X-Vault-Token": self.openbao.root_token}
        self._vault.request("POST", f"/v1/secret/data/{self.path}", body, headers)
        self._vault.getresponse().read()

    def _command(self, text: str) -> bytes:
        self._imap.sendall(b"a " + text.encode() + b"\r\n")
        return self._rest()

    def _rest(self) -> bytes:
        """Everything up to the tagged line."""
        lines = b""
        line = self._line()
        while not line.startswith(b"a "):
            lines += line
            line = self._line()
        return lines

    def _line(self) -> bytes:
        while b"\r\n" not in self._read:
            more = self._imap.recv(65536)
            if not more:
                raise OSError("closed")
            self._read += more
        line, _, self._read = self._read.partition(b"\r\n")
        return line + b"\r\n"


@dataclass(frozen=True)
class Way:
    """From one mailbox to one secret."""

    dovecot: Dovecot
    openbao: OpenBao
    user: str
    path: str

    def take(self, raw: bytes, version: int) -> float:
        """Seconds from the end of the delivery to the version's created_time."""
        self.dovecot.deliver(raw, self.user)
        delivered = datetime.now(UTC)
        created = until(partial(self._created, version), f"version {version} of {self.path}")
        # Nine digits of a second are more than datetime takes.
        return (
            datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", created)) - delivered
        ).total_seconds()

    def _created(self, version: int) -> str:
        time.sleep(0.02)  # asked seldom: the asking must not be what is measured
        return str(self.openbao.versions(self.path).get(version, {}).get("created_time", ""))


def main() -> None:
    """Print both distributions and their ratio, then what the daemon costs while idle."""
    with tempfile.TemporaryDirectory() as home, Dovecot() as dovecot, OpenBao() as openbao:
        tool = program(Path(home) / "tool", dovecot, openbao, "ours@example.com", ORG)
        ours = Way(dovecot, openbao, "ours@example.com", f"salesforce/{ORG}/{mails.USERNAME}")
        theirs = Way(dovecot, openbao, dovecot.user("theirs@example.com"), "salesforce/by-hand")
        loop = HandWritten(dovecot, openbao, theirs.user, theirs.path)
        loop.start()
        with tool.daemon() as daemon:
            until(lambda: daemon.says("mailbox.connected", folder="Junk"), "the daemon to listen")
            until(loop.listening.is_set, "the loop to listen")
            _print(_measured({"daemon": ours, "by hand": theirs}))
            _print_idle(daemon.process.pid)
        loop.close()


def _measured(ways: dict[str, Way]) -> dict[str, list[float]]:
    """Seconds of every reset, by the name of the way."""
    rng = random.Random(1)
    took: dict[str, list[float]] = {name: [] for name in ways}
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    for number in range(RESETS):
        issued_at = began + timedelta(seconds=number)
        raw = mails.genuine(token=mails.token(number), issued_at=issued_at)
        for name, way in ways.items():
            time.sleep(rng.uniform(0.1, 0.6))
            took[name].append(way.take(raw, number + 1))
    return took


def _print(took: dict[str, list[float]]) -> None:
    middle = {name: _quantile(seconds, 0.5) for name, seconds in took.items()}
    late = {name: _quantile(seconds, 0.95) for name, seconds in took.items()}
    for name, seconds in took.items():
        print(
            f"{name:>8}: {len(seconds)} resets,"
            f" p50 {middle[name] * 1000:.0f} ms, p95 {late[name] * 1000:.0f} ms"
        )
    p50 = middle["daemon"] / middle["by hand"]
    p95 = late["daemon"] / late["by hand"]
    print(f"   ratio: p50 {p50:.2f}, p95 {p95:.2f} (1.2 is the aim)")


def _print_idle(pid: int) -> None:
    """CPU over a minute of silence, and memory."""
    before = _cpu_ticks(pid)
    time.sleep(IDLE_OF_A_MINUTE)
    share = (_cpu_ticks(pid) - before) / 100 / IDLE_OF_A_MINUTE
    status = Path(f"/proc/{pid}/status").read_text()
    resident = int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024
    print(
        f"    idle: {share:.2%} of a core over a minute (0.5 % is the aim),"
        f" {resident:.0f} MiB resident (60 is the aim)"
    )


def _cpu_ticks(pid: int) -> int:
    """User and system time so far; a tick is 10 ms on Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


if __name__ == "__main__":
    main()
