"""A journal that logrotate took for a log: put back whole, told once, no token kept waiting.

The steps of logrotate's two ways, as its manual has them, are done by the tools that it stands
for; where Debian's logrotate is installed, the real one does them as well.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kit.fakes import Silent
from tests.kit.processes import reaped, unmeasured
from tests.kit.servers.process import command
from tests.kit.waiting import PATIENCE
from tests.unit.record.books import as_it_is, entry, in_files, journal
from token_catcher.errors import StateError
from token_catcher.model import Event
from token_catcher.record import State, Verification, series, verify
from token_catcher.record.rotated import TAIL_SIZE, tail_file

ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal goes; the directory is not there yet."""
    return tmp_path / "state" / "journal.jsonl"


def create(path: Path) -> Path:
    """Move it away, make a new one with another mode."""
    old = path.with_name(path.name + ".1")
    path.rename(old)
    path.touch()
    path.chmod(0o640)
    return old


def no_create(path: Path) -> Path:
    """Move it away."""
    old = path.with_name(path.name + ".1")
    path.rename(old)
    return old


def copy_and_truncate(path: Path) -> Path:
    """Copy it, then empty it."""
    old = path.with_name(path.name + ".1")
    shutil.copy2(path, old)
    os.truncate(path, 0)
    return old


def dated(path: Path) -> Path:
    """With `dateext` and `extension .jsonl`."""
    old = path.with_name("journal-20261125.jsonl")
    path.rename(old)
    return old


def compressed(path: Path) -> Path:
    """With `compress`: the plain file is gone."""
    plain = create(path)
    old = plain.with_name(plain.name + ".gz")
    old.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    return old


def compressed_with_xz(path: Path) -> Path:
    """With `compresscmd xz` and `compressext .xz`."""
    plain = create(path)
    old = plain.with_name(plain.name + ".xz")
    old.write_bytes(lzma.compress(plain.read_bytes()))
    plain.unlink()
    return old


def compressed_with_bzip2(path: Path) -> Path:
    """With `compresscmd bzip2` and `compressext .bz2`."""
    plain = create(path)
    old = plain.with_name(plain.name + ".bz2")
    old.write_bytes(bz2.compress(plain.read_bytes()))
    plain.unlink()
    return old


WAYS = [
    create,
    no_create,
    copy_and_truncate,
    dated,
    compressed,
    compressed_with_xz,
    compressed_with_bzip2,
]
Way = Callable[[Path], Path]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("running", [True, False], ids=["running", "started afterwards"])
@pytest.mark.parametrize("use", ["append", "last_for", "catch_up"])
def test_a_rotated_journal_is_put_back_and_told_once(
    path: Path, way: Way, running: bool, use: str
) -> None:
    """Whatever comes first; the file that logrotate made stays, it is somebody's."""
    in_files(path, 2, 2)
    log = Silent()
    book = journal(path, log)
    if running:
        book.open()
    before = path.read_bytes()
    old = way(path)
    content = old.read_bytes()
    for _ in range(2):
        if use == "append":
            book.append(entry(9))
        elif use == "last_for":
            assert book.last_for("integrations", entry(4).mail) is not None
        else:
            book.catch_up()
    told = [fields for event, fields in log.events if event == "journal.put_back"]
    assert told == [{"file": str(path), "rotated_to": old.name}]
    assert old.read_bytes() == content
    assert path.read_bytes().startswith(before)
    note = json.loads(path.read_bytes()[len(before) :].splitlines()[0])
    assert (note["event"], note["file"]) == ("journal.put_back", old.name)
    records = 8 + 2 * (use == "append")
    assert verify(path) == Verification(State.INTACT, records - 1, book.head, repairs=1)


def rotate_all(way: Way) -> Way:
    """As a pattern like `*.jsonl` has it: the closed files as well. The journal's old file."""

    def rotate(path: Path) -> Path:
        for file in path.parent.glob("*-*.jsonl"):
            way(file)
        return way(path)

    return rotate


