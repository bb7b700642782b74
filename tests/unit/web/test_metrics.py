"""The counters and gauges that Prometheus scrapes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.web.kit import NOW, STORED, WELL, Site, now
from token_catcher.anchoring import AnchorHealth
from token_catcher.daemon import Lapsed, VaultTrouble, VaultUse
from token_catcher.expiry import Owner
from token_catcher.model import Event, iso
from token_catcher.notify import ReceiverHealth
from token_catcher.oauth import TokenHealth
from token_catcher.record import MailToken, held_since, users_held
from token_catcher.web.metrics import Metrics


def test_metrics_have_the_names_that_alerts_rest_on(site: Site) -> None:
    """A contract with dashboards and alert rules: names, labels and base units."""
    site.metrics.observe(STORED)
    site.metrics.observe(
        replace(STORED, event=Event.REFUSED, reason="unsigned", org=None, username=None)
    )
    site.metrics.vault_request("read", 200)
    site.metrics.vault_request("read", 200)
    site.metrics.vault_request("login", None)
    site.metrics.vault_alarm("vault.wrapping_token_foreign")
    site.metrics.login_proven("login-refused")
    site.held = {"integrations": 2, "of a configuration before": 1}
    site.drifted = {"integrations": 3, "of a configuration before": 1}
    site.tokens = {"integrations": TokenHealth("oauth-credential", 600.0, NOW.timestamp() - 86400)}
    site.certificate_ends = {
        Owner("integrations", "oauth"): NOW + timedelta(days=20),
        Owner("", "client"): NOW - timedelta(days=1),
    }
    site.receivers = {
        "ops": ReceiverHealth(2, NOW - timedelta(minutes=3), "notify-unreachable"),
        "dev": ReceiverHealth(0, None, None),
    }
    site.notify_trouble = "notify-outbox"
    site.metrics.notified("ops", "delivered", 1)
    site.metrics.notified("ops", "given_up", 3)
    samples = site.samples()
    for name in list(samples):
        if "bucket" in name:
            del samples[name]
    mailbox = "('mailbox', 'integrations')"
    no_org = f"{mailbox}, ('org', '')"
    assert samples == {
        "build_info[('version', '1.2.3')]": 1,
        f"mail_to_vault_seconds_count[{mailbox}]": 1,
        f"mail_to_vault_seconds_sum[{mailbox}]": 2,
        f"last_successful_sweep_timestamp_seconds[{mailbox}]": NOW.timestamp() - 30,
        f"mailbox_connected[{mailbox}]": 1,
        f"mailbox_failing[{mailbox}]": 0,
        f"outcomes_total[{mailbox}, ('org', 'acme'), ('outcome', 'stored'), ('reason', '')]": 1,
        f"outcomes_total[{no_org}, ('outcome', 'refused'), ('reason', 'unsigned')]": 1,
        f"pending_mails[{mailbox}]": 0,
        f"keyless_mails[{mailbox}]": 0,
        f"after_capture_waiting[{mailbox}]": 0,
        f"held_waiting[{mailbox}]": 2,
        f"vault_drift[{mailbox}]": 3,
        "vault_requests_total[('operation', 'read'), ('status', '200')]": 2,
        "vault_requests_total[('operation', 'login'), ('status', 'unreachable')]": 1,
        "vault_alarms_total[('alarm', 'wrapping_token_foreign')]": 1,
        "login_proof_total[('result', 'login-refused')]": 1,
        "vault_token_expiry_timestamp_seconds": NOW.timestamp() + 3600,
        "notifications_total[('outcome', 'delivered'), ('receiver', 'ops')]": 1,
        "notifications_total[('outcome', 'given_up'), ('receiver', 'ops')]": 3,
        "notifications_waiting[('receiver', 'ops')]": 2,
        "notifications_waiting[('receiver', 'dev')]": 0,
        "notification_oldest_waiting_timestamp_seconds[('receiver', 'ops')]": NOW.timestamp() - 180,
        "notify_usable": 0,
        f"oauth_refused[{mailbox}]": 1,
        f"oauth_token_expiry_timestamp_seconds[{mailbox}]": NOW.timestamp() + 600,
        f"oauth_refresh_token_renewal_timestamp_seconds[{mailbox}]": NOW.timestamp() - 86400,
        f"certificate_expiry_timestamp_seconds[('kind', 'oauth'), {mailbox}]": NOW.timestamp()
        + 20 * 86400,
        "certificate_expiry_timestamp_seconds[('kind', 'client'), ('mailbox', '')]": NOW.timestamp()
        - 86400,
        "journal_head_sequence": 42,
        "journal_usable": 1.0,
        "vault_usable": 1.0,
        "shard_index": 1,
        "shard_count": 3,
        f"loop_last_progress_timestamp_seconds[{mailbox}]": NOW.timestamp() - 10,
    }


def test_metrics_leave_out_what_is_not_known(site: Site) -> None:
    """No sweep yet, no Vault token yet: no sample, since an alert would read a zero as 1970."""
    site.loops.health = [replace(WELL, last_sweep_at=None)]
    site.expires = None
    site.vault = VaultUse()
    site.tokens = {"integrations": TokenHealth(None, None)}
    names = " ".join(site.samples())
    assert "oauth_token" not in names
    assert "oauth_refresh" not in names
    assert "last_successful_sweep" not in names
    assert "vault_token_expiry" not in names
    assert "vault_usable" not in names


def test_a_journal_that_cannot_be_used_shows(site: Site) -> None:
    """Then no token can be stored."""
    site.journal_trouble = "journal-broken"
    assert site.samples()["journal_usable"] == 0


@pytest.mark.parametrize(
    ("anchor", "usable", "contradicted"),
    [
        (None, None, None),
        (AnchorHealth(), None, None),
        (AnchorHealth(42), 1, 0),
        (AnchorHealth(41, "journal-anchor-policy"), 0, 0),
        (AnchorHealth(None, "journal-anchor"), 0, 1),
    ],
    ids=["not wanted", "not looked at", "well", "denied", "contradicted"],
)
def test_the_anchor_of_the_journal(
    site: Site, anchor: AnchorHealth | None, usable: int | None, contradicted: int | None
) -> None:
    """Whether Vault gets to know the journal, and whether it knows another one."""
    site.anchor = anchor
    samples = site.samples()
    assert samples.get("journal_anchor_usable") == usable
    assert samples.get("journal_contradicted") == contradicted


def test_a_vault_that_a_token_could_not_be_stored_in_shows(site: Site) -> None:
    """Whether it was usable before, or never was."""
    for was_proven in (True, False):
        site.vault = VaultUse(VaultTrouble("vault-policy", "our token lacks update"), was_proven)
        assert site.samples()["vault_usable"] == 0


def test_where_no_held_mail_waits_the_metric_says_so(site: Site) -> None:
    """Zero, since an alert that ends has to see it."""
    assert site.samples()["held_waiting[('mailbox', 'integrations')]"] == 0


def test_a_held_mail_that_nobody_took_counts_no_longer_some_day() -> None:
    """Of each mailbox by its own time: a stranger's mail must not cover up the next one."""
    mails = [
        MailToken(1, "integrations", "sha256:1", iso(NOW), None, None, "", "", None),
        MailToken(
            2, "integrations", "sha256:2", iso(NOW - timedelta(seconds=1)), None, None, "", "", None
        ),
        MailToken(
            3, "second", "sha256:3", iso(NOW - timedelta(seconds=1)), None, None, "", "", None
        ),
        MailToken(4, "of a configuration before", "sha256:4", iso(NOW), None, None, "", "", None),
    ]
    since = {"integrations": NOW, "second": NOW - timedelta(days=1), "empty": NOW}
    assert held_since(mails, since) == {"integrations": 1, "second": 1}


