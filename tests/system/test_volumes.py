"""A volume for the state directory that is full, read-only or without locks: one message with the
next step, the exit code of a failure, no crash, and no token lost once it is mended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.kit import mails
from tests.kit.program import Program
from tests.kit.servers import Dovecot, OpenBao, until
from tests.kit.waiting import PATIENCE

NOW = datetime.now(UTC).replace(microsecond=0)
WRITING = "next: check that state_dir exists, is ours, can be written and has room (TC110)"
ROOM = (
    "next: make room for the journal, or mount its file system writable; the mail stays unsettled"
    " until its record is on disk (TC117)"
)
LOCKS = (
    "next: put state_dir on a local disk, or mount its file system with locks (NFS: without"
    " `nolock`) (TC112)"
)
TROUBLES = {
    "ENOSPC": ("{journal}: the record could not be written: No space left on device", ROOM),
    "EDQUOT": ("{journal}: the record could not be written: Disk quota exceeded", ROOM),
    "EROFS": ("{journal}: the journal cannot be used: Read-only file system", WRITING),
    "ENOLCK": (
        "{journal}: got a file system without locks (No locks available), expected flock to work",
        LOCKS,
    ),
    "EOPNOTSUPP": (
        "{journal}: got a file system without locks (Operation not supported), expected flock to"
        " work",
        LOCKS,
    ),
}
"""What is told of each, by its error number's name."""
DAEMON = {
    "EROFS": "{lock}: cannot be opened: Read-only file system",
    "ENOLCK": TROUBLES["ENOLCK"][0].replace("{journal}", "{lock}"),
    "EOPNOTSUPP": TROUBLES["EOPNOTSUPP"][0].replace("{journal}", "{lock}"),
}
"""The same of the daemon, where it meets its lock file first."""


def told(program: Program, trouble: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The program where every volume has this trouble."""
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.system.surroundings",
            "--config",
            str(program.config),
            *words,
        ],
        capture_output=True,
        text=True,
        env=os.environ | {"SURROUNDINGS_DISK": trouble},
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize("words", ["scan --json", "scan --wait 10m", "run"])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_volume_that_fails(
    tool: Program, dovecot: Dovecot, user: str, trouble: str, words: str
) -> None:
    """It is told before any mail is looked at: once, with what to do, on standard error."""
    dovecot.deliver(mails.genuine(issued_at=NOW), user)
    problem, step = TROUBLES[trouble]
    if words == "run":
        problem = DAEMON.get(trouble, problem)
    problem = problem.format(journal=tool.state / "journal.jsonl", lock=tool.state / "daemon.lock")
    done = told(tool, trouble, *words.split())
    assert (done.returncode, done.stdout) == (1, "")
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert lines == [f"token-catcher: {problem}", step]
    assert '"level": "error"' not in done.stderr
    assert tool("scan").code == 0
    assert tool.outcomes == [("stored", None)]


def may_mount() -> bool:
    """Whether this machine lets us mount."""
    done = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


@pytest.fixture
def small(tool: Program) -> Iterator[Program]:
    """The state directory is a file system of 64 kB."""
    if not may_mount():
        pytest.skip("this machine lets us mount nothing; the faults above stand for it")
    tool.state.mkdir(mode=0o700)
    size = "size=64k,mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", tool.state], check=True)
    yield tool
    subprocess.run(["umount", "--lazy", tool.state], check=True)


def fill(state: Path) -> Path:
    """Take all the room that is left."""
    path = state / "somebody-else's"
    with path.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(b"x" * 1024)
            except OSError:
                return path


def test_a_volume_that_fills_under_the_daemon(
    small: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """It says so and crashes nowhere; once there is room, the token is recorded, once."""
    with small.daemon() as daemon:
        stranger = fill(small.state)
        dovecot.deliver(mails.genuine(issued_at=NOW), user)
        told = {"journal-write", "checkpoint-write", "state"}
        until(lambda: told & {event.get("code") for event in daemon.events}, "the trouble")
        stranger.unlink()
        assert daemon.end() == 0
        crashes = [event["event"] for event in daemon.events if "crash" in event["event"]]
        assert (crashes, "Traceback" in daemon.log.read_text()) == ([], False)
    assert small("scan").code == 0
    assert small.outcomes == [("stored", None)]
    assert len(openbao.versions(f"salesforce/{org}/integration@acme.example")) == 1


def test_a_volume_that_is_full_before_the_start(
    small: Program, dovecot: Dovecot, user: str
) -> None:
    """The same messages from a real file system, and the token is stored when there is room."""
    dovecot.deliver(mails.genuine(issued_at=NOW), user)
    stranger = fill(small.state)
    journal = small.state / "journal.jsonl"
    for words in ("scan", "run"):
        done = small(words)
        problem = (
            f"token-catcher: {journal}: the record could not be written: No space left on device"
        )
        lines = [line for line in done.err.splitlines() if not line.startswith("{")]
        assert (done.code, done.out, lines) == (1, "", [problem, ROOM])
    stranger.unlink()
    assert small("scan").code == 0
    assert small.outcomes == [("stored", None)]


def test_a_volume_that_is_read_only(small: Program, dovecot: Dovecot, user: str) -> None:
    """The same, as a container has it whose volume was mounted so by mistake."""
    dovecot.deliver(mails.genuine(issued_at=NOW), user)
    subprocess.run(["mount", "-o", "remount,ro", small.state], check=True)
    for words, problem in (
        ("scan", f"{small.state}/journal.jsonl: the journal cannot be used: Read-only file system"),
        ("run", f"{small.state}/daemon.lock: cannot be opened: Read-only file system"),
    ):
        done = small(words)
        lines = [line for line in done.err.splitlines() if not line.startswith("{")]
        assert (done.code, done.out, lines) == (1, "", [f"token-catcher: {problem}", WRITING])
    subprocess.run(["mount", "-o", "remount,rw", small.state], check=True)
    assert small("scan").code == 0
    assert small.outcomes == [("stored", None)]
