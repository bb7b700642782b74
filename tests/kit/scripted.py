"""Two servers that say what a test tells them to: an IMAP server for odd lines, an HTTP server for Vault's bad days."""

from __future__ import annotations

import json
import re
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from tests.kit.waiting import PATIENCE


class _Listener:
    """Accepts at 127.0.0.1:`port`, a thread for each connection, all gone at the end."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self.ending = threading.Event()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self.cut()
        for thread in self._threads:
            thread.join(PATIENCE)
        self._socket.close()

    def cut(self) -> None:
        """Close every connection now."""
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def serve(self, connection: socket.socket) -> None:
        """Talk on one connection."""
        raise NotImplementedError

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while not self.ending.is_set():
                connection, _ = self._socket.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.append(connection)
                self._start(lambda connection=connection: self._guarded(connection))  # type: ignore[misc]

    def _guarded(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            self.serve(connection)


class Hangup(OSError):
    """The server closes the connection here."""


class Talk:
    """One IMAP connection, from the server's side."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = connection.makefile("rb")
        self.tag = ""
        """Of the command that is being answered."""

    def send(self, data: bytes) -> None:
        """One packet. `TAG` stands for the command's tag."""
        self._connection.sendall(data.replace(b"TAG", self.tag.encode()))

    def line(self) -> str:
        """The client's next line."""
        line = self._reader.readline()
        if not line:
            raise Hangup
        return line.decode("latin-1").rstrip("\r\n")

    def secure(self, context: ssl.SSLContext) -> None:
        """Go on over TLS, as the server."""
        self._reader.close()
        self._connection = context.wrap_socket(self._connection, server_side=True)
        self._reader = self._connection.makefile("rb")

    def hears_nothing(self, seconds: float) -> bool:
        """Whether the client says nothing for so long."""
        return not select.select([self._connection], [], [], seconds)[0]

    def close(self) -> None:
        """Hang up."""
        raise Hangup

    def reset(self) -> None:
        """Hang up with RST."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Hangup

    def free(self) -> None:
        """Free what the connection has become."""
        self._reader.close()
        self._connection.close()


Reply = bytes | Callable[[Talk], None]

CAPABILITIES = b"IMAP4rev1 IDLE SPECIAL-USE"
DEFAULTS: Mapping[str, Reply] = {
    "CAPABILITY": b"* CAPABILITY " + CAPABILITIES + b"\r\nTAG OK done\r\n",
    "LOGIN": b"TAG OK [CAPABILITY " + CAPABILITIES + b"] logged in\r\n",
    "LIST": b'* LIST () "/" INBOX\r\n* LIST (\\Junk) "/" Junk\r\nTAG OK done\r\n',
    "EXAMINE": b"* 0 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 1] x\r\nTAG OK [READ-ONLY] done\r\n",
    "UID SEARCH": b"* SEARCH\r\nTAG OK done\r\n",
    "UID FETCH": b"TAG OK done\r\n",
    "NOOP": b"TAG OK done\r\n",
    "LOGOUT": b"* BYE\r\nTAG OK done\r\n",
}
"""What a plain server with an empty mailbox answers."""


class ScriptedImap(_Listener):
    """An IMAP server that answers by a table: command → the bytes of its answer, or a function that talks by itself.

    A list is used up from its front, and its last answer stays.
    """

    def __init__(
        self,
        replies: Mapping[str, Reply | Sequence[Reply]] | None = None,
        *,
        greeting: bytes = b"* OK ready\r\n",
    ) -> None:
        super().__init__()
        self.commands: list[str] = []
        """What the clients sent, without tags."""
        self._greeting = greeting
        self._replies = {
            name: list(said) if isinstance(said, list | tuple) else [said]
            for name, said in {**DEFAULTS, **(replies or {})}.items()
        }

    def serve(self, connection: socket.socket) -> None:
        """Greet, then answer line by line."""
        talk = Talk(connection)
        try:
            talk.send(self._greeting)
            while not self.ending.is_set():
                self._answer(talk, talk.line())
        finally:
            talk.free()

    def _answer(self, talk: Talk, line: str) -> None:
        talk.tag, _, command = line.partition(" ")
        self.commands.append(command)
        name = re.match(r"(?:UID )?[A-Z]+", command, re.IGNORECASE)
        said = self._replies.get(name[0].upper() if name else "", [b"TAG BAD what?\r\n"])
        reply = said.pop(0) if len(said) > 1 else said[0]
        if callable(reply):
            reply(talk)
        else:
            talk.send(reply)
        if command.upper() == "LOGOUT":
            talk.close()


@dataclass(frozen=True)
class HttpReply:
    """One answer."""

    status: int = 200
    body: Mapping[str, Any] | bytes = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    """Say nothing at all, and keep the connection."""
    cut: bool = False
    """Close the connection in the middle of the body."""


@dataclass(frozen=True)
class HttpRequest:
    """One request, as it was sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


KV2 = HttpReply(body={"data": {"type": "kv", "options": {"version": "2"}}})
ALIVE = HttpReply(body={"data": {"ttl": 3600, "renewable": True}})


class HttpScript(_Listener):
    """A Vault that answers by a table: the beginning of `METHOD /path` → an answer; the longest match wins.

    A list is used up from its front, and its last answer stays. Mount and token are fine unless the table says otherwise.
    """

    def __init__(self, replies: Mapping[str, HttpReply | Sequence[HttpReply]]) -> None:
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}"
        self.requests: list[HttpRequest] = []
        defaults = {"GET /v1/sys/internal/ui/mounts/": KV2, "GET /v1/auth/token/lookup-self": ALIVE}
        self._replies = {
            name: list(said) if isinstance(said, list | tuple) else [said]
            for name, said in {**defaults, **replies}.items()
        }

    def serve(self, connection: socket.socket) -> None:
        """Answer request after request."""
        with connection.makefile("rb") as reader:
            while (request := _read_request(reader)) is not None:
                self.requests.append(request)
                self._answer(connection, self._reply(request))

    def _reply(self, request: HttpRequest) -> HttpReply:
        line = f"{request.method} {request.path}"
        found = max(
            (name for name in self._replies if line.startswith(name)), key=len, default=None
        )
        if found is None:
            return HttpReply(404, {"errors": []})
        said = self._replies[found]
        return said.pop(0) if len(said) > 1 else said[0]

    def _answer(self, connection: socket.socket, reply: HttpReply) -> None:
        if reply.hang:
            self.ending.wait(60)
            raise Hangup
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        lines = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **reply.headers,
        }
        head = (
            f"HTTP/1.1 {reply.status} x\r\n"
            + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
            + "\r\n"
        )
        connection.sendall(head.encode() + (body[: len(body) // 2] if reply.cut else body))
        if reply.cut:
            raise Hangup


def _read_request(reader: Any) -> HttpRequest | None:
    """The next request, or None at the end of the connection."""
    first = reader.readline().decode()
    if not first:
        return None
    method, path, _ = first.split()
    headers: dict[str, str] = {}
    while (line := reader.readline().decode().strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return HttpRequest(method, path, headers, reader.read(int(headers.get("content-length", 0))))
