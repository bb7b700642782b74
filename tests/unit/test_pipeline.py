"""The way of one mail:
each ending and its record, the order of the effects, and what a second look adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kit import mails
from tests.kit.crash import Crash
from tests.kit.fakes import FakeStore, FakeVault, Silent
from tests.kit.mails import (
    ADDRESS,
    ISSUED,
    TOKEN,
    USERNAME,
    Forgetful,
    Keys,
    Signer,
    fingerprint,
    genuine,
    genuine_keys,
    genuine_signer,
    rsa_pem,
)
from tests.kit.rig import PATH, TERMS, Instance, judge_under
from token_catcher.errors import AccessError, Outage, StateError, TransientError
from token_catcher.model import Entry, Event, Mail, MailRef, Release, Secret, as_fields, iso
from token_catcher.pipeline import Pipeline
from token_catcher.proof.case import Terms
from token_catcher.proof.routing import Org
from token_catcher.record.journal import Journal
from token_catcher.record.keyring import Keyring
from token_catcher.record.openfile import Record
from token_catcher.record.org_ids import OrgIds
from token_catcher.record.progress import FolderProgress

OTHER = "FAKEotherTOKENnotREAL12ab"
STRANGER = "someone@partner.example"
WIDER = replace(TERMS, orgs=(*TERMS.orgs, Org("partner", (STRANGER,))))
PROOF = "dkim salesforce.com test2026"

LogLine = tuple[str, str, dict[str, Any]]
"""Level, event and fields."""


@dataclass
class RecordingLog:
    """A Log that remembers what it is told."""

    events: list[LogLine] = field(default_factory=list)

    def debug(self, event: str, **fields: Any) -> None:
        self.events.append(("debug", event, fields))

    def info(self, event: str, **fields: Any) -> None:
        self.events.append(("info", event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        self.events.append(("warning", event, fields))

    def error(self, event: str, **fields: Any) -> None:
        self.events.append(("error", event, fields))


@dataclass
class CountedKeys(Forgetful):
    """Keys that a test exchanges, and that count what they are asked."""

    keys: Keys = field(default_factory=genuine_keys)
    asked: int = 0

    def lookup(self, name: str, at: datetime) -> bytes | None:
        self.asked += 1
        return self.keys.lookup(name, at)


class Bench:
    """A pipeline over a Vault in memory and a journal on disk.

    The clock stands still unless a test moves it."""

    def __init__(self, home: Path, instance: str = "one", vault: FakeVault | None = None) -> None:
        self.time = ISSUED + timedelta(seconds=10)
        self.vault = vault or FakeVault(lambda: self.time)
        self.keys = CountedKeys()
        self.log = RecordingLog()
        self.observed: list[Entry] = []
        self.progress = FolderProgress(1)
        self.trip: Callable[[str], None] = lambda _effect: None
        """Called around each effect on Vault: what it raises, the store raises."""
        self.home = home / instance
        self.path = self.home / "journal.jsonl"
        self._store = FakeStore(
            self.vault, instance=instance, trip=lambda effect: self.trip(effect)
        )
        self.configure(TERMS, instance)

    def configure(self, terms: Terms, instance: str = "one") -> None:
        """As after a restart with another configuration."""
        process = Instance(
            self.home,
            self._store,
            now=lambda: self.time,
            log=self.log,
            name=instance,
            terms=terms,
            keys=self.keys,
            observe=self.observed.append,
        )
        self.journal = process.journal
        self.pipeline = process.pipeline

    def restart(self) -> None:
        """A new process, with nothing in its memory."""
        self._store = FakeStore(self.vault, instance="one", trip=lambda effect: self.trip(effect))
        self.configure(TERMS)

    def asked(self) -> list[str]:
        """The effects on Vault from now on."""
        effects: list[str] = []
        self.trip = effects.append
        return effects

    def process(
        self, raw: bytes, uid: int = 1, folder: str = "INBOX", mailbox: str = "integrations"
    ) -> Entry | None:
        """Take a mail through, as if fetched ten seconds after its Date."""
        mail = Mail(MailRef(mailbox, folder, 1, uid), ISSUED + timedelta(seconds=10), raw)
        return self.take(mail)

    def take(self, mail: Mail) -> Entry | None:
        """Take one mail through, alone. Raises what it meets."""
        (ending,) = self.pipeline.take([mail], (ADDRESS,), self.progress)
        if ending.error is not None:
            raise ending.error
        return ending.entry

    def undated(self, raw: bytes) -> Mail:
        """The first mail, fetched now from a server that does not say when it arrived."""
        ref = MailRef("integrations", "INBOX", 1, 1)
        return Mail(ref, self.time, raw, is_arrival_told=False)

    def again(self, raw: bytes, uid: int = 1) -> Entry | None:
        """Have a settled mail looked at once more, as `scan --again` does."""
        self.progress.unsettle(uid, self.time)
        return self.process(raw, uid)

    @property
    def records(self) -> list[Record]:
        """The journal, as a new process reads it."""
        return list(Journal(self.path, now=lambda: self.time, log=Silent()).records())

    @property
    def endings(self) -> list[tuple[str, str | None]]:
        """Event and reason of each record."""
        return [
            (record.entry.event.removeprefix("rotation."), record.entry.reason)
            for record in self.records
        ]

    @property
    def settled(self) -> bool:
        """Whether the first mail is."""
        return self.progress.settled_through == 1 and not self.progress.pending


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def entry(raw: bytes, **fields: Any) -> Entry:
    """The record of a mail of the test user, with what differs."""
    usual: dict[str, Any] = {
        "instance": "one",
        "mailbox": "integrations",
        "folder": "INBOX",
        "uidvalidity": 1,
        "uid": 1,
        "mail": mails.mail(raw).digest,
        "received_at": "2026-02-03T12:57:37Z",
        "issued_at": "2026-02-03T12:57:27Z",
        "username": USERNAME,
        "org": "acme",
        "fingerprint": fingerprint(TOKEN),
        "token_length": 25,
        "proof": PROOF,
        "seen_after": 0.0,
        "written_after": 0.0,
        "asked_by": "daemon",
    }
    return Entry(**usual | fields)


STORED = {
    "event": "rotation.stored",
    "path": PATH,
    "version": 1,
    "vault_created_at": "2026-02-03T12:57:37Z",
    "request_id": "request-1",
    "version_before": 0,
}
RECOVERED = {"request_id": None, "recovered": True, "version_before": None}
"""What the answer to the write would have told is lost."""


def recorded(bench: Bench, raw: bytes, **fields: Any) -> bool:
    """Whether this one entry was returned, written, observed and told, and the mail is settled."""
    expected = entry(raw, **fields)
    returned = bench.process(raw)
    assert returned == expected
    assert [record.entry for record in bench.records] == [expected]
    assert bench.observed == [expected]
    (event,) = bench.log.events
    fields = {
        name: value
        for name, value in asdict(expected).items()
        if value is not None and value is not False and name != "event"
    }
    assert event[1:] == (expected.event, fields)
    return bench.settled


# -- each ending, and its whole record --


def test_stored(bench: Bench) -> None:
    """A new token: where it went, which version it became, what proved it."""
    assert recorded(bench, genuine(), **STORED)
    assert (bench.vault.get(PATH) or {})["security_token"] == TOKEN
    assert bench.log.events[0][0] == "info"


def test_unchanged_by_another(bench: Bench, tmp_path: Path) -> None:
    """Another instance was faster: the token is there, and the version is its own to tell of."""
    assert Bench(tmp_path, "two", bench.vault).process(genuine()) is not None
    assert recorded(bench, genuine(), event=Event.UNCHANGED, reason="same-token", path=PATH)
    assert list(bench.vault.versions(PATH)) == [1]


def test_unchanged_since_older(bench: Bench, tmp_path: Path) -> None:
    """A newer token is there already."""
    newer = genuine(token=OTHER, issued_at=ISSUED + timedelta(seconds=5))
    assert Bench(tmp_path, "two", bench.vault).process(newer) is not None
    assert recorded(bench, genuine(), event=Event.UNCHANGED, reason="stale", path=PATH)
    assert (bench.vault.get(PATH) or {})["security_token"] == OTHER


def test_held_by_trust(bench: Bench) -> None:
    """Genuine, and of nobody that the configuration names: no org, no path."""
    raw = genuine(STRANGER)
    saw = f"no org names {STRANGER}"
    assert recorded(
        bench,
        raw,
        event=Event.HELD,
        reason="unknown-user",
        saw=saw,
        username=STRANGER,
        org=None,
    )
    assert bench.vault.paths() == []
    assert bench.log.events[0][0] == "warning"


def test_held_by_the_store(bench: Bench) -> None:
    """Proven and assigned, but somebody deleted the secret on purpose: the path says which."""
    bench.vault.put(PATH, {"security_token": OTHER})
    bench.vault.delete(PATH)
    expected = {
        "event": "rotation.held",
        "reason": "secret-deleted",
        "saw": "version 1 was deleted",
        "path": PATH,
    }
    assert recorded(bench, genuine(), **expected)
    assert list(bench.vault.versions(PATH)) == [1]


def test_refused(bench: Bench) -> None:
    """Nothing proves it: what it claims is recorded, what it would have changed is not touched."""
    raw = mails.token_mail()
    assert recorded(
        bench, raw, event=Event.REFUSED, reason="unsigned", saw="no DKIM signature", proof=None
    )
    assert bench.vault.paths() == []
    assert bench.log.events[0][0] == "warning"


def test_refused_at_the_gate(bench: Bench) -> None:
    """No parser has seen it, so nothing of what it claims is known."""
    raw = b"\r" + genuine()
    nothing = dict.fromkeys(
        ("issued_at", "username", "org", "fingerprint", "token_length", "proof")
    )
    assert recorded(
        bench, raw, event=Event.REFUSED, reason="malformed", saw="CR without LF", **nothing
    )


def test_ignored(bench: Bench) -> None:
    """Another mail is settled and leaves nothing: no record, no event."""
    raw = mails.token_mail(subject="Lunch?", body="At noon.\n")
    assert (bench.process(raw), bench.records, bench.observed, bench.log.events) == (
        None,
        [],
        [],
        [],
    )
    assert bench.settled


def test_no_record_and_no_event_holds_the_token(bench: Bench) -> None:
    """Nor does anything else on disk."""
    for uid, raw in enumerate((genuine(), mails.token_mail(), genuine(STRANGER)), 1):
        bench.process(raw, uid)
    assert len(bench.records) == len(bench.log.events) == 3
    everything = (
        repr(bench.log.events)
        + repr(bench.observed)
        + repr(bench.records)
        + bench.path.read_text("utf-8")
    )
    assert TOKEN not in everything
    assert TOKEN.swapcase() not in everything


# -- the order --


def test_store_before_journal_before_settle(bench: Bench) -> None:
    """At each step, all before it is on disk and nothing after it has begun."""
    steps: list[tuple[str, int, int, bool]] = []

    def look(step: str) -> None:
        steps.append((step, len(bench.vault.versions(PATH)), len(bench.records), bench.settled))

    bench.trip = look
    bench.observed = Diary(lambda: look("observed"))
    bench.configure(TERMS)
    bench.process(genuine())
    look("end")
    assert steps == [
        ("read", 0, 0, False),
        ("write", 0, 0, False),
        ("written", 1, 0, False),
        ("observed", 1, 1, False),
        ("end", 1, 1, True),
    ]


class Diary(list[Entry]):
    """Calls when something is appended."""

    def __init__(self, call: Callable[[], None]) -> None:
        super().__init__()
        self._call = call

    def append(self, _entry: Entry) -> None:
        self._call()


# -- what a crash leaves behind --


def crash_at(bench: Bench, place: str, raw: bytes | None = None) -> None:
    """The process dies at this place, and a new one begins."""

    def trip(effect: str) -> None:
        if effect == place:
            raise Crash

    bench.trip = trip
    with pytest.raises(Crash):
        bench.process(raw or genuine())
    assert (bench.records, bench.settled) == ([], False)
    bench.trip = lambda _effect: None


def test_a_crash_between_store_and_journal_is_recovered(bench: Bench) -> None:
    """The replay finds our own version:
    recorded as stored, without the answer that was lost; one version, one record."""
    crash_at(bench, "written")
    assert recorded(bench, genuine(), **STORED | RECOVERED)
    assert list(bench.vault.versions(PATH)) == [1]


def test_a_crash_before_the_write_is_nothing(bench: Bench) -> None:
    """The replay is the first write."""
    crash_at(bench, "write")
    assert recorded(bench, genuine(), **STORED)


def test_a_version_is_recovered_once(bench: Bench) -> None:
    """Neither another look nor another mail with the same token tells of it again."""
    crash_at(bench, "written")
    bench.process(genuine())
    assert bench.again(genuine()) is None
    other = "X-SFDC-LK: 00D0X0000000AbC\nX-Other: delivery\n"
    second = bench.process(genuine(extra=other), uid=2)
    assert second is not None
    # The version is the first mail's, by the digest that it carries.
    assert (second.event, second.reason, second.version, second.recovered) == (
        "rotation.unchanged",
        "same-token",
        None,
        False,
    )
    assert bench.endings == [("stored", None), ("unchanged", "same-token")]


def test_a_lost_version_is_recovered_although_a_newer_one_is_there(bench: Bench) -> None:
    """A crash, then a newer token before the replay:
    the older version is recorded as stored, and changes nothing."""
    crash_at(bench, "written")
    newer = genuine(token=OTHER, issued_at=ISSUED + timedelta(seconds=5))
    bench.process(newer, uid=2)
    recovered_entry = bench.process(genuine())
    assert recovered_entry == entry(genuine(), **STORED | RECOVERED)
    assert [(record.entry.version, record.entry.recovered) for record in bench.records] == [
        (2, False),
        (1, True),
    ]
    assert (bench.vault.get(PATH) or {})["security_token"] == OTHER


# -- a server that does not say when a mail arrived --


def test_a_mail_that_waited_arrived_when_it_was_first_looked_at(bench: Bench) -> None:
    """Not when it was fetched last: Vault was away for two days."""
    first_look = bench.time
    bench.progress.unsettle(1, first_look)
    bench.time += timedelta(days=2)
    entry = bench.take(bench.undated(genuine()))
    assert entry is not None
    assert (entry.event, entry.received_at) == (Event.STORED, iso(first_look))


def test_a_mail_with_a_record_arrived_when_the_record_says(bench: Bench) -> None:
    """Its token, which Vault has lost, is brought back days later."""
    bench.take(bench.undated(genuine()))
    arrival = bench.time
    bench.vault.put(PATH, {"password": "p"})
    bench.time += timedelta(days=2)
    bench.progress.unsettle(1, bench.time)
    mended = bench.take(bench.undated(genuine()))
    assert mended is not None
    assert (mended.event, mended.mended, mended.received_at) == (Event.STORED, True, iso(arrival))


def test_a_released_mail_arrived_when_the_record_says(bench: Bench) -> None:
    """A person takes their time."""
    odd = genuine(subject="Ihr neues Salesforce-Sicherheitstoken")
    bench.take(bench.undated(odd))
    arrival = bench.time
    bench.time += timedelta(days=2)
    released = bench.pipeline.release(bench.undated(odd), (ADDRESS,), Release("alice", "INC-1"))
    assert released is not None
    assert (released.event, released.received_at) == (Event.STORED, iso(arrival))


# -- a token that Vault has lost --


@pytest.mark.parametrize("lost", ["dropped", "never there"])
def test_a_token_that_vault_had_lost_is_recorded_as_mended(bench: Bench, lost: str) -> None:
    """Once more as stored, with its new version; what a person wrote meanwhile survives."""
    bench.process(genuine())
    bench.time += timedelta(days=1)  # a version is known by its number and its time
    if lost == "dropped":
        bench.vault.put(PATH, {"password": "p"})
    else:
        bench.vault.purge(PATH)
    mended = bench.again(genuine())
    version = {"dropped": 3, "never there": 1}[lost]
    assert mended is not None
    assert (mended.event, mended.mended, mended.version) == (Event.STORED, True, version)
    assert (mended.version_before, mended.asked_by) == (version - 1, "drift")
    assert (bench.vault.get(PATH) or {})["security_token"] == TOKEN
    assert ("password" in (bench.vault.get(PATH) or {})) == (lost == "dropped")
    assert [record.entry.mended for record in bench.records] == [False, True]
    assert bench.again(genuine()) is None


def test_a_token_that_was_found_in_vault_is_mended_as_well(bench: Bench) -> None:
    """Another instance had stored it."""
    other = Bench(bench.home.parent, "two", bench.vault)
    other.process(genuine())
    assert (bench.process(genuine()), bench.endings) != (None, [("unchanged", "same-token")])
    bench.vault.put(PATH, {"password": "p"})
    mended = bench.again(genuine())
    assert (mended is not None and mended.mended, bench.endings[-1]) == (True, ("stored", None))


def test_a_token_that_never_was_in_vault_is_not_mended(bench: Bench) -> None:
    """It was held, and is stored for the first time."""
    bench.configure(TERMS)
    stranger = genuine(STRANGER)
    bench.process(stranger)
    bench.configure(WIDER)
    stored = bench.again(stranger)
    assert stored is not None
    assert (stored.event, stored.mended) == (Event.STORED, False)


def test_a_crash_while_a_token_is_brought_back_is_recovered(bench: Bench) -> None:
    """The version has its record in the end, and tells both."""
    bench.process(genuine())
    bench.vault.put(PATH, {"password": "p"})
    bench.time += timedelta(days=1)

    def trip(effect: str) -> None:
        if effect == "written":
            raise Crash

    bench.trip = trip
    with pytest.raises(Crash):
        bench.again(genuine())
    bench.trip = lambda _effect: None
    mended = bench.process(genuine())
    assert mended is not None
    assert (mended.mended, mended.recovered, mended.version) == (True, True, 3)
    assert len(bench.records) == 2


def test_what_a_person_released_is_brought_back(bench: Bench) -> None:
    """The rules that they set aside for the mail stay so, and the record names them again."""
    odd = genuine(subject="Ihr neues Salesforce-Sicherheitstoken")
    bench.process(odd)
    mail = Mail(MailRef("integrations", "INBOX", 1, 1), ISSUED + timedelta(seconds=10), odd)
    bench.pipeline.release(mail, (ADDRESS,), Release("alice", "INC-1"))
    bench.vault.put(PATH, {"password": "p"})
    mended = bench.again(odd)
    assert mended is not None
    assert (mended.event, mended.mended) == (Event.STORED, True)
    assert (mended.released_by, mended.release_reason, mended.waived) == (
        "alice",
        "INC-1",
        ("subject",),
    )


def test_a_crash_between_journal_and_settle_adds_nothing(bench: Bench) -> None:
    """The journal knows the mail: it is settled without another look."""
    first = bench.process(genuine())
    asked = bench.keys.asked
    bench.progress = FolderProgress(1)
    assert (first is not None, bench.process(genuine()), bench.settled) == (True, None, True)
    assert (bench.endings, bench.keys.asked) == ([("stored", None)], asked)


# -- trouble: the mail stays unsettled and unrecorded --


def trip_with(error: BaseException) -> Callable[[str], None]:
    def trip(effect: str) -> None:
        raise error

    return trip


@pytest.mark.parametrize(
    "error",
    [
        TransientError("others wrote at the same time", code="vault-race"),
        Outage("Vault is sealed", code="vault-sealed"),
        AccessError("Vault denies access", code="vault-policy"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_trouble_with_the_store(bench: Bench, error: Exception) -> None:
    """Raised as it is; once it has passed, the mail ends as if nothing had been."""
    bench.trip = trip_with(error)
    with pytest.raises(type(error)) as caught:
        bench.process(genuine())
    assert caught.value is error
    assert (bench.records, bench.log.events, bench.observed, bench.settled) == ([], [], [], False)
    bench.trip = lambda _effect: None
    assert recorded(bench, genuine(), **STORED)


def test_trouble_with_the_keys(bench: Bench) -> None:
    """DNS does not answer: nothing is known of the mail, so nothing is said of it."""
    bench.keys.keys = Keys({genuine_signer().name: None})
    with pytest.raises(TransientError):
        bench.process(genuine())
    assert (bench.records, bench.log.events, bench.vault.paths(), bench.settled) == (
        [],
        [],
        [],
        False,
    )
    bench.keys.keys = genuine_keys()
    assert recorded(bench, genuine(), **STORED)


def test_trouble_with_the_journal(bench: Bench) -> None:
    """The token is in Vault, its record is not on disk:
    unsettled, and recovered once the journal can be written."""

    record = bench.path.parent / "apart"

    def in_the_way(effect: str) -> None:
        if effect == "written":
            bench.path.rename(record)
            bench.path.mkdir()

    bench.trip = in_the_way
    with pytest.raises(StateError):
        bench.process(genuine())
    assert (bench.log.events, bench.observed, bench.settled) == ([], [], False)
    bench.path.rmdir()
    record.rename(bench.path)
    bench.trip = lambda _effect: None
    assert recorded(bench, genuine(), **STORED | RECOVERED)


# -- a second look --


@pytest.mark.parametrize(("folder", "uid"), [("INBOX", 1), ("INBOX", 9), ("Junk", 9)])
def test_a_recorded_mail_is_not_judged_again(bench: Bench, folder: str, uid: int) -> None:
    """Wherever it turns up, even if nothing would prove it now:
    it is settled there without a question to anybody."""
    bench.process(genuine())
    asked = bench.keys.asked
    bench.keys.keys = Keys({})
    bench.trip = trip_with(AssertionError("Vault was asked"))
    assert bench.process(genuine(), uid, folder) is None
    assert (bench.keys.asked, bench.endings, bench.progress.settled_through) == (
        asked,
        [("stored", None)],
        uid,
    )


def test_another_mailbox_has_its_own_record(bench: Bench) -> None:
    """A mail that two mailboxes get is looked at in each."""
    bench.process(genuine())
    second = bench.process(genuine(), mailbox="other")
    assert second is not None
    assert (second.mailbox, second.event, second.reason) == (
        "other",
        "rotation.unchanged",
        "same-token",
    )


def test_the_times_of_a_mail_are_those_of_its_first_look_and_its_end(bench: Bench) -> None:
    """In seconds from its arrival, however often it was looked at in between."""
    bench.time += timedelta(seconds=0.25)
    bench.progress.unsettle(1, bench.time)
    bench.time += timedelta(hours=1)
    settled = bench.process(genuine())
    assert settled is not None
    assert (settled.seen_after, settled.written_after) == (0.25, 3600.25)


def test_a_mail_of_unknown_arrival_has_no_times(bench: Bench) -> None:
    """Our own guess of when it came would measure nothing; who asked is known."""
    settled = bench.take(bench.undated(genuine()))
    assert settled is not None
    times = (settled.seen_after, settled.written_after)
    assert (times, settled.asked_by) == ((None, None), "daemon")


def test_a_pending_mail_is_judged_again(bench: Bench) -> None:
    """`--again` asks for it; the key is asked for once more, and the mail is settled then."""
    bench.process(genuine())
    asked = bench.keys.asked
    assert (bench.again(genuine()), bench.keys.asked, bench.settled) == (None, asked + 1, True)


def nothing(_bench: Bench) -> None:
    """The second look finds all as it was."""


def key_gone(bench: Bench) -> None:
    bench.keys.keys = Keys({})


def key_exchanged(bench: Bench) -> None:
    """Another key stands where the right one was."""
    bench.keys.keys = Keys({genuine_signer().name: Signer(rsa_pem(2048, 1)).record})


def user_named(bench: Bench) -> None:
    bench.configure(WIDER)


def user_dropped(bench: Bench) -> None:
    bench.configure(replace(TERMS, orgs=()))


def secret_purged(bench: Bench) -> None:
    bench.vault.purge(PATH)
    bench.time += timedelta(seconds=1)  # or the new version 1 would be the old one


def secret_deleted(bench: Bench) -> None:
    bench.vault.put(PATH, {"security_token": OTHER})
    bench.vault.delete(PATH)


def there_already(bench: Bench) -> None:
    bench.vault.put(PATH, {"security_token": TOKEN})


def undeleted(bench: Bench) -> None:
    bench.vault.secrets[PATH].versions[1].deletion_time = ""


def key_back(bench: Bench) -> None:
    bench.keys.keys = genuine_keys()


def of_a_stranger() -> bytes:
    return genuine(STRANGER)


def unsure() -> bytes:
    """Its server could not tell, this once."""
    results = "dmarc=pass header.from=salesforce.com; dkim=temperror"
    return mails.token_mail(
        top=f"Authentication-Results: mx.example.com; {results}\nReceived: from x\n"
    )


def server_elsewhere(bench: Bench) -> None:
    bench.configure(
        replace(TERMS, policy="authentication-results", authserv_ids=("mx.other.example",))
    )


def server_named(bench: Bench) -> None:
    bench.configure(
        replace(TERMS, policy="authentication-results", authserv_ids=("mx.example.com",))
    )


LOOKS = {
    "stored, then the same": (nothing, genuine, nothing, ["stored"]),
    "stored, then without a key": (nothing, genuine, key_gone, ["stored"]),
    "stored, then of an unknown user": (nothing, genuine, user_dropped, ["stored"]),
    "stored, then deleted": (nothing, genuine, secret_deleted, ["stored"]),
    "stored, then purged": (nothing, genuine, secret_purged, ["stored", "stored"]),
    "unchanged, then the same": (there_already, genuine, nothing, ["unchanged"]),
    "unchanged, then without a key": (there_already, genuine, key_gone, ["unchanged"]),
    "unchanged, then purged": (there_already, genuine, secret_purged, ["unchanged", "stored"]),
    "held, then the same": (nothing, of_a_stranger, nothing, ["held"]),
    "held, then named": (nothing, of_a_stranger, user_named, ["held", "stored"]),
    "held, then without a key": (nothing, of_a_stranger, key_gone, ["held", "held"]),
    "held, then of an unknown user": (secret_deleted, genuine, user_dropped, ["held", "held"]),
    "held, then undeleted": (secret_deleted, genuine, undeleted, ["held", "held"]),
    "refused, then the same": (nothing, mails.token_mail, nothing, ["refused"]),
    "refused, then held for the same reason": (
        server_elsewhere,
        unsure,
        server_named,
        ["refused", "held"],
    ),
    "refused, then proven": (key_exchanged, genuine, key_back, ["refused", "stored"]),
}


@pytest.mark.parametrize(("before", "made", "between", "expected"), LOOKS.values(), ids=LOOKS)
def test_what_a_second_look_adds(
    bench: Bench,
    before: Callable[[Bench], None],
    made: Callable[[], bytes],
    between: Callable[[Bench], None],
    expected: list[str],
) -> None:
    """A write always; a different ending of what was refused or held;
    to what is in Vault, nothing."""
    raw = made()
    before(bench)
    first = bench.process(raw)
    between(bench)
    second = bench.again(raw)
    assert [look.event.removeprefix("rotation.") for look in (first, second) if look] == expected
    assert [event for event, _ in bench.endings] == expected
    assert bench.observed == [record.entry for record in bench.records]
    assert bench.settled


# -- a flood --


def unsigned(number: int) -> bytes:
    return mails.token_mail(extra=f"X-Number: {number}\n")


def test_a_flood_of_refusals_is_recorded_in_full_and_told_in_part(bench: Bench) -> None:
    """Ten events an hour and kind; the first of the next hour says how many were left out.

    The journal has them all."""
    for number in range(1, 13):
        bench.process(unsigned(number), number)
    assert len(bench.log.events) == 10
    bench.process(b"\r" + unsigned(13), 13)
    bench.process(unsigned(14), 14, mailbox="other")
    bench.process(genuine(STRANGER), 15)
    assert [(event, fields["reason"]) for _, event, fields in bench.log.events[10:]] == [
        ("rotation.refused", "malformed"),
        ("rotation.refused", "unsigned"),
        ("rotation.held", "unknown-user"),
    ]
    bench.time += timedelta(hours=1)
    bench.process(unsigned(16), 16)
    bench.process(unsigned(17), 17)
    assert [fields.get("suppressed") for _, _, fields in bench.log.events[13:]] == [2, None]
    assert len(bench.records) == len(bench.observed) == 17


def test_the_last_that_a_flood_left_out_tells_of_all(bench: Bench) -> None:
    """As it was recorded, at the time of its record, with how many were left out before it."""
    for number in range(1, 13):
        bench.process(unsigned(number), number)
    recorded_at = bench.time
    bench.time += timedelta(days=3)
    bench.pipeline.tell_left_out()
    bench.pipeline.tell_left_out()
    fields = as_fields(bench.observed[-1]) | {"at": iso(recorded_at), "suppressed": 1}
    del fields["event"]
    assert bench.log.events[10:] == [("warning", "rotation.refused", fields)]


def test_rotations_are_always_told(bench: Bench) -> None:
    """However many: each is a rotation that somebody asks for."""
    for number in range(12):
        bench.process(genuine(extra=f"X-Number: {number}\n"), number + 1)
    assert [event for _, event, _ in bench.log.events] == ["rotation.stored"] + [
        "rotation.unchanged"
    ] * 11


# Mail that is sent again


def dressed(token: str, number: int, issued_at: datetime = ISSUED) -> bytes:
    """A recorded mail once more, with another unsigned field: another digest."""
    return b"X-Again: %d\r\n" % number + genuine(token=token, issued_at=issued_at)


def test_recorded_mail_that_comes_again_costs_no_request(bench: Bench) -> None:
    """Its bytes are known, in whatever folder they lie: no request, and no second record."""
    bench.process(genuine())
    asked = bench.asked()
    assert bench.process(genuine(), 2, "Junk") is None
    assert (asked, bench.endings) == ([], [("stored", None)])


@pytest.mark.parametrize("restarted", [False, True])
def test_recorded_mail_in_another_dress_costs_one_request(bench: Bench, restarted: bool) -> None:
    """However many versions there are. A new process walks through them once.

    None is taken for the one that a crash left without a record."""
    dates = [ISSUED - timedelta(hours=hours) for hours in (3, 2, 1, 0)]
    tokens = [mails.token(number) for number in range(4)]
    for number, (token, date) in enumerate(zip(tokens, dates, strict=True), 1):
        bench.process(genuine(token=token, issued_at=date), number)
    if restarted:
        bench.restart()
        bench.process(dressed(tokens[0], 0, dates[0]), 5)
    asked = bench.asked()
    for number, (token, date) in enumerate(zip(tokens, dates, strict=True), 6):
        bench.process(dressed(token, number, date), number)
    assert asked == ["read"] * 4
    stale = [("unchanged", "stale")] * 3
    assert bench.endings[-4:] == [*stale, ("unchanged", "same-token")]
    assert not any(record.entry.recovered for record in bench.records)


# A journal whose closed files were moved away


def closed_and_moved(bench: Bench, *, with_index: bool) -> None:
    """As the documentation lets anybody do; a new process goes on."""
    bench.time += timedelta(minutes=1)
    closed = bench.journal.archive()
    assert closed is not None
    closed.rename(bench.home.parent / closed.name)
    if with_index:
        closed.with_name(closed.name + ".index").unlink()
    bench.restart()


@pytest.mark.parametrize("with_index", [True, False])
@pytest.mark.parametrize("kept", [10, 1], ids=["ten versions", "one version"])
def test_a_version_whose_record_was_moved_away_is_not_recovered(
    bench: Bench, with_index: bool, kept: int
) -> None:
    """The same mail again, wherever it lies: its version has a record already."""
    bench.vault.settings(PATH, max_versions=kept)
    bench.process(genuine())
    bench.vault.merge(PATH, {"password": "p"})
    closed_and_moved(bench, with_index=with_index)
    bench.process(genuine(), 2, "Junk")
    assert bench.endings == [("unchanged", "same-token")]


def test_a_crash_after_files_were_moved_away_is_recovered(bench: Bench) -> None:
    """What was written since the first record that is there has no record elsewhere."""
    bench.process(genuine(issued_at=ISSUED - timedelta(hours=1)))
    bench.progress = FolderProgress(2)
    closed_and_moved(bench, with_index=True)
    bench.time += timedelta(seconds=1)
    crash_at(bench, "written", genuine(token=OTHER))
    bench.process(genuine(token=OTHER))
    (recovered,) = bench.records
    assert (recovered.entry.event, recovered.entry.recovered) == (Event.STORED, True)


# Clocks that are wrong

MINUTE = timedelta(minutes=1)
BEHIND = 2 * MINUTE
"""So much the mail server's clock is, within `clock_skew`."""
FIRST = genuine(token=TOKEN, issued_at=ISSUED)
SECOND = genuine(token=OTHER, issued_at=ISSUED + timedelta(seconds=90))
"""Of the next reset of the same user."""
AT_ONCE = ISSUED + timedelta(seconds=91)
LATE = ISSUED + timedelta(seconds=300)


