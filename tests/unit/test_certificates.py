"""Certificates of ours: what is taken for one, and what is told of one that does not do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.kit.entra import pair
from token_catcher.certificates import certificate_in, key_in
from token_catcher.errors import ConfigurationError
from token_catcher.model import Secret


def refused(text: str) -> str:
    """Why there is no key that can be used."""
    with pytest.raises(ConfigurationError) as caught:
        key_in(Secret(text), "app.pem")
    assert caught.value.code == "certificate"
    assert caught.value.__context__ is None
    return str(caught.value)


def test_the_pieces_of_a_file_are_told_apart() -> None:
    """With text between them, as `openssl pkcs12` writes it, and an issuer's behind."""
    app = pair()
    text = Secret(
        f"Bag Attributes\n{app.key}subject=CN=app\n{app.certificate}{pair('issuer').certificate}"
    )
    own = certificate_in(text, "app.pem")
    assert (own.pem, own.is_rsa) == (app.certificate, True)
    assert key_in(text, "app.pem").reveal() == app.key
    left = own.ends_at - datetime.now(UTC)
    assert timedelta(days=364) < left <= timedelta(days=365)


def test_a_key_in_the_old_form_is_one() -> None:
    """`BEGIN RSA PRIVATE KEY`, with the line ends of another system."""
    key = load_pem_private_key(pair().key.encode(), None)
    old = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    text = (pair().certificate + old.decode()).replace("\n", "\r\n")
    assert "BEGIN RSA PRIVATE KEY" in key_in(Secret(text), "app.pem").reveal()


def test_other_keys_than_rsa_are_seen() -> None:
    """Not every server takes them."""
    text = Secret(pair("curve", is_rsa=False).text)
    assert not certificate_in(text, "app.pem").is_rsa
    assert key_in(text, "app.pem").reveal() == pair("curve", is_rsa=False).key


def test_without_a_certificate_nothing_is_known() -> None:
    """A key alone says nothing of an end."""
    with pytest.raises(ConfigurationError) as caught:
        certificate_in(Secret(pair().key), "app.pem")
    assert str(caught.value) == "app.pem: got no certificate, expected one in PEM"


def test_what_is_no_pair_is_refused() -> None:
    """In words of our own: the library would quote what it was given."""
    app = pair()
    key = load_pem_private_key(app.key.encode(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    broken = app.certificate.replace("M", "A")
    garbled = app.key[:200] + app.key[260:]
    assert [
        refused(""),
        refused(app.certificate),
        refused(app.key),
        refused(broken + app.key),
        refused(app.certificate + garbled),
        refused(app.certificate + locked.decode()),
        refused(pair("other").certificate + app.key),
    ] == [
        "app.pem: got no private key, expected one in PEM",
        "app.pem: got no private key, expected one in PEM",
        "app.pem: got no certificate, expected one in PEM",
        "app.pem: got a certificate that cannot be read, expected one in PEM",
        "app.pem: got a key that cannot be read, expected one in PEM, not encrypted",
        "app.pem: got an encrypted key, expected one in PEM, not encrypted",
        "app.pem: got a key of another certificate, expected the two of one pair",
    ]
