"""Secrets, certificates and the state directory, as files."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
import trustme

from tests.kit.fakes import utc_now
from tests.unit.config.texts import MINIMAL, changed, load, write_secret
from token_catcher.config import Config
from token_catcher.diagnosis.local_files import file_steps

CUSTOM = "provider: custom, token_url: https://x/token, client_id: y"


@pytest.fixture(autouse=True)
def _secret(tmp_path: Path) -> None:
    write_secret(tmp_path / "imap-password", "secret")


def told(config: Config, step: str) -> list[tuple[str, str, str, str]]:
    """Name of the file, outcome, code and what was seen of this step."""
    return [
        (Path(told.subject).name, told.outcome, told.code, told.saw)
        for told in file_steps(config, utc_now)
        if told.step == step
    ]


def test_each_secret_once(tmp_path: Path) -> None:
    """A file that two mailboxes share, and a variable."""
    section = MINIMAL[MINIMAL.index("  - name: integrations") : MINIMAL.index("orgs:")]
    text = MINIMAL.replace("orgs:\n", f"{section.replace('integrations', 'other')}orgs:\n")
    assert told(load(tmp_path, text), "secret") == [
        ("imap-password", "ok", "", "readable, and by nobody else"),
        ("VAULT_TOKEN", "ok", "", "readable, and by nobody else"),
    ]


def test_a_secret_that_a_group_can_read(tmp_path: Path) -> None:
    """It is taken, and told."""
    (tmp_path / "imap-password").chmod(0o640)
    saw = "got mode 0640, expected 0600: the file's group can read it too"
    assert told(load(tmp_path), "secret")[0] == ("imap-password", "warning", "secret-shared", saw)


def test_a_refresh_token_before_the_sign_in(tmp_path: Path) -> None:
    """Who is to sign in, and not who is to put a file back."""
    login = f"oauth2: {{{CUSTOM}, refresh_token: {{file: refresh-token}}}}"
    file = write_secret(tmp_path / "refresh-token", "secret")
    config = load(tmp_path, changed("password: {file: imap-password}", login))
    file.chmod(0o666)
    assert told(config, "secret")[0][:3] == ("refresh-token", "failed", "secret")
    file.unlink()
    assert told(config, "secret")[0][:3] == ("refresh-token", "failed", "oauth-sign-in")
    [step, *_] = file_steps(config, utc_now)
    assert step.mailbox == "integrations"


@pytest.mark.parametrize(
    ("days", "outcome", "saw"),
    [
        (31, "ok", "ends on {date}, in 30 days"),
        (30, "warning", "ends on {date}, in 29 days"),
        (-1, "failed", "ended on {date}"),
    ],
)
def test_a_certificate_of_ours(tmp_path: Path, days: int, outcome: str, saw: str) -> None:
    """It is told in time, and fails once it has ended."""
    ends_at = utc_now() + timedelta(days=days)
    _make_certificate(tmp_path / "client.pem", ends_at)
    login = "client_certificate: {file: client.pem}"
    config = load(tmp_path, changed("password: {file: imap-password}", login))
    code = ""
    if outcome != "ok":
        code = "certificate-ends"
    assert told(config, "certificate") == [
        ("client.pem", outcome, code, saw.format(date=f"{ends_at:%Y-%m-%d}"))
    ]


def _make_certificate(file: Path, ends_at: datetime) -> None:
    leaf = trustme.CA().issue_cert("robot@example.com", not_after=ends_at)
    write_secret(file, leaf.private_key_and_cert_chain_pem.bytes().decode())


def test_a_certificate_that_is_not_there(tmp_path: Path) -> None:
    """Not mounted, say."""
    _make_certificate(tmp_path / "client.pem", utc_now() + timedelta(days=90))
    login = "client_certificate: {file: client.pem}"
    config = load(tmp_path, changed("password: {file: imap-password}", login))
    (tmp_path / "client.pem").unlink()
    saw = f"got no such file: {tmp_path}/client.pem, expected the path of an existing file"
    assert told(config, "certificate") == [("client.pem", "failed", "secret", saw)]


def test_a_certificate_that_is_none(tmp_path: Path) -> None:
    """Its file is the subject, and does not stand before what was seen once more."""
    _make_certificate(tmp_path / "client.pem", utc_now() + timedelta(days=90))
    login = "client_certificate: {file: client.pem}"
    config = load(tmp_path, changed("password: {file: imap-password}", login))
    (tmp_path / "client.pem").write_text("something else")
    saw = "got no certificate, expected one in PEM"
    assert told(config, "certificate") == [("client.pem", "failed", "certificate", saw)]


def test_the_state_directory(tmp_path: Path) -> None:
    """There, to be made, or below something that is no directory."""
    state = tmp_path / "a" / "state"
    config = load(tmp_path, f"{MINIMAL}state_dir: a/state\n")
    assert told(config, "state_dir") == [
        ("state", "ok", "", f"not there yet; can be made in {tmp_path}")
    ]
    state.mkdir(parents=True)
    assert told(config, "state_dir") == [("state", "ok", "", "writable")]
    state.rmdir()
    state.write_text("", "ascii")
    assert told(config, "state_dir")[0][1:3] == ("failed", "state")


def test_a_note_on_a_mailbox_that_cannot_be_kept(tmp_path: Path) -> None:
    """Something else is in the place of its file, or of the directory."""
    checkpoints = tmp_path / "state" / "checkpoints"
    note = checkpoints / "integrations.json"
    note.mkdir(parents=True)
    config = load(tmp_path, f"{MINIMAL}state_dir: state\n")
    saw = f"{note}: got one that we cannot read and write, expected a file of ours"
    assert told(config, "state_dir") == [("state", "failed", "state", saw)]
    note.rmdir()
    assert told(config, "state_dir") == [("state", "ok", "", "writable")]
    checkpoints.rmdir()
    checkpoints.write_text("", "ascii")
    saw = f"{checkpoints}: got no directory, expected one that we can write"
    assert told(config, "state_dir") == [("state", "failed", "state", saw)]