def arrive(bench: Bench, raw: bytes, arrival: datetime, uid: int) -> None:
    """Take a mail through that arrived then by the clock of the mail server."""
    bench.time = arrival + 5 * MINUTE
    mail = Mail(MailRef("integrations", "INBOX", 1, uid), arrival, raw)
    bench.take(mail)


def test_a_date_ahead_of_its_arrival_locks_no_later_token_out(bench: Bench) -> None:
    """Of a sending clock that was ahead, within `clock_skew`: until its Date has passed, a token
    that is reset is for a person, and then it is the newer one.

    Vault and the journal have the arrival for the time of issue."""
    arrival = ISSUED + timedelta(seconds=10)
    ahead = ISSUED + 50 * MINUTE
    arrive(bench, genuine(issued_at=ahead), arrival, 1)
    for uid, minutes in enumerate((5, 51), 2):
        later = ISSUED + minutes * MINUTE
        arrive(bench, genuine(token=mails.token(minutes), issued_at=later), later, uid)
    assert bench.endings == [("stored", None), ("held", "clocks-disagree"), ("stored", None)]
    first = bench.records[0].entry
    assert (first.issued_at, first.dated_at) == (iso(arrival), iso(ahead))
    fields = ("security_token", "security_token_issued_at", "security_token_dated_at")
    last = iso(ISSUED + 51 * MINUTE)
    written = [[version.data[name] for name in fields] for version in bench.vault.written()]
    assert written == [[TOKEN, iso(arrival), iso(ahead)], [mails.token(51), last, last]]


