"""What `check` says of receivers, on real ones: each fault by its own code, and nobody is told."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.kit.hooks import SECRET
from tests.kit.servers import free_port
from tests.kit.tokens import TokenEndpoint
from tests.unit.notify.kit import NOW
from token_catcher.advice import next_step
from token_catcher.diagnosis import Step
from token_catcher.diagnosis.receivers import receiver_steps
from token_catcher.errors import ConfigurationError
from token_catcher.model import Secret
from token_catcher.notify import Command, Kind, People, Receiver, Transport, Webhook

# apprise imports all of its services, some of which look for what later Pythons do not have.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
CANARY = "hunter2-canary"


def step(transport: Transport, limit: float = 30.0) -> Step:
    """The one step of this receiver; it shows no secret."""
    receiver = Receiver("ops", frozenset({Kind.STORED}), transport)
    [step] = receiver_steps([receiver], limit)
    assert (step.area, step.subject, step.step) == ("notify", "ops", "receiver")
    assert CANARY not in step.saw
    assert not step.code or next_step(step.code)
    return step


# -- webhooks --


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Whom `ca_file` names."""
    return trustme.CA()


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[TokenEndpoint]:
    """A receiver over HTTPS."""
    with TokenEndpoint(certificate=authority.issue_cert("127.0.0.1")) as endpoint:
        yield endpoint


def webhook(url: str, ca_file: Path | None = None, secret: str = SECRET) -> Webhook:
    """A webhook at this address, part of which is a secret."""
    ca = None
    if ca_file is not None:
        ca = str(ca_file)
    return Webhook(f"{url}/{CANARY}", lambda: Secret(secret), ca_file=ca, now=lambda: NOW)


def test_a_webhook_is_reached_without_an_event(
    server: TokenEndpoint, authority: trustme.CA, tmp_path: Path
) -> None:
    """By a method that changes nothing; that this server does not know it says nothing of an
    event."""
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    netloc = server.url.removeprefix("https://")
    assert step(webhook(server.url, ca_file)) == Step(
        "notify", "ops", "receiver", "ok", f"{netloc} answers (OPTIONS: 501); no event was sent"
    )
    assert server.asked == []  # what was posted


def test_a_webhook_that_is_not_trusted(server: TokenEndpoint) -> None:
    """As an event would find it."""
    found = step(webhook(server.url))
    assert (found.outcome, found.code) == ("failed", "notify-certificate")


def test_a_webhook_that_is_not_there() -> None:
    """A closed port."""
    port = free_port()
    assert step(webhook(f"http://127.0.0.1:{port}")) == Step(
        "notify",
        "ops",
        "receiver",
        "failed",
        f"webhook 127.0.0.1:{port} was not reached (Connection refused)",
        "notify-unreachable",
    )


def test_a_webhook_that_says_nothing_has_a_limit() -> None:
    """The next receiver is looked at after that."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        found = step(webhook(url), limit=0.2)
    assert (found.outcome, found.code) == ("failed", "check-limit")


def test_a_key_that_is_none_is_told_before_anybody_is_asked() -> None:
    """An event could not be signed."""
    found = step(webhook(f"http://127.0.0.1:{free_port()}", secret=CANARY))
    assert (found.outcome, found.code) == ("failed", "notify-secret")


def test_a_secret_that_is_not_mounted_is_told_with_the_files() -> None:
    """A service that is down has none; so is the address of apprise."""

    def read() -> Secret:
        raise ConfigurationError("secret file /run/x: got no such file", code="secret")

    for transport in (Webhook("http://127.0.0.1:1/", read, now=lambda: NOW), People(read)):
        saw = "its secret cannot be read (see files)"
        assert step(transport) == Step("notify", "ops", "receiver", "skipped", saw)


# -- commands --


def script(home: Path, first: str, mode: int = 0o700) -> str:
    """A script that would leave a trace."""
    path = home / "program"
    path.write_text(f"{first}\ntouch {home}/ran\n")
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("first", ["#!/bin/sh", "#! /usr/bin/env sh", "no script at all", "#!"])
def test_a_command_is_there_and_not_run(tmp_path: Path, first: str) -> None:
    """It is looked for as it would be run."""
    program = script(tmp_path, first)
    saw = f"{program} is there and can be run; it was not run"
    command = Command([program, "{org}"], os.environ)
    assert step(command) == Step("notify", "ops", "receiver", "ok", saw)
    assert not (tmp_path / "ran").exists()


def test_a_command_is_looked_for_on_its_own_path(tmp_path: Path) -> None:
    """That of its environment."""
    program = script(tmp_path, "#!/bin/sh")
    assert step(Command(["program"], {"PATH": str(tmp_path)})).saw.startswith(program)
    assert step(Command(["program"], {"PATH": "/usr/bin"})).outcome == "failed"


@pytest.mark.parametrize("mode", [None, 0o600], ids=["missing", "no mode to run"])
def test_a_command_that_cannot_be_run(tmp_path: Path, mode: int | None) -> None:
    """Before the first event needs it."""
    program = str(tmp_path / "program")
    if mode is not None:
        script(tmp_path, "#!/bin/sh", mode)
    saw = "command program: got no program that we may run, expected one"
    command = Command([program], os.environ)
    assert step(command) == Step("notify", "ops", "receiver", "failed", saw, "notify-command")


@pytest.mark.parametrize("first", ["#!/no/such/interpreter -x", "#!/bin/sh\r"])
def test_a_script_without_its_interpreter(tmp_path: Path, first: str) -> None:
    """Also where an editor of another system ended its first line."""
    found = step(Command([script(tmp_path, first)], os.environ))
    name = ascii(first.removeprefix("#!").partition(" ")[0])
    assert (found.outcome, found.code) == ("failed", "notify-command")
    assert found.saw == (
        f"command program: got a script for {name}, which is not there, expected a program that"
        " we may run"
    )


# -- people --


def test_an_address_of_apprise_is_understood_and_nobody_is_told() -> None:
    """Every service has its own way to be reached, and most of them only one: a message."""
    port = free_port()  # nothing listens there
    saw = "apprise is installed and understands the address; nothing was sent"
    people = People(lambda: Secret(f"json://user:{CANARY}@127.0.0.1:{port}/x"))
    assert step(people) == Step("notify", "ops", "receiver", "ok", saw)


def test_an_address_that_is_none() -> None:
    """It is not shown."""
    found = step(People(lambda: Secret(f"{CANARY}://x")))
    assert (found.outcome, found.code) == ("failed", "notify-apprise-address")


def test_a_library_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first event needs it."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    found = step(People(lambda: Secret("json://127.0.0.1")))
    assert (found.outcome, found.code) == ("failed", "notify-apprise-missing")
