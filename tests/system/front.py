"""Stands in front of a real Vault and, when a test says so, answers in its place or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests


class Front(ThreadingHTTPServer):
    """Hands every request on to Vault, except while `status` is set."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.target = target
        self.status: int | None = None
        """What every request is answered with; None: by Vault itself."""
        self.headers: dict[str, str] = {}
        self.hang = threading.Event()
        """While it is set, a request gets no answer."""
        self.asked: list[str] = []
        """Method and path of every request, answered or not."""


class _Handler(BaseHTTPRequestHandler):
    server: Front
    protocol_version = "HTTP/1.1"

    def _pass(self) -> None:
        front = self.server
        front.asked.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if front.hang.is_set():
            while front.hang.is_set():
                threading.Event().wait(0.05)
            self.close_connection = True
            return
        if front.status is not None:
            self._answer(front.status, b'{"errors":["a bad day"]}', front.headers)
            return
        with requests.Session() as session:
            session.trust_env = False
            sent = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in ("host", "connection")
            }
            said = session.request(
                self.command, front.target + self.path, data=body, headers=sent, timeout=10
            )
        self._answer(
            said.status_code,
            said.content,
            {"Content-Type": said.headers.get("Content-Type", "text/plain")},
        )

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        """Nothing to print."""


@contextmanager
def before(target: str) -> Iterator[Front]:
    """A front before this Vault, for as long as the block runs."""
    front = Front(target)
    thread = threading.Thread(target=front.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield front
    finally:
        front.hang.clear()
        front.shutdown()
        front.server_close()
        thread.join(5)
