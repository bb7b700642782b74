"""A canary token goes through every command and every failure.

It is found in Vault, and nowhere else.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.kit import mails
from tests.kit.hooks import SECRET, Hooks
from tests.kit.program import Done, Program
from tests.kit.servers import Dovecot, OpenBao, free_port, until
from tests.kit.waiting import PATIENCE

CANARY = "CanaryTOKENx9x8x7x6notREAL"
UNSTORED = "CanaryTOKENyUnstored5notR"
JSON = "log: {level: debug, format: json}"
CONSOLE = "log: {level: debug, format: console}"


def spellings() -> Iterator[str]:
    """Whole, cut at either end, and backwards."""
    for token in (CANARY, UNSTORED):
        yield from (token, token[:-1], token[1:], token[::-1])


@dataclass
class Watcher:
    """Runs commands, and keeps what they printed."""

    tool: Program
    printed: list[tuple[str, str]] = field(default_factory=list)
    """Each command, and its output on both streams."""

    def __call__(self, *words: str, code: int = 0, stdin: bytes = b"") -> Done:
        done = self.tool(*words, stdin=stdin)
        self.printed.append((" ".join(words), done.out + done.err))
        assert done.code == code, (words, done)
        assert "Traceback" not in done.err
        return done

    def sightings(self, allowed: set[Path], *secrets: str) -> list[str]:
        """The commands and the files below the program's directory in which a secret stands."""
        places = []
        for command, text in self.printed:
            if _stands_in(text, secrets):
                places.append(command)
        for file in self.tool.home.rglob("*"):
            if file in allowed or not file.is_file():
                continue
            if _stands_in(file.read_bytes().decode("latin-1"), secrets):
                places.append(str(file))
        return places


def _stands_in(text: str, secrets: tuple[str, ...]) -> bool:
    return any(secret in text for secret in secrets)


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    """Who is told of everything."""
    with Hooks() as hooks:
        yield hooks


def test_the_canary_is_in_vault_and_nowhere_else(
    tool: Program,
    dovecot: Dovecot,
    openbao: OpenBao,
    user: str,
    org: str,
    tmp_path: Path,
    hooks: Hooks,
) -> None:
    """Every command at the most talkative level, refusals, a killed and an aborted daemon, and all
    that others are told."""
    now = datetime.now(UTC).replace(microsecond=0)
    canary = tool.home / "canary.eml"
    canary.write_bytes(mails.genuine(token=CANARY, issued_at=now))
    run = Watcher(tool)
    dovecot.deliver(canary.read_bytes(), user)
    nothing_can_be_stored(run, openbao, org)
    for raw in unstorable(now):
        dovecot.deliver(raw, user, "Junk")
    path = f"salesforce/{org}/{mails.USERNAME}"
    the_daemon_stores_it(run, dovecot, openbao, path, hooks, user)
    commands_speak_of_it(run, canary, now)
    secret = openbao.get(path)
    assert secret is not None
    assert secret["security_token"] == CANARY
    role_secret = (tool.home / "secret-id").read_text().strip()
    kept = {tool.home / "imap-password", tool.home / "secret-id", tool.home / "hook", canary}
    assert run.sightings(kept, *spellings(), dovecot.password, role_secret, SECRET) == []
    assert {"stored", "held", "refused", "test"} <= set(hooks.types)
    for hook in hooks.came:
        told = hook.body.decode() + str(hook.headers)
        assert not _stands_in(told, (*spellings(), dovecot.password, role_secret, SECRET))
    assert not list(tmp_path.rglob("core*"))
    wrong = [path for path in openbao.paths() if "stranger" in path or UNSTORED.lower() in path]
    assert wrong == []


def nothing_can_be_stored(run: Watcher, openbao: OpenBao, org: str) -> None:
    """For one reason after the other."""
    tool = run.tool
    tool.configure(log=JSON)
    run("scan", "--dry-run")
    run("scan", "--dry-run", "--json")
    old = openbao.mount(f"{org}-v1", version=1)
    tool.configure(log=CONSOLE, mount=f"mount: {old}")
    run("scan", code=1)
    tool.configure(log=CONSOLE, mount="mount: missing")
    run("scan", "--again", code=1)
    tool.configure(log=CONSOLE, path="path: elsewhere/{org}/{username}")
    run("scan", "--again", code=1)
    tool.configure(log=JSON, address="address: http://127.0.0.1:9")
    run("scan", "--again", "--json", code=1)


