"""Three nodes of OpenBao on raft: one leads, the others stand by."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Self

import requests

from tests.kit.servers.openbao import OpenBao
from tests.kit.waiting import until

NAMES = ("one", "two", "three")

AUTOPILOT = "sys/storage/raft/autopilot/configuration"


class RaftCluster:
    """Every node is a server of its own: any of them can be killed and started again."""

    def __init__(self) -> None:
        self.nodes: list[OpenBao] = []
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with self._running:
            first = self._add(OpenBao(durable=True, node=NAMES[0]))
            # A node has a vote after ten seconds, unless told otherwise.
            first.tell("post", AUTOPILOT, {"server_stabilization_time": "100ms"})
            for name in NAMES[1:]:
                self._add(OpenBao(node=name, cluster=first))
            until(self._all_vote, "every node to have a vote")
            self._running = self._running.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    @property
    def leader(self) -> OpenBao:
        """The node that leads; waits until there is one."""
        return until(self._leader, "a leader")

    @property
    def standbys(self) -> list[OpenBao]:
        """The other nodes that run."""
        leader = self.leader
        return [node for node in self.nodes if node.is_running and node is not leader]

    def _add(self, node: OpenBao) -> OpenBao:
        self.nodes.append(self._running.enter_context(node))
        return node

    def _all_vote(self) -> bool:
        servers = self.nodes[0].tell("get", "sys/storage/raft/configuration").data["config"]
        return [server["voter"] for server in servers["servers"]] == [True] * len(NAMES)

    def _leader(self) -> OpenBao | None:
        for node in self.nodes:
            if node.is_running and _leads(node):
                return node
        return None


def _leads(node: OpenBao) -> bool:
    try:
        return node.health == 200
    except requests.ConnectionError:
        return False
