"""What is one row of the history, and which rows are asked for."""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.kit.cost import calls
from tests.kit.fakes import Silent
from tests.unit.commands.records import (
    NOW,
    USER,
    ask,
    entry,
    file,
    held,
    journalled,
    logged,
    uids,
)
from token_catcher.advice import ADVICE, next_step
from token_catcher.commands.csv_form import csv_lines
from token_catcher.commands.history import run, run_recorded
from token_catcher.commands.history_page import html_page
from token_catcher.commands.output import ExitCode
from token_catcher.commands.render import history_table
from token_catcher.commands.rotation import Query, Rotation
from token_catcher.errors import ConfigurationError
from token_catcher.model import ProofEvent, Reason, iso
from token_catcher.record.chain import Head, sealed
from token_catcher.record.journal import Journal

# -- what is one row --


def test_journal_and_log_tell_of_one_rotation(tmp_path: Path) -> None:
    """It is one row, the journal's, in whatever order the sources come."""
    book = journalled(tmp_path / "journal.jsonl", [entry(1), held(2)])
    log = file(
        tmp_path / "log",
        logged(entry(1), NOW + timedelta(milliseconds=2)),
        logged(held(2), NOW + timedelta(minutes=10, milliseconds=2)),
        logged(entry(3), NOW + timedelta(minutes=20)),
    )
    for sources in ((book, log), (log, book)):
        assert [(row.uid, row.seq) for row in ask(*sources).rotations] == [
            (1, 1),
            (2, 2),
            (3, None),
        ]


def test_a_record_in_a_log_is_the_journal_s_row(tmp_path: Path) -> None:
    """A collector gathers the journal among other lines; in whatever order the sources come."""
    book = journalled(tmp_path / "journal.jsonl", [entry(1), held(2)])
    log = file(tmp_path / "log", "started", *Path(book).read_bytes().splitlines())
    for sources in ((book, log), (log, book)):
        assert [(row.seq, row.source) for row in ask(*sources).rotations] == [
            (1, "journal"),
            (2, "journal"),
        ]
    assert [(row.seq, row.source) for row in ask(log).rotations] == [(1, "log"), (2, "log")]


def test_a_log_that_is_ahead_of_the_journal_is_the_same_row(tmp_path: Path) -> None:
    """Collectors round times."""
    book = journalled(tmp_path / "journal.jsonl", [entry(1)])
    log = file(tmp_path / "log", logged(entry(1), NOW - timedelta(seconds=1)))
    assert [row.seq for row in ask(book, log).rotations] == [1]


def test_the_same_source_twice_is_one_history(tmp_path: Path) -> None:
    """A journal and its backup, two collectors of one log."""
    book = journalled(tmp_path / "journal.jsonl", [entry(1), held(2)])
    copy = tmp_path / "copy.gz"
    copy.write_bytes(gzip.compress(Path(book).read_bytes()))
    log = file(tmp_path / "log", logged(entry(3)), logged(entry(3)))
    assert sorted(map(str, uids(ask(book, str(copy), log)))) == ["1", "2", "3"]


def test_two_records_are_two_rows_however_alike(tmp_path: Path) -> None:
    """Held, held for another reason, held for the first one again:
    three records, and their log lines add none."""
    records = [held(1), held(1, "wrong-org"), held(1)]
    book = journalled(tmp_path / "journal.jsonl", records, step=timedelta(seconds=5))
    log = file(
        tmp_path / "log",
        logged(records[0], NOW + timedelta(seconds=1)),
        logged(records[1], NOW + timedelta(seconds=6)),
        logged(records[2], NOW + timedelta(seconds=11)),
    )
    assert [row.seq for row in ask(book, log).rotations] == [1, 2, 3]
    assert [row.reason for row in ask(log).rotations[:2]] == ["unknown-user", "wrong-org"]


