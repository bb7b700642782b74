"""The history, from real journals and logs: what is read, what is one row, what is asked for, and
how it is shown."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.fakes import Silent
from token_catcher.commands.advice import ADVICE
from token_catcher.commands.forms import csv_lines, html_page
from token_catcher.commands.history import History, read
from token_catcher.commands.logs import MAX_LINE, MAX_TEXT
from token_catcher.commands.rotation import Query, Rotation
from token_catcher.errors import ConfigurationError
from token_catcher.model import Entry, Reason, iso
from token_catcher.pipeline import as_fields
from token_catcher.record.journal import Journal

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 2, 3, 12, 57, 28, tzinfo=UTC)
USER = "integration@acme.example"


def entry(uid: int = 1, **changes: Any) -> Entry:
    """A token that went to Vault as version 3."""
    said = {
        "event": "rotation.stored",
        "instance": "one",
        "mailbox": "integrations",
        "folder": "INBOX",
        "uidvalidity": 7,
        "uid": uid,
        "mail": f"sha256:{uid:064x}",
        "received_at": "2026-02-03T12:57:27Z",
        "issued_at": "2026-02-03T12:57:20Z",
        "username": USER,
        "org": "acme-production",
        "path": f"salesforce/acme-production/{USER}",
        "version": 3,
        "vault_created_at": "2026-02-03T12:57:28.123456789Z",
        "request_id": "b6f1f2b8-7a0c-4f2a-8f3a-7d1f1c1a2b3c",
        "fingerprint": "sha256:0123456789abcdef",
        "token_length": 25,
        "proof": "dkim salesforce.com test2026",
    }
    return Entry(**{**said, **changes})


def held(uid: int, reason: str = "unknown-user", **changes: Any) -> Entry:
    return entry(
        uid,
        event="rotation.held",
        reason=reason,
        path=None,
        version=None,
        vault_created_at=None,
        **changes,
    )


def journalled(
    path: Path,
    entries: Sequence[Entry],
    at: datetime = NOW,
    step: timedelta = timedelta(minutes=10),
) -> str:
    """A journal with these records, one each step; returns its name."""
    times = iter([at + step * number for number in range(len(entries))])
    book = Journal(path, now=lambda: next(times), log=Silent())
    for one in entries:
        book.append(one)
    return str(path)


def logged(said: Entry, at: datetime = NOW) -> str:
    """The line that our log has of it."""
    fields = as_fields(said)
    return json.dumps(
        {"timestamp": iso(at), "level": "info", "event": fields.pop("event"), **fields}
    )


def file(path: Path, *lines: str | bytes) -> str:
    """A file of these lines; returns its name."""
    path.write_bytes(
        b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines)
    )
    return str(path)


def ask(*sources: str, stdin: bytes = b"", **query: Any) -> History:
    return read(sources, Query(**query), io.BufferedReader(io.BytesIO(stdin)))


def uids(found: History) -> list[int | None]:
    return [one.uid for one in found.rotations]


# -- what is read --


def test_a_row_has_the_fields_of_the_record(tmp_path: Path) -> None:
    """All of them, under the same names, and the record's number and hash;
    this is what `--json` prints."""
    found = ask(journalled(tmp_path / "journal.jsonl", [entry(1)]))
    assert [one.as_json() for one in found.rotations] == [
        {
            "at": "2026-02-03T12:57:28Z",
            "event": "rotation.stored",
            "org": "acme-production",
            "username": USER,
            "issued_at": "2026-02-03T12:57:20Z",
            "path": f"salesforce/acme-production/{USER}",
            "version": 3,
            "reason": None,
            "saw": None,
            "recovered": False,
            "fingerprint": "sha256:0123456789abcdef",
            "token_length": 25,
            "proof": "dkim salesforce.com test2026",
            "vault_created_at": "2026-02-03T12:57:28.123456789Z",
            "request_id": "b6f1f2b8-7a0c-4f2a-8f3a-7d1f1c1a2b3c",
            "instance": "one",
            "mailbox": "integrations",
            "folder": "INBOX",
            "uidvalidity": 7,
            "uid": 1,
            "mail": f"sha256:{1:064x}",
            "received_at": "2026-02-03T12:57:27Z",
            "seq": 1,
            "hash": json.loads((tmp_path / "journal.jsonl").read_bytes())["hash"],
            "advice": None,
        }
    ]
    assert (found.unreadable, found.first_unreadable) == (0, None)


def test_every_field_of_a_record_is_a_field_of_the_row() -> None:
    """A field that the journal gains is not forgotten here."""
    assert set(Entry.__dataclass_fields__) <= set(Rotation.__dataclass_fields__)


def test_the_program_s_own_log_is_read(tmp_path: Path) -> None:
    """As it writes it: everything but the journal's number and hash, redaction and all."""
    script = """
        import sys
        from tests.unit.commands.test_history import entry
        from token_catcher import log
        from token_catcher.pipeline import as_fields
        logger = log.setup("info", "json")
        logger.info("daemon.started", mailboxes=["integrations"])
        fields = as_fields(entry(1, recovered=True))
        logger.info(fields.pop("event"), **fields)
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = ask("-", stdin=done.stderr.encode())
    (row,) = found.rotations
    assert row == Rotation(at=row.at, seq=None, hash=None, **as_fields(entry(1, recovered=True)))  # type: ignore[arg-type]
    assert found.unreadable == 0


WRAPPED = {
    "plain": "{}",
    "a syslog prefix": "Feb  3 12:57:28 host token-catcher[12]: {}",
    "a container runtime's prefix": "2026-02-03T12:57:28.123456789Z stderr F {}",
    "a prefix with braces": "pod{{app=token-catcher}} {{}} {}",
    "a prefix with another object": '{{"stream": "stderr"}} {}',
    "journald's export format": "MESSAGE={}",
    "text behind it": "{} (repeated 2 times)",
    "a byte order mark": "\ufeff{}",
}


@pytest.mark.parametrize("form", WRAPPED.values(), ids=WRAPPED)
def test_a_collector_s_prefix_is_no_obstacle(tmp_path: Path, form: str) -> None:
    """The JSON begins at its brace."""
    found = ask(file(tmp_path / "log", form.format(logged(entry(4)))))
    assert (uids(found), found.unreadable) == ([4], 0)


@pytest.mark.parametrize(
    "form",
    [
        {
            "MESSAGE": "LINE",
            "__REALTIME_TIMESTAMP": "1770123448000000",
            "_SYSTEMD_UNIT": "token-catcher.service",
        },
        {"log": "LINE\n", "stream": "stderr", "time": "2026-02-03T12:57:28.1Z"},
        {"@timestamp": "2026-02-03T12:57:28.1Z", "message": "LINE", "event": {"dataset": "logs"}},
        {"message": json.dumps({"log": "LINE"})},
        {"message": "Feb  3 12:57:28 host token-catcher[12]: LINE"},
    ],
    ids=["journald", "Docker", "Elastic", "twice wrapped", "with a prefix"],
)
def test_a_line_within_a_message_is_read(tmp_path: Path, form: dict[str, Any]) -> None:
    """Collectors keep it as text in a field of their own."""
    line = logged(entry(4))
    inner = json.dumps(line)[1:-1]
    wrapped = json.dumps(form)
    wrapped = wrapped.replace("LINE", json.dumps(inner)[1:-1] if r"\"LINE\"" in wrapped else inner)
    found = ask(file(tmp_path / "log", wrapped))
    assert (uids(found), found.unreadable) == ([4], 0)


def test_gzip_and_standard_input_are_read(tmp_path: Path) -> None:
    """Told by their content, not by their name; several sources are one history."""
    packed = tmp_path / "journal.jsonl.1"
    packed.write_bytes(
        gzip.compress(logged(entry(1)).encode() + b"\n") + gzip.compress(logged(entry(2)).encode())
    )
    plain = file(tmp_path / "log", logged(entry(3)))
    assert sorted(
        map(str, uids(ask(str(packed), plain, "-", stdin=gzip.compress(logged(entry(4)).encode()))))
    ) == list("1234")
    assert uids(ask("-", stdin=logged(entry(5)).encode())) == [5]


def test_lines_about_other_things_are_passed_over(tmp_path: Path) -> None:
    """Other programs, our other events, prose that mentions rotations,
    the journal's notes about itself."""
    source = file(
        tmp_path / "log",
        "Feb  3 00:00:01 host logrotate: log rotation. rotation.done",
        '{"timestamp":"2026-02-03T12:57:28Z","event":"mailbox.connected"}',
        '{"timestamp":"2026-02-03T12:57:28Z","event":"library.message",'
        '"message":"got rotation.stored"}',
        '{"at":"2026-02-03T12:57:28Z","event":"journal.repaired","cut":17}',
        '{"event":["rotation.stored"]}',
        b"\xff\xfe\x00",
        "",
    )
    assert ask(source) == History((), 0, None)


