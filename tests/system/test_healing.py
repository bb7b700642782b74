"""What goes wrong in a year heals without a restart: each trouble once.

Mail that came meanwhile is caught after it.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dns.rcode import NXDOMAIN

from tests.kit import mails
from tests.kit.dns import SILENCE, Entry, TinyDns
from tests.kit.program import COMMAND, POLICY, Daemon, Program
from tests.kit.proxy import Page, ReverseProxy, TcpProxy
from tests.kit.scripted import Reply, ScriptedImap, Talk
from tests.kit.servers import Dovecot, OpenBao, until
from tests.kit.waiting import PATIENCE
from tests.system.front import Front, before
from tests.system.resets import Resets, records

ROOT = Path(__file__).parents[2]


@pytest.fixture
def resets(tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str) -> Resets:
    """Of one user, over the shared servers."""
    return Resets(tool, dovecot, openbao, user, org)


# -- the mailbox --


def test_imap_server_restarted(
    tool: Program, own_dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """Mail that is delivered after the restart is caught, and everything later at once."""
    resets = Resets(tool, own_dovecot, openbao, user, org)
    _use(tool, own_dovecot.tls_port, user, own_dovecot)
    with tool.daemon():
        resets.make_the_trip()
        own_dovecot.restart()
        resets.make_the_trip()
        resets.make_the_trip()
    resets.all_accounted_for()


def test_imap_server_away_for_a_while(tool: Program, resets: Resets) -> None:
    """Connections are refused at once, several times; then one is not."""
    with TcpProxy(resets.dovecot.tls_port) as proxy:
        _use(tool, proxy.port)
        with tool.daemon() as daemon:
            resets.make_the_trip()
            proxy.refuse()
            proxy.cut()
            resets.send()
            until(lambda: len(_troubles(daemon)) >= 2, "the second trouble", PATIENCE)
            proxy.refuse(yes=False)
            resets.arrive()
    resets.all_accounted_for()


def test_imap_server_frozen(
    tool: Program, own_dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """Connections stand and nothing answers, for longer than the time-outs."""
    resets = Resets(tool, own_dovecot, openbao, user, org)
    _use(tool, own_dovecot.tls_port, user, own_dovecot)
    with tool.daemon() as daemon:
        resets.make_the_trip()
        own_dovecot.freeze()
        both = "the dead connection and the vain login to be noticed"
        until(lambda: len(_troubles(daemon)) >= 2, both)
        own_dovecot.thaw()
        resets.make_the_trip()
    resets.all_accounted_for()


def test_connection_cut_in_idle(tool: Program, resets: Resets) -> None:
    """By whoever is in between."""
    with TcpProxy(resets.dovecot.tls_port) as proxy:
        _use(tool, proxy.port)
        with tool.daemon():
            resets.make_the_trip()
            proxy.cut()
            resets.make_the_trip()
    resets.all_accounted_for()


def test_connection_cut_in_fetch(tool: Program, resets: Resets) -> None:
    """In the middle of the mails' bytes: what had arrived is not taken for a whole mail."""
    with TcpProxy(resets.dovecot.port) as proxy:
        _use_plaintext(tool, proxy.port)
        with tool.daemon():
            resets.make_the_trip()

            def cut_the_next_fetch(sent: bytes) -> None:
                if b"FETCH" in sent:
                    proxy.on_up = lambda _sent: None
                    proxy.cut_after(700)

            proxy.on_up = cut_the_next_fetch
            resets.send(times=3)
            resets.arrive()
    resets.all_accounted_for()


def test_connection_silently_dead(tool: Program, resets: Resets) -> None:
    """A NAT forgot it: nothing comes, nothing fails. It shows when nobody answers DONE."""
    with TcpProxy(resets.dovecot.tls_port) as proxy:
        _use(tool, proxy.port)
        with tool.daemon() as daemon:
            resets.make_the_trip()
            proxy.stall()
            resets.send()
            until(lambda: _troubles(daemon), "the silence to be noticed")
            proxy.cut()
            proxy.flow()
            resets.arrive()
    resets.all_accounted_for()


