"""What a verdict says of one mail, for machines and for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from token_catcher.commands.advice import ADVICE, IF_GENUINE, next_step
from token_catcher.errors import TransientError
from token_catcher.model import (
    Capture,
    Claim,
    Evidence,
    Held,
    Ignored,
    Reason,
    Refused,
    iso,
)
from token_catcher.pipeline import Verdict

AT_THE_GATE: Final = (
    Reason.OVERSIZED,
    Reason.MALFORMED,
    Reason.MISSING_HEADER,
    Reason.DUPLICATE_HEADER,
)
"""Why the wire gate lets a mail through to no parser."""


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
    """Never empty but for `retry`: a mail that no rule was asked about has one line, of the gate that it failed."""
    saw: str | None = None
    """Of the verdict; for people."""
    token_length: int | None = None
    """For people."""

    @property
    def advice(self) -> str | None:
        """What a person does next, where something can be done."""
        if self.outcome == "retry":
            return next_step(self.reason or "")
        known = {"held": ADVICE, "refused": IF_GENUINE}.get(self.outcome, {})
        return next((text for reason, text in known.items() if reason == self.reason), None)

    def as_json(self) -> dict[str, Any]:
        """The contract: what is for people stays out."""
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in ("saw", "token_length")
        }


def explanation(file: str, verdict: Verdict | TransientError) -> Explanation:
    """What a verdict says of the mail; a trouble that may pass is `retry`."""
    if isinstance(verdict, TransientError):
        return Explanation(file, "retry", reason=verdict.code, saw=str(verdict))
    candidate, judgement, outcome = verdict.candidate, verdict.judgement, verdict.outcome
    claim = candidate.claim if candidate and isinstance(candidate.claim, Claim) else None
    known = outcome if isinstance(outcome, Capture) else judgement
    return Explanation(
        file=file,
        outcome="would-store" if isinstance(outcome, Capture) else type(outcome).__name__.lower(),
        reason=outcome.reason.value if isinstance(outcome, Refused | Held) else None,
        username=known.username if known else None,
        org=known.org if known else None,
        path=outcome.path if isinstance(outcome, Capture) else None,
        issued_at=iso(candidate.issued_at) if candidate else None,
        fingerprint=claim.token.fingerprint if claim else None,
        rules=judgement.evidence if judgement else _gate(outcome),
        saw=(outcome.saw or None) if isinstance(outcome, Refused | Held) else None,
        token_length=len(claim.token) if claim else None,
    )


def _gate(outcome: Capture | Refused | Held | Ignored) -> tuple[Evidence, ...]:
    """The one line of a mail that never came before the rules."""
    if not isinstance(outcome, Refused):
        return (
            Evidence("claim", False, "no username and token, and another subject", "a token mail"),
        )
    if outcome.reason in AT_THE_GATE:
        return (
            Evidence(
                "wire",
                False,
                outcome.saw,
                "CRLF and plain ASCII fields, each that counts once, at most 256 kB",
            ),
        )
    return (
        Evidence(
            "extract", False, outcome.saw, "a Date and a structure that all programs read alike"
        ),
    )
