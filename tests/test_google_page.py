"""docs/google-workspace.md is true: its configurations load, its table is whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kit.google import ADMIN_SCOPE, MAIL_SCOPE, key_file, new_key
from token_catcher.advice import next_step
from token_catcher.config import Google, load
from token_catcher.oauth import DELEGATED_SCOPE, SIGNED_IN_SCOPE, google_refusals

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "google-workspace.md").read_text("utf-8")
CAUSES = (*google_refusals.DELEGATION, *google_refusals.SIGN_IN, *google_refusals.IAM_CAUSES)
SOURCES = [path.read_text("utf-8") for path in (ROOT / "token_catcher/oauth").glob("google*.py")]
CODES = set(re.findall(r'"(oauth-[a-z-]+)"', "\n".join(SOURCES)))
"""All that are told."""


def rows() -> list[tuple[str, str]]:
    """Codes and what Google says, of the table of refusals."""
    table = PAGE.partition("## What each refusal means")[2]
    return re.findall(r"(?m)^\| (`[^|]+) \|([^|]*)\|", table)


LISTED = {code for codes, _ in rows() for code in re.findall(r"`([a-z-]+)`", codes)}


def forms() -> list[str]:
    """Every `oauth2` that the page shows."""
    spans = re.findall(r"`(oauth2: \{[^`]+\})`", PAGE)
    blocks = re.findall(r"(?s)```yaml\n(oauth2:.*?)```", PAGE)
    (mailbox,) = re.findall(r"(?s)```yaml\nmailboxes:.*?    (oauth2:.*?)trust:", PAGE)
    return [*spans, *blocks, re.sub(r"(?m)^    ", "", mailbox)]


def test_the_page_shows_each_form() -> None:
    """A key, no key, and a person."""
    assert len(forms()) == 3


@pytest.mark.parametrize("form", forms())
def test_a_form_loads(form: str, tmp_path: Path) -> None:
    """With an org and a Vault; files beside the configuration."""
    for name in ("key.json", "client-secret", "integrations.refresh", "token"):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_text("made-up")
    (tmp_path / "key.json").write_text(key_file(new_key("first")))
    form = re.sub(r"\{file: \S*?([a-z.-]+)\}", r"{file: \1}", form)
    mailbox = "mailboxes:\n  - name: a\n    host: imap.gmail.com\n    username: a@b.example\n"
    orgs = "orgs: [{name: acme, usernames: ['*@acme.example']}]\n"
    vault = "vault: {address: https://v.example, auth: {method: token, token: {file: token}}}\n"
    text = mailbox + re.sub("(?m)^", "    ", form).rstrip() + "\n" + orgs + vault
    config = tmp_path / "config.yaml"
    config.write_text(text)
    assert isinstance(load(config, {}).mailboxes[0].oauth2, Google)


def test_the_scopes_are_the_defaults() -> None:
    """What is to be pasted into the console is what is asked for."""
    assert (DELEGATED_SCOPE, SIGNED_IN_SCOPE) == (ADMIN_SCOPE, MAIL_SCOPE)
    assert f"| OAuth scopes | `{DELEGATED_SCOPE}` |" in PAGE
    assert f"The scope is `{SIGNED_IN_SCOPE}`" in PAGE


def test_every_refusal_is_in_the_table() -> None:
    """And none besides; one that nobody knows has no row: its message has the error."""
    assert CODES - {"oauth-refused"} == {code for code in LISTED if code.startswith("oauth-")} - {
        "oauth-throttled"
    }


def test_the_table_says_what_google_says() -> None:
    """Each error of Google's stands in the row of its code."""
    said = {code: says for codes, says in rows() for code in re.findall(r"`([a-z-]+)`", codes)}
    for cause in (*google_refusals.DELEGATION, *google_refusals.SIGN_IN):
        if cause.error not in ("access_denied", "admin_policy_enforced", "disabled_client"):
            assert f"`{cause.error}`" in said[cause.code], cause
    for iam in google_refusals.IAM_CAUSES:
        assert f"{iam.status} of IAM" in said[iam.code], iam
        assert iam.reason in said[iam.code], iam


@pytest.mark.parametrize("code", sorted(CODES - {"oauth-unreachable", "oauth-foreign"}))
def test_every_refusal_has_a_next_step(code: str) -> None:
    """What a person does; what passes by itself needs nobody."""
    assert next_step(code) is not None
