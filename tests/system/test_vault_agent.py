"""The daemon beside a real Agent, which keeps its token: from the first one to the fourth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.vault import shipped_policy
from tests.kit.program import Daemon, Program
from tests.kit.servers import Dovecot, OpenBao, until
from tests.kit.servers.agent import Agent
from tests.system.resets import Resets


@pytest.fixture
def agent(openbao: OpenBao, org: str) -> Iterator[Agent]:
    """With tokens that live for seconds: it renews each once or twice, then logs in anew."""
    role = openbao.approle(
        f"{org}-agent", shipped_policy(openbao), token_ttl="4s", token_max_ttl="6s"
    )
    with Agent(openbao, role) as ready:
        yield ready


def warnings(daemon: Daemon) -> list[dict[str, Any]]:
    """What it has complained of, but for orgs without id, and what the calendar brings."""
    complaints = [event for event in daemon.events if event["level"] in ("warning", "error")]
    expected = ("trust.org_not_pinned", "retirement.near")
    return [event for event in complaints if event["event"] not in expected]


def another_token(agent: Agent) -> None:
    """Wait for it to log in anew."""
    before = agent.token
    until(lambda: agent.token not in ("", before), "the Agent to log in anew")


@pytest.mark.parametrize("way", ["sink", "socket"])
def test_an_agent_keeps_the_token(
    tool: Program,
    dovecot: Dovecot,
    openbao: OpenBao,
    user: str,
    org: str,
    agent: Agent,
    way: str,
) -> None:
    """Its sink is read anew in time, three times; through its socket all requests pass as well.

    No token is lost, and there is nothing to warn of."""
    address = openbao.url
    if way == "socket":
        address = agent.url
    tool.configure(
        address=f"address: {address}",
        auth=f"auth: {{method: token, token: {{file: {agent.token_file}}}}}",
    )
    resets = Resets(tool, dovecot, openbao, user, org)
    with tool.daemon() as daemon:
        for _ in range(3):
            resets.make_the_trip()
            another_token(agent)
        resets.make_the_trip()
        resets.make_the_trip()
        complaints = warnings(daemon)
    assert complaints == []
    resets.all_accounted_for()
