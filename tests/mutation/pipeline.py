"""Mistakes in the order of effects, each found by the crash-anywhere machine: `python -m tests.mutation.pipeline`."""

from __future__ import annotations

import sys

from tests.mutation.mutants import Mutant, survivors

MACHINE = ("tests/properties/test_crash_anywhere.py",)
STORE = "            outcome = self._keep(verdict.outcome)\n"
RECORD = "            entry = self._record(mail, verdict, outcome, previous)\n"
PROCESS = "            entry = self._sweep.pipeline.process(mail, self._sweep.addresses, self._progress)\n"
MUTANTS = (
    Mutant(
        "settle before journal",
        "sweep.py",
        PROCESS,
        f"            self._progress.settle(uid)\n            self._run.checkpoint.save()\n{PROCESS}",
        MACHINE,
    ),
    Mutant(
        "journal before store",
        "pipeline.py",
        STORE + RECORD,
        "            early = Stored(Receipt('', 1, '', None)) if isinstance(verdict.outcome, Capture) else verdict.outcome\n"
        "            entry = self._record(mail, verdict, early, previous)\n"
        "            self._keep(verdict.outcome)\n",
        MACHINE,
    ),
    Mutant(
        "trust skipped",
        "proof/trust.py",
        "    finding = POLICIES[case.terms.policy](case)\n",
        '    finding = Finding(True, "skipped", "skipped")\n',
        MACHINE,
    ),
    Mutant(
        "store not idempotent",
        "vault/store.py",
        "        if token == capture.token:\n",
        '        if current.ours("issued_at") == iso(capture.issued_at):\n            return None\n'
        "        if token == capture.token:\n",
        MACHINE,
    ),
    Mutant(
        "a crash between store and journal goes unrecorded",
        "pipeline.py",
        "        return Stored(outcome.written, recovered=True)\n",
        "        return outcome\n",
        MACHINE,
    ),
    Mutant(
        "token written to the journal",
        "pipeline.py",
        "    return replace(entry, fingerprint=token.fingerprint, token_length=len(token))\n",
        "    return replace(entry, fingerprint=token.reveal(), token_length=len(token))\n",
        MACHINE,
    ),
    Mutant(
        "an older token wins",
        "vault/store.py",
        "        if capture.issued_at < issued_at:\n",
        "        if False:\n",
        MACHINE,
    ),
)

if __name__ == "__main__":
    sys.exit(bool(survivors(MUTANTS)))
