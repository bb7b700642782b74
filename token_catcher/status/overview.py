"""All of `status` at one moment; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from token_catcher.status.anchor import AnchorRow
from token_catcher.status.mailboxes import MailboxRow
from token_catcher.status.retirements import Retirement
from token_catcher.status.users import UserRow
from token_catcher.status.vault import VaultRow


@dataclass(frozen=True, slots=True)
class JournalRow:
    """How the journal stands."""

    file: str
    head: int
    """The number of its last record; 0: there is none."""
    trouble: str | None
    """The code of why it cannot be read; None: it can."""
    saw: str | None
    """The same in words."""
    missing_through: int
    """Records up to this number are not here, or not all: of users and mail that only they tell of
    nothing is known. 0: all are here."""

    @property
    def failing(self) -> bool:
        """Whether no token can be stored until a person mends it."""
        return self.trouble is not None

    def as_json(self) -> dict[str, Any]:
        """The contract of `status --json`."""
        return {**asdict(self), "failing": self.failing}


@dataclass(frozen=True, slots=True)
class Overview:
    """What `status` tells."""

    now: str
    """ISO 8601 in UTC."""
    users: Sequence[UserRow]
    """What needs a person first."""
    mailboxes: Sequence[MailboxRow]
    vault: VaultRow
    journal: JournalRow
    retirements: Sequence[tuple[Retirement, int]]
    """With the days that are left."""
    anchor: AnchorRow | None = None
    """What Vault knows of the journal. None: the configuration does not want it to."""

    @property
    def needs_a_person(self) -> bool:
        """Whether a token is overdue, missing, held or was never seen, or a part fails."""
        if self.vault.failing or self.journal.failing:
            return True
        if self.anchor is not None and self.anchor.failing:
            return True
        if any(row.needs_a_person for row in self.users):
            return True
        return any(row.needs_a_person for row in self.mailboxes)
