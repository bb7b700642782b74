"""`token-catcher run` against the real servers: mail to Vault, signals, readiness, two of them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.kit import mails
from tests.kit.program import Program, program
from tests.kit.servers import Dovecot, OpenBao, until
from tests.system.front import before
from tests.system.resets import Resets, records


@pytest.fixture
def resets(tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str) -> Resets:
    """Of one user, over the shared servers."""
    return Resets(tool, dovecot, openbao, user, org)


def test_from_mail_to_vault_in_a_second(tool: Program, resets: Resets) -> None:
    """By IDLE, from the inbox and, once its connection is there, from the spam folder.

    Flags and other mail are untouched."""
    with tool.daemon() as daemon:
        for _ in range(3):
            resets.make_the_trip()
        until(lambda: daemon.says("mailbox.connected", folder="Junk"), "the second connection")
        for folder in ("Junk", "INBOX", "Junk"):
            resets.make_the_trip(folder)
        assert daemon.end() == 0
    resets.all_accounted_for()
    assert set(map(frozenset, resets.dovecot.flags("INBOX", resets.user).values())) == {frozenset()}


def test_what_came_while_nobody_looked_is_caught_at_the_start(
    tool: Program, resets: Resets
) -> None:
    """In order, before the daemon says that it is ready."""
    resets.send(times=3)
    with tool.daemon():
        resets.arrive()
    resets.all_accounted_for()


def test_it_warns_of_orgs_that_are_not_pinned(tool: Program, org: str) -> None:
    """Until `org_id` is set, whoever's mail comes first is believed: told at every start."""
    with tool.daemon() as daemon:
        assert daemon.says("trust.org_not_pinned", level="warning", orgs=[org, f"{org}-uat"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_leaves_when_told_to(tool: Program, resets: Resets, number: signal.Signals) -> None:
    """Between two mails of a backlog; the next start takes the rest, and nothing comes twice."""
    resets.send(times=40)
    with tool.daemon(ready=False) as daemon:
        until(lambda: len(records(tool)) >= 2, "the backlog to be begun")
        assert daemon.end(number) == 0
    with tool.daemon():
        resets.arrive()
    resets.all_accounted_for()


def test_it_leaves_a_vault_that_hangs(tool: Program, resets: Resets) -> None:
    """Whatever waits for it is left behind; the mail is found again."""
    with before(resets.openbao.url) as front:
        tool.configure(address=f"address: {front.url}")
        front.answering.clear()
        resets.send()
        with tool.daemon(ready=False) as daemon:
            until(lambda: front.asked, "the daemon to wait for Vault")
            until(lambda: daemon.says("mailbox.connected"), "the mailbox")
            assert daemon.end() == 0
        front.answering.set()
        with tool.daemon():
            resets.arrive()
    resets.all_accounted_for()


def test_a_scan_beside_the_daemon(tool: Program, resets: Resets) -> None:
    """Is safe: both look, and every token has one version and one record."""
    with tool.daemon():
        for _ in range(4):
            resets.send()
            assert tool("scan").code == 0
        resets.arrive()
    resets.all_accounted_for()


def test_sigusr1_looks_now(tool: Program, resets: Resets) -> None:
    """Without IDLE, and with the schedule an hour away."""
    tool.configure(idle="idle: false", poll="poll: 1h")
    with tool.daemon() as daemon:
        resets.send()
        daemon.process.send_signal(signal.SIGUSR1)
        resets.arrive()


def test_the_schedule_is_the_safety_net(tool: Program, resets: Resets) -> None:
    """Without IDLE, every `poll`."""
    tool.configure(idle="idle: false", poll="poll: 1s")
    with tool.daemon():
        resets.make_the_trip()
        resets.make_the_trip("Junk")


def test_sighup_reads_the_configuration_again(tool: Program, resets: Resets) -> None:
    """A broken one is refused and the old kept; a valid one is taken; no mail is missed."""
    with tool.daemon() as daemon:
        tool.config.write_text("mailboxes: []\nnonsense: true\n")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: daemon.says("daemon.reload_refused"), "the refusal")
        resets.make_the_trip()
        tool.configure(name="- name: renamed")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: daemon.says("daemon.reloaded", mailboxes=["renamed"]), "the new one")
        until(lambda: daemon.says("mailbox.connected", mailbox="renamed"), "the new watch")
        resets.make_the_trip()
        assert daemon.end() == 0


def test_a_second_daemon_on_one_state_directory_refuses_to_start(tool: Program) -> None:
    """With one clear message and exit code 1; the first is not disturbed."""
    with tool.daemon() as first:
        second = tool("run")
        assert second.code == 1
        assert "another daemon runs on this state directory" in second.err
        assert first.process.poll() is None


def test_two_daemons_on_one_mailbox(
    tmp_path: Path,
    tool: Program,
    resets: Resets,
    dovecot: Dovecot,
    openbao: OpenBao,
    user: str,
    org: str,
) -> None:
    """Vault is the arbiter: one version a token.

    Each journal has one record of each, and together they have one `stored`."""
    other = program(tmp_path / "other", dovecot, openbao, user, org, instance="other")
    with tool.daemon(), other.daemon():
        for _ in range(5):
            resets.make_the_trip()
        until(lambda: len(records(tool)) == len(records(other)) == 5, "both to see all")
    both = [sorted(pair) for pair in zip(tool.outcomes, other.outcomes, strict=True)]
    assert both == [[("stored", None), ("unchanged", "same-token")]] * 5


def test_a_killed_daemon_starts_again_by_itself(tool: Program, resets: Resets) -> None:
    """`kill -9` leaves no lock and nothing half-done behind."""
    for _ in range(2):
        with tool.daemon() as daemon:
            resets.make_the_trip()
            resets.send()
            daemon.end(signal.SIGKILL)
    with tool.daemon():
        resets.arrive()
    resets.all_accounted_for()


def test_idle_costs_next_to_nothing(tool: Program, dovecot: Dovecot, user: str) -> None:
    """Ten seconds of both connections listening cost less than a twentieth of the start did.

    That is 0.5 % of a core, on a machine where the start takes a second of one."""
    dovecot.deliver(mails.token_mail(subject="Welcome", body="Hello.\n"), user)
    with tool.daemon() as daemon:
        until(lambda: daemon.says("mailbox.connected", folder="Junk"), "the second connection")
        started = _cpu_seconds(daemon.process.pid)
        began = time.monotonic()
        until(lambda: time.monotonic() - began > 10, "ten seconds to pass")
        assert _cpu_seconds(daemon.process.pid) - started < started / 20


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
