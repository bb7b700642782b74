"""Pairs of mails shortly after one another, over a line with 80 ms of round trip: where IDLE loops lose the second one."""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.kit.program import program
from tests.kit.proxy import TcpProxy
from tests.kit.servers import Dovecot, OpenBao, until
from tests.system.resets import Resets

HALF_A_ROUND_TRIP = 0.04
WITHIN = 3.0
"""Seconds in which the second mail has to be in Vault."""


def pairs_over_a_slow_line(
    home: Path,
    dovecot: Dovecot,
    openbao: OpenBao,
    pairs: int,
    *,
    within: float = WITHIN,
    org: str = "pairs",
    seed: int = 1,
) -> str:
    """Send the pairs, three in four to the inbox; raises at the first that is late. Returns the figures."""
    rng = random.Random(seed)
    user = f"{org}@example.com"
    tool = program(home / "tool", dovecot, openbao, user, org)
    resets = Resets(tool, dovecot, openbao, user, org)
    took: list[float] = []
    with TcpProxy(dovecot.tls_port, delay=HALF_A_ROUND_TRIP) as line:
        tool.configure(port=f"port: {line.port}")
        with tool.daemon() as daemon:
            until(lambda: daemon.says("mailbox.connected", folder="Junk"), "both connections")
            for _ in range(pairs):
                folder = rng.choice(["INBOX", "INBOX", "INBOX", "Junk"])
                resets.send(folder)
                time.sleep(rng.uniform(0.45, 1.0))
                began = time.monotonic()
                resets.make_the_trip(folder, within)
                took.append(time.monotonic() - began)
    resets.all_accounted_for()
    took.sort()
    return (
        f"{pairs} pairs 0.45 to 1 s apart, {HALF_A_ROUND_TRIP * 2000:.0f} ms of round trip: every second mail in Vault within"
        f" {within:.0f} s; p50 {took[len(took) // 2]:.2f} s, slowest {took[-1]:.2f} s"
    )
