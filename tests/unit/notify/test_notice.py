"""What is told of a record, and the event that a receiver gets."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.notify.kit import NOW, notice, refused
from tests.unit.record.books import entry
from token_catcher.model import Entry, Event
from token_catcher.notify.notice import Kind, event_of, notice_of
from token_catcher.record import Record


def record(of: Entry) -> Record:
    """As the journal has it."""
    return Record(7, "2026-02-03T12:57:29Z", "a" * 64, of)


def test_the_event_of_a_stored_token() -> None:
    """CloudEvents 1.0, with what the record says of it and nothing of the mail's text."""
    told = notice_of(record(entry(3)))
    assert told is not None
    event = event_of(told, "ops", "one")
    assert json.loads(event.body) == {
        "specversion": "1.0",
        "id": event.id,
        "source": "one",
        "type": "token-catcher.stored",
        "subject": "acme-production/integration@acme.example",
        "time": "2026-02-03T12:57:29Z",
        "datacontenttype": "application/json",
        "data": {
            "org": "acme-production",
            "username": "integration@acme.example",
            "path": "salesforce/acme-production/integration@acme.example",
            "version": 3,
            "mailbox": "integrations",
            "received_at": "2026-02-03T12:57:27Z",
            "fingerprint": "sha256:0123456789abcdef",
            "mail": f"sha256:{3:064x}",
            "record": 7,
        },
    }


def test_an_unchanged_token_is_no_news() -> None:
    """Nobody has to do anything."""
    assert notice_of(record(entry(event=Event.UNCHANGED, reason="same-token"))) is None


def test_the_subject_of_a_strangers_mail_is_the_mailbox() -> None:
    """What it claims is nobody's name yet."""
    told = notice_of(record(refused(1, org=None)))
    assert told is not None
    assert told.subject == "mailbox/integrations"


def test_the_id_stays_the_same() -> None:
    """At each try and after each start; its form has no full stop, which the signature needs."""
    first = event_of(notice(), "ops", "one")
    assert first == event_of(notice(), "ops", "one")
    assert first.id.startswith("msg_")
    assert "." not in first.id


@pytest.mark.parametrize(
    ("kind", "key", "receiver", "instance"),
    [
        (Kind.HELD, "k", "ops", "one"),
        (Kind.STORED, "l", "ops", "one"),
        (Kind.STORED, "k", "dev", "one"),
        (Kind.STORED, "k", "ops", "two"),
    ],
)
def test_the_id_is_of_one_event_alone(kind: Kind, key: str, receiver: str, instance: str) -> None:
    """Another kind, record, receiver or instance has another."""
    other = event_of(notice(kind, key), receiver, instance)
    assert other.id != event_of(notice(), "ops", "one").id


def test_a_summary_is_another_event_than_what_it_is_known_by() -> None:
    """It has the key of the last one that it stands for."""
    single = notice(Kind.REFUSED)
    summary = replace(single, is_summary=True)
    assert event_of(summary, "ops", "one").id != event_of(single, "ops", "one").id
    assert summary.type == "token-catcher.refused.summary"


def test_text_of_others_is_masked_and_short() -> None:
    """Evidence may hold a token in a subject, or what a terminal obeys; names stay as they are."""
    fields = {
        "saw": "subject FAKE5tokenNOTreal2xyzQ99a \x1b[2J" + "x" * 1000,
        "org": "AcmeProductionEurope2026",
    }
    data = event_of(notice(fields=fields), "ops", "one").content["data"]
    assert data["saw"].startswith("subject <masked> \\x1b[2J")
    assert len(data["saw"]) == 500
    assert data["org"] == "AcmeProductionEurope2026"


def test_a_value_that_json_does_not_know_stops_nothing() -> None:
    """It is written as text."""
    fields = {"left": timedelta(days=1)}
    assert event_of(notice(fields=fields), "ops", "one").content["data"] == {
        "left": "1 day, 0:00:00"
    }


def test_the_time_is_that_of_the_notice() -> None:
    """And not that of a try."""
    later = notice(at=NOW + timedelta(hours=2))
    assert event_of(later, "ops", "one").content["time"] == "2026-02-03T14:57:28Z"
