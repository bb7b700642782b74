"""The journal is intact and can be written, and the disk has room for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from token_catcher import files
from token_catcher.diagnosis.about import About
from token_catcher.diagnosis.step import Step
from token_catcher.errors import StateError
from token_catcher.record import (
    NO_KEYS,
    Head,
    Keyring,
    Patience,
    State,
    Verification,
    Waiting,
    refusal,
    verify,
)
from token_catcher.wording import counted

VERIFIED_WITHIN: Final = 60.0
"""Seconds: a journal of many years takes its time, and a longer look is `audit verify`'s."""
LOCK_PATIENCE: Final = Patience(seconds=5.0)
"""An append takes milliseconds."""
LITTLE: Final = 100_000_000
TOO_LITTLE: Final = 10_000_000
"""Bytes."""
FEW: Final = 1_000
TOO_FEW: Final = 100
"""Inodes: of files that can still be made."""

Room = Callable[[Path], os.statvfs_result]


def journal_steps(
    journal: Path,
    patience: Patience = LOCK_PATIENCE,
    keys: Callable[[], Keyring] = lambda: NO_KEYS,
    anchor: Head | None = None,
) -> Iterator[Step]:
    """Its records, and whether ours can follow them.

    `patience`: with a process that has the file to itself. `keys`: reads those of the journal; a
    ConfigurationError of it is a step that failed. `anchor`: what Vault knew before."""
    about = About("journal", str(journal))
    records = partial(_records_step, journal, about, keys, anchor)
    yield about.attempt("records", records, VERIFIED_WITHIN)
    yield about.attempt("append", partial(_append_step, journal, about, patience))


def _records_step(
    journal: Path, about: About, keys: Callable[[], Keyring], anchor: Head | None
) -> Step:
    if os.path.isdir(journal):  # noqa: PTH112 - Path.is_dir raises where it may not look
        saw = f"{journal}: got a directory, expected a file of ours, or none yet"
        return about.failed("records", saw, "state")
    verification = verify(journal, keys=keys(), anchor=anchor)
    head = f"{verification.head.seq}:{verification.head.hash}"
    match verification.state:
        case State.INTACT:
            records = counted(verification.records, "record")
            return about.ok("records", f"{records}, head {head}")
        case State.MISSING:
            return about.ok("records", "nothing was recorded yet")
        case State.UNPROVEN:
            return about.warning("records", _problem(verification), "journal-broken")
        case State.BROKEN | State.TRUNCATED:
            return about.failed("records", _problem(verification), "journal-broken")


def _problem(verification: Verification) -> str:
    problem = f"{verification.state.value}: {verification.problem}"
    if verification.line is None:
        return problem
    return f"line {verification.line}: {problem}"


def _append_step(journal: Path, about: About, patience: Patience) -> Step:
    """StateError: the file is locked, or on a file system without locks."""
    if not files.may_exist(journal):
        return _new_file_step(journal, about)
    if not os.access(journal, os.R_OK | os.W_OK):
        saw = f"{journal}: got a file that we cannot write, expected one of ours"
        return about.failed("append", saw, "journal-write")
    problem = refusal(journal.parent)  # the head file is replaced as a whole
    if problem is not None:
        return about.failed("append", problem, "journal-write")
    try:
        with (
            files.opened(journal) as file,
            Waiting(patience, "journal-busy").locked(file, journal, shared=True),
        ):
            return about.ok("append", "writable, and no process keeps it")
    except OSError as error:
        raise StateError(f"{journal}: cannot be opened: {error.strerror}") from None


def _new_file_step(journal: Path, about: About) -> Step:
    place = journal.parent
    while not files.may_exist(place):
        place = place.parent
    # The daemon makes the directories that are missing.
    problem = refusal(place)
    if problem is not None:
        return about.failed("append", problem, "journal-write")
    return about.ok("append", f"can be made in {place}")


def disk_steps(directories: Iterable[Path], room: Room = os.statvfs) -> Iterator[Step]:
    """The room where our files are, once for each of these directories."""
    for directory in dict.fromkeys(directories):
        about = About("disk", str(directory))
        yield about.attempt("room", partial(_room_step, directory, about, room))


def _room_step(directory: Path, about: About, room: Room) -> Step:
    place = directory
    while not files.may_exist(place):
        place = place.parent
    try:
        status = room(place)
    except OSError as error:
        raise StateError(f"{place}: cannot be looked at: {error.strerror}") from None
    free = status.f_bavail * status.f_frsize
    saw = f"{free // 1_000_000} MB free"
    # Some file systems, btrfs among them, count no inodes.
    inodes = status.f_favail
    if status.f_files:
        saw += f", {inodes} inodes"
    else:
        inodes = FEW
    if free < TOO_LITTLE or inodes < TOO_FEW:
        return about.failed(
            "room", f"{saw}, expected {TOO_LITTLE // 1_000_000} MB and {TOO_FEW}", "disk"
        )
    if free < LITTLE or inodes < FEW:
        return about.warning("room", saw, "disk")
    return about.ok("room", saw)
