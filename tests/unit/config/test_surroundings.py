"""Defaults of the vault section that come from the environment, and a certificate that is ours."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from tests.unit.config.texts import CANARY, ENVIRON, MINIMAL, changed, load, write_secret
from token_catcher import config, tls
from token_catcher.errors import ConfigurationError

WITHOUT_ADDRESS = changed("  address: https://vault.example.com:8200\n", "")


@pytest.fixture
def leaf() -> trustme.LeafCert:
    """A certificate of some authority."""
    return trustme.CA().issue_cert("catcher@example.com")


@pytest.fixture
def pair(home: Path, leaf: trustme.LeafCert) -> tls.ClientCertificate:
    """A certificate and its key, each in a file."""
    certificate, key = home / "client.pem", home / "client.key"
    leaf.cert_chain_pems[0].write_to_path(str(certificate))
    write_secret(key, leaf.private_key_pem.bytes().decode())
    return tls.ClientCertificate(str(certificate), str(key))


@pytest.mark.parametrize("prefix", ["BAO_", "VAULT_"])
def test_the_environment_says_what_the_file_does_not(
    home: Path, pair: tls.ClientCertificate, prefix: str
) -> None:
    """Each of the five variables, under either name; each value knows where it came from."""
    trustme.CA().cert_pem.write_to_path(str(home / "ca.pem"))
    given = {
        "ADDR": "HTTPS://vault.example.org/",
        "NAMESPACE": "team/",
        "CACERT": str(home / "ca.pem"),
        "CLIENT_CERT": pair.file,
        "CLIENT_KEY": str(pair.key),
    }
    environ = {prefix + name: value for name, value in given.items()}
    loaded = load(home, WITHOUT_ADDRESS, ENVIRON | environ)
    vault = loaded.vault
    assert (vault.address, vault.namespace) == ("https://vault.example.org", "team")
    assert vault.ca_file == home / "ca.pem"
    assert vault.client_certificate is not None
    assert vault.client_certificate.as_pair() == pair
    assert {
        key: loaded.source("vault", key) for key in ("address", "namespace", "ca_file", "mount")
    } == {
        "address": f"{prefix}ADDR",
        "namespace": f"{prefix}NAMESPACE",
        "ca_file": f"{prefix}CACERT",
        "mount": None,
    }
    assert loaded.source("vault", "client_certificate") == f"{prefix}CLIENT_CERT"
    assert loaded.source("vault", "client_certificate", "key") == f"{prefix}CLIENT_KEY"


def test_the_file_counts_before_the_environment(home: Path) -> None:
    """Also where it says null; and then nothing came from the environment."""
    environ = {"VAULT_ADDR": "https://other.example.com", "VAULT_NAMESPACE": "other"}
    loaded = load(home, MINIMAL + "  namespace: null\n", ENVIRON | environ)
    assert (loaded.vault.address, loaded.vault.namespace) == (
        "https://vault.example.com:8200",
        None,
    )
    assert loaded.source("vault", "address") is None


def test_a_certificate_of_the_file_has_no_key_of_the_environment(
    home: Path, leaf: trustme.LeafCert
) -> None:
    """They would not belong together."""
    both = leaf.private_key_pem.bytes() + leaf.cert_chain_pems[0].bytes()
    write_secret(home / "both.pem", both.decode())
    text = MINIMAL + "  client_certificate: {file: both.pem}\n"
    loaded = load(home, text, ENVIRON | {"BAO_CLIENT_KEY": "/nowhere"})
    assert loaded.vault.client_certificate is not None
    assert loaded.vault.client_certificate.as_pair() == tls.ClientCertificate(
        str(home / "both.pem")
    )


def test_openbaos_names_come_first(home: Path) -> None:
    """As in `bao`; an empty variable is none."""
    environ = {
        "BAO_ADDR": "https://bao.example.com",
        "VAULT_ADDR": "https://vault.example.com",
        "BAO_NAMESPACE": "",
        "VAULT_NAMESPACE": "vaults",
    }
    loaded = load(home, WITHOUT_ADDRESS, ENVIRON | environ)
    assert (loaded.vault.address, loaded.vault.namespace) == ("https://bao.example.com", "vaults")


def test_relative_paths_of_the_environment_begin_where_we_were_started(
    home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they do for Vault's own tools, not beside the configuration file."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    trustme.CA().cert_pem.write_to_path(str(elsewhere / "ca.pem"))
    monkeypatch.chdir(elsewhere)
    loaded = load(home, MINIMAL, ENVIRON | {"VAULT_CACERT": "ca.pem"})
    assert loaded.vault.ca_file == elsewhere / "ca.pem"


@pytest.mark.parametrize("name", ["VAULT_SKIP_VERIFY", "BAO_SKIP_VERIFY", "BAO_TOKEN"])
def test_what_is_not_asked_for_is_not_read(home: Path, name: str) -> None:
    """A person's token, and the switch that turns all proof off."""
    assert load(home, MINIMAL, ENVIRON | {name: "1"}) == load(home)


