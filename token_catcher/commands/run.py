"""`run`: the daemon, in the foreground."""

from __future__ import annotations

from collections.abc import Callable

from token_catcher.config import Config
from token_catcher.ports import Log
from token_catcher.service import Service


def run(load: Callable[[], Config], log: Log) -> None:
    """Until SIGTERM. `load` reads the configuration (anew).

    ConfigurationError, StateError: it could not start."""
    Service(load, log).run()
