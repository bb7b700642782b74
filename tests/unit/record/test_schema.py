"""The schema of a record: it knows every field and every event, and nothing else.

That each record which the program writes is as it says, all system tests hold: `kit.program`."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.unit.record.books import entry, journal
from token_catcher.model import Entry, Event, ProofEvent, Secret
from token_catcher.record.keyring import Keyring
from token_catcher.record.schema import MAIL_FIELDS, record_schema

FULL: dict[str, Any] = {
    "saw": "x",
    "reason": "same-token",
    "issued_at": "2026-02-03T12:57:27Z",
    "dated_at": "2026-02-03T12:57:28.000001Z",
    "request_id": "1",
    "token_length": 24,
    "proof": "dkim",
    "recovered": True,
    "mended": True,
    "released_by": "ops",
    "release_reason": "new address",
    "waived": ("sender",),
    "version_before": 0,
    "seen_after": -0.5,
    "written_after": 1.0,
    "asked_by": "scan:ops",
}


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_the_schema_is_one() -> None:
    """Of the draft that it names."""
    Draft202012Validator.check_schema(record_schema())


def test_the_schema_has_every_field_of_an_entry() -> None:
    """And no other, but for those of the chain and of the file."""
    assert {field.name for field in fields(Entry)} - {"event"} == set(MAIL_FIELDS)


def test_every_event_and_every_field_is_as_the_schema_says(tmp_path: Path) -> None:
    """Of mails with few fields and with all, of proofs, and of the journal itself, with a key."""
    path = tmp_path / "state" / "journal.jsonl"
    journal(path).append(entry(1, event=Event.REFUSED, path=None, version=None))
    book = journal(path, keys=Keyring.of(Secret("k" * 32)))
    for uid, event in enumerate(Event, 2):
        book.append(entry(uid, event=event, **FULL))
    for proof in ProofEvent:
        book.append_proof(proof, entry(1, **FULL))
    closed = book.archive()
    assert closed is not None
    path.with_name("journal.jsonl.head").unlink()
    with path.open("ab") as file:
        file.write(b'{"at":"')
    journal(path).append(entry(9))
    written = [*records(closed), *records(path)]
    assert {record["event"] for record in written} >= {
        *Event,
        *ProofEvent,
        "journal.archived",
        "journal.continued",
        "journal.keyed",
        "journal.repaired",
    }
    check = Draft202012Validator(record_schema())
    for record in written:
        check.validate(record)


@pytest.mark.parametrize(
    "change",
    [
        {"password": "x"},
        {"event": "rotation.else"},
        {"seq": "1"},
        {"asked_by": "somebody"},
        {"mac": "0" * 64},
        {"recovered": False},
        {"mail": None},
    ],
    ids=str,
)
def test_what_is_no_record_is_none(tmp_path: Path, change: dict[str, Any]) -> None:
    """A field too many, of another form, or missing where a mail is told of."""
    path = tmp_path / "state" / "journal.jsonl"
    journal(path).append(entry(1))
    (record,) = records(path)
    changed = {name: value for name, value in {**record, **change}.items() if value is not None}
    check = Draft202012Validator(record_schema())
    assert (check.is_valid(record), check.is_valid(changed)) == (True, False)
