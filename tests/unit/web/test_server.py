"""HTTP: what is answered to whom, and who is cut off."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from http import HTTPStatus
from http.client import HTTPConnection

import pytest

from tests.kit.waiting import PATIENCE
from tests.unit.web.kit import Loops, Site, raw
from token_catcher.errors import ConfigurationError
from token_catcher.web.server import CONNECTIONS, serving


def test_head_is_get_without_a_body(site: Site) -> None:
    """The same status and length."""
    got, body = site.get("/healthz")
    head, _ = site.get("/healthz", "HEAD")
    assert (head.status, head.headers["Content-Length"]) == (got.status, str(len(body)))
    assert raw(site, b"HEAD /healthz HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "path",
    ["/index.html", "/metrics/", "/livez/../metrics", "/etc/passwd", "/%2e%2e/livez", "/<script>"],
)
def test_there_is_nothing_else(site: Site, path: str) -> None:
    """404 for every other path, which is not repeated."""
    assert site.says(path) == (404, "Not Found\n")


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "X<script>"]
)
def test_there_is_nothing_to_change(site: Site, method: str) -> None:
    """405 for every other method."""
    answer, body = site.get("/livez", method)
    assert (answer.status, body) == (405, "Method Not Allowed\n")
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/livez", "/metrics", "/nothing"])
def test_every_answer_has_its_headers(site: Site, path: str) -> None:
    """Not kept, not guessed at, not framed; who serves it says no version."""
    headers = site.get(path)[0].headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Server"] == "token-catcher"


def test_a_page_that_fails_shows_nothing_of_its_inside(site: Site) -> None:
    """500 and no more; the log has the kind of the error."""

    class Broken(Loops):
        @property
        def stuck(self) -> Sequence[str]:
            raise ZeroDivisionError("a secret")

        @stuck.setter
        def stuck(self, _value: Sequence[str]) -> None: ...

    broken = Site(loops=Broken())
    with serving("127.0.0.1", 0, broken.routes(), broken.log) as broken.port:
        assert broken.says("/livez") == (500, "Internal Server Error\n")
        assert broken.says("/readyz") == (200, "ready\n")
    assert ("web.crashed", {"path": "/livez", "kind": "ZeroDivisionError"}) in broken.log.events


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /livez HTTP/9.9\r\n\r\n",
        b"GET /livez HTTP/1.0\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.0\r\n\r\n",
        b"GET /livez HTTP/1.0\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n" * 3,
    ],
    ids=["empty", "no path", "version", "headers", "long path", "long header", "tls"],
)
def test_nonsense_gets_a_short_answer(site: Site, request_bytes: bytes) -> None:
    """Or none; nothing of it is repeated, nothing is printed, and the next one is served."""
    answer = raw(site, request_bytes)
    assert len(answer) < 600
    assert b"yyyy" not in answer
    assert b"aaaa" not in answer
    assert site.says("/livez") == (200, "alive\n")


def test_a_body_is_not_read(site: Site) -> None:
    """A GET with a body of a gigabyte is answered and closed."""
    answer = raw(site, b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nxxxx")
    assert answer.endswith(b"\r\n\r\nalive\n")


def test_who_says_nothing_is_cut_off() -> None:
    """After a while, without an answer."""
    quiet = Site()
    server = serving("127.0.0.1", 0, quiet.routes(), quiet.log, silence=0.05, lifetime=3600)
    with server as quiet.port:
        assert raw(quiet, b"GET /livez HT") == b""


def test_who_says_a_byte_now_and_then_is_cut_off() -> None:
    """However long it goes on like that."""
    slow = Site()
    with serving("127.0.0.1", 0, slow.routes(), slow.log, lifetime=0.0) as slow.port:
        with socket.create_connection(("127.0.0.1", slow.port), timeout=0.01) as connection:
            for _ in range(500):
                connection.sendall(b"x")
                with suppress(TimeoutError):
                    assert connection.recv(1) == b""
                    return
        pytest.fail("it was never cut off")


def test_slow_strangers_hold_off_no_probe() -> None:
    """Where every slot is taken, the connection is closed that has not finished for longest."""
    busy = Site()
    server = serving("127.0.0.1", 0, busy.routes(), busy.log, silence=30, lifetime=3600)
    with server as busy.port, ExitStack() as open_ones:
        address = ("127.0.0.1", busy.port)
        idle = [
            open_ones.enter_context(socket.create_connection(address, timeout=PATIENCE))
            for _ in range(CONNECTIONS)
        ]
        assert busy.says("/livez") == (200, "alive\n")
        assert idle[0].recv(1) == b""
        for connection in idle[1:]:
            connection.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.0 200")


def test_a_machine_without_threads_costs_no_slot(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who could not be served is cut off; once there are threads again, all slots are there."""

    def cannot_start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", cannot_start)
        for _ in range(CONNECTIONS):
            assert raw(site, b"GET /livez HTTP/1.0\r\n\r\n") == b""
    assert site.says("/livez") == (200, "alive\n")


def test_it_ends_with_its_block() -> None:
    """The port is free again, and no thread is left."""
    site = Site()
    with serving("127.0.0.1", 0, site.routes(), site.log) as port:
        pass
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert not [thread for thread in threading.enumerate() if thread.name == "web"]


def test_it_listens_where_it_is_told() -> None:
    """Also on IPv6's loopback."""
    site = Site()
    with serving("::1", 0, site.routes(), site.log) as port:
        connection = HTTPConnection("::1", port, timeout=PATIENCE)
        connection.request("GET", "/livez")
        assert connection.getresponse().status == HTTPStatus.OK
        connection.close()


def test_an_address_that_is_taken(site: Site) -> None:
    """Is a fault of the configuration, with the key and what the system says."""
    told = rf"http\.listen: 127\.0\.0\.1:{site.port} cannot be listened on: Address already in use"
    server = serving("127.0.0.1", site.port, {}, site.log)
    with pytest.raises(ConfigurationError, match=told), server:
        pass
