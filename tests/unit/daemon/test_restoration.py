"""The daily look for what Vault has lost: what is asked, when, and what is told."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kit.fakes import FakeStore, FakeVault, Silent
from tests.unit.commands.records import NOW, entry
from token_catcher.daemon.restoration import A_ROUND, ASKED_AGAIN, DAILY, Restoration
from token_catcher.errors import AccessError, Outage, TokenCatcherError
from token_catcher.model import Entry, Event, Token, iso, moment
from token_catcher.record.journal import Journal

ORG = "acme-production"
TOKEN = "FAKEnewTOKEN00000000001"
OLD = "FAKEoldTOKEN00000000002"
SEALED = Outage("Vault is sealed", code="vault-sealed")
DENIED = AccessError("Vault denies access", code="vault-policy")


def stored(number: int = 1, token: str = TOKEN, **changes: Any) -> Entry:
    """The record of a token of the user of that number."""
    user = f"user{number}@acme.example"
    usual = {
        "username": user,
        "path": f"salesforce/{user}",
        "fingerprint": Token(token).fingerprint,
    }
    return entry(number, **usual | changes)


@dataclass
class Bench:
    """A journal, a Vault, and what is asked of both."""

    home: Path
    time: float = 1000.0
    vault: FakeVault = field(default_factory=FakeVault)
    log: Silent = field(default_factory=Silent)
    brought: list[Entry] = field(default_factory=list)
    """The records whose mail was asked for."""
    reads: int = 0
    trouble: dict[int, TokenCatcherError] = field(default_factory=dict)
    """By number of the read, what it ends in."""
    moved: str = "salesforce/"

    def __post_init__(self) -> None:
        self.journal = Journal(self.home / "journal.jsonl", now=lambda: NOW, log=self.log)
        self.restoration = Restoration(
            self.journal,
            FakeStore(self.vault, trip=self._read),
            mailboxes=["integrations"],
            path_of=lambda org, username: f"{self.moved}{username}" if org == ORG else None,
            bring_back=self.brought.append,
            log=self.log,
            monotonic=lambda: self.time,
        )

    def _read(self, _effect: str) -> None:
        self.reads += 1
        if self.reads in self.trouble:
            raise self.trouble[self.reads]

    def record(self, *entries: Entry) -> None:
        """They are in the journal."""
        for record in entries:
            self.journal.append(record)

    def put(self, record: Entry, token: str = TOKEN, **issued: Any) -> None:
        """Vault has the token of a record, or another one of a given age."""
        fields = {
            "security_token": token,
            "security_token_fingerprint": Token(token).fingerprint,
            "security_token_issued_at": record.issued_at,
        }
        self.vault.put(record.path or "", fields | issued)

    def rounds(self, seconds: float = 0.0, rounds: int = 1) -> int:
        """Some rounds after so many seconds; how many secrets were read in them."""
        self.time += seconds
        before = self.reads
        for _ in range(rounds):
            # What a round ends in is for who looks after Vault as a whole.
            with suppress(TokenCatcherError):
                self.restoration.round()
        return self.reads - before

    @property
    def told(self) -> list[tuple[str, str]]:
        """Of each drift that was told, its kind and the first words of the note."""
        events = [fields for event, fields in self.log.events if event == "vault.drift"]
        return [(fields["drift"], fields["note"][:15]) for fields in events]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Nothing yet."""
    return Bench(tmp_path)


def test_a_vault_that_has_all_tokens_is_asked_once_a_day(bench: Bench) -> None:
    """One read for each user, at the start and after a day; nothing is told."""
    for number in (1, 2):
        bench.record(stored(number))
        bench.put(stored(number))
    assert [bench.rounds(), bench.rounds(DAILY / 2), bench.rounds(DAILY / 2)] == [2, 0, 2]
    assert (bench.brought, bench.log.events, dict(bench.restoration.lost)) == ([], [], {})