@pytest.mark.parametrize("way", [create, no_create, copy_and_truncate, compressed])
@pytest.mark.parametrize("running", [True, False], ids=["running", "started afterwards"])
def test_closed_files_that_were_rotated_are_put_back_and_told_once(
    path: Path, way: Way, running: bool
) -> None:
    """Together with the journal, each from what lies beside it."""
    in_files(path, 2, 2, 1)
    files = [path.with_name(name) for name in CLOSED]
    before = [file.read_bytes() for file in files]
    log = Silent()
    book = journal(path, log)
    if running:
        book.open()
    old = rotate_all(way)(path)
    for uid in (6, 7):
        book.append(entry(uid))
    end = old.name.removeprefix(path.name)
    told = [fields for event, fields in log.events if event == "journal.put_back"]
    assert sorted(told, key=str) == [
        {"file": str(file), "rotated_to": file.name + end} for file in (*files, path)
    ]
    assert [file.read_bytes() for file in files] == before
    assert [record.entry.uid for record in book.records()] == [1, 2, 3, 4, 5, 6, 7]
    assert verify(path) == Verification(State.INTACT, 12, book.head, repairs=1)


CLOSED = ("journal-000001.jsonl", "journal-000002.jsonl")


def named_by_month(path: Path) -> None:
    """logrotate, with `extension .jsonl` and `dateformat -%Y%m`."""
    path.rename(path.with_name("journal-202611.jsonl"))


def compressed_by_month(path: Path) -> None:
    target = path.with_name("journal-202611.jsonl.gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def copied(path: Path) -> None:
    """By a person."""
    shutil.copy(path, path.with_name("journal-202611.jsonl"))


def copied_closed(path: Path) -> None:
    """A person's copy of a closed file, under the name that the next one would have."""
    shutil.copy(path.with_name(CLOSED[0]), path.with_name("journal-000003.jsonl"))


def unrelated(path: Path) -> None:
    """Neither a journal nor to be read."""
    path.with_name("journal-202611.jsonl").write_bytes(b"\xff\n")
    path.with_name("journal-202612.jsonl").mkdir()
    path.with_name("journal-202613.jsonl").symlink_to("nowhere")


@pytest.mark.parametrize(
    "change", [named_by_month, compressed_by_month, copied, copied_closed, unrelated]
)
def test_what_has_only_the_name_of_a_closed_file_is_none(
    path: Path, change: Callable[[Path], None]
) -> None:
    """It stays as it is, is no part of the journal, and its name is not taken away from it."""
    in_files(path, 1, 1, 1)
    change(path)
    beside = {file: file.lstat() for file in path.parent.glob("journal-??????.jsonl*")}
    book = journal(path)
    book.append(entry(4))
    assert [file.name for file in series(path)] == [*CLOSED, path.name]
    closed = book.archive()
    assert closed is not None
    assert closed not in beside
    assert [record.entry.uid for record in book.records()] == [1, 2, 3, 4]
    assert verify(path).state is State.INTACT
    assert beside == {file: file.lstat() for file in beside}


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100])


def foreign(file: Path) -> None:
    file.write_bytes(b"something else\n")


def linked(file: Path) -> None:
    """Which is as unreadable for us as another owner's."""
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


def removed(file: Path) -> None:
    """Which the oldest may be, and not the newest."""
    file.unlink()


@pytest.mark.parametrize(
    ("number", "change"),
    [
        (0, emptied),
        (0, cut),
        (0, foreign),
        (0, linked),
        (1, emptied),
        (1, cut),
        (1, foreign),
        (1, linked),
        (1, removed),
    ],
)
def test_no_token_waits_for_a_closed_file_that_is_lost(
    path: Path, number: int, change: Callable[[Path], None]
) -> None:
    """Its index has its end, its versions and what of it still waits; that a record cannot be read
    is told once, and verify finds what is wrong."""
    in_files(path, 2, 2, 1)
    lost = path.with_name(CLOSED[number])
    change(lost)
    log = Silent()
    book = journal(path, log)
    stored = entry(2 * number + 1)
    assert book.append(entry(6)).seq == 10
    known = entry(7, event=Event.UNCHANGED)
    assert book.append_all([stored], lambda _entry: known, as_it_is) == [known]
    for _ in range(2):
        assert book.last_for("integrations", stored.mail) is None
    told = [fields["file"] for event, fields in log.events if event == "journal.unreadable"]
    assert told == [str(lost)]
    assert is_found_wrong(path)


def is_found_wrong(path: Path) -> bool:
    """Whether verify sees it; which cannot even read a symbolic link."""
    try:
        return verify(path).state in (State.BROKEN, State.TRUNCATED)
    except StateError as error:
        return str(error).endswith("it is a symbolic link")


def test_verify_tells_of_a_rotated_journal_until_it_is_put_back(path: Path) -> None:
    """It changes nothing itself."""
    in_files(path, 2)
    create(path)
    verification = verify(path)
    assert (verification.state, verification.problem) == (
        State.TRUNCATED,
        "the journal ends here, its head file knows 2 records: the rest was cut off",
    )
    journal(path).open()
    assert verify(path).state is State.INTACT


