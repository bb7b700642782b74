"""Tokens that some other tool keeps: in a file, in a variable, or printed by a command.

Nobody says how long such a token lives, so it is read anew at each login.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Final

from token_catcher.children import CHILDREN, has_ended
from token_catcher.errors import AccessError, Outage
from token_catcher.model import Secret
from token_catcher.oauth.access import AccessToken

COMMAND_WITHIN: Final = 30.0
"""Seconds for a command to print its token and end."""
MAX_OUTPUT: Final = 64 * 1024
"""Bytes of that: many times the largest token."""
LOOK_PAUSE: Final = 0.02
"""Seconds between two looks at a command that prints nothing."""
_TOKEN: Final = re.compile(rb"[\x21-\x7e]+")
"""Visible, without a blank in it (RFC 6750, section 2.1, and generously more)."""


class ExternalProvider:
    """A token that is there; see `access.Provider`."""

    def __init__(self, read: Callable[[], Secret]) -> None:
        """`read`: the token as it is now. ConfigurationError: it is not there."""
        self._read = read

    def credential(self) -> Secret:
        """The token itself: once the tool has replaced it, a login is worth a try at once."""
        return self._read()

    def fetch(self) -> AccessToken:
        """See `access.Provider`."""
        return AccessToken(self._read(), None)


class CommandProvider:
    """A token that a command prints; see `access.Provider`."""

    def __init__(
        self, arguments: Sequence[str], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`arguments`: the program, and what it is given. No shell comes between."""
        self._arguments = tuple(arguments)
        self._monotonic = monotonic
        self._where = f"oauth2.token.command {os.path.basename(arguments[0])}"  # noqa: PTH119 - may be no path

    def credential(self) -> Secret:
        """Always the same: what the command goes by is not ours to see."""
        return Secret("")

    def fetch(self) -> AccessToken:
        """Run it. AccessError: it cannot be run, or prints no token. Outage: it fails, or takes too
        long; it may need the network."""
        process = self._started()
        try:
            output = self._output(process)
            self._await_end(process)
        finally:
            _close(process)
        if process.returncode != 0:
            raise Outage(
                f"{self._where}: {_how_it_ended(process.returncode)}", code="oauth-command"
            )
        token = output.strip()
        if not _TOKEN.fullmatch(token):
            raise AccessError(
                f"{self._where}: got {_form_of(token)}, expected the token alone, on one line",
                code="oauth-command",
            )
        return AccessToken(Secret(token.decode()), None)

    def _started(self) -> subprocess.Popen[bytes]:
        self._deadline = self._monotonic() + COMMAND_WITHIN
        try:
            # What goes to standard error is thrown away: it may quote the token.
            return CHILDREN.start(
                self._arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            reason = error.strerror
        raise AccessError(
            f"{self._where}: cannot be run ({reason}), expected a program that we may run",
            code="oauth-command",
        )

    def _output(self, process: subprocess.Popen[bytes]) -> bytes:
        """All that it prints until it ends. Outage: too late. AccessError: too much."""
        output = b""
        while True:
            more = self._more(process)
            if not more:
                return output
            output += more
            if len(output) > MAX_OUTPUT:
                raise AccessError(
                    f"{self._where}: got more than {MAX_OUTPUT} bytes, expected the token alone",
                    code="oauth-command",
                )

    def _more(self, process: subprocess.Popen[bytes]) -> bytes:
        """What it prints next; nothing: it has ended, or closed its output."""
        assert process.stdout is not None
        pipe = process.stdout.fileno()
        poller = select.poll()
        poller.register(pipe, select.POLLIN | select.POLLHUP)
        while True:
            self._expect_time_left()
            # Asked first: whatever it printed before its end is in the pipe then. A process that it
            # leaves behind may hold the pipe open for ever.
            ended = has_ended(process)
            if poller.poll(LOOK_PAUSE * 1000):
                return os.read(pipe, MAX_OUTPUT)
            if ended:
                return b""

    def _await_end(self, process: subprocess.Popen[bytes]) -> None:
        """It may close its output and go on. Outage: too late."""
        while not has_ended(process):
            self._expect_time_left()
            time.sleep(LOOK_PAUSE)

    def _expect_time_left(self) -> None:
        if self._monotonic() >= self._deadline:
            raise Outage(
                f"{self._where}: got no end within {COMMAND_WITHIN:.0f} seconds",
                code="oauth-command",
            )


def _close(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing of it behind, whatever state it is in."""
    assert process.stdout is not None
    process.stdout.close()
    CHILDREN.end(process)


def _how_it_ended(status: int) -> str:
    if status < 0:
        return f"ended by signal {-status}, expected exit code 0"
    return f"got exit code {status}, expected 0"


def _form_of(output: bytes) -> str:
    """What was printed, without a word of it."""
    if not output:
        return "nothing"
    if b"\n" in output:
        return "several lines"
    return "characters that no token has"
