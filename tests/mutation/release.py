"""Mistakes in what waits for a person, and in what a person can release."""

from __future__ import annotations

from tests.mutation.mutants import Mutant

WAIVE = ("tests/unit/proof/test_waive.py",)
RELEASE = ("tests/unit/commands/test_release.py",)
WAITING = ("tests/unit/record/test_waiting.py",)
WAIVED = "rule.name in case.waive and not (finding.passed or finding.final)"
MUTANTS = (
    Mutant(
        "any rule can be set aside",
        "proof/trust.py",
        "        if not waive <= WAIVABLE:\n",
        "        if False:\n",
        WAIVE,
        "Trust.judge",
    ),
    Mutant(
        "every rule is set aside",
        "proof/trust.py",
        WAIVED,
        "bool(case.waive) and not finding.passed",
        WAIVE,
        "_verdict",
    ),
    Mutant(
        "a sandbox behind a tag is set aside",
        "proof/trust.py",
        WAIVED,
        "rule.name in case.waive and not finding.passed",
        WAIVE,
        "_verdict",
    ),
    Mutant(
        "another mail under the same UID is taken",
        "lookup.py",
        "            elif answer.digest == entry.mail:\n",
        "            else:\n",
        RELEASE,
        "Lookup.find",
    ),
    Mutant(
        "a UID is asked for under another UIDVALIDITY",
        "lookup.py",
        "state.uidvalidity == entry.uidvalidity",
        "state.uidvalidity",
        RELEASE,
        "Lookup._likeliest_first",
    ),
    Mutant(
        "a mail that is not held is released",
        "commands/release.py",
        "    if not held:\n",
        "    held = held or [last]\n    if not held:\n",
        RELEASE,
        "held_record",
    ),
    Mutant(
        "a mailbox that refuses us is asked again",
        "commands/release.py",
        "                self._refusals[watched.name] = error\n",
        "                pass\n",
        RELEASE,
        "Releases._find",
    ),
    Mutant(
        "nobody is recorded",
        "pipeline.py",
        "            entry = released(entry, verdict, release)\n",
        "            pass\n",
        RELEASE,
        "Pipeline.release",
    ),
    Mutant(
        "a token of the same second ends the wait",
        "record/waiting.py",
        "        return self.issued_at < stored.issued_at and self.dated_at < stored.dated_at\n",
        "        return self.issued_at <= stored.issued_at and self.dated_at <= stored.dated_at\n",
        WAITING,
        "MailToken.is_overtaken_by",
    ),
    Mutant(
        "a token that is later by one clock ends the wait",
        "record/waiting.py",
        " and self.dated_at < stored.dated_at\n",
        "\n",
        WAITING,
        "MailToken.is_overtaken_by",
    ),
    Mutant(
        "the token of another user ends the wait",
        "record/waiting.py",
        "        by_org = self._in_vault.get(mail.username, {})\n",
        "        by_org = next(iter(self._in_vault.values()), {})\n",
        WAITING,
        "Waiting._is_overtaken",
    ),
    Mutant(
        "the token of another org ends the wait",
        "record/waiting.py",
        "        if self.org is None or self.org != stored.org:\n",
        "        if False:\n",
        WAITING,
        "MailToken.is_overtaken_by",
    ),
    Mutant(
        "a subject that was replaced is waived",
        "proof/trust.py",
        "final=hidden or replaced)",
        "final=hidden)",
        ("tests/unit/proof/test_waive.py",),
        "_subject",
    ),
)
