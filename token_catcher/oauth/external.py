"""Tokens that some other tool keeps: in a file, in a variable, or printed by a command.

Nobody says how long such a token lives, so it is read anew at each login.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, Final

from token_catcher.errors import AccessError, Outage
from token_catcher.model import Secret
from token_catcher.oauth.access import AccessToken

COMMAND_WITHIN: Final = 30.0
"""Seconds for a command to print its token and end."""
MAX_OUTPUT: Final = 64 * 1024
"""Bytes of that: many times the largest token."""
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
            status = self._status(process)
        finally:
            _end(process)
        if status != 0:
            raise Outage(f"{self._where}: {_how_it_ended(status)}", code="oauth-command")
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
            return subprocess.Popen(  # noqa: S603 - the operator's own command, and no shell
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # it may quote the token
                start_new_session=True,  # so that its children end with it
            )
        except OSError as error:
            reason = error.strerror
        raise AccessError(
            f"{self._where}: cannot be run ({reason}), expected a program that we may run",
            code="oauth-command",
        )

    def _output(self, process: subprocess.Popen[bytes]) -> bytes:
        """All that it prints. Outage: too late. AccessError: too much."""
        assert process.stdout is not None
        output = b""
        while True:
            more = self._more(process.stdout)
            if not more:
                return output
            output += more
            if len(output) > MAX_OUTPUT:
                raise AccessError(
                    f"{self._where}: got more than {MAX_OUTPUT} bytes, expected the token alone",
                    code="oauth-command",
                )

    def _more(self, pipe: IO[bytes]) -> bytes:
        poller = select.poll()
        poller.register(pipe, select.POLLIN | select.POLLHUP)
        if not poller.poll(max(0.0, self._left()) * 1000):
            raise self._too_slow()
        return os.read(pipe.fileno(), MAX_OUTPUT)

    def _status(self, process: subprocess.Popen[bytes]) -> int:
        try:
            return process.wait(max(0.0, self._left()))
        except subprocess.TimeoutExpired:
            slow = self._too_slow()
        raise slow

    def _left(self) -> float:
        return self._deadline - self._monotonic()

    def _too_slow(self) -> Outage:
        return Outage(
            f"{self._where}: got no end within {COMMAND_WITHIN:.0f} seconds", code="oauth-command"
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing of it behind, whatever state it is in."""
    assert process.stdout is not None
    process.stdout.close()
    # Where nobody has waited for it, its number is still its own, and that of its group.
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


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