@pytest.mark.parametrize(
    ("mails_in_order", "kept"),
    [
        ([(SECOND, AT_ONCE - BEHIND), (FIRST, LATE - BEHIND)], OTHER),
        ([(FIRST, ISSUED + 3 * MINUTE - BEHIND), (SECOND, AT_ONCE - BEHIND)], TOKEN),
    ],
    ids=["the first is greylisted", "the first is fetched first"],
)
def test_a_mail_server_whose_clock_is_behind_drops_no_token(
    bench: Bench, mails_in_order: list[tuple[bytes, datetime]], kept: str
) -> None:
    """Two resets within that time: which token is newer the Dates and the arrivals say
    differently. The second mail to be read waits for a person, and nothing is written over."""
    for uid, (raw, arrival) in enumerate(mails_in_order, 1):
        arrive(bench, raw, arrival, uid)
    assert bench.endings == [("stored", None), ("held", "clocks-disagree")]
    assert [version.data["security_token"] for version in bench.vault.written()] == [kept]
    assert [record.entry.uid for record in bench.journal.waiting()] == [2]
    times = {
        TOKEN: "dated 2026-02-03T12:57:27Z and issued 2026-02-03T12:57:27Z",
        OTHER: "dated 2026-02-03T12:58:57Z and issued 2026-02-03T12:56:58Z",
    }
    (other,) = times.keys() - {kept}
    saw = f"version 1 has another token, {times[kept]}; this one is {times[other]}"
    assert bench.records[1].entry.saw == saw


