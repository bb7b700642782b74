"""What is nearest to this program, beside it: from a mail's delivery to its token, pairs of mails
shortly after one another, and a scan.

The peers read a token and are done; ours has it in Vault by then. All watch at once, each a mailbox
of its own, over a line with 80 ms of round trip, and get their mails at moments of chance.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from tests.bench.machine import ROOT
from tests.bench.servers import Servers, servers
from tests.bench.table import Row, amount, at_least, at_most
from tests.kit import mails
from tests.kit.proxy import TcpProxy

PYTHON = ROOT / ".venv-peers" / "bin" / "python"
"""Of the environment that `make bench` makes for them."""
DRIVER = ROOT / "tests" / "bench" / "by_peers.py"
OURS = "token-catcher"
WATCHERS = (
    "imaplar",
    "mailsuite",
    "imap-tools",
    "aioimaplib",
    "imapclient",
    "email-code-finder",
    "imap-reader",
    "getmail6",
)
HALF_A_ROUND_TRIP = 0.04
PAIRS = amount(40, quick=1)
APART = (0.45, 1.0)
"""Seconds between the two mails of a pair."""
WITHIN = 5.0
"""Seconds after which a mail counts as lost."""
REST = (1.0, 3.0)
"""Seconds between two pairs."""
AHEAD = (at_least("ratio", 1), at_least("p95_ratio", 1))
"""Of a peer's row, whose reference is ours."""


@dataclass
class Contender:
    """One that watches a mailbox."""

    name: str
    deliver: Callable[[bytes], None]
    read_at: Callable[[int], float | None]
    """When the token of this number was read, in seconds since 1970; None: not yet."""
    milliseconds: list[float] = field(default_factory=list)
    """Of each mail; one that is lost counts as read when we gave up."""
    lost: int = 0
    """Second mails."""

    def send_pairs(self) -> None:
        """All pairs; before that, mails until it watches."""
        rng = random.Random(self.name)
        number = 0
        while not self._is_read(number):
            number += 1
            self._send(number)
        for first in range(number + 1, number + 1 + 2 * PAIRS, 2):
            time.sleep(rng.uniform(*REST))
            sent = [self._send(first)]
            time.sleep(rng.uniform(*APART))
            sent.append(self._send(first + 1))
            self.lost += not self._is_read(first + 1)
            self._is_read(first)  # some read the newest first
            for mail, at in enumerate(sent, first):
                self.milliseconds.append(self._took(mail, at) * 1000)

    def _send(self, number: int) -> float:
        """Returns when it was delivered."""
        now = datetime.now(UTC).replace(microsecond=0)
        self.deliver(mails.genuine(user_of(number), mails.token(number), issued_at=now))
        return time.time()

    def _is_read(self, number: int) -> bool:
        """In time."""
        deadline = time.monotonic() + WITHIN
        while number and time.monotonic() < deadline:
            if self.read_at(number) is not None:
                return True
            time.sleep(0.05)
        return False

    def _took(self, number: int, sent_at: float) -> float:
        """Seconds."""
        read_at = self.read_at(number)
        if read_at is None:
            return WITHIN
        return min(read_at - sent_at, WITHIN)


def rows() -> Iterator[Row]:
    """Milliseconds of all mails of the pairs, then how many second ones were lost."""
    with servers() as between, _watching(between) as contenders:
        pool = ThreadPoolExecutor(len(contenders))
        try:
            list(pool.map(Contender.send_pairs, contenders))
        finally:
            # Where that was broken off, they end for want of a server, and would not while it runs.
            pool.shutdown(wait=False, cancel_futures=True)
    ours, *others = contenders
    name = f"mail to token at {HALF_A_ROUND_TRIP * 2000:.0f} ms round trip"
    yield Row(f"{name}: {OURS}", "ms", ours.milliseconds)
    for peer in others:
        yield Row(f"{name}: {peer.name}", "ms", peer.milliseconds, OURS, ours.milliseconds, AHEAD)
    name = f"second mails of {PAIRS} pairs lost"
    yield Row(f"{name}: {OURS}", "", [ours.lost], aims=(at_most("most", 0),))
    for peer in others:
        not_fewer = (at_least("over", 0),)
        yield Row(f"{name}: {peer.name}", "", [peer.lost], OURS, [ours.lost], not_fewer)


def user_of(number: int) -> str:
    """Another one for each mail, so that no token replaces one that was not read yet."""
    return f"user{number:04}@acme.example"


@contextmanager
def _watching(between: Servers) -> Iterator[Sequence[Contender]]:
    """All of them, ours first."""
    deliver = between.dovecot.deliver
    with (
        TcpProxy(between.dovecot.tls_port, delay=HALF_A_ROUND_TRIP) as line,
        _daemon(between, line.port) as ours,
        ExitStack() as stack,
    ):
        contenders = [Contender(OURS, partial(deliver, user="ours@example.com"), ours)]
        for peer in WATCHERS:
            user = between.dovecot.user(f"{peer}@example.com")
            driver = Driver(between, "watch", peer, user, line.port)
            stack.enter_context(driver.running())
            contenders.append(Contender(peer, partial(deliver, user=user), driver.read_at))
        yield contenders


@contextmanager
def _daemon(between: Servers, port: int) -> Iterator[Callable[[int], float | None]]:
    """Yields when it had which token in Vault."""

    def stored_at(number: int) -> float | None:
        at = between.stored_at(f"salesforce/ours/{user_of(number)}")
        if at is None:
            return None
        return at.timestamp()

    tool = between.program("ours", "ours@example.com")
    tool.configure(port=f"port: {port}")
    with tool.daemon():
        yield stored_at


class Driver:
    """A program of `by_peers`."""

    def __init__(self, between: Servers, action: str, peer: str, user: str, port: int) -> None:
        if not PYTHON.exists():
            raise SystemExit(f"{PYTHON} is missing: `make bench` makes it")
        self.tokens: dict[str, float] = {}
        """When each was read, in seconds since 1970."""
        home = between.home / f"{action}-{peer}"
        home.mkdir(exist_ok=True)
        settings = between.settings(user) | {"port": port, "home": str(home)}
        self._words = [str(PYTHON), str(DRIVER), action, peer, json.dumps(settings)]
        self._environment = os.environ | {"SSL_CERT_FILE": str(between.dovecot.ca_file)}
        self._log = home / "log"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Killed at the end of the block."""
        with self._started() as process:
            reading = threading.Thread(target=self._read, args=[process], daemon=True)
            reading.start()
            try:
                yield
            finally:
                assert process.poll() is None, self._log.read_text()
                process.kill()

    def run(self) -> None:
        """To its end."""
        with self._started() as process:
            try:
                self._read(process)
            except BaseException:
                process.kill()
                raise
        assert process.returncode == 0, self._log.read_text()

    def read_at(self, number: int) -> float | None:
        """The token of this number."""
        return self.tokens.get(mails.token(number))

    def _started(self) -> subprocess.Popen[bytes]:
        with self._log.open("wb") as log:
            # In a session of its own: who presses Ctrl-C ends the bench, which ends the peers.
            return subprocess.Popen(
                self._words,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        for line in process.stdout or ():
            told = json.loads(line)
            self.tokens.setdefault(told["token"], told["at"])
