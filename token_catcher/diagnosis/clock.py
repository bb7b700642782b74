"""This machine's clock, held against those of servers.

Logins by signed assertion are refused by a few minutes, certificates count from a moment on, and a
mail that arrives before its Date is held.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from token_catcher.diagnosis.about import About
from token_catcher.diagnosis.step import Step

AREA: Final = "clock"
NOTICEABLE: Final = timedelta(minutes=1)
"""From there on it is told."""
TOO_FAR: Final = timedelta(minutes=5)
"""From there on Vault, Microsoft and Google refuse what is signed by this clock."""
CODE: Final = "clock"


def clock_step(
    subject: str, asked: Callable[[], datetime | None], now: Callable[[], datetime]
) -> Step:
    """Our clock against that of a server. `asked`: what that says at this moment.

    Skipped where the server is away: its own steps tell that."""
    about = About(AREA, subject)

    def compare() -> Step:
        before = now()
        theirs = asked()
        if theirs is None:
            return about.skipped("date", "the server does not say what time it is")
        # In the middle of the question: the answer took its time to come.
        return _judged(about, before + (now() - before) / 2, theirs)

    step = about.attempt("date", compare)
    if step.outcome == "failed" and step.code != CODE:
        return about.skipped("date", step.saw)
    return step


def arrival_step(subject: str, newest: datetime, now: datetime) -> Step:
    """Our clock against the last arrival (INTERNALDATE) of a mail.

    It can only be ahead of ours by mistake; how far behind, nobody can tell."""
    about = About(AREA, subject)
    if newest - now < NOTICEABLE:
        return about.ok("arrival", f"the newest mail arrived {newest:%Y-%m-%d %H:%M:%S} UTC")
    return _judged(about, now, newest, "arrival")


def _judged(about: About, ours: datetime, theirs: datetime, step: str = "date") -> Step:
    apart = abs(ours - theirs)
    side = "behind"
    if ours > theirs:
        side = "ahead"
    saw = f"this machine's clock is {_length(apart)} {side}"
    if apart >= TOO_FAR:
        return about.failed(step, f"{saw}, expected less than {_length(TOO_FAR)}", CODE)
    if apart >= NOTICEABLE:
        return about.warning(step, saw, CODE)
    return about.ok(step, saw)


def _length(time: timedelta) -> str:
    seconds = time.total_seconds()
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"