def test_a_token_that_is_missing_is_brought_back(bench: Bench) -> None:
    """It is told with its user, path and age, and never with a token."""
    bench.record(stored())
    bench.rounds()
    assert bench.brought == [stored()]
    assert dict(bench.restoration.lost) == {"integrations": 1}
    assert bench.log.warnings == [
        (
            "vault.drift",
            {
                "mailbox": "integrations",
                "org": ORG,
                "username": "user1@acme.example",
                "path": "salesforce/user1@acme.example",
                "issued_at": "2026-02-03T12:57:20Z",
                "drift": "missing",
                "note": "it is stored again from its mail, if the mail is still there",
            },
        )
    ]


def test_an_older_token_is_replaced_and_a_foreign_one_is_not(bench: Bench) -> None:
    """Of the latter nobody knows whether it is the newer one."""
    bench.record(stored(1), stored(2))
    earlier = iso(moment("2026-02-03T12:57:20Z") - timedelta(days=3))
    bench.put(stored(1), OLD, security_token_issued_at=earlier)
    bench.vault.put("salesforce/user2@acme.example", {"security_token": OLD})
    bench.rounds()
    assert (bench.brought, bench.told) == ([stored(1)], [("older", "it is stored ag")])


def test_what_was_deleted_is_told_and_left(bench: Bench) -> None:
    """Once a day, and it is no drift that anybody is alerted of."""
    bench.record(stored())
    bench.put(stored())
    bench.vault.delete("salesforce/user1@acme.example")
    bench.rounds()
    assert (bench.brought, bench.log.warnings) == ([], [])
    assert (bench.told, dict(bench.restoration.lost)) == ([("gone", "the latest vers")], {})
    assert bench.rounds(DAILY / 2) == 0


def test_what_is_lost_is_asked_for_ever_more_seldom(bench: Bench) -> None:
    """After 10, 20, 40 minutes …; its mail is asked for each time, and what to do is told."""
    bench.record(stored())
    asked = [bench.rounds(seconds) for seconds in (0, 599, 1, 1199, 1, 2399, 1)]
    assert asked == [1, 0, 1, 0, 1, 0, 1]
    assert len(bench.brought) == 4
    assert bench.told == [("missing", "it is stored ag"), *[("missing", "its mail does n")] * 3]


def test_a_token_that_is_there_again_is_told(bench: Bench) -> None:
    """Then it counts no longer."""
    bench.record(stored())
    bench.rounds()
    bench.put(stored())
    bench.rounds(600)
    assert dict(bench.restoration.lost) == {}
    assert [event for event, _ in bench.log.events] == ["vault.drift", "vault.drift_ended"]
    assert bench.rounds(600) == 0


@pytest.mark.parametrize(
    "other",
    [
        stored(mailbox="of another shard"),
        stored(org="not configured any more"),
        stored(path="salesforce/of-a-configuration-before"),
        stored(event=Event.UNCHANGED, reason="stale"),
        stored(event=Event.HELD, reason="unknown-user", path=None),
        stored(username=None),
        stored(path=None),
        stored(org=None),
    ],
    ids=[
        "another shard",
        "another org",
        "another path",
        "stale",
        "held",
        "no user",
        "no path",
        "no org",
    ],
)
def test_what_vault_need_not_have_is_not_asked_for(bench: Bench, other: Entry) -> None:
    """Nothing of it is read."""
    bench.record(other)
    assert (bench.rounds(), bench.brought) == (0, [])


def test_the_newest_token_of_a_user_counts(bench: Bench) -> None:
    """In whatever order the records are; what was found in Vault is as good as what was stored."""
    newest = stored(
        2,
        OLD,
        event=Event.UNCHANGED,
        reason="same-token",
        issued_at="2026-02-03T12:57:21Z",
        username="user1@acme.example",
        path="salesforce/user1@acme.example",
    )
    bench.record(newest, stored(1))
    assert (bench.rounds(), bench.brought) == (1, [newest])


def test_a_round_reads_so_many_and_no_more(bench: Bench) -> None:
    """The next one goes on; a day counts from the beginning of the look."""
    for number in range(A_ROUND + 5):
        bench.record(stored(number))
        bench.put(stored(number))
    assert [bench.rounds(), bench.rounds(30), bench.rounds(30)] == [A_ROUND, 5, 0]