def test_a_mistake_in_the_environment_names_the_variable(home: Path) -> None:
    """Beside the line of the section that it is for."""
    with pytest.raises(ConfigurationError) as caught:
        load(home, WITHOUT_ADDRESS, ENVIRON | {"VAULT_ADDR": "vault:8200"})
    assert str(caught.value) == (
        f"{home}/config.yaml:9: vault.address: got 'vault:8200' (from VAULT_ADDR), expected"
        " https://HOST, with :PORT and /PATH if needed (http:// only to loopback), or unix:///PATH"
    )


def test_a_key_of_the_environment_without_a_certificate_is_a_mistake(home: Path) -> None:
    """Vault's own tools want both as well."""
    with pytest.raises(ConfigurationError) as caught:
        load(home, MINIMAL, ENVIRON | {"VAULT_CLIENT_KEY": str(home / "imap-password")})
    assert "vault.client_certificate.file: got nothing" in str(caught.value)


def test_a_section_that_is_none_has_no_defaults(home: Path) -> None:
    """What stands there is told instead."""
    for text in ("vault: text\n", "- a list\n", ""):
        with pytest.raises(ConfigurationError):
            load(home, text, ENVIRON | {"VAULT_ADDR": "https://vault.example.com"})


def test_what_is_shown_has_the_values_of_the_environment(home: Path) -> None:
    """It can be loaded without it."""
    loaded = load(home, WITHOUT_ADDRESS, ENVIRON | {"VAULT_ADDR": "https://vault.example.org"})
    again = load(home, config.show(loaded))
    assert again.model_dump() == loaded.model_dump()
    assert again.source("vault", "address") is None


def test_an_editor_does_not_miss_the_address() -> None:
    """It may be in the environment."""
    assert config.json_schema()["$defs"]["VaultConfig"]["required"] == ["auth"]


# -- a certificate of ours --


def told(home: Path, section: str) -> str:
    """What is wrong with a client certificate."""
    with pytest.raises(ConfigurationError) as caught:
        load(home, MINIMAL + f"  client_certificate: {section}\n")
    return str(caught.value).removeprefix(f"{home}/config.yaml:12: vault.client_certificate")


def test_a_key_that_others_can_read_is_refused(home: Path, pair: tls.ClientCertificate) -> None:
    """As every other secret is."""
    Path(str(pair.key)).chmod(0o644)
    assert told(home, "{file: client.pem, key: client.key}") == (
        ": got a file that others can use (mode 0644), expected one for us alone: chmod 0600"
        f" {pair.key}"
    )


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(
    home: Path, pair: tls.ClientCertificate, leaf: trustme.LeafCert
) -> None:
    """OpenSSL would ask on the terminal."""
    key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(CANARY.encode()),
    )
    Path(str(pair.key)).write_bytes(encrypted)
    assert told(home, "{file: client.pem, key: client.key}") == (
        ": got an encrypted key, expected one in PEM, not encrypted"
    )


def test_the_key_of_another_certificate_is_refused(home: Path, pair: tls.ClientCertificate) -> None:
    """They have to belong together."""
    other = trustme.CA().issue_cert("other@example.com")
    Path(str(pair.key)).write_bytes(other.private_key_pem.bytes())
    assert told(home, "{file: client.pem, key: client.key}") == (
        ": got a key of another certificate, expected the two of one pair"
    )
