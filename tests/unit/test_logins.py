"""How each mailbox is logged in to: what is built from its section."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import trustme

from tests.kit.fakes import Silent
from tests.kit.google import key_file, new_key
from tests.unit.config.texts import changed, load, write_secret
from token_catcher.config import MailboxConfig
from token_catcher.errors import ConfigurationError, TokenCatcherError
from token_catcher.imap import ExternalLogin, OAuthLogin, PasswordLogin
from token_catcher.logins import Entrance, context_of, entrance_of
from token_catcher.model import Secret
from token_catcher.oauth import TokenHealth

SIGN_IN = hashlib.sha256(b"the refresh-token").hexdigest()
"""Stands for a refresh token, and for all that renewals make of it."""
CUSTOM = "provider: custom, token_url: https://x/token/, client_id: y"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Beside the configuration: its secrets, and a client's certificate."""
    for name in ("imap-password", "client-secret", "access-token", "refresh-token"):
        write_secret(tmp_path / name, f"the {name}")
    write_secret(tmp_path / "key.json", key_file(new_key("first")))
    leaf = trustme.CA().issue_cert("robot@example.com")
    write_secret(tmp_path / "client.pem", leaf.private_key_and_cert_chain_pem.bytes().decode())
    return tmp_path


def mailbox(home: Path, login: str) -> MailboxConfig:
    """The mailbox of a configuration with this in place of the password."""
    text = changed("password: {file: imap-password}", login)
    return load(home, text).mailboxes[0]


def entrance(home: Path, login: str) -> Entrance:
    """The way in that is built from that."""
    return entrance_of(mailbox(home, login), Silent())


@pytest.mark.parametrize(
    ("login", "kind", "credential"),
    [
        ("password: {file: imap-password}", PasswordLogin, "the imap-password"),
        (
            f"oauth2: {{{CUSTOM}, client_secret: {{file: client-secret}}}}",
            OAuthLogin,
            "the client-secret",
        ),
        (
            f"oauth2: {{{CUSTOM}, assertion: {{file: access-token}}}}",
            OAuthLogin,
            "the access-token",
        ),
        (
            f"oauth2: {{{CUSTOM}, client_secret: {{file: client-secret}},"
            " refresh_token: {file: refresh-token}}",
            OAuthLogin,
            f"the client-secret\n{SIGN_IN}",
        ),
        (
            "oauth2: {provider: external, token: {file: access-token}}",
            OAuthLogin,
            "the access-token",
        ),
        ("oauth2: {provider: external, token: {command: [cat, access]}}", OAuthLogin, ""),
        (
            "oauth2: {provider: google, service_account: {file: key.json}}",
            OAuthLogin,
            key_file(new_key("first")),
        ),
        ("oauth2: {provider: google, impersonate: robot@p.example}", OAuthLogin, ""),
        (
            "oauth2: {provider: google, client_id: x, client_secret: {file: client-secret},"
            " refresh_token: {file: refresh-token}}",
            OAuthLogin,
            f"the client-secret\n{SIGN_IN}",
        ),
    ],
)
def test_a_login_goes_by_its_files(
    home: Path, login: str, kind: type[object], credential: str
) -> None:
    """Read anew each time, so that one that was replaced is noticed."""
    built = entrance(home, login)
    assert isinstance(built.login, kind)
    assert built.credential() == Secret(credential)


def test_a_password_stands_above_a_certificate(home: Path) -> None:
    """Which is then for TLS alone; without one, it is the login."""
    certificate = "client_certificate: {file: client.pem}"
    both = entrance(home, f"password: {{file: imap-password}}\n    {certificate}")
    assert isinstance(both.login, PasswordLogin)
    assert isinstance(entrance(home, certificate).login, ExternalLogin)


def test_a_certificate_that_was_replaced_is_another_credential(home: Path) -> None:
    """And one that is gone is told, by its file's name."""
    built = entrance(home, "client_certificate: {file: client.pem}")
    before = built.credential()
    write_secret(home / "client.pem", "another one")
    assert built.credential() != before
    (home / "client.pem").unlink()
    with pytest.raises(ConfigurationError, match=r"client\.pem \(No such file"):
        built.credential()


def test_a_context_is_made_anew_once_a_file_was_replaced(home: Path) -> None:
    """Not before."""
    context = context_of(mailbox(home, "client_certificate: {file: client.pem}"))
    first = context()
    assert context() is first
    os.utime(home / "client.pem", (0, 0))
    assert context() is not first


def test_how_a_mailbox_does_for_tokens(home: Path) -> None:
    """Nothing where there are none; the refresh token's file tells when it was last renewed."""
    assert entrance(home, "password: {file: imap-password}").health is None
    os.utime(home / "refresh-token", (7.0, 7.0))
    built = entrance(home, f"oauth2: {{{CUSTOM}, refresh_token: {{file: refresh-token}}}}")
    assert built.health == TokenHealth(None, None, 7.0)
    (home / "refresh-token").unlink()
    assert built.health == TokenHealth(None, None)


@pytest.mark.parametrize(
    ("login", "code"),
    [
        (f"{CUSTOM}, refresh_token: {{file: refresh-token}}", "oauth-file"),
        (
            "provider: microsoft, tenant: t.example, client_id: x,"
            " refresh_token: {file: refresh-token}",
            "oauth-file",
        ),
        (
            "provider: google, client_id: x, client_secret: {file: client-secret},"
            " refresh_token: {file: refresh-token}",
            "oauth-unreachable",
        ),
    ],
)
def test_only_a_server_that_replaces_tokens_needs_room_for_one(
    home: Path, monkeypatch: pytest.MonkeyPatch, login: str, code: str
) -> None:
    """Google gives none: it is asked, here by a proxy that is not there."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    (home / "refresh-token.new").mkdir()
    built = entrance(home, f"oauth2: {{{login}}}")
    with pytest.raises(TokenCatcherError) as caught:
        list(built.login.attempts())
    assert caught.value.code == code
