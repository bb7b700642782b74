"""The limit of a step, and what becomes of what it raises."""

from __future__ import annotations

import signal
import threading

import pytest

from token_catcher.diagnosis.about import OVERDUE, About, within
from token_catcher.diagnosis.step import Step
from token_catcher.errors import AccessError, Outage

ABOUT = About("imap", "integrations")


def test_a_step_that_has_no_end() -> None:
    """It fails when its time is over; what it does goes on in its own thread."""
    ended = threading.Event()

    def hang() -> Step:
        ended.wait()
        return ABOUT.ok("reach", "late")

    step = ABOUT.attempt("reach", hang, 0.01)
    ended.set()
    assert step == Step(
        "imap", "integrations", "reach", "failed", "got no end within 0.01 seconds", OVERDUE
    )


def test_an_error_fails_the_step() -> None:
    """With its code and its words, the subject not said twice."""

    def refuse() -> Step:
        raise AccessError(
            "mailbox integrations: host:993: the login was refused", code="imap-login"
        )

    assert ABOUT.attempt("login", refuse) == ABOUT.failed(
        "login", "host:993: the login was refused", "imap-login"
    )


def test_a_bug_is_none_of_the_set_up() -> None:
    """What is no error of ours is raised where the work was asked for."""

    def err() -> Step:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ABOUT.attempt("login", err)


def test_no_other_thread_lets_a_terminal_stop_the_process() -> None:
    """Ctrl-Z is for the main thread to answer."""

    def blocked() -> set[int]:
        return set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    assert signal.SIGTSTP in within(10, blocked)
    assert signal.SIGTSTP not in blocked()


def test_what_is_raised_comes_through() -> None:
    """As if there were no thread."""

    def away() -> None:
        raise Outage("away")

    with pytest.raises(Outage, match="away"):
        within(10, away)
