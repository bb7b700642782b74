"""The audit of the installed program: a keyed journal whose head the daemon keeps in Vault, and the
state of yesterday put in its place."""

from __future__ import annotations

import shutil

import pytest

from tests.kit.program import POLICY, Program
from tests.kit.servers import Dovecot, OpenBao, until
from tests.system.resets import Resets, records
from tests.system.test_web import Site
from token_catcher.advice import NEXT_STEP

pytestmark = pytest.mark.servers
ANCHOR = POLICY.with_name("journal-anchor.hcl")


@pytest.fixture
def resets(tool: Program, dovecot: Dovecot, openbao: OpenBao, user: str, org: str) -> Resets:
    """Of one user, over the shared servers."""
    return Resets(tool, dovecot, openbao, user, org)


@pytest.fixture
def site(tool: Program) -> Site:
    """The pages of the daemon; asked for before `anchored`, which configures the rest."""
    return Site(tool)


@pytest.fixture
def anchored(tool: Program, openbao: OpenBao, org: str) -> str:
    """Where Vault keeps the head of this test's journal, which has a key; granted to its role."""
    openbao.policy(f"{org}-anchor", ANCHOR.read_text("utf-8"))
    policies = {"token_policies": ["token-catcher", f"{org}-anchor"]}
    openbao.tell("post", f"auth/approle/role/{org}-test", policies)
    tool.secret("journal-key", "k" * 64)
    tool.configure(instance=f"instance: {org}")
    with tool.config.open("a") as config:
        config.write("journal: {key: {file: journal-key}, anchor: true}\n")
    return f"token-catcher/journal/{org}"


def first_lines(tool: Program) -> list[str]:
    """Code and state of `audit verify`, and what it says of the anchor."""
    done = tool("audit", "verify")
    first, *lines = done.out.splitlines()
    state, _, _head = first.partition(", head ")
    return [str(done.code), state, *(line for line in lines if "anchor" in line)]


def test_yesterdays_state_is_found_by_the_anchor(
    tool: Program, resets: Resets, openbao: OpenBao, anchored: str, org: str
) -> None:
    """The daemon anchors what it records; a state that was put back, whole in itself, shows; and
    while Vault denies the anchor, the rest is judged."""
    yesterday = tool.home / "yesterday"
    resets.send()
    assert tool("scan").code == 0
    with tool.daemon() as daemon:
        anchor = until(lambda: openbao.get(anchored), "the anchor")
        resets.make_the_trip()
        assert daemon.end() == 0
    first, second = records(tool)
    assert first["asked_by"].startswith("scan:")
    assert (second["asked_by"], second["version_before"]) == ("daemon", 1)
    file = tool.state / "journal.jsonl"
    told = f"  anchored to record 1, {anchor['at']}"
    assert first_lines(tool) == ["0", f"{file}: intact, unanchored tail of 1, 2 records", told]
    shutil.copytree(tool.state, yesterday)
    resets.send()
    assert tool("scan").code == 0
    openbao.put(anchored, {**anchor, "seq": "3", "hash": records(tool)[-1]["hash"]})
    assert first_lines(tool)[:2] == ["0", f"{file}: intact, 3 records"]
    shutil.rmtree(tool.state)
    yesterday.rename(tool.state)
    assert first_lines(tool)[:2] == ["1", f"{file}: truncated: 1 missing, 2 records"]
    openbao.policy(f"{org}-anchor", 'path "secret/data/nothing" { capabilities = ["read"] }')
    code, state, note = first_lines(tool)
    assert (code, state) == ("0", f"{file}: intact, 2 records")
    assert note.startswith("  the anchor in Vault was not looked at: ")


