"""What a command gives back: results on standard output, and an exit code.

Standard output carries nothing but results, for people or, with `--json`, for machines. What is
raised where it cannot be written is said in `streams`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Final, Self, TextIO

from token_catcher.commands import styled
from token_catcher.commands.wrapping import wrapped
from token_catcher.model import printable
from token_catcher.signals import postponed
from token_catcher.wording import counted

LONG: Final = 1.0
"""Seconds of work that nobody needs to be shown."""
WIDTH: Final = 30
"""Characters of a bar."""
NARROW: Final = 80
"""Columns that every terminal has."""
BESIDE_TEXT: Final = 3
"""Columns of a line that moves, beside its text: the sign that turns, and room to its right."""
WIDEST: Final = 400
"""Columns of a table that may wrap in the terminal, but is never cut."""


class ExitCode(IntEnum):
    """The contract with scripts."""

    DONE = 0
    FAILED = 1
    """Something failed, could not be read, or is still unsettled."""
    USAGE = 2
    """The command line or the configuration is wrong."""
    WAITED = 3
    """`--wait` ran out."""


def write(pieces: Iterable[str]) -> None:
    """Write text as it is. TokenCatcherError: it cannot be written."""
    sys.stdout.writelines(pieces)
    sys.stdout.flush()  # while the error can still be told


def write_json(objects: Iterable[object]) -> None:
    """Write JSON, an object a line. TokenCatcherError: it cannot be written."""
    write(json.dumps(value) + "\n" for value in objects)


def print_lines(lines: Iterable[styled.Text]) -> None:
    """Print for people. A terminal gets lines that are no wider than it is; a pipe or a file gets
    each whole, however long. TokenCatcherError: they cannot be written."""
    console = styled.Console(highlight=False, soft_wrap=True)
    for line in lines:
        for piece in _fitting(harmless(line), sys.stdout, console.width):
            console.print(piece)


def _fitting(line: styled.Text, stream: TextIO, width: int) -> Iterable[styled.Text]:
    """The line as this stream gets it."""
    # Not rich's own answer, which says yes to a pipe where FORCE_COLOR is set.
    if stream.isatty():
        return wrapped(line, width)
    return [line]


def harmless(text: styled.Text) -> styled.Text:
    """With escapes for what a terminal would obey: a mail server names its folders as it likes.

    Escapes move the places of colours, so that such a text has none."""
    if text.plain.isprintable():
        return text
    return styled.Text(printable(text.plain), text.style)


def print_table(table: styled.Table, width: int = WIDEST) -> None:
    """Print for people, in so many columns: where they do not suffice, cells fold, and nothing is
    cut off. TokenCatcherError: it cannot be written."""
    styled.Console(highlight=False, width=width).print(table)


def complain(message: str) -> None:
    """Write lines to standard error, for a terminal no wider than it is; nobody is told where that
    is impossible."""
    for line in map(printable, message.split("\n")):
        sys.stderr.writelines(f"{piece}\n" for piece in _wrapped(line))


def _wrapped(line: str) -> Iterable[str]:
    """A line of standard error as it is to be written; rich is loaded for a terminal alone."""
    if not sys.stderr.isatty():
        return [line]
    width = styled.Console(stderr=True).width
    return [piece.plain for piece in _fitting(styled.Text(line), sys.stderr, width)]


class Progress:
    """Shows on a terminal's standard error that the program waits, until the block ends.

    rich hides the cursor and starts a thread. A signal in the middle of that would leave both half
    done, and end in an error of rich's."""

    def __init__(self, text: str) -> None:
        console = styled.Console(stderr=True)
        self._width = console.width - BESIDE_TEXT
        self.is_live = console.is_terminal and not console.is_dumb_terminal
        """Whether there is a terminal that can show it; elsewhere nothing is shown."""
        self._status = console.status(self._fitting(text))

    def __enter__(self) -> Self:
        try:
            self._show()
        except BaseException:  # the signal that was postponed: then nobody calls __exit__
            self._hide()
            raise
        return self

    def __exit__(self, *_details: object) -> None:
        self._hide()

    def update(self, text: str) -> None:
        """Show this text from now on."""
        with postponed():
            self._status.update(self._fitting(text))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Room for results: while it is shown, rich takes standard output for itself."""
        self._hide()
        yield
        self._show()

    def _fitting(self, text: str) -> styled.Text:
        """On one line of the terminal: what wraps would stay behind when the next one is shown."""
        fitting = styled.Text(text)
        fitting.truncate(self._width, overflow="crop")
        return fitting

    def _show(self) -> None:
        with postponed():
            self._status.start()

    def _hide(self) -> None:
        with postponed():
            self._status.stop()


class Bar:
    """Shows on a terminal's standard error how far a long piece of work is, until the block ends.

    Not before it has lasted a second: what is over soon would only flicker. Elsewhere nothing is
    shown."""

    def __init__(
        self, what: str, monotonic: Callable[[], float], *, is_wanted: bool = True
    ) -> None:
        """`is_wanted`: False, where something else moves on the terminal."""
        self._what = what
        self._monotonic = monotonic
        self._is_wanted = is_wanted
        self._shows_at = monotonic() + LONG
        self._progress: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        if self._progress is not None:
            self._progress.__exit__(*details)

    def step(self, done: int, of_all: int) -> None:
        """So many of all are done; `of_all`: 0 while nobody knows how many there are."""
        if not self._is_wanted or self._monotonic() < self._shows_at:
            return
        text = f"{self._what}: {_drawn(done, of_all)}"
        if self._progress is not None:
            self._progress.update(text)
            return
        progress = Progress(text)
        self._is_wanted = progress.is_live
        if self._is_wanted:
            self._progress = progress  # before it begins, so that it ends whatever comes
            progress.__enter__()


def _drawn(done: int, of_all: int) -> str:
    """`[#####.....] 12 of 24 mails`, in ASCII for every terminal."""
    if not of_all:
        return "looking for new mail"
    full = WIDTH * done // of_all
    return f"[{'#' * full}{'.' * (WIDTH - full)}] {done} of {counted(of_all, 'mail')}"
