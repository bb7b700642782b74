"""The look for overdue tokens and users that were never seen: who is asked for, what is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kit.fakes import Silent
from tests.kit.secrets import Secrets
from tests.unit.commands.records import entry, held
from token_catcher.daemon.lapses import A_ROUND, DAILY, HOURLY, MOST_TOLD, WEEKLY, Lapsed, Lapses
from token_catcher.errors import Outage
from token_catcher.model import Entry, Holding
from token_catcher.proof import Org
from token_catcher.record import Journal
from token_catcher.status import OrgTerms, near
from token_catcher.vault import Version

NOW = datetime(2026, 2, 13, 12, 57, 20, tzinfo=UTC)
"""Ten days after the tokens of the entries were issued; Salesforce retires nothing near."""
ORG = "acme-production"
USER = "integration@acme.example"
PATH = f"salesforce/{ORG}/{USER}"
ABSENT = Version(0, "")
CREATED_AT = "2026-02-03T12:57:28.123456789Z"
ISSUED = datetime(2026, 2, 3, 12, 57, 20, tzinfo=UTC)
RECORDED = Holding(3, fingerprint="sha256:0123456789abcdef", issued_at=ISSUED, dated_at=ISSUED)
"""What the entry's record tells of."""
OVERDUE = {
    "org": ORG,
    "username": USER,
    "path": PATH,
    "version": 3,
    "issued_at": "2026-02-03T12:57:20Z",
    "days": 10,
}


@dataclass
class Bench:
    """A journal, a Vault, and the look after both."""

    home: Path
    usernames: tuple[str, ...] = (USER,)
    max_age: timedelta | None = timedelta(days=5)
    time: float = 1000.0
    now: datetime = NOW
    secrets: Secrets = field(default_factory=lambda: Secrets(ABSENT))
    log: Silent = field(default_factory=Silent)
    observed: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.journal = Journal(self.home / "journal.jsonl", now=lambda: NOW, log=Silent())
        self.lapses = Lapses(
            self.journal,
            self.secrets,
            orgs=[OrgTerms(Org(ORG, self.usernames), self.max_age)],
            path_of=lambda org, username: f"salesforce/{org}/{username}",
            log=self.log,
            now=lambda: self.now,
            monotonic=lambda: self.time,
            observe=lambda event, fields: self.observed.append((event, dict(fields))),
        )

    def record(self, *entries: Entry) -> None:
        """Add these to the journal."""
        for made in entries:
            self.journal.append(made)

    def look(self, later: float = 0.0) -> Lapsed:
        """A round, so much later; what is known after it."""
        self.time += later
        self.lapses.round()
        assert self.lapses.lapsed is not None
        return self.lapses.lapsed

    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """The events since the last question."""
        events = list(self.log.events)
        self.log.events.clear()
        return events


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def lapsed(overdue: int = 0, never_seen: int = 0) -> Lapsed:
    """So many of the one org."""
    return Lapsed({ORG: overdue}, {ORG: never_seen})


def test_nobody_has_looked_yet(bench: Bench) -> None:
    """Then nothing is said of anybody."""
    assert bench.lapses.lapsed is None


def test_a_user_that_was_never_seen(bench: Bench) -> None:
    """Nor has Vault a token; that is no warning, and told once a day."""
    assert bench.look() == lapsed(never_seen=1)
    assert bench.told() == [("token.never_seen", {"org": ORG, "username": USER, "path": PATH})]
    bench.look(HOURLY)
    assert bench.told() == []
    bench.look(DAILY)
    assert [event for event, _ in bench.told()] == ["token.never_seen"]


def test_a_token_that_is_overdue(bench: Bench) -> None:
    """By what Vault has; told once a day, as a warning."""
    bench.record(entry(1))
    bench.secrets.metadata = Version(3, CREATED_AT)
    bench.secrets.holding = RECORDED
    assert bench.look() == lapsed(overdue=1)
    assert bench.told() == bench.log.warnings == [("token.overdue", OVERDUE)]
    bench.look(HOURLY)
    assert bench.told() == []


def test_a_token_that_is_young_enough(bench: Bench) -> None:
    """Vault is not asked about it."""
    bench.record(entry(1))
    bench.now = NOW - timedelta(days=6)
    assert bench.look() == lapsed()
    assert (bench.told(), bench.secrets.asked) == ([], [])


def test_an_org_without_an_age(tmp_path: Path) -> None:
    """Nothing of it is ever overdue."""
    bench = Bench(tmp_path, max_age=None)
    bench.record(entry(1))
    assert bench.look() == lapsed()


def test_a_token_that_another_instance_stored(bench: Bench) -> None:
    """This journal does not know of it, and Vault does."""
    bench.secrets.metadata = Version(1, CREATED_AT)
    bench.secrets.holding = Holding(1, fingerprint="x", issued_at=NOW, dated_at=NOW)
    assert bench.look() == lapsed()
    bench.record(entry(1))
    assert bench.look(HOURLY) == lapsed()


