"""`--help` and `--version`, for which no library is loaded: the texts are there.

They are what typer prints (tests/system/test_quick.py compares). Where anything could make that
another text, or it cannot be written, nothing is done here, and typer has its turn.
"""

import os
import sys

from token_catcher import __version__

NAME = "token-catcher"
"""As which we must have been called: a page begins with it."""
WIDTH = 80
"""Columns of a terminal from which on the texts look the same."""
COMPLETION = "_TOKEN_CATCHER_COMPLETE"
"""Set by a shell that wants to complete a line, and nothing else."""


def is_answered(arguments: list[str]) -> bool:
    """Whether the command line asked for no more than that, and has its answer.

    `arguments`: with the program's name."""
    text = _answer(arguments)
    if text is None or not _looks_as_usual():
        return False
    return _is_written(text.encode())


def _answer(arguments: list[str]) -> str | None:
    program, *words = arguments
    if os.path.basename(program) != NAME or not words:  # noqa: PTH119 - pathlib takes as long as all else here
        return None
    if words == ["--version"]:
        return f"{__version__}\n"
    if words[-1] in ("-h", "--help"):
        # Not above: the daemon would keep them in memory.
        from token_catcher.help_pages import PAGES

        return PAGES.get(" ".join(words[:-1]))
    return None


def _looks_as_usual() -> bool:
    """Whether typer would print the same."""
    if COMPLETION in os.environ or "COLUMNS" in os.environ:
        return False
    if sys.stdout is None or sys.stdout.encoding != "utf-8":
        return False
    try:
        columns = os.get_terminal_size(sys.stdout.fileno()).columns
    except OSError:  # no terminal
        return True
    return columns == 0 or columns >= WIDTH


def _is_written(text: bytes) -> bool:
    try:
        while text:
            text = text[os.write(1, text) :]
    except OSError:  # which typer will have as well, and tell
        return False
    return True