# The org that a mail came from


STRANGERS_ORG = "X-SFDC-LK: 00D8d000003TRx3\n"


def test_a_second_org_is_held_and_its_token_not_stored(bench: Bench) -> None:
    """The first mail of an org tells whose it is, also to a process started later."""
    bench.process(genuine())
    bench.configure(TERMS)
    later = ISSUED + timedelta(seconds=5)
    bench.process(genuine(token=OTHER, issued_at=later, extra=STRANGERS_ORG), 2)
    assert bench.endings == [("stored", None), ("held", "wrong-org")]
    assert [version.data["security_token"] for version in bench.vault.written()] == [TOKEN]


def test_the_id_is_on_disk_before_the_token_is_written(bench: Bench) -> None:
    """A crash in between costs nothing: the mail comes again, and no other org's goes first."""

    def trip(effect: str) -> None:
        if effect == "write":
            raise Crash

    bench.trip = trip
    with pytest.raises(Crash):
        bench.process(genuine())
    bench.trip = lambda _effect: None
    bench.configure(TERMS)
    later = ISSUED + timedelta(seconds=5)
    bench.process(genuine(token=OTHER, issued_at=later, extra=STRANGERS_ORG), 2)
    bench.process(genuine(), 1)
    assert bench.endings == [("held", "wrong-org"), ("stored", None)]


