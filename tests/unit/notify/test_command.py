"""Events to a program: what it is given, how long it has, and what is left of it."""

from __future__ import annotations

import os
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from tests.kit.waiting import until
from tests.unit.notify.kit import notice
from token_catcher.errors import Outage, Undeliverable
from token_catcher.notify import Command, Kind, Outgoing, event_of

FIELDS = {
    "org": "acme",
    "username": "u@acme.example",
    "path": "salesforce/acme/u@acme.example",
    "version": 4,
}
PLACES = ["{event}", "{org}", "{username}", "{path}", "{version}", "{event}:{username}"]


def event(kind: Kind = Kind.STORED, **fields: object) -> Outgoing:
    """Of a stored token, with some fields otherwise."""
    return event_of(notice(kind, fields=fields or FIELDS), "ops", "one")


def script(home: Path, text: str) -> str:
    """A program of this shell text."""
    path = home / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


def test_an_argument_list_is_filled_in(tmp_path: Path) -> None:
    """Each argument by itself: what a shell would obey arrives as it is."""
    program = script(tmp_path, f'for word; do printf "%s\\n" "$word"; done > {tmp_path}/given')
    command = Command([program, *PLACES, "; reboot $(id) `id`"], os.environ)
    assert command.deliver(event()) == "exit code 0"
    assert (tmp_path / "given").read_text().splitlines() == [
        "stored",
        "acme",
        "u@acme.example",
        "salesforce/acme/u@acme.example",
        "4",
        "stored:u@acme.example",
        "; reboot $(id) `id`",
    ]


def test_a_value_is_not_filled_in_once_more(tmp_path: Path) -> None:
    """A username may look like a placeholder, and stays as it is."""
    program = script(tmp_path, f'printf "%s|" "$@" > {tmp_path}/given')
    told = event(org="{username}", username="{path}{version}@acme.example")
    Command([program, "{org}", "{username}/{org}"], os.environ).deliver(told)
    assert (tmp_path / "given").read_text() == (
        "{username}|{path}{version}@acme.example/{username}|"
    )


def test_what_an_event_does_not_have_is_empty(tmp_path: Path) -> None:
    """As the user of a mailbox that fails."""
    program = script(tmp_path, f'printf "%s|" "$@" > {tmp_path}/given')
    Command([program, *PLACES], os.environ).deliver(event(Kind.FAILING, code="imap-login"))
    assert (tmp_path / "given").read_text() == "failing|||||failing:|"


def test_a_value_is_never_an_option(tmp_path: Path) -> None:
    """Whoever picks a username picks no option of the program; behind `--` there are none."""
    program = script(tmp_path, "exit 0")
    hostile = event(username="-rf@acme.example", org="acme")
    with pytest.raises(Undeliverable) as caught:
        Command([program, "{org}", "{username}"], {}).deliver(hostile)
    assert str(caught.value) == (
        "command program: got a value for {username} that begins with -,"
        " expected -- among the arguments before it"
    )
    for arguments in (["--", "{username}"], ["--user={username}"]):
        assert Command([program, *arguments], {}).deliver(hostile) == "exit code 0"


def test_the_environment_is_what_was_given(tmp_path: Path) -> None:
    """And nothing of ours beside it, which may hold secrets."""
    program = script(tmp_path, f"/usr/bin/env > {tmp_path}/given")
    Command([program], {"LANG": "C"}).deliver(event())
    names = {line.partition("=")[0] for line in (tmp_path / "given").read_text().splitlines()}
    assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {"LANG"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exit 3", "command program: got exit code 3, expected 0"),
        ("kill -9 $$", "command program: got an end by signal 9, expected 0"),
    ],
)
def test_a_command_that_fails_is_run_again(tmp_path: Path, text: str, message: str) -> None:
    """Later; of what it printed nothing is told, however much it is."""
    program = script(tmp_path, f"yes hunter2 | head -c 1000000; echo hunter2 >&2; {text}")
    with pytest.raises(Outage) as caught:
        Command([program], os.environ).deliver(event())
    assert str(caught.value) == message
    assert caught.value.code == "notify-command"


def test_a_command_that_is_not_there_is_tried_again(tmp_path: Path) -> None:
    """It may be put back."""
    command = Command([str(tmp_path / "gone")], os.environ)
    with pytest.raises(Outage) as caught:
        command.deliver(event())
    assert str(caught.value) == (
        "command gone: cannot be run (No such file or directory),"
        " expected a program that we may run"
    )


def test_a_command_has_an_end(tmp_path: Path) -> None:
    """After a minute, with all that it started."""
    program = script(tmp_path, f"sleep 1000 & echo $! > {tmp_path}/pid; wait")
    pid = tmp_path / "pid"
    ticks = count(100.0)

    def clock() -> float:
        """Stands still until the child runs."""
        if pid.exists() and pid.read_text():
            return next(ticks)
        return 0.0

    with pytest.raises(Outage) as caught:
        Command([program], os.environ, clock).deliver(event())
    assert str(caught.value) == (
        "command program: got no end within 60 seconds, expected a program that ends"
    )
    status = Path("/proc") / pid.read_text().strip() / "stat"
    until(partial(_is_gone, status), "the child to end")


def _is_gone(status: Path) -> bool:
    try:
        return ") Z " in status.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    """Its process group is ended however it ended itself."""
    program = script(tmp_path, f"sleep 1000 & echo $! > {tmp_path}/pid")
    assert Command([program], os.environ).deliver(event()) == "exit code 0"
    status = Path("/proc") / (tmp_path / "pid").read_text().strip() / "stat"
    until(partial(_is_gone, status), "the child to end")
