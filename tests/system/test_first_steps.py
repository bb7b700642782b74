"""What somebody meets in the first hour: nothing recorded, secrets not there yet, names mistyped.

Each is told for what it is, with its own exit code, and no command asks for what it does not use.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.kit import mails
from tests.kit.program import Done, Program
from token_catcher.advice import NEXT_STEP

CONFIG = """\
state_dir: state
instance: test
mailboxes:
  - name: integrations
    host: 127.0.0.1
    port: 1
    username: sf@example.com
    password: {file: imap-password}
orgs:
  - name: acme
    usernames: ["*@acme.example"]
vault:
  address: http://127.0.0.1:9
  auth: {method: token, token: {file: vault-token}}
trust: {dkim_keys: dkim-keys}
log: {format: json}
"""
COLOUR = re.compile(r"\x1b\[[0-9;]*\b(3[0-7]|9[0-7])\b")
"""What a terminal is told about the colour of a text."""
MEND = f"next: {NEXT_STEP['configuration-lines']}\n"


@pytest.fixture
def fresh(tmp_path: Path) -> Program:
    """A configuration, and nothing else: no secrets, no state."""
    program = Program(tmp_path, CONFIG)
    program.configure()
    (tmp_path / "dkim-keys").write_text(mails.genuine_signer().pin, "ascii")
    return program


@pytest.mark.parametrize("option", ["--json", "--csv", "--html"])
def test_a_history_of_nothing(fresh: Program, tmp_path: Path, option: str) -> None:
    """Nothing was recorded yet: that is said, and is no failure; the result is an empty one."""
    page = tmp_path / "page.html"
    words = [option, str(page)] if option == "--html" else [option]
    done = fresh("history", *words)
    told = f"token-catcher: nothing was recorded yet: {fresh.state}/journal.jsonl does not exist\n"
    assert (done.code, done.err, "rotation." in done.out) == (0, told, False)
    assert page.exists() == (option == "--html")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("history no-such-file", "no-such-file: cannot be read: No such file or directory"),
        ("history {home}", "{home}: cannot be read: Is a directory"),
        ("explain no-such-file", "no-such-file: cannot be read: No such file or directory"),
        (
            "history --html {home}/nowhere/page.html",
            "--html: {home}/nowhere/page.html cannot be written: No such file or directory",
        ),
    ],
)
def test_a_file_that_cannot_be_read_or_written(fresh: Program, words: str, complaint: str) -> None:
    """A failure, 1, and no mistake of the configuration; no line of that is named."""
    (fresh.state).mkdir()
    (fresh.state / "journal.jsonl").touch(0o600)
    home = str(fresh.home)
    done = fresh(*words.replace("{home}", home).split())
    assert done == Done(1, "", f"token-catcher: {complaint.replace('{home}', home)}\n")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("history --json", 0),
        ("held --json", 0),
        ("explain --json -", 0),
        ("audit verify --json", 1),
        ("config show", 0),
    ],
)
def test_what_uses_no_secret_asks_for_none(fresh: Program, words: str, code: int) -> None:
    """Another user may run it, before the secrets are there or without the right to read them."""
    done = fresh(*words.split(), stdin=mails.genuine())
    assert (done.code, "password" in done.err, "Traceback" in done.err) == (code, False, False)


@pytest.mark.parametrize("words", ["scan", "scan --dry-run", "run", "release abcd"])
def test_a_secret_that_is_not_there_is_named(fresh: Program, words: str) -> None:
    """By its file, before any login."""
    fresh.secret("vault-token", "hvs.FAKEvaultTokenNotReal")
    assert fresh(*words.split()) == Done(
        2,
        "",
        f"token-catcher: {fresh.config}:8: mailboxes[0].password: got no such file:"
        f" {fresh.home}/imap-password, expected the path of an existing file\n{MEND}",
    )


def test_a_username_that_is_no_address(fresh: Program) -> None:
    """What to write is said, and where."""
    fresh.secret("imap-password", "pw")
    fresh.secret("vault-token", "hvs.FAKEvaultTokenNotReal")
    fresh.configure(username="username: bob")
    assert fresh("scan") == Done(
        2,
        "",
        f"token-catcher: {fresh.config}:4: mailboxes[0].addresses: got none, and username is not"
        " an address, expected the To addresses that are ours, such as"
        f" [sf-integration@example.com]\n{MEND}",
    )


@pytest.mark.parametrize("words", ["scan --mailbox other", "scan"])
def test_advice_fits_the_mistake(fresh: Program, words: str) -> None:
    """No lines were named, so none are to be mended."""
    fresh.secret("imap-password", "pw")
    fresh.secret("vault-token", "hvs.FAKEvaultTokenNotReal")
    if words == "scan":
        shutil.move(fresh.config, fresh.home / "elsewhere.yaml")
    done = fresh(*words.split())
    assert (done.code, done.out, done.err.count("\n"), MEND in done.err) == (2, "", 1, False)


@pytest.mark.parametrize("mode", [0o640, 0o440])
def test_a_secret_that_a_group_may_read(fresh: Program, mode: int) -> None:
    """It is taken, and told once."""
    fresh.secret("imap-password", "pw").chmod(mode)
    fresh.secret("vault-token", "hvs.FAKEvaultTokenNotReal")
    done = fresh("scan", "--json")
    assert [line["reason"] for line in done.lines] == ["imap-connect", "vault-unreachable"]
    told = [(event["path"], event["note"]) for event in done.events]
    note = f"got mode {mode:04o}, expected 0600: the file's group can read it too"
    assert told == [(f"{fresh.home}/imap-password", note)]


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660])
def test_a_secret_that_others_may_read(fresh: Program, mode: int) -> None:
    """It is refused before any login, with what to type."""
    fresh.secret("vault-token", "hvs.FAKEvaultTokenNotReal")
    path = fresh.secret("imap-password", "pw")
    path.chmod(mode)
    assert fresh("scan") == Done(
        2,
        "",
        f"token-catcher: {fresh.config}:8: mailboxes[0].password: got a file that others can use"
        f" (mode {mode:04o}), expected one for us alone: chmod 0600 {path}\n{MEND}",
    )


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbfpw", "pw\u200b".encode(), b"pw\0", "pw".encode("utf-16")]
)
def test_a_secret_with_what_nobody_sees(fresh: Program, content: bytes) -> None:
    """It is refused before any login, and nothing of it is told."""
    fresh.secret("vault-token", "hvs.FAKEvaultTokenNotReal")
    fresh.secret("imap-password", "").write_bytes(content)
    done = fresh("scan")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"token-catcher: {fresh.config}:8: mailboxes[0].password: got ")
    assert "pw" not in done.err


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_without_colours(fresh: Program, setting: dict[str, str]) -> None:
    """Neither results nor log have one, and the log nothing else that a dumb terminal shows."""
    fresh.secret("imap-password", "pw").chmod(0o640)
    fresh.secret("vault-token", "hvs.FAKEvaultTokenNotReal")
    fresh.configure(log="log: {format: console}")
    fresh.env = {"TERM": "xterm-256color"} | setting
    shown = on_a_terminal(fresh, "scan")
    assert COLOUR.search(shown) is None
    assert "\x1b" not in shown.splitlines()[0]


def on_a_terminal(program: Program, *words: str) -> str:
    """What a command shows on a terminal, on both streams."""
    ours, theirs = os.openpty()
    process = program.start(*words, terminal=theirs)
    os.close(theirs)
    shown = b""
    while piece := _read(ours):
        shown += piece
    process.wait()
    os.close(ours)
    return shown.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # so Linux says that the other side has gone
        return b""
