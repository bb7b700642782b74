"""The journal on real files: what it keeps, what it refuses, what `verify` finds;
crashes, full disks and other writers."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.fakes import Silent
from tests.kit.processes import reaped
from tests.kit.scale import times
from tests.kit.waiting import PATIENCE
from tests.unit.record.books import CREATED, PATH, as_it_is, entry, journal
from token_catcher.errors import StateError
from token_catcher.model import Entry, Event, ProofEvent, Receipt, as_fields
from token_catcher.record.archive import series
from token_catcher.record.chain import CONVERTED, MAX_LINE, Head, sealed
from token_catcher.record.openfile import Record
from token_catcher.record.verification import State, Verification, verify

ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal goes; the directory is not there yet."""
    return tmp_path / "state" / "journal.jsonl"


def filled(path: Path, count: int = 5) -> list[bytes]:
    """Write records, and return the lines."""
    book = journal(path)
    for uid in range(1, count + 1):
        book.append(entry(uid))
    return path.read_bytes().splitlines(keepends=True)


def head_file(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def state_of(path: Path) -> tuple[State, int | None]:
    """The two things that tell what is wrong, and where."""
    verification = verify(path)
    return verification.state, verification.line


# -- what it keeps --


def test_a_record_is_one_line_of_canonical_json(path: Path) -> None:
    """Sorted keys, no white space, only the fields that say something, then the hash."""
    record = journal(path).append(entry(1, recovered=True))
    line = path.read_text("ascii")
    assert json.loads(line) == {
        "at": "2026-02-03T12:57:28Z",
        "event": "rotation.stored",
        "fingerprint": "sha256:0123456789abcdef",
        "folder": "INBOX",
        "instance": "one",
        "mail": f"sha256:{1:064x}",
        "mailbox": "integrations",
        "org": "acme-production",
        "path": PATH,
        "prev": "0" * 64,
        "received_at": "2026-02-03T12:57:27Z",
        "recovered": True,
        "seq": 1,
        "uid": 1,
        "uidvalidity": 7,
        "username": "integration@acme.example",
        "vault_created_at": CREATED,
        "version": 1,
        "hash": record.hash,
    }
    rest = {name: value for name, value in json.loads(line).items() if name != "hash"}
    body = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    assert line == f'{body[:-1]},"hash":"{record.hash}"}}\n'


def test_the_head_lies_beside_the_journal_and_both_are_private(path: Path) -> None:
    """The directory too; beside them only the newest lines once more, as private."""
    record = journal(path).append(entry(1))
    assert json.loads(head_file(path).read_bytes()) == {"seq": 1, "hash": record.hash}
    assert oct(path.parent.stat().st_mode & 0o777) == "0o700"
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()}
    assert modes == {
        "journal.jsonl": "0o600",
        "journal.jsonl.head": "0o600",
        "journal.jsonl.tail": "0o600",
    }


