"""Many mailboxes in one process over TLS, two folders each, beside a process with one mailbox.

For each size one daemon watches all mailboxes of one Dovecot: how long until every folder is
listened on, what the process takes of memory, descriptors, threads and, while nothing comes, of a
core. Then resets come to random mailboxes, and in turns to the one mailbox of another daemon that
runs at the same time; each is timed from LMTP's answer to the time that Vault gives the version.

With BENCH_SHARDS the mailboxes of one more row are shared out among so many daemons (docs/scale.md
compares what they take with what its formulas say).
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from tests.bench.latency import Way
from tests.bench.servers import AS_SHIPPED, Servers, servers
from tests.bench.table import QUICK, Aim, Row, amount, at_most
from tests.kit import mails
from tests.kit.program import Daemon, Program
from tests.kit.servers import until


def _numbers(name: str, default: str) -> tuple[int, ...]:
    """Of the environment, between commas; none where it is empty."""
    return tuple(int(number) for number in os.environ.get(name, default).split(",") if number)


USUAL = "10,100,300,1000"
if QUICK:
    USUAL = "3"
SIZES = _numbers("BENCH_MAILBOXES", USUAL)
SHARDS = _numbers("BENCH_SHARDS", "")
OF_SHARDS = int(os.environ.get("BENCH_SHARDED", "400"))
"""Mailboxes that are shared out."""
RESETS = int(os.environ.get("BENCH_RESETS", amount(100, quick=2)))
QUIET = float(os.environ.get("BENCH_QUIET", amount(120, quick=2)))
"""Seconds of silence that idle time is measured over: twice the default `poll`."""
SETTLED = amount(45, quick=0)
"""Seconds after which every IDLE lasts long: the first few of a session are short."""
WATCHED_WITHIN = 900.0
"""Seconds after which something is broken."""
AIMS = {
    "watched": (at_most("median", 90),),
    "resident": (at_most("median", 250),),
    "idle": (at_most("median", 5),),
    "reset": (at_most("p95_ratio", 2.0),),
}
"""Of 1,000 mailboxes, and so of fewer as well."""


def rows() -> Iterator[Row]:
    """Each size in turn, then each number of shards."""
    with servers(connections=2 * max((*SIZES, OF_SHARDS)) + 2) as between:
        for size in SIZES:
            yield from _of_size(between, size)
        for count in SHARDS:
            yield from _of_shards(between, count)


def _program(between: Servers, name: str, numbers: Iterable[int], more: str = "") -> Program:
    """Over these mailboxes, which no other has, but shards of one number (`NAME.INDEX`).

    `more`: lines at the end of its configuration."""
    tool = between.program(name, _user(name, 0))
    tool.env |= AS_SHIPPED
    tool.text += more
    users = {number: between.dovecot.user(_user(name, number)) for number in numbers}
    tool.watch({f"mailbox-{number}": user for number, user in users.items()})
    return tool


def _user(name: str, number: int) -> str:
    return f"{name.partition('.')[0]}-{number}@example.com"


def _way(between: Servers, name: str, number: int) -> Way:
    """From one of the mailboxes of a program to its secret."""
    deliver = partial(between.dovecot.deliver, user=_user(name, number))
    return Way(between, deliver, f"salesforce/{name}/{_username(number)}")


def _username(number: int) -> str:
    return f"user{number}@acme.example"


@dataclass
class Starting:
    """A daemon whose log is read on while it starts."""

    daemon: Daemon
    began: datetime
    connections: int = 0
    """How many it will have: one for each folder. 0: it is not known yet."""
    _position: int = 0
    _connected: dict[tuple[str, str], str] = field(default_factory=dict)
    """By mailbox and folder, since when."""

    def watches_all(self) -> float | None:
        """Seconds from its start until every folder was listened on, once that is so."""
        assert self.daemon.process.poll() is None, self.daemon.log.read_text("utf-8")[-2000:]
        with self.daemon.log.open("rb") as log:
            log.seek(self._position)
            lines = log.read().split(b"\n")[:-1]
        for line in lines:
            self._position += len(line) + 1
            self._note(json.loads(line))
        if not self.connections or len(self._connected) < self.connections:
            return None
        last = datetime.fromisoformat(max(self._connected.values()))
        return (last - self.began).total_seconds()

    def _note(self, event: dict[str, str]) -> None:
        if event["event"] == "daemon.started":
            self.connections = 2 * len(event["mailboxes"])
        if event["event"] == "mailbox.connected":
            folder = event.get("folder", "INBOX")
            self._connected[event["mailbox"], folder] = event["timestamp"]


@dataclass(frozen=True)
class Process:
    """What a process takes of the machine."""

    pid: int

    @property
    def resident(self) -> float:
        """MiB."""
        return self._status("VmRSS") / 1024

    @property
    def threads(self) -> int:
        """How many it has."""
        return self._status("Threads")

    @property
    def descriptors(self) -> int:
        """How many are open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    @property
    def busy(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _status(self, name: str) -> int:
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.findall(rf"{name}:\s+(\d+)", text)[0])


