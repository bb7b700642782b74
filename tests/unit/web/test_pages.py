"""What can be seen from outside: asked over HTTP, as a probe and Prometheus ask."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.kit.fakes import Silent
from token_catcher.daemon.watch import Health
from token_catcher.errors import ConfigurationError
from token_catcher.model import Entry, Event
from token_catcher.web.metrics import Metrics
from token_catcher.web.pages import Response, routes
from token_catcher.web.server import CONNECTIONS, serving
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
    metrics: Metrics = field(default_factory=lambda: Metrics(lambda: NOW))
    expires: datetime | None = NOW + timedelta(hours=1)
    port: int = 0

    def routes(self) -> Mapping[str, Callable[[], Response]]:
        """All of them."""
        subject = Subject(
            version="1.2.3",
            instance="one",
            loops=self.loops,
            now=lambda: NOW,
            monotonic=lambda: 1000.0,
            shard=(1, 3),
            journal_head=lambda: 42,
            vault_token_expires_at=lambda: self.expires,
        )
        return routes(subject, self.metrics)

    def get(self, path: str, method: str = "GET") -> tuple[HTTPResponse, str]:
        """The answer and its body."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path)
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
        families = text_string_to_metric_families(self.says("/metrics")[1])
        return {
            sample.name.removeprefix("token_catcher_")
            + str(sorted(sample.labels.items()) or ""): sample.value
            for family in families
            for sample in family.samples
            if sample.name.startswith("token_catcher_")
        }


@pytest.fixture
def site() -> Iterator[Site]:
    """Served at a free port."""
    made = Site()
    with serving("127.0.0.1", 0, made.routes(), made.log, silence=1.0) as made.port:
        yield made


