"""Three nodes on raft, of which the leader is killed while tokens are written through a standby.

`make test` writes sixty and kills once; a larger TEST_SCALE writes up to three hundred and kills
twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import pytest

from tests.contract.vault import NOW, given, opened
from tests.kit import mails
from tests.kit.scale import times
from tests.kit.servers import RaftCluster, until
from token_catcher.errors import TransientError
from token_catcher.model import Capture, Reason, Receipt, Stored, Token, Unchanged
from token_catcher.vault import VaultStore

KILLS = min(times(1), 2)
USERS = ("one@acme.example", "two@acme.example", "three@acme.example")
"""Written to at the same time, so that the leader dies in the middle of a write."""
RESETS = min(times(60), 300) // len(USERS)
"""Of each user."""


@pytest.fixture
def cluster() -> Iterator[RaftCluster]:
    """Three nodes, each with a vote, which keep every version."""
    with RaftCluster() as running:
        for user in USERS:
            running.leader.settings(path_of(user), max_versions=RESETS + 10)
        yield running


def path_of(user: str) -> str:
    """Below the mount."""
    return f"salesforce/acme/{user}"


def resets_of(user: str) -> list[Capture]:
    """Each a second after the one before, and with a token that no other one has."""
    first = USERS.index(user) * RESETS
    return [reset(user, mails.token(first + number), number) for number in range(RESETS)]


def reset(user: str, token: str, second: int) -> Capture:
    """One of them."""
    mail = mails.mail(token.encode())
    issued_at = NOW + timedelta(seconds=second)
    return Capture(mail, user, Token(token), "acme", path_of(user), issued_at, issued_at)


@dataclass
class Writer:
    """Stores the resets of one user as the daemon does: one that fails is tried again."""

    store: VaultStore
    user: str
    receipts: list[Receipt] = field(default_factory=list)
    failures: int = 0

    def run(self) -> None:
        """Each reset is stored, and looked for at once, by a standby that may be behind."""
        for capture in resets_of(self.user):
            attempt = partial(self._receipt, capture)
            stored = until(attempt, "a write")
            found = until(attempt, "a look at what was written")
            assert found.version == stored.version
            self.receipts.append(stored)

    def _receipt(self, capture: Capture) -> Receipt | None:
        """Of the version that has the token, written now or before. None: not now."""
        try:
            outcome = self.store.store(capture)
        except TransientError:
            self.failures += 1
            return None
        if isinstance(outcome, Stored):
            return outcome.receipt
        assert isinstance(outcome, Unchanged)
        assert outcome.reason is Reason.SAME_TOKEN
        return outcome.written


def kill_leader_after(cluster: RaftCluster, writers: list[Writer], resets: int) -> None:
    """`kill -9` once everybody has stored so many; the node comes back as a standby."""
    until(lambda: min(len(writer.receipts) for writer in writers) >= resets, "the first resets")
    leader = cluster.leader
    leader.kill()
    until(lambda: cluster.leader is not leader, "another leader")
    leader.start()


@pytest.mark.servers
@pytest.mark.kill
def test_no_write_is_lost_or_doubled_while_the_leader_is_killed(cluster: RaftCluster) -> None:
    """Each reset is one version, in their order, and known as ours."""
    first, *others = [node.url for node in (*cluster.standbys, cluster.leader)]
    token = given(cluster.leader.root_token)
    with opened(first, token, others=tuple(others)) as store, ThreadPoolExecutor() as pool:
        writers = [Writer(store, user) for user in USERS]
        running = [pool.submit(writer.run) for writer in writers]
        for kill in range(1, KILLS + 1):
            kill_leader_after(cluster, writers, kill * RESETS // (KILLS + 1))
        for future in running:
            future.result()
    for writer in writers:
        path = path_of(writer.user)
        numbers = sorted(cluster.leader.versions(path))
        tokens = [(cluster.leader.get(path, n) or {}).get("security_token") for n in numbers]
        assert numbers == [receipt.version for receipt in writer.receipts]
        assert tokens == [capture.token.reveal() for capture in resets_of(writer.user)]
        assert writer.failures, "nobody missed the leader"