def test_the_rule_holds_with_other_tools(path: Path) -> None:
    """The command in `chain`, run by a shell over line N, gives its hash."""
    filled(path, 3)
    rule = r"""sed -n 3p "$0" | sed -E 's/,"hash":"[0-9a-f]{64}"//' | tr -d '\n' | sha256sum"""
    done = subprocess.run(["sh", "-c", rule, path], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == verify(path).head.hash


def test_what_was_appended_is_found_again(path: Path) -> None:
    """By the same process and by the next one, as it was written."""
    book = journal(path)
    record = book.append(entry(1))
    assert record == Record(1, "2026-02-03T12:57:28Z", record.hash, entry(1))
    for reader in (book, journal(path)):
        assert reader.last_for("integrations", entry(1).mail) == record


def test_the_newest_record_of_a_mail_counts(path: Path) -> None:
    """A held mail that was stored later is a stored one;
    another mailbox, or another mail, has no record."""
    book = journal(path)
    book.append(entry(1, event=Event.HELD, reason="unknown-user"))
    book.append(entry(1))
    records = [
        book.last_for(*who)
        for who in (
            ("integrations", entry(1).mail),
            ("other", entry(1).mail),
            ("integrations", "x"),
        )
    ]
    assert [record and record.seq for record in records] == [2, None, None]


VERSIONS = {
    "the version": (Receipt(PATH, 1, CREATED, None), 1, True),
    "by another mail": (Receipt(PATH, 1, CREATED, None), 2, True),
    "made at another time": (Receipt(PATH, 1, "2027-01-01T00:00:00Z", None), 1, False),
    "of another path": (Receipt("salesforce/other", 1, CREATED, None), 1, False),
    "of another number": (Receipt(PATH, 2, CREATED, None), 1, False),
    "that Vault keeps no more": (Receipt(PATH, 1, None, None), 1, True),
    "that Vault keeps no more, by another mail": (Receipt(PATH, 1, None, None), 2, False),
    "that Vault keeps no more, of another number": (Receipt(PATH, 2, None, None), 1, False),
}


@pytest.mark.parametrize(("version", "mail", "known"), VERSIONS.values(), ids=VERSIONS)
def test_a_version_is_told_by_path_number_and_time(
    path: Path, version: Receipt, mail: int, known: bool
) -> None:
    """And by its mail where Vault keeps it no more; only a `stored` record tells of it."""
    book = journal(path)
    book.append(entry(1))
    book.append(entry(2, event=Event.UNCHANGED, reason="same-token"))
    assert book.has_stored(version, entry(mail).mail) is known


@pytest.mark.parametrize("created_at", [CREATED, None])
def test_a_version_has_one_stored_record(path: Path, created_at: str | None) -> None:
    """Of two processes that saw the same version, the first one records it."""
    stored = entry(1, vault_created_at=created_at)
    books = [journal(path), journal(path)]
    known = entry(1, event=Event.UNCHANGED, reason="same-token")
    recorded = [book.append_all([stored], lambda _entry: known, as_it_is) for book in books]
    assert recorded == [[stored], [known]]
    assert [record.entry for record in journal(path).records()] == [stored, known]


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
def test_a_mail_is_held_against_the_record_that_another_process_wrote(
    path: Path, closed: bool
) -> None:
    """Under the lock of its own, and in whatever file it is: what adds nothing is left out, and
    what adds something stands as it is said to."""
    ours = journal(path)
    ours.open()
    other = journal(path)
    last = [entry(uid, event=Event.HELD, reason="unknown-user") for uid in (1, 2)]
    for record in last:
        other.append(record)
    if closed:
        other.archive()
    new = [entry(uid, version=uid + 10) for uid in (1, 2, 3)]
    asked = []

    def beside(previous: Entry, new: Entry) -> Entry | None:
        asked.append((previous, new))
        return replace(new, mended=True) if new.uid == 2 else None

    recorded = ours.append_all(new, lambda entry: entry, beside)
    assert recorded == [None, replace(new[1], mended=True), new[2]]
    assert asked == list(zip(last, new[:2], strict=True))
    assert [record.entry for record in journal(path).records()] == [*last, *recorded[1:]]
    assert ours.append_all([new[0]], lambda entry: entry, beside) == [None]


def test_records_are_read_from_any_number_on(path: Path) -> None:
    """Oldest first, and nothing above the last."""
    filled(path, 3)
    book = journal(path)
    assert [record.entry for record in book.records()] == [entry(1), entry(2), entry(3)]
    assert [[record.seq for record in book.records(after)] for after in (1, 3, 9)] == [
        [2, 3],
        [],
        [],
    ]


def test_what_a_login_proved_belongs_to_no_mail(path: Path) -> None:
    """It is told by itself, from any number on and in closed files as well; to whoever asks for
    mail, it is not there."""
    book = journal(path)
    book.append(entry(1))
    proven = entry(1, reason="login-accepted")
    book.append_proof(ProofEvent.VERIFIED, proven)
    book.archive()
    book.append_proof(ProofEvent.UNVERIFIED, replace(proven, reason="login-refused"))
    proofs = [(proof["seq"], proof["event"], proof["reason"]) for proof in book.proofs()]
    assert proofs == [
        (2, "rotation.verified", "login-accepted"),
        (5, "rotation.unverified", "login-refused"),
    ]
    assert [proof["seq"] for proof in journal(path).proofs(after=2)] == [5]
    assert [record.seq for record in book.records()] == [1]
    last = book.last_for(entry(1).mailbox, entry(1).mail)
    assert last is not None
    assert last.seq == 1
    assert [record.seq for record in book.newest_tokens()] == [1]
    assert book.held == []
    assert verify(path).state is State.INTACT


def test_a_file_that_a_proof_makes_too_large_is_closed(path: Path) -> None:
    """As by any other record."""
    book = journal(path, archive_at=1)
    book.append_proof(ProofEvent.VERIFIED, entry(1))
    assert [file.name for file in series(path)] == ["journal-000001.jsonl", "journal.jsonl"]


@pytest.mark.parametrize("folder", ["Entwürfe", "迷惑メール", "a\udc80b", 'a"b\\c\n', ""])
def test_any_folder_name_is_kept(path: Path, folder: str) -> None:
    """In ASCII, on one line."""
    journal(path).append(entry(0, folder=folder, mailbox=folder))
    record = journal(path).last_for(folder, entry(0).mail)
    assert record is not None
    assert record.entry == entry(0, folder=folder, mailbox=folder)
    assert path.read_bytes().isascii()
    assert verify(path).state is State.INTACT


def test_fields_of_a_later_version_do_no_harm(path: Path) -> None:
    """After a step back to this version the journal still opens."""
    path.parent.mkdir(0o700)
    path.touch(0o600)
    path.write_bytes(
        sealed(
            {**as_fields(entry(1)), "at": "2026-02-03T12:57:28Z", "colour": "blue"},
            Head(0, "0" * 64),
        )
    )
    record = journal(path).last_for("integrations", entry(1).mail)
    assert record is not None
    assert record.entry == entry(1)


def test_making_one_touches_nothing(path: Path) -> None:
    """A dry run builds it as well; `open` creates the file, and once is as good as twice."""
    book = journal(path)
    assert not path.parent.exists()
    book.open()
    book.open()
    assert (path.read_bytes(), book.head) == (b"", Head(0, "0" * 64))
    assert verify(path) == Verification(State.INTACT, 0, Head(0, "0" * 64))


def test_a_record_too_long_to_be_read_again_is_refused(path: Path) -> None:
    """And leaves nothing behind."""
    lines = filled(path, 1)
    with pytest.raises(
        StateError, match=rf"{path}:2: got a record of \d+ bytes, expected at most {MAX_LINE}"
    ):
        journal(path).append(entry(2, saw="x" * MAX_LINE))
    assert path.read_bytes() == b"".join(lines)


# -- several writers --

WRITER = """
    import os, sys
    from datetime import UTC, datetime
    from pathlib import Path
    from tests.kit.fakes import Silent
    from tests.unit.record.test_journal import entry
    from token_catcher.record.journal import Journal

    book = Journal(Path(sys.argv[1]), now=lambda: datetime.now(UTC), log=Silent())
    """


def writer(path: Path, code: str, *words: str) -> subprocess.Popen[str]:
    """A process that has the journal as `book`, and runs the code."""
    script = textwrap.dedent(WRITER) + textwrap.dedent(code)
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path), *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return reaped(process)


