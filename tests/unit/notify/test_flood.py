"""Ten of a kind in an hour, and one event for the others."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.unit.notify.kit import NOW, notice
from token_catcher.notify.flood import LIMIT, Floods
from token_catcher.notify.notice import Kind, Notice

HOUR = timedelta(hours=1)


def one(number: int, kind: Kind = Kind.REFUSED, mailbox: str = "m", at: datetime = NOW) -> Notice:
    """Of a campaign."""
    fields = {"mailbox": mailbox, "reason": "unsigned" if number % 2 else "wrong-sender"}
    return notice(kind, f"hash-{number}", at=at, fields=fields)


def test_a_flood_becomes_ten_events_and_a_summary() -> None:
    """Which counts the others, when the hour is over and not before."""
    floods = Floods()
    told = []
    for number in range(50):
        told += floods.admit(one(number, at=NOW + timedelta(seconds=number)))
    assert [notice.key for notice in told] == [f"hash-{number}" for number in range(LIMIT)]
    assert floods.end(NOW + HOUR - timedelta(seconds=1)) == []
    [summary] = floods.end(NOW + HOUR)
    assert summary.type == "token-catcher.refused.summary"
    assert summary.subject == "mailbox/m"
    assert summary.fields == {
        "mailbox": "m",
        "count": 40,
        "first": "2026-02-03T12:57:38Z",
        "last": "2026-02-03T12:58:17Z",
        "reasons": {"wrong-sender": 20, "unsigned": 20},
    }
    assert floods.end(NOW + 2 * HOUR) == []


def test_a_record_of_the_next_hour_ends_the_one_before() -> None:
    """The summary comes before it, also where nobody looked in between."""
    floods = Floods()
    for number in range(12):
        floods.admit(one(number))
    told = floods.admit(one(12, at=NOW + HOUR))
    assert [notice.type for notice in told] == [
        "token-catcher.refused.summary",
        "token-catcher.refused",
    ]


def test_the_same_records_give_the_same_events() -> None:
    """Whenever they are read, and though the process ended in between: times are the records'."""
    notices = [one(number, at=NOW + number * timedelta(minutes=4)) for number in range(60)]
    at_once = Floods()
    kept = Floods()
    told_at_once = [told for notice in notices for told in at_once.admit(notice)]
    told_in_parts = []
    for notice_ in notices:
        kept = Floods.from_json(kept.as_json())
        told_in_parts += kept.admit(notice_)
    assert told_in_parts == told_at_once


def test_mailboxes_and_kinds_are_counted_apart() -> None:
    """A flood in one hides nothing of the other."""
    floods = Floods()
    for number in range(20):
        floods.admit(one(number))
    assert floods.admit(one(20, mailbox="n"))
    assert floods.admit(one(21, Kind.HELD))


def test_a_stored_token_is_always_told() -> None:
    """However many there are: each has somebody who waits for it."""
    floods = Floods()
    told = [floods.admit(one(number, Kind.STORED)) for number in range(100)]
    assert [len(notices) for notices in told] == [1] * 100
    assert floods.as_json() == []
