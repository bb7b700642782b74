"""One IMAP session that reads and never changes: EXAMINE, SEARCH, FETCH of BODY.PEEK with a bound."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from imaplib import IMAP4
from typing import Any, Final, Literal, TypeVar

from imapclient import IMAPClient, SocketTimeout
from imapclient.imap_utf7 import encode

from token_catcher import __version__
from token_catcher.errors import AccessError, TransientError
from token_catcher.imap.folders import Listed, decoded, find_spam
from token_catcher.imap.idle import Idle
from token_catcher.imap.trouble import FOREIGN, refuses, translated
from token_catcher.model import MAX_MAIL_BYTES, Mail, MailRef, Secret
from token_catcher.ports import FolderState, Log

Result = TypeVar("Result")

CONNECT_TIMEOUT: Final = 10.0
READ_TIMEOUT: Final = 60.0
LOGOUT_TIMEOUT: Final = 2.0
"""Seconds."""
WINDOW: Final = 50_000
"""UIDs asked for at a time where the server cannot search by sender: an answer of imaplib's must stay under 1,000,000 bytes."""
BODY: Final = f"BODY.PEEK[]<0.{MAX_MAIL_BYTES + 1}>"


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
    """One for all connections with the same authorities: 847 KiB and 17 ms each otherwise. AccessError: no such file."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError:
        raise AccessError(
            f"ca_file: got {ca_file}, expected a readable PEM file of certificates",
            code="imap-certificate",
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class ImapMailbox:
    """A logged-in session: see `ports.Mailbox`."""

    def __init__(self, account: Account, context: ssl.SSLContext, log: Log) -> None:
        """Connect and log in. Outage: not reached. AccessError: refused, or a certificate that is not trusted."""
        self._account = account
        self._log = log
        self._raw_names: dict[str, bytes] = {}
        self._spam_told: list[str] | None = None
        self._missing: dict[str, str] = {}
        self._client = self._do("connect", lambda: self._connect(context))
        try:
            self._idle = Idle(self._client, self._where)
            self._do("connect", lambda: _keep_alive(self._client.socket()))
            self._secured(context)
            self._do("LOGIN", self._login)
            self._do("ID", self._introduce)
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """The mailbox's name in the configuration."""
        return self._account.name

    def folders(self) -> Sequence[str]:
        """Inbox and spam folders, as far as they exist; the inbox first."""
        listed = self._do("LIST", self._listed)
        inbox = self._present(self._account.inbox, listed)
        if self._account.spam == "auto":
            return [inbox, *self._spam([name for name in find_spam(listed) if name != inbox])]
        return [inbox, *self._named_spam(listed)]

    def examine(self, folder: str) -> FolderState:
        """EXAMINE: nothing that is read afterwards is marked as read."""
        if folder in self._missing:
            raise AccessError(self._missing.pop(folder), code="imap-folder")
        self._folder = self._do("EXAMINE", lambda: self._examined(folder), folder)
        self._idle.expect(self._folder.exists)
        return self._folder

    def search(self, after_uid: int, since: datetime) -> Sequence[int]:
        """By UID, day and sender; wider where the server refuses one of them. SINCE knows no zone: a day more is asked for."""
        day = ["SINCE", (since.astimezone(UTC) - timedelta(days=1)).date()]
        senders = [*day, *_any_of(self._account.sender_domains)]
        many = (
            self._folder.uidnext or 0
        ) - after_uid > WINDOW  # a flood of mail must not make the answer too large
        found = (
            self._by_windows(after_uid, senders)
            if many
            else self._found([f"{after_uid + 1}:*", *senders])
        )
        for wider in (day, []):
            if found is None:
                found = self._by_windows(after_uid, wider)
        if found is None:
            raise TransientError(
                f"{self._where}: the server refuses every SEARCH", code="imap-protocol"
            )
        # `n:*` gives the last mail even where there is none above n (RFC 3501, section 6.4.8).
        return sorted(uid for uid in found if uid > after_uid)

    def fetch(self, uids: Sequence[int]) -> Sequence[Mail]:
        """UID, INTERNALDATE and the first bytes of the body. What a server sends unasked is not taken for a mail."""
        return self._do("FETCH", lambda: list(self._fetched(uids))) if uids else []

    @property
    def has_idle(self) -> bool:
        """RFC 2177, and not refused so far."""
        return (
            self._do("CAPABILITY", lambda: bool(self._client.has_capability("IDLE")))
            and not self._idle.refused
        )

    def idle(self, seconds: float, wake: int) -> bool:
        """See `ports.Mailbox`."""
        return self._do("IDLE", lambda: self._idle.wait(seconds, wake))

    def close(self) -> None:
        """LOGOUT if the server answers soon, then free the socket in any case."""
        with suppress(Exception):
            self._client.socket().settimeout(LOGOUT_TIMEOUT)
            self._client.logout()
        with suppress(Exception):
            self._client.shutdown()

    @property
    def _where(self) -> str:
        return f"mailbox {self.name}: {self._account.host}:{self._account.port}"

    def _do(self, command: str, step: Callable[[], Result], folder: str | None = None) -> Result:
        """The door: a foreign exception is let go before ours is raised, since its text may be a line of somebody's mail."""
        try:
            return step()
        except FOREIGN as error:
            trouble = translated(error, self._where, command, folder)
        raise trouble

    def _connect(self, context: ssl.SSLContext) -> IMAPClient:
        account = self._account
        if account.tls == "none" and not _is_loopback(account.host):
            raise AccessError(
                f"{self._where}: plaintext is only for loopback, expected tls implicit or starttls",
                code="imap-tls",
            )
        client = IMAPClient(
            account.host,
            account.port,
            ssl=account.tls == "implicit",
            ssl_context=context if account.tls == "implicit" else None,
            timeout=SocketTimeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
        )
        client.normalise_times = False
        client.folder_encode = False  # it fails on names that are no modified UTF-7
        client._imap.debug = 0  # whole bodies would go to a logger
        return client

    def _secured(self, context: ssl.SSLContext) -> None:
        """STARTTLS, or nothing that is worth a password."""
        if self._account.tls != "starttls":
            return
        if not self._do("CAPABILITY", lambda: self._client.has_capability("STARTTLS")):
            raise AccessError(
                f"{self._where}: the server offers no STARTTLS, expected it for tls starttls",
                code="imap-tls",
            )
        self._do("STARTTLS", lambda: self._client.starttls(context))

    def _login(self) -> None:
        """LOGIN carries ASCII alone, and some servers disable it: AUTHENTICATE PLAIN then (RFC 4616)."""
        username, password = self._account.username, self._account.password()
        sasl = (
            self._client.has_capability("LOGINDISABLED")
            or not (username + password.reveal()).isascii()
        )
        log_in = self._client.plain_login if sasl else self._client.login
        log_in(username, password.reveal())

    def _introduce(self) -> None:
        """ID: some servers want it before anything else."""
        if self._client.has_capability("ID"):
            with suppress(IMAP4.error):
                self._client.id_({"name": "token-catcher", "version": __version__})

    def _listed(self) -> list[Listed]:
        listed = []
        for attributes, delimiter, raw in self._client.list_folders():
            name = (
                raw if isinstance(raw, bytes) else str(raw).encode()
            )  # imapclient makes a number of a name of digits
            folder = Listed(
                decoded(name), (delimiter or b"").decode("ascii", "replace"), tuple(attributes)
            )
            self._raw_names[folder.name] = name
            listed.append(folder)
        return listed

    def _present(self, wanted: str, listed: Sequence[Listed]) -> str:
        """The folder of this name; INBOX is INBOX in any case (RFC 3501, section 5.1)."""
        for folder in listed:
            if folder.selectable and (
                folder.name == wanted or folder.name.upper() == wanted.upper() == "INBOX"
            ):
                return folder.name
        names = ", ".join(ascii(folder.name)[1:-1] for folder in listed[:20] if folder.selectable)
        raise AccessError(
            f"mailbox {self.name}: got no folder {wanted!a}, expected one of: {names}",
            code="imap-folder",
        )

    def _named_spam(self, listed: Sequence[Listed]) -> list[str]:
        """The configured one. One that is missing fails when it is opened, with this message: it must not cost the inbox."""
        spam = self._account.spam
        if spam is None:
            return []
        try:
            return [self._present(spam, listed)]
        except AccessError as missing:
            self._missing[spam] = str(missing)
            return [spam]

    def _spam(self, found: list[str]) -> list[str]:
        """None, or several, are worth telling: once a session."""
        if len(found) != 1 and found != self._spam_told:
            self._log.warning("mailbox.spam_folders", mailbox=self.name, watched=found)
        self._spam_told = found
        return found

    def _examined(self, folder: str) -> FolderState:
        said = self._client.select_folder(
            self._raw_names.get(folder, encode(folder)), readonly=True
        )
        uidnext = said.get(b"UIDNEXT")
        return FolderState(
            folder,
            int(said[b"UIDVALIDITY"]),
            int(uidnext) if uidnext else None,
            int(said[b"EXISTS"]),
        )

    def _found(self, criteria: Sequence[Any]) -> list[int] | None:
        """The UIDs; None where the server does not take these criteria."""

        def asked() -> list[int] | None:
            try:
                return list(self._client.search(["UID", *criteria], charset=None))
            except IMAP4.error as error:
                if not refuses(error):
                    raise
                return None

        found = self._do("SEARCH", asked)
        if found is None:
            self._log.info("mailbox.search_refused", mailbox=self.name, criteria=len(criteria))
        return found

    def _by_windows(self, after_uid: int, criteria: Sequence[Any]) -> list[int] | None:
        """The UIDs, a window at a time: nobody knows how many they are."""
        found: list[int] = []
        last = self._last_uid(after_uid)
        for start in range(after_uid + 1, last + 1, WINDOW):
            some = self._found([f"{start}:{min(start + WINDOW - 1, last)}", *criteria])
            if some is None:
                return None
            found += some
        return found

    def _last_uid(self, after_uid: int) -> int:
        """From UIDNEXT, or by asking for the last mail where the server does not say it."""
        if self._folder.uidnext is not None:
            return self._folder.uidnext - 1
        return max(self._found(["*"]) or [after_uid])

    def _fetched(self, uids: Sequence[int]) -> Iterator[Mail]:
        """The mails that are there: NIL stands for the body of one that has vanished."""
        said = self._client.fetch(list(uids), ["INTERNALDATE", BODY])
        for uid in sorted(uids):
            mail = said.get(uid, {})
            body = mail.get(b"BODY[]<0>", mail.get(b"BODY[]"))
            if isinstance(body, bytes) and body:
                ref = MailRef(self.name, self._folder.name, self._folder.uidvalidity, uid)
                yield Mail(ref, mail[b"INTERNALDATE"].astimezone(UTC), body[: MAX_MAIL_BYTES + 1])


def _any_of(domains: Sequence[str]) -> list[Any]:
    """FROM criteria, OR-ed. FROM finds substrings, so a domain covers its subdomains."""
    shortest = [
        one for one in domains if not any(one != other and one.endswith(other) for other in domains)
    ]
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
    for option, value in (
        ("TCP_KEEPIDLE", 60),
        ("TCP_KEEPINTVL", 15),
        ("TCP_KEEPCNT", 4),
        ("TCP_USER_TIMEOUT", 120_000),
    ):
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