def finish(process: subprocess.Popen[str]) -> str:
    """What it printed; it must have ended well."""
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    return out


def test_two_processes_write_one_chain(path: Path) -> None:
    """200 records each, none lost, and a third process that was there before sees them all."""
    watcher = journal(path)
    assert watcher.last_for("a", entry(200).mail) is None
    code = "for uid in range(1, 201): book.append(entry(uid, mailbox=sys.argv[2]))"
    for process in [writer(path, code, name) for name in ("a", "b")]:
        finish(process)
    verification = verify(path)
    assert (verification.state, verification.records) == (State.INTACT, 400)
    recorded = [(record.entry.mailbox, record.entry.uid) for record in watcher.records()]
    assert sorted(recorded) == [(name, uid) for name in ("a", "b") for uid in range(1, 201)]
    assert watcher.last_for("a", entry(200).mail) is not None


def test_threads_share_one_journal(path: Path) -> None:
    """Every mailbox has its thread."""
    book = journal(path)

    def write(name: str) -> None:
        for uid in range(1, 11):
            book.append(entry(uid, mailbox=name))
            assert book.last_for(name, entry(uid).mail) is not None

    threads = [threading.Thread(target=write, args=(f"mailbox-{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert verify(path) == Verification(State.INTACT, 80, book.head)


def chain_of(count: int) -> bytes:
    """The lines that a journal of so many records has."""
    lines = []
    head = Head(0, "0" * 64)
    for uid in range(1, count + 1):
        lines.append(sealed({**as_fields(entry(uid)), "at": "2026-02-03T12:57:28Z"}, head))
        head = Head(uid, json.loads(lines[-1])["hash"])
    return b"".join(lines)


def test_threads_that_look_up_take_in_each_record_once(path: Path) -> None:
    """Also when several find the same new lines at the same moment."""
    book = journal(path)
    book.open()
    path.write_bytes(chain_of(2000))
    together = threading.Barrier(8)
    newest: list[Record | None] = []

    def look() -> None:
        together.wait(PATIENCE)
        newest.append(book.last_for("integrations", entry(2000).mail))

    threads = [threading.Thread(target=look) for _ in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    finally:
        sys.setswitchinterval(interval)
    assert [record and record.seq for record in newest] == [2000] * 8
    assert [record.entry.uid for record in book.records()] == list(range(1, 2001))


def test_reading_beside_a_writer_finds_nothing_wrong(path: Path) -> None:
    """`verify` as often as it can while another process appends: never a false alarm."""
    journal(path).open()
    process = writer(path, "for uid in range(1, 301): book.append(entry(uid))")
    verifications = [verify(path)]
    while process.poll() is None:
        verifications.append(verify(path))
    finish(process)
    assert {(verification.state, verification.problem) for verification in verifications} == {
        (State.INTACT, None)
    }
    assert verify(path).records == 300


def test_a_start_beside_another_start_is_no_loss_of_the_head(path: Path) -> None:
    """Several processes that meet on a new journal agree on who makes it."""
    for process in [
        writer(path, "book.append(entry(1, mailbox=sys.argv[2]))", str(number))
        for number in range(4)
    ]:
        finish(process)
    verification = verify(path)
    assert verification == Verification(State.INTACT, 4, verification.head, repairs=0)


# -- crashes --

HALF = """
    real = os.write
    def half(descriptor, content):
        real(descriptor, bytes(content)[:int(sys.argv[2])])
        os.kill(os.getpid(), 9)
    os.write = half
    book.append(entry(3))
    """


@pytest.mark.parametrize("asked_by", ["daemon", None])
@pytest.mark.parametrize("kept", [1, 4, 13, 400])
def test_the_beginning_of_any_record_is_known_for_ours(
    path: Path, asked_by: str | None, kept: int
) -> None:
    """Whatever the first of its fields: what a power cut left of it is cut off."""
    filled(path, 2)
    line = sealed({**as_fields(entry(3, asked_by=asked_by)), "at": CREATED}, verify(path).head)
    with path.open("ab") as file:
        file.write(line[:kept])
    assert journal(path).append(entry(3)).seq == 4


@pytest.mark.parametrize("kept", [1, 7, 100, 400])
def test_a_torn_line_is_cut_off_and_noted(path: Path, kept: int) -> None:
    """`kill -9` in the middle of a write:
    found by `verify`, mended by the next start, told by log and journal."""
    filled(path, 2)
    process = writer(path, HALF, str(kept))
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL
    torn = path.read_bytes()
    problem = (
        "the line has no end: a crash cut its append off, which the next start repairs, or somebody"
        " else wrote it"
    )
    assert replace(verify(path), head=Head(2, "")) == Verification(
        State.BROKEN, 2, Head(2, ""), 3, problem
    )
    assert path.read_bytes() == torn

    log = Silent()
    book = journal(path, log)
    assert book.last_for("integrations", entry(3).mail) is None
    book.append(entry(3))
    assert log.events == [("journal.repaired", {"file": str(path), "line": 3, "cut": kept})]
    note = json.loads(path.read_bytes().splitlines()[2])
    assert {name: note[name] for name in ("event", "cut", "seq")} == {
        "event": "journal.repaired",
        "cut": kept,
        "seq": 3,
    }
    assert verify(path) == Verification(State.INTACT, 4, book.head, repairs=1)
    assert [record.seq for record in book.records()] == [1, 2, 4]


@pytest.mark.parametrize("arrived", [b"", b'{"a', b'{"at":"2026'])
def test_zeros_that_a_power_cut_left_are_cut_off(path: Path, arrived: bytes) -> None:
    """Where the size of the file was on disk before its bytes."""
    lines = filled(path, 1)
    path.write_bytes(lines[0] + arrived + bytes(300))
    assert journal(path).append(entry(2)).seq == 3
    assert verify(path).state is State.INTACT


def test_a_lookup_beside_a_torn_line_leaves_it_alone(path: Path) -> None:
    """Who reads has the file shared, and mends nothing; the next append does."""
    filled(path, 1)
    book = journal(path)
    book.open()
    with path.open("ab") as file:
        file.write(b'{"at":"20')
    torn = path.read_bytes()
    assert book.last_for("integrations", entry(1).mail) is not None
    assert path.read_bytes() == torn
    assert book.append(entry(2)).seq == 3
    assert verify(path) == Verification(State.INTACT, 3, book.head, repairs=1)


def test_a_crash_between_record_and_head_is_normal(path: Path) -> None:
    """The head is one behind; nothing is wrong, and the next append moves it on."""
    filled(path, 2)
    behind = head_file(path).read_bytes()
    journal(path).append(entry(3))
    head_file(path).write_bytes(behind)
    assert state_of(path) == (State.INTACT, None)
    book = journal(path)
    assert book.last_for("integrations", entry(3).mail) is not None
    assert book.append(entry(4)).seq == 4
    assert json.loads(head_file(path).read_bytes())["seq"] == 4


def test_no_acknowledged_record_is_lost_by_kill_9(path: Path) -> None:
    """Whatever moment the kill hits:
    what `append` returned is there, and the chain is intact after the next start."""
    acknowledged = 0
    code = """
        for uid in range(int(sys.argv[2]), 100_000):
            book.append(entry(uid))
            print(uid, flush=True)
        """
    for patience in (1, 3, 8, 15):
        process = writer(path, code, str(acknowledged + 1))
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(patience)]
        process.kill()
        printed += process.communicate(timeout=PATIENCE)[0].splitlines()
        acknowledged = max(acknowledged, *(int(line) for line in printed if line.strip()))
        book = journal(path)
        assert book.last_for("integrations", entry(acknowledged).mail) is not None
        assert verify(path).state is State.INTACT


# -- a full disk --

FULL = """
    import resource, signal
    from token_catcher.errors import StateError
    book.open()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    room = os.path.getsize(sys.argv[1]) + int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        book.append(entry(2))
    except StateError as error:
        print(error.code, error)
    size = os.path.getsize(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(size, book.last_for("integrations", entry(2).mail), book.append(entry(2)).seq)
    """


@pytest.mark.parametrize("room", [0, 1, 300])
def test_a_full_disk_leaves_no_half_line(path: Path, room: int) -> None:
    """Whatever fits of the record is taken back,
    the mail has no record, and once there is room it gets one."""
    lines = filled(path, 1)
    printed = finish(writer(path, FULL, str(room)))
    assert printed.splitlines() == [
        f"journal-write {path}: the record could not be written: File too large",
        f"{len(lines[0])} None 2",
    ]
    assert (verify(path).state, verify(path).records) == (State.INTACT, 2)


def failing(name: str, monkeypatch: pytest.MonkeyPatch, *, times: int = 1) -> None:
    """The operating system's call meets a full disk, so many times."""
    real: Callable[..., Any] = getattr(os, name)
    left = iter(range(times))

    def call(*words: Any, **named: Any) -> Any:
        if next(left, None) is not None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*words, **named)

    monkeypatch.setattr(os, name, call)


@pytest.mark.parametrize("cut_fails", [False, True])
def test_a_disk_that_is_full_at_the_synchronisation_takes_the_line_back(
    path: Path, monkeypatch: pytest.MonkeyPatch, cut_fails: bool
) -> None:
    """A line that may not be durable is no record;
    where even cutting fails, the record stands at the next look."""
    lines = filled(path, 1)
    book = journal(path)
    book.open()
    failing("fsync", monkeypatch)
    if cut_fails:
        failing("ftruncate", monkeypatch)
    with pytest.raises(StateError) as caught:
        book.append(entry(2))
    assert (caught.value.code, str(caught.value)) == (
        "journal-write",
        f"{path}: the record could not be written: No space left on device",
    )
    assert (path.read_bytes() == lines[0]) is not cut_fails
    assert (book.last_for("integrations", entry(2).mail) is None) is not cut_fails
    assert state_of(path) == (State.INTACT, None)


def test_a_record_without_its_head_stands(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller hears of the full disk, comes again,
    and finds the mail recorded: no second record."""
    filled(path, 1)
    old = head_file(path).read_bytes()
    book = journal(path)
    book.open()
    failing("replace", monkeypatch)
    with pytest.raises(StateError) as caught:
        book.append(entry(2))
    problem = "the record was written, its head file could not be: No space left on device"
    assert (caught.value.code, str(caught.value)) == ("journal-write", f"{path}: {problem}")
    assert head_file(path).read_bytes() == old
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "journal.jsonl",
        "journal.jsonl.head",
        "journal.jsonl.tail",
    ]
    record = book.last_for("integrations", entry(2).mail)
    assert record is not None
    assert record.seq == 2
    assert book.append(entry(3)).seq == 3
    assert verify(path) == Verification(State.INTACT, 3, book.head)


# -- what it refuses --


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
@pytest.mark.parametrize("use", ["append", "last_for"])
def test_a_mode_that_was_widened_is_narrowed_and_told_once(path: Path, mode: int, use: str) -> None:
    """A restored backup, a volume's fsGroup, `chmod -R`: no token waits for it, before the first
    use or under a running daemon. What others may have written shows in the chain."""
    filled(path, 1)
    log = Silent()
    book = journal(path, log)
    told = ("journal.narrowed", {"file": str(path), "got": f"0{mode:o}", "expected": "0600"})
    for times_told in (1, 2):
        path.chmod(mode)
        for _ in range(2):
            if use == "append":
                book.append(entry(2))
            else:
                assert book.last_for("integrations", entry(1).mail) is not None
        assert path.stat().st_mode & 0o777 == 0o600
        assert log.events == [told] * times_told
    assert verify(path).state is State.INTACT


def symbolic_link(path: Path) -> None:
    (path.parent / "elsewhere").touch(0o600)
    path.symlink_to(path.parent / "elsewhere")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (symbolic_link, "it is a symbolic link"),
        (lambda path: os.mkfifo(path, 0o600), "it is not a regular file"),
        (lambda path: path.mkdir(0o700), "Is a directory"),
    ],
    ids=["symbolic link", "FIFO", "directory"],
)
def test_what_is_no_regular_file_is_refused(
    path: Path, make: Callable[[Path], None], why: str
) -> None:
    """Neither written through a link nor waited for."""
    path.parent.mkdir(0o700)
    make(path)
    with pytest.raises(StateError) as caught:
        journal(path).append(entry(1))
    assert str(caught.value) == f"{path}: the journal cannot be used: {why}"
    with pytest.raises(StateError, match="the journal cannot be read"):
        verify(path)


@pytest.mark.parametrize(
    "content",
    [
        b"password=hunter2\n",
        b"password=hunter2",
        b'{"at":"2026-02-03T12:57:28Z","event":"rotation.stored","password":"hunter2"}\n',
        b'{"event":"hunter2"}',
        b"\n",
        b"[" * 60_000 + b"\n",
        b'{"at":"' + b"hunter2" * 100_000,
    ],
    ids=[
        "text",
        "unfinished text",
        "unchained",
        "unfinished JSON",
        "empty line",
        "nested",
        "endless",
    ],
)
def test_a_foreign_file_is_neither_continued_nor_cut_nor_shown(path: Path, content: bytes) -> None:
    """Somebody configured the wrong path:
    the file stays as it is, and nothing of it is in the message."""
    path.parent.mkdir(0o700)
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(StateError) as caught:
        journal(path).append(entry(1))
    assert (caught.value.code, str(caught.value)) == (
        "journal-broken",
        f"{path}:1: got a line that is not a record of ours, expected JSON that ends in its hash",
    )
    assert path.read_bytes() == content
    assert state_of(path) == (State.BROKEN, 1)


def test_a_sealed_line_that_is_no_record_is_refused(path: Path) -> None:
    """A hash is no proof that we wrote it:
    what lacks a number, an event or a time ends in a message, not in a crash."""
    good = {"at": "2026-02-03T12:57:28Z", "event": "rotation.stored", "mailbox": "m", "mail": "d"}
    wrong: list[dict[str, object]] = [{"at": "today"}, {"at": "2026-02-03T12:57:28"}, {"event": 5}]
    path.parent.mkdir(0o700)
    path.touch(0o600)
    deep = b'{"at":' + b"[" * 30_000 + b"]" * 30_000
    for line in (
        *(sealed(good | field, Head(0, "0" * 64)) for field in wrong),
        seal(deep + b"}"),
        seal(b"[5}"),
    ):
        path.write_bytes(line)
        assert state_of(path) == (State.BROKEN, 1)
    path.write_bytes(sealed(good, Head(0, "0" * 64)))
    with pytest.raises(StateError, match=f"{path}:1: got a line that is not a record of ours"):
        journal(path).last_for("m", "d")


def seal(body: bytes) -> bytes:
    """The right hash on anything that ends in a brace."""
    return body[:-1] + b',"hash":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n'


def test_a_broken_journal_is_not_continued(path: Path) -> None:
    """The message names the line; the file stays as it is."""
    lines = filled(path)
    lines[2] = lines[2].replace(b'"uid":3', b'"uid":4')
    path.write_bytes(b"".join(lines))
    with pytest.raises(StateError) as caught:
        journal(path).append(entry(6))
    assert (
        str(caught.value)
        == f"{path}:3: the line was edited: its content does not have the hash it names"
    )
    assert path.read_bytes() == b"".join(lines)


def test_a_truncated_journal_is_not_continued(path: Path) -> None:
    """Another record would hide the cut."""
    lines = filled(path)
    path.write_bytes(b"".join(lines[:3]))
    with pytest.raises(StateError) as caught:
        journal(path).append(entry(6))
    assert (
        str(caught.value)
        == f"{path}:4: the journal ends here, its head file knows 5 records: the rest was cut off"
    )
    assert path.read_bytes() == b"".join(lines[:3])


def test_a_torn_line_that_was_whole_before_is_not_mended(path: Path) -> None:
    """A crash tears only what the head does not know yet: this was cut."""
    lines = filled(path)
    path.write_bytes(b"".join(lines)[:-100])
    with pytest.raises(StateError, match=f"{path}:5: the journal ends here"):
        journal(path).open()
    assert state_of(path) == (State.TRUNCATED, 5)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: os.truncate(path, 0),
        lambda path: os.truncate(path, 100),
        lambda path: path.rename(path.with_name("moved")),
        lambda path: path.unlink(),
    ],
    ids=["emptied", "cut", "moved away", "removed"],
)
def test_a_file_that_is_lost_under_us_is_not_begun_anew(
    path: Path, change: Callable[[Path], None]
) -> None:
    """Where nothing is left to put it together from, a loss must show."""
    filled(path, 2)
    book = journal(path)
    book.open()
    change(path)
    for use in (
        lambda: book.append(entry(3)),
        lambda: book.last_for("integrations", "x"),
        lambda: list(book.records()),
    ):
        with pytest.raises(StateError) as caught:
            use()
        assert (caught.value.code, str(caught.value)) == (
            "journal-broken",
            f"{path}:1: the journal ends here, its head file knows 2 records: the rest was cut off;"
            " where logrotate took it away (olddir), put it back beside it as journal.jsonl.1",
        )
    assert state_of(path) == (State.TRUNCATED, 1)


def test_an_equal_file_in_its_place_is_continued(path: Path) -> None:
    """A backup put back, a volume moved under the daemon: the chain shows that nothing is missing,
    so no token waits."""
    filled(path, 2)
    book = journal(path)
    book.open()
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").replace(path)
    assert book.append(entry(3)).seq == 3
    assert [record.seq for record in book.records()] == [1, 2, 3]
    assert verify(path) == Verification(State.INTACT, 3, book.head)


def test_an_older_file_in_its_place_is_not_continued(path: Path) -> None:
    """Even when its head is put back with it: the process knows more."""
    filled(path, 1)
    shutil.copytree(path.parent, path.parent.with_name("backup"))
    book = journal(path)
    book.append(entry(2))
    shutil.rmtree(path.parent)
    path.parent.with_name("backup").rename(path.parent)
    with pytest.raises(StateError) as caught:
        book.append(entry(3))
    assert str(caught.value) == (
        f"{path}:2: the journal ends here, its reader knows 2 records: the rest was cut off"
    )


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """One clear message."""
    (tmp_path / "state").touch()
    with pytest.raises(
        StateError,
        match=r"state/journal.jsonl: the journal cannot be used: (Not a directory|File exists)",
    ):
        journal(tmp_path / "state" / "journal.jsonl").open()


# -- the head --


UNPROVEN = (
    "records 1 to 3 are whole and in order; without journal.jsonl.head nothing tells whether later"
    " ones were cut off: put that file beside it, or give --head SEQ:HASH from elsewhere"
)


def test_a_vanished_head_is_noted_in_the_chain(path: Path) -> None:
    """Nothing tells any more whether records were cut off: that stays visible for ever."""
    lines = filled(path, 3)
    head_file(path).unlink()
    assert replace(verify(path), head=Head(3, "")) == Verification(
        State.UNPROVEN, 3, Head(3, ""), None, UNPROVEN
    )
    log = Silent()
    book = journal(path, log)
    book.open()
    assert log.events == [("journal.headless", {"file": str(path), "line": 4})]
    assert json.loads(path.read_bytes().splitlines()[3])["event"] == "journal.headless"
    assert verify(path) == Verification(State.INTACT, len(lines) + 1, book.head, repairs=1)


def test_a_vanished_head_and_a_torn_line_are_both_noted(path: Path) -> None:
    """The torn line goes first, so that the chain goes on."""
    filled(path, 2)
    head_file(path).unlink()
    with path.open("ab") as file:
        file.write(b'{"at":"20')
    log = Silent()
    book = journal(path, log)
    assert book.append(entry(3)).seq == 5
    assert [event for event, _ in log.events] == ["journal.repaired", "journal.headless"]
    assert verify(path) == Verification(State.INTACT, 5, book.head, repairs=2)


def head(seq: bytes, digest: bytes = 64 * b"a", more: bytes = b"") -> bytes:
    return b'{"seq": %b, "hash": "%b"%b}\n' % (seq, digest, more)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"5",
        b"\xff",
        b'{"seq": "x", "hash": ""}',
        b"[" * 60_000,
        head(b'"1"'),
        head(b"true"),
        head(b"1.9"),
        head(b"-1"),
        head(b"01"),
        head(b"1e0"),
        head(b"1" * 20),
        head("\u0661".encode()),
        head(b"1", 64 * b"A"),
        head(b"1", 63 * b"a"),
        head(b"1", more=b', "seq": 2'),
        head(b"1") + head(b"1"),
    ],
)
def test_a_malformed_head_is_not_overwritten(path: Path, content: bytes) -> None:
    """It may be the only trace of what was cut off."""
    filled(path, 1)
    head_file(path).write_bytes(content)
    with pytest.raises(StateError) as caught:
        journal(path).append(entry(2))
    assert str(caught.value) == (
        f"{path}: journal.jsonl.head is no head: got {len(content)} bytes of something else,"
        " expected JSON with seq and hash of a record"
    )
    assert head_file(path).read_bytes() == content
    assert state_of(path) == (State.BROKEN, None)


def test_a_journal_that_is_gone_is_truncated(path: Path) -> None:
    """The head remains, and says how much there was; a new journal is not begun over it."""
    filled(path, 3)
    path.unlink()
    problem = "the journal is gone, its head file knows 3 records"
    assert verify(path) == Verification(
        State.TRUNCATED, 0, Head(0, "0" * 64), 1, problem, missing=3
    )
    with pytest.raises(
        StateError,
        match=r":1: the journal ends here, its head file knows 3 records: the rest was cut off",
    ):
        journal(path).open()


def test_a_journal_that_never_was_is_missing(path: Path) -> None:
    """Told apart from one that is gone."""
    problem = f"{path} does not exist: nothing was recorded yet, or it is elsewhere"
    assert verify(path) == Verification(State.MISSING, 0, Head(0, "0" * 64), None, problem)


# -- what verify finds --


def reseal(line: bytes, before: bytes | None, **changes: Any) -> bytes:
    """The line changed, with a hash that fits: what a forger with our source does."""
    content = {**json.loads(line), **changes}
    del content["hash"], content["seq"], content["prev"]
    seq = json.loads(line)["seq"]
    return sealed(content, Head(seq - 1, json.loads(before)["hash"] if before else "0" * 64))


Lines = list[bytes]
TAMPERING: dict[str, tuple[Callable[[Lines], Lines], State, int, str]] = {
    "a field edited": (
        lambda ls: [*ls[:1], ls[1].replace(b'"uid":2', b'"uid":9'), *ls[2:]],
        State.BROKEN,
        2,
        "the line was edited: its content does not have the hash it names",
    ),
    "only the spelling edited": (
        lambda ls: [*ls[:1], ls[1].replace(b'"uid":2', b'"uid": 2'), *ls[2:]],
        State.BROKEN,
        2,
        "the line was edited: its content does not have the hash it names",
    ),
    "white space added at a line's end": (
        lambda ls: [*ls[:1], ls[1].replace(b"\n", b" \n"), *ls[2:]],
        State.BROKEN,
        2,
        "the line was edited: its content does not have the hash it names",
    ),
    "a line end converted": (
        lambda ls: [*ls[:1], ls[1].replace(b"\n", b"\r\n"), *ls[2:]],
        State.BROKEN,
        2,
        CONVERTED,
    ),
    "a line edited and its end converted": (
        lambda ls: [*ls[:1], ls[1].replace(b'"uid":2', b'"uid":3')[:-1] + b"\r\n", *ls[2:]],
        State.BROKEN,
        2,
        "the line was edited: its content does not have the hash it names",
    ),
    "a field edited and sealed anew": (
        lambda ls: [*ls[:1], reseal(ls[1], ls[0], uid=9), *ls[2:]],
        State.BROKEN,
        3,
        "the line does not continue the one above: one of the two was exchanged",
    ),
    "the last line edited and sealed anew": (
        lambda ls: [*ls[:4], reseal(ls[4], ls[3], uid=9)],
        State.BROKEN,
        5,
        "the line is not the one that the head file knows: one of the two was exchanged",
    ),
    "the first line removed": (
        lambda ls: ls[1:],
        State.BROKEN,
        1,
        "got record 2, expected 1: a line was removed, added or moved",
    ),
    "a line removed": (
        lambda ls: [*ls[:2], *ls[3:]],
        State.BROKEN,
        3,
        "got record 4, expected 3: a line was removed, added or moved",
    ),
    "two lines swapped": (
        lambda ls: [ls[0], ls[2], ls[1], *ls[3:]],
        State.BROKEN,
        2,
        "got record 3, expected 2: a line was removed, added or moved",
    ),
    "a line repeated": (
        lambda ls: [*ls[:2], ls[1], *ls[2:]],
        State.BROKEN,
        3,
        "got record 2, expected 3: a line was removed, added or moved",
    ),
    "a foreign line inserted": (
        lambda ls: [*ls[:3], b'{"event":"rotation.stored"}\n', *ls[3:]],
        State.BROKEN,
        4,
        "got a line that is not a record of ours, expected JSON that ends in its hash",
    ),
    "an empty line appended": (
        lambda ls: [*ls, b"\n"],
        State.BROKEN,
        6,
        "got a line that is not a record of ours, expected JSON that ends in its hash",
    ),
    "something unfinished appended": (
        lambda ls: [*ls, b"x"],
        State.BROKEN,
        6,
        "got a line that is not a record of ours, expected JSON that ends in its hash",
    ),
    "the tail cut off": (
        lambda ls: ls[:3],
        State.TRUNCATED,
        4,
        "the journal ends here, its head file knows 5 records: the rest was cut off",
    ),
    "the tail torn": (
        lambda ls: [*ls[:4], ls[4][:200]],
        State.TRUNCATED,
        5,
        "the journal ends here, its head file knows 5 records: the rest was cut off",
    ),
    "everything cut off": (
        lambda _: [],
        State.TRUNCATED,
        1,
        "the journal ends here, its head file knows 5 records: the rest was cut off",
    ),
}


@pytest.mark.parametrize("kind", TAMPERING)
def test_tampering_is_found_where_it_was_done(path: Path, kind: str) -> None:
    """Each kind, with its line and in words."""
    change, state, line, problem = TAMPERING[kind]
    path_lines = filled(path)
    path.write_bytes(b"".join(change(path_lines)))
    verification = verify(path)
    assert (verification.state, verification.line, verification.problem, verification.records) == (
        state,
        line,
        problem,
        line - 1,
    )


@pytest.fixture(scope="module")
def sample() -> Iterator[tuple[Path, bytes]]:
    """An intact journal, and its bytes."""
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "journal.jsonl"
        yield path, b"".join(filled(path, 3))


@settings(max_examples=times(200))
@given(data=st.data())
def test_no_byte_can_be_changed(sample: tuple[Path, bytes], data: st.DataObject) -> None:
    """Any single byte of an intact journal, exchanged for any other, is found, in its line."""
    path, whole = sample
    place = data.draw(st.integers(0, len(whole) - 1), "place")
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[place]), "byte")
    path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
    line = whole.count(b"\n", 0, place) + 1
    last = byte != ord("\n") and place == len(whole) - 1
    assert state_of(path) == (State.TRUNCATED if last else State.BROKEN, line)


@settings(max_examples=times(200))
@given(data=st.data())
def test_no_byte_can_be_added_or_removed(sample: tuple[Path, bytes], data: st.DataObject) -> None:
    """At any place; the file is never taken for an intact one."""
    path, whole = sample
    place = data.draw(st.integers(0, len(whole)), "place")
    added = data.draw(st.binary(max_size=1), "added")
    removed = 0 if added else 1
    changed = whole[:place] + added + whole[place + removed :]
    if changed != whole:
        path.write_bytes(changed)
        assert verify(path).state is not State.INTACT


@settings(max_examples=times(100))
@given(content=st.binary(max_size=300))
def test_any_bytes_are_judged_and_never_raise(sample: tuple[Path, bytes], content: bytes) -> None:
    """Neither in the journal nor in its head."""
    path, whole = sample
    path.write_bytes(content)
    assert verify(path).state is not State.INTACT
    path.write_bytes(whole)
    head = head_file(path).read_bytes()
    head_file(path).write_bytes(content)
    assert verify(path).state is not State.INTACT or b"seq" in content
    head_file(path).write_bytes(head)


def test_a_record_that_is_being_written_is_no_tampering(path: Path) -> None:
    """While a writer has the file, its last line may lack its end:
    intact, and said to be unfinished."""
    lines = filled(path, 3)
    torn = sealed({"at": "2026-02-03T12:57:28Z", "event": "rotation.stored"}, verify(path).head)[
        :50
    ]
    with path.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(torn)
        other.flush()
        verification = verify(path)
        assert verification == Verification(State.INTACT, 3, verification.head, unfinished=True)
    assert state_of(path) == (State.BROKEN, 4)
    assert path.read_bytes() == b"".join(lines) + torn


def test_a_record_that_was_finished_meanwhile_is_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen without its end, whole as soon as its writer lets go: intact, and counted."""
    filled(path, 3)
    line = sealed({"at": "2026-02-03T12:57:28Z", "event": "rotation.stored"}, verify(path).head)
    other = path.open("ab", buffering=0)
    other.write(line[:50])
    real = fcntl.flock

    def flock(file: Any, how: int) -> None:
        other.write(line[50:])
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    verification = verify(path)
    other.close()
    assert verification == Verification(State.INTACT, 4, verification.head)


def test_a_cut_shows_even_while_somebody_has_the_file(path: Path) -> None:
    """Holding the lock hides nothing that the head knows."""
    lines = filled(path, 3)
    path.write_bytes(b"".join(lines)[:-10])
    with path.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert state_of(path) == (State.TRUNCATED, 3)


def test_verify_changes_nothing_and_waits_for_nobody(path: Path) -> None:
    """Content, times and files stay; waiting for the writer, which lets go afterwards, would take
    for ever."""
    filled(path, 3)
    before = files_beside(path)
    with path.open("ab") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert state_of(path) == (State.INTACT, None)
    assert files_beside(path) == before


def files_beside(path: Path) -> list[tuple[Path, bytes, int]]:
    """Name, content and time of every file in the journal's directory."""
    return [
        (file, file.read_bytes(), file.stat().st_mtime_ns) for file in sorted(path.parent.iterdir())
    ]


def test_a_copy_is_verified_whatever_its_mode(path: Path, tmp_path: Path) -> None:
    """Auditors work on copies, journal and head together."""
    filled(path, 3)
    copy = tmp_path / "copy.jsonl"
    for source, target in ((path, copy), (head_file(path), head_file(copy))):
        shutil.copy(source, target)
        target.chmod(0o444)
    assert verify(copy) == verify(path)


def test_no_secret_can_be_in_a_record() -> None:
    """An Entry has no field for a token; what tells of one is its fingerprint and its length."""
    names = [
        name for name in Entry.__dataclass_fields__ if re.search("token|secret|password", name)
    ]
    assert names == ["token_length"]
