"""What a terminal of 80 columns gets: no line is wider, but for a word that nobody could copy in
pieces. What a pipe gets: each line whole."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from tests.kit import mails
from tests.kit.program import Program
from tests.kit.servers import Dovecot
from tests.kit.terminal import Terminal

COLUMNS = 80
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
OUTCOMES = ("ok  ", "warning  ", "failed  ", "skipped  ")
COMMANDS = (
    ["check"],
    ["held"],
    ["history"],
    ["audit", "verify"],
    ["audit", "reconcile"],
    ["notify", "test"],
    ["explain", "no-such-file.eml"],
)


@pytest.fixture
def told(tool: Program, dovecot: Dovecot, user: str) -> Program:
    """With a record of each kind that has a next step: one token stored, one mail held."""
    tool.text += "notify: [{on: [stored], command: [/bin/cat]}]\n"
    tool.configure()
    now = datetime.now(UTC).replace(microsecond=0)
    dovecot.deliver(mails.genuine(issued_at=now), user)
    dovecot.deliver(mails.genuine("stranger@elsewhere.example", issued_at=now), user)
    assert tool("scan").code == 1
    return tool


def shown(tool: Program, words: list[str]) -> list[str]:
    """The lines on a terminal."""
    terminal = Terminal(tool.words(*words), tool.environment(), columns=COLUMNS)
    terminal.end()
    return COLOUR.sub("", terminal.shown.replace("\r", "")).splitlines()


def test_no_line_is_wider_than_the_terminal(told: Program) -> None:
    """But a word that is longer than a line has room for; and some lines had to be wrapped."""
    for words in COMMANDS:
        wide = [line for line in shown(told, words) if len(line) > COLUMNS]
        assert [line for line in wide if len(line.split()) > 1] == [], words


def test_in_a_pipe_each_line_is_whole(told: Program) -> None:
    """Whatever the width, and also where colours are forced."""
    told.env |= {"COLUMNS": str(COLUMNS), "FORCE_COLOR": "1"}
    lines = [COLOUR.sub("", line) for line in told("check").out.splitlines()]
    steps = [line for line in lines if line.startswith(OUTCOMES)]
    assert any(len(line) > COLUMNS for line in steps)
    others = [line for line in lines if line not in steps and "next: " not in line]
    assert len(others) == 1, "the sum of all"
