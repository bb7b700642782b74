"""How many files may be open at once. The limit is this process's own, put back afterwards."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from token_catcher.errors import StateError
from token_catcher.open_files import make_room


@pytest.fixture(autouse=True)
def limits() -> Iterator[tuple[int, int]]:
    """What we may have open, less than we could raise it to."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowered = most - 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowered, most))
    yield lowered, most
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))


def test_a_limit_that_suffices_stays(limits: tuple[int, int]) -> None:
    """To the last file."""
    make_room(limits[0], "a test")
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == limits


def test_a_limit_that_is_too_low_is_raised(limits: tuple[int, int]) -> None:
    """As far as it takes."""
    make_room(limits[0] + 7, "a test")
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (limits[0] + 7, limits[1])


def test_it_is_told_where_the_system_does_not_let_us(limits: tuple[int, int]) -> None:
    """With what it would take, and nothing is changed."""
    with pytest.raises(StateError) as refused:
        make_room(limits[1] + 1, "7 mailboxes")
    assert refused.value.code == "open-files"
    assert str(refused.value) == (
        f"got a limit of {limits[1]} open files, expected {limits[1] + 1} at least, for 7 mailboxes"
    )
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == limits
