"""Mails for tests: like those of Salesforce, signed with our own key. No token is real."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from types import SimpleNamespace
from unittest import mock

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from token_catcher.errors import TransientError
from token_catcher.model import Mail, MailRef, Token

TOKEN = "FAKE5tokenNOTreal2xyzQ99a"
USERNAME = "integration@acme.example"
ADDRESS = "ops@example.com"
ISSUED = datetime(2026, 2, 3, 12, 57, 27, tzinfo=UTC)
SIGNED_HEADERS = ("Date", "From", "To", "Subject", "MIME-Version", "Content-Type")
"""What Salesforce's platform mail signs (facts)."""

INTRO = (
    "We've sent you a new Salesforce security token because you recently changed your password or"
    " requested to reset your security token. Use this updated security token with API or desktop"
    " clients that require it."
)
OUTRO = (
    "For more information on using your security token, see Reset Your Security Token at"
    " https://help.salesforce.com/HTViewHelpDoc?id=user_security_token.htm."
)


@dataclass(frozen=True)
class Signer:
    """A DKIM key and where its public half would be published."""

    private_pem: bytes = field(repr=False)
    domain: str = "salesforce.com"
    selector: str = "test2026"

    @property
    def name(self) -> str:
        """The name of the key record."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> bytes:
        """The key record, as DNS would hold it."""
        key = serialization.load_pem_private_key(self.private_pem, None)
        der = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)

    @property
    def pin(self) -> str:
        """A line of a `dkim_keys` file."""
        return f"{self.name}  {self.record.decode()}\n"


@cache
def rsa_pem(bits: int = 2048, serial: int = 0) -> bytes:
    """A private key; the same for the same arguments within one run."""
    return rsa.generate_private_key(65537, bits).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


@cache
def genuine_signer() -> Signer:
    """The signer every test trusts."""
    return Signer(rsa_pem())


class Forgetful:
    """The part of a KeyLookup that remembers keys, and here remembers none."""

    def knows(self, name: str) -> bool:
        return False

    def verified(self, name: str, record: bytes) -> None:
        pass


@dataclass(frozen=True)
class Keys(Forgetful):
    """A KeyLookup over a dictionary; a name that maps to None is not answered."""

    records: dict[str, bytes | None]

    def lookup(self, name: str, at: datetime) -> bytes | None:
        if name in self.records and self.records[name] is None:
            raise TransientError(f"DNS did not answer for {name}")
        return self.records.get(name)


def genuine_keys() -> Keys:
    """What `genuine_signer` publishes."""
    return Keys({genuine_signer().name: genuine_signer().record})


def token(number: int) -> str:
    """A made-up token that tells which one it is."""
    return f"FAKE{number:04}tokenNOTrealAbcde"


def fingerprint(token: str) -> str:
    """What journal and Vault say of a token."""
    return Token(token).fingerprint


def token_body(username: str = USERNAME, token: str = TOKEN) -> str:
    """The current English body."""
    return f"{INTRO}\n\nUsername: {username}\nSecurity token (case-sensitive): {token}\n\n{OUTRO}\n"


def token_mail(
    username: str = USERNAME,
    token: str = TOKEN,
    *,
    issued_at: datetime = ISSUED,
    sender: str = '"support@salesforce.com" <support@salesforce.com>',
    to: str = ADDRESS,
    subject: str = "Your new Salesforce security token",
    body: str | None = None,
    content_type: str = "text/plain; charset=UTF-8",
    top: str = "",
    extra: str = "X-SFDC-LK: 00D0X0000000AbC\n",
) -> bytes:
    """An unsigned token mail with CRLF line ends.

    `top` stands above, `extra` below the standard fields."""
    head = (
        f"{top}"
        f"Date: {format_datetime(issued_at)} (GMT)\n"
        f"From: {sender}\nTo: {to}\nMessage-ID: <Fake0000T00000ZZ00@sfdc.net>\nSubject: {subject}\n"
        f"MIME-Version: 1.0\nContent-Type: {content_type}\nX-Priority: 3\n{extra}\n"
    )
    if body is None:
        body = token_body(username, token)
    text = head + body
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode()


def sign(
    raw: bytes,
    signer: Signer | None = None,
    *,
    at: datetime = ISSUED,
    headers: tuple[str, ...] = SIGNED_HEADERS,
    canonicalize: tuple[bytes, bytes] = (b"relaxed", b"simple"),
    length: bool = False,
) -> bytes:
    """The mail with a DKIM-Signature on top.

    dkimpy takes `t=` from the clock, so the clock is set to `at`."""
    signer = signer or genuine_signer()
    with mock.patch.object(dkim, "time", SimpleNamespace(time=at.timestamp)):
        signature: bytes = dkim.sign(
            raw,
            signer.selector.encode(),
            signer.domain.encode(),
            signer.private_pem,
            canonicalize=canonicalize,
            include_headers=[name.encode() for name in headers],
            length=length,
        )
    return signature + raw


def genuine(
    username: str = USERNAME, token: str = TOKEN, *, issued_at: datetime = ISSUED, **fields: str
) -> bytes:
    """A token mail as Salesforce would send it: signed at its Date."""
    return sign(token_mail(username, token, issued_at=issued_at, **fields), at=issued_at)


def mail(
    raw: bytes, *, received_at: datetime = ISSUED, uid: int = 1, folder: str = "INBOX"
) -> Mail:
    """The bytes as if fetched."""
    return Mail(MailRef("integrations", folder, 1, uid), received_at, raw)
