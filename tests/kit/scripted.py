"""Two servers that say what a test tells them to.

One speaks IMAP, for odd lines; the other HTTP, for Vault's bad days.
"""

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
from functools import partial
from typing import Any, Generic, Self, TypeVar, cast

from tests.kit.waiting import PATIENCE

Answer = TypeVar("Answer")


class _Answers(Generic[Answer]):
    """A table of answers by name: a list is used up from its front, and its last answer stays."""

    def __init__(self, table: Mapping[str, Answer | Sequence[Answer]]) -> None:
        self._left = {name: _as_list(answer) for name, answer in table.items()}

    def names(self) -> list[str]:
        """All that has an answer."""
        return list(self._left)

    def next(self, name: str) -> Answer:
        """The answer whose turn it is. KeyError: there is none."""
        left = self._left[name]
        if len(left) == 1:
            return left[0]
        return left.pop(0)


def _as_list(answer: Answer | Sequence[Answer]) -> list[Answer]:
    if isinstance(answer, list | tuple):
        return list(answer)
    return [cast("Answer", answer)]


class Listener:
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
                self._start(partial(self._guarded, connection))

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

    def narrow(self) -> None:
        """Let little be on its way: from now on sending waits until the client has read."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

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


Reply = bytes | Callable[[Talk], object]

CAPABILITIES = b"IMAP4rev1 IDLE SPECIAL-USE"
DEFAULTS: Mapping[str, Reply] = {
    "CAPABILITY": b"* CAPABILITY " + CAPABILITIES + b"\r\nTAG OK done\r\n",
    "LOGIN": b"TAG OK [CAPABILITY " + CAPABILITIES + b"] logged in\r\n",
    "LIST": b'* LIST () "/" INBOX\r\n* LIST (\\Junk) "/" Junk\r\nTAG OK done\r\n',
    "EXAMINE": b"* 0 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 1] x\r\n"
    b"TAG OK [READ-ONLY] done\r\n",
    "UID SEARCH": b"* SEARCH\r\nTAG OK done\r\n",
    "UID FETCH": b"TAG OK done\r\n",
    "NOOP": b"TAG OK done\r\n",
    "LOGOUT": b"* BYE\r\nTAG OK done\r\n",
}
"""What a plain server with an empty mailbox answers."""


class ScriptedImap(Listener):
    """An IMAP server that answers by a table.

    Of each command it has the bytes of its answer, or a function that talks by itself, or several
    of them to be taken in turn.
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
        self._replies = _Answers[Reply]({**DEFAULTS, **(replies or {})})

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
        reply = self._reply(command)
        if callable(reply):
            reply(talk)
        else:
            talk.send(reply)
        if command.upper() == "LOGOUT":
            talk.close()

    def _reply(self, command: str) -> Reply:
        name = re.match(r"(?:UID )?[A-Z]+", command, re.IGNORECASE)
        try:
            return self._replies.next(name[0].upper() if name else "")
        except KeyError:
            return b"TAG BAD what?\r\n"


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
    drop: bool = False
    """Close the connection without a word."""


@dataclass(frozen=True)
class HttpRequest:
    """One request, as it was sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


KV2 = HttpReply(body={"data": {"path": "secret/", "type": "kv", "options": {"version": "2"}}})
ALIVE = HttpReply(body={"data": {"ttl": 3600, "renewable": True}})


class HttpScript(Listener):
    """A Vault that answers by a table: the beginning of `METHOD /path`, the longest of which wins,
    and its answer, or several of them to be taken in turn.

    Mount and token are fine unless the table says otherwise.
    """

    def __init__(self, replies: Mapping[str, HttpReply | Sequence[HttpReply]]) -> None:
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}"
        self.requests: list[HttpRequest] = []
        defaults = {"GET /v1/sys/internal/ui/mounts/": KV2, "GET /v1/auth/token/lookup-self": ALIVE}
        self._replies = _Answers[HttpReply]({**defaults, **replies})

    def serve(self, connection: socket.socket) -> None:
        """Answer request after request."""
        with connection.makefile("rb") as reader:
            request = _read_request(reader)
            while request is not None:
                self.requests.append(request)
                self._answer(connection, self.reply(request))
                request = _read_request(reader)

    def reply(self, request: HttpRequest) -> HttpReply:
        """The answer to a request, by the table."""
        line = f"{request.method} {request.path}"
        matching = [name for name in self._replies.names() if line.startswith(name)]
        if not matching:
            return HttpReply(404, {"errors": []})
        return self._replies.next(max(matching, key=len))

    def _answer(self, connection: socket.socket, reply: HttpReply) -> None:
        if reply.hang:
            self.ending.wait()
            raise Hangup
        if reply.drop:
            raise Hangup
        body = reply.body
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        fields = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **reply.headers,
        }
        head = f"HTTP/1.1 {reply.status} x\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        connection.sendall(head.encode() + b"\r\n")
        if reply.cut:
            connection.sendall(body[: len(body) // 2])
            raise Hangup
        connection.sendall(body)


def _read_request(reader: Any) -> HttpRequest | None:
    """The next request, or None at the end of the connection."""
    first = reader.readline().decode()
    if not first:
        return None
    method, path, _ = first.split()
    headers: dict[str, str] = {}
    line = reader.readline().decode().strip()
    while line:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
        line = reader.readline().decode().strip()
    return HttpRequest(method, path, headers, reader.read(int(headers.get("content-length", 0))))