def test_a_held_mail_teaches_no_id(bench: Bench) -> None:
    """Only what is to be stored says whose an org is."""
    bench.process(genuine(to="someone@else.example", extra=STRANGERS_ORG))
    bench.process(genuine(), 2)
    assert bench.endings == [("held", "wrong-recipient"), ("stored", None)]


@pytest.mark.parametrize("there", ["the token", "a later one", "a deleted one"])
def test_a_mail_that_stores_nothing_teaches_no_id(bench: Bench, there: str) -> None:
    """As after an upgrade: Vault has the token, and nothing is known of its org. A copy of its mail
    with the id of another org, which is not signed, must not keep the next token out."""
    bench.process(genuine())
    if there == "a later one":
        bench.process(genuine(token=OTHER, issued_at=ISSUED + timedelta(seconds=5)), 2)
    if there == "a deleted one":
        bench.vault.delete(PATH)
    (bench.home / "org-ids.json").unlink()
    bench.process(genuine(extra=STRANGERS_ORG), 3)
    assert bench.endings[-1] != ("stored", None)
    bench.vault.purge(PATH)
    bench.time += timedelta(seconds=1)  # so that no version looks like one of before
    later = ISSUED + timedelta(seconds=9)
    bench.process(genuine(token=mails.token(9), issued_at=later), 4)
    assert bench.endings[-1] == ("stored", None)


