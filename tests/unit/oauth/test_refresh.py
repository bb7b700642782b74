"""The file of a refresh token: replaced as a whole, by one process at a time, never lost."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from tests.kit.fakes import Silent
from tests.kit.waiting import PATIENCE
from token_catcher import files, signals
from token_catcher.errors import AccessError, ConfigurationError, Outage, StateError
from token_catcher.model import Secret
from token_catcher.oauth.refresh import DROPPED, LOCK_WITHIN, ROOM, RefreshTokenFile
from token_catcher.oauth.renewals import Renewals


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
    renewals: Renewals | None = None,
    lasting: bool = False,
) -> RefreshTokenFile:
    """The file, with a clock that stands still."""

    def read() -> Secret:
        return Secret(path.read_text("ascii").rstrip("\n"))

    return RefreshTokenFile(
        path,
        read,
        log or Silent(),
        monotonic=monotonic,
        sleep=sleep,
        renewals=renewals,
        lasting=lasting,
    )


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


@pytest.mark.parametrize("given", [Secret("second"), None], ids=["another", "none"])
def test_a_sign_in_during_a_renewal_stays(path: Path, given: Secret | None) -> None:
    """A person's is newer than what the server gave for the one before; it is shown next."""
    log = Silent()
    file = opened(path, log)
    with file.renewing():
        path.write_text("by hand\n", "ascii")
        os.utime(path, (1, 1))
        file.keep(given)
    assert (path.read_text("ascii"), path.stat().st_mtime) == ("by hand\n", 1)
    assert log.events == [
        ("oauth.refresh_token_dropped", {"file": str(path), "note": DROPPED}),
    ]
    assert renew(file, "third") == "by hand"
    assert path.read_text("ascii") == "third\n"


def test_a_file_that_goes_during_a_renewal_comes_back(path: Path) -> None:
    """That is no sign-in: what the server gave is all there is of one."""

    def read() -> Secret:
        if not path.exists():
            raise ConfigurationError("no such file", code="secret")
        return Secret(path.read_text("ascii").rstrip("\n"))

    file = opened(path)
    file.read = read
    with file.renewing():
        path.unlink()
        file.keep(Secret("second"))
    assert path.read_text("ascii") == "second\n"


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


@pytest.mark.parametrize("at", ["housekeeping", "the end"])
def test_what_could_not_be_written_is_written_once_that_works(
    path: Path, full: Callable[[bool], None], at: str
) -> None:
    """Not only by the next renewal, in an hour: whoever makes room restarts the daemon next."""
    log = Silent()
    renewals = Renewals()
    full(True)
    renew(opened(path, log, renewals=renewals), "second")
    renewals.write_again()
    assert path.read_text("ascii") == "first\n"
    full(False)
    if at == "the end":
        renewals.end(0.0)
    else:
        renewals.write_again()
        renewals.write_again()
    assert path.read_text("ascii") == "second\n"
    assert log.events == [
        ("oauth.refresh_token_not_written", log.warnings[0][1]),
        ("oauth.refresh_token_written", {"file": str(path)}),
    ]


def test_another_sign_in_is_not_written_over(path: Path, full: Callable[[bool], None]) -> None:
    """By what could not be written before it."""
    renewals = Renewals()
    full(True)
    renew(opened(path, renewals=renewals), "second")
    full(False)
    path.write_text("signed-in\n", "ascii")
    renewals.write_again()
    assert path.read_text("ascii") == "signed-in\n"


def test_what_could_not_be_written_waits_for_a_renewal(
    path: Path, full: Callable[[bool], None]
) -> None:
    """Nobody who tries to write it does: housekeeping has Vault's token to keep alive."""
    renewals = Renewals()
    file = opened(path, renewals=renewals)
    full(True)
    renew(file, "second")
    full(False)
    with file.renewing() as shown:
        renewals.write_again()
        assert path.read_text("ascii") == "first\n"
    assert shown == Secret("second")


def test_what_could_not_be_written_gives_way_to_another_sign_in(
    path: Path, full: Callable[[bool], None]
) -> None:
    """The file is what a person can change."""
    file = opened(path)
    full(True)
    renew(file, "second")
    path.write_text("signed-in\n", "ascii")
    assert renew(file, None) == "signed-in"


@pytest.mark.parametrize("reload", [False, True])
def test_what_could_not_be_written_is_the_files(
    path: Path, full: Callable[[bool], None], reload: bool
) -> None:
    """Another mailbox that shares it has it, and so has the same one after a reload."""
    renewals = Renewals()
    file = opened(path, renewals=renewals)
    another = opened(path, renewals=renewals)
    full(True)
    renew(file, "second")
    if reload:
        another = opened(path, renewals=renewals)
    assert renew(another, "third") == "second"
    full(False)
    assert renew(file, None) == "third"
    assert path.read_text("ascii") == "third\n"


class NoRoom:
    """A disk on which a file can be made, and nothing written."""

    def __init__(self, bytes_left: int) -> None:
        self._left = bytes_left
        self._really = os.write

    def write(self, descriptor: int, content: bytes) -> int:
        """As os.write."""
        if len(content) > self._left:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._really(descriptor, content)