def test_what_copytruncate_swallowed_is_brought_back(path: Path) -> None:
    """Records between its copy and its cut, which another process wrote that is gone by now."""
    in_files(path, 2)
    old = path.with_name(path.name + ".1")
    shutil.copy2(path, old)
    for uid in (3, 4, 5):
        journal(path).append(entry(uid))
    os.truncate(path, 0)
    log = Silent()
    book = journal(path, log)
    assert [record.entry.uid for record in book.records()] == [1, 2, 3, 4, 5]
    assert verify(path) == Verification(State.INTACT, 6, book.head, repairs=1)


def test_a_copy_that_was_made_in_the_middle_of_a_line_is_completed(path: Path) -> None:
    """logrotate asks for no lock."""
    in_files(path, 3)
    old = path.with_name(path.name + ".1")
    old.write_bytes(path.read_bytes()[:-100])
    os.truncate(path, 0)
    book = journal(path)
    assert [record.entry.uid for record in book.records()] == [1, 2, 3]


def test_a_record_written_to_the_emptied_file_is_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cut comes between a writer's look at the file and its write: the mail comes again, and
    finds its record."""
    in_files(path, 2)
    book = journal(path)
    book.open()
    real = os.write

    def write(descriptor: int, content: bytes) -> int:
        monkeypatch.undo()
        copy_and_truncate(path)
        return real(descriptor, content)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(StateError) as caught:
        book.append(entry(3))
    assert (caught.value.code, str(caught.value)) == (
        "journal-write",
        f"{path}: the record could not be written: the file was emptied at that moment",
    )
    record = book.last_for("integrations", entry(3).mail)
    assert record is not None
    assert record.seq == 3
    assert [record.entry.uid for record in journal(path).records()] == [1, 2, 3]
    assert verify(path).state is State.INTACT


def test_the_newest_rotated_file_is_taken(path: Path) -> None:
    """An older one does not reach as far as the head."""
    in_files(path, 2)
    old = path.with_name(path.name + ".2")
    shutil.copy(path, old)
    journal(path).append(entry(3))
    create(path)
    os.utime(old)  # as a restored backup would have it
    assert [record.entry.uid for record in journal(path).records()] == [1, 2, 3]


def cut_copy(path: Path) -> None:
    old = create(path)
    old.write_bytes(b"".join(old.read_bytes().splitlines(keepends=True)[:1]))
    tail_file(path).unlink()


def edited_copy(path: Path) -> None:
    old = create(path)
    old.write_bytes(old.read_bytes().replace(b'"uid":2', b'"uid":9'))
    tail_file(path).unlink()


@pytest.mark.parametrize("change", [cut_copy, edited_copy])
def test_what_was_tampered_with_is_not_put_back(path: Path, change: Callable[[Path], None]) -> None:
    """The journal stops, as it does without any copy."""
    in_files(path, 3)
    book = journal(path)
    book.open()
    change(path)
    with pytest.raises(StateError) as caught:
        book.append(entry(4))
    assert (caught.value.code, str(caught.value)) == (
        "journal-broken",
        f"{path}:1: the journal ends here, its head file knows 3 records: the rest was cut off",
    )


def compressed_with_zstd(path: Path) -> None:
    """Which Python does not read."""
    create(path).unlink()
    path.with_name("journal.jsonl.1.zst").write_bytes(b"\x28\xb5\x2f\xfd$\n\n")


def damaged(path: Path) -> None:
    old = compressed(path)
    old.write_bytes(b"something else")


def linked_elsewhere(path: Path) -> None:
    old = create(path)
    old.rename(path.parent.parent / "elsewhere")
    old.symlink_to(path.parent.parent / "elsewhere")


def moved_to_another_directory(path: Path) -> None:
    """With `olddir`."""
    create(path).rename(path.parent.parent / "journal.jsonl.1")


UNREADABLE = (
    "{} beside it cannot be read as a journal: where it is the rotated one, unpack it, with our"
    " user as its owner"
)


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (compressed_with_zstd, UNREADABLE.format("journal.jsonl.1.zst")),
        (damaged, UNREADABLE.format("journal.jsonl.1.gz")),
        (linked_elsewhere, UNREADABLE.format("journal.jsonl.1")),
        (
            moved_to_another_directory,
            "where logrotate took it away (olddir), put it back beside it as journal.jsonl.1",
        ),
    ],
)
def test_a_rotated_journal_that_cannot_be_put_back_is_told_with_what_to_do(
    path: Path, change: Callable[[Path], None], advice: str
) -> None:
    """What lies beside it and cannot be read is named; where nothing does, it is elsewhere."""
    in_files(path, 3)
    change(path)
    with pytest.raises(StateError) as caught:
        journal(path).append(entry(4))
    assert (caught.value.code, str(caught.value)) == (
        "journal-broken",
        f"{path}:1: the journal ends here, its head file knows 3 records: the rest was cut off;"
        f" {advice}",
    )


def test_an_edited_journal_is_not_healed_from_a_copy(path: Path) -> None:
    """Only what was emptied is put back: a change must show, whatever lies beside it."""
    in_files(path, 3)
    shutil.copy(path, path.with_name(path.name + ".1"))
    path.write_bytes(path.read_bytes().replace(b'"uid":2', b'"uid":9'))
    with pytest.raises(StateError, match=f"{path}:2: the line was edited"):
        journal(path).open()


def test_the_tail_stays_small(path: Path) -> None:
    """And holds the newest lines, whole."""
    book = journal(path)
    for uid in range(1, 900):
        book.append(entry(uid, saw="x" * 1000))
    assert tail_file(path).stat().st_size <= TAIL_SIZE
    lines = tail_file(path).read_bytes().splitlines()
    assert [json.loads(line)["seq"] for line in lines][-100:] == list(range(800, 900))
    assert path.read_bytes().endswith(tail_file(path).read_bytes())


# -- cut off, and the head with it --


def cut_last_record(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def cut_within_last_record(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def cut_all(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("sizes", [(3,), (1, 2)], ids=["one file", "with a closed one"])
@pytest.mark.parametrize("cut", [cut_last_record, cut_within_last_record, cut_all, Path.unlink])
def test_what_was_cut_off_together_with_the_head_is_put_back(
    path: Path, sizes: tuple[int, ...], cut: Callable[[Path], None]
) -> None:
    """From the tail: the next append must not make an intact journal of one that lacks records."""
    in_files(path, *sizes)
    before = path.read_bytes()
    cut(path)
    path.with_name("journal.jsonl.head").unlink()
    assert verify(path).state in (State.UNPROVEN, State.TRUNCATED, State.MISSING, State.BROKEN)
    log = Silent()
    book = journal(path, log)
    book.append(entry(9))
    assert log.events == [
        ("journal.put_back", {"file": str(path), "rotated_to": "journal.jsonl.tail"}),
        ("journal.headless", {"file": str(path), "line": before.count(b"\n") + 2}),
    ]
    assert path.read_bytes().startswith(before)
    assert [record.entry.uid for record in book.records()] == [1, 2, 3, 9]
    assert (verify(path).state, verify(path).repairs) == (State.INTACT, 2)


def test_a_cut_that_the_tail_cannot_fill_is_told(path: Path) -> None:
    """It knows of records that neither has: nothing is written over that."""
    in_files(path, 4)
    tail = tail_file(path)
    tail.write_bytes(tail.read_bytes().splitlines(keepends=True)[3] + b"\0\0\n")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    path.with_name("journal.jsonl.head").unlink()
    content = path.read_bytes()
    with pytest.raises(StateError) as caught:
        journal(path).append(entry(9))
    assert (caught.value.code, str(caught.value)) == (
        "journal-broken",
        f"{path}:3: the journal ends here, journal.jsonl.tail goes on to record 4: the rest was cut"
        " off",
    )
    assert path.read_bytes() == content


# -- under load --

WRITER = """
    import os, sys
    from pathlib import Path
    from tests.kit.fakes import Silent
    from tests.unit.record.books import entry, journal
    from token_catcher.errors import StateError

    log = Silent()
    book = journal(Path(sys.argv[1]), log)
    for uid in range(1, 151):
        recorded = entry(uid, mailbox=sys.argv[2])
        while True:
            # As the pipeline does: a mail whose record failed comes again.
            try:
                if book.last_for(recorded.mailbox, recorded.mail) is None:
                    book.append(recorded)
                break
            except StateError as error:
                print("again:", error.code, error)
    print(*[event for event, _ in log.events if event != "journal.narrowed"])
    """


def writer(path: Path, name: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(path), name],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return reaped(process)


def logrotate(path: Path, mode: str) -> None:
    """Debian's, on a configuration of its own."""
    settings = path.parent.with_name("logrotate.conf")
    settings.write_text(f"{path.parent}/*.jsonl {{\n size 1\n rotate 3\n {mode}\n}}\n")
    settings.chmod(0o600)
    status = path.parent.with_name("logrotate.status")
    program = command("logrotate", "sudo apt-get install logrotate")
    subprocess.run([program, "--force", "--state", status, settings], check=True)


