"""Several mails taken together: in which order they are stored, what is written down when, and what
a crash, an outage or a full disk leaves of it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.kit import mails
from tests.kit.crash import Crash, Crashes
from tests.kit.fakes import FakeClient, FakeStore, FakeVault, Silent, no_trip
from tests.kit.mails import ADDRESS, ISSUED, token
from tests.kit.rig import Instance
from token_catcher.batch import Ending
from token_catcher.errors import (
    NEWER_WAITS,
    AccessError,
    Outage,
    StateError,
    Subject,
    TransientError,
)
from token_catcher.model import Mail, MailRef, iso
from token_catcher.record import FolderProgress, OrgIds, State, verify
from token_catcher.storer import BEHIND
from token_catcher.vault import VaultStore
from token_catcher.vault.answer import Answer

ONE = "one@acme.example"
TWO = "two@acme.example"
OTHER_ORG = "X-SFDC-LK: 00D8d000003TRx3\n"
SEALED = Outage("Vault is sealed", code="vault-sealed")


@dataclass
class Bench:
    """One process after the other over one journal and one Vault in memory."""

    home: Path
    trip: Callable[[str], None] = lambda _effect: None
    progress: FolderProgress = field(default_factory=lambda: FolderProgress(1))

    def __post_init__(self) -> None:
        self.vault = FakeVault(lambda: self.now)
        self.now = ISSUED + timedelta(hours=1)
        self.restart()

    def restart(self) -> None:
        """A new process, with nothing in its memory."""
        store = FakeStore(self.vault, trip=lambda effect: self.trip(effect))
        process = Instance(self.home, store, now=lambda: self.now, log=Silent())
        self.pipeline = process.pipeline
        self.journal = process.journal

    def take(self, *mails: Mail, goes_on: Callable[[], bool] = lambda: True) -> list[Ending]:
        """Take them through, up to the first that meets an outage, as a visit does."""
        endings = []
        for ending in self.pipeline.take(mails, (ADDRESS,), self.progress, goes_on=goes_on):
            endings.append(ending)
            if isinstance(ending.error, Outage):
                break
        return endings

    def teach(self) -> None:
        """From which Salesforce org the mail of ours comes: until that is known, the first mail is
        taken alone."""
        OrgIds(self.home / "org-ids.json").keep("acme", "00D0X0000000AbC")

    @property
    def versions(self) -> list[str]:
        """The token of every version that was ever written, in order."""
        return [data["security_token"] for _, _, data in self.vault.puts]

    @property
    def records(self) -> list[tuple[int, str, str | None]]:
        """UID, event and reason of every record."""
        return [
            (record.entry.uid, record.entry.event.removeprefix("rotation."), record.entry.reason)
            for record in self.journal.records()
        ]

    @property
    def unsettled(self) -> set[int]:
        """Of the UIDs up to 9, those that would be looked at again."""
        through = self.progress.settled_through
        return {uid for uid in range(1, 10) if uid > through or uid in self.progress.pending}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.teach()
    bench.journal.open()
    return bench


def mail(
    uid: int, user: str = ONE, *, minute: int | None = None, arrives: int = 0, **fields: str
) -> Mail:
    """The mail of this UID: issued so many minutes (by default the UID) after the others began, and
    arrived so many minutes later."""
    issued_at = ISSUED + timedelta(minutes=uid if minute is None else minute)
    raw = mails.genuine(user, token(uid), issued_at=issued_at, **fields)
    arrival = issued_at + timedelta(minutes=arrives, seconds=1)
    return Mail(MailRef("integrations", "INBOX", 1, uid), arrival, raw)


# -- which of several tokens of one user is written --


def test_a_token_that_is_dead_is_never_written(bench: Bench) -> None:
    """Of each user the newest alone; the others are recorded as older ones, in their order."""
    endings = bench.take(mail(1), mail(2, TWO), mail(3), mail(4, TWO), mail(5))
    assert bench.versions == [token(5), token(4)]
    assert bench.records == [
        (1, "unchanged", "stale"),
        (2, "unchanged", "stale"),
        (3, "unchanged", "stale"),
        (4, "stored", None),
        (5, "stored", None),
    ]
    assert [ending.mail.ref.uid for ending in endings] == [1, 2, 3, 4, 5]
    assert bench.unsettled == {6, 7, 8, 9}


def test_the_older_ones_cost_no_request(bench: Bench) -> None:
    """The secret is read once for all of them, and written once."""
    effects: list[str] = []
    bench.trip = effects.append
    bench.take(*(mail(uid) for uid in range(1, 9)))
    assert effects == ["read", "write", "written"]


def test_over_a_secret_that_was_there_the_others_are_looked_up_once(bench: Bench) -> None:
    """The first of them walks through the versions, which are remembered then."""
    bench.vault.put(f"salesforce/acme/{ONE}", {"security_token": token(99), "password": "keep"})
    effects: list[str] = []
    bench.take(mail(1, minute=2000))
    bench.restart()
    bench.trip = effects.append
    bench.now += timedelta(days=3)
    bench.take(*(mail(uid, minute=2000 + uid) for uid in range(2, 8)))
    assert effects == ["read", "write", "written", "read", "read", "read"]
    assert (bench.vault.get(f"salesforce/acme/{ONE}") or {})["password"] == "keep"


def test_where_two_clocks_disagree_the_first_to_arrive_is_stored(bench: Bench) -> None:
    """The later one by its Date came first by the mail server's clock: a person decides, as where
    each comes alone."""
    bench.take(mail(1, minute=30, arrives=-20), mail(2, minute=15, arrives=5))
    assert bench.versions == [token(1)]
    assert bench.records == [(1, "stored", None), (2, "held", "clocks-disagree")]


def test_one_token_in_two_mails_is_stored_from_the_first(bench: Bench) -> None:
    """It is one rotation, sent twice."""
    again = mails.genuine(ONE, token(1), issued_at=ISSUED + timedelta(minutes=2))
    second = Mail(MailRef("integrations", "INBOX", 1, 2), ISSUED + timedelta(minutes=3), again)
    bench.take(mail(1), second)
    assert bench.records == [(1, "stored", None), (2, "unchanged", "same-token")]


# -- what is judged only after a record --


def test_a_copy_has_no_record_of_its_own(bench: Bench) -> None:
    """The same bytes under two numbers are one mail."""
    first = mail(1)
    copy = Mail(MailRef("integrations", "INBOX", 1, 2), first.received_at, first.raw)
    endings = bench.take(first, copy, mail(3, TWO))
    assert bench.records == [(1, "stored", None), (3, "stored", None)]
    assert [ending.entry is None for ending in endings] == [False, True, False]


def test_the_first_mail_of_an_org_is_stored_before_the_next_is_judged(tmp_path: Path) -> None:
    """A mail of another org is held, though it is the newer one."""
    bench = Bench(tmp_path)
    bench.take(mail(1), mail(2, extra=OTHER_ORG), mail(3, TWO))
    assert bench.versions == [token(1), token(3)]
    assert bench.records == [(1, "stored", None), (2, "held", "wrong-org"), (3, "stored", None)]


def test_what_failed_before_is_taken_alone(bench: Bench) -> None:
    """What it met may be its own trouble: its neighbours do not share it, and none is blamed."""
    bench.progress.postpone(2, "vault-secret", bench.now, Random(1))
    effects: list[str] = []
    bench.trip = effects.append
    bench.take(mail(1), mail(2), mail(3))
    assert bench.versions == [token(1), token(2), token(3)]


# -- one sync for a batch --


@contextmanager
def counted_syncs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The calls of fsync while the block runs."""
    calls: list[int] = []
    real = os.fsync

    def counting(descriptor: int) -> None:
        calls.append(descriptor)
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", counting)
        yield calls