def test_reconcile_holds_the_journal_against_the_anchor_as_well(
    tool: Program, resets: Resets, openbao: OpenBao, anchored: str, org: str
) -> None:
    """A journal that was begun anew agrees with each secret, and not with what Vault knows of it;
    where Vault denies the anchor, that is a note."""
    resets.send()
    assert tool("scan").code == 0
    assert reconciled(tool) == (0, ["not-listed"])
    begun = {"seq": "2", "hash": "a" * 64, "instance": org, "at": "2026-11-26T08:00:00Z"}
    openbao.put(anchored, begun)
    assert reconciled(tool) == (1, ["journal-truncated", "not-listed"])
    text = tool("audit", "reconcile").out
    assert "the journal ends here, its anchor in Vault knows 2 records" in text
    assert "  anchored to record 2, 2026-11-26T08:00:00Z\n" in text
    openbao.policy(f"{org}-anchor", 'path "secret/data/nothing" { capabilities = ["read"] }')
    assert reconciled(tool) == (0, ["anchor-unread", "not-listed"])


def test_check_says_whether_the_journal_can_be_anchored(
    tool: Program, openbao: OpenBao, anchored: str, org: str
) -> None:
    """By our rights at the anchor's path; and the records are held against what is there."""
    place = f"secret/data/{anchored}"
    assert journal_steps(tool) == [
        ("anchor", "ok", None, "none yet: the daemon writes the first"),
        ("records", "ok", None, "nothing was recorded yet"),
    ]
    begun = {"seq": "2", "hash": "a" * 64, "instance": org, "at": "2026-11-26T08:00:00Z"}
    openbao.put(anchored, begun)
    missing = "line 1: truncated: the journal ends here, its anchor in Vault knows 2 records"
    assert journal_steps(tool) == [
        ("anchor", "ok", None, "record 2, 2026-11-26T08:00:00Z"),
        ("records", "failed", "journal-broken", f"{missing}: the rest was cut off"),
    ]
    openbao.policy(f"{org}-anchor", f'path "{place}" {{ capabilities = ["read"] }}')
    lacking = f'path "{place}" {{ capabilities = ["create", "update"] }}'
    saw = f"our token lacks create and update on the journal's anchor; grant {lacking}"
    assert journal_steps(tool) == [
        ("anchor", "failed", "journal-anchor-policy", saw),
        ("records", "failed", "journal-broken", f"{missing}: the rest was cut off"),
    ]


def test_init_prints_what_the_anchor_of_the_configuration_needs(
    tool: Program, anchored: str
) -> None:
    """With the usual policy, where the configuration that is there wants an anchor."""
    done = tool("init", "--vault-setup", "kv2")
    assert (done.code, done.out) == (0, tool("init", "--vault-setup", "anchor").out)
    assert 'path "secret/data/token-catcher/journal/+"' in done.out
    assert done.err == f"token-catcher: with what journal.anchor of {tool.config} needs\n"
    assert anchored


READING = 'path "secret/data/token-catcher/journal/+" { capabilities = ["read"] }'


def test_a_scan_without_a_daemon_anchors_what_it_recorded(
    tool: Program, resets: Resets, openbao: OpenBao, anchored: str, org: str
) -> None:
    """Not twice within a minute, and then it says so; what keeps it from that makes it fail."""
    resets.send()
    done = tool("scan")
    anchor = openbao.get(anchored) or {}
    assert (done.code, anchor["seq"], "anchored" in done.err) == (0, "1", False)
    resets.send()
    done = tool("scan")
    assert (done.code, list(openbao.versions(anchored))) == (0, [1])
    assert "token-catcher: the last records are not anchored yet" in done.err
    openbao.put(anchored, {**anchor, "at": "2026-01-01T00:00:00Z"})
    assert tool("scan").code == 0
    assert (openbao.get(anchored) or {})["seq"] == "2"
    openbao.policy(f"{org}-anchor", READING)
    resets.send()
    done = tool("scan", "--json")
    place = f"secret/data/{anchored}"
    lacking = "our token lacks create and update on the journal's anchor; grant"
    told = done.lines[-1]
    assert (done.code, told["outcome"], told["reason"], told["saw"]) == (
        1,
        "error",
        "journal-anchor-policy",
        f'{lacking} path "{place}" {{ capabilities = ["create", "update"] }}',
    )
    assert "init --vault-setup anchor" in told["next"]


