"""deploy/prometheus, deploy/grafana: alerts fire when they should, and have a section to read.

They name metrics that exist.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML
from typer.core import TyperGroup
from typer.main import get_command

from tests.deploy.kit import DEPLOY, ROOT, documents, run
from tests.kit.fakes import Silent
from tests.kit.servers.process import command
from token_catcher.anchoring import AnchorHealth
from token_catcher.cli import app
from token_catcher.daemon import Health, Lapsed, VaultUse
from token_catcher.expiry import Owner
from token_catcher.model import Entry, Event
from token_catcher.notify import ReceiverHealth
from token_catcher.oauth import TokenHealth
from token_catcher.web import Access, Lookup, Metrics, Page, Subject, routes
from token_catcher.web.exchange import Request

RULES = DEPLOY / "prometheus" / "alerts.yaml"
RULE_TESTS = sorted((DEPLOY / "prometheus").glob("*.test.yaml"))
DASHBOARD = DEPLOY / "grafana" / "dashboard.json"
RUNBOOK = ROOT / "docs" / "runbook.md"
NOW = datetime(2026, 2, 3, 12, 57, 27, tzinfo=UTC)
ADDED = {"instance", "job", "pod", "shard", "le"}
"""Labels that are not ours: Prometheus adds those of the target, `count_values` that of the shard,
and every histogram has the last."""
OF_PROMETHEUS = "up"
"""The one series that the rules take from Prometheus itself."""


@pytest.fixture(scope="module")
def promtool() -> str:
    """Of Debian's package prometheus; `make tools` unpacks this one program of it."""
    return command("promtool", "make tools (takes promtool out of Debian's package prometheus)")


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    """Every alert."""
    [document] = documents(RULES)
    return [rule for group in document["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def panels() -> list[dict[str, Any]]:
    """Every panel of the dashboard."""
    dashboard = json.loads(DASHBOARD.read_text())
    assert isinstance(dashboard["panels"], list)
    return dashboard["panels"]


@dataclass(frozen=True)
class Loops:
    """A daemon with one healthy mailbox."""

    ready: bool = True
    stuck: Sequence[str] = ()

    @property
    def health(self) -> Sequence[Health]:
        """Just looked."""
        return [
            Health(
                "m",
                0.0,
                looked=True,
                connected=True,
                listening=(),
                last_sweep_at=NOW,
                trouble=None,
                pending=0,
                keyless=0,
                unapplied=0,
            )
        ]


@pytest.fixture(scope="module")
def exported() -> dict[str, set[str]]:
    """What /metrics of the real pages shows, each sample's name with its labels."""
    metrics = Metrics(lambda: NOW)
    metrics.observe(
        Entry(Event.STORED, "i", "m", "INBOX", 1, 1, "sha256:0", "2026-02-03T12:57:27Z")
    )
    metrics.vault_request("login", 200)
    metrics.vault_alarm("vault.wrapping_token_foreign")
    metrics.notified("ops", "delivered", 1)
    metrics.login_proven("login-refused")
    subject = Subject(
        version="1",
        instance="i",
        loops=Loops(),
        now=lambda: NOW,
        monotonic=lambda: 0.0,
        shard=(0, 1),
        journal_head=lambda: 0,
        journal_trouble=lambda: None,
        vault_use=lambda: VaultUse(was_proven=True),
        held_waiting=dict,
        drifted=dict,
        lapsed=lambda: Lapsed({"o": 0}, {"o": 0}),
        users_held=lambda: {"o": 0},
        vault_token_expires_at=lambda: NOW,
        access_tokens=lambda: {"m": TokenHealth(None, 3600.0, NOW.timestamp())},
        certificate_ends=lambda: {Owner("m", "oauth"): NOW},
        receivers=lambda: {"ops": ReceiverHealth(1, NOW, None)},
        anchor=lambda: AnchorHealth(0),
    )
    log = Silent()
    access = Access(None, is_loopback=True, monotonic=lambda: 0.0, log=log)
    page = Page(Lookup(lambda: None, monotonic=lambda: 0.0, log=log), access)
    text = routes(subject, metrics, page)["/metrics"](Request()).text
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def rule_tests() -> Iterator[dict[str, Any]]:
    """The tests of the rules, of all files."""
    for path in RULE_TESTS:
        [document] = documents(path)
        yield from document["tests"]


def queries(panels: list[dict[str, Any]]) -> Iterator[str]:
    """What the dashboard asks Prometheus."""
    return (target["expr"] for panel in panels for target in panel["targets"])


def names(text: str) -> set[str]:
    """The metrics that are named in a text."""
    return set(re.findall(r"\btoken_catcher_[a-z_]+", text))


def labels(query: str) -> set[str]:
    """The labels that a query filters by or groups by, or that a text shows."""
    matched = re.findall(r"(\w+)\s*=~?\s*\"", query)
    grouped = [
        name
        for group in re.findall(r"\b(?:by|on|without) \(([^)]*)\)", query)
        for name in group.split(",")
    ]
    return {name.strip() for name in [*matched, *grouped]}


def test_promtool_takes_the_rules_and_their_tests(promtool: str) -> None:
    """Each alert fires at its time, with its text, and keeps quiet in normal work."""
    tests = [path.name for path in RULE_TESTS]
    for words in (["check", "rules", RULES.name], ["test", "rules", *tests]):
        done = run(promtool, *words, cwd=RULES.parent)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_seen_firing_and_quiet(rules: list[dict[str, Any]]) -> None:
    """The rule tests expect every alert at least once, and at least once expect it not to fire."""
    looks = [look for test in rule_tests() for look in test["alert_rule_test"]]
    fires = {look["alertname"] for look in looks if look.get("exp_alerts")}
    quiet = {look["alertname"] for look in looks if not look.get("exp_alerts")}
    assert fires == quiet == {rule["alert"] for rule in rules}


def test_every_metric_exists(
    rules: list[dict[str, Any]], panels: list[dict[str, Any]], exported: dict[str, set[str]]
) -> None:
    """Alerts, dashboard and runbook name only what the program exports."""
    alerts = "".join(rule["expr"] for rule in rules)
    named = names(alerts + DASHBOARD.read_text() + RUNBOOK.read_text())
    assert named <= set(exported), named - set(exported)
    assert set.union(*map(names, queries(panels))) <= named


def test_every_label_exists(
    rules: list[dict[str, Any]], panels: list[dict[str, Any]], exported: dict[str, set[str]]
) -> None:
    """Each query filters and groups by labels that one of its metrics has."""
    for query in [*(rule["expr"] for rule in rules), *queries(panels)]:
        known = set.union(ADDED, *(exported[name] for name in names(query)))
        assert labels(query) <= known, query


def test_the_rule_tests_feed_what_the_program_exports(exported: dict[str, set[str]]) -> None:
    """The series of the rule tests have the names and labels of the real ones."""
    for test in rule_tests():
        for entry in test["input_series"]:
            name, _, rest = entry["series"].partition("{")
            if name == OF_PROMETHEUS:
                continue
            assert set(re.findall(r"(\w+)=", rest)) - ADDED == exported[name], entry["series"]


def test_each_alert_has_its_section_and_each_section_its_alert(rules: list[dict[str, Any]]) -> None:
    """docs/runbook.md has one section for each alert, in the same order.

    Each answers the four questions."""
    _, *sections = re.split(r"^## ", RUNBOOK.read_text(), flags=re.MULTILINE)
    assert [section.partition("\n")[0] for section in sections] == [rule["alert"] for rule in rules]
    for section in sections:
        asked = re.findall(r"^\*\*(.+?):\*\*", section, re.MULTILINE)
        assert asked == ["Means", "First look", "Mend", "Worry about tokens"], section


def test_the_runbook_types_commands_that_exist() -> None:
    """Each `token-catcher …` in the runbook is a command that exists, with options it has."""
    lines = re.findall(r"`token-catcher ([^`…]+)`", RUNBOOK.read_text())
    assert "scan" in lines
    for words in map(str.split, lines):
        asked: Any = get_command(app)
        for word in words[:2]:
            if isinstance(asked, TyperGroup):
                asked = asked.commands[word]
        options = {word for word in words if word.startswith("--")}
        assert options <= {name for param in asked.params for name in param.opts}, words


def test_each_alert_says_how_bad_it_is(rules: list[dict[str, Any]]) -> None:
    """Every alert has a severity, a summary and a description."""
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, rule["alert"]


def test_each_alert_leads_to_its_section(rules: list[dict[str, Any]]) -> None:
    """The page's address is the installation's; behind it stands the heading of the runbook."""
    for rule in rules:
        place = f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["annotations"]["runbook_url"] == f"https://example.com/token-catcher/{place}"


def test_environments_are_kept_apart(rules: list[dict[str, Any]]) -> None:
    """What is summed up over instances keeps all other labels of a target: which of them tells
    environments apart is not known here."""
    for rule in rules:
        kept = re.findall(r"\b(?:max|min|sum|count) by \(([^)]*)\)", rule["expr"])
        per_instance = all("instance" in group for group in kept)
        assert per_instance, rule["alert"]


def test_the_dashboard_asks_in_valid_promql(
    promtool: str, panels: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Each query parses, once Grafana's variables are filled in."""
    rules = []
    for number, query in enumerate(queries(panels)):
        filled = query.replace("$mailbox", ".*").replace("$job", ".*")
        filled = filled.replace("$__rate_interval", "5m")
        rules.append({"record": f"panel:query{number}:x", "expr": filled})
    YAML().dump({"groups": [{"name": "dashboard", "rules": rules}]}, tmp_path / "queries.yaml")
    done = run(promtool, "check", "rules", tmp_path / "queries.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_fits_any_grafana(panels: list[dict[str, Any]]) -> None:
    """Nothing of one installation is in it, and no two panels lie on each other."""
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    assert not {"id", "uid", "version"} & set(json.loads(DASHBOARD.read_text()))
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells: list[tuple[int, int]] = []
    for position in [panel["gridPos"] for panel in panels]:
        columns = range(position["x"], position["x"] + position["w"])
        rows = range(position["y"], position["y"] + position["h"])
        assert columns.stop <= 24
        cells.extend(product(columns, rows))
    assert len(set(cells)) == len(cells)
