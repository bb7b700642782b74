"""Answers as a configuration, and the providers that are known."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.config.texts import ENVIRON
from token_catcher import config
from token_catcher.commands.draft import MailboxAnswers, OrgAnswers, VaultAnswers, draft, scalar
from token_catcher.commands.init import before_an_org
from token_catcher.commands.presets import (
    BY_DOMAIN,
    BY_EXCHANGER,
    FASTMAIL,
    GMAIL,
    MICROSOFT,
    Preset,
    preset_of,
    preset_of_host,
)
from token_catcher.diagnosis.about import About

MAILBOXES = (Path(__file__).parents[3] / "docs" / "mailboxes.md").read_text("utf-8")
PRESETS = {preset.name: preset for preset in (*BY_DOMAIN.values(), *BY_EXCHANGER.values())}


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_a_preset_is_that_of_the_page(preset: Preset) -> None:
    """docs/mailboxes.md has the same lines, under the same heading."""
    section = MAILBOXES.partition(f"\n## {preset.name}\n")[2]
    block = re.search(r"```yaml\ntrust:\n(.*?)```", section, re.DOTALL)
    assert block is not None
    assert [line.strip() for line in block[1].splitlines()] == list(preset.trust)


@pytest.mark.parametrize(
    ("domain", "exchangers", "preset"),
    [
        ("GMail.com", [], GMAIL),
        ("acme.example", ["aspmx.l.google.com"], GMAIL),
        ("acme.example", ["acme-example.mail.protection.outlook.com"], MICROSOFT),
        ("acme.example", ["mx.acme.example", "in1-smtp.messagingengine.com"], FASTMAIL),
        ("acme.onmicrosoft.com", [], MICROSOFT),
        ("acme.notonmicrosoft.com", [], None),
        ("acme.example", ["mx.notgoogle.com"], None),
        ("acme.example", [], None),
    ],
)
def test_the_provider_of_an_address(
    domain: str, exchangers: list[str], preset: Preset | None
) -> None:
    """By its domain, or by the hosts that take its mail."""
    assert preset_of(domain, exchangers) == preset


@pytest.mark.parametrize(
    ("host", "preset"),
    [
        ("Outlook.office365.com", MICROSOFT),
        ("outlook.office365.us", MICROSOFT),
        ("imap.gmail.com", GMAIL),
        ("imap.acme.example", None),
    ],
)
def test_the_provider_of_a_host(host: str, preset: Preset | None) -> None:
    """By the IMAP server that somebody names, whatever the address's domain tells."""
    assert preset_of_host(host) == preset


@pytest.mark.parametrize(
    "text", ["yes", "null", "1", "1e3", "a: b", "#x", "*", "ä", 'say "x"', "{x}", "a:", "-", "0x1f"]
)
def test_whatever_is_typed_stays_text(text: str) -> None:
    """YAML takes plain words for numbers, dates and nothing."""
    made = draft("/s", MailboxAnswers("a@b.example", "h", text, "password: {env: EMPTY}"))
    loaded = config.from_text(made.encode(), Path("config.yaml"), ENVIRON, secrets=False)
    assert loaded.mailboxes[0].username == text


def test_plain_text_stays_plain() -> None:
    """So that people read it without quotes."""
    for text in ("imap.example.com", "sf@example.com", "/run/secret-id", "https://v.example:8200"):
        assert scalar(text) == text


def test_every_answer_is_written() -> None:
    """Those that are seldom given, too."""
    made = draft(
        "/var/lib/token-catcher",
        MailboxAnswers(
            "a@acme.example",
            "127.0.0.1",
            "a",
            "password: {env: VAULT_TOKEN}",
            tls="starttls",
            port=1143,
            trust=GMAIL.trust,
            provider=GMAIL.name,
        ),
        OrgAnswers(
            "acme", ("a@acme.example", "*@acme.example.uat"), "sandbox", "00D000000000001", "90d"
        ),
        VaultAnswers("https://vault.example.com", "{method: token, token: {env: VAULT_TOKEN}}"),
    )
    loaded = config.from_text(made.encode(), Path("config.yaml"), ENVIRON)
    (mailbox,) = loaded.mailboxes
    (org,) = loaded.orgs
    assert (mailbox.tls, mailbox.port, mailbox.addresses) == ("starttls", 1143, ("a@acme.example",))
    assert (org.usernames, org.environment, org.org_id) == (
        ("a@acme.example", "*@acme.example.uat"),
        "sandbox",
        "00D000000000001",
    )
    assert org.max_age == timedelta(days=90)
    assert loaded.trust.policy == "auto"
    assert loaded.trust.authserv_zone == 2
    assert "trust:                                  # for Gmail and Google Workspace" in made


def test_a_token_mail_that_is_there_before_an_org_is_named() -> None:
    """Its user is nobody's yet, which says nothing against the mailbox."""
    about = About("imap", "integrations")
    opens = about.ok("open", "'INBOX' opens read-only: 1 mail")
    nobodys = about.failed("token mail", "1 held (unknown-user)", "held-unknown-user")
    forged = about.failed("token mail", "1 refused (bad-signature)", "refused-bad-signature")
    assert list(before_an_org([opens, nobodys, forged])) == [opens, forged]
