"""The note on when a mailbox was last looked at: what it says, and that it gets in nobody's way."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.kit.fakes import Silent
from token_catcher import files
from token_catcher.record import LastLook, LookNotes

BEGIN = datetime(2026, 2, 3, 13, tzinfo=UTC)
NAME = "integrations"


class Clock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.time = BEGIN

    def __call__(self) -> datetime:
        return self.time

    def move(self, seconds: float) -> None:
        """Forward."""
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def notes(home: Path, clock: Clock, by: str = "run", log: Silent | None = None) -> LookNotes:
    """Of one process."""
    return LookNotes(home / "looks", NAME, by, clock, log or Silent())


def read(home: Path) -> LastLook | None:
    """What `status` reads."""
    return LastLook.read(home / "looks", NAME)


def test_nothing_is_noted(tmp_path: Path) -> None:
    """Nobody has ever looked."""
    assert read(tmp_path) is None


def test_a_sweep_and_then_trouble(tmp_path: Path, clock: Clock) -> None:
    """When all was well for the last time stays; whoever looked last is named."""
    notes(tmp_path, clock).swept()
    assert read(tmp_path) == LastLook("2026-02-03T13:00:00Z", looked_by="run")
    clock.move(60.5)
    notes(tmp_path, clock, "scan").met("imap-login")
    assert read(tmp_path) == LastLook(
        "2026-02-03T13:00:00Z", "imap-login", "2026-02-03T13:01:00Z", "scan"
    )


def test_all_is_well_again(tmp_path: Path, clock: Clock) -> None:
    """The trouble is forgotten."""
    noting = notes(tmp_path, clock)
    noting.met("imap-login")
    assert read(tmp_path) == LastLook(None, "imap-login", "2026-02-03T13:00:00Z", "run")
    noting.swept()
    assert read(tmp_path) == LastLook("2026-02-03T13:00:00Z", looked_by="run")


def test_a_busy_mailbox_does_not_wear_the_disk(tmp_path: Path, clock: Clock) -> None:
    """Where only the time is another one, it is written every 30 seconds."""
    noting = notes(tmp_path, clock)
    noting.swept()
    clock.move(29)
    noting.swept()
    assert read(tmp_path) == LastLook("2026-02-03T13:00:00Z", looked_by="run")
    clock.move(1)
    noting.swept()
    assert read(tmp_path) == LastLook("2026-02-03T13:00:30Z", looked_by="run")


def test_a_clock_that_was_set_back(tmp_path: Path, clock: Clock) -> None:
    """What was noted before must not stand for ever."""
    noting = notes(tmp_path, clock)
    noting.swept()
    clock.move(-3600)
    noting.swept()
    assert read(tmp_path) == LastLook("2026-02-03T12:00:00Z", looked_by="run")


def test_another_trouble_is_noted_at_once(tmp_path: Path, clock: Clock) -> None:
    """It is another cause."""
    noting = notes(tmp_path, clock)
    noting.met("imap-login")
    noting.met("imap-connect")
    note = read(tmp_path)
    assert note is not None
    assert note.trouble == "imap-connect"


def test_the_file(tmp_path: Path, clock: Clock) -> None:
    """For us alone, with the name of the mailbox, and nothing that a server said."""
    notes(tmp_path, clock).swept()
    file = tmp_path / "looks" / "integrations.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text("utf-8")) == {
        "mailbox": NAME,
        "swept_at": "2026-02-03T13:00:00Z",
        "trouble": None,
        "trouble_at": None,
        "looked_by": "run",
        "token": None,
    }


def test_a_token_that_cannot_be_got(tmp_path: Path, clock: Clock) -> None:
    """It is noted with each look, though mail comes: at once, and until there is one again."""
    codes = ["oauth-credential"]

    def token() -> str | None:
        return next(iter(codes), None)

    noting = LookNotes(tmp_path / "looks", NAME, "run", clock, Silent(), token)
    noting.swept()
    swept = LastLook("2026-02-03T13:00:00Z", looked_by="run", token="oauth-credential")
    assert read(tmp_path) == swept
    codes.clear()
    noting.swept()
    assert read(tmp_path) == replace(swept, token=None)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"swept_at": "yesterday"}',
        '{"swept_at": 1}',
        '{"trouble": 1}',
        '{"looked_by": []}',
        '{"token": 1}',
        100_000 * "[",
    ],
)
def test_what_cannot_be_understood_is_no_note(tmp_path: Path, content: str) -> None:
    """Whatever stands there."""
    (tmp_path / "looks").mkdir()
    (tmp_path / "looks" / "integrations.json").write_text(content, "utf-8")
    assert read(tmp_path) is None


def test_a_note_that_cannot_be_written_is_told_once(tmp_path: Path, clock: Clock) -> None:
    """And costs nothing else."""
    (tmp_path / "looks").write_text("a file in the way", "utf-8")
    log = Silent()
    noting = notes(tmp_path, clock, log=log)
    noting.swept()
    noting.met("imap-login")
    assert [event for event, _ in log.events] == 2 * ["mailbox.look_not_noted"]
    assert log.events[0][1] == {"mailbox": NAME, "error": "File exists"}


def test_beside_another_process(tmp_path: Path, clock: Clock) -> None:
    """Which notes the same at this moment: it has the word."""
    noting = notes(tmp_path, clock)
    noting.swept()
    clock.move(60)
    with files.locked(tmp_path / "looks" / "integrations.lock") as ours:
        assert ours
        noting.swept()
    assert read(tmp_path) == LastLook("2026-02-03T13:00:00Z", looked_by="run")
