"""Plays Salesforce for the demo: mail with a made-up token, signed with a throw-away key.

The public half of the key is what Salesforce publishes in DNS. The demo pins it through
`trust.dkim_keys`, so that the program checks the signature as it would check a real one.
"""

from __future__ import annotations

import base64
import secrets
import string
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

SELECTOR: Final = "demo"
DOMAIN: Final = "salesforce.com"
SIGNED_FIELDS: Final = (b"Date", b"From", b"To", b"Subject", b"MIME-Version", b"Content-Type")

BODY: Final = (
    "We've sent you a new Salesforce security token because you recently changed your password"
    " or requested to reset your security token. Use this updated security token with API or"
    " desktop clients that require it.\r\n\r\n"
    "Username: {username}\r\nSecurity token (case-sensitive): {token}\r\n\r\n"
    "For more information on using your security token, see Reset Your Security Token at"
    " https://help.salesforce.com/HTViewHelpDoc?id=user_security_token.htm.\r\n"
)
HEADER: Final = (
    "Date: {date} (GMT)\r\n"
    'From: "support@salesforce.com" <support@salesforce.com>\r\n'
    "To: {to}\r\n"
    "Message-ID: <{number}@sfdc.net>\r\n"
    "Subject: {prefix}Your new Salesforce security token\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=UTF-8\r\n\r\n"
)


class Salesforce:
    """Writes token mail, with the words and the form of signature that Salesforce uses."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(65537, 2048)

    @property
    def pinned_key(self) -> str:
        """The public key as a line of `trust.dkim_keys`."""
        der = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        record = f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"
        return f"{SELECTOR}._domainkey.{DOMAIN}  {record}\n"

    def token_mail(
        self,
        username: str,
        to: str,
        *,
        sandbox: bool = False,
        age: timedelta = timedelta(),
        signed: bool = True,
    ) -> bytes:
        """A token mail, issued so long ago; without a signature it is what a forger can write."""
        header = HEADER.format(
            date=format_datetime(datetime.now(UTC) - age),
            to=to,
            number=secrets.token_hex(8),
            prefix="Sandbox: " if sandbox else "",
        )
        mail = (header + BODY.format(username=username, token=_made_up_token())).encode()
        if signed:
            mail = self._signature(mail) + mail
        return mail

    def _signature(self, mail: bytes) -> bytes:
        pem = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        # As real mail is signed: c=relaxed/simple, these six fields, nothing signed twice.
        signature: bytes = dkim.sign(
            mail,
            SELECTOR.encode(),
            DOMAIN.encode(),
            pem,
            canonicalize=(b"relaxed", b"simple"),
            include_headers=list(SIGNED_FIELDS),
        )
        return signature


def _made_up_token() -> str:
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(25))