def test_a_quoted_rotation_is_none(tmp_path: Path) -> None:
    """What a server, or a mail, made a library say does not enter the history."""
    forged = {
        "timestamp": "2026-02-03T12:57:28Z",
        "event": "library.message",
        "message": logged(entry(4)),
    }
    source = file(
        tmp_path / "log",
        json.dumps(forged),
        json.dumps({"MESSAGE": json.dumps(forged)}),
        f"{json.dumps(forged)} {{}}",
    )
    assert ask(source) == History((), 0, None)


def test_lines_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    """Torn, written for people, without a time:
    the rest is read all the same, and the first place is told."""
    whole = logged(entry(1))
    source = file(
        tmp_path / "log",
        whole,
        whole[:-20],
        "2026-02-03 12:57:28 [info     ] rotation.stored  org=acme-production",
        '{"event":"rotation.stored","mailbox":"integrations"}',
        '{"event":"rotation.stored","timestamp":"2026-02-03T12:57:28"}',
        '{"event":"rotation.stored","timestamp":"yesterday"}',
        '{"event":"rotation.stored","timestamp":"0001-01-01T00:00:00+14:00"}',
        '{"event":"rotation.stored","x":' + "[" * 60_000,
        '{"at":"2026',
        logged(entry(2)),
    )
    found = ask(source)
    assert (uids(found), found.unreadable, found.first_unreadable) == ([1, 2], 8, f"{source}:2")


