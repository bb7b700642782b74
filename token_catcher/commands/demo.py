"""The embedded playground: the real program against real servers (pymap for IMAP, OpenBao for Vault), with made-up mail.

The demo plays Salesforce: it signs mail with a throw-away key, whose public half it pins through `trust.dkim_keys`, and
drops it into the mailbox. Everything else is the installed program, run as an operator would run it. Servers listen on
127.0.0.1 at free ports; nothing is left behind.
"""

from __future__ import annotations

import base64
import imaplib
import json
import os
import secrets
import shutil
import signal
import socket
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from rich.console import Console

from token_catcher.errors import ConfigurationError, Outage
from token_catcher.model import Event

Answer = TypeVar("Answer")

ADDRESS: Final = "sf-integration@acme.example"
SELECTOR: Final = "demo"
PATIENCE: Final = 20.0
"""Seconds that a server, or the program, may take for one thing before the demo gives up."""

BODY: Final = (
    "We've sent you a new Salesforce security token because you recently changed your password or requested to reset"
    " your security token. Use this updated security token with API or desktop clients that require it.\r\n\r\n"
    "Username: {username}\r\nSecurity token (case-sensitive): {token}\r\n\r\n"
    "For more information on using your security token, see Reset Your Security Token at"
    " https://help.salesforce.com/HTViewHelpDoc?id=user_security_token.htm.\r\n"
)

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


