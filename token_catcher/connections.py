"""HTTP connections of which no answer lasts for ever: over TCP, over TLS, over a unix socket.

urllib3, and requests above it, bound the wait for the next byte alone: a server that sends a byte
every few seconds would have a thread for ever. Here an answer as a whole, from its first line to
the end of its body, has its time.
"""

from __future__ import annotations

import io
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import partial
from http.client import BadStatusLine, HTTPResponse, RemoteDisconnected
from queue import LifoQueue
from typing import Any, Final

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    IncompleteRead,
    NewConnectionError,
)

from token_catcher import keep_alive

ANSWER_WITHIN: Final = 30.0
"""Seconds for a whole answer."""
CONNECT_TIMEOUT: Final = 3.0
"""Seconds."""

_ANNOUNCING: Final = range(100, 200)

Clock = Callable[[], float]
"""Monotonic seconds."""


class TooSlow(TimeoutError):
    """An answer did not end in time."""


_WHY: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (TooSlow, "no end of its answer in time"),
    (socket.gaierror, "no address for its host name"),
    (RemoteDisconnected, "it closed the connection without an answer"),
    (BadStatusLine, "got something else than HTTP"),
    (IncompleteRead, "its answer broke off"),
    (TimeoutError, "no answer in time"),
)
"""Why there was no answer. The first that is among the causes counts."""


def why_unanswered(error: BaseException) -> str:
    """Why a request got no answer, in words of ours: the library's hold what was sent."""
    inside = list(causes(error))
    # Not its subclasses: a connection that is refused is one of these.
    if any(type(cause) is ConnectTimeoutError for cause in inside):
        return "no connection in time"
    for kind, why in _WHY:
        if any(isinstance(cause, kind) for cause in inside):
            return why
    for cause in inside:
        if isinstance(cause, OSError) and cause.errno is not None:
            return os.strerror(cause.errno)
    return type(error).__name__


def was_never_sent(error: BaseException) -> bool:
    """Whether there was no connection that a request could have gone over."""
    kinds = (NewConnectionError, ConnectTimeoutError)
    return any(isinstance(cause, kinds) for cause in causes(error))


def causes(error: BaseException) -> Iterator[BaseException]:
    """The exception, and those that it came from."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__context__


class _Bounding:
    """Makes connections whose answers have a deadline. No thread waits for another's."""

    pool: LifoQueue[HTTPConnection | None] | None
    """Of urllib3: what is kept. None: it was closed."""

    def __init__(self, monotonic: Clock, *arguments: Any, **options: Any) -> None:
        self._monotonic = monotonic
        super().__init__(*arguments, **options)

    def _new_conn(self) -> Any:
        """Where urllib3 makes a connection."""
        connection = super()._new_conn()  # type: ignore[misc] # of the pool this is mixed into
        connection.response_class = partial(_Response, self._monotonic)
        return connection

    def _put_conn(self, conn: Any) -> None:
        """Where urllib3 gets a connection back; None: one that was closed.

        More may be in use than are kept, of which urllib3 would warn."""
        if self.pool is None or not self.pool.full():
            super()._put_conn(conn)  # type: ignore[misc] # as above
        elif conn is not None:
            conn.close()

    def give_back(self, connection: HTTPConnection | None) -> None:
        """Keep a connection for the next request; None: one that was closed."""
        self._put_conn(connection)

    def begin(self, url: str, headers: Mapping[str, str], *, in_any_case: bool) -> Begun | None:
        """Send a GET, whose answer is asked for later.

        None: as many connections are in use as are kept; but not `in_any_case`. Raises what urllib3
        and http.client raise."""
        if not in_any_case and self.pool is not None and self.pool.empty():
            return None
        connection = super()._get_conn()  # type: ignore[misc] # as above
        begun = Begun(self, connection)
        try:
            connection.timeout = CONNECT_TIMEOUT
            super()._validate_conn(connection)  # type: ignore[misc] # over TLS it connects here
            connection.request(
                "GET", url, headers=headers, preload_content=False, decode_content=False
            )
        except BaseException:
            begun.drop()
            raise
        return begun


