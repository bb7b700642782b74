"""deploy/recipes and docs/recipes.md: press reset, then wait, and no script sees the token."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.deploy.kit import DEPLOY, ROOT, run
from tests.kit import mails
from tests.kit.program import COMMAND, Program, program
from tests.kit.servers import Dovecot, OpenBao

SCRIPT = DEPLOY / "recipes" / "reset-and-wait.sh"
PAGE = (ROOT / "docs" / "recipes.md").read_text("utf-8")
TOKEN = "FAKEresetTOKEN1notREAL2ab"
Reset = Callable[..., "tuple[int, str, str]"]


@pytest.fixture
def tool(tmp_path: Path, dovecot: Dovecot, openbao: OpenBao, user: str, org: str) -> Program:
    """The installed program between real servers."""
    return program(tmp_path / "tool", dovecot, openbao, user, org)


@pytest.fixture
def reset(tool: Program, tmp_path: Path) -> Reset:
    """The recipe: exit code and both streams. In place of a browser runs `python -c CODE`."""

    def reset_and_wait(username: str, code: str, wait: str = "2m") -> tuple[int, str, str]:
        path = f"{Path(COMMAND).parent}:{os.environ['PATH']}"
        named = {"PATH": path, "TOKEN_CATCHER_CONFIG": str(tool.config), "WAIT": wait}
        environment = {**tool.environment(), **named}
        words = (SCRIPT, username, sys.executable, "-c", code)
        done = run(*words, env=environment, cwd=ROOT)
        return done.returncode, done.stdout, done.stderr

    return reset_and_wait


@pytest.mark.servers
def test_it_ends_when_the_token_is_in_vault(
    reset: Reset, tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """The button brings a mail, and the mail a version; nothing that the script shows has the
    token, which is read from Vault as the page says."""
    raw = mails.genuine(token=TOKEN, issued_at=datetime.now(UTC).replace(microsecond=0))
    mail = tool.home / "reset.eml"
    mail.write_bytes(raw)
    button = (
        "import smtplib, pathlib;"
        f"server = smtplib.LMTP('127.0.0.1', {dovecot.lmtp_port});"
        f"server.sendmail('a@salesforce.com', {dovecot.user(user)!r},"
        f" pathlib.Path({str(mail)!r}).read_bytes())"
    )
    code, out, err = reset("integration@acme.example", button)
    assert (code, TOKEN in out + err) == (0, False), err
    path = f"salesforce/{org}/integration@acme.example"
    assert out.splitlines()[-1].startswith(f"found  integration@acme.example → {path} v1, issued ")
    assert "bao kv get -field=security_token secret/salesforce/" in PAGE
    secret = openbao.get(path)
    assert secret is not None
    assert secret["security_token"] == TOKEN


@pytest.mark.servers
def test_it_ends_as_the_wait_ends(reset: Reset) -> None:
    """No mail: 3, with the usual reasons; a user whom no org names: 2, before any button."""
    code, _out, err = reset("integration@acme.example", "", wait="1s")
    assert (code, "usual reasons, and where to look:" in err) == (3, True)
    code, out, err = reset("somebody@else.example", "print('pressed')")
    assert (code, out) == (2, "")
    assert "which no org names" in err


def test_the_script_of_the_page_is_one() -> None:
    """Python can read it, and it presses no button before it is asked to."""
    (code,) = re.findall(r"(?s)```python\n(.*?)```", PAGE)
    names = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    assert {"login_url", "main", "sync_playwright"} <= names
    assert "print" not in names
