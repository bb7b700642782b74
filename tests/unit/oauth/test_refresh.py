"""The file of a refresh token: replaced as a whole, by one process at a time, never lost."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from tests.kit.fakes import Silent
from tests.kit.waiting import PATIENCE
from token_catcher import files
from token_catcher.errors import Outage
from token_catcher.model import Secret
from token_catcher.oauth.refresh import LOCK_WITHIN, RefreshTokenFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with `first` in it, ours alone."""
    file = tmp_path / "refresh-token"
    file.touch(0o600)
    file.write_text("first\n", "ascii")
    return file


def opened(
    path: Path,
    log: Silent | None = None,
    monotonic: Callable[[], float] = lambda: 0.0,
    sleep: Callable[[float], None] = lambda _seconds: None,
) -> RefreshTokenFile:
    """The file, with a clock that stands still."""

    def read() -> Secret:
        return Secret(path.read_text("ascii").rstrip("\n"))

    return RefreshTokenFile(path, read, log or Silent(), monotonic=monotonic, sleep=sleep)


def renew(file: RefreshTokenFile, new: str | None) -> str:
    """Renew once; returns what was shown."""
    with file.renewing() as shown:
        if new is None:
            file.keep(None)
        else:
            file.keep(Secret(new))
    return shown.reveal()


def test_each_renewal_shows_what_the_last_one_gave(path: Path) -> None:
    """It is in the file, alone on its line, for us alone."""
    file = opened(path)
    assert [renew(file, new) for new in ("second", "third", "fourth")] == [
        "first",
        "second",
        "third",
    ]
    assert path.read_text("ascii") == "fourth\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_one_is_for_us_alone_whatever_the_old_one_was(path: Path) -> None:
    """A file that a group could read is one no longer."""
    path.chmod(0o640)
    renew(opened(path), "second")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_server_that_replaces_nothing_leaves_the_file(path: Path) -> None:
    """But for its time, which is that of its last use."""
    os.utime(path, (0, 0))
    renew(opened(path), None)
    renew(opened(path), "first")
    assert path.read_text("ascii") == "first\n"
    assert path.stat().st_mtime > 1_000_000


def test_a_file_that_somebody_replaced_counts(path: Path) -> None:
    """A person signed in again."""
    file = opened(path)
    renew(file, "second")
    path.write_text("signed-in\n", "ascii")
    assert renew(file, None) == "signed-in"


def test_behind_a_link_the_file_itself_is_replaced(path: Path, tmp_path: Path) -> None:
    """The link stays, and so do all who go by it."""
    link = tmp_path / "elsewhere" / "link"
    link.parent.mkdir()
    link.symlink_to(path)
    renew(opened(link), "second")
    assert link.is_symlink()
    assert path.read_text("ascii") == "second\n"
    assert sorted(item.name for item in path.parent.iterdir()) == [
        "elsewhere",
        "refresh-token",
        "refresh-token.lock",
        "refresh-token.renewed",
    ]


# -- whose sign-in it is --


def test_a_renewal_is_no_sign_in(path: Path) -> None:
    """By us or by another process, which may have been started since."""
    file = opened(path)
    sign_in = file.sign_in()
    for new in ("second", "third", None, "fourth"):
        renew(opened(path), new)
        assert file.sign_in() == sign_in
        assert opened(path).sign_in() == sign_in


def test_a_file_that_a_person_writes_is_another_sign_in(path: Path) -> None:
    """Before a renewal and after it; its own renewals are none again."""
    signed_in = [opened(path).sign_in()]
    for number in range(3):
        path.write_text(f"sign-in {number}\n", "ascii")
        signed_in.append(opened(path).sign_in())
        renew(opened(path), f"renewal {number}")
        assert opened(path).sign_in() == signed_in[-1]
    assert len(set(signed_in)) == 4


@pytest.mark.parametrize("shown", ["first", "second"])
def test_in_the_middle_of_a_renewal_either_token_is_known(path: Path, shown: str) -> None:
    """The note is there before the file is replaced: whoever reads both meanwhile sees no news."""
    sign_in = opened(path).sign_in()
    renew(opened(path), "second")
    path.write_text(f"{shown}\n", "ascii")
    assert opened(path).sign_in() == sign_in