def test_two_instances_have_two_rows(tmp_path: Path) -> None:
    """Each tells of its own work."""
    log = file(tmp_path / "log", logged(entry(1)), logged(entry(1, instance="two")))
    assert [row.instance for row in ask(log).rotations] == ["one", "two"]


@pytest.mark.parametrize(("apart", "rows"), [(60, 1), (61, 2)])
def test_the_same_words_much_later_are_another_row(tmp_path: Path, apart: int, rows: int) -> None:
    """A minute is enough for a log line to follow its record."""
    log = file(tmp_path / "log", logged(held(1)), logged(held(1), NOW + timedelta(seconds=apart)))
    assert len(ask(log).rotations) == rows


def test_rows_are_in_order_of_time(tmp_path: Path) -> None:
    """As moments, not as texts; records of one moment in the order of the journal."""
    log = file(
        tmp_path / "log",
        logged(entry(3), NOW + timedelta(seconds=1)),
        logged(entry(2), NOW + timedelta(microseconds=500_000)),
        logged(entry(1), NOW).replace("2026-02-03T12:57:28Z", "2026-02-03T14:57:28+02:00"),
    )
    assert uids(ask(log)) == [1, 2, 3]
    book = journalled(
        tmp_path / "journal.jsonl", [entry(uid) for uid in (9, 8, 7)], step=timedelta()
    )
    assert uids(ask(book)) == [9, 8, 7]


# -- what is asked for --


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"org": "acme-production"}, [1, 3, 4]),
        ({"user": "ETL@acme.example"}, [2]),
        ({"event": "stored"}, [1, 2]),
        ({"event": "rotation.held"}, [4]),
        ({"event": "refused"}, [5]),
        ({"since": NOW + timedelta(minutes=20)}, [3, 4, 5]),
        ({"until": NOW + timedelta(minutes=20)}, [1, 2]),
        (
            {
                "since": NOW + timedelta(minutes=10),
                "until": NOW + timedelta(minutes=21),
                "org": "acme-production",
            },
            [3],
        ),
        ({"org": "acme"}, []),
    ],
)
def test_rows_are_chosen(mixed: str, query: dict[str, Any], expected: list[int]) -> None:
    """By org, user, event and time, all together;
    `until` is not in it, so that two months share no row."""
    assert uids(ask(mixed, **query)) == expected


def test_an_unknown_event_is_an_error() -> None:
    """And not an empty answer."""
    with pytest.raises(ConfigurationError) as caught:
        Query(event="rotation.stolen")
    assert (
        str(caught.value)
        == "--event: got 'rotation.stolen', expected one of: stored, unchanged, held, refused,"
        " verified, unverified"
    )


@pytest.mark.parametrize("reason", ADVICE)
def test_held_rows_say_what_to_do(tmp_path: Path, reason: Reason) -> None:
    """In the object and in its JSON."""
    (row,) = ask(journalled(tmp_path / "journal.jsonl", [held(1, reason.value)])).rotations
    assert (row.advice, row.as_json()["advice"]) == (ADVICE[reason], ADVICE[reason])


def test_other_rows_say_nothing_to_do() -> None:
    """Neither for another event nor for a reason that this version does not know."""
    rows = [
        Rotation(iso(NOW), "rotation.refused", reason="wrong-org"),
        Rotation(iso(NOW), "rotation.held", reason="full-moon"),
        Rotation(iso(NOW), "rotation.held"),
    ]
    assert [row.advice for row in rows] == [None, None, None]


# -- what a flood left out of a log --


def flood(tmp_path: Path) -> tuple[str, str]:
    """A log of two hours that left 17 out, and the journal that has them all."""
    refusals = [
        entry(uid, event="rotation.refused", reason="bad-signature") for uid in range(1, 29)
    ]
    book = journalled(tmp_path / "journal.jsonl", refusals, step=timedelta(seconds=200))
    first = [logged(record, NOW + timedelta(seconds=200 * n)) for n, record in enumerate(refusals)]
    last = json.dumps({**json.loads(first[27]), "suppressed": 17})
    return file(tmp_path / "log", *first[:10], last), book


