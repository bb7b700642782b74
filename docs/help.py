"""Makes token_catcher/help_pages.py out of what `--help` is made of.

`make pages` does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from token_catcher.cli import app

WIDTH = 78
"""Columns that typer fills of a terminal of 80 and more."""

HEAD = '''\
"""What `--help` prints, by the words before it. Made by docs/help.py: `make pages`.

Of texts that never change, the program needs no typer, which takes three times as long to load as
Python itself. A terminal of less than 80 columns has them wrapped, by typer.
"""

PAGES = {
'''


def module() -> str:
    """The whole module."""
    root: Any = get_command(app)
    entries = [f'    "{name}": """\\\n{_escaped(text)}\n""",\n' for name, text in pages(root)]
    return f"{HEAD}{''.join(entries)}}}\n"


def pages(command: Any, parent: Any = None) -> Iterator[tuple[str, str]]:
    """Of a command, and of all below it: its words, without the program's name, and its help."""
    context = command.make_context(
        command.name, [], parent=parent, resilient_parsing=True, terminal_width=WIDTH
    )
    yield context.command_path.removeprefix("token-catcher").lstrip(), context.get_help()
    for below in getattr(command, "commands", {}).values():
        yield from pages(below, context)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


if __name__ == "__main__":
    sys.stdout.write(module())