class Overtaken(OrgIds):
    """Right after it was asked for the first time, another process keeps its id."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.other = OrgIds(path)
        self.asked = 0

    def known(self, org: str) -> str | None:
        known = super().known(org)
        self.asked += 1
        if self.asked == 1:
            self.other.keep(org, "00D8d000003TRx3")
        return known


def test_of_two_first_mails_at_once_one_is_judged_again(bench: Bench, tmp_path: Path) -> None:
    """It stays unsettled and is not stored; then it is known whose mail was first."""
    org_ids = Overtaken(tmp_path / "org-ids.json")
    bench.pipeline = Pipeline(
        judge_under(TERMS, None, org_ids),
        FakeStore(bench.vault),
        bench.journal,
        instance="one",
        log=bench.log,
        now=lambda: bench.time,
        lookback=timedelta(days=14),
        org_ids=org_ids,
    )
    with pytest.raises(TransientError) as caught:
        bench.process(genuine())
    assert str(caught.value) == "a mail for acme came from 00D8d000003TRx3 meanwhile"
    assert not bench.settled
    bench.process(genuine())
    assert (bench.endings, bench.vault.written()) == ([("held", "wrong-org")], [])


@pytest.mark.parametrize(
    ("raw", "event"),
    [
        (genuine(), "rotation.stored"),
        (genuine(subject="Ihr neues Salesforce-Sicherheitstoken"), "rotation.held"),
        (mails.token_mail(), "rotation.refused"),
    ],
    ids=["stored", "held", "refused"],
)
def test_with_a_key_records_have_keyed_fingerprints(bench: Bench, raw: bytes, event: str) -> None:
    """Journal, observer and log tell the same one, which is not that of Vault."""
    fingerprints = Keyring.of(Secret("k" * 32)).fingerprints
    bench.pipeline = Pipeline(
        judge_under(TERMS),
        FakeStore(bench.vault),
        bench.journal,
        instance="one",
        log=bench.log,
        now=lambda: bench.time,
        lookback=timedelta(days=14),
        fingerprints=fingerprints,
        observe=bench.observed.append,
    )
    bench.process(raw)
    keyed = fingerprints.recorded(fingerprint(TOKEN))
    (record,) = bench.journal.records()
    (observed,) = bench.observed
    assert (record.entry.event, record.entry.fingerprint, observed.fingerprint) == (
        event,
        keyed,
        keyed,
    )
    (logged,) = [fields for _, name, fields in bench.log.events if name == event]
    assert logged["fingerprint"] == keyed
