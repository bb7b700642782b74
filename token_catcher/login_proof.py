"""The proof by login: whether Salesforce takes a token that was stored.

It reads the journal by its own place in it, so that no capture waits for it or fails with it. Of
each token that was stored, one login is tried, with the password of the same secret:

* The try is written down before the request: a crash in between is a try as well.
* Refused, it is tried once more after Salesforce's own 15 minutes, and never again: each refusal
  counts for the lock-out of the user. Any other answer is final.
* A request that was certainly not sent is no try; it is made again for a day.
* The token is in memory for the request alone, and read from Vault for it. Where Vault has another
  one by then, nothing is tried: that one has a record of its own. Nor where the record names a key
  of the journal that is not there any more, so that nobody can tell.
* Whether it was tried before is asked of the token that Vault shows: its records may have been
  written with different keys.

The first time there is no place, and it begins at the journal's end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from token_catcher.errors import AccessError, StateError, TransientError
from token_catcher.fingerprints import PLAIN, Fingerprints
from token_catcher.log import raised_at
from token_catcher.model import Entry, Event, LoginSecrets, ProofEvent, Secret, Token, iso
from token_catcher.ports import Log
from token_catcher.record import Journal, Trial, Tries, TriesFile
from token_catcher.salesforce import LoginAnswer, LoginResult

MOST_TRIES: Final = 2
"""Of one token, whatever happens."""
GRACE: Final = timedelta(minutes=15)
"""Until every login takes a new token, by Salesforce's own word."""
SOONEST: Final = timedelta(minutes=1)
SELDOM: Final = timedelta(hours=1)
"""Between two requests that are not sent: at first, and at most."""
GIVEN_UP: Final = timedelta(days=1)
"""After which nothing is tried any more that could not be sent."""
UNSAVED: Final = 1_000
"""Records without a token to try that are read again after a restart, rather than kept."""
SUPERSEDED: Final = "superseded"
"""Vault has another token by now; a label of the metric beside the results."""
UNKNOWN_KEY: Final = "unknown-key"
"""Nobody can tell whether Vault has another one: the record's key is gone. A label as well."""

_REFUSALS: Final = (LoginResult.REFUSED, LoginResult.LOCKED)


class LogIn(Protocol):
    """What tries a login; see `salesforce.log_in`."""

    def __call__(self, host: str, username: str, password: Secret, token: Token) -> LoginAnswer: ...


def _ignore(_result: object) -> None:
    """Nobody counts."""


def _never() -> bool:
    return False


