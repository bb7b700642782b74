"""What is written down: the rotation record, and what is settled."""

from token_catcher.record.checkpoint import Checkpoint, FolderProgress, Pending
from token_catcher.record.journal import Journal, Record, State, Verification, verify
from token_catcher.record.waiting import MailToken
from token_catcher.record.writer import writer_id

__all__ = [
    "Checkpoint",
    "FolderProgress",
    "Journal",
    "MailToken",
    "Pending",
    "Record",
    "State",
    "Verification",
    "verify",
    "writer_id",
]
