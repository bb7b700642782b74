"""`client_certificate`: what is taken for one, and what each mistake is called."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from tests.kit.entra import pair
from tests.unit.config.texts import changed, load, refusal_of, write_secret

VAULT = "  auth: {method: token"


def written(keys: str) -> str:
    """A configuration with this certificate, to be shown to Vault."""
    return changed(VAULT, f"  client_certificate: {{{keys}}}\n{VAULT}")


def encrypted(key: str) -> str:
    """As `openssl genpkey -aes256` writes it."""
    loaded = load_pem_private_key(key.encode(), None)
    locked = BestAvailableEncryption(b"x")
    return loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked).decode()


@pytest.fixture
def files(home: Path) -> Path:
    """A directory with a pair, and with what does not belong to it."""
    write_secret(home / "both.pem", pair().text)
    write_secret(home / "cert.pem", pair().certificate, 0o644)
    write_secret(home / "key.pem", pair().key)
    write_secret(home / "other.pem", pair("other").key)
    write_secret(home / "locked.pem", encrypted(pair().key))
    write_secret(home / "open.pem", pair().key, 0o644)
    return home


@pytest.mark.parametrize("keys", ["file: both.pem", "file: cert.pem, key: key.pem"])
def test_a_pair_is_taken(files: Path, keys: str) -> None:
    """In one file or in two; the certificate alone is no secret."""
    section = load(files, written(keys)).vault.client_certificate
    assert section is not None
    assert section.read().reveal().count("-----BEGIN ") == 2


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (
            "file: cert.pem",
            "got a certificate without its key, expected its key there as well, or `key` beside it",
        ),
        ("file: key.pem", "got no certificate, expected one in PEM"),
        ("file: key.pem, key: key.pem", "got no certificate, expected one in PEM"),
        (
            "file: cert.pem, key: other.pem",
            "got a key of another certificate, expected the two of one pair",
        ),
        (
            "file: cert.pem, key: locked.pem",
            "got an encrypted key, expected one in PEM, not encrypted",
        ),
        (
            "file: cert.pem, key: open.pem",
            "got a file that others can use (mode 0644), expected one for us alone: chmod 0600"
            " open.pem",
        ),
        ("file: cert.pem, key: imap-password", "got no private key, expected one in PEM"),
    ],
)
def test_each_mistake_is_told_by_its_cause(files: Path, keys: str, told: str) -> None:
    """With its key and line, in the words of `check`."""
    assert refusal_of(files, written(keys)) == f"config.yaml:11: vault.client_certificate: {told}"