def remove_then(way: Way) -> Way:
    """What logrotate does first: the one of the last time makes room."""

    def rotate(path: Path) -> Path:
        path.with_name(path.name + ".1").unlink(missing_ok=True)
        return way(path)

    return rotate


@pytest.mark.parametrize("way", [create, no_create, copy_and_truncate])
def test_rotation_under_load_loses_no_record(path: Path, way: Way) -> None:
    """Two processes write as fast as they can while a third rotates: one chain, and each record
    once."""
    journal(path).open()
    processes = [writer(path, name) for name in ("a", "b")]
    rotations = 0
    while any(process.poll() is None for process in processes):
        # Not before it was put back: logrotate waits a day.
        if path.exists() and path.stat().st_size > 1000 * (rotations + 1):
            remove_then(way)(path)
            rotations += 1
    outputs = [process.communicate(timeout=PATIENCE) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    book = journal(path)
    recorded = sorted((record.entry.mailbox, record.entry.uid) for record in book.records())
    assert recorded == [(name, uid) for name in ("a", "b") for uid in range(1, 151)]
    verification = verify(path)
    assert (verification.state, verification.records) == (State.INTACT, 300 + verification.repairs)
    assert rotations > 3
    assert verification.repairs >= rotations - 1


@pytest.mark.parametrize("mode", ["create 0644", "copytruncate", "nocreate", "compress\n create"])
def test_the_real_logrotate(path: Path, mode: str) -> None:
    """Its own rotation of `*.jsonl`, a writer beside it."""
    book = journal(path)
    for uid in range(1, 6):
        book.append(entry(uid))
        logrotate(path, mode)
    assert book.append(entry(9)).entry == entry(9)
    assert [record.entry.uid for record in book.records()] == [1, 2, 3, 4, 5, 9]
    assert verify(path).state is State.INTACT


# -- another owner --

NOBODY = 65534
AS_NOBODY = """
    import os, sys
    from pathlib import Path
    from tests.unit.record.books import entry, journal
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
    print(journal(Path(sys.argv[1])).append(entry(3)).seq)
    """
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root makes files of other owners")


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """Where the journal goes, in a directory that everybody may pass."""
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        yield Path(home) / "state" / "journal.jsonl"


def append_as_nobody(path: Path, of_root: Path) -> str:
    """All but one file belong to another user, who appends a record. What that printed."""
    for file in (path.parent, *path.parent.iterdir()):
        if file != of_root:
            os.chown(file, NOBODY, NOBODY)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(AS_NOBODY), str(path), str(NOBODY)],
        cwd=ROOT,
        env=unmeasured(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return done.stdout + done.stderr


@AS_ROOT
@pytest.mark.parametrize("mode", [0o644, 0o666])
def test_a_file_that_belongs_to_somebody_else_is_taken_over(open_to_all: Path, mode: int) -> None:
    """Root put a backup back with `cp`: readable is enough, since the chain proves the content."""
    path = open_to_all
    in_files(path, 2)
    path.chmod(mode)
    assert append_as_nobody(path, of_root=path) == "3\n"
    status = path.stat()
    assert (status.st_uid, status.st_mode & 0o777) == (NOBODY, 0o600)
    assert verify(path).state is State.INTACT


@AS_ROOT
def test_a_new_file_of_roots_is_no_obstacle(open_to_all: Path) -> None:
    """`create 0600 root root`: it is empty, and the rotated one is put back in its place."""
    path = open_to_all
    in_files(path, 2)
    create(path)
    path.chmod(0o600)
    assert append_as_nobody(path, of_root=path) == "4\n"
    assert (verify(path).state, verify(path).repairs) == (State.INTACT, 1)


@AS_ROOT
def test_a_file_that_cannot_be_read_is_told(open_to_all: Path) -> None:
    """The true cause, and nothing is touched."""
    path = open_to_all
    in_files(path, 2)
    path.chmod(0o600)
    content = path.read_bytes()
    problem = f"{path}: the journal cannot be used: Permission denied\n"
    assert append_as_nobody(path, of_root=path).endswith(f"StateError: {problem}")
    assert (path.read_bytes(), path.stat().st_uid) == (content, 0)
