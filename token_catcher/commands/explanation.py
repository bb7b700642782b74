"""What a verdict says of one mail, for machines and for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from token_catcher.advice import IF_GENUINE, advice_for, next_step
from token_catcher.errors import TransientError
from token_catcher.model import (
    Candidate,
    Capture,
    Claim,
    Evidence,
    Held,
    Ignored,
    Reason,
    Refused,
    iso,
)

if TYPE_CHECKING:
    from token_catcher.judge import Verdict

REFUSED_BY_WIRE: Final = (
    Reason.OVERSIZED,
    Reason.MALFORMED,
    Reason.MISSING_HEADER,
    Reason.DUPLICATE_HEADER,
)
"""Why the wire gate lets a mail through to no parser."""
FOR_PEOPLE: Final = ("saw", "token_length")
"""Fields that are not part of the contract with machines."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one mail is and why: the contract of `explain --json`, in this order."""

    file: str
    outcome: str
    """would-store | refused | held | ignored | retry"""
    reason: str | None = None
    username: str | None = None
    org: str | None = None
    path: str | None = None
    issued_at: str | None = None
    fingerprint: str | None = None
    rules: tuple[Evidence, ...] = ()
    """Empty for `retry` alone. A mail that no rule was asked about has one line, of the gate that
    it failed."""
    saw: str | None = None
    """Of the verdict; for people."""
    token_length: int | None = None
    """For people."""

    @property
    def advice(self) -> str | None:
        """What a person does next, where something can be done."""
        match self.outcome:
            case "retry":
                return next_step(self.reason or "")
            case "held":
                return advice_for(self.reason)
            case "refused":
                return advice_for(self.reason, IF_GENUINE)
            case _:
                return None

    def as_json(self) -> dict[str, Any]:
        """The contract: what is for people stays out."""
        fields = asdict(self)
        for name in FOR_PEOPLE:
            del fields[name]
        for rule in fields["rules"]:
            del rule["waived"]  # which only a release does
        return fields


def explanation_of(file: str, verdict: Verdict | TransientError) -> Explanation:
    """What a verdict says of the mail; a trouble that may pass is `retry`."""
    if isinstance(verdict, TransientError):
        explanation = Explanation(file, "retry", reason=verdict.code, saw=str(verdict))
        if verdict.subject is None:
            return explanation
        subject = verdict.subject
        return replace(explanation, username=subject.username, issued_at=subject.issued_at)
    explanation = Explanation(file, _word(verdict.outcome), rules=_rules(verdict))
    if verdict.candidate is not None:
        explanation = _with_claim(explanation, verdict.candidate)
    if verdict.judgement is not None:
        explanation = replace(
            explanation, username=verdict.judgement.username, org=verdict.judgement.org
        )
    match verdict.outcome:
        case Refused(reason, saw) | Held(reason, saw):
            return replace(explanation, reason=reason.value, saw=saw or None)
        case Capture(username=username, org=org, path=path):
            return replace(explanation, username=username, org=org, path=path)
        case Ignored():
            return explanation


def _word(outcome: Capture | Refused | Held | Ignored) -> str:
    if isinstance(outcome, Capture):
        return "would-store"
    return type(outcome).__name__.lower()


def _with_claim(explanation: Explanation, candidate: Candidate) -> Explanation:
    if candidate.issued_at is not None:
        explanation = replace(explanation, issued_at=iso(candidate.issued_at))
    if isinstance(candidate.claim, Claim):
        token = candidate.claim.token
        explanation = replace(explanation, fingerprint=token.fingerprint, token_length=len(token))
    return explanation


def _rules(verdict: Verdict) -> tuple[Evidence, ...]:
    """What the rules saw; of a mail that never came before them, what its gate saw."""
    if verdict.judgement is not None:
        return verdict.judgement.evidence
    # The gates stand in this order: extract reads only what passed the wire gate.
    if not isinstance(verdict.outcome, Refused):
        saw = "no username and token, and another subject"
        return (Evidence("claim", False, saw, "a token mail"),)
    if verdict.outcome.reason in REFUSED_BY_WIRE:
        wanted = "CRLF and plain ASCII fields, each that counts once, at most 256 kB"
        return (Evidence("wire", False, verdict.outcome.saw, wanted),)
    wanted = "a structure that all programs read alike"
    return (Evidence("extract", False, verdict.outcome.saw, wanted),)
