"""`mailboxes[].oauth2` of Microsoft 365: what is taken, and what each mistake is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.entra import CLIENT_ID, TENANT, pair
from tests.kit.fakes import Silent
from tests.unit.config.texts import changed, load, refusal_of, write_secret
from token_catcher import config
from token_catcher.config import Config, Microsoft
from token_catcher.errors import ConfigurationError
from token_catcher.logins import certificates_in, entrance_of, microsoft_application

WHO = f"provider: microsoft, tenant: {TENANT}, client_id: {CLIENT_ID}"


def written(keys: str) -> str:
    """A configuration with this in place of the password."""
    return changed("    password: {file: imap-password}", f"    oauth2: {{{WHO}, {keys}}}")


def section(config: Config) -> Microsoft:
    """The one of the only mailbox."""
    oauth2 = config.mailboxes[0].oauth2
    assert isinstance(oauth2, Microsoft)
    return oauth2


@pytest.fixture
def files(home: Path) -> Path:
    """A directory with a credential of each kind."""
    write_secret(home / "app.pem", pair().text)
    write_secret(home / "cert.pem", pair().certificate)
    write_secret(home / "key.pem", pair().key)
    write_secret(home / "curve.pem", pair("curve", is_rsa=False).text)
    write_secret(home / "trusted.pem", pair().text.replace(" CERT", " TRUSTED CERT"))
    write_secret(home / "secret", "value")
    return home


@pytest.mark.parametrize(
    "keys",
    [
        "certificate: {file: app.pem}",
        "certificate: {file: cert.pem, key: key.pem}",
        "assertion: {file: secret}",
        "client_secret: {file: secret}",
        "refresh_token: {file: secret}",
    ],
)
def test_each_credential_is_read_anew_for_a_login(files: Path, keys: str) -> None:
    """Not when the program starts; a missing one is told by its file."""
    mailbox = load(files, written(keys)).mailboxes[0]
    entrance = entrance_of(mailbox, Silent())
    before = entrance.credential()
    (file,) = [files / name for name in ("app.pem", "key.pem", "secret") if f"{name}}}" in keys]
    text = file.read_text()
    file.write_text(text.replace("value", "other").replace("M", "N"))
    assert entrance.credential() != before
    file.unlink()
    with pytest.raises(ConfigurationError, match=file.name) as caught:
        entrance.credential()
    code = "secret"
    if keys.startswith("refresh_token"):
        code = "oauth-sign-in"
    assert caught.value.code == code


def test_a_certificate_beside_its_key_may_go_missing_as_well(files: Path) -> None:
    """While somebody renews it, say."""
    mailbox = load(files, written("certificate: {file: cert.pem, key: key.pem}")).mailboxes[0]
    (files / "cert.pem").unlink()
    with pytest.raises(ConfigurationError) as caught:
        entrance_of(mailbox, Silent()).credential()
    assert str(caught.value) == (
        f"certificate {files}/cert.pem with {files}/key.pem: got a file that cannot be read (No"
        " such file or directory), expected the path of a file that we can read"
    )


@pytest.mark.parametrize(
    ("keys", "authority", "scope"),
    [
        (
            "client_secret: {file: secret}",
            "https://login.microsoftonline.com",
            "https://outlook.office365.com/.default",
        ),
        (
            "refresh_token: {file: secret}",
            "https://login.microsoftonline.com",
            "https://outlook.office.com/IMAP.AccessAsUser.All",
        ),
        (
            "client_secret: {file: secret}, cloud: gcc-high",
            "https://login.microsoftonline.us",
            "https://outlook.office365.us/.default",
        ),
        (
            "client_secret: {file: secret}, cloud: dod",
            "https://login.microsoftonline.us",
            "https://outlook.office365.us/.default",
        ),
        (
            "refresh_token: {file: secret}, cloud: china",
            "https://login.partner.microsoftonline.cn",
            "https://partner.outlook.cn/IMAP.AccessAsUser.All",
        ),
        (
            "client_secret: {file: secret}, authority: https://login.sovcloud-identity.fr/,"
            " scope: https://mail.example.fr/.default",
            "https://login.sovcloud-identity.fr",
            "https://mail.example.fr/.default",
        ),
    ],
)
def test_each_cloud_has_its_addresses(files: Path, keys: str, authority: str, scope: str) -> None:
    """And whatever is written down goes before."""
    application = microsoft_application(section(load(files, written(keys))))
    assert (application.authority, application.scope) == (authority, scope)
    assert (application.tenant, application.client_id) == (TENANT, CLIENT_ID)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (
            'client_secret: {file: secret}, authority: "http://127.0.0.1:8443"',
            "authority: got 'http://127.0.0.1:8443', expected https://HOST, with :PORT and /PATH if"
            " needed, without the tenant",
        ),
        (
            'refresh_token: {file: secret}, scope: "https://graph.microsoft.com/IMAP.AccessAsUser"',
            "scope: got one of Graph, expected a scope of Exchange Online, https://outlook.office…",
        ),
        (
            "certificate: {file: trusted.pem}",  # a form of OpenSSL's own
            "certificate: got no certificate, expected one in PEM",
        ),
        (
            "certificate: {file: curve.pem}",
            "certificate: got another kind of key, expected an RSA key: Microsoft takes no other",
        ),
    ],
)
def test_what_microsoft_would_refuse_is_told_at_the_start(
    files: Path, keys: str, told: str
) -> None:
    """With its key and line."""
    assert refusal_of(files, written(keys)) == f"config.yaml:5: mailboxes[0].oauth2.{told}"


def test_a_certificate_that_is_none_is_told_once(files: Path) -> None:
    """By what is not in it."""
    told = refusal_of(files, written("certificate: {file: secret}"))
    assert told == (
        "config.yaml:5: mailboxes[0].oauth2.certificate: got no certificate, expected one in PEM"
    )


def test_every_certificate_of_ours_is_known_with_whose_it_is(files: Path) -> None:
    """Of a mailbox, to whoever gives tokens and in TLS, and Vault's."""
    text = written("certificate: {file: app.pem}")
    text = text.replace("    oauth2:", "    client_certificate: {file: curve.pem}\n    oauth2:")
    text += "  client_certificate: {file: cert.pem, key: key.pem}\n"
    found = {
        (certificate.owner.mailbox, certificate.owner.kind): certificate
        for certificate in certificates_in(load(files, text))
    }
    assert {who: certificate.where for who, certificate in found.items()} == {
        ("integrations", "oauth"): f"{files}/app.pem",
        ("integrations", "client"): f"{files}/curve.pem",
        ("", "client"): f"{files}/cert.pem with {files}/key.pem",
    }
    assert pair().certificate in found["", "client"].read().reveal()


def test_without_secrets_no_file_is_looked_at(home: Path) -> None:
    """Where the caller uses none, they may be missing."""
    file = home / "config.yaml"
    file.write_text(written("certificate: {file: nowhere.pem}"))
    assert section(config.load(file, {"VAULT_TOKEN": "t"}, secrets=False)).certificate is not None
