"""Which held mails wait for a person: as the journal's records say, on real files."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.fakes import Silent
from tests.unit.commands.records import NOW, entry, held
from token_catcher.model import Entry, as_fields
from token_catcher.record.index import mail_key
from token_catcher.record.journal import Journal
from token_catcher.record.waiting import MOST_OF_ANYBODY, Waiting

LATER = "2026-02-03T12:57:21Z"
EARLIER = "2026-02-03T12:57:19Z"
OTHER = "sha256:fedcba9876543210"


def journal(path: Path) -> Journal:
    """Open, whatever lies there."""
    return Journal(path, now=lambda: NOW, log=Silent())


@pytest.fixture
def book(tmp_path: Path) -> Journal:
    """A new journal."""
    return journal(tmp_path / "journal.jsonl")


def waiting(book: Journal, *entries: Entry) -> list[int]:
    """The UIDs of the mails that wait after these records: the file and the memory agree."""
    for record in entries:
        book.append(record)
    records = book.waiting()
    assert [mail.seq for mail in book.held] == [record.seq for record in records]
    return [record.entry.uid for record in records]


def test_a_held_mail_waits(book: Journal) -> None:
    """Each of them, in the order of their records; others do not."""
    refused = entry(3, event="rotation.refused", reason="unsigned", path=None, fingerprint=OTHER)
    assert waiting(book, held(2), held(1), refused) == [2, 1]


@pytest.mark.parametrize("event", ["rotation.stored", "rotation.unchanged", "rotation.refused"])
def test_a_mail_with_another_end_waits_no_longer(book: Journal, event: str) -> None:
    """Its newest record counts."""
    assert waiting(book, held(1), entry(1, event=event)) == []


def test_a_mail_that_is_held_again_waits(book: Journal) -> None:
    """With the reason of its newest record."""
    assert waiting(book, held(1), held(1, "unknown-subject")) == [1]
    assert [record.entry.reason for record in book.waiting()] == ["unknown-subject"]


@pytest.mark.parametrize("event", ["rotation.stored", "rotation.unchanged"])
@pytest.mark.parametrize("held_first", [True, False])
def test_a_later_token_of_the_user_ends_the_wait(
    book: Journal, event: str, held_first: bool
) -> None:
    """Whoever wrote it, and in whichever order the mails came."""
    records = [held(1), entry(2, event=event, issued_at=LATER, fingerprint=OTHER)]
    if not held_first:
        records.reverse()
    assert waiting(book, *records) == []


def test_the_same_token_from_another_mailbox_ends_the_wait(book: Journal) -> None:
    """It went to two mailboxes, and one of them was ours to read."""
    assert waiting(book, held(1), entry(2, mailbox="second")) == []


@pytest.mark.parametrize(
    "stored",
    [
        {"issued_at": EARLIER, "fingerprint": OTHER},
        {"issued_at": "2026-02-03T12:57:20Z", "fingerprint": OTHER},
        {"issued_at": LATER, "fingerprint": OTHER, "username": "etl@acme.example"},
        {"issued_at": LATER, "fingerprint": OTHER, "org": "acme-sandbox"},
        {"issued_at": LATER, "fingerprint": OTHER, "org": None},
    ],
    ids=[
        "issued before",
        "issued in the same second",
        "of another user",
        "of the user's namesake in another org",
        "of no known org",
    ],
)
def test_other_tokens_do_not_end_the_wait(book: Journal, stored: dict[str, str | None]) -> None:
    """The token of the held mail may still be the one that counts."""
    assert waiting(book, held(1), entry(2, **stored)) == [1]


def test_a_token_that_is_later_by_one_clock_alone_does_not_end_the_wait(book: Journal) -> None:
    """The mail server's clock was behind when the held mail came: by the Dates it is the later."""
    stored = entry(2, issued_at=LATER, fingerprint=OTHER)
    assert waiting(book, held(1, dated_at=LATER), stored) == [1]
    after = entry(3, issued_at="2026-02-03T12:57:22Z", fingerprint=OTHER)
    assert waiting(book, after) == []


