"""`scan --wait`: until a new token is in Vault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.kit import mails
from tests.kit.rig import BEGIN
from tests.unit.commands.scans import entry
from token_catcher.commands.waiting import GRACE, awaited, wait_for
from token_catcher.model import Entry
from token_catcher.record import Record


@pytest.mark.parametrize(
    ("fields", "user", "counts"),
    [
        ({}, None, True),
        ({}, mails.USERNAME, True),
        ({}, "etl@acme.example", False),
        ({"event": "rotation.unchanged", "reason": "same-token"}, mails.USERNAME, True),
        ({"event": "rotation.unchanged", "reason": "stale"}, mails.USERNAME, False),
        ({"event": "rotation.held", "reason": "secret-deleted"}, mails.USERNAME, False),
        ({"event": "rotation.refused", "reason": "unsigned"}, None, False),
        (
            {
                "event": "rotation.refused",
                "reason": "malformed",
                "issued_at": None,
                "username": None,
            },
            None,
            False,
        ),
        ({"issued_at": "2026-02-03T12:45:00Z"}, None, True),
        ({"issued_at": "2026-02-03T12:44:59Z"}, None, False),
        ({"issued_at": "2026-02-03T13:09:00.5Z"}, None, True),
    ],
)
def test_the_awaited_token(fields: dict[str, Any], user: str | None, counts: bool) -> None:
    """In Vault, of this user or any, issued since the beginning less fifteen minutes."""
    assert timedelta(minutes=15) == GRACE
    old = entry(issued_at="2026-01-01T00:00:00Z")
    new = entry(**fields)
    expected = new if counts else None
    assert awaited([as_record(old), as_record(new)], BEGIN, user) == expected


def as_record(of: Entry, at: str = "2026-02-03T13:00:00Z") -> Record:
    """As the journal has it."""
    return Record(1, at, "", of)


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({}, True),
        ({"recovered": True}, False),
        ({"event": "rotation.unchanged", "reason": "same-token"}, False),
        ({"vault_created_at": None}, False),
        ({"vault_created_at": "2026-02-03T12:57:00Z"}, False),
    ],
)
def test_our_clock_may_be_ahead_of_vaults(fields: dict[str, Any], counts: bool) -> None:
    """By twenty minutes: the token was issued after the beginning, by everybody else's clock."""
    about = {
        "issued_at": "2026-02-03T12:40:30Z",
        "vault_created_at": "2026-02-03T12:41:00Z",
        "recovered": False,
    }
    new = entry(**about | fields)
    record = as_record(new, at="2026-02-03T13:01:00Z")
    assert (awaited([record], BEGIN, None) is not None) == counts


class Wait:
    """A wait whose looks bring what a test says, and that is over after so many looks."""

    def __init__(self, *brings: list[Entry], hope: bool = True, over: int = 5) -> None:
        self._brings = iter(brings)
        self._hope = hope
        self._over = over
        self._new: list[Entry] = []
        self.steps: list[str] = []

    def __call__(self, user: str | None = None) -> Entry | None:
        return wait_for(
            self._look,
            self._recorded,
            user=user,
            began=BEGIN,
            over=lambda: self.steps.count("look") >= self._over,
            pause=lambda: self.steps.append("pause"),
        )

    def _look(self) -> bool:
        self.steps.append("look")
        self._new = next(self._brings, [])
        return self._hope

    def _recorded(self) -> Iterator[Record]:
        new, self._new = self._new, []
        yield from map(as_record, new)


def test_a_wait_looks_until_the_token_is_there() -> None:
    """With a pause between two looks, and none after the last."""
    etl = replace(entry(), username="etl@acme.example")
    wait = Wait([], [etl], [entry()])
    assert wait(mails.USERNAME) == entry()
    assert wait.steps == ["look", "pause", "look", "pause", "look"]


@pytest.mark.parametrize(
    "made", [lambda: Wait([entry()], hope=False), lambda: Wait([entry()], over=1)]
)
def test_what_the_last_look_brings_counts(made: Callable[[], Wait]) -> None:
    """Also where there is no hope, or no time, for another one."""
    wait = made()
    assert (wait(), wait.steps) == (entry(), ["look"])


def test_a_wait_runs_out() -> None:
    """When it is over, or at once where no look can help."""
    wait = Wait(over=2)
    assert (wait(), wait.steps) == (None, ["look", "pause", "look"])
    wait = Wait(hope=False)
    assert (wait(), wait.steps) == (None, ["look"])
