"""Which tokens are tried by a login, when, and how often at most; over crashes of every kind."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kit.fakes import Silent
from tests.kit.waiting import PATIENCE, until
from tests.unit.daemon.kit import threads
from tests.unit.record.books import NOW, entry, journal
from token_catcher.errors import AccessError, Outage, StateError, TokenCatcherError
from token_catcher.login_proof import (
    GIVEN_UP,
    GRACE,
    MOST_TRIES,
    SELDOM,
    SOONEST,
    LoginProof,
    LoginProofs,
)
from token_catcher.model import Entry, Event, LoginSecrets, Secret, Token
from token_catcher.record import NO_KEYS, Journal, Keyring, TriesFile
from token_catcher.salesforce import LoginAnswer, LoginResult

TOKEN = "FAKEfirstTOKEN1notREAL2ab"
NEXT = "FAKEsecondTOKENnotREAL2ab"
REFUSED = LoginAnswer(LoginResult.REFUSED, "INVALID_LOGIN")
ACCEPTED = LoginAnswer(LoginResult.ACCEPTED)
UNREACHABLE = LoginAnswer(LoginResult.UNREACHABLE, "Connection refused")
CANNOT_TELL = [
    result
    for result in LoginResult
    if result not in (LoginResult.REFUSED, LoginResult.UNREACHABLE) and not result.proves
]


class Crash(BaseException):
    """The program ends here."""


def stored(uid: int = 1, token: str = TOKEN, **changes: Any) -> Entry:
    """The record of a token that was stored, and released by a person."""
    fields = {"fingerprint": Token(token).fingerprint, "request_id": "r", "released_by": "alice"}
    return entry(uid, **{**fields, **changes})


@dataclass
class World:
    """One state directory, what Vault holds, what Salesforce answers, and the clock."""

    home: Path
    now: datetime = NOW
    token: str | None = TOKEN
    password: str | None = "Pa55"
    host: str | None = "login.salesforce.com"
    answer: LoginAnswer | BaseException | Callable[[], LoginAnswer] = ACCEPTED
    vault: TokenCatcherError | None = None
    logins: list[tuple[str, str, str, str]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    """What the metric counted."""
    refused: list[Mapping[str, Any]] = field(default_factory=list)
    """What the receivers were told."""
    log: Silent = field(default_factory=Silent)
    keys: Keyring = NO_KEYS
    """Of the journal, when the program starts next."""

    def __post_init__(self) -> None:
        self.begin()

    @property
    def file(self) -> Path:
        """Of the tries."""
        return self.home / "login-tries.json"

    def begin(self) -> None:
        """Start the program anew."""
        self.journal: Journal = journal(self.home / "journal.jsonl")
        self.proof = LoginProof(
            TriesFile(self.file),
            self.journal,
            secrets=self.secrets,
            host_of=lambda _entry: self.host,
            log_in=self.log_in,
            now=lambda: self.now,
            log=self.log,
            observe=self.ended.append,
            tell_refused=self.refused.append,
            fingerprints=self.keys.fingerprints,
        )
        self.proof.begin()

    def secrets(self, path: str) -> LoginSecrets:
        """Of the one user."""
        assert path == stored().path
        if self.vault is not None:
            raise self.vault
        token = None if self.token is None else Token(self.token)
        return LoginSecrets(token, None if self.password is None else Secret(self.password))

    def log_in(self, host: str, username: str, password: Secret, token: Token) -> LoginAnswer:
        """What has arrived counts, whatever comes of it."""
        # By then it is on disk.
        [trial] = json.loads(self.file.read_text())["waiting"]
        assert trial["trying"]
        self.logins.append((host, username, password.reveal(), token.reveal()))
        if isinstance(self.answer, BaseException):
            raise self.answer
        if isinstance(self.answer, LoginAnswer):
            return self.answer
        return self.answer()

    def store(self, record: Entry | None = None) -> None:
        """A token was stored and recorded, and the next round made."""
        self.journal.append(record or stored())
        self.round()

    def round(self, later: timedelta = timedelta(0)) -> None:
        """The next one, so much later; the program may end in it."""
        self.now += later
        with suppress(Crash):
            self.proof.round()

    @property
    def proofs(self) -> list[tuple[str, str, str | None]]:
        """What the journal tells of logins."""
        return [
            (proof["event"], proof["reason"], proof.get("saw")) for proof in self.journal.proofs()
        ]

    @property
    def told(self) -> list[str]:
        """The log's events."""
        return [event for event, _ in self.log.events if event.startswith("token.")]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """With nothing in it."""
    return World(tmp_path)


