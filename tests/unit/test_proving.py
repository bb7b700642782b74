"""Where the users of each org log in, by the configuration of now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kit.fakes import Silent
from tests.unit.config.texts import changed, load, write_secret
from tests.unit.record.books import entry
from token_catcher.app import App
from token_catcher.proving import login_host, login_proof_of

ORGS = """\
orgs:
  - name: acme-production
    usernames: ["*@acme.example"]
  - name: acme-uat
    environment: sandbox
    usernames: ["*@acme.example.uat"]
  - name: other
    usernames: ["*@other.example"]
    login_host: other.my.salesforce.com
"""


def app(home: Path, verify: str) -> App:
    """Of three orgs."""
    write_secret(home / "imap-password", "correct horse\n")
    text = changed('orgs:\n  - name: acme\n    usernames: ["*@acme.example"]\n', ORGS)
    return App(load(home, f"{text}\nverify: {verify}\n"), Silent())


@pytest.mark.parametrize(
    ("org", "username", "host"),
    [
        ("acme-production", "etl@acme.example", "login.salesforce.com"),
        ("acme-uat", "etl@acme.example.uat", "test.salesforce.com"),
        ("other", "etl@other.example", "other.my.salesforce.com"),
        ("acme-production", "etl@other.example", None),
        ("gone", "etl@acme.example", None),
    ],
)
def test_each_org_has_its_host(tmp_path: Path, org: str, username: str, host: str | None) -> None:
    """A user of no org of now has none."""
    path = f"salesforce/{org}/{username}"
    stored = entry(org=org, username=username, path=path)
    assert login_host(app(tmp_path, "{login: true}"), stored) == host


@pytest.mark.parametrize("changes", [{"path": "elsewhere/x"}, {"org": None, "path": None}])
def test_a_secret_that_belongs_elsewhere_is_not_read(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    """`vault.path` was changed, say."""
    assert login_host(app(tmp_path, "{login: true}"), entry(**changes)) is None


def test_it_is_built_where_it_is_asked_for(tmp_path: Path) -> None:
    """And touches nothing before its first round."""
    assert login_proof_of(app(tmp_path, "{}"), print) is None
    assert login_proof_of(app(tmp_path, "{login: true}"), print) is not None
    assert not list(tmp_path.glob("**/login-tries.json"))
