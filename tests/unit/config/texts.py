"""A configuration that is enough, changes of it, and what is told of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from token_catcher import config
from token_catcher.config import Config
from token_catcher.errors import ConfigurationError

CANARY = "hunter2-canary"
"""What a test puts where a secret may stand, and must never see again."""

MINIMAL = """\
mailboxes:
  - name: integrations
    host: imap.example.com
    username: sf@example.com
    password: {file: imap-password}
orgs:
  - name: acme
    usernames: ["*@acme.example"]
vault:
  address: https://vault.example.com:8200
  auth: {method: token, token: {env: VAULT_TOKEN}}
"""
ENVIRON = {"VAULT_TOKEN": "s.token", "EMPTY": ""}


def write_secret(path: Path, text: str, mode: int = 0o600) -> Path:
    """A secret's file, which others can use where the mode says so."""
    path.touch(0o600)
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path


def load(home: Path, text: str | bytes = MINIMAL, environ: dict[str, str] | None = None) -> Config:
    """The Config of a text, as if it lay in the directory."""
    file = home / "config.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return config.load(file, environ or ENVIRON)


def refusal_of(home: Path, text: str | bytes) -> str:
    """The whole error, without the directory."""
    with pytest.raises(ConfigurationError) as caught:
        load(home, text)
    return str(caught.value).replace(f"{home}/", "")


def changed(old: str, new: str) -> str:
    """The configuration that is enough, with one thing otherwise."""
    assert MINIMAL.count(old) == 1
    return MINIMAL.replace(old, new)
