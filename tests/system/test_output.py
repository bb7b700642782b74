"""Whatever takes the output, a full disk, a reader that went away, a terminal of another encoding:
it is told, it is shown with escapes, and it keeps no mailbox from being looked at."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.kit import mails
from tests.kit.fakes import Silent
from tests.kit.program import COMMAND, Program
from tests.kit.servers import Dovecot, OpenBao
from tests.kit.waiting import PATIENCE
from token_catcher.model import Entry, Event
from token_catcher.record import Journal

NOW = datetime.now(UTC).replace(microsecond=0)
FULL = "token-catcher: standard output cannot be written: No space left on device\n"
ALONE = """\
state_dir: state
instance: test
mailboxes:
  - name: integrations
    host: 127.0.0.1
    port: 1
    username: sf@example.com
    password: {file: secret}
    folders: {inbox: INBOX, also: ["Entwürfe → 1"]}
orgs:
  - name: acme
    usernames: ["*@acme.example"]
vault:
  address: http://127.0.0.1:9
  auth: {method: token, token: {file: secret}}
trust: {dkim_keys: dkim-keys}
"""
COMMANDS = [
    "",
    "run",
    "scan",
    "explain",
    "history",
    "held",
    "release",
    "status",
    "check",
    "init",
    "audit verify",
    "config show",
    "demo",
]


def run(
    stdout: int, *words: str, stderr: int = subprocess.PIPE, encoding: str = "utf-8"
) -> subprocess.CompletedProcess[bytes]:
    """The command, with these streams."""
    return subprocess.run(
        [COMMAND, *words],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        timeout=PATIENCE,
        check=False,
    )


@contextmanager
def full_disk() -> Iterator[int]:
    """A stream that takes nothing."""
    descriptor = os.open("/dev/full", os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


@contextmanager
def nobody() -> Iterator[int]:
    """A stream whose reader has gone away."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_to_a_full_disk(command: str) -> None:
    """Is told in a line, as for every other result."""
    with full_disk() as stdout:
        done = run(stdout, *command.split(), "--help")
    assert (done.returncode, done.stderr.decode()) == (1, FULL)


def test_a_mistake_told_to_a_full_disk() -> None:
    """Nobody can be told; the exit code is that of the mistake."""
    with full_disk() as stream:
        assert run(stream, "scan", "--no-such-option", stderr=stream).returncode == 2


class TwoMailboxes:
    """A program over two mailboxes, and a token in each."""

    def __init__(self, tool: Program, dovecot: Dovecot, user: str, org: str) -> None:
        second = f"second-{user}"
        text = tool.text
        mailbox = text[text.index("  - name: integrations") : text.index("orgs:")]
        mailbox = mailbox.replace("name: integrations", "name: second").replace(user, second)
        tool.text = text.replace("orgs:", f"{mailbox}orgs:").replace("level: info", "level: error")
        tool.configure()
        self.program = tool
        self.paths = [f"salesforce/{org}/{name}@acme.example" for name in ("etl", "integration")]
        for name, of in (("integration", user), ("etl", second)):
            dovecot.deliver(mails.genuine(f"{name}@acme.example", issued_at=NOW), of)

    def scan(
        self, stdout: int, *options: str, encoding: str = "utf-8"
    ) -> subprocess.CompletedProcess[bytes]:
        words = ["--config", str(self.program.config), "scan", *options]
        return run(stdout, *words, encoding=encoding)


@pytest.fixture
def two(tool: Program, dovecot: Dovecot, user: str, org: str) -> TwoMailboxes:
    """The second is looked at after the first was told of."""
    return TwoMailboxes(tool, dovecot, user, org)


