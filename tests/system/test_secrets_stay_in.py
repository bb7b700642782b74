"""A canary token goes through every command and every failure: it is found in Vault, and nowhere else."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

from tests.kit import mails
from tests.kit.program import Done, Program
from tests.kit.servers import Dovecot, OpenBao, free_port, until
from tests.kit.waiting import PATIENCE

NOW = datetime.now(UTC).replace(microsecond=0)
CANARY = "CanaryTOKENx9x8x7x6notREAL"
UNSTORED = "CanaryTOKENyUnstored5notR"
SPELLINGS = tuple(
    word for token in (CANARY, UNSTORED) for word in (token, token[:-1], token[1:], token[::-1])
)


class Watcher:
    """Keeps what was printed, and looks for the canaries in it and in every file below a directory."""

    def __init__(self, tool: Program) -> None:
        self._tool = tool
        self._printed: list[tuple[str, str]] = []

    def __call__(self, *words: str, code: int = 0, stdin: bytes = b"") -> Done:
        done = self._tool(*words, stdin=stdin)
        self._printed.append((" ".join(words), done.out + done.err))
        assert done.code == code, (words, done)
        assert "Traceback" not in done.err
        return done

    def sightings(self, allowed: set[Path], *more: str) -> list[str]:
        """Where a canary, or one of `more`, was seen."""
        words = (*SPELLINGS, *more)
        printed = [what for what, text in self._printed if any(word in text for word in words)]
        files = [
            file for file in self._tool.home.rglob("*") if file.is_file() and file not in allowed
        ]
        held = [
            str(file) for file in files if any(word.encode() in file.read_bytes() for word in words)
        ]
        return printed + held


def test_the_canary_is_in_vault_and_nowhere_else(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str, tmp_path: Path
) -> None:
    """Every command at the most talkative level, refusals by mailbox and Vault, a killed and an aborted daemon."""
    secrets = {tool.home / "imap-password", tool.home / "secret-id", *tool.home.glob("*.eml")}
    tool.configure(log="log: {level: debug, format: json}", poll="poll: 1s")
    genuine = tool.home / "canary.eml"
    genuine.write_bytes(mails.genuine(token=CANARY, issued_at=NOW))
    secrets.add(genuine)
    watch = Watcher(tool)
    # Nothing can be stored yet, for one reason after the other.
    dovecot.deliver(genuine.read_bytes(), user)
    watch("scan", "--dry-run")
    watch("scan", "--dry-run", "--json")
    tool.configure(
        log="log: {level: debug, format: console}",
        mount=f"mount: {openbao.mount(f'{org}-v1', version=1)}",
    )
    watch("scan", code=1)
    tool.configure(log="log: {level: debug, format: console}", mount="mount: missing")
    watch("scan", "--again", code=1)
    tool.configure(
        log="log: {level: debug, format: console}", path="path: elsewhere/{org}/{username}"
    )
    watch("scan", "--again", code=1)
    tool.configure(log="log: {level: debug, format: json}", address="address: http://127.0.0.1:9")
    watch("scan", "--again", "--json", code=1)
    # Mail that is not to be stored.
    for raw in _unstorable():
        dovecot.deliver(raw, user, "Junk")
    port = free_port()
    tool.configure(
        log=f"log: {{level: debug, format: json}}\nhttp: {{listen: 127.0.0.1:{port}}}",
        poll="poll: 1s",
    )
    with tool.daemon() as daemon:
        until(
            lambda: openbao.get(f"salesforce/{org}/integration@acme.example"),
            "the canary in Vault",
            PATIENCE,
        )
        for shown in (*_pages(port), Path(f"/proc/{daemon.process.pid}/cmdline").read_text()):
            assert not any(word in shown for word in (*SPELLINGS, dovecot.password))
        daemon.end(signal.SIGKILL)
    with tool.daemon() as daemon:
        assert daemon.end(signal.SIGABRT) == -signal.SIGABRT
    # Everything that speaks of it afterwards.
    watch("scan")
    watch("scan", "--again", "--json")
    watch("scan", "--wait", "1s", "--user", "integration@acme.example")
    for words in (
        ("history",),
        ("history", "--json"),
        ("history", "--csv"),
        ("audit", "verify"),
        ("config", "show"),
    ):
        watch(*words)
    watch("history", "--html", str(tool.home / "history.html"))
    for words in (("explain", str(genuine)), ("explain", "--json", str(genuine))):
        assert CANARY[:5] not in watch(*words).out
    for raw in _unstorable():
        watch("explain", "-", stdin=raw)
    secret = openbao.get(f"salesforce/{org}/integration@acme.example")
    assert secret is not None
    assert secret["security_token"] == CANARY
    role_secret = (tool.home / "secret-id").read_text().strip()
    assert watch.sightings(secrets, dovecot.password, role_secret) == []
    assert not list(tmp_path.rglob("core*"))
    assert not [path for path in openbao.paths() if "stranger" in path or UNSTORED.lower() in path]


def _pages(port: int) -> Iterator[str]:
    """Every page that the daemon shows."""
    for path in ("livez", "readyz", "healthz", "metrics"):
        with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=PATIENCE) as answer:
            yield answer.read().decode()


def _unstorable() -> list[bytes]:
    """Mails that end refused or held, each holding a canary in its place or a worse one."""
    held = mails.genuine("stranger@elsewhere.example", UNSTORED, issued_at=NOW)
    return [
        held,
        mails.token_mail(token=UNSTORED, issued_at=NOW),
        mails.token_mail(
            token=UNSTORED, issued_at=NOW, sender=f'"{UNSTORED}" <{UNSTORED}@salesforce.com>'
        ),
        mails.genuine(
            token=UNSTORED, issued_at=NOW, subject=f"Your new Salesforce security token {UNSTORED}"
        ),
        mails.genuine(f"{UNSTORED}@elsewhere.example", UNSTORED, issued_at=NOW),
        mails.genuine(
            token=UNSTORED, issued_at=NOW, content_type=f"text/plain; charset={UNSTORED}"
        ),
        mails.token_mail(
            token=UNSTORED, issued_at=NOW, content_type=f"multipart/mixed; boundary={UNSTORED}"
        ),
        mails.genuine(token=UNSTORED, issued_at=NOW, body=mails.token_body(token=UNSTORED) * 2),
        mails.token_mail(token=UNSTORED, issued_at=NOW, top=f"Bad Header {UNSTORED}\n"),
    ]
