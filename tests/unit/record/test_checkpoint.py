"""The checkpoint on real files:
what it remembers, when it begins anew, who holds it, and what a full disk does to it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.processes import reaped
from tests.kit.scale import times
from tests.kit.waiting import PATIENCE
from token_catcher.errors import StateError, TransientError
from token_catcher.model import MailRef
from token_catcher.record.checkpoint import Checkpoint, file_name
from token_catcher.record.progress import (
    FIRST_PAUSE,
    LONGEST_ABSENCE,
    LONGEST_PAUSE,
    LONGEST_REQUEST,
    MOST_CARRIED,
    MOST_KNOWN,
    SHORTEST_PAUSE,
    FolderProgress,
    FollowUp,
    Pending,
)
from token_catcher.record.sweeplock import STOPPED_AFTER

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 2, 3, 12, 57, 28, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the checkpoints go; the directory is not there yet."""
    return tmp_path / "state" / "checkpoints"


def file_of(home: Path) -> Path:
    return home / "integrations.json"


def written(home: Path) -> bytes:
    """A checkpoint with one folder, known through UID 9, and UID 7 pending."""
    with Checkpoint.hold(home, "integrations") as checkpoint:
        progress = checkpoint.folder("INBOX", 5, 10, NOW)
        progress.postpone(7, "dns", NOW, Random(1), 30)
        progress.advance(9)
        checkpoint.save()
    return file_of(home).read_bytes()


# -- what it remembers --


def test_it_is_one_private_file_a_mailbox(home: Path) -> None:
    """Readable, and nobody else's."""
    assert json.loads(written(home)) == {
        "mailbox": "integrations",
        "folders": {
            "INBOX": {
                "uidvalidity": 5,
                "settled_through": 9,
                "pending": {
                    "7": {
                        "attempts": 1,
                        "next_try": "2026-02-03T12:57:58Z",
                        "code": "dns",
                        "since": "2026-02-03T12:57:28Z",
                    }
                },
                "looked_back_to": "2026-02-03T12:57:28Z",
                "uidnext": None,
                "exists": None,
                "is_partial": False,
                "is_uidnext_sure": False,
                "last_uid": 0,
                "last_key": "",
                "newest_ours": "",
                "looked_below_at": None,
            }
        },
    }
    assert [oct(path.stat().st_mode & 0o777) for path in (home, file_of(home))] == [
        "0o700",
        "0o600",
    ]
    assert sorted(path.name for path in home.iterdir()) == [
        "integrations.json",
        "integrations.lock",
    ]


def test_the_next_sweep_goes_on_where_the_last_one_ended(home: Path) -> None:
    """With the same pending mails, and without a note."""
    written(home)
    with Checkpoint.hold(home, "integrations") as checkpoint:
        assert checkpoint.folder("INBOX", 5, 10, NOW) == FolderProgress(
            5, 9, {7: Pending(1, NOW + timedelta(seconds=30), "dns", since=NOW)}, looked_back_to=NOW
        )
        assert checkpoint.notes == ()


def test_what_was_not_saved_is_not_remembered(home: Path) -> None:
    """A crash in a batch costs that batch, which the pipeline recognises."""
    before = written(home)
    with Checkpoint.hold(home, "integrations") as checkpoint:
        checkpoint.folder("INBOX", 5, 10, NOW).settle(7)
    assert file_of(home).read_bytes() == before


def test_what_has_not_changed_is_not_written_again(home: Path) -> None:
    """An idle daemon does not wear the disk."""
    with Checkpoint.hold(home, "integrations") as checkpoint:
        checkpoint.folder("INBOX", 5, 10, NOW).advance(9)
        checkpoint.save()
        first = file_of(home).stat().st_ino
        checkpoint.save()
        assert file_of(home).stat().st_ino == first
        checkpoint.folder("INBOX", 5, 20, NOW).advance(19)
        checkpoint.save()
        second = file_of(home).stat().st_ino
        assert second != first
    with Checkpoint.hold(home, "integrations") as checkpoint:
        checkpoint.folder("INBOX", 5, 20, NOW)
        checkpoint.save()
        assert file_of(home).stat().st_ino == second


def test_folders_are_told_apart(home: Path) -> None:
    """Each with its own UIDs; a name may be anything."""
    with Checkpoint.hold(home, "integrations") as checkpoint:
        for number, name in enumerate(("INBOX", "迷惑メール", "a\udc80", "")):
            checkpoint.folder(name, 5, None, NOW).advance(number)
        checkpoint.save()
    with Checkpoint.hold(home, "integrations") as checkpoint:
        assert [
            checkpoint.folder(name, 5, None, NOW).settled_through
            for name in ("INBOX", "迷惑メール", "a\udc80", "")
        ] == [
            0,
            1,
            2,
            3,
        ]


# -- when it begins anew --


def begins_anew(home: Path) -> tuple[str, ...]:
    """The notes of a sweep that finds nothing it can use;
    what it saves then is a good checkpoint again."""
    with Checkpoint.hold(home, "integrations") as checkpoint:
        assert checkpoint.folder("INBOX", 5, 10, NOW) == FolderProgress(5, looked_back_to=NOW)
        checkpoint.save()
        notes = checkpoint.notes
    with Checkpoint.hold(home, "integrations") as checkpoint:
        assert checkpoint.notes == ()
    return notes


