"""The process: start, signals, readiness, watchdog, end. Signals are real ones, to this process."""

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
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tests.kit.mails import token
from tests.kit.rig import Rig
from tests.kit.waiting import FOREVER, PATIENCE, until
from tests.unit.daemon.kit import threads, until_asked, until_stored, until_told
from token_catcher.daemon.loop import (
    FINISH_WITHIN,
    STUCK_AFTER,
    Daemon,
    only_one,
)
from token_catcher.daemon.wakeups import Pace
from token_catcher.errors import ConfigurationError, Outage, StateError
from token_catcher.ports import Mailbox
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


def nothing() -> None:
    """A round of housekeeping without anything to do."""


def nothing_on_its_way(_seconds: float) -> None:
    """Nothing has to be waited for at the end."""


def made(
    rig: Rig,
    load: Callable[[], Sequence[Watched]] | None = None,
    clock: Callable[[], float] = time.monotonic,
    housekeeping: Callable[[], None] = nothing,
    finish: Callable[[float], None] = nothing_on_its_way,
    pace: Pace = QUICK,
) -> Daemon:
    """A daemon over the rig's mailbox, or over what `load` gives."""

    def mailboxes(_stopping: Callable[[], bool]) -> Sequence[Watched]:
        if load is None:
            return [rig.watched]
        return load()

    return Daemon(
        mailboxes,
        log=rig.log,
        now=rig.now,
        rng=Random(1),
        monotonic=clock,
        pace=pace,
        housekeeping=housekeeping,
        finish=finish,
    )


def run(daemon: Daemon, steps: Callable[[], object], end: int = signal.SIGTERM) -> None:
    """Run the daemon in this thread while another takes the steps; then it is told to end."""
    failures: list[BaseException] = []

    def take_steps() -> None:
        try:
            steps()
        except BaseException as failure:
            failures.append(failure)
        finally:
            send(end)

    helper = threading.Thread(target=take_steps)
    helper.start()
    daemon.run()
    helper.join()
    if failures:
        raise failures[0]


def send(number: int) -> None:
    """Send a signal to ourselves."""
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_until_it_is_told_to_end(rig: Rig, number: int) -> None:
    """Ready after the first look at everything; at the end every session and thread is gone."""
    rig.deliver(1)
    run(made(rig), partial(until_told, rig, "daemon.ready"), end=number)
    told = [event for event, _ in rig.log.events if event.startswith("daemon.")]
    assert told == ["daemon.started", "daemon.ready", "daemon.stopped"]
    assert rig.tokens == [token(1)]
    assert rig.diary.count("connect") == rig.diary.count("close")
    until(lambda: not threads("mailbox-", "idle-"), "threads to end")


def test_the_schedule_wakes_the_watch(rig: Rig) -> None:
    """At `poll`, though it is in an IDLE of minutes: there is another one then."""
    rig.account.watched = ("INBOX",)
    daemon = made(rig, lambda: [rig.but(poll=timedelta(seconds=0.05))])
    run(daemon, partial(until_asked, rig, "idle INBOX", times=3))


def test_a_mailbox_that_is_not_watched_is_not_woken(rig: Rig) -> None:
    """A reload may have taken it away while somebody wanted it to be looked at."""
    daemon = made(rig)

    def steps() -> None:
        until_told(rig, "daemon.ready")
        daemon.wake("gone")

    run(daemon, steps)
    assert rig.log.errors == []


def test_sigusr1_wakes_all(rig: Rig) -> None:
    """The schedule is an hour away, and there is no IDLE."""
    rig.has_idle = False

    def steps() -> None:
        until_told(rig, "daemon.ready")
        rig.deliver(1)
        send(signal.SIGUSR1)
        until_stored(rig, 1)

    run(made(rig), steps)


