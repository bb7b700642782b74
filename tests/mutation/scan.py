"""Mistakes in what a scan tells, what it waits for, and what a dry run says."""

from __future__ import annotations

from tests.mutation.mutants import Mutant

AWAITED = ("tests/unit/commands/test_awaited.py",)
WAITING = ("tests/unit/commands/test_waiting.py",)
SCAN = ("tests/unit/commands/test_scan.py",)
DRY_RUN = ("tests/unit/commands/test_dry_run.py",)
MUTANTS = (
    Mutant(
        "a token that Vault had lost ends a wait",
        "commands/awaited.py",
        "if not had_token(entry) or entry.mended:",
        "if not had_token(entry):",
        AWAITED,
        "Awaited.is_met_by",
    ),
    Mutant(
        "an older mail that is released ends a wait",
        "commands/awaited.py",
        "if entry.released_by is not None and not has_come_since:",
        "if False:",
        AWAITED,
        "Awaited.is_met_by",
    ),
    Mutant(
        "the token that Vault had ends a wait",
        "commands/awaited.py",
        "if is_same:",
        "if False:",
        AWAITED,
        "Awaited._is_new_in_vault",
    ),
    Mutant(
        "what was found in Vault ends a wait",
        "commands/awaited.py",
        "return was_written or has_come_since",
        "return True",
        AWAITED,
        "Awaited._is_new_in_vault",
    ),
    Mutant(
        "a wait passes over newer mail that is not settled",
        "commands/waiting.py",
        "if not any(_is_newer(result, entry) for result in self._unsettled.values()):",
        "if True:",
        WAITING,
        "Wait._answer",
    ),
    Mutant(
        "unproven mail keeps a wait going",
        "commands/waiting.py",
        "result.outcome == Event.HELD.outcome and result.reason not in UNPROVEN",
        "result.outcome == Event.HELD.outcome",
        WAITING,
        "Wait._take_record",
    ),
    Mutant(
        "a wait asks for no news",
        "commands/waiting.py",
        "        return self.scan.look_at_news()\n",
        "        return iter(())\n",
        WAITING,
        "Wait._next_look",
    ),
    Mutant(
        "a wait looks for what a daemon beside it did only after a report",
        "commands/waiting.py",
        "            self._take_records()  # of a daemon beside us\n",
        "            pass\n",
        WAITING,
        "Wait.run",
    ),
    Mutant(
        "every refusal asks for a person",
        "commands/results.py",
        "return self.org is not None and self.fingerprint is not None",
        "return True",
        SCAN,
        "ScanResult._may_be_genuine",
    ),
    Mutant(
        "no refusal asks for a person",
        "commands/results.py",
        "return self.org is not None and self.fingerprint is not None",
        "return False",
        SCAN,
        "ScanResult._may_be_genuine",
    ),
    Mutant(
        "what is held as before is not told on a wish",
        "visit.py",
        "            self._report.still_held.append(entry)\n",
        "            pass\n",
        SCAN,
        "Visit._note_still_held",
    ),
    Mutant(
        "a dry run does not ask Vault",
        "commands/dry_run.py",
        "            return self._store.foresee(capture)\n",
        "            return None\n",
        DRY_RUN,
        "Foresight._by_vault",
    ),
    Mutant(
        "a dry run takes an older mail for the newest",
        "commands/dry_run.py",
        "        if order is Order.NEWER:\n",
        "        if order is not Order.SAME_DATE:\n",
        DRY_RUN,
        "Foresight._beside_another",
    ),
)