def note(home: Path, why: str) -> tuple[str, ...]:
    return (f"{file_of(home)}: {why}; the whole look-back window is looked at",)


def test_a_missing_file_begins_anew(home: Path) -> None:
    """The first sweep, or a lost state directory."""
    assert begins_anew(home) == note(home, "there is no checkpoint yet")


GOOD = {"uidvalidity": 5, "settled_through": 9, "pending": {}}
PENDING = {"attempts": 1, "next_try": "2026-02-03T12:57:58Z", "code": "dns"}


def folder(**changes: Any) -> bytes:
    return json.dumps(
        {"mailbox": "integrations", "folders": {"INBOX": {**GOOD, **changes}}}
    ).encode()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no sweep wrote this"),
        (b'{"mailbox": "integr', "no sweep wrote this"),
        (b"\xff\xfe", "no sweep wrote this"),
        (b"[" * 60_000, "no sweep wrote this"),
        (b"[]", "it is not of this mailbox"),
        (b'{"mailbox": "other", "folders": {}}', "it is not of this mailbox"),
        (b'{"mailbox": "integrations"}', "an object is missing"),
        (b'{"mailbox": "integrations", "folders": {"INBOX": 5}}', "an object is missing"),
        (folder(pending=[]), "an object is missing"),
        (folder(settled_through="9"), "a number is missing or out of range"),
        (folder(settled_through=True), "a number is missing or out of range"),
        (folder(settled_through=-1), "a number is missing or out of range"),
        (folder(settled_through=2**32), "a number is missing or out of range"),
        (folder(uidvalidity=None), "a number is missing or out of range"),
        (folder(uidvalidity=-1), "a number is missing or out of range"),
        (folder(pending={"seven": PENDING}), "no sweep wrote this"),
        (
            folder(pending={"7": {**PENDING, "attempts": 1.5}}),
            "a number is missing or out of range",
        ),
        (folder(pending={"7": {**PENDING, "next_try": "soon"}}), "no sweep wrote this"),
        (
            folder(pending={"7": {**PENDING, "next_try": "2026-02-03T12:57:58"}}),
            "no sweep wrote this",
        ),
        (
            folder(pending={"7": {**PENDING, "next_try": "9999-12-31T23:59:59-14:00"}}),
            "no sweep wrote this",
        ),
        (
            folder(pending={"7": {**PENDING, "code": None}}),
            "a pending mail lacks its time or its code",
        ),
        (folder(carried=[]), "an object is missing"),
        (folder(follow_ups=[]), "an object is missing"),
        (folder(follow_ups={"7": {"attempts": 0}}), "a text is missing"),
        (folder(follow_ups={"7": {"digest": "d"}}), "a number is missing or out of range"),
        (
            folder(follow_ups={"7": {"digest": "d", "attempts": 1, "next_try": "soon"}}),
            "no sweep wrote this",
        ),
        (folder(known={}), "a list is missing"),
        (folder(known=[7]), "a text is missing"),
        (folder(last_key=7), "a text is missing"),
        (folder(looked_back_to="then"), "no sweep wrote this"),
        (folder(exists="all"), "a number is missing or out of range"),
    ],
)
def test_a_broken_file_begins_anew(home: Path, content: bytes, why: str) -> None:
    """Whatever stands in it, nothing raises, and no text of it is told."""
    written(home)
    file_of(home).write_bytes(content)
    assert begins_anew(home) == note(home, f"the checkpoint is broken: {why}")


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_begins_anew(home: Path, mode: int) -> None:
    """It could claim that mail is settled which nobody has looked at."""
    written(home)
    file_of(home).chmod(mode)
    assert begins_anew(home) == note(
        home,
        f"the checkpoint is broken: got mode 0{mode:o},"
        " expected 0600: others could have written it",
    )
    assert file_of(home).stat().st_mode & 0o777 == 0o600


def test_a_symbolic_link_begins_anew_and_is_replaced(home: Path, tmp_path: Path) -> None:
    """What it points at is neither read nor written."""
    content = written(home)
    target = file_of(home).rename(tmp_path / "elsewhere")
    file_of(home).symlink_to(target)
    assert begins_anew(home) == note(home, "the checkpoint cannot be read: it is a symbolic link")
    assert (file_of(home).is_symlink(), target.read_bytes()) == (False, content)


