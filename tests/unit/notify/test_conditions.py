"""When something counts as failing, and when as healed."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.unit.notify.kit import NOW
from token_catcher.notify.conditions import FAILING_AFTER, HEALED_AFTER, Conditions

SECOND = timedelta(seconds=1)
AWAY = "imap-unreachable"


def types(conditions: Conditions, code: str | None, at: datetime) -> list[str]:
    """What is told of one subject."""
    return [notice.type for notice in conditions.look({"mailbox/m": code}, at)]


def failing() -> Conditions:
    """What is told already."""
    conditions = Conditions()
    conditions.look({"mailbox/m": AWAY}, NOW)
    assert types(conditions, AWAY, NOW + FAILING_AFTER) == ["token-catcher.failing"]
    return conditions


def test_a_trouble_that_lasts_is_told_once() -> None:
    """After five minutes, and not once more while it lasts."""
    conditions = Conditions()
    assert types(conditions, AWAY, NOW) == []
    assert types(conditions, AWAY, NOW + FAILING_AFTER - SECOND) == []
    assert types(conditions, AWAY, NOW + FAILING_AFTER) == ["token-catcher.failing"]
    assert types(conditions, "imap-login", NOW + timedelta(days=1)) == []


@pytest.mark.parametrize("code", ["notify-refused", "notify-gone"])
def test_a_refusal_is_told_at_once(code: str) -> None:
    """Whoever has answered is no passing outage; once, also where it was out of reach before."""
    conditions = Conditions()
    assert conditions.look({"notify/ops": "notify-unreachable"}, NOW) == []
    [failing] = conditions.look({"notify/ops": code}, NOW + SECOND)
    assert failing.type == "token-catcher.failing"
    assert failing.fields == {"code": code, "since": "2026-02-03T12:57:28Z"}
    assert conditions.look({"notify/ops": code}, NOW + FAILING_AFTER) == []


def test_what_was_told_is_told_to_be_over_once() -> None:
    """With when it began and ended; the two are known by the same beginning."""
    conditions = failing()
    well_at = NOW + timedelta(hours=1)
    assert conditions.look({"mailbox/m": None}, well_at) == []
    assert conditions.look({"mailbox/m": None}, well_at + HEALED_AFTER - SECOND) == []
    [healed] = conditions.look({"mailbox/m": None}, well_at + HEALED_AFTER)
    assert healed.type == "token-catcher.healed"
    assert healed.subject == "mailbox/m"
    assert healed.key == "mailbox/m 2026-02-03T12:57:28Z"
    assert healed.fields == {
        "code": AWAY,
        "since": "2026-02-03T12:57:28Z",
        "until": "2026-02-03T13:57:28Z",
    }
    assert conditions.look({"mailbox/m": None}, well_at + timedelta(hours=9)) == []


def test_a_trouble_that_passes_is_no_news() -> None:
    """Neither that it was there, nor that it is over."""
    conditions = Conditions()
    types(conditions, AWAY, NOW)
    assert types(conditions, None, NOW + timedelta(minutes=1)) == []
    assert types(conditions, None, NOW + timedelta(minutes=9)) == []
    assert conditions.as_json() == []


def test_a_trouble_that_comes_and_goes_is_one() -> None:
    """A connection that is there for a moment in every minute does not work."""
    conditions = Conditions()
    told = []
    for minute in range(10):
        at = NOW + timedelta(minutes=minute)
        told += types(conditions, AWAY, at)
        told += types(conditions, None, at + 30 * SECOND)
    assert told == ["token-catcher.failing"]


def test_what_is_not_known_stays_as_it_was() -> None:
    """After a start, until the first look has ended."""
    conditions = failing()
    assert conditions.look({}, NOW + timedelta(days=1)) == []
    assert len(conditions.as_json()) == 1


@pytest.mark.parametrize(("minutes", "told"), [(3, []), (6, ["token-catcher.healed"])])
def test_a_start_forgets_what_was_not_told(minutes: int, told: list[str]) -> None:
    """Nobody saw whether it lasted meanwhile. What was told is still to be told to be over."""
    conditions = Conditions()
    types(conditions, AWAY, NOW)
    types(conditions, AWAY, NOW + timedelta(minutes=minutes))
    restarted = Conditions.from_json(conditions.as_json())
    restarted.begin_anew()
    later = NOW + timedelta(hours=1)
    assert types(restarted, None, later) == []
    assert types(restarted, None, later + HEALED_AFTER) == told