def the_daemon_stores_it(
    run: Watcher, dovecot: Dovecot, openbao: OpenBao, path: str, hooks: Hooks, user: str
) -> None:
    """It shows no canary on its pages or its command line, and dies twice."""
    port = free_port()
    http = f"http: {{listen: 127.0.0.1:{port}}}"
    run.tool.secret("hook", SECRET)
    hook = f"webhook: {{url: '{hooks.url}', secret: {{file: hook}}}}"
    notify = f"notify: [{{on: [stored, held, refused], {hook}}}]"
    run.tool.configure(log=f"{JSON}\n{http}\n{notify}", poll="poll: 1s")
    run("notify", "test")
    run("notify", "test", "--json")
    with run.tool.daemon() as daemon:
        until(lambda: openbao.get(path), "the canary in Vault")
        for raw in unstorable(datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)):
            dovecot.deliver(raw, user)
        until(lambda: {"stored", "held", "refused"} <= set(hooks.types), "others to be told")
        command_line = Path(f"/proc/{daemon.process.pid}/cmdline").read_text()
        for shown in (*pages(port), command_line):
            assert not _stands_in(shown, (*spellings(), dovecot.password))
        daemon.end(signal.SIGKILL)
    with run.tool.daemon() as daemon:
        assert daemon.end(signal.SIGABRT) == -signal.SIGABRT


def commands_speak_of_it(run: Watcher, canary: Path, now: datetime) -> None:
    """Everything that looks at the mails or at the journal afterwards."""
    run("scan")
    run("scan", "--again", "--json", code=1)
    run("scan", "--wait", "1s", "--user", mails.USERNAME, code=3)
    run("history")
    run("history", "--json")
    run("history", "--csv")
    run("history", "--html", str(run.tool.home / "history.html"))
    run("held")
    run("held", "--json")
    run("status", code=1)
    run("status", "--json", code=1)
    run("check", code=1)
    run("check", "--json", code=1)
    run("release", *held_for(run.tool, "unknown-user"), code=1)
    run("audit", "verify")
    run("config", "show")
    # A longer beginning of the token than this is a spelling, which is looked for at the end.
    assert CANARY[:5] not in run("explain", str(canary)).out
    assert CANARY[:5] not in run("explain", "--json", str(canary)).out
    for raw in unstorable(now):
        run("explain", "-", stdin=raw)


def held_for(tool: Program, reason: str) -> list[str]:
    """The ids of the mails that wait for this reason."""
    return [mail["id"] for mail in tool("held", "--json").lines if mail["reason"] == reason]


def pages(port: int) -> Iterator[str]:
    """Every page that the daemon shows."""
    for path in ("livez", "readyz", "healthz", "metrics"):
        with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=PATIENCE) as answer:
            yield answer.read().decode()


def unstorable(now: datetime) -> list[bytes]:
    """Mails that end refused or held, each holding a canary in its place or a worse one."""
    genuine: list[dict[str, str]] = [
        {"username": "stranger@elsewhere.example"},
        {"username": f"{UNSTORED}@elsewhere.example"},
        {"subject": f"Your new Salesforce security token {UNSTORED}"},
        {"content_type": f"text/plain; charset={UNSTORED}"},
        {"body": mails.token_body(token=UNSTORED) * 2},
    ]
    unsigned: list[dict[str, str]] = [
        {},
        {"sender": f'"{UNSTORED}" <{UNSTORED}@salesforce.com>'},
        {"content_type": f"multipart/mixed; boundary={UNSTORED}"},
        {"top": f"Bad Header {UNSTORED}\n"},
    ]
    return [
        *(mails.genuine(token=UNSTORED, issued_at=now, **fields) for fields in genuine),
        *(mails.token_mail(token=UNSTORED, issued_at=now, **fields) for fields in unsigned),
    ]
