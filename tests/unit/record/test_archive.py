"""A journal in several files: closing one, looking up in closed ones, reading all as one."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.kit.crash import Crash, Crashes
from tests.kit.fakes import Silent
from tests.unit.record.books import CREATED, PATH, entry, in_files, journal, names
from token_catcher.errors import StateError
from token_catcher.model import Event, Receipt
from token_catcher.record import (
    Head,
    HeldRecords,
    Journal,
    Record,
    State,
    Verification,
    in_order,
    series,
    verify,
    verify_files,
)
from token_catcher.record.chain import BYTE_ORDER_MARK, CONVERTED


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal goes; the directory is not there yet."""
    return tmp_path / "state" / "journal.jsonl"


def contents(path: Path) -> list[dict[str, Any]]:
    """The records of a file."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def closed(path: Path, number: int) -> Path:
    return path.with_name(f"journal-{number:06}.jsonl")


def compress(path: Path) -> Path:
    """As `gzip FILE` does."""
    target = path.with_name(path.name + ".gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return target


# -- closing --


def test_a_closed_file_names_itself_and_the_next_one_carries_the_chain_on(path: Path) -> None:
    """The last record of the one, the first of the other, numbers and hashes without a gap."""
    book = in_files(path, 2, 1)
    (*_, last), (first, *_) = contents(closed(path, 1)), contents(path)
    assert (last["event"], last["seq"], last["file"]) == (
        "journal.archived",
        3,
        closed(path, 1).name,
    )
    assert (first["event"], first["seq"], first["file"], first["prev"]) == (
        "journal.continued",
        4,
        closed(path, 1).name,
        last["hash"],
    )
    assert verify(path) == Verification(State.INTACT, 5, book.head)
    assert names(path) == [
        "journal-000001.jsonl",
        "journal-000001.jsonl.index",
        "journal.jsonl",
        "journal.jsonl.head",
        "journal.jsonl.tail",
    ]
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}


def test_a_file_is_closed_when_it_has_the_size(path: Path) -> None:
    """After the append that reached it, so no record is in two files; told each time."""
    log = Silent()
    book = journal(path, log, archive_at=1500)
    for uid in range(1, 8):
        book.append(entry(uid))
    assert [file.name for file in series(path)] == [
        "journal-000001.jsonl",
        "journal-000002.jsonl",
        "journal-000003.jsonl",
        "journal.jsonl",
    ]
    assert [event for event, _ in log.events] == ["journal.archived"] * 3
    assert [record.entry.uid for record in book.records()] == list(range(1, 8))
    assert verify(path).state is State.INTACT


def test_an_empty_file_is_not_closed(path: Path) -> None:
    """Neither a new one nor one that only carries another on."""
    book = journal(path)
    assert book.archive() is None
    book.append(entry(1))
    assert book.archive() == closed(path, 1)
    assert book.archive() is None
    assert series(path) == [closed(path, 1), path]


def test_a_name_is_not_used_twice(path: Path) -> None:
    """Also when all closed files were moved away: the new file knows which one it follows."""
    in_files(path, 1, 1)
    closed(path, 1).unlink()
    assert journal(path).archive() == closed(path, 2)


def test_a_process_that_had_the_file_open_goes_on_in_the_new_one(path: Path) -> None:
    """As the daemon does beside `audit archive`."""
    daemon = journal(path)
    daemon.append(entry(1))
    journal(path).archive()
    assert daemon.append(entry(2)).seq == 4
    assert [record.seq for record in daemon.records()] == [1, 4]


def test_a_file_that_cannot_be_closed_costs_no_record(tmp_path: Path) -> None:
    """A full disk, say: the record before stands, it is told, and the next append tries again."""
    told = set()
    for place in range(25):
        path = tmp_path / str(place) / "journal.jsonl"
        log = Silent()
        book = journal(path, log, archive_at=500)
        book.open()
        with Crashes().at(place, full=True), suppress(StateError):
            book.append(entry(1))
        told |= {event for event, _ in log.events}
        if book.last_for("integrations", entry(1).mail) is None:
            book.append(entry(1))
        book.append(entry(2))
        assert [record.entry.uid for record in journal(path).records()] == [1, 2]
        assert verify(path).state is State.INTACT
    assert told == {"journal.archived", "journal.not_archived"}


# -- looking up --


def look_ups(path: Path) -> list[object]:
    """What the pipeline and the commands ask, as a new process does."""
    book = journal(path)
    last = [book.last_for("integrations", entry(uid).mail) for uid in (1, 2, 3, 4, 9)]
    return [
        [record and record.entry for record in last],
        [
            book.has_stored(Receipt(PATH, uid, CREATED, None), entry(uid).mail)
            for uid in (1, 2, 3, 4, 9)
        ],
        [record.entry.uid for record in book.records()],
        [record.entry.uid for record in book.records(after=4)],
    ]


FOUND: list[object] = [
    [entry(1), entry(2), entry(3), entry(4), None],
    [True, True, True, True, False],
    [1, 2, 3, 4],
    [3, 4],
]


def compress_all(path: Path) -> None:
    """With a tool that knows nothing of indexes."""
    for number in (1, 2):
        compress(closed(path, number))
    remove_indexes(path)


def compress_otherwise(path: Path) -> None:
    """With `xz`, and with `bzip2`."""
    for number, end, pack in ((1, ".xz", lzma.compress), (2, ".bz2", bz2.compress)):
        plain = closed(path, number)
        plain.with_name(plain.name + end).write_bytes(pack(plain.read_bytes()))
        plain.unlink()


def compress_otherwise_without_index(path: Path) -> None:
    compress_otherwise(path)
    remove_indexes(path)


def remove_indexes(path: Path) -> None:
    for file in path.parent.glob("*.index"):
        file.unlink()


def damage_indexes(path: Path) -> None:
    for file in path.parent.glob("*.index"):
        file.write_bytes(file.read_bytes()[:-5])


def exchange_indexes(path: Path) -> None:
    one, two = sorted(path.parent.glob("*.index"))
    one.write_bytes(two.read_bytes())


@pytest.mark.parametrize(
    "change",
    [
        lambda _path: None,
        remove_indexes,
        damage_indexes,
        exchange_indexes,
        lambda path: compress(closed(path, 1)),
        compress_all,
        compress_otherwise,
        compress_otherwise_without_index,
    ],
    ids=[
        "as written",
        "no index",
        "damaged",
        "exchanged",
        "compressed",
        "compressed, no index",
        "xz, bzip2",
        "xz, bzip2, no index",
    ],
)
def test_what_was_closed_is_found(path: Path, change: Callable[[Path], object]) -> None:
    """By digest, by version, in order; with its index, or made anew from the file."""
    in_files(path, 2, 1, 1)
    change(path)
    assert look_ups(path) == FOUND
    assert verify(path).state is State.INTACT


def test_an_index_that_is_removed_under_a_process_is_made_anew(path: Path) -> None:
    """It is derived: no look-up fails for it."""
    book = in_files(path, 2, 1)
    assert book.last_for("integrations", entry(1).mail) is not None
    remove_indexes(path)
    assert book.last_for("integrations", entry(1).mail) is not None
    assert closed(path, 1).with_name("journal-000001.jsonl.index").exists()


def test_the_newest_record_of_a_mail_counts_across_files(path: Path) -> None:
    """Held in a closed file and stored in the next, it is stored."""
    book = journal(path)
    book.append(entry(1, event=Event.HELD, reason="unknown-user", version=None))
    book.archive()
    book.append(entry(1))
    book.archive()
    record = journal(path).last_for("integrations", entry(1).mail)
    assert record is not None
    assert record.entry == entry(1)


def held(uid: int, user: str) -> Any:
    return entry(
        uid, event=Event.HELD, reason="unknown-user", username=user, fingerprint=f"sha256:{uid}"
    )


@pytest.mark.parametrize("change", [lambda _path: None, remove_indexes], ids=["index", "none"])
def test_held_mail_of_a_closed_file_still_waits(path: Path, change: Callable[[Path], None]) -> None:
    """Until a record of the open file ends its wait; and a token that is in Vault since a closed
    file ends one of the open file."""
    book = journal(path)
    book.append(held(1, "a@acme.example"))
    book.append(held(2, "b@acme.example"))
    book.append(entry(3, username="c@acme.example", fingerprint="sha256:4"))
    book.archive()
    change(path)
    book = journal(path)
    book.append(held(4, "c@acme.example"))
    assert [record.entry.uid for record in book.waiting()] == [1, 2]
    book.append(entry(2, username="b@acme.example", fingerprint="sha256:2"))
    book.archive()
    change(path)
    reader = journal(path, writing=False)
    assert [record.entry for record in reader.waiting()] == [held(1, "a@acme.example")]
    assert [mail.username for mail in reader.held] == ["a@acme.example"]


def with_held_mail(path: Path, *, files: int) -> Record:
    """A journal that holds a mail in the first of so many closed files; its record."""
    book = journal(path)
    record = book.append(held(1, "a@acme.example"))
    for uid in range(2, files + 2):
        book.archive()
        book.append(entry(uid, username="b@acme.example"))
    return record


def test_held_mail_of_files_that_were_moved_away_is_missed(path: Path) -> None:
    """Without their indexes nobody knows of it: that is told, as it is after the next file was
    closed, and when there is one whose index was lost."""
    with_held_mail(path, files=1)
    for file in (closed(path, 1), closed(path, 1).with_suffix(".jsonl.index")):
        file.rename(path.parent.parent / file.name)
    assert journal(path, writing=False).held_records() == HeldRecords((), (), missing=2)
    journal(path).archive()
    assert journal(path, writing=False).held_records().missing == 2
    remove_indexes(path)
    assert journal(path, writing=False).held_records().missing == 2


def test_held_mail_that_only_an_index_knows_of(path: Path) -> None:
    """It waits, and its record is in a file that was moved away."""
    record = with_held_mail(path, files=2)
    assert journal(path).held_records() == HeldRecords((record,), (), missing=0)
    closed(path, 1).unlink()
    held_records = journal(path, writing=False).held_records()
    assert held_records.records == ()
    assert [(mail.seq, mail.mail) for mail in held_records.unreadable] == [(1, record.entry.mail)]
    assert held_records.missing == 0


def test_closed_files_do_not_keep_held_mail_in_memory(path: Path) -> None:
    """Each index has all that waits at its end; whoever looks through them holds none of it."""
    book = journal(path)
    for uid in range(1, 500):
        book.append(held(uid, f"user{uid}@acme.example"))
        if uid % 50 == 0:
            book.archive()
    tracemalloc.start()
    try:
        reader = journal(path)
        assert reader.last_for("integrations", entry(1).mail) is not None
        kept, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(reader.held) == 499
    assert kept < 2 * 499 * 1000


def test_an_index_that_is_removed_under_us_is_made_anew(path: Path) -> None:
    """Held mail waits on over the next file that is closed."""
    book = in_files(path, 1, 1)
    book.append(held(3, "a@acme.example"))
    book.archive()
    assert book.last_for("integrations", entry(1).mail) is not None
    remove_indexes(path)
    book.append(held(4, "b@acme.example"))
    book.archive()
    assert [record.entry.uid for record in book.held_records().records] == [3, 4]


def test_a_closed_file_without_its_index_that_cannot_be_read_is_told(path: Path) -> None:
    """As trouble with the journal, and not as a fault of the program."""
    in_files(path, 1, 1, 1)
    closed(path, 1).with_name("journal-000001.jsonl.index").unlink()
    closed(path, 1).unlink()
    closed(path, 1).mkdir()
    with pytest.raises(StateError) as caught:
        journal(path).last_for("integrations", entry(1).mail)
    assert str(caught.value) == f"{path}: the journal cannot be used: it is not a regular file"


def test_memory_is_that_of_one_file(path: Path) -> None:
    """However many records were closed: a process that starts reads the open file alone."""
    book = journal(path, archive_at=300_000)
    for uid in range(1, 1500):
        book.append(entry(uid))
    tracemalloc.start()
    try:
        reader = journal(path)
        assert reader.last_for("integrations", entry(1).mail) is not None
        kept, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(series(path)) == 4
    assert len(reader._file.state.index.offsets) < 500
    assert kept < 300_000


# -- crashes --


@pytest.mark.parametrize("before", [0, 1], ids=["the first file", "the second file"])
def test_a_crash_anywhere_in_closing_loses_nothing(tmp_path: Path, before: int) -> None:
    """Before, in the middle of and after every effect: the next process goes on, and nothing is
    missing, doubled or out of its place."""
    place = 0
    while True:
        path = tmp_path / str(place) / "journal.jsonl"
        book = in_files(path, *[1] * before, 1)
        uid = before + 1
        crashes = Crashes()
        try:
            with crashes.at(place):
                book.archive()
        except Crash:
            pass
        else:
            break
        assert verify(path).state in (State.INTACT, State.BROKEN)  # a torn line, not mended yet
        after = journal(path)
        after.append(entry(uid + 1))
        found = [record.entry.uid for record in after.records()]
        expected = list(range(1, uid + 2))
        assert (place, found, verify(path).state) == (place, expected, State.INTACT)
        assert after.has_stored(Receipt(PATH, uid, CREATED, None), entry(uid).mail)
        place += 1
    assert place > 30


def test_a_full_disk_anywhere_in_closing_loses_nothing(tmp_path: Path) -> None:
    """It is told, or the file is closed all the same; the next one goes on."""
    for place in range(40):
        path = tmp_path / str(place) / "journal.jsonl"
        book = journal(path)
        book.append(entry(1))
        with Crashes().at(place, full=True):
            told = _trouble(book.archive)
        assert told in (None, "No space left on device")
        for after in (book, journal(path)):
            assert after.last_for("integrations", entry(1).mail) is not None
        book.append(entry(2))
        assert [record.entry.uid for record in journal(path).records()] == [1, 2]
        assert verify(path).state is State.INTACT


def _trouble(call: Callable[[], object]) -> str | None:
    """The end of its StateError; None: it went well."""
    try:
        call()
    except StateError as error:
        return str(error).rpartition(": ")[2]
    return None


# -- verify --


def test_a_series_is_verified_as_one(path: Path) -> None:
    """Plain and compressed, by the journal's name, or from the names of the files in any order."""
    book = in_files(path, 2, 1, 1)
    packed = compress(closed(path, 1))
    expected = Verification(State.INTACT, 8, book.head)
    assert verify(path) == expected
    assert verify_files(in_order([path, closed(path, 2), packed])) == expected