def raw(site: Site, request: bytes) -> bytes:
    """What the server says to these bytes until it closes the connection."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as connection:
        connection.sendall(request)
        said = b""
        try:
            while more := connection.recv(65536):
                said += more
        except ConnectionResetError:
            pass  # it closed with our body unread
        return said


def test_livez_is_well_while_every_loop_moves(site: Site) -> None:
    """Whatever the mailboxes and Vault do."""
    site.loops.health = [replace(WELL, connected=False, trouble="imap-login")]
    assert site.says("/livez") == (200, "alive\n")
    site.loops.stuck = ["integrations", "daemon"]
    assert site.says("/livez") == (503, "stuck: integrations, daemon\n")


def test_readyz_waits_for_the_first_look_and_a_connection(site: Site) -> None:
    """One mailbox that is connected is enough, and a shard without any is ready."""
    assert site.says("/readyz") == (200, "ready\n")
    site.loops.health = [replace(WELL, connected=False), replace(WELL, name="billing")]
    assert site.says("/readyz") == (200, "ready\n")
    site.loops.health = [replace(WELL, connected=False)]
    assert site.says("/readyz") == (503, "no mailbox is connected\n")
    site.loops.health = []
    assert site.says("/readyz") == (200, "ready\n")
    site.loops.ready = False
    assert site.says("/readyz") == (503, "waiting for the first look at every mailbox\n")


def test_healthz_tells_of_every_part(site: Site) -> None:
    """As JSON, with status 200 while all is well."""
    answer, body = site.get("/healthz")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert json.loads(body) == {
        "status": "ok",
        "version": "1.2.3",
        "instance": "one",
        "shard": {"index": 1, "count": 3},
        "ready": True,
        "stuck": [],
        "mailboxes": [
            {
                "name": "integrations",
                "connected": True,
                "listening": ["Junk"],
                "last_successful_sweep": "2026-02-03T12:59:30Z",
                "seconds_since_progress": 10.0,
                "pending": 0,
                "trouble": None,
            }
        ],
        "journal": {"head": 42},
        "vault": {"token_expires": "2026-02-03T14:00:00Z"},
    }


@pytest.mark.parametrize("trouble", [{"trouble": "vault-sealed"}, {"connected": False}])
def test_healthz_is_degraded_by_any_trouble(site: Site, trouble: dict[str, object]) -> None:
    """503, and the same JSON; what never happened is null."""
    site.loops.health = [replace(WELL, last_sweep_at=None, **trouble)]  # type: ignore[arg-type] # fields of Health
    site.expires = None
    status, body = site.says("/healthz")
    told = json.loads(body)
    assert (status, told["status"]) == (503, "degraded")
    assert told["mailboxes"][0]["last_successful_sweep"] is None
    assert told["vault"] == {"token_expires": None}


def test_metrics_have_the_names_that_alerts_rest_on(site: Site) -> None:
    """A contract with dashboards and alert rules: names, labels and base units."""
    site.metrics.observe(STORED)
    site.metrics.observe(
        replace(STORED, event=Event.REFUSED, reason="unsigned", org=None, username=None)
    )
    site.metrics.vault_request("read", 200)
    site.metrics.vault_request("read", 200)
    site.metrics.vault_request("login", None)
    samples = {name: value for name, value in site.samples().items() if "bucket" not in name}
    mailbox = "('mailbox', 'integrations')"
    assert samples == {
        "build_info[('version', '1.2.3')]": 1,
        f"mail_to_vault_seconds_count[{mailbox}]": 1,
        f"mail_to_vault_seconds_sum[{mailbox}]": 2,
        f"last_successful_sweep_timestamp_seconds[{mailbox}]": NOW.timestamp() - 30,
        f"mailbox_connected[{mailbox}]": 1,
        f"outcomes_total[{mailbox}, ('org', 'acme'), ('outcome', 'stored'), ('reason', '')]": 1,
        f"outcomes_total[{mailbox}, ('org', ''), ('outcome', 'refused'), ('reason', 'unsigned')]": 1,
        f"pending_mails[{mailbox}]": 0,
        "vault_requests_total[('operation', 'read'), ('status', '200')]": 2,
        "vault_requests_total[('operation', 'login'), ('status', 'unreachable')]": 1,
        "vault_token_expiry_timestamp_seconds": NOW.timestamp() + 3600,
        "journal_head_sequence": 42,
        "shard_index": 1,
        "shard_count": 3,
        f"loop_last_progress_timestamp_seconds[{mailbox}]": NOW.timestamp() - 10,
    }


def test_metrics_leave_out_what_is_not_known(site: Site) -> None:
    """No sweep yet, no Vault token yet: no sample, rather than a zero that an alert would read as 1970."""
    site.loops.health = [replace(WELL, last_sweep_at=None)]
    site.expires = None
    names = " ".join(site.samples())
    assert "last_successful_sweep" not in names
    assert "vault_token_expiry" not in names


def test_metrics_tell_of_the_process(site: Site) -> None:
    """Memory, descriptors, CPU, by the names that every Prometheus knows."""
    assert "process_resident_memory_bytes" in site.says("/metrics")[1]


def test_a_mail_server_whose_clock_is_ahead(site: Site) -> None:
    """Counts as no delay, never as a negative one."""
    site.metrics.observe(replace(STORED, received_at="2026-02-03T13:00:09Z"))
    assert site.samples()["mail_to_vault_seconds_sum[('mailbox', 'integrations')]"] == 0


def test_no_username_and_no_path_is_told(site: Site) -> None:
    """On any page."""
    site.metrics.observe(STORED)
    everything = "".join(
        site.says(path)[1] for path in ("/livez", "/readyz", "/healthz", "/metrics")
    )
    assert "@" not in everything
    assert "salesforce/" not in everything
    assert "0123456789abcdef" not in everything


def test_each_site_counts_for_itself() -> None:
    """No registry is shared."""
    one, two = Metrics(lambda: NOW), Metrics(lambda: NOW)
    one.observe(STORED)
    name = "token_catcher_outcomes_total"
    labels = {"mailbox": "integrations", "org": "acme", "outcome": "stored", "reason": ""}
    assert (
        one.registry.get_sample_value(name, labels),
        two.registry.get_sample_value(name, labels),
    ) == (1, None)


def test_head_is_get_without_a_body(site: Site) -> None:
    """The same status and length."""
    (got, body), (head, _) = site.get("/healthz"), site.get("/healthz", "HEAD")
    assert (head.status, head.headers["Content-Length"]) == (got.status, str(len(body)))
    assert raw(site, b"HEAD /healthz HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "path", ["/", "/metrics/", "/livez/../metrics", "/etc/passwd", "/%2e%2e/livez", "/<script>"]
)
def test_there_is_nothing_else(site: Site, path: str) -> None:
    """404 for every other path, which is not repeated."""
    assert site.says(path) == (404, "Not Found\n")


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "X<script>"]
)
def test_there_is_nothing_to_change(site: Site, method: str) -> None:
    """405 for every other method."""
    answer, body = site.get("/livez", method)
    assert (answer.status, answer.headers["Allow"], body) == (
        405,
        "GET, HEAD",
        "Method Not Allowed\n",
    )


@pytest.mark.parametrize("path", ["/livez", "/metrics", "/nothing"])
def test_every_answer_has_its_headers(site: Site, path: str) -> None:
    """Not kept, not guessed at, not framed; who serves it says no version."""
    headers = site.get(path)[0].headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Server"] == "token-catcher"


def test_a_page_that_fails_shows_nothing_of_its_inside(site: Site) -> None:
    """500 and no more; the log has the kind of the error."""

    class Broken(Loops):
        @property
        def stuck(self) -> Sequence[str]:
            raise ZeroDivisionError("a secret")

        @stuck.setter
        def stuck(self, _value: Sequence[str]) -> None: ...

    broken = Site(loops=Broken())
    with serving("127.0.0.1", 0, broken.routes(), broken.log) as broken.port:
        assert broken.says("/livez") == (500, "Internal Server Error\n")
        assert broken.says("/readyz") == (200, "ready\n")
    assert ("web.crashed", {"path": "/livez", "kind": "ZeroDivisionError"}) in broken.log.events


@pytest.mark.parametrize(
    "request_",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /livez HTTP/9.9\r\n\r\n",
        b"GET /livez HTTP/1.0\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.0\r\n\r\n",
        b"GET /livez HTTP/1.0\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n" * 3,
    ],
    ids=["empty", "no path", "version", "headers", "long path", "long header", "tls"],
)
def test_nonsense_gets_a_short_answer(site: Site, request_: bytes) -> None:
    """Or none; nothing of it is repeated, nothing is printed, and the next one is served."""
    said = raw(site, request_)
    assert len(said) < 600
    assert b"yyyy" not in said
    assert b"aaaa" not in said
    assert site.says("/livez") == (200, "alive\n")


def test_a_body_is_not_read(site: Site) -> None:
    """A GET with a body of a gigabyte is answered and closed."""
    said = raw(site, b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nxxxx")
    assert said.endswith(b"\r\n\r\nalive\n")


def test_who_says_nothing_is_cut_off() -> None:
    """After a while, without an answer."""
    quiet = Site()
    with serving(
        "127.0.0.1", 0, quiet.routes(), quiet.log, silence=0.05, lifetime=3600
    ) as quiet.port:
        assert raw(quiet, b"GET /livez HT") == b""


def test_who_says_a_byte_now_and_then_is_cut_off() -> None:
    """However long it goes on like that."""
    slow = Site()
    with serving("127.0.0.1", 0, slow.routes(), slow.log, lifetime=0.0) as slow.port:
        with socket.create_connection(("127.0.0.1", slow.port), timeout=0.01) as connection:
            for _ in range(500):
                connection.sendall(b"x")
                with suppress(TimeoutError):
                    assert connection.recv(1) == b""
                    return
        pytest.fail("it was never cut off")


def test_it_serves_a_few_at_a_time() -> None:
    """More connections are closed at once; when one ends, the next is served."""
    busy = Site()
    with serving("127.0.0.1", 0, busy.routes(), busy.log) as busy.port:
        idle = [
            socket.create_connection(("127.0.0.1", busy.port), timeout=10)
            for _ in range(CONNECTIONS)
        ]
        assert raw(busy, b"GET /livez HTTP/1.0\r\n\r\n") == b""
        idle[0].sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        while idle[0].recv(4096):
            pass
        for connection in idle:
            connection.close()
        answers: list[bytes] = []
        while not any(answers):
            answers.append(raw(busy, b"GET /livez HTTP/1.0\r\n\r\n"))
            assert len(answers) < 1000


def test_it_ends_with_its_block() -> None:
    """The port is free again, and no thread is left."""
    site = Site()
    with serving("127.0.0.1", 0, site.routes(), site.log) as port:
        pass
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert not [thread for thread in threading.enumerate() if thread.name == "web"]


def test_it_listens_where_it_is_told() -> None:
    """Also on IPv6's loopback."""
    site = Site()
    with serving("::1", 0, site.routes(), site.log) as port:
        connection = HTTPConnection("::1", port, timeout=10)
        connection.request("GET", "/livez")
        assert connection.getresponse().status == HTTPStatus.OK
        connection.close()


def test_an_address_that_is_taken(site: Site) -> None:
    """Is a fault of the configuration, with the key and what the system says."""
    told = rf"http\.listen: 127\.0\.0\.1:{site.port} cannot be listened on: Address already in use"
    with (
        pytest.raises(ConfigurationError, match=told),
        serving("127.0.0.1", site.port, {}, site.log),
    ):
        pass
