"""`held`: which mails are told, in which order, and how."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.kit.fakes import Silent
from tests.unit.commands.records import NOW, USER, entry, held
from token_catcher.commands.held import waiting
from token_catcher.commands.render import held_lines
from token_catcher.commands.rotation import HeldMail, Rotation
from token_catcher.model import Entry
from token_catcher.record import Journal

DIGEST = "sha256:0123456789abcdef" + 48 * "0"


def mails(tmp_path: Path, *entries: Entry) -> list[HeldMail]:
    """What is told of a journal with these records, a day after the mail came."""
    journal = Journal(tmp_path / "journal.jsonl", now=lambda: NOW, log=Silent())
    for record in entries:
        journal.append(record)
    return waiting(journal.waiting(), NOW + timedelta(days=1))


def test_the_mail_that_came_first_is_told_first(tmp_path: Path) -> None:
    """Whichever was recorded first."""
    told = mails(
        tmp_path,
        held(1, received_at="2026-02-03T12:00:02Z"),
        held(2, received_at="2026-02-03T12:00:01Z"),
    )
    assert [mail.rotation.uid for mail in told] == [2, 1]


def test_the_contract_of_json(tmp_path: Path) -> None:
    """Id, age, the journal's fields, and the advice."""
    (mail,) = mails(tmp_path, held(1, "unknown-user", saw="no org", mail=DIGEST))
    told = mail.as_json()
    assert list(told) == ["id", "age_seconds", *Rotation.__dataclass_fields__, "advice"]
    assert (told["id"], told["age_seconds"], told["reason"], told["username"]) == (
        "0123456789ab",
        86401,
        "unknown-user",
        USER,
    )
    assert (told["event"], told["mail"], told["seq"]) == ("rotation.held", DIGEST, 1)
    assert "usernames" in told["advice"]


def test_people_are_told_what_to_do(tmp_path: Path) -> None:
    """A line a mail, the next step below it, and in the end how to take one for good."""
    told = mails(
        tmp_path,
        held(1, "unknown-user", saw="no org", mail=DIGEST),
        held(2, "ambiguous-claim", username=None, received_at="2026-02-04T12:50:00Z"),
    )
    lines = [line.plain for line in held_lines(told)]
    assert lines[0] == f"0123456789ab  1 d  {USER}  unknown-user: no org"
    assert (
        lines[1] == "  next: if the user is yours, add the username to an org's usernames (TC720)"
    )
    assert lines[2] == "000000000000  7 min  no username  ambiguous-claim"
    assert lines[-1] == "to take one for good: token-catcher release ID"


def test_nothing_that_waits_is_said(tmp_path: Path) -> None:
    """An empty answer could be a mistake."""
    assert [line.plain for line in held_lines(mails(tmp_path, entry(1)))] == ["no held mail waits"]


def test_a_mail_from_the_future_has_no_age(tmp_path: Path) -> None:
    """Its server's clock may be ahead of ours."""
    (mail,) = mails(tmp_path, held(1, received_at="2027-01-01T00:00:00Z"))
    assert mail.age_seconds == 0
