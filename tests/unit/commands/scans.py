"""Mailboxes and records for the tests of `scan`."""

from __future__ import annotations

from typing import Any

from tests.kit import mails
from tests.kit.rig import PATH, Rig
from token_catcher.errors import AccessError, TokenCatcherError, TransientError
from token_catcher.model import Entry, Event
from token_catcher.ports import Mailbox
from token_catcher.sweep import Watched

AWAY = TransientError("no route", code="imap-connect")
NO = AccessError("the login was refused", code="imap-login")


def failing(rig: Rig, error: TokenCatcherError, name: str = "failing") -> Watched:
    """A mailbox that cannot be logged in to; each try is in the rig's diary."""

    def connect() -> Mailbox:
        rig.diary.append(f"connect {name}")
        raise error

    return rig.but(name=name, connect=connect)


def entry(**fields: Any) -> Entry:
    """The record of a stored token."""
    usual: dict[str, Any] = {
        "event": Event.STORED,
        "instance": "one",
        "mailbox": "integrations",
        "folder": "INBOX",
        "uidvalidity": 1,
        "uid": 7,
        "mail": "sha256:0",
        "received_at": "2026-02-03T13:00:01Z",
        "issued_at": "2026-02-03T13:00:00Z",
        "username": mails.USERNAME,
        "org": "acme",
        "path": PATH,
        "version": 3,
        "fingerprint": "sha256:1",
        "recovered": True,
    }
    merged = usual | fields
    return Entry(**merged | {"event": Event(merged["event"])})
