"""All advice in one: by error code, and by the reason of a mail."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from token_catcher.advice.audit import AUDIT
from token_catcher.advice.dns import DNS
from token_catcher.advice.entry import Advice
from token_catcher.advice.imap import IMAP
from token_catcher.advice.local import LOCAL
from token_catcher.advice.mail import MAIL
from token_catcher.advice.notify import NOTIFY
from token_catcher.advice.oauth import OAUTH
from token_catcher.advice.salesforce import SALESFORCE
from token_catcher.advice.vault import VAULT
from token_catcher.model import Reason


def _with_code(advice: Advice, text: str) -> str:
    return f"{text} ({advice.code})"


AREAS: Final[Mapping[str, Mapping[str, Advice]]] = {
    "Configuration, files and commands": LOCAL,
    "The mail server": IMAP,
    "Access tokens": OAUTH,
    "Vault": VAULT,
    "DNS": DNS,
    "Telling others": NOTIFY,
    "Salesforce": SALESFORCE,
    "The audit": AUDIT,
}
"""By the code of an error, in the order of docs/errors.md."""

CODES: Final[Mapping[str, Advice]] = {
    code: advice for area in AREAS.values() for code, advice in area.items()
}

NEXT_STEP: Final[Mapping[str, str]] = {
    code: _with_code(advice, advice.step) for code, advice in CODES.items() if advice.step
}
"""The next step of each error, with its code for docs/errors.md; of others the message says all."""

ADVICE: Final[Mapping[Reason, str]] = {
    reason: _with_code(advice, advice.step) for reason, advice in MAIL.items() if advice.step
}
"""By reason of a held mail; after the change `token-catcher scan --again` settles it."""

IF_GENUINE: Final[Mapping[Reason, str]] = {
    reason: _with_code(advice, advice.if_genuine)
    for reason, advice in MAIL.items()
    if advice.if_genuine
}
"""By reason of a refused mail that a mistake in the configuration may have caused.

`explain` says it of every such mail, `scan` of one that lacks its proof alone."""


def advice_for(reason: str | None, texts: Mapping[Reason, str] = ADVICE) -> str | None:
    """What a person does about a mail that ended for this reason.

    None: nothing, or it is a reason that this version does not know."""
    for known, text in texts.items():
        if known == reason:
            return text
    return None


def next_step(code: str, mailbox: str | None = None) -> str | None:
    """What a person does about an error with this code; None: what its message says.

    `mailbox`: which one it is about, so that what is to be typed names it."""
    step = NEXT_STEP.get(_known(code))
    if step is None or mailbox is None:
        return step
    return step.replace("--mailbox NAME", f"--mailbox {shlex.quote(mailbox)}")


def code_of(code: str) -> str:
    """`TC448` of an error's code, or of a mail's reason; empty where there is none."""
    for reason, advice in MAIL.items():
        if reason == code:
            return advice.code
    known = _known(code)
    if not known:
        return ""
    return CODES[known].code


@lru_cache(maxsize=1024)  # of a backlog each mail is asked for, and few codes are
def _known(code: str) -> str:
    """The longest known beginning: `imap-login-throttled` falls back to `imap-login`.

    Empty: there is none."""
    matches = [known for known in CODES if f"{code}-".startswith(f"{known}-")]
    return max(matches, key=len, default="")
