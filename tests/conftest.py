"""Fixtures for all tests: the real servers, one of each for a whole run.

And what marks the tests that need them, and what every test leaves behind: nothing.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import count

import pytest

from tests.kit.browser import Browser
from tests.kit.processes import reap_all
from tests.kit.scale import choose_examples
from tests.kit.servers import Dovecot, OpenBao, Pymap

choose_examples()
# Where a umask of 002 is usual, the configurations of tests would be writable by a group.
os.umask(0o022)
# What nohup or a shell's background has its children ignore, the programs of tests would as well.
for _number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)

SERVERS = frozenset({"dovecot", "openbao", "pymap", "own_dovecot", "own_openbao", "browser"})
_NUMBERS = count(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark `servers` what asks for a real server, so that `-m "not servers"` leaves it out."""
    for item in items:
        if SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    """Whatever a test started is gone at its end, also where it failed."""
    yield
    reap_all()


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """Shared by all tests of a process: use a `user` of your own, and do not stop it."""
    with Dovecot() as server:
        yield server


@pytest.fixture(scope="session")
def openbao() -> Iterator[OpenBao]:
    """Shared by all tests of a process: use an `org` of your own in every path; never seal it."""
    with OpenBao() as server:
        yield server


@pytest.fixture(scope="session")
def pymap() -> Iterator[Pymap]:
    """Shared by all tests of a process: it has one user, so look only at what you appended."""
    with Pymap() as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Shared by all tests of a process, cookies and all: `forget` them."""
    with Browser() as started:
        yield started


@pytest.fixture
def own_dovecot() -> Iterator[Dovecot]:
    """To stop, freeze and restart."""
    with Dovecot() as server:
        yield server


@pytest.fixture
def own_openbao() -> Iterator[OpenBao]:
    """To seal and restart; keeps its data."""
    with OpenBao(durable=True) as server:
        yield server


@pytest.fixture
def user() -> str:
    """A user of the shared Dovecot that no other test has; `dovecot.user(user)` makes it."""
    return f"user{next(_NUMBERS)}@example.com"


@pytest.fixture
def org() -> str:
    """An org, for paths in the shared OpenBao, that no other test has."""
    return f"org-{next(_NUMBERS)}"
