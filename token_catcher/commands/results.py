"""What a scan tells of each mail, to a person or a machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from token_catcher.commands.explanation import Explanation
from token_catcher.model import Entry
from token_catcher.sweep import Report


@dataclass(frozen=True, slots=True)
class Line:
    """One mail that a scan settled, postponed, or only judged: a line of its output."""

    mailbox: str
    folder: str | None
    uid: int | None
    outcome: str
    """stored | unchanged | held | refused | retry; in a dry run would-store in place of the first two; error: the mailbox
    itself could not be looked at"""
    reason: str | None = None
    saw: str | None = None
    username: str | None = None
    org: str | None = None
    path: str | None = None
    version: int | None = None
    issued_at: str | None = None
    fingerprint: str | None = None
    recovered: bool = False

    def as_json(self) -> dict[str, Any]:
        """The contract of `scan --json`."""
        return asdict(self)


def lines(report: Report) -> Iterator[Line]:
    """What a report tells a person or a machine, mail by mail, and last what ended it early."""
    for entry in report.entries:
        yield _from_entry(entry)
    for trouble in report.troubles:
        yield Line(
            report.mailbox, trouble.folder, trouble.uid, "retry", trouble.code, trouble.message
        )
    if report.error is not None:
        yield Line(report.mailbox, None, None, "error", report.error.code, str(report.error))


def _from_entry(entry: Entry) -> Line:
    return Line(
        mailbox=entry.mailbox,
        folder=entry.folder,
        uid=entry.uid,
        outcome=entry.event.outcome,
        reason=entry.reason,
        saw=entry.saw,
        username=entry.username,
        org=entry.org,
        path=entry.path,
        version=entry.version,
        issued_at=entry.issued_at,
        fingerprint=entry.fingerprint,
        recovered=entry.recovered,
    )


def from_explanation(mailbox: str, uid: int, said: Explanation) -> Line:
    return Line(
        mailbox=mailbox,
        folder=said.file,
        uid=uid,
        outcome=said.outcome,
        reason=said.reason,
        saw=said.saw,
        username=said.username,
        org=said.org,
        path=said.path,
        issued_at=said.issued_at,
        fingerprint=said.fingerprint,
    )
