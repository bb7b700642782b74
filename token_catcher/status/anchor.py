"""What Vault knows of the journal, where `journal.anchor` is set; pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

from token_catcher.anchoring import GRACE
from token_catcher.model import moment

UNANCHORED: Final = "journal-unanchored"
"""The code where Vault should know a record for some time, and does not."""


@dataclass(frozen=True, slots=True)
class AnchorRow:
    """Of `status`. Times are ISO 8601 in UTC. Of what was not asked nothing is known: None."""

    path: str
    """Of the anchor, in Vault's API."""
    record: int | None = None
    """The last record that Vault knows; 0: none."""
    at: str | None = None
    """Since when it does."""
    unanchored: int | None = None
    """How many records came after that."""
    unanchored_since: str | None = None
    """When the first of them was written."""
    trouble: str | None = None
    """The code of why it cannot be read or written, or contradicts the journal, or is behind."""
    saw: str | None = None
    """The same in words."""

    @property
    def failing(self) -> bool:
        """Whether a person has to look, so that a cut journal shows."""
        return self.trouble is not None

    def as_json(self) -> dict[str, Any]:
        """The contract of `status --json`."""
        return {**asdict(self), "failing": self.failing}


def anchor_row(
    path: str,
    record: int,
    at: str | None,
    unanchored: int,
    unanchored_since: str | None,
    now: datetime,
) -> AnchorRow:
    """How it stands with an anchor that could be read, and does not contradict the journal.

    A few records are the last minute's. Those that Vault does not know after a quarter of an hour
    nobody tells it: by their own time, so that no restart begins anew what is counted."""
    row = AnchorRow(path, record, at, unanchored, unanchored_since)
    if unanchored_since is None or now - moment(unanchored_since) < GRACE:
        return row
    records = "the last record,"
    if unanchored > 1:
        records = f"the last {unanchored} records, the first"
    saw = f"Vault does not know {records} of {unanchored_since}"
    return replace(row, trouble=UNANCHORED, saw=saw)
