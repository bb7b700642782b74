"""The pages of a running daemon: all is well, Vault is away, and what they never say."""

from __future__ import annotations

import json
import os
import shutil
import signal
from http.client import HTTPConnection
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.kit import mails
from tests.kit.locks import Holder
from tests.kit.program import Program
from tests.kit.servers import Dovecot, OpenBao, free_port, until
from tests.kit.waiting import PATIENCE
from tests.system.resets import Resets, records
from token_catcher.advice import NEXT_STEP

CANARY = "CanaryTOKENw7w6w5w4notREAL"
FORGED = "CanaryTOKENvForged3notREA"
PATHS = ("/livez", "/readyz", "/healthz", "/metrics", "/nothing", f"/{CANARY}")


class Site:
    """The pages at one port."""

    def __init__(self, tool: Program) -> None:
        self.port = free_port()
        tool.text += f"http: {{listen: '127.0.0.1:{self.port}'}}\n"
        tool.configure()

    def get(self, path: str) -> tuple[int, str]:
        """Status and body."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    @property
    def health(self) -> dict[str, Any]:
        """What /healthz says."""
        told: dict[str, Any] = json.loads(self.get("/healthz")[1])
        return told

    def sample(self, name: str, **labels: str) -> float | None:
        """The value of one metric; None: it is not there."""
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            for sample in family.samples:
                if sample.name == f"token_catcher_{name}" and sample.labels == labels:
                    return float(sample.value)
        return None


@pytest.fixture
def site(tool: Program) -> Site:
    """Of the tool, once it runs."""
    return Site(tool)


@pytest.fixture
def resets(tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str) -> Resets:
    """Of one user, over the shared servers."""
    return Resets(tool, dovecot, openbao, user, org)


def test_a_journal_that_was_tampered_with_shows_before_the_next_mail(
    tool: Program, site: Site, resets: Resets
) -> None:
    """In health, readiness and log, while nothing comes; put back, the next token is stored."""
    with tool.daemon() as daemon:
        resets.make_the_trip()
        file = tool.state / "journal.jsonl"
        good = file.read_bytes()
        file.write_bytes(b"")
        until(lambda: site.health["journal"]["trouble"] == "journal-broken", "the trouble")
        assert site.get("/readyz") == (503, "the journal cannot be used: journal-broken\n")
        assert daemon.says("journal.trouble", code="journal-broken")
        file.write_bytes(good)
        until(lambda: site.health["journal"]["trouble"] is None, "the journal to be usable")
        resets.make_the_trip()


@pytest.mark.parametrize(
    ("code", "mount", "text"),
    [
        ("vault-mount-path", "secret/data", "vault.mount: got secret/data, but the mount there"),
        ("vault-mount", "nosuch", "vault.mount: there is no mount nosuch"),
    ],
)
def test_a_mount_that_is_none_shows_at_the_start(
    tool: Program, site: Site, resets: Resets, code: str, mount: str, text: str
) -> None:
    """In health and once in the log, while no mail waits: what was stored before is looked for."""
    resets.send()
    assert tool("scan").code == 0
    tool.configure(mount=f"mount: {mount}")
    with tool.daemon() as daemon:
        until(lambda: site.health["vault"]["trouble"] == code, "the trouble")
        assert site.get("/healthz")[0] == 503
        [told] = [event for event in daemon.events if event["event"] == "vault.check_failed"]
    assert (told["level"], told["code"]) == ("warning", code)
    assert told["error"].startswith(text)


def test_a_token_of_vaults_that_ended_shows_at_the_start(
    tool: Program, site: Site, resets: Resets, openbao: OpenBao
) -> None:
    """In health and in the log, while no mail waits; so does a Vault that is not reached."""
    resets.send()
    assert tool("scan").code == 0
    token = openbao.token("default")
    openbao.revoke(token)
    tool.secret("ended", token)
    tool.configure(auth="auth: {method: token, token: {file: ended}}")
    with tool.daemon() as daemon:
        until(lambda: site.health["vault"]["trouble"] == "vault-login-token", "the trouble")
        assert daemon.says("vault.check_failed", code="vault-login-token", level="warning")
    tool.configure(address=f"address: http://127.0.0.1:{free_port()}")
    with tool.daemon() as daemon:
        until(lambda: site.health["vault"]["trouble"] == "vault-unreachable", "the trouble")
        assert site.health["status"] == "degraded"


def test_a_journal_that_a_stopped_process_keeps_shows(
    tool: Program, site: Site, resets: Resets
) -> None:
    """In health, readiness and log; a scan beside it names the process, and nothing waits for ever.

    Once the process is gone, the token that came meanwhile is stored."""
    journal = tool.state / "journal.jsonl"
    with tool.daemon() as daemon:
        resets.make_the_trip()
        holder = Holder(journal)
        holder.stop()
        resets.send()
        problem = (
            f"{journal}: got a lock that process {holder.pid} kept for 20 s, expected it to be free"
        )
        scan = tool("scan")
        assert (scan.code, scan.out) == (1, "")
        assert f"token-catcher: {problem}\nnext: {NEXT_STEP['journal-busy']}\n" in scan.err
        until(
            lambda: daemon.says("sweep.interrupted", code="journal-busy", error=problem),
            "the sweep to give up",
        )
        until(lambda: site.health["journal"]["trouble"] == "journal-busy", "the trouble")
        assert site.get("/livez") == (200, "alive\n")
        assert site.get("/readyz") == (503, "the journal cannot be used: journal-busy\n")
        holder.end()
        resets.arrive()
    assert not daemon.says("mailbox.replaced")


@pytest.mark.parametrize("way", ["create", "copytruncate"])
def test_a_journal_that_is_rotated_under_the_daemon_is_put_back(
    tool: Program, resets: Resets, way: str
) -> None:
    """Between two resets; a person's scan and `audit archive` beside it change nothing of that."""
    file = tool.state / "journal.jsonl"
    with tool.daemon() as daemon:
        resets.make_the_trip()
        assert tool("audit", "archive").code == 0
        resets.make_the_trip()
        if way == "create":
            file.rename(file.with_name("journal.jsonl.1"))
            file.touch(0o644)
        else:
            shutil.copy(file, file.with_name("journal.jsonl.1"))
            os.truncate(file, 0)
        resets.make_the_trip()
        assert tool("scan", "--again").code == 0
        resets.make_the_trip()
        told = [line for line in daemon.events if line["event"] == "journal.put_back"]
    assert [line["rotated_to"] for line in told] == ["journal.jsonl.1"]
    rows = tool("history", "--json").lines
    assert [row["event"] for row in rows] == ["rotation.stored"] * 4
    assert tool("audit", "verify").code == 0