def test_what_a_log_left_out_is_counted(tmp_path: Path) -> None:
    """The row that says so carries it, in every form; the sum is that of the rows."""
    log, _ = flood(tmp_path)
    history = ask(log)
    assert [row.suppressed for row in history.rotations] == [*[None] * 10, 17]
    assert history.suppressed == 17
    assert history.rotations[-1].as_json()["suppressed"] == 17
    page = "".join(html_page(history.rotations, Query(), made_at=NOW))
    assert "<p>28 refused, from " in page
    assert page.count("bad-signature; 17 more before it were not logged") == 1
    table = Console(width=200)
    with table.capture() as shown:
        table.print(history_table(history.rotations))
    assert shown.get().count("bad-signature, 17 more before it were not logged") == 1


def test_the_journal_left_nothing_out(tmp_path: Path) -> None:
    """Beside it, the log's count is of rows that are there."""
    history = ask(*flood(tmp_path))
    assert (len(history.rotations), history.suppressed) == (28, 0)


# -- what is told --


def test_the_user_is_told_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count, the first five places, and that there are more; the exit code says so too."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO())))
    log = file(tmp_path / "log", logged(entry(1)), *["{torn"] * 6)
    assert run([log], Query(), now=NOW, as_json=True) == ExitCode.FAILED
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 1
    places = ", ".join(f"{log}:{line}" for line in range(2, 7))
    assert shown.err == (
        f"token-catcher: 6 lines could not be read: {places}, …\n"
        "next: look at them: each tells of a rotation, or is torn, and is missing above\n"
    )
    assert run([file(tmp_path / "log", logged(entry(1)))], Query(), now=NOW) == ExitCode.DONE


def test_a_file_in_which_nothing_was_found_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own CSV without rows, a log of something else, and a log in which others are asked for;
    it is no failure."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO())))
    header = file(tmp_path / "history.csv", "".join(csv_lines([])))
    other = file(tmp_path / "other.log", "nothing of ours")
    log = file(tmp_path / "log", logged(entry(1)))
    empty = "no rotation that is asked for was found in it"
    told = [f"token-catcher: {source}: {empty}" for source in (header, other, "-")]
    assert run([header, log, other, "-"], Query(), now=NOW) == ExitCode.DONE
    assert capsys.readouterr().err.splitlines() == told
    assert run([log], Query(user="nobody@acme.example"), now=NOW) == ExitCode.DONE
    assert capsys.readouterr().err.splitlines() == [f"token-catcher: {log}: {empty}"]


# -- what the journal has lost --


NEXT = (
    "next: `token-catcher audit verify` says from where on the journal is not to be trusted; what"
    " is missing above may be in a copy of it, or in collected logs\n"
)


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journal of two files, with three rows in the closed one and two in the other."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO())))
    path = tmp_path / "journal.jsonl"
    journalled(path, [entry(1), entry(2), held(3)])
    Journal(path, now=lambda: NOW, log=Silent()).archive()
    journalled(path, [entry(4), entry(5)])
    return path


def emptied(book: Path) -> None:
    """All of the file that is written to."""
    book.write_bytes(b"")


def removed(book: Path) -> None:
    """The file that is written to."""
    book.unlink()


def shortened(book: Path) -> None:
    """Its last line."""
    book.write_bytes(b"".join(book.read_bytes().splitlines(keepends=True)[:-1]))


def closed_shortened(book: Path) -> None:
    """The last lines of the closed file."""
    closed = book.with_name("journal-000001.jsonl")
    closed.write_bytes(b"".join(closed.read_bytes().splitlines(keepends=True)[:2]))


def line_removed(book: Path) -> None:
    """A line in the middle of the closed file."""
    closed = book.with_name("journal-000001.jsonl")
    lines = closed.read_bytes().splitlines(keepends=True)
    closed.write_bytes(b"".join(lines[:1] + lines[2:]))