def test_server_says_bye(tool: Program, resets: Resets) -> None:
    """An administrator throws everybody out."""
    with tool.daemon():
        resets.make_the_trip()
        resets.dovecot.kick(resets.user)
        resets.make_the_trip()
    resets.all_accounted_for()


def test_server_without_idle(tool: Program, resets: Resets) -> None:
    """The schedule finds the mail, over one connection, and IDLE is never asked for."""
    mailbox: list[bytes] = []
    with ScriptedImap(_without_idle(mailbox)) as server:
        _use_plaintext(tool, server.port, poll="poll: 1s")
        with tool.daemon():
            mailbox.append(resets.mail())
            resets.arrive()
    verbs = [command.split()[0] for command in server.commands]
    assert "IDLE" not in verbs
    assert verbs.count("LOGIN") == 1


def test_server_without_special_use(tool: Program, openbao: OpenBao, user: str, org: str) -> None:
    """The spam folder is known by its name."""
    with Dovecot(spam="Junk E-mail", special_use=False) as server:
        resets = Resets(tool, server, openbao, user, org)
        _use(tool, server.tls_port, user, server)
        with tool.daemon() as daemon:
            until(
                lambda: daemon.says("mailbox.connected", folder="Junk E-mail"), "the idle listener"
            )
            resets.make_the_trip("Junk E-mail")
        resets.all_accounted_for()


def test_uidvalidity_changed(tool: Program, resets: Resets) -> None:
    """A restored backup: one look at everything, nothing stored or recorded twice.

    New mail is caught."""
    with tool.daemon() as daemon:
        resets.make_the_trip()
        resets.make_the_trip()
        resets.dovecot.change_uidvalidity("INBOX", resets.user)
        resets.dovecot.kick(resets.user)
        reset = partial(daemon.says, "checkpoint.reset", folder="INBOX")
        until(reset, "the change to be noticed", PATIENCE)
        resets.make_the_trip()
    resets.all_accounted_for()


def test_mailbox_emptied(tool: Program, resets: Resets) -> None:
    """By somebody who cleans up, while the daemon listens."""
    with tool.daemon():
        resets.make_the_trip()
        resets.dovecot.expunge(user=resets.user)
        resets.make_the_trip()
    resets.all_accounted_for()


def test_password_refused_then_accepted(tool: Program, resets: Resets) -> None:
    """One try with the wrong one, then none until the file has another: tried at once."""
    right = (tool.home / "imap-password").read_text()
    tool.secret("imap-password", "wrong")
    resets.send()
    with tool.daemon() as daemon:
        assert daemon.says("mailbox.trouble", code="imap-login")
        [pause] = _events(daemon, "mailbox.pause")
        assert 60 <= pause["seconds"] <= 120
        tool.secret("imap-password", right.strip())
        resets.arrive()
        assert len(_troubles(daemon)) == 1
    resets.all_accounted_for()


# -- Vault --


def test_vault_sealed_then_unsealed(
    tool: Program, dovecot: Dovecot, own_openbao: OpenBao, user: str, org: str
) -> None:
    """What waited is stored within seconds, oldest first; every token becomes a version."""
    resets = Resets(tool, dovecot, own_openbao, user, org)
    _store_in(tool, own_openbao)
    with tool.daemon() as daemon:
        resets.make_the_trip()
        own_openbao.seal()
        resets.send(times=5)
        until(lambda: len(_events(daemon, "mail.pending")) >= 2, "two tries")
        own_openbao.unseal()
        resets.arrive()
    resets.all_accounted_for()