def test_a_leftover_of_a_crash_is_in_nobodys_way(home: Path) -> None:
    """A sweep that died while it wrote left a half file beside the whole one."""
    written(home)
    (home / "integrations.json.new").write_bytes(b"half")
    with Checkpoint.hold(home, "integrations") as checkpoint:
        assert checkpoint.notes == ()
        checkpoint.folder("INBOX", 5, 20, NOW).advance(19)
        checkpoint.save()
    assert json.loads(file_of(home).read_bytes())["folders"]["INBOX"]["settled_through"] == 19
    assert not (home / "integrations.json.new").exists()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory for all examples of a property."""
    return tmp_path_factory.mktemp("checkpoints")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["uidvalidity", "settled_through", "pending", "7", "attempts", "next_try"]
            ),
            inner,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=times(150))
@given(
    content=st.binary(max_size=200)
    | JSON_VALUES.map(lambda value: folder(pending=value))
    | JSON_VALUES.map(json.dumps)
)
def test_no_file_raises(scratch: Path, content: bytes | str) -> None:
    """Any bytes, any JSON: a progress comes out that can be used and saved."""
    file_of(scratch).write_bytes(content if isinstance(content, bytes) else content.encode())
    with Checkpoint.hold(scratch, "integrations") as checkpoint:
        checkpoint.folder("INBOX", 5, 10, NOW).settle(10)
        checkpoint.save()


def test_a_new_uidvalidity_begins_the_folder_anew(home: Path) -> None:
    """With a note; other folders keep what they know."""
    with Checkpoint.hold(home, "integrations") as checkpoint:
        checkpoint.folder("INBOX", 5, 10, NOW).settle(9)
        checkpoint.folder("Junk", 5, 10, NOW).settle(9)
        note = "got UIDVALIDITY 6, expected 5: the folder was made anew"
        assert checkpoint.folder("INBOX", 6, 10, NOW) == FolderProgress(
            6, looked_back_to=NOW, renumbered=1, notes=(note,)
        )
        assert checkpoint.folder("Junk", 5, 10, NOW) == FolderProgress(5, 9, looked_back_to=NOW)


@pytest.mark.parametrize(
    ("uidnext", "kept"),
    [(1, False), (9, False), (10, True), (11, True), (None, True)],
    ids=lambda value: str(value),
)
def test_a_uidnext_that_went_down_begins_the_folder_anew(
    home: Path, uidnext: int | None, kept: bool
) -> None:
    """UIDs that were settled will be given out once more.

    A server that does not say is believed."""
    with Checkpoint.hold(home, "integrations") as checkpoint:
        checkpoint.folder("INBOX", 5, 10, NOW).settle(9)
        note = f"got UIDNEXT {uidnext}, expected more than 9: the folder was set back"
        expected = FolderProgress(5, 9, looked_back_to=NOW)
        if not kept:
            expected = FolderProgress(5, looked_back_to=NOW, renumbered=1, notes=(note,))
        assert checkpoint.folder("INBOX", 5, uidnext, NOW) == expected


# -- a folder that is numbered anew --


def test_a_file_of_the_version_before_is_read(home: Path) -> None:
    """Whatever it does not have was not noted; what is not known is not minded."""
    home.mkdir(parents=True, mode=0o700)
    file_of(home).write_bytes(folder(pending={"7": PENDING}, later="whatever"))
    file_of(home).chmod(0o600)
    with Checkpoint.hold(home, "integrations") as checkpoint:
        progress = checkpoint.folder("INBOX", 5, 10, NOW)
        assert checkpoint.notes == ()
        assert (progress.settled_through, progress.is_new) == (9, False)
        assert progress.pending == {7: Pending(1, NOW + timedelta(seconds=30), "dns")}
        assert not progress.has_nothing_new(10, 3), "nobody counted the mails"


def test_a_mail_is_looked_at_again_where_its_number_means_something(home: Path) -> None:
    """Under the UIDVALIDITY that is known; one that waits goes on waiting for its own next try."""
    with Checkpoint.hold(home, "integrations") as checkpoint:
        progress = checkpoint.folder("INBOX", 5, 10, NOW)
        waiting = progress.postpone(7, "dns", NOW, Random(1), 30)
        refs = [
            MailRef("integrations", folder, uidvalidity, uid)
            for folder, uidvalidity, uid in [
                ("INBOX", 5, 3),
                ("INBOX", 5, 7),
                ("INBOX", 6, 4),
                ("Junk", 5, 5),
            ]
        ]
        assert [checkpoint.unsettle(ref, NOW) for ref in refs] == [True, True, False, False]
        assert progress.pending == {3: Pending(0, NOW, "again", since=NOW), 7: waiting}


@pytest.mark.parametrize("spans", ["5", "a:b", "1:600", "0:-1", 7, "1:2:3", "1:99999999999"])
def test_a_set_of_mails_that_no_sweep_wrote_begins_anew(home: Path, spans: object) -> None:
    """Whatever stands there; it is never unrolled beyond what a sweep would write."""
    home.mkdir(parents=True, mode=0o700)
    file_of(home).write_bytes(folder(newest_ours=spans))
    file_of(home).chmod(0o600)
    with Checkpoint.hold(home, "integrations") as checkpoint:
        assert "the checkpoint is broken" in checkpoint.notes[0]


def test_everything_is_read_as_it_was_saved(home: Path) -> None:
    """What is carried over, and what is known, as well."""
    waiting = Pending(3, NOW, "vault-sealed", "d1")
    with Checkpoint.hold(home, "integrations") as checkpoint:
        checkpoint.folder("INBOX", 5, 10, NOW).pending[7] = waiting
        saved = checkpoint.folder("INBOX", 6, 10, NOW)
        saved.remember("k1")
        saved.looked(10, 3)
        saved.saw_last(9, "k2")
        saved.saw_ours([4, 5, 6, 9])
        saved.looked_below_at = NOW
        checkpoint.save()
    saved.notes = ()
    with Checkpoint.hold(home, "integrations") as checkpoint:
        assert checkpoint.folder("INBOX", 6, 10, NOW) == saved
        assert (saved.carried, saved.known) == ({"d1": waiting}, {"k1": None})


def test_what_waits_goes_on_waiting_under_its_new_number(home: Path) -> None:
    """With its attempts and its next try; a mail whose digest is not known begins anew."""
    with Checkpoint.hold(home, "integrations") as checkpoint:
        before = checkpoint.folder("INBOX", 5, 10, NOW)
        waiting = before.postpone(7, "dns", NOW, Random(1), 30, "d1")
        before.postpone(8, "imap-no-body", NOW, Random(1), 30)
        after = checkpoint.folder("INBOX", 6, 10, NOW)
        assert after.pending == {}
        after.adopt(2, "d1")
        after.adopt(3, "d2")
        assert (after.pending, after.carried) == ({2: waiting}, {})


def test_what_is_carried_over_is_bounded(home: Path) -> None:
    """The newest are kept, and keys of settled mail as well."""
    with Checkpoint.hold(home, "integrations") as checkpoint:
        before = checkpoint.folder("INBOX", 5, 10, NOW)
        for uid in range(1, MOST_CARRIED + 11):
            before.pending[uid] = Pending(1, NOW, "dns", f"d{uid}")
        after = checkpoint.folder("INBOX", 6, 10, NOW)
        for number in range(MOST_KNOWN + 10):
            after.remember(f"k{number}")
    assert (len(after.carried), len(after.known)) == (MOST_CARRIED, MOST_KNOWN)
    assert f"d{MOST_CARRIED + 10}" in after.carried
    assert f"k{MOST_KNOWN + 9}" in after.known


def test_keys_are_kept_only_where_numbers_change(home: Path) -> None:
    """Elsewhere a UID is enough."""
    progress = FolderProgress(5)
    progress.remember("k1")
    assert progress.known == {}


def test_new_mail_under_numbers_that_stay_ends_the_row(home: Path) -> None:
    """One restored backup is not the habit of a server."""
    with Checkpoint.hold(home, "integrations") as checkpoint:
        checkpoint.folder("INBOX", 5, 10, NOW)
        assert not checkpoint.wavers("INBOX", 6)
        progress = checkpoint.folder("INBOX", 6, 10, NOW)
        assert checkpoint.wavers("INBOX", 7)
        progress.saw_last(9, "k1")
        assert progress.renumbered == 1
        progress.saw_last(10, "k2")
        assert progress.renumbered == 0
        assert not checkpoint.wavers("INBOX", 7)


@pytest.mark.parametrize(("earlier", "anew"), [(23, False), (25, True)])
def test_a_look_back_that_begins_earlier_begins_anew(home: Path, earlier: int, anew: bool) -> None:
    """Our clock was ahead at the first look, or `lookback` has grown. A day does not matter."""
    with Checkpoint.hold(home, "integrations") as checkpoint:
        checkpoint.folder("INBOX", 5, 10, NOW).settle(9)
        begin = NOW - timedelta(hours=earlier)
        progress = checkpoint.folder("INBOX", 5, 10, begin)
    assert (progress.settled_through == 0, progress.notes != ()) == (anew, anew)
    assert (progress.looked_back_to, progress.renumbered) == ((begin if anew else NOW), 0)


@pytest.mark.parametrize(
    ("uidnext", "exists", "nothing"),
    [
        (10, 3, True),
        (10, 2, True),
        (10, 4, False),
        (11, 3, False),
        (None, 3, False),
        (None, 0, True),
    ],
)
def test_nothing_is_new_where_neither_number_has_grown(
    uidnext: int | None, exists: int, nothing: bool
) -> None:
    """UIDNEXT and the count; an empty folder has nothing whatever it says."""
    progress = FolderProgress(5, 9)
    progress.looked(10, 3)
    assert progress.has_nothing_new(uidnext, exists) is nothing


def test_after_a_look_in_part_the_next_one_asks() -> None:
    """Whatever EXAMINE says; a folder that nothing is known of stays one."""
    progress = FolderProgress(5, 9)
    progress.looked(10, 3)
    progress.looked_in_part(2)
    assert not progress.has_nothing_new(10, 2)
    progress.looked(10, 3)
    assert progress.has_nothing_new(10, 3)
    progress = FolderProgress(5)
    progress.looked_in_part(0)
    assert progress.is_new


def test_a_uidnext_that_runs_ahead_is_believed_at_the_second_time() -> None:
    """The mail behind it may not be seen yet."""
    progress = FolderProgress(5, 9)
    progress.looked(15, 3)
    assert not progress.has_nothing_new(15, 3)
    progress.looked(15, 3)
    assert progress.has_nothing_new(15, 3)
    assert not progress.has_nothing_new(16, 3)


def test_nothing_is_settled_for_good_above_a_hole() -> None:
    """What may be missing there is asked for again."""
    progress = FolderProgress(5, 3, whole_through=6)
    for uid in (5, 8, 9):
        progress.settle(uid)
    assert progress.settled_through == 6


# -- settled and pending --


def test_a_pending_mail_holds_up_nobody(home: Path) -> None:
    """Those behind it settle; it stays known below them until it has its end."""
    progress = FolderProgress(5)
    progress.settle(3)
    progress.postpone(4, "dns", NOW, Random(1))
    progress.settle(6)
    assert (progress.settled_through, [uid for uid in range(9) if progress.is_pending(uid)]) == (
        6,
        [4],
    )
    progress.settle(4)
    assert progress == FolderProgress(5, 6)


def test_a_settled_mail_can_be_made_pending_again(home: Path) -> None:
    """It is due at once, has no failed try, and nothing else moves."""
    progress = FolderProgress(5, 9)
    progress.unsettle(4, NOW)
    assert progress == FolderProgress(5, 9, {4: Pending(0, NOW, "again", since=NOW)})
    assert progress.due(NOW) == [4]


# -- settled, and to be followed up --


def test_what_is_to_be_followed_up_is_kept(home: Path) -> None:
    """By folder and UID, with its digest, its tries, and what it is known by elsewhere."""
    owed = {
        3: FollowUp("sha256:3"),
        4: FollowUp("sha256:4", 2, NOW + timedelta(minutes=2), "key"),
    }
    with Checkpoint.hold(home, "integrations") as checkpoint:
        checkpoint.folder("INBOX", 5, 10, NOW).follow_ups.update(owed)
        checkpoint.folder("Junk", 5, 10, NOW).settle(9)
        checkpoint.save()
    with Checkpoint.hold(home, "integrations") as checkpoint:
        found = [
            (name, progress.follow_ups)
            for name, progress in checkpoint.followed(["Junk", "INBOX", "Elsewhere"])
        ]
        assert (found, checkpoint.unapplied) == ([("INBOX", owed)], 1)


@pytest.mark.parametrize("step", ["pending", "settled otherwise"])
def test_a_mail_is_followed_up_only_as_it_ended_last(step: str) -> None:
    """One that is pending again is left alone; one that ends otherwise then is as any other."""
    progress = FolderProgress(5)
    progress.settle(3, "sha256:3")
    assert progress.follow_ups_due(NOW) == [3]
    progress.unsettle(3, NOW)
    if step == "settled otherwise":
        progress.settle(3)
        assert progress.follow_ups == {}
    assert progress.follow_ups_due(NOW) == []


def test_a_mail_that_is_followed_up_is_known_again_only_afterwards() -> None:
    """In a folder that is numbered anew: until then, it is looked at under its next number."""
    progress = FolderProgress(5, renumbered=1)
    progress.settle(3, "sha256:3")
    progress.recognise(3, "key")
    assert list(progress.known) == []
    progress.followed_up(3)
    assert (list(progress.known), progress.follow_ups) == (["key"], {})


@given(
    steps=st.lists(
        st.tuples(
            st.integers(1, 9),
            st.sampled_from(["settle", "postpone", "advance"]),
            st.none() | st.integers(0, 30),
        ),
        max_size=20,
    )
)
def test_every_uid_below_is_settled_or_pending(steps: list[tuple[int, str, int | None]]) -> None:
    """Whatever ascending sweeps and second tries do:
    no UID is forgotten, and none is reached before its turn."""
    progress = FolderProgress(5)
    uid = 0
    open_ones = set()
    for gap, step, second in steps:
        uid += gap
        if step == "settle":
            progress.settle(uid)
        elif step == "postpone":
            progress.postpone(uid, "dns", NOW, Random(1))
            open_ones.add(uid)
        else:
            progress.advance(uid)
        assert progress.settled_through == uid
        if second in open_ones:
            progress.settle(second)
            open_ones.remove(second)
        assert set(progress.pending) == open_ones


# -- back-off --


class Dice(Random):
    """Falls on one end of every range, and remembers the ranges."""

    def __init__(self, *, high: bool) -> None:
        super().__init__(0)
        self.high = high
        self.ranges: list[tuple[float, float]] = []

    def uniform(self, a: float, b: float) -> float:
        self.ranges.append((a, b))
        return b if self.high else a


def test_the_pause_doubles_up_to_a_bound() -> None:
    """With full jitter: anything between a second and the ceiling."""
    progress = FolderProgress(5)
    dice = Dice(high=True)
    pauses = [
        (progress.postpone(4, "dns", NOW, dice).next_try - NOW).total_seconds() for _ in range(40)
    ]
    assert pauses[:8] == [FIRST_PAUSE, 10, 20, 40, 80, 160, LONGEST_PAUSE, LONGEST_PAUSE]
    assert set(pauses[8:]) == {LONGEST_PAUSE}
    assert {low for low, _ in dice.ranges} == {SHORTEST_PAUSE}
    assert progress.pending[4].attempts == 40


def test_without_a_key_it_grows_to_an_hour() -> None:
    """A mail that anybody made up costs little. Beyond that a clock was set back."""
    progress = FolderProgress(5)
    dice = Dice(high=True)
    pauses = [
        (progress.postpone(4, "dns-no-key", NOW, dice).next_try - NOW).total_seconds()
        for _ in range(12)
    ]
    assert pauses[5:] == [160, 320, 640, 1280, 2560, LONGEST_ABSENCE, LONGEST_ABSENCE]
    assert [progress.pending[4].is_due(NOW - timedelta(seconds=ahead)) for ahead in (0, 1)] == [
        False,
        True,
    ]


def test_a_mail_that_was_not_asked_for_was_not_tried() -> None:
    """It keeps its turn and its pauses: no attempt is counted, before the first or later."""
    progress = FolderProgress(5)
    waiting = progress.postpone(4, "dns-not-asked", NOW, Random(1), 45)
    assert waiting == Pending(0, NOW + timedelta(seconds=45), "dns-not-asked", since=NOW)
    progress.postpone(4, "dns-no-key", NOW, Random(1))
    assert progress.postpone(4, "dns-not-asked", NOW, Random(1), 45).attempts == 1


def test_a_mail_may_fail_for_years() -> None:
    """The number of tries is no reason to fail."""
    progress = FolderProgress(5, 4, {4: Pending(100_000, NOW, "dns")})
    assert progress.postpone(4, "dns", NOW, Dice(high=True)).next_try == NOW + timedelta(
        seconds=LONGEST_PAUSE
    )


def test_no_mail_spins() -> None:
    """Whatever the dice say, a second passes."""
    assert FolderProgress(5).postpone(4, "dns", NOW, Dice(high=False)).next_try == NOW + timedelta(
        seconds=SHORTEST_PAUSE
    )


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (30.0, 30.0),
        (299.91, 299.91),
        (0.0, 0.0),
        (-5.0, 0.0),
        (1e9, LONGEST_REQUEST),
        (float("nan"), LONGEST_REQUEST),
    ],
)
def test_a_pause_that_was_asked_for_is_kept(asked: float, granted: float) -> None:
    """Within five minutes: nobody can put a mail off for ever. The attempts still count."""
    progress = FolderProgress(5)
    progress.postpone(4, "dns", NOW, Random(1))
    assert progress.postpone(4, "vault-busy", NOW, Random(1), asked) == Pending(
        2, NOW + timedelta(seconds=granted), "vault-busy", since=NOW
    )


def test_a_mail_is_pending_since_its_first_try() -> None:
    """Whatever it met later, and under whatever number; until it is settled."""
    progress = FolderProgress(5)
    assert progress.pending_since(4) is None
    progress.postpone(4, "dns", NOW, Random(1), digest="d4")
    progress.postpone(4, "vault-busy", NOW + timedelta(hours=1), Random(1), digest="d4")
    progress.unsettle(4, NOW + timedelta(hours=2))
    assert progress.pending_since(4) == NOW
    progress.settle(4)
    assert progress.pending_since(4) is None


def test_a_mail_that_waited_before_this_version_is_pending_since_its_next_try() -> None:
    """Its time was not noted then."""
    progress = FolderProgress(5, 4, {4: Pending(9, NOW, "dns")})
    later = NOW + timedelta(hours=1)
    progress.postpone(4, "dns", later, Random(1))
    assert progress.pending_since(4) == later


def test_mails_are_due_in_order_when_their_time_has_come() -> None:
    """Ascending, and not before."""
    progress = FolderProgress(5)
    for uid, seconds in ((9, 10), (4, 20), (7, 30)):
        progress.postpone(uid, "dns", NOW, Random(1), seconds)
    due = [progress.due(NOW + timedelta(seconds=seconds)) for seconds in (9, 10, 20, 30)]
    assert due == [[], [9], [4, 9], [4, 7, 9]]


def test_a_clock_set_back_puts_no_mail_off() -> None:
    """What would be due in more than five minutes was put off by another clock."""
    progress = FolderProgress(5)
    progress.postpone(4, "dns", NOW + timedelta(days=30), Random(1))
    progress.postpone(7, "dns", NOW, Random(1), LONGEST_REQUEST)
    assert progress.due(NOW) == [4]


# -- who holds it --

HOLDER = """
    import sys, time
    from pathlib import Path
    from token_catcher.record.checkpoint import Checkpoint
    with Checkpoint.hold(Path(sys.argv[1]), "integrations"):
        print("held", flush=True)
        sys.stdin.read()
    """


def holder(home: Path) -> subprocess.Popen[str]:
    """Another process that holds the checkpoint until its standard input ends."""
    process = reaped(
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(HOLDER), str(home)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_one_sweep_at_a_time(home: Path) -> None:
    """A second one waits, here for ten ticks of a clock, and is told; another mailbox is free."""
    process = holder(home)
    ticks = count()
    slept: list[float] = []
    with (
        pytest.raises(TransientError) as caught,
        Checkpoint.hold(
            home, "integrations", wait=10, monotonic=lambda: next(ticks), sleep=slept.append
        ),
    ):
        pass
    assert (caught.value.code, str(caught.value)) == (
        "busy",
        "mailbox integrations: another sweep of it is running",
    )
    assert len(slept) == 9
    with Checkpoint.hold(home, "other"):
        pass
    process.communicate(timeout=PATIENCE)


def test_a_sweep_waits_for_the_one_before(home: Path) -> None:
    """And begins as soon as that has ended."""
    process = holder(home)

    def sleep(_seconds: float) -> None:
        process.communicate(timeout=PATIENCE)

    with Checkpoint.hold(home, "integrations", wait=60, sleep=sleep) as checkpoint:
        assert checkpoint.folder("INBOX", 5, 10, NOW) == FolderProgress(5, looked_back_to=NOW)


def test_a_killed_sweep_holds_nobody_up(home: Path) -> None:
    """The lock dies with its process; the file it leaves behind means nothing."""
    process = holder(home)
    process.kill()
    process.communicate(timeout=PATIENCE)
    with Checkpoint.hold(home, "integrations"):
        pass


def test_threads_hold_it_one_at_a_time(home: Path) -> None:
    """Also within one process."""
    with (
        Checkpoint.hold(home, "integrations"),
        pytest.raises(TransientError, match="another sweep"),
        Checkpoint.hold(home, "integrations"),
    ):
        pass


def test_troubles_of_a_sweep_are_its_own(home: Path) -> None:
    """What the sweep raises passes through as it is, and the lock is free again."""
    with pytest.raises(ConnectionResetError), Checkpoint.hold(home, "integrations"):
        raise ConnectionResetError
    with Checkpoint.hold(home, "integrations"):
        pass


def test_a_directory_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """One clear message."""
    (tmp_path / "state").touch()
    message = (
        r"state/checkpoints: the checkpoint of mailbox integrations cannot be locked:"
        r" (Not a directory|File exists)"
    )
    with (
        pytest.raises(StateError, match=message),
        Checkpoint.hold(tmp_path / "state" / "checkpoints", "integrations"),
    ):
        pass


def test_a_lock_is_never_taken_through_a_link(home: Path, tmp_path: Path) -> None:
    """Nor anything created where it points."""
    home.mkdir(parents=True)
    (home / "integrations.lock").symlink_to(tmp_path / "planted")
    with (
        pytest.raises(StateError, match="it is a symbolic link"),
        Checkpoint.hold(home, "integrations"),
    ):
        pass
    assert not (tmp_path / "planted").exists()


def test_a_lock_that_fails_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is at fault, not the program."""

    def flock(_file: object, _how: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", flock)
    with (
        pytest.raises(StateError, match="cannot be locked: Input/output error"),
        Checkpoint.hold(home, "integrations"),
    ):
        pass


# -- a full disk --

FULL = """
    import os, resource, signal, sys
    from datetime import UTC, datetime
    from pathlib import Path
    from token_catcher.record.checkpoint import Checkpoint
    from token_catcher.errors import StateError
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with Checkpoint.hold(Path(sys.argv[1]), "integrations") as checkpoint:
        checkpoint.folder("INBOX", 5, 20, datetime.now(UTC)).settle(19)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
        try:
            checkpoint.save()
        except StateError as error:
            print(error.code, error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(sorted(os.listdir(sys.argv[1])))
        print(Path(sys.argv[1], "integrations.json").read_text(), end="")
        checkpoint.save()
    """


@pytest.mark.parametrize("room", [0, 20])
def test_a_full_disk_leaves_the_old_file_whole(home: Path, room: int) -> None:
    """Nothing half written stays, and once there is room it is saved."""
    before = written(home).decode()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), str(home), str(room)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    error, files, content = done.stdout.split("\n", 2)
    assert (
        error
        == f"checkpoint-write {file_of(home)}: the checkpoint could not be written: File too large"
    )
    assert files == "['integrations.json', 'integrations.lock']"
    assert content == before
    assert json.loads(file_of(home).read_bytes())["folders"]["INBOX"]["settled_through"] == 19