class LoginProof:
    """Proves the tokens of one configuration. One thread at a time."""

    def __init__(
        self,
        file: TriesFile,
        journal: Journal,
        *,
        secrets: Callable[[str], LoginSecrets],
        host_of: Callable[[Entry], str | None],
        log_in: LogIn,
        now: Callable[[], datetime],
        log: Log,
        observe: Callable[[str], None] = _ignore,
        tell_refused: Callable[[Mapping[str, Any]], None] = _ignore,
        fingerprints: Fingerprints = PLAIN,
    ) -> None:
        """`secrets`: those at a path in Vault; it raises what the store raises. `host_of`: where
        the user of a record logs in; None: nowhere, by the configuration of now. `observe` is told
        of each end, `tell_refused` of each token that is refused: whose it is, and why."""
        self._file = file
        self._journal = journal
        self._secrets = secrets
        self._host_of = host_of
        self._log_in = log_in
        self._now = now
        self._log = log
        self._observe = observe
        self._tell_refused = tell_refused
        self._fingerprints = fingerprints
        self._tries = Tries(0)
        self._is_read = False
        self._saved_at = 0
        """The number of the record up to which the file knows the journal."""
        self._is_unreachable = False

    def begin(self) -> None:
        """Before the first mail is looked at: see that what is stored from here on is tried.

        StateError: the file cannot be used."""
        self._journal.catch_up()
        if self._file.read() is None:
            self._file.write(Tries(self._journal.head.seq))

    def round(self, stopping: Callable[[], bool] = _never) -> None:
        """Look at what was stored since the last one, and try what is due.

        StateError: our files cannot be used; nothing is tried, and all of it next time."""
        if not self._is_read:
            self._tries = self._file.read() or Tries(self._journal.head.seq)
            self._saved_at = self._tries.seq
            self._is_read = True
        self._take_in()
        for fingerprint in self._tries.waiting:  # which is replaced, and never changed
            if stopping():
                return
            self._step(fingerprint)

    # -- what is to be tried --

    def _take_in(self) -> None:
        last = self._journal.head.seq
        tries = self._tries
        if last < tries.seq:  # it is another journal, whose past is history
            self._keep(replace(tries, seq=last))
        if last <= tries.seq:
            return
        for record in self._journal.records(after=tries.seq):
            last = max(last, record.seq)
            if self._is_new(record.entry, tries):
                now = self._now()
                tries = tries.having(Trial(_about_token(record.entry), now, now))
        tries = replace(tries, seq=last)
        if len(tries.waiting) > len(self._tries.waiting) or last - self._saved_at > UNSAVED:
            self._keep(tries)
        self._tries = tries

    def _is_new(self, entry: Entry, tries: Tries) -> bool:
        """Whether it is a token that was never tried, as far as its record tells.

        One that Vault had lost was stored before."""
        if entry.event != Event.STORED or entry.mended or entry.fingerprint is None:
            return False
        if entry.fingerprint in tries.waiting or entry.fingerprint in tries.counts:
            return False
        return self._host_of(entry) is not None

    # -- one token --

    def _step(self, fingerprint: str) -> None:
        trial = self._tries.waiting[fingerprint]
        if trial.result is None and trial.trying:
            # The program ended meanwhile: whether the request arrived, nobody knows.
            trial = self._note(trial, LoginAnswer(LoginResult.INTERRUPTED))
        if trial.result is not None:
            self._record(trial, LoginResult(trial.result))
        elif trial.due_at <= self._now():
            self._look_at(trial)

    def _look_at(self, trial: Trial) -> None:
        """Try it, if Vault still has it."""
        host = self._host_of(trial.entry)
        if host is None:
            self._keep(self._tries.without(trial))
            return
        try:
            secrets = self._secrets(trial.entry.path or "")
        except (TransientError, AccessError) as error:  # which housekeeping tells
            self._log.debug("token.proof_waits", **_subject(trial), code=error.code)
            self._wait(trial)
            return
        token = secrets.token
        if token is None:
            self._skip(trial, SUPERSEDED)
            return
        is_same = self._is_of(trial, token)
        if is_same is None:
            self._skip(trial, UNKNOWN_KEY)
        elif not is_same:
            self._skip(trial, SUPERSEDED)
        elif trial.token is None and token.fingerprint in self._tries.counts:
            # By another record of it, of before the journal's key was another one.
            self._keep(self._tries.without(trial))
        else:
            self._prove(replace(trial, token=token.fingerprint), host, secrets.password, token)

    def _is_of(self, trial: Trial, token: Token) -> bool | None:
        """Whether this is the token that waits. None: nobody can tell."""
        if trial.token is not None:
            return trial.token == token.fingerprint
        return self._fingerprints.is_of(trial.entry.fingerprint, token.fingerprint)

    def _skip(self, trial: Trial, reason: str) -> None:
        """There is nothing to try."""
        self._log.info("token.proof_skipped", **_subject(trial), reason=reason)
        self._observe(reason)
        self._keep(self._tries.without(trial))

    def _prove(self, trial: Trial, host: str, password: Secret | None, token: Token) -> None:
        """Vault has it: try it, if there is a password beside it."""
        if password is None:
            self._end(trial, LoginAnswer(LoginResult.NO_PASSWORD, "no text in password_field"))
        else:
            self._try(trial, host, password, token)

    def _try(self, trial: Trial, host: str, password: Secret, token: Token) -> None:
        """One login, counted before it is made."""
        count = self._tries.count(trial) + 1
        trial = replace(trial, trying=True)
        self._keep(self._tries.counting(trial, count))
        answer = self._log_in(host, trial.entry.username or "", password, token)
        if answer.result is LoginResult.UNREACHABLE:
            self._not_sent(trial, answer)
            return
        self._is_unreachable = False
        if answer.result is LoginResult.REFUSED and count < MOST_TRIES:
            trial = replace(trial, trying=False, due_at=self._now() + GRACE)
            self._keep(self._tries.counting(trial, count))
            again_at = iso(trial.due_at)
            self._log.info("token.refused_once", **_about(trial, answer), again_at=again_at)
        else:
            self._end(trial, answer)

    def _not_sent(self, trial: Trial, answer: LoginAnswer) -> None:
        """It was no try after all: it is made again, ever more seldom, for a day."""
        if self._now() - trial.since >= GIVEN_UP:
            self._end(trial, answer)
            return
        trial = replace(trial, trying=False, due_at=self._later(trial))
        self._keep(self._tries.counting(trial, self._tries.count(trial) - 1))
        tell = self._log.debug
        if not self._is_unreachable:
            tell = self._log.warning
        self._is_unreachable = True
        tell("token.proof_waits", **_about(trial, answer), again_at=iso(trial.due_at))

    def _wait(self, trial: Trial) -> None:
        """Vault does not show the secret for now; after a restart it is asked at once."""
        trial = replace(trial, due_at=self._later(trial))
        self._tries = self._tries.having(trial)

    def _later(self, trial: Trial) -> datetime:
        """As much later as it has waited, within bounds."""
        now = self._now()
        return now + min(max(now - trial.since, SOONEST), SELDOM)

    # -- its end --

    def _end(self, trial: Trial, answer: LoginAnswer) -> None:
        self._record(self._note(trial, answer), answer.result)

    def _note(self, trial: Trial, answer: LoginAnswer) -> Trial:
        """Keep the result until it is recorded."""
        trial = replace(
            trial,
            trying=False,
            result=answer.result.value,
            saw=answer.saw,
            noted_at=self._journal.head.seq,
        )
        self._keep(self._tries.counting(trial, self._tries.count(trial)))
        return trial

    def _record(self, trial: Trial, result: LoginResult) -> None:
        """Record the result, once, and tell of it."""
        event = ProofEvent.UNVERIFIED
        if result.proves:
            event = ProofEvent.VERIFIED
        if not self._is_recorded(trial):
            entry = replace(trial.entry, reason=result.value, saw=trial.saw or None)
            self._journal.append_proof(event, entry)
        if result in _REFUSALS:
            # Before the trial is over: after a crash in between it is told again, not left out.
            self._tell_refused(_about(trial, LoginAnswer(result, trial.saw)))
        self._keep(self._tries.without(trial))
        self._observe(result.value)
        self._tell(trial, LoginAnswer(result, trial.saw))

    def _is_recorded(self, trial: Trial) -> bool:
        """Whether a crash came between the record and what follows it."""
        proofs = self._journal.proofs(after=trial.noted_at)
        return any(proof.get("fingerprint") == trial.entry.fingerprint for proof in proofs)

    def _tell(self, trial: Trial, answer: LoginAnswer) -> None:
        fields = _about(trial, answer)
        note = f"docs/errors.md tells under {answer.result} what to do"
        if answer.result is LoginResult.ACCEPTED:
            self._log.info("token.verified", **fields)
        elif answer.result.proves:
            self._log.warning("token.verified", **fields, note=note)
        elif answer.result in _REFUSALS:
            self._log.warning("token.refused_at_login", **fields, note=note)
        else:
            self._log.warning("token.unverified", **fields, note=note)

    # -- what is kept --

    def _keep(self, tries: Tries) -> None:
        """In the file, then here. StateError: it is as it was."""
        self._file.write(tries)
        self._tries = tries
        self._saved_at = tries.seq


