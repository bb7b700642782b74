"""`kill -9` of scans at random moments, against the real servers.

No token is lost, none is written twice, and each version has one `stored` record, whoever else
looks at the same mailbox: twins of one name, hosts whose names change, clocks that are days apart.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.kit import mails
from tests.kit.program import UNMEASURED, Program, program
from tests.kit.reverse import ReverseProxy
from tests.kit.scale import times
from tests.kit.scripted import HttpReply, HttpRequest
from tests.kit.servers import Dovecot, OpenBao
from tests.kit.waiting import PATIENCE
from tests.soak.kill import check_reconciled

ROUNDS = 5
BLOCKS = 2
"""Rounds are spread over this many tests, so that they can run beside each other."""
TWIN_ROUNDS = 2
DAY = 24 * 60 * 60
ROOT = Path(__file__).parents[2]


@pytest.mark.kill
@pytest.mark.parametrize("block", range(BLOCKS))
def test_scan_killed_at_random_moments(
    tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str, block: int
) -> None:
    """After each round of kill and restart every token is in Vault once, and recorded once."""
    tool.env |= UNMEASURED
    rounds = Rounds(tool, dovecot, openbao, user, org, random.Random(f"kill {block}"))
    rounds.scan()
    for _ in range(times(ROUNDS)):
        rounds.take()
    rounds.check_vault()
    rounds.check_journal()
    assert rounds.killed >= len(rounds.tokens) // 3, "the rounds hardly killed anything"


@dataclass(frozen=True)
class Others:
    """Who looks at the mailbox in a test of twins."""

    clocks: tuple[int, ...] = (0, 0)
    """Of each state directory, how many seconds its clock is ahead; as many scans run at once."""
    renamed: bool = False
    """Each start has another host name, as a container has."""
    shared: bool = False
    """All of them have one state directory."""
    versions: int = 10
    """How many versions the secret keeps."""
    passwords: bool = False
    """Somebody changes the password after each kill."""


TWINS = {
    "of one name": Others(),
    "with other host names": Others(clocks=(0,), renamed=True),
    "with clocks off by a day": Others(clocks=(DAY, -DAY)),
    "on one state directory": Others(shared=True),
    "beside a person, one version kept": Others(versions=1, passwords=True),
}


@pytest.mark.kill
@pytest.mark.parametrize("others", TWINS.values(), ids=TWINS)
def test_twins_killed_at_random_moments(
    tmp_path: Path, dovecot: Dovecot, openbao: OpenBao, user: str, org: str, others: Others
) -> None:
    """Over all journals exactly one `stored` record of each version that holds a new token."""
    tools = [
        surrounded(program(tmp_path / f"twin-{number}", dovecot, openbao, user, org), ahead)
        for number, ahead in enumerate(others.clocks)
    ]
    if others.shared:
        tools = [tools[0]] * len(tools)
    with DeadlyProxy(openbao.url, {}) as proxy:
        rounds = Twins(
            tools[0], dovecot, openbao, user, org, random.Random(org), tools, others, proxy
        )
        openbao.settings(rounds.path, max_versions=others.versions)
        rounds.scan()
        for _ in range(times(TWIN_ROUNDS)):
            rounds.take()
    rounds.check_stored()
    for tool in rounds.tools:
        rounds.check_one_record_a_mail(tool)
    assert rounds.killed >= len(rounds.tokens), "the rounds hardly killed anything"


def surrounded(tool: Program, ahead: int) -> Program:
    """The program with its clock so many seconds ahead of the true time."""
    if not ahead:
        return tool
    clock = tool.home / "clock"
    clock.write_text(str(ahead), "ascii")
    tool.command = (sys.executable, "-m", "tests.system.surroundings")
    tool.env |= {"SURROUNDINGS_CLOCK": str(clock), "PYTHONPATH": str(ROOT)}
    return tool


class DeadlyProxy(ReverseProxy):
    """In front of Vault: once that has taken a write, whoever looks is killed before the answer."""

    victims: Sequence[subprocess.Popen[bytes]] = ()

    def reply(self, request: HttpRequest) -> HttpReply:
        reply = super().reply(request)
        if request.method in ("POST", "PATCH") and "/data/" in request.path:
            for victim in self.victims:
                victim.kill()
        return reply


@dataclass
class Rounds:
    """A token and a forgery come, a scan or two are killed, and one runs to its end."""

    tool: Program
    dovecot: Dovecot
    openbao: OpenBao
    user: str
    org: str
    rng: random.Random
    tokens: list[str] = field(default_factory=list, kw_only=True)
    """In order: each must become a version."""
    killed: int = field(default=0, kw_only=True)
    """Scans that had not ended by themselves."""
    lifetime: float = field(default=0.0, kw_only=True)
    """Seconds that the last whole scan took, here and now: kills are spread over it."""
    began: datetime = field(
        default_factory=lambda: datetime.now(UTC).replace(microsecond=0), kw_only=True
    )

    @property
    def path(self) -> str:
        """Where the tokens belong."""
        return f"salesforce/{self.org}/{mails.USERNAME}"

    def take(self) -> None:
        """One round; at its end the newest token is in Vault, and the journals agree with it."""
        self._deliver()
        self._kill_a_scan()
        if self.rng.random() < 0.5:
            self._kill_a_scan()
        self.scan()
        secret = self.openbao.get(self.path)
        assert secret is not None
        assert secret["security_token"] == self.tokens[-1]
        self.reconcile()

    def reconcile(self) -> None:
        """Nothing is found by whoever looked at the mailbox."""
        check_reconciled(self.tool)

    def scan(self) -> None:
        """A scan that nobody kills."""
        began = time.monotonic()
        assert self.tool("scan").code == 0
        self.lifetime = time.monotonic() - began

    def check_vault(self) -> None:
        """Each token is one version, in order; the ten last ones are kept."""
        versions = sorted(self.openbao.versions(self.path))
        kept = [self.openbao.get(self.path, version) for version in versions]
        stored = [secret["security_token"] for secret in kept if secret]
        assert stored == self.tokens[-len(versions) :]
        assert max(versions) == len(self.tokens), "a token was written twice"

    def check_journal(self) -> None:
        """Each version has its record, each forgery one, and the chain is intact."""
        stored = []
        refused = []
        for record in self.tool.journal:
            if record["event"] == "rotation.stored":
                stored.append((record["version"], record["fingerprint"]))
            elif record["event"] == "rotation.refused":
                refused.append(record["mail"])
        assert stored == list(enumerate(map(mails.fingerprint, self.tokens), 1))
        assert len(refused) == len(set(refused)) == len(self.tokens)
        assert self.tool("audit", "verify").code == 0

    def _deliver(self) -> None:
        number = len(self.tokens)
        token = mails.token(number)
        issued_at = self.began + timedelta(minutes=number, hours=-20)
        folder = self.rng.choice(["INBOX", "Junk"])
        self.dovecot.deliver(mails.genuine(token=token, issued_at=issued_at), self.user, folder)
        # For a user of no org: one that may be genuine would make the scan fail.
        forged = mails.token_mail("x@else.example", token=token[::-1], issued_at=issued_at)
        self.dovecot.deliver(forged, self.user)
        self.tokens.append(token)

    def _kill_a_scan(self) -> None:
        process = self.tool.start("scan")
        self._kill(process, self.lifetime * self.rng.uniform(0.3, 1.1))

    def _kill(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        """After so many seconds, unless it has ended by itself."""
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self.killed += 1


@dataclass
class Twins(Rounds):
    """The same rounds, with several scans at once."""

    tools: list[Program]
    others: Others
    proxy: DeadlyProxy
    _starts: int = field(default=0, kw_only=True)
    _struck: int = field(default=0, kw_only=True)
    """How many tokens had come when all were killed at a write."""

    def scan(self) -> None:
        """Scans that nobody kills, one after the other."""
        began = time.monotonic()
        for tool in self.tools:
            self._configure(tool)
            assert tool("scan").code == 0
        self.lifetime = (time.monotonic() - began) / len(self.tools)

    def reconcile(self) -> None:
        for tool in {tool.state: tool for tool in self.tools}.values():
            check_reconciled(tool)

    def check_stored(self) -> None:
        """Over all journals, each token became one version, in order; the newest is there."""
        stored = [
            (record["version"], record["fingerprint"])
            for journal in {tool.state: tool.journal for tool in self.tools}.values()
            for record in journal
            if record["event"] == "rotation.stored"
        ]
        assert [fingerprint for _, fingerprint in sorted(stored)] == list(
            map(mails.fingerprint, self.tokens)
        )
        versions = [version for version, _ in sorted(stored)]
        if not self.others.passwords:
            assert versions == list(range(1, len(self.tokens) + 1))
        assert len(versions) == len(set(versions))

    def check_one_record_a_mail(self, tool: Program) -> None:
        """Each journal has one record of every mail, and is intact."""
        digests = Counter(record["mail"] for record in tool.journal)
        assert sorted(digests.values()) == [1] * (2 * len(self.tokens))
        assert tool("audit", "verify").code == 0

    def _kill_a_scan(self) -> None:
        """Kill all that run: at the write of a new token, then each at a moment of its own."""
        processes = [self._started(tool) for tool in self.tools]
        if self._struck < len(self.tokens):
            self._struck = len(self.tokens)
            self.proxy.victims = processes
            for process in processes:
                self.killed += process.wait(PATIENCE) == -signal.SIGKILL
            self.proxy.victims = ()
        else:
            for process in processes:
                self._kill(process, self.lifetime * self.rng.uniform(0.2, 1.0))
        if self.others.passwords and self.openbao.get(self.path) is not None:
            self.openbao.merge(self.path, {"password": str(self.rng.random())})

    def _started(self, tool: Program) -> subprocess.Popen[bytes]:
        self._configure(tool)
        return tool.start("scan")

    def _configure(self, tool: Program) -> None:
        """Through the proxy; where that is asked for, with the host name of a new container."""
        instance = "instance: test"
        if self.others.renamed:
            self._starts += 1
            instance = f"instance: host-{self._starts}"
        tool.configure(address=f"address: {self.proxy.url}", instance=instance)