def headless(book: Path) -> None:
    """What would tell of an end that was cut off."""
    book.with_name("journal.jsonl.head").unlink()


def head_exchanged(book: Path) -> None:
    """The same, by something else."""
    book.with_name("journal.jsonl.head").write_bytes(b"{}")


DAMAGES: list[tuple[Callable[[Path], None], list[int], str]] = [
    (emptied, [1, 2, 3], "truncated: BOOK:1: the journal ends here, its head file knows 7 "),
    (removed, [1, 2, 3], "truncated: BOOK:1: the journal ends here, its head file knows 7 "),
    (shortened, [1, 2, 3, 4], "truncated: BOOK:3: the journal ends here, its head file knows 7 "),
    (closed_shortened, [1, 2, 4, 5], "truncated: CLOSED:3: the archived file ends here"),
    (line_removed, [1, 3, 4, 5], "broken: CLOSED:2: got record 3, expected 2: a line was removed"),
    (headless, [1, 2, 3, 4, 5], "unproven: BOOK: records 1 to 7 are whole and in order; without"),
    (head_exchanged, [1, 2, 3, 4, 5], "broken: "),
]


@pytest.mark.parametrize(("damage", "rows", "problem"), DAMAGES)
def test_a_journal_that_is_not_whole_is_told(
    book: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], None],
    rows: list[int],
    problem: str,
) -> None:
    """What is left is shown; what the journal lacks is said as `audit verify` says it, and by the
    exit code."""
    damage(book)
    assert run_recorded(book, Query(), now=NOW, as_json=True) == ExitCode.FAILED
    shown = capsys.readouterr()
    assert sorted(json.loads(line)["uid"] for line in shown.out.splitlines()) == rows
    closed = str(book.with_name("journal-000001.jsonl"))
    problem = problem.replace("BOOK", str(book)).replace("CLOSED", closed)
    assert shown.err.startswith(f"token-catcher: the journal is {problem}")
    assert shown.err.endswith(NEXT)