def test_sighup_takes_the_new_configuration(rig: Rig) -> None:
    """The old watches end, the new ones begin."""
    names = iter(["integrations", "billing"])
    daemon = made(rig, lambda: [replace(rig.watched, name=next(names))])

    def steps() -> None:
        until_told(rig, "daemon.ready")
        send(signal.SIGHUP)
        until_told(rig, "daemon.reloaded")
        [mailbox] = daemon.health
        assert mailbox.name == "billing"
        until(lambda: daemon.health[0].connected, "the new watch to connect")
        until(lambda: not threads("mailbox-integrations", "idle-integrations"), "the old to end")

    run(daemon, steps)
    connected = [event for event in rig.said("mailbox.connected") if "folder" not in event]
    assert [event["mailbox"] for event in connected] == ["integrations", "billing"]


def test_sighup_with_an_invalid_configuration_keeps_the_old(rig: Rig) -> None:
    """It is told, and nothing else changes."""
    invalid = ConfigurationError("config.yaml:3: poll: got 'soon', expected a duration")
    answers: Iterator[Sequence[Watched] | ConfigurationError] = iter([[rig.watched], invalid])

    def load() -> Sequence[Watched]:
        answer = next(answers)
        if isinstance(answer, ConfigurationError):
            raise answer
        return answer

    def steps() -> None:
        until_told(rig, "daemon.ready")
        send(signal.SIGHUP)
        until_told(rig, "daemon.reload_refused")
        rig.deliver(1)
        until_stored(rig, 1)

    run(made(rig, load), steps)
    assert rig.said("daemon.reload_refused") == [{"code": "configuration", "error": str(invalid)}]
    assert rig.said("daemon.reloaded") == []


def test_a_configuration_that_cannot_be_loaded_starts_nothing(rig: Rig) -> None:
    """The error goes to whoever called."""

    def load() -> Sequence[Watched]:
        raise ConfigurationError("no mailboxes")

    with pytest.raises(ConfigurationError, match="no mailboxes"):
        made(rig, load).run()
    assert rig.log.events == []


def test_at_the_end_what_is_on_its_way_is_waited_for(rig: Rig) -> None:
    """A sign-in that is being renewed: watches begin nothing more then, and are waited for next."""
    released = threading.Event()
    ends: list[tuple[float, bool, list[str]]] = []

    def hang(what: str) -> None:
        if what == "connect":
            released.wait(PATIENCE)

    def finish(seconds: float) -> None:
        ends.append((seconds, daemon.ready, threads("mailbox-")))
        released.set()

    rig.on = hang
    daemon = made(rig, finish=finish)
    run(daemon, partial(until_asked, rig, "connect"))
    assert ends == [(FINISH_WITHIN, False, ["mailbox-integrations"])]
    assert rig.said("mailbox.left_behind") == []
    assert threads("mailbox-") == []


def test_a_reload_finishes_nothing(rig: Rig) -> None:
    """What is on its way goes on: the process does not end."""
    ends: list[float] = []

    def steps() -> None:
        until_told(rig, "daemon.ready")
        send(signal.SIGHUP)
        until_told(rig, "daemon.reloaded")
        assert ends == []

    run(made(rig, finish=ends.append), steps)
    assert ends == [FINISH_WITHIN]


def test_a_watch_that_does_not_end_is_left_behind(rig: Rig) -> None:
    """The process leaves while the watch still hangs."""
    released = threading.Event()

    def hang(what: str) -> None:
        if what == "connect":
            released.wait(PATIENCE)

    rig.on = hang
    run(made(rig), partial(until_asked, rig, "connect"))
    assert threads("mailbox-") == ["mailbox-integrations"]
    released.set()
    assert rig.said("mailbox.left_behind") == [{"mailbox": "integrations"}]


def test_housekeeping_begins_at_the_start(rig: Rig) -> None:
    """It goes on round after round; a bug in one is told, without its text, and ends nothing."""
    rounds: list[int] = []

    def keep() -> None:
        rounds.append(1)
        if len(rounds) == 1:
            raise ZeroDivisionError("a secret")

    run(made(rig, housekeeping=keep), lambda: until(lambda: len(rounds) > 2, "a third round"))
    [crash] = rig.said("housekeeping.crashed")
    assert crash["kind"] == "ZeroDivisionError"
    assert crash["at"].startswith("test_loop.py:")
    assert "secret" not in str(crash)


