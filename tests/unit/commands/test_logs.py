"""What is read of journals and collected logs, and what is passed over."""

from __future__ import annotations

import ast
import base64
import gzip
import io
import json
import re
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.cost import calls
from tests.kit.scale import times
from tests.kit.waiting import PATIENCE
from tests.unit.commands.records import NOW, USER, ask, entry, file, held, journalled, logged, uids
from token_catcher.commands.csv_form import csv_lines
from token_catcher.commands.events import OTHER_EVENTS
from token_catcher.commands.history import History, read
from token_catcher.commands.history_page import html_page
from token_catcher.commands.logs import MAX_TEXT
from token_catcher.commands.pieces import MAX_PIECE
from token_catcher.commands.rotation import Query, Rotation
from token_catcher.errors import TokenCatcherError
from token_catcher.model import Entry, as_fields, iso

ROOT = Path(__file__).parents[3]
TIME = "2026-02-03T12:57:28.1Z"


def test_a_row_has_the_fields_of_the_record(tmp_path: Path) -> None:
    """All of them, under the same names, and the record's number and hash;
    this is what `--json` prints."""
    history = ask(journalled(tmp_path / "journal.jsonl", [entry(1)]))
    assert [row.as_json() for row in history.rotations] == [
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
            "mended": False,
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
            "released_by": None,
            "release_reason": None,
            "waived": None,
            "dated_at": None,
            "suppressed": None,
            "source": "journal",
            "version_before": None,
            "seen_after": None,
            "written_after": None,
            "asked_by": None,
            "advice": None,
        }
    ]
    assert (history.unreadable, history.places) == (0, ())


def test_every_field_of_a_record_is_a_field_of_the_row() -> None:
    """A field that the journal gains is not forgotten here."""
    assert set(Entry.__dataclass_fields__) <= set(Rotation.__dataclass_fields__)