def test_vault_restarted(
    tool: Program, dovecot: Dovecot, own_openbao: OpenBao, user: str, org: str
) -> None:
    """While it is down connections are refused.

    Afterwards the old Vault token still counts, or a new one is fetched."""
    resets = Resets(tool, dovecot, own_openbao, user, org)
    _store_in(tool, own_openbao)
    with tool.daemon() as daemon:
        resets.make_the_trip()
        own_openbao.stop()
        resets.send(times=2)
        until(lambda: daemon.says("mail.pending", code="vault-unreachable"), "a try")
        own_openbao.start()
        resets.arrive()
    resets.all_accounted_for()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_vault_answers_with_trouble(tool: Program, resets: Resets, status: int) -> None:
    """For a while; what waited is stored soon after, and Vault is not hammered meanwhile."""

    def trouble(front: Front) -> Callable[[], None]:
        front.status = status
        return lambda: setattr(front, "status", None)

    _bad_days(tool, resets, trouble)


def test_vault_hangs(tool: Program, resets: Resets) -> None:
    """It takes requests and does not answer."""

    def trouble(front: Front) -> Callable[[], None]:
        front.answering.clear()
        return front.answering.set

    _bad_days(tool, resets, trouble, wait=45)


@pytest.mark.parametrize("status", [200, 403, 404])
def test_a_proxy_answers_for_vault(tool: Program, resets: Resets, status: int) -> None:
    """A page to the login, to every request: no credential is left alone for minutes after it."""
    with ReverseProxy(resets.openbao.port, "/vault") as proxy:
        tool.configure(address=f"address: {proxy.url}")
        proxy.page = Page(status)
        with tool.daemon() as daemon:
            resets.send(times=2)
            until(lambda: len(_events(daemon, "mail.pending")) >= 2, "two tries")
            assert {event["code"] for event in _events(daemon, "mail.pending")} == {"vault-foreign"}
            proxy.page = None
            resets.arrive()
    resets.all_accounted_for()


def test_vaults_token_revoked(
    tool: Program, dovecot: Dovecot, own_openbao: OpenBao, user: str, org: str
) -> None:
    """A new one is fetched, and nobody notices."""
    resets = Resets(tool, dovecot, own_openbao, user, org)
    _store_in(tool, own_openbao)
    with tool.daemon():
        resets.make_the_trip()
        own_openbao.tell("post", "sys/leases/revoke-prefix/auth/approle")
        resets.make_the_trip()
    resets.all_accounted_for()


# -- the machine --


def test_disk_full(tool: Program, resets: Resets) -> None:
    """While journal and checkpoint cannot be written nothing is settled.

    Afterwards the version gets its record, marked as recovered."""
    with _logging_through_a_pipe(tool) as daemon:
        resets.make_the_trip()
        with _no_room(daemon.process.pid):
            resets.send()
            until(lambda: resets.newest == resets.sent[-1], "the version that has no record yet")
            until(lambda: daemon.says("sweep.interrupted"), "the daemon to notice")
        until(lambda: len(records(tool)) == 2, "the record")
        resets.make_the_trip()
    recovered = {record["version"]: record.get("recovered", False) for record in tool.journal}
    assert len(tool.journal) == 3
    assert recovered == {1: False, 2: True, 3: False}
    assert tool("audit", "verify").code == 0


def test_clock_jumps_an_hour(tool: Program, resets: Resets) -> None:
    """Forward and back, while mail waits for Vault: nothing waits for the clock."""
    clock = tool.home / "clock"
    clock.write_text("0")
    with before(resets.openbao.url) as front:
        tool.configure(address=f"address: {front.url}")
        with _surrounded(tool, SURROUNDINGS_CLOCK=str(clock)) as daemon:
            for ahead in ("3600", "0", "-3600", "0"):
                front.status = 503
                resets.send()
                asked = len(front.asked)
                until(lambda asked=asked: len(front.asked) > asked, "a try")  # type: ignore[misc]
                clock.write_text(ahead)
                front.status = None
                resets.arrive()
            assert daemon.process.poll() is None
    resets.all_accounted_for()