def test_a_journal_without_its_oldest_files_says_so(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They may be moved away, which is no fault; the rows in them are not here."""
    book.with_name("journal-000001.jsonl").unlink()
    assert run_recorded(book, Query(), now=NOW, as_json=True) == ExitCode.DONE
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 2
    begins = f"token-catcher: {book} begins with record 5: the files before it are not here\n"
    assert shown.err == begins


def test_a_journal_that_cannot_be_proven_is_shown(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where its head cannot be read, the rows are there all the same."""
    head = book.with_name("journal.jsonl.head")
    head.unlink()
    head.mkdir()
    assert run_recorded(book, Query(), now=NOW, as_json=True) == ExitCode.FAILED
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 5
    problem = (
        f"token-catcher: {head}: the head of the journal cannot be read: it is not a regular file\n"
    )
    assert shown.err == problem + NEXT


@pytest.mark.parametrize("count", [0, 2])
def test_a_whole_journal_says_nothing(
    book: Path, capsys: pytest.CaptureFixture[str], count: int
) -> None:
    """Nor does one that begins at this moment, with no record yet."""
    path = book.with_name("another.jsonl")
    journalled(path, [entry(uid) for uid in range(1, count + 1)])
    Journal(path, now=lambda: NOW, log=Silent()).archive()
    assert run_recorded(book, Query(), now=NOW, as_json=True) == ExitCode.DONE
    assert capsys.readouterr().err == ""
    assert run_recorded(path, Query(), now=NOW, as_json=True) == ExitCode.DONE
    assert "begins" not in capsys.readouterr().err


def test_each_record_of_the_journal_is_read_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For the row that it is, and for the chain that it has to continue: a second time would be
    another 30 calls a record."""
    count = 1_000
    others = [entry(uid) for uid in range(2, count + 1)]
    book = Path(journalled(tmp_path / "journal.jsonl", [entry(1, username="a@b.example"), *others]))
    query = Query(user="a@b.example")
    assert calls(lambda: run_recorded(book, query, now=NOW, as_json=True)) <= 35 * count
    assert [json.loads(line)["uid"] for line in capsys.readouterr().out.splitlines()] == [1]


@pytest.mark.parametrize("lost", ["mail", "received_at"])
def test_a_record_that_lacks_what_a_row_needs_is_told(
    book: Path, capsys: pytest.CaptureFixture[str], lost: str
) -> None:
    """Though the chain goes on with it: another version, say, may have written it."""
    content = json.loads(book.read_bytes().splitlines()[-1])
    head = Head(content["seq"], content["hash"])
    del content["hash"], content[lost]
    with book.open("ab") as lines:
        lines.write(sealed(content, head))
    assert run_recorded(book, Query(), now=NOW, as_json=True) == ExitCode.FAILED
    shown = capsys.readouterr()
    assert sorted(json.loads(line)["uid"] for line in shown.out.splitlines()) == [1, 2, 3, 4, 5]
    assert shown.err.startswith(f"token-catcher: 1 line could not be read: {book}:4\n")


# -- questions --


def test_tokens_by_the_time_of_their_issue(tmp_path: Path) -> None:
    """What was recorded today may be of a token of last week, or of none."""
    book = journalled(
        tmp_path / "journal.jsonl",
        [
            entry(1, issued_at="2026-01-20T08:00:00Z"),
            entry(2, issued_at="2026-02-01T08:00:00Z"),
            held(3, issued_at=None),
        ],
    )
    begin = datetime(2026, 2, 1, 8, tzinfo=UTC)
    assert uids(ask(book, issued_since=begin)) == [2]


@pytest.mark.parametrize(
    ("user", "told"),
    [
        ("Integraton@acme.example", f"; the journal has some of {USER}"),
        ("somebody@else.example", ""),
        (USER, None),
    ],
)
def test_a_user_of_whom_nothing_was_recorded(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    user: str,
    told: str | None,
) -> None:
    """A name that was mistyped looks like a user without rotations, and is told."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO())))
    book = tmp_path / "journal.jsonl"
    journalled(book, [entry(1)])
    assert run_recorded(book, Query(user=user), now=NOW, as_json=True) == ExitCode.DONE
    complaint = ""
    if told is not None:
        complaint = f"token-catcher: no record of {user.lower()} that is asked for{told}\n"
    assert capsys.readouterr().err == complaint


# -- what a login proved --


def proven(path: Path) -> str:
    """A journal of two tokens: one that Salesforce took, and one that it did not."""
    book = Journal(path, now=lambda: NOW, log=Silent())
    book.append(entry(1))
    book.append_proof(ProofEvent.VERIFIED, entry(1, reason="login-accepted"))
    book.append(entry(2))
    refused = entry(2, reason="login-refused", saw="INVALID_LOGIN")
    book.append_proof(ProofEvent.UNVERIFIED, refused)
    return str(path)


def test_what_a_login_proved_is_a_row(tmp_path: Path) -> None:
    """Behind the token's own, with what to do; one event is not the end of another's name."""
    source = proven(tmp_path / "journal.jsonl")
    rows = ask(source).rotations
    assert [(row.uid, row.outcome, row.reason, row.source) for row in rows] == [
        (1, "stored", None, "journal"),
        (1, "verified", "login-accepted", "journal"),
        (2, "stored", None, "journal"),
        (2, "unverified", "login-refused", "journal"),
    ]
    assert [row.advice for row in rows] == [None, None, None, next_step("login-refused")]
    assert "TC801" in (rows[3].advice or "")
    for event in ("verified", "rotation.verified"):
        assert uids(ask(source, event=event)) == [1]
    assert uids(ask(source, event="unverified")) == [2]
    page = "".join(html_page(rows, Query(), made_at=NOW))
    assert "2 stored, 1 verified, 1 unverified" in page
