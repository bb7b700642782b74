"""The overview, where no server answers: what the files of this machine tell."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from tests.kit.fakes import Silent
from tests.unit.commands.records import USER, entry, held
from token_catcher.app import App
from token_catcher.config import load
from token_catcher.overview import overview_of
from token_catcher.record import Journal
from token_catcher.status import LoginEnd, Overview, State

NOW = datetime(2026, 2, 13, 13, tzinfo=UTC)
CONFIG = """\
state_dir: {home}/state
mailboxes:
  - name: integrations
    host: 127.0.0.1
    username: someone@example.com
    oauth2: {oauth2}
{more}orgs:
  - name: acme-production
    usernames: ["{user}"]
vault:
  address: http://127.0.0.1:9
  auth: {{method: token, token: {{env: NO_SUCH_TOKEN}}}}
"""
PERSON = (
    "{{provider: {provider}, client_id: x, {more}refresh_token: {{file: {home}/refresh-token}}}}"
)
MORE = {
    "microsoft": "tenant: t, ",
    "google": "client_secret: {file: s}, ",
    "custom": "token_url: https://id.example.com/token, client_secret: {file: s}, ",
}


@pytest.fixture
def overview(tmp_path: Path) -> Callable[..., Overview]:
    """What is told under a configuration with this login of the mailbox."""

    def told(oauth2: str, more: str = "") -> Overview:
        file = tmp_path / "config.yaml"
        text = CONFIG.format(home=tmp_path, user=USER, oauth2=oauth2, more=more)
        file.write_text(text, "utf-8")
        config = load(file, {}, secrets=False)
        return overview_of(App(config, Silent(), writing=False, now=lambda: NOW))

    return told


@pytest.mark.parametrize(
    ("provider", "ends_at", "days_left"),
    [
        ("microsoft", "2026-05-04T13:00:00Z", 80),
        ("google", "2026-08-02T13:00:00Z", 170),
        ("custom", None, None),
    ],
)
def test_a_sign_in_ends_unused(
    overview: Callable[..., Overview],
    tmp_path: Path,
    provider: str,
    ends_at: str | None,
    days_left: int | None,
) -> None:
    """Some days after its file was last written; not everybody says how many."""
    file = tmp_path / "refresh-token"
    file.touch(0o600)
    renewed = (NOW - timedelta(days=10)).timestamp()
    os.utime(file, (renewed, renewed))
    login = PERSON.format(provider=provider, more=MORE[provider], home=tmp_path)
    (mailbox,) = overview(login).mailboxes
    assert mailbox.logins == (
        LoginEnd("refresh-token", str(file), ends_at, days_left, "2026-02-03T13:00:00Z"),
    )


def test_a_sign_in_that_cannot_be_read(overview: Callable[..., Overview], tmp_path: Path) -> None:
    """It is named; the mailbox does not fail for it, since we may only not see it."""
    login = PERSON.format(provider="microsoft", more="tenant: t, ", home=tmp_path)
    (mailbox,) = overview(login).mailboxes
    file = f"{tmp_path}/refresh-token"
    unread = f"{file}: cannot be read"
    assert mailbox.logins == (LoginEnd("refresh-token", file, None, None, unread=unread),)


def test_certificates(overview: Callable[..., Overview], tmp_path: Path) -> None:
    """When each ends; one that is not there is named."""
    issued = trustme.CA().issue_cert("client", not_after=NOW + timedelta(days=3, hours=1))
    pair = tmp_path / "client.pem"
    pair.touch(0o600)
    issued.private_key_and_cert_chain_pem.write_to_path(str(pair))
    microsoft = "{provider: microsoft, tenant: t, client_id: x, certificate: {file: gone.pem}}"
    told = overview(microsoft, f"    client_certificate: {{file: {pair}}}\n")
    gone, client = told.mailboxes[0].logins
    assert (client.kind, client.ends_at, client.days_left) == ("client", "2026-02-16T14:00:00Z", 3)
    assert (gone.kind, gone.ends_at) == ("oauth", None)
    assert "gone.pem" in (gone.unread or "")


def test_a_credential_that_is_not_there(overview: Callable[..., Overview]) -> None:
    """Nobody was asked: of Vault nothing is known, and the credential is named."""
    told = overview("{provider: external, token: {file: t}}")
    assert (told.vault.reachable, told.vault.sealed, told.vault.logged_in) == (None, None, None)
    assert "NO_SUCH_TOKEN" in (told.vault.saw or "")
    assert told.vault.trouble == "secret"
    assert [row.state for row in told.users] == [State.NEVER_SEEN]


def test_closed_files_are_known_by_their_index(
    overview: Callable[..., Overview], tmp_path: Path
) -> None:
    """The newest token and what waits of them; the open file is gone through."""
    journal = Journal(tmp_path / "state" / "journal.jsonl", now=lambda: NOW, log=Silent())
    journal.append(entry(1))
    journal.append(entry(2, username="b@acme.example"))
    later = {"received_at": "2026-02-04T00:00:00Z", "issued_at": "2026-02-04T00:00:00Z"}
    journal.append(held(3, "unknown-subject", fingerprint="sha256:1", **later))
    journal.archive()
    told = overview("{provider: external, token: {file: t}}")
    (row,) = told.users
    assert (row.version, row.held, row.source) == (3, 1, "journal")
    assert row.last_mail is not None
    assert (row.last_mail.outcome, row.last_mail.reason) == ("held", "unknown-subject")
    journal.append(entry(4, event="rotation.refused", reason="bad-signature"))
    (row,) = overview("{provider: external, token: {file: t}}").users
    assert row.last_mail is not None
    assert row.last_mail.outcome == "refused"
