"""What clients asked and what it cost: tests of cost, and tests that wait, read it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(eq=False)
class ConnectionLog:
    """What went over one connection."""

    number: int
    """From 1, in the order of connecting."""
    commands: list[str] = field(default_factory=list)
    """Without tags; of a literal only its size. DONE is one."""
    bytes_sent: int = 0
    """By the server."""
    bytes_received: int = 0
    idling: str | None = None
    """The folder, while the connection is in IDLE."""


class ServerLog:
    """What went over all connections; guarded by the account's lock."""

    def __init__(self) -> None:
        self.connections: list[ConnectionLog] = []
        """In the order of connecting."""
        self.commands: list[str] = []
        """Of all connections, in the order of arrival."""
        self.counts: Counter[str] = Counter()
        """Commands by name: `UID FETCH`, `IDLE`, …"""
        self.ended = 0
        """Connections up to this number are over, with `farewell`."""
        self.farewell = ""
        self.answered: Counter[str] = Counter()
        """Those of them whose answer is sent."""

    @property
    def idling(self) -> set[str | None]:
        """Folders that connections wait for news of; None for those that do not wait."""
        return {connection.idling for connection in self.connections}

    def connect(self) -> ConnectionLog:
        """A connection begins."""
        self.connections.append(ConnectionLog(len(self.connections) + 1))
        return self.connections[-1]

    def begin(self, connection: ConnectionLog, name: str, text: str) -> None:
        """A command has come."""
        connection.commands.append(text)
        self.commands.append(text)
        self.counts[name] += 1
