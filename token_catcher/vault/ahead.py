"""Secrets that were read ahead, for the tokens of one batch.

A write names the version that was read, and is refused where that is no longer the latest. So it
does no harm if the read is as old as its batch, and the whole batch is read before any of it is
written: that the mount is still the configured one is then asked once, and not for each new path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from token_catcher.model import Capture, Held, Holding, Stored, Unchanged
from token_catcher.vault.version import SecretVersion


class Store(Protocol):
    """What is needed of the store."""

    def store(
        self,
        capture: Capture,
        *,
        before_write: Callable[[], None],
        current: SecretVersion | None,
    ) -> Stored | Unchanged | Held: ...

    def overtaken(self, capture: Capture, newer: Capture) -> Unchanged | None: ...

    def holds(self, path: str, current: SecretVersion | None) -> Holding: ...


class StoreAhead:
    """The store, with what it has read: each secret is good for one write, and read again then."""

    def __init__(self, store: Store, versions: dict[str, SecretVersion]) -> None:
        """`versions`: the latest ones, by path."""
        self._store = store
        self._versions = versions

    def store(
        self, capture: Capture, *, before_write: Callable[[], None] = lambda: None
    ) -> Stored | Unchanged | Held:
        """See `ports.Storing`."""
        current = self._versions.pop(capture.path, None)
        return self._store.store(capture, before_write=before_write, current=current)

    def overtaken(self, capture: Capture, newer: Capture) -> Unchanged | None:
        """See `ports.Storing`."""
        return self._store.overtaken(capture, newer)

    def holds(self, path: str) -> Holding:
        """See `ports.Storing`."""
        return self._store.holds(path, self._versions.get(path))