def test_the_program_s_own_log_is_read(tmp_path: Path) -> None:
    """As it writes it: everything but the journal's number and hash, redaction and all."""
    script = """
        import sys
        from tests.unit.commands.records import entry
        from token_catcher import log
        from token_catcher.model import as_fields
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
        timeout=PATIENCE,
    )
    history = ask("-", stdin=done.stderr.encode())
    (row,) = history.rotations
    assert row == Rotation(at=row.at, seq=None, hash=None, **as_fields(entry(1, recovered=True)))
    assert history.unreadable == 0


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
    history = ask(file(tmp_path / "log", form.format(logged(entry(4)))))
    assert (uids(history), history.unreadable) == ([4], 0)


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
    history = ask(file(tmp_path / "log", wrapped))
    assert (uids(history), history.unreadable) == ([4], 0)


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
        b"\xff\xfe\x00",
        "",
    )
    assert ask(source) == History((), empty=(source,))


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
    assert ask(source) == History((), empty=(source,))


SUBJECTS = "|".join({name.partition(".")[0] for name in OTHER_EVENTS})
EVENT_LIKE = re.compile(rf"(?:{SUBJECTS})\.[a-z_]+")
NAMES = {"daemon.lock", "daemon.log", "journal.jsonl", "keys.json", "vault.namespace"}
"""Of files, and of a key of the configuration; none of them is an event."""


def test_the_events_that_quote_are_all_of_ours() -> None:
    """A name that the source gains is not forgotten; old ones stay, for old logs."""
    names = set()
    for path in (ROOT / "token_catcher").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                names.add(node.value)
    assert set(filter(EVENT_LIKE.fullmatch, names)) - NAMES - OTHER_EVENTS == set()


def without(name: str) -> str:
    """A line of the log that lacks a field."""
    fields = json.loads(logged(entry(9)))
    del fields[name]
    return json.dumps(fields)


def at(time: Any) -> str:
    """A line of the log from another time."""
    return json.dumps({**json.loads(logged(entry(9))), "timestamp": time})


def deflated(text: str, level: int = -1) -> str:
    """Packed by zlib, in base64."""
    return base64.b64encode(zlib.compress(text.encode(), level)).decode()


PACKED = deflated(logged(entry(9)))
UNREADABLE = {
    "torn": logged(entry(9))[:-20],
    "written for people": "2026-02-03 12:57:28 [info     ] rotation.stored  org=acme-production",
    "an event alone": '{"event":"rotation.stored","mailbox":"integrations"}',
    "an event in a list": '{"event":["rotation.stored"]}',
    "a name": '{"rotation.stored": 5}',
    "torn behind another": logged(entry(1)) + logged(entry(9))[:-20],
    "torn within a message": json.dumps({"message": logged(entry(9))[:-20]}),
    "no time": without("timestamp"),
    "a time without a zone": at("2026-02-03T12:57:28"),
    "no time at all": at("yesterday"),
    "the first of times": at("0001-01-01T00:00:00+14:00"),
    "a time of another kind": at(True),
    "a number that is no time": at(float("inf")),
    "a digest of another kind": logged(entry(9, mail="md5:9")),
    "brackets without end": '{"event":"rotation.stored","x":' + "[" * 60_000,
    "a number without end": '{"event":"rotation.stored","x":' + "1" * 5_000 + "}",
    "base64 that is none": '{"data": "cm90YXRpb24uc3RvcmVk!"}',
    "gzip in base64 that is none": '{"data": "H4sIAAAA"}',
    "torn, in zlib": json.dumps({"m": deflated(logged(entry(9))[:-20])}),
    "torn, in little of zlib": json.dumps({"m": deflated(logged(entry(9))[:-20], 0)}),
    "torn, in zlib in a text": json.dumps({"m": json.dumps([{"n": deflated("rotation.held {")}])}),
    "an event alone, in zlib": json.dumps({"m": deflated('rotation.stored {"mailbox": 1}')}),
    "zlib that is cut off": json.dumps({"m": PACKED[:-42]}),
    "zlib that is cut off within three bytes": json.dumps({"m": PACKED[:-43]}),
    "zlib that is cut off, which is said": json.dumps({"m": PACKED[:-40] + " [truncated]"}),
    "zlib with a wrong sum": json.dumps({"m": PACKED[:-8] + "AAAAAA=="}),
    "zlib of too much": json.dumps({"m": deflated(logged(entry(9)) + " " * 2 * MAX_PIECE)}),
    "bytes that are none": '{"MESSAGE": [114, 111, 116, 97, 116, 105, 111, 110, 46, 999]}',
    "an endless depth": '{"a":' * 60 + logged(entry(9)) + "}" * 60,
    "a collector's event over ours": logged(entry(9))[:-1] + ', "event": "container.log"}',
    "torn before it says what it is": '{"at":"2026',
}


@pytest.mark.parametrize("line", UNREADABLE.values(), ids=UNREADABLE)
def test_a_line_that_cannot_be_read_is_counted(tmp_path: Path, line: str) -> None:
    """The rest is read all the same, and the place is told."""
    source = file(tmp_path / "log", logged(entry(1)), line, logged(entry(2)))
    history = ask(source)
    assert (uids(history), history.unreadable, history.places) == ([1, 2], 1, (f"{source}:2",))


ONE = logged(entry(1))
TWO = logged(entry(2))
TORN = logged(entry(9))[:300]
BESIDE = {
    "a line in a text of lines": json.dumps({"message": f"{ONE}\n{TORN}\n{TWO}"}),
    "a column": json.dumps({"line": {"0": ONE, "1": TORN, "2": TWO}}),
    "a field": json.dumps({"message": f"{ONE}\n{TWO}", "previous": TORN}),
    "a field beside an object": json.dumps({"all": [ONE, json.loads(TWO)], "previous": TORN}),
    "Python's way": json.dumps({"m": f"{ONE}\n{json.loads(logged(entry(9)))}\n{TWO}"}),
    "logfmt on the line": f"{ONE} event=rotation.stored user=x\n{TWO}",
    "another event's name on the line": f"{ONE} rotation.held\n{TWO}",
    "prose of another event": json.dumps({"a": [ONE, json.loads(TWO)], "b": "rotation.held"}),
    "prose, many lines": json.dumps({"a": [json.loads(ONE), TWO], "b": "x\nrotation.stored y"}),
    "another record of the mail": json.dumps(
        {"a": [json.loads(ONE), TWO], "b": logged(held(1))[:300]}
    ),
}


@pytest.mark.parametrize("text", BESIDE.values(), ids=BESIDE)
def test_a_torn_record_beside_others_is_told(tmp_path: Path, text: str) -> None:
    """However near to it others are read."""
    history = ask(file(tmp_path / "log", text))
    assert (uids(history), history.unreadable) == ([1, 2], 1)


@pytest.mark.parametrize(
    "text",
    ["rotation.stored …", ONE[:300], f"<30>rotation.stored {ONE[:-1]}"],
    ids=["its name", "its beginning", "with a prefix"],
)
def test_a_text_of_the_record_beside_it_need_not_be_readable(tmp_path: Path, text: str) -> None:
    """A collector keeps the line that it took apart, or a part of it."""
    line = json.dumps({"message": text, "parsed": json.loads(ONE)})
    history = ask(file(tmp_path / "log", line))
    assert (uids(history), history.unreadable) == ([1], 0)


@pytest.mark.parametrize("name", ["instance", "mailbox", "folder", "uidvalidity", "uid", "mail"])
def test_a_row_needs_every_field_that_a_record_has(tmp_path: Path, name: str) -> None:
    """What somebody made a server or a library say, cut to the 200 characters of evidence, has no
    room for them."""
    history = ask(file(tmp_path / "log", without(name)))
    assert (history.rotations, history.unreadable) == ((), 1)


@pytest.mark.parametrize("prefix", ["", "_", "json."])
def test_a_mail_does_not_choose_the_event(tmp_path: Path, prefix: str) -> None:
    """A field that quotes it may come first, and be the name of an event."""
    fields = as_fields(held(1, saw="rotation.stored", username="rotation.stored"))
    turned = {f"{prefix}{name}": fields[name] for name in reversed(fields)}
    line = json.dumps({"message": {**turned, f"{prefix}timestamp": iso(NOW)}})
    (row,) = ask(file(tmp_path / "log", line)).rotations
    assert (row.event, row.saw) == ("rotation.held", "rotation.stored")


def shortest(**changes: Any) -> str:
    """The shortest record that a mail could try to be: no time, names of one letter."""
    fields = {
        "": "rotation.held",
        "instance": "a",
        "mailbox": "a",
        "folder": "a",
        "uidvalidity": 1,
        "uid": 1,
        "mail": f"sha256:{'a' * 64}",
        "received_at": "2026-02-03T12:57:27Z",
    }
    return json.dumps(fields | changes, separators=(",", ":"))


def test_a_record_has_no_room_in_the_texts_of_another(tmp_path: Path) -> None:
    """The shortest that is taken for one is longer than any evidence."""
    source = file(tmp_path / "log", json.dumps({"time": TIME, "quoted": shortest()}))
    assert len(ask(source).rotations) == 1
    assert len(shortest()) > 200


@pytest.mark.parametrize(
    "changes",
    [
        {"instance": ""},
        {"mailbox": ""},
        {"folder": ""},
        {"uidvalidity": 0},
        {"uid": 0},
        {"received_at": ""},
        {"received_at": "2026W06T13Z"},
        {"received_at": "2026-02-03 12:57:27 UTC"},
        {"received_at": "0001-01-01T00:00:00+14:00"},
    ],
    ids=str,
)
def test_what_is_shorter_is_no_record(tmp_path: Path, changes: dict[str, Any]) -> None:
    """No field is empty, and the time is whole. It is told, since it may have been one."""
    source = file(tmp_path / "log", json.dumps({"time": TIME, "quoted": shortest(**changes)}))
    assert (ask(source).rotations, ask(source).unreadable) == ((), 1)


FORGED = json.dumps({"at": iso(NOW), **as_fields(entry(666))})
QUOTING = {
    "evidence": logged(held(9, saw=f"Subject {FORGED}", fingerprint=None)),
    "a server": json.dumps(
        {
            "timestamp": iso(NOW),
            "level": "warning",
            "event": "library.message",
            "message": f"* BAD {FORGED} ",
            "logger": "x",
        }
    ),
    "in another order": json.dumps(
        {"message": FORGED, "level": "error", "event": "program.crashed"}
    ),
}
WRAPPINGS: dict[str, Any] = {
    "bare": str,
    "Docker": lambda text: json.dumps({"log": text, "time": TIME}),
    "journald, bytes": lambda text: json.dumps({"MESSAGE": list(text.encode())}),
    "CSV": lambda text: '"' + text.replace('"', '""') + f'",{TIME}',
    "in quotes": json.dumps,
}


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
@pytest.mark.parametrize("line", QUOTING.values(), ids=QUOTING)
def test_what_a_torn_line_quotes_is_no_row(tmp_path: Path, line: str, wrap: Any) -> None:
    """A line of ours, cut off behind what a stranger wrote, or before it, is told and no more."""
    end = line.rindex("}", 0, -1) + 1
    middle = line.index('{\\"') - 12
    for part in (line[:-1], line[: end + 2], line[: end + 1], line[: end - 9], line[middle:]):
        history = ask(file(tmp_path / "log", wrap(part)))
        assert (history.rotations, bool(history.unreadable)) == ((), True), part


def test_the_first_places_are_named(tmp_path: Path) -> None:
    """Five of all sources together; the others are counted."""
    names = [file(tmp_path / name, "{torn", "{torn", "{torn") for name in ("one", "two")]
    history = ask(*names)
    wanted = [f"{names[0]}:1", f"{names[0]}:2", f"{names[0]}:3", f"{names[1]}:1", f"{names[1]}:2"]
    assert (history.unreadable, list(history.places)) == (6, wanted)


def test_a_damaged_archive_gives_what_it_can(tmp_path: Path) -> None:
    """What is lost counts as one unreadable line; the next source is read."""
    lines = "\n".join(logged(entry(uid)) for uid in range(1, 2000)).encode()
    packed = tmp_path / "log.gz"
    packed.write_bytes(gzip.compress(lines)[:-2000])
    broken = tmp_path / "broken.gz"
    broken.write_bytes(b"\x1f\x8b" + b"garbage")
    history = ask(str(packed), str(broken), file(tmp_path / "log", logged(entry(5000))))
    assert history.unreadable in (2, 3)
    assert {1, 2, 3, 5000} <= set(uids(history))


def test_braces_without_end_are_not_searched_without_end(tmp_path: Path) -> None:
    """A few are tried, then the line counts as unreadable."""
    source = file(tmp_path / "log", "{ " * 15 + logged(entry(1)), "{ " * 5000 + logged(entry(2)))
    assert (uids(ask(source)), ask(source).places) == ([1], (f"{source}:2",))


def test_an_endless_line_is_read_over(tmp_path: Path) -> None:
    """Without taking it into memory; it counts as one, also at the end."""
    source = file(
        tmp_path / "log",
        logged(entry(1)),
        b"{" + b"x" * (2 * MAX_PIECE - 1) + logged(entry(9)).encode(),
        logged(entry(2)),
    )
    history = ask(source)
    assert (uids(history), history.places) == ([1, 2], (f"{source}:2",))
    assert ask("-", stdin=b"{" * (MAX_PIECE + 1)).places == ("-:1",)


@pytest.mark.parametrize(
    ("name", "why"), [("missing.jsonl", "No such file or directory"), (".", "Is a directory")]
)
def test_a_source_that_is_not_there_is_an_error(tmp_path: Path, name: str, why: str) -> None:
    """A typing mistake must not look like an empty history."""
    with pytest.raises(TokenCatcherError) as caught:
        ask(str(tmp_path / name))
    assert str(caught.value) == f"{tmp_path / name}: cannot be read: {why}"


@settings(max_examples=times(150))
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
    history = ask("-", stdin=b"so that it begins like text\n" * 40 + line)
    rows = history.rotations
    shown = json.dumps([row.as_json() for row in rows]) + "".join(csv_lines(rows))
    shown += "".join(html_page(rows, Query(), made_at=NOW))
    shown.encode("utf-8")


BOOK: dict[str, tuple[Callable[[list[bytes]], bytes], bool]] = {
    "as it is": (b"".join, True),
    "its beginning": (lambda lines: lines[0], True),
    "packed": (lambda lines: gzip.compress(b"".join(lines)), True),
    "with a torn line behind it": (lambda lines: b"".join(lines)[:-9], True),
    "with other line ends": (lambda lines: b"".join(lines).replace(b"\n", b"\r\n"), True),
    "with empty lines": (b"\n".join, True),
    "cut off in packed form": (lambda lines: gzip.compress(b"".join(lines))[:-9], True),
    "a part from the middle": (lambda lines: b"".join(lines[1:]), False),
    "without a line": (lambda lines: lines[0] + lines[2], False),
    "with a line twice": (lambda lines: b"".join([*lines, lines[2]]), False),
    "edited": (lambda lines: b"".join(lines).replace(USER.encode(), b"other", 1), False),
    "spelt anew": (lambda lines: b"".join(lines).replace(b",", b", "), False),
    "with a log behind it": (
        lambda lines: b"".join([*lines, logged(entry(9)).encode(), b"\n"]),
        False,
    ),
    "with a log before it": (
        lambda lines: b"".join([logged(entry(9)).encode(), b"\n", *lines]),
        False,
    ),
    "with a torn line within": (lambda lines: b"".join([*lines, lines[1][:-9], lines[1]]), False),
    "quoted": (lambda lines: b"".join(b"Subject: " + line for line in lines), False),
    "as texts": (lambda lines: b"\n".join(json.dumps(str(line)).encode() for line in lines), False),
    "collected": (
        lambda lines: b"\n".join(
            json.dumps({"host": "web1", **json.loads(line)}).encode() for line in lines
        ),
        False,
    ),
}


@pytest.mark.parametrize(("change", "is_journal"), BOOK.values(), ids=BOOK)
def test_only_a_chain_of_records_is_a_journal(
    tmp_path: Path, change: Callable[[list[bytes]], bytes], is_journal: bool
) -> None:
    """A file that is nothing else, whoever packed or copied it. Whatever else has records in it may
    have a stranger's, since anybody can compute the hash that a line names."""
    book = journalled(tmp_path / "journal.jsonl", [entry(1), held(2), entry(3)])
    copy = tmp_path / "copy"
    copy.write_bytes(change(Path(book).read_bytes().splitlines(keepends=True)))
    rows = ask(str(copy)).rotations
    assert rows
    assert {row.source for row in rows} == {"journal" if is_journal else "log"}


