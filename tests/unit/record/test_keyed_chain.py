"""The chain with a key: whoever has none changes nothing unseen, at whatever record of whatever
file; without a key the chain shows what it always showed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.kit.fakes import Silent
from tests.unit.record.books import entry, journal
from token_catcher.errors import StateError
from token_catcher.model import Secret
from token_catcher.record.archive import series
from token_catcher.record.chain import START, Head, sealed
from token_catcher.record.index import is_of_mail
from token_catcher.record.journal import Journal
from token_catcher.record.keyring import NO_KEYS, Keyring
from token_catcher.record.verification import State, Stretch, Verification, verify

KEY: Final = "k" * 32
OLD_KEY: Final = "o" * 32
KEYS: Final = Keyring.of(Secret(KEY))
OLD_KEYS: Final = Keyring.of(Secret(OLD_KEY))
ROTATED: Final = Keyring.of(Secret(f"{KEY}\n{OLD_KEY}"))
(KEY_ID,) = KEYS.ids
(OLD_ID,) = OLD_KEYS.ids


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal goes; the directory is not there yet."""
    return tmp_path / "state" / "journal.jsonl"


def written(path: Path, keys: Keyring, *uids: int) -> Journal:
    """These mails recorded by a process with these keys."""
    book = journal(path, keys=keys)
    for uid in uids:
        book.append(entry(uid))
    return book


def archived(path: Path, keys: Keyring = KEYS) -> None:
    """A journal of 10 records in three files: 3, 5 and 2 of them."""
    for uids in ((1, 2), (3, 4, 5)):
        written(path, keys, *uids).archive()
    written(path, keys, 6)


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def contents(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines_of(path)]


def set_head(path: Path, line: bytes) -> None:
    """As somebody does who writes the journal anew, and knows of its head."""
    last = json.loads(line)
    head = json.dumps({"seq": last["seq"], "hash": last["hash"]})
    path.with_name(path.name + ".head").write_text(head + "\n")


# -- what is written --


def test_a_keyed_record_names_its_key_and_has_its_mac(path: Path) -> None:
    """Beside what every record has, and under the same hash."""
    written(path, KEYS, 1)
    (line,) = lines_of(path)
    content = json.loads(line)
    assert content["key_id"] == KEY_ID
    current = KEYS.current
    assert current is not None
    body = line[: line.index(b',"mac":"')] + b"}"
    assert content["mac"] == current.mac(body).decode()
    assert verify(path).state == State.INTACT


