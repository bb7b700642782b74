"""For Prometheus: base units; mailbox and org as labels, never a username."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from token_catcher.model import Entry, Event, moment
from token_catcher.web.snapshot import Subject

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
DELAYS: Final = (0.5, 1, 2, 3, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400)
"""Seconds from mail to Vault: a second is the promise, a day is as long as Salesforce tries to deliver."""


class Metrics:
    """Counts what it is told. Thread-safe."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # a second series for each counter, which nobody asks for
        self.registry = CollectorRegistry()
        self._now = now
        self._delay = Histogram(
            "token_catcher_mail_to_vault_seconds",
            "From INTERNALDATE (whole seconds, by the mail server's clock) to Vault's answer.",
            ["mailbox"],
            buckets=DELAYS,
            registry=self.registry,
        )
        self._outcomes = Counter(
            "token_catcher_outcomes",
            "Records added to the journal.",
            ["mailbox", "org", "outcome", "reason"],
            registry=self.registry,
        )
        self._requests = Counter(
            "token_catcher_vault_requests",
            "Requests to Vault; status is that of HTTP, or unreachable.",
            ["operation", "status"],
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)

    def observe(self, entry: Entry) -> None:
        """A record was added to the journal."""
        outcome = entry.event.outcome
        self._outcomes.labels(entry.mailbox, entry.org or "", outcome, entry.reason or "").inc()
        if entry.event == Event.STORED:
            delay = (self._now() - moment(entry.received_at)).total_seconds()
            self._delay.labels(entry.mailbox).observe(max(0.0, delay))

    def vault_request(self, operation: str, status: int | None) -> None:
        """Vault answered a request with this status; None: it did not answer."""
        self._requests.labels(operation, str(status or "unreachable")).inc()

    def ask(self, subject: Subject) -> None:
        """Ask this subject for the gauges at every scrape."""
        self.registry.register(_State(subject))

    def text(self) -> str:
        """All of them, as Prometheus reads them."""
        return generate_latest(self.registry).decode()


class _State(Collector):
    """The gauges: asked for when they are scraped, so that they are never out of date."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def describe(self) -> Iterable[Metric]:
        """Nothing to say before the first scrape."""
        return []

    def collect(self) -> Iterable[Metric]:
        """As of now."""
        subject = self._subject
        health = subject.loops.health
        now, monotonic = subject.now().timestamp(), subject.monotonic()
        swept = {one.name: one.last_sweep_at.timestamp() for one in health if one.last_sweep_at}
        expires = subject.vault_token_expires_at()
        yield _info("build_info", "The running version.", version=subject.version)
        yield _gauge("shard_index", "Which of the instances this one is.", subject.shard[0])
        yield _gauge("shard_count", "How many instances there are.", subject.shard[1])
        yield _gauge(
            "journal_head_sequence",
            "Number of the last record of the journal.",
            subject.journal_head(),
        )
        if expires is not None:
            yield _gauge(
                "vault_token_expiry_timestamp_seconds",
                "When our Vault token expires.",
                expires.timestamp(),
            )
        yield _by_mailbox(
            "last_successful_sweep_timestamp_seconds",
            "When all folders were last looked at without trouble.",
            swept,
        )
        yield _by_mailbox(
            "mailbox_connected",
            "1 while logged in to it.",
            {one.name: one.connected for one in health},
        )
        yield _by_mailbox(
            "pending_mails",
            "Mails seen and not settled yet.",
            {one.name: one.pending for one in health},
        )
        yield _by_mailbox(
            "loop_last_progress_timestamp_seconds",
            "When the slowest loop of the mailbox last made a step.",
            {one.name: now - (monotonic - one.moved_at) for one in health},
        )


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"token_catcher_{name}", about, value=value)


def _info(name: str, about: str, **labels: str) -> Metric:
    family = GaugeMetricFamily(f"token_catcher_{name}", about, labels=list(labels))
    family.add_metric(list(labels.values()), 1)
    return family


def _by_mailbox(name: str, about: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"token_catcher_{name}", about, labels=["mailbox"])
    for mailbox, value in values.items():
        family.add_metric([mailbox], value)
    return family
