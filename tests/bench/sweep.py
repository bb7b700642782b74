"""What a sweep costs: commands where nothing is new, and the memory of a first scan.

The program runs as installed, against Dovecot. What a daemon sends for one sweep is counted on the
way, from the DONE that ends its IDLE to the next IDLE: so many round trips at most.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from tests.bench.servers import Servers, news, servers
from tests.bench.table import Row, amount, at_most
from tests.kit import mails
from tests.kit.program import Daemon, Program
from tests.kit.proxy import TcpProxy
from tests.kit.servers import until

SIZES = (amount(1_000, quick=10), amount(100_000, quick=100))
ROUND_TRIPS = 3
SWEEPS = 5
OF_THE_DOMAIN = (100, amount(10_000, quick=200))
"""Mails of Salesforce's domain, so that the search by sender leaves them in: the worst case."""
FLAT = 1.2
"""Times as much memory for a hundred times as many."""


def rows() -> Iterator[Row]:
    """Round trips, then memory."""
    with servers() as between:
        for size in SIZES:
            sent = _empty_sweeps(between, size)
            name = f"empty sweep, {size:,} messages: round trips"
            yield Row(name, "", sent, aims=(at_most("most", ROUND_TRIPS),))
        few, many = (_peak_of_first_scan(between, count) for count in OF_THE_DOMAIN)
    name = f"first scan, {OF_THE_DOMAIN[1]:,} of the domain: peak"
    yield Row(name, "MiB", [many], f"{OF_THE_DOMAIN[0]:,}", [few], (at_most("ratio", FLAT),))


def _empty_sweeps(between: Servers, size: int) -> list[float]:
    """How many commands each of some sweeps takes."""
    user = between.filled(f"sweep{size}@example.com", news(size))
    tool = between.program(f"sweep{size}", user)
    counts = []
    with TcpProxy(between.dovecot.port) as proxy:
        tool.configure(
            host="host: 127.0.0.1",
            port=f"port: {proxy.port}",
            tls="tls: none",
            ca_file="ca_file: null\nfolders: {spam: null}",
            poll="poll: 1h",
        )
        with tool.daemon() as daemon:
            for _ in range(SWEEPS):
                counts.append(_commands_of_a_sweep(daemon, proxy))
    return counts


def _commands_of_a_sweep(daemon: Daemon, proxy: TcpProxy) -> float:
    until(lambda: proxy.commands[-1] == "IDLE", "the daemon to idle")
    before = len(proxy.commands)
    daemon.process.send_signal(signal.SIGUSR1)

    def is_over() -> bool:
        since = proxy.commands[before:]
        return "DONE" in since and since[-1] == "IDLE"

    until(is_over, "the sweep to be over")
    return float(len(proxy.commands[before:-1]))


def _peak_of_first_scan(between: Servers, count: int) -> float:
    """MiB."""
    now = datetime.now(UTC)
    raw = mails.token_mail(
        subject="Your weekly digest", body="Nothing of note.\n" * 400, issued_at=now
    )
    name = f"domain{count}"
    user = between.filled(f"{name}@example.com", [raw] * count)
    return _peak(between.program(name, user))


def _peak(tool: Program) -> float:
    """MiB of the largest process that a scan takes."""
    code = f"""
import resource, subprocess
subprocess.run({tool.words("scan")!r})
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1]) / 1024
