"""What the tests of the daemon wait for."""

from __future__ import annotations

import threading

from tests.kit.mails import token
from tests.kit.rig import Rig
from tests.kit.waiting import until


def until_told(rig: Rig, event: str, times: int = 1) -> None:
    """Wait until the log has an event so many times."""
    until(lambda: len(rig.said(event)) >= times, event)


def until_asked(rig: Rig, question: str, times: int = 1) -> None:
    """Wait until the sessions were asked this, as the diary has it, so many times."""
    until(lambda: rig.diary.count(question) >= times, question)


def until_stored(rig: Rig, *numbers: int) -> None:
    """Wait until the tokens of these numbers are in Vault, in this order, and no others."""
    tokens = [token(number) for number in numbers]
    until(lambda: rig.tokens == tokens, f"tokens {numbers}")


def threads(*beginnings: str) -> list[str]:
    """The living threads whose names begin so."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith(beginnings)]
