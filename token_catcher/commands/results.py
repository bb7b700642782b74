"""What a scan tells of each mail, to a person or a machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

from token_catcher.advice import IF_GENUINE, advice_for, next_step
from token_catcher.model import Entry, Reason, iso
from token_catcher.wording import counted

if TYPE_CHECKING:
    from token_catcher.commands.explanation import Explanation
    from token_catcher.lookup import Older
    from token_catcher.losses import Lost
    from token_catcher.report import Report, Trouble

OLDER_MAIL: Final = "older-mail"
"""The code of what a window leaves out."""


@dataclass(frozen=True, slots=True)
class ScanResult:
    """One mail that a scan settled, postponed, or only judged: the contract of `scan --json`."""

    mailbox: str | None
    """None: it is Vault that is in trouble, whatever mailbox a token comes to; or what it knows of
    the journal."""
    folder: str | None
    uid: int | None
    outcome: str
    """stored | unchanged | held | refused | retry; in a dry run would-store in place of the first
    two; missing: Vault has not the token that the journal tells of; error: the mailbox itself, or
    that folder of it, could not be looked at, or Vault not be written to, or the journal not be
    anchored; left-out: token mail of that folder is older than the window"""
    reason: str | None = None
    saw: str | None = None
    username: str | None = None
    org: str | None = None
    path: str | None = None
    version: int | None = None
    issued_at: str | None = None
    fingerprint: str | None = None
    recovered: bool = False
    mended: bool = False

    @classmethod
    def from_entry(cls, entry: Entry) -> Self:
        """Of a mail that was settled."""
        return cls(
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
            mended=entry.mended,
        )

    @classmethod
    def from_explanation(cls, mailbox: str, uid: int, explanation: Explanation) -> Self:
        """Of a mail that was only judged. The explanation's file is the folder."""
        return cls(
            mailbox=mailbox,
            folder=explanation.file,
            uid=uid,
            outcome=explanation.outcome,
            reason=explanation.reason,
            saw=explanation.saw,
            username=explanation.username,
            org=explanation.org,
            path=explanation.path,
            issued_at=explanation.issued_at,
            fingerprint=explanation.fingerprint,
        )

    @classmethod
    def from_trouble(cls, mailbox: str, trouble: Trouble) -> Self:
        """Of a mail that waits for another try, or of a folder that could not be looked at."""
        outcome = "retry"
        if trouble.uid is None:
            outcome = "error"
        result = cls(mailbox, trouble.folder, trouble.uid, outcome, trouble.code, trouble.message)
        if trouble.subject is None:
            return result
        return replace(result, **asdict(trouble.subject))

    @classmethod
    def from_older(cls, mailbox: str, older: Older) -> Self:
        """Of token mail that a window leaves out."""
        mails = counted(older.mails, "token mail")
        saw = f"{mails} came before {iso(older.begin)}, where the window begins"
        return cls(mailbox, older.folder, None, "left-out", OLDER_MAIL, saw)

    @classmethod
    def from_error(cls, mailbox: str | None, code: str, message: str) -> Self:
        """Of a mailbox that could not be looked at, or of Vault."""
        return cls(mailbox, None, None, "error", code, message)

    @classmethod
    def from_loss(cls, lost: Lost) -> Self:
        """Of a token that Vault has lost. The token is that of the record, and its version."""
        entry = lost.entry
        return cls(
            mailbox=entry.mailbox,
            folder=None,
            uid=None,
            outcome="missing",
            reason=lost.code,
            saw=lost.saw,
            username=entry.username,
            org=entry.org,
            path=entry.path,
            version=entry.version,
            issued_at=entry.issued_at,
            fingerprint=entry.fingerprint,
        )

    @property
    def attention(self) -> bool:
        """Whether a person must look: what makes the exit code 1.

        At what is held, what waits, what is missing, what went wrong, and refused mail that may be
        genuine."""
        return self.outcome in ("held", "retry", "missing", "error") or self._may_be_genuine

    @property
    def _may_be_genuine(self) -> bool:
        """Whether refused mail lacks its proof alone: it is from a domain of the senders, in the
        layout, for a user of ours. Our own mail system may have taken the proof off."""
        if self.outcome != "refused" or self.reason == Reason.WRONG_SENDER:
            return False
        return self.org is not None and self.fingerprint is not None

    @property
    def next_step(self) -> str | None:
        """What a person does next, where one must look and something can be done."""
        if self.outcome == "held":
            return advice_for(self.reason)
        if self._may_be_genuine:
            return advice_for(self.reason, IF_GENUINE)
        return next_step(self.reason or "", self.mailbox)

    def as_json(self) -> dict[str, Any]:
        """All fields, in this order; `attention`; and the next step as `next`."""
        return {**asdict(self), "attention": self.attention, "next": self.next_step}


def results_of(report: Report) -> Iterator[ScanResult]:
    """What a report tells, mail by mail, and last what ended it early."""
    for entry in (*report.entries, *report.still_held):
        yield ScanResult.from_entry(entry)
    for trouble in report.troubles:
        yield ScanResult.from_trouble(report.mailbox, trouble)
    if report.error is not None:
        yield ScanResult.from_error(report.mailbox, report.error.code, str(report.error))