@dataclass
class Playground:
    """The servers, the configuration and the running program."""

    home: Path
    imap_port: int
    vault_port: int
    imap_password: str = field(repr=False)
    vault_token: str = field(repr=False)
    key: bytes = field(repr=False)
    """The throw-away private key, PEM."""

    @property
    def config(self) -> Path:
        """The configuration file, complete and usable by hand."""
        return self.home / "config.yaml"

    def deliver(self, raw: bytes, folder: str = "INBOX") -> None:
        """Drop a mail into a folder, as a mail server would."""
        with self.imap() as client:
            client.append(folder, "", imaplib.Time2Internaldate(time.time()), raw)

    @contextmanager
    def imap(self) -> Iterator[imaplib.IMAP4]:
        """A session of the demo's own."""
        client = imaplib.IMAP4("127.0.0.1", self.imap_port, timeout=PATIENCE)
        try:
            client.login(ADDRESS, self.imap_password)
            yield client
        finally:
            client.logout()

    def bao(self, *words: str) -> str:
        """What the Vault client prints."""
        done = subprocess.run(
            ["bao", *words],
            env=self.vault_environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        return done.stdout

    def vault_environment(self) -> Mapping[str, str]:
        """The environment in which the `bao` command speaks to our server."""
        return _environment() | {
            "BAO_ADDR": f"http://127.0.0.1:{self.vault_port}",
            "BAO_TOKEN": self.vault_token,
            "HOME": str(self.home),
        }

    def program(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the installed program to its end."""
        command = [sys.executable, "-m", "token_catcher", "--config", str(self.config), *words]
        return subprocess.run(command, text=True, timeout=60, check=False, **options)

    def records(self) -> list[dict[str, Any]]:
        """The rotation history, as the program tells it to machines."""
        told = self.program("history", "--json", capture_output=True).stdout
        return [json.loads(line) for line in told.splitlines()]

    def token_mail(
        self,
        username: str,
        *,
        sandbox: bool = False,
        age: timedelta = timedelta(),
        signed: bool = True,
    ) -> bytes:
        """A token mail as Salesforce sends it, with a token made up on the spot."""
        issued = datetime.now(UTC) - age
        token = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(25))
        raw = (
            f"Date: {format_datetime(issued)} (GMT)\r\n"
            'From: "support@salesforce.com" <support@salesforce.com>\r\n'
            f"To: {ADDRESS}\r\n"
            f"Message-ID: <{secrets.token_hex(8)}@sfdc.net>\r\n"
            f"Subject: {'Sandbox: ' if sandbox else ''}Your new Salesforce security token\r\n"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\n"
            + BODY.format(username=username, token=token)
        ).encode()
        return self._sign(raw) + raw if signed else raw

    def _sign(self, raw: bytes) -> bytes:
        names = [b"Date", b"From", b"To", b"Subject", b"MIME-Version", b"Content-Type"]
        signature: bytes = dkim.sign(
            raw,
            SELECTOR.encode(),
            b"salesforce.com",
            self.key,
            canonicalize=(b"relaxed", b"simple"),
            include_headers=names,
        )
        return signature


@dataclass(frozen=True)
class Scene:
    """One thing that happens to a mailbox, and what must come of it."""

    title: str
    mail: Callable[[Playground], bytes]
    outcome: str
    folder: str = "INBOX"


USER: Final = "integration@acme.example"
SCENES: Final = (
    Scene("A reset: the new token arrives in the inbox", lambda p: p.token_mail(USER), "stored"),
    Scene(
        "A second user's token ends in the spam folder",
        lambda p: p.token_mail("etl@acme.example"),
        "stored",
        folder="Junk",
    ),
    Scene(
        "A sandbox token goes under its own org",
        lambda p: p.token_mail("integration@acme.example.uat", sandbox=True),
        "stored",
    ),
    Scene(
        "A forgery: exact words, exact sender, no signature",
        lambda p: p.token_mail(USER, signed=False),
        "refused",
    ),
    Scene(
        "An older mail arrives late and must not win",
        lambda p: p.token_mail(USER, age=timedelta(hours=2)),
        "unchanged",
    ),
)


def demo(console: Console, *, keep: bool) -> None:
    """Play all scenes, show history and secrets. Outage: something did not start or did not happen in time."""
    with ExitStack() as stack:
        console.print(
            "[bold]token-catcher[/bold] on embedded servers: pymap (IMAP) and OpenBao (Vault)\n"
        )
        playground = stack.enter_context(_playground())
        playground.bao(
            "kv", "put", f"secret/salesforce/acme-production/{USER}", "password=kept-as-it-is"
        )
        stack.enter_context(_daemon(playground))
        for number, scene in enumerate(SCENES, 1):
            _play(playground, console, number, scene)
        console.print("\n[bold]$ token-catcher history[/bold]")
        playground.program("history", stdout=None)
        console.print("\n[bold]The secrets, as Vault has them[/bold] (values masked)")
        for line in _secrets(playground):
            console.print(line, soft_wrap=True)
        console.print("\n[bold]$ token-catcher audit verify[/bold]")
        playground.program("audit", "verify", stdout=None)
        if keep:
            _keep(playground, console)


def _play(playground: Playground, console: Console, number: int, scene: Scene) -> None:
    """Deliver, then wait until the program has recorded its outcome."""
    known = len(playground.records())
    began = time.monotonic()
    playground.deliver(scene.mail(playground), scene.folder)
    record = _until(lambda: playground.records()[known:], f"the record of scene {number}")[0]
    outcome = Event(record["event"]).outcome
    if outcome != scene.outcome:
        raise Outage(f"scene {number}: got {outcome}, expected {scene.outcome}")
    colour = {"stored": "green", "refused": "red"}.get(outcome, "yellow")
    where = f"{record['path']} v{record['version']}" if outcome == "stored" else record["reason"]
    console.print(f"[bold]{number}. {scene.title}[/bold]")
    console.print(
        f"   [{colour}]{outcome}[/{colour}] {where}  [dim]({time.monotonic() - began:.1f} s after delivery)[/dim]",
        highlight=False,
        soft_wrap=True,
    )


def _secrets(playground: Playground) -> Iterator[str]:
    """Every secret that is there, its fields with masked values."""
    for org in json.loads(playground.bao("kv", "list", "-format=json", "secret/salesforce")):
        for user in json.loads(
            playground.bao("kv", "list", "-format=json", f"secret/salesforce/{org}")
        ):
            path = f"secret/salesforce/{org}{user}"
            data = json.loads(playground.bao("kv", "get", "-format=json", path))["data"]
            yield f"{path} [dim]version {data['metadata']['version']}[/dim]"
            yield from (f"   {_masked(item)}" for item in data["data"].items())


def _masked(item: tuple[str, Any]) -> str:
    name, value = item
    secret = name in ("security_token", "password")
    shown = f"{'*' * 8} ({len(value)} characters)" if secret else value
    return f"{name.removeprefix('security_token_'):<15} {shown}"


def _keep(playground: Playground, console: Console) -> None:
    """Leave everything running until Ctrl-C or SIGTERM, and say how to look around."""
    mail = playground.home / "another-reset.eml"
    mail.write_bytes(playground.token_mail(USER))
    folder = f"imap://127.0.0.1:{playground.imap_port}/INBOX"
    console.print(
        f"""
[bold]Still running.[/bold] Look around from another terminal:

  export TOKEN_CATCHER_CONFIG={playground.config}
  token-catcher scan            token-catcher history            token-catcher explain {mail}
  export BAO_ADDR=http://127.0.0.1:{playground.vault_port} BAO_TOKEN=$(cat {playground.home}/vault-token)
  bao kv get secret/salesforce/acme-production/{USER}

Drop the mail in, and see it caught:

  curl -T {mail} -u {ADDRESS}:$(cat {playground.home}/imap-password) {folder}
  tail -f {playground.home}/daemon.log

Ctrl-C ends it and removes {playground.home}.""",
        highlight=False,
        soft_wrap=True,
    )
    try:
        signal.pause()
    except KeyboardInterrupt:
        console.print("Ended.")


@contextmanager
def _playground() -> Iterator[Playground]:
    """Servers up, folders made, configuration written; all gone at the end."""
    for command in ("pymap", "bao"):
        if shutil.which(command, path=_environment()["PATH"]) is None:
            raise ConfigurationError(
                f"demo: the command {command} is missing; pip install 'token-catcher[demo]'",
                code="demo",
            )
    with tempfile.TemporaryDirectory(prefix="token-catcher-demo-") as home, ExitStack() as stack:
        key = rsa.generate_private_key(65537, 2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        der = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        playground = Playground(
            Path(home),
            _free_port(),
            _free_port(),
            secrets.token_hex(16),
            secrets.token_hex(16),
            pem,
        )
        _write(playground, f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}")
        stack.enter_context(
            _server(_pymap(playground), playground.imap_port, _environment(), playground.home)
        )
        stack.enter_context(
            _server(
                _openbao(playground),
                playground.vault_port,
                _openbao_environment(playground),
                playground.home,
            )
        )
        _until(lambda: _vault_answers(playground), "OpenBao")
        with playground.imap() as client:
            client.create("Junk")
        yield playground


def _write(playground: Playground, record: str) -> None:
    """The files an operator would have: configuration, secrets, the pinned key."""
    values = {
        "home": playground.home,
        "imap_port": playground.imap_port,
        "vault_port": playground.vault_port,
    }
    files = {
        "config.yaml": CONFIG.format(address=ADDRESS, **values),
        "imap-password": playground.imap_password + "\n",
        "vault-token": playground.vault_token + "\n",
        "dkim-keys": f"{SELECTOR}._domainkey.salesforce.com  {record}\n",
    }
    for name, text in files.items():
        path = playground.home / name
        path.touch(0o600)
        path.write_text(text)


def _pymap(playground: Playground) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(playground.imap_port), "--no-tls"]
    return [
        "pymap",
        *where,
        "dict",
        "--demo-user",
        ADDRESS,
        "--demo-password",
        playground.imap_password,
    ]


def _openbao(playground: Playground) -> list[str]:
    return [
        "bao",
        "server",
        "-dev",
        "-dev-no-store-token",
        f"-dev-listen-address=127.0.0.1:{playground.vault_port}",
    ]


def _openbao_environment(playground: Playground) -> Mapping[str, str]:
    return _environment() | {
        "BAO_DEV_ROOT_TOKEN_ID": playground.vault_token,
        "HOME": str(playground.home),
    }


def _environment() -> dict[str, str]:
    """Ours, with the commands of our own virtual environment first, and no proxy between us and ourselves."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(("VAULT_", "BAO_"))
    }
    return ours | {"PATH": path, "NO_PROXY": "127.0.0.1"}


@contextmanager
def _server(
    command: list[str], port: int, environment: Mapping[str, str], home: Path
) -> Iterator[None]:
    """A server of our own, for as long as the block runs."""
    with (home / f"{command[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        _until(lambda: _listens(port) or _ended(process, command[0]), command[0])
        yield
    finally:
        _stop(process)


@contextmanager
def _daemon(playground: Playground) -> Iterator[None]:
    """`token-catcher run`, until SIGTERM."""
    log = playground.home / "daemon.log"
    command = [sys.executable, "-m", "token_catcher", "--config", str(playground.config), "run"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, env=_environment(), stdin=subprocess.DEVNULL, stderr=stream
        )
    try:
        _until(
            lambda: b"daemon.ready" in log.read_bytes() or _ended(process, "token-catcher run"),
            "the daemon",
        )
        yield
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _ended(process: subprocess.Popen[bytes], what: str) -> bool:
    """False while it runs. Outage: it ended, and will never be ready."""
    if process.poll() is not None:
        raise Outage(f"demo: {what} ended with status {process.returncode} before it was ready")
    return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _vault_answers(playground: Playground) -> bool:
    done = subprocess.run(
        ["bao", "status"], env=playground.vault_environment(), capture_output=True, check=False
    )
    return done.returncode == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _until(question: Callable[[], Answer], what: str) -> Answer:
    """Ask until the answer is something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.05)
    raise Outage(f"demo: gave up waiting for {what} after {PATIENCE:.0f} s")