def test_the_pages_tell_how_it_is(tool: Program, site: Site, resets: Resets) -> None:
    """Alive, ready, healthy; the numbers are those of the mail, and go on over a SIGHUP."""
    mailbox = {"mailbox": "integrations"}
    with tool.daemon() as daemon:
        resets.make_the_trip()
        resets.dovecot.deliver(mails.token_mail(issued_at=resets.began), resets.user)
        until(lambda: len(records(tool)) == 2, "the forgery's record")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: daemon.says("daemon.reloaded"), "the new configuration")
        resets.send()
        until(lambda: len(records(tool)) == 3, "the second reset")
        until(lambda: site.health["status"] == "ok", "all to be well")
        assert (site.get("/livez"), site.get("/readyz")) == ((200, "alive\n"), (200, "ready\n"))
        ours = {**mailbox, "org": resets.org}
        assert site.sample("outcomes_total", **ours, outcome="stored", reason="") == 2
        assert site.sample("outcomes_total", **ours, outcome="refused", reason="unsigned") == 1
        assert site.sample("mail_to_vault_seconds_count", **mailbox) == 2
        assert site.sample("mailbox_connected", **mailbox) == 1
        assert site.sample("pending_mails", **mailbox) == 0
        assert site.sample("journal_head_sequence") == 3
        assert (site.sample("vault_requests_total", operation="write", status="200") or 0) == 2
        assert (site.sample("vault_token_expiry_timestamp_seconds") or 0) > 1e9
        assert (site.sample("last_successful_sweep_timestamp_seconds", **mailbox) or 0) > 1e9
        assert (site.sample("shard_index"), site.sample("shard_count")) == (0, 1)


def test_a_sealed_vault_shows_and_kills_nothing(
    tool: Program, site: Site, dovecot: Dovecot, own_openbao: OpenBao, user: str, org: str
) -> None:
    """Alive and ready all the time; degraded until it is unsealed.

    With the trouble and the number of waiting mails."""
    resets = Resets(tool, dovecot, own_openbao, user, org)
    rules = 'path "*" { capabilities = ["create", "read", "update", "patch"] }'
    role = own_openbao.approle("web", own_openbao.policy("web", rules))
    tool.secret("secret-id", role.secret_id)
    auth = f"auth: {{method: approle, role_id: {role.role_id}, secret_id: {{file: secret-id}}}}"
    tool.configure(address=f"address: {own_openbao.url}", auth=auth)
    with tool.daemon():
        resets.make_the_trip()
        own_openbao.seal()
        resets.send(times=3)
        until(lambda: site.health["mailboxes"][0]["pending"] == 3, "the mails to wait")
        [mailbox] = site.health["mailboxes"]
        assert (mailbox["trouble"], mailbox["connected"]) == ("vault-sealed", True)
        assert site.get("/livez")[0] == 200
        assert site.get("/readyz")[0] == 200
        assert site.get("/healthz")[0] == 503
        own_openbao.unseal()
        resets.arrive()
        until(lambda: site.get("/healthz")[0] == 200, "all to be well again")


def test_the_canary_is_on_no_page(
    tool: Program, site: Site, dovecot: Dovecot, openbao: OpenBao, user: str, org: str
) -> None:
    """No token, no username, no password; not after signals, not after a crash.

    At the most talkative level of the log."""
    resets = Resets(tool, dovecot, openbao, user, org)
    tool.configure(log="log: {level: debug, format: json}")
    issued_at = resets.began
    seen = ""
    for end in (signal.SIGKILL, signal.SIGABRT, signal.SIGTERM):
        with tool.daemon() as daemon:
            dovecot.deliver(mails.genuine(token=CANARY, issued_at=issued_at), user)
            dovecot.deliver(mails.token_mail(token=FORGED, issued_at=issued_at), user)
            until(lambda: resets.newest == CANARY, "the canary in Vault")
            for number in (signal.SIGUSR1, signal.SIGHUP):
                daemon.process.send_signal(number)
            until(lambda daemon=daemon: daemon.says("daemon.reloaded"), "the signals to be heard")  # type: ignore[misc]
            seen += "".join(site.get(path)[1] for path in PATHS)
            daemon.end(end)
            seen += daemon.log.read_text("utf-8")
    state = [file.read_bytes() for file in tool.state.rglob("*") if file.is_file()]
    for secret in (CANARY, FORGED, dovecot.password, (tool.home / "secret-id").read_text().strip()):
        assert secret not in seen
        assert not any(secret.encode() in content for content in state)
    pages = "".join(line for line in seen.splitlines() if line.startswith(("token_catcher_", " ")))
    assert mails.USERNAME not in pages
