"""Looks at a mail server without logging in: is it reached, and is the line secure?"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from token_catcher.imap.connection import call_library
from token_catcher.imap.login import CONNECT_TIMEOUT, Account, secured


@dataclass(frozen=True, slots=True)
class Security:
    """How a line was secured."""

    version: str
    """Of TLS, `TLSv1.3`; empty where there is none, to loopback."""
    ends_at: datetime | None
    """When the server's certificate ends; None: there is none."""


def reach(account: Account) -> str:
    """Open a TCP connection, and close it again. Returns the server's IP address.

    Outage: the name is not known, or nobody answers."""
    return call_library(account.where, "connect", _reach, account.host, account.port)


def _reach(host: str, port: int) -> str:
    with socket.create_connection((host, port), CONNECT_TIMEOUT) as connection:
        address: str = connection.getpeername()[0]
        return address


def security(
    account: Account,
    context: ssl.SSLContext,
    monotonic: Callable[[], float] = time.monotonic,
) -> Security:
    """Secure a line as for a login, and close it. Raises what `log_in` raises before the login."""
    connection = secured(account, context, monotonic)
    try:
        return _security_of(connection.raw.sock)
    finally:
        connection.close()


def _security_of(line: socket.socket) -> Security:
    if not isinstance(line, ssl.SSLSocket):
        return Security("", None)
    # It is there: no context of ours leaves the server's certificate unchecked.
    certificate = line.getpeercert() or {}
    ends_at = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    return Security(line.version() or "TLS", datetime.fromtimestamp(ends_at, UTC))
