"""`token-catcher demo`: what it shows is what happened, its hints work, and nothing is left
behind, however it ends."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.program import COMMAND
from tests.kit.servers import until
from tests.kit.waiting import PATIENCE

pytestmark = pytest.mark.servers

SCENES = """\
token-catcher on embedded servers: pymap (IMAP) and OpenBao (Vault)

1. A reset: the new token arrives in the inbox
   stored salesforce/acme-production/integration@acme.example v2  (N s after delivery)
2. A second user's token ends in the spam folder
   stored salesforce/acme-production/etl@acme.example v1  (N s after delivery)
3. A sandbox token goes under its own org
   stored salesforce/acme-uat/integration@acme.example.uat v1  (N s after delivery)
4. A forgery: exact words, exact sender, no signature
   refused unsigned  (N s after delivery)
5. An older mail arrives late and must not win
   unchanged stale  (N s after delivery)

$ token-catcher history
recorded (UTC)    outcome    user                          ver  why
MINUTE  stored     integration@acme.example      2
MINUTE  stored     etl@acme.example              1
MINUTE  stored     integration@acme.example.uat  1
MINUTE  refused    integration@acme.example           unsigned
MINUTE  unchanged  integration@acme.example           stale

The secrets, as Vault has them (values masked)
secret/salesforce/acme-production/etl@acme.example version 1
   security_token  ******** (25 characters)
   captured_at     TIME
   captured_by     demo
   dated_at        TIME
   fingerprint     sha256:X
   issued_at       TIME
   mail            sha256:X
   version         1
   writer          X
secret/salesforce/acme-production/integration@acme.example version 2
   password        ******** (13 characters)
   security_token  ******** (25 characters)
   captured_at     TIME
   captured_by     demo
   dated_at        TIME
   fingerprint     sha256:X
   issued_at       TIME
   mail            sha256:X
   version         2
   writer          X
secret/salesforce/acme-uat/integration@acme.example.uat version 1
   security_token  ******** (25 characters)
   captured_at     TIME
   captured_by     demo
   dated_at        TIME
   fingerprint     sha256:X
   issued_at       TIME
   mail            sha256:X
   version         1
   writer          X

$ token-catcher audit verify
HOME/state/journal.jsonl: intact, 5 records, head 5:X

Still running."""


@dataclass
class Demo:
    """A running demo, in a session of its own, so that all it starts can be found."""

    process: subprocess.Popen[bytes]
    output: Path
    folder: Path
    """Where it makes its temporary files."""

    @property
    def shown(self) -> str:
        """Everything it has shown so far, on both streams."""
        return self.output.read_text("utf-8")

    def shows(self, text: str) -> None:
        """Returns when this can be read."""
        until(
            lambda: text in self.shown or self.process.poll() is not None,
            f"{text!r} from the demo",
            PATIENCE,
        )
        assert text in self.shown

    def end(self, number: signal.Signals) -> int:
        """Send a signal to the demo alone, and wait; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    @property
    def left_behind(self) -> list[str]:
        """Processes of its session, and files."""
        return [*map(str, self._session()), *map(str, self.folder.iterdir())]

    def _session(self) -> Iterator[int]:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == self.process.pid and fields[0] != "Z":
                    yield int(process.name)

    def kill(self) -> None:
        """Whatever is still there goes."""
        for number in self._session():
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        self.process.wait(PATIENCE)


@contextmanager
def demo(home: Path, *words: str) -> Iterator[Demo]:
    folder, output = home / "tmp", home / "output"
    folder.mkdir()
    environment = os.environ | {"TMPDIR": str(folder), "COLUMNS": "200"}
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [COMMAND, "demo", *words],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=environment,
            start_new_session=True,
        )
    running = Demo(process, output, folder)
    try:
        yield running
    finally:
        running.kill()


def plain(shown: str) -> str:
    """What was shown, without what differs from run to run."""
    shown = re.sub(r"/\S*/token-catcher-demo-\w+", "HOME", shown)
    shown = re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME", shown)
    shown = re.sub(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d(?= )", "MINUTE", shown)
    shown = re.sub(r"sha256:([0-9a-f]{64}|[0-9a-f]{16})", "sha256:X", shown)
    shown = re.sub(r"\b[0-9a-f]{32}\b", "X", shown)
    shown = re.sub(r"(head [0-9]+):[0-9a-f]{64}", r"\1:X", shown)
    shown = re.sub(r"\d+\.\d\d s after", "N s after", shown)
    return "\n".join(line.rstrip() for line in shown.splitlines())


def hints(shown: str) -> list[str]:
    """The commands it tells people to type, but for one that never ends."""
    lines = re.findall(r"(?m)^  (\S.*)$", shown.partition("Still running.")[2])
    commands = [command for line in lines for command in re.split(r" {3,}", line)]
    return [command for command in commands if not command.startswith("tail -f")]


def test_the_whole_demo(tmp_path: Path) -> None:
    """Five scenes, the history, the secrets, the journal; with --keep its hints can be typed;
    then all is gone."""
    with demo(tmp_path, "--keep") as running:
        for step in ("1.", "2.", "3.", "4.", "5.", "The secrets", "Ctrl-C ends it"):
            running.shows(step)  # each may take its time
        shown = plain(running.shown)
        assert shown[: len(SCENES)] == SCENES
        path = f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}"
        typed = [
            command
            for command in hints(running.shown)
            if shutil.which(command.split()[0], path=path) or "export" in command
        ]
        assert [command.split()[0] for command in typed if not command.startswith("curl")] == [
            "export", "token-catcher", "token-catcher", "token-catcher", "export", "bao",
        ]  # fmt: skip
        done = subprocess.run(
            ["/bin/sh", "-ec", "\n".join(typed)],
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "→ would-store salesforce/acme-production/integration@acme.example" in done.stdout
        assert running.left_behind != []
        assert running.end(signal.SIGINT) == 0
        assert running.left_behind == []
    assert "Traceback" not in running.shown


def test_a_demo_that_is_ended_early(tmp_path: Path) -> None:
    """By `timeout`, or whoever sends SIGTERM: servers, daemon and files are gone as well."""
    with demo(tmp_path) as running:
        running.shows("1. A reset")
        assert running.end(signal.SIGTERM) == 143
        assert running.left_behind == []
    assert "Traceback" not in running.shown
