"""One step of a diagnosis, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StepOutcome = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Step:
    """What was tried on what, and what was seen."""

    area: str
    """`configuration`, `files`, `clock`, `dns`, `imap`, `vault`, `notify`, `journal` or `disk`."""
    subject: str
    """Which of them: a mailbox by its name, a file, a path in Vault; empty where there is one."""
    step: str
    """What was tried, in the field's words: `login`, `mount`, `rights`."""
    outcome: StepOutcome
    saw: str
    """What was got, and what was expected where that is something else. Never a secret."""
    code: str = ""
    """That of the error, which picks the next step that a person takes; empty where it is ok."""
    mailbox: str = ""
    """Which one that next step names; empty: none."""