def _of_size(between: Servers, size: int) -> Iterator[Row]:
    many = _program(between, f"many-{size}", range(size))
    one = _program(between, f"beside-{size}", [0])
    with one.daemon() as single, ExitStack() as running:
        starting = _started(many, running)
        yield from _taken(f"{size:,} mailboxes", [starting], [single])
        ways = {number: _way(between, f"many-{size}", number) for number in range(size)}
        alone = _way(between, f"beside-{size}", 0)
        _reset(ways, alone)
    took = [milliseconds for way in ways.values() for milliseconds in way.took]
    name = f"mailboxes: reset to Vault, {size:,} mailboxes"
    yield Row(name, "ms", took, "one mailbox", alone.took, AIMS["reset"])


def _started(tool: Program, running: ExitStack) -> Starting:
    """Its daemon, which runs until the stack ends."""
    began = datetime.now(UTC)
    return Starting(running.enter_context(tool.daemon(ready=False)), began)


def _reset(ways: Mapping[int, Way], alone: Way) -> None:
    """Tokens of random mailboxes, and in turns of the one beside."""
    rng = random.Random(1)
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)
    for number in range(RESETS):
        issued_at = began + timedelta(seconds=number)
        chosen = rng.randrange(len(ways))
        for way, username in ((ways[chosen], _username(chosen)), (alone, _username(0))):
            way.take(mails.genuine(username, mails.token(number), issued_at=issued_at))


def _taken(
    name: str, startings: Sequence[Starting], beside: Sequence[Daemon] = ()
) -> Iterator[Row]:
    """What each of these daemons takes of the machine, and those beside them."""
    watched = [until(each.watches_all, "all folders", WATCHED_WITHIN) for each in startings]
    yield _row("watched", name, "s", watched)
    processes = [Process(each.daemon.process.pid) for each in startings]
    others = [Process(daemon.process.pid) for daemon in beside]
    time.sleep(SETTLED)
    idle = _idle(processes + others)
    yield _row("idle", name, "%", idle[: len(processes)], idle[len(processes) :])
    resident = [process.resident for process in processes]
    yield _row("resident", name, "MiB", resident, [process.resident for process in others])
    threads = [float(process.threads) for process in processes]
    yield _row("threads", name, "", threads)
    descriptors = [float(process.descriptors) for process in processes]
    yield _row("descriptors", name, "", descriptors)


def _row(
    what: str, name: str, unit: str, samples: Sequence[float], reference: Sequence[float] = ()
) -> Row:
    beside = ""
    if reference:
        beside = "one mailbox"
    aims: tuple[Aim, ...] = AIMS.get(what, ())
    return Row(f"mailboxes: {what}, {name}", unit, samples, beside, reference, aims)


def _idle(processes: Sequence[Process]) -> list[float]:
    """Per cent of a core that each takes while nothing comes."""
    before = [process.busy for process in processes]
    time.sleep(QUIET)
    after = [process.busy for process in processes]
    return [100 * (late - early) / QUIET for early, late in zip(before, after, strict=True)]


def _of_shards(between: Servers, count: int) -> Iterator[Row]:
    """The mailboxes shared out among so many daemons, all at once on this machine."""
    with ExitStack() as running:
        startings = []
        for index in range(count):
            shard = f"shard: {{index: {index}, count: {count}}}\n"
            tool = _program(between, f"sharded{count}.{index}", range(OF_SHARDS), shard)
            startings.append(_started(tool, running))
        yield from _taken(f"{OF_SHARDS:,} in {count} shards", startings)
