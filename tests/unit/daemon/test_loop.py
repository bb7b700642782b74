"""The process: start, signals, readiness, watchdog, end. Signals are real ones, to this very process."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from tests.unit.rig import Rig, token, until
from token_catcher.daemon.loop import STUCK_AFTER, Daemon, only_one
from token_catcher.daemon.wakeups import Pace
from token_catcher.errors import ConfigurationError, StateError
from token_catcher.sweep import Watched

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
QUICK = Pace(logins_apart=0.0, trouble=(0.01, 0.02), step=0.01, housekeeping=0.01)


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Put the handlers back that the daemon replaced."""
    before = {number: signal.getsignal(number) for number in HANDLED}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """An inbox, a spam folder, a Vault."""
    return Rig(tmp_path)


def made(
    rig: Rig,
    load: Callable[[], Sequence[Watched]] | None = None,
    clock: Callable[[], float] = time.monotonic,
    housekeeping: Callable[[], None] = lambda: None,
) -> Daemon:
    """A daemon over the rig's mailbox, or over what `load` gives."""
    return Daemon(
        lambda _stopping: load() if load else [rig.watched],
        log=rig.log,
        now=rig.now,
        rng=Random(1),
        monotonic=clock,
        pace=QUICK,
        housekeeping=housekeeping,
    )


def run(daemon: Daemon, *steps: Callable[[], object], end: int = signal.SIGTERM) -> None:
    """Run the daemon in this thread while another takes the steps; then it is told to end."""
    failures: list[BaseException] = []

    def take_steps() -> None:
        try:
            for step in steps:
                step()
        except BaseException as failure:
            failures.append(failure)
        finally:
            os.kill(os.getpid(), end)

    helper = threading.Thread(target=take_steps)
    helper.start()
    daemon.run()
    helper.join()
    if failures:
        raise failures[0]


def send(number: int) -> Callable[[], None]:
    """A signal to ourselves."""
    return lambda: os.kill(os.getpid(), number)


def said(rig: Rig, event: str, times: int = 1) -> Callable[[], None]:
    """Wait for an event of the log."""
    return lambda: until(lambda: len(rig.said(event)) >= times, event)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_until_it_is_told_to_end(rig: Rig, number: int) -> None:
    """Ready after the first look at everything; ends at once, every session closed, no thread left."""
    rig.deliver(1)
    run(made(rig), said(rig, "daemon.ready"), end=number)
    told = [event for event, _ in rig.log.events if event.startswith("daemon.")]
    assert told == ["daemon.started", "daemon.ready", "daemon.stopped"]
    assert rig.tokens == [token(1)]
    assert rig.diary.count("connect") == rig.diary.count("close")
    until(
        lambda: (
            not [one for one in threading.enumerate() if one.name.startswith(("mailbox-", "idle-"))]
        ),
        "threads to end",
    )


def test_the_schedule_wakes_the_watch(rig: Rig) -> None:
    """At `poll`, whoever listens to what."""
    rig.account.watched = ("INBOX",)
    daemon = made(rig, lambda: [rig.but(poll=timedelta(seconds=0.05))])
    run(
        daemon,
        lambda: until(
            lambda: rig.diary.count("folders") >= 3, "two wakeups that end an IDLE of minutes"
        ),
    )


def test_sigusr1_wakes_all(rig: Rig) -> None:
    """The schedule is an hour away, and there is no IDLE."""
    rig.has_idle = False
    run(
        made(rig),
        said(rig, "daemon.ready"),
        lambda: rig.deliver(1),
        send(signal.SIGUSR1),
        lambda: until(lambda: rig.tokens == [token(1)], "the token"),
    )


def test_sighup_takes_the_new_configuration(rig: Rig) -> None:
    """The old watches end, the new ones begin."""
    names = iter(["integrations", "billing"])
    daemon = made(rig, lambda: [replace(rig.watched, name=next(names))])
    health: list[str] = []
    run(
        daemon,
        said(rig, "daemon.ready"),
        send(signal.SIGHUP),
        said(rig, "daemon.reloaded"),
        lambda: until(
            lambda: [one.connected for one in daemon.health] == [True], "the new watch to connect"
        ),
        lambda: health.extend(one.name for one in daemon.health),
        lambda: until(
            lambda: not [one for one in threading.enumerate() if "integrations" in one.name],
            "the old one to end",
        ),
    )
    assert health == ["billing"]
    assert [one["mailbox"] for one in rig.said("mailbox.connected") if "folder" not in one] == [
        "integrations",
        "billing",
    ]