def test_a_note_holds_no_token(path: Path) -> None:
    """Hashes alone, for us alone."""
    renew(opened(path), "second")
    note = path.with_name("refresh-token.renewed")
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    assert re.fullmatch(r"(?:[0-9a-f]{64}[ \n]){3}", note.read_text("ascii"))


def test_a_note_that_cannot_be_written_costs_no_token(path: Path) -> None:
    """Something else has its name: the renewal counts for a sign-in, and nothing is lost."""
    path.with_name("refresh-token.renewed").mkdir()
    sign_in = opened(path).sign_in()
    renew(opened(path), "second")
    assert path.read_text("ascii") == "second\n"
    assert opened(path).sign_in() != sign_in


# -- where nothing can be written --


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """A disk that can be filled and emptied."""
    really = files.replace

    def fill(yes: bool) -> None:
        def fail(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(files, "replace", fail if yes else really)

    return fill


def test_what_cannot_be_written_is_kept_and_written_later(
    path: Path, full: Callable[[bool], None]
) -> None:
    """The old one stays readable, the new one is shown, and it is told without a word of it."""
    log = Silent()
    file = opened(path, log)
    full(True)
    assert renew(file, "second") == "first"
    assert path.read_text("ascii") == "first\n"
    full(False)
    assert renew(file, None) == "second"
    assert path.read_text("ascii") == "second\n"
    assert [event for event, _ in log.warnings] == ["oauth.refresh_token_not_written"]
    assert "second" not in str(log.warnings)


def test_what_could_not_be_written_gives_way_to_another_sign_in(
    path: Path, full: Callable[[bool], None]
) -> None:
    """The file is what a person can change."""
    file = opened(path)
    full(True)
    renew(file, "second")
    path.write_text("signed-in\n", "ascii")
    assert renew(file, None) == "signed-in"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_volume_that_is_not_ours_is_no_hindrance(path: Path) -> None:
    """A mounted secret, whose server replaces nothing: no lock, and no warning."""
    log = Silent()
    path.parent.chmod(0o500)
    try:
        assert renew(opened(path, log), None) == "first"
    finally:
        path.parent.chmod(0o700)
    assert log.events == []


def test_a_lock_that_cannot_be_made_is_no_hindrance(path: Path) -> None:
    """Where its place is taken by a directory, or nothing can be written."""
    (path.parent / f"{path.name}.lock").mkdir()
    assert renew(opened(path), "second") == "first"


def test_a_file_system_without_locks_is_no_hindrance(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS mounted with `nolock`: the renewal is worth more than the lock."""

    def lockless(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", lockless)
    assert renew(opened(path), "second") == "first"
    assert path.read_text("ascii") == "second\n"


# -- several processes --

RENEWING = """\
import sys, time
from pathlib import Path
from tests.kit.fakes import Silent
from token_catcher.model import Secret
from token_catcher.oauth.refresh import RefreshTokenFile
path = Path(sys.argv[1])
read = lambda: Secret(path.read_text().strip())
file = RefreshTokenFile(path, read, Silent(), monotonic=time.monotonic, sleep=time.sleep)
for _ in range(8):
    with file.renewing() as shown:
        file.keep(Secret(str(int(shown.reveal()) + 1)))
"""


def test_processes_renew_one_after_the_other(path: Path) -> None:
    """Each shows what the one before was given: none is taken for stolen, none is lost."""
    path.write_text("0\n", "ascii")
    processes = [subprocess.Popen([sys.executable, "-c", RENEWING, str(path)]) for _ in range(4)]
    assert [process.wait(PATIENCE) for process in processes] == [0] * 4
    assert path.read_text("ascii") == "32\n"


def test_a_process_that_never_ends_its_renewal_is_told(path: Path) -> None:
    """It is no refusal: tried again later."""
    clock = partial(next, count(0.0, LOCK_WITHIN / 3))
    slept: list[float] = []
    with (
        opened(path).renewing(),
        pytest.raises(Outage, match="another process holds its lock") as caught,
        opened(path, monotonic=clock, sleep=slept.append).renewing(),
    ):
        pytest.fail("two at a time")
    assert caught.value.code == "oauth-locked"
    assert slept


def test_a_renewal_that_fails_gives_the_lock_back(path: Path) -> None:
    """And leaves the token as it was."""
    with pytest.raises(Outage), opened(path).renewing():
        raise Outage("away")
    assert renew(opened(path), "second") == "first"
