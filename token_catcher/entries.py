"""The record of one mail: what is written down of it, and what a second look adds. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, assert_never

from token_catcher.judge import Verdict
from token_catcher.model import (
    Candidate,
    Capture,
    Claim,
    Entry,
    Event,
    Held,
    Judgement,
    Mail,
    Reason,
    Receipt,
    Refused,
    Release,
    Stored,
    Unchanged,
    iso,
)

CAPTURED: Final = frozenset({Event.STORED, Event.UNCHANGED})
"""How a mail ends whose token is in Vault, or was overtaken there by a newer one."""
DAEMON: Final = "daemon"
DRIFT: Final = "drift"
"""Who had a mail looked at, where it was no person: see `Entry.asked_by`."""


def describe(
    mail: Mail,
    verdict: Verdict,
    outcome: Refused | Held | Stored | Unchanged,
    **course: Any,
) -> Entry:
    """The record of one mail. Of the token it holds the length and the plain fingerprint.

    `course`: the fields that tell who took the mail to its end, and how long that took."""
    fields = _of_mail(mail) | _of_verdict(verdict) | _of_outcome(outcome) | course
    return Entry(event=_event(outcome), **fields)


def as_unchanged(entry: Entry) -> Entry:
    """The record of a mail whose token is in Vault, in a version that has its record."""
    return replace(entry, event=Event.UNCHANGED, reason=Reason.SAME_TOKEN.value, recovered=False)


def released(entry: Entry, verdict: Verdict, release: Release) -> Entry:
    """With who released the mail, and what was set aside for it."""
    waived: tuple[str, ...] = ()
    if verdict.judgement is not None:
        waived = verdict.judgement.waived
    return replace(entry, released_by=release.by, release_reason=release.reason, waived=waived)


def beside(previous: Entry, entry: Entry) -> Entry | None:
    """The record of another look at a mail, after its newest one. None: it adds nothing."""
    if not adds_to(previous, entry):
        return None
    if had_token(previous) and entry.released_by is None:
        return mended(entry, previous)
    return entry


def had_token(entry: Entry) -> bool:
    """Whether the record says that Vault had the very token of its mail."""
    if entry.event == Event.STORED:
        return True
    return entry.event == Event.UNCHANGED and entry.reason == Reason.SAME_TOKEN


def mended(entry: Entry, previous: Entry) -> Entry:
    """The token was in Vault before; whoever released its mail did so for good."""
    asked_by = entry.asked_by
    if asked_by == DAEMON:
        asked_by = DRIFT
    return replace(
        entry,
        mended=True,
        asked_by=asked_by,
        released_by=previous.released_by,
        release_reason=previous.release_reason,
        waived=previous.waived,
    )


def _event(outcome: Refused | Held | Stored | Unchanged) -> Event:
    match outcome:
        case Stored():
            return Event.STORED
        case Unchanged():
            return Event.UNCHANGED
        case Held():
            return Event.HELD
        case Refused():
            return Event.REFUSED
        case _:
            assert_never(outcome)


def _of_mail(mail: Mail) -> dict[str, Any]:
    return {
        "mailbox": mail.ref.mailbox,
        "folder": mail.ref.folder,
        "uidvalidity": mail.ref.uidvalidity,
        "uid": mail.ref.uid,
        "mail": mail.digest,
        "received_at": iso(mail.received_at),
    }


def _of_verdict(verdict: Verdict) -> dict[str, Any]:
    """What the mail claims, and what was proven of it."""
    fields: dict[str, Any] = {}
    if verdict.candidate is not None:
        fields = _of_candidate(verdict.candidate)
    judgement = verdict.judgement
    if judgement is not None:
        fields |= {
            "username": judgement.username,
            "org": judgement.org,
            "proof": _proof(judgement),
        }
    capture = verdict.outcome
    if isinstance(capture, Capture):
        fields |= {"username": capture.username, "org": capture.org, "path": capture.path}
    return fields


def _of_candidate(candidate: Candidate) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if candidate.issued_at is not None:
        fields["issued_at"] = iso(candidate.issued_at)
    if candidate.date is not None and candidate.date != candidate.issued_at:
        fields["dated_at"] = iso(candidate.date)
    if isinstance(candidate.claim, Claim):
        token = candidate.claim.token
        fields |= {"fingerprint": token.fingerprint, "token_length": len(token)}
    return fields


def _of_outcome(outcome: Refused | Held | Stored | Unchanged) -> dict[str, Any]:
    """Why it ended so, and which version in Vault it is about."""
    match outcome:
        case Stored():
            said = {"recovered": outcome.recovered, "saw": outcome.saw or None}
            return _of_receipt(outcome.receipt) | said
        case Unchanged():
            return _of_receipt(outcome.written) | {"reason": outcome.reason.value}
        case _:
            return {"reason": outcome.reason.value, "saw": outcome.saw or None}


def _of_receipt(receipt: Receipt | None) -> dict[str, Any]:
    if receipt is None:
        return {}
    return {
        "version": receipt.version,
        "vault_created_at": receipt.created_at,
        "request_id": receipt.request_id,
        "version_before": receipt.before,
    }


def _proof(judgement: Judgement) -> str | None:
    """What the proof rule saw, where it passed."""
    for evidence in judgement:
        if evidence.rule == "proof" and evidence.passed:
            return evidence.saw
    return None


def adds_to(previous: Entry, entry: Entry) -> bool:
    """Whether a second look at a recorded mail found anything that the journal does not say yet.

    What is in Vault stays recorded as it is; what was refused or held may end otherwise once the
    configuration changed."""
    if entry.event == Event.STORED:
        return True
    if previous.event in CAPTURED:
        return False
    return (previous.event, previous.reason) != (entry.event, entry.reason)