def test_a_watch_is_woken_by_the_name_of_its_mailbox(rig: Rig) -> None:
    """From any thread; a mailbox that is not watched here wakes nobody."""
    daemon = made(rig)

    def steps() -> None:
        until(lambda: daemon.ready and bool(rig.idles), "the watch to listen")
        waits = rig.diary.count("idle INBOX")
        daemon.wake("of another shard")
        daemon.wake("integrations")
        until(lambda: rig.diary.count("idle INBOX") > waits, "another wait")

    run(daemon, steps)


def test_housekeeping_that_hangs_holds_up_nobody(rig: Rig) -> None:
    """Mail is stored, and the process leaves, while it still hangs."""
    released = threading.Event()

    def hang() -> None:
        released.wait(PATIENCE)

    def steps() -> None:
        until_told(rig, "daemon.ready")
        until_stored(rig, 1)

    rig.deliver(1)
    run(made(rig, housekeeping=hang), steps)
    assert threads("housekeeping") == ["housekeeping"]
    released.set()


class Logged:
    """Mailboxes of several servers, and when each was first logged in to."""

    def __init__(self, rig: Rig, **servers: str) -> None:
        """`servers`: of each mailbox, by its name."""
        self._rig = rig
        self._servers = servers
        self.times: dict[str, float] = {}

    def watched(self) -> Sequence[Watched]:
        """In their order."""
        return [self._watched(name, server) for name, server in self._servers.items()]

    def _watched(self, name: str, server: str) -> Watched:
        return self._rig.but(name=name, server=server, connect=partial(self._connect, name))

    def _connect(self, name: str) -> Mailbox:
        self.times.setdefault(name, time.monotonic())
        return self._rig.connect()


def test_mailboxes_of_one_server_are_logged_in_to_gently(rig: Rig) -> None:
    """One after the other, each a little later."""
    logged = Logged(rig, a="one.example", b="one.example", c="one.example")
    began = time.monotonic()
    run(made(rig, logged.watched), partial(until_told, rig, "daemon.ready"))
    for number, at in enumerate(sorted(logged.times.values())):
        assert at - began >= number * QUICK.server_logins_apart


def test_mailboxes_of_another_server_do_not_wait(rig: Rig) -> None:
    """The second of one server has to; who is alone at another has not."""
    logged = Logged(rig, a="one.example", b="one.example", c="another.example")
    rig.account.watched = ("INBOX",)
    daemon = made(rig, logged.watched, pace=replace(QUICK, server_logins_apart=FOREVER))
    run(daemon, lambda: until(lambda: len(logged.times) == 2, "two logins"))
    assert len(logged.times.keys() & {"a", "b"}) == 1
    assert "c" in logged.times


@contextmanager
def systemd(monkeypatch: pytest.MonkeyPatch, address: str) -> Iterator[Callable[[], list[str]]]:
    """A notification socket; gives what it was told so far."""
    messages: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind("\0" + address[1:] if address.startswith("@") else address)
        channel.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", address)

        def told() -> list[str]:
            try:
                while True:
                    messages.append(channel.recv(4096).decode())
            except BlockingIOError:
                return messages

        yield told


def test_systemd_is_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience before the first look ended, readiness, signs of life, reloading, the end."""
    server_answers = threading.Event()

    def hang(what: str) -> None:
        if what == "connect":
            server_answers.wait(PATIENCE)

    rig.on = hang
    with systemd(monkeypatch, str(rig.home / "notify")) as told:

        def steps() -> None:
            until(lambda: "EXTEND_TIMEOUT_USEC=30000000" in told(), "patience")
            server_answers.set()
            until(lambda: "WATCHDOG=1" in told(), "a sign of life")
            send(signal.SIGHUP)
            until_told(rig, "daemon.reloaded")

        run(made(rig), steps)
        messages = told()
    assert messages[0] == "EXTEND_TIMEOUT_USEC=30000000"
    first_life = messages.index("WATCHDOG=1")
    assert messages[first_life - 1] == "READY=1"
    [reloading] = [message for message in messages if message.startswith("RELOADING=1\n")]
    assert reloading.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert messages.index(reloading) > first_life
    assert "READY=1" in messages[messages.index(reloading) :]
    assert messages[-1] == "STOPPING=1"


def test_systemd_is_told_through_an_abstract_socket(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that begins with @."""
    with systemd(monkeypatch, f"@token-catcher-test-{os.getpid()}") as told:
        run(made(rig), lambda: until(lambda: "READY=1" in told(), "readiness"))


