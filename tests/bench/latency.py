"""From delivery to Vault: the program beside minimal loops, mail by mail in turns.

A loop (`by_hand`) waits, fetches, verifies the signature and writes. Measured from the server's
answer to the delivery to the time that Vault itself gives the version; all on one machine, so with
one clock. Dovecot tells of a mail half a second after it came, which hides what a program does
then; pymap tells at once.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from tests.bench.servers import Servers, servers
from tests.bench.table import Aim, Row, amount, at_most
from tests.kit import mails
from tests.kit.program import Daemon, Program
from tests.kit.servers import Pymap, until

RESETS = amount(100, quick=2)
WAITS = amount(30, quick=1)
DOVECOT = (at_most("ratio", 1.05), at_most("p95_ratio", 1.15))
AT_ONCE = (at_most("over", 10),)
WAIT = (at_most("p95", 400),)
APART = (0.1, 0.6)
"""Seconds between two deliveries."""
SILENCE = amount(60, quick=1)
"""Seconds over which the processor time of a daemon is taken that has nothing to do."""
SETTLED = 2.0
"""Seconds after its start from which on a `scan --wait` only waits."""


@dataclass(frozen=True)
class Way:
    """From one mailbox to one secret."""

    between: Servers
    deliver: Callable[[bytes], None]
    path: str
    took: list[float] = field(default_factory=list)
    """Milliseconds of each mail."""

    def take(self, raw: bytes) -> None:
        """Deliver a mail, and note when it became a version, by that version's created_time."""
        time.sleep(random.uniform(*APART))
        self.deliver(raw)
        delivered = datetime.now(UTC)
        created = until(self._stored_at, f"another version of {self.path}")
        self.took.append((created - delivered) / timedelta(milliseconds=1))

    def _stored_at(self) -> datetime | None:
        time.sleep(0.02)  # asked seldom: the asking must not be what is measured
        return self.between.stored_at(self.path, len(self.took) + 1)


def rows() -> Iterator[Row]:
    """Milliseconds, and what a daemon costs that has nothing to do."""
    with servers() as between:
        with _on_dovecot(between) as (ours, theirs, daemon):
            yield _resets("reset to Vault, Dovecot", ours, theirs, DOVECOT)
            yield _idle(daemon)
        with _on_pymap(between) as (ours, theirs):
            yield _resets("reset to Vault, pymap", ours, theirs, AT_ONCE)
        yield _waits(between)


def _resets(name: str, ours: Way, theirs: Way, aims: tuple[Aim, ...]) -> Row:
    """Each way in turn."""
    began = datetime.now(UTC) - timedelta(hours=1)
    for number in range(RESETS):
        raw = _mail(number, began + timedelta(seconds=number))
        for way in (ours, theirs):
            way.take(raw)
    return Row(name, "ms", ours.took, "IDLE loop", theirs.took, aims)


def _mail(number: int, issued_at: datetime) -> bytes:
    return mails.genuine(token=mails.token(number), issued_at=issued_at.replace(microsecond=0))


@contextmanager
def _on_dovecot(between: Servers) -> Iterator[tuple[Way, Way, Daemon]]:
    """The daemon and the loop, both listening."""
    tool, ours, theirs, settings = _both(between, "daemon")
    with tool.daemon() as daemon, loop(settings):
        yield ours, theirs, daemon


def _both(between: Servers, name: str) -> tuple[Program, Way, Way, dict[str, object]]:
    """The program over a mailbox in Dovecot, its way, that of a loop, and the loop's settings."""
    dovecot = between.dovecot
    user = dovecot.user(f"{name}@example.com")
    other = dovecot.user(f"{name}-by-hand@example.com")
    settings = between.settings(other) | {"noop": False, "path": f"by-hand/{name}"}
    tool = between.program(name, user)
    ours = Way(between, partial(dovecot.deliver, user=user), secret_of(name))
    theirs = Way(between, partial(dovecot.deliver, user=other), f"by-hand/{name}")
    return tool, ours, theirs, settings


@contextmanager
def _on_pymap(between: Servers) -> Iterator[tuple[Way, Way]]:
    """The same, over a server for each."""
    with Pymap() as our_pymap, Pymap() as their_pymap:
        tool = between.program("pymap", "unused@example.com")
        tool.configure(
            host="host: 127.0.0.1",
            port=f"port: {our_pymap.port}",
            tls="tls: none",
            ca_file="ca_file: null",
            username=f"username: {our_pymap.username}",
        )
        settings = between.settings(their_pymap.username) | {
            "port": their_pymap.port,
            "ca_file": None,
            "noop": False,
            "path": "by-hand/pymap",
        }
        with tool.daemon(), loop(settings):
            ours = Way(between, our_pymap.append, secret_of("pymap"))
            yield ours, Way(between, their_pymap.append, "by-hand/pymap")


def _waits(between: Servers) -> Row:
    """`scan --wait`, which asks as often as the loop, started anew for each mail."""
    tool, ours, theirs, settings = _both(between, "wait")
    with loop(settings | {"noop": True}):
        for number in range(WAITS):
            with _waiting(tool):
                # Only a token that was issued since it began is what it waits for.
                raw = _mail(number, datetime.now(UTC))
                ours.take(raw)
            theirs.take(raw)
    return Row("reset to Vault, scan --wait", "ms", ours.took, "NOOP loop", theirs.took, WAIT)


@contextmanager
def _waiting(tool: Program) -> Iterator[None]:
    """A `scan --wait` that does nothing else any more; at the end of the block it has ended."""
    words = tool.words("scan", "--wait", "2m")
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=tool.environment()
    )
    with process:
        assert process.stderr is not None
        while b"waiting for" not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(SETTLED)
        yield
        process.communicate()
    assert process.returncode == 0


@contextmanager
def loop(settings: Mapping[str, object]) -> Iterator[None]:
    """The loop of `by_hand`, listening."""
    words = [sys.executable, "-m", "tests.bench.by_hand", "watch", json.dumps(settings)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def secret_of(org: str) -> str:
    """Where the program puts the token of `mails.genuine`."""
    return f"salesforce/{org}/{mails.USERNAME}"


def _idle(daemon: Daemon) -> Row:
    """Over a minute of silence."""
    before = _cpu_ticks(daemon.process.pid)
    time.sleep(SILENCE)
    share = (_cpu_ticks(daemon.process.pid) - before) / SILENCE
    return Row("daemon without work: of a core", "%", [share], aims=(at_most("most", 0.5),))


def _cpu_ticks(pid: int) -> int:
    """User and system time so far; a tick is 10 ms on Linux, so a hundredth of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
