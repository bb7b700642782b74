"""Mistakes in how often a token is tried by a login, and in what an answer means."""

from __future__ import annotations

from tests.mutation.mutants import Mutant

PLAN = ("tests/unit/test_login_proof.py",)
TRIES = ("tests/unit/record/test_tries.py",)
SOAP = ("tests/unit/salesforce/test_soap.py",)
LOGIN = ("tests/contract/test_salesforce_login.py",)

MUTANTS = (
    Mutant(
        "login proof: a try is counted after it",
        "login_proof.py",
        function="LoginProof._try",
        old="        self._keep(self._tries.counting(trial, count))\n        answer",
        new="        answer",
        tests=PLAN,
    ),
    Mutant(
        "login proof: three tries",
        "login_proof.py",
        function="LoginProof._try",
        old="count < MOST_TRIES",
        new="count <= MOST_TRIES",
        tests=PLAN,
    ),
    Mutant(
        "login proof: the second try at once",
        "login_proof.py",
        function="LoginProof._try",
        old="self._now() + GRACE",
        new="self._now()",
        tests=PLAN,
    ),
    Mutant(
        "login proof: a try that a crash ended is repeated",
        "login_proof.py",
        function="LoginProof._step",
        old="trial.result is None and trial.trying",
        new="False",
        tests=PLAN,
    ),
    Mutant(
        "login proof: what cannot be told is tried again",
        "login_proof.py",
        function="LoginProof._try",
        old="answer.result is LoginResult.REFUSED and",
        new="not answer.result.proves and",
        tests=PLAN,
    ),
    Mutant(
        "login proof: what was not sent is a try",
        "login_proof.py",
        function="LoginProof._not_sent",
        old="self._tries.count(trial) - 1",
        new="self._tries.count(trial)",
        tests=PLAN,
    ),
    Mutant(
        "login proof: another token than the record's is tried",
        "login_proof.py",
        function="LoginProof._look_at",
        old="elif not is_same:",
        new="elif False:",
        tests=PLAN,
    ),
    Mutant(
        "login proof: a token whose record nobody can tell is tried",
        "login_proof.py",
        function="LoginProof._look_at",
        old="""        if is_same is None:
            self._skip(trial, UNKNOWN_KEY)
        elif not is_same:""",
        new="        if is_same is False:",
        tests=PLAN,
    ),
    Mutant(
        "login proof: a token with a record of another key is tried anew",
        "login_proof.py",
        function="LoginProof._look_at",
        old="trial.token is None and token.fingerprint in self._tries.counts",
        new="False",
        tests=PLAN,
    ),
    Mutant(
        "login proof: a new key is one more try",
        "login_proof.py",
        function="LoginProof._is_of",
        old="""        if trial.token is not None:
            return trial.token == token.fingerprint
""",
        new="",
        tests=PLAN,
    ),
    Mutant(
        "login proof: what an earlier version tried is forgotten",
        "record/tries.py",
        function="Trial.of_json",
        old='kept.get("token", entry.get("fingerprint"))',
        new='kept.get("token")',
        tests=TRIES,
    ),
    Mutant(
        "login proof: a token that was lost is tried anew",
        "login_proof.py",
        function="LoginProof._is_new",
        old="entry.mended or ",
        new="",
        tests=PLAN,
    ),
    Mutant(
        "login proof: a token is forgotten once it is settled",
        "record/tries.py",
        function="Tries.without",
        old="dict(list(self.counts.items())[-REMEMBERED:])",
        new="{}",
        tests=TRIES,
    ),
    Mutant(
        "login proof: a crash makes a second record",
        "login_proof.py",
        function="LoginProof._record",
        old="not self._is_recorded(trial)",
        new="True",
        tests=PLAN,
    ),
    Mutant(
        "login: a document type is read",
        "salesforce/soap.py",
        function="_Document.read",
        old="        parser.StartDoctypeDeclHandler = _refuse_doctype\n",
        new="",
        tests=SOAP,
    ),
    Mutant(
        "login: a redirect is an answer",
        "salesforce/soap.py",
        function="answer_in",
        old="300 <= status < 400 or ",
        new="",
        tests=SOAP,
    ),
    Mutant(
        "login: a password is not escaped",
        "salesforce/soap.py",
        function="login_request",
        old="password=_escaped(proof)",
        new="password=proof",
        tests=SOAP,
    ),
    Mutant(
        "login: a refused certificate counts as sent",
        "salesforce/login.py",
        function="_was_not_sent",
        old="return any(isinstance(cause, _BEFORE_THE_REQUEST) for cause in causes(error))",
        new="return False",
        tests=LOGIN,
    ),
)
