"""What Vault tells of secrets, as a test says."""

from __future__ import annotations

from dataclasses import dataclass, field

from token_catcher.errors import TokenCatcherError
from token_catcher.model import Holding
from token_catcher.vault import Version


@dataclass
class Secrets:
    """Answers as it is told, and remembers what it was asked."""

    metadata: Version | TokenCatcherError | None = None
    holding: Holding | TokenCatcherError = field(default_factory=lambda: Holding(0))
    keeps_versions: bool = True
    asked: list[str] = field(default_factory=list)

    def latest(self, _path: str) -> Version | None:
        self.asked.append("metadata")
        if isinstance(self.metadata, TokenCatcherError):
            raise self.metadata
        return self.metadata

    def holds(self, _path: str) -> Holding:
        self.asked.append("values")
        if isinstance(self.holding, TokenCatcherError):
            raise self.holding
        return self.holding
