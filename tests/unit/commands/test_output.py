"""Results and progress: neither a signal nor a text does anything to the terminal."""

from __future__ import annotations

import fcntl
import io
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pytest
from rich.text import Text

from tests.kit.waiting import PATIENCE, until
from token_catcher.commands.output import Bar, Progress, complain, print_lines, print_table
from token_catcher.commands.render import history_table
from token_catcher.commands.rotation import Rotation
from token_catcher.commands.streams import Results
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

    def shows(self, text: str) -> bool:
        """Whether this was drawn on it."""
        return text in self.getvalue()

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


def test_progress_stays_on_its_line(
    terminal: Interrupting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would wrap is cut off, at its beginning and later."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress("x" * 200) as progress:
        until(lambda: terminal.shows("x"), "the line")
        progress.update("y" * 200)
        until(lambda: terminal.shows("y"), "the next line")
    for letter in "xy":
        assert max(map(len, re.findall(f"{letter}+", terminal.getvalue()))) == 77


def test_ctrl_c_while_progress_goes_on(
    terminal: Interrupting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a result was shown: what ends the command is the signal, and no error of rich's."""
    monkeypatch.setattr("sys.stderr", terminal)
    with pytest.raises(Ended), Progress("waiting") as progress, progress.paused():
        terminal.interrupts = True
    assert terminal.getvalue().rindex(SHOWN) > terminal.getvalue().rindex(HIDDEN)


class Clock:
    """Seconds that pass when a test says so."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_bar_shows_how_far_long_work_is(
    terminal: Interrupting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the second second on: nothing of what is over soon, and nothing is left at the end."""
    half = f"[{'#' * 15}{'.' * 15}] 2 of 4 mails"
    monkeypatch.setattr("sys.stderr", terminal)
    clock = Clock()
    with Bar("integrations", clock) as bar:
        for seconds in (0.0, 0.9):
            clock.seconds = seconds
            bar.step(1, 4)
        assert terminal.getvalue() == ""
        clock.seconds = 1.0
        for done, of_all, text in ((0, 0, "looking for new mail"), (2, 4, half)):
            bar.step(done, of_all)
            until(partial(terminal.shows, f"integrations: {text}"), "the bar")
    shown = terminal.getvalue()
    assert shown.rindex(SHOWN) > shown.rindex(HIDDEN)
    assert shown.endswith("\x1b[1A\x1b[2K")  # the line is gone


@pytest.mark.parametrize("setting", [("TERM", "dumb"), ("TTY_COMPATIBLE", "0")])
def test_no_bar_where_none_can_be_shown(
    terminal: Interrupting, monkeypatch: pytest.MonkeyPatch, setting: tuple[str, str]
) -> None:
    """On a dumb terminal, and in what is none; nor where something else moves on it."""
    monkeypatch.setattr("sys.stderr", terminal)
    clock = Clock()
    with Bar("integrations", clock, is_wanted=False) as bar:
        clock.seconds = 9.0
        bar.step(1, 2)
    monkeypatch.setenv(*setting)
    with Bar("integrations", clock) as bar:
        clock.seconds = 20.0
        bar.step(1, 2)
        bar.step(2, 2)
    assert terminal.getvalue() == ""


def test_a_signal_in_the_middle_of_a_write_has_nothing_written_twice() -> None:
    """What was written counts as written; the rest follows when the stream is closed."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)  # a line of 6000 bytes does not fit in
    main_thread = threading.get_ident()
    pieces: list[bytes] = []
    due = threading.Event()

    def read() -> None:
        while piece := os.read(reader, 4096):
            pieces.append(piece)
            if due.is_set():
                due.clear()
                signal.pthread_kill(main_thread, signal.SIGINT)

    thread = threading.Thread(target=read)
    thread.start()
    stream = io.TextIOWrapper(Results(writer), line_buffering=True)
    lines = [f"{number:5999}\n" for number in range(100)]
    for line in lines:
        due.set()
        with suppress(KeyboardInterrupt):
            stream.write(line)
            threading.Event().wait(PATIENCE)
    stream.flush()
    os.close(writer)
    thread.join()
    os.close(reader)
    whole = b"".join(pieces).decode().splitlines(keepends=True)
    # A signal that came before a write leaves its line out.
    assert whole == [line for line in lines if line in whole]
    assert len(whole) > 10


FOLDER = "Spam\x1b]0;owned\x9b\u202e"
ESCAPED = r"Spam\x1b]0;owned\x9b\u202e"


def test_no_line_acts_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A mail server names its folders as it likes, and a file of mail can have any name."""
    print_lines([Text.assemble((FOLDER, "bold"), "  stored"), Text("fine")])
    assert capsys.readouterr().out == f"{ESCAPED}  stored\nfine\n"


def test_no_cell_acts_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor does a table."""
    print_table(history_table([Rotation("2026-02-03", "rotation.held", username=FOLDER)]))
    assert ESCAPED in capsys.readouterr().out


def test_no_complaint_acts_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """The lines of a message stay lines."""
    complain(f"first {FOLDER}\nsecond")
    assert capsys.readouterr().err == f"first {ESCAPED}\nsecond\n"
