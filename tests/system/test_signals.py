"""SIGTERM and SIGINT end every command at once and well: in its first moments, as process 1 of a
container, in the middle of a conversation, and while the C library answers nobody."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.kit.mails import ADDRESS
from tests.kit.processes import reaped
from tests.kit.program import COMMAND, Program
from tests.kit.waiting import PATIENCE, until

CONFIG = f"""\
state_dir: state
instance: test
mailboxes:
  - name: integrations
    host: 127.0.0.1
    port: 1
    username: {ADDRESS}
    password: {{file: imap-password}}
orgs:
  - name: acme
    usernames: ["*@acme.example"]
vault:
  address: http://127.0.0.1:9
  auth: {{method: token, token: {{file: vault-token}}}}
log: {{level: info, format: json}}
"""
CODES = [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
AS_FIRST = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
"""Runs a command as process 1 of a PID namespace, where the machine lets us make one."""


def _may_be_first() -> bool:
    done = subprocess.run([*AS_FIRST, "true"], capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture(params=["as process 1", "as any process"])
def front(request: pytest.FixtureRequest) -> list[str]:
    """What stands in front of the command."""
    if request.param == "as any process":
        return []
    if not _may_be_first():
        pytest.skip("this machine lets us make no PID namespace")
    return AS_FIRST


@pytest.fixture
def mute(tmp_path: Path) -> Iterator[tuple[Program, socket.socket]]:
    """A program, and its mail server, which takes the call and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        program = Program(tmp_path, CONFIG)
        program.secret("imap-password", "pw")
        program.secret("vault-token", "hvs.FAKEvaultTokenNotReal")
        program.configure(port=f"port: {server.getsockname()[1]}")
        yield program, server


def started(front: Sequence[str], *words: str, **env: str) -> subprocess.Popen[str]:
    """The command, with what stands in front of it."""
    process = subprocess.Popen(
        [*front, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | env,
        start_new_session=True,
    )
    return reaped(process)


def the_command(process: subprocess.Popen[str], front: Sequence[str]) -> int:
    """The number of the command's own process: a child of what stands in front of it."""
    if not front:
        return process.pid
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return int(until(lambda: children.read_text().split(), "the command to be started")[0])


IMPORTED = """
import time
print("importing", flush=True)
time.sleep(3600)
"""


@pytest.mark.parametrize(("number", "code"), CODES)
@pytest.mark.parametrize("words", ["run", "scan --wait 10m", "history -", "demo"])
def test_a_signal_in_the_first_second(
    front: list[str], tmp_path: Path, words: str, number: signal.Signals, code: int
) -> None:
    """While modules are still being imported; here it is one that takes its time."""
    (tmp_path / "ctypes.py").write_text(IMPORTED)
    command = [COMMAND, *words.split()]
    with started(front, *command, PYTHONPATH=str(tmp_path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        os.kill(the_command(process, front), number)
        assert (*process.communicate(timeout=PATIENCE), process.returncode) == ("", "", code)


@pytest.mark.parametrize(("number", "code"), CODES)
@pytest.mark.parametrize("words", ["scan", "scan --wait 10m", "scan --dry-run --json"])
def test_a_signal_in_the_middle_of_a_conversation(
    front: list[str],
    mute: tuple[Program, socket.socket],
    words: str,
    number: signal.Signals,
    code: int,
) -> None:
    """At once and without a word, though the server answers nothing; a wait has said before that
    it waits."""
    program, server = mute
    command = [COMMAND, "--config", str(program.config), *words.split()]
    with started(front, *command) as process, server.accept()[0]:
        os.kill(the_command(process, front), number)
        out, err = process.communicate(timeout=PATIENCE)
    told = [line.partition(", until ")[0] for line in err.splitlines()]
    waits = ["token-catcher: waiting for a new token of any user"]
    assert (out, process.returncode) == ("", code)
    assert told == (waits if "--wait" in words else [])


@pytest.mark.parametrize(("number", "code"), CODES)
def test_a_signal_while_standard_input_is_read(
    front: list[str], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """Of somebody who types nothing."""
    with started(front, COMMAND, "history", "--json", "-") as process:
        pid = the_command(process, front)
        waits = Path(f"/proc/{pid}/wchan")
        until(lambda: "pipe" in waits.read_text(), "standard input to be read")
        os.kill(pid, number)
        assert (*process.communicate(timeout=PATIENCE), process.returncode) == ("", "", code)


STUCK = """
import ctypes, sys
from token_catcher import cli
from token_catcher.commands import history
def read(*words, **options):
    print("stuck", flush=True)
    ctypes.CDLL(None).sleep(3600)
    ctypes.CDLL(None).sleep(3600)  # the signal cut the first one short
history.read = read
cli.main()
"""


@pytest.mark.parametrize(("number", "code"), CODES)
def test_a_signal_while_python_answers_none(
    front: list[str], number: signal.Signals, code: int
) -> None:
    """The C library waits, for a name server perhaps, and the main thread with it."""
    with started(front, sys.executable, "-c", STUCK, "history", "-") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stuck\n"
        os.kill(the_command(process, front), number)
        assert (*process.communicate(timeout=PATIENCE), process.returncode) == ("", "", code)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_daemon_as_process_1(
    front: list[str], mute: tuple[Program, socket.socket], number: signal.Signals
) -> None:
    """It ends well, with 0, once it runs."""
    program, server = mute
    command = [COMMAND, "--config", str(program.config), "run"]
    with started(front, *command) as process, server.accept()[0]:
        os.kill(the_command(process, front), number)
        _out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, "Traceback" in err) == (0, False)
    assert '"event": "daemon.stopped"' in err.splitlines()[-1]


def test_what_the_caller_ignores_stays_ignored(mute: tuple[Program, socket.socket]) -> None:
    """A script's `&`, or nohup: Ctrl-C on the terminal is not meant for it."""
    program, server = mute
    line = f"trap '' INT; exec {COMMAND} --config {program.config} scan"
    with started([], "/bin/sh", "-c", line) as process, server.accept()[0]:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert (*process.communicate(timeout=PATIENCE), process.returncode) == ("", "", 143)
