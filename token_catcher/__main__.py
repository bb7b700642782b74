"""`token-catcher`, and `python -m token_catcher`: ready for signals before anything else."""

import gc
import os
import sys
from functools import partial

from token_catcher import quick, signals

LOADING = 200_000
"""Objects that are made before Python looks for garbage among them; else 700."""


def main() -> None:
    """The console script."""
    signals.leave_at_once()
    # OpenSSL would write the keys of every connection into this file, and with them the passwords
    # and tokens that went over it. Some libraries look for it while they are imported.
    os.environ.pop("SSLKEYLOGFILE", None)
    if quick.is_answered(sys.argv):
        return
    # What is loaded stays. Looking for garbage among it would be a tenth of the start of a command.
    gc.set_threshold(LOADING)
    # Not above: this takes most of the first second, in which a signal may come.
    from token_catcher import daemon_line, process

    settings = daemon_line.settings_in(sys.argv)
    if settings is not None:
        process.main(partial(daemon_line.run, settings))
        return
    from token_catcher import cli

    cli.main()


if __name__ == "__main__":
    main()