def test_a_stored_token_is_tried_with_the_password_beside_it(world: World) -> None:
    """Once; the record has the token's version, and nothing of the write or of the release."""
    world.store()
    world.round(timedelta(days=1))
    user = "integration@acme.example"
    assert world.logins == [("login.salesforce.com", user, "Pa55", TOKEN)]
    [proof] = world.journal.proofs()
    told = {"event": "rotation.verified", "reason": "login-accepted", "version": 1, "seq": 2}
    assert told.items() <= proof.items()
    assert {"request_id", "released_by", "recovered"} & proof.keys() == set()
    assert world.ended == ["login-accepted"]
    subject = {
        "org": "acme-production",
        "username": user,
        "path": stored().path,
        "version": 1,
        "fingerprint": stored().fingerprint,
    }
    assert world.log.events == [("token.verified", {**subject, "reason": "login-accepted"})]


def test_a_password_that_is_over_proves_the_token(world: World) -> None:
    """And somebody has to do something."""
    world.answer = LoginAnswer(LoginResult.PASSWORD_EXPIRED, "a session, and passwordExpired")
    world.store()
    saw = "a session, and passwordExpired"
    assert world.proofs == [("rotation.verified", "login-password-expired", saw)]
    [(event, fields)] = world.log.warnings
    assert (event, fields["reason"]) == ("token.verified", "login-password-expired")


def test_a_refused_token_is_tried_once_more_after_the_grace(world: World) -> None:
    """Not before, and not again: the second answer is the end."""
    world.answer = REFUSED
    world.store()
    world.round(GRACE - timedelta(seconds=1))
    assert (len(world.logins), world.proofs) == (1, [])
    world.round(timedelta(seconds=1))
    for _ in range(3):
        world.round(GRACE)
    assert len(world.logins) == MOST_TRIES == 2
    assert world.proofs == [("rotation.unverified", "login-refused", "INVALID_LOGIN")]
    assert world.told == ["token.refused_once", "token.refused_at_login"]
    [told] = world.refused
    assert told == {
        "org": stored().org,
        "username": stored().username,
        "path": stored().path,
        "version": stored().version,
        "fingerprint": stored().fingerprint,
        "reason": "login-refused",
        "saw": "INVALID_LOGIN",
    }
    [(event, fields)] = world.log.warnings
    note = "docs/errors.md tells under login-refused what to do"
    assert (event, fields["saw"], fields["note"]) == (
        "token.refused_at_login",
        "INVALID_LOGIN",
        note,
    )


def test_a_new_token_that_is_taken_at_the_second_try(world: World) -> None:
    """It needed its time."""
    world.answer = REFUSED
    world.store()
    world.answer = ACCEPTED
    world.round(GRACE)
    assert world.proofs == [("rotation.verified", "login-accepted", None)]
    assert world.ended == ["login-accepted"]


@pytest.mark.parametrize("result", CANNOT_TELL)
def test_what_cannot_be_told_is_not_tried_again(world: World, result: LoginResult) -> None:
    """One request, and its end is recorded and told."""
    world.answer = LoginAnswer(result, "CODE")
    world.store()
    world.round(timedelta(days=2))
    assert len(world.logins) == 1
    assert world.proofs == [("rotation.unverified", result.value, "CODE")]
    event = "token.unverified"
    if result is LoginResult.LOCKED:
        event = "token.refused_at_login"
    assert [name for name, _ in world.log.warnings] == [event]
    assert world.ended == [result.value]


def test_a_secret_without_a_password_is_told_once(world: World) -> None:
    """Nothing is sent."""
    world.password = None
    world.store()
    world.round(timedelta(days=1))
    assert world.logins == []
    saw = "no text in password_field"
    assert world.proofs == [("rotation.unverified", "login-no-password", saw)]


@pytest.mark.parametrize("token", [NEXT, None])
def test_a_token_that_vault_has_no_more_is_skipped(world: World, token: str | None) -> None:
    """Another one has a record of its own."""
    world.token = token
    world.store()
    world.round(timedelta(days=1))
    assert (world.logins, world.proofs, world.ended) == ([], [], ["superseded"])
    assert world.told == ["token.proof_skipped"]


