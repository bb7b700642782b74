"""Whether a token could be stored now: when Vault is asked, what is told, how it counts."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.kit.fakes import Silent
from tests.unit.commands.records import NOW
from token_catcher.daemon import VaultHealth, VaultPulse, VaultTrouble, VaultUse
from token_catcher.daemon.vault_health import ADMITTED, AGAIN, DAILY
from token_catcher.errors import AccessError, Outage, TokenCatcherError

DENIED = VaultTrouble("vault-policy", "our token lacks update", is_partial=True)
NO_MOUNT = VaultTrouble("vault-mount", "there is no mount")
SEALED = Outage("Vault is sealed", code="vault-sealed")
DOWN = VaultTrouble("vault-sealed", "Vault is sealed")
SERVES = VaultPulse(is_clear=True)
UNCLEAR = VaultPulse(is_clear=False)
REFUSED = AccessError("Vault refuses the login", code="vault-login")


@dataclass
class Bench:
    """A Vault that is as a test says, and what was asked of it."""

    time: float = 1000.0
    nodes: VaultPulse = SERVES
    login: TokenCatcherError | None = None
    found: VaultTrouble | None = None
    losses: TokenCatcherError | None = None
    asked: list[str] = field(default_factory=list)
    log: Silent = field(default_factory=Silent)

    def __post_init__(self) -> None:
        self.health = VaultHealth(self.log, now=lambda: NOW, monotonic=lambda: self.time)

    def pulse(self) -> VaultPulse:
        """As told."""
        return self.nodes

    def keep_alive(self) -> None:
        """As told."""
        if self.login is not None:
            raise self.login

    def admission(self) -> VaultTrouble | None:
        """As told."""
        self.asked.append("admission")
        return self.found

    def check(self) -> VaultTrouble | None:
        """As told."""
        self.asked.append("check")
        return self.found

    def restore(self) -> None:
        """As told."""
        self.asked.append("restore")
        if self.losses is not None:
            raise self.losses

    def expect_losses(self) -> None:
        """As told."""
        self.asked.append("expect losses")

    def round(self, seconds: float = 0.0) -> list[str]:
        """A round after so many seconds; what was asked in it."""
        self.time += seconds
        self.asked.clear()
        self.health.check(self)
        self.health.restore(self)
        return list(self.asked)

    @property
    def told(self) -> list[tuple[str, object]]:
        """What somebody sees at the usual level, with the codes."""
        passed = [event for event in self.log.events if event[0] == "vault.check_passed"]
        return [
            (event, fields.get("code", fields.get("after")))
            for event, fields in (*self.log.warnings, *passed)
        ]


@pytest.fixture
def bench() -> Bench:
    """A Vault that can be used."""
    return Bench()


def test_a_vault_that_can_be_used_is_checked_once_a_day(bench: Bench) -> None:
    """What it has lost is looked for at each round, and nothing is told."""
    rounds = [bench.round(), bench.round(DAILY - 1), bench.round(1)]
    assert rounds == [["check", "restore"], ["admission", "restore"], ["check", "restore"]]
    assert bench.health.use == VaultUse(None, was_proven=True, passed_at=NOW)
    assert bench.log.events == []


def test_that_vault_lets_us_in_is_seen_every_five_minutes(bench: Bench) -> None:
    """What refuses us is trouble from then on, and checked until it is over."""
    asked = [bench.round(seconds) for seconds in (0, ADMITTED - 1, 1, ADMITTED - 1, 1)]
    let_in = [["admission", "restore"], ["restore"], ["admission", "restore"]]
    assert (ADMITTED, asked) == (300.0, [["check", "restore"], ["restore"], *let_in])
    bench.found = NO_MOUNT
    refused = [bench.round(seconds) for seconds in (ADMITTED, 59, 1)]
    assert refused == [["admission"], [], ["check"]]
    assert bench.health.use == VaultUse(NO_MOUNT, was_proven=True, passed_at=NOW)


def test_a_vault_that_is_down_is_trouble_in_the_next_round(bench: Bench) -> None:
    """Nothing else is asked until it serves; then all is checked, though none of it is due.

    It may be back in an older state: all that it could have lost is looked for once more."""
    bench.round()
    bench.nodes = VaultPulse(is_clear=True, trouble=DOWN)
    assert [bench.round(15), *(bench.round(15) for _ in range(40))] == [[]] * 41
    assert bench.health.use == VaultUse(DOWN, was_proven=True, passed_at=NOW)
    bench.nodes = SERVES
    bench.found = VaultTrouble("vault-away", "Vault is still opening the mount", passes=True)
    assert [bench.round(15), bench.round(59)] == [["check"], []]
    bench.found = None
    assert bench.round(1) == ["check", "expect losses", "restore"]
    assert bench.health.use == VaultUse(None, was_proven=True, passed_at=NOW)
    assert bench.round(DAILY) == ["check", "restore"]


def test_a_pulse_that_nobody_can_feel_is_no_trouble(bench: Bench) -> None:
    """A proxy keeps the question to itself; a request with our login tells."""
    bench.nodes = UNCLEAR
    rounds = [bench.round(seconds) for seconds in (0, 15, 15, ADMITTED - 30)]
    assert rounds == [["check", "restore"], ["restore"], ["restore"], ["admission", "restore"]]
    assert bench.health.use.is_usable


def test_a_pulse_that_is_lost_has_vault_asked_at_once(bench: Bench) -> None:
    """But a minute apart, where nodes that serve and that stand by take turns."""
    bench.round()
    rounds = []
    for _ in range(4):
        bench.nodes = UNCLEAR
        rounds.append(bench.round(15))
        bench.nodes = SERVES
        rounds.append(bench.round(15))
    asked = ["admission" in round_ for round_ in rounds]
    assert asked == [False, False, False, True, False, False, False, True]


def test_a_pulse_that_is_back_has_vault_checked_at_once(bench: Bench) -> None:
    """However long ago the last check failed."""
    bench.round()
    bench.nodes = UNCLEAR
    bench.found = VaultTrouble("vault-away", "a proxy without a server", passes=True)
    assert [bench.round(AGAIN[0]), bench.round(15)] == [["admission"], []]
    bench.nodes = SERVES
    bench.found = None
    assert bench.round(15) == ["check", "restore"]


def test_before_the_first_check_nothing_is_known(bench: Bench) -> None:
    """Neither that it can be used nor that it cannot."""
    use = bench.health.use
    assert use.is_usable is None
    assert not use.is_ready


def test_a_check_that_fails_is_made_again_soon(bench: Bench) -> None:
    """Ever more seldom, up to ten minutes; told once, and once more when it has passed."""
    bench.found = NO_MOUNT
    asked = [bench.round(seconds) for seconds in (0, 59, 1, 119, 1, 240, 480, 600, 600)]
    assert asked == [["check"], [], ["check"], [], *[["check"]] * 5]
    assert AGAIN == (60.0, 600.0)
    assert bench.health.use == VaultUse(NO_MOUNT)
    bench.found = None
    assert bench.round(600) == ["check", "restore"]
    failed = ("vault.check_failed", "vault-mount")
    passed = ("vault.check_passed", "vault-mount")
    assert bench.told == [failed, passed]
    bench.found = NO_MOUNT
    bench.round(DAILY)
    assert bench.round(60) == ["check"]
    assert bench.told == [failed, failed, passed]


def test_each_cause_is_told_once(bench: Bench) -> None:
    """Also where two of them take turns."""
    for trouble in (NO_MOUNT, DENIED, NO_MOUNT, DENIED):
        bench.found = trouble
        bench.round(AGAIN[1])
    assert bench.told == [
        ("vault.check_failed", "vault-mount"),
        ("vault.check_failed", "vault-policy"),
    ]


def test_without_a_login_nothing_else_is_asked(bench: Bench) -> None:
    """It would only say the same; as soon as there is one, all is checked, though none is due."""
    bench.round()
    bench.login = REFUSED
    assert [bench.round(30), bench.round(30)] == [[], []]
    trouble = VaultTrouble("vault-login", "Vault refuses the login")
    assert bench.health.use == VaultUse(trouble, was_proven=True, passed_at=NOW)
    bench.login = None
    assert bench.round(30) == ["check", "restore"]
    assert bench.told == [
        ("vault.check_failed", "vault-login"),
        ("vault.check_passed", "vault-login"),
    ]


def test_what_ends_the_look_for_losses_is_trouble_as_well(bench: Bench) -> None:
    """The next check tells when it is over, and the look goes on then."""
    bench.losses = SEALED
    assert bench.round() == ["check", "restore"]
    assert bench.health.use.trouble == VaultTrouble("vault-sealed", "Vault is sealed", passes=True)
    bench.losses = None
    assert [bench.round(59), bench.round(1)] == [[], ["check", "restore"]]
    assert bench.health.use.trouble is None


def test_the_trouble_of_some_paths_leaves_the_others_alone(bench: Bench) -> None:
    """What Vault has lost there is looked for."""
    bench.found = DENIED
    assert [bench.round(), bench.round(30)] == [["check", "restore"], ["restore"]]


def test_another_configuration_is_checked_at_once(bench: Bench) -> None:
    """What was proven of the one before stands until then: a reload takes no readiness away."""
    bench.round()
    bench.health.begin_anew()
    assert bench.health.use.is_ready
    assert [bench.round(30), bench.round(30)] == [["check", "restore"], ["restore"]]


@pytest.mark.parametrize("was_proven", [True, False])
@pytest.mark.parametrize("passes", [True, False])
def test_an_outage_after_a_good_start_leaves_it_ready(was_proven: bool, passes: bool) -> None:
    """Mail is caught and waits; what only a person can change is no such outage."""
    use = VaultUse(VaultTrouble("code", "saw", passes=passes), was_proven)
    assert (use.is_usable, use.is_ready) == (False, was_proven and passes)
