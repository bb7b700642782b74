"""The tools of these tests: what they promise to the tests that lean on them."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.vault import capture
from tests.kit import mails
from tests.kit.crash import Crash
from tests.kit.fakes import FakeAccount, FakeMailbox, FakeStore, FakeVault
from tests.kit.proxy import TcpProxy
from tests.kit.scripted import ScriptedImap
from tests.kit.servers import missing
from tests.kit.waiting import PATIENCE

NOW = datetime(2026, 2, 3, 12, 57, 27, tzinfo=UTC)


def test_a_missing_server_is_skipped_with_the_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a developer's machine."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="dovecot is missing: apt-get install dovecot"):
        missing("dovecot", "apt-get install dovecot")


def test_a_missing_server_fails_where_all_are_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    """CI=true."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="dovecot is missing"):
        missing("dovecot", "apt-get install dovecot")


def test_a_store_can_crash_on_both_sides_of_a_write() -> None:
    """Before: nothing is there. After: it is, and the answer is lost."""
    for effect, paths in (("read", []), ("write", []), ("written", [capture("acme").path])):
        vault = FakeVault()

        def trip(name: str, effect: str = effect) -> None:
            if name == effect:
                raise Crash

        with pytest.raises(Crash):
            FakeStore(vault, trip=trip).store(capture("acme"))
        assert vault.paths() == paths


def test_a_mailbox_can_crash_at_every_step() -> None:
    """And the account outlives the session."""
    account = FakeAccount(now=lambda: NOW)
    account.append(mails.token_mail())
    steps: list[str] = []
    mailbox = FakeMailbox(account, trip=steps.append)
    mailbox.examine("INBOX")
    mailed = mailbox.fetch(mailbox.search(0, NOW - timedelta(days=1)))
    assert [mail.received_at for mail in mailed] == [NOW]
    assert steps == ["examine", "search", "fetch"]


def test_a_change_of_uidvalidity_numbers_mails_anew() -> None:
    """The same mails, other UIDs."""
    account = FakeAccount(now=lambda: NOW)
    for token in ("FAKEone00000000000000001", "FAKEtwo00000000000000002"):
        account.append(mails.token_mail(token=token))
    account.expunge(1)
    account.change_uidvalidity()
    mailbox = FakeMailbox(account)
    state = mailbox.examine("INBOX")
    assert (state.uidvalidity, state.uidnext, state.exists) == (2, 2, 1)
    assert b"FAKEtwo" in mailbox.fetch([1])[0].raw


def test_a_proxy_delays_both_ways_and_counts() -> None:
    """A round trip takes twice the delay at least."""
    with ScriptedImap() as server, TcpProxy(server.port, delay=0.1) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE) as client:
            reader = client.makefile("rb")
            reader.readline()
            began = time.monotonic()
            client.sendall(b"ABCD1 NOOP\r\n")
            assert reader.readline() == b"ABCD1 OK done\r\n"
            assert time.monotonic() - began >= 0.2
            reader.close()
        assert (proxy.commands, proxy.connections, proxy.down_bytes) == (
            ["NOOP"],
            1,
            len(b"* OK ready\r\nABCD1 OK done\r\n"),
        )


def test_a_proxy_stalls_and_flows() -> None:
    """Nothing is lost meanwhile."""
    with (
        ScriptedImap() as server,
        TcpProxy(server.port) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE) as client,
        client.makefile("rb") as reader,
    ):
        reader.readline()
        proxy.stall()
        client.sendall(b"ABCD1 NOOP\r\n")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(PATIENCE)
        proxy.flow()
        assert client.recv(100) == b"ABCD1 OK done\r\n"


def test_a_proxy_cuts_at_a_byte_and_refuses() -> None:
    """Exactly so many bytes come through, then the end; a new connection ends at once."""
    with ScriptedImap() as server, TcpProxy(server.port) as proxy:
        proxy.cut_after(4)
        with (
            socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE) as client,
            client.makefile("rb") as reader,
        ):
            assert reader.read() == b"* OK"
        proxy.refuse()
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE) as client:
            assert ended(client)


def ended(client: socket.socket) -> bool:
    """By FIN or by RST."""
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True
