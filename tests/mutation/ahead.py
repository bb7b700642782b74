"""Mistakes in what is asked ahead of a look, and in what its answers are worth."""

from __future__ import annotations

from tests.mutation.mutants import Mutant

QUESTIONS = ("tests/contract/test_imap_questions.py",)
PIPELINING = ("tests/contract/test_imap_pipelining.py",)
SWEEP = ("tests/unit/test_sweep.py",)
WATCH = ("tests/unit/daemon/test_watch.py",)

MUTANTS = (
    Mutant(
        "ahead: another sweep lay between",
        "sweep.py",
        function="Sweep.run",
        old="wait=wait, on_wait=mailbox.ask_anew",
        new="wait=min(wait, 1.0)",
        tests=SWEEP,
    ),
    Mutant(
        "ahead: what a sweep did not come to is good for the next one",
        "sweep.py",
        function="Sweep.run",
        old="        mailbox.ask_anew()  #",
        new="        pass  #",
        tests=SWEEP,
    ),
    Mutant(
        "ahead: a folder is set back on one word",
        "sweep.py",
        function="Sweep._opened",
        old="if run.checkpoint.contradicts(",
        new="if not run.checkpoint.contradicts(",
        tests=SWEEP,
    ),
    Mutant(
        "ahead: a folder is set back on one word on its last mail",
        "agenda.py",
        function="Agenda._surveyed",
        old="            survey = self._new_in(surveyor)  #",
        new="            pass  #",
        tests=SWEEP,
    ),
    Mutant(
        "ahead: another command lay between",
        "imap/connection.py",
        function="Connection.call",
        old="        self.ahead = None\n",
        new="",
        tests=QUESTIONS,
    ),
    Mutant(
        "ahead: a mail that EXAMINE has counted is news once more",
        "imap/questions.py",
        function="AskingIdle._answers",
        old="        self._idle.expect(state.exists)\n",
        new="",
        tests=QUESTIONS,
    ),
    Mutant(
        "ahead: a mail that goes among the answers leaves a hole",
        "imap/questions.py",
        function="AskingIdle._answers",
        old="if self._raw.is_expunge_told:",
        new="if False:",
        tests=QUESTIONS,
    ),
    Mutant(
        "ahead: what is answered before EXAMINE is believed",
        "imap/questions.py",
        function="AskingIdle._answers",
        old=" or any(map(self._raw.is_answered, others))",
        new="",
        tests=PIPELINING,
    ),
    Mutant(
        "ahead: a session that ran out was the last trial",
        "imap/questions.py",
        function="AskingIdle.wait",
        old="            self._pipelining.run_out()  #",
        new="            pass  #",
        tests=PIPELINING,
    ),
    Mutant(
        "ahead: the last trial is followed by another",
        "imap/questions.py",
        function="AskingIdle.wait",
        old=" or self._pipelining.is_on_trial",
        new="",
        tests=PIPELINING,
    ),
    Mutant(
        "ahead: a late answer ends the session",
        "imap/idle.py",
        function="Idle._meaning",
        old="if space and self._raw.keep_answer(tag, answer):",
        new="if False:",
        tests=PIPELINING,
    ),
    Mutant(
        "ahead: the probe goes out although somebody waits",
        "imap/idle.py",
        function="Idle._behind_done",
        old=" or _is_readable(wake)",
        new="",
        tests=PIPELINING,
    ),
    Mutant(
        "ahead: a look at all folders is asked for as one at the inbox",
        "daemon/watch.py",
        function="Watch._listen",
        old="alone = self._nothing_else_waits()",
        new="alone = True",
        tests=WATCH,
    ),
)
