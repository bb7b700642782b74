"""A site of pages over a daemon that is as a test says, asked over HTTP as a probe asks."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http.client import HTTPConnection, HTTPResponse

from prometheus_client.parser import text_string_to_metric_families

from tests.kit.fakes import Silent
from tests.kit.waiting import PATIENCE
from token_catcher.anchoring import AnchorHealth
from token_catcher.daemon import Health, Lapsed, VaultUse
from token_catcher.expiry import Owner
from token_catcher.model import Entry, Event, Secret
from token_catcher.notify import ReceiverHealth
from token_catcher.oauth import TokenHealth
from token_catcher.web.access import Access
from token_catcher.web.content import Content, Lookup
from token_catcher.web.exchange import Routes
from token_catcher.web.metrics import Metrics
from token_catcher.web.pages import Page, routes
from token_catcher.web.snapshot import Subject

NOW = datetime(2026, 2, 3, 13, tzinfo=UTC)
WELL = Health(
    name="integrations",
    moved_at=990.0,
    looked=True,
    connected=True,
    listening=("Junk",),
    last_sweep_at=NOW - timedelta(seconds=30),
    trouble=None,
    pending=0,
    keyless=0,
    unapplied=0,
)
STORED = Entry(
    event=Event.STORED,
    instance="one",
    mailbox="integrations",
    folder="INBOX",
    uidvalidity=1,
    uid=7,
    mail="sha256:0",
    received_at="2026-02-03T12:59:58Z",
    username="integration@acme.example",
    org="acme",
    path="salesforce/acme/integration@acme.example",
    version=3,
    fingerprint="sha256:0123456789abcdef",
)


def now() -> datetime:
    """The clock of the site stands still."""
    return NOW


PROVEN = VaultUse(was_proven=True, passed_at=NOW - timedelta(hours=2))
"""A Vault that could be written to."""


@dataclass
class Loops:
    """A daemon that is as a test says."""

    health: Sequence[Health] = (WELL,)
    ready: bool = True
    stuck: Sequence[str] = ()


@dataclass
class Site:
    """The pages over some loops, and what was asked of them."""

    loops: Loops = field(default_factory=Loops)
    log: Silent = field(default_factory=Silent)
    metrics: Metrics = field(default_factory=partial(Metrics, now))
    held: Mapping[str, int] = field(default_factory=dict)
    drifted: Mapping[str, int] = field(default_factory=dict)
    lapsed: Lapsed | None = None
    users_held: Mapping[str, int] = field(default_factory=dict)
    journal_trouble: str | None = None
    anchor: AnchorHealth | None = None
    vault: VaultUse = PROVEN
    expires: datetime | None = NOW + timedelta(hours=1)
    tokens: Mapping[str, TokenHealth] = field(default_factory=dict)
    certificate_ends: Mapping[Owner, datetime] = field(default_factory=dict)
    receivers: Mapping[str, ReceiverHealth] = field(default_factory=dict)
    notify_trouble: str | None = None
    token: Callable[[], Secret] | None = None
    is_loopback: bool = True
    content: Content | None = None
    clock: float = 1000.0
    port: int = 0

    def routes(self) -> Routes:
        """All of them."""
        subject = Subject(
            version="1.2.3",
            instance="one",
            loops=self.loops,
            now=now,
            monotonic=lambda: 1000.0,
            shard=(1, 3),
            journal_head=lambda: 42,
            journal_trouble=lambda: self.journal_trouble,
            anchor=lambda: self.anchor,
            vault_use=lambda: self.vault,
            held_waiting=lambda: self.held,
            drifted=lambda: self.drifted,
            lapsed=lambda: self.lapsed,
            users_held=lambda: self.users_held,
            vault_token_expires_at=lambda: self.expires,
            access_tokens=lambda: self.tokens,
            certificate_ends=lambda: self.certificate_ends,
            receivers=lambda: self.receivers,
            notify_trouble=lambda: self.notify_trouble,
        )
        access = Access(
            self.token, is_loopback=self.is_loopback, monotonic=self.monotonic, log=self.log
        )
        lookup = Lookup(lambda: self.content, monotonic=self.monotonic, log=self.log)
        return routes(subject, self.metrics, Page(lookup, access))

    def monotonic(self) -> float:
        """Seconds; they pass when a test says so."""
        return self.clock

    def get(
        self,
        path: str,
        method: str = "GET",
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[HTTPResponse, str]:
        """The answer and its body."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer, answer.read().decode()
        finally:
            connection.close()

    def says(self, path: str) -> tuple[int, str]:
        """Status and body."""
        answer, body = self.get(path)
        return answer.status, body

    def samples(self) -> dict[str, float]:
        """The metrics of our own: name and labels → value."""
        _, text = self.says("/metrics")
        samples = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                _, ours, name = sample.name.rpartition("token_catcher_")
                if ours:
                    labels = sorted(sample.labels.items()) or ""
                    samples[f"{name}{labels}"] = sample.value
        return samples


def raw(site: Site, request: bytes) -> bytes:
    """What the server says to these bytes until it closes the connection."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE) as connection:
        connection.sendall(request)
        answer = b""
        # A connection that is closed with our body unread is reset.
        with suppress(ConnectionResetError):
            while True:
                more = connection.recv(65536)
                if not more:
                    break
                answer += more
        return answer
