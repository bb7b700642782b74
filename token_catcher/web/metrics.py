"""What Prometheus scrapes: counters that are told, gauges that ask.

Base units; mailbox and org as labels, never a username. The names are a contract with the alerts
and the dashboard of `deploy/`.
"""

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

from token_catcher.anchoring import AnchorHealth
from token_catcher.counters import Counters
from token_catcher.model import Entry, Event, moment
from token_catcher.web.snapshot import Snapshot, Subject

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
DELAYS: Final = (0.5, 1, 2, 3, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400)
"""Seconds from mail to Vault: a second is the promise, a day is as long as Salesforce tries to
deliver."""


class Metrics(Counters):
    """Counts what it is told. Thread-safe."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        # Without this, each counter has a second series with the time of its making.
        disable_created_metrics()  # type: ignore[no-untyped-call]
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
        self._alarms = Counter(
            "token_catcher_vault_alarms",
            "Signs that somebody else is at what we log in to Vault with, by the event in the log.",
            ["alarm"],
            registry=self.registry,
        )
        self._notifications = Counter(
            "token_catcher_notifications",
            "Tries to tell a receiver: delivered or failed; and events that were given_up.",
            ["receiver", "outcome"],
            registry=self.registry,
        )
        self._login_proofs = Counter(
            "token_catcher_login_proof",
            "Tokens whose proof by login has ended, by its result.",
            ["result"],
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)

    def observe(self, entry: Entry) -> None:
        """A record was added to the journal."""
        outcome = entry.event.outcome
        self._outcomes.labels(entry.mailbox, entry.org or "", outcome, entry.reason or "").inc()
        if entry.event == Event.STORED:
            delay = (self._now() - moment(entry.received_at)).total_seconds()
            # The mail server's clock may be ahead of ours.
            self._delay.labels(entry.mailbox).observe(max(0.0, delay))

    def vault_request(self, operation: str, status: int | None) -> None:
        """Vault answered a request with this status; None: it did not answer."""
        self._requests.labels(operation, str(status or "unreachable")).inc()

    def vault_alarm(self, event: str) -> None:
        """This event was logged, `vault.wrapping_token_foreign` for one."""
        self._alarms.labels(event.removeprefix("vault.")).inc()

    def notified(self, receiver: str, outcome: str, count: int) -> None:
        """A try to tell this receiver ended so, or so many of its events were given up."""
        self._notifications.labels(receiver, outcome).inc(count)

    def login_proven(self, result: str) -> None:
        """The proof of a token by login has ended so."""
        self._login_proofs.labels(result).inc()

    def ask(self, subject: Subject) -> None:
        """Take the gauges from this subject at every scrape, so that they are never out of date."""
        self.registry.register(_Gauges(subject))

    def text(self) -> str:
        """All of them, as Prometheus reads them."""
        return generate_latest(self.registry).decode()


class _Gauges(Collector):
    """What is so at the time of a scrape. What is not known has no sample: a zero would be 1970."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def describe(self) -> Iterable[Metric]:
        """Nothing, or the registry would ask for all samples as soon as this is registered."""
        return []

    def collect(self) -> Iterable[Metric]:
        """The gauges of one snapshot."""
        snapshot = self._subject.snapshot()
        yield from _of_the_instance(snapshot)
        yield from _of_the_users(snapshot)
        yield from _of_the_mailboxes(snapshot)
        yield from _of_access_tokens(snapshot)
        yield from _of_receivers(snapshot)


def _of_the_instance(snapshot: Snapshot) -> Iterable[Metric]:
    yield _info("build_info", "The running version.", version=snapshot.version)
    yield _gauge("shard_index", "Which of the instances this one is.", snapshot.shard_index)
    yield _gauge("shard_count", "How many instances there are.", snapshot.shard_count)
    yield _gauge(
        "journal_head_sequence", "Number of the last record of the journal.", snapshot.journal_head
    )
    yield _gauge(
        "journal_usable",
        "0 while the journal cannot be used, so that no token can be stored.",
        snapshot.journal_trouble is None,
    )
    yield from _of_the_anchor(snapshot.anchor)
    if snapshot.vault_use.is_usable is not None:
        yield _gauge(
            "vault_usable",
            "0 while some token could not be stored: by login, mount or rights; checked daily.",
            snapshot.vault_use.is_usable,
        )
    if snapshot.vault_token_expires_at is not None:
        yield _gauge(
            "vault_token_expiry_timestamp_seconds",
            "When our Vault token expires.",
            snapshot.vault_token_expires_at.timestamp(),
        )
    yield _of_the_certificates(snapshot)


def _of_the_anchor(anchor: AnchorHealth | None) -> Iterable[Metric]:
    """Nothing without `journal.anchor`, and before the first look at it."""
    if anchor is None or anchor.is_usable is None:
        return
    yield _gauge(
        "journal_anchor_usable",
        "0 while Vault does not get to know how far the journal has come; for 15 minutes what may"
        " pass by itself does not count.",
        anchor.is_usable,
    )
    yield _gauge(
        "journal_contradicted",
        "1 while the journal does not lead through the record that its anchor in Vault knows.",
        anchor.is_contradicted,
    )


def _of_the_certificates(snapshot: Snapshot) -> Metric:
    family = GaugeMetricFamily(
        "token_catcher_certificate_expiry_timestamp_seconds",
        "When a certificate of ours ends: kind oauth or client; without a mailbox, Vault's.",
        labels=["mailbox", "kind"],
    )
    for owner, ends_at in snapshot.certificate_ends.items():
        family.add_metric([owner.mailbox, owner.kind], ends_at.timestamp())
    return family


