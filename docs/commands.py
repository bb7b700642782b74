"""Makes docs/commands.md out of what `--help` is made of.

`make pages` does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from token_catcher.cli import app
from token_catcher.commands.examples import EXAMPLES

HEAD = """# Commands

Each with its options and examples, as `token-catcher COMMAND --help` shows them. For all of them:
`--config FILE` names the configuration; else it is `TOKEN_CATCHER_CONFIG`, `./config.yaml`, or
`/etc/token-catcher/config.yaml`. Results go to standard output, logs to standard error.

| exit code | means |
| --- | --- |
| 0 | done |
| 1 | something failed, could not be read, or is still unsettled |
| 2 | usage or configuration |
| 3 | `--wait` ran out |
| 130, 143 | ended by SIGINT or SIGTERM, but for a running daemon, which ends with 0 |
"""


def page() -> str:
    """The whole page."""
    root: Any = get_command(app)
    return "\n".join([HEAD, *_commands(root, ())])


def _commands(group: Any, words: tuple[str, ...]) -> Iterator[str]:
    for name, command in group.commands.items():
        path = (*words, name)
        if hasattr(command, "commands"):
            yield from _commands(command, path)
        else:
            yield from _command(command, " ".join(path))


def _command(command: Any, name: str) -> Iterator[str]:
    yield f"## {name}\n"
    yield f"{_plain(command.help)}\n"
    arguments = [param.metavar for param in command.params if param.param_type_name == "argument"]
    if arguments:
        yield f"`token-catcher {name} {' '.join(arguments)}`\n"
    yield from _options(command)
    yield "```console"
    yield from (f"$ {line}" for line in EXAMPLES[name])
    yield "```\n"


def _options(command: Any) -> Iterator[str]:
    options = [param for param in command.params if param.param_type_name == "option"]
    shown = [param for param in options if not param.hidden and "--config" not in param.opts]
    if shown:
        yield "| option | does |"
        yield "| --- | --- |"
        yield from (f"| `{_typed(param)}` | {_plain(param.help)} |" for param in shown)
        yield ""


def _typed(param: Any) -> str:
    names = ", ".join(param.opts)
    if param.metavar:
        return f"{names} {param.metavar}"
    return names


def _plain(text: str) -> str:
    """On one line, without what Markdown would obey."""
    escaped = " ".join(text.split()).replace("*", "\\*").replace("<", "&lt;")
    return escaped.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
