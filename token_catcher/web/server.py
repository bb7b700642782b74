"""An HTTP server for a few small pages: read-only, and bounded in what it spends on strangers.

The pages never wait, so a few threads serve them; who connects and says nothing is cut off.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final

from token_catcher.errors import ConfigurationError
from token_catcher.ports import Log
from token_catcher.web.exchange import Request, Response, Routes, plain

CONNECTIONS: Final = 8
"""Served at a time; for a further one the oldest is closed, so that slow strangers hold off no
probe."""
SLOT_WITHIN: Final = 1.0
"""Seconds for the thread of a connection that was closed to give its slot back."""
SILENCE: Final = 5.0
"""Seconds that a connection may say nothing."""
LIFETIME: Final = 10.0
"""Seconds after which it is closed, whatever it does."""
LONGEST_BODY: Final = 4096
"""Bytes of a form: a token, and what surrounds it."""
HEADERS: Final = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)


@contextmanager
def serving(
    host: str,
    port: int,
    routes: Routes,
    log: Log,
    *,
    silence: float = SILENCE,
    lifetime: float = LIFETIME,
) -> Iterator[int]:
    """Serve on a thread of its own, for as long as the block runs. Gives the port.

    ConfigurationError: the address cannot be listened on."""
    try:
        server = _Server(host, port, routes, log, silence, lifetime)
    except OSError as error:
        raise ConfigurationError(
            f"http.listen: {host}:{port} cannot be listened on: {error.strerror}"
        ) from None
    # It looks for connections that are too old so many times within the silence that is allowed.
    poll = silence / 20
    thread = threading.Thread(target=server.serve_forever, args=(poll,), name="web", daemon=True)
    thread.start()
    try:
        log.info("web.listening", address=f"{host}:{server.server_port}")
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(1.0)


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD of the known paths, and the form of the page; says little of itself and
    logs nothing."""

    server: _Server

    def do_GET(self) -> None:
        self._respond(None)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        """The form of the page; nothing else takes one."""
        if self._path != "/":
            self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)
            return
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and len(length) < 5):
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
        elif int(length) > LONGEST_BODY:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            self._respond(self.rfile.read(int(length)))

    @property
    def _path(self) -> str:
        return self.path.partition("?")[0]

    def _respond(self, body: bytes | None) -> None:
        request = Request(
            host=self.headers.get("Host", ""),
            authorization=self.headers.get("Authorization", ""),
            cookie=self.headers.get("Cookie", ""),
            body=body,
        )
        self._answer(self.server.response(self._path, request))

    def _answer(self, response: Response) -> None:
        body = response.text.encode()
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", response.policy)
        for name, value in (*HEADERS, *response.headers):
            self.send_header(name, value)
        if response.status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")  # RFC 9110, 15.5.6
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(
        self,
        code: int,
        message: str | None = None,  # noqa: ARG002 - the signature is http.server's
        explain: str | None = None,  # noqa: ARG002 - the same
    ) -> None:
        """Tell what http.server finds wrong with a request; its own page would repeat it."""
        self.close_connection = True
        status = HTTPStatus(code)
        if status == HTTPStatus.NOT_IMPLEMENTED:  # what it says of an unknown method
            status = HTTPStatus.METHOD_NOT_ALLOWED
        self._answer(_error(status))

    def version_string(self) -> str:
        return "token-catcher"

    def log_message(self, *_: Any) -> None:
        """Nothing: probes come every few seconds."""


class _Server(ThreadingHTTPServer):
    """Bounded in how many it serves, and for how long."""

    # Whoever is still being served does not hold up the end of the process.
    daemon_threads = True
    block_on_close = False

    def __init__(
        self, host: str, port: int, routes: Routes, log: Log, silence: float, lifetime: float
    ) -> None:
        self._routes = routes
        self._log = log
        self._silence = silence
        self._lifetime = lifetime
        self.address_family = socket.AF_INET
        if ":" in host:
            self.address_family = socket.AF_INET6
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        self._began: dict[socket.socket, float] = {}
        """Monotonic seconds at which each open connection began, the oldest first."""
        super().__init__((host, port), _Handler)

    def response(self, path: str, request: Request) -> Response:
        """What to answer to this request for this path."""
        make = self._routes.get(path)
        if make is None:
            return _error(HTTPStatus.NOT_FOUND)
        try:
            return make(request)
        except Exception as bug:  # noqa: BLE001 - a bug in a page must not show its inside
            self._log.error("web.crashed", path=path, kind=type(bug).__name__)
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR)

    def server_bind(self) -> None:
        """As HTTPServer does, without asking DNS for our own name."""
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name = str(host)
        self.server_port = int(port)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve it on a thread of its own; where none is free, the oldest one has to end."""
        if not self._has_slot():
            self.shutdown_request(request)
            return
        request.settimeout(self._silence)
        self._began[request] = time.monotonic()
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # the machine has no thread left: the slot must not be lost as well
            self._free(request)
            raise

    def _has_slot(self) -> bool:
        """Take a slot: a free one, or that of the connection that has not finished for longest."""
        if self._slots.acquire(blocking=False):
            return True
        oldest = next(iter(tuple(self._began)), None)  # other threads change it meanwhile
        if oldest is not None:
            self._cut(oldest)
        return self._slots.acquire(timeout=SLOT_WITHIN)

    def _cut(self, connection: socket.socket) -> None:
        """Wake the thread that reads from it: there is no more."""
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free(request)

    def _free(self, request: Any) -> None:
        """Give the slot of a connection back."""
        self._began.pop(request, None)
        self._slots.release()

    def service_actions(self) -> None:
        """Called some times a second: close what has been open for too long."""
        now = time.monotonic()
        for connection, began in tuple(self._began.items()):  # other threads change it meanwhile
            if now - began > self._lifetime:
                self._cut(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke or timed out is nobody's business."""


def _error(status: HTTPStatus) -> Response:
    return plain(status, status.phrase)
