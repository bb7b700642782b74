"""One IMAP session that reads and never changes: EXAMINE, SEARCH, FETCH of BODY.PEEK with a bound.

imapclient's exceptions, and imaplib's below them, hold what the server said, which may hold anything: they are translated at
this door without their text. After any of them the session is of no further use; the caller opens another one.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from imaplib import IMAP4
from typing import Any, Final, Literal

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import LoginError

from token_catcher import __version__
from token_catcher.errors import AccessError, Outage, TransientError
from token_catcher.imap.folders import Listed, find_spam
from token_catcher.imap.idle import Idle
from token_catcher.model import MAX_MAIL_BYTES, Mail, MailRef, Secret
from token_catcher.ports import FolderState, Log

CONNECT_TIMEOUT: Final = 10.0
READ_TIMEOUT: Final = 60.0
LOGOUT_TIMEOUT: Final = 2.0
"""Seconds."""
WINDOW: Final = 50_000
"""UIDs asked for at a time where the server cannot search by sender: an answer of imaplib's must stay under 1,000,000 bytes."""
BODY: Final = f"BODY.PEEK[]<0.{MAX_MAIL_BYTES + 1}>"
_BACK_OFF: Final = re.compile(r"Backoff Time: (\d{1,9}) milliseconds", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Account:
    """A mailbox to log in to, in plain values."""

    name: str
    host: str
    port: int
    tls: Literal["implicit", "starttls", "none"]
    username: str
    password: Callable[[], Secret]
    inbox: str = "INBOX"
    spam: str | None = "auto"
    sender_domains: tuple[str, ...] = ("salesforce.com",)


def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """One for all connections with the same authorities: 847 KiB and 17 ms each otherwise."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class ImapMailbox:
    """A logged-in session: see `ports.Mailbox`."""

    def __init__(self, account: Account, context: ssl.SSLContext, log: Log) -> None:
        """Connect and log in. Outage: not reached. AccessError: refused, or a certificate that is not trusted."""
        self._account = account
        self._log = log
        self._client = self._connect(context)
        try:
            self._login()
            self._idle = Idle(self._client)
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """The mailbox's name in the configuration."""
        return self._account.name

    def folders(self) -> Sequence[str]:
        """Inbox and spam folders, as far as they exist; the inbox first."""
        with self._door("LIST"):
            listed = [
                Listed(str(name), (delimiter or b"").decode("ascii", "replace"), tuple(attributes))
                for attributes, delimiter, name in self._client.list_folders()
            ]
        inbox = self._present(self._account.inbox, listed)
        if self._account.spam == "auto":
            spam = [name for name in find_spam(listed) if name != inbox]
            if len(spam) != 1:
                self._log.warning("mailbox.spam_folders", mailbox=self.name, found=spam, watched=spam)
            return [inbox, *spam]
        return [inbox, self._present(self._account.spam, listed)] if self._account.spam else [inbox]

    def examine(self, folder: str) -> FolderState:
        """EXAMINE: nothing that is read afterwards is marked as read."""
        with self._door("EXAMINE", missing=folder):
            said = self._client.select_folder(folder, readonly=True)
            uidnext = said.get(b"UIDNEXT")
            state = FolderState(folder, int(said[b"UIDVALIDITY"]), int(uidnext) if uidnext else None, int(said[b"EXISTS"]))
        self._folder = state
        self._idle.expect(state.exists)
        return state

    def search(self, after_uid: int, since: datetime) -> Sequence[int]:
        """By UID, day and sender; wider where the server refuses one of them. SINCE knows no zone: a day more is asked for."""
        day = (since.astimezone(UTC) - timedelta(days=1)).date()
        new: list[Any] = ["UID", f"{after_uid + 1}:*"]
        senders = _any_of(self._account.sender_domains)
        for criteria in ([*new, "SINCE", day, *senders], [*new, "SINCE", day]):
            with suppress(_SearchRefused):
                return self._found(criteria, after_uid)
        return self._by_windows(after_uid)

    def fetch(self, uids: Sequence[int]) -> Sequence[Mail]:
        """UID, INTERNALDATE and the first bytes of the body. What a server sends unasked is not taken for a mail."""
        if not uids:
            return []
        with self._door("FETCH"):
            said = self._client.fetch(list(uids), ["INTERNALDATE", BODY])
            return [self._mail(uid, said[uid]) for uid in sorted(uids) if b"BODY[]<0>" in said.get(uid, {})]

    @property
    def has_idle(self) -> bool:
        """RFC 2177, and not refused so far."""
        with self._door("CAPABILITY"):
            return bool(self._client.has_capability("IDLE")) and not self._idle.refused

    def idle(self, seconds: float, wake: int) -> bool:
        """See `ports.Mailbox`."""
        with self._door("IDLE"):
            return self._idle.wait(seconds, wake)

    def close(self) -> None:
        """LOGOUT if the server answers soon, then free the socket in any case."""
        with suppress(Exception):
            self._client.socket().settimeout(LOGOUT_TIMEOUT)
            self._client.logout()
        with suppress(Exception):
            self._client.shutdown()

    def _connect(self, context: ssl.SSLContext) -> IMAPClient:
        account = self._account
        if account.tls == "none" and not _is_loopback(account.host):
            raise AccessError(
                f"{account.host}: plaintext is only for loopback, expected tls implicit or starttls", code="imap-tls"
            )
        with self._door("connect"):
            client = IMAPClient(
                account.host,
                account.port,
                ssl=account.tls == "implicit",
                ssl_context=context if account.tls == "implicit" else None,
                timeout=SocketTimeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
            )
            client.normalise_times = False
            client._imap.debug = 0  # noqa: SLF001 - whole bodies would go to a logger
            try:
                _keep_alive(client.socket())
                if account.tls == "starttls":
                    client.starttls(context)
            except BaseException:
                client.shutdown()
                raise
        return client

    def _login(self) -> None:
        """LOGIN, and ID where it is known: some servers want it before anything else."""
        account = self._account
        with self._door("LOGIN"):
            try:
                if self._client.has_capability("LOGINDISABLED"):
                    self._client.plain_login(account.username, account.password().reveal())
                else:
                    self._client.login(account.username, account.password().reveal())
            except LoginError as error:
                raise self._refused(error) from None
            if self._client.has_capability("ID"):
                with suppress(IMAP4.error):
                    self._client.id_({"name": "token-catcher", "version": __version__})

    def _refused(self, error: LoginError) -> AccessError | TransientError:
        """imapclient raises LoginError for a dropped connection as well, and servers refuse for other reasons than a password."""
        where = f"mailbox {self.name}: {self._account.username} at {self._account.host}"
        if isinstance(error.__context__, IMAP4.abort):
            return Outage(f"{where}: the connection was lost during LOGIN", code="imap-connection")
        throttled = _BACK_OFF.search(str(error))
        if throttled:
            return TransientError(f"{where}: throttled", code="imap-throttled", retry_after=int(throttled[1]) / 1000)
        if "[UNAVAILABLE]" in str(error).upper() or "[INUSE]" in str(error).upper():
            return Outage(f"{where}: logins are not possible now", code="imap-unavailable")
        return AccessError(f"{where}: the login was refused", code="imap-login")

    def _present(self, wanted: str, listed: Sequence[Listed]) -> str:
        """The folder of this name; INBOX is INBOX in any case (RFC 3501, section 5.1)."""
        for folder in listed:
            if folder.selectable and (folder.name == wanted or folder.name.upper() == wanted.upper() == "INBOX"):
                return folder.name
        names = ", ".join(ascii(folder.name)[1:-1] for folder in listed[:20] if folder.selectable)
        raise AccessError(f"mailbox {self.name}: got no folder {ascii(wanted)}, expected one of: {names}", code="imap-folder")

    def _found(self, criteria: Sequence[Any], after_uid: int) -> Sequence[int]:
        """The UIDs, without the one that `n:*` gives when there is nothing above n."""
        with self._door("SEARCH"):
            try:
                return sorted(uid for uid in self._client.search(criteria, charset=None) if uid > after_uid)
            except IMAP4.abort:
                raise
            except IMAP4.error:
                self._log.info("mailbox.search_refused", mailbox=self.name, criteria=len(criteria))
                raise _SearchRefused from None

    def _by_windows(self, after_uid: int) -> Sequence[int]:
        """Every UID, a window at a time, for servers that search by nothing but UIDs."""
        last = (self._folder.uidnext or after_uid + WINDOW) - 1
        found: list[int] = []
        for start in range(after_uid + 1, last + 1, WINDOW):
            with suppress(_SearchRefused):
                found.extend(self._found(["UID", f"{start}:{min(start + WINDOW - 1, last)}"], after_uid))
                continue
            raise TransientError(f"mailbox {self.name}: the server refuses every SEARCH", code="imap-protocol")
        return found

    def _mail(self, uid: int, said: dict[bytes, Any]) -> Mail:
        ref = MailRef(self.name, self._folder.name, self._folder.uidvalidity, uid)
        received_at: datetime = said[b"INTERNALDATE"]
        return Mail(ref, received_at.astimezone(UTC), bytes(said[b"BODY[]<0>"]))

    @contextmanager
    def _door(self, command: str, missing: str | None = None) -> Iterator[None]:
        """No foreign exception, and no text of one, leaves the room. `missing`: the folder that a NO speaks of."""
        where = f"mailbox {self._account.name}: {self._account.host}:{self._account.port}"
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            why = re.sub(r"[^A-Za-z0-9 ',.-]", "", error.verify_message)[:100]
            raise AccessError(f"{where}: the certificate is not trusted ({why})", code="imap-certificate") from None
        except ssl.SSLError:
            raise Outage(f"{where}: TLS failed during {command}", code="imap-tls") from None
        except TimeoutError:
            raise Outage(f"{where}: no answer to {command} in time", code="imap-connection") from None
        except socket.gaierror:
            raise Outage(f"{where}: the host name is not known", code="imap-connect") from None
        except OSError as error:
            kind = type(error).__name__
            raise Outage(f"{where}: not reached during {command} ({kind})", code="imap-connect") from None
        except IMAP4.abort:
            raise Outage(f"{where}: the connection was lost during {command}", code="imap-connection") from None
        except IMAP4.error as error:
            throttled = _BACK_OFF.search(str(error))
            if throttled:
                after = int(throttled[1]) / 1000
                raise TransientError(f"{where}: throttled", code="imap-throttled", retry_after=after) from None
            if missing is not None:
                raise AccessError(f"{where}: folder {ascii(missing)} cannot be opened", code="imap-folder") from None
            raise TransientError(f"{where}: {command} was refused", code="imap-protocol") from None
        except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
            kind = type(error).__name__
            raise TransientError(f"{where}: an answer to {command} of no known form ({kind})", code="imap-protocol") from None


class _SearchRefused(Exception):  # noqa: N818 - never leaves this room
    """The server does not understand these criteria."""


def _any_of(domains: Sequence[str]) -> list[Any]:
    """FROM criteria, OR-ed. FROM finds substrings, so a domain covers its subdomains."""
    shortest = [one for one in domains if not any(one != other and one.endswith(other) for other in domains)]
    criteria: list[Any] = []
    for domain in dict.fromkeys(shortest):
        criteria = ["FROM", domain] if not criteria else ["OR", *criteria, "FROM", domain]
    return criteria


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _keep_alive(connection: socket.socket) -> None:
    """Notice a connection that died behind a NAT: after about two minutes instead of hours."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4), ("TCP_USER_TIMEOUT", 120_000)):
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