def test_a_file_in_its_place_is_told(home: Path) -> None:
    """A directory where the file should be: the sweep runs, and hears of it when it saves."""
    file_of(home).mkdir(parents=True)
    with Checkpoint.hold(home, "integrations") as checkpoint:
        assert checkpoint.notes == note(
            home, "the checkpoint cannot be read: it is not a regular file"
        )
        checkpoint.folder("INBOX", 5, 10, NOW)
        with pytest.raises(
            StateError, match="the checkpoint could not be written: Is a directory"
        ) as caught:
            checkpoint.save()
    assert caught.value.code == "checkpoint-write"


def test_a_kill_in_the_middle_leaves_the_old_file_whole(home: Path) -> None:
    """At each call of the operating system that writes, syncs or renames."""
    before = written(home)
    code = """
        import os, sys
        from datetime import UTC, datetime
        from pathlib import Path
        from token_catcher.record.checkpoint import Checkpoint
        now = datetime.now(UTC)
        def die(*words, **named):
            os.kill(os.getpid(), 9)
        with Checkpoint.hold(Path(sys.argv[1]), "integrations") as checkpoint:
            checkpoint.folder("INBOX", 5, 20, now).settle(19)
            setattr(os, sys.argv[2], die)
            checkpoint.save()
        """
    for call in ("write", "fsync", "replace"):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), str(home), call], cwd=ROOT, check=False
        )
        assert (done.returncode, file_of(home).read_bytes()) == (-signal.SIGKILL, before)
    with Checkpoint.hold(home, "integrations") as checkpoint:
        assert checkpoint.notes == ()


