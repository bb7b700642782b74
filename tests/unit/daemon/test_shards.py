"""Which instance watches which mailbox."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from token_catcher.daemon.shards import index_from, mine, owners
from token_catcher.errors import ConfigurationError

NAMES = st.lists(st.text(max_size=20), unique=True, max_size=20)
COUNTS = st.integers(1, 12)


@given(NAMES, COUNTS, st.integers(1, 4))
def test_every_mailbox_has_as_many_instances_as_asked_for(
    names: list[str], count: int, replicas: int
) -> None:
    """Or all of them, where there are not enough; each in the order of the configuration."""
    shares = [mine(names, index, count, replicas) for index in range(count)]
    for share in shares:
        assert share == [name for name in names if name in share]
    for name in names:
        assert sum(name in share for share in shares) == min(replicas, count)


@given(st.text(max_size=20), COUNTS, st.integers(1, 4))
def test_a_new_instance_only_takes(name: str, count: int, replicas: int) -> None:
    """When an instance comes, no mailbox moves between the others.

    When the last one goes, none but its own move."""
    before = owners(name, count, replicas)
    after = owners(name, count + 1, replicas)
    assert set(after) - set(before) <= {count}
    others = [index for index in after if index != count]
    assert others == before[: len(others)]


@given(st.text(max_size=20), COUNTS, st.integers(1, 3))
def test_more_replicas_only_add(name: str, count: int, replicas: int) -> None:
    """Raising `replicas` takes no mailbox from anybody."""
    assert owners(name, count, replicas) == owners(name, count, replicas + 1)[:replicas]


def test_the_shares_are_even() -> None:
    """Of 3,000 mailboxes, two instances each, every one of five has 1,200, give or take a tenth."""
    names = [f"mailbox-{number}" for number in range(3000)]
    assert all(abs(len(mine(names, index, 5, 2)) - 1200) < 120 for index in range(5))


def test_the_shares_never_change() -> None:
    """Part of the contract: old and new versions run side by side during an upgrade."""
    assert owners("integrations", 5, 2) == [4, 2]
    assert owners("billing", 5, 2) == [4, 2]
    assert owners("メール", 5, 2) == [3, 0]


@pytest.mark.parametrize(
    ("hostname", "index"),
    [
        ("token-catcher-0", 0),
        ("token-catcher-12", 12),
        ("token-catcher-3.token-catcher.vaults.svc.cluster.local", 3),
    ],
)
def test_the_ordinal_of_a_statefulset(hostname: str, index: int) -> None:
    """The number after the last hyphen of the host name's first label."""
    assert index_from(hostname) == index


@pytest.mark.parametrize(
    "hostname", ["", "token-catcher", "node7", "a-1x", "a-", "a.b-1", "a-²", "a-1\n", "a-123456"]
)
def test_a_host_name_without_an_ordinal(hostname: str) -> None:
    """Is told, with what was expected."""
    with pytest.raises(ConfigurationError, match="expected one that ends in -N"):
        index_from(hostname)
