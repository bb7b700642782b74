"""What is written down: the rotation record, and what is settled."""

from typing import TYPE_CHECKING

from token_catcher.faces import face

if TYPE_CHECKING:
    from token_catcher.record.archive import series
    from token_catcher.record.chain import START, Chain, Head, is_sealed
    from token_catcher.record.checkpoint import Checkpoint
    from token_catcher.record.difference import NOTES, Beginning, Code, Difference, Recorded
    from token_catcher.record.filelock import Patience, Waiting
    from token_catcher.record.journal import Journal
    from token_catcher.record.keyring import NO_KEYS, SHORTEST_KEY, Keyring
    from token_catcher.record.last_look import LastLook, LookNotes
    from token_catcher.record.openfile import HeldRecords, Record
    from token_catcher.record.org_ids import OrgIds
    from token_catcher.record.ownership import refusal
    from token_catcher.record.progress import FolderProgress, FollowUp, Pending
    from token_catcher.record.reconcile import Comparison
    from token_catcher.record.schema import record_schema
    from token_catcher.record.tries import Trial, Tries, TriesFile
    from token_catcher.record.verification import (
        State,
        Stretch,
        Verification,
        in_order,
        verify,
        verify_files,
    )
    from token_catcher.record.waiting import UNPROVEN, MailToken, held_since, users_held
    from token_catcher.record.writer import known_writer_id, writer_id

__all__ = [
    "NOTES",
    "NO_KEYS",
    "SHORTEST_KEY",
    "START",
    "UNPROVEN",
    "Beginning",
    "Chain",
    "Checkpoint",
    "Code",
    "Comparison",
    "Difference",
    "FolderProgress",
    "FollowUp",
    "Head",
    "HeldRecords",
    "Journal",
    "Keyring",
    "LastLook",
    "LookNotes",
    "MailToken",
    "OrgIds",
    "Patience",
    "Pending",
    "Record",
    "Recorded",
    "State",
    "Stretch",
    "Trial",
    "Tries",
    "TriesFile",
    "Verification",
    "Waiting",
    "held_since",
    "in_order",
    "is_sealed",
    "known_writer_id",
    "record_schema",
    "refusal",
    "series",
    "users_held",
    "verify",
    "verify_files",
    "writer_id",
]

__getattr__ = face(
    __name__,
    {
        "archive": ("series",),
        "chain": ("Chain", "Head", "START", "is_sealed"),
        "checkpoint": ("Checkpoint",),
        "difference": ("Beginning", "Code", "Difference", "NOTES", "Recorded"),
        "filelock": ("Patience", "Waiting"),
        "journal": ("Journal",),
        "keyring": ("Keyring", "NO_KEYS", "SHORTEST_KEY"),
        "last_look": ("LastLook", "LookNotes"),
        "openfile": ("HeldRecords", "Record"),
        "org_ids": ("OrgIds",),
        "ownership": ("refusal",),
        "progress": ("FolderProgress", "FollowUp", "Pending"),
        "reconcile": ("Comparison",),
        "schema": ("record_schema",),
        "tries": ("Trial", "Tries", "TriesFile"),
        "verification": ("State", "Stretch", "Verification", "in_order", "verify", "verify_files"),
        "waiting": ("MailToken", "UNPROVEN", "held_since", "users_held"),
        "writer": ("known_writer_id", "writer_id"),
    },
)