def test_sighup_with_an_invalid_configuration_keeps_the_old(rig: Rig) -> None:
    """It is told, and nothing else changes."""
    invalid = ConfigurationError("config.yaml:3: poll: got 'soon', expected a duration")
    answers: Iterator[Sequence[Watched] | ConfigurationError] = iter([[rig.watched], invalid])

    def load() -> Sequence[Watched]:
        answer = next(answers)
        if isinstance(answer, ConfigurationError):
            raise answer
        return answer

    run(
        made(rig, load),
        said(rig, "daemon.ready"),
        send(signal.SIGHUP),
        said(rig, "daemon.reload_refused"),
        lambda: rig.deliver(1),
        lambda: until(lambda: rig.tokens == [token(1)], "the token"),
    )
    assert rig.said("daemon.reload_refused") == [{"code": "configuration", "error": str(invalid)}]
    assert rig.said("daemon.reloaded") == []


def test_a_configuration_that_cannot_be_loaded_starts_nothing(rig: Rig) -> None:
    """The error goes to whoever called."""

    def load() -> Sequence[Watched]:
        raise ConfigurationError("no mailboxes")

    with pytest.raises(ConfigurationError, match="no mailboxes"):
        made(rig, load).run()
    assert rig.log.events == []


def test_a_watch_that_does_not_end_is_left_behind(rig: Rig) -> None:
    """The process leaves within three seconds all the same."""
    held = threading.Event()

    def hang(what: str) -> None:
        if what == "connect":
            held.wait(30)

    rig.on = hang
    began: list[float] = []
    run(
        made(rig),
        lambda: until(lambda: "connect" in rig.diary, "the watch to hang"),
        lambda: began.append(time.monotonic()),
    )
    assert time.monotonic() - began[0] < 3
    held.set()
    assert rig.said("mailbox.left_behind") == [{"mailbox": "integrations"}]


def test_housekeeping_begins_at_the_start(rig: Rig) -> None:
    """And again and again; a bug in one round is told, without its text, and ends nothing."""
    rounds: list[int] = []

    def keep() -> None:
        rounds.append(1)
        if len(rounds) == 1:
            raise ZeroDivisionError("a secret")

    run(made(rig, housekeeping=keep), lambda: until(lambda: len(rounds) > 2, "a third round"))
    (crash,) = rig.said("housekeeping.crashed")
    assert crash["kind"] == "ZeroDivisionError"
    assert crash["at"].startswith("test_loop.py:")
    assert "secret" not in str(crash)


def test_housekeeping_that_hangs_holds_up_nobody(rig: Rig) -> None:
    """Neither mail, nor the end."""
    held = threading.Event()
    began: list[float] = []
    rig.deliver(1)
    run(
        made(rig, housekeeping=lambda: held.wait(30) and None),
        said(rig, "daemon.ready"),
        lambda: until(lambda: rig.tokens == [token(1)], "the token"),
        lambda: began.append(time.monotonic()),
    )
    assert time.monotonic() - began[0] < 2
    held.set()


def test_mailboxes_are_logged_in_to_gently(rig: Rig) -> None:
    """One after the other, and nobody is kept from looking meanwhile."""
    times: dict[str, float] = {}
    watched = [
        replace(
            rig.watched,
            name=name,
            connect=lambda name=name: (times.setdefault(name, time.monotonic()), rig.connect())[1],
        )
        for name in ("a", "b", "c")
    ]
    run(made(rig, lambda: watched), said(rig, "daemon.ready"))
    assert times["a"] + 0.15 < times["b"] < times["c"] - 0.15


@contextmanager
def systemd(monkeypatch: pytest.MonkeyPatch, address: str) -> Iterator[Callable[[], list[str]]]:
    """A notification socket; gives what it was told so far."""
    told: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind("\0" + address[1:] if address.startswith("@") else address)
        channel.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", address)

        def read() -> list[str]:
            try:
                while True:
                    told.append(channel.recv(4096).decode())
            except BlockingIOError:
                return told

        yield read


