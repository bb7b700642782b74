"""What is written down: the rotation record, and what is settled."""

from token_catcher.record.checkpoint import Checkpoint, FolderProgress, Pending
from token_catcher.record.journal import Journal, Record, State, Verification, verify

__all__ = [
    "Checkpoint",
    "FolderProgress",
    "Journal",
    "Pending",
    "Record",
    "State",
    "Verification",
    "verify",
]
