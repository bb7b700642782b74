"""The installed program as root over another user's files, and what it keeps to itself."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.kit import mails
from tests.kit.program import COMMAND, Program, program
from tests.kit.servers import Dovecot, OpenBao
from token_catcher.advice import NEXT_STEP

NOW = datetime.now(UTC).replace(microsecond=0)
TOKEN = "FAKEownedTOKENnotREALatall1a"
NOBODY = 65534
MALLORY = 4_000_000_001
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root works for others")


PACKAGES = sysconfig.get_path("purelib")
"""Where the program is installed."""


def readable_python() -> str:
    """A Python of our version that everybody can start: ours may be in root's home directory."""
    for python in (sys.executable, "/usr/bin/python3"):
        with suppress(PermissionError, FileNotFoundError):
            done = subprocess.run(
                [python, "-c", "import sys; print(sys.version_info[:2])"],
                user=NOBODY,
                group=NOBODY,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.stdout.strip() == str(sys.version_info[:2]):
                return python
    pytest.skip("no Python of this version is where another user can read it")


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A directory that everybody may pass; pytest's own are for their owner alone."""
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        yield Path(home)


@pytest.fixture
def shared(open_to_all: Path, dovecot: Dovecot, openbao: OpenBao, user: str, org: str) -> Program:
    """A program whose state directory and secrets are those of another user, as the daemon's are.

    The configuration is root's."""
    tool = program(open_to_all / "tool", dovecot, openbao, user, org)
    tool.command = (readable_python(), "-P", "-m", "token_catcher")
    tool.env["PYTHONPATH"] = PACKAGES
    authorities = tool.home / "ca.pem"
    authorities.write_bytes(Path(dovecot.ca_file).read_bytes())
    tool.text = tool.text.replace(str(dovecot.ca_file), str(authorities))
    tool.configure()
    tool.state.mkdir(mode=0o700)
    for name in ("state", "imap-password", "secret-id"):
        os.chown(tool.home / name, NOBODY, NOBODY)
    dovecot.deliver(mails.genuine(token=TOKEN, issued_at=NOW), user)
    return tool


def by_mallory(shared: Program, *words: str) -> subprocess.CompletedProcess[str]:
    """What Python makes of these words, run by somebody to whom the daemon's files are closed."""
    return subprocess.run(
        [shared.command[0], "-P", *words],
        env=shared.env,
        user=MALLORY,
        group=MALLORY,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )


def owners(directory: Path) -> set[int]:
    """Of everything below."""
    return {path.stat().st_uid for path in directory.rglob("*")}


@AS_ROOT
def test_what_root_scans_the_daemon_can_go_on_with(shared: Program) -> None:
    """`sudo token-catcher scan` works as the owner of `state_dir`, and leaves no file of root's."""
    done = shared("scan", "--json")
    assert (done.code, [line["outcome"] for line in done.lines]) == (0, ["stored"])
    assert owners(shared.state) == {NOBODY}
    again = subprocess.run(
        [*shared.command, "--config", str(shared.config), "scan", "--again"],
        env=shared.env,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        capture_output=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert shared.outcomes == [("stored", None)]


@AS_ROOT
def test_the_daemon_that_root_starts_works_as_the_owner(shared: Program) -> None:
    """Its lock and its checkpoints are no obstacle for the next one."""
    with shared.daemon() as daemon:
        pid = daemon.process.pid
        assert Path(f"/proc/{pid}").stat().st_uid in (NOBODY, 0)  # 0: not to be looked into
        status = Path(f"/proc/{pid}/status").read_text("ascii")
        assert f"Uid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}\n" in status
        assert daemon.end() == 0
    assert owners(shared.state) == {NOBODY}


@AS_ROOT
def test_what_only_looks_needs_no_other_user(shared: Program) -> None:
    """Root reads the record as root, and changes nothing."""
    assert shared("scan").code == 0
    shared.config.chmod(0o600)
    done = shared("history", "--json")
    assert (done.code, [line["event"] for line in done.lines]) == (0, ["rotation.stored"])
    assert owners(shared.state) == {NOBODY}


@AS_ROOT
def test_a_configuration_that_the_owner_may_not_read(shared: Program) -> None:
    """The daemon could not read it either; the message says who could not."""
    shared.config.chmod(0o600)
    done = shared("scan")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"token-catcher: {shared.config}: the configuration cannot be read:"
        " Permission denied to nobody (uid 65534)\n"
        f"next: {NEXT_STEP['configuration-file']}\n"
    )
    assert owners(shared.state) == set()


@AS_ROOT
def test_a_secret_that_the_owner_may_not_read(shared: Program) -> None:
    """To whom it is closed is said: root could read it."""
    password = shared.home / "imap-password"
    os.chown(password, 0, 0)
    done = shared("scan")
    assert (done.code, done.out) == (2, "")
    assert "got a file that cannot be read (Permission denied to nobody (uid 65534))" in done.err


@AS_ROOT
@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("history",), "/journal.jsonl: cannot be read: Permission denied to uid 4000000001"),
        (("held",), "/journal.jsonl: the journal cannot be used: Permission denied"),
        (("audit", "verify"), "/journal.jsonl.head: the head of the journal cannot be read"),
    ],
)
def test_a_state_directory_that_is_closed_to_us(
    shared: Program, words: tuple[str, ...], problem: str
) -> None:
    """Somebody who is not the daemon asks for its record: an error that says so."""
    shared.home.chmod(0o755)
    done = by_mallory(shared, "-m", "token_catcher", "--config", str(shared.config), *words)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert done.stderr.startswith(f"token-catcher: {shared.state}{problem}"), done.stderr