# -- file names --


@pytest.mark.parametrize("name", ["integrations", "sf-prod_2", "a" * 64])
def test_a_plain_name_is_its_file_name(name: str) -> None:
    """So that an operator finds it."""
    assert file_name(name) == name


ANY_NAME = st.text(st.characters(), max_size=80) | st.from_regex(
    r"[a-z0-9._~/-]{1,70}", fullmatch=True
)


@settings(max_examples=times(150))
@given(names=st.lists(ANY_NAME, min_size=2, max_size=8, unique=True))
def test_any_name_has_a_safe_file_name_of_its_own(names: list[str]) -> None:
    """In the directory, visible, not too long,
    and different also where letter case is not told apart."""
    made = [file_name(name) for name in names]
    assert len({name.lower() for name in made}) == len(names)
    for name in made:
        assert name.isascii()
        assert "/" not in name
        assert "\0" not in name
        assert not name.startswith(".")
        assert 0 < len(os.fsencode(name)) <= 80


def test_no_name_takes_the_file_of_another() -> None:
    """Also a plain name that looks like one made for another mailbox."""
    made = file_name("a b")
    assert file_name(made) != made
    assert file_name(made.replace("~", "")) != made


@pytest.mark.parametrize(
    "name",
    ["..", "../other", "a/b", "", "INTEGRATIONS", "integrations ", "x" * 300, "a\udc80", "a~0123"],
)
def test_odd_names_stay_in_the_directory(home: Path, name: str) -> None:
    """Each with a checkpoint that is found again."""
    with Checkpoint.hold(home, name) as checkpoint:
        checkpoint.folder("INBOX", 5, 10, NOW).settle(9)
        checkpoint.save()
    with Checkpoint.hold(home, name) as checkpoint:
        assert checkpoint.folder("INBOX", 5, 10, NOW) == FolderProgress(5, 9, looked_back_to=NOW)
    assert {path.parent for path in home.parent.rglob("*.json")} == {home}


