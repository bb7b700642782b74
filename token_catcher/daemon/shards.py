"""Shares the mailboxes out among instances by rendezvous hashing.

Everybody computes the same answer, and nobody is asked. Each instance has a score for each mailbox,
and the highest scores win it. A score depends on nothing but the two, so when instances come or go,
only the mailboxes move that they win or lose. Two instances may watch one mailbox (`replicas`):
Vault's check-and-set is the arbiter between them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import partial

from token_catcher.errors import ConfigurationError


def mine(names: Sequence[str], index: int, count: int, replicas: int = 1) -> list[str]:
    """The mailboxes that the instance `index` of `count` watches, in their order.

    Each mailbox has `replicas` instances."""
    return [name for name in names if index in owners(name, count, replicas)]


def owners(name: str, count: int, replicas: int = 1) -> list[int]:
    """The instances that watch this mailbox, the one with the best claim first.

    All of them, where there are fewer than `replicas`."""
    ranked = sorted(range(count), key=partial(_score, name), reverse=True)
    return ranked[:replicas]


def index_from(hostname: str) -> int:
    """The ordinal that a StatefulSet gives its pods: 2 of `token-catcher-2`.

    ConfigurationError: the name has none."""
    # The first label of the name counts; a domain may follow it.
    ordinal = re.fullmatch(r"[^.]*-([0-9]{1,5})(?:\..*)?", hostname, re.ASCII | re.DOTALL)
    if ordinal is None:
        raise ConfigurationError(
            f"shard.index: got host name {ascii(hostname)[:80]}, expected one that ends in -N"
        )
    return int(ordinal[1])


def _score(name: str, index: int) -> bytes:
    """A fixed hash, since instances of different versions and machines have to agree on it."""
    return hashlib.sha256(f"{index}:{name}".encode()).digest()