def test_a_damaged_archive_gives_what_it_can(tmp_path: Path) -> None:
    """What is lost counts as one unreadable line; the next source is read."""
    lines = "\n".join(logged(entry(uid)) for uid in range(1, 2000)).encode()
    packed = tmp_path / "log.gz"
    packed.write_bytes(gzip.compress(lines)[:-2000])
    broken = tmp_path / "broken.gz"
    broken.write_bytes(b"\x1f\x8b" + b"garbage")
    found = ask(str(packed), str(broken), file(tmp_path / "log", logged(entry(5000))))
    assert found.unreadable in (2, 3)
    assert {1, 2, 3, 5000} <= set(uids(found))


def test_braces_without_end_are_not_searched_without_end(tmp_path: Path) -> None:
    """A few are tried, then the line counts as unreadable."""
    source = file(tmp_path / "log", "{ " * 15 + logged(entry(1)), "{ " * 5000 + logged(entry(2)))
    assert (uids(ask(source)), ask(source).first_unreadable) == ([1], f"{source}:2")


def test_an_endless_line_is_read_over(tmp_path: Path) -> None:
    """Without taking it into memory; it counts as one, also at the end."""
    source = file(
        tmp_path / "log",
        logged(entry(1)),
        b"{" + b"x" * (2 * MAX_LINE - 1) + logged(entry(9)).encode(),
        logged(entry(2)),
    )
    found = ask(source)
    assert (uids(found), found.first_unreadable) == ([1, 2], f"{source}:2")
    assert ask("-", stdin=b"{" * (MAX_LINE + 1)).first_unreadable == "-:1"


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_source_that_is_not_there_is_an_error(tmp_path: Path, name: str) -> None:
    """A typing mistake must not look like an empty history."""
    with pytest.raises(ConfigurationError) as caught:
        ask(str(tmp_path / name))
    assert str(caught.value) == f"{tmp_path / name}: cannot be read: " + (
        "Is a directory" if name == "." else "No such file or directory"
    )


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=200)
    | st.builds(
        lambda field, value, cut: json.dumps({**json.loads(logged(entry())), field: value})[
            : cut or None
        ].encode(),
        st.sampled_from([*Entry.__dataclass_fields__, "timestamp", "at", "message", "seq"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.lists(st.integers(), max_size=2),
        st.sampled_from([0, 0, -1, 50]),
    )
)
def test_no_line_raises(line: bytes) -> None:
    """And whatever comes out can be shown in every form."""
    found = ask("-", stdin=line)
    rows = found.rotations
    shown = json.dumps([one.as_json() for one in rows]) + "".join(csv_lines(rows))
    shown += "".join(html_page(rows, Query(), made_at=NOW))
    shown.encode("utf-8")


def test_texts_come_out_printable_and_short(tmp_path: Path) -> None:
    """A hostile log line neither commands a terminal nor fills it;
    a value of another kind is none."""
    line = json.dumps(
        {
            "timestamp": "2026-02-03T13:57:28+01:00",
            "event": "rotation.held",
            "org": "\x1b[2J\x07a\u202eb\ud800\r\n",
            "username": "x" * 10_000,
            "version": "3",
            "path": 5,
            "uid": True,
        }
    )
    (row,) = ask(file(tmp_path / "log", line)).rotations
    assert row == Rotation(
        at="2026-02-03T12:57:28Z",
        event="rotation.held",
        org="\ufffd[2J\ufffda\ufffdb\ufffd\ufffd\ufffd",
        username="x" * MAX_TEXT,
    )


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
        assert [(one.uid, one.seq) for one in ask(*sources).rotations] == [
            (1, 1),
            (2, 2),
            (3, None),
        ]


def test_a_log_that_is_ahead_of_the_journal_is_the_same_row(tmp_path: Path) -> None:
    """Collectors round times."""
    book = journalled(tmp_path / "journal.jsonl", [entry(1)])
    log = file(tmp_path / "log", logged(entry(1), NOW - timedelta(seconds=1)))
    assert [one.seq for one in ask(book, log).rotations] == [1]


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
    told = [held(1), held(1, "wrong-org"), held(1)]
    book = journalled(tmp_path / "journal.jsonl", told, step=timedelta(seconds=5))
    log = file(
        tmp_path / "log",
        *(logged(one, NOW + timedelta(seconds=5 * number + 1)) for number, one in enumerate(told)),
    )
    assert [one.seq for one in ask(book, log).rotations] == [1, 2, 3]
    assert [one.reason for one in ask(log).rotations[:2]] == ["unknown-user", "wrong-org"]


def test_two_instances_have_two_rows(tmp_path: Path) -> None:
    """Each tells of its own work."""
    log = file(tmp_path / "log", logged(entry(1)), logged(entry(1, instance="two")))
    assert [one.instance for one in ask(log).rotations] == ["one", "two"]


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


@pytest.fixture
def mixed(tmp_path: Path) -> str:
    """Rows 1 to 5, ten minutes apart."""
    return journalled(
        tmp_path / "journal.jsonl",
        [
            entry(1),
            entry(2, org="acme-uat", username="etl@acme.example"),
            entry(3, event="rotation.unchanged", reason="stale"),
            held(4),
            entry(5, event="rotation.refused", reason="bad-signature", username=None, org=None),
        ],
    )


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
        == "--event: got 'rotation.stolen', expected one of: stored, unchanged, held, refused"
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
    assert [one.advice for one in rows] == [None, None, None]


# -- how it is shown --


def test_csv_can_be_read_back(mixed: str) -> None:
    """RFC 4180: a header, CRLF, quotes where they are needed; every column of the JSON."""
    rows = [*ask(mixed).rotations, Rotation(iso(NOW), "rotation.held", saw='a "b", c')]
    text = "".join(csv_lines(rows))
    assert text.count("\r\n") == text.count("\n") == len(rows) + 1
    read_back = list(csv.DictReader(io.StringIO(text, newline="")))
    as_text = [
        {
            name: "" if value is None else value if isinstance(value, str) else json.dumps(value)
            for name, value in one.as_json().items()
        }
        for one in rows
    ]
    assert read_back == as_text


@pytest.mark.parametrize(
    "value", ["=1+1", "+1", "-1", "@SUM(A1)", " =1+1", "＝1+1", "＋1", "－1", "＠x"]
)
def test_no_cell_is_a_formula(value: str) -> None:
    """A username in a mail must not become a command in an auditor's spreadsheet."""
    (row,) = csv.DictReader(csv_lines([Rotation(iso(NOW), "rotation.held", username=value)]))
    assert row["username"] == "'" + value


class Page(HTMLParser):
    """The tags of a page with their attributes, and its table, cell by cell."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip("\n")


def test_the_page_shows_every_row(mixed: str) -> None:
    """For people: to the second, the outcome in a word, the reason with what to do about it."""
    page = Page("".join(html_page(ask(mixed).rotations, Query(), made_at=NOW)))
    assert [row[:2] for row in page.rows] == [
        ["recorded", "outcome"],
        ["2026-02-03 12:57:28", "stored"],
        ["2026-02-03 13:07:28", "stored"],
        ["2026-02-03 13:17:28", "unchanged"],
        ["2026-02-03 13:27:28", "held"],
        ["2026-02-03 13:37:28", "refused"],
    ]
    assert page.rows[1][2:] == [
        "acme-production",
        USER,
        "2026-02-03 12:57:20",
        f"salesforce/acme-production/{USER}",
        "3",
        "",
    ]
    assert page.rows[4][2:] == [
        "acme-production",
        USER,
        "2026-02-03 12:57:20",
        "",
        "",
        f"unknown-user; {ADVICE[Reason.UNKNOWN_USER]}",
    ]


def test_the_page_says_what_it_is(mixed: str) -> None:
    """How many of what, from when to when, what was asked for, when it was made;
    also when there is nothing."""
    query = Query(org="acme-production", event="stored", since=NOW)
    text = "".join(html_page(ask(mixed).rotations, query, made_at=NOW + timedelta(days=1)))
    counts = "2 stored, 1 unchanged, 1 held, 1 refused"
    assert f"<p>{counts}, from 2026-02-03 12:57:28 to 2026-02-03 13:37:28; " in text
    assert "; asked for: org acme-production, event stored, since 2026-02-03T12:57:28Z.</p>" in text
    assert "<p>Made at 2026-02-04 12:57:28. All times are UTC.</p>" in text
    assert "<p>none; asked for: everything.</p>" in "".join(html_page((), Query(), made_at=NOW))


@settings(max_examples=200, deadline=None)
@given(
    text=st.text()
    | st.sampled_from(
        ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</td><td>", "&lt;", '"><a']
    )
)
def test_no_text_becomes_markup(text: str) -> None:
    """Whatever stands in a field, or was asked for:
    the page has the tags it has without it, and no script."""
    clean = Rotation(iso(NOW), "rotation.held", "a", "a", "a", "a", 1, "a", "a")
    dirty = Rotation(iso(NOW), "rotation.held", text, text, text, text, 1, text, text)
    pages = [
        Page("".join(html_page([one], Query(org=asked), made_at=NOW)))
        for one, asked in ((clean, "a"), (dirty, text or "a"))
    ]
    assert pages[0].tags == pages[1].tags


def test_the_page_needs_nothing_else() -> None:
    """No script, no address of anything: it can be mailed, printed and kept for years."""
    page = Page("".join(html_page([Rotation(iso(NOW), "rotation.held")], Query(), made_at=NOW)))
    assert {tag for tag, _ in page.tags} == {
        "html",
        "meta",
        "title",
        "style",
        "h1",
        "p",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    assert {name for _, attributes in page.tags for name in attributes} == {
        "lang",
        "charset",
        "name",
        "content",
        "http-equiv",
        "scope",
        "class",
    }
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    assert ("meta", {"http-equiv": "Content-Security-Policy", "content": policy}) in page.tags
