"""The command line of the daemon, understood without typer, which would stay in memory for months.

What a service unit says is two or four words. Every other line, and every mistake in one, is for
typer, which says what is wrong better than we would; and it does the same with these words.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from token_catcher import commands, log
from token_catcher.quick import COMPLETION
from token_catcher.settings import Settings, warn_of_shared_secrets


def settings_in(arguments: Sequence[str]) -> Settings | None:
    """What the daemon goes by, where these words are known to ask for it.

    `arguments`: with the program's name."""
    if COMPLETION in os.environ:
        return None
    match arguments[1:]:
        case ["run"]:
            return Settings(None)
        case ["--config", file, "run"] | ["run", "--config", file] if _is_plain(file):
            return Settings(file)
    return None


def _is_plain(file: str) -> bool:
    """Whether it can be taken for nothing but a value."""
    return file != "" and not file.startswith("-")


def run(settings: Settings) -> None:
    """`run`: the daemon, until SIGTERM. ConfigurationError, StateError: it could not start."""
    settings.work_as_owner()
    loaded = settings.load()
    events = log.setup(loaded.log.level, loaded.log.format, at_once=True)
    warn_of_shared_secrets(loaded, events)
    commands.run.run(settings.load, events)
