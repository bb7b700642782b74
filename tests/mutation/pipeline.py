"""Mistakes in the order of effects, each found by the crash-anywhere machine alone."""

from __future__ import annotations

from tests.mutation.mutants import Mutant

MACHINE = ("tests/properties/test_crash_anywhere.py",)

STORE = "            outcome = self._keep(verdict.outcome)\n"
RECORD = "            entry = self._record(mail, verdict, outcome, previous, first_look)\n"
RECORD_FIRST = """\
            outcome = verdict.outcome
            if isinstance(outcome, Capture):
                outcome = Stored(Receipt("", 1, "", None))
            entry = self._record(mail, verdict, outcome, previous, first_look)
            self._keep(verdict.outcome)
"""

PROCESS = """\
            entry = self._tools.pipeline.process(mail, self._tools.addresses, self._agenda.progress)
"""
SETTLE = """\
            self._agenda.progress.settle(uid)
            self._run.checkpoint.save()
"""

SAME_TOKEN = "        if token == capture.token:\n"
SAME_DATE_WRITES = """\
        if current.ours("issued_at") == iso(capture.issued_at):
            return None
"""

MUTANTS = (
    Mutant(
        "settle before journal",
        "visit.py",
        function="Visit._mail",
        old=PROCESS,
        new=SETTLE + PROCESS,
        # The hourly look below would find the mail again, and so the machine loses none.
        tests=("tests/unit/test_sweep.py", "-k", "only_after_its_record"),
    ),
    Mutant(
        "journal before store",
        "pipeline.py",
        function="Pipeline.process",
        old=STORE + RECORD,
        new=RECORD_FIRST,
        tests=MACHINE,
    ),
    Mutant(
        "trust skipped",
        "proof/trust.py",
        function="_proof",
        old="    finding = POLICIES[case.terms.policy](case)\n",
        new='    finding = Finding(True, "skipped", "skipped")\n',
        tests=MACHINE,
    ),
    Mutant(
        "store not idempotent",
        "vault/store.py",
        function="VaultStore._without_writing",
        old=SAME_TOKEN,
        new=SAME_DATE_WRITES + SAME_TOKEN,
        tests=MACHINE,
    ),
    Mutant(
        "a crash between store and journal goes unrecorded",
        "pipeline.py",
        function="Pipeline._keep",
        old="        return Stored(outcome.written, recovered=True)\n",
        new="        return outcome\n",
        tests=MACHINE,
    ),
    Mutant(
        "the write of a twin is taken for ours",
        "vault/own_writes.py",
        function="OwnWrites._number_carried",
        old="        if trace.writer != self._writer():\n            return None\n",
        new="",
        tests=MACHINE,
    ),
    Mutant(
        "a version that carries our fields on is taken for our write",
        "vault/own_writes.py",
        function="OwnWrites._number_carried",
        old="        return int(text)\n",
        new="        return trace.number\n",
        tests=MACHINE,
    ),
    Mutant(
        "token written to the journal",
        "entries.py",
        function="_with_claim",
        old="    return replace(entry, fingerprint=token.fingerprint, token_length=len(token))\n",
        new="    return replace(entry, fingerprint=token.reveal(), token_length=len(token))\n",
        tests=MACHINE,
    ),
    Mutant(
        "an older token wins",
        "vault/store.py",
        function="_beside_one_of",
        old="            return Unchanged(Reason.STALE)\n",
        new="            return None\n",
        tests=MACHINE,
    ),
)
