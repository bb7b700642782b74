"""`kill -9` of the daemon at random moments, under a steady stream of resets, forgeries and late old mails."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.kit import mails
from tests.kit.program import Program, program
from tests.kit.servers import Dovecot, OpenBao, until
from tests.system.resets import records
from token_catcher.model import Token

USERS = {"one@acme.example": "INBOX", "two@acme.example": "INBOX", "three@acme.example": "Junk"}
"""Whose resets, and the folder in which all of one user's arrive: within a folder mail is taken in order."""
PAUSE = (0.05, 0.4)
"""Seconds between two mails of the stream."""


@dataclass
class Stream:
    """Sends mail until it is told to stop, and knows what must become of each."""

    dovecot: Dovecot
    user: str
    rng: random.Random
    resets: dict[str, list[str]] = field(default_factory=lambda: {user: [] for user in USERS})
    """In order: each must become a version."""
    late: list[str] = field(default_factory=list)
    """Genuine, of a Date before the newest: none may become a version."""
    forged: int = 0
    began: datetime = field(
        default_factory=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(hours=20)
    )
    _ending: threading.Event = field(default_factory=threading.Event)
    _seconds: int = 3600

    def run(self) -> None:
        """Until `stop`."""
        while not self._ending.is_set():
            username = self.rng.choice(list(USERS))
            kind = self.rng.choices(("reset", "late", "forged"), (6, 2, 2))[0]
            self.dovecot.deliver(self._mail(kind, username), self.user, USERS[username])
            self._ending.wait(self.rng.uniform(*PAUSE))

    def stop(self) -> None:
        """After the mail in hand."""
        self._ending.set()

    @property
    def sent(self) -> int:
        """All that claims a token."""
        return sum(map(len, self.resets.values())) + len(self.late) + self.forged

    def _mail(self, kind: str, username: str) -> bytes:
        self._seconds += 1
        token = mails.token(self._seconds)
        issued_at = self.began + timedelta(seconds=self._seconds)
        if kind == "late" and self.resets[username]:
            self.late.append(token)
            return mails.genuine(username, token, issued_at=issued_at - timedelta(hours=1))
        if kind == "forged":
            self.forged += 1
            return mails.genuine(username, token, issued_at=issued_at).replace(
                token.encode(), token[::-1].encode()
            )
        self.resets[username].append(token)
        return mails.genuine(username, token, issued_at=issued_at)


def kill_in_a_stream(
    home: Path, dovecot: Dovecot, openbao: OpenBao, rounds: int, *, org: str = "soak", seed: int = 1
) -> str:
    """Kill and restart so many times, then let it run to its end and compare. Returns the figures."""
    rng = random.Random(seed)
    user = f"{org}@example.com"
    tool = program(home / "tool", dovecot, openbao, user, org)
    start_up = _start_up(tool)
    stream = Stream(dovecot, user, rng)
    sending = threading.Thread(target=stream.run)
    sending.start()
    began = time.monotonic()
    try:
        ready = sum(
            _killed_round(tool, rng.uniform(0.5 * start_up, start_up + 2.5)) for _ in range(rounds)
        )
    finally:
        stream.stop()
        sending.join()
    with tool.daemon() as daemon:
        until(lambda: len(records(tool)) >= stream.sent, "every mail to have its record", 60)
        assert daemon.end() == 0
    _check(tool, openbao, org, stream)
    kinds = Counter(one["event"].removeprefix("rotation.") for one in records(tool))
    recovered = sum(one.get("recovered", False) for one in records(tool))
    return (
        f"{rounds} rounds of kill -9 in {time.monotonic() - began:.0f} s, {ready} of them after the first look;"
        f" {stream.sent} mails: {dict(sorted(kinds.items()))}, {recovered} versions recorded after a crash;"
        " nothing lost, nothing twice, newest wins, the journal is intact"
    )


def _start_up(tool: Program) -> float:
    """Seconds until the daemon is ready, here and now: kills are spread over it."""
    began = time.monotonic()
    with tool.daemon():
        return time.monotonic() - began


def _killed_round(tool: Program, seconds: float) -> bool:
    """One life of the daemon. Whether it was ready before its end."""
    with tool.daemon(ready=False) as daemon:
        time.sleep(seconds)
        assert daemon.process.poll() is None, daemon.log.read_text("utf-8")
        daemon.end(signal.SIGKILL)
        ready = daemon.says("daemon.ready")
    daemon.log.unlink()
    return ready


def _check(tool: Program, openbao: OpenBao, org: str, stream: Stream) -> None:
    told = records(tool)
    assert Counter(one["mail"] for one in told).most_common(1)[0][1] == 1, "a mail has two records"
    for username, tokens in stream.resets.items():
        path = f"salesforce/{org}/{username}"
        numbers = sorted(openbao.versions(path))
        kept = [(openbao.get(path, number) or {})["security_token"] for number in numbers]
        assert kept == tokens[-len(kept) :], (
            f"{username}: every reset is a version, in order, and nothing else is"
        )
        assert (numbers or [0])[-1] == len(tokens), f"{username}: as many versions as resets"
        stored = [one for one in told if one["event"] == "rotation.stored" and one["path"] == path]
        assert [one["fingerprint"] for one in stored] == [
            Token(token).fingerprint for token in tokens
        ]
        assert [one["version"] for one in stored] == list(range(1, len(tokens) + 1))
    ends = Counter((one["event"], one.get("reason")) for one in told)
    assert ends["rotation.unchanged", "stale"] == len(stream.late)
    assert (
        sum(count for (event, _), count in ends.items() if event == "rotation.refused")
        == stream.forged
    )
    assert len(told) == stream.sent
    assert tool("audit", "verify").code == 0
