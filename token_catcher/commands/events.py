"""The names of our events that are no rotations.

What such an event carries may be the text of a server, of a library or of a mail, so that a record
within it was never written by us. The list is closed: an event with any other name is a
collector's, whatever stands beside it, and what it carries may be our line. A name stays on it
when the program has it no more: logs are kept for years.
"""

from __future__ import annotations

from typing import Final

_BY_SUBJECT: Final = {
    "certificate": ("ends",),
    "checkpoint": ("reset",),
    "daemon": ("ready", "reload_refused", "reloaded", "started", "stopped", "stuck"),
    "folder": ("incomplete",),
    "housekeeping": ("crashed",),
    "journal": (
        "anchor_delayed",
        "anchor_failed",
        "anchored",
        "archived",
        "continued",
        "head_set_aside",
        "headless",
        "keyed",
        "narrowed",
        "not_archived",
        "put_back",
        "repaired",
        "taken_over",
        "trouble",
        "unreadable",
        "usable_again",
    ),
    "keys": ("not_remembered",),
    "library": ("message",),
    "mail": ("after_capture", "after_capture_failed", "gone", "missing", "pending"),
    "mailbox": (
        "connected",
        "crashed",
        "left_behind",
        "look_not_noted",
        "pause",
        "renumbers",
        "replaced",
        "search_refused",
        "selected",
        "session_ended",
        "spam_folders",
        "trouble",
    ),
    "notify": (
        "another_journal",
        "answers_again",
        "crashed",
        "delivered",
        "failed",
        "given_up",
        "receiver_gone",
        "runs_again",
        "trouble",
        "usable_again",
    ),
    "oauth": (
        "crashed",
        "refresh_token_dropped",
        "refresh_token_not_written",
        "refresh_token_written",
        "renewal_cut_off",
        "renewed",
        "trouble",
    ),
    "program": ("crashed",),
    "retirement": ("near",),
    "schedule": ("trouble",),
    "secret": ("shared",),
    "sweep": ("interrupted",),
    "token": (
        "never_seen",
        "overdue",
        "proof_crashed",
        "proof_skipped",
        "proof_trouble",
        "proof_waits",
        "refused_at_login",
        "refused_once",
        "unverified",
        "verified",
    ),
    "trust": ("insecure", "org_not_pinned"),
    "vault": (
        "address_changed",
        "check_failed",
        "check_passed",
        "drift",
        "drift_ended",
        "not_asked",
        "patch_refused",
        "token_ends",
        "trouble",
        "unversioned",
        "unwrapping_cut_off",
        "wrapping_token_foreign",
        "wrapping_token_used",
    ),
    "web": (
        "crashed",
        "listening",
        "look_failed",
        "page_closed",
        "sign_in_refused",
        "token_unreadable",
    ),
}

OTHER_EVENTS: Final = frozenset(
    f"{subject}.{what}" for subject, names in _BY_SUBJECT.items() for what in names
)
