"""docs/microsoft-365.md is true: its commands work, its configuration loads, its table is whole."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.kit.entra import pair
from tests.kit.servers.process import command
from token_catcher.advice import next_step
from token_catcher.certificates import certificate_in, key_in
from token_catcher.config import load
from token_catcher.model import Secret
from token_catcher.oauth import microsoft_refusals

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "microsoft-365.md").read_text("utf-8")
NUMBERS = [
    (number, cause.code)
    for causes in (
        *microsoft_refusals._BY_KIND.values(),
        microsoft_refusals._OF_ANY,
        microsoft_refusals._OUTAGES,
    )
    for cause in causes
    for number in cause.numbers
]
CODES = {*(code for _, code in NUMBERS), *microsoft_refusals._BY_ERROR.values(), "oauth-refused"}


def rows() -> list[tuple[str, str]]:
    """Codes and what Microsoft says, of the table of refusals."""
    table = PAGE.partition("## What each refusal means")[2]
    return re.findall(r"(?m)^\| (`[^|]+) \| ([^|]*) \|", table)


def test_the_certificate_is_made_as_it_says(tmp_path: Path) -> None:
    """By those commands, with a key that nobody else can read."""
    command("openssl", "apt-get install openssl")
    section = PAGE.partition("### 2.")[2].partition("###")[0]
    lines = re.findall(r"(?m)^\$ (.*)$", section)
    subprocess.run(["sh", "-ec", "\n".join(lines)], cwd=tmp_path, check=True, capture_output=True)
    file = tmp_path / "app.pem"
    text = Secret(file.read_text())
    assert certificate_in(text, "app.pem").is_rsa
    assert key_in(text, "app.pem")
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_configuration_loads(tmp_path: Path) -> None:
    """The one of step 6, with an org and a Vault."""
    (text,) = re.findall(r"(?s)```yaml\n(mailboxes:.*?)```", PAGE)
    (file,) = re.findall(r"\{file: ([^}]+)\}", text)
    for name, secret in (("app.pem", pair().text), ("token", "made-up")):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_text(secret)
    text = text.replace(file, "app.pem")
    text += "orgs: [{name: acme, usernames: ['*@acme.example']}]\n"
    text += (
        "vault: {address: https://vault.example.com, auth: {method: token, token: {file: token}}}"
    )
    config = tmp_path / "config.yaml"
    config.write_text(text)
    assert load(config, {}).trust.policy == "authentication-results"


@pytest.mark.parametrize(("codes", "numbers"), rows(), ids=[codes for codes, _ in rows()])
def test_a_refusal_of_the_table_is_told_so(codes: str, numbers: str) -> None:
    """Each number by the code of its row, as one of those who prove themselves sees it."""
    named = re.findall(r"`([a-z-]+)…?`", codes)
    for number in map(int, re.findall(r"\b(\d{5,7})\b", numbers)):
        told = [code for other, code in NUMBERS if other == number]
        # Of a certificate that has ended Microsoft has no number of its own.
        told += [f"{code}-expired" for code in told]
        assert [code for code in told if code.startswith(tuple(named))] != [], number


def test_every_refusal_is_in_the_table() -> None:
    """Those that only RFC 6749 tells apart have no row: their message has the error."""
    named = re.findall(r"`([a-z-]+)(…?)`", " ".join(codes for codes, _ in rows()))
    for _, code in NUMBERS:
        assert any(code == name or (more and code.startswith(name)) for name, more in named), code


@pytest.mark.parametrize("code", sorted(CODES - {"oauth-throttled", "oauth-unreachable"}))
def test_every_refusal_has_a_next_step(code: str) -> None:
    """What a person does; what passes by itself needs nobody."""
    assert next_step(code) is not None