def test_dns_down(tool: Program, resets: Resets) -> None:
    """The key of the signature cannot be asked for: the mail waits, over a restart as well.

    It is stored once DNS answers."""
    signer = mails.genuine_signer()
    tool.configure(dkim_keys="dkim_keys: null")
    with TinyDns({signer.name: SILENCE}) as names:
        resets.send()
        for _ in range(2):
            with _surrounded(tool, SURROUNDINGS_DNS=str(names.port)) as daemon:
                until(partial(daemon.says, "mail.pending", code="dns"), "a vain question")
        with _surrounded(tool, SURROUNDINGS_DNS=str(names.port)):
            names.table[signer.name] = [f"60 IN TXT {_in_quotes(signer.record)}"]
            resets.arrive()
    resets.all_accounted_for()


@pytest.mark.parametrize("said", [NXDOMAIN, SILENCE], ids=["no-name", "silent"])
def test_dns_wrong_for_a_while(tool: Program, resets: Resets, said: int) -> None:
    """A key that is not there costs nothing but time; and once it has proven a mail, not even that:
    it is remembered over a restart."""
    signer = mails.genuine_signer()
    tool.configure(dkim_keys="dkim_keys: null")
    published: Entry = [f"60 IN TXT {_in_quotes(signer.record)}"]
    with TinyDns() as names:
        resets.send()
        with _surrounded(tool, SURROUNDINGS_DNS=str(names.port)) as daemon:
            until(partial(daemon.says, "mail.pending", code="dns-no-key"), "a vain question")
        assert records(tool) == []
        names.table[signer.name] = published
        with _surrounded(tool, SURROUNDINGS_DNS=str(names.port)):
            resets.arrive()
        names.table[signer.name] = said
        with _surrounded(tool, SURROUNDINGS_DNS=str(names.port)) as daemon:
            resets.make_the_trip()
            assert not daemon.says("mail.pending")
    resets.all_accounted_for()


def test_a_remembered_key_is_kept_fresh(tool: Program, resets: Resets) -> None:
    """The daemon asks for it once an hour, though no mail comes: that may take months."""
    signer = mails.genuine_signer()
    tool.configure(dkim_keys="dkim_keys: null")
    clock = tool.home / "clock"
    clock.write_text("0")
    remembered = tool.state / "keys.json"
    with TinyDns({signer.name: [f"60 IN TXT {_in_quotes(signer.record)}"]}) as names:
        port = str(names.port)
        with _surrounded(tool, SURROUNDINGS_DNS=port, SURROUNDINGS_CLOCK=str(clock)):
            resets.make_the_trip()
            until(remembered.exists, "the key to be remembered")
            before = remembered.read_text()
            clock.write_text("7200")
            until(lambda: remembered.read_text() != before, "the key to be seen again")
    resets.all_accounted_for()


# -- helpers --


def _without_idle(mailbox: list[bytes]) -> dict[str, Reply]:
    """A server with the least of capabilities; the mailbox has one mail, or none."""

    def examined(talk: Talk) -> None:
        talk.send(b"* %d EXISTS\r\n" % len(mailbox))
        talk.send(b"* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT %d] x\r\n" % (len(mailbox) + 1))
        talk.send(b"TAG OK [READ-ONLY] done\r\n")

    def searched(talk: Talk) -> None:
        uids = b" 1" if mailbox else b""
        talk.send(b"* SEARCH" + uids + b"\r\nTAG OK done\r\n")

    def fetched(talk: Talk) -> None:
        [raw] = mailbox
        date = datetime.now(UTC).strftime("%d-%b-%Y %H:%M:%S +0000").encode()
        head = b'* 1 FETCH (UID 1 INTERNALDATE "%s" BODY[]<0> {%d}\r\n' % (date, len(raw))
        talk.send(head + raw + b")\r\nTAG OK done\r\n")

    return {
        "CAPABILITY": b"* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n",
        "LOGIN": b"TAG OK [CAPABILITY IMAP4rev1] logged in\r\n",
        "LIST": b'* LIST () "/" INBOX\r\nTAG OK done\r\n',
        "EXAMINE": examined,
        "UID SEARCH": searched,
        "UID FETCH": fetched,
    }


