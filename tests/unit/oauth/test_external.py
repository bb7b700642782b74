"""A command that prints a token: bounded in time and size, and nothing of it is shown or left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from tests.contract.leaks import hangs_alone, shown
from tests.kit.processes import until_gone
from token_catcher.errors import AccessError, Outage, TokenCatcherError
from token_catcher.model import Secret
from token_catcher.oauth import AccessToken, CommandProvider, ExternalProvider

CANARY = "CANARYtokenMUSTnotLEAK"


def running(
    script: str, *arguments: str, monotonic: Callable[[], float] = time.monotonic
) -> CommandProvider:
    """A Python script as the command."""
    return CommandProvider([sys.executable, "-c", script, *arguments], monotonic)


def failure(provider: CommandProvider) -> TokenCatcherError:
    """How it fails; nothing that was printed is in it."""
    with pytest.raises(TokenCatcherError) as caught:
        provider.fetch()
    assert caught.value.code == "oauth-command"
    assert CANARY not in shown(caught.value)
    assert hangs_alone(caught.value)
    return caught.value


@pytest.mark.parametrize("end", ["", "\\n", "\\r\\n"])
def test_what_is_printed_is_the_token(end: str) -> None:
    """Of unknown life; without what ends its line. What goes to standard error is thrown away."""
    script = f"import sys; sys.stderr.write('x'); sys.stdout.write('{CANARY}{end}')"
    assert running(script).fetch() == AccessToken(Secret(CANARY), None)


def test_no_shell_comes_between() -> None:
    """Arguments are handed on as they are."""
    provider = running("import sys; print(sys.argv[1].count('$'))", "$(id) $HOME")
    assert provider.fetch().value == Secret("2")


@pytest.mark.parametrize(
    ("script", "kind", "text"),
    [
        (f"print('{CANARY}'); exit(3)", Outage, "got exit code 3, expected 0"),
        ("import os; os.kill(os.getpid(), 9)", Outage, "ended by signal 9"),
        ("", AccessError, "got nothing, expected the token alone, on one line"),
        (f"print('{CANARY}\\n{CANARY}')", AccessError, "got several lines"),
        (f"print('Bearer {CANARY}')", AccessError, "got characters that no token has"),
        (f"print('{CANARY}' * 4000)", AccessError, "got more than 65536 bytes"),
    ],
)
def test_what_is_no_token_is_told_by_its_form(
    script: str, kind: type[TokenCatcherError], text: str
) -> None:
    """A failure may pass, since the command may need the network; another form does not."""
    error = failure(running(script))
    assert type(error) is kind
    assert text in str(error)


@pytest.mark.parametrize("name", ["/no/such/command", "/etc/passwd"])
def test_a_command_that_cannot_be_run_is_told(name: str) -> None:
    """By its name alone: arguments may be secrets."""
    error = failure(CommandProvider([name, CANARY]))
    assert type(error) is AccessError
    assert Path(name).name in str(error)


SLOW = "import sys, time; print(sys.argv[1], flush=True); time.sleep(1000)"
CLOSED = "import os, time; os.close(1); time.sleep(1000)"


@pytest.mark.parametrize("script", [SLOW, CLOSED])
def test_a_command_has_an_end(script: str) -> None:
    """However it hangs: it is no refusal."""
    clock = partial(next, count(0.0, 16.0))
    error = failure(running(script, "x", monotonic=clock))
    assert type(error) is Outage
    assert "got no end within 30 seconds" in str(error)


BACKGROUND = "sleep 1000 & echo $! > {pid};"
QUIET = "sleep 1000 > /dev/null & echo $! > {pid};"


STARTS = pytest.mark.parametrize("start", [BACKGROUND, QUIET])


@STARTS
@pytest.mark.parametrize("end", ["echo x", "exit 3", "echo a b", "echo x; exec sleep 1000"])
def test_what_a_command_started_ends_with_it(tmp_path: Path, start: str, end: str) -> None:
    """However the command itself ends: nothing is left behind that holds on to a token."""
    written = tmp_path / "pid"
    ticks = count(10.0)

    def clock() -> float:
        """Stands still until the child runs."""
        if written.exists() and written.read_text():
            return next(ticks)
        return 0.0

    provider = CommandProvider(["/bin/sh", "-c", start.format(pid=written) + end], clock)
    with suppress(TokenCatcherError):
        provider.fetch()
    until_gone(int(written.read_text()))


@STARTS
def test_the_end_of_a_command_is_the_end_of_its_output(tmp_path: Path, start: str) -> None:
    """A background job that holds its output open is not waited for."""
    script = start.format(pid=tmp_path / "pid") + f"echo {CANARY}"
    provider = CommandProvider(["/bin/sh", "-c", script], monotonic=lambda: 0.0)
    assert provider.fetch() == AccessToken(Secret(CANARY), None)


def test_a_command_that_prints_for_ever_has_an_end() -> None:
    """However little it prints at a time."""
    clock = partial(next, count(0.0, 16.0))
    provider = CommandProvider(["/bin/sh", "-c", "while echo; do :; done"], clock)
    assert "got no end within 30 seconds" in str(failure(provider))


def test_a_command_has_no_credential_of_ours() -> None:
    """What it goes by is its own: no change is looked for, and nothing is run for that."""
    provider = CommandProvider(["/no/such/command"])
    assert provider.credential() == provider.credential() == Secret("")


def test_a_file_is_its_own_credential() -> None:
    """Once the tool has replaced it, a login is worth a try."""
    texts = iter(["one", "two", "three"])
    provider = ExternalProvider(lambda: Secret(next(texts)))
    assert provider.credential() == Secret("one")
    assert provider.fetch() == AccessToken(Secret("two"), None)
