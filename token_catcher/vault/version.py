"""What is read of a secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from token_catcher.model import moment

OUR_VERSION: Final = "security_token_version"
"""The field with the number of the version that is ours."""


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """One version of a secret."""

    number: int
    """0: there is none at all."""
    created_at: str = ""
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    gone: bool = False
    """Deleted, destroyed or expired: what it held is not known."""
    deletion_time: str = ""
    """May lie ahead."""
    destroyed: bool = False
    is_versioned: bool = True
    """Whether the mount keeps versions; where it does not, a secret that is there has number 1."""

    @property
    def name(self) -> str:
        """For messages: `version 3`."""
        if self.is_versioned:
            return f"version {self.number}"
        return "the secret"

    def has_ended(self, now: datetime) -> bool:
        """Whether it was destroyed, or its `deletion_time` has passed."""
        if self.destroyed or not self.deletion_time:
            return self.destroyed
        try:
            return moment(self.deletion_time) <= now
        except ValueError:
            return True  # it has one, in whatever form

    def ours(self, name: str) -> str | None:
        """One of the fields we write beside the token."""
        value = self.data.get(f"security_token_{name}")
        if isinstance(value, str):
            return value
        return None