def _about_token(entry: Entry) -> Entry:
    """Without what its record tells of the write and of the mail's proof."""
    return replace(
        entry,
        reason=None,
        saw=None,
        request_id=None,
        proof=None,
        recovered=False,
        released_by=None,
        release_reason=None,
        waived=None,
    )


def _subject(trial: Trial) -> dict[str, Any]:
    entry = trial.entry
    return {
        "org": entry.org,
        "username": entry.username,
        "path": entry.path,
        "version": entry.version,
        "fingerprint": entry.fingerprint,
    }


def _about(trial: Trial, answer: LoginAnswer) -> dict[str, Any]:
    fields = {**_subject(trial), "reason": answer.result.value}
    if answer.saw:
        fields["saw"] = answer.saw
    return fields


class LoginProofs:
    """Makes the rounds in a thread of their own, so that housekeeping waits for no login."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._trouble: str | None = None

    def begin(self, proof: LoginProof | None) -> None:
        """Before the first mail is looked at. Trouble with the file keeps nothing else from it."""
        if proof is None:
            return
        try:
            proof.begin()
        except StateError as error:
            self._tell_trouble(error)

    def look(self, proof: LoginProof | None) -> None:
        """Begin a round, unless one is running; also one of a configuration before."""
        if proof is None or self._is_busy() or self._ending.is_set():
            return
        # Python does not wait for it at exit.
        self._thread = threading.Thread(
            target=self._round, args=(proof,), name="login-proof", daemon=True
        )
        self._thread.start()

    def end(self, seconds: float) -> None:
        """Begin no further login, and wait at most so long for the one in flight."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _is_busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _round(self, proof: LoginProof) -> None:
        try:
            proof.round(self._ending.is_set)
        except StateError as error:
            self._tell_trouble(error)
        except Exception as bug:  # noqa: BLE001 - its text may hold a secret: only its place is told
            kind = type(bug).__name__
            self._log.error("token.proof_crashed", kind=kind, at=raised_at(bug))
        else:
            self._trouble = None

    def _tell_trouble(self, error: StateError) -> None:
        if error.code != self._trouble:
            self._log.error("token.proof_trouble", code=error.code, error=str(error))
        self._trouble = error.code
