"""Judges mail from files with the configured trust, and says why: the teaching tool, and the rehearsal of `scan`.

Nothing is written and neither mailbox nor Vault is asked, so both may be unreachable; only keys that are not pinned are
asked of DNS. Files may be single mails, mbox files or Maildir folders.
"""

from __future__ import annotations

import mailbox as containers
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from token_catcher.commands.advice import ADVICE, IF_GENUINE, next_step
from token_catcher.errors import ConfigurationError, TransientError
from token_catcher.model import (
    MAX_MAIL_BYTES,
    Capture,
    Claim,
    Evidence,
    Held,
    Ignored,
    Mail,
    MailRef,
    Reason,
    Refused,
    iso,
)
from token_catcher.pipeline import Judge, Verdict

AT_THE_GATE: Final = (
    Reason.OVERSIZED,
    Reason.MALFORMED,
    Reason.MISSING_HEADER,
    Reason.DUPLICATE_HEADER,
)
"""Why the wire gate lets a mail through to no parser."""


_POSTMARK: Final = re.compile(rb"From [^\r\n]* \d\d:\d\d[^\r\n]* \d{4}\r?\n")
"""The line above each mail of an mbox: `From SENDER Tue Feb  3 12:57:27 2026`."""


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


def explain(
    file: str, mail: Mail, judge: Judge, addresses: Sequence[str], *, trust_date: bool = False
) -> Explanation:
    """Judge one mail. `trust_date`: its own Date stands for the time of arrival."""
    try:
        return explanation(file, judge.judge(mail, addresses, trust_date=trust_date))
    except TransientError as error:
        return explanation(file, error)


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


def read(path: str, standard_input: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """The mails of one argument, each with a name: a file, `-` for one mail, an mbox file, a Maildir folder.

    ConfigurationError: there is no such file, or it cannot be read."""
    try:
        if path == "-":
            yield "-", _as_delivered(standard_input.read(MAX_MAIL_BYTES + 1))
        elif Path(path).is_dir():
            yield from _maildir(path)
        else:
            yield from _file(path)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read: {error.strerror or 'unknown trouble'}", code="file"
        ) from None


def as_mail(name: str, raw: bytes, received_at: datetime | None, mailbox: str) -> Mail:
    """The bytes as if fetched from the mailbox."""
    return Mail(MailRef(mailbox, name, 0, 0), received_at or datetime.fromtimestamp(0, UTC), raw)


def _file(path: str) -> Iterator[tuple[str, bytes]]:
    with Path(path).open("rb") as file:
        raw = file.read(MAX_MAIL_BYTES + 1)
    single = (
        Path(path).suffix.lower() == ".eml"
    )  # one mail by its name: what a forger wrote above it belongs to it
    if not single and _POSTMARK.match(raw):
        yield from _mbox(path)
    else:
        yield path, _on_the_wire(raw)


def _mbox(path: str) -> Iterator[tuple[str, bytes]]:
    box = containers.mbox(path, create=False)
    try:
        for number, key in enumerate(box.keys(), 1):
            with box.get_file(key) as part:
                yield f"{path}#{number}", _as_delivered(part.read(MAX_MAIL_BYTES + 1))
    finally:
        box.close()


def _maildir(path: str) -> Iterator[tuple[str, bytes]]:
    folders = [Path(path, name) for name in ("new", "cur")]
    if not any(folder.is_dir() for folder in folders):
        raise ConfigurationError(
            f"{path}: got a folder without new/ and cur/, expected a mail file, an mbox or a Maildir",
            code="file",
        )
    for file in sorted(
        file for folder in folders if folder.is_dir() for file in folder.iterdir() if file.is_file()
    ):
        with file.open("rb") as stream:
            yield str(file), _as_delivered(stream.read(MAX_MAIL_BYTES + 1))


def _as_delivered(raw: bytes) -> bytes:
    """What pipes mail to a program often writes mbox's `From ` line above it: it is no part of the mail."""
    return _on_the_wire(raw.partition(b"\n")[2] if _POSTMARK.match(raw) else raw)


def _on_the_wire(raw: bytes) -> bytes:
    """What was saved with Unix line ends, without a single CR, gets back those of the wire. A mixture stays as it is."""
    return raw if b"\r" in raw else raw.replace(b"\n", b"\r\n")[: MAX_MAIL_BYTES + 1]
