"""What can be seen from outside: /livez, /readyz, /healthz and /metrics. Read-only, and answered from memory alone.

    /livez     every loop moves; touches no dependency. 503: some stand still, and a new start is the remedy
    /readyz    the first look at every mailbox has ended, and one of them at least is connected
    /healthz   the parts, as JSON; 503 where one of them has trouble
    /metrics   for Prometheus: base units; mailbox and org as labels, never a username

The other rooms know nothing of it: they tell plain observers (`Metrics.observe`, `Metrics.vault_request`), and are asked
for their state at each request. A page is small and its makers never wait, so a few threads serve it; who connects and says
nothing is cut off.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final, Protocol

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

from token_catcher.daemon import Health
from token_catcher.errors import ConfigurationError
from token_catcher.model import Entry, Event, iso, moment
from token_catcher.ports import Log

DELAYS: Final = (0.5, 1, 2, 3, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400)
"""Seconds from mail to Vault: a second is the promise, a day is as long as Salesforce tries to deliver."""
CONNECTIONS: Final = 8
"""Served at a time; further ones are closed at once."""
SILENCE: Final = 5.0
"""Seconds that a connection may say nothing."""
LIFETIME: Final = 10.0
"""Seconds after which it is closed, whatever it does."""
HEADERS: Final = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)


class Loops(Protocol):
    """The part of the daemon that is looked at; answers from any thread."""

    @property
    def health(self) -> Sequence[Health]:
        """How each mailbox does."""

    @property
    def ready(self) -> bool:
        """Whether the first look at every mailbox has ended."""

    @property
    def stuck(self) -> Sequence[str]:
        """The loops that stand still."""


@dataclass(frozen=True)
class Subject:
    """What the pages tell of. Every question is answered from memory."""

    version: str
    instance: str
    loops: Loops
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    shard: tuple[int, int] = (0, 1)
    """Index and count."""
    journal_head: Callable[[], int] = lambda: 0
    """The number of the last record."""
    vault_token_expires_at: Callable[[], datetime | None] = lambda: None
    """None: it does not expire, or there is none yet."""


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


@dataclass(frozen=True, slots=True)
class Page:
    """One answer."""

    status: HTTPStatus
    text: str
    content_type: str = "text/plain; charset=utf-8"


def pages(subject: Subject, metrics: Metrics) -> Mapping[str, Callable[[], Page]]:
    """Every path there is, and what it answers."""
    metrics.registry.register(_State(subject))
    return {
        "/livez": lambda: _livez(subject.loops),
        "/readyz": lambda: _readyz(subject.loops),
        "/healthz": lambda: _healthz(subject),
        "/metrics": lambda: Page(
            HTTPStatus.OK, generate_latest(metrics.registry).decode(), CONTENT_TYPE_PLAIN_0_0_4
        ),
    }


@contextmanager
def serving(
    host: str,
    port: int,
    answers: Mapping[str, Callable[[], Page]],
    log: Log,
    *,
    silence: float = SILENCE,
    lifetime: float = LIFETIME,
) -> Iterator[int]:
    """Serve the pages on a thread of their own, for as long as the block runs. Gives the port.

    ConfigurationError: the address cannot be listened on."""
    try:
        server = _Server(host, port, answers, log, silence, lifetime)
    except OSError as error:
        raise ConfigurationError(
            f"http.listen: {host}:{port} cannot be listened on: {error.strerror}"
        ) from None
    thread = threading.Thread(
        target=server.serve_forever, args=(silence / 20,), name="web", daemon=True
    )
    thread.start()
    try:
        log.info("web.listening", address=f"{host}:{server.server_port}")
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(1.0)


def _livez(loops: Loops) -> Page:
    stuck = loops.stuck
    return _said(not stuck, "alive", f"stuck: {', '.join(stuck)}")


def _readyz(loops: Loops) -> Page:
    health = loops.health
    if not loops.ready:
        return _said(False, "", "waiting for the first look at every mailbox")
    return _said(
        not health or any(one.connected for one in health), "ready", "no mailbox is connected"
    )


def _said(well: bool, good: str, bad: str) -> Page:
    return Page(
        HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE, f"{good if well else bad}\n"
    )


def _healthz(subject: Subject) -> Page:
    loops = subject.loops
    health, stuck = loops.health, loops.stuck
    well = not stuck and all(one.connected and one.trouble is None for one in health)
    expires = subject.vault_token_expires_at()
    content = {
        "status": "ok" if well else "degraded",
        "version": subject.version,
        "instance": subject.instance,
        "shard": {"index": subject.shard[0], "count": subject.shard[1]},
        "ready": loops.ready,
        "stuck": list(stuck),
        "mailboxes": [
            {
                "name": one.name,
                "connected": one.connected,
                "listening": list(one.listening),
                "last_successful_sweep": iso(one.last_sweep_at) if one.last_sweep_at else None,
                "seconds_since_progress": round(subject.monotonic() - one.moved_at, 1),
                "pending": one.pending,
                "trouble": one.trouble,
            }
            for one in health
        ],
        "journal": {"head": subject.journal_head()},
        "vault": {"token_expires": iso(expires) if expires else None},
    }
    status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
    return Page(status, json.dumps(content, indent=1) + "\n", "application/json")


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


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD of the known paths; says little of itself and logs nothing."""

    server: _Server

    def do_GET(self) -> None:
        self._answer(self.server.page(self.path.partition("?")[0]))

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self, page: Page) -> None:
        body = page.text.encode()
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in HEADERS:
            self.send_header(name, value)
        if page.status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 - theirs
        """What http.server finds wrong with a request; its own page would repeat the request."""
        self.close_connection = True
        self._answer(
            _error(
                HTTPStatus.METHOD_NOT_ALLOWED
                if code == HTTPStatus.NOT_IMPLEMENTED
                else HTTPStatus(code)
            )
        )

    def version_string(self) -> str:
        return "token-catcher"

    def log_message(self, *_: Any) -> None:
        """Probes come every few seconds."""


def _error(status: HTTPStatus) -> Page:
    return Page(status, f"{status.phrase}\n")


class _Server(ThreadingHTTPServer):
    """Bounded in how many it serves, and for how long."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self,
        host: str,
        port: int,
        answers: Mapping[str, Callable[[], Page]],
        log: Log,
        silence: float,
        lifetime: float,
    ) -> None:
        self._answers = answers
        self._log = log
        self._silence = silence
        self._lifetime = lifetime
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        self._began: dict[socket.socket, float] = {}
        super().__init__((host, port), _Handler)

    def page(self, path: str) -> Page:
        """What to answer."""
        make = self._answers.get(path)
        if make is None:
            return _error(HTTPStatus.NOT_FOUND)
        try:
            return make()
        except Exception as bug:  # noqa: BLE001 - a bug in a page must not show its inside
            self._log.error("web.crashed", path=path, kind=type(bug).__name__)
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR)

    def server_bind(self) -> None:
        """As HTTPServer does, without asking DNS for our own name."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment] # str and int, says INET

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        request.settimeout(self._silence)
        self._began[request] = time.monotonic()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._began.pop(request, None)
            self._slots.release()

    def service_actions(self) -> None:
        """Called some times a second: close what has been open for too long."""
        for connection, began in tuple(self._began.items()):
            if time.monotonic() - began > self._lifetime:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke or timed out is nobody's business."""
