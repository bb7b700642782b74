"""Mistakes in the order of effects, each found by the crash-anywhere machine alone."""

from __future__ import annotations

from tests.mutation.mutants import Mutant

MACHINE = ("tests/properties/test_crash_anywhere.py",)

BATCH = ("tests/unit/test_batch.py",)

STORE = "                end = self._storer.kept(batch, done, store, steps)\n"
RECORD_FIRST = """\
                from token_catcher.model import Receipt, Stored
                end = len(batch)
                for course in batch[done:]:
                    if (capture := course.capture) is not None:
                        course.outcome = Stored(Receipt("", 1, "", None))
                        self._recorder.record([course], lambda _entry: None)
                        self._storer.keep(capture, store)
"""

TAKE = "        left = len(mails)\n"
SETTLE = """\
        for mail in mails:
            self._agenda.progress.settle(mail.ref.uid)
        self._run.checkpoint.save()
"""

OUTAGE_OF_THE_FIRST = """\
                    outage, each.error = each.error, None
                    course.error = outage
"""

RECORDED = """\
            try:
                end = self._storer.kept(batch, done, store, steps)
            finally:
                # Whatever keeps the others from Vault: what is there has its record.
                self._recorder.record(batch, told)
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
        function="Visit._take",
        old=TAKE,
        new=SETTLE + TAKE,
        # The hourly look below would find the mail again, and so the machine loses none.
        tests=("tests/unit/test_sweep.py", "-k", "only_after_its_record"),
    ),
    Mutant(
        "journal before store",
        "pipeline.py",
        function="Pipeline._settled",
        old=STORE,
        new=RECORD_FIRST,
        tests=MACHINE,
    ),
    Mutant(
        "a mail is settled before the records of its batch",
        "pipeline.py",
        function="Pipeline._settled",
        old=RECORDED,
        new="            end = self._storer.kept(batch, done, store, steps)\n",
        tests=BATCH,
    ),
    Mutant(
        "a batch that breaks off leaves versions without a record",
        "pipeline.py",
        function="Pipeline._settled",
        old=RECORDED,
        new=RECORDED.replace("record(batch, told)", "record(batch[: done + 1], told)"),
        tests=BATCH,
    ),
    Mutant(
        "of several tokens the oldest is stored first",
        "batch.py",
        function="newest_first",
        old="reverse=True",
        new="reverse=False",
        tests=BATCH,
    ),
    Mutant(
        "a version without its record is written over",
        "batch.py",
        function="stored_first",
        old="    return there + others\n",
        new="    return list(courses)\n",
        tests=BATCH,
    ),
    Mutant(
        "a copy is judged before the first has its record",
        "pipeline.py",
        function="Pipeline._is_apart",
        old="        if mail.digest in digests:\n",
        new="        if False:\n",
        tests=BATCH,
    ),
    Mutant(
        "a mail is judged before the first of its org is stored",
        "pipeline.py",
        function="Pipeline._ends_batch",
        old="        return capture.org not in self._taught\n",
        new="        return False\n",
        tests=BATCH,
    ),
    Mutant(
        "a mail behind an outage counts as settled",
        "storer.py",
        function="Storer._keep_secret",
        old=OUTAGE_OF_THE_FIRST,
        new="                    pass\n",
        tests=BATCH,
    ),
    Mutant(
        "an older token is written while a newer one waits",
        "storer.py",
        function="Storer._keep_secret",
        old="                _put_behind(ordered[number + 1 :], capture)\n",
        new="",
        tests=BATCH,
    ),
    Mutant(
        "a newer token waits for an older one",
        "storer.py",
        function="_put_behind",
        old=" and capture.issued_at < newer.issued_at",
        new="",
        tests=BATCH,
    ),
    Mutant(
        "what another sweep recorded meanwhile is recorded again",
        "record/journal.py",
        function="Journal._unless_known",
        old="            if mail in known:\n",
        new="            if False:\n",
        tests=BATCH,
    ),
    Mutant(
        "trust skipped",
        "proof/trust.py",
        function="_proof",
        old="    finding = POLICIES[case.terms.policy](case)\n",
        new='    finding = Finding(True, "skipped", "skipped")\n',
        tests=("tests/unit/test_pipeline.py",),
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
        "storer.py",
        function="Storer.keep",
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
        function="_of_candidate",
        old='"fingerprint": token.fingerprint',
        new='"fingerprint": token.reveal()',
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
