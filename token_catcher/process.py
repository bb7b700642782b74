"""The process, whatever it does: nothing of it lies open, and it ends with one message and an exit
code.
"""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from token_catcher import advice, log, signals
from token_catcher.children import CHILDREN
from token_catcher.commands import output, streams
from token_catcher.commands.output import ExitCode
from token_catcher.errors import AccessError, ConfigurationError, TokenCatcherError


def main(work: Callable[[], object]) -> None:
    """Do the work of this process. What a user can cause ends in one message and an exit code."""
    signals.end_by_exception()
    streams.take_over()
    keep_to_ourselves()
    # Until a command knows better: not even a bug may end in a traceback with foreign text.
    log.setup("warning", "auto")
    try:
        work()
    except TokenCatcherError as error:
        _fail(error)
        if isinstance(error, ConfigurationError) and not isinstance(error, AccessError):
            sys.exit(ExitCode.USAGE)
        sys.exit(ExitCode.FAILED)
    finally:
        CHILDREN.end_all()
        # What Python does on its way out would be interrupted with a traceback.
        signals.leave_at_once()
        # And it would look three times for garbage among all that was loaded: an eighth of a scan.
        gc.freeze()


def _fail(error: TokenCatcherError) -> None:
    output.complain(f"token-catcher: {error}")
    step = advice.next_step(error.code, error.mailbox)
    if step is not None:
        output.complain(f"next: {step}")


def keep_to_ourselves() -> None:
    """No core dump, no other process of this user reading our memory (prctl(2), Linux).

    It holds tokens for a moment."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


_PR_SET_DUMPABLE: Final = 4
