"""One connection to a mail server: the library is called here, and its exceptions end here.

Only the library's own call stands inside of `call`. What it returns is read outside, by code that
looks at each part before it uses it: so an odd answer is told as one (`imap-protocol`), and a bug
of ours shows its own file and line.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from imaplib import IMAP4
from typing import Any, Final, TypeVar

from token_catcher.imap.ahead import Ahead
from token_catcher.imap.answers import OddAnswer
from token_catcher.imap.borrowed import BoundedClient, RawConnection
from token_catcher.imap.trouble import FOREIGN, malformed, refuses, translated
from token_catcher.log import raised_at

Result = TypeVar("Result")
Answer = TypeVar("Answer")
Value = TypeVar("Value")

LOGOUT_TIMEOUT: Final = 2.0
"""Seconds."""


class Connection:
    """One connection, used by one thread."""

    def __init__(self, client: BoundedClient, where: str) -> None:
        """`where`: mailbox and server, for messages."""
        self.client = client
        self.raw = RawConnection(client)
        self.where = where
        self.ahead: Ahead | None = None
        """What was answered before it was asked for. The next command drops it."""

    def call(
        self,
        command: str,
        function: Callable[..., Result],
        *arguments: Any,
        folder: str | None = None,
        **options: Any,
    ) -> Result:
        """Call the library for `command`; see `call_library`.

        The answer has its own bounds of time and size; see `reader`."""
        self.ahead = None
        self.raw.begin_command()
        return call_library(self.where, command, function, *arguments, folder=folder, **options)

    def read_on(self, command: str, function: Callable[..., Result]) -> Result:
        """The same for more of an answer, within the bounds of the command that was begun last."""
        return call_library(self.where, command, function)

    def ask(
        self, command: str, function: Callable[..., Result], *arguments: Any, **options: Any
    ) -> Result | None:
        """The same for what a server may refuse and still be asked in other words: None then."""
        return self.call(command, _unless_refused, function, *arguments, **options)

    def read(self, command: str, reader: Callable[[Answer], Value], answer: Answer) -> Value:
        """What the answer says. TransientError: it is of no known form."""
        try:
            return reader(answer)
        except OddAnswer as odd:
            part = str(odd)
        # What is not foreseen in an answer must not end more than the session, and with its code
        # the mail becomes a suspect.
        except Exception as bug:  # noqa: BLE001
            part = f"{type(bug).__name__} at {raised_at(bug)}"
        # Out here the exception is let go; inside it would hang on ours, with the answer.
        raise malformed(self.where, command, part)

    def has(self, capability: str) -> bool:
        """Whether the server announces it."""
        return bool(self.call("CAPABILITY", self.client.has_capability, capability))

    def close(self) -> None:
        """LOGOUT if the server answers soon, then free the socket in any case. Never raises."""
        with suppress(Exception):
            self.raw.sock.settimeout(LOGOUT_TIMEOUT)
            self.raw.begin_command(LOGOUT_TIMEOUT)
            self.client.logout()
        with suppress(Exception):
            self.client.shutdown()


def call_library(
    where: str,
    command: str,
    function: Callable[..., Result],
    *arguments: Any,
    folder: str | None = None,
    **options: Any,
) -> Result:
    """The library's answer. Raises `AccessError`, `TransientError` or `Outage` for its exceptions.

    `command`: for messages. `folder`: what a NO speaks of."""
    try:
        return function(*arguments, **options)
    except FOREIGN as error:
        trouble = translated(error, where, command, folder)
    # Out here the foreign exception is let go; inside it would hang on ours, with what it holds.
    raise trouble


def _unless_refused(
    function: Callable[..., Result], *arguments: Any, **options: Any
) -> Result | None:
    """What the library returns; None where the server only refuses."""
    try:
        return function(*arguments, **options)
    except IMAP4.error as error:
        if not refuses(error):
            raise
        return None
