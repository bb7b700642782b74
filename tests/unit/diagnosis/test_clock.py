"""This machine's clock against those of servers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from token_catcher.diagnosis.clock import arrival_step, clock_step
from token_catcher.diagnosis.step import StepOutcome
from token_catcher.errors import Outage

NOW = datetime(2026, 2, 3, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("theirs", "outcome", "saw"),
    [
        (0, "ok", "this machine's clock is 0 s behind"),
        (59, "ok", "this machine's clock is 59 s behind"),
        (60, "warning", "this machine's clock is 60 s behind"),
        (-299, "warning", "this machine's clock is 5 min ahead"),
        (-300, "failed", "this machine's clock is 5 min ahead, expected less than 5 min"),
        (7200, "failed", "this machine's clock is 120 min behind, expected less than 5 min"),
    ],
)
def test_against_a_servers_clock(theirs: int, outcome: StepOutcome, saw: str) -> None:
    """From a minute on it is told, and from five on it fails."""
    date = NOW + timedelta(seconds=theirs)
    step = clock_step("Vault", lambda: date, lambda: NOW)
    assert (step.outcome, step.saw) == (outcome, saw)


def test_the_answer_takes_its_time() -> None:
    """A slow network makes no wrong clock: the middle of the question counts."""
    times = [NOW, NOW + timedelta(seconds=240)]
    date = NOW + timedelta(seconds=120)
    step = clock_step("Vault", lambda: date, lambda: times.pop(0))
    assert (step.outcome, step.saw) == ("ok", "this machine's clock is 0 s behind")


def test_a_server_without_a_clock() -> None:
    """Nothing can be said, and nothing is wrong."""
    step = clock_step("Vault", lambda: None, lambda: NOW)
    assert (step.outcome, step.saw) == ("skipped", "the server does not say what time it is")


def test_a_server_that_is_away() -> None:
    """That is told where the server has its own steps; here it is no more than unknown."""

    def away() -> datetime:
        raise Outage("Vault is away", code="vault-unreachable")

    step = clock_step("Vault", away, lambda: NOW)
    assert (step.outcome, step.saw) == ("skipped", "Vault is away")


@pytest.mark.parametrize(
    ("ahead", "outcome"),
    [(-86400, "ok"), (0, "ok"), (59, "ok"), (60, "warning"), (300, "failed")],
)
def test_against_the_last_arrival(ahead: int, outcome: StepOutcome) -> None:
    """Mail comes from the past: only an arrival that is still to come shows something."""
    step = arrival_step("integrations", NOW + timedelta(seconds=ahead), NOW)
    assert (step.step, step.outcome) == ("arrival", outcome)