def test_systemd_is_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience before the first look ended, readiness, signs of life, reloading, the end."""
    server_answers = threading.Event()
    rig.on = lambda what: server_answers.wait(10) if what == "connect" else None
    with systemd(monkeypatch, str(rig.home / "notify")) as told:
        run(
            made(rig),
            lambda: until(lambda: "EXTEND_TIMEOUT_USEC=30000000" in told(), "patience"),
            server_answers.set,
            lambda: until(lambda: "WATCHDOG=1" in told(), "a sign of life"),
            send(signal.SIGHUP),
            said(rig, "daemon.reloaded"),
        )
        messages = told()
    assert messages[0] == "EXTEND_TIMEOUT_USEC=30000000"
    first_life = messages.index("WATCHDOG=1")
    assert messages[first_life - 1] == "READY=1"
    reloading = next(
        number
        for number, said in enumerate(messages)
        if said.startswith("RELOADING=1\nMONOTONIC_USEC=")
    )
    assert reloading > first_life
    assert "READY=1" in messages[reloading:]
    assert messages[-1] == "STOPPING=1"


def test_systemd_is_told_through_an_abstract_socket(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that begins with @."""
    with systemd(monkeypatch, f"@token-catcher-test-{os.getpid()}") as told:
        run(made(rig), lambda: until(lambda: "READY=1" in told(), "readiness"))


def test_the_watchdog_is_not_fed_while_a_loop_stands_still(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only real progress of every loop counts, of listeners as well; it is told once, by name."""
    held = threading.Event()
    late = [0.0]

    def hang(what: str) -> None:
        if what == "idle Junk":
            held.wait(30)

    rig.on = hang
    daemon = made(rig, clock=lambda: time.monotonic() + late[0])
    seen: list[Sequence[str]] = []
    with systemd(monkeypatch, str(rig.home / "notify")) as told:

        def stands_still() -> None:
            late[0] = STUCK_AFTER + 1
            rig.deliver(1)  # the watch itself goes on
            until(lambda: rig.said("daemon.stuck"), "the daemon to notice")
            seen.append(daemon.stuck)
            told().clear()
            os.kill(os.getpid(), signal.SIGUSR1)
            until(lambda: rig.diary.count("folders") > 2, "another beat")
            assert "WATCHDOG=1" not in told()

        run(
            daemon,
            lambda: until(
                lambda: "WATCHDOG=1" in told() and "idle Junk" in rig.diary, "the listener to hang"
            ),
            stands_still,
            held.set,
        )
    assert seen == [["integrations"]]
    assert rig.said("daemon.stuck") == [{"mailboxes": ["integrations"]}]


def test_readiness_ends_with_the_wish_to_leave(rig: Rig) -> None:
    """Not ready before the first look ended, nor while leaving."""
    daemon = made(rig)
    before = daemon.ready
    during: list[bool] = []
    run(daemon, said(rig, "daemon.ready"), lambda: during.append(daemon.ready))
    assert (before, during, daemon.ready) == (False, [True], False)


def test_without_a_mailbox_it_is_ready(rig: Rig) -> None:
    """A shard may have none; it waits to be reloaded."""
    run(made(rig, list), said(rig, "daemon.ready"))


def test_two_daemons_on_one_state_directory(tmp_path: Path) -> None:
    """The second refuses to start; when the first has gone it may."""
    state = tmp_path / "new" / "state"
    with only_one(state):
        with (
            pytest.raises(
                StateError, match="another daemon runs on this state directory"
            ) as caught,
            only_one(state),
        ):
            pass
        assert caught.value.code == "running"
    with only_one(state):
        assert state.stat().st_mode & 0o777 == 0o700


def test_a_state_directory_that_cannot_be_used(tmp_path: Path) -> None:
    """Is told with its path."""
    (tmp_path / "state").write_text("a file")
    with (
        pytest.raises(StateError, match=r"daemon\.lock: cannot be opened"),
        only_one(tmp_path / "state"),
    ):
        pass
