"""Who tells others while the daemon runs, and of which ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.kit.fakes import Silent
from tests.kit.hooks import SECRET, Hooks, expect_well_told
from tests.kit.waiting import until
from tests.unit.config.texts import MINIMAL, load, write_secret
from tests.unit.record.books import entry
from token_catcher.app import App
from token_catcher.expiry import Owner
from token_catcher.notifier import Notifier
from token_catcher.notify import Kind

NOW = datetime.now(UTC)


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    """Where events go."""
    with Hooks() as hooks:
        yield hooks


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With the secrets of the configuration."""
    write_secret(tmp_path / "imap-password", "x")
    write_secret(tmp_path / "hook", SECRET)
    return tmp_path


def app(home: Path, *receivers: str) -> App:
    """Over a configuration with these receivers."""
    lines = "".join(f"  - {receiver}\n" for receiver in receivers) or "  []\n"
    return App(load(home, f"state_dir: {home}/state\n{MINIMAL}notify:\n{lines}"), Silent())


def hook(hooks: Hooks, on: str) -> str:
    """A receiver of these events."""
    return f"{{on: [{on}], name: ops, webhook: {{url: '{hooks.url}', secret: {{file: hook}}}}}}"


@pytest.fixture
def notifier() -> Iterator[Notifier]:
    """Which sees no trouble, and ends with the test."""
    notifier = Notifier(dict, Silent(), lambda _receiver, _outcome, _count: None)
    yield notifier
    notifier.end()


def test_without_receivers_nothing_is_started(home: Path, notifier: Notifier) -> None:
    """No file is made, and whoever tells something tells nobody."""
    notifier.use(app(home))
    notifier.tell(Kind.OVERDUE, "acme/u", {}, key="k")
    assert (notifier.health, notifier.trouble) == ({}, None)
    assert not (home / "state" / "outbox.db").exists()


def test_a_configuration_is_followed_by_another(
    home: Path, notifier: Notifier, hooks: Hooks
) -> None:
    """What is recorded while nobody is named is history to who is named later."""
    built = app(home, hook(hooks, "stored"))
    notifier.use(built)
    built.journal.append(entry(1))
    until(lambda: len(hooks.came) == 1, "the first event")
    bare = app(home)
    notifier.use(bare)
    bare.journal.append(entry(2))
    until(lambda: _has_read(home, 2), "the outbox to read on")
    again = app(home, hook(hooks, "stored"))
    notifier.use(again)
    again.journal.append(entry(3))
    until(lambda: len(hooks.came) == 2, "the event of the third")
    assert [hook.event["data"]["version"] for hook in hooks.came] == [1, 3]
    assert list(notifier.health) == ["ops"]
    expect_well_told(hooks.came)


def _has_read(home: Path, seq: int) -> bool:
    """Whether the outbox is done with so many records."""
    return f'"seq": {seq},'.encode() in (home / "state" / "outbox.db").read_bytes()


CLIENT = Owner("integrations", "client")


@pytest.mark.parametrize(
    ("left", "days"),
    [
        (timedelta(days=31), None),
        (timedelta(days=30), 30),
        (timedelta(days=8), 30),
        (timedelta(days=7), 7),
        (timedelta(hours=25), 7),
        (timedelta(hours=23), 1),
        (timedelta(0), 0),
        (-timedelta(days=3), 0),
    ],
)
def test_an_end_is_told_step_by_step(
    home: Path, notifier: Notifier, hooks: Hooks, left: timedelta, days: int | None
) -> None:
    """A month, a week and a day before, and at the end; each once."""
    notifier.use(app(home, hook(hooks, "expiring, overdue")))
    ends_at = NOW + left
    for _ in range(3):
        notifier.tell_ends({CLIENT: ends_at, Owner("", "client"): NOW + timedelta(days=99)}, NOW)
    notifier.tell(Kind.OVERDUE, "acme/u", {}, key="the last one")
    until(lambda: "overdue" in hooks.types, "the last event")
    told = [hook.event for hook in hooks.came if hook.event["type"] == "token-catcher.expiring"]
    assert [event["data"]["days"] for event in told] == [] if days is None else [days]
    assert {event["subject"] for event in told} <= {"mailbox/integrations"}


def test_an_end_of_vaults_is_told_as_its(home: Path, notifier: Notifier, hooks: Hooks) -> None:
    """It has no mailbox."""
    notifier.use(app(home, hook(hooks, "expiring")))
    notifier.tell_ends({Owner("", "token"): datetime(2020, 1, 1, tzinfo=UTC)}, NOW)
    until(lambda: hooks.came, "the event")
    [came] = hooks.came
    assert came.event["subject"] == "vault"
    assert came.event["data"] == {
        "credential": "token",
        "ends_at": "2020-01-01T00:00:00Z",
        "days": 0,
    }


OVERDUE = {"org": "acme", "username": "u@x", "issued_at": "2026-02-03T12:57:20Z", "days": 91}


def test_a_lapse_is_told_once(home: Path, notifier: Notifier, hooks: Hooks) -> None:
    """Another token of the same user is another one."""
    notifier.use(app(home, hook(hooks, "overdue, never-seen, retirement")))
    for _ in range(3):
        notifier.tell_lapse("token.overdue", OVERDUE)
        notifier.tell_lapse("token.overdue", {**OVERDUE, "issued_at": "2026-05-03T12:57:20Z"})
        notifier.tell_lapse("token.never_seen", {"org": "acme", "username": "u@x"})
        notifier.tell_lapse("retirement.near", {"name": "soap-login", "days": 5})
    until(lambda: "retirement" in hooks.types, "the last event")
    assert sorted(hooks.types) == ["never-seen", "overdue", "overdue", "retirement"]
    assert {came.event["subject"] for came in hooks.came} == {"acme/u@x", "salesforce"}
    told = next(came.event for came in hooks.came if came.event["data"].get("days") == 91)
    assert told["data"] == OVERDUE


def test_a_refused_login_is_told_once_for_each_token(
    home: Path, notifier: Notifier, hooks: Hooks
) -> None:
    """A token of the same user that comes later is another one."""
    notifier.use(app(home, hook(hooks, "login-refused, overdue")))
    fields = {"org": "acme", "username": "u@x", "reason": "login-refused"}
    for fingerprint in ("sha256:1", "sha256:1", "sha256:2"):
        notifier.tell_login_refused({**fields, "fingerprint": fingerprint})
    notifier.tell(Kind.OVERDUE, "acme/u", {}, key="the last one")
    until(lambda: "overdue" in hooks.types, "the last event")
    told = [
        came.event for came in hooks.came if came.event["type"] == "token-catcher.login-refused"
    ]
    assert [event["subject"] for event in told] == ["acme/u@x"] * 2
    assert [event["data"]["fingerprint"] for event in told] == ["sha256:1", "sha256:2"]


def test_what_salesforce_retires_is_told_once_a_week(
    home: Path, notifier: Notifier, hooks: Hooks
) -> None:
    """By the clock that the program has, however often it is seen."""
    clock = [NOW]
    built = app(home, hook(hooks, "retirement"))
    built.now = lambda: clock[0]
    notifier.use(built)
    for days in (0, 0, 7):
        clock[0] += timedelta(days=days)
        notifier.tell_lapse("retirement.near", {"name": "instanced-urls"})
        notifier.tell_lapse("retirement.near", {"name": "instanced-urls"})
    until(lambda: len(hooks.came) == 2, "an event of each week")
    assert {hook.event["subject"] for hook in hooks.came} == {"salesforce"}