def test_a_token_that_is_superseded_within_the_grace_is_not_tried_again(world: World) -> None:
    """The newer one is, with two tries of its own."""
    world.answer = REFUSED
    world.store()
    world.token = NEXT
    world.journal.append(stored(2, NEXT))
    for _ in range(4):
        world.round(GRACE)
    assert [token for *_, token in world.logins] == [TOKEN, NEXT, NEXT]
    assert [proof["version"] for proof in world.journal.proofs()] == [2]


@pytest.mark.parametrize(
    "record",
    [
        stored(mended=True),
        stored(event=Event.UNCHANGED, reason="same-token"),
        stored(event=Event.HELD, reason="unknown-user"),
        stored(fingerprint=None),
    ],
    ids=["mended", "unchanged", "held", "nameless"],
)
def test_what_was_not_stored_now_is_not_tried(world: World, record: Entry) -> None:
    """A token that Vault had lost was tried when it first came."""
    world.store(record)
    assert (world.logins, world.ended) == ([], [])


def test_a_token_with_two_records_is_tried_as_one(world: World) -> None:
    """It came in two mailboxes, and Vault had lost it in between."""
    world.store()
    world.store(stored(2))
    assert len(world.logins) == 1


KEY = Keyring.of(Secret("k" * 32))
OTHER_KEY = Keyring.of(Secret("o" * 32))
BOTH = Keyring.of(Secret("o" * 32 + "\n" + "k" * 32))


def keyed(keys: Keyring, uid: int = 1) -> Entry:
    """The record of the token, under the first of these keys."""
    return stored(uid, fingerprint=keys.fingerprints.recorded(Token(TOKEN).fingerprint))


@pytest.mark.parametrize(
    ("before", "after"),
    [(NO_KEYS, KEY), (KEY, BOTH), (KEY, NO_KEYS), (KEY, OTHER_KEY)],
    ids=["turned on", "another", "turned off", "lost"],
)
def test_a_token_is_tried_once_whatever_key_its_records_have(
    world: World, before: Keyring, after: Keyring
) -> None:
    """A login more could lock the user."""
    world.keys = before
    world.begin()
    world.store(keyed(before))
    assert len(world.logins) == 1
    world.keys = after
    world.begin()
    world.store(keyed(after, 2))
    world.round(timedelta(days=1))
    assert (len(world.logins), world.ended) == (1, ["login-accepted"])


@pytest.mark.parametrize("after", [KEY, OTHER_KEY, NO_KEYS])
def test_the_second_try_needs_no_key(world: World, after: Keyring) -> None:
    """Which token was tried first is known by then."""
    world.keys = KEY
    world.begin()
    world.answer = REFUSED
    world.store(keyed(KEY))
    world.keys = after
    world.begin()
    for _ in range(3):
        world.round(GRACE)
    assert len(world.logins) == MOST_TRIES
    assert world.proofs == [("rotation.unverified", "login-refused", "INVALID_LOGIN")]
    [proof] = world.journal.proofs()
    assert proof["fingerprint"] == keyed(KEY).fingerprint


@pytest.mark.parametrize("after", [OTHER_KEY, NO_KEYS])
def test_a_token_is_not_tried_where_nobody_can_tell_whose_record_it_is(
    world: World, after: Keyring
) -> None:
    """The key of the record is gone: it may be another token that Vault has."""
    world.journal.append(keyed(KEY))
    world.keys = after
    world.begin()
    world.round()
    world.round(timedelta(days=1))
    assert (world.logins, world.proofs, world.ended) == ([], [], ["unknown-key"])
    [(event, fields)] = world.log.events
    assert (event, fields["reason"]) == ("token.proof_skipped", "unknown-key")


def test_a_user_of_no_org_of_now_is_not_tried(world: World) -> None:
    """Nor later, when there is one again: what was stored meanwhile is history."""
    world.host = None
    world.store()
    world.host = "login.salesforce.com"
    world.round(GRACE)
    assert (world.logins, world.proofs) == ([], [])


def test_a_user_whose_org_goes_within_the_grace_is_not_tried_again(world: World) -> None:
    """It is of no org of ours any more."""
    world.answer = REFUSED
    world.store()
    world.host = None
    world.round(GRACE)
    world.host = "login.salesforce.com"
    world.round(GRACE)
    assert (len(world.logins), world.proofs) == (1, [])


