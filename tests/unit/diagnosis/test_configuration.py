"""What a configuration that loads says, and what undoes itself in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit import mails
from tests.unit.config.texts import MINIMAL, load, write_secret
from token_catcher.config import Config
from token_catcher.diagnosis.configuration import configuration_steps, refusal_steps
from token_catcher.errors import ConfigurationError

PIN = mails.genuine_signer().pin
OTHER = PIN.replace("salesforce.com", "example.com")
NAME = mails.genuine_signer().name


@pytest.fixture(autouse=True)
def _secret(tmp_path: Path) -> None:
    write_secret(tmp_path / "imap-password", "secret")


def told(config: Config, step: str) -> list[tuple[str, str, str, str]]:
    """Subject, outcome, code and what was seen of this step."""
    return [
        (told.subject, told.outcome, told.code, told.saw)
        for told in configuration_steps(config, Path("config.yaml"))
        if told.step == step
    ]


def test_what_it_has(tmp_path: Path) -> None:
    """In numbers."""
    assert told(load(tmp_path), "load") == [("config.yaml", "ok", "", "1 mailbox, 1 org")]
    more = MINIMAL.replace("vault:\n", '  - name: other\n    usernames: ["*@b.example"]\nvault:\n')
    assert told(load(tmp_path, more), "load")[0][3] == "1 mailbox, 2 orgs"


def test_what_comes_from_the_environment(tmp_path: Path) -> None:
    """The service may have another one than this shell."""
    text = MINIMAL.replace("  address: https://vault.example.com:8200\n", "")
    environ = {"VAULT_TOKEN": "s.token", "BAO_ADDR": "https://vault.example.com"}
    assert told(load(tmp_path, text, environ), "environment") == [
        ("config.yaml", "ok", "", "vault.address comes from BAO_ADDR")
    ]


@pytest.mark.parametrize(
    ("action", "warned"),
    [
        ("{flag: Flagged}", [("the keyword Flagged", "the system flag \\Flagged")]),
        ("{flag: seen}", [("the keyword Seen", "the system flag \\Seen")]),
        ('{flag: "\\\\Flagged"}', []),
        ("{flag: $Label1}", []),
        ("delete", []),
    ],
)
def test_a_keyword_that_is_named_like_a_system_flag(
    tmp_path: Path, action: str, warned: list[tuple[str, str]]
) -> None:
    """The backslash was forgotten: the server takes it, and nobody sees it."""
    text = MINIMAL.replace("orgs:\n", f"    after_capture: {action}\norgs:\n")
    steps = told(load(tmp_path, text), "after_capture")
    assert steps == [
        ("integrations", "warning", "check-flag", f"got {got}, expected {expected}")
        for got, expected in warned
    ]


def test_a_pinned_org(tmp_path: Path) -> None:
    """Nothing is to be done."""
    text = MINIMAL.replace("  - name: acme\n", "  - name: acme\n    org_id: 00D000000000001\n")
    assert told(load(tmp_path, text), "org_id") == [
        ("acme", "ok", "", "mail of 00D000000000001 alone is taken")
    ]


@pytest.mark.parametrize(
    ("text", "outcome", "saw"),
    [
        (PIN, "ok", f"pinned: {NAME}"),
        ("# none\n", "failed", "{file}: got no key, expected one a line"),
        (
            PIN + OTHER,
            "warning",
            "got test2026._domainkey.example.com, expected names below salesforce.com: no other is"
            " asked for",
        ),
    ],
    ids=["ours", "empty", "other-domain"],
)
def test_pinned_keys(tmp_path: Path, text: str, outcome: str, saw: str) -> None:
    """They must be of a domain whose signatures count."""
    file = tmp_path / "keys"
    file.write_text(text, "ascii")
    config = load(tmp_path, f"{MINIMAL}trust: {{dkim_keys: keys}}\n")
    ((_subject, told_outcome, _code, told_saw),) = told(config, "dkim_keys")
    assert (told_outcome, told_saw) == (outcome, saw.format(file=file))


def test_senders_below_a_signing_domain(tmp_path: Path) -> None:
    """Its signature counts for them as well."""
    senders = "senders: [a@emea.salesforce.com, b@notsalesforce.com]"
    config = load(tmp_path, f"{MINIMAL}trust: {{{senders}}}\n")
    assert told(config, "senders") == [
        (
            "trust",
            "warning",
            "check-sender",
            "got b@notsalesforce.com, expected addresses of salesforce.com, or below",
        )
    ]


def test_a_refusal_of_many_lines() -> None:
    """Each is a step of its own."""
    error = ConfigurationError("f:1: a\nf:2: b", code="configuration-lines")
    assert [(step.outcome, step.code, step.saw) for step in refusal_steps(error, "f")] == [
        ("failed", "configuration-lines", "f:1: a"),
        ("failed", "configuration-lines", "f:2: b"),
    ]


@pytest.mark.parametrize(
    ("place", "line", "subject", "saw"),
    [
        (
            "mailbox",
            "poll: 1s",
            "integrations",
            "poll: got 1s, expected 5s or more: the mail server is asked that often for good, which"
            " some answer with a lock-out",
        ),
        (
            "mailbox",
            "poll: 2h",
            "integrations",
            "poll: got 2h, expected 1h or less: a token whose mail IDLE does not tell of is missing"
            " in Vault for so long",
        ),
        (
            "mailbox",
            "lookback: 1s",
            "integrations",
            "lookback: got 1s, expected 1d or more: mail that is older when it is first looked at"
            " is left out, and its token with it",
        ),
        (
            "org",
            "max_age: 90s",
            "acme",
            "max_age: got 90s, expected 1d or more: every token is overdue as soon as it is there",
        ),
        (
            "trust",
            "max_delay: 1s",
            "trust",
            "max_delay: got 1s, expected 1h or more: genuine mail that a mail server kept for"
            " longer is held; they try for a day",
        ),
        (
            "trust",
            "clock_skew: 1s",
            "trust",
            "clock_skew: got 1s, expected 1m or more: genuine mail is held where the mail server's"
            " clock is behind by more",
        ),
    ],
)
def test_a_duration_that_can_hardly_be_meant(
    tmp_path: Path, place: str, line: str, subject: str, saw: str
) -> None:
    """It loads, and is told before it hurts."""
    text = {
        "mailbox": MINIMAL.replace("orgs:\n", f"    {line}\norgs:\n"),
        "org": MINIMAL.replace("vault:\n", f"    {line}\nvault:\n"),
        "trust": f"{MINIMAL}trust: {{{line}}}\n",
    }[place]
    assert told(load(tmp_path, text), "durations") == [(subject, "warning", "check-duration", saw)]


def test_a_window_is_no_shorter_than_what_may_be_late(tmp_path: Path) -> None:
    """Mail that is taken however late has to be looked at when it comes."""
    text = f"{MINIMAL}trust: {{max_delay: 20d}}\n"
    [(subject, outcome, _, saw)] = told(load(tmp_path, text), "durations")
    assert (subject, outcome) == ("integrations", "warning")
    assert saw.startswith("lookback: got 14d, expected 20d or more: ")


def test_durations_as_one_would_have_them(tmp_path: Path) -> None:
    """The defaults are, and at each bound nothing is told."""
    assert told(load(tmp_path), "durations") == []
    text = MINIMAL.replace("orgs:\n", "    poll: 5s\n    lookback: 1d\norgs:\n")
    text = text.replace("vault:\n", "    max_age: 1d\nvault:\n")
    text = f"{text}trust: {{max_delay: 1h, clock_skew: 1m}}\n"
    assert told(load(tmp_path, text), "durations") == []
    assert told(load(tmp_path, text.replace("poll: 5s", "poll: 1h")), "durations") == []
