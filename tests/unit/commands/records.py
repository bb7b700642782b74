"""Records and logs of rotations for the tests of the history."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.kit.fakes import Silent
from token_catcher.commands.history import History, read
from token_catcher.commands.rotation import Query
from token_catcher.model import Entry, as_fields, iso
from token_catcher.record.journal import Journal

NOW = datetime(2026, 2, 3, 12, 57, 28, tzinfo=UTC)
USER = "integration@acme.example"


def entry(uid: int = 1, **changes: Any) -> Entry:
    """A token that went to Vault as version 3."""
    usual: dict[str, Any] = {
        "event": "rotation.stored",
        "instance": "one",
        "mailbox": "integrations",
        "folder": "INBOX",
        "uidvalidity": 7,
        "uid": uid,
        "mail": f"sha256:{uid:064x}",
        "received_at": "2026-02-03T12:57:27Z",
        "issued_at": "2026-02-03T12:57:20Z",
        "username": USER,
        "org": "acme-production",
        "path": f"salesforce/acme-production/{USER}",
        "version": 3,
        "vault_created_at": "2026-02-03T12:57:28.123456789Z",
        "request_id": "b6f1f2b8-7a0c-4f2a-8f3a-7d1f1c1a2b3c",
        "fingerprint": "sha256:0123456789abcdef",
        "token_length": 25,
        "proof": "dkim salesforce.com test2026",
    }
    return Entry(**usual | changes)


def held(uid: int, reason: str = "unknown-user", **changes: Any) -> Entry:
    """A genuine mail that waits for a person."""
    return entry(
        uid,
        event="rotation.held",
        reason=reason,
        path=None,
        version=None,
        vault_created_at=None,
        **changes,
    )


def journalled(
    path: Path,
    records: Sequence[Entry],
    at: datetime = NOW,
    step: timedelta = timedelta(minutes=10),
) -> str:
    """A journal with these records, one each step; returns its name."""
    times = iter([at + step * number for number in range(len(records))])
    journal = Journal(path, now=lambda: next(times), log=Silent())
    for record in records:
        journal.append(record)
    return str(path)


def logged(record: Entry, at: datetime = NOW) -> str:
    """The line that our log has of it."""
    return json.dumps({"timestamp": iso(at), "level": "info", **as_fields(record)})


def file(path: Path, *lines: str | bytes) -> str:
    """A file of these lines; returns its name."""
    with path.open("wb") as stream:
        for line in lines:
            stream.write(line.encode() if isinstance(line, str) else line)
            stream.write(b"\n")
    return str(path)


def ask(*sources: str, stdin: bytes = b"", **query: Any) -> History:
    """The history that these sources tell of."""
    return read(sources, Query(**query), io.BufferedReader(io.BytesIO(stdin)))


def uids(history: History) -> list[int | None]:
    """Which rows are in it."""
    return [row.uid for row in history.rotations]