def test_what_concerns_all_ends_the_round(bench: Bench) -> None:
    """It is raised, and the next round goes on where this one ended: nobody is left out."""
    bench.record(stored(1), stored(2))
    bench.put(stored(1))
    # Each time the mount is asked for as well: it may be the trouble of one secret.
    bench.trouble = dict.fromkeys((2, 3, 4, 5), SEALED)
    with pytest.raises(Outage) as caught:
        bench.restoration.round()
    assert (caught.value.code, bench.reads) == ("vault-sealed", 3)
    assert [bench.rounds(), bench.rounds()] == [2, 1]
    assert (bench.brought, bench.told) == ([stored(2)], [("missing", "it is stored ag")])


def test_a_refusal_that_concerns_all_ends_the_round(bench: Bench) -> None:
    """Whatever is wrong with the mount or with our token is wrong for every secret."""
    bench.record(stored(1), stored(2))
    bench.trouble = {1: AccessError("there is no mount", code="vault-mount")}
    with pytest.raises(AccessError, match="there is no mount"):
        bench.restoration.round()
    assert (bench.reads, bench.brought, bench.log.events) == (1, [], [])


def test_a_denial_of_one_secret_does_not_cost_the_others(bench: Bench) -> None:
    """It is told once in a look, however many there are."""
    bench.record(stored(1), stored(2), stored(3))
    bench.trouble = {1: DENIED, 2: DENIED, 4: DENIED, 5: DENIED, 6: DENIED}
    bench.rounds()
    assert bench.brought == [stored(3)]
    assert bench.rounds(DAILY) == 3
    denials = [fields for event, fields in bench.log.warnings if event == "vault.trouble"]
    assert denials == [{"code": "vault-policy", "error": "Vault denies access"}] * 2
    assert bench.rounds(600) == 0


def test_a_secret_in_trouble_alone_does_not_cost_the_others(bench: Bench) -> None:
    """The others are looked at in the same round; it is asked for again, and counts as lost only
    once it is known to be."""
    bench.record(stored(1), stored(2))
    bench.trouble = {1: SEALED, 4: SEALED}  # the secret, while its mount is shown
    assert bench.rounds() == 3
    assert (bench.brought, dict(bench.restoration.lost)) == ([stored(2)], {"integrations": 1})
    bench.put(stored(2))
    assert [bench.rounds(ASKED_AGAIN - 1), bench.rounds(1), bench.rounds(600)] == [0, 3, 0]
    assert (bench.brought, dict(bench.restoration.lost)) == ([stored(2)], {})
    assert bench.rounds(600) == 1
    assert bench.brought == [stored(2), stored(1)]
    assert dict(bench.restoration.lost) == {"integrations": 1}
    troubles = [fields["code"] for event, fields in bench.log.warnings if event == "vault.trouble"]
    assert troubles == ["vault-secret"]
    assert bench.told == [("missing", "it is stored ag")] * 2


def test_a_lost_token_stays_lost_while_its_secret_cannot_be_read(bench: Bench) -> None:
    """It counts on, with what was known of it."""
    bench.record(stored())
    bench.trouble = {2: SEALED}
    assert [bench.rounds(), bench.rounds(ASKED_AGAIN)] == [1, 2]
    assert dict(bench.restoration.lost) == {"integrations": 1}
    bench.put(stored())
    assert [bench.rounds(1199), bench.rounds(1)] == [0, 1]
    assert dict(bench.restoration.lost) == {}
    assert bench.log.events[-1][0] == "vault.drift_ended"


def test_all_users_are_looked_at_anew_when_that_is_asked_for(bench: Bench) -> None:
    """Vault may be back in an older state, hours after the last look."""
    bench.record(stored())
    bench.put(stored())
    assert [bench.rounds(), bench.rounds(DAILY / 2)] == [1, 0]
    bench.put(stored(), OLD, security_token_issued_at=iso(NOW - timedelta(days=30)))
    bench.restoration.look_anew()
    assert (bench.rounds(), bench.brought) == (1, [stored()])
