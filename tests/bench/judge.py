"""What a verdict costs: `explain` on ordinary signed mails, and a bare `dkim.verify` of the same ones, in one process.

The two take turns, so that both see the same machine; figures are the median of the rounds. Processor time, one core.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from statistics import median

import dkim

from tests.kit.mails import ADDRESS, ISSUED, genuine_signer, mail, token_mail
from tests.kit.rig import judge_under
from tests.kit.signing import craft
from token_catcher.commands.explain import explain
from token_catcher.keys import PinnedKeys

MAILS, ROUNDS = 200, 9
AT_LEAST = 300
"""Mails a second."""
AT_MOST = 3.0
"""Times as dear as the bare verification."""
RECEIVED = "Received: from smtp09.mta.salesforce.com by mx.example.com with ESMTPS; Tue, 3 Feb 2026 12:57:28 +0000\n"


def main() -> None:
    """Prints both figures and their ratio; exit code 1 where one is not reached."""
    signer = genuine_signer()
    record = signer.record
    mails = [
        mail(_ordinary(number), received_at=ISSUED + timedelta(minutes=1))
        for number in range(MAILS)
    ]
    judge = judge_under(keys=PinnedKeys({signer.name: record}))

    def explained() -> None:
        assert {explain("a.eml", one, judge, (ADDRESS,)).outcome for one in mails} == {
            "would-store"
        }

    def verified() -> None:
        assert all(dkim.verify(one.raw, dnsfunc=lambda _name, timeout: record) for one in mails)

    times = [(_seconds(explained), _seconds(verified)) for _ in range(ROUNDS)]
    rate, bare, ratio = (
        median(x) for x in zip(*((MAILS / a, MAILS / b, a / b) for a, b in times), strict=True)
    )
    print(f"explain         {rate:6.0f} mails a second (at least {AT_LEAST})")
    print(f"dkim.verify     {bare:6.0f} mails a second, the same {MAILS} mails")
    print(f"ratio           {ratio:6.2f} (at most {AT_MOST:.0f})")
    if rate < AT_LEAST or ratio > AT_MOST:
        sys.exit(1)


def _ordinary(number: int) -> bytes:
    """As a server keeps it: five hops, a filter's opinion, each with its own token."""
    raw = craft(token_mail(token=f"FAKE5tokenNOTreal2xyzQ{number:03}"))
    return (RECEIVED * 5 + "X-Spam-Status: No, score=-0.1\n").replace("\n", "\r\n").encode() + raw


def _seconds(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
