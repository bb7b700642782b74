"""`kill -9` of a scan at random moments, against the real servers.

No token is lost, none is written twice.
"""

from __future__ import annotations

import random
import subprocess
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from tests.kit import mails
from tests.kit.program import UNMEASURED, Program
from tests.kit.scale import times
from tests.kit.servers import Dovecot, OpenBao

ROUNDS = 5
BLOCKS = 2
"""Rounds are spread over this many tests, so that they can run beside each other."""


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


@dataclass
class Rounds:
    """A token and a forgery come, a scan or two are killed, and one runs to its end."""

    tool: Program
    dovecot: Dovecot
    openbao: OpenBao
    user: str
    org: str
    rng: random.Random
    tokens: list[str] = field(default_factory=list)
    """In order: each must become a version."""
    killed: int = 0
    """Scans that had not ended by themselves."""
    lifetime: float = 0.0
    """Seconds that the last whole scan took, here and now: kills are spread over it."""
    began: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    @property
    def path(self) -> str:
        """Where the tokens belong."""
        return f"salesforce/{self.org}/{mails.USERNAME}"

    def take(self) -> None:
        """One round; at its end the newest token is in Vault."""
        self._deliver()
        self._kill_a_scan()
        if self.rng.random() < 0.5:
            self._kill_a_scan()
        self.scan()
        secret = self.openbao.get(self.path)
        assert secret is not None
        assert secret["security_token"] == self.tokens[-1]

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
        forged = mails.token_mail(token=token[::-1], issued_at=issued_at)
        self.dovecot.deliver(forged, self.user)
        self.tokens.append(token)

    def _kill_a_scan(self) -> None:
        process = self.tool.start("scan")
        try:
            process.wait(self.lifetime * self.rng.uniform(0.3, 1.1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self.killed += 1
