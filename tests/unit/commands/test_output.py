"""Results and progress: a signal in the middle of drawing leaves the terminal as it was."""

from __future__ import annotations

import io
import signal
from collections.abc import Iterator

import pytest

from token_catcher.commands.output import Progress
from token_catcher.signals import ENDING, Ended, end_by_exception

HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"
"""What a terminal is told about its cursor."""


class Interrupting(io.StringIO):
    """A terminal on which Ctrl-C is typed while something is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.interrupts = False

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.interrupts:
            self.interrupts = False
            signal.raise_signal(signal.SIGINT)
        return super().write(text)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Interrupting]:
    """It can take the place of standard error; signals are as a command has them."""
    monkeypatch.setenv("TERM", "xterm-256color")
    before = {number: signal.getsignal(number) for number in ENDING}
    end_by_exception()
    yield Interrupting()
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_ctrl_c_while_progress_begins(
    terminal: Interrupting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cursor is back, and the block is not begun."""
    monkeypatch.setattr("sys.stderr", terminal)  # not before: pytest has it until now
    terminal.interrupts = True
    with pytest.raises(Ended), Progress("waiting"):
        pytest.fail("the block was begun")
    assert terminal.getvalue().rindex(SHOWN) > terminal.getvalue().rindex(HIDDEN)


def test_ctrl_c_while_progress_goes_on(
    terminal: Interrupting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a result was shown: what ends the command is the signal, and no error of rich's."""
    monkeypatch.setattr("sys.stderr", terminal)
    with pytest.raises(Ended), Progress("waiting") as progress, progress.paused():
        terminal.interrupts = True
    assert terminal.getvalue().rindex(SHOWN) > terminal.getvalue().rindex(HIDDEN)
