"""A receiver of webhooks, and what it makes of them by OpenSSL's own HMAC."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

KEY = base64.b64encode(bytes(range(32))).decode()
SECRET = f"whsec_{KEY}"


@dataclass(frozen=True)
class Hook:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    """By names in lower case."""
    body: bytes

    @property
    def id(self) -> str:
        """By which a receiver knows it again."""
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        """What it holds."""
        return dict(json.loads(self.body))

    @property
    def is_signed(self) -> bool:
        """Whether the signature is what `openssl dgst` makes of it with the key."""
        stamp = self.headers["webhook-timestamp"]
        key = f"hexkey:{base64.b64decode(KEY).hex()}"
        done = subprocess.run(
            ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", key, "-binary"],
            input=f"{self.id}.{stamp}.".encode() + self.body,
            capture_output=True,
            check=True,
        )
        expected = "v1," + base64.b64encode(done.stdout).decode()
        return expected in self.headers["webhook-signature"].split(" ")


Answer = Callable[[Hook], int | None]
"""The status that is answered; None: the connection is closed without a word."""


def ok(_hook: Hook) -> int:
    """Takes everything."""
    return 204


class Hooks:
    """At `url`, while the block runs; with a port of one before it, at the same place."""

    def __init__(self, answer: Answer = ok, port: int = 0) -> None:
        self.answer = answer
        self.came: list[Hook] = []
        """All of them, also those that were refused."""
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler_of(self))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def types(self) -> list[str]:
        """Of the events, in the order in which they came."""
        return [hook.event["type"].removeprefix("token-catcher.") for hook in self.came]


def expect_well_told(hooks: list[Hook]) -> None:
    """Every signature is right, and no id came twice with different content."""
    bodies: dict[str, bytes] = {}
    for hook in hooks:
        assert hook.is_signed
        assert hook.event["id"] == hook.id
        assert bodies.setdefault(hook.id, hook.body) == hook.body


def _handler_of(hooks: Hooks) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            hook = Hook(self.path, headers, body)
            hooks.came.append(hook)
            status = hooks.answer(hook)
            if status is None:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Nobody reads it."""

    return Handler