def test_a_closed_file_alone_is_whole(path: Path) -> None:
    """Its last record closes it, so no head is needed; where it begins is said."""
    in_files(path, 2, 1, 1)
    hashes = [contents(closed(path, number))[-1]["hash"] for number in (1, 2)]
    assert verify(closed(path, 1)) == Verification(State.INTACT, 3, Head(3, hashes[0]))
    assert verify(closed(path, 2)) == Verification(State.INTACT, 3, Head(6, hashes[1]), first=4)


def test_older_files_may_be_elsewhere(path: Path) -> None:
    """What is left is a chain, and begins with a later record."""
    book = in_files(path, 2, 1, 1)
    closed(path, 1).unlink()
    assert verify(path) == Verification(State.INTACT, 5, book.head, first=4)
    assert journal(path).append(entry(9)).seq == 9


def has_stored(book: Journal, uid: int, created_at: str | None = CREATED) -> bool:
    return book.has_stored(Receipt(PATH, uid, created_at, None), entry(uid).mail)


def test_a_file_that_left_its_index_is_still_asked(path: Path) -> None:
    """Of which version it has the record, whether a file is closed after it or not."""
    in_files(path, 2, 1, 1)
    closed(path, 1).unlink()
    assert [has_stored(journal(path), uid) for uid in (1, 2, 3, 4, 5)] == [True] * 4 + [False]
    closed(path, 2).unlink()
    assert [has_stored(journal(path), uid) for uid in (1, 2, 3, 4, 5)] == [True] * 4 + [False]