def test_what_was_stored_before_is_history(tmp_path: Path) -> None:
    """Where somebody switches it on, the journal may have a thousand tokens."""
    journal(tmp_path / "journal.jsonl").append(stored())
    world = World(tmp_path)
    world.round()
    assert world.logins == []
    world.token = NEXT
    world.store(stored(2, NEXT))
    assert len(world.logins) == 1


def test_what_was_stored_while_the_daemon_was_down_is_tried(world: World) -> None:
    """By `scan`, say."""
    journal(world.home / "journal.jsonl").append(stored())
    world.begin()
    world.round()
    assert len(world.logins) == 1


def test_another_journal_is_read_from_its_end(world: World) -> None:
    """One that was put back from a backup: what it tells of was tried, or is history."""
    for uid in range(3):
        world.store(stored(uid, event=Event.REFUSED, reason="unsigned"))
    world.store()
    for file in world.home.glob("journal*"):
        file.unlink()
    journal(world.home / "journal.jsonl").append(stored(9, NEXT))
    world.begin()
    world.token = NEXT
    world.round()
    assert len(world.logins) == 1
    world.store(stored(10, "FAKEthirdTOKEN3notREAL2ab"))
    assert world.ended[-1] == "superseded"


# -- what could not be sent --


def test_what_was_not_sent_is_no_try(world: World) -> None:
    """It is sent later, ever more seldom, and has its two tries then. Only the first is told."""
    world.answer = UNREACHABLE
    world.store()
    assert world.told == ["token.proof_waits"]
    world.round(SOONEST - timedelta(seconds=1))
    assert len(world.logins) == 1
    world.round(timedelta(seconds=1))
    assert len(world.logins) == 2
    for _ in range(6):
        world.round(SELDOM)
    assert len(world.logins) == 8
    assert len(world.log.warnings) == 1
    world.answer = REFUSED
    world.round(SELDOM)
    world.answer = ACCEPTED
    world.round(GRACE)
    assert len(world.logins) == 10
    assert world.proofs == [("rotation.verified", "login-accepted", None)]


def test_after_a_day_it_is_given_up(world: World) -> None:
    """And recorded as what nobody can tell."""
    world.answer = UNREACHABLE
    world.store()
    world.round(GIVEN_UP)
    world.round(GIVEN_UP)
    assert len(world.logins) == 2
    assert world.proofs == [("rotation.unverified", "login-unreachable", "Connection refused")]


@pytest.mark.parametrize("error", [Outage("sealed"), AccessError("denied")])
def test_a_vault_that_does_not_answer_is_asked_again(
    world: World, error: TokenCatcherError
) -> None:
    """However long it takes; a restart asks at once."""
    world.vault = error
    world.store()
    world.round(GIVEN_UP)
    world.round(GIVEN_UP)
    assert (world.logins, world.log.warnings) == ([], [])
    world.vault = None
    world.begin()
    world.round()
    assert len(world.logins) == 1


# -- crashes --


def test_a_try_that_a_crash_ended_was_one(world: World) -> None:
    """Whether it arrived, nobody knows: it is the end."""
    world.answer = Crash()
    world.store()
    world.answer = ACCEPTED
    for _ in range(3):
        world.begin()
        world.round(GRACE)
    assert len(world.logins) == 1
    assert world.proofs == [("rotation.unverified", "login-interrupted", None)]


def test_the_same_of_a_crash_in_the_second_try(world: World) -> None:
    """Two in all."""
    world.answer = REFUSED
    world.store()
    world.answer = Crash()
    world.begin()
    world.round(GRACE)
    world.begin()
    world.round(GRACE)
    assert len(world.logins) == 2
    assert world.proofs == [("rotation.unverified", "login-interrupted", None)]


def test_the_grace_outlives_a_restart(world: World) -> None:
    """The second try comes when it is due, and not with the start."""
    world.answer = REFUSED
    world.store()
    world.begin()
    world.round(GRACE / 2)
    assert len(world.logins) == 1
    world.begin()
    world.round(GRACE / 2)
    assert len(world.logins) == 2


@pytest.mark.parametrize("answer", [ACCEPTED, REFUSED, UNREACHABLE])
def test_a_crash_anywhere_costs_no_try_and_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: LoginAnswer
) -> None:
    """Before each write of the file of tries and of the journal, and after it."""
    for number in range(1, 40):
        world = World(tmp_path / str(number), answer=answer)
        world.journal.append(stored())
        with monkeypatch.context() as patch:
            crash_at(number, patch)
            for _ in range(4):
                world.round(GRACE)
        for _ in range(4):
            world.begin()
            world.round(GRACE)
        if answer is not UNREACHABLE:
            assert len(world.logins) <= MOST_TRIES
            assert len(world.proofs) == 1
        assert (world.home / "journal.jsonl").exists()