def test_whoever_records_without_a_daemon_anchors_it(
    tool: Program, resets: Resets, openbao: OpenBao, anchored: str, org: str
) -> None:
    """A wait and an archive as well; what keeps them from it is told, and they did what they are
    for."""
    resets.send()
    assert tool("scan", "--wait", "1s").code == 3  # the reset is hours old
    anchor = openbao.get(anchored) or {}
    openbao.put(anchored, {**anchor, "at": "2026-01-01T00:00:00Z"})
    assert tool("audit", "archive").code == 0
    assert (anchor["seq"], (openbao.get(anchored) or {})["seq"]) == ("1", "3")
    openbao.policy(f"{org}-anchor", READING)
    done = tool("audit", "archive")
    assert (done.code, "holds no record yet" in done.out) == (0, True)
    told, following = done.err.splitlines()
    lacking = "our token lacks create and update on the journal's anchor"
    assert told.startswith(f"token-catcher: the journal was not anchored: {lacking}")
    assert following == f"next: {NEXT_STEP['journal-anchor-policy']}"


def test_a_journal_that_its_anchor_contradicts_is_nowhere_green(
    tool: Program, site: Site, resets: Resets, openbao: OpenBao, anchored: str, org: str
) -> None:
    """In the scan, in status, and in the daemon's health, page, metrics and log; what comes is
    stored all the same, and the anchor stays as evidence."""
    resets.send()
    assert tool("scan").code == 0
    ahead = {"seq": "9", "hash": "a" * 64, "instance": org, "at": "2026-11-26T08:00:00Z"}
    openbao.put(anchored, ahead)
    done = tool("scan", "--json")
    assert (done.code, [line["reason"] for line in done.lines]) == (1, ["journal-anchor"])
    done = tool("status", "--json")
    [told] = done.lines
    assert (done.code, told["needs_a_person"]) == (1, True)
    problem = f"the anchor in Vault knows 9 records of {org}, the journal has 1"
    assert told["journal"]["anchor"] == {
        "path": f"secret/data/{anchored}",
        "record": None,
        "at": ahead["at"],
        "unanchored": None,
        "unanchored_since": None,
        "trouble": "journal-anchor",
        "saw": f"{problem}: the rest was cut off, or an older state was brought back",
        "failing": True,
        "next": NEXT_STEP["journal-anchor"],
    }
    with tool.daemon() as daemon:
        contradicted = {"record": None, "usable": False, "trouble": "journal-anchor"}
        until(lambda: site.health["journal"]["anchor"] == contradicted, "the trouble")
        assert site.get("/healthz")[0] == 503
        assert site.get("/readyz") == (200, "ready\n")
        gauges = ("journal_anchor_usable", "journal_contradicted")
        assert [site.sample(name) for name in gauges] == [0, 1]
        until(lambda: "Needs a person: the journal&#x27;s anchor." in site.get("/")[1], "the page")
        assert daemon.says("journal.anchor_failed", code="journal-anchor", level="error")
        resets.make_the_trip()
    assert openbao.get(anchored) == ahead


def journal_steps(tool: Program) -> list[tuple[str | None, ...]]:
    """Step, outcome, code and what was seen, of what `check` says of anchor and records."""
    steps = [step for step in tool("check", "--json").lines if step["area"] == "journal"]
    return [
        (step["step"], step["outcome"], step["code"], step["saw"])
        for step in steps
        if step["step"] != "append"
    ]


def reconciled(tool: Program) -> tuple[int, list[str]]:
    """Exit code and codes of `audit reconcile`."""
    done = tool("audit", "reconcile", "--json")
    return done.code, [line["code"] for line in done.lines]
