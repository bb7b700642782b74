"""`kill -9` of two daemons of one name at random moments, under a stream of resets, forgeries and
late mails."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

from tests.kit import mails
from tests.kit.program import UNMEASURED, Daemon, Program, program
from tests.kit.servers import Dovecot, OpenBao, until
from tests.system.resets import records

USERS = {"one@acme.example": "INBOX", "two@acme.example": "INBOX", "three@acme.example": "Junk"}
"""Whose resets, and the folder in which all of one user's arrive: within it they are in order."""
KINDS = {"reset": 6, "late": 2, "forged": 2}
"""What the stream consists of, by weight."""
PAUSE = (0.05, 0.4)
"""Seconds between two mails of the stream."""


@dataclass
class Stream:
    """Sends mail until it is told to stop, and knows what must become of each."""

    dovecot: Dovecot
    user: str
    rng: random.Random
    resets: dict[str, list[str]] = field(default_factory=lambda: {user: [] for user in USERS})
    """In order: the newest must be in Vault in the end, and none after a newer one."""
    late: list[str] = field(default_factory=list)
    """Genuine, of a Date before the newest: none may become a version."""
    forged: int = 0
    began: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    _ending: threading.Event = field(default_factory=threading.Event)
    _seconds: int = 0

    def run(self) -> None:
        """Until the end of `running`."""
        while not self._ending.is_set():
            username = self.rng.choice(list(USERS))
            (kind,) = self.rng.choices(list(KINDS), list(KINDS.values()))
            self.dovecot.deliver(self._mail(kind, username), self.user, USERS[username])
            self._ending.wait(self.rng.uniform(*PAUSE))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send while the block runs; ends after the mail in hand."""
        sending = threading.Thread(target=self.run)
        sending.start()
        try:
            yield
        finally:
            self._ending.set()
            sending.join()

    @property
    def sent(self) -> int:
        """All that claims a token."""
        return sum(map(len, self.resets.values())) + len(self.late) + self.forged

    def _mail(self, kind: str, username: str) -> bytes:
        self._seconds += 1
        token = mails.token(self._seconds)
        issued_at = self.began + timedelta(seconds=self._seconds, hours=-19)
        if kind == "late" and self.resets[username]:
            self.late.append(token)
            return mails.genuine(username, token, issued_at=issued_at - timedelta(hours=1))
        genuine = mails.genuine(username, token, issued_at=issued_at)
        if kind == "forged":
            self.forged += 1
            return genuine.replace(token.encode(), token[::-1].encode())
        self.resets[username].append(token)
        return genuine


def kill_in_a_stream(
    home: Path, dovecot: Dovecot, openbao: OpenBao, rounds: int, *, org: str = "soak", seed: int = 1
) -> str:
    """Kill and restart so many times, let them run to their end, and compare. Returns the
    figures."""
    rng = random.Random(seed)
    user = f"{org}@example.com"
    twins = [program(home / name, dovecot, openbao, user, org) for name in ("tool", "twin")]
    for tool in twins:
        tool.env |= UNMEASURED
    start_up = _start_up(twins[0])
    stream = Stream(dovecot, user, rng)
    began = time.monotonic()
    ready = 0
    with stream.running():
        for _ in range(rounds):
            ready += _killed_round(twins, rng.uniform(0.5 * start_up, start_up + 2.5))
    for tool in twins:
        _run_to_the_end(tool, stream)
    _check_vault(twins, openbao, org, stream)
    for tool in twins:
        _check_journal(tool, stream)
        check_reconciled(tool)
    seconds = time.monotonic() - began
    return (
        f"{rounds} rounds of kill -9 of two daemons in {seconds:.0f} s, {ready} of the daemons"
        f" after their first look; {_figures(twins, stream)}"
    )


def _run_to_the_end(tool: Program, stream: Stream) -> None:
    with tool.daemon() as daemon:
        until(lambda: len(records(tool)) >= stream.sent, "every mail to have its record")
        assert daemon.end() == 0


def _figures(twins: Sequence[Program], stream: Stream) -> str:
    journals = [record for tool in twins for record in records(tool)]
    kinds = Counter(record["event"].removeprefix("rotation.") for record in journals)
    recovered = sum(record.get("recovered", False) for record in journals)
    return (
        f"{stream.sent} mails, in two journals: {dict(sorted(kinds.items()))},"
        f" {recovered} versions recorded after a crash;"
        " nothing lost, nothing twice, newest wins, the journals are intact"
    )


def _start_up(tool: Program) -> float:
    """Seconds until the daemon is ready, here and now: kills are spread over it."""
    began = time.monotonic()
    with tool.daemon():
        return time.monotonic() - began


def _killed_round(twins: Sequence[Program], seconds: float) -> int:
    """One life of the daemons. How many were ready before their end."""
    with ExitStack() as running:
        daemons = [running.enter_context(tool.daemon(ready=False)) for tool in twins]
        time.sleep(seconds)
        return sum(map(_killed, daemons))


def _killed(daemon: Daemon) -> bool:
    """Kill it. Whether it was ready before."""
    # A daemon that ended by itself would make the round prove nothing.
    assert daemon.process.poll() is None, daemon.log.read_text("utf-8")
    daemon.end(signal.SIGKILL)
    ready = daemon.says("daemon.ready")
    daemon.log.unlink()
    return ready


def _check_vault(twins: Sequence[Program], openbao: OpenBao, org: str, stream: Stream) -> None:
    """The newest reset of each user is there; what became a version did so in order, and each
    version has one `stored` record over all journals. A token may have been dead before it was
    looked at: none is written then."""
    journals = [record for tool in twins for record in records(tool)]
    for username, tokens in stream.resets.items():
        path = f"salesforce/{org}/{username}"
        stored = []
        for record in journals:
            if record["event"] == "rotation.stored" and record["path"] == path:
                stored.append((record["version"], record["fingerprint"]))
        stored.sort()
        written = [fingerprint for _, fingerprint in stored]
        resets = list(map(mails.fingerprint, tokens))
        assert [number for number, _ in stored] == list(range(1, len(stored) + 1)), username
        assert written == [fingerprint for fingerprint in resets if fingerprint in written], (
            username
        )
        assert written[-1:] == resets[-1:], username
        numbers = sorted(openbao.versions(path))
        # Vault keeps the ten last versions; of those before, it still knows the number.
        secrets = [openbao.get(path, number) or {} for number in numbers]
        kept = [mails.fingerprint(secret["security_token"]) for secret in secrets]
        assert kept == written[-len(kept) :], username
        assert (numbers or [0])[-1] == len(written), username


def check_reconciled(tool: Program) -> None:
    """The journal agrees with Vault: what the twin wrote, our own journal proves."""
    done = tool("audit", "reconcile", "--json")
    assert (done.code, [line for line in done.lines if line["kind"] != "note"]) == (0, [])


def _check_journal(tool: Program, stream: Stream) -> None:
    """Each mail has one record, of the outcome that it deserves, and the chain is intact."""
    journal = records(tool)
    digests = {record["mail"] for record in journal}
    assert len(digests) == len(journal), "a mail has two records"
    assert len(journal) == stream.sent
    ends = {record["fingerprint"]: record for record in journal if "fingerprint" in record}
    for token in stream.late:
        late = ends[mails.fingerprint(token)]
        assert (late["event"], late["reason"]) == ("rotation.unchanged", "stale")
    # What the twin stored is unchanged here: the same token, or an older one by now.
    for token in chain.from_iterable(stream.resets.values()):
        assert ends[mails.fingerprint(token)]["event"] in ("rotation.stored", "rotation.unchanged")
    refused = sum(record["event"] == "rotation.refused" for record in journal)
    assert refused == stream.forged
    assert tool("audit", "verify").code == 0