def test_the_configured_journal_is_one_around_what_was_edited(tmp_path: Path) -> None:
    """`audit verify` tells of the edit; the row that was edited is anybody's word."""
    book = Path(journalled(tmp_path / "journal.jsonl", [entry(1), held(2), entry(3)]))
    lines = book.read_bytes().splitlines(keepends=True)
    book.write_bytes(lines[0] + lines[1].replace(USER.encode(), b"other@acme.example") + lines[2])
    history = read([str(book)], Query(), io.BufferedReader(io.BytesIO()), recorded=True)
    assert [(row.uid, row.source) for row in history.rotations] == [
        (1, "journal"),
        (2, "log"),
        (3, "journal"),
    ]


@pytest.mark.parametrize("waived", [("sender",), ("sender", "subject")], ids=len)
@pytest.mark.parametrize("collected", [False, True])
def test_what_a_release_waived_passes_through_collectors(
    tmp_path: Path, waived: tuple[str, ...], collected: bool
) -> None:
    """Also a list of one, in which some collectors put any value."""
    line = json.loads(logged(entry(1, released_by="alice", waived=waived)))
    if collected:
        line = {"kubernetes": {"pod": "token-catcher-0"}, "log": line}
    (row,) = ask(file(tmp_path / "log", json.dumps(line))).rotations
    assert (row.released_by, row.waived) == ("alice", waived)


