"""Pairs of mails shortly after one another, over a line with 80 ms of round trip.

That is where IDLE loops lose the second one.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path

from tests.kit.program import Daemon, program
from tests.kit.proxy import TcpProxy
from tests.kit.servers import Dovecot, OpenBao, until
from tests.system.resets import Resets

HALF_A_ROUND_TRIP = 0.04
WITHIN = 3.0
"""Seconds in which the second mail has to be in Vault."""
APART = (0.45, 1.0)
"""Seconds between the two mails of a pair."""
FOLDERS = ("INBOX", "INBOX", "INBOX", "Junk")
"""Three pairs in four go to the inbox."""


def pairs_over_a_slow_line(
    home: Path,
    dovecot: Dovecot,
    openbao: OpenBao,
    count: int,
    *,
    within: float = WITHIN,
    org: str = "pairs",
    seed: int = 1,
) -> str:
    """Send so many pairs; raises at the first that is late. Returns the figures."""
    user = f"{org}@example.com"
    tool = program(home / "tool", dovecot, openbao, user, org)
    pairs = _Pairs(Resets(tool, dovecot, openbao, user, org), random.Random(seed), within)
    with TcpProxy(dovecot.tls_port, delay=HALF_A_ROUND_TRIP) as line:
        tool.configure(port=f"port: {line.port}")
        with tool.daemon() as daemon:
            _both_connected(daemon)
            seconds = sorted(pairs.send() for _ in range(count))
    pairs.resets.all_accounted_for()
    return (
        f"{count} pairs {APART[0]} to {APART[1]} s apart,"
        f" {HALF_A_ROUND_TRIP * 2000:.0f} ms of round trip: every second mail in Vault within"
        f" {within:.0f} s; p50 {seconds[count // 2]:.2f} s, slowest {seconds[-1]:.2f} s"
    )


def _both_connected(daemon: Daemon) -> None:
    until(lambda: daemon.says("mailbox.connected", folder="Junk"), "both connections")


@dataclass
class _Pairs:
    resets: Resets
    rng: random.Random
    within: float

    def send(self) -> float:
        """One pair. Returns the seconds from the second mail to its token in Vault."""
        folder = self.rng.choice(FOLDERS)
        self.resets.send(folder)
        # The first one's sweep is over by then or not: either way IDLE has to see the second.
        time.sleep(self.rng.uniform(*APART))
        began = time.monotonic()
        self.resets.make_the_trip(folder, self.within)
        return time.monotonic() - began