class Begun:
    """A request that was sent, and whose answer is asked for later."""

    def __init__(self, pool: _Bounding, connection: HTTPConnection) -> None:
        self._pool = pool
        self._connection = connection

    @contextmanager
    def response(self, silence: float) -> Iterator[BaseHTTPResponse]:
        """The answer, to be read to its end in the block. `silence`: seconds without a byte.

        Raises what urllib3 and http.client raise."""
        try:
            self._connection.timeout = silence
            # The answer has the socket to itself where the server closes after it.
            with closing(self._connection.getresponse()) as response:
                yield response
        except BaseException:
            self.drop()
            raise
        self._pool.give_back(self._connection)

    def drop(self) -> None:
        """Ask for no answer."""
        self._connection.close()
        self._pool.give_back(None)


def _kept_alive() -> list[keep_alive.Option]:
    """For connections that are kept for long: else the next request over one would wait in vain."""
    return [*HTTPConnection.default_socket_options, *keep_alive.options()]


class Pool(_Bounding, HTTPConnectionPool):
    """Over TCP."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, socket_options=_kept_alive(), **options)


class TlsPool(_Bounding, HTTPSConnectionPool):
    """Over TLS."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, socket_options=_kept_alive(), **options)


class _SocketConnection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, host: str, socket_path: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._socket_path = socket_path

    def connect(self) -> None:
        """Within the time-out that was asked for."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(CONNECT_TIMEOUT)
            connection.connect(self._socket_path)
        except OSError:
            connection.close()
            raise
        self.sock = connection


class SocketPool(_Bounding, HTTPConnectionPool):
    """Connections to one unix socket, `socket_path`, whatever the host is called."""

    ConnectionCls = _SocketConnection


class _Response(HTTPResponse):
    """An answer that is read against the clock from its first line on."""

    def __init__(self, monotonic: Clock, sock: socket.socket, *arguments: Any, **options: Any):
        super().__init__(sock, *arguments, **options)
        self.fp.close()  # http.client's own file, from which nothing was read yet
        self._line = _Timed(sock, monotonic)
        self.fp = io.BufferedReader(self._line)

    def begin(self) -> None:
        """Up to the answer itself, past those that announce it (RFC 9110, section 15.2).

        http.client knows 100 alone: taken for the answer, another one would leave that to the next
        request over the connection."""
        super().begin()
        while self.status in _ANNOUNCING:
            self.headers = None  # type: ignore[assignment] # or it has begun already
            super().begin()

    def _close_conn(self) -> None:
        """Where http.client has read the answer, or gives it up.

        What came with it is no answer to the next request, and urllib3 does not find it: it looks
        at the socket alone."""
        self._line.is_over = True
        if self.fp.peek() or self._line.has_more():
            self._line.shut()
        super()._close_conn()  # type: ignore[misc] # which typeshed does not know


class _Timed(io.RawIOBase):
    """What comes from a socket until a deadline."""

    def __init__(self, sock: socket.socket, monotonic: Clock) -> None:
        self._socket = sock
        # As long as it is open the socket is not closed, whoever asks for that.
        self._file = sock.makefile("rb", buffering=0)
        self._monotonic = monotonic
        self._deadline = monotonic() + ANSWER_WITHIN
        self.is_over = False
        """Whether nothing more is read: then the end seems to have come."""

    def readable(self) -> bool:
        """Always; io asks."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """TooSlow: the deadline is over. TimeoutError: nothing came for a while."""
        if self.is_over:
            return 0
        seconds = self._deadline - self._monotonic()
        if seconds <= 0:
            raise TooSlow
        timeout = self._socket.gettimeout()
        if timeout is not None and timeout > seconds:
            self._socket.settimeout(seconds)
        return self._file.readinto(buffer)

    def has_more(self) -> bool:
        """Whether TLS has something that was not asked for."""
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def shut(self) -> None:
        """Have urllib3 see that the connection is of no more use."""
        with suppress(OSError):  # as the server may have seen by itself
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the socket."""
        self._file.close()
        super().close()
