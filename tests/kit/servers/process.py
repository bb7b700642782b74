"""Starting, awaiting and stopping a server process of a test's own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from tests.kit.waiting import until

USERNAME = "sf-integration@example.com"
PASSWORD = "pw-of-the-mailbox"
"""The mailbox account that every IMAP server here has from its start."""


def missing(what: str, remedy: str) -> None:
    """Leave the test out on a developer's machine, with the line to type.

    Where CI promises every server, the test fails."""
    text = f"{what} is missing: {remedy}"
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


def command(name: str, remedy: str) -> str:
    """The path of a command, from our virtual environment first; see `missing`."""
    ours = str(Path(sys.executable).parent)
    path = os.pathsep.join([ours, os.environ.get("PATH", os.defpath), "/usr/sbin"])
    program = shutil.which(name, path=path)
    if program is None:
        missing(name, remedy)
    return str(program)


def free_port() -> int:
    """A port that nobody listens on at 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether somebody accepts connections at 127.0.0.1:`port`."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A process with a directory of its own, started by `with` and gone at its end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.home = Path(tempfile.mkdtemp(prefix=f"tc-{name}-"))
        """Under /tmp and short: socket paths have at most 107 bytes. Removed at the end."""
        self.home.chmod(0o755)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What the process printed so far."""
        return (self.home / "server.log").read_text(errors="replace")

    @property
    def pid(self) -> int:
        """The process, which is also its process group."""
        assert self._process is not None, f"{self.name} is not running"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not stopped since."""
        return self._process is not None

    def start(self) -> None:
        """Begin; returns when it answers."""
        raise NotImplementedError

    def stop(self) -> None:
        """End the process and its children; harmless when it is not running."""
        process = self._process
        self._process = None
        if process is None:
            return
        self._signal(process.pid, signal.SIGCONT)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        self._signal(process.pid, signal.SIGKILL)
        process.wait(5)

    def kill(self) -> None:
        """End it like a power cut."""
        if self._process is not None:
            self._signal(self.pid, signal.SIGKILL)
            self.stop()

    def restart(self) -> None:
        """Stop and start again at the same ports."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop all its processes where they are: connections stay open and nothing answers."""
        self._signal(self.pid, signal.SIGSTOP)
        # Until then threads on other processors go on, and may answer once more.
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def _spawn(
        self,
        words: Sequence[str],
        ready: Callable[[], object],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start the process as the leader of a group of its own, and wait until it is `ready`."""
        with (self.home / "server.log").open("ab") as log:
            process = subprocess.Popen(
                words,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._process = process

        def answers() -> object:
            assert process.poll() is None, (
                f"{self.name} ended with status {process.returncode}:\n{self.log}"
            )
            return ready()

        until(answers, f"{self.name} to answer")

    def _signal(self, group: int, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(group, number)