CALLS: dict[str, Callable[[FolderProgress], object]] = {
    "settle": lambda progress: progress.settle(3),
    "advance": lambda progress: progress.advance(3),
    "postpone": lambda progress: progress.postpone(3, "dns", NOW, Random(1)),
}


@pytest.mark.parametrize("call", CALLS)
def test_progress_never_goes_back(call: str) -> None:
    """A second try of an old mail does not make newer ones unknown."""
    progress = FolderProgress(5, 9)
    CALLS[call](progress)
    assert progress.settled_through == 9


def test_what_has_not_changed_since_it_was_read_is_not_written(tmp_path: Path) -> None:
    """A sweep that finds nothing new needs no room on the disk."""
    with Checkpoint.hold(tmp_path, "integrations") as checkpoint:
        checkpoint.folder("INBOX", 5, 8, NOW).settle(7)
        checkpoint.save()
    before = (tmp_path / "integrations.json").stat()
    with Checkpoint.hold(tmp_path, "integrations") as checkpoint:
        checkpoint.folder("INBOX", 5, 8, NOW)
        checkpoint.save()
    after = (tmp_path / "integrations.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


# -- a sweep that was stopped --


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_a_stopped_sweep_loses_its_checkpoint(home: Path) -> None:
    """It shows no sign that it goes on: the next one waits no longer, and what it knows counts."""
    time = Time()
    with Checkpoint.hold(home, "integrations") as stopped:
        stopped.folder("INBOX", 7, 10, NOW).settle(3)
        stopped.save()
        with Checkpoint.hold(
            home, "integrations", wait=60, monotonic=time.monotonic, sleep=time.sleep
        ) as next_one:
            next_one.folder("INBOX", 7, 10, NOW).settle(5)
            next_one.save()
        assert STOPPED_AFTER <= time.seconds < STOPPED_AFTER + 1
        stopped.folder("INBOX", 7, 10, NOW).settle(4)
        with pytest.raises(TransientError, match="another sweep of it has taken over") as caught:
            stopped.save()
        assert caught.value.code == "busy"
    with Checkpoint.hold(home, "integrations") as checkpoint:
        assert checkpoint.folder("INBOX", 7, 10, NOW).settled_through == 5


def test_a_sweep_that_goes_on_keeps_its_checkpoint(home: Path) -> None:
    """However long it takes: it shows at each step that it goes on."""
    time = Time()
    with Checkpoint.hold(home, "integrations") as working:

        def sleep(seconds: float) -> None:
            time.sleep(max(seconds, STOPPED_AFTER / 2))
            working.goes_on()

        with (
            pytest.raises(TransientError, match="another sweep of it is running"),
            Checkpoint.hold(home, "integrations", wait=600, monotonic=time.monotonic, sleep=sleep),
        ):
            pytest.fail("it was taken over")
        working.save()
    assert time.seconds >= 600