@pytest.mark.parametrize("size", [1, 8, 32])
def test_a_batch_is_synced_once(bench: Bench, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The records of a batch, and then the head: however many mails there are."""
    batch = [mail(uid, f"user{uid}@acme.example") for uid in range(1, size + 1)]
    with counted_syncs(monkeypatch) as calls:
        bench.take(*batch)
    assert (len(bench.records), len(calls)) == (size, 2)


def test_no_mail_is_settled_before_all_records_are_on_disk(bench: Bench) -> None:
    """Journal before settle, as for a mail alone."""
    endings = bench.pipeline.take([mail(1), mail(2, TWO)], (ADDRESS,), bench.progress)
    assert bench.progress.settled_through == 0
    next(endings)
    assert (len(bench.records), bench.progress.settled_through) == (2, 1)
    endings.close()
    assert bench.progress.settled_through == 1


# -- what breaks off --


def batch_of_five() -> list[Mail]:
    """Two users' tokens, by turns, and a forgery between them."""
    genuine = mail(3)
    forged = genuine.raw.replace(token(3).encode(), token(3)[::-1].encode())
    return [
        mail(1),
        mail(2, TWO),
        Mail(genuine.ref, genuine.received_at, forged),
        mail(4),
        mail(5, TWO),
    ]


@pytest.mark.parametrize("kept", [10, 1])
@pytest.mark.parametrize("taught", [True, False], ids=["together", "the first alone"])
def test_a_crash_anywhere_in_a_batch(tmp_path: Path, kept: int, taught: bool) -> None:
    """Before and after each request, write, sync and rename, between two stores, in the middle of
    the records, and between the records and the settling: the replay ends as if there had been
    none. `kept`: versions that Vault keeps of a secret."""
    places = 0
    while crashed_at(tmp_path / str(places), places, kept, taught=taught):
        places += 1
    assert places > 30


def crashed_at(home: Path, place: int, kept: int, *, taught: bool) -> bool:
    """Whether there is such a place."""
    bench = Bench(home)
    bench.vault.max_versions = kept
    if taught:
        bench.progress = FolderProgress(1)
    crashes = Crashes()
    bench.trip = crashes
    ended = False
    with suppress(Crash), crashes.at(place):
        bench.take(*batch_of_five())
        ended = True
    bench.trip = lambda _effect: None
    bench.restart()
    # A newer token has come meanwhile; the checkpoint is that of before the batch.
    bench.progress = FolderProgress(1)
    bench.take(*batch_of_five(), mail(6))
    check_replayed(bench, home)
    return not ended


def check_replayed(bench: Bench, home: Path) -> None:
    """Nothing lost, nothing twice, each version with its record, the newest there."""
    path = f"salesforce/acme/{ONE}"
    assert (bench.vault.get(path) or {})["security_token"] == token(6)
    assert (bench.vault.get(f"salesforce/acme/{TWO}") or {})["security_token"] == token(5)
    records = list(bench.journal.records())
    assert Counter(record.entry.uid for record in records) == Counter(range(1, 7))
    check_versions(bench)
    assert verify(home / "journal.jsonl").state is State.INTACT
    assert bench.progress.settled_through == 6


@pytest.mark.parametrize("lost", [False, True], ids=["new", "lost in Vault"])
def test_a_sweep_that_goes_on_after_another_took_over(tmp_path: Path, lost: bool) -> None:
    """It was stopped before or after any request (Ctrl-Z), and the other one has taken all of the
    batch meanwhile: the records are those of one sweep alone, whichever of them wrote."""
    alone = taken_over_at(tmp_path / "alone", 1000, lost=lost)
    assert alone.trip is not no_trip
    places = 0
    while (bench := taken_over_at(tmp_path / str(places), places, lost=lost)).trip is no_trip:
        assert sorted(bench.records, key=str) == sorted(alone.records, key=str)
        check_versions(bench)
        places += 1
    assert places > 5


def taken_over_at(home: Path, place: int, *, lost: bool) -> Bench:
    """The end of it. Where there is no such place, what trips there is still to come.

    `lost`: all of it was settled once, and Vault has lost the tokens."""
    bench = Bench(home)
    bench.teach()
    uids = range(1, 6)
    if lost:
        bench.take(*batch_of_five())
        for path in bench.vault.paths():
            bench.vault.put(path, {"password": "kept"})
        for uid in uids:
            bench.progress.unsettle(uid, bench.now)
        bench.restart()
    effects = count()

    def other_sweep_takes_over(_effect: str) -> None:
        if next(effects) == place:
            bench.trip = no_trip
            bench.restart()
            progress = deepcopy(bench.progress)
            list(bench.pipeline.take(batch_of_five(), (ADDRESS,), progress))

    bench.trip = other_sweep_takes_over
    bench.take(*batch_of_five())
    return bench


def check_versions(bench: Bench) -> None:
    """Each version of a token has one record that it was stored."""
    stored = sorted(
        (record.entry.path, record.entry.version)
        for record in bench.journal.records()
        if record.entry.event == "rotation.stored"
    )
    tokens = [(path, number) for path, number, data in bench.vault.puts if "security_token" in data]
    assert stored == sorted(tokens)


def test_an_outage_leaves_what_comes_after_it(bench: Bench) -> None:
    """What was stored before has its record, also of a mail behind it; settled is only what came
    before it, so that no mail is stepped over."""
    effects: list[str] = []

    def away_from_the_second_write_on(effect: str) -> None:
        effects.append(effect)
        if effects.count("write") >= 2:
            raise SEALED

    bench.trip = away_from_the_second_write_on
    batch = [mail(1), mail(2, TWO), mail(3), mail(4, "four@acme.example")]
    endings = bench.take(*batch)
    assert [(ending.mail.ref.uid, ending.error) for ending in endings] == [(1, None), (2, SEALED)]
    assert bench.records == [(1, "unchanged", "stale"), (3, "stored", None)]
    assert effects.count("write") == 2
    assert bench.unsettled == set(range(2, 10))
    bench.trip = lambda _effect: None
    bench.take(*batch[1:])
    assert bench.records[2:] == [(2, "stored", None), (4, "stored", None)]
    assert bench.unsettled == set(range(5, 10))


def test_an_outage_of_a_newer_token_is_met_by_the_first_mail_of_its_user(bench: Bench) -> None:
    """Else that one would be written, though it is dead, or count as settled. It is told of the
    same user. Vault is back in a moment: the write fails, and the question that follows."""
    troubles = 2 * [SEALED]

    def away_from_the_write_on(effect: str) -> None:
        if troubles and (effect == "write" or len(troubles) == 1):
            raise troubles.pop()

    bench.trip = away_from_the_write_on
    (ending,) = bench.take(mail(1), mail(2))
    assert (ending.mail.ref.uid, ending.error) == (1, SEALED)
    assert bench.unsettled == set(range(1, 10))
    assert bench.records == []


@pytest.mark.parametrize(
    "trouble",
    [
        TransientError("others wrote", code="vault-race"),
        AccessError("this value is refused", code="vault-refused"),
        ValueError("a bug"),
    ],
    ids=["passes", "is refused", "a bug"],
)
def test_an_older_token_waits_for_a_newer_one_that_fails_by_itself(
    bench: Bench, trouble: Exception
) -> None:
    """It is dead, and is not written before that one was tried several times more."""
    troubles = [trouble]

    def first_write_fails(effect: str) -> None:
        if effect == "write" and troubles:
            raise troubles.pop()

    bench.trip = first_write_fails
    one, two, newest = bench.take(mail(1), mail(2, TWO), mail(3))
    assert (two.error, newest.error) == (None, trouble)
    assert isinstance(one.error, TransientError)
    assert (one.error.code, one.error.retry_after) == (NEWER_WAITS, BEHIND)
    issued_at = iso(ISSUED + timedelta(minutes=1))
    assert one.error.subject == Subject(ONE, "acme", f"salesforce/acme/{ONE}", issued_at)
    assert bench.records == [(2, "stored", None)]
    bench.take(mail(1), mail(3))
    assert bench.versions == [token(2), token(3)]
    assert bench.records[1:] == [(1, "unchanged", "stale"), (3, "stored", None)]


def test_a_newer_token_waits_for_no_older_one(bench: Bench) -> None:
    """A version without its record is looked at first. Where that fails, it alone waits."""
    trouble = TransientError("later", code="vault-secret")
    for number in (9, 1):
        bench.vault.put(f"salesforce/acme/{ONE}", {"security_token": token(number)})
    reads = count()

    def second_read_fails(effect: str) -> None:
        if effect == "read" and next(reads) == 1:
            raise trouble

    bench.trip = second_read_fails
    there, newer = bench.take(mail(1), mail(2000))
    assert (there.error, newer.error) == (trouble, None)
    assert bench.records == [(2000, "stored", None)]


def test_no_second_version_before_the_record_of_the_first(bench: Bench) -> None:
    """Where which is newer is not certain both are written, and Vault may keep one version alone: a
    crash between two records would leave a write that nothing tells of."""
    told: list[int] = []

    def note(effect: str) -> None:
        if effect == "write":
            told.append(len(bench.records))

    bench.trip = note
    # One token in two mails, and a newer one: in the order of their arrival.
    again = mails.genuine(ONE, token(1), issued_at=ISSUED + timedelta(minutes=1, seconds=30))
    second = Mail(MailRef("integrations", "INBOX", 1, 2), ISSUED + timedelta(minutes=2), again)
    bench.take(mail(1), second, mail(3))
    assert told == [0, 1]
    assert bench.records[0] == (1, "stored", None)
    assert bench.versions == [token(1), token(3)]


def test_a_sweep_that_is_taken_over_while_it_reads_ahead_writes_nothing(bench: Bench) -> None:
    """Each read is a sign of life, and a look whether another sweep has the mailbox by now."""
    effects: list[str] = []
    bench.trip = effects.append

    def lost_after_a_read() -> bool:
        if "read" in effects:
            raise StateError("another sweep of it has taken over", code="busy")
        return True

    with pytest.raises(StateError):
        bench.take(mail(1), mail(2, TWO), goes_on=lost_after_a_read)
    assert (effects, bench.records) == (["read"], [])


def test_what_one_mail_meets_costs_no_other(bench: Bench) -> None:
    """A bug of ours, and a trouble of one secret."""
    troubles: list[Exception] = [ValueError("a bug"), TransientError("later", code="vault-race")]
    met = troubles.copy()

    def two_writes_fail(effect: str) -> None:
        if effect == "write" and met:
            raise met.pop(0)

    bench.trip = two_writes_fail
    endings = bench.take(*(mail(uid, f"user{uid}@acme.example") for uid in range(1, 4)))
    assert [ending.error for ending in endings] == [*troubles, None]
    assert bench.records == [(3, "stored", None)]


@pytest.mark.parametrize("steps", range(9))
def test_a_stop_between_the_tokens_of_one_user(bench: Bench, steps: int) -> None:
    """The newest may be stored by then, and has its record; no older one is settled without."""
    left = [True] * steps

    def goes_on() -> bool:
        return bool(left) and left.pop()

    batch = [mail(1), mail(2, TWO), mail(3), mail(4, TWO), mail(5)]
    taken = len(bench.take(*batch, goes_on=goes_on))
    assert bench.unsettled == set(range(taken + 1, 10))
    recorded = {uid for uid, _, _ in bench.records}
    assert recorded >= set(range(1, taken + 1))
    stored = [uid for uid, event, _ in bench.records if event == "stored"]
    assert sorted(map(token, stored)) == sorted(bench.versions)
    bench.take(*batch[taken:])
    assert sorted(uid for uid, _, _ in bench.records) == [1, 2, 3, 4, 5]
    assert bench.unsettled == {6, 7, 8, 9}


@pytest.mark.parametrize("steps", range(8))
def test_a_stop_leaves_nothing_half_done(bench: Bench, steps: int) -> None:
    """Wherever it comes: what has an ending is settled and recorded, the rest comes again."""
    left = [True] * steps

    def goes_on() -> bool:
        return bool(left) and left.pop()

    batch = [mail(uid, f"user{uid}@acme.example") for uid in range(1, 5)]
    endings = bench.take(*batch, goes_on=goes_on)
    taken = len(endings)
    assert [ending.error for ending in endings] == [None] * taken
    assert bench.unsettled == set(range(taken + 1, 10))
    assert len(bench.records) == len(bench.versions) == taken
    bench.take(*batch[taken:])
    assert sorted(bench.versions) == [token(uid) for uid in range(1, 5)]


def test_where_the_records_do_not_fit_none_of_the_batch_is_settled(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next look finds what is in Vault, and records it as recovered."""
    batch = [mail(uid, f"user{uid}@acme.example") for uid in range(1, 4)]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StateError):
            bench.take(*batch)
    assert (len(bench.records), bench.unsettled) == (0, set(range(1, 10)))
    bench.take(*batch)
    recovered = [record.entry.recovered for record in bench.journal.records()]
    assert recovered == [True, True, True]
    assert len(bench.versions) == 3


def full(_descriptor: int) -> None:
    """The disk has no room."""
    raise OSError(28, "No space left on device")


# -- secrets that are read ahead --


class CountingClient(FakeClient):
    """Notes which mounts and secrets are asked for."""

    def __init__(self, vault: FakeVault) -> None:
        super().__init__(vault)
        self.asked: list[str] = []

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        self.asked.append(f"{method} {path.partition('/')[0]}")
        return super().request(method, path, body, headers)


def test_the_mount_is_looked_at_once_for_a_batch_of_new_secrets(tmp_path: Path) -> None:
    """After all of them were read, and before any is written; before the first as well."""
    now = ISSUED + timedelta(hours=1)
    vault = FakeVault(lambda: now)
    client = CountingClient(vault)
    store = vault_store(client, now)
    pipeline = Instance(tmp_path, store, now=lambda: now, log=Silent()).pipeline
    progress = FolderProgress(1)
    OrgIds(tmp_path / "org-ids.json").keep("acme", "00D0X0000000AbC")
    batch = [mail(uid, f"user{uid}@acme.example") for uid in range(10, 13)]
    list(pipeline.take(batch, (ADDRESS,), progress))
    read = ["get secret"] * 3
    written = ["post secret"] * 3
    assert client.asked == ["get sys", *read, "get sys", *written]


def vault_store(client: FakeClient, now: datetime) -> VaultStore:
    """A store as `app` makes it, over this client."""
    return VaultStore(
        client,  # type: ignore[arg-type] # speaks for it
        mount="secret",
        field="security_token",
        instance="one",
        writer=lambda: "writer of one",
        now=lambda: now,
        sleep=lambda _seconds: None,
        log=Silent(),
    )


def test_another_writer_between_the_reading_and_the_write(bench: Bench) -> None:
    """Check-and-set finds it: the secret is read again, and the other field survives."""
    path = f"salesforce/acme/{TWO}"
    bench.vault.put(path, {"password": "old"})
    writes: list[str] = []

    def somebody_writes(effect: str) -> None:
        if effect == "write":
            writes.append(effect)
            if len(writes) == 1:
                bench.vault.merge(path, {"password": "new"})

    bench.trip = somebody_writes
    bench.take(mail(10), mail(11, TWO))
    secret = bench.vault.get(path) or {}
    assert (secret["security_token"], secret["password"]) == (token(11), "new")


def test_what_cannot_be_read_ahead_is_read_in_its_turn(bench: Bench) -> None:
    """It costs the mails before it nothing, and has its own trouble told, if it lasts."""
    reads: list[str] = []

    def second_read_fails(effect: str) -> None:
        if effect == "read":
            reads.append(effect)
            if len(reads) == 2:
                raise SEALED

    bench.trip = second_read_fails
    endings = bench.take(mail(1), mail(2, TWO))
    assert [ending.error for ending in endings] == [None, None]
    assert bench.versions == [token(1), token(2)]


def test_a_bug_in_reading_ahead_is_met_by_one_mail_alone(bench: Bench) -> None:
    """As every bug of ours: the others are stored."""
    reads: list[str] = []

    def first_reads_are_odd(effect: str) -> None:
        if effect == "read":
            reads.append(effect)
            if len(reads) <= 2:
                raise ValueError("a bug")

    bench.trip = first_reads_are_odd
    endings = bench.take(mail(1), mail(2, TWO))
    assert [type(ending.error) for ending in endings] == [ValueError, type(None)]
    assert bench.versions == [token(2)]


def test_an_empty_batch(bench: Bench) -> None:
    """Nothing to take is nothing to do."""
    nothing: Sequence[Mail] = ()
    assert (bench.take(*nothing), bench.records) == ([], [])