def test_proven_mail_that_is_held_counts_until_it_is_settled() -> None:
    """However long that takes; mail without a proof does not, though it names a user of ours."""
    at = iso(NOW - timedelta(days=400))
    proven = MailToken(
        1, "integrations", "sha256:1", at, "a", "acme", "", "", None, "unknown-subject"
    )
    unproven = replace(proven, mail="sha256:2", username="b", reason="no-key")
    another = replace(proven, mail="sha256:3")
    mails = [proven, unproven, another]
    assert held_since(mails, {"integrations": NOW}) == {"integrations": 2}
    assert users_held(mails, ["acme", "acme-uat"]) == {"acme": 1, "acme-uat": 0}


def test_users_that_need_somebody(site: Site) -> None:
    """By org, never by name; nothing is said of what nobody has looked for yet."""
    site.users_held = {"acme": 1}
    assert "tokens_overdue[('org', 'acme')]" not in site.samples()
    site.lapsed = Lapsed({"acme": 2}, {"acme": 0})
    samples = site.samples()
    assert [
        samples[f"{name}[('org', 'acme')]"]
        for name in ("users_held", "tokens_overdue", "users_never_seen")
    ] == [1, 2, 0]


def test_a_mailbox_that_fails(site: Site) -> None:
    """While its last look met trouble."""
    assert site.samples()["mailbox_failing[('mailbox', 'integrations')]"] == 0
    site.loops.health = (replace(WELL, trouble="imap-login"),)
    assert site.samples()["mailbox_failing[('mailbox', 'integrations')]"] == 1


def test_metrics_tell_of_the_process(site: Site) -> None:
    """Memory, descriptors, CPU, by the names that every Prometheus knows."""
    assert "process_resident_memory_bytes" in site.says("/metrics")[1]


def test_a_mail_server_whose_clock_is_ahead(site: Site) -> None:
    """Counts as no delay, never as a negative one."""
    site.metrics.observe(replace(STORED, received_at="2026-02-03T13:00:09Z"))
    assert site.samples()["mail_to_vault_seconds_sum[('mailbox', 'integrations')]"] == 0


def test_each_site_counts_for_itself() -> None:
    """No registry is shared."""
    told = Metrics(now)
    other = Metrics(now)
    told.observe(STORED)
    name = "token_catcher_outcomes_total"
    labels = {"mailbox": "integrations", "org": "acme", "outcome": "stored", "reason": ""}
    assert told.registry.get_sample_value(name, labels) == 1
    assert other.registry.get_sample_value(name, labels) is None