def test_a_mail_of_no_known_org_waits_for_its_own_token(book: Journal) -> None:
    """Nothing tells whose later token would replace it, and the same token is the same."""
    later = entry(2, issued_at=LATER, fingerprint=OTHER)
    assert waiting(book, held(1, org=None), later) == [1]
    assert waiting(book, entry(3, org="acme-sandbox")) == []


def test_a_later_token_of_another_org_hides_no_token_of_ours(book: Journal) -> None:
    """Each org has its own newest token."""
    ours = entry(2, issued_at=LATER, fingerprint=OTHER)
    others = entry(3, issued_at="2026-02-03T13:00:00Z", fingerprint=None, org="acme-sandbox")
    assert waiting(book, held(1), ours, others) == []


def test_a_mail_without_a_username_waits_until_it_has_another_end(book: Journal) -> None:
    """Nothing tells whose token another one would replace."""
    unclear = held(1, "ambiguous-claim", username=None, fingerprint=None)
    assert waiting(book, unclear, entry(2, issued_at=LATER)) == [1]


def test_what_another_process_appends_counts(tmp_path: Path) -> None:
    """As a release beside the daemon."""
    path = tmp_path / "journal.jsonl"
    ours = journal(path)
    assert waiting(ours, held(1)) == [1]
    journal(path).append(entry(1))
    ours.open()
    assert waiting(ours) == []


def test_the_wait_survives_a_restart(tmp_path: Path) -> None:
    """It is in the records, and nowhere else."""
    path = tmp_path / "journal.jsonl"
    waiting(journal(path), held(1), held(2, issued_at=LATER))
    assert waiting(journal(path)) == [1, 2]


def test_the_journal_keeps_who_released_a_mail(book: Journal) -> None:
    """And why, and what was set aside; a record without them reads as before."""
    released = entry(1, released_by="alice", release_reason="moved", waived=("recipient", "date"))
    book.append(released)
    book.append(entry(2))
    assert [record.entry for record in book.records()] == [released, entry(2)]


RECORDS = st.lists(
    st.builds(
        entry,
        st.integers(1, 4),
        event=st.sampled_from(
            ["rotation.held", "rotation.stored", "rotation.unchanged", "rotation.refused"]
        ),
        username=st.sampled_from([None, "a@acme.example", "b@acme.example"]),
        org=st.sampled_from([None, "acme-production", "acme-sandbox"]),
        issued_at=st.sampled_from([EARLIER, LATER]),
        fingerprint=st.sampled_from([None, OTHER]),
    ),
    max_size=12,
)


@given(RECORDS)
def test_what_waits_is_what_the_records_say(entries: list[Entry]) -> None:
    """Told one after the other, and read as a whole: the same mails, whatever their order."""
    told = Waiting()
    for seq, record in enumerate(entries, 1):
        told.take_in(record.mail.encode(), {**as_fields(record), "seq": seq, "at": ""})
    assert [mail.seq for mail in told.mails] == by_definition(entries)


def test_the_newest_token_of_each_user_and_org_is_known(book: Journal) -> None:
    """By its issue, in whatever order the records came; held and refused mail brought none."""
    for record in (
        entry(1, issued_at=LATER),
        entry(2, issued_at=EARLIER),
        entry(3, org="acme-uat"),
        entry(4, username="etl@acme.example", event="rotation.unchanged", reason="stale"),
        held(5, issued_at=LATER, username="other@acme.example"),
        entry(6, event="rotation.refused", reason="unsigned", username="other@acme.example"),
    ):
        book.append(record)
    assert [record.entry.uid for record in book.newest_tokens()] == [1, 3, 4]


def test_records_that_come_while_tokens_are_gone_through_disturb_nothing(book: Journal) -> None:
    """Whoever goes through them takes hours; other processes append meanwhile."""
    book.append(entry(1))
    book.append(entry(2, username="etl@acme.example"))
    tokens = book.newest_tokens()
    first = next(tokens)
    book.append(entry(3, issued_at=LATER))
    assert [first.entry.uid, *(record.entry.uid for record in tokens)] == [1, 2]


