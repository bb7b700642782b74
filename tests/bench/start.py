"""What it costs to begin: each command beside an empty Python, and the memory of the daemon.

All take turns in one run, so that what else the machine does falls on all of them. Commands are
told in processor time, which a busy machine stretches less. A `scan` of an empty mailbox is told
over what its connections take by themselves: the same questions, asked of the same servers by a
program that is running already.
"""

from __future__ import annotations

import http.client
import imaplib
import json
import os
import re
import resource
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tests.bench.servers import AS_SHIPPED, servers
from tests.bench.table import Row, amount, at_most
from tests.kit import mails
from tests.kit.program import Program
from tests.kit.servers import Dovecot, OpenBao, until

ROUNDS = amount(15, quick=1)
USER = "start@example.com"
EMPTY = (sys.executable, "-c", "pass")
COMMANDS = (
    "--help",
    "scan -h",
    "--version",
    "config example",
    "history FILE",
    "held --json",
    "status --json",
    "scan --json",
)
HELP = dict.fromkeys(COMMANDS[:3], (at_most("ratio", 3.0),))
"""What is wanted of those that only tell what there is."""
SCAN_AT_MOST = 0.5
"""Seconds over the time of its connections."""
MEBIBYTES = 55
"""Of a daemon with one mailbox."""
UNMEASURED = ("PYTHONDONTWRITEBYTECODE", "COVERAGE_PROCESS_START", "COLUMNS")
"""What in the environment would make the program another one than users have."""


@dataclass
class Costs:
    """Of one thing that takes its turn in every round."""

    seconds: list[float] = field(default_factory=list)
    """On the wall."""
    milliseconds: list[float] = field(default_factory=list)
    """Of the processor."""

    def note(self, work: Callable[[], object]) -> None:
        """Do it once."""
        busy = _busy()
        began = time.perf_counter()
        work()
        self.seconds.append(time.perf_counter() - began)
        self.milliseconds.append((_busy() - busy) * 1000)


def rows() -> Iterator[Row]:
    """Milliseconds of processor time, the seconds of a scan, and MiB."""
    with servers() as between:
        tool = between.program("start", USER)
        assert tool("scan").code == 0
        costs = _measured(tool, between.dovecot, between.openbao)
        empty = costs["python -c pass"].milliseconds
        for name in COMMANDS:
            took = costs[name].milliseconds
            yield Row(name, "ms", took, "python -c pass", empty, HELP.get(name, ()))
        scan = costs["scan --json"]
        connections = costs["its connections"]
        yield _scan("on the wall", scan.seconds, connections.seconds)
        yield _scan("processor time", *map(_in_seconds, (scan, connections)))
        tool.env |= AS_SHIPPED
        idle, after = _memory(tool, between.dovecot)
    aims = (at_most("most", MEBIBYTES),)
    yield Row("daemon with one mailbox: resident", "MiB", [idle], aims=aims)
    yield Row("the same after a token", "MiB", [after], aims=aims)


def _scan(what: str, scan: Sequence[float], connections: Sequence[float]) -> Row:
    name = f"scan of an empty mailbox: {what}"
    over = (at_most("over", SCAN_AT_MOST),)
    return Row(name, "s", scan, "its connections", connections, over)


def _in_seconds(costs: Costs) -> Sequence[float]:
    return [milliseconds / 1000 for milliseconds in costs.milliseconds]


def _measured(tool: Program, dovecot: Dovecot, openbao: OpenBao) -> dict[str, Costs]:
    """By what was done."""
    file = tool.home / "empty.jsonl"
    file.touch()
    turns: dict[str, Callable[[], object]] = {"python -c pass": partial(_run, EMPTY)}
    for line in COMMANDS:
        words = [str(file) if word == "FILE" else word for word in line.split()]
        turns[line] = partial(_run, _words(tool, words))
    turns["its connections"] = partial(_ask_alike, dovecot, openbao)
    costs = {name: Costs() for name in turns}
    for work in turns.values():
        work()  # until all that is read lies in memory
    for _ in range(ROUNDS):
        for name, work in turns.items():
            costs[name].note(work)
    return costs


def _words(tool: Program, words: Sequence[str]) -> Sequence[str]:
    """A page of help is asked for as people do, without a configuration."""
    if words[-1] in ("-h", "--help", "--version"):
        return [*tool.command, *words]
    return tool.words(*words)


def _run(words: Sequence[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in UNMEASURED}
    subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        check=True,
    )


def _busy() -> float:
    """Seconds of processor time of this process, and of all that it has started and have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _ask_alike(dovecot: Dovecot, openbao: OpenBao) -> None:
    """What a scan of an empty mailbox asks of both servers."""
    context = ssl.create_default_context(cafile=str(dovecot.ca_file))
    client = imaplib.IMAP4_SSL("localhost", dovecot.tls_port, ssl_context=context)
    client.login(USER, dovecot.password)
    client.list()
    for folder in ("INBOX", "Junk"):
        client.select(folder, readonly=True)
        client.uid("SEARCH", "ALL")
    client.logout()
    headers = {"X-Vault-Token": openbao.root_token}
    paths = json.dumps({"paths": ["secret/data/salesforce/start/user"]})
    with closing(http.client.HTTPConnection("127.0.0.1", openbao.port)) as vault:
        for method, path, body in (
            ("GET", "sys/health", None),
            ("GET", "auth/token/lookup-self", None),
            ("GET", "sys/internal/ui/mounts/secret", None),
            ("POST", "sys/capabilities-self", paths),
        ):
            vault.request(method, f"/v1/{path}", body, headers)
            vault.getresponse().read()


def _memory(tool: Program, dovecot: Dovecot) -> tuple[float, float]:
    """MiB of a daemon before and after a token."""
    with tool.daemon() as daemon:
        status = Path(f"/proc/{daemon.process.pid}/status")
        idle = _mebibytes(status)
        dovecot.deliver(mails.genuine(issued_at=datetime.now(UTC)), USER)
        until(lambda: daemon.says("rotation.stored"), "the token to be stored")
        return idle, _mebibytes(status)


def _mebibytes(status: Path) -> float:
    (kibibytes,) = re.findall(r"VmRSS:\s+(\d+)", status.read_text())
    return int(kibibytes) / 1024
