"""docs/operations: what is typed there does what it says, with the program and real files."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.deploy.kit import ROOT, run
from tests.kit.program import Program
from tests.system.test_cli import CONFIG, journal, rotations
from token_catcher import config

PAGES = ROOT / "docs" / "operations"
BACKUP = (PAGES / "backup.md").read_text("utf-8")
MOVING = (PAGES / "moving.md").read_text("utf-8")


@pytest.fixture
def service(tmp_path: Path) -> Program:
    """A program whose journal has a closed file and an open one."""
    program = Program(tmp_path / "token-catcher", CONFIG)
    program.home.mkdir()
    state = f"state_dir: {tmp_path}/lib/token-catcher"
    program.configure(state_dir=state, trust="trust: {policy: dkim}")
    program.secret("imap-password", "made-up")
    program.secret("vault-token", "made-up")
    journal(tmp_path / "lib" / "token-catcher" / "journal.jsonl", rotations(3))
    assert program("audit", "archive").code == 0
    journal(tmp_path / "lib" / "token-catcher" / "journal.jsonl", rotations(2))
    return program


def commands(text: str, heading: str) -> list[str]:
    """What is typed under a heading."""
    section = re.split(r"(?m)^## ", text.partition(f"## {heading}\n")[2])[0]
    return re.findall(r"(?m)^\$ (.*)$", section)


def type_in(service: Program, lines: list[str], **words: str) -> str:
    """Type the lines on a host of the test's own; returns what they print."""
    base = service.home.parent
    (base / "systemctl").write_text('#!/bin/sh\necho "systemctl $*"\n')
    (base / "systemctl").chmod(0o755)
    script = "\n".join(lines)
    for theirs, ours in {
        "/opt/token-catcher/bin/": "",
        "/var/lib/private": f"{base}/lib",
        "/root/": f"{base}/",
        "-C /etc": f"-C {base}",
        **words,
    }.items():
        script = script.replace(theirs, ours)
    path = os.pathsep.join([str(base), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"PATH": path, "TOKEN_CATCHER_CONFIG": str(service.config)}
    done = run("sh", "-euc", script, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def head_in(shown: str) -> str:
    """The head that `audit verify` prints."""
    (head,) = re.findall(r"intact, \d+ records, head (\S+)", shown)
    return str(head)


def test_what_was_backed_up_is_restored(service: Program) -> None:
    """The journal of that moment, proven by the head that was written down."""
    state = service.home.parent / "lib" / "token-catcher"
    head = head_in(type_in(service, commands(BACKUP, "Back up")))
    files = {path.name: path.read_bytes() for path in state.iterdir()}
    journal(state / "journal.jsonl", rotations(1))
    restored = type_in(service, commands(BACKUP, "Restore"), **{"SEQ:HASH": head})
    assert head_in(restored) == head
    assert {path.name: path.read_bytes() for path in state.iterdir()} == files
    assert (state.with_name("token-catcher.before") / "journal.jsonl").exists()


def test_the_service_stands_still_while_it_is_copied(service: Program) -> None:
    """A journal that is written to would be torn."""
    for text, heading in ((BACKUP, "Back up"), (BACKUP, "Restore")):
        lines = commands(text, heading)
        copied = next(index for index, line in enumerate(lines) if line.startswith("tar "))
        assert "systemctl stop token-catcher" in lines[:copied]
        assert "systemctl start token-catcher" in lines[copied:]


def test_a_copy_without_its_head_is_proven_by_the_one_that_was_kept(service: Program) -> None:
    """Unproven by itself, intact by the other; in the words of the page."""
    state = service.home.parent / "lib" / "token-catcher"
    head = head_in(service("audit", "verify").out)
    for name in ("journal.jsonl.head", "journal.jsonl.tail"):
        (state / name).unlink()
    alone, proven = commands(BACKUP, "Restore without `journal.jsonl.head`")
    shown = service("audit", "verify")
    assert shown.code == 1
    for line in shown.out.replace(str(state), "/var/lib/token-catcher").splitlines():
        assert re.sub(r"[0-9a-f]{64}", "", line) in re.sub(r"[0-9a-f]{64}", "", BACKUP)
    assert alone.endswith("token-catcher audit verify")
    assert head_in(type_in(service, [proven], **{"SEQ:HASH": head})) == head


def test_a_host_moves_with_its_history(service: Program, tmp_path: Path) -> None:
    """State and configuration arrive; the journal is proven on the other side."""
    old, new = re.findall(r"(?s)```console\n(.*?)```", MOVING)
    base = service.home.parent
    head = head_in(type_in(service, re.findall(r"(?m)^\$ (.*)$", old)))
    before = service.config.read_bytes()
    (base / "lib").rename(base / "gone")
    service.home.rename(base / "gone-etc")
    lines = [line for line in re.findall(r"(?m)^\$ (.*)$", new) if line != "token-catcher scan"]
    words = {"SEQ:HASH": head, "/var/lib/token-catcher": f"{base}/link"}
    assert head_in(type_in(service, lines, **words)) == head
    assert service.config.read_bytes() == before


def test_the_org_that_is_added_loads(tmp_path: Path) -> None:
    """The lines of the page, with a mailbox and a Vault."""
    (orgs,) = re.findall(r"(?s)```yaml\n(.*?)```", (PAGES / "adding-an-org.md").read_text("utf-8"))
    service = Program(tmp_path, CONFIG)
    kept, _, rest = CONFIG.partition("orgs:")
    after = re.split(r"(?m)^(?=\w)", rest, maxsplit=1)[1]
    service.text = kept + orgs + after
    service.configure()
    service.secret("imap-password", "made-up")
    service.secret("vault-token", "made-up")
    (tmp_path / "dkim-keys").write_text("")
    loaded = config.load(service.config, {})
    assert [(org.name, org.environment) for org in loaded.orgs] == [
        ("acme-production", "production"),
        ("acme-uat", "sandbox"),
    ]


@pytest.mark.parametrize("page", ["upgrade.md", "moving.md"])
def test_a_page_installs_what_the_readme_installs(page: str) -> None:
    """The same files to the same places; what it does not install it sends the reader for."""
    readme = (ROOT / "deploy" / "README.md").read_text("utf-8")
    for line in re.findall(r"(?m)^\$ ((?:/opt/\S+/pip|install) .*)$", (PAGES / page).read_text()):
        typed = line.replace("--force-reinstall ", "")
        assert typed in readme or typed.endswith("/pip check"), line