def test_a_token_beside_which_a_mail_was_stale(bench: Bench) -> None:
    """Its age is not in the journal: Vault says it."""
    bench.record(entry(1, event="rotation.unchanged", reason="stale"))
    bench.secrets.metadata = Version(4, "2026-02-03T12:00:00Z")
    bench.secrets.holding = Holding(4, fingerprint="x")
    assert bench.look() == lapsed(overdue=1)


def test_vault_is_asked_once_a_day(bench: Bench) -> None:
    """Its answer stands for the looks in between."""
    for _ in range(24):
        bench.look()
        bench.time += HOURLY
    assert bench.secrets.asked == ["metadata"]
    bench.look()
    assert bench.secrets.asked == ["metadata", "metadata"]


def test_vault_that_is_away(tmp_path: Path) -> None:
    """An overdue token is one by the journal's word; whether a user was ever seen nobody knows."""
    bench = Bench(tmp_path, usernames=(USER, "b@acme.example", "c@acme.example"))
    bench.record(entry(1))
    bench.secrets.metadata = Outage("away", code="vault-sealed")
    assert bench.look() == lapsed(overdue=1)
    assert bench.secrets.asked == ["metadata"]
    bench.secrets.metadata = ABSENT
    assert bench.look(HOURLY) == lapsed(never_seen=2)


def test_a_mail_that_is_held_is_a_sight_of_the_user(bench: Bench) -> None:
    """Somebody has to see to that, and not to why nothing comes."""
    bench.record(held(1, "unknown-subject"))
    assert bench.look() == lapsed()


def test_a_rotation_ends_it(bench: Bench) -> None:
    """At the next look."""
    bench.record(entry(1))
    bench.secrets.metadata = Version(3, CREATED_AT)
    bench.secrets.holding = RECORDED
    assert bench.look() == lapsed(overdue=1)
    bench.record(entry(2, issued_at="2026-02-13T12:00:00Z", version=4))
    assert bench.look(HOURLY) == lapsed()


def test_a_round_takes_so_many(tmp_path: Path) -> None:
    """Until all are gone through, the last look stands; then all are told within bounds."""
    usernames = tuple(f"user{number:03}@acme.example" for number in range(A_ROUND + 1))
    bench = Bench(tmp_path, usernames=usernames)
    bench.lapses.round()
    assert (bench.lapses.lapsed, len(bench.secrets.asked)) == (None, A_ROUND)
    assert bench.look() == lapsed(never_seen=A_ROUND + 1)
    told = bench.told()
    assert len(told) == MOST_TOLD + 1
    assert told[-1][1]["further"] == A_ROUND + 1 - MOST_TOLD
    bench.look(HOURLY)
    bench.lapses.round()
    assert bench.told() == []


def test_who_is_beyond_the_bounds_of_the_log(tmp_path: Path) -> None:
    """Is told to the receivers all the same: the next day the log names the same users."""
    usernames = tuple(f"user{number:03}@acme.example" for number in range(MOST_TOLD + 1))
    bench = Bench(tmp_path, usernames=usernames)
    bench.look()
    assert [(event, fields["username"]) for event, fields in bench.observed] == [
        ("token.never_seen", username) for username in usernames
    ]


@pytest.mark.parametrize(("day", "is_warning"), [(16, False), (17, True)])
def test_what_salesforce_retires(bench: Bench, day: int, is_warning: bool) -> None:
    """Once a week each; a warning for the last two weeks."""
    bench.now = datetime(2026, 11, day, tzinfo=UTC)
    expected = [retirement.name for retirement in near(bench.now)]
    bench.look()
    told = [fields for event, fields in bench.told() if event == "retirement.near"]
    assert [fields["name"] for fields in told] == expected
    assert told[0] == {
        "name": "use-any-api-auth",
        "on": "2026-12-01",
        "days": (datetime(2026, 12, 1, tzinfo=UTC) - bench.now).days,
        "certainty": "reported",
        "what": told[0]["what"],
        "page": told[0]["page"],
    }
    warned = [fields["name"] for _, fields in bench.log.warnings]
    assert ("use-any-api-auth" in warned) is is_warning
    bench.look(WEEKLY - 1)
    assert "retirement.near" not in [event for event, _ in bench.told()]
    bench.look(1)
    assert "retirement.near" in [event for event, _ in bench.told()]


def test_others_are_told_what_the_log_is_told(tmp_path: Path) -> None:
    """Of each user, and of what Salesforce retires."""
    bench = Bench(tmp_path, now=datetime(2026, 11, 26, tzinfo=UTC))
    bench.record(entry(1))
    bench.secrets.metadata = Version(3, CREATED_AT)
    bench.secrets.holding = RECORDED
    bench.look()
    assert bench.observed == [
        (event, fields) for event, fields in bench.log.events if "further" not in fields
    ]
    assert {event for event, _ in bench.observed} >= {"token.overdue", "retirement.near"}
