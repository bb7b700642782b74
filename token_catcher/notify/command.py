"""Events to a program of the operator's: an argument list, no shell, a limit of time."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from token_catcher.children import CHILDREN, has_ended
from token_catcher.errors import Outage, Undeliverable
from token_catcher.notify.notice import Outgoing

COMMAND_WITHIN: Final = 60.0
"""Seconds for a command to end."""
LONGEST_SHEBANG: Final = 256
"""Bytes of a script's first line that Linux looks at."""
LOOK_PAUSE: Final = 0.05
"""Seconds between two looks at one that runs."""
PLACEHOLDERS: Final = ("org", "username", "path", "version", "event")
"""What may stand in braces in an argument. The token is none of them."""
_PLACEHOLDER: Final = re.compile("{(" + "|".join(PLACEHOLDERS) + ")}")


class Command:
    """A program that is run for each event; see `receiver.Transport`."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`arguments`: the program, and what it is given, with placeholders. `environment`: its
        own, without a secret of ours."""
        self._arguments = tuple(arguments)
        self._environment = dict(environment)
        self._monotonic = monotonic
        self._where = f"command {os.path.basename(arguments[0])}"  # noqa: PTH119 - may be no path

    def deliver(self, event: Outgoing) -> str:
        """See `receiver.Transport`."""
        process = self._started(self._filled(event.content))
        try:
            self._await_end(process)
        finally:
            CHILDREN.end(process)
        status = process.returncode
        if status != 0:
            raise Outage(f"{self._where}: got {_how(status)}, expected 0", code="notify-command")
        return "exit code 0"

    def probe(self) -> str:
        """See `receiver.Transport`. It is looked for as it would be run, and not run."""
        program = shutil.which(self._arguments[0], path=self._environment.get("PATH"))
        if program is None:
            raise Outage(
                f"{self._where}: got no program that we may run, expected one",
                code="notify-command",
            )
        interpreter = _interpreter_of(program)
        if interpreter and shutil.which(interpreter) is None:
            raise Outage(
                f"{self._where}: got a script for {interpreter!a}, which is not there,"
                " expected a program that we may run",
                code="notify-command",
            )
        return f"{program} is there and can be run; it was not run"

    def _filled(self, event: Mapping[str, Any]) -> list[str]:
        """The arguments for this event. Undeliverable: one of them would be taken for an option."""
        values = values_of(event)
        filled = [self._arguments[0]]
        for argument in self._arguments[1:]:
            text = filled_in(argument, values)
            # Whoever names a user must not choose an option of the program.
            if text.startswith("-") and not argument.startswith("-") and "--" not in filled:
                raise Undeliverable(
                    f"{self._where}: got a value for {argument} that begins with -,"
                    " expected -- among the arguments before it",
                    code="notify-argument",
                )
            filled.append(text)
        return filled

    def _started(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        try:
            # What it prints may be anything, and belongs to nobody's log.
            return CHILDREN.start(
                arguments,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=self._environment,
            )
        except OSError as error:
            reason = error.strerror
        raise Outage(
            f"{self._where}: cannot be run ({reason}), expected a program that we may run",
            code="notify-command",
        )

    def _await_end(self, process: subprocess.Popen[bytes]) -> None:
        deadline = self._monotonic() + COMMAND_WITHIN
        while not has_ended(process):
            if self._monotonic() >= deadline:
                raise Outage(
                    f"{self._where}: got no end within {COMMAND_WITHIN:.0f} seconds,"
                    " expected a program that ends",
                    code="notify-command",
                )
            time.sleep(LOOK_PAUSE)


def filled_in(argument: str, values: Mapping[str, str]) -> str:
    """The argument with each placeholder's value, in one pass: what a value holds stays as it is,
    also where it looks like a placeholder."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], argument)


def values_of(event: Mapping[str, Any]) -> dict[str, str]:
    """What stands for each placeholder; empty where the event has no such thing."""
    data = event["data"]
    values = {name: str(data.get(name, "")) for name in PLACEHOLDERS}
    values["event"] = event["type"].removeprefix("token-catcher.")
    return values


def _interpreter_of(program: str) -> str:
    """Of a script, the program that runs it; empty where it is none, or may only be run."""
    try:
        with Path(program).open("rb") as file:
            line = file.read(LONGEST_SHEBANG).partition(b"\n")[0]
    except OSError:
        return ""
    if not line.startswith(b"#!"):
        return ""
    # The kernel takes the carriage return of another system's line end for a part of the name.
    name = re.split(rb"[ \t]+", line.removeprefix(b"#!").strip(b" \t"))[0]
    return os.fsdecode(name)


def _how(status: int) -> str:
    if status < 0:
        return f"an end by signal {-status}"
    return f"exit code {status}"