def crash_at(number: int, patch: pytest.MonkeyPatch) -> None:
    """The program ends before or after the n-th of its writes, and makes none from there on."""
    from token_catcher import files

    numbers = iter(range(1, 10_000))

    def crashing(write: Callable[..., None]) -> Callable[..., None]:
        def crash_or_write(*arguments: Any, **options: Any) -> None:
            if next(numbers) >= number:
                raise Crash
            write(*arguments, **options)
            if next(numbers) >= number:
                raise Crash

        return crash_or_write

    patch.setattr(files, "replace", crashing(files.replace))
    patch.setattr(files, "write", crashing(files.write))


def test_what_cannot_be_counted_is_not_tried(world: World) -> None:
    """It is, once the file can be written."""
    world.journal.append(stored())
    in_the_way = world.file.with_name(world.file.name + ".new")
    in_the_way.mkdir()
    with pytest.raises(StateError):
        world.proof.round()
    assert world.logins == []
    in_the_way.rmdir()
    world.round()
    assert len(world.logins) == 1


def test_many_records_without_a_token_are_read_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of refusals costs no write each; what is known is kept now and again."""
    monkeypatch.setattr("token_catcher.login_proof.UNSAVED", 2)
    places = []
    for uid in range(4):
        world.store(stored(uid, event=Event.REFUSED, reason="unsigned"))
        places.append(json.loads(world.file.read_text())["seq"])
    assert places == [0, 0, 3, 3]


# -- rounds of their own thread --


@pytest.fixture
def log() -> Silent:
    """Of the thread."""
    return Silent()


@pytest.fixture
def proofs(log: Silent) -> Iterator[LoginProofs]:
    """Ended with the test."""
    made = LoginProofs(log)
    yield made
    made.end(PATIENCE)


def test_nobody_waits_for_a_login(world: World, proofs: LoginProofs) -> None:
    """One round at a time, and none after the end."""
    answered = threading.Event()

    def hang() -> LoginAnswer:
        answered.wait(PATIENCE)
        return ACCEPTED

    world.answer = hang
    world.journal.append(stored())
    proofs.look(None)
    proofs.look(world.proof)
    until(lambda: world.logins, "the login")
    proofs.look(world.proof)
    proofs.end(0)
    answered.set()
    proofs.end(PATIENCE)
    assert world.ended == ["login-accepted"]
    world.journal.append(stored(2, NEXT))
    proofs.look(world.proof)
    assert len(world.logins) == 1


def test_at_the_end_there_may_be_nothing_to_wait_for(world: World, proofs: LoginProofs) -> None:
    """No round was made."""
    proofs.end(PATIENCE)
    proofs.look(world.proof)
    assert threads("login-proof") == []


def test_at_the_end_no_further_login_is_begun(world: World) -> None:
    """The one in flight is the last."""
    world.store()
    world.journal.append(stored(2, NEXT))
    world.proof.round(lambda: True)
    assert len(world.logins) == 1


def test_trouble_with_the_file_is_told_once_and_nothing_is_tried(
    world: World, proofs: LoginProofs, log: Silent
) -> None:
    """A login too many could lock the user."""
    world.journal.append(stored())
    world.file.write_text("{}")
    proofs.begin(None)
    proofs.begin(world.proof)
    for _ in range(3):
        proofs.look(world.proof)
        until(lambda: not threads("login-proof"), "the round to end")
    problem = f"{world.file}: got something else, expected a JSON object of tries"
    fields = {"code": "login-tries", "error": problem}
    assert log.errors == [("token.proof_trouble", fields)]
    assert world.logins == []


def test_a_bug_is_told_by_its_place(world: World, proofs: LoginProofs, log: Silent) -> None:
    """Its text may hold the password; and what it ended counts as a try."""
    world.answer = ValueError("Pa55")
    world.journal.append(stored())
    proofs.look(world.proof)
    until(lambda: log.errors, "it to be told")
    [(event, fields)] = log.errors
    assert (event, fields["kind"]) == ("token.proof_crashed", "ValueError")
    assert "Pa55" not in repr(fields)
    world.round()
    assert world.proofs == [("rotation.unverified", "login-interrupted", None)]