@pytest.mark.parametrize("others", [(), (1,)], ids=["none is left", "one is left"])
def test_what_may_have_been_moved_away_is_told_by_its_age(
    path: Path, others: tuple[int, ...]
) -> None:
    """A version that is older than the first record that is there, or of unknown age."""
    book = in_files(path, 2, *others, 1)
    times = ["2026-02-03T12:57:27.999Z", "2026-02-03T12:57:28.1Z", None, "no time"]
    receipts = [Receipt(PATH, 1, created_at, None) for created_at in times]
    assert [book.may_have_lost(receipt) for receipt in receipts] == [False] * 4
    closed(path, 1).unlink()
    book = journal(path)
    assert [book.may_have_lost(receipt) for receipt in receipts] == [True, False, True, True]


def test_nothing_was_moved_away_of_a_journal_that_is_not_begun(path: Path) -> None:
    """Neither for who makes it, nor for who only reads."""
    receipt = Receipt(PATH, 1, None, None)
    assert not journal(path, writing=False).may_have_lost(receipt)
    assert not journal(path).may_have_lost(receipt)


def cut_last_line(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def edit(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"uid":3', b'"uid":9'))


@pytest.mark.parametrize(
    ("change", "state", "file", "line", "problem"),
    [
        (
            lambda path: closed(path, 2).unlink(),
            State.BROKEN,
            None,
            1,
            "got record 7, expected 4: journal-000002.jsonl is not here",
        ),
        (
            lambda path: cut_last_line(closed(path, 2)),
            State.TRUNCATED,
            2,
            3,
            "the archived file ends here without its closing record: the rest was cut off",
        ),
        (
            lambda path: edit(closed(path, 2)),
            State.BROKEN,
            2,
            2,
            "the line was edited: its content does not have the hash it names",
        ),
        (
            lambda path: cut_last_line(path),
            State.TRUNCATED,
            None,
            2,
            "the journal ends here, its head file knows 8 records: the rest was cut off",
        ),
    ],
    ids=["file removed", "closing record cut", "edited", "open file cut"],
)
def test_tampering_with_a_series_is_found_in_its_file(
    path: Path,
    change: Callable[[Path], None],
    state: State,
    file: int | None,
    line: int,
    problem: str,
) -> None:
    """With the line there."""
    in_files(path, 2, 1, 1)
    change(path)
    verification = verify(path)
    name = None
    if file is not None:
        name = closed(path, file)
    assert (verification.state, verification.file, verification.line, verification.problem) == (
        state,
        name,
        line,
        problem,
    )


def zstd(path: Path) -> Path:
    """As `zstd --rm` leaves it, by its first bytes."""
    packed = path.with_name(path.name + ".zst")
    packed.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
    path.unlink()
    return packed


def test_closed_files_that_are_not_here_are_named(path: Path) -> None:
    """All of them, whether the files are found or given."""
    in_files(path, 1, 1, 1, 1)
    for number in (2, 3):
        closed(path, number).unlink()
    problem = "got record 9, expected 3: journal-000002.jsonl to journal-000003.jsonl are not here"
    for verification in (verify(path), verify_files([closed(path, 1), path])):
        assert (verification.state, verification.line) == (State.BROKEN, 1)
        assert verification.problem == problem


def test_a_closed_file_in_a_form_that_is_not_read_is_named(path: Path) -> None:
    """With what to do, whether it is found or given."""
    in_files(path, 1, 1, 1)
    packed = zstd(closed(path, 2))
    problem = "got record 6, expected 3: journal-000002.jsonl.zst is not read here: unpack it"
    assert verify(path).problem == problem
    given = verify_files(in_order([closed(path, 1), packed, path]))
    assert (given.state, given.file, given.line, given.problem) == (
        State.BROKEN,
        packed,
        None,
        "it is packed with zstd, which is not read here: unpack it (zstd -d)",
    )


def test_a_packed_file_by_a_name_that_does_not_say_so(path: Path) -> None:
    """What it is called for, and not that its lines are none."""
    in_files(path, 1)
    path.write_bytes(gzip.compress(path.read_bytes()))
    problem = "it is packed with gzip: give it a name that ends in .gz"
    assert (verify(path).line, verify(path).problem) == (None, problem)


@pytest.mark.parametrize(
    ("convert", "line", "problem"),
    [
        (lambda text: b"\xef\xbb\xbf" + text, 1, BYTE_ORDER_MARK),
        (lambda text: text.replace(b"\n", b"\r\n"), 1, CONVERTED),
        (lambda text: text.replace(b"\n", b"\r"), 1, CONVERTED),
        (lambda text: text.replace(b"}\n", b"}\r\n", 2).replace(b"\r", b"", 1), 2, CONVERTED),
        (
            lambda text: text.decode().encode("utf-16"),
            None,
            "it was converted to UTF-16: take a copy that was transferred as it is",
        ),
    ],
    ids=["byte-order mark", "CRLF", "CR", "CRLF in line 2", "UTF-16"],
)
def test_a_copy_that_was_converted_is_not_called_edited(
    path: Path, convert: Callable[[bytes], bytes], line: int | None, problem: str
) -> None:
    """What the conversion did is named."""
    in_files(path, 3)
    path.write_bytes(convert(path.read_bytes()))
    verification = verify(path)
    assert (verification.state, verification.line, verification.problem) == (
        State.BROKEN,
        line,
        problem,
    )


def test_a_closed_file_without_its_end_and_its_index_is_still_one(path: Path) -> None:
    """The file after it names it, so a cut does not make it somebody's copy."""
    in_files(path, 2, 1, 1)
    remove_indexes(path)
    for number in (1, 2):
        cut_last_line(closed(path, number))
    assert [file.name for file in series(path)] == [
        "journal-000001.jsonl",
        "journal-000002.jsonl",
        "journal.jsonl",
    ]
    assert (verify(path).state, verify(path).file) == (State.TRUNCATED, closed(path, 1))


@pytest.mark.parametrize(
    ("kind", "end", "pack"),
    [("gzip", ".gz", gzip.compress), ("xz", ".xz", lzma.compress), ("bzip2", ".bz2", bz2.compress)],
)
@pytest.mark.parametrize("damage", [lambda content: content[:-20], lambda _: b"something else"])
def test_a_damaged_archive_is_told(
    path: Path,
    kind: str,
    end: str,
    pack: Callable[[bytes], bytes],
    damage: Callable[[bytes], bytes],
) -> None:
    """A packed file that was cut off, or is none, with what is wrong; look-ups that have no index
    name the file as well."""
    in_files(path, 2, 1)
    packed = closed(path, 1).with_name(closed(path, 1).name + end)
    packed.write_bytes(damage(pack(closed(path, 1).read_bytes())))
    closed(path, 1).unlink()
    problem = f"the {kind} file is damaged or cut off, expected a whole one"
    verification = verify(path)
    assert (verification.state, verification.file, verification.problem) == (
        State.TRUNCATED,
        packed,
        problem,
    )
    remove_indexes(path)
    with pytest.raises(StateError) as caught:
        journal(path).open()
    assert str(caught.value) == f"{path}: {packed.name}: {problem}"


def without_head(path: Path, *sizes: int) -> list[Head]:
    """A copy of which the head was left behind. The places of its records."""
    in_files(path, *sizes)
    path.with_name("journal.jsonl.head").unlink()
    lines = [line for file in series(path) for line in contents(file)]
    return [Head(line["seq"], line["hash"]) for line in lines]


def test_a_head_kept_elsewhere_stands_in_for_a_missing_one(path: Path) -> None:
    """It proves what comes before it: nothing tells whether records behind it were cut off."""
    heads = without_head(path, 3)
    assert verify(path).state is State.UNPROVEN
    assert verify(path, heads[2]) == Verification(State.INTACT, 3, heads[2])
    for head in heads[:2]:
        problem = (
            f"records 1 to 3 are whole and in order, and lead through record {head.seq}, which"
            " --head knows; without journal.jsonl.head nothing tells whether later ones were cut"
            " off: put that file beside it, or give a later --head"
        )
        assert verify(path, head) == Verification(State.UNPROVEN, 3, heads[2], problem=problem)


@pytest.mark.parametrize(
    ("given", "state", "line", "problem"),
    [
        (
            Head(2, "ab" * 32),
            State.BROKEN,
            2,
            "the line is not the one that the head given with --head knows: one of the two was"
            " exchanged",
        ),
        (
            Head(9, "ab" * 32),
            State.TRUNCATED,
            4,
            "the journal ends here, its head given with --head knows 9 records: the rest was cut"
            " off",
        ),
    ],
    ids=["another hash", "beyond the end"],
)
def test_a_head_kept_elsewhere_shows_what_was_written_anew(
    path: Path, given: Head, state: State, line: int, problem: str
) -> None:
    """Even where journal and head agree with each other."""
    in_files(path, 3)
    verification = verify(path, given)
    assert (verification.state, verification.line, verification.problem) == (state, line, problem)


def test_a_head_of_a_file_that_is_not_there_cannot_be_compared(path: Path) -> None:
    """It says so; the end of that file, which the next one names, can."""
    heads = without_head(path, 2, 1)
    closed(path, 1).unlink()
    assert verify(path, heads[2]).state is State.UNPROVEN
    verification = verify(path, heads[0])
    assert (verification.state, verification.problem) == (
        State.BROKEN,
        "--head is of record 1, the files begin with 4: give the closed files before as well",
    )


def test_an_emptied_file_without_its_head_is_no_new_one(path: Path) -> None:
    """A new one has a head before it has a record."""
    in_files(path, 3)
    path.write_bytes(b"")
    path.with_name("journal.jsonl.head").unlink()
    verification = verify(path)
    assert (verification.state, verification.line, verification.problem) == (
        State.TRUNCATED,
        1,
        "the file is empty and journal.jsonl.head is missing: all of it may be cut off",
    )


def test_verifying_beside_a_writer_that_closes_files_finds_nothing_wrong(path: Path) -> None:
    """The files change their names while they are read: never a false alarm."""
    book = journal(path, archive_at=2000)
    states = set()
    for uid in range(1, 60):
        book.append(entry(uid))
        states.add(verify(path).state)
    assert states == {State.INTACT}


def test_verifying_needs_no_memory_for_the_records(path: Path) -> None:
    """Twenty times as many records, plain or compressed, take no more."""

    def peak(file: Path) -> int:
        tracemalloc.start()
        try:
            assert verify(file).state is State.INTACT
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small = path.parent / "small" / "journal.jsonl"
    book = journal(small)
    for uid in range(1, 2500):
        book.append(entry(uid))
    book.archive()
    few = peak(closed(small, 1))
    compress(closed(small, 1))
    assert peak(closed(small, 1).with_name("journal-000001.jsonl.gz")) < 4 * few
    assert few < 8_000_000


# -- who only reads --


def test_who_only_reads_makes_no_journal(path: Path) -> None:
    """On a fresh host there is none, and nothing waits."""
    reader = journal(path, writing=False)
    assert (reader.waiting(), list(reader.records()), reader.is_begun) == ([], [], False)
    assert not path.parent.exists()


def test_who_only_reads_changes_nothing(path: Path) -> None:
    """Neither a mode nor a torn line, nor a missing head or index."""
    in_files(path, 1, 1)
    path.chmod(0o640)
    path.with_name("journal.jsonl.head").unlink()
    closed(path, 1).with_name("journal-000001.jsonl.index").unlink()
    with path.open("ab") as file:
        file.write(b'{"at":"20')
    before = {file: (file.read_bytes(), file.stat().st_mode) for file in path.parent.iterdir()}
    reader = journal(path, writing=False)
    assert [record.entry.uid for record in reader.records()] == [1, 2]
    assert reader.last_for("integrations", entry(1).mail) is not None
    assert {
        file: (file.read_bytes(), file.stat().st_mode) for file in path.parent.iterdir()
    } == before


def test_who_only_reads_sees_what_was_cut_off(path: Path) -> None:
    """A journal that is gone is a loss to the reader too."""
    in_files(path, 2)
    path.unlink()
    with pytest.raises(StateError, match="its head file knows 2 records"):
        journal(path, writing=False).waiting()
