"""Renewals of a refresh token that is replaced each time: no sign-in is lost, whatever happens.

The installed program, real Dovecot, and an endpoint that takes the old token for stolen once it is
shown again.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.servers import until
from tests.kit.tokens import Asked, Reply
from tests.kit.waiting import PATIENCE
from tests.system.test_oauth import World, servers, world

__all__ = ["servers", "world"]

SLOWLY = 4.0
"""Seconds that an answer takes: longer than watches get to end."""


def answers_slowly(world: World) -> threading.Event:
    """What the endpoint gives is long on its way. Set once it was asked."""
    asked_for = threading.Event()

    def wait(_asked: Asked) -> Reply | None:
        asked_for.set()
        # Nobody sets it: that is how long it takes.
        threading.Event().wait(SLOWLY)
        return None

    world.endpoint.instead = wait
    return asked_for


def during_a_request(world: World, happens: Callable[[], object]) -> None:
    """Let something happen while the endpoint answers the next request."""

    def answer(_asked: Asked) -> Reply | None:
        world.endpoint.recover()
        happens()
        return None

    world.endpoint.instead = answer


def in_the_way(file: Path) -> Path:
    """A directory by the name that the file's replacement needs."""
    return file.with_name(f"{file.name}.new")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_command_that_is_ended_keeps_the_sign_in(
    world: World, number: signal.Signals, code: int
) -> None:
    """The signal takes effect once the new token is on disk."""
    file = world.by_refresh_token()
    first = world.endpoint.refresh_token
    asked_for = answers_slowly(world)
    process = world.tool.start("scan")
    assert asked_for.wait(PATIENCE)
    process.send_signal(number)
    assert process.wait(PATIENCE) == code
    assert file.read_text("ascii").strip() == world.endpoint.refresh_token != first
    world.endpoint.recover()
    world.stores()


def test_a_daemon_that_is_ended_keeps_the_sign_in(world: World) -> None:
    """It waits for the renewal longer than for the mailbox."""
    file = world.by_refresh_token()
    first = world.endpoint.refresh_token
    asked_for = answers_slowly(world)
    with world.tool.daemon(ready=False) as daemon:
        assert asked_for.wait(PATIENCE)
        assert daemon.end() == 0
    assert daemon.says("daemon.stopped")
    assert file.read_text("ascii").strip() == world.endpoint.refresh_token != first
    world.endpoint.recover()
    world.stores()


def test_a_sign_in_that_could_not_be_kept_is_not_used_up(world: World) -> None:
    """Nothing is asked of the endpoint; once there is room, it goes on."""
    file = world.by_refresh_token()
    in_the_way(file).mkdir()
    done = world.fails("oauth-file")
    assert "cannot be written (Is a directory)" in done.out
    assert world.endpoint.grants == []
    in_the_way(file).rmdir()
    world.stores()
    assert not world.endpoint.stolen


def test_what_could_not_be_written_outlives_a_reload(world: World) -> None:
    """The volume fails in the middle of a renewal, and comes back after the reload."""
    file = world.by_refresh_token()
    during_a_request(world, in_the_way(file).mkdir)
    with world.tool.daemon() as daemon:
        assert daemon.says("oauth.refresh_token_not_written")
        during_a_request(world, in_the_way(file).rmdir)
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: daemon.says("daemon.reloaded"), "the reload")
        world.resets.make_the_trip()
        assert file.read_text("ascii").strip() == world.endpoint.refresh_token
    assert not world.endpoint.stolen


def test_what_could_not_be_written_is_written_at_the_end(world: World) -> None:
    """The volume fails in the middle of a renewal; it is mended, and the daemon restarted."""
    file = world.by_refresh_token()
    during_a_request(world, in_the_way(file).mkdir)
    with world.tool.daemon() as daemon:
        assert daemon.says("oauth.refresh_token_not_written")
        in_the_way(file).rmdir()
        assert daemon.end() == 0
    assert daemon.says("oauth.refresh_token_written")
    assert file.read_text("ascii").strip() == world.endpoint.refresh_token


def test_a_renewal_that_is_cut_off_is_told(world: World) -> None:
    """By the file whose sign-in may be lost: the endpoint takes longer than anybody waits."""
    file = world.by_refresh_token()
    asked_for = threading.Event()
    ended = threading.Event()

    def wait(_asked: Asked) -> Reply | None:
        asked_for.set()
        ended.wait(PATIENCE)
        return None

    world.endpoint.instead = wait
    with world.tool.daemon(ready=False) as daemon:
        assert asked_for.wait(PATIENCE)
        assert daemon.end() == 0
        ended.set()
    assert daemon.says("oauth.renewal_cut_off", file=str(file))