@AS_ROOT
def test_the_status_of_a_state_directory_that_is_closed_to_us(shared: Program) -> None:
    """What cannot be read is named, and nothing is said of what stands in it."""
    shared.home.chmod(0o755)
    words = ("-m", "token_catcher", "--config", str(shared.config), "status", "--json")
    done = by_mallory(shared, *words)
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert f"{shared.state}/journal.jsonl: the journal cannot be used" in told["journal"]["saw"]
    assert [mailbox["trouble"] for mailbox in told["mailboxes"]] == ["state"]


@AS_ROOT
def test_a_release_by_somebody_who_may_not_enter(shared: Program) -> None:
    """Nor does it say that there is no such mail."""
    for secret in ("imap-password", "secret-id"):
        os.chown(shared.home / secret, MALLORY, MALLORY)
    words = ("--config", str(shared.config), "release", "abcdef")
    done = by_mallory(shared, "-m", "token_catcher", *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[0] == (
        f"token-catcher: {shared.state}: it belongs to user {NOBODY} (nobody) and has mode 0700,"
        f" expected a directory that user {MALLORY} (no name) can write"
    )


@AS_ROOT
def test_a_configuration_that_is_found_and_closed_to_us(shared: Program, open_to_all: Path) -> None:
    """In a usual place, whose directory we may not enter: the search ends there, and says so."""
    closed = open_to_all / "closed"
    closed.mkdir(mode=0o700)
    program = (
        "import sys; from pathlib import Path; from token_catcher import cli, config;"
        "config.find.__defaults__ = ((Path(sys.argv.pop(1)),),); cli.main()"
    )
    place = str(closed / "config.yaml")
    done = by_mallory(shared, "-c", program, place, "held")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        f"token-catcher: {place}: the configuration cannot be read: Permission denied to uid"
        f" {MALLORY}",
    )


@AS_ROOT
def test_a_program_that_the_owner_cannot_read(shared: Program, tmp_path: Path) -> None:
    """Installed in root's home directory, say: it would fail in the middle of something."""
    hidden = tmp_path / "hidden"
    shutil.copytree(Path(PACKAGES) / "token_catcher", hidden / "token_catcher")
    hidden.chmod(0o700)
    shared.env["PYTHONPATH"] = f"{hidden}:{PACKAGES}"
    done = shared("scan")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "token-catcher: state_dir belongs to nobody (uid 65534), who cannot read our program:"
        f" {hidden}/token_catcher/ownership.py, expected one that everybody can read,"
        " in /opt for example\n"
        f"next: {NEXT_STEP['configuration-program']}\n"
    )
    assert owners(shared.state) == set()


@AS_ROOT
def test_root_reads_no_configuration_that_lies_in_a_persons_directory(
    shared: Program, tmp_path: Path
) -> None:
    """Neither where it stands, nor by its name while it belongs to that person."""
    home = tmp_path / "mallory"
    home.mkdir()
    planted = home / "config.yaml"
    planted.write_bytes(shared.config.read_bytes())
    os.chown(home, MALLORY, MALLORY)
    os.chown(planted, MALLORY, MALLORY)
    for words, told in (
        ((), f"config.yaml: got a directory of uid {MALLORY} ({home})"),
        (("--config", "config.yaml"), f"config.yaml: got a file of uid {MALLORY}"),
    ):
        done = subprocess.run(
            [COMMAND, *words, "scan"], cwd=home, capture_output=True, text=True, check=False
        )
        first, step = done.stderr.splitlines()
        assert (done.returncode, first.startswith(f"token-catcher: {told}")) == (2, True), first
        assert step.startswith("next: who can write these files can send your tokens elsewhere")
    assert owners(shared.state) == set()


def test_a_state_directory_that_others_can_write_is_not_used(tool: Program) -> None:
    """No command writes there, and none reads there."""
    tool.state.mkdir()
    tool.state.chmod(0o777)
    for words in (("scan",), ("run",), ("history",), ("audit", "archive")):
        done = tool(*words)
        assert (done.code, done.out) == (2, "")
        assert done.err.splitlines()[0] == (
            f"token-catcher: {tool.config}:1: state_dir: got a directory that others can write"
            f" (mode 0777), expected one for us alone: chmod go-w {tool.state},"
            " or name a new one below it"
        )
    assert list(tool.state.iterdir()) == []


def test_the_keys_of_tls_connections_are_written_nowhere(
    tool: Program, dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    """SSLKEYLOGFILE would open every recorded connection, to the mailbox and to Vault."""
    file = tmp_path / "keys"
    with OpenBao(tls=True) as vault:
        tool.configure(
            address=f"address: {vault.url}\nca_file: {vault.ca_file}",
            auth=f"auth: {{method: token, token: {{file: {tool.secret('t', vault.root_token)}}}}}",
        )
        tool.env["SSLKEYLOGFILE"] = str(file)
        dovecot.deliver(mails.genuine(token=TOKEN, issued_at=NOW), user)
        done = tool("scan", "--json")
    assert [line["outcome"] for line in done.lines] == ["stored"], done.err
    assert not file.exists()


@AS_ROOT
def test_check_looks_as_the_owner(shared: Program) -> None:
    """What root may do would hide that the daemon may not: here, to write its own directory."""
    shared.state.chmod(0o500)
    done = shared("check", "--json")
    (step,) = [step for step in done.lines if step["step"] == "state_dir"]
    owner = pwd.getpwuid(NOBODY).pw_name
    assert (step["outcome"], step["code"], step["saw"]) == (
        "failed",
        "state",
        f"{shared.state}: it belongs to user {NOBODY} ({owner}) and has mode 0500, expected a"
        f" directory that user {NOBODY} ({owner}) can write",
    )
    assert (done.code, done.err) == (1, "")
