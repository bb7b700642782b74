"""`run`: the daemon, in the foreground."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Final

from token_catcher.config import Config
from token_catcher.ports import Log
from token_catcher.service import Service

USUAL: Final = 700
"""Objects that are made before Python looks for garbage among them (see `__main__`)."""


def run(load: Callable[[], Config], log: Log) -> None:
    """Until SIGTERM. `load` reads the configuration (anew).

    ConfigurationError, StateError: it could not start."""
    gc.set_threshold(USUAL)
    Service(load, log).run()
