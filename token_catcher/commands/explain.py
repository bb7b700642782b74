"""Judges mail from files with the configured trust, and says why: the teaching tool, and the rehearsal of `scan`.

Nothing is written and neither mailbox nor Vault is asked, so both may be unreachable; only keys that are not pinned are
asked of DNS. Files may be single mails, mbox files or Maildir folders.
"""

from __future__ import annotations

from collections.abc import Sequence

from token_catcher.commands.explanation import Explanation, explanation
from token_catcher.errors import TransientError
from token_catcher.model import Mail
from token_catcher.pipeline import Judge


def explain(
    file: str, mail: Mail, judge: Judge, addresses: Sequence[str], *, trust_date: bool = False
) -> Explanation:
    """Judge one mail. `trust_date`: its own Date stands for the time of arrival."""
    try:
        return explanation(file, judge.judge(mail, addresses, trust_date=trust_date))
    except TransientError as error:
        return explanation(file, error)
