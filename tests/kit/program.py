"""The installed program, with a configuration of the test's own, run as an operator runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.kit import mails
from tests.kit.processes import reaped
from tests.kit.servers import Dovecot, OpenBao
from tests.kit.waiting import PATIENCE, until
from token_catcher.record import record_schema, series

COMMAND = str(Path(sys.executable).parent / "token-catcher")
POLICY = Path(__file__).parents[2] / "deploy" / "vault" / "token-catcher.hcl"


RECORD = Draft202012Validator(record_schema())
"""What each record that the program writes has to be."""
UNMEASURED = {"COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}
"""In the environment of what is killed in the end, whose coverage would never be written."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Standard output of `--json`."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON log on standard error."""
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]


@dataclass
class Daemon:
    """A running `token-catcher run`."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def events(self) -> list[dict[str, Any]]:
        """What it has logged so far; a half line at the end is not counted."""
        lines = self.log.read_text("utf-8").split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def says(self, event: str, **fields: Any) -> bool:
        """Whether it has logged such an event."""
        wanted = {"event": event} | fields
        return any(wanted.items() <= logged.items() for logged in self.events)

    def ready(self) -> None:
        """Returns when the first look is done everywhere."""

        def is_ready() -> bool:
            assert self.process.poll() is None, self.log.read_text("utf-8")
            return self.says("daemon.ready")

        until(is_ready, "the daemon to be ready")

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@dataclass
class Program:
    """One state directory and one configuration over one mailbox and one Vault."""

    home: Path
    text: str
    env: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = (COMMAND,)
    """What is run; the installed program."""

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.home / "config.yaml"

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.home / "state"

    @property
    def journal(self) -> list[dict[str, Any]]:
        """The journal's records, in all of its files; each is what its schema says."""
        records = []
        for file in series(self.state / "journal.jsonl"):
            if file.exists():
                # What follows the last line end is a record that the daemon is just writing.
                lines = file.read_text("utf-8").split("\n")[:-1]
                records += [json.loads(line) for line in lines]
        for record in records:
            RECORD.validate(record)
        return records

    @property
    def outcomes(self) -> list[tuple[str, str | None]]:
        """Event and reason of every record, in order."""
        return [
            (record["event"].removeprefix("rotation."), record.get("reason"))
            for record in self.journal
        ]

    def configure(self, **replaced: str) -> None:
        """Write the configuration, with some lines replaced.

        `poll="poll: 1s"` replaces the first line that begins with `poll:`."""
        lines = self.text.splitlines()
        for key, text in replaced.items():
            keys = [line.strip().lstrip("- ").partition(":")[0] for line in lines]
            place = keys.index(key)
            indent = lines[place][: len(lines[place]) - len(lines[place].lstrip())]
            lines[place : place + 1] = [indent + line for line in text.split("\n")]
        self.config.write_text("\n".join(lines) + "\n", "utf-8")

    def watch(self, users: Mapping[str, str]) -> None:
        """In place of its mailbox, one of each name with this user; all else is as it was."""
        before, _, rest = self.text.partition("  - name: integrations\n")
        settings, _, after = rest.partition("orgs:\n")
        mailboxes = []
        for name, user in users.items():
            own = re.sub(r"(?m)^    username: .*$", f"    username: {user}", settings)
            mailboxes.append(f"  - name: {name}\n{own}")
        self.text = before + "".join(mailboxes) + "orgs:\n" + after
        self.configure()

    def secret(self, name: str, value: str) -> Path:
        """A file that only we can read."""
        path = self.home / name
        path.touch(0o600)
        path.write_text(value + "\n", "utf-8")
        return path

    def __call__(self, *words: str, stdin: bytes = b"") -> Done:
        """Run a command to its end."""
        done = subprocess.run(
            self.words(*words),
            input=stdin,
            capture_output=True,
            env=self.environment(),
            timeout=PATIENCE,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *words: str, terminal: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Start a command and leave it running, until the test ends.

        Its output goes to the terminal of this descriptor, or is thrown away."""
        process = subprocess.Popen(
            self.words(*words),
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
            env=self.environment(),
        )
        return reaped(process)

    @contextmanager
    def daemon(self, *, ready: bool = True) -> Iterator[Daemon]:
        """`token-catcher run` while the block runs; killed at its end if it is still there."""
        log = self.home / f"daemon-{len(list(self.home.glob('daemon-*.log')))}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                self.words("run"),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=self.environment(),
            )
        daemon = Daemon(process, log)
        try:
            if ready:
                daemon.ready()
            yield daemon
        finally:
            process.kill()
            process.wait()

    def words(self, *words: str) -> list[str]:
        """The command line of a command."""
        return [*self.command, "--config", str(self.config), *words]

    def environment(self) -> Mapping[str, str]:
        """Ours, without what would configure the program behind the test's back."""
        foreign = ("VAULT_", "BAO_", "TOKEN_CATCHER_")
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(foreign)
        }
        return inherited | self.env


CONFIG = """\
state_dir: {home}/state
instance: {instance}
mailboxes:
  - name: integrations
    host: localhost
    port: {port}
    tls: implicit
    ca_file: {ca_file}
    username: {user}
    password: {{file: imap-password}}
    addresses: [{address}]
    poll: 60s
    idle: true
    lookback: 14d
orgs:
  - name: {org}
    environment: production
    usernames: ["*@acme.example"]
  - name: {org}-uat
    environment: sandbox
    usernames: ["*@acme.example.uat"]
vault:
  address: {vault}
  auth: {{method: approle, role_id: {role_id}, secret_id: {{file: secret-id}}}}
  mount: secret
  path: salesforce/{{org}}/{{username}}
trust:
  policy: dkim
  dkim_keys: dkim-keys
log: {{level: info, format: json}}
"""


def program(
    home: Path, dovecot: Dovecot, openbao: OpenBao, user: str, org: str, *, instance: str = "test"
) -> Program:
    """A program over real servers, under the least-privilege policy that `deploy/` ships."""
    openbao.policy("token-catcher", POLICY.read_text("utf-8"))
    role = openbao.approle(f"{org}-{instance}", "token-catcher")
    home.mkdir(parents=True, exist_ok=True)
    built = Program(
        home,
        CONFIG.format(
            home=home,
            instance=instance,
            port=dovecot.tls_port,
            ca_file=dovecot.ca_file,
            user=dovecot.user(user),
            address=mails.ADDRESS,
            org=org,
            vault=openbao.url,
            role_id=role.role_id,
        ),
    )
    built.secret("imap-password", dovecot.password)
    built.secret("secret-id", role.secret_id)
    (home / "dkim-keys").write_text(mails.genuine_signer().pin, "ascii")
    built.configure()
    return built
