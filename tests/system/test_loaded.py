"""No command loads a library that it has no use for; the daemon loads all of its own ahead.

Python itself says what it has loaded (`-X importtime`), and when: no clock is asked.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.kit import mails
from tests.kit.processes import reaped
from tests.kit.program import COMMAND, UNMEASURED, Program, program
from tests.kit.servers import Dovecot, OpenBao, until
from tests.kit.waiting import PATIENCE

pytestmark = pytest.mark.servers

USER = "loaded@example.com"

LIBRARIES = frozenset(
    {
        "apprise",
        "apscheduler",
        "asyncio",
        "cryptography",
        "dkim.crypto",
        "dns",
        "google.auth",
        "imapclient",
        "mailparser.core",
        "msal",
        "nacl",
        "prometheus_client",
        "pydantic",
        "requests",
        "rich.console",
        "ruamel.yaml",
        "sqlite3",
        "structlog",
        "typer",
        "urllib3",
    }
)
"""What we need, what that needs in turn, and the slow ones of Python's own; each by a module that
is loaded with it, inside: `-X importtime` leaves out what `importlib` is asked for by name."""

WORDS = {"typer", "pydantic"}
"""To understand the command line: typer takes values apart with pydantic."""
CONFIGURED = WORDS | {"ruamel.yaml"}
VAULT = {"urllib3"}
PROOF = {"dkim.crypto", "dns", "mailparser.core"}
EVENTS = {"structlog", "asyncio"}

MAY_LOAD = {
    "config example": WORDS,
    "config schema": CONFIGURED,
    "config show": CONFIGURED,
    "history FILE": WORDS | {"rich.console"},
    "history --json FILE": WORDS,
    "audit verify --json FILE": WORDS,
    "history --json": CONFIGURED,
    "held": CONFIGURED | {"rich.console"},
    "held --json": CONFIGURED,
    "audit archive": CONFIGURED,
    "explain --json MAIL": CONFIGURED | PROOF,
    "status --json": CONFIGURED | VAULT,
    "audit reconcile --json": CONFIGURED | VAULT,
    # An empty mailbox: no mail is judged. Whether Vault could be written is asked all the same.
    "scan --json": CONFIGURED | VAULT | EVENTS | {"imapclient"},
    "check --json": CONFIGURED | VAULT | EVENTS | {"imapclient", "dns"},
}
"""By command, the only libraries it may load: those it uses."""


def modules_in(text: str) -> Iterator[str]:
    """The modules that Python says it has loaded."""
    yield from re.findall(r"(?m)^import time: .*\| *(\S+)$", text)


def libraries_in(text: str) -> frozenset[str]:
    """Those of them that are libraries."""
    return LIBRARIES.intersection(modules_in(text))


@pytest.fixture(scope="module")
def tool(dovecot: Dovecot, openbao: OpenBao, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The program over an empty mailbox, which it has looked at before."""
    home = tmp_path_factory.mktemp("loaded")
    built = program(home, dovecot, openbao, USER, "loaded")
    built.env |= UNMEASURED  # what measures loads sqlite3
    assert built("scan").code == 0
    built.command = (sys.executable, "-X", "importtime", COMMAND)
    (home / "empty.jsonl").touch()
    (home / "mail.eml").write_bytes(mails.genuine())
    return built


@pytest.mark.parametrize("line", MAY_LOAD)
def test_a_command_loads_what_it_uses(line: str, tool: Program) -> None:
    """And no other library."""
    files = {"FILE": str(tool.home / "empty.jsonl"), "MAIL": str(tool.home / "mail.eml")}
    words = [files.get(word, word) for word in line.split()]
    done = tool(*words)
    assert libraries_in(done.err) - MAY_LOAD[line] == frozenset(), done.err[-2000:]


def test_the_daemon_loads_everything_before_it_is_ready(tool: Program, dovecot: Dovecot) -> None:
    """A mail that comes afterwards, and its way into Vault, have nothing loaded: what is broken, or
    was replaced meanwhile, shows at the start. What no configuration asks for is not there."""
    with tool.daemon() as daemon:
        at_start = daemon.log.read_text("utf-8")
        dovecot.deliver(mails.genuine(issued_at=datetime.now(UTC)), USER)
        until(lambda: daemon.says("rotation.stored"), "the token to be stored")
        assert daemon.end() == 0
        text = daemon.log.read_text("utf-8")
    unused = {
        "apprise",
        "cryptography",
        "google.auth",
        "msal",
        "nacl",
        "prometheus_client",
        "requests",
        "rich.console",
        "sqlite3",
        "typer",
    }
    assert libraries_in(text) & unused == frozenset()
    assert list(modules_in(text[len(at_start) :])) == []


def test_who_waits_for_a_token_has_loaded_what_it_needs(tool: Program, dovecot: Dovecot) -> None:
    """By the time that a person is told of the wait."""
    words = tool.words("scan", "--wait", "2m")
    waiting = reaped(subprocess.Popen(words, stderr=subprocess.PIPE, env=tool.environment()))
    assert waiting.stderr is not None
    before = ""
    while "waiting for" not in before:
        before += waiting.stderr.readline().decode()
    dovecot.deliver(mails.genuine(token=mails.token(2), issued_at=datetime.now(UTC)), USER)
    after = waiting.stderr.read().decode()
    assert waiting.wait(PATIENCE) == 0
    assert libraries_in(after) & (PROOF | VAULT) == frozenset()
