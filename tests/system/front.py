"""Stands before a real Vault and, when a test says so, answers in its place or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from tests.kit.waiting import PATIENCE


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
        self.answering = threading.Event()
        """While it is not set, a request gets no answer."""
        self.answering.set()
        self.ended = threading.Event()
        self.takes_long: dict[str, float] = {}
        """By the end of a path: seconds that Vault's answer is on its way."""
        self.asked: list[str] = []
        """Method and path of every request, answered or not."""


class _Handler(BaseHTTPRequestHandler):
    server: Front
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        """As always; a client that was ended does not take its answer."""
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True

    def _pass(self) -> None:
        front = self.server
        front.asked.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not front.answering.is_set():
            front.answering.wait()
            self.close_connection = True
        elif front.status is not None:
            self._answer(front.status, b'{"errors":["a bad day"]}', front.headers)
        else:
            self._hand_on(body)

    def _hand_on(self, body: bytes) -> None:
        headers = dict(self.headers)
        for name in ("Host", "Connection"):
            headers.pop(name, None)
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                self.command,
                self.server.target + self.path,
                data=body,
                headers=headers,
                timeout=PATIENCE,
            )
        for path, seconds in self.server.takes_long.items():
            if self.path.endswith(path):
                self.server.ended.wait(seconds)
        kind = answer.headers.get("Content-Type", "text/plain")
        self._answer(answer.status_code, answer.content, {"Content-Type": kind})

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
        front.answering.set()
        front.ended.set()
        front.shutdown()
        front.server_close()
        thread.join()