def _of_the_users(snapshot: Snapshot) -> Iterable[Metric]:
    """How many there are, by org: usernames have no bounds, and `token-catcher status` has them."""
    yield _by_org(
        "users_held",
        "Users of whom proven mail waits for a person, until it is settled.",
        snapshot.users_held,
    )
    if snapshot.lapsed is None:
        return
    yield _by_org(
        "tokens_overdue", "Tokens older than max_age of their org.", snapshot.lapsed.overdue
    )
    yield _by_org(
        "users_never_seen",
        "Users named by the configuration of whom there was never a token or a held mail.",
        snapshot.lapsed.never_seen,
    )


def _of_the_mailboxes(snapshot: Snapshot) -> Iterable[Metric]:
    mailboxes = snapshot.mailboxes
    now = snapshot.taken_at.timestamp()
    yield _by_mailbox(
        "last_successful_sweep_timestamp_seconds",
        "When all folders were last looked at without trouble.",
        {
            mailbox.name: mailbox.last_sweep_at.timestamp()
            for mailbox in mailboxes
            if mailbox.last_sweep_at
        },
    )
    yield _by_mailbox(
        "mailbox_connected",
        "1 while logged in to it.",
        {mailbox.name: mailbox.connected for mailbox in mailboxes},
    )
    yield _by_mailbox(
        "mailbox_failing",
        "1 while the last look at it met trouble; /healthz has its code.",
        {mailbox.name: mailbox.trouble is not None for mailbox in mailboxes},
    )
    yield _by_mailbox(
        "pending_mails",
        "Mails seen and not settled yet.",
        {mailbox.name: mailbox.pending for mailbox in mailboxes},
    )
    yield _by_mailbox(
        "keyless_mails",
        "Of these, mails that wait for the key of their signature: they may be anybody's.",
        {mailbox.name: mailbox.keyless for mailbox in mailboxes},
    )
    yield _by_mailbox(
        "after_capture_waiting",
        "Settled mails that after_capture could not be applied to so far; it is tried again.",
        {mailbox.name: mailbox.unapplied for mailbox in mailboxes},
    )
    yield _by_mailbox(
        "held_waiting",
        "Held mails that wait for a person; what may be anybody's counts for the look-back window.",
        {mailbox.name: snapshot.held_waiting.get(mailbox.name, 0) for mailbox in mailboxes},
    )
    yield _by_mailbox(
        "vault_drift",
        "Users whose token was stored, and is missing in Vault or an older one now.",
        {mailbox.name: snapshot.drifted.get(mailbox.name, 0) for mailbox in mailboxes},
    )
    yield _by_mailbox(
        "loop_last_progress_timestamp_seconds",
        "When the slowest loop of the mailbox last made a step.",
        {mailbox.name: now - snapshot.seconds_since_progress(mailbox) for mailbox in mailboxes},
    )


def _of_access_tokens(snapshot: Snapshot) -> Iterable[Metric]:
    """Of mailboxes that are logged in to by access token; the last one only where there is a
    refresh token."""
    tokens = snapshot.access_tokens
    now = snapshot.taken_at.timestamp()
    yield _by_mailbox(
        "oauth_refused",
        "1 while no access token can be got: refused, or we could not ask, or not keep what comes.",
        {name: health.refused is not None for name, health in tokens.items()},
    )
    yield _by_mailbox(
        "oauth_token_expiry_timestamp_seconds",
        "When the access token ends, or ended.",
        {
            name: now + health.seconds_left
            for name, health in tokens.items()
            if health.seconds_left is not None
        },
    )
    yield _by_mailbox(
        "oauth_refresh_token_renewal_timestamp_seconds",
        "When the refresh token was last renewed.",
        {
            name: health.renewed_at
            for name, health in tokens.items()
            if health.renewed_at is not None
        },
    )


def _of_receivers(snapshot: Snapshot) -> Iterable[Metric]:
    receivers = snapshot.receivers
    yield _labelled(
        "receiver",
        "notifications_waiting",
        "Events that are not delivered yet.",
        {name: receiver.waiting for name, receiver in receivers.items()},
    )
    yield _labelled(
        "receiver",
        "notification_oldest_waiting_timestamp_seconds",
        "Since when the event waits that has waited longest; none where nothing waits.",
        {
            name: receiver.oldest.timestamp()
            for name, receiver in receivers.items()
            if receiver.oldest is not None
        },
    )
    yield _gauge(
        "notify_usable",
        "0 while the outbox cannot be used, so that nobody is told of anything.",
        snapshot.notify_trouble is None,
    )


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"token_catcher_{name}", about, value=value)


def _info(name: str, about: str, **labels: str) -> Metric:
    family = GaugeMetricFamily(f"token_catcher_{name}", about, labels=list(labels))
    family.add_metric(list(labels.values()), 1)
    return family


def _by_mailbox(name: str, about: str, values: Mapping[str, float]) -> Metric:
    return _labelled("mailbox", name, about, values)


def _by_org(name: str, about: str, values: Mapping[str, float]) -> Metric:
    return _labelled("org", name, about, values)


def _labelled(label: str, name: str, about: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"token_catcher_{name}", about, labels=[label])
    for subject, value in values.items():
        family.add_metric([subject], value)
    return family
