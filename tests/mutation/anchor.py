"""Mistakes in what Vault knows of the journal, and in who tells of it."""

from __future__ import annotations

from tests.mutation.mutants import Mutant

ANCHOR = ("tests/contract/test_journal_anchor.py",)
FILE = "anchoring.py"
MUTANTS = (
    Mutant(
        "an anchor that is ahead is written over",
        FILE,
        "    if anchor.seq > head.seq:\n",
        "    if False:\n",
        ANCHOR,
        "expect_led_through",
    ),
    Mutant(
        "an anchor of another journal is written over",
        FILE,
        "kept is not None and kept != anchor.hash",
        "False",
        ANCHOR,
        "expect_led_through",
    ),
    Mutant(
        "the journal is read before its anchor",
        FILE,
        "        current = self._anchors.read()\n"
        "        # After that: whatever another process has anchored is in the journal by now.\n"
        "        self._journal.catch_up()\n",
        "        self._journal.catch_up()\n        current = self._anchors.read()\n",
        ("tests/unit/test_anchoring.py",),
        "Anchoring.move",
    ),
    Mutant(
        "what another process has anchored is not read",
        FILE,
        "        self._journal.catch_up()\n",
        "",
        ANCHOR,
        "Anchoring.move",
    ),
    Mutant(
        "rights are found out by a denial",
        FILE,
        "        self._anchors.expect_granted()\n",
        "",
        ANCHOR,
        "Anchoring.move",
    ),
    Mutant(
        "each process has a write a minute",
        FILE,
        "current.anchor is not None and self._is_fresh(current.anchor)",
        "False",
        ANCHOR,
        "Anchoring.move",
    ),
    Mutant(
        "a clock that was ahead keeps everybody waiting",
        FILE,
        "timedelta() <= age < timedelta(seconds=PAUSE)",
        "age < timedelta(seconds=PAUSE)",
        ANCHOR,
        "Anchoring._is_fresh",
    ),
    Mutant(
        "a quiet journal is never looked at",
        FILE,
        "        pause = DAILY\n",
        "        pause = float('inf')\n",
        ANCHOR,
        "Anchoring._is_time",
    ),
    Mutant(
        "a Vault that is away counts at once",
        FILE,
        "isinstance(error, TransientError) and self._may_wait()",
        "False",
        ANCHOR,
        "Anchoring._fail",
    ),
    Mutant(
        "a Vault that is away never counts",
        FILE,
        "        return self._monotonic() - self._failing_since < GRACE.total_seconds()\n",
        "        return True\n",
        ANCHOR,
        "Anchoring._may_wait",
    ),
    Mutant(
        "a Vault that is away covers up a contradiction",
        FILE,
        "        if self.health.trouble is not None:\n            return True\n",
        "",
        ANCHOR,
        "Anchoring._may_wait",
    ),
    Mutant(
        "the grace is counted over tries that came through",
        FILE,
        "        self._failing_since = None\n        assert",
        "        assert",
        ANCHOR,
        "Anchoring.round",
    ),
    Mutant(
        "what is no anchor is taken for none",
        "vault/anchor.py",
        "        if not version.number or version.gone:\n",
        "        if not version.number or version.gone or 'hash' not in version.data:\n",
        ANCHOR,
        "AnchorStore._version",
    ),
    Mutant(
        "a denial names the policy of the users",
        "vault/anchor.py",
        "        if denial.code == DENIED:  # and",
        "        if False:  # and",
        ANCHOR,
        "AnchorStore._refusal",
    ),
)
