"""What a verdict costs: `explain` on ordinary signed mails, beside a bare `dkim.verify` of them.

The two take turns in one process, so that both see the same machine. Processor time, one core.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import dkim

from tests.bench.table import Row, amount, at_most
from tests.kit.cost import seconds
from tests.kit.mails import ADDRESS, ISSUED, genuine_signer, mail, token_mail
from tests.kit.rig import judge_under
from tests.kit.signing import craft
from token_catcher.commands.explain import explain
from token_catcher.keys import PinnedKeys
from token_catcher.model import Mail

MAILS = amount(200, quick=5)
ROUNDS = amount(9, quick=1)
MILLISECONDS = 1000 / 300
"""Of a mail: 300 a second."""
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


def rows() -> Iterator[Row]:
    """Milliseconds of a mail."""
    both = Both([_ordinary(number) for number in range(MAILS)])
    ours, bare = [], []
    for _ in range(ROUNDS):
        ours.append(seconds(both.explained) / MAILS * 1000)
        bare.append(seconds(both.verified) / MAILS * 1000)
    aims = (at_most("median", MILLISECONDS), at_most("ratio", AT_MOST))
    yield Row(
        f"explain, each of {MAILS} ordinary mails", "ms", ours, "dkim.verify alone", bare, aims
    )


def _ordinary(number: int) -> Mail:
    """One with a token of its own."""
    raw = craft(token_mail(token=f"FAKE5tokenNOTreal2xyzQ{number:03}"))
    return mail(TOP.replace("\n", "\r\n").encode() + raw, received_at=ISSUED + timedelta(minutes=1))