ANYBODYS = {
    "no key": {"reason": "no-key"},
    "unauthenticated": {"reason": "unauthenticated"},
    "no user of ours": {"reason": "unknown-user", "org": None},
}


def flooded(waiting: Waiting, mails: int, **changes: Any) -> None:
    """So many held mails, of numbers from 1."""
    fields = as_fields(replace(held(1), **changes))
    for uid in range(1, mails + 1):
        digest = f"sha256:{uid:064x}"
        record = {**fields, "seq": uid, "mail": digest, "at": f"2026-02-03T12:57:{uid % 60:02}Z"}
        waiting.take_in(mail_key(fields["mailbox"], digest), record)


@pytest.mark.parametrize("whose", ANYBODYS.values(), ids=ANYBODYS)
def test_of_mail_that_anybody_can_send_the_newest_waits(whose: dict[str, Any]) -> None:
    """Held mail of ours waits however old it is; a copy and what is kept on disk say the same."""
    ours = [(uid, "unknown-subject") for uid in range(1, MOST_OF_ANYBODY + 11)]
    strangers = [(uid, whose["reason"]) for uid in range(21, MOST_OF_ANYBODY + 21)]
    waiting = Waiting()
    flooded(waiting, len(ours), reason="unknown-subject", mailbox="ours")
    flooded(waiting, MOST_OF_ANYBODY + 20, **whose)
    saved = json.loads(json.dumps(waiting.as_fields()))
    for known in (waiting, waiting.copy(), Waiting.of_fields(saved)):
        assert [(mail.seq, mail.reason) for mail in known.mails] == ours + strangers


def test_a_stranger_s_mail_that_has_another_end_makes_room() -> None:
    """It is the ones that wait which are counted."""
    waiting = Waiting()
    flooded(waiting, MOST_OF_ANYBODY, reason="no-key")
    flooded(waiting, 1, event="rotation.refused", reason="no-key")
    flooded(waiting, 1, reason="no-key", mailbox="second")
    assert [mail.seq for mail in waiting.mails] == [*range(2, MOST_OF_ANYBODY + 1), 1]


def test_a_flood_of_held_mail_takes_bounded_memory() -> None:
    """What strangers send grows the journal on disk; a copy shares what it can."""
    waiting = Waiting()
    tracemalloc.start()
    try:
        flooded(waiting, 3 * MOST_OF_ANYBODY, reason="no-key")
        kept, _ = tracemalloc.get_traced_memory()
        copy = waiting.copy()
        both, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 800 * MOST_OF_ANYBODY
    assert both - kept < 200 * MOST_OF_ANYBODY
    assert len(copy.mails) == MOST_OF_ANYBODY


def by_definition(entries: list[Entry]) -> list[int]:
    """The numbers of the records whose mail waits, in their order."""
    newest = {record.mail: seq for seq, record in enumerate(entries, 1)}
    return sorted(seq for seq in newest.values() if is_waiting(entries[seq - 1], entries))


def is_waiting(record: Entry, entries: list[Entry]) -> bool:
    """Whether this newest record of its mail leaves it waiting."""
    if record.event != "rotation.held":
        return False
    if record.username is None:
        return True
    in_vault = [
        other
        for other in entries
        if other.event in ("rotation.stored", "rotation.unchanged")
        and other.username == record.username
    ]
    orgs = {other.org for other in in_vault}
    return not any(is_overtaken(record, in_vault, org) for org in orgs)


def is_overtaken(record: Entry, in_vault: list[Entry], org: str | None) -> bool:
    """Whether the newest token of the user in this org is the same, or replaces it."""
    stored = [other for other in in_vault if other.org == org]
    newest = max(str(other.issued_at) for other in stored)
    same = [other.fingerprint for other in stored if str(other.issued_at) == newest]
    if record.fingerprint is not None and record.fingerprint == same[-1]:
        return True
    return org is not None and org == record.org and str(record.issued_at) < newest
