"""The next step of each error code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import token_catcher
from token_catcher.advice import next_step

VAULT = Path(token_catcher.__file__).parent / "vault"
TLS = Path(token_catcher.__file__).parent / "tls.py"


def vault_codes() -> list[str]:
    """Every code of an error of Vault's, and of TLS to it, that stands in the source."""
    codes = set()
    for file in VAULT.glob("*.py"):
        codes.update(re.findall(r'"(vault-[a-z0-9-]+)"', file.read_text("utf-8")))
    tls = re.findall(r'(?:TlsFailure|_lasting)\(\s*"([a-z-]+)"', TLS.read_text("utf-8"))
    return sorted(codes.union(f"vault-{code}" for code in tls))


@pytest.mark.parametrize("code", vault_codes())
def test_every_trouble_with_vault_has_a_next_step(code: str) -> None:
    """Also what passes by itself: somebody reads the message while it has not."""
    assert next_step(code) is not None


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("vault-mount", "token-catcher init --vault-setup kv2"),
        ("vault-mount-engine", "type kv"),
        ("vault-kv1", "enable-versioning"),
        ("vault-tls", "vault.address"),
        ("vault-tls-whatever", "vault.address"),
    ],
)
def test_the_next_step_is_of_that_cause(code: str, word: str) -> None:
    """A mount that is not shown may be a policy that is missing; no other engine becomes a KV."""
    assert word in (next_step(code) or "")
    assert ("enable-versioning" in (next_step(code) or "")) == (code == "vault-kv1")


@pytest.mark.parametrize(
    "code",
    [
        "vault-login-none",
        "vault-login-rights",
        "vault-mount",
        "vault-policy",
        "vault-rights-wide",
        "vault-root",
    ],
)
def test_a_policy_is_named_for_both_versions(code: str) -> None:
    """That of version 2 does nothing on a mount of version 1, and has the same name there."""
    step = next_step(code) or ""
    assert "init --vault-setup kv2` prints (kv1 where vault.kv_version is 1)" in step
