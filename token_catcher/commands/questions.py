"""Questions to a person at a terminal, each with a flag that answers it.

Where nobody can be asked, a flag that is missing is an error, unless there is a usual answer.
"""

from __future__ import annotations

import getpass
import sys
from dataclasses import dataclass
from typing import Final

from token_catcher.commands import output
from token_catcher.errors import ConfigurationError
from token_catcher.model import Secret

UNREADABLE: Final = "\x1b"
"""In place of a line that is not of the terminal's encoding."""
_YES_OR_NO: Final = {"y": True, "yes": True, "n": False, "no": False}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and the flag that answers it."""

    flag: str
    text: str


class Asker:
    """Asks on standard error, so that standard output has results alone."""

    def __init__(self, *, is_interactive: bool) -> None:
        """`is_interactive`: somebody sits there, and wants to be asked."""
        self.is_interactive = is_interactive

    def ask(self, question: Question, usual: str | None = None) -> str:
        """An answer, which is not empty. `usual`: that of who types nothing.

        ConfigurationError: nobody can be asked, or whoever was asked has gone."""
        while True:
            answer = self.ask_freely(question, usual)
            if answer:
                return answer
            if not self.is_interactive:
                raise ConfigurationError(
                    f"{question.flag}: got nothing, expected {_lower(question.text)}",
                    code="init-answer",
                )

    def ask_freely(self, question: Question, usual: str | None = None) -> str:
        """An answer, which may be empty. Otherwise as `ask`."""
        if not self.is_interactive:
            return usual or ""
        shown = question.text
        if usual:
            shown = f"{shown} [{usual}]"
        return self._line(f"{shown}: ") or usual or ""

    def agrees(self, text: str, *, usual: bool) -> bool:
        """Yes or no; `usual` where nobody can be asked. Any other word is asked about again."""
        if not self.is_interactive:
            return usual
        choice = "y/N"
        if usual:
            choice = "Y/n"
        while True:
            answer = self._line(f"{text} [{choice}] ").lower()
            if not answer:
                return usual
            if answer in _YES_OR_NO:
                return _YES_OR_NO[answer]

    def ask_secret(self, text: str) -> Secret:
        """What is typed is not shown, and is not empty.

        ConfigurationError: whoever was asked has gone."""
        typed = ""
        while not typed:
            try:
                typed = getpass.getpass(f"{text}: ", sys.stderr)
            except EOFError:
                raise _gone() from None
        return Secret(typed)

    def _line(self, text: str) -> str:
        """What was typed. It is asked again where that is no text, such as an arrow key."""
        while True:
            sys.stderr.write(text)
            sys.stderr.flush()
            try:
                line = sys.stdin.readline()
            except UnicodeDecodeError:
                line = UNREADABLE
            if not line:
                raise _gone()
            answer = line.strip()
            if answer.isprintable():
                return answer
            output.complain("got keys that make no text, expected an answer")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _gone() -> ConfigurationError:
    problem = "got the end of standard input, expected an answer"
    return ConfigurationError(problem, code="init-answer")
