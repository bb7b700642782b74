"""What the demo plays on: a mail server, a Vault, a configuration, and the program itself.

The servers are real ones (pymap for IMAP, OpenBao for Vault) and listen on 127.0.0.1 at free
ports. When the playground ends, processes and files are gone.
"""

from __future__ import annotations

import imaplib
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from token_catcher.clock import utc_now
from token_catcher.commands.processes import (
    PATIENCE,
    await_port,
    finished,
    logged_process,
    raise_if_ended,
    until,
)
from token_catcher.commands.salesforce import Salesforce
from token_catcher.errors import ConfigurationError, Outage
from token_catcher.model import Event

ADDRESS: Final = "sf-integration@acme.example"
OUTCOMES: Final = frozenset(Event)
CONFIG: Final = """\
state_dir: {home}/state
instance: demo
mailboxes:
  - name: integrations
    host: 127.0.0.1
    port: {imap_port}
    tls: none                  # loopback only
    username: {address}
    password: {{file: imap-password}}
    poll: 10s
orgs:
  - name: acme-production
    environment: production
    usernames: ["*@acme.example"]
  - name: acme-uat
    environment: sandbox
    usernames: ["*@acme.example.uat"]
vault:
  address: http://127.0.0.1:{vault_port}
  auth: {{method: token, token: {{file: vault-token}}}}
  mount: secret
  path: salesforce/{{org}}/{{username}}
trust:
  policy: dkim
  dkim_keys: dkim-keys         # stands for the key that Salesforce publishes in DNS
log: {{level: info, format: json}}
"""


@dataclass(frozen=True, slots=True)
class Playground:
    """The running servers, and the files of somebody who operates the program beside them."""

    home: Path
    imap_port: int
    vault_port: int
    imap_password: str = field(repr=False)
    vault_token: str = field(repr=False)
    salesforce: Salesforce

    @property
    def config(self) -> Path:
        """The configuration file, complete and usable by hand."""
        return self.home / "config.yaml"

    @property
    def daemon_log(self) -> Path:
        """What the daemon tells."""
        return self.home / "daemon.log"

    def deliver(self, raw: bytes, folder: str) -> datetime:
        """Drop a mail into a folder, as a mail server would. Returns when it was accepted."""
        with self.imap() as client:
            client.append(folder, "", imaplib.Time2Internaldate(time.time()), raw)
            return utc_now()

    @contextmanager
    def imap(self) -> Iterator[imaplib.IMAP4]:
        """A session of the demo's own."""
        # Python's own client, so that the demo does not stand on what it shows.
        client = imaplib.IMAP4("127.0.0.1", self.imap_port, timeout=PATIENCE)
        try:
            client.login(ADDRESS, self.imap_password)
            yield client
        finally:
            client.logout()

    def bao(self, *words: str) -> str:
        """What the Vault client prints. Outage: it failed."""
        status, printed = finished(["bao", *words], self.vault_environment, capture=True)
        if status != 0:
            raise Outage(f"demo: bao {words[0]} ended with status {status}")
        return printed

    @property
    def vault_environment(self) -> dict[str, str]:
        """The environment in which the `bao` command speaks to our server."""
        return environment() | {
            "BAO_ADDR": f"http://127.0.0.1:{self.vault_port}",
            "BAO_TOKEN": self.vault_token,
            "HOME": str(self.home),  # the client looks for a token there
        }

    def program(self, *words: str) -> None:
        """Run the installed program to its end; it writes to our own standard output."""
        finished([*self._program, *words], environment())

    def outcomes(self) -> list[dict[str, Any]]:
        """What the daemon has told of mails so far: an event each, once it is recorded."""
        lines = self.daemon_log.read_text("utf-8").split("\n")[:-1]
        events = [json.loads(line) for line in lines]
        return [event for event in events if event["event"] in OUTCOMES]

    @contextmanager
    def daemon(self) -> Iterator[None]:
        """`token-catcher run`, until the block ends. Outage: it is not ready in time."""

        def is_ready() -> bool:
            raise_if_ended(process, "token-catcher run")
            return b"daemon.ready" in self.daemon_log.read_bytes()

        with logged_process([*self._program, "run"], environment(), self.daemon_log) as process:
            until(is_ready, "the daemon")
            yield

    @property
    def _program(self) -> list[str]:
        return [sys.executable, "-m", "token_catcher", "--config", str(self.config)]


@contextmanager
def playground() -> Iterator[Playground]:
    """Servers up, folders made, configuration written; all gone at the end.

    ConfigurationError: a server's command is missing. Outage: a server is not ready in time."""
    _require_commands("pymap", "bao")
    with tempfile.TemporaryDirectory(prefix="token-catcher-demo-") as home, ExitStack() as stack:
        made = Playground(
            home=Path(home),
            imap_port=_free_port(),
            vault_port=_free_port(),
            imap_password=secrets.token_hex(16),
            vault_token=secrets.token_hex(16),
            salesforce=Salesforce(),
        )
        _write_files(made)
        stack.enter_context(_pymap(made))
        stack.enter_context(_openbao(made))
        with made.imap() as client:
            client.create("Junk")
        yield made


def environment() -> dict[str, str]:
    """Ours, with the commands of our virtual environment first.

    Nothing in it points to another Vault, and no proxy stands between us and ourselves."""
    own = dict(os.environ)
    for name in os.environ:
        if name.startswith(("VAULT_", "BAO_")):
            del own[name]
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    return own | {"PATH": os.pathsep.join(folders), "NO_PROXY": "127.0.0.1"}


def _require_commands(*names: str) -> None:
    path = environment()["PATH"]
    for name in names:
        if shutil.which(name, path=path) is None:
            raise ConfigurationError(
                f"demo: the command {name} is missing; from the checkout: pip install '.[demo]',"
                " or pipx install --force '.[demo]'",
                code="demo",
            )


def _write_files(made: Playground) -> None:
    """The files an operator would have: configuration, secrets, the pinned key."""
    config = CONFIG.format(
        home=made.home, imap_port=made.imap_port, vault_port=made.vault_port, address=ADDRESS
    )
    files = {
        "config.yaml": config,
        "imap-password": made.imap_password + "\n",
        "vault-token": made.vault_token + "\n",
        "dkim-keys": made.salesforce.pinned_key,
    }
    for name, text in files.items():
        path = made.home / name
        path.touch(0o600)  # before there is a secret in it
        path.write_text(text)


@contextmanager
def _pymap(made: Playground) -> Iterator[None]:
    command = ["pymap", "--host", "127.0.0.1", "--port", str(made.imap_port), "--no-tls"]
    user = ["dict", "--demo-user", ADDRESS, "--demo-password", made.imap_password]
    log = made.home / "pymap.log"
    with logged_process([*command, *user], environment(), log) as process:
        await_port(made.imap_port, process, "pymap")
        yield


@contextmanager
def _openbao(made: Playground) -> Iterator[None]:
    def answers() -> bool:
        status, _ = finished(["bao", "status"], made.vault_environment, capture=True)
        return status == 0

    listen = f"-dev-listen-address=127.0.0.1:{made.vault_port}"
    command = ["bao", "server", "-dev", "-dev-no-store-token", listen]
    own = {"BAO_DEV_ROOT_TOKEN_ID": made.vault_token, "HOME": str(made.home)}
    with logged_process(command, environment() | own, made.home / "bao.log") as process:
        # It takes calls before it is unsealed.
        await_port(made.vault_port, process, "bao")
        until(answers, "OpenBao")
        yield


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
