"""HTTP to one address of Vault, over kept-alive connections: TLS, or an Agent's unix socket.

Over urllib3 alone. A client of Vault's API above it costs more than the request itself, and
brings nothing that is used here (docs/adr/0029); and whatever reads tokens, proxies and addresses
from the surroundings is not for Vault. No foreign text goes further than here. Redirects are not
followed here: they would take the Vault token to whatever host they name. `cluster` knows which
may be.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import certifi
import urllib3
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import Timeout, Url, parse_url

from token_catcher.connections import (
    ANSWER_WITHIN,
    CONNECT_TIMEOUT,
    Begun,
    Clock,
    Pool,
    SocketPool,
    TlsPool,
    TooSlow,
    causes,
    was_never_sent,
    why_unanswered,
)
from token_catcher.errors import AccessError, Outage, TokenCatcherError
from token_catcher.tls import introduce, tls_failure, trusting_context
from token_catcher.vault.address import NAMESPACE, Address
from token_catcher.vault.answer import Answer

READ_TIMEOUT: Final = 10.0
"""Seconds in which nothing comes."""
MAX_BODY: Final = 1024 * 1024
"""Bytes of an answer: many times the largest that Vault gives to what is asked of it. Taken apart,
JSON needs up to twenty times the memory."""
CHUNK: Final = 64 * 1024
"""Bytes read at once."""
PLAIN_BODY: Final = {
    "Accept-Encoding": "identity",  # a packed body could hold a thousand times its size
    "User-Agent": "token-catcher",
    "X-Vault-Request": "true",  # what an Agent may want of a request, against forged ones
}
"""Of each request."""
UNIX: Final = "unix://"
HTTPS_PORT: Final = 443
_SCHEMES: Final = ("http", "https")
_SOCKET_HOST: Final = "localhost"
"""What a request over a unix socket is for: HTTP wants a host in any case."""
CONNECTIONS: Final = 10
"""Kept at most. A thread that finds none makes one of its own: whoever waited for a free one would
wait for all that others ask a slow Vault."""
AT_ONCE: Final = 4
"""Requests of one thread that are under way at once, where it has many to read."""


class Transport:
    """One request to one address, one answer. Thread-safe."""

    def __init__(self, address: Address, monotonic: Clock = time.monotonic) -> None:
        """`monotonic`: the clock of the deadline of an answer."""
        self._address = address
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._pool: Pool | TlsPool | SocketPool | None = None
        self._prefix = ""
        """The path that stands before Vault's own."""

    @property
    def url(self) -> str:
        """Of the address, as it is configured."""
        return self._address.url

    @property
    def where(self) -> str:
        """The address, for messages."""
        return self._address.where

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        """The answer, whoever gives it.

        Outage: there was none, or one without an end. AccessError: the address, an authority or a
        certificate is wrong."""
        fields = {**PLAIN_BODY, **self._namespace(), **headers}
        content = None
        if body is not None:
            fields = {"Content-Type": "application/json", **fields}
            content = json.dumps(body).encode()
        with self._response(method.upper(), f"/v1/{path}", fields, content) as response:
            received = self._content(response)
        where = replace(self._address, namespace=fields.get(NAMESPACE)).where
        return Answer.of(response.status, response.headers, received, where)

    def get_each(
        self, paths: Iterable[str], headers: Mapping[str, str], goes_on: Callable[[], bool]
    ) -> Generator[Answer, None, None]:
        """The answers to GETs, in their order; several of the requests are under way at once.

        It ends where one has no answer, of which nothing is told: who asks for that one alone will
        hear why. And where `goes_on`, asked before each step, says no. For reads: what is not
        asked for any more is dropped."""
        fields = {**PLAIN_BODY, **self._namespace(), **headers}
        where = replace(self._address, namespace=fields.get(NAMESPACE)).where
        under_way: deque[Begun] = deque()
        rest = deque(paths)
        at_once = AT_ONCE
        try:
            while rest or under_way:
                if not goes_on():
                    return
                if rest and len(under_way) < at_once:
                    first = not under_way
                    begun = self._begun(f"/v1/{rest[0]}", fields, in_any_case=first)
                    if begun is not None:
                        under_way.append(begun)
                        rest.popleft()
                        continue
                    # Who takes no more connections may take seconds each time to say so.
                    at_once = len(under_way)
                if not under_way:
                    return
                answer = self._answer_to(under_way.popleft(), where)
                if answer is None:
                    return
                yield answer
        finally:
            for begun in under_way:
                begun.drop()

    def _begun(self, path: str, fields: Mapping[str, str], *, in_any_case: bool) -> Begun | None:
        """A request that was sent. None: it could not be, or enough connections are in use."""
        with suppress(OSError, HTTPError, HTTPException, TokenCatcherError):
            return self._connections().begin(self._prefix + path, fields, in_any_case=in_any_case)
        return None

    def _answer_to(self, begun: Begun, where: str) -> Answer | None:
        """None: there was none."""
        with (
            suppress(OSError, HTTPError, HTTPException, Outage),
            begun.response(READ_TIMEOUT) as response,
        ):
            received = self._content(response)
            return Answer.of(response.status, response.headers, received, where)
        return None

    def _namespace(self) -> dict[str, str]:
        """That of the address, unless a request names another one."""
        if self._address.namespace is None:
            return {}
        return {NAMESPACE: self._address.namespace}

    def certificate_ends_at(self) -> datetime | None:
        """When the certificate ends that is shown to us, UTC; None: there is no TLS.

        On a connection of its own. Raises what `send` raises."""
        parts = urlsplit(self.url)
        if parts.scheme != "https" or parts.hostname is None:
            return None
        address = (parts.hostname, parts.port or HTTPS_PORT)
        context = self._context()
        try:
            with (
                socket.create_connection(address, CONNECT_TIMEOUT) as line,
                context.wrap_socket(line, server_hostname=parts.hostname) as secured,
            ):
                certificate = secured.getpeercert() or {}
        except OSError as error:
            trouble = self._trouble(error)
        else:
            ends_at = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
            return datetime.fromtimestamp(ends_at, UTC)
        raise trouble

    def _alert(self) -> OSError:
        """What the server says to who only listens, on a connection of its own.

        A server of TLS 1.3 refuses our certificate after the handshake (RFC 8446, section 4.4.2.4),
        while we write already: then its alert is lost with the line."""
        parts = urlsplit(self.url)
        try:
            with (
                socket.create_connection(
                    (parts.hostname, parts.port or HTTPS_PORT), CONNECT_TIMEOUT
                ) as line,
                self._context().wrap_socket(line, server_hostname=parts.hostname) as secured,
            ):
                secured.recv(1)
        except OSError as error:
            return error
        except AccessError:  # a file was replaced just now: the next request tells
            pass
        return OSError("it says nothing")

    def clock(self) -> datetime | None:
        """What the server's clock says, to the second; None: it does not say.

        Raises what `send` raises."""
        with self._response("GET", "/v1/sys/health", PLAIN_BODY) as response:
            date = response.headers.get("Date", "")
        try:
            return parsedate_to_datetime(date).astimezone(UTC)
        except ValueError:
            return None

    def renew(self) -> None:
        """Read the files of certificates anew before the next request.

        Whoever renews them (cert-manager, step) does so under a running program."""
        with self._lock:
            self._pool = None

    def close(self) -> None:
        """Free the connections."""
        if self._pool is not None:
            self._pool.close()

    @contextmanager
    def _response(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """The answer, for as long as the block runs. Then the connection is free for the next
        request, or closed where something is left of the body."""
        response = self._asked(method, path, headers, body)
        try:
            yield response
        finally:
            # In this order: what is left of it must not be read as the next answer.
            response.close()
            response.release_conn()

    def _asked(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> urllib3.BaseHTTPResponse:
        """Call the library, and nothing else. Nothing is followed or repeated by it."""
        pool = self._connections()
        try:
            return pool.urlopen(
                method,
                self._prefix + path,
                body,
                headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
                preload_content=False,
            )
        except (OSError, HTTPError) as error:
            trouble = self._trouble(error)
        # Out here the foreign exception is let go: its text, or its request, may hold a secret.
        raise trouble

    def _content(self, response: urllib3.BaseHTTPResponse) -> bytes:
        """The body as it came, piece by piece. Outage: it breaks off, or has no end."""
        where = self._address.where
        content = bytearray()
        try:
            for piece in iter(partial(response.read, CHUNK, decode_content=False), b""):
                content += piece
                if len(content) > MAX_BODY:
                    break
        except (OSError, HTTPError) as error:
            trouble = _broken(error, where, was_sent=True)
        else:
            if len(content) <= MAX_BODY:
                return bytes(content)
            trouble = Outage(
                f"{where} is away: somebody else answers there"
                f" (got more than {MAX_BODY} bytes, expected Vault's JSON)",
                code="vault-foreign",
            )
        raise trouble

    def _connections(self) -> Pool | TlsPool | SocketPool:
        """Those there are, or new ones. AccessError: the address, or a file, is not what it should
        be."""
        with self._lock:
            if self._pool is None:
                self._pool = self._made()
            return self._pool

    def _made(self) -> Pool | TlsPool | SocketPool:
        if self.url.startswith(UNIX):
            path = self.url.removeprefix(UNIX)
            return SocketPool(self._monotonic, _SOCKET_HOST, socket_path=path, maxsize=CONNECTIONS)
        with suppress(LocationParseError):
            url = parse_url(self.url)
            if url.host is not None and url.scheme in _SCHEMES:
                return self._pool_to(url)
        raise AccessError(
            f"vault.address: got {self.url}, which is no address", code="vault-address"
        )

    def _pool_to(self, url: Url) -> Pool | TlsPool:
        assert url.host is not None
        self._prefix = (url.path or "").rstrip("/")
        if url.scheme == "https":
            context = self._context()
            return TlsPool(
                self._monotonic, url.host, url.port, ssl_context=context, maxsize=CONNECTIONS
            )
        return Pool(self._monotonic, url.host, url.port, maxsize=CONNECTIONS)

    def _context(self) -> ssl.SSLContext:
        """AccessError: a file that it is made of is not what it should be."""
        ca_file = self._authorities_file()
        with suppress(OSError):
            return self._introduced(trusting_context(ca_file))
        # Out here no foreign exception hangs on ours.
        raise AccessError(
            f"vault.ca_file: got {ca_file}, expected a readable PEM file of certificates",
            code="vault-certificate",
        )

    def _introduced(self, context: ssl.SSLContext) -> ssl.SSLContext:
        """The context, with our certificate where we have one. AccessError: it cannot be read."""
        certificate = self._address.client_certificate
        if certificate is None:
            return context
        with suppress(OSError):
            introduce(context, certificate)
            return context
        raise AccessError(
            f"vault.client_certificate: got {certificate}, expected a certificate and its key in"
            " PEM, the key not encrypted, in files that we can read",
            code="vault-client-certificate",
        )

    def _authorities_file(self) -> str | None:
        """Ours; None: the system's, in a file or a directory.

        certifi brings some along, for a machine that has none."""
        if self._address.ca_file is not None or _system_has_authorities():
            return self._address.ca_file
        return certifi.where()

    def _trouble(self, error: Exception) -> TokenCatcherError:
        """What kept a request from being answered."""
        where = self._address.where
        authorities = self._address.ca_file or "the system's authorities"
        failure = tls_failure(error, authorities)
        if failure is None:
            return _broken(error, where, was_sent=not was_never_sent(error))
        if failure.code == "tls":
            failure = tls_failure(self._alert(), authorities) or failure
        self.renew()  # a file may have been replaced, with what is wanted
        message = f"{where}: {failure.text}"
        code = f"vault-{failure.code}"
        if failure.lasting:
            return AccessError(message, code=code)
        return Outage(message, code=code)


def _broken(error: BaseException, where: str, *, was_sent: bool) -> Outage:
    """There was no answer, or no whole one."""
    if any(isinstance(cause, TooSlow) for cause in causes(error)):
        message = f"{where} did not end its answer within {ANSWER_WITHIN:.0f} seconds"
    else:
        message = f"{where} was not reached ({why_unanswered(error)})"
    return Outage(message, code="vault-unreachable", was_sent=was_sent)


def _system_has_authorities() -> bool:
    """A file of them, or a directory with something in it."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile is not None and Path(paths.cafile).is_file():
        return True
    return paths.capath is not None and any(Path(paths.capath).iterdir())
