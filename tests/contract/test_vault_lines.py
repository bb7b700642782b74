"""What a server, or a proxy before it, does to the connections that are kept."""

from __future__ import annotations

import gc
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Semaphore

import pytest
import trustme

from tests.kit.scripted import Listener
from tests.kit.waiting import PATIENCE, until
from token_catcher.vault.address import Address
from token_catcher.vault.answer import Answer
from token_catcher.vault.transport import AT_ONCE, CONNECTIONS, Transport

PATHS = [f"secret/data/user{number}" for number in range(6)]


BUFFER = 8192
"""Bytes that are read from a line at once: `io.DEFAULT_BUFFER_SIZE` of Python up to 3.13."""
KEEPALIVE = "02"
"""A timer of `/proc/net/tcp`."""
NO_CONTENT = b"HTTP/1.1 204 x\r\n\r\n"


def answers_over(connection: socket.socket, announced: bytes = b"") -> None:
    """Answer each GET with its own path. `announced`: what is sent before that."""
    for path in asked_over(connection):
        connection.sendall(announced + answer_to(path))


def answer_to(path: bytes, size: int = 0) -> bytes:
    """It has the path. `size`: of all of it, at least; from 200 bytes on exactly."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %4d\r\n\r\n"
    body = b'{"data": {"path": "%s"}, "more": "%s"}'
    more = b"x" * (size - len(head % 0) - len(body % (path, b"")))
    body %= (path, more)
    return head % len(body) + body


def asked_over(connection: socket.socket) -> Iterator[bytes]:
    """The path of each GET."""
    with connection.makefile("rb") as lines:
        for line in lines:
            method, _, rest = line.partition(b" /v1/")
            if method == b"GET":
                yield rest.split()[0]


class Announcing(Listener):
    """Says with each answer that there will be one."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self._announced = b"HTTP/1.1 %d x\r\nLink: </x>\r\n\r\n" % status

    def serve(self, connection: socket.socket) -> None:
        """Each request."""
        answers_over(connection, self._announced)


class Twice(Listener):
    """Gives each answer a second time, at once with the first or right after it."""

    def __init__(self, context: ssl.SSLContext | None, size: int, *, at_once: bool) -> None:
        """`size`: of an answer, in bytes."""
        super().__init__()
        self._context = context
        self._size = size
        self._at_once = at_once
        self.sent = Semaphore(0)
        """Has one for each request that was answered twice."""

    def serve(self, connection: socket.socket) -> None:
        """Each request."""
        if self._context is None:
            self._answer_over(connection)
            return
        with self._context.wrap_socket(connection, server_side=True) as secured:
            self._answer_over(secured)

    def _answer_over(self, connection: socket.socket) -> None:
        for path in asked_over(connection):
            answer = answer_to(path, self._size)
            if self._at_once:
                connection.sendall(answer + answer)
            else:
                connection.sendall(answer)
                connection.sendall(answer)
            self.sent.release()


class OneAtATime(Listener):
    """Speaks TLS over the first connection, and takes no other beside it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__()
        self._context = context
        self.tried = 0

    def serve(self, connection: socket.socket) -> None:
        """Each request over the first one."""
        self.tried += 1
        if self.tried == 1:
            with self._context.wrap_socket(connection, server_side=True) as secured:
                answers_over(secured)


class Busy(Listener):
    """Answers whatever is asked for beside the secrets, and those only after the last of it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = Semaphore(0)
        self.answers = Event()

    def serve(self, connection: socket.socket) -> None:
        """Each request."""
        for path in asked_over(connection):
            if path.startswith(b"secret/"):
                self.asked.release()
                self.answers.wait(PATIENCE)
            connection.sendall(NO_CONTENT)


