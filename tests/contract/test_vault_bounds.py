"""What an answer in Vault's place may cost: time and memory, whatever is sent."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing
from functools import partial
from itertools import count

import pytest

from tests.kit.limited import answer_of
from tests.kit.scripted import HttpReply, HttpScript, Listener
from token_catcher.errors import Outage
from token_catcher.vault.address import Address
from token_catcher.vault.transport import CONNECTIONS, MAX_BODY, Transport

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
HUGE = b"Content-Length: 300000000\r\n\r\n"
REDIRECT = b"HTTP/1.1 307 x\r\nLocation: /elsewhere\r\n"


class Endless(Listener):
    """An HTTP server that sends a beginning, and then the same piece for ever."""

    def __init__(self, begin: bytes, piece: bytes) -> None:
        super().__init__()
        self._begin = begin
        self._piece = piece

    def serve(self, connection: socket.socket) -> None:
        """Whatever is asked."""
        connection.recv(65536)
        connection.sendall(self._begin)
        while True:
            connection.sendall(self._piece)


def clock(step: float) -> Callable[[], float]:
    """A clock of which each look is so many seconds after the one before."""
    return partial(next, count(step=step))


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        pytest.param(HEAD + HUGE, b" ", id="body"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", id="chunks"),
        pytest.param(HEAD + b"X: ", b"y", id="headers"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 C\r\n\r\n", id="continue"),
    ],
)
def test_an_answer_has_a_deadline(begin: bytes, piece: bytes) -> None:
    """However long something goes on coming: the answer as a whole has its time."""
    with Endless(begin, piece) as server:
        address = Address(f"http://127.0.0.1:{server.port}")
        with (
            closing(Transport(address, clock(step=11.0))) as transport,
            pytest.raises(Outage, match="did not end its answer within 30 seconds") as caught,
        ):
            transport.send("get", "secret/data/x", {})
    assert caught.value.code == "vault-unreachable"


def test_each_answer_has_its_own_time() -> None:
    """A connection that is kept for months answers every time."""
    with HttpScript({"GET /v1/x": HttpReply(body={"data": {"a": 1}})}) as server:
        transport = Transport(Address(server.url), clock(step=5.0))
        with closing(transport):
            answers = [transport.send("get", "x", {}).data for _ in range(20)]
    assert answers == [{"a": 1}] * 20


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        pytest.param(HEAD + HUGE, b"[" * 100_000, id="body"),
        pytest.param(REDIRECT + HUGE, b" " * 100_000, id="redirect"),
        pytest.param(HEAD + b"\r\n", b'{"a":' * 20_000, id="no length"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
            b"186a0\r\n" + b" " * 100_000 + b"\r\n",
            id="chunks",
        ),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n10000000\r\n", b" " * 100_000, id="a chunk"
        ),
        pytest.param(
            HEAD + b"Content-Encoding: gzip\r\n\r\n", b"\x1f\x8b" + b"\0" * 100_000, id="packed"
        ),
    ],
)
def test_no_answer_costs_much_memory(begin: bytes, piece: bytes) -> None:
    """In 256 MiB: it is not Vault's, and the process goes on."""
    with Endless(begin, piece) as server:
        told = answer_of("tests.contract.bounded", "vault", str(server.port), "secret/data/x")
    assert told.startswith("vault-foreign ")


def test_a_large_answer_is_read() -> None:
    """Up to the bound, to the byte."""
    body = b'{"data": {}, "request_id": "x"}'
    bodies = [HttpReply(body=body.ljust(MAX_BODY + more)) for more in (0, 1)]
    too_much = "got more than 1048576 bytes, expected Vault's JSON"
    with (
        HttpScript({"GET /v1/x": bodies}) as server,
        closing(Transport(Address(server.url))) as transport,
    ):
        assert transport.send("get", "x", {}).body == {"data": {}, "request_id": "x"}
        with pytest.raises(Outage, match=too_much):
            transport.send("get", "x", {})


def test_what_is_not_read_to_its_end_takes_no_connection_for_good() -> None:
    """More answers are too large than there are connections; and the next one is given."""
    paths = [f"GET /v1/{number}" for number in range(CONNECTIONS + 1)]
    script = {path: HttpReply(body=b" " * 2 * MAX_BODY) for path in paths}
    with (
        HttpScript({**script, "GET /v1/x": HttpReply(body={"data": {"a": 1}})}) as server,
        closing(Transport(Address(server.url))) as transport,
    ):
        codes = [_code_of(transport, str(number)) for number in range(CONNECTIONS + 1)]
        assert transport.send("get", "x", {}).data == {"a": 1}
    assert codes == ["vault-foreign"] * (CONNECTIONS + 1)


def _code_of(transport: Transport, path: str) -> str:
    """Why there is no answer."""
    with pytest.raises(Outage) as caught:
        transport.send("get", path, {})
    return caught.value.code