def test_the_rule_of_the_mac_holds_with_other_tools(path: Path) -> None:
    """Line N, by the shell and openssl, has its mac; and by sha256sum its hash."""
    written(path, KEYS, 1, 2, 3)
    last = contents(path)[-1]
    plain = r"""sed -n 3p "$0" | sed -E 's/(,"mac":"[0-9a-f]{64}")?,"hash":"[0-9a-f]{64}"//'"""
    rule = f"""{plain} | tr -d '\\n' | openssl dgst -sha256 -hmac "$1" -r"""
    command = ["sh", "-c", rule, str(path), KEY]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == last["mac"]
    rule = r"""sed -n 3p "$0" | sed -E 's/,"hash":"[0-9a-f]{64}"//' | tr -d '\n' | sha256sum"""
    done = subprocess.run(["sh", "-c", rule, path], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == last["hash"]


def test_who_has_no_key_reads_the_records_all_the_same(path: Path) -> None:
    """They are the same records; a key is for who writes and who proves."""
    archived(path)
    book = journal(path, writing=False)
    assert [record.entry.uid for record in book.records()] == [1, 2, 3, 4, 5, 6]


def test_the_first_use_with_a_key_seals_what_is_there(path: Path) -> None:
    """A record says so, and its mac is over the hash of the one before; it is written once."""
    written(path, NO_KEYS, 1, 2)
    log = Silent()
    journal(path, log, keys=KEYS).open()
    journal(path, log, keys=KEYS).open()
    assert [content["event"] for content in contents(path)][2:] == ["journal.keyed"]
    assert [event for event, _fields in log.events] == ["journal.keyed"]
    assert verify(path, keys=KEYS).stretches == (
        Stretch(1, 2, None, False),
        Stretch(3, 3, KEY_ID, True),
    )


def test_an_empty_journal_needs_no_record_of_its_key(path: Path) -> None:
    """Its first record is keyed."""
    journal(path, keys=KEYS).open()
    assert lines_of(path) == []
    written(path, KEYS, 1)
    assert [content["event"] for content in contents(path)] == ["rotation.stored"]


def test_closed_files_carry_the_key_on(path: Path) -> None:
    """Every record of every file has it, those of the journal itself as well."""
    archived(path)
    everything = [content for file in series(path) for content in contents(file)]
    assert [content["key_id"] for content in everything] == [KEY_ID] * 10
    assert verify(path, keys=KEYS).stretches == (Stretch(1, 10, KEY_ID, True),)


def test_old_keys_verify_old_records(path: Path) -> None:
    """The new key on the first line, the old one below: both stretches are checked."""
    written(path, OLD_KEYS, 1, 2)
    written(path, ROTATED, 3)
    assert [content["event"] for content in contents(path)][2] == "journal.keyed"
    verification = verify(path, keys=ROTATED)
    assert verification.state == State.INTACT
    assert verification.stretches == (
        Stretch(1, 2, OLD_ID, True),
        Stretch(3, 4, KEY_ID, True),
    )


def test_a_put_back_journal_is_keyed_on(path: Path) -> None:
    """The note on what was done to the file has the key as well."""
    written(path, KEYS, 1, 2)
    path.rename(path.with_name("journal.jsonl.1"))
    written(path, KEYS, 3)
    assert [content["event"] for content in contents(path)][2] == "journal.put_back"
    assert verify(path, keys=KEYS).stretches == (Stretch(1, 4, KEY_ID, True),)


def test_what_others_wrote_without_the_key_is_not_continued(path: Path) -> None:
    """A record that names our key, and has another mac, stops the journal as an edited one does."""
    written(path, KEYS, 1)
    book = journal(path, keys=KEYS)
    book.open()
    last = contents(path)[-1]
    forged = {**last, "uid": 99, "key_id": KEY_ID, "mac": "0" * 64}
    del forged["hash"]
    with path.open("ab") as file:
        file.write(sealed(forged, Head(1, last["hash"])))
    with pytest.raises(StateError) as stopped:
        book.append(entry(2))
    assert stopped.value.code == "journal-broken"
    assert str(stopped.value) == (
        f"{path}:2: the line names the key {KEY_ID}, and was written without it: its mac is not"
        " that key's"
    )


# -- what verify finds --


def flipped(lines: list[bytes], at: int) -> None:
    """One letter of the record is another."""
    lines[at] = lines[at].replace(b'"seq":', b'"Seq":')


def deleted(lines: list[bytes], at: int) -> None:
    """The record is gone."""
    del lines[at]


def reordered(lines: list[bytes], at: int) -> None:
    """The record stands after the next one, the last one before the one above."""
    other = at + 1
    if other == len(lines):
        other = at - 1
    lines[at], lines[other] = lines[other], lines[at]


def duplicated(lines: list[bytes], at: int) -> None:
    """The record is there twice."""
    lines.insert(at, lines[at])


def truncated(lines: list[bytes], at: int) -> None:
    """The record and all behind it in its file are gone."""
    del lines[at:]


def halved(lines: list[bytes], at: int) -> None:
    """The file ends in the middle of the record."""
    del lines[at + 1 :]
    lines[at] = lines[at][: len(lines[at]) // 2]


CHANGES: Final = (flipped, deleted, reordered, duplicated, truncated, halved)
PLACES: Final = [(position, at) for position, size in enumerate((3, 5, 2)) for at in range(size)]


@pytest.mark.parametrize("keys", [KEYS, NO_KEYS], ids=["keyed", "plain"])
@pytest.mark.parametrize("change", CHANGES)
def test_every_change_shows_at_every_record_of_every_file(
    path: Path, change: Callable[[list[bytes], int], None], keys: Keyring
) -> None:
    """With a key or without one: the file and the line are right, or the loss is told."""
    archived(path, keys)
    for position, at in PLACES:
        file = series(path)[position]
        before = file.read_bytes()
        lines = before.splitlines(keepends=True)
        change(lines, at)
        file.write_bytes(b"".join(lines))
        verification = verify(path, keys=keys)
        file.write_bytes(before)
        assert verification.state in (State.BROKEN, State.TRUNCATED), (position, at)
        assert (verification.file or path) == file, (position, at)
    assert verify(path, keys=keys).state == State.INTACT


def test_the_records_that_were_cut_off_are_counted(path: Path) -> None:
    """By the head file, however many of the last file are missing."""
    written(path, KEYS, 1, 2, 3, 4)
    lines = lines_of(path)
    for left in range(4):
        path.write_bytes(b"".join(lines[:left]))
        verification = verify(path, keys=KEYS)
        assert (verification.state, verification.missing) == (State.TRUNCATED, 4 - left)


def rebuilt(
    path: Path, first: int, keys: Keyring, change: Callable[[dict[str, Any]], None]
) -> None:
    """Write all records from this one on anew, heads and names of files included, as somebody can
    who has no key, or another one."""
    head = START
    for file in series(path):
        lines = []
        for line in lines_of(file):
            content = json.loads(line)
            if content["seq"] >= first:
                change(content)
                named = {"seq", "prev", "hash"}
                bare = {name: value for name, value in content.items() if name not in named}
                line = sealed(bare, head, keys.current)
            lines.append(line)
            made = json.loads(line)
            head = Head(made["seq"], made["hash"])
        file.write_bytes(b"".join(lines))
        file.with_name(file.name + ".index").unlink(missing_ok=True)
    set_head(path, lines[-1])


def keeping_the_mac(content: dict[str, Any]) -> None:
    """The forger changes a user, and leaves the rest as it stands."""
    if is_of_mail(content):
        content["username"] = "somebody@else.example"


def dropping_the_key(content: dict[str, Any]) -> None:
    """The forger takes every trace of the key away."""
    keeping_the_mac(content)
    content.pop("mac", None)
    content.pop("key_id", None)


@pytest.mark.parametrize("first", range(1, 11))
@pytest.mark.parametrize(
    ("keys", "change"),
    [
        (NO_KEYS, keeping_the_mac),
        (NO_KEYS, dropping_the_key),
        (OLD_KEYS, dropping_the_key),
    ],
    ids=["old macs", "no keys", "a key of their own"],
)
def test_a_rebuilt_chain_shows_to_who_has_the_key(
    path: Path, first: int, keys: Keyring, change: Callable[[dict[str, Any]], None]
) -> None:
    """From whatever record on it was written anew; without the key it looks whole."""
    archived(path)
    rebuilt(path, first, keys, change)
    assert verify(path).state == State.INTACT
    verification = verify(path, keys=KEYS)
    if first == 1 and keys is NO_KEYS and change is dropping_the_key:
        # Nothing of a key is left: it may have been set just now.
        assert (verification.state, verification.records) == (State.UNPROVEN, 10)
        return
    assert (verification.state, verification.records) == (State.BROKEN, first - 1)
    assert (verification.head.seq, verification.line is None) == (first - 1, False)


def problem_of(path: Path, keys: Keyring) -> tuple[State, int | None, str | None]:
    verification: Verification = verify(path, keys=keys)
    return verification.state, verification.line, verification.problem


def test_records_without_a_key_behind_keyed_ones_are_a_finding(path: Path) -> None:
    """While a key is set. Without one, it is told which stretch names which key."""
    written(path, KEYS, 1)
    written(path, NO_KEYS, 2)
    written(path, KEYS, 3)
    assert problem_of(path, KEYS) == (
        State.BROKEN,
        2,
        "the line was written without a key, and the one above with one: by somebody who has none,"
        " or while journal.key was off",
    )
    verification = verify(path)
    assert verification.state == State.INTACT
    assert verification.stretches == (
        Stretch(1, 1, KEY_ID, False),
        Stretch(2, 2, None, False),
        Stretch(3, 4, KEY_ID, False),
    )


def test_a_key_that_is_not_here_is_asked_for(path: Path) -> None:
    """Whoever has the new key alone cannot tell the old records from forged ones."""
    written(path, OLD_KEYS, 1)
    written(path, ROTATED, 2)
    assert problem_of(path, KEYS) == (
        State.BROKEN,
        1,
        f"got a record of the key '{OLD_ID}', expected {KEY_ID}: an old key goes on a further line"
        " of journal.key",
    )


def test_a_journal_without_any_key_is_not_proven_where_one_is_set(path: Path) -> None:
    """Until the next start with the key, or since somebody wrote it anew."""
    written(path, NO_KEYS, 1, 2)
    state, line, problem = problem_of(path, KEYS)
    assert (state, line) == (State.UNPROVEN, None)
    assert problem == (
        "records 1 to 2 are whole and in order, and none was written with a key though journal.key"
        " is set: the next start of the daemon keys them, unless somebody has written all of them"
        " anew"
    )


def test_a_journal_that_changes_its_key_at_every_record_costs_no_memory(path: Path) -> None:
    """The first hundred stretches are told."""
    head = START
    lines = []
    path.parent.mkdir()
    for number in range(250):
        content = {"at": "2026-02-03T12:57:28Z", "event": "x", "key_id": f"{number}"}
        lines.append(sealed(content, head))
        head = Head(number + 1, json.loads(lines[-1])["hash"])
    path.write_bytes(b"".join(lines))
    set_head(path, lines[-1])
    verification = verify(path)
    assert (verification.state, verification.records) == (State.INTACT, 250)
    stretches: Sequence[Stretch] = verification.stretches
    assert [stretch.key_id for stretch in stretches] == [f"{number}" for number in range(100)]
