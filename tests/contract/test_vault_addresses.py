"""Where Vault can be: below a path of a reverse proxy, or behind a unix socket."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.contract.vault import (
    VAULT_TOKEN,
    capture,
    given,
    opened,
    operations_after_reading_ahead,
    refusal,
    role_login,
    shipped_policy,
)
from tests.kit.proxy import ReverseProxy
from tests.kit.servers import OpenBao
from tests.kit.waiting import PATIENCE
from token_catcher.errors import Outage
from token_catcher.model import Stored, Unchanged
from token_catcher.vault import transport as transport_module
from token_catcher.vault.address import Address

SOCKET = 'listener "unix" {{\n  address = "{path}"\n}}\n'


def test_a_reverse_proxy_may_want_a_path(openbao: OpenBao, org: str) -> None:
    """Login, look at the mount, read and write: all below the prefix."""
    login = role_login(openbao.approle(org, shipped_policy(openbao)))
    with (
        ReverseProxy(openbao.port, "/secrets/vault") as proxy,
        opened(proxy.url, login) as store,
    ):
        assert isinstance(store.store(capture(org)), Stored)
    where = f"secret/data/{capture(org).path}"
    assert proxy.requests == [
        ("POST", "/secrets/vault/v1/auth/approle/login"),
        ("GET", f"/secrets/vault/v1/sys/internal/ui/mounts/secret/{capture(org).path}"),
        ("GET", f"/secrets/vault/v1/{where}"),
        # Where nothing is there, the mount is looked at once more before the write.
        ("GET", f"/secrets/vault/v1/sys/internal/ui/mounts/secret/{capture(org).path}"),
        ("POST", f"/secrets/vault/v1/{where}"),
    ]


def test_a_missing_path_is_told_as_somebody_elses_page(openbao: OpenBao, org: str) -> None:
    """The proxy has a page with 404 for everything else."""
    login = role_login(openbao.approle(org, shipped_policy(openbao)))
    with ReverseProxy(openbao.port, "/vault") as proxy:
        url = proxy.url.removesuffix("/vault")
        with opened(url, login) as store:
            error = refusal(store)
    assert (type(error), error.code) == (Outage, "vault-foreign")
    assert "(got 404 with text/html, expected Vault's JSON)" in str(error)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OpenBao, Path]]:
    """A server that listens on a unix socket as well, and that socket."""
    path = tmp_path_factory.mktemp("s") / "bao.sock"
    with OpenBao(more=SOCKET.format(path=path)) as server:
        yield server, path


@pytest.mark.servers
def test_a_unix_socket_is_an_address(local: tuple[OpenBao, Path]) -> None:
    """As an Agent or a Proxy beside us has one; the connection is used again."""
    server, path = local
    login = role_login(server.approle("local", shipped_policy(server)))
    with opened(f"unix://{path}", login) as store:
        assert isinstance(store.store(capture("acme")), Stored)
        assert isinstance(store.store(capture("acme")), Unchanged)


@pytest.mark.servers
def test_secrets_are_read_ahead_over_a_unix_socket(local: tuple[OpenBao, Path]) -> None:
    """None of them is read again before its write."""
    server, path = local
    login = role_login(server.approle("ahead", shipped_policy(server)))
    with opened(f"unix://{path}", login) as store:
        assert operations_after_reading_ahead(server, store) == {"create"}


@pytest.mark.servers
def test_a_socket_that_nobody_serves_is_an_outage(
    local: tuple[OpenBao, Path], tmp_path: Path
) -> None:
    """None there, or one that was left behind; it is tried again when it is there."""
    server, path = local
    link = tmp_path / "agent.sock"
    with opened(f"unix://{link}", given(server.root_token)) as store:
        error = refusal(store)
        assert (type(error), error.code) == (Outage, "vault-unreachable")
        assert str(error) == f"Vault at unix://{link} was not reached (No such file or directory)"
        link.symlink_to(path)
        assert isinstance(store.store(capture("later")), Stored)


def test_a_socket_without_an_answer_is_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time-outs are those of any other address."""
    monkeypatch.setattr(transport_module, "READ_TIMEOUT", 0.2)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        with opened(f"unix://{tmp_path}/s", given(VAULT_TOKEN)) as store:
            error = refusal(store)
    assert (type(error), error.code) == (Outage, "vault-unreachable")


def test_several_ask_at_once_over_a_socket(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A mailbox's thread and housekeeping do: no connection is thrown away, with a warning."""
    both = threading.Barrier(2, timeout=PATIENCE)

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            both.wait()  # nobody is answered before both have asked
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def address_string(self) -> str:
            return "a socket"

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    address = Address(f"unix://{tmp_path}/s")
    with (
        Server(str(tmp_path / "s"), Answer) as server,
        closing(transport_module.Transport(address)) as transport,
    ):
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with ThreadPoolExecutor(2) as threads:
            asked = [threads.submit(transport.send, "GET", "sys/health", {}) for _ in range(2)]
            answers = [each.result() for each in asked]
        server.shutdown()
    assert [answer.status for answer in answers] == [200, 200]
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == []
