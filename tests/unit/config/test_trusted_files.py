"""The configuration and what it names: whose they are, and who can write them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trustme

from tests.kit import mails
from tests.unit.config.texts import MINIMAL, changed, load, refusal_of, write_secret
from token_catcher import config
from token_catcher.errors import ConfigurationError

MALLORY = 4_000_000_001
"""No account has this number."""
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root makes files of other owners")
PLACES = {
    "trust.dkim_keys": (12, "trust: {dkim_keys: named}"),
    "vault.ca_file": (12, "  ca_file: named"),
    "vault.client_certificate.file": (12, "  client_certificate: {file: named, key: key}"),
    "vault.client_certificate.key": (12, "  client_certificate: {file: certificate, key: named}"),
}
"""Every key that names a file which is no secret: its line, and how it is written."""
OWNER = f"a file of uid {MALLORY}, who could send tokens elsewhere"


@pytest.fixture
def named(home: Path) -> Path:
    """A file that a configuration may name, whatever for; others beside it that go with it."""
    certificate = trustme.CA().issue_cert("client.example.com")
    key = certificate.private_key_pem.bytes().decode()
    chain = certificate.cert_chain_pems[0].bytes().decode()
    write_secret(home / "key", key)
    write_secret(home / "certificate", chain)
    pin = mails.genuine_signer().pin
    return write_secret(home / "named", "".join((key, chain, f"\n# {pin}")))


def asking(key: str) -> str:
    """The configuration that names the file under this key."""
    return MINIMAL.rstrip("\n") + "\n" + PLACES[key][1] + "\n"


@pytest.mark.parametrize("key", PLACES)
def test_a_named_file_that_others_can_write(home: Path, named: Path, key: str) -> None:
    """It is told with its line, and with what to type; the message is the same for each."""
    load(home, asking(key))
    named.chmod(0o620)
    line, _ = PLACES[key]
    assert refusal_of(home, asking(key)) == (
        f"config.yaml:{line}: {key}: got a file that others can write (mode 0620),"
        " expected one for its owner to write: chmod go-w named"
    )


@AS_ROOT
@pytest.mark.parametrize("key", PLACES)
def test_a_named_file_of_somebody_else(home: Path, named: Path, key: str) -> None:
    """Its owner could put another one there."""
    os.chown(named, MALLORY, MALLORY)
    line, _ = PLACES[key]
    assert refusal_of(home, asking(key)) == (
        f"config.yaml:{line}: {key}: got {OWNER},"
        " expected one of ours or of root: look at it, then chown root named"
    )


@pytest.mark.parametrize("secrets", [True, False])
def test_a_configuration_that_others_can_write(home: Path, secrets: bool) -> None:
    """No command goes by it, whether it needs secrets or not."""
    load(home)
    path = home / "config.yaml"
    path.chmod(0o664)
    with pytest.raises(ConfigurationError) as caught:
        config.load(path, {}, secrets=secrets)
    assert caught.value.code == "configuration-owner"
    assert str(caught.value) == (
        f"{path}: got a file that others can write (mode 0664),"
        f" expected one for its owner to write: chmod go-w {path}"
    )


@AS_ROOT
def test_a_configuration_of_somebody_else(home: Path) -> None:
    """Root reads it no more than anybody, though root may; and not behind a link either."""
    load(home)
    path = home / "config.yaml"
    os.chown(path, MALLORY, MALLORY)
    link = home / "link.yaml"
    link.symlink_to(path)
    for name in (path, link):
        with pytest.raises(ConfigurationError) as caught:
            config.load(name, {})
        assert str(caught.value) == (
            f"{name}: got {OWNER},"
            f" expected one of ours or of root: look at it, then chown root {name}"
        )


def printing(program: Path) -> str:
    """A mailbox whose access token this program prints."""
    token = f"oauth2: {{provider: external, token: {{command: [{program}, access]}}}}"
    return changed("password: {file: imap-password}", token)


def test_a_program_that_others_can_write(home: Path) -> None:
    """It runs as us, and so would whatever others put there."""
    program = home / "print-token"
    program.write_text("#!/bin/sh\necho token\n", "ascii")
    program.chmod(0o755)
    load(home, printing(program))
    program.chmod(0o777)
    assert refusal_of(home, printing(program)) == (
        "config.yaml:5: mailboxes[0].oauth2.token: got a file that others can write (mode 0777),"
        " expected one for its owner to write: chmod go-w print-token"
    )


def test_a_program_that_is_not_there(home: Path) -> None:
    """It is told when the configuration is loaded, and not at the next login."""
    assert refusal_of(home, printing(home / "nowhere")) == (
        "config.yaml:5: mailboxes[0].oauth2.token: got no such program, expected one that is there"
        " and can be run"
    )


def test_a_program_that_is_not_executable(home: Path) -> None:
    """It is there, and something else is to be done."""
    program = home / "print-token"
    program.write_text("#!/bin/sh\necho token\n", "ascii")
    program.chmod(0o644)
    assert refusal_of(home, printing(program)) == (
        "config.yaml:5: mailboxes[0].oauth2.token: got a file that we may not execute, expected one"
        " that is there and can be run"
    )


@AS_ROOT
def test_a_secret_that_is_somebodys_own(home: Path) -> None:
    """Only root can read it at all: nobody gave it to us."""
    load(home)
    os.chown(home / "imap-password", MALLORY, MALLORY)
    assert refusal_of(home, MINIMAL) == (
        f"config.yaml:5: mailboxes[0].password: got a file of uid {MALLORY},"
        " expected one of ours or of root: chown root imap-password"
    )


@AS_ROOT
def test_a_secret_that_somebody_shares_with_our_group(home: Path) -> None:
    """As Vault Agent, under an account of its own, gives its token to us."""
    path = write_secret(home / "imap-password", "correct horse", 0o640)
    os.chown(path, MALLORY, os.getegid())
    source = load(home).mailboxes[0].password
    assert source is not None
    assert source.read().reveal() == "correct horse"


@AS_ROOT
def test_files_of_the_owner_of_the_state_directory(home: Path, named: Path) -> None:
    """Root works as that user, and its own configuration says so: nothing is foreign then."""
    state = home / "state"
    state.mkdir(mode=0o700)
    os.chown(state, MALLORY, MALLORY)
    os.chown(named, MALLORY, MALLORY)
    text = asking("trust.dkim_keys") + "state_dir: state\n"
    assert load(home, text).trust.dkim_keys == named


def test_a_state_directory_that_others_can_write(home: Path) -> None:
    """Checkpoints and keys that somebody else puts there would be believed."""
    state = home / "state"
    state.mkdir()
    state.chmod(0o777)
    assert refusal_of(home, MINIMAL + "state_dir: state\n") == (
        "config.yaml:12: state_dir: got a directory that others can write (mode 0777),"
        " expected one for us alone: chmod go-w state, or name a new one below it"
    )
    load(home, MINIMAL + "state_dir: state/new\n")


@pytest.mark.parametrize(("state_dir", "got"), [("7", "7"), ("[state]", "a list")])
def test_whose_what_is_no_path_is_may_be_unknown(home: Path, state_dir: str, got: str) -> None:
    """It is told as it always was."""
    assert refusal_of(home, MINIMAL + f"state_dir: {state_dir}\n") == (
        f"config.yaml:12: state_dir: got {got}, expected a path"
    )


@pytest.mark.parametrize("mode", [0o1777, 0o775])
def test_a_working_directory_that_others_can_write(
    home: Path, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that lies there may have been put there for us; who means it names it."""
    load(home)
    monkeypatch.chdir(home)
    home.chmod(mode)
    with pytest.raises(ConfigurationError) as caught:
        config.find(None, {})
    assert caught.value.code == "configuration-owner"
    assert str(caught.value) == (
        f"config.yaml: got a directory that others can write ({home}), expected one of ours or of"
        " root, and writable by nobody else; if that file is meant, name it: --config config.yaml"
    )
    assert config.find("config.yaml", {}) == Path("config.yaml")


@AS_ROOT
def test_a_working_directory_of_somebody_else(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root in a person's home directory reads no configuration that lies there, whose ever."""
    load(home)
    monkeypatch.chdir(home)
    os.chown(home, MALLORY, MALLORY)
    with pytest.raises(ConfigurationError) as caught:
        config.find(None, {})
    assert str(caught.value) == (
        f"config.yaml: got a directory of uid {MALLORY} ({home}), expected one of ours or of"
        " root, and writable by nobody else; if that file is meant, name it: --config config.yaml"
    )


@AS_ROOT
def test_a_file_that_we_may_not_read_says_who_we_are(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root that became the owner of `state_dir` would wonder."""
    load(home)
    path = home / "config.yaml"

    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ConfigurationError) as caught:
        config.load(path, {})
    assert str(caught.value) == (
        f"{path}: the configuration cannot be read: Permission denied to root (uid 0)"
    )


def test_the_minimal_configuration_is_gone_by(home: Path) -> None:
    """Whatever else these tests show: files with ordinary modes are fine."""
    assert load(home, changed("imap.example.com", "other.example.com"))
