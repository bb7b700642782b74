"""Which of two tokens is newer. Pure.

A token was issued at the Date of its mail, or at the arrival where that is earlier. These are of
two clocks. Where the mail server's is behind, the later of two mails may have arrived, by it,
before the earlier one was sent; where the sender's is ahead, the Date of the earlier mail is the
later one. Nothing in the mails says which clock is wrong. So a token is newer only where it is so
by both: by when it was issued, and by the Date.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto


class Order(Enum):
    """How old one token is beside another."""

    NEWER = auto()
    OLDER = auto()
    SAME_DATE = auto()
    UNCLEAR = auto()
    """By the one clock it is newer, by the other it is not."""


@dataclass(frozen=True, slots=True)
class Age:
    """What is known of the time of a token."""

    issued_at: datetime
    """The Date of its mail, or the arrival where that is earlier."""
    dated_at: datetime
    """The Date."""

    def beside(self, other: Age) -> Order:
        """How old this token is beside another one."""
        if self.dated_at == other.dated_at:
            return Order.SAME_DATE
        if self.issued_at > other.issued_at and self.dated_at > other.dated_at:
            return Order.NEWER
        if self.issued_at < other.issued_at and self.dated_at < other.dated_at:
            return Order.OLDER
        return Order.UNCLEAR