class Endless(Listener):
    """Never ends its answer, after which it would close."""

    def serve(self, connection: socket.socket) -> None:
        """The first request."""
        next(asked_over(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while not self.ending.is_set():
            connection.sendall(b" " * 65536)


def one_by_one(transport: Transport) -> Iterator[Answer]:
    """The answers, each asked for after the one before."""
    for path in PATHS:
        yield transport.send("get", path, {})


def several_at_once(transport: Transport) -> Iterator[Answer]:
    """The answers, asked for together."""
    return transport.get_each(PATHS, {}, lambda: True)


def test_no_thread_waits_for_what_others_ask() -> None:
    """Several mailboxes read their secrets ahead, of a Vault that takes its time: a single request
    beside them, as the daemon's look whether Vault is there, is sent at once."""
    with (
        Busy() as server,
        closing(Transport(Address(f"http://127.0.0.1:{server.port}"))) as transport,
        ThreadPoolExecutor(CONNECTIONS + 1) as threads,
    ):
        ahead = [threads.submit(list, several_at_once(transport)) for _ in range(CONNECTIONS)]
        for _ in range(CONNECTIONS):
            assert server.asked.acquire(timeout=PATIENCE)
        beside = threads.submit(transport.send, "get", "sys/health", {})
        try:
            assert beside.result(PATIENCE).status == 204
        finally:
            server.answers.set()
        counts = [len(reading.result(PATIENCE)) for reading in ahead]
    assert counts == [len(PATHS)] * CONNECTIONS


@pytest.mark.parametrize("ask", [one_by_one, several_at_once])
@pytest.mark.parametrize("status", [100, 102, 103])
def test_what_announces_an_answer_is_none(
    status: int, ask: Callable[[Transport], Iterator[Answer]]
) -> None:
    """Each request has its own answer: that of another secret would be held against the token."""
    with (
        Announcing(status) as server,
        closing(Transport(Address(f"http://127.0.0.1:{server.port}"))) as transport,
    ):
        answers = [(answer.status, answer.data) for answer in ask(transport)]
    assert answers == [(200, {"path": path}) for path in PATHS]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    ("ask", "at_once"), [(one_by_one, True), (one_by_one, False), (several_at_once, True)]
)
@pytest.mark.parametrize("size", [200, 5000, BUFFER])
def test_what_comes_before_a_request_is_no_answer_to_it(
    tmp_path: Path,
    size: int,
    ask: Callable[[Transport], Iterator[Answer]],
    at_once: bool,
    tls: bool,
) -> None:
    """A proxy may give an answer twice: it is not taken for that of the next request. Nor where
    the first one fills our buffer, and TLS has the other one, of which a look at the socket tells
    nothing."""
    context = None
    address = "http"
    if tls:
        context = certified(tmp_path)
        address = "https"
    with (
        Twice(context, size, at_once=at_once) as server,
        closing(
            Transport(
                Address(f"{address}://127.0.0.1:{server.port}", ca_file=str(tmp_path / "ca.pem"))
            )
        ) as transport,
    ):
        answers = []
        for answer in ask(transport):
            answers.append(answer.data["path"])
            assert server.sent.acquire(timeout=PATIENCE)
    assert answers == PATHS


def certified(home: Path) -> ssl.SSLContext:
    """For a server of ours; in `ca.pem` of this directory is who says so."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(home / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_who_takes_no_more_connections_is_asked_once_whether_it_does(tmp_path: Path) -> None:
    """It may take seconds to find out: not for each of the secrets."""
    with OneAtATime(certified(tmp_path)) as server:
        address = Address(f"https://127.0.0.1:{server.port}", ca_file=str(tmp_path / "ca.pem"))
        with closing(Transport(address)) as transport:
            answers = [answer.data["path"] for answer in several_at_once(transport)]
    assert (answers, server.tried) == (PATHS, 2)


def test_a_kept_connection_is_kept_alive() -> None:
    """A firewall that forgets idle ones would have a batch wait for an answer that never comes."""
    with (
        Announcing(100) as server,
        closing(Transport(Address(f"http://127.0.0.1:{server.port}"))) as transport,
    ):
        assert len(list(several_at_once(transport))) == len(PATHS)
        until(
            lambda: timers_of_connections_to(server.port) == [KEEPALIVE] * AT_ONCE,
            "nothing to be waited for but the next sign of life",
        )


def test_what_is_too_large_keeps_no_socket() -> None:
    """Also where the server would close it after the answer: it is not left to the next collection
    of what nothing refers to."""
    with (
        Endless() as server,
        closing(Transport(Address(f"http://127.0.0.1:{server.port}"))) as transport,
        uncollected(),
    ):
        assert list(several_at_once(transport)) == []
        until(lambda: timers_of_connections_to(server.port) == [], "the sockets to be closed")


@contextmanager
def uncollected() -> Iterator[None]:
    """Nothing is freed in the block but what nothing refers to any more."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def timers_of_connections_to(port: int) -> list[str]:
    """What the kernel waits with on each: proc(5), `/proc/net/tcp`."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()]
    return [row[5].partition(":")[0] for row in rows if row[2].endswith(f":{port:04X}")]
