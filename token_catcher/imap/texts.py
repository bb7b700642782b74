"""What servers say in words alone, where no response code tells it (RFC 5530 has one for little).

The words are those of Microsoft 365 and Gmail, from the threads that docs/mailboxes.md is made of.
Pure: what is recognised becomes words of ours, and none of the server's goes further.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

LONGEST_BACKOFF: Final = 300.0
"""Seconds that a server may ask us to stay away for with each command."""

_THROTTLED: Final = re.compile(r"Backoff Time: (\d{1,9}) milliseconds", re.IGNORECASE)
_SESSION_ENDED: Final = re.compile(
    r"session expired|AccessTokenExpired|connection is closed\. 13\b", re.IGNORECASE
)
"""Gmail an hour after a login by access token, Microsoft 365 when the token ends, and after about
a day in any case."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a server refuses, and only a person can change."""

    text: str
    code: str


_REFUSALS: Final = (
    (
        r"authenticated but not connected",
        Refusal(
            "the login is good, and the server does not open this mailbox to it",
            "imap-mailbox-closed",
        ),
    ),
    (
        r"IMAP access is disabled|not enabled for IMAP|IMAP is disabled",
        Refusal("IMAP is switched off for this mailbox, or for its domain", "imap-off"),
    ),
    (
        r"basic ?auth(?:entication)? is (?:disabled|blocked)",
        Refusal("the server takes no passwords any more", "imap-login-basic"),
    ),
    (
        r"application-specific password|app password required",
        Refusal("the server takes an app password alone", "imap-login-app-password"),
    ),
    (
        r"\blookup failed",
        Refusal("the server knows no mailbox for this login", "imap-mailbox-unknown"),
    ),
)
_PATTERNS: Final = tuple(
    (re.compile(words, re.IGNORECASE), refusal) for words, refusal in _REFUSALS
)


def backoff_in(text: str) -> float | None:
    """Seconds that Microsoft 365 asks us to wait; None: it does not."""
    throttled = _THROTTLED.search(text)
    if throttled is None:
        return None
    return min(int(throttled[1]) / 1000, LONGEST_BACKOFF)


def ends_session(text: str) -> bool:
    """Whether a session only ran out, as every session does there."""
    return bool(_SESSION_ENDED.search(text))


def refusal_in(text: str) -> Refusal | None:
    """What the server refuses; None: nothing that is known."""
    for words, refusal in _REFUSALS:
        if re.search(words, text, re.IGNORECASE):
            return refusal
    return None
