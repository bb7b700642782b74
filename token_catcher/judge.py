"""One mail judged: extract and trust in one call.

Pure: bytes in, verdict out. The pipeline, `explain` and a dry run ask the same judge, so that
what people are shown is what would have happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from token_catcher.model import Candidate, Capture, Held, Ignored, Judgement, Mail, Refused
from token_catcher.proof import Trust
from token_catcher.reading import extract


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a mail is, before anything is written: all that `explain` and a dry run need."""

    outcome: Capture | Refused | Held | Ignored
    candidate: Candidate | None = None
    judgement: Judgement | None = None


class Judge:
    """Extract and trust in one call; touches neither mailbox nor Vault."""

    def __init__(
        self, trust: Trust, subjects: Sequence[str], subject_tags: Sequence[str] = ()
    ) -> None:
        self._trust = trust
        self._subjects = tuple(subjects)
        self._subject_tags = tuple(subject_tags)

    def judge(
        self,
        mail: Mail,
        addresses: Sequence[str],
        *,
        trust_date: bool = False,
        waive: frozenset[str] = frozenset(),
        last_try: bool = False,
    ) -> Verdict:
        """TransientError: the keys of the signature could not be asked for. With `last_try` that
        holds the mail.

        `trust_date` takes the mail's own Date for INTERNALDATE: for mail from files, whose arrival
        nobody recorded. `waive`: rules that a person sets aside for this mail."""
        candidate = extract(mail, self._subjects, self._subject_tags, self._trust.domains)
        if not isinstance(candidate, Candidate):
            return Verdict(candidate)
        if trust_date and candidate.date is not None:
            candidate = replace(candidate, mail=replace(mail, received_at=candidate.date))
        judgement = self._trust.judge(candidate, addresses, waive=waive, last_try=last_try)
        return Verdict(judgement.verdict, candidate, judgement)
