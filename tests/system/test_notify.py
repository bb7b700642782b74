"""Receivers of the installed program: told of each token, whatever ends or is away meanwhile."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.kit import mails
from tests.kit.hooks import SECRET, Hook, Hooks, expect_well_told
from tests.kit.program import UNMEASURED, Program
from tests.kit.scale import times
from tests.kit.servers import Dovecot, free_port, until
from tests.kit.waiting import PATIENCE

ROUNDS = 3
CANARY = "CanaryTOKENx9x8x7x6notREAL"
LOG = "log: {level: debug, format: json}"


@dataclass
class World:
    """The program, and where its webhook listens."""

    tool: Program
    dovecot: Dovecot
    user: str
    port: int = field(default_factory=free_port)
    issued_at: datetime = field(
        default_factory=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    )

    def configure(self, *more: str, on: str = "stored, held", http: str = "") -> None:
        """One webhook, and these receivers beside it."""
        hook = f"{{url: 'http://127.0.0.1:{self.port}/hook', secret: {{file: hook}}}}"
        receivers = [f"{{on: [{on}], name: ops, webhook: {hook}}}", *more]
        lines = "\n".join(f"  - {receiver}" for receiver in receivers)
        self.tool.configure(log=f"{LOG}\n{http}\nnotify:\n{lines}", poll="poll: 1s")

    def reset(self, token: str) -> None:
        """Salesforce sends this token, issued a minute after the one before."""
        self.issued_at += timedelta(minutes=1)
        self.dovecot.deliver(mails.genuine(token=token, issued_at=self.issued_at), self.user)

    def stored(self) -> list[str]:
        """The hash of each `stored` record."""
        return [
            record["hash"] for record in self.tool.journal if record["event"] == "rotation.stored"
        ]


@pytest.fixture
def world(tool: Program, dovecot: Dovecot, user: str) -> World:
    """With a key for the webhook."""
    tool.secret("hook", SECRET)
    return World(tool, dovecot, user)


def has_stored(world: World, count: int) -> bool:
    """Whether so many tokens are recorded."""
    return len(world.stored()) >= count


def versions(hooks: Sequence[Hook]) -> set[int]:
    """Of the tokens that were told."""
    return {hook.event["data"]["version"] for hook in hooks}


def test_a_receiver_that_is_away_over_a_kill_is_told_in_the_end(world: World) -> None:
    """A token is stored while nobody listens, the daemon is killed, and another one tells it."""
    world.tool.env |= UNMEASURED
    world.configure()
    world.reset(CANARY)
    with world.tool.daemon() as daemon:
        until(world.stored, "the token to be stored")
        until(lambda: daemon.says("notify.failed", receiver="ops"), "a try")
        daemon.end(signal.SIGKILL)
    with Hooks(port=world.port) as hooks, world.tool.daemon() as daemon:
        until(lambda: hooks.came, "the event")
        until(lambda: daemon.says("notify.delivered"), "the answer to be noted")
        assert daemon.end() == 0
    expect_well_told(hooks.came)
    [hook] = hooks.came
    assert hook.event["type"] == "token-catcher.stored"
    assert hook.event["source"] == "test"
    assert hook.event["data"]["username"] == mails.USERNAME
    assert CANARY.encode() not in hook.body
    for file in world.tool.home.rglob("*"):
        assert not file.is_file() or CANARY.encode() not in file.read_bytes(), file


@pytest.mark.kill
def test_each_token_is_told_over_rounds_of_kill(world: World) -> None:
    """The receiver comes and goes, and takes some events without saying so; the daemon is killed at
    random moments. Each token is told, each time under one id and with the same bytes."""
    world.tool.env |= UNMEASURED
    world.configure()
    dice = random.Random("notify")
    came: list[Hook] = []
    for number in range(times(ROUNDS)):
        world.reset(f"FAKE{number:02}tokenNOTreal2xyzQ99a")
        with Hooks(lambda _hook: dice.choice([204, None, 503]), world.port) as hooks:
            with world.tool.daemon(ready=False) as daemon:
                until(partial(has_stored, world, number + 1), "the token to be stored")
                time.sleep(dice.uniform(0, 1.5))  # a moment of the round, and no wait for anything
                daemon.end(signal.SIGKILL)
            came += hooks.came
    with Hooks(port=world.port) as hooks, world.tool.daemon():

        def all_told() -> bool:
            return len(versions([*came, *hooks.came])) == len(world.stored())

        until(all_told, "each token to be told")
    expect_well_told([*came, *hooks.came])
    assert len({hook.id for hook in [*came, *hooks.came]}) == len(world.stored())


def test_a_command_gets_the_user_and_never_the_token(world: World, org: str) -> None:
    """Nor a variable that holds a secret."""
    given = world.tool.home / "given"
    program = world.tool.home / "tell"
    program.write_text(
        f'#!/bin/sh\n{{ echo "$@"; /usr/bin/env; }} > {given}.new\nmv {given}.new {given}\n'
    )
    program.chmod(0o700)
    arguments = '"{event}", --, "{org}", "{username}", "{path}", "{version}"'
    world.tool.env["HOOK_KEY"] = SECRET
    hook = "{url: 'http://127.0.0.1:9/', secret: {env: HOOK_KEY}}"
    world.configure(
        f"{{on: [stored], command: [{program}, {arguments}]}}",
        f"{{on: [refused], name: other, webhook: {hook}}}",
        on="held",
    )
    world.reset(CANARY)
    with world.tool.daemon():
        until(given.exists, "the command to be run")
    text = given.read_text()
    path = f"salesforce/{org}/{mails.USERNAME}"
    assert text.splitlines()[0] == f"stored -- {org} {mails.USERNAME} {path} 1"
    assert CANARY not in text
    assert SECRET not in text


def test_what_a_scan_records_is_told_by_the_daemon(world: World) -> None:
    """Once there is one again."""
    world.configure()
    with Hooks(port=world.port) as hooks:
        with world.tool.daemon():
            pass
        world.reset(CANARY)
        assert world.tool("scan").code == 0
        assert hooks.came == []
        with world.tool.daemon():
            until(lambda: hooks.came, "the event")
    assert hooks.types == ["stored"]


def test_a_reload_exchanges_the_receivers(world: World) -> None:
    """Who is new is told of what comes after it, and of what was not read before."""
    world.configure(on="refused")
    with Hooks(port=world.port) as hooks, world.tool.daemon() as daemon:
        world.reset(CANARY)
        until(world.stored, "the token to be stored")
        world.configure(on="stored")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: daemon.says("daemon.reloaded"), "the reload")
        world.reset("FAKE2tokenNOTreal2xyzQ99a")
        until(lambda: 2 in versions(hooks.came), "the event of the second")
    expect_well_told(hooks.came)


def test_a_receiver_that_is_away_is_seen_from_outside(world: World) -> None:
    """In health and metrics; the daemon is ready all the same."""
    port = free_port()
    world.configure(http=f"http: {{listen: 127.0.0.1:{port}}}")
    world.reset(CANARY)

    def page(path: str) -> str:
        with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=PATIENCE) as answer:
            return str(answer.read().decode())

    with world.tool.daemon() as daemon:
        until(lambda: daemon.says("notify.failed"), "a try")

        def told() -> object:
            [receiver] = json.loads(page("healthz"))["notify"]["receivers"]
            return receiver if receiver["waiting"] and receiver["trouble"] else None

        receiver = until(told, "the receiver's trouble")
        assert isinstance(receiver, dict)
        assert receiver["name"] == "ops"
        assert receiver["trouble"] == "notify-unreachable"
        assert page("readyz") == "ready\n"
        assert 'token_catcher_notifications_waiting{receiver="ops"} 1.0' in page("metrics")


# -- notify test --


def test_a_test_says_of_each_receiver_how_it_went(world: World) -> None:
    """And what to do; exit code 1 where one was not told."""
    world.configure("{on: [stored], command: [/bin/true]}", "{on: [stored], command: [/bin/false]}")
    with Hooks(port=world.port) as hooks:
        done = world.tool("notify", "test")
    assert done.code == 1
    assert done.out.splitlines() == [
        "ops: delivered (answered 204)",
        "true: delivered (exit code 0)",
        "false: failed (command false: got exit code 1, expected 0)",
    ]
    assert done.err.startswith("next: run it by hand as the service's user")
    assert hooks.types == ["test"]
    expect_well_told(hooks.came)


def test_a_test_for_machines(world: World) -> None:
    """One object a line; each test is another event."""
    world.configure()
    with Hooks(port=world.port) as hooks:
        assert world.tool("notify", "test", "--json").code == 0
        assert world.tool("notify", "test", "--json").code == 0
    assert len({hook.id for hook in hooks.came}) == 2
    done = world.tool("notify", "test", "--json")
    assert done.code == 1
    assert done.lines == [
        {
            "receiver": "ops",
            "outcome": "failed",
            "code": "notify-unreachable",
            "saw": f"webhook 127.0.0.1:{world.port} was not reached (Connection refused)",
            "fix": "check webhook.url, the network, and HTTPS_PROXY (TC604)",
        }
    ]


def test_a_test_without_a_receiver(world: World) -> None:
    """There is nothing to do."""
    world.tool.configure(log=LOG)
    done = world.tool("notify", "test")
    assert done.code == 2
    assert "notify: got no receiver, expected one at least (docs/notify.md)" in done.err


def test_a_test_touches_nothing(world: World) -> None:
    """Neither the outbox nor the journal."""
    world.configure("{on: [stored], command: [/bin/true]}")
    with Hooks(port=world.port):
        world.tool("notify", "test")
    state: Path = world.tool.state
    assert not state.exists() or list(state.iterdir()) == []
