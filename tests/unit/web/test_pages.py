"""The probes and the parts: what each page says of a daemon."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.web.kit import NOW, PROVEN, STORED, WELL, Loops, Site
from token_catcher.anchoring import AnchorHealth
from token_catcher.daemon import VaultTrouble, VaultUse
from token_catcher.notify import ReceiverHealth
from token_catcher.oauth import TokenHealth


def test_livez_is_well_while_the_main_loop_moves(site: Site) -> None:
    """Whatever the mailboxes and Vault do."""
    site.loops.health = [replace(WELL, connected=False, trouble="imap-login")]
    assert site.says("/livez") == (200, "alive\n")
    site.loops.stuck = ["integrations"]
    assert site.says("/livez") == (200, "alive\n"), "it is replaced"
    site.loops.stuck = ["daemon", "integrations"]
    assert site.says("/livez") == (503, "stuck: daemon, integrations\n")


def test_readyz_waits_for_the_first_look_and_a_connection(site: Site) -> None:
    """One mailbox that is connected is enough, and a shard without any is ready.

    It is told which is not."""
    assert site.says("/readyz") == (200, "ready\n")
    site.loops.health = [replace(WELL, connected=False), replace(WELL, name="billing")]
    assert site.says("/readyz") == (200, "ready, but not connected: integrations\n")
    site.loops.health = [replace(WELL, connected=False)]
    assert site.says("/readyz") == (503, "no mailbox is connected\n")
    site.loops.health = []
    assert site.says("/readyz") == (200, "ready\n")
    site.loops.ready = False
    site.loops.health = [WELL, replace(WELL, name="billing", looked=False)]
    assert site.says("/readyz") == (503, "waiting for the first look at every mailbox: billing\n")


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
                "token": None,
            }
        ],
        "journal": {"head": 42, "trouble": None, "anchor": None},
        "vault": {
            "token_expires": "2026-02-03T14:00:00Z",
            "usable": True,
            "last_passed_check": "2026-02-03T11:00:00Z",
            "trouble": None,
        },
        "notify": {"trouble": None, "receivers": []},
    }


def test_a_receiver_that_is_away_is_seen_and_no_trouble_of_ours(site: Site) -> None:
    """Tokens are caught all the same: neither probe nor health fails for it."""
    site.receivers = {
        "ops": ReceiverHealth(2, NOW - timedelta(minutes=3), "notify-unreachable"),
        "dev": ReceiverHealth(0, None, None),
    }
    site.notify_trouble = "notify-outbox"
    status, body = site.says("/healthz")
    assert (status, json.loads(body)["status"]) == (200, "ok")
    assert json.loads(body)["notify"] == {
        "trouble": "notify-outbox",
        "receivers": [
            {
                "name": "ops",
                "waiting": 2,
                "oldest": "2026-02-03T12:57:00Z",
                "trouble": "notify-unreachable",
            },
            {"name": "dev", "waiting": 0, "oldest": None, "trouble": None},
        ],
    }
    assert site.says("/readyz") == (200, "ready\n")


@pytest.mark.parametrize("trouble", [{"trouble": "vault-sealed"}, {"connected": False}])
def test_healthz_is_degraded_by_any_trouble(site: Site, trouble: dict[str, object]) -> None:
    """503, and the same JSON; what never happened is null."""
    site.loops.health = [replace(WELL, last_sweep_at=None, **trouble)]  # type: ignore[arg-type] # fields of Health
    site.expires = None
    site.vault = VaultUse(was_proven=True)
    status, body = site.says("/healthz")
    parts = json.loads(body)
    assert (status, parts["status"]) == (503, "degraded")
    assert parts["mailboxes"][0]["last_successful_sweep"] is None
    assert parts["vault"] == {
        "token_expires": None,
        "usable": True,
        "last_passed_check": None,
        "trouble": None,
    }


def test_a_token_that_cannot_be_renewed_degrades_health_alone(site: Site) -> None:
    """Mail comes while the connection lives: it is no reason to send nobody to us, and it is one
    to see to it."""
    site.tokens = {"integrations": TokenHealth("oauth-credential", -60.0)}
    status, body = site.says("/healthz")
    assert (status, json.loads(body)["status"]) == (503, "degraded")
    [mailbox] = json.loads(body)["mailboxes"]
    assert (mailbox["trouble"], mailbox["token"]) == (None, "oauth-credential")
    assert site.says("/readyz") == (200, "ready\n")
    site.tokens = {"integrations": TokenHealth(None, 3600.0)}
    assert site.says("/healthz")[0] == 200


@pytest.mark.parametrize(
    ("loops", "ready"),
    [
        (Loops(), True),
        (Loops(ready=False), False),
        (Loops(health=[replace(WELL, connected=False)]), False),
    ],
    ids=["well", "not looked yet", "not connected"],
)
def test_ready_in_health_is_what_readyz_says(site: Site, loops: Loops, ready: bool) -> None:
    """The word has one meaning."""
    site.loops.health = loops.health
    site.loops.ready = loops.ready
    assert (site.says("/readyz")[0] == 200) is ready
    assert json.loads(site.says("/healthz")[1])["ready"] is ready


DENIED = VaultTrouble("vault-policy", "our token lacks update")
SEALED = VaultTrouble("vault-sealed", "it is sealed", passes=True)


@pytest.mark.parametrize(
    ("vault", "usable", "readyz"),
    [
        (VaultUse(), None, (503, "waiting for the first check of Vault\n")),
        (VaultUse(SEALED), False, (503, "Vault cannot be used: vault-sealed\n")),
        (VaultUse(DENIED), False, (503, "Vault cannot be used: vault-policy\n")),
        (replace(PROVEN, trouble=DENIED), False, (503, "Vault cannot be used: vault-policy\n")),
        (
            replace(PROVEN, trouble=SEALED),
            False,
            (200, "ready, but Vault cannot be used: vault-sealed\n"),
        ),
    ],
    ids=["not asked", "never usable", "never allowed", "allowed no more", "away for a while"],
)
def test_a_vault_that_cannot_be_used_shows_before_the_first_mail(
    site: Site, vault: VaultUse, usable: bool | None, readyz: tuple[int, str]
) -> None:
    """In health always. In readiness, unless it was usable before and may be so again by itself:
    then mail is caught all the same, and waits, and readiness names the trouble."""
    site.vault = vault
    status, body = site.says("/healthz")
    parts = json.loads(body)
    assert (status, parts["status"], parts["vault"]["usable"]) == (503, "degraded", usable)
    trouble = None
    if vault.trouble is not None:
        trouble = vault.trouble.code
    assert parts["vault"]["trouble"] == trouble
    assert site.says("/readyz") == readyz
    assert site.says("/livez") == (200, "alive\n")


def test_a_journal_that_cannot_be_used_shows_before_the_first_mail(site: Site) -> None:
    """By its code, in health and readiness; a new start is no remedy, so the process lives."""
    site.journal_trouble = "journal-broken"
    status, body = site.says("/healthz")
    assert (status, json.loads(body)["journal"]) == (
        503,
        {"head": 42, "trouble": "journal-broken", "anchor": None},
    )
    assert site.says("/readyz") == (503, "the journal cannot be used: journal-broken\n")
    assert site.says("/livez") == (200, "alive\n")


@pytest.mark.parametrize(
    ("anchor", "told", "status"),
    [
        (AnchorHealth(), (None, None, None), 200),
        (AnchorHealth(42), (42, True, None), 200),
        (AnchorHealth(41, "vault-unreachable"), (41, False, "vault-unreachable"), 503),
        (AnchorHealth(None, "journal-anchor"), (None, False, "journal-anchor"), 503),
    ],
    ids=["not looked at", "well", "behind", "contradicted"],
)
def test_an_anchor_that_fails_degrades_the_health_alone(
    site: Site, anchor: AnchorHealth, told: tuple[int | None, bool | None, str | None], status: int
) -> None:
    """Tokens are stored and recorded all the same: nobody is sent away from us for it."""
    site.anchor = anchor
    answered, body = site.says("/healthz")
    fields = dict(zip(("record", "usable", "trouble"), told, strict=True))
    assert (answered, json.loads(body)["journal"]["anchor"]) == (status, fields)
    assert site.says("/readyz") == (200, "ready\n")


def test_no_username_and_no_path_is_told(site: Site) -> None:
    """On any page."""
    site.metrics.observe(STORED)
    paths = ("/livez", "/readyz", "/healthz", "/metrics")
    everything = "".join(site.says(path)[1] for path in paths)
    assert "@" not in everything
    assert "salesforce/" not in everything
    assert "0123456789abcdef" not in everything
