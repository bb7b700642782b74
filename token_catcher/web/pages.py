"""What is answered: /livez, /readyz, /healthz and /metrics. From memory alone.

/livez     every loop moves; touches no dependency. 503: some stand still, and a new start is the remedy
/readyz    the first look at every mailbox has ended, and one of them at least is connected
/healthz   the parts, as JSON; 503 where one of them has trouble
/metrics   for Prometheus
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from token_catcher.model import iso
from token_catcher.web.metrics import CONTENT_TYPE, Metrics
from token_catcher.web.snapshot import Loops, Subject


@dataclass(frozen=True, slots=True)
class Response:
    """One answer."""

    status: HTTPStatus
    text: str
    content_type: str = "text/plain; charset=utf-8"


def routes(subject: Subject, metrics: Metrics) -> Mapping[str, Callable[[], Response]]:
    """Every path there is, and what it routes."""
    metrics.ask(subject)
    return {
        "/livez": lambda: _livez(subject.loops),
        "/readyz": lambda: _readyz(subject.loops),
        "/healthz": lambda: _healthz(subject),
        "/metrics": lambda: Response(HTTPStatus.OK, metrics.text(), CONTENT_TYPE),
    }


def _livez(loops: Loops) -> Response:
    stuck = loops.stuck
    return _said(not stuck, "alive", f"stuck: {', '.join(stuck)}")


def _readyz(loops: Loops) -> Response:
    health = loops.health
    if not loops.ready:
        return _said(False, "", "waiting for the first look at every mailbox")
    return _said(
        not health or any(one.connected for one in health), "ready", "no mailbox is connected"
    )


def _said(well: bool, good: str, bad: str) -> Response:
    return Response(
        HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE, f"{good if well else bad}\n"
    )


def _healthz(subject: Subject) -> Response:
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
    return Response(status, json.dumps(content, indent=1) + "\n", "application/json")
