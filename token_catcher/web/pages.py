"""What is answered to each path. A response is made from memory alone.

    /          the page for people: users, mailboxes, rotations, what waits; only to who may see it
    /livez     the main loop moves, which replaces every other that stands still; touches no
               dependency. 503: a new start is the remedy
    /readyz    the first look at every mailbox has ended, one of them at least is connected, the
               journal can be used, and Vault: it did once since the start, and nothing has come
               since that only a person can change; names the mailboxes that are not connected, and
               what keeps us from a Vault that comes back by itself
    /healthz   the parts, as JSON; 503 where one of them has trouble, but for those who are told
    /metrics   for Prometheus

A probe asks for nothing but what decides it, so that no other part of the daemon can fail it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any

from token_catcher.anchoring import AnchorHealth
from token_catcher.daemon import Health, VaultUse
from token_catcher.model import iso
from token_catcher.notify import ReceiverHealth
from token_catcher.web.access import REFUSALS, Access, Verdict
from token_catcher.web.content import Aged, Lookup
from token_catcher.web.exchange import Request, Response, Routes, plain
from token_catcher.web.metrics import CONTENT_TYPE, Metrics
from token_catcher.web.snapshot import Loops, Snapshot, Subject
from token_catcher.web.status_page import POLICY, sign_in_page, status_page


@dataclass(frozen=True, slots=True)
class Page:
    """What the page at `/` is made from, and who may see it."""

    lookup: Lookup
    access: Access


def routes(subject: Subject, metrics: Metrics, page: Page) -> Routes:
    """The pages about this subject."""
    metrics.ask(subject)
    return {
        "/": partial(_page, subject, page),
        "/livez": partial(_livez, subject.loops),
        "/readyz": partial(_readyz, subject),
        "/healthz": partial(_healthz, subject),
        "/metrics": partial(_metrics, metrics),
    }


def _page(subject: Subject, page: Page, request: Request) -> Response:
    verdict = page.access.verdict(request)
    if verdict in REFUSALS:
        return plain(*REFUSALS[verdict])
    if request.body is not None:
        return _signed_in(page.access, request, verdict)
    if verdict is Verdict.SIGN_IN:
        return _sign_in(was_refused=False)
    aged = page.lookup.latest()
    if aged is None:
        return _unavailable("nothing was looked up yet: load it again in a moment")
    return _html(HTTPStatus.OK, _page_of(aged, subject))


def _page_of(aged: Aged, subject: Subject) -> str:
    return status_page(aged, subject.instance, subject.version, subject.telling())


def _signed_in(access: Access, request: Request, verdict: Verdict) -> Response:
    """The answer to the form: away from the POST, so that loading it again sends nothing."""
    away = (("Location", "/"),)
    if verdict is not Verdict.SIGN_IN:
        return Response(HTTPStatus.SEE_OTHER, "", headers=away)
    cookie = access.sign_in(request)
    if cookie is None:
        return _sign_in(was_refused=True)
    return Response(HTTPStatus.SEE_OTHER, "", headers=(*away, ("Set-Cookie", cookie)))


def _sign_in(*, was_refused: bool) -> Response:
    challenge = (("WWW-Authenticate", 'Bearer realm="token-catcher"'),)
    text = sign_in_page(was_refused=was_refused)
    return _html(HTTPStatus.UNAUTHORIZED, text, challenge)


def _html(status: HTTPStatus, text: str, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    return Response(status, text, "text/html; charset=utf-8", POLICY, headers)


def _livez(loops: Loops, _request: Request) -> Response:
    stuck = loops.stuck
    # Of one mailbox it must not cost the others theirs.
    if "daemon" in stuck:
        return _unavailable(f"stuck: {', '.join(stuck)}")
    return _ok("alive")


def _readyz(subject: Subject, _request: Request) -> Response:
    loops = subject.loops
    if not loops.ready:
        awaited = _names(mailbox for mailbox in loops.health if not mailbox.looked)
        return _unavailable(f"waiting for the first look at every mailbox{awaited}")
    mailboxes = loops.health  # none, where the shard has none: that is ready
    away = [mailbox for mailbox in mailboxes if not mailbox.connected]
    if away and len(away) == len(mailboxes):
        return _unavailable("no mailbox is connected")
    trouble = subject.journal_trouble()
    if trouble is not None:
        return _unavailable(f"the journal cannot be used: {trouble}")
    use = subject.vault_use()
    if not use.is_ready:
        return _unavailable(_unready_vault(use))
    return _ok(", but ".join(["ready", *_reservations(away, use)]))


def _reservations(away: Sequence[Health], use: VaultUse) -> Iterator[str]:
    """What does not work meanwhile."""
    if away:
        yield f"not connected{_names(away)}"
    if use.trouble is not None:
        yield f"Vault cannot be used: {use.trouble.code}"


def _unready_vault(use: VaultUse) -> str:
    if use.trouble is None:
        return "waiting for the first check of Vault"
    return f"Vault cannot be used: {use.trouble.code}"


def _names(mailboxes: Iterable[Health]) -> str:
    """Behind a text: nothing where there are none."""
    names = ", ".join(mailbox.name for mailbox in mailboxes)
    if not names:
        return ""
    return f": {names}"


def _healthz(subject: Subject, request: Request) -> Response:
    snapshot = subject.snapshot()
    is_ready = _readyz(subject, request).status == HTTPStatus.OK
    text = json.dumps(_parts(snapshot, is_ready=is_ready), indent=1) + "\n"
    if snapshot.well:
        return Response(HTTPStatus.OK, text, "application/json")
    return Response(HTTPStatus.SERVICE_UNAVAILABLE, text, "application/json")


def _parts(snapshot: Snapshot, *, is_ready: bool) -> dict[str, Any]:
    """`is_ready`: what /readyz says."""
    return {
        "status": "ok" if snapshot.well else "degraded",
        "version": snapshot.version,
        "instance": snapshot.instance,
        "shard": {"index": snapshot.shard_index, "count": snapshot.shard_count},
        "ready": is_ready,
        "stuck": list(snapshot.stuck),
        "mailboxes": [_mailbox(snapshot, mailbox) for mailbox in snapshot.mailboxes],
        "journal": {
            "head": snapshot.journal_head,
            "trouble": snapshot.journal_trouble,
            "anchor": _anchor(snapshot.anchor),
        },
        "vault": _vault(snapshot),
        "notify": {
            "trouble": snapshot.notify_trouble,
            "receivers": [
                _receiver(name, receiver) for name, receiver in snapshot.receivers.items()
            ],
        },
    }


def _receiver(name: str, receiver: ReceiverHealth) -> dict[str, Any]:
    return {
        "name": name,
        "waiting": receiver.waiting,
        "oldest": _time(receiver.oldest),
        "trouble": receiver.trouble,
    }


def _anchor(anchor: AnchorHealth | None) -> dict[str, Any] | None:
    """None: the configuration wants none."""
    if anchor is None:
        return None
    return {"record": anchor.seq, "usable": anchor.is_usable, "trouble": anchor.trouble}


def _vault(snapshot: Snapshot) -> dict[str, Any]:
    use = snapshot.vault_use
    trouble = None
    if use.trouble is not None:
        trouble = use.trouble.code
    return {
        "token_expires": _time(snapshot.vault_token_expires_at),
        "usable": use.is_usable,
        "last_passed_check": _time(use.passed_at),
        "trouble": trouble,
    }


def _mailbox(snapshot: Snapshot, mailbox: Health) -> dict[str, Any]:
    return {
        "name": mailbox.name,
        "connected": mailbox.connected,
        "listening": list(mailbox.listening),
        "last_successful_sweep": _time(mailbox.last_sweep_at),
        "seconds_since_progress": round(snapshot.seconds_since_progress(mailbox), 1),
        "pending": mailbox.pending,
        "trouble": mailbox.trouble,
        "token": snapshot.token_trouble(mailbox),
    }


def _time(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return iso(moment)


def _metrics(metrics: Metrics, _request: Request) -> Response:
    return Response(HTTPStatus.OK, metrics.text(), CONTENT_TYPE)


def _ok(text: str) -> Response:
    return plain(HTTPStatus.OK, text)


def _unavailable(text: str) -> Response:
    return plain(HTTPStatus.SERVICE_UNAVAILABLE, text)
