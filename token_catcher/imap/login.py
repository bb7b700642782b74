"""Opens a connection: reach the server, secure the line, prove who we are.

In this order; nothing worth a password is sent before the line is secure. Each way to prove who we
are is one small class in `logins`.
"""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from imaplib import IMAP4
from typing import Final, Literal

from imapclient import IMAPClient, SocketTimeout

from token_catcher import __version__, keep_alive
from token_catcher.errors import AccessError
from token_catcher.imap.borrowed import BoundedClient
from token_catcher.imap.connection import Connection, call_library
from token_catcher.imap.logins import Attempt, Login
from token_catcher.imap.trouble import TOKEN_REFUSED, refuses
from token_catcher.tls import ClientCertificate, introduce, trusting_context

CONNECT_TIMEOUT: Final = 10.0
READ_TIMEOUT: Final = 60.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Account:
    """A mailbox to log in to, in plain values."""

    name: str
    """The mailbox's name in the configuration."""
    host: str
    port: int
    tls: Literal["implicit", "starttls", "none"]
    login: Login
    inbox: str = "INBOX"
    spam: str | None = "auto"
    """`auto`: the server's marks, or known names, say which it is. None: no spam folder."""
    also: tuple[str, ...] = ()
    """Further folders to watch."""
    sender_domains: tuple[str, ...] = ("salesforce.com",)

    @property
    def where(self) -> str:
        """Mailbox and server, for messages."""
        return f"mailbox {self.name}: {self.host}:{self.port}"


def tls_context(
    ca_file: str | None = None, certificate: ClientCertificate | None = None
) -> ssl.SSLContext:
    """Whom we trust, and who we are to a server that asks.

    AccessError: a file is not there, or does not hold what it should."""
    try:
        context = trusting_context(ca_file)
    except OSError:
        raise AccessError(
            f"ca_file: got {ca_file}, expected a readable PEM file of certificates",
            code="imap-certificate",
        ) from None
    if certificate is None:
        return context
    try:
        introduce(context, certificate)
    except OSError:
        raise AccessError(
            f"client_certificate: got {certificate}, expected a certificate and its key in PEM,"
            " the key not encrypted",
            code="imap-client-certificate",
        ) from None
    return context


def log_in(
    account: Account,
    context: ssl.SSLContext,
    monotonic: Callable[[], float] = time.monotonic,
) -> Connection:
    """A connection that is logged in. `monotonic`: the clock of the deadlines of commands.

    Outage: not reached. AccessError: refused, or a certificate that is not trusted."""
    refusal = AccessError(f"{account.where}: there is nothing to log in with", code="imap-login")
    for attempt in account.login.attempts():
        try:
            return _logged_in(account, context, monotonic, attempt)
        except AccessError as error:
            if not error.code.startswith(TOKEN_REFUSED):
                raise
            refusal = error
    # Out here no other exception hangs on it.
    raise refusal


def _logged_in(
    account: Account,
    context: ssl.SSLContext,
    monotonic: Callable[[], float],
    attempt: Attempt,
) -> Connection:
    """A connection of its own for each attempt: some servers end it after a refusal."""
    connection = secured(account, context, monotonic)
    try:
        attempt(connection)
        _introduce(connection)
    except BaseException:  # Ctrl-C as well: servers count connections
        connection.close()
        raise
    return connection


def secured(
    account: Account,
    context: ssl.SSLContext,
    monotonic: Callable[[], float] = time.monotonic,
) -> Connection:
    """A connection on which a password may be shown; nobody is logged in yet.

    Outage, AccessError: as `log_in`."""
    connection = _connect(account, context, monotonic)
    try:
        _keep_alive(connection)
        if account.tls == "starttls":
            _start_tls(connection, context)
    except BaseException:  # Ctrl-C as well: servers count connections
        connection.close()
        raise
    return connection


def _connect(
    account: Account, context: ssl.SSLContext, monotonic: Callable[[], float]
) -> Connection:
    """Reach the server and read its greeting; over TLS, where that comes first."""
    # A configuration cannot say so either; this is the last look before a password goes out.
    if account.tls == "none" and not _is_loopback(account.host):
        raise AccessError(
            f"{account.where}: plaintext is only for loopback, expected tls implicit or starttls",
            code="imap-tls",
        )
    first_of_all = None
    if account.tls == "implicit":
        first_of_all = context
    client = call_library(
        account.where,
        "connect",
        BoundedClient,
        account.host,
        account.port,
        context=first_of_all,
        monotonic=monotonic,
        timeout=SocketTimeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
    )
    client.normalise_times = False
    client.folder_encode = False  # it fails on names that are no modified UTF-7
    connection = Connection(client, account.where)
    connection.raw.mute()
    return connection


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _keep_alive(connection: Connection) -> None:
    """Let the system notice a dead connection."""
    for option in keep_alive.options():
        connection.call("connect", connection.raw.sock.setsockopt, *option)


def _start_tls(connection: Connection, context: ssl.SSLContext) -> None:
    """STARTTLS, after which nothing counts that was told before.

    AccessError: not offered; somebody in between may have taken it out."""
    if not connection.has("STARTTLS"):
        raise AccessError(
            f"{connection.where}: the server offers no STARTTLS, expected it for tls starttls",
            code="imap-tls",
        )
    connection.call("STARTTLS", connection.client.starttls, context)
    connection.raw.forget_plaintext()


def _introduce(connection: Connection) -> None:
    """ID (RFC 2971): some servers want it before anything else."""
    if connection.has("ID"):
        connection.call("ID", _send_id, connection.client)


def _send_id(client: IMAPClient) -> None:
    """Others announce ID and refuse it: that does not matter, unless they refuse the mailbox."""
    try:
        client.id_({"name": "token-catcher", "version": __version__})
    except IMAP4.error as error:
        if not refuses(error):
            raise
