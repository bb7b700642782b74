"""Resets of one user, as Salesforce would send them, and their way to Vault."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from tests.kit import mails
from tests.kit.program import Program
from tests.kit.servers import Dovecot, OpenBao, until
from tests.kit.waiting import PATIENCE


def records(tool: Program) -> list[dict[str, Any]]:
    """What the journal has of mails so far."""
    return [record for record in tool.journal if record["event"].startswith("rotation.")]


def _hours_ago(hours: int) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(hours=hours)


@dataclass
class Resets:
    """One program, one mailbox, one Vault, and the tokens on their way between them."""

    tool: Program
    dovecot: Dovecot
    openbao: OpenBao
    user: str
    org: str
    username: str = mails.USERNAME
    sent: list[str] = field(default_factory=list)
    began: datetime = field(default_factory=partial(_hours_ago, 2))

    @property
    def path(self) -> str:
        """Where they belong."""
        return f"salesforce/{self.org}/{self.username}"

    def mail(self) -> bytes:
        """The next reset: issued one second after the last one."""
        self.sent.append(mails.token(len(self.sent)))
        issued_at = self.began + timedelta(seconds=len(self.sent))
        return mails.genuine(self.username, self.sent[-1], issued_at=issued_at)

    def send(self, folder: str = "INBOX", times: int = 1) -> None:
        """Deliver by LMTP."""
        for _ in range(times):
            self.dovecot.deliver(self.mail(), self.user, folder)

    def arrive(self, within: float = PATIENCE) -> None:
        """Wait until the newest token is in Vault, for so many seconds, and all are recorded.

        It is the latest version. Of the tokens before it, one is a version where it was not dead
        yet when it was looked at, and no other is; each once, in order."""
        number = len(self.sent)
        until(lambda: self.newest == self.sent[-1], f"token {number} to reach Vault", within)
        until(lambda: len(records(self.tool)) >= number, f"record {number}")
        versions = sorted(self.openbao.versions(self.path))
        kept = [self._token(version) for version in versions]
        assert kept == [token for token in self.sent if token in kept], "each once, in order"

    def make_the_trip(self, folder: str = "INBOX", within: float = PATIENCE) -> None:
        """One more, sent and awaited."""
        self.send(folder)
        self.arrive(within)

    @property
    def newest(self) -> str | None:
        """The token that Vault has now."""
        return self._token(0)

    def _token(self, version: int) -> str | None:
        secret = self.openbao.get(self.path, version) or {}
        return secret.get("security_token")

    def all_accounted_for(self) -> None:
        """Each has its one record, and the journal is whole."""
        fingerprints = list(map(mails.fingerprint, self.sent))
        assert sorted(record["fingerprint"] for record in self.tool.journal) == sorted(fingerprints)
        assert set(self.tool.outcomes) <= {("stored", None), ("unchanged", "stale")}
        stored = self._stored()
        assert stored == [fingerprint for fingerprint in fingerprints if fingerprint in stored]
        assert stored[-1] == fingerprints[-1]
        assert self.tool("audit", "verify").code == 0

    def _stored(self) -> list[str]:
        """The fingerprints of the versions that the journal tells of, in order."""
        stored = []
        for record in self.tool.journal:
            if record["event"] == "rotation.stored":
                stored.append((record["version"], record["fingerprint"]))
        assert [version for version, _ in sorted(stored)] == list(range(1, len(stored) + 1))
        return [fingerprint for _, fingerprint in sorted(stored)]
