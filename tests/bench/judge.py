"""What a verdict costs: `explain` on ordinary signed mails, beside a bare `dkim.verify` of them.

The two take turns in one process, so that both see the same machine; figures are the median of the
rounds. Processor time, one core.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

import dkim

from tests.kit.cost import seconds
from tests.kit.mails import ADDRESS, ISSUED, genuine_signer, mail, token_mail
from tests.kit.rig import judge_under
from tests.kit.signing import craft
from token_catcher.commands.explain import explain
from token_catcher.keys import PinnedKeys
from token_catcher.model import Mail

MAILS = 200
ROUNDS = 9
AT_LEAST = 300
"""Mails a second."""
AT_MOST = 3.0
"""Times as dear as the bare verification."""
RECEIVED = (
    "Received: from smtp09.mta.salesforce.com by mx.example.com with ESMTPS;"
    " Tue, 3 Feb 2026 12:57:28 +0000\n"
)
TOP = RECEIVED * 5 + "X-Spam-Status: No, score=-0.1\n"
"""As a server keeps a mail: five hops, and a filter's opinion."""


@dataclass(frozen=True)
class Both:
    """The two things that are measured."""

    mails: Sequence[Mail]

    def explained(self) -> None:
        """Our whole verdict."""
        signer = genuine_signer()
        judge = judge_under(keys=PinnedKeys({signer.name: signer.record}))
        for each in self.mails:
            assert explain("a.eml", each, judge, (ADDRESS,)).outcome == "would-store"

    def verified(self) -> None:
        """The signature alone."""
        record = genuine_signer().record

        def lookup(_name: bytes, timeout: int) -> bytes:
            return record

        for each in self.mails:
            assert dkim.verify(each.raw, dnsfunc=lookup)


def main() -> None:
    """Print both figures and their ratio; exit code 1 where one is not reached."""
    both = Both([_ordinary(number) for number in range(MAILS)])
    ours, bare = [], []
    for _ in range(ROUNDS):
        ours.append(seconds(both.explained))
        bare.append(seconds(both.verified))
    rate = MAILS / median(ours)
    ratio = median(our / their for our, their in zip(ours, bare, strict=True))
    print(f"explain         {rate:6.0f} mails a second (at least {AT_LEAST})")
    print(f"dkim.verify     {MAILS / median(bare):6.0f} mails a second, the same {MAILS} mails")
    print(f"ratio           {ratio:6.2f} (at most {AT_MOST:.0f})")
    if rate < AT_LEAST or ratio > AT_MOST:
        sys.exit(1)


def _ordinary(number: int) -> Mail:
    """One with a token of its own."""
    raw = craft(token_mail(token=f"FAKE5tokenNOTreal2xyzQ{number:03}"))
    return mail(TOP.replace("\n", "\r\n").encode() + raw, received_at=ISSUED + timedelta(minutes=1))


if __name__ == "__main__":
    main()
