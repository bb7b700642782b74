"""A signal waits where something must not be left half done. Signals are real ones."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from token_catcher.signals import ENDING, Ended, end_by_exception, postponed


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """As a command has them; afterwards they are pytest's again."""
    before = {number: signal.getsignal(number) for number in ENDING}
    end_by_exception()
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_raises_what_ends_the_command(number: signal.Signals, code: int) -> None:
    """With 128 and its number as the exit code; its twin, which timeout(1) sends, does nothing."""
    with pytest.raises(Ended) as raised:
        signal.raise_signal(number)
    signal.raise_signal(number)
    assert raised.value.code == code


@pytest.mark.parametrize("number", sorted(ENDING))
def test_a_signal_waits_until_the_block_is_done(number: signal.Signals) -> None:
    """A start that is interrupted would leave a process behind that nobody can end."""
    steps = []

    def interrupted_start() -> None:
        with postponed():
            signal.raise_signal(number)
            steps.append("started")

    with pytest.raises(Ended):
        interrupted_start()
    assert steps == ["started"]