@pytest.mark.parametrize("options", [(), ("--json",), ("--wait", "1s", "--user", "x@acme.example")])
@pytest.mark.parametrize(("stream", "told"), [(full_disk, FULL), (nobody, "")])
def test_output_that_fails_leaves_no_mail_unsettled(
    two: TwoMailboxes,
    openbao: OpenBao,
    stream: Callable[[], AbstractContextManager[int]],
    told: str,
    options: tuple[str, ...],
) -> None:
    """Both mailboxes are looked at, and what is in Vault is recorded and settled.

    After that the trouble is told, where somebody is there to hear it, and is a failure."""
    with stream() as stdout:
        done = two.scan(stdout, *options)
    assert done.returncode == 1
    assert done.stderr.decode().endswith(told)
    assert "Traceback" not in done.stderr.decode()
    assert [len(openbao.versions(path)) for path in two.paths] == [1, 1]
    assert two.program.outcomes == [("stored", None)] * 2
    assert two.program("scan").out == (
        "integrations: 0 looked at, nothing new\nsecond: 0 looked at, nothing new\n"
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_scan_whose_arrows_the_terminal_cannot_hold(
    two: TwoMailboxes, openbao: OpenBao, encoding: str
) -> None:
    """They are shown with escapes, and both mailboxes are looked at."""
    done = two.scan(subprocess.PIPE, encoding=encoding)
    lines = done.stdout.decode(encoding).splitlines()
    assert (done.returncode, done.stderr) == (0, b"")
    assert lines == [
        f"integrations INBOX/1  stored  integration@acme.example \\u2192 {two.paths[1]} v1",
        "integrations: 1 looked at, 1 stored",
        f"second INBOX/1  stored  etl@acme.example \\u2192 {two.paths[0]} v1",
        "second: 1 looked at, 1 stored",
    ]
    assert [len(openbao.versions(path)) for path in two.paths] == [1, 1]


@pytest.fixture
def recorded(tmp_path: Path) -> Program:
    """A program whose journal tells of a mail in a folder of a foreign name."""
    program = Program(tmp_path, ALONE)
    program.configure()
    program.secret("secret", "not asked for")
    (tmp_path / "dkim-keys").write_text(mails.genuine_signer().pin, "ascii")
    (tmp_path / "Entwürfe.eml").write_bytes(mails.genuine("someone@partner.example"))
    journal = Journal(program.state / "journal.jsonl", now=lambda: NOW, log=Silent())
    journal.append(
        Entry(
            Event.HELD,
            "test",
            "integrations",
            "Entwürfe → 1",
            7,
            1,
            f"sha256:{1:064x}",
            "2026-02-03T12:57:27Z",
            username="integration@acme.example",
            reason="unknown-user",
        )
    )
    return program


@pytest.mark.parametrize(
    "command",
    [
        "explain Entwürfe.eml",
        "explain --json Entwürfe.eml",
        "history",
        "history --csv",
        "history --user Zoë→",
        "history Entwürfe→.jsonl",
        "held",
        "status",
        "audit verify Entwürfe→.jsonl",
        "config show",
        "--config Entwürfe→.yaml config show",
    ],
)
def test_the_same_with_escapes(recorded: Program, command: str) -> None:
    """What is shown in UTF-8 is shown, and ends, the same where the encoding cannot hold it."""

    def told(encoding: str) -> tuple[int, bytes, bytes]:
        names_it = {"TOKEN_CATCHER_CONFIG": str(recorded.config)}
        done = subprocess.run(
            [COMMAND, *command.split()],
            cwd=recorded.home,
            capture_output=True,
            env=os.environ | {"PYTHONIOENCODING": encoding} | names_it,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    code, *texts = told("utf-8")
    for encoding in ("ascii", "latin-1"):
        escaped = [text.decode().encode(encoding, "backslashreplace") for text in texts]
        assert told(encoding) == (code, *escaped)


def test_a_page_in_any_locale(recorded: Program, tmp_path: Path) -> None:
    """A file is written in UTF-8; bytes that are no text are shown with escapes."""
    page = tmp_path / "history.html"
    user = os.fsdecode(b"caf\xe9@acme.example")
    words = ["--config", str(recorded.config), "history", "--user", user, "--html", str(page)]
    done = run(subprocess.PIPE, *words, encoding="ascii")
    told = (
        b"token-catcher: no record of caf\\udce9@acme.example that is asked for;"
        b" the journal has some of integration@acme.example\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", told)
    assert "caf\\udce9@acme.example" in page.read_text("utf-8")
