"""Journals on real files, for the tests of their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.kit.fakes import Silent
from token_catcher.model import Entry, Event
from token_catcher.record.journal import Journal

NOW = datetime(2026, 2, 3, 12, 57, 28, tzinfo=UTC)
PATH = "salesforce/acme-production/integration@acme.example"
CREATED = "2026-02-03T12:57:28.123456789Z"


def entry(uid: int = 1, **changes: Any) -> Entry:
    """A token that went to Vault as version `uid`."""
    stored = Entry(
        event=Event.STORED,
        instance="one",
        mailbox="integrations",
        folder="INBOX",
        uidvalidity=7,
        uid=uid,
        mail=f"sha256:{uid:064x}",
        received_at="2026-02-03T12:57:27Z",
        username="integration@acme.example",
        org="acme-production",
        path=PATH,
        version=uid,
        vault_created_at=CREATED,
        fingerprint="sha256:0123456789abcdef",
    )
    return replace(stored, **changes)


def journal(path: Path, log: Silent | None = None, **settings: Any) -> Journal:
    """As a new process would have it."""
    return Journal(path, now=lambda: NOW, log=log or Silent(), **settings)


def as_it_is(_last: Entry, new: Entry) -> Entry:
    """What is added to the record of a mail: the new one, whatever it tells."""
    return new


def in_files(path: Path, *sizes: int) -> Journal:
    """A journal with so many records in each of its files, the last of which is open."""
    book = journal(path)
    uid = 0
    for position, size in enumerate(sizes):
        for _ in range(size):
            uid += 1
            book.append(entry(uid))
        if position < len(sizes) - 1:
            book.archive()
    return book


def names(path: Path) -> Sequence[str]:
    """The files in the journal's directory."""
    return sorted(file.name for file in path.parent.iterdir())