@pytest.mark.parametrize("recorded", [False, True], ids=["a log", "the configured journal"])
def test_a_line_that_is_not_asked_for_costs_little(tmp_path: Path, recorded: bool) -> None:
    """In a log it is no link of a chain after the first, and of the journal no hash is computed:
    either takes another ten calls a line."""
    lines = 1_000
    log = tmp_path / "log"
    if recorded:
        journalled(log, [entry(uid) for uid in range(1, lines + 1)])
    else:
        file(log, *[logged(entry(uid)) for uid in range(1, lines + 1)])
    query = Query(user="nobody@acme.example")
    nothing: io.BufferedReader = io.BufferedReader(io.BytesIO())
    count = calls(lambda: read([str(log)], query, nothing, recorded=recorded))
    assert count <= 31 * lines


def test_a_line_of_a_log_is_no_record(tmp_path: Path) -> None:
    """Not even where it says of itself that it is, as anybody's log can."""
    line = json.dumps(json.loads(logged(entry(1))) | {"source": "journal"})
    (row,) = ask(file(tmp_path / "log", line)).rotations
    assert (row.source, row.as_json()["source"]) == ("log", "log")


def test_texts_come_out_printable_and_short(tmp_path: Path) -> None:
    """A hostile log line neither commands a terminal nor fills it;
    a value of another kind is none."""
    fields = {
        "timestamp": "2026-02-03T13:57:28+01:00",
        "event": "rotation.held",
        "org": "\x1b[2J\x07a\u202eb\ud800\r\n",
        "username": "x" * 10_000,
        "version": "3",
        "path": 5,
        "token_length": True,
        "waived": ["\x1b[2J", 5, "sender"],
    }
    line = json.dumps(json.loads(logged(held(1))) | fields)
    (row,) = ask(file(tmp_path / "log", line)).rotations
    assert (row.at, row.org, row.username, row.waived) == (
        "2026-02-03T12:57:28Z",
        r"\x1b[2J\x07a\u202eb\ud800\r\n",
        "x" * MAX_TEXT,
        (r"\x1b[2J", "sender"),
    )
    assert (row.version, row.path, row.token_length) == (None, None, None)