def _use(tool: Program, port: int, user: str | None = None, server: Dovecot | None = None) -> None:
    """Look for the mailbox at another port, or on another server."""
    text = {"port": f"port: {port}"}
    if user and server:
        server.user(user)
        text["ca_file"] = f"ca_file: {server.ca_file}"
    tool.configure(**text)


def _use_plaintext(tool: Program, port: int, **more: str) -> None:
    """Without TLS, so that the test can see what is said."""
    tool.configure(port=f"port: {port}", tls="tls: none", ca_file="ca_file: null", **more)


def _store_in(tool: Program, openbao: OpenBao, url: str | None = None) -> None:
    """Write to another Vault, as a role with the least rights."""
    openbao.policy("token-catcher", POLICY.read_text("utf-8"))
    role = openbao.approle("healing", "token-catcher")
    tool.secret("secret-id", role.secret_id)
    auth = f"auth: {{method: approle, role_id: {role.role_id}, secret_id: {{file: secret-id}}}}"
    tool.configure(address=f"address: {url or openbao.url}", auth=auth)


def _bad_days(
    tool: Program, resets: Resets, trouble: Callable[[Front], Callable[[], None]], wait: float = 20
) -> None:
    """Some resets while Vault has a bad day; all are stored, in order, soon after its end.

    Vault is not hammered."""
    with before(resets.openbao.url) as front:
        tool.configure(address=f"address: {front.url}")
        with tool.daemon() as daemon:
            resets.make_the_trip()
            over = trouble(front)
            front.asked.clear()
            resets.send(times=5)
            until(lambda: len(_events(daemon, "mail.pending")) >= 2, "the second try", wait)
            assert len(front.asked) < 30
            over()
            resets.arrive()
    resets.all_accounted_for()


@contextmanager
def _logging_through_a_pipe(tool: Program) -> Iterator[Daemon]:
    """A daemon whose log goes through a pipe, so that the log file is not its own."""
    log = tool.home / "daemon-piped.log"
    with log.open("wb") as stream:
        words = [COMMAND, "--config", str(tool.config), "run"]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        copying = subprocess.Popen(["cat"], stdin=process.stderr, stdout=stream)
        daemon = Daemon(process, log)
        try:
            daemon.ready()
            yield daemon
        finally:
            process.kill()
            process.wait()
            copying.wait()
            if process.stderr is not None:
                process.stderr.close()


@contextmanager
def _surrounded(tool: Program, *, ready: bool = True, **surroundings: str) -> Iterator[Daemon]:
    """A daemon in surroundings of the test's own."""
    log = tool.home / f"daemon-{len(list(tool.home.glob('daemon-*.log')))}.log"
    words = [sys.executable, "-m", "tests.system.surroundings", "--config", str(tool.config), "run"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stderr=stream, env=os.environ | surroundings, cwd=ROOT
        )
    daemon = Daemon(process, log)
    try:
        if ready:
            daemon.ready()
        yield daemon
    finally:
        process.kill()
        process.wait()


@contextmanager
def _no_room(pid: int) -> Iterator[None]:
    """No file of the process can grow: what a full disk does, without filling one."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


def _events(daemon: Daemon, name: str) -> list[dict[str, Any]]:
    return [event for event in daemon.events if event["event"] == name]


def _troubles(daemon: Daemon) -> list[dict[str, Any]]:
    """Of the watch itself, not of an idle listener."""
    return [event for event in _events(daemon, "mailbox.trouble") if "folder" not in event]


def _in_quotes(record: bytes) -> str:
    """As in a zone file: pieces of at most 255 bytes."""
    text = record.decode("ascii")
    return " ".join(f'"{text[start : start + 200]}"' for start in range(0, len(text), 200))