@pytest.mark.parametrize("where", ["examine INBOX", "idle INBOX", "idle Junk"])
def test_a_loop_that_stands_still_is_replaced(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Of idle listeners as well; the process lives on, and the next mail is stored."""
    released = threading.Event()
    late = 0.0

    def clock() -> float:
        return time.monotonic() + late

    def hang(what: str) -> None:
        if what == where and not rig.said("mailbox.replaced"):
            released.wait(PATIENCE)

    rig.on = hang
    daemon = made(rig, clock=clock)
    with systemd(monkeypatch, str(rig.home / "notify")) as told:

        def steps() -> None:
            nonlocal late
            until_asked(rig, where)
            late = STUCK_AFTER + 1
            until_told(rig, "mailbox.replaced")
            rig.deliver(1)
            until_stored(rig, 1)
            told().clear()
            until(lambda: "WATCHDOG=1" in told(), "a sign of life")
            assert (daemon.ready, daemon.stuck) == (True, [])
            released.set()

        run(daemon, steps)
    assert rig.said("mailbox.replaced") == [{"mailbox": "integrations"}]
    until(lambda: not threads("mailbox-", "idle-"), "the old threads to end")


def test_a_first_look_that_never_ends_holds_up_no_readiness(rig: Rig) -> None:
    """The watch is replaced; the other mailbox is looked after, and the daemon is ready."""
    released = threading.Event()
    late = 0.0

    def clock() -> float:
        return time.monotonic() + late

    def hangs() -> Mailbox:
        released.wait(PATIENCE)
        raise Outage("not reached", code="imap-connect")

    rig.deliver(1)
    hostile = replace(rig.watched, name="hostile", connect=hangs)
    daemon = made(rig, lambda: [hostile, rig.watched], clock=clock)

    def steps() -> None:
        nonlocal late
        until_stored(rig, 1)
        assert not daemon.ready
        late = STUCK_AFTER + 1
        until_told(rig, "daemon.ready")
        troubles = {mailbox.name: mailbox.trouble for mailbox in daemon.health}
        assert troubles["hostile"] == "stuck"
        released.set()

    run(daemon, steps)
    assert {"mailbox": "hostile"} in rig.said("mailbox.replaced")


def test_readiness_ends_with_the_wish_to_leave(rig: Rig) -> None:
    """Not ready before the first look ended, nor while leaving."""
    daemon = made(rig)
    during: list[bool] = []

    def steps() -> None:
        until_told(rig, "daemon.ready")
        during.append(daemon.ready)

    assert not daemon.ready
    run(daemon, steps)
    assert during == [True]
    assert not daemon.ready


def test_without_a_mailbox_it_is_ready(rig: Rig) -> None:
    """A shard may have none; it waits to be reloaded."""
    run(made(rig, list), partial(until_told, rig, "daemon.ready"))


def test_two_daemons_on_one_state_directory(tmp_path: Path) -> None:
    """The second refuses to start; when the first has gone it may."""
    state = tmp_path / "new" / "state"
    refused = pytest.raises(StateError, match="another daemon runs on this state directory")
    with only_one(state):
        with refused as error, only_one(state):
            pass
        assert error.value.code == "running"
    with only_one(state):
        assert state.stat().st_mode & 0o777 == 0o700


def test_a_state_directory_that_cannot_be_used(tmp_path: Path) -> None:
    """Is told with its path."""
    state = tmp_path / "state"
    state.write_text("a file")
    with pytest.raises(StateError, match=r"daemon\.lock: cannot be opened"), only_one(state):
        pass