def block(path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> str:
    """Have the file be one that cannot be replaced. Returns why."""
    if how == "full":
        monkeypatch.setattr(os, "write", NoRoom(ROOM - 1).write)
        return "No space left on device"
    path.with_name("refresh-token.new").mkdir()
    return "Is a directory"


@pytest.mark.parametrize("how", ["full", "taken"])
def test_what_could_not_be_kept_is_not_asked_for(
    path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The token that is there is not used up; a person has to mend it."""
    reason = block(path, monkeypatch, how)
    with pytest.raises(StateError) as caught, opened(path).renewing():
        pytest.fail("the token is shown")
    assert (caught.value.code, str(caught.value)) == (
        "oauth-file",
        f"refresh token {path}: cannot be written ({reason}), expected a directory that we can"
        " write",
    )
    monkeypatch.undo()
    assert path.read_text("ascii") == "first\n"


def test_a_file_that_is_mounted_by_itself_is_not_asked_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a container gets a single file: all can be done with it, but for the last step."""

    def fail(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(StateError) as caught, opened(path).renewing():
        pytest.fail("the token is shown")
    assert (caught.value.code, str(caught.value)) == (
        "oauth-file",
        f"refresh token {path}: cannot be written (Device or resource busy), expected its directory"
        " to be mounted, and not the file by itself",
    )
    assert list(path.parent.glob("*.new")) == []


def test_a_look_leaves_the_file_and_its_time(path: Path) -> None:
    """By that time one is told that is about to end unused: a renewal that fails is no use."""
    os.utime(path, (1_000_000_000, 1_000_000_000))
    with pytest.raises(AccessError), opened(path).renewing():
        raise AccessError("no")
    assert (path.read_text("ascii"), path.stat().st_mtime) == ("first\n", 1_000_000_000)


@pytest.mark.parametrize("how", ["full", "taken"])
def test_a_file_of_a_server_that_replaces_nothing_may_be_read_only(
    path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A mounted secret, and Google: no warning."""
    block(path, monkeypatch, how)
    log = Silent()
    assert renew(opened(path, log, lasting=True), None) == "first"
    assert log.events == []


def test_a_used_up_file_is_renewed_in_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the volume failed in the middle of a renewal there is nothing more to lose."""
    file = opened(path)
    with file.renewing() as shown:
        block(path, monkeypatch, "taken")
        file.keep(Secret("second"))
    assert shown == Secret("first")
    assert renew(file, "third") == "second"
    path.with_name("refresh-token.new").rmdir()
    assert renew(file, None) == "third"
    assert path.read_text("ascii") == "third\n"


def test_nothing_is_left_of_the_look(path: Path) -> None:
    """Whether the file can be replaced is tried out, and cleaned up."""
    with opened(path).renewing():
        assert sorted(item.name for item in path.parent.iterdir()) == [
            "refresh-token",
            "refresh-token.lock",
        ]


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


# -- at the end of the process --


def test_at_the_end_no_renewal_begins(path: Path) -> None:
    """The token is not shown; the next start renews it."""
    renewals = Renewals()
    file = opened(path, renewals=renewals)
    renewals.end(0.0)
    with pytest.raises(Outage, match="the program ends") as caught, file.renewing():
        pytest.fail("the token is shown")
    assert caught.value.code == "oauth-ending"


def test_the_end_waits_for_a_renewal_on_its_way(path: Path) -> None:
    """Until what it gave is on disk."""
    renewals = Renewals()
    file = opened(path, renewals=renewals)
    shown = threading.Event()
    answered = threading.Event()

    def ask() -> None:
        with file.renewing():
            shown.set()
            answered.wait(PATIENCE)
            file.keep(Secret("second"))

    request = threading.Thread(target=ask)
    request.start()
    assert shown.wait(PATIENCE)
    assert renewals.end(0.0) == (path,)
    assert path.read_text("ascii") == "first\n", "an end that does not wait"
    answered.set()
    assert renewals.end(PATIENCE) == ()
    assert path.read_text("ascii") == "second\n"
    request.join(PATIENCE)


@pytest.mark.parametrize("answer", ["granted", "refused"])
def test_a_signal_waits_for_a_renewal(path: Path, answer: str) -> None:
    """A command keeps what it was given, and then ends; also where it was given nothing."""
    handlers = {number: signal.getsignal(number) for number in signals.ENDING}
    signals.end_by_exception()
    file = opened(path)

    def ask() -> None:
        with file.renewing():
            signal.raise_signal(signal.SIGTERM)
            if answer == "refused":
                raise AccessError("no")
            file.keep(Secret("second"))

    try:
        with pytest.raises(signals.Ended):
            ask()
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert path.read_text("ascii") == {"granted": "second\n", "refused": "first\n"}[answer]


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


def test_threads_renew_one_after_the_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mailboxes of one process, also where the file system has no locks."""

    def lockless(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", lockless)
    path.write_text("0\n", "ascii")
    renewals = Renewals()

    def count_up() -> None:
        file = opened(path, renewals=renewals)
        for _ in range(8):
            with file.renewing() as shown:
                file.keep(Secret(str(int(shown.reveal()) + 1)))

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert path.read_text("ascii") == "32\n"


def test_a_mailbox_that_never_ends_its_renewal_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another process that does not."""
    monkeypatch.setattr("token_catcher.oauth.refresh.LOCK_WITHIN", 0.01)
    renewals = Renewals()
    with (
        opened(path, renewals=renewals).renewing(),
        pytest.raises(Outage, match="another mailbox holds its lock") as caught,
        opened(path, renewals=renewals).renewing(),
    ):
        pytest.fail("two at a time")
    assert caught.value.code == "oauth-locked"


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
