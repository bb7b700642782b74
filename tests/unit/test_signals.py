"""A signal waits where something must not be left half done. Signals are real ones."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.kit.waiting import PATIENCE
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


def test_a_signal_is_not_lost_with_a_block_that_fails() -> None:
    """Otherwise the command would go on with what comes next."""

    def failing() -> None:
        with postponed():
            signal.raise_signal(signal.SIGTERM)
            raise ValueError

    with pytest.raises(Ended):
        failing()


def test_in_another_thread_nothing_has_to_wait() -> None:
    """Signals interrupt the main thread alone, which keeps its handlers."""
    handlers = []

    def work() -> None:
        with postponed():
            handlers.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(PATIENCE)
    assert handlers == [before]


def test_what_is_ignored_stays_ignored() -> None:
    """SIGINT in the background of a script."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with postponed():
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


TWICE = """
import signal, sys
from token_catcher import signals
signals.TWINS_WITHIN = float(sys.argv[1])
signals.end_by_exception()
with signals.postponed():
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    print("done", flush=True)
"""


@pytest.mark.parametrize(("twins_within", "expected"), [("1000", "done\n"), ("-1", "")])
def test_a_second_signal_does_not_wait(twins_within: str, expected: str) -> None:
    """The block takes too long for somebody; unless it is the twin of the first."""
    command = [sys.executable, "-c", TWICE, twins_within]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (143, expected), done
